"""G-Loss: guess hidden labels from the similarity graph of the batch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from dmlviz.core.types import Encoded, InputError
from dmlviz.losses.base import MetricLoss
from dmlviz.losses.propagation import propagate, sqrt_median_sigma, text_transition, wide

FLOOR = 1e-100  # a probability below it counts as this much (the loss of one text stays under 231), a sum of scores as none


class GLoss(MetricLoss):
    """Pull a text whose label is hidden towards visible texts of its class, along paths through the whole batch.

    Source: arXiv 2604.25853, sec. 3 and app. A. Pooled vectors (B, D), L2-normalised; Gaussian graph; a random
    `visible_share` of the batch keeps its labels; closed-form propagation in float64; -log of the score on the hidden texts.
    Relation: contrastive losses look at pairs; here a text also moves by way of its neighbours' neighbours.

    Where the paper is silent. Without `row_normalise` a text's scores do not sum to one, so they are divided by their
    sum. A hidden text whose class has no visible text in the batch cannot be guessed (the paper's formula is infinite):
    it is left out of the mean, as is one that is similar to nothing; `left_out` counts them for the log. If none is
    left, the loss is `zero`. The number of visible texts is round(visible_share * B), at least 1 and at most B - 1.
    `form="scores_as_logits"` is the authors' code: softmax cross-entropy over the scores, every hidden text counted; it
    cannot fall below log(1 + (C-1)/e). `divide_again` (their integrated code) divides the mean by the number of hidden texts once more, so that
    the term nearly vanishes beside cross-entropy. `class_weights` weigh the hidden texts as torch's cross-entropy does (weighted mean).

    sigma is a saved buffer, NaN until known: `sigma_rule="fixed"` or "tuned" (G-Loss-O) sets it at once, "sqrt_median" in `prepare` from
    the support texts (as the authors do), or else from the first training batch of two texts or more.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        dim: int,
        seed: int,
        sigma_rule: str,
        sigma: float,
        visible_share: float,  # the paper's gamma
        median_of: str,
        median_diagonal: bool,
        form: str,
        row_normalise: bool,
        divide_again: bool,
        second_forward: bool,
    ) -> None:
        super().__init__(num_classes=num_classes, dim=dim, seed=seed)
        self.sigma_rule, self.visible_share, self.form, self.row_normalise = sigma_rule, visible_share, form, row_normalise
        self.divide_again, self.second_forward = divide_again, second_forward
        self.median = {"squared": median_of == "squared_distance", "include_diagonal": median_diagonal}
        self.register_buffer("sigma", torch.tensor(math.nan if sigma_rule == "sqrt_median" else sigma))
        self.left_out = 0  # hidden texts of the last batch that were not counted
        self.seen: tuple[Tensor, Tensor, float] | None = None  # the last training batch: unit vectors (B, D), visible (B,), sigma

    def forward(self, encoded: Encoded, labels: Tensor) -> Tensor:
        pooled, labels = self.vectors(encoded, labels)  # (B, D), (B,)
        self.left_out, self.seen = 0, None
        if len(pooled) < 2:
            return self.zero(encoded)
        embeddings = F.normalize(wide(pooled), dim=1)  # float64 from here to the loss
        visible = self.draw_mask(len(pooled)).to(embeddings.device)  # (B,)
        labels = labels.to(embeddings.device)
        one_hot = F.one_hot(labels, self.num_classes).to(embeddings.dtype)  # (B, C)
        sigma = self._sigma(embeddings)
        if self.training:
            self.seen = (embeddings.detach(), visible, sigma)
        shares = text_transition(embeddings, sigma, self.row_normalise)
        scores = propagate(shares, one_hot, visible)  # (U, C)
        hidden, again = labels[~visible], int((~visible).sum()) if self.divide_again else 1
        weights = torch.ones_like(scores[:, 0]) if self.class_weights is None else self.class_weights.to(scores)[hidden]  # (U,)
        if self.form == "scores_as_logits":
            losses = F.cross_entropy(scores, hidden, reduction="none")
        else:
            losses, counted = self._nll(scores, hidden, one_hot[visible].any(dim=0))
            weights = weights[counted]
        return ((losses * weights).sum() / weights.sum() / again).to(pooled) if len(losses) else self.zero(encoded)

    def prepare(self, pooled: Tensor) -> None:
        """Set sigma from the support texts (S, D) of the untrained encoder, once."""
        if self.sigma_rule == "sqrt_median":
            self.sigma.fill_(sqrt_median_sigma(F.normalize(wide(pooled), dim=1), **self.median))

    def draw_mask(self, count: int) -> Tensor:
        """(B,) bool, True where the label stays visible. Drawn by position in the batch from `generator()`."""
        shown = min(max(round(self.visible_share * count), 1), count - 1)
        mask = torch.zeros(count, dtype=torch.bool)
        mask[torch.randperm(count, generator=self.generator())[:shown]] = True
        return mask

    def _nll(self, scores: Tensor, labels: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """-log of the true class's probability of each hidden text that can be guessed, and (U,) bool: which those are."""
        reached = scores.sum(dim=1) > FLOOR
        guessable = seen[labels]
        if guessable.any() and not (guessable & reached).any():
            raise InputError(
                f"g_loss: with sigma={float(self.sigma):g} no text of the batch is similar to any other (every kernel weight is 0); "
                "raise sigma, or set sigma_rule to sqrt_median"
            )
        counted = guessable & reached
        self.left_out = int((~counted).sum())
        probabilities = scores[counted] / scores[counted].sum(dim=1, keepdim=True)  # rows sum to one again
        return -probabilities.gather(1, labels[counted, None])[:, 0].clamp_min(FLOOR).log(), counted

    def _sigma(self, embeddings: Tensor) -> float:
        if math.isnan(float(self.sigma)):
            sigma = sqrt_median_sigma(embeddings, **self.median)
            if not (self.training and torch.is_grad_enabled()):
                return sigma  # a look in eval mode decides nothing
            self.sigma.fill_(sigma)
        return float(self.sigma)
