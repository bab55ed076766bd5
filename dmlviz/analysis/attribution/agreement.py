"""How far two attributions of one text agree, and what the pairs of runs that are compared differ in. Tables in and out; loads no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from dmlviz.analysis.attribution.summary import mean_interval
from dmlviz.core.types import RunConfig, TokenAttribution

TOP_SHARE = 0.2  # of the words, for overlaps
FEWEST_WORDS = 3  # for a rank correlation
BOTH = "draw and seed"  # as all runs of a loss do in a sweep with `seeds: as_draw`
FLOORS = ("seed", "support draw", BOTH)  # what two runs of one loss may differ in, the strictest first
ORDER = {"seed": 0, "support draw": 1, BOTH: 2, "loss": 3, "baseline": 4}
COLUMNS = ["a", "b", "relation", "row_id", "class_id", "same", "correlation", "overlap"]


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
    """What two runs differ in: "seed", "support draw", "draw and seed" (of one loss), "loss" (of one draw and seed), "several" or "nothing".
    A loss is its name with weight and settings."""
    apart = {name for name in RunConfig.model_fields if getattr(a, name) != getattr(b, name)}
    what = {"seed": "seed", "support_seed": "support draw", "fold": "support draw"}
    kinds = {what.get(name, "loss" if name in ("loss", "loss_settings", "ce_weight", "center_lr", "lr", "batches") else name) for name in apart}
    if kinds == {"seed", "support draw"}:
        return BOTH
    return next(iter(kinds)) if len(kinds) == 1 else "several" if kinds else "nothing"


def pairwise(found: Mapping[str, Mapping[int, TokenAttribution]], configs: Mapping[str, RunConfig]) -> pd.DataFrame:
    """One row per pair of runs and text they share: a, b, relation, row_id, class_id (of a), same (b explains it too), correlation, overlap."""
    rows = []
    for a, b in combinations(found, 2):
        kind = relation(configs[a], configs[b])
        for row_id in found[a].keys() & found[b].keys():
            one, other = found[a][row_id], found[b][row_id]
            rows.append((a, b, kind, row_id, one.class_id, one.class_id == other.class_id, *agreement(one, other)))
    return pd.DataFrame(rows, columns=COLUMNS)


def between_baselines(found: Mapping[str, Mapping[str, Mapping[int, TokenAttribution]]]) -> pd.DataFrame:
    """As `pairwise`, of two baselines of one run: relation "baseline", a and b are `with_baseline` of the run.

    `found`: run id -> baseline -> row id -> attribution, of one method and target.
    """
    rows = []
    for run_id, kinds in found.items():
        for first, second in combinations(kinds, 2):
            names = with_baseline(run_id, first), with_baseline(run_id, second)
            for row_id in kinds[first].keys() & kinds[second].keys():
                one, other = kinds[first][row_id], kinds[second][row_id]
                rows.append((*names, "baseline", row_id, one.class_id, one.class_id == other.class_id, *agreement(one, other)))
    return pd.DataFrame(rows, columns=COLUMNS)


def with_baseline(run_id: str, baseline: str) -> str:
    """What stands in a table for a run's attributions from one of several baselines."""
    return f"{run_id} [{baseline}]"


def stability(pairs: pd.DataFrame, *, same_class: bool = True) -> pd.DataFrame:
    """Per relation: relation, pairs (of runs), texts, correlation, low, high, overlap. Texts are averaged over pairs of runs first: n is of texts.

    `same_class`: only texts where both runs explain one class; values towards different classes need not agree.
    """
    kept = pairs[pairs["same"]] if same_class else pairs
    rows = []
    for kind, own in kept.groupby("relation", sort=False):
        texts = own.groupby("row_id")[["correlation", "overlap"]].mean()
        rows.append((kind, len(own[["a", "b"]].drop_duplicates()), *_bounded(texts["correlation"]), float(texts["overlap"].mean())))
    table = pd.DataFrame(rows, columns=["relation", "pairs", "texts", "correlation", "low", "high", "overlap"])
    return table.sort_values("relation", key=lambda names: names.map(lambda one: ORDER.get(one, 9)), ignore_index=True)


def _bounded(correlations: pd.Series) -> tuple[int, float, float, float]:
    """(n, mean, low, high); no interval reaches beyond what a correlation can be."""
    return mean_interval(correlations, -1, 1)


def class_stability(pairs: pd.DataFrame) -> pd.DataFrame:
    """`stability` within each class explained: class_id, relation, pairs, texts, correlation, low, high, overlap, lowest agreement first, and beside
    each row its class's floor (`floor`, `floor_texts`): the agreement of two runs of one loss that differ in the first of `FLOORS` there is.

    Only texts where both explain that class. A text with fewer than three words has an overlap and no correlation; `texts` counts correlations.
    """
    kept = pairs[pairs["same"]]
    columns = ["class_id", "relation", "pairs", "texts", "correlation", "low", "high", "overlap", "floor_relation", "floor", "floor_texts"]
    tables = []
    for class_id, own in kept.groupby("class_id"):
        table = stability(own).assign(class_id=int(class_id), floor_relation="", floor=math.nan, floor_texts=0)
        floor = next((kind for kind in FLOORS if kind in set(table["relation"])), None)
        if floor is not None:
            first = table[table["relation"] == floor].iloc[0]
            table = table.assign(floor_relation=floor, floor=first["correlation"], floor_texts=first["texts"])
        tables.append(table)
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True)
    order = np.lexsort([table["relation"].map(lambda one: ORDER.get(one, 9)), table["class_id"], table["correlation"].fillna(np.inf)])
    return table.iloc[order].reset_index(drop=True)[columns]


def beyond_the_floor(pairs: pd.DataFrame) -> str:
    """Do losses differ by more than two seeds of one loss do? A sentence; over the texts that have both kinds of pairs."""
    kept = pairs[pairs["same"]]
    texts = kept.pivot_table(index="row_id", columns="relation", values="correlation", aggfunc="mean")
    floor = next((kind for kind in FLOORS if kind in texts), None)
    if floor is None or "loss" not in texts:
        return (
            "To say whether losses differ, two runs of one loss with another seed or draw are needed, with explained texts in common: "
            "their agreement is the floor."
        )
    n, mean, low, high = mean_interval(texts[floor] - texts["loss"], -2, 2)
    apart = f"{mean:+.2f} ({low:+.2f} to {high:+.2f}, n = {n:,} texts)"
    if n >= 2 and low > 0:
        return f"Losses agree less with each other than two runs of one loss with another {floor}: difference {apart}."
    return f"Losses agree with each other no less than two runs of one loss with another {floor}: difference {apart}. Do not read meaning into it."


def text_stability(pairs: pd.DataFrame) -> dict[int, float]:
    """Row id -> mean rank correlation over all pairs of runs, for a colour on the map."""
    return {int(row): float(value) for row, value in pairs.groupby("row_id")["correlation"].mean().dropna().items()}
