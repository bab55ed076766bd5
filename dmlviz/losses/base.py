"""What every loss is: encoded texts and their class numbers in, one scalar out."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from dmlviz.core.types import Encoded, InputError


class MetricLoss(nn.Module):
    """The metric term of an objective, on its own; cross-entropy is mixed in by `mix`.

    A subclass writes `forward`, and `centers` and `similarities` if it has learned centres (and a `scale`). `forward` begins with

        vectors, labels = self.vectors(encoded, labels)

    and a batch with no valid pair ends with `return self.zero(encoded)`, a zero that still has a gradient.

    Chance: whoever needs it asks `self.generator()`. It depends on nothing but (`seed`, `draws`), where `draws` counts the
    draws made in training and is a saved buffer: a run resumed from a checkpoint draws exactly what the undisturbed run
    would have drawn, on any device. In eval mode or under `no_grad` the next draw is looked at but not used up.
    """

    second_forward = False  # True: the model runs the encoder again for this term, with a dropout mask of its own
    class_weights: Tensor | None = None  # (C,), set by the model; used by losses that classify by themselves (G-Loss)
    centers_space: str | None = None  # "pooled" or "tokens": the vectors the centres are compared with; None without centres

    def __init__(self, *, num_classes: int, dim: int, seed: int) -> None:
        super().__init__()
        self.num_classes, self.dim, self.seed = num_classes, dim, seed
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        raise NotImplementedError

    def prepare(self, pooled: Tensor) -> None:
        """Called once before a new run's first step (not on resume) with the support's (S, D) vectors of the untrained encoder."""

    def centers(self) -> Tensor | None:
        """(C, K, D), not normalised; None when the loss has no centres."""
        return None

    def similarities(self, pooled: Tensor) -> Tensor | None:
        """(B, C), how near a text is to each class's centres, before the loss's scale; None when the loss cannot tell classes apart by itself."""
        return None

    def class_scores(self, pooled: Tensor) -> Tensor | None:
        """(B, C), the loss's scale times `similarities`: the logits of training, margins apart. Higher is more likely; None without centres."""
        similar = self.similarities(pooled)
        return None if similar is None else self.scale * similar

    def vectors(self, encoded: Encoded, labels: Tensor, which: str = "pooled") -> tuple[Tensor, Tensor]:
        """The vectors a loss works on, (V, D) in float32 or wider, and their class numbers (V,).

        "pooled": one per text. "all_tokens": every token with its text's label, padding included.
        "masked_tokens": the same without padding.
        """
        self._check(labels)
        if which == "pooled":
            return at_least_float32(encoded.pooled), labels
        texts, tokens, _ = encoded.tokens.shape
        taken = encoded.mask.bool() if which == "masked_tokens" else encoded.mask.new_ones(texts, tokens, dtype=torch.bool)
        return at_least_float32(encoded.tokens[taken]), labels[:, None].expand(texts, tokens)[taken]

    def zero(self, encoded: Encoded) -> Tensor:
        """Zero, with a zero gradient for the embeddings and for every parameter (data-parallel training needs each one)."""
        parts = [encoded.pooled, encoded.tokens, *self.parameters()]
        return sum((at_least_float32(part.flatten()[:0]).sum() for part in parts[1:]), at_least_float32(encoded.pooled * 0).sum())

    def generator(self) -> torch.Generator:
        """A CPU generator for one draw; see the class docstring."""
        digest = hashlib.sha256(f"{self.seed} {int(self.draws)}".encode()).digest()
        if self.training and torch.is_grad_enabled():
            self.draws += 1
        # torch's CPU generator reads only 32 bits of its seed, so both numbers are hashed into them
        return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))

    def _check(self, labels: Tensor) -> None:
        if len(labels) == 0:
            return
        low, high = torch.stack([labels.min(), labels.max()]).tolist()  # one look at the device, not two
        if low < 0 or high >= self.num_classes:
            raise InputError(
                f"labels go from {low} to {high}, but the loss was made for {self.num_classes} classes, 0 to {self.num_classes - 1}; "
                "mend the labels or build the loss with more classes"
            )


def mix(ce: Tensor, metric: Tensor | None, ce_weight: float) -> Tensor:
    """L = ce_weight * CE + (1 - ce_weight) * metric: one rule for every objective.

    The papers weigh in opposite directions. TripleEntropy's beta is `ce_weight`; the lambda of Gunel et al. and of G-Loss
    multiplies the metric term, so it is 1 - `ce_weight`. `metric` None (cross_entropy) leaves CE alone, whatever the weight.
    """
    return ce if metric is None else ce_weight * ce + (1 - ce_weight) * metric


def at_least_float32(tensor: Tensor) -> Tensor:
    """bf16 and half become float32; float32 and float64 stay as they are."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def full_precision(tensor: Tensor) -> AbstractContextManager[None]:
    """Switches autocast off around a loss's products: a similarity times a scale of 20 has no digits left in bf16."""
    return torch.autocast(tensor.device.type, enabled=False)
