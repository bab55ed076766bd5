"""What each support text does: the run trained again without it, exactly, and what that changes on the test texts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.judged_rows import same_rows
from dmlviz.analysis.reliability.outcomes import Outcome, outcome
from dmlviz.analysis.statistics import LEVEL, student, student_half
from dmlviz.core.types import InputError, Run, RunArrays

COLUMNS = ("row_id", "label", "effect", "low", "high", "lost", "won", "chosen", "chosen_n")


class Retrained(NamedTuple):
    """A run, the same without each of its support texts, and the same with other seeds."""

    base: Outcome
    without: Mapping[int, Outcome]  # row id of the text left out -> outcome
    reseeded: Sequence[Outcome]


class Floor(NamedTuple):
    """How far accuracy moves when nothing but the seed changes: below this, an effect is not told from chance."""

    n: int  # other seeds
    sd: float  # of the difference to the run, points; NaN below two
    band: float  # half width of 95 % of such differences, points (Student); NaN below two


def retrained(base: Run, runs: Sequence[Run], arrays) -> Retrained:
    """Gathers the finished ones among `runs`. `arrays` gives a run's arrays. Raises InputError where the run has no test part."""
    wanted = base.config.model_copy(update={"left_out": None, "dataset": ""})
    same = lambda run, **fields: run.config.model_copy(update={**fields, "dataset": ""}) == wanted  # noqa: E731
    done = [run for run in runs if run.state == "finished" and run.id != base.id and "accuracy" in run.metrics]
    without = {run.config.left_out: run for run in done if run.config.left_out is not None and same(run, left_out=None) and same_rows(base, run)}
    reseeded = [run for run in done if run.config.left_out is None and run.config.seed != base.config.seed and same(run, seed=base.config.seed)
                and same_rows(base, run)]  # fmt: skip
    read = lambda run: outcome(run, _arrays(arrays, run))  # noqa: E731
    return Retrained(read(base), {row: read(run) for row, run in sorted(without.items())}, [read(run) for run in reseeded])


def _arrays(arrays, run: Run) -> RunArrays:
    return arrays(run.id)


def influence(found: Retrained, chosen: Collection[int] = ()) -> pd.DataFrame:
    """One row per support text that was left out: row_id, its label, `effect` on accuracy in points (above zero: with the text the run is better),
    Student's 95 % interval over the test texts, how many it loses and wins by leaving it out, and `chosen`: the mean change of the gold class's
    probability over the chosen test texts (NaN without any), of which there are `chosen_n`. Most helpful first.
    """
    rows, part = [], found.base.test
    ids, right, sure = _judged(found.base)
    wanted = np.isin(ids, np.fromiter(chosen, dtype=np.int64, count=len(chosen))) if len(chosen) else np.zeros(len(ids), dtype=bool)
    labels = dict(zip(found.base.rows(~part), found.base.labels(~part), strict=True))
    for row_id, other in found.without.items():
        theirs, now, without = _judged(other)
        if not np.array_equal(ids, theirs):
            raise InputError(f"run {other.run.id} was tested on other texts than {found.base.run.id}; train it again")
        apart = 100 * (right.astype(float) - now)
        mean, (low, high) = float(apart.mean()), map(float, student(apart))
        change = float((sure - without)[wanted].mean()) if wanted.any() else math.nan
        rows.append((row_id, int(labels[row_id]), mean, low, high, int((right & ~now).sum()), int((~right & now).sum()), change,
                     int(wanted.sum())))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["effect", "row_id"], ascending=[False, True], ignore_index=True)


def _judged(one: Outcome) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M,) row ids, right, probability of the gold class, of the test texts."""
    shares, labels = one.probabilities(one.test), one.labels(one.test)
    return one.rows(one.test), one.predicted(one.test) == labels, shares[np.arange(len(labels)), labels]


def floor(found: Retrained) -> Floor:
    """From the runs with other seeds."""
    base = float(_judged(found.base)[1].mean())
    apart = np.array([100 * (float(_judged(one)[1].mean()) - base) for one in found.reseeded])
    if len(apart) < 2:
        return Floor(len(apart), math.nan, math.nan)
    sd = float(np.sqrt((apart**2).mean()))  # around the run itself, not around their mean: the effects are differences to the run, too
    return Floor(len(apart), sd, float(student_half(sd, len(apart))))


def in_words(table: pd.DataFrame, beneath: Floor) -> str:
    """What the table can and cannot say, in a sentence."""
    if not len(table):
        return "No run without one of its support texts is finished yet."
    if not math.isfinite(beneath.band):
        return "How far accuracy moves with another seed is not known yet, so no effect can be told from chance."
    beyond = int((table["effect"].abs() > beneath.band).sum())
    seeds = f"{beneath.n} other seeds move accuracy by {beneath.sd:.1f} points (root mean square)"
    by_chance = (1 - LEVEL) * len(table)
    if not beyond:
        within = f"± {beneath.band:.1f}, what 95 % of reseedings stay within"
        return f"{seeds}; none of the {len(table)} texts moves it beyond {within}. No text stands out."
    return (
        f"{seeds}; {beyond} of the {len(table)} texts {'moves' if beyond == 1 else 'move'} it beyond ± {beneath.band:.1f}, what 95 % of reseedings "
        f"stay within; chance alone would put about {by_chance:.1f} there."
    )
