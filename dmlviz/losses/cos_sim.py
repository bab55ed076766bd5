"""Cosine: similarity one within a class, zero between classes."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss
from dmlviz.losses.pairs import cosines


class CosSim(MetricLoss):
    """Pull two texts of one class to cosine 1, push two of different classes to cosine 0 (not to -1).

    Source: the baseline of arXiv 2604.25853: mean over all pairs i < j of (cos(x_i, x_j) - [y_i = y_j])^2. Pooled vectors (B, D).
    Relation: contrastive stops at its margins; here every pair pulls until it is exact.
    """

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        if len(labels) < 2:
            return self.zero(encoded)
        first, second = torch.triu_indices(len(labels), len(labels), offset=1, device=labels.device)
        found = cosines(vectors)[first, second]  # (B(B-1)/2,)
        return (found - (labels[first] == labels[second]).to(found)).square().mean()
