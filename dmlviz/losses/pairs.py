"""What losses over pairs share: unit vectors, similarities and masks of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz.losses.base import full_precision


def cosines(vectors: Tensor) -> Tensor:
    """(B, D) -> (B, B) cosine similarities, in full precision."""
    with full_precision(vectors):
        unit = F.normalize(vectors, dim=1)
        return unit @ unit.T


def distances(vectors: Tensor, *, normalise: bool, squared: bool) -> Tensor:
    """(B, D) -> (B, B) Euclidean distances; zero on the diagonal, with a zero gradient where two vectors are equal."""
    with full_precision(vectors):
        if normalise:
            vectors = F.normalize(vectors, dim=1)
        gaps = (vectors[:, None] - vectors[None]).square().sum(dim=2)  # exact for equal vectors, which products are not
        if squared:
            return gaps
        apart = gaps > 0
        return torch.where(apart, gaps, torch.ones_like(gaps)).sqrt() * apart


def same_class(labels: Tensor) -> Tensor:
    """(B,) -> (B, B) bool: two different texts of one class."""
    return (labels[:, None] == labels[None]) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)


def other_class(labels: Tensor) -> Tensor:
    """(B,) -> (B, B) bool: two texts of different classes."""
    return labels[:, None] != labels[None]
