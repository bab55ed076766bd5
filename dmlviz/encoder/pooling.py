"""From the vectors of tokens to one vector per text, as sentence-transformers defines it."""

from __future__ import annotations

import torch
from torch import Tensor

# name -> sentence-transformers' name, in the order in which it concatenates several
POOLINGS = {
    "cls": "cls", "max": "max", "mean": "mean", "mean_sqrt_len": "mean_sqrt_len_tokens", "weighted_mean": "weightedmean", "last": "lasttoken",
}  # fmt: skip


def pool(tokens: Tensor, mask: Tensor, how: str) -> Tensor:
    """(B, T, D) of tokens and their (B, T) mask, padded on either side -> (B, D), or (B, n·D) for n poolings joined by "+".

    cls: the first real token. last: the last one. mean and max: over real tokens. mean_sqrt_len: their sum over the root of their number.
    weighted_mean: the mean with weights 1, 2, 3 ... from the first real token on.
    """
    parts = [_POOLED[one](tokens, mask) for one in how.split("+")]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _first(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens[torch.arange(len(tokens), device=tokens.device), mask.to(torch.int32).argmax(dim=1)]


def _last(tokens: Tensor, mask: Tensor) -> Tensor:
    behind = mask.to(torch.int32).flip(1).argmax(dim=1)  # padding behind the last real token
    return tokens[torch.arange(len(tokens), device=tokens.device), mask.shape[1] - 1 - behind]


def _mean(tokens: Tensor, mask: Tensor, root: bool = False) -> Tensor:
    weights = mask.unsqueeze(-1).to(tokens.dtype)  # (B, T, 1)
    count = weights.sum(dim=1).clamp(min=1)
    return (tokens * weights).sum(dim=1) / (count.sqrt() if root else count)


def _max(tokens: Tensor, mask: Tensor) -> Tensor:
    return tokens.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).max(dim=1).values


def _weighted_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    weights = (mask.cumsum(dim=1) * mask).unsqueeze(-1).to(tokens.dtype)  # (B, T, 1) 1, 2, 3 ... on real tokens
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


_POOLED = {
    "cls": _first, "max": _max, "mean": _mean, "mean_sqrt_len": lambda tokens, mask: _mean(tokens, mask, root=True), "weighted_mean": _weighted_mean,
    "last": _last,
}  # fmt: skip
