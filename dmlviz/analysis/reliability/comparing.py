"""Two groups against each other, pair by pair: the same draw of the shots, seed and fold under both. And one pair of runs, text by text.

All tests are two-sided. Pairs of one draw are averaged first, so that what is counted is independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.judged_rows import same_rows
from dmlviz.analysis.reliability.groups import Group
from dmlviz.analysis.reliability.intervals import units
from dmlviz.analysis.statistics import ALPHA, FEWEST, draws_needed
from dmlviz.analysis.statistics import student as student_interval
from dmlviz.core.types import InputError, Run

POWER = 0.80
EXACT = 16  # pairs up to which all 2^n signs are gone through
FLIPS = 20_000  # random signs beyond


def pairs_of(first: Group, second: Group) -> list[tuple[Run, Run]]:
    """Runs of both groups with the same draw, seed and fold, drawn and judged on the same rows, in the groups' order."""
    seeds = lambda run: (run.config.support_seed, run.config.seed, run.config.fold)  # noqa: E731
    partners = {seeds(run): run for run in second.runs}
    return [(run, partners[seeds(run)]) for run in first.runs if seeds(run) in partners and same_rows(run, partners[seeds(run)])]


class Comparison(NamedTuple):
    """First minus second. p-values are NaN where there is nothing to test (fewer than two repetitions)."""

    n: int  # independent repetitions: draws, or what stands for them
    pairs: int  # of runs
    unit: str  # "draw", "fold", "seed", "run"
    difference: float
    low: float  # Student's interval
    high: float
    permutation: float  # p of the sign-flip test
    smallest: float  # least p that the sign-flip test can give with n repetitions
    wilcoxon: float
    student: float
    effect: float  # Cohen's d_z with Hedges's correction
    detectable: float  # least difference found with 80 % power at 5 %, given the spread seen


def compare(pairs: Sequence[tuple[Run, Run]], value: Callable[[Run], float]) -> Comparison:
    """The pairs' differences and every test of them. Raises InputError without a pair."""
    if not pairs:
        raise InputError("no run of one group has the draw, seed, fold and texts of a run of the other; train both with the same seeds")
    unit = units([one for one, _ in pairs])
    found = unit.means(np.array([value(one) - value(other) for one, other in pairs], dtype=float))
    low, high = student_interval(found)
    enough = len(found) > 1
    return Comparison(
        len(found), len(pairs), unit.name, float(found.mean()), float(low), float(high),
        sign_flip(found) if enough else np.nan, 2.0 ** (1 - len(found)), wilcoxon(found) if enough else np.nan,
        paired_t(found) if enough else np.nan, effect_size(found), detectable(found),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _signs(count: int, seed: int) -> tuple[np.ndarray, bool]:
    """((S, n) of -1 and 1, whether these are all there are)."""
    if count <= EXACT:
        return 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1), True
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, count)), False


def sign_flip(differences: np.ndarray, seed: int = 0) -> float:
    """p of the sign-flip permutation test on |mean|: the share of all 2^n ways to flip signs that give a mean as far from zero (Fisher 1935).
    Beyond 16 pairs 20,000 random flips, the observed one counted among them (Phipson and Smyth 2010)."""
    found = np.asarray(differences, dtype=float)
    signs, whole = _signs(len(found), seed)
    as_far = int((np.abs(signs @ found) >= abs(found.sum()) - 1e-9 * max(np.abs(found).sum(), 1e-300)).sum())
    return as_far / len(signs) if whole else (1 + as_far) / (1 + len(signs))


def wilcoxon(differences: np.ndarray, seed: int = 0) -> float:
    """p of Wilcoxon's signed-rank test (1945): zeros dropped, equal differences share their mean rank, exact by the signs as in `sign_flip`."""
    from scipy.stats import rankdata

    found = np.asarray(differences, dtype=float)
    found = found[np.abs(found) > 1e-12]  # accuracies that are equal but for rounding
    if not len(found):
        return 1.0
    return sign_flip(np.sign(found) * rankdata(np.abs(found).round(12)), seed)


def paired_t(differences: np.ndarray) -> float:
    """p of Student's paired t-test; 1 where all differences are zero, 0 where all are the same."""
    from scipy.special import stdtr

    found = np.asarray(differences, dtype=float)
    error = _spread(found) / np.sqrt(len(found))
    if error == 0:
        return float(found.mean() == 0)
    return float(2 * stdtr(len(found) - 1, -abs(found.mean()) / error))


def effect_size(differences: np.ndarray) -> float:
    """Cohen's d_z, mean over standard deviation of the paired differences, times Hedges's exact correction for few pairs,
    Γ(m/2) / (√(m/2) Γ((m-1)/2)) with m = n - 1 (Hedges 1981). NaN below two pairs or without spread."""
    from scipy.special import gammaln

    found = np.asarray(differences, dtype=float)
    if len(found) < 3 or _spread(found) == 0:  # with two pairs the correction is zero
        return float("nan")
    m = len(found) - 1
    return float(found.mean() / found.std(ddof=1) * np.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / np.sqrt(m / 2))


def _spread(found: np.ndarray) -> float:
    """Standard deviation; 0 where differences are equal but for the rounding of their subtraction, which would make an effect of millions."""
    spread = float(found.std(ddof=1))
    return 0.0 if spread <= 1e-9 * np.abs(found).max(initial=0.0) else spread


def detectable(differences: np.ndarray, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The least true difference that a paired t-test with this n and this spread finds with that power. NaN below two pairs."""
    found = np.asarray(differences, dtype=float)
    return float(_spread(found) * _detectable(len(found), alpha, power)) if len(found) > 1 else float("nan")


@lru_cache(maxsize=256)
def _detectable(count: int, alpha: float, power: float) -> float:
    """In standard deviations: solves the power of the noncentral t."""
    from scipy.optimize import brentq
    from scipy.special import nctdtr, stdtrit

    bound = stdtrit(count - 1, 1 - alpha / 2)

    def short(size: float) -> float:
        away = size * np.sqrt(count)
        return 1 - nctdtr(count - 1, away, bound) - power  # the other tail is nothing at such power

    most = 1.0
    while short(most) < 0:
        most *= 1.5
    return float(brentq(short, 1e-6, most))


def verdict(one: Comparison, adjusted: float, comparisons: int, names: tuple[str, str]) -> str:
    """What may be said, in few words. `adjusted`: the sign-flip test's p after Holm; `comparisons`: how many are shown with this one, those that
    have too few repetitions for a test included, so that the number of repetitions it takes is the same whatever there is already."""
    things = {"draw": "draws", "fold": "folds", "seed": "seeds"}.get(one.unit, "pairs")
    needed = draws_needed(comparisons)
    if one.n < FEWEST:
        missing = needed - one.n
        return f"too few: {missing} more {things if missing > 1 else things[:-1]} needed ({needed} in all)"
    if not np.isfinite(adjusted) or one.difference == 0 == one.detectable:
        return "equal in every pair"
    if adjusted < ALPHA:
        return f"significant at 5 %: {names[0] if one.difference > 0 else names[1]} is better"
    if comparisons * one.smallest >= ALPHA:  # even if all differences pointed one way
        return f"{one.n} {things} cannot show it, {needed} could"
    return "not significant"


class Agreement(NamedTuple):
    """Two runs on the same test texts."""

    texts: int
    only_first: int  # right in the first alone
    only_second: int
    mcnemar: float  # exact p
    same: float  # share of texts with the same prediction
    kappa: float  # Cohen's, of the predictions


def agreement(first: np.ndarray, second: np.ndarray, gold: np.ndarray) -> Agreement:
    """McNemar's exact test (1947) and Cohen's kappa (1960) of two runs' predictions (M,)."""
    one, other = np.asarray(first) == gold, np.asarray(second) == gold
    b, c = int((one & ~other).sum()), int((~one & other).sum())
    same = float((first == second).mean())
    classes = np.union1d(first, second)
    chance = float(sum((first == k).mean() * (second == k).mean() for k in classes))
    return Agreement(len(gold), b, c, mcnemar(b, c), same, (same - chance) / (1 - chance) if chance < 1 else float("nan"))


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p: the binomial test of a fair coin on the texts that exactly one run has right. 1 where there is none."""
    from scipy.special import bdtr

    fewer, all_of_them = min(only_first, only_second), only_first + only_second
    return float(min(1.0, 2 * bdtr(fewer, all_of_them, 0.5))) if all_of_them else 1.0
