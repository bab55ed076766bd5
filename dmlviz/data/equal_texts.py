"""Which rows hold the same text: by hashes and one sort, without a table of all texts."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


def first_rows(texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
    """(N,) for each row the first row with the same text (and pair): equal where these are. N log N, some 40 bytes a row."""
    keys: Sequence[Hashable] = texts if pairs is None else list(zip(texts, pairs, strict=True))
    hashes = np.fromiter(map(hash, keys), np.int64, len(keys))
    order = np.argsort(hashes, kind="stable")
    begins = np.ones(len(keys), dtype=bool)
    begins[1:] = hashes[order[1:]] != hashes[order[:-1]]
    first = np.empty(len(keys), dtype=np.int64)
    first[order] = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    if any(keys[i] != keys[first[i]] for i in np.flatnonzero(first != np.arange(len(keys))).tolist()):
        known: dict[Hashable, int] = {}  # two texts of one hash
        return np.fromiter(map(known.setdefault, keys, range(len(keys))), np.int64, len(keys))
    return first


def among(rows: np.ndarray, others: np.ndarray, size: int) -> np.ndarray:
    """Which of these row numbers (all below `size`) are among the others: numpy's isin in one pass."""
    marked = np.zeros(size, dtype=bool)
    marked[others] = True
    return marked[rows]


def one_of_each_text(rows: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Of rows with the same text (`first`, as `first_rows` gives it), the one that stands first in `rows`; in the order of `rows`."""
    place = np.empty(len(first), dtype=np.int64)
    place[first[rows[::-1]]] = np.arange(len(rows))[::-1]  # the last one written is the first one of `rows`
    return rows[place[first[rows]] == np.arange(len(rows))]
