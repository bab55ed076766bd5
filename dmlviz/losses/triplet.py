"""Triplet: an anchor nearer to its class than to another, by a margin."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss
from dmlviz.losses.pairs import distances, mean_above_zero, other_class, same_class


class Triplet(MetricLoss):
    """Pull a text towards a text of its class until it is nearer, by a margin, than a text of another class.

    Source: Schroff et al. 2015; batch_all and batch_hard as in Hermans et al. 2017: all triplets of the batch (mean over those with a loss above
    zero), or for each anchor its farthest positive and nearest negative (mean over anchors). Pooled vectors (B, D).
    Relation: contrastive judges pairs by a fixed distance, triplet one pair against another.
    """

    def __init__(self, *, num_classes: int, dim: int, seed: int, margin: float, mining: str, squared: bool, normalise: bool) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.margin, self.mining, self.squared, self.normalise = margin, mining, squared, normalise  # margin: alpha in FaceNet and G-Loss

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        positives, negatives = same_class(labels), other_class(labels)
        anchors = positives.any(dim=1) & negatives.any(dim=1)
        if not anchors.any():
            return self.zero(encoded)
        gaps = distances(vectors, normalise=self.normalise, squared=self.squared)  # (B, B)
        if self.mining == "batch_hard":
            far = gaps.masked_fill(~positives, -torch.inf).amax(dim=1)[anchors]
            near = gaps.masked_fill(~negatives, torch.inf).amin(dim=1)[anchors]
            return (far - near + self.margin).relu().mean()
        anchor, positive = positives.nonzero(as_tuple=True)  # (P,), (P,): far fewer rows than B * B
        losses = (gaps[anchor, positive][:, None] - gaps[anchor] + self.margin).relu()  # (P, B): one column per negative
        return mean_above_zero(losses * negatives[anchor])
