"""The inference that all numbers share: Wilson's interval of a share, Student's of a mean, Holm's correction, and how many draws a test takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
ALPHA = 0.05
FEWEST = 5  # repetitions below which no test is spoken of
FEWEST_TEXTS = 5  # below which a mean over texts has no interval


def student(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the mean over the last axis (U repetitions): mean ± t(U - 1) · s / √U (Student 1908). NaN where U < 2."""
    values = np.asarray(values, dtype=float)
    count, mean = values.shape[-1], values.mean(axis=-1)
    if count < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = student_half(values.std(axis=-1, ddof=1) / np.sqrt(count), count - 1, level)
    return mean - half, mean + half


def student_half(error: np.ndarray | float, freedom: np.ndarray | float, level: float = LEVEL) -> np.ndarray | float:
    """Half of the interval of an estimate with this standard error and these degrees of freedom: t · error. NaN below one degree."""
    from scipy.special import stdtrit

    freedom = np.asarray(freedom, dtype=float)
    return np.where(freedom >= 1, stdtrit(np.maximum(freedom, 1), 0.5 + level / 2) * error, np.nan)[()]


def wilson(hits: np.ndarray | float, n: int, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the share of `hits` among n texts, element by element: Wilson's score interval (1927). NaN for n = 0.

    It never leaves [0, 1] nor the share itself: with no hit the low end is 0, with n the high end 1, and rounding must not say otherwise.
    """
    from scipy.special import ndtri

    hits = np.asarray(hits, dtype=float)
    if n == 0:
        return np.full(hits.shape, np.nan)[()], np.full(hits.shape, np.nan)[()]
    share, z2 = hits / n, float(ndtri(0.5 + level / 2)) ** 2
    half, middle = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))), share + z2 / (2 * n)
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    return np.where(hits <= 0, 0.0, np.clip(low, 0.0, share))[()], np.where(hits >= n, 1.0, np.clip(high, share, 1.0))[()]


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment (1979) over the p-values that are there; NaN stays NaN and is no hypothesis."""
    p = np.asarray(p_values, dtype=float)
    adjusted, there = np.full(len(p), np.nan), np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there], kind="stable")]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def draws_needed(comparisons: int) -> int:
    """The least number of draws with which the sign-flip test can show a difference at 5 % after Holm's correction over so many comparisons.

    With n draws its least p is 2 / 2ⁿ, where all differences point one way, and Holm multiplies the least of m p-values by m: the first n with
    m · 2^(1 - n) < 0.05 (6 for one comparison, 7 for two or three), never below `FEWEST`.
    """
    n = FEWEST
    while max(comparisons, 1) * 2.0 ** (1 - n) >= ALPHA:
        n += 1
    return n
