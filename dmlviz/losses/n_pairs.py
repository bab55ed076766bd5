"""N-pairs: one pair per class, each told from all the others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss, full_precision


class NPairs(MetricLoss):
    """Pull the anchor of each class towards its positive, push it from the positives of the other classes.

    Source: Sohn 2016, eq. 6, without its L2 penalty: cross-entropy over the dot products of N anchors and N positives, one pair for each class with
    two texts in the batch. Which two is drawn by `draw_order` (the loss's own generator), so one class with many texts gives another pair each step.
    Pooled vectors (B, D), L2-normalised unless `normalise` is off.
    Relation: SupCon uses every pair of the batch instead of one per class.
    """

    def __init__(self, *, num_classes: int, dim: int, seed: int, normalise: bool) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.normalise = normalise

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        anchors, positives = self.pairs(labels)
        if len(anchors) < 2:  # a single pair has nothing to be told from
            return self.zero(encoded)
        with full_precision(vectors):
            if self.normalise:
                vectors = F.normalize(vectors, dim=1)
            products = vectors[anchors] @ vectors[positives].T  # (N, N)
        return F.cross_entropy(products, torch.arange(len(anchors), device=products.device))

    def pairs(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """((N,), (N,)): anchor and positive of each class that has two texts, the first two of it in `draw_order`."""
        order = self.draw_order(len(labels)).to(labels.device)
        first, second = [], []
        for label in labels.unique():
            own = order[labels[order] == label]
            if len(own) > 1:
                first.append(own[0])
                second.append(own[1])
        return (torch.stack(first), torch.stack(second)) if first else (order[:0], order[:0])

    def draw_order(self, count: int) -> Tensor:
        """(B,) positions in the batch, in random order."""
        return torch.randperm(count, generator=self.generator())
