"""Intervals of a group's number: what repeats (draws, seeds, folds), and how far the mean would move if it were done again.

Three kinds, because "done again" can mean three things:
student       other draws of the shots and seeds, the same test texts: mean ± t · s / √n over draws
hierarchical  other draws and seeds, and other test texts: both levels resampled, each with its own quantile of Student's t
texts         other test texts, these very runs: Wilson's interval for the accuracy of one run, else the test texts resampled

The naive percentile bootstrap is not among them: with five draws it holds the truth 84 times in 100 instead of 95
(`benchmarks/interval_coverage.py` prints the coverage of each).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.statistics import LEVEL, student, wilson
from dmlviz.core.types import InputError, Run

RESAMPLES = 2000
KINDS = {
    "student": "Student's t over draws: what other draws of the shots and seeds would give on the same test texts",
    "hierarchical": "hierarchical bootstrap: what other draws, seeds and test texts would give",
    "texts": "test texts only: what these very runs would give on other test texts",
}


class Units(NamedTuple):
    """What counts as one repetition. Runs of one unit are averaged before anything is said of chance."""

    name: str  # "draw", "fold", "seed", "run"
    index: np.ndarray  # (R,) int, unit of each run
    words: str  # what the interval holds, and what not

    @property
    def n(self) -> int:
        return int(self.index.max()) + 1 if len(self.index) else 0

    def means(self, values: np.ndarray) -> np.ndarray:
        """(..., R) values of runs as (..., U) means of units."""
        member = np.equal.outer(self.index, np.arange(self.n)).astype(float)
        return np.asarray(values, dtype=float) @ (member / np.maximum(member.sum(axis=0), 1))


class Interval(NamedTuple):
    """A mean and what it may be. `low` and `high` are NaN for a lone run."""

    mean: float
    low: float
    high: float
    n: int  # repetitions
    unit: str
    kind: str  # a key of KINDS

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


def units(runs: Sequence[Run]) -> Units:
    """Repetitions among runs that differ in seeds alone: draws of the shots where there are several, else folds, else seeds."""
    draws, folds, seeds = ([getattr(run.config, name) for run in runs] for name in ("support_seed", "fold", "seed"))
    found = {"draw": draws, "fold": folds, "seed": seeds}
    name = next((name for name, own in found.items() if len(set(own)) > 1), "run")
    chosen = found.get(name, list(range(len(runs))))
    index = np.array([sorted(set(chosen)).index(one) for one in chosen], dtype=int)
    return Units(name, index, _holds(name, draws, folds, seeds))


def _holds(name: str, draws: list[int], folds: list[int], seeds: list[int]) -> str:
    if name == "run":
        return "a single run"
    if name == "seed":
        return "one draw of the shots, so the interval holds the seeds alone; the draw often weighs more"
    if name == "fold":
        return "one draw of the shots in each fold; folds share training texts, so the interval is somewhat too narrow"
    if len(draws) > len(set(draws)):
        inside = " and ".join(word for word, own in (("seeds", seeds), ("folds", folds)) if len(set(own)) > 1)
        return f"{inside or 'runs'} are averaged within each draw of the shots"
    if len(set(seeds)) > 1:
        return "every draw of the shots has its own seed, so the interval holds both and cannot tell them apart"
    return "one seed throughout, so the interval holds the draws of the shots"


def crossed(observed: np.ndarray, resampled: np.ndarray, texts: int, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the mean over U repetitions that all are tested on the same M texts, if draws and texts were others.

    observed (..., U), resampled (B, ..., U): the same numbers on B resamples of the texts. The variance of the mean is s² / U of the draws (what
    resampling them gives in closed form, its factor (U - 1) / U mended) and that of its resamples over texts, less the interaction that both
    hold (Owen 2007, "The pigeonhole bootstrap"). Draws are resampled whole, with their seeds: resampling seeds within them as well would count the
    seeds twice (Davison and Hinkley 1997, section 3.8). Each part has its own quantile, t(U - 1) for the draws and t(M - 1) for the texts, and the
    two half widths add in squares (Howe 1974): Satterthwaite's single t held the truth in 93 % of simulations of five draws, this in 94 to 97 %.
    """
    from scipy.special import stdtrit

    observed, resampled = np.asarray(observed, dtype=float), np.asarray(resampled, dtype=float)
    count, mean = observed.shape[-1], observed.mean(axis=-1)
    if count < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    draws = observed.var(axis=-1, ddof=1) / count
    words = resampled.mean(axis=-1).var(axis=0, ddof=1)
    both = (resampled - observed).var(axis=-1, ddof=1).mean(axis=0) / count
    own, other = (stdtrit(freedom, 0.5 + level / 2) for freedom in (count - 1, max(texts - 1, 1)))
    half = np.sqrt(own**2 * draws + other**2 * np.maximum(words - both, 0.0))
    return mean - half, mean + half


def texts_only(observed: np.ndarray, resampled: np.ndarray, texts: int, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the mean of these very runs, if only the test texts were others: the bootstrap's standard error. Shapes as in `crossed`."""
    from scipy.special import stdtrit

    mean = np.asarray(observed, dtype=float).mean(axis=-1)
    half = stdtrit(max(texts - 1, 1), 0.5 + level / 2) * np.asarray(resampled, dtype=float).mean(axis=-1).std(axis=0, ddof=1)
    return mean - half, mean + half


@lru_cache(maxsize=4)
def text_weights(texts: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """(B, M) float32: how often each text is drawn in each resample, over M. The same for all runs: they share their texts."""
    drawn = np.random.default_rng(seed).integers(0, texts, size=(resamples, texts))
    weights = np.stack([np.bincount(row, minlength=texts) for row in drawn]).astype(np.float32) / texts
    weights.setflags(write=False)
    return weights


class Tested(NamedTuple):
    """A group's numbers on the test texts and on resamples of them. R runs, B resamples, M texts."""

    observed: np.ndarray  # (R,)
    resampled: np.ndarray  # (B, R)
    texts: int


def on_texts(outcomes: Sequence[Outcome], metric: str = "accuracy", *, resamples: int = RESAMPLES, seed: int = 0) -> Tested:
    """The number of every run, on its test texts and on resamples of them, the same for all. Raises InputError where runs were tested on
    different texts: they cannot be crossed then."""
    rows = [one.rows(one.test) for one in outcomes]
    if any(not np.array_equal(rows[0], other) for other in rows[1:]):
        raise InputError("the runs were tested on different texts (folds, or another test part), so these cannot be resampled; take Student's")
    weights = text_weights(len(rows[0]), resamples, seed)
    of = _accuracies if metric == "accuracy" else _macro_f1s
    even = np.full((1, len(rows[0])), 1 / len(rows[0]))
    found = [(of(one, even)[0], of(one, weights)) for one in outcomes]
    return Tested(np.array([here for here, _ in found]), np.stack([again for _, again in found], axis=1), len(rows[0]))


def _accuracies(one: Outcome, weights: np.ndarray) -> np.ndarray:
    """(B,) accuracy under each row of weights (B, M)."""
    right = one.predicted(one.test) == one.labels(one.test)
    return (weights @ right.astype(weights.dtype)).astype(np.float64)


def _macro_f1s(one: Outcome, weights: np.ndarray) -> np.ndarray:
    """(B,) mean of 2 tp / (2 tp + fp + fn) over all classes, as the run's own macro-F1 is; a class without a text in a resample has 0 there."""
    scores, labels = one.scores(one.test), one.labels(one.test)
    guessed, gold = (np.equal.outer(side, np.arange(scores.shape[1])).astype(weights.dtype) for side in (one.predicted(one.test), labels))
    hits, held, said = ((weights @ side).astype(np.float64) for side in (guessed * gold, gold, guessed))  # (B, C)
    met = held + said > 1e-9
    return np.where(met, 2 * hits / np.where(met, held + said, 1), 0).mean(axis=1)


def group_interval(runs: Sequence[Run], values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean over a group's repetitions and Student's interval; NaN bounds for a lone run."""
    unit = units(runs)
    means = unit.means(np.asarray(values, dtype=float))
    low, high = student(means, level)
    return Interval(float(means.mean()), float(low), float(high), unit.n, unit.name, "student")


def interval_on_texts(runs: Sequence[Run], found: Tested, kind: str, *, metric: str, level: float = LEVEL) -> Interval:
    """The interval of a kind over a group's runs in the order of `found`. One run has no interval over draws; over texts it has one."""
    if kind == "texts" and len(runs) == 1 and metric == "accuracy":
        share = float(found.observed[0])
        low, high = wilson(share * found.texts, found.texts, level)
        return Interval(share, float(low), float(high), found.texts, "text", kind)
    made = interval_of_means(runs, found, kind, level)
    return made._replace(low=max(made.low, 0.0), high=min(made.high, 1.0)) if np.isfinite(made.low) else made


def interval_of_means(runs: Sequence[Run], found: Tested, kind: str, level: float = LEVEL) -> Interval:
    """The same for any number that has been resampled, differences too: no bound at 0 and 1. Raises InputError for an unknown kind."""
    unit = units(runs)
    observed, resampled = unit.means(found.observed), unit.means(found.resampled)
    if kind not in KINDS:
        raise InputError(f"unknown interval {kind!r}; known: {', '.join(KINDS)}.")
    if kind == "student":
        low, high = student(observed, level)
    else:
        low, high = (crossed if kind == "hierarchical" else texts_only)(observed, resampled, found.texts, level)
    count, name = (found.texts, "text") if kind == "texts" else (unit.n, unit.name)
    return Interval(float(observed.mean()), float(low), float(high), count, name, kind)
