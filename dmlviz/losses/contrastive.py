"""Contrastive: positives nearer than one margin, negatives farther than another."""

from __future__ import annotations

from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss
from dmlviz.losses.pairs import distances, mean_above_zero, other_class, same_class


class Contrastive(MetricLoss):
    """Pull two texts of one class together down to `pos_margin`, push two of different classes apart up to `neg_margin`.

    Source: Hadsell et al. 2006, in the form of pytorch-metric-learning: relu(d - pos_margin), relu(neg_margin - d), each averaged over the pairs
    whose loss is above zero; d is Euclidean between L2-normalised pooled vectors (B, D). Not wrapped: above 25 texts the library computes d by
    products, and in float32 the gradient of a class that has come together is then wrong by a tenth.
    Relation: its distances are absolute; triplet compares two of them.
    """

    def __init__(self, *, num_classes: int, dim: int, seed: int, pos_margin: float, neg_margin: float) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.pos_margin, self.neg_margin = pos_margin, neg_margin

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        if len(labels) < 2:
            return self.zero(encoded)
        gaps = distances(vectors, normalise=True, squared=False)  # (B, B)
        pulled = (gaps - self.pos_margin).relu() * same_class(labels)
        pushed = (self.neg_margin - gaps).relu() * other_class(labels)
        return mean_above_zero(pulled) + mean_above_zero(pushed)
