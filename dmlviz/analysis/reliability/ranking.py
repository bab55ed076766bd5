"""Methods ranked over data sets: mean ranks, Friedman's test, Nemenyi's critical difference (Demšar 2006)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FEWEST_SETS = 5
SHUFFLES = 20_000


class Ranking(NamedTuple):
    """Mean ranks of K methods over N data sets; 1 is best."""

    ranks: np.ndarray  # (K,)
    sets: int
    friedman: float  # p of the permutation test; NaN with fewer than FEWEST_SETS data sets
    critical: float  # Nemenyi's critical difference at 5 %; NaN likewise


def rank(values: np.ndarray) -> Ranking:
    """values (N, K), higher is better, no gap. Ties share their mean rank."""
    from scipy.stats import rankdata

    values = np.asarray(values, dtype=float)
    ranks = rankdata(-values.round(12), axis=1)
    sets, methods = values.shape
    enough = sets >= FEWEST_SETS and methods > 1
    return Ranking(ranks.mean(axis=0), sets, friedman(ranks) if enough else np.nan, critical_difference(methods, sets) if enough else np.nan)


def friedman(ranks: np.ndarray, seed: int = 0) -> float:
    """p of Friedman's statistic (1937), the spread of the mean ranks, by 20,000 shuffles of each data set's ranks (N, K): holds for few sets too."""
    rng, ranks = np.random.default_rng(seed), np.asarray(ranks, dtype=float)
    spread = lambda found: ((found.mean(axis=-2) - ranks.mean()) ** 2).sum(axis=-1)  # noqa: E731
    shuffled = rng.permuted(np.broadcast_to(ranks, (SHUFFLES, *ranks.shape)), axis=2)
    return float((1 + (spread(shuffled) >= spread(ranks) - 1e-12).sum()) / (1 + SHUFFLES))


def critical_difference(methods: int, sets: int, alpha: float = 0.05) -> float:
    """Nemenyi's: q √(K (K + 1) / (6 N)), q the studentised range over √2."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2) * np.sqrt(methods * (methods + 1) / (6 * sets)))


def cliques(ranks: np.ndarray, critical: float) -> list[tuple[int, int]]:
    """(first, last) places in the order of `ranks` (sorted, best first) that lie within the critical difference; only the longest, two or more."""
    found = []
    for first in range(len(ranks)):
        last = int(np.flatnonzero(np.asarray(ranks) <= ranks[first] + critical)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
