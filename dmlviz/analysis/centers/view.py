"""One run on the Proxies page: its centres (or class means), what they hold, and where they are on a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.centers.places import NEIGHBORS, Places, among_neighbors, on_pca, pca_places
from dmlviz.analysis.centers.use import CenterReport, NearWord, center_report, class_means, drift, nearest_words
from dmlviz.core.types import InputError, Pane, Run, RunArrays

PARTS = ("test", "support", "validation", "all")
SPACES = ("texts", "tokens")
WHICH = ("learned", "means")
MERGE = 0.1


class CenterInput(NamedTuple):
    """A run as it is stored, with the loss's temperature."""

    pane: Pane
    arrays: RunArrays
    gamma: float


class CenterLook(NamedTuple):
    """What is looked at."""

    part: str = "test"  # whose texts are counted
    space: str = "texts"  # "tokens": token-space centres on the map of their tokens
    which: str = "learned"  # "means": class means for every run, so that all losses compare
    merge: float = MERGE  # cosine distance below which centres of a class count as one


@dataclass(frozen=True, eq=False)
class CenterView:
    """Centres of a run on a map of P points, which are texts or tokens."""

    run: Run
    accuracy: float  # of the run's test part; NaN without one
    kind: str  # "learned", "means", or "none" when there is neither
    space: str  # "texts" or "tokens": what the points are, and what was counted
    part: str  # whose texts were counted: one of PARTS
    points: np.ndarray  # (P, 2)
    rows: np.ndarray  # (P,) row id of the text
    labels: np.ndarray  # (P,)
    roles: np.ndarray  # (P,)
    words: np.ndarray | None  # (P,) of tokens
    counted: np.ndarray  # (M,) the points that the report counted, in its order
    report: CenterReport | None
    places: Places | None
    near_words: list[list[tuple[NearWord, ...]]] | None
    drift: np.ndarray | None  # (E, C, K) cosine distance from the start
    path: np.ndarray | None  # (E, C, K, 2) places over epochs
    epochs: np.ndarray | None  # (E,)
    method: str  # "umap", "pca"
    said: tuple[str, ...]  # sentences on what is not as one may expect


def center_view(given: CenterInput, classes: int, look: CenterLook) -> CenterView:
    """The view of one run. A run without centres shows the means of its support texts; without those, its texts alone. Raises InputError for a
    choice that is not known."""
    for value, known in ((look.part, PARTS), (look.space, SPACES), (look.which, WHICH)):
        if value not in known:
            raise InputError(f"{value!r} is not known here; choose one of {', '.join(known)}")
    pane, arrays = given.pane, given.arrays
    said: list[str] = []
    kind, centers = _centers(arrays, classes, look, said)
    in_tokens = kind == "learned" and arrays.centers_space == "tokens"
    space = _space(arrays, in_tokens, look, said)
    if space == "tokens":
        points, places = pca_places(arrays.tokens.vectors, centers)
        vectors, rows = np.asarray(arrays.tokens.vectors), np.asarray(arrays.tokens.rows)
        at = _positions(arrays.row_ids, rows)
        labels, roles, method = np.asarray(arrays.labels)[at], arrays.roles[at], "pca"
        placed = Places(places, np.zeros(places.shape[:-1]), True)
    else:
        vectors, rows, points = np.asarray(arrays.embeddings), np.asarray(arrays.row_ids), np.asarray(pane.projection.points, dtype=float)[:, :2]
        labels, roles, method = np.asarray(arrays.labels), arrays.roles, pane.projection.method
        placed = None if centers is None else _on_map(centers, vectors, points, method, pane.projection.metric)
    part, counted = _counted(roles, look.part, space, said)
    report = None
    if centers is not None:
        report = center_report(vectors[counted], labels[counted], centers, gamma=given.gamma, row_ids=rows[counted], merge_distance=look.merge)
    snapshots = arrays.center_snapshots if kind == "learned" else None
    if kind == "learned" and snapshots is None:
        said.append("How its centres moved was not kept: the run was made before that, or its centres were trained elsewhere.")
    return CenterView(
        run=pane.run, accuracy=_accuracy(pane), kind=kind, space=space, part=part, points=points, rows=rows, labels=labels, roles=roles,
        words=np.asarray(arrays.tokens.words) if space == "tokens" else None, counted=counted, report=report, places=placed,
        near_words=nearest_words(arrays.tokens.vectors, arrays.tokens.words, centers) if in_tokens and arrays.tokens is not None else None,
        drift=None if snapshots is None else drift(snapshots),
        path=None if snapshots is None else _path(arrays, snapshots, vectors, points, placed),
        epochs=None if snapshots is None else np.asarray(arrays.snapshot_epochs, dtype=float), method=method, said=tuple(said),
    )  # fmt: skip


def _centers(arrays: RunArrays, classes: int, look: CenterLook, said: list[str]) -> tuple[str, np.ndarray | None]:
    if arrays.centers is not None and look.which == "learned":
        return "learned", np.asarray(arrays.centers)
    if not (arrays.roles == "support").any():
        said.append("This run has no centres and no support texts to take class means of; its map is on the Manifold page.")
        return "none", None
    if arrays.centers is None:
        said.append("This loss has no centres: the mean of each class's support texts stands for one, so effective K is 1.")
    else:
        said.append("Class means are shown in place of its own centres: the mean of each class's support texts, so effective K is 1.")
    return "means", class_means(np.asarray(arrays.embeddings), arrays.labels, arrays.roles, classes)


def _space(arrays: RunArrays, in_tokens: bool, look: CenterLook, said: list[str]) -> str:
    if not in_tokens:
        if look.space == "tokens":
            said.append("Nothing here lives in token space: texts are counted and drawn.")
        return "texts"
    if look.space == "tokens" and arrays.tokens is not None:
        return "tokens"
    if arrays.tokens is not None:
        said.append("Its centres live in token space; here they are compared with whole texts. Choose tokens to see what the loss saw.")
    else:
        said.append("Its centres live in token space, and the run was made before tokens were kept: they are compared with whole texts.")
    return "texts"


def _positions(row_ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where each of `rows` stands in `row_ids`."""
    order = np.argsort(row_ids, kind="stable")
    return order[np.searchsorted(np.asarray(row_ids)[order], rows)]


def _counted(roles: np.ndarray, wanted: str, space: str, said: list[str]) -> tuple[str, np.ndarray]:
    """The positions to count; all of them, and said, where the wanted part is empty."""
    found = np.flatnonzero(roles == wanted) if wanted != "all" else np.arange(len(roles))
    if len(found) or not len(roles):
        return wanted, found
    said.append(f"This run has no {wanted} {space}; all its {space} are counted.")
    return "all", np.arange(len(roles))


def _on_map(centers: np.ndarray, vectors: np.ndarray, points: np.ndarray, method: str, metric: str) -> Places:
    exact = on_pca(centers, vectors, points) if method == "pca" and metric == "cosine" else None
    return among_neighbors(centers, vectors, points) if exact is None else exact


def _path(arrays: RunArrays, snapshots: np.ndarray, vectors: np.ndarray, points: np.ndarray, placed: Places) -> np.ndarray | None:
    """Places over epochs. On a PCA the same transform all along; else among the texts that were nearest then, where those are now."""
    if placed.exact:
        fitted, earlier = pca_places(vectors, snapshots)
        turn, *_ = np.linalg.lstsq(np.column_stack([fitted, np.ones(len(fitted))]), points, rcond=None)
        path = np.concatenate([earlier, np.ones((*earlier.shape[:-1], 1))], axis=-1) @ turn
    elif arrays.snapshots is None or arrays.snapshot_rows is None:
        return None
    else:
        then = np.asarray(points)[_positions(arrays.row_ids, arrays.snapshot_rows)]
        moments = zip(snapshots, arrays.snapshots, strict=True)
        path = np.stack([among_neighbors(centers, texts, then, neighbors=NEIGHBORS).points for centers, texts in moments])
    return np.concatenate([path[:-1], placed.points[None]])  # the last moment is where the star is


def _accuracy(pane: Pane) -> float:
    stored = pane.run.metrics.get("accuracy")
    if stored is not None:
        return float(stored)
    test = np.asarray(pane.roles) == "test"
    return float((np.asarray(pane.labels)[test] == np.asarray(pane.predictions)[test]).mean()) if test.any() else float("nan")
