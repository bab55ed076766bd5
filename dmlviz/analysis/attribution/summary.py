"""What many attributions say together, and how far each may be believed. Arrays in, tables out; loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.statistics import FEWEST_TEXTS, student, student_half, wilson
from dmlviz.core.types import TextDataset, TokenAttribution

OUTSIDE = 0.2  # share of the absolute values that may lie outside of words
TOP_DROP = 0.05  # the highest word alone must move the probability by so much
MARGIN = 0.02  # in comprehensiveness, above the highest of the random rankings


class Badge(NamedTuple):
    """Whether an attribution may be quoted."""

    level: str  # "reliable" or "doubtful"
    reasons: tuple[str, ...]  # sentences; of a reliable one, what speaks for it


def badge(one: TokenAttribution) -> Badge:
    """Reliable: the values add up, lie on words, their highest words move the prediction more than any random ranking, and the highest does so alone.

    Benchmarked in benchmarks/planted.py: how often a reliable attribution names the planted word first.
    """
    checks, doubts = one.checks, []
    if not one.converged:
        doubts.append(f"the values miss the difference of the scores by {abs(one.delta):.3g} after {one.steps} steps")
    if one.outside > OUTSIDE:
        doubts.append(f"{one.outside:.0%} of the absolute values lie on special tokens or between words")
    if len(one.values) and one.unknown >= len(one.values):
        doubts.append("the tokenizer knows none of its symbols")
    gain = checks.get("comprehensiveness", math.nan) - checks.get("random_comprehensiveness_most", math.nan)
    if not gain > MARGIN:
        doubts.append("masking its highest words moves the prediction hardly more than masking words at random")
    if not checks.get("top_drop", math.nan) > TOP_DROP:
        doubts.append(f"masking its highest word alone changes the class's probability by {-checks.get('top_drop', math.nan):+.2f}")
    if not checks.get("tau", 0.0) > 0 and len(one.values) > 1:
        doubts.append("its order is not that of leaving out word by word")
    if doubts:
        return Badge("doubtful", tuple(doubts))
    return Badge("reliable", (
        "the values add up" if math.isfinite(one.delta) else "the method promises no sum",
        f"masking the highest words changes the probability by {-checks['comprehensiveness']:+.2f}, "
        f"random words by {-checks['random_comprehensiveness']:+.2f} on average",
    ))  # fmt: skip


def shares(values: np.ndarray) -> np.ndarray:
    """(W,) values over the sum of their absolute values: losses have scores of different sizes, so this is what is compared."""
    total = float(np.abs(values).sum())
    return values / total if total > 0 else np.zeros_like(values)


# ---- words of a class


def words_of(one: TokenAttribution, text: str, pair: str | None = None) -> list[str]:
    """(W,) the words exactly as in the text."""
    return [(pair or "")[a:b] if second else text[a:b] for a, b, second in zip(one.starts, one.ends, one.second, strict=True)]


def word_table(found: Mapping[int, TokenAttribution], dataset: TextDataset) -> pd.DataFrame:
    """One row per word of a text: row_id, word (case folded), value (share of the text's absolute values), class explained, label."""
    rows = []
    for row_id, one in found.items():
        pair = dataset.text_pairs[row_id] if dataset.text_pairs is not None else None
        for word, value in zip(words_of(one, dataset.texts[row_id], pair), shares(one.values), strict=True):
            rows.append((row_id, word.casefold(), float(value), one.class_id, int(dataset.labels[row_id])))
    return pd.DataFrame(rows, columns=["row_id", "word", "value", "class_id", "label"])


def class_words(table: pd.DataFrame, class_id: int, *, fewest: int = 3, most: int = 15) -> pd.DataFrame:
    """Words with the largest mean value towards a class: word, n (texts), mean, low, high.

    A word's value in a text is the sum of its occurrences. The interval is Student's, over texts; words in fewer than `fewest` texts are left out.
    Among thousands of words some lie high by chance, which the interval of a single one does not know.
    """
    own = table[table["class_id"] == class_id]
    once = own.groupby(["word", "row_id"], sort=True)["value"].sum()
    groups = once.groupby(level="word")
    found = pd.DataFrame({"n": groups.size(), "mean": groups.mean(), "sd": groups.std(ddof=1)})
    found = found[found["n"] >= max(fewest, 2)]
    half = student_half(found["sd"] / np.sqrt(found["n"]), found["n"] - 1)
    bounds = {"low": (found["mean"] - half).clip(lower=-1), "high": (found["mean"] + half).clip(upper=1)}  # a share lies within
    found = found.assign(**bounds).drop(columns="sd").reset_index()
    order = np.lexsort([found["word"], -found["mean"].abs()])
    return found.iloc[order].head(most).sort_values("mean", ascending=False, ignore_index=True)


def where_word(table: pd.DataFrame, word: str, *, class_id: int | None = None, sign: int = 0) -> pd.DataFrame:
    """Texts in which the word stands, most negative first. `sign` +1 or -1: only where it pushes towards or away from the class explained."""
    own = table[table["word"] == word.strip().casefold()]
    if class_id is not None:
        own = own[own["class_id"] == class_id]
    found = own.groupby("row_id", as_index=False).agg(value=("value", "sum"), class_id=("class_id", "first"), label=("label", "first"))
    if sign:
        found = found[np.sign(found["value"]) == sign]
    return found.sort_values("value", ignore_index=True)


# ---- per run


def mean_interval(
    values: Sequence[float] | np.ndarray, least: float = -math.inf, most: float = math.inf, *, fewest: int = FEWEST_TEXTS
) -> tuple[int, float, float, float]:
    """(n, mean, low, high) of what is finite, Student's interval within what the number can be; NaN bounds for fewer than `fewest` values (of texts;
    of runs two do), NaN mean for none."""
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return 0, math.nan, math.nan, math.nan
    low, high = student(kept) if len(kept) >= fewest else (math.nan, math.nan)
    return len(kept), float(kept.mean()), float(np.clip(low, least, most)), float(np.clip(high, least, most))  # NaN stays NaN


LOSS_BOUNDS = {"comprehensiveness_gain": (-2, 2), "sufficiency_gain": (-2, 2), "tau": (-1, 1), "reliable": (0, 1)}
BOUNDS = {"comprehensiveness": (-1, 1), "sufficiency": (-1, 1), "tau": (-1, 1), "deletion": (0, 1), "insertion": (0, 1)}
MEASURES = {
    "comprehensiveness": "Comprehensiveness", "sufficiency": "Sufficiency", "tau": "Kendall's tau", "deletion": "Deletion area",
    "insertion": "Insertion area",
}  # fmt: skip


def run_summary(found: Mapping[int, TokenAttribution]) -> dict[str, tuple[int, float, float, float]]:
    """Measure -> (n texts, mean, low, high) of one run: the checks, each less its random reference where there is one, and the share of reliable."""
    records = list(found.values())
    known = lambda name: np.array([one.checks.get(name, math.nan) for one in records])  # noqa: E731
    made = {name: mean_interval(known(name), *BOUNDS[name]) for name in MEASURES}
    for name in ("comprehensiveness", "sufficiency", "deletion", "insertion"):
        least, most = BOUNDS[name]
        made[f"{name}_gain"] = mean_interval(known(name) - known(f"random_{name}"), least - most, most - least)
    reliable = sum(badge(one).level == "reliable" for one in records)
    made["reliable"] = (len(records), reliable / len(records) if records else math.nan, *map(float, wilson(reliable, len(records))))
    made["delta"] = mean_interval([abs(one.delta) for one in records], 0)
    return made


def curves(found: Mapping[int, TokenAttribution]) -> pd.DataFrame:
    """Mean probability of the explained class when words go or come: curve, share, n, mean, low, high."""
    rows = []
    for name in ("deletion", "insertion"):
        values = np.array([getattr(one, name) for one in found.values()], dtype=np.float64).reshape(len(found), -1)
        shares = np.linspace(0, 1, values.shape[1])
        rows += [(name, share, *mean_interval(values[:, i], 0, 1)) for i, share in enumerate(shares)] if len(values) else []
    return pd.DataFrame(rows, columns=["curve", "share", "n", "mean", "low", "high"])


def by_loss(summaries: Mapping[str, Mapping[str, tuple[int, float, float, float]]], names: Mapping[str, str],
            accuracies: Mapping[str, float], pairs: pd.DataFrame) -> pd.DataFrame:  # fmt: skip
    """Which loss explains itself best: per loss (`names`: run id -> loss and shots) the mean over its runs of accuracy, checks and stability.

    With two runs or more the interval is Student's over runs; with one it is over its texts, and `runs` says 1.
    """
    rows = []
    for loss in dict.fromkeys(names[run_id] for run_id in summaries):
        runs = [run_id for run_id in summaries if names[run_id] == loss]
        counts = [summaries[run_id]["reliable"][0] for run_id in runs]
        row: dict[str, object] = {"loss": loss, "runs": len(runs), "texts": min(counts), "most_texts": max(counts)}
        row["accuracy"], row["accuracy_low"], row["accuracy_high"] = mean_interval(
            [accuracies.get(run_id, math.nan) for run_id in runs], 0, 1, fewest=2)[1:]  # fmt: skip
        for name in ("comprehensiveness_gain", "sufficiency_gain", "tau", "reliable"):
            own = [summaries[run_id][name] for run_id in runs]
            over = lambda name=name, own=own: mean_interval([one[1] for one in own], *LOSS_BOUNDS[name], fewest=2)  # noqa: E731
            row[name], row[f"{name}_low"], row[f"{name}_high"] = own[0][1:] if len(runs) == 1 else over()[1:]
        among = pairs[pairs["a"].isin(runs) & pairs["b"].isin(runs) & pairs["same"]]
        texts = among.groupby("row_id")["correlation"].mean()
        row["stability"], row["stability_low"], row["stability_high"] = mean_interval(texts, -1, 1)[1:]
        rows.append(row)
    return pd.DataFrame(rows)
