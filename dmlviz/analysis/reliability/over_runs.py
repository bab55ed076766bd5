"""Outcomes by group, a number's interval over the runs of a group, and a share's interval over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.reliability.groups import Group, group_runs
from dmlviz.analysis.reliability.intervals import units
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.statistics import LEVEL, student, wilson
from dmlviz.core.types import InputError, Run

__all__ = ["LEVEL", "Interval", "Side", "interval_words", "over_runs", "share_interval", "sides", "text_shares", "units", "wilson_interval"]


class Side(NamedTuple):
    """One side of a comparison: a group and what its runs said of their test texts, in the group's order."""

    group: Group
    outcomes: tuple[Outcome, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.group.runs


class Interval(NamedTuple):
    """A number of a group. Bounds are NaN for a single unit."""

    n: int  # units (analysis/intervals.py): draws of the shots, else folds, else seeds
    mean: float
    low: float
    high: float


def sides(outcomes: Sequence[Outcome]) -> list[Side]:
    """The groups of these runs, in the order in which they are first met. Raises InputError for none."""
    if not outcomes:
        raise InputError("no finished run with a test part is in scope; pick some runs")
    by_id = {one.run.id: one for one in outcomes}
    return [Side(group, tuple(by_id[run.id] for run in group.runs)) for group in group_runs(one.run for one in outcomes)]


def over_runs(values: Sequence[float] | np.ndarray, runs: Sequence[Run], *, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Mean of one value per run over units and Student's 95 % interval, kept within least to most; values that are not finite are left out."""
    kept = np.asarray(values, dtype=np.float64)
    unit = units(runs).index
    finite = np.isfinite(kept)
    means = np.array([kept[finite & (unit == u)].mean() for u in np.unique(unit[finite])])
    if not len(means):
        return Interval(0, math.nan, math.nan, math.nan)
    low, high = student(means)
    return Interval(len(means), float(means.mean()), float(np.clip(low, least, most)), float(np.clip(high, least, most)))  # NaN stays NaN


def wilson_interval(hits: float, n: int) -> Interval:
    """Share of hits among n texts with Wilson's interval, which stays within 0 to 1 and holds for few texts."""
    if n == 0:
        return Interval(0, math.nan, math.nan, math.nan)
    low, high = wilson(hits, n)
    return Interval(n, hits / n, float(low), float(high))


def share_interval(hits: Sequence[float], counts: Sequence[int], runs: Sequence[Run], texts: np.ndarray) -> Interval:
    """Mean over runs of hits / counts, for few texts: a slice, a bin. Bounds stay within 0 to 1.

    A lone run has Wilson's interval over its texts. Several have Student's over units widened by what other texts would change, the distances to
    either bound added as squares (Zou and Donner 2008): nine texts that every draw gets right are no certainty. `texts` (M,): share of the runs that
    are right on each text; their variance says how many texts of one run they are worth, and Wilson's interval is taken of so many. In simulation
    (as in tests/analysis/test_calibration.py) it holds the truth in 94 to 100 of 100 cases with five draws, Student's alone in 88 to 94.
    """
    if len(runs) == 1:
        return wilson_interval(hits[0], counts[0])
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    found = over_runs(np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0), runs)
    if found.n < 2:
        return found
    low, high = _other_texts(found.mean, np.asarray(texts, dtype=np.float64))
    return Interval(found.n, found.mean, max(0.0, found.mean - math.hypot(found.mean - found.low, found.mean - low)),
                    min(1.0, found.mean + math.hypot(found.high - found.mean, high - found.mean)))  # fmt: skip


def _other_texts(share: float, texts: np.ndarray) -> tuple[float, float]:
    """Wilson's bounds of a share whose texts are right in `texts` of the runs each, with Student's t: never fewer texts than there are."""
    from scipy.special import stdtrit

    n = len(texts)
    spread = float(texts.var(ddof=1)) if n > 1 else 0.0
    worth = max(float(n), share * (1 - share) * n / spread) if spread > 0 else float(n)
    q = float(stdtrit(max(n - 1, 1), 0.5 + LEVEL / 2))
    center = (share + q * q / (2 * worth)) / (1 + q * q / worth)
    half = q / (1 + q * q / worth) * math.sqrt(share * (1 - share) / worth + q * q / (4 * worth * worth))
    return min(share, center - half), max(share, center + half)


def text_shares(rows: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> np.ndarray:
    """(M,) share of the runs that are right on each text that any of them has; one array of row ids and one of 0 or 1 per run."""
    _, inverse = np.unique(np.concatenate(rows), return_inverse=True)
    return np.bincount(inverse, np.concatenate(right).astype(np.float64)) / np.bincount(inverse)


def interval_words(groups: Sequence[Group], *, texts: bool) -> str:
    """What the intervals of these groups are of, in one sentence; `texts`: of `share_interval`, else of `over_runs`. Empty where there is none."""
    kinds = [f"Student's over {units(group.runs).name}s" + (" and Wilson's over test texts" if texts else "") for group in groups if not group.lone]
    kinds += ["Wilson's over test texts for a single run"] if texts and any(group.lone for group in groups) else []
    return f"95 % intervals: {', '.join(dict.fromkeys(kinds))}." if kinds else ""
