"""What the Reliability page judges: data sets, groups, readout and number; and the list of its sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dmlviz.analysis.reliability.groups import Group, finished_groups
from dmlviz.analysis.reliability.intervals import KINDS
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.core.types import Run
from dmlviz.figures.base.theme import base_title
from dmlviz.figures.reliability.frame import METRICS, dataset_key, dataset_names
from dmlviz.ui.reliability import loaders as reliability_loaders
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import damage
from dmlviz.ui.shared.picks import picked_runs
from dmlviz.ui.shared.words import READOUTS, accuracy_by, readouts, shots


class Scope(NamedTuple):
    """What is judged. The sections behind the tabs get it narrowed to one data set and one number of shots (`narrowed`)."""

    groups: tuple[Group, ...]
    readout: str = ""  # "": each run's own
    metric: str = "accuracy"  # or "macro_f1"

    @property
    def runs(self) -> list[Run]:
        return [run for group in self.groups for run in group.runs]

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run.id for run in self.runs)

    def value(self, run: Run) -> float:
        """The judged number of a run, a share of 1."""
        found = accuracy_by(run, self.readout or None, self.metric)
        return float("nan") if found is None else float(found)

    def outcomes(self, groups: Sequence[Group] | None = None) -> list[Outcome]:
        """What the runs said of their texts; of all groups, or of these."""
        return reliability_loaders.outcomes(self.groups if groups is None else groups, self.readout)


def scope_of(runs: Sequence[Run]) -> Scope:
    """One row of controls; what they say is in the address. Empty fields: the picked runs' data set, and all of its groups."""
    groups = finished_groups(runs)
    names = dataset_names(groups)
    a, b, c, d = st.columns([1.6, 2.2, 1.4, 0.9], vertical_alignment="bottom")
    own = [names[key] for run in picked_runs() if (key := run.config.dataset_hash or run.config.dataset) in names][:1] or list(names.values())[:1]
    chosen = a.multiselect(
        "Data sets", sorted(names.values()), key="judge", bind="query-params", placeholder=f"{own[0]}, as compared" if own else "none",
        help="Empty: the data set of the runs in the sidebar. With several, the curves stand side by side and losses are ranked over them.",
    )  # fmt: skip
    groups = [group for group in groups if names[dataset_key(group)] in (chosen or own)]
    losses = list(dict.fromkeys(base_title(group.config) for group in groups))
    kept = b.multiselect("Losses", losses, key="judge_losses", bind="query-params", placeholder="all that are finished")
    groups = [group for group in groups if not kept or base_title(group.config) in kept]
    known = sorted({name for group in groups for run in group.runs for name in readouts(run)})
    readout = c.selectbox(
        "Predictions by", ["", *known], format_func=lambda name: READOUTS.get(name, name) if name else "each run's own readout",
        key="judge_readout", bind="query-params", help="A trained model can predict in several ways; each is stored with the run.",
    )  # fmt: skip
    metric = d.selectbox("Number", list(METRICS), format_func=METRICS.get, key="judge_metric", bind="query-params")
    able = [Group(group.key, tuple(run for run in group.runs if not readout or readout in readouts(run))) for group in groups]
    return Scope(tuple(group for group in able if group.runs), readout, metric)


def interval_kind() -> str:
    """Which interval, with one line on what it holds."""
    return st.selectbox(
        "Interval", list(KINDS), format_func=lambda one: KINDS[one].partition(":")[0], key="judge_interval", bind="query-params", width=260
    )  # fmt: skip


def options(scope: Scope) -> dict[str, str]:
    """The scope as options of the figures about groups."""
    return {"metric": scope.metric, **({"predictions_by": scope.readout} if scope.readout else {})}


def readable(scope: Scope) -> Scope:
    """The scope without runs whose files cannot be read, which are said: for sections that look at texts. Opens every run's arrays."""
    groups, words = [], {}
    for group in scope.groups:
        kept = []
        for run in group.runs:
            error = loaders.damage_of(run)
            if error is None:
                kept.append(run)
            else:
                words.setdefault(str(error))
        groups += [Group(group.key, tuple(kept))] if kept else []
    for sentence in words:
        damage(f"left out: {sentence}")
    return scope._replace(groups=tuple(groups))


def narrowed(scope: Scope) -> Scope:
    """The scope on one data set and one number of shots, picked where there are several: what stands text by text needs the same texts."""
    names = dataset_names(scope.groups)
    cells: dict[str, list[Group]] = {}
    for group in scope.groups:
        cells.setdefault(f"{names[dataset_key(group)]}, {shots(group.runs[0])}", []).append(group)
    if len(cells) < 2:
        return scope
    picked = {run.id for run in picked_runs()}
    first = max(cells, key=lambda cell: (any(run.id in picked for group in cells[cell] for run in group.runs), len(cells[cell])))
    cell = st.selectbox("Data set and shots", list(cells), list(cells).index(first), key="judge_cell", width=260, persist_state="session")
    return scope._replace(groups=tuple(cells[cell]))
