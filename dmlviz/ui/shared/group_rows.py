"""Rows of tables about groups, the same on Overview and Runs: mean, half interval, n, and the runs as points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.fairness import paired
from dmlviz.analysis.reliability.comparing import compare, pairs_of
from dmlviz.analysis.reliability.groups import Group
from dmlviz.analysis.reliability.intervals import group_interval
from dmlviz.core.types import Run
from dmlviz.core.wording import count_of
from dmlviz.ui.shared.words import accuracy_by

INTERVAL = "± is half of Student's 95 % interval over draws of the shots, or over seeds where there is one draw; a single run has none"


def numbers(groups: Sequence[Group], readout: str | None, metric: str = "accuracy") -> pd.DataFrame:
    """One row per group: "Accuracy %", "±", "Runs" ("single run", "5 draws, 5 seeds"), "Each run" (points in order of draw and seed)."""
    points = [[_share(run, readout, metric) for run in group.runs] for group in groups]
    found = [group_interval(group.runs, own) for group, own in zip(groups, points, strict=True)]
    title = "Accuracy %" if metric == "accuracy" else "Macro-F1 %"
    return pd.DataFrame({
        title: [one.mean for one in found], "±": [(one.high - one.low) / 2 for one in found],
        "Runs": [runs_words(group) for group in groups], "Each run": points,
    })  # fmt: skip


def _share(run: Run, readout: str | None, metric: str) -> float:
    found = accuracy_by(run, readout, metric)
    return float("nan") if found is None else 100 * float(found)


def runs_words(group: Group) -> str:
    """'single run', '5 draws, 5 seeds', '1 draw, 3 seeds'."""
    return "single run" if group.lone else f"{count_of(group.draws, 'draw')}, {count_of(group.seeds, 'seed')}"


def columns(table: pd.DataFrame) -> dict[str, object]:
    """Column settings of `numbers`; the points of all rows share a scale."""
    one = st.column_config.NumberColumn(format="%.1f", width="small")
    every = [value for own in table["Each run"] for value in own if np.isfinite(value)]
    low, high = (min(every), max(every)) if every else (0.0, 100.0)
    half = st.column_config.NumberColumn(format="%.1f", width="small", help=INTERVAL + ".")
    return {"Accuracy %": one, "Macro-F1 %": st.column_config.NumberColumn(format="%.1f"), "±": half, "Each run": spread_column(low, high)}


def spread_column(low: float, high: float) -> object:
    """Each run's number as a bar, all rows between the same bounds: a line would join draws that have no order."""
    floor = max(0.0, low - 0.15 * (high - low) - 1)
    words = f"One bar a run, in order of draw and seed; every row from {floor:.0f} to {high:.0f} %."
    return st.column_config.BarChartColumn(y_min=floor, y_max=high, width="small", help=words)


def gains(groups: Sequence[Group], readout: str | None) -> list[tuple[float, float]]:
    """(points over cross-entropy, half its interval) of each group over runs of the same draw, seed and budget; NaN where there are none."""
    bases: dict[tuple, list[Group]] = {}
    for group in groups:
        if group.config.loss == "cross_entropy" and group.config.control == "none":
            bases.setdefault(_cell(group), []).append(group)
    return [_gain(group, bases.get(_cell(group), []), readout) for group in groups]


def _cell(group: Group) -> tuple:
    config = group.config
    return config.dataset_hash, config.shots, config.shots_by, config.encoder


def _gain(group: Group, bases: Sequence[Group], readout: str | None) -> tuple[float, float]:
    if group.config.loss != "cross_entropy":
        for base in bases:
            pairs = pairs_of(group, base)
            if pairs and paired(*pairs[0]):  # one pair speaks for all: the rest of a group's config is the same
                found = compare(pairs, lambda run: _share(run, readout, "accuracy"))
                return found.difference, (found.high - found.low) / 2
    return float("nan"), float("nan")
