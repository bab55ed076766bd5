"""Which test texts a job looks at first."""

from __future__ import annotations

import numpy as np


def sample_rows(roles: np.ndarray, labels: np.ndarray, row_ids: np.ndarray, count: int) -> np.ndarray:
    """Row ids of `count` test texts, as even over the classes as there are texts; the same for every run of a split, and few are part of many.

    All arguments (N,), in one order; at most as many as there are test texts.
    """
    test = np.flatnonzero(roles == "test")
    order = np.random.default_rng(0).permutation(test)
    turn = np.zeros(len(order), dtype=np.int64)  # how many texts of its class stand before it
    for label in np.unique(labels[order]):
        own = labels[order] == label
        turn[own] = np.arange(own.sum())
    return np.asarray(row_ids)[order[np.argsort(turn, kind="stable")]][:count]
