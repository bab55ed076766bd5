"""Who lies next to whom in the original space, and how that differs between runs. Exact, in chunks of one matrix product each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.core.types import InputError

METRICS = ("cosine", "euclidean")
NEIGHBORS = 15  # k of the comparisons, as in the maps' badge
CHUNK_CELLS = 20_000_000  # similarities held at a time: 80 MB in float32
GATHER_CELLS = 4_000_000  # numbers gathered at a time for the exact distances: 32 MB


class Neighbors(NamedTuple):
    """The k nearest other texts of M texts, nearest first. Equal similarities stand in order of their row."""

    indices: np.ndarray  # (M, k) int64, rows of the given embeddings
    similarities: np.ndarray  # (M, k) float64: the cosine, or minus the Euclidean distance; larger is nearer


def neighbors(embeddings: np.ndarray, k: int, rows: np.ndarray | None = None, metric: str = "cosine") -> Neighbors:
    """The k nearest other texts of each of `rows` (default: all) among all N. (N, D) -> (M, k) each.

    Exact: candidates come from a float32 product with room to spare, their order from float64. Raises InputError for k outside 1..N-1.
    """
    vectors = comparable(embeddings, metric)
    count = len(vectors)
    if not 1 <= k <= count - 1:
        raise InputError(f"{k} neighbours were asked for among {count} texts; ask for 1 to {max(1, count - 1)}")
    rows = np.arange(count) if rows is None else np.asarray(rows)
    quick, reach = vectors.astype(np.float32), min(count - 1, k + 12)
    lift = (quick * quick).sum(axis=1) / 2 if metric == "euclidean" else None
    found = [_of_chunk(vectors, quick, lift, chunk, k, reach) for chunk in chunked(rows, count)]
    if not found:
        return Neighbors(np.empty((0, k), dtype=np.int64), np.empty((0, k)))
    return Neighbors(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def comparable(embeddings: np.ndarray, metric: str) -> np.ndarray:
    """(N, D) float64 whose products order the texts: unit vectors for cosine, centred vectors for Euclidean (an offset costs digits)."""
    if metric not in METRICS:
        raise InputError(f"no metric {metric!r}; metrics: {', '.join(METRICS)}")
    vectors = np.asarray(embeddings, dtype=np.float64)
    if not np.isfinite(vectors).all():
        raise InputError("some embeddings are not finite numbers, so nothing can be compared with them; train that run again")
    return unit(vectors) if metric == "cosine" else vectors - vectors.mean(axis=0)


def unit(vectors: np.ndarray) -> np.ndarray:
    """(N, D) to length 1, in float64. A zero vector stays zero: it is similar to nothing."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def chunked(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """`rows` in pieces whose similarities to `count` texts fit into CHUNK_CELLS."""
    size = max(1, CHUNK_CELLS // max(count, 1))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _of_chunk(vectors: np.ndarray, quick: np.ndarray, lift: np.ndarray | None, rows: np.ndarray, k: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    score = quick[rows] @ quick.T  # (B, N)
    if lift is not None:
        score -= lift  # x·y - |y|²/2 grows as the distance falls
    score[np.arange(len(rows)), rows] = -np.inf  # a text is not its own neighbour
    near = _best(score, reach)
    exact = similarity(vectors, rows, near, "cosine" if lift is None else "euclidean")
    scale = 1.0 if lift is None else max(float(-exact.min(initial=0)), 1e-300)
    order = np.lexsort((near, -np.round(exact / scale, 12)))[:, :k]  # equal but for rounding is equal: the lower row first
    return np.take_along_axis(near, order, axis=1), np.take_along_axis(exact, order, axis=1)


def _best(score: np.ndarray, reach: int) -> np.ndarray:
    """(B, N) -> (B, reach) columns of the largest scores, by a threshold: one pass of comparisons is quicker than a partial sort of each row.

    The threshold is guessed from every few columns; a row in which too few pass gets its exact one.
    """
    count = score.shape[1]
    step = max(1, count // 1024)
    place = min(reach, count) if step == 1 else max(8, -(-3 * reach // step))
    least = -np.partition(-score[:, ::step], place - 1, axis=1)[:, place - 1]
    passed = score >= least[:, None]
    few = np.count_nonzero(passed, axis=1) < reach
    if few.any():
        exact = -np.partition(-score[few], reach - 1, axis=1)[:, reach - 1]
        passed[few] = score[few] >= exact[:, None]
    flat = np.flatnonzero(passed)
    row, column = np.divmod(flat, count)
    sizes = np.bincount(row, minlength=len(score))
    place_in_row = np.arange(len(flat)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    values = np.full((len(score), sizes.max()), np.inf, dtype=score.dtype)
    columns = np.zeros(values.shape, dtype=np.int64)
    values[row, place_in_row], columns[row, place_in_row] = -score.ravel()[flat], column
    return np.take_along_axis(columns, values.argsort(axis=1, kind="stable")[:, :reach], axis=1)  # stable: the lower row first


def similarity(vectors: np.ndarray, rows: np.ndarray, others: np.ndarray, metric: str) -> np.ndarray:
    """Similarity of each of `rows` (M,) to its `others` (M, k), (M, k) float64. `vectors` as `comparable` makes them."""
    found = np.empty(others.shape)
    size = max(1, GATHER_CELLS // max(1, others.shape[1] * vectors.shape[1]))
    for start in range(0, len(rows), size):
        piece = slice(start, start + size)
        here, there = vectors[rows[piece]], vectors[others[piece]]  # (b, D), (b, k, D)
        if metric == "cosine":
            found[piece] = np.einsum("bkd,bd->bk", there, here)
        else:
            there -= here[:, None]
            found[piece] = -np.sqrt(np.einsum("bkd,bkd->bk", there, there))
    return found


def neighborhood_change(a: np.ndarray | Neighbors, b: np.ndarray | Neighbors, k: int = NEIGHBORS, metric: str = "cosine") -> np.ndarray:
    """(N,) 1 - Jaccard index of each text's k nearest texts in two runs over the same texts: 0 the same neighbours, 1 none in common.

    Measured in the original spaces, so no map has a say in it. Takes embeddings (N, D_a), (N, D_b) or what `neighbors` found for all texts.
    """
    shared = _shared(a, b, k, metric)
    return 1 - shared / (2 * k - shared)


def neighbors_lost(before: np.ndarray | Neighbors, after: np.ndarray | Neighbors, k: int = NEIGHBORS, metric: str = "cosine") -> np.ndarray:
    """(N,) share of a text's k nearest texts in `before` (say, the pre-trained encoder) that are no longer among its k nearest in `after`."""
    return 1 - _shared(before, after, k, metric) / k


def _shared(a: np.ndarray | Neighbors, b: np.ndarray | Neighbors, k: int, metric: str) -> np.ndarray:
    near_a, near_b = (_indices(one, k, metric) for one in (a, b))
    if len(near_a) != len(near_b):
        raise InputError(f"one run has {len(near_a)} texts and the other {len(near_b)}; neighbourhoods compare over the same texts")
    return overlap(near_a, near_b)


def _indices(one: np.ndarray | Neighbors, k: int, metric: str) -> np.ndarray:
    if not isinstance(one, Neighbors):
        return neighbors(one, k, metric=metric).indices
    if one.indices.shape[1] < k:
        raise InputError(f"{k} neighbours are compared, but only {one.indices.shape[1]} were found before; find {k} or compare fewer")
    return one.indices[:, :k]


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) how many of the row's entries of `a` (N, k) are among those of `b` (N, k); entries of a row differ from each other."""
    return sum((a == b[:, [j]]).sum(axis=1) for j in range(b.shape[1]))


FLIPS = ("right in A, wrong in B", "wrong in A, right in B", "wrong in both, differently", "wrong in both, alike", "right in both")


def flips(labels: np.ndarray, predictions_a: np.ndarray, predictions_b: np.ndarray) -> np.ndarray:
    """(N,) one of FLIPS for each text: what the step from run A to run B did to its prediction."""
    right_a, right_b, same = predictions_a == labels, predictions_b == labels, predictions_a == predictions_b
    return np.select([right_a & ~right_b, ~right_a & right_b, ~right_a & ~right_b & ~same, ~right_a & ~right_b], FLIPS[:4], FLIPS[4])


def changed_texts(
    row_ids: np.ndarray,
    change: np.ndarray,
    labels: np.ndarray,
    predictions_a: np.ndarray,
    predictions_b: np.ndarray,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row per text, the most changed first: row_id, change, flip (one of FLIPS), label, prediction_a, prediction_b.

    Classes are numbers, or words where `names` (C,) are given. Equal changes stand in order of their row id.
    """
    sizes = {len(one) for one in (row_ids, change, labels, predictions_a, predictions_b)}
    if len(sizes) > 1:
        raise InputError(f"the columns have different lengths ({', '.join(map(str, sorted(sizes)))}); all must be about the same texts")
    labels, predictions_a, predictions_b = (np.asarray(one) for one in (labels, predictions_a, predictions_b))
    word = (lambda one: np.asarray(names, dtype=object)[one]) if names is not None else (lambda one: one)
    frame = pd.DataFrame({
        "row_id": np.asarray(row_ids), "change": np.asarray(change, dtype=float), "flip": flips(labels, predictions_a, predictions_b),
        "label": word(labels), "prediction_a": word(predictions_a), "prediction_b": word(predictions_b),
    })  # fmt: skip
    return frame.sort_values(["change", "row_id"], ascending=[False, True], ignore_index=True)


def disagreement(predictions: np.ndarray) -> np.ndarray:
    """(R, N) predicted classes of R runs -> (N,) share of the runs that do not say what most say: 0 all agree; at most 1 - 1/R.

    A share rather than an entropy, because "2 of 6 runs disagree" can be said and checked. Raises InputError for fewer than two runs.
    """
    predictions = np.asarray(predictions)
    if predictions.ndim != 2 or len(predictions) < 2:
        raise InputError("disagreement needs the predictions of at least 2 runs; pick another run")
    votes = np.stack([(predictions == one).sum(axis=0) for one in predictions])  # (R, N): how many say what this run says
    return 1 - votes.max(axis=0) / len(predictions)
