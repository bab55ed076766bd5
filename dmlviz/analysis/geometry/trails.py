"""The same texts over epochs, on one map for each run: so that what moves is the text and not the view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmlviz.analysis.geometry.projection import project, register
from dmlviz.core.types import InputError, Projection, RunArrays

STRIDE = 10_000_000  # row id of a text at moment e: e * STRIDE + row


@dataclass(frozen=True, eq=False)
class Trail:
    """P texts at F moments."""

    points: np.ndarray  # (F, P, 2)
    row_ids: np.ndarray  # (P,)
    epochs: np.ndarray  # (F,)
    variance: float  # share of the variance of all moments that the two axes hold
    residual: float | None  # after registration on the first run's trail
    end: Projection  # the last moment


def snapshot_maps(arrays: Sequence[RunArrays], run_ids: Sequence[str], *, metric: str = "cosine") -> list[Trail]:
    """One PCA per run over all its stored moments (F·P vectors), registered as a whole on the first run's.

    Raises InputError for runs without snapshots, or with other moments or texts than the first.
    """
    lacking = [run_id for run_id, one in zip(run_ids, arrays, strict=True) if one.snapshots is None or len(one.snapshots) < 2]
    if lacking:
        raise InputError(f"{', '.join(lacking)} kept no snapshots over epochs; train with snapshots of 2 or more, or look at the maps after training")
    first = arrays[0]
    for run_id, one in zip(run_ids, arrays, strict=True):
        if not np.array_equal(one.snapshot_epochs, first.snapshot_epochs) or not np.array_equal(one.snapshot_rows, first.snapshot_rows):
            raise InputError(f"{run_id} kept other moments or texts than {run_ids[0]}, so they cannot run side by side; pick runs with one schedule")
    flat = [_flat(one, metric) for one in arrays]
    turned = [flat[0], *(register(one, flat[0]) for one in flat[1:])]
    return [_trail(one, own) for one, own in zip(turned, arrays, strict=True)]


def _flat(arrays: RunArrays, metric: str) -> Projection:
    moments, texts, width = arrays.snapshots.shape
    ids = (np.arange(moments)[:, None] * STRIDE + np.asarray(arrays.snapshot_rows)[None]).ravel()
    return project(np.asarray(arrays.snapshots, dtype=np.float32).reshape(moments * texts, width), ids, method="pca", metric=metric)


def _trail(flat: Projection, arrays: RunArrays) -> Trail:
    moments, texts = len(arrays.snapshot_epochs), len(arrays.snapshot_rows)
    points = flat.points.reshape(moments, texts, 2)
    end = replace(flat, points=points[-1], row_ids=np.asarray(arrays.snapshot_rows))
    return Trail(points, np.asarray(arrays.snapshot_rows), np.asarray(arrays.snapshot_epochs), float(sum(flat.variance or (0,))), flat.residual, end)
