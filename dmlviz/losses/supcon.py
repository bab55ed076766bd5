"""SupCon: every text of the class is a positive."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss
from dmlviz.losses.pairs import cosines, same_class

BASE_TEMPERATURE = 0.07  # of Khosla's code, from which the factor of G-Loss's authors comes


class SupCon(MetricLoss):
    """Pull each text towards the other texts of its class in the batch, push it from all others.

    Source: Khosla et al. 2020, L_out, as Gunel et al. 2021 use it for text: one view, pooled vectors (B, D) L2-normalised; for each text with a
    positive, minus the mean over its positives of log softmax over all other texts; mean over those texts.
    Relation: N-pairs takes one positive and one text of each other class; SupCon takes them all.
    """

    def __init__(self, *, num_classes: int, dim: int, seed: int, temperature: float, factor: str, second_forward: bool) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.temperature, self.second_forward = temperature, second_forward  # temperature: the paper's tau
        self.factor = temperature / BASE_TEMPERATURE if factor == "tau_over_0.07" else 1.0

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        positives = same_class(labels)
        anchors = positives.any(dim=1)
        if not anchors.any():
            return self.zero(encoded)
        scores = cosines(vectors) / self.temperature
        scores = scores.masked_fill(torch.eye(len(labels), dtype=torch.bool, device=labels.device), -torch.inf)
        log_shares = scores - scores.logsumexp(dim=1, keepdim=True)  # (B, B)
        # B_y - 1 in the mean: an anchor is never its own positive
        losses = -log_shares.masked_fill(~positives, 0.0).sum(dim=1)[anchors] / positives.sum(dim=1)[anchors]
        return self.factor * losses.mean()
