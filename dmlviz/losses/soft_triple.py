"""SoftTriple: several learned centres per class."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlviz.core.types import Encoded
from dmlviz.losses.base import MetricLoss, at_least_float32, full_precision


class SoftTriple(MetricLoss):
    """Pull each vector towards the nearest centres of its class; push it from the centres of the others.

    Source: Qian et al. 2019, eq. 8-10, mean over vectors, plus their centre merging (`tau`). Vectors (V, D) and centres
    (C, K, D) are both L2-normalised. With token vectors, each token carries its text's label.
    Relation: K = 1 and margin 0 is a normalised softmax; TripleEntropy applies it to tokens next to cross-entropy;
    ProxyNCA and Proxy-Anchor keep one centre per class.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        seed: int,
        scale: float,  # the paper's lambda, la in code
        temperature: float,  # the paper's gamma; pytorch-metric-learning stores 1/gamma
        margin: float,  # the paper's delta
        tau: float,
        centers_per_class: int,  # the paper's K
        vectors: str,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.scale, self.temperature, self.margin, self.tau, self.which = scale, temperature, margin, tau, vectors
        self.centers_space = "pooled" if vectors == "pooled" else "tokens"
        start = torch.empty(dim, num_classes * centers_per_class)  # (D, C*K): the layout decides kaiming's fan
        nn.init.kaiming_uniform_(start, a=math.sqrt(5), generator=torch.Generator().manual_seed(seed))
        self.weight = nn.Parameter(start.T.reshape(num_classes, centers_per_class, dim).contiguous())  # (C, K, D)

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        vectors, labels = self.vectors(encoded, labels, self.which)  # (V, D), (V,)
        if len(vectors) == 0:
            return self.zero(encoded)
        similarities = self.similarities(vectors)  # (V, C)
        own = F.one_hot(labels, self.num_classes).to(similarities)
        logits = self.scale * (similarities - self.margin * own)
        return F.cross_entropy(logits, labels) + self.merging()

    def centers(self) -> Tensor:
        return self.weight

    def similarities(self, vectors: Tensor) -> Tensor:
        """S' (V, C): cosine to a class's centres, averaged with more weight on the nearer ones."""
        vectors = at_least_float32(vectors)
        with full_precision(vectors):
            cosines = torch.einsum("vd,ckd->vck", F.normalize(vectors, dim=1), self._directions(vectors.dtype))  # (V, C, K)
        return ((cosines / self.temperature).softmax(dim=2) * cosines).sum(dim=2)

    def merging(self) -> Tensor:
        """tau times the mean distance between two centres of a class, halved as in the authors' code."""
        classes, count, _ = self.weight.shape
        if self.tau == 0 or count == 1:
            return self.weight.new_zeros(())
        with full_precision(self.weight):
            directions = self._directions(at_least_float32(self.weight).dtype)
            cosines = torch.einsum("csd,ctd->cst", directions, directions)  # (C, K, K)
        first, second = torch.triu_indices(count, count, offset=1, device=cosines.device)
        distances = (2 + 1e-5 - 2 * cosines[:, first, second]).sqrt()  # (C, K(K-1)/2); 1e-5 keeps the gradient of equal centres finite
        return self.tau * distances.sum() / (classes * count * (count - 1))

    def _directions(self, dtype: torch.dtype) -> Tensor:
        """Centres of length one (C, K, D)."""
        return F.normalize(self.weight.to(dtype), dim=2)
