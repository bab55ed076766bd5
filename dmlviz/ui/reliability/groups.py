"""Groups on the Reliability page: the number of each with its interval, and the runs behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.reliability.intervals import KINDS, Interval, group_interval, interval_on_texts, units
from dmlviz.core.types import InputError
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures.reliability.frame import METRICS, Member, members, shots_words
from dmlviz.ui.reliability import loaders
from dmlviz.ui.reliability.parts import Scope, interval_kind, readable
from dmlviz.ui.shared.frame import escaped
from dmlviz.ui.shared.group_rows import spread_column
from dmlviz.ui.shared.picks import MOST, compare_link
from dmlviz.ui.shared.words import run_name


def groups(scope: Scope) -> None:
    """One row per group; a picked one shows its runs and can be put into the comparison."""
    kind = interval_kind()
    scope = scope if kind == "student" else readable(scope)
    found = members(scope.runs, predictions_by=scope.readout)
    intervals = [_interval(scope, one, kind) for one in found]
    points = [[100 * scope.value(run) for run in one.group.runs] for one in found]
    table = pd.DataFrame({
        "data set": [one.dataset for one in found], "shots": [shots_words(one.config) for one in found], "loss": [one.method for one in found],
        f"{METRICS[scope.metric]} %": [100 * one.mean for one in intervals],
        "95 % interval": [_bounds(one) for one in intervals],
        "n": ["single run" if one.group.lone else f"{units(one.group.runs).n} {units(one.group.runs).name}s" for one in found],
        "draws": [one.group.draws for one in found], "seeds": [one.group.seeds for one in found], "each run": points,
    })  # fmt: skip
    low, high = min(map(min, points)), max(map(max, points))
    one = st.column_config.NumberColumn(format="%.1f", width="small")
    config = {f"{METRICS[scope.metric]} %": one, "each run": spread_column(low, high)}
    event = st.dataframe(
        table, hide_index=True, column_config=config, placeholder="–", on_select="rerun", selection_mode="single-row", key="judge_groups",
        height=min(38 + 35 * len(table), 460), alt=f"{len(table)} groups with mean and interval",
    )  # fmt: skip
    held = "; ".join(dict.fromkeys(units(one.group.runs).words for one in found if not one.group.lone))
    st.caption(escaped(f"95 % interval: {KINDS[kind]}, within 0 to 100 %." + (f" Here: {held}." if held else "")))
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button("CSV", lambda: csv_bytes(table), file_name(["groups"], "csv"), "text/csv", key="judge_groups_csv", on_click="ignore")
    for i in event["selection"]["rows"]:
        if i < len(found):
            _runs(scope, found[i])


def _bounds(one: Interval) -> str | None:
    """'51.2 to 63.4', within what a share can be; None without an interval."""
    return f"{100 * max(one.low, 0.0):.1f} to {100 * min(one.high, 1.0):.1f}" if np.isfinite(one.low) else None


def _interval(scope: Scope, one: Member, kind: str) -> Interval:
    if kind == "student":
        return group_interval(one.group.runs, [scope.value(run) for run in one.group.runs])
    outcomes = scope.outcomes([one.group])
    try:
        return interval_on_texts(one.group.runs, loaders.tested(outcomes, scope.metric), kind, metric=scope.metric)
    except InputError:  # folds: every run has texts of its own
        return group_interval(one.group.runs, [scope.value(run) for run in one.group.runs])._replace(low=np.nan, high=np.nan)


def _runs(scope: Scope, one: Member) -> None:
    with st.container(border=True):
        st.markdown(f"**{escaped(one.method)}**, {escaped(one.cell)}")
        st.dataframe(
            pd.DataFrame({"run": [run_name(run) for run in one.group.runs], "draw": [run.config.support_seed for run in one.group.runs],
                          "seed": [run.config.seed for run in one.group.runs],
                          f"{METRICS[scope.metric]} %": [100 * scope.value(run) for run in one.group.runs]}),
            hide_index=True, column_config={f"{METRICS[scope.metric]} %": st.column_config.NumberColumn(format="%.1f")},
        )  # fmt: skip
        label = "Compare these runs" if len(one.group.runs) <= MOST else f"Compare the first {MOST} runs"
        compare_link([run.id for run in one.group.runs], label, key="judge_compare")
