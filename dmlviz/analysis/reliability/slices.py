"""A selection of texts against the rest: accuracy, confidence, classes and length, each with its interval.

Words: a selection is drawn by eye or by search, so a small p says that a random draw of that size would seldom look like it, and nothing about a
cause. The tables say "p" and "interval"; they do not call anything proven.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from dmlviz.analysis.statistics import FEWEST_TEXTS, holm, student_half, wilson
from dmlviz.core.types import InputError

COLUMNS = (
    "statistic",  # "accuracy", "confidence", "words", "share of class"
    "name",  # the class, for shares of classes
    "unit",  # "share", "probability", "words"
    "selected", "selected_low", "selected_high", "n_selected",
    "rest", "rest_low", "rest_high", "n_rest",
    "difference", "difference_low", "difference_high",  # selected - rest
    "interval",  # kind of the intervals
    "p", "p_holm", "test",  # shares of classes only
)  # fmt: skip
SHARES = "95 %: Wilson for each side, Newcombe for the difference"
MEANS = f"95 %: t for each side, Welch for the difference, within what the number can be; none below {FEWEST_TEXTS} texts"
BOUNDS = {"probability": (0.0, 1.0), "words": (0.0, np.inf)}  # of a mean, by its unit
TEST = "hypergeometric (a draw without replacement), twice the smaller tail; Holm over classes"


def slice_report(
    selected: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confidence: np.ndarray,
    *,
    words: np.ndarray | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Boolean mask (N,) and what is known of the N texts -> one row per statistic, columns COLUMNS: accuracy, mean confidence, words per text
    (with `words` (N,), see `word_counts`), then each class's share, the largest difference first.

    Give it the texts of one part, or accuracies mix what was trained on with what was not. A side without texts has NaN, as has the interval of
    a mean over fewer than five texts. Raises InputError for arrays of different lengths.
    """
    selected = np.asarray(selected)
    columns = {"labels": labels, "predictions": predictions, "confidence": confidence, **({} if words is None else {"words": words})}
    wrong = [f"{name} ({len(one)})" for name, one in columns.items() if len(one) != len(selected)]
    if selected.dtype != bool or wrong:
        what = f"is a mask over {len(selected)} texts, but these differ: {', '.join(wrong)}" if wrong else f"has type {selected.dtype}"
        raise InputError(f"the selection {what}; give a true or false for each text")
    labels = np.asarray(labels)
    right = np.asarray(predictions) == labels
    rows = [_share_row("accuracy", "", *_counts(right, selected)), _mean_row("confidence", "probability", confidence, selected)]
    if words is not None:
        rows.append(_mean_row("words", "words", words, selected))
    frame = pd.concat([pd.DataFrame(rows), class_shares(selected, labels, names)], ignore_index=True).reindex(columns=COLUMNS)
    return frame.astype({column: float for column in COLUMNS if column.startswith(("selected", "rest", "difference", "p"))})


def class_shares(selected: np.ndarray, labels: np.ndarray, names: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per class that occurs: its share among the selected and among the rest, and the difference with Newcombe's interval.

    p: were the selection a random draw of its size, how probable is a count at least this far out on its side, doubled (at most 1). Holm's
    correction is over all classes of the table; the intervals are not widened.
    """
    classes, where = np.unique(labels, return_inverse=True)
    inside = np.bincount(where[selected], minlength=len(classes))
    outside = np.bincount(where[~selected], minlength=len(classes))
    size, rest = int(selected.sum()), int((~selected).sum())
    frame = pd.DataFrame(_share_row("share of class", classes, inside, size, outside, rest))
    frame["name"] = [str(names[c]) if names is not None else str(c) for c in classes]
    if size and rest:
        p = _draw_p(inside, size, inside + outside, len(labels))
        frame = frame.assign(p=p, p_holm=holm(p), test=TEST)
    order = np.lexsort((np.arange(len(frame)), -frame["difference"].abs()))  # NaN last, equal ones by class
    return frame.iloc[order].reset_index(drop=True)


def word_counts(texts: Sequence[str]) -> np.ndarray:
    """(N,) words per text, split at white space."""
    return np.array([len(text.split()) for text in texts], dtype=np.int64)


def _counts(yes: np.ndarray, selected: np.ndarray) -> tuple[int, int, int, int]:
    return int((yes & selected).sum()), int(selected.sum()), int((yes & ~selected).sum()), int((~selected).sum())


def _share_row(statistic: str, name: object, inside, size: int, outside, rest: int) -> dict[str, object]:
    (share, low, high), (other, other_low, other_high) = _share(inside, size), _share(outside, rest)
    difference, least, most = newcombe((share, low, high), (other, other_low, other_high))
    return {
        "statistic": statistic, "name": name, "unit": "share",
        "selected": share, "selected_low": low, "selected_high": high, "n_selected": size,
        "rest": other, "rest_low": other_low, "rest_high": other_high, "n_rest": rest,
        "difference": difference, "difference_low": least, "difference_high": most, "interval": SHARES,
    }  # fmt: skip


def _share(hits: np.ndarray | int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of the hits in n, and Wilson's interval; NaN for n = 0."""
    hits = np.asarray(hits, dtype=float)
    return hits / n if n else np.full(hits.shape, np.nan), *wilson(hits, n)


def newcombe(one: tuple, other: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difference of two shares with Newcombe's interval (1998, method 10), from (share, Wilson low, Wilson high) of each."""
    (p, low_p, high_p), (q, low_q, high_q) = one, other
    below, above = np.sqrt((p - low_p) ** 2 + (high_q - q) ** 2), np.sqrt((high_p - p) ** 2 + (q - low_q) ** 2)
    return p - q, p - q - below, p - q + above


def _mean_row(statistic: str, unit: str, values: np.ndarray, selected: np.ndarray) -> dict[str, object]:
    values = np.asarray(values, dtype=float)
    least, most = BOUNDS[unit]
    (mean, error, n), (other, other_error, m) = (_mean(values[side]) for side in (selected, ~selected))
    (low, high), (other_low, other_high) = _within(mean, error, n - 1, least, most), _within(other, other_error, m - 1, least, most)
    both = error**2 + other_error**2
    freedom = both**2 / (error**4 / (n - 1) + other_error**4 / (m - 1)) if both > 0 else n + m - 2
    below, above = _within(mean - other, np.sqrt(both), freedom, least - most, most - least)
    return {
        "statistic": statistic, "name": "", "unit": unit,
        "selected": mean, "selected_low": low, "selected_high": high, "n_selected": n,
        "rest": other, "rest_low": other_low, "rest_high": other_high, "n_rest": m,
        "difference": mean - other, "difference_low": below, "difference_high": above, "interval": MEANS,
    }  # fmt: skip


def _mean(values: np.ndarray) -> tuple[float, float, int]:
    """Mean, its standard error, n. Below `FEWEST_TEXTS` the error is NaN: an interval of so few would say more than they do."""
    n = len(values)
    return float(values.mean()) if n else np.nan, float(values.std(ddof=1) / np.sqrt(n)) if n >= FEWEST_TEXTS else np.nan, n


def _within(value: float, error: float, freedom: float, least: float, most: float) -> tuple[float, float]:
    """Student's interval, cut at what the number can be at all."""
    half = student_half(error, freedom) if np.isfinite(error) else np.nan
    return float(np.clip(value - half, least, most)), float(np.clip(value + half, least, most))  # NaN stays NaN


def _draw_p(inside: np.ndarray, size: int, each: np.ndarray, count: int) -> np.ndarray:
    """(C,) twice the smaller hypergeometric tail at the counts in the selection."""
    fewer, more = hypergeom.cdf(inside, count, each, size), hypergeom.sf(inside - 1, count, each, size)
    return np.minimum(1.0, 2 * np.minimum(fewer, more))
