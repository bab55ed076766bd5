"""How far two attributions of one text agree, and what the pairs of runs that are compared differ in. Tables in and out; loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from dmlviz.analysis.attribution import mean_interval
from dmlviz.records import RunConfig, TokenAttribution

TOP_SHARE = 0.2  # of the words, for overlaps
FEWEST_WORDS = 3  # for a rank correlation


class Agreement(NamedTuple):
    """Two attributions of one text."""

    correlation: float  # Spearman of the values; NaN below three common words
    overlap: float  # share of the highest words that both name, of the fifth of the words (at least one)


def agreement(a: TokenAttribution, b: TokenAttribution) -> Agreement:
    """Over the words that both have: encoders may cut a text at different places."""
    first, second = _keyed(a), _keyed(b)
    common = [key for key in first if key in second]
    if not common:
        return Agreement(math.nan, math.nan)
    x, y = np.array([first[key] for key in common]), np.array([second[key] for key in common])
    few = len(common) < FEWEST_WORDS or np.ptp(x) == 0 or np.ptp(y) == 0
    k = max(1, math.ceil(TOP_SHARE * len(common)))
    top = set(np.argsort(-x, kind="stable")[:k]) & set(np.argsort(-y, kind="stable")[:k])
    return Agreement(math.nan if few else float(stats.spearmanr(x, y).statistic), len(top) / k)


def _keyed(one: TokenAttribution) -> dict[tuple[int, int, bool], float]:
    return {(int(a), int(b), bool(s)): float(v) for a, b, s, v in zip(one.starts, one.ends, one.second, one.values, strict=True)}


def relation(a: RunConfig, b: RunConfig) -> str:
    """What two runs differ in: "seed", "support draw", "loss", "several" or "nothing". A loss is its name with weight and settings."""
    apart = {name for name in RunConfig.model_fields if getattr(a, name) != getattr(b, name)}
    what = {"seed": "seed", "support_seed": "support draw", "fold": "support draw"}
    kinds = {what.get(name, "loss" if name in ("loss", "loss_settings", "ce_weight", "center_lr", "lr", "batches") else name) for name in apart}
    return next(iter(kinds)) if len(kinds) == 1 else "several" if kinds else "nothing"


def pairwise(found: Mapping[str, Mapping[int, TokenAttribution]], configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """One row per pair of runs and text they share: a, b, relation, row_id, class_id (of a), same (b explains it too), correlation, overlap."""
    rows = []
    for a, b in combinations(found, 2):
        kind = relation(configs[a], configs[b])
        for row_id in found[a].keys() & found[b].keys():
            one, other = found[a][row_id], found[b][row_id]
            rows.append((a, b, kind, row_id, one.class_id, one.class_id == other.class_id, *agreement(one, other)))
    return pd.DataFrame(rows, columns=["a", "b", "relation", "row_id", "class_id", "same", "correlation", "overlap"])


def stability(pairs: pd.DataFrame, *, same_class: bool = True) -> pd.DataFrame:
    """Per relation: relation, pairs (of runs), texts, correlation, low, high, overlap. Texts are averaged over pairs of runs first: n is of texts.

    `same_class`: only texts where both runs explain one class; values towards different classes need not agree.
    """
    kept = pairs[pairs["same"]] if same_class else pairs
    rows = []
    for kind, own in kept.groupby("relation", sort=False):
        texts = own.groupby("row_id")[["correlation", "overlap"]].mean()
        n, mean, low, high = mean_interval(texts["correlation"])
        rows.append((kind, len(own[["a", "b"]].drop_duplicates()), n, mean, low, high, float(texts["overlap"].mean())))
    order = {"seed": 0, "support draw": 1, "loss": 2}
    table = pd.DataFrame(rows, columns=["relation", "pairs", "texts", "correlation", "low", "high", "overlap"])
    return table.sort_values("relation", key=lambda names: names.map(lambda one: order.get(one, 9)), ignore_index=True)


def beyond_the_floor(pairs: pd.DataFrame) -> str:
    """Do losses differ by more than two seeds of one loss do? A sentence; over the texts that have both kinds of pairs."""
    kept = pairs[pairs["same"]]
    texts = kept.pivot_table(index="row_id", columns="relation", values="correlation", aggfunc="mean")
    floor = next((kind for kind in ("seed", "support draw") if kind in texts), None)
    if floor is None or "loss" not in texts:
        return (
            "To say whether losses differ, two runs of one loss that differ in the seed alone are needed, with explained texts in common: "
            "their agreement is the floor."
        )
    n, mean, low, high = mean_interval(texts[floor] - texts["loss"])
    apart = f"{mean:+.2f} ({low:+.2f} to {high:+.2f}, n = {n:,} texts)"
    if n >= 2 and low > 0:
        return f"Losses agree less with each other than two runs of one loss with another {floor}: difference {apart}."
    return f"Losses agree with each other no less than two runs of one loss with another {floor}: difference {apart}. Do not read meaning into it."


def text_stability(pairs: pd.DataFrame) -> dict[int, float]:
    """Row id -> mean rank correlation over all pairs of runs, for a colour on the map."""
    return {int(row): float(value) for row, value in pairs.groupby("row_id")["correlation"].mean().dropna().items()}
