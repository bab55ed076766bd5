"""What the Manifold page draws, read and computed once for each look. Cached functions take ids and settings and read no widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.geometry.neighbors import NEIGHBORS, Neighbors, changed_texts, neighborhood_change, neighbors
from dmlviz.analysis.geometry.quality import Estimate, ProjectionQuality, map_quality
from dmlviz.analysis.geometry.space import rows_of, space_report
from dmlviz.analysis.geometry.trails import snapshot_maps
from dmlviz.analysis.map_kinds import BY_ATTRIBUTION, color_problem, map_values, missing_maps, read_kind
from dmlviz.core.types import InputError, Pane, Run, class_words
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.maps import epochs, manifold
from dmlviz.figures.maps.marks import Marks, marks, moving
from dmlviz.store.attributions import stored_attributions, stored_rows
from dmlviz.store.runs import Store
from dmlviz.ui.shared import loaders


class DrawnMaps(NamedTuple):
    """Everything the maps show."""

    frame: pd.DataFrame
    panes: list[Pane]
    marks: Marks
    hover: dict[int, str]  # excerpts by row id


class Moments(NamedTuple):
    """The maps over epochs."""

    marks: Marks
    names: list[str]


def titles(runs: Sequence[Run]) -> list[str]:
    return run_titles([run.config for run in runs])


def color_problems(runs: Sequence[Run], colors: Sequence[str]) -> dict[str, str]:
    """Colour -> why the maps of these runs cannot have it, of those that they cannot."""
    store = loaders.store()
    rows = [store.arrays(run.id).row_ids for run in runs]
    explained = [len(stored_rows(store, run.id, "ig")) for run in runs]
    found = {color: color_problem(color, runs, rows, explained) for color in colors}
    return {color: problem for color, problem in found.items() if problem}


def drawn(run_ids: Sequence[str], kind: str, color_by: str, parts: Sequence[str], focus: Sequence[str]) -> DrawnMaps:
    """Frame, panes and marks; kept while the stored maps stay the same, so that a selection computes none of it again."""
    store = loaders.store()
    missing, explained = tuple(missing_maps(store, run_ids, read_kind(kind))), ()
    if color_by in BY_ATTRIBUTION:  # drawn anew when more texts were explained
        explained = tuple(len(stored_rows(store, run_id, "ig")) for run_id in run_ids)
    return _drawn(str(store.home), tuple(run_ids), missing, kind, color_by, tuple(parts), tuple(focus), explained)


@st.cache_resource(max_entries=6, show_spinner="The maps are laid out")
def _drawn(
    home: str, run_ids: tuple[str, ...], missing: tuple[str, ...], kind: str, color_by: str, parts: tuple, focus: tuple, explained: tuple[int, ...]
) -> DrawnMaps:
    panes, dataset = loaders.panes(list(run_ids), kind)
    values = map_values(color_by, panes, Store(home).arrays, lambda run_id: stored_attributions(Store(home), run_id, "ig"))
    frame = manifold.frame(panes, dataset.label_names, dataset.texts, color_by=color_by, parts=parts, focus=focus, values=values)
    if panes[0].projection.points.shape[1] == 3:
        return DrawnMaps(_with_depth(frame, panes), panes, marks(frame.head(0), (0, 1, 0, 1)), {})
    first = frame.drop_duplicates("row_id")
    hover = dict(zip(first["row_id"].astype(int), first["text"], strict=True))
    return DrawnMaps(frame, panes, marks(frame, manifold.window(frame)), hover)


def _with_depth(frame: pd.DataFrame, panes: Sequence[Pane]) -> pd.DataFrame:
    """The frame with a third coordinate."""
    depth = {(pane.run.id, int(row)): z for pane in panes for row, z in zip(pane.projection.row_ids, pane.projection.points[:, 2], strict=True)}
    return frame.assign(z=[depth[pane, int(row)] for pane, row in zip(frame["pane"], frame["row_id"], strict=True)])


def moments(run_ids: Sequence[str], color_by: str, parts: Sequence[str], focus: Sequence[str]) -> tuple[Moments | None, str]:
    """(the maps over epochs, a line on what they show), or (None, why there are none)."""
    return _moments(str(loaders.store().home), tuple(run_ids), color_by, tuple(parts), tuple(focus))


@st.cache_resource(max_entries=6, show_spinner="The maps over epochs are laid out")
def _moments(home: str, run_ids: tuple[str, ...], color_by: str, parts: tuple, focus: tuple) -> tuple[Moments | None, str]:
    panes, dataset = loaders.panes(list(run_ids), "pca")
    try:
        trails = snapshot_maps([Store(home).arrays(run_id) for run_id in run_ids], [pane.run.id for pane in panes])
    except InputError as error:
        return None, str(error)[:1].upper() + str(error)[1:] + "."
    values = map_values(color_by, panes, Store(home).arrays) if color_by in ("confidence", "disagreement") else {}
    color_by = "class" if color_by in ("distortion", "lost", *BY_ATTRIBUTION) else color_by
    ends = [epochs.at_moment(pane, trail, -1) for pane, trail in zip(panes, trails, strict=True)]
    kept = {pane.run.id: values[pane.run.id][epochs.places(pane, trail)] for pane, trail in zip(panes, trails, strict=True) if values}
    frame = manifold.frame(ends, dataset.label_names, dataset.texts, color_by=color_by, parts=parts, focus=focus, values=kept)
    everywhere = pd.DataFrame(np.concatenate([trail.points.reshape(-1, 2) for trail in trails]), columns=["x", "y"])
    still = marks(frame, manifold.window(everywhere, whole=True))
    names = [f"epoch {epoch:g}" if epoch else "before training" for epoch in trails[0].epochs]
    found = Moments(moving(still, [trail.points for trail in trails], [trail.row_ids for trail in trails]), names)
    each = " and ".join(dict.fromkeys(f"{100 * trail.variance:.0f} %" for trail in trails))
    return found, (
        f"The same {len(trails[0].row_ids)} texts at {len(names)} moments, on one PCA of all moments for each run ({each} of the variance)."
    )


@st.cache_data(max_entries=6, show_spinner=False)
def epochs_frame(home: str, run_ids: tuple[str, ...], color_by: str, parts: tuple, focus: tuple) -> pd.DataFrame:
    """The frame of the maps over epochs, as paper and CSV have it."""
    panes, dataset = loaders.panes(list(run_ids), "pca")
    inputs = [epochs.EpochInput(pane, Store(home).arrays(pane.run.id)) for pane in panes]
    color_by = color_by if color_by in epochs.COLOR_BY else "class"
    return epochs.frame(inputs, dataset.label_names, dataset.texts, color_by=color_by, parts=parts, focus=focus)


@st.cache_resource(max_entries=12, show_spinner="Nearest texts are looked up")
def near(home: str, run_id: str) -> Neighbors:
    """The nearest other texts of every text in the run's own space, by cosine."""
    return neighbors(np.asarray(Store(home).arrays(run_id).embeddings), NEIGHBORS)


@st.cache_data(max_entries=24, show_spinner="The maps are checked")
def quality(home: str, run_id: str, kind: str, _pane: Pane) -> ProjectionQuality:
    """The check of the map that is shown (it may be the PCA that stands in for `kind`, so the pane's own kind is part of the key)."""
    one = _pane.projection
    known = near(home, run_id) if one.metric == "cosine" else None
    return map_quality(np.asarray(Store(home).arrays(run_id).embeddings), one.points, metric=one.metric, near=known)


@st.cache_data(max_entries=24, show_spinner="The spaces are measured")
def space_rows(home: str, run_id: str) -> list[dict[str, str | int]]:
    """The numbers of the run's own space, of its test texts."""
    arrays = Store(home).arrays(run_id)
    return rows_of(space_report(np.asarray(arrays.embeddings), np.asarray(arrays.labels), np.asarray(arrays.roles)))


@st.cache_data(max_entries=12, show_spinner="Neighbourhoods are compared")
def changes(home: str, a: str, b: str, names: tuple[str, ...]) -> pd.DataFrame:
    """Texts by how much their neighbourhood differs between two runs."""
    (first, second), _ = loaders.panes([a, b], "pca")
    if not np.array_equal(first.projection.row_ids, second.projection.row_ids):
        raise InputError("the two runs hold different texts (another draw or split), so neighbourhoods cannot be compared; pick runs with one draw")
    change = neighborhood_change(near(home, a), near(home, b))
    return changed_texts(first.projection.row_ids, change, first.labels, first.predictions, second.predictions, class_words(names))


def said(one: Estimate, places: int = 2) -> str:
    """'0.97 (0.96 to 0.98)'."""
    if one.value is None:
        return "–"
    return f"{one.value:.{places}f}" + (f" ({one.low:.{places}f} to {one.high:.{places}f})" if one.low is not None and one.low != one.high else "")
