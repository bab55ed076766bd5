"""Balanced batches: every text once an epoch, near-equal class shares in every batch, and company of its class for each text where possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class BalancedSampler(Sampler[int]):
    """Row numbers of one epoch, to be cut into batches of `batch_size`. They depend on nothing but (seed, epoch), so a resumed run sees the same."""

    def __init__(self, labels: np.ndarray, batch_size: int, seed: int) -> None:
        self.labels, self.batch_size, self.seed, self.epoch = labels, batch_size, seed, 0

    def __iter__(self) -> Iterator[int]:
        return iter(balanced_order(self.labels, self.batch_size, self.seed, self.epoch).tolist())

    def __len__(self) -> int:
        return len(self.labels)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def balanced_order(labels: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """labels (S,) -> a permutation of the S rows; each run of `batch_size` rows is a batch, the last one may be smaller.

    Where a batch holds two texts or more of every class at fair shares, it gets its fair shares (rounded). Where it is too small for that,
    classes take turns, two texts at a time, those first that lag most behind their share. A class that is left with a single text stays alone.
    """
    rng = np.random.default_rng([seed, epoch])
    waiting = {int(c): rng.permutation(np.flatnonzero(labels == c)).tolist() for c in np.unique(labels)}
    order: list[int] = []
    while len(order) < len(labels):
        left = np.array([len(rows) for rows in waiting.values()])
        taken = _shares(left, min(batch_size, int(left.sum())), rng)
        batch = [rows.pop() for rows, count in zip(waiting.values(), taken.tolist(), strict=True) for _ in range(count)]
        order += rng.permutation(batch).tolist()  # a text's place in its batch says nothing of its class
    return np.array(order, dtype=np.int64)


def _shares(left: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(C,) texts of each class in the next batch of `size`, when `left` (C,) have not had their turn yet."""
    fair = size * left / left.sum()
    tie = rng.permutation(len(left)) * 1e-9  # who is first among equals
    if (fair[left > 0] >= 2).all():
        taken = np.floor(fair + 1e-9).astype(np.int64)
        taken[np.argsort(taken - fair + tie, kind="stable")[: size - int(taken.sum())]] += 1
        return taken
    taken = np.zeros_like(left)
    while room := size - int(taken.sum()):
        rest, lag = left - taken, fair - taken
        if room == 1 and np.count_nonzero(taken) > 1:  # rather one more of a class that is here, rather the odd text of a class than half of a pair
            rank = 2.0 * (taken > 0) + rest % 2
        elif room == 1 and size > 1:  # a batch of one class has nothing to push apart
            rank = 2.0 * (taken == 0) + rest % 2
        else:
            rank = lag
        chosen = int(np.argmax(np.where(rest > 0, rank - tie, -np.inf)))
        unit = 1 if taken[chosen] and lag[chosen] < 1.5 else 3 if rest[chosen] == 3 else 2
        taken[chosen] += min(unit, int(rest[chosen]), room)
    return taken
