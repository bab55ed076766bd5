"""ProxyNCA: one learned proxy per class stands for its texts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss, at_least_float32, full_precision


class ProxyNCA(MetricLoss):
    """Pull each text towards the proxy of its class, push it from the proxies of the other classes.

    Source: Movshovitz-Attias et al. 2017, eq. 4: -log(exp(-d(x, p_y)) / sum over the other classes of exp(-d(x, p_z))), d the squared Euclidean
    distance of L2-normalised vectors (B, D) and proxies (C, D), times `scale`. Without its own proxy in the denominator the loss may fall below zero;
    `denominator="all"` is pytorch-metric-learning's form, a softmax over every class.
    Relation: SoftTriple with one centre is nearly the latter; Proxy-Anchor weighs hard texts more.
    """

    centers_space = "pooled"

    def __init__(self, *, num_classes: int, dim: int, seed: int, scale: float, denominator: str) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.scale, self.denominator = scale, denominator
        self.weight = nn.Parameter(proxies(num_classes, dim, seed))  # (C, K=1, D)

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        if len(labels) == 0 or self.num_classes == 1:  # a single proxy has no other to be told from
            return self.zero(encoded)
        scores = self.class_scores(vectors)  # (B, C)
        if self.denominator == "all":
            return F.cross_entropy(scores, labels)
        own = F.one_hot(labels, self.num_classes).bool()
        return (scores.masked_fill(own, -torch.inf).logsumexp(dim=1) - scores[own]).mean()

    def centers(self) -> Tensor:
        return self.weight

    def similarities(self, pooled: Tensor) -> Tensor:
        """Minus the squared distance (B, C): nearer is more likely. (pytorch-metric-learning's `get_logits` is the distance itself.)"""
        pooled = at_least_float32(pooled)
        with full_precision(pooled):
            cosine = F.normalize(pooled, dim=1) @ F.normalize(self.weight[:, 0].to(pooled.dtype), dim=1).T
        return 2 * cosine - 2


def proxies(num_classes: int, dim: int, seed: int) -> Tensor:
    """(C, 1, D) random directions of about unit length: kaiming normal over the classes, as pytorch-metric-learning starts them."""
    start = torch.empty(num_classes, dim)
    nn.init.kaiming_normal_(start, mode="fan_out", generator=torch.Generator().manual_seed(seed))
    return start[:, None]
