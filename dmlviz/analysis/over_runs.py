"""Outcomes by group, a number's interval over the runs of a group, and a share's interval over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from dmlviz.analysis.groups import Group, group_runs
from dmlviz.analysis.outcomes import Outcome
from dmlviz.records import InputError, Run

LEVEL = 0.95


class Side(NamedTuple):
    """One side of a comparison: a group and what its runs said of their test texts, in the group's order."""

    group: Group
    outcomes: tuple[Outcome, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.group.runs


class Interval(NamedTuple):
    """A number of a group. Bounds are NaN for a single unit."""

    n: int  # units: draws of the shots, or seeds where all runs share one draw
    mean: float
    low: float
    high: float


def sides(outcomes: Sequence[Outcome]) -> list[Side]:
    """The groups of these runs, in the order in which they are first met. Raises InputError for none."""
    if not outcomes:
        raise InputError("no finished run with a test part is in scope; pick some runs")
    by_id = {one.run.id: one for one in outcomes}
    return [Side(group, tuple(by_id[run.id] for run in group.runs)) for group in group_runs(one.run for one in outcomes)]


def draw_of(run: Run) -> tuple[int, int]:
    """What names the run's training texts within its group."""
    return run.config.support_seed, run.config.fold


def units(runs: Sequence[Run]) -> tuple[str, np.ndarray]:
    """("draws" or "seeds", (R,) the unit of each run): runs on one draw of the shots are no independent repetitions, so their numbers are averaged
    first; where all share one draw, seeds are what is repeated."""
    draws = {draw: i for i, draw in enumerate(dict.fromkeys(map(draw_of, runs)))}
    if len(draws) == 1:
        return "seeds", np.arange(len(runs))
    return "draws", np.array([draws[draw_of(run)] for run in runs])


def over_runs(values: Sequence[float] | np.ndarray, runs: Sequence[Run], *, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Mean of one value per run and Student's 95 % interval over units, kept within least to most; values that are not finite are left out."""
    kept = np.asarray(values, dtype=np.float64)
    _, unit = units(runs)
    finite = np.isfinite(kept)
    means = np.array([kept[finite & (unit == u)].mean() for u in np.unique(unit[finite])])
    if not len(means):
        return Interval(0, math.nan, math.nan, math.nan)
    mean = float(means.mean())
    if len(means) == 1:
        return Interval(1, mean, math.nan, math.nan)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    return Interval(len(means), mean, max(least, mean - half), min(most, mean + half))


def wilson(hits: float, n: int) -> Interval:
    """Share of hits among n texts with Wilson's 95 % score interval (Wilson 1927), which stays within 0 to 1 and holds for few texts."""
    if n == 0:
        return Interval(0, math.nan, math.nan, math.nan)
    z = float(stats.norm.ppf(0.5 + LEVEL / 2))
    share = hits / n
    center = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(n, share, max(0.0, center - half), min(1.0, center + half))


def share_interval(hits: Sequence[float], counts: Sequence[int], runs: Sequence[Run]) -> Interval:
    """Mean over runs of hits / counts: Wilson's interval over texts for a lone run, Student's over units for several. Bounds stay within 0 to 1."""
    if len(runs) == 1:
        return wilson(hits[0], counts[0])
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    return over_runs(np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0), runs, least=0.0, most=1.0)


def interval_words(groups: Sequence[Group]) -> str:
    """What the intervals of these groups are of, in one sentence."""
    kinds = [f"Student's over {units(group.runs)[0]}" for group in groups if not group.lone]
    kinds += ["Wilson's over test texts for a single run"] if any(group.lone for group in groups) else []
    return f"95 % intervals: {', '.join(dict.fromkeys(kinds))}."
