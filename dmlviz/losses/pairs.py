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
        # by differences: torch's default above 25 texts, by products, leaves texts that have come close without a correct digit
        gaps = torch.cdist(vectors, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    return gaps.square() if squared else gaps


def mean_above_zero(losses: Tensor) -> Tensor:
    """Mean over the entries above zero; zero, with a zero gradient, when none is."""
    return losses.sum() / (losses > 0).sum().clamp(min=1)


def same_class(labels: Tensor) -> Tensor:
    """(B,) -> (B, B) bool: two different texts of one class."""
    return (labels[:, None] == labels[None]) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)


def other_class(labels: Tensor) -> Tensor:
    """(B,) -> (B, B) bool: two texts of different classes."""
    return labels[:, None] != labels[None]
