"""Stored runs to the panes of the Manifold page: kinds of maps, predictions and confidence, on one frame of reference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dmlviz.core.types import InputError, Pane, Projection, Run, RunArrays, TextDataset, TokenAttribution, predicted_classes
from dmlviz.store.runs import Store


class MapKind(NamedTuple):
    """Which map: all that its picture depends on besides the runs."""

    method: str = "umap"
    metric: str = "cosine"
    dims: int = 2
    seed: int = 0
    settings: tuple[tuple[str, float], ...] = ()  # of the method, those that differ from its defaults
    start: str = "own pca"  # "common", "aligned": made for several runs together

    @property
    def together(self) -> bool:
        return self.start != "own pca"

    def __str__(self) -> str:
        """"umap"; what is not usual behind it: "umap+euclidean+3d+seed=1+n_neighbors=30+common"."""
        unusual = [self.metric] * (self.metric != "cosine") + [f"{self.dims}d"] * (self.dims != 2) + [f"seed={self.seed}"] * (self.seed != 0)
        return "+".join([self.method, *unusual, *(f"{name}={value:g}" for name, value in self.settings), *[self.start] * self.together])


def read_kind(text: str) -> MapKind:
    """The kind of map that `str(kind)` wrote. Raises InputError for what is no map."""
    from dmlviz.analysis.geometry.projection import changed_settings, check_method

    method, *unusual = text.split("+")
    found: dict[str, Any] = {"method": method}
    settings: dict[str, float] = {}
    for one in unusual:
        name, equals, value = one.partition("=")
        try:
            if equals:
                settings[name] = float(value)
            elif one in ("2d", "3d"):
                found["dims"] = int(one[0])
            else:
                found["start" if one in ("common", "aligned") else "metric"] = one
        except ValueError:
            raise InputError(f"the map {text[:60]!r} is not understood: {name} takes a number") from None
    found["seed"] = int(settings.pop("seed", 0))
    kind = MapKind(**found)
    check_method(kind.method, kind.metric, kind.dims)
    return kind._replace(settings=tuple(sorted(changed_settings(kind.method, settings).items())))


def stored_map(store: Store, run_id: str, kind: MapKind, together: Sequence[str]) -> Projection | None:
    """The run's map of this kind, where it has been made (with just these runs, for kinds that are made together)."""
    return store.projection(
        run_id, kind.method, kind.metric, kind.seed, dims=kind.dims, settings=dict(kind.settings), start=kind.start,
        shared_with=together if kind.together else (),
    )  # fmt: skip


def damaged_maps(store: Store, run_ids: Sequence[str], kind: MapKind) -> list[str]:
    """The runs that have it, but not so that it can be read."""
    more = {"dims": kind.dims, "settings": dict(kind.settings), "start": kind.start, "shared_with": run_ids if kind.together else ()}
    return [run_id for run_id in run_ids if store.has_damaged_map(run_id, kind.method, kind.metric, kind.seed, **more)]


def missing_maps(store: Store, run_ids: Sequence[str], kind: MapKind) -> list[str]:
    """The runs that do not have it."""
    return [run_id for run_id in run_ids if stored_map(store, run_id, kind, run_ids) is None]


def load_panes(
    store: Store, run_ids: Sequence[str], *, method: str = "umap", register_on_first: bool = True
) -> tuple[list[Pane], TextDataset]:
    """The runs' panes in the given order, and the texts they share. `method`: a kind of map, as `read_kind` takes it.

    Panes are compared, so all use one method: where a run has no stored map of it yet, every pane shows its PCA
    (`projection.method` says so). Raises InputError for a run without arrays, or runs on different texts.
    """
    if not run_ids:
        raise InputError("no run was named; name at least one finished run")
    kind, runs = read_kind(method), [store.run(run_id) for run_id in run_ids]
    _same_texts(runs)
    arrays = [store.arrays(run_id) for run_id in run_ids]
    maps = [stored_map(store, run_id, kind, run_ids) for run_id in run_ids]
    if any(one is None for one in maps):
        maps = [_pca(store, run, found, kind) for run, found in zip(runs, arrays, strict=True)]
    if register_on_first and len(maps) > 1:
        from dmlviz.analysis.geometry.projection import register

        maps = [maps[0], *(register(one, maps[0]) for one in maps[1:])]
    panes = [_pane(run, found, one) for run, found, one in zip(runs, arrays, maps, strict=True)]
    return panes, store.dataset(runs[0].config.dataset_hash or "")


BY_ATTRIBUTION = ("needed", "reasons")  # colourings from the runs' stored attributions


Explained = Callable[[str], Mapping[int, TokenAttribution]]  # run id -> row id -> attribution


LEARNED = ("none", "as_loaded")  # controls of runs that learned from the labels


def color_problem(color_by: str, runs: Sequence[Run], row_ids: Sequence[np.ndarray], explained: Sequence[int] = ()) -> str:
    """Why maps of these runs cannot be coloured so; "" where they can. `row_ids`: the texts of each; `explained`: how many of them are explained."""
    if color_by in BY_ATTRIBUTION:
        several = "two runs or more" if color_by == "reasons" else "these runs"
        enough = sum(count > 0 for count in explained) >= (2 if color_by == "reasons" else 1)
        return "" if enough else (
            f"the colour {color_by} needs explained texts of {several}; explain some on the Attributions page, or choose another colour"
        )  # fmt: skip
    if color_by not in ("lost", "disagreement"):
        return ""
    if any(not np.array_equal(rows, row_ids[0]) for rows in row_ids):
        return f"the colour {color_by} compares the same texts in every run, and these runs hold different ones; pick runs with one draw"
    if color_by == "lost" and not any(run.config.control == "pre_trained" for run in runs):
        return "the colour lost compares with the pre-trained encoder; add it as a pane (Controls), or choose another colour"
    if color_by == "disagreement" and sum(run.config.control in LEARNED for run in runs) < 2:
        return "the colour disagreement needs at least 2 runs that were trained; add one in the sidebar, or choose another colour"
    return ""


def map_values(
    color_by: str, panes: Sequence[Pane], arrays: Callable[[str], RunArrays], attributions: Explained | None = None
) -> dict[str, np.ndarray]:
    """Run id -> (N,) the number that colours each text (see figures.maps.frame.BY_VALUE), NaN where it was not measured; {} for colourings by class
    and the like. `attributions` are for BY_ATTRIBUTION.

    Raises InputError where the panes do not have it.
    """
    if color_by in BY_ATTRIBUTION:
        return _attribution_values(color_by, panes, attributions or (lambda run_id: {}))
    from dmlviz.analysis.geometry.neighbors import disagreement, neighbors_lost
    from dmlviz.analysis.geometry.quality import map_quality

    if color_by == "confidence":
        return {pane.run.id: pane.confidence for pane in panes}
    if color_by == "distortion":
        checked = ((pane.run.id, arrays(pane.run.id).embeddings, pane.projection) for pane in panes)
        return {run_id: map_quality(vectors, one.points, metric=one.metric).distortion for run_id, vectors, one in checked}
    if color_by not in ("lost", "disagreement"):
        return {}
    if problem := color_problem(color_by, [pane.run for pane in panes], [pane.projection.row_ids for pane in panes]):
        raise InputError(problem)
    if color_by == "disagreement":
        share = disagreement(np.stack([pane.predictions for pane in panes if pane.run.config.control in LEARNED]))
        return {pane.run.id: share for pane in panes}
    before = next(pane.run.id for pane in panes if pane.run.config.control == "pre_trained")
    start = np.asarray(arrays(before).embeddings)
    return {pane.run.id: neighbors_lost(start, np.asarray(arrays(pane.run.id).embeddings)) for pane in panes}


def _attribution_values(color_by: str, panes: Sequence[Pane], attributions: Explained) -> dict[str, np.ndarray]:
    from dmlviz.analysis.attribution.agreement import pairwise, text_stability

    found = {pane.run.id: attributions(pane.run.id) for pane in panes}
    counts = [len(own) for own in found.values()]
    if problem := color_problem(color_by, [pane.run for pane in panes], [pane.projection.row_ids for pane in panes], counts):
        raise InputError(problem)
    if color_by == "needed":
        known = {run_id: {row: one.checks["comprehensiveness"] for row, one in own.items()} for run_id, own in found.items()}
    else:
        pairs = pairwise({run_id: own for run_id, own in found.items() if own}, {pane.run.id: pane.run.config for pane in panes})
        agreeing = {row: (1 + value) / 2 for row, value in text_stability(pairs).items()}
        known = {run_id: agreeing for run_id in found}
    return {
        pane.run.id: np.clip([known[pane.run.id].get(int(row), np.nan) for row in pane.projection.row_ids], 0, 1).astype(np.float64) for pane in panes
    }


def _same_texts(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.config.dataset_hash != first.config.dataset_hash:
            raise InputError(
                f"run {run.id} ({run.config.dataset}) and run {first.id} ({first.config.dataset}) are on different texts, "
                "so their maps cannot be laid side by side; pick runs of one data set"
            )


def _pca(store: Store, run: Run, arrays: RunArrays, kind: MapKind) -> Projection:
    """The stored PCA, else one made now (quick) and kept."""
    wanted = MapKind("pca", kind.metric, kind.dims)
    stored = stored_map(store, run.id, wanted, ())
    if stored is not None:
        return stored
    from dmlviz.analysis.geometry.projection import project

    made = project(arrays.embeddings, arrays.row_ids, method="pca", metric=kind.metric, dims=kind.dims)
    with contextlib.suppress(OSError):  # a home that cannot be written, or another reader who was first
        store.save_projection(run.id, made)
    return made


def _pane(run: Run, arrays: RunArrays, projection: Projection) -> Pane:
    readout = run.metrics.get("readout")
    if readout not in arrays.scores:
        raise InputError(f"run {run.id} has no predictions: it has no trained head, no centres and too few classes for a probe; pick another run")
    predictions, confidence = confident(np.asarray(arrays.scores[readout]))
    return Pane(run, projection, np.asarray(arrays.labels), predictions, confidence, arrays.roles)


def confident(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) scores -> predicted classes (N,), UNREACHED where all are alike, and their softmax probability (N,)."""
    raised = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return predicted_classes(scores), raised.max(axis=1) / raised.sum(axis=1)
