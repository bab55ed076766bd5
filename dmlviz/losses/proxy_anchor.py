"""Proxy-Anchor: each class's proxy looks at all texts of the batch at once."""

from __future__ import annotations

import torch
from pytorch_metric_learning.losses import ProxyAnchorLoss
from torch import Tensor, nn

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss, at_least_float32, full_precision
from dmlviz.losses.proxy_nca import proxies


class ProxyAnchor(MetricLoss):
    """Pull the texts of a class towards its proxy and push the others away, the hard ones most.

    Source: Kim et al. 2020, eq. 4, computed by pytorch-metric-learning: mean over classes present of log(1 + sum_pos exp(-scale (s - margin))) plus
    mean over all classes of log(1 + sum_neg exp(scale (s + margin))), s the cosine of pooled vectors (B, D) and proxies (C, D).
    Relation: ProxyNCA asks each text for its proxy, Proxy-Anchor each proxy for its texts.
    """

    centers_space = "pooled"

    def __init__(self, *, num_classes: int, dim: int, seed: int, scale: float, margin: float) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.scale = scale  # the paper's alpha; margin is its delta
        with torch.random.fork_rng(devices=[]):  # the library draws proxies of its own, which are replaced
            self.loss = ProxyAnchorLoss(num_classes, dim, margin=margin, alpha=scale)
        self.loss.proxies = nn.Parameter(proxies(num_classes, dim, seed)[:, 0].contiguous())  # (C, D)

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        if len(labels) == 0:
            return self.zero(encoded)
        with full_precision(vectors):
            return self.loss(vectors, labels)

    def centers(self) -> Tensor:
        return self.loss.proxies[:, None]

    def similarities(self, pooled: Tensor) -> Tensor:
        """Cosine to the proxies (B, C)."""
        pooled = at_least_float32(pooled)
        with full_precision(pooled):
            return self.loss.get_logits(pooled)
