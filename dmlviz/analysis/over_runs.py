"""Outcomes by group, a number's interval over the runs of a group, and a share's interval over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.groups import Group, group_runs
from dmlviz.analysis.intervals import LEVEL, student, units, wilson
from dmlviz.analysis.outcomes import Outcome
from dmlviz.records import InputError, Run

__all__ = ["LEVEL", "Interval", "Side", "interval_words", "over_runs", "share_interval", "sides", "units", "wilson_interval"]


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
    low, high = wilson(hits / n, n)
    return Interval(n, hits / n, max(0.0, min(low, hits / n)), min(1.0, max(high, hits / n)))  # at 0 and 1 rounding may cross the share


def share_interval(hits: Sequence[float], counts: Sequence[int], runs: Sequence[Run]) -> Interval:
    """Mean over runs of hits / counts, for few texts: a slice, a bin. Bounds stay within 0 to 1.

    A lone run has Wilson's interval over its texts. Several have Student's over units widened by Wilson's over texts, the distances to either bound
    added as squares (Zou and Donner 2008): nine texts that every draw gets right are no certainty. One unit is as a lone run: NaN for Student's.
    """
    if len(runs) == 1:
        return wilson_interval(hits[0], counts[0])
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    found = over_runs(np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0), runs)
    if found.n < 2:
        return found
    texts = max(1, round(float(counts[counts > 0].mean())))
    alone = wilson_interval(found.mean * texts, texts)
    low = found.mean - math.hypot(found.mean - found.low, found.mean - alone.low)
    high = found.mean + math.hypot(found.high - found.mean, alone.high - found.mean)
    return Interval(found.n, found.mean, max(0.0, low), min(1.0, high))


def interval_words(groups: Sequence[Group], *, texts: bool) -> str:
    """What the intervals of these groups are of, in one sentence; `texts`: of `share_interval`, else of `over_runs`. Empty where there is none."""
    kinds = [f"Student's over {units(group.runs).name}s" + (" with Wilson's over test texts" if texts else "") for group in groups if not group.lone]
    kinds += ["Wilson's over test texts for a single run"] if texts and any(group.lone for group in groups) else []
    return f"95 % intervals: {', '.join(dict.fromkeys(kinds))}." if kinds else ""
