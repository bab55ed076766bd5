"""Cached loaders of the Attributions page. They take ids and settings, return data, read no widget."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.attribution.agreement import between_baselines, pairwise
from dmlviz.analysis.attribution.kind import AttributionKind, other_baselines
from dmlviz.analysis.attribution.summary import by_loss, run_summary
from dmlviz.analysis.attribution.text_sample import sample_rows
from dmlviz.core.types import Run, TokenAttribution
from dmlviz.export.load_attributions import attribution_inputs
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.base.theme import base_title
from dmlviz.jobs import tasks
from dmlviz.store.attributions import attributions_folder
from dmlviz.store.runs import Store
from dmlviz.ui.shared import loaders


def stored(run_ids: Sequence[str], kind: AttributionKind) -> list[AttributionInput]:
    """The runs' stored attributions, read again when a part was added."""
    here = loaders.store()
    folders = [attributions_folder(here, run_id, str(kind)) for run_id in run_ids]
    folders += [attributions_folder(here, run_id, str(other)) for run_id in run_ids for other in other_baselines(kind)]
    files = [path for folder in folders for path in (*sorted(folder.glob("part-*.parquet")), folder / "sanity.json")]
    return _stored(str(here.home), tuple(run_ids), str(kind), tuple(map(_stamp, files)))


def _stamp(path: Path) -> tuple[str, int, int] | None:
    """What a file is told apart by: a damaged one that was replaced is read again."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return path.name, found.st_mtime_ns, found.st_size
    return None


@st.cache_resource(max_entries=8, show_spinner=False)
def _stored(home: str, run_ids: tuple[str, ...], kind: str, files: tuple[tuple[str, int, int] | None, ...]) -> list[AttributionInput]:
    return attribution_inputs(Store(home), run_ids, kind)


def tables(inputs: Sequence[AttributionInput]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(agreement of every pair of runs, or of baselines of one run, and text; the table of losses)."""
    key = tuple((one.run.id, one.kind, *((name, len(found)) for name, found in one.baselines.items())) for one in inputs)
    return _tables(str(loaders.store().home), key, inputs)


@st.cache_data(max_entries=8, show_spinner="Attributions are compared")
def _tables(home: str, key: tuple, _inputs: Sequence[AttributionInput]) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = {one.run.id: one.found for one in _inputs if one.found}
    pairs = pairwise(found, {one.run.id: one.run.config for one in _inputs})
    names = {one.run.id: loss_and_shots(one.run) for one in _inputs}
    accuracies = {one.run.id: float(one.run.metrics["accuracy"]) for one in _inputs if "accuracy" in one.run.metrics}
    losses = by_loss({run_id: run_summary(own) for run_id, own in found.items()}, names, accuracies, pairs)
    baselines = between_baselines({one.run.id: one.baselines for one in _inputs})
    return pd.concat([part for part in (pairs, baselines) if len(part)] or [pairs], ignore_index=True), losses


def loss_and_shots(run: Run) -> str:
    shots = "all shots" if run.config.shots is None else f"{run.config.shots} shots"
    return f"{base_title(run.config)}, {shots}"


def candidates(run_ids: Sequence[str], how: str, chosen: np.ndarray, most: int = 300) -> np.ndarray:
    """Row ids to pick a text from, the most telling first: "selected", "wrong" (surest errors of the first run), "apart" (runs predict differently),
    "all" test texts."""
    panes, _ = loaders.panes(list(run_ids), "pca")
    first = panes[0]
    rows, test = np.asarray(first.projection.row_ids), first.roles == "test"
    if how == "selected":
        return np.asarray(chosen)[:most]
    if how == "wrong":
        wrong = np.flatnonzero(test & (first.predictions != first.labels))
        return rows[wrong[np.argsort(-first.confidence[wrong], kind="stable")]][:most]
    if how == "apart":
        guesses = np.stack([pane.predictions for pane in panes])
        apart = np.flatnonzero(test & (guesses != guesses[0]).any(axis=0))
        return rows[apart[np.argsort(-first.confidence[apart], kind="stable")]][:most]
    return rows[test][:most]


def sample(run_ids: Sequence[str], count: int) -> np.ndarray:
    """Test texts for a job: spread evenly over the classes, the same for every run; few are part of many."""
    first = loaders.panes([run_ids[0]], "pca")[0][0]
    return sample_rows(first.roles, first.labels, first.projection.row_ids, count)


def answer(
    run_ids: Sequence[str], kind: AttributionKind, text: str, pair: str | None, row: int | None, *, again: bool = False
) -> tuple[tasks.Ticket, Mapping[str, TokenAttribution | str]]:
    """Ask for a text's attributions, or fetch what was answered; `again`: also where it failed, was cancelled or answered."""
    here = loaders.store()
    ticket = tasks.ask_typed(here, list(run_ids), kind, text, pair, row=row, again=again)
    return ticket, tasks.typed_answer(here, ticket.id) if ticket.state == "done" else {}
