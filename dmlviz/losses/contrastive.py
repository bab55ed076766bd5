"""Contrastive: positives nearer than one margin, negatives farther than another."""

from __future__ import annotations

from pytorch_metric_learning.losses import ContrastiveLoss
from torch import Tensor

from dmlviz.losses.base import MetricLoss, full_precision
from dmlviz.losses.pairs import other_class, same_class
from dmlviz.records import Encoded


class Contrastive(MetricLoss):
    """Pull two texts of one class together down to `pos_margin`, push two of different classes apart up to `neg_margin`.

    Source: Hadsell et al. 2006, in the form of pytorch-metric-learning, which computes it: relu(d - pos_margin), relu(neg_margin - d), each averaged
    over the pairs whose loss is above zero; d is Euclidean between L2-normalised pooled vectors (B, D).
    Relation: its distances are absolute; triplet compares two of them.
    """

    def __init__(self, *, num_classes: int, dim: int, seed: int, pos_margin: float, neg_margin: float) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.loss = ContrastiveLoss(pos_margin=pos_margin, neg_margin=neg_margin)

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        if not (same_class(labels).any() or other_class(labels).any()):
            return self.zero(encoded)
        with full_precision(vectors):
            return self.loss(vectors, labels) + self.zero(encoded)  # the library's zero has no gradient where every pair is content
