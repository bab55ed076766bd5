"""Stored runs to the panes of the Manifold page: maps, predictions and confidence, on one frame of reference."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np

from dmlviz.records import InputError, Pane, Projection, Run, RunArrays, TextDataset
from dmlviz.store import Store


def load_panes(
    store: Store, run_ids: Sequence[str], *, method: str = "umap", metric: str = "cosine", register_on_first: bool = True
) -> tuple[list[Pane], TextDataset]:
    """The runs' panes in the given order, and the texts they share.

    Panes are compared, so all use one method: where a run has no stored map of `method` yet, every pane shows its PCA
    (`projection.method` says so). Raises InputError for a run without arrays, or runs on different texts.
    """
    if not run_ids:
        raise InputError("no run was named; name at least one finished run")
    runs = [store.run(run_id) for run_id in run_ids]
    _same_texts(runs)
    arrays = [store.arrays(run_id) for run_id in run_ids]
    maps = [store.projection(run_id, method, metric) for run_id in run_ids]
    if any(one is None for one in maps):
        maps = [_pca(store, run, found, metric) for run, found in zip(runs, arrays, strict=True)]
    if register_on_first and len(maps) > 1:
        from dmlviz.analysis.projection import register

        maps = [maps[0], *(register(one, maps[0]) for one in maps[1:])]
    panes = [_pane(run, found, one) for run, found, one in zip(runs, arrays, maps, strict=True)]
    return panes, store.dataset(runs[0].config.dataset_hash or "")


def _same_texts(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.config.dataset_hash != first.config.dataset_hash:
            raise InputError(
                f"run {run.id} ({run.config.dataset}) and run {first.id} ({first.config.dataset}) are on different texts, "
                "so their maps cannot be laid side by side; pick runs of one data set"
            )


def _pca(store: Store, run: Run, arrays: RunArrays, metric: str) -> Projection:
    """The stored PCA, else one made now (quick) and kept."""
    stored = store.projection(run.id, "pca", metric)
    if stored is not None:
        return stored
    from dmlviz.analysis.projection import project

    made = project(arrays.embeddings, arrays.row_ids, method="pca", metric=metric)
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
    """(N, C) scores -> predicted classes (N,) and their softmax probability (N,)."""
    raised = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return scores.argmax(axis=1), raised.max(axis=1) / raised.sum(axis=1)
