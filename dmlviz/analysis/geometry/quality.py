"""How far a map can be trusted: which neighbours it invents, which it tears apart, and where on it that happens.

Ranks and their ties. Neighbours on the map and in the original space are the k nearest other texts; where distances are equal, the lower row
comes first. The rank of a text in the original space counts only the texts that are strictly closer, because no order of equal distances is more
right than another. Its rank on the map counts equal ones with a lower row as closer, so that a map that puts every text in one place earns
no more than chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from dmlviz.analysis.geometry.neighbors import NEIGHBORS, Neighbors, chunked, comparable, neighbors, similarity
from dmlviz.analysis.statistics import student_half
from dmlviz.core.types import InputError

ANCHORS = 1_000  # texts at which trustworthiness, continuity and preservation are measured
EXACT_LIMIT = 20_000  # texts up to which every point gets its distortion
TIE = 1e-12  # similarities (of unit vectors, or relative to the largest distance) closer than this are equal


class Estimate(NamedTuple):
    """A number with its interval. `value` is None where the number does not exist; `why` then says so in words."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0  # what it was measured on, mostly texts
    interval: str = ""  # kind of the interval; empty: none
    why: str = ""


@dataclass(frozen=True, eq=False)
class ProjectionQuality:
    """A map's check. All numbers lie in 0..1 and higher is better, except the distortion."""

    trustworthiness: Estimate  # neighbours on the map that are (nearly) neighbours in the original space; Venna and Kaski 2001
    continuity: Estimate  # original neighbours that are (nearly) neighbours on the map; the same with the spaces exchanged
    preservation: Estimate  # share of the k original neighbours that are among the k map neighbours
    distortion: np.ndarray  # (N,) 1 - preservation at each text; NaN where not measured (above EXACT_LIMIT texts: all but the anchors)
    anchors: np.ndarray  # (m,) rows of the texts it was measured at, each against all N
    k: int
    n: int  # texts on the map
    metric: str


def map_quality(
    embeddings: np.ndarray,
    points: np.ndarray,
    *,
    metric: str = "cosine",
    k: int = NEIGHBORS,
    seed: int = 0,
    sample: int = ANCHORS,
    near: Neighbors | None = None,
) -> ProjectionQuality:
    """Check a map (N, dims) of embeddings (N, D) at `sample` seeded anchor texts against ALL texts, with 95 % intervals.

    The interval is Student's t over the anchors with the correction for a finite population: where the number over all texts lies. With every
    text an anchor it has no width. It says nothing about other seeds. `near`: what `neighbors` found for all texts and the same metric, to save time.
    k is lowered where there are too few texts for it (k < N/2). Raises InputError for fewer than 3 texts.
    """
    points, n = np.asarray(points, dtype=np.float64), len(points)
    if n != len(embeddings):
        raise InputError(f"the map has {n} points and the run {len(embeddings)} texts; make the map again")
    anchors, k = anchors_of(n, sample, seed), usable_k(n, k)
    vectors = comparable(embeddings, metric)
    rows = np.arange(n) if n <= EXACT_LIMIT else anchors
    original = _original(embeddings, k, rows, metric, near)
    on_map = _map_neighbors(points, k, rows)
    least = original.similarities[:, k - 1] - _tolerance(vectors, metric)
    kept = (similarity(vectors, rows, on_map, metric) >= least[:, None]).sum(axis=1)  # as near as the k-th neighbour
    distortion = np.full(n, np.nan)
    distortion[rows] = 1 - kept / k
    here = np.searchsorted(rows, anchors)
    invented, torn = _penalties(vectors, points, anchors, original.indices[here, :k], on_map[here], metric)
    worst = k * (2 * n - 3 * k - 1) / 2  # the sum of (rank - k) when all k are the furthest texts
    return ProjectionQuality(
        *(_estimate(each, n) for each in (1 - invented / worst, 1 - torn / worst, kept[here] / k)), distortion, anchors, k, n, metric
    )


def trust_of(embeddings: np.ndarray, points: np.ndarray, *, metric: str, seed: int = 0, sample: int = ANCHORS) -> tuple[float, int, int]:
    """(trustworthiness, k, anchors): the same number as `map_quality` gives, without the rest of the work."""
    n = len(points)
    anchors, k = anchors_of(n, sample, seed), usable_k(n, NEIGHBORS)
    vectors, points = comparable(embeddings, metric), np.asarray(points, dtype=np.float64)
    on_map = _map_neighbors(points, k, anchors)
    invented = np.concatenate([_invented(vectors, anchors[piece], on_map[piece], metric) for piece in _pieces(len(anchors), n)])
    return _estimate(1 - invented / (k * (2 * n - 3 * k - 1) / 2), n).value, k, len(anchors)


def anchors_of(n: int, sample: int, seed: int) -> np.ndarray:
    """Rows of a seeded sample, ascending; all of them when there are no more."""
    return np.arange(n) if n <= sample else np.sort(np.random.default_rng(seed).choice(n, sample, replace=False))


def usable_k(n: int, k: int) -> int:
    """The k that n texts allow: below n/2, so that the worst map scores 0. Raises InputError for fewer than 3 texts."""
    if n < 3 or k < 1:
        raise InputError(f"a map's check needs at least 3 texts and 1 neighbour; it got {n} texts and {k} neighbours")
    return min(k, (n - 1) // 2)


def _original(embeddings: np.ndarray, k: int, rows: np.ndarray, metric: str, near: Neighbors | None) -> Neighbors:
    if near is None:
        return neighbors(embeddings, k, rows=rows, metric=metric)
    if len(near.indices) != len(embeddings) or near.indices.shape[1] < k:
        raise InputError(f"the neighbours that were given are of {len(near.indices)} texts; find {k} neighbours of all {len(embeddings)}")
    return Neighbors(near.indices[rows], near.similarities[rows])


def _tolerance(vectors: np.ndarray, metric: str) -> float:
    return TIE if metric == "cosine" else TIE * 2 * float(np.linalg.norm(vectors, axis=1).max(initial=0))  # no distance is larger


def _map_neighbors(points: np.ndarray, k: int, rows: np.ndarray) -> np.ndarray:
    """(M, k) nearest other points of `rows`. A tree is quick in 2 and 3 dimensions; rows with equal distances at the k-th place are looked at
    again, because a tree returns those in any order."""
    spare = min(len(points), k + 2)
    distances, found = cKDTree(points).query(points[rows], k=spare)
    distances[found == rows[:, None]] = -1.0  # itself first
    order = np.lexsort((found, distances))
    found, distances = np.take_along_axis(found, order, axis=1), np.take_along_axis(distances, order, axis=1)
    near = found[:, 1 : k + 1].copy()
    unsure = (distances[:, 0] >= 0) | (distances[:, -1] <= distances[:, k] * (1 + 1e-12)) if spare > k + 1 else np.zeros(len(rows), dtype=bool)
    for piece in chunked(np.flatnonzero(unsure), len(points)):
        near[piece] = _by_distance(points, rows[piece])[:, :k]
    return near


def _by_distance(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    far = _map_distances(points, rows)
    return far.argsort(axis=1, kind="stable")


def _map_distances(points: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(M, N) squared distances on the map, infinite to itself: as differences, so that equal places are exactly equal."""
    far = sum(np.square(points[rows, d][:, None] - points[:, d]) for d in range(points.shape[1]))
    far[np.arange(len(rows)), rows] = np.inf
    return far


def _pieces(m: int, n: int) -> list[slice]:
    size = max(1, 10_000_000 // n)  # 80 MB of float64 at a time
    return [slice(start, start + size) for start in range(0, m, size)]


def _penalties(
    vectors: np.ndarray, points: np.ndarray, anchors: np.ndarray, original: np.ndarray, on_map: np.ndarray, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) sums of (rank - k) over the neighbours that the map invents, and over those that it tears away."""
    pieces = _pieces(len(anchors), len(points))
    invented = [_invented(vectors, anchors[piece], on_map[piece], metric) for piece in pieces]
    torn = [_torn(points, anchors[piece], original[piece]) for piece in pieces]
    return np.concatenate(invented), np.concatenate(torn)


def _invented(vectors: np.ndarray, rows: np.ndarray, near: np.ndarray, metric: str) -> np.ndarray:
    """Sum over the map's neighbours of how far beyond place k they stand in the original space."""
    far = -(vectors[rows] @ vectors.T)  # (M, N)
    if metric == "euclidean":
        far += np.square(vectors).sum(axis=1) / 2
        tie = TIE * float(np.abs(far).max(initial=0))
    else:
        tie = TIE
    far[np.arange(len(rows)), rows] = np.inf
    k, total = near.shape[1], np.zeros(len(rows))
    for other in near.T:
        closer = np.count_nonzero(far < far[np.arange(len(rows)), other][:, None] - tie, axis=1)
        total += np.maximum(0, 1 + closer - k)
    return total


def _torn(points: np.ndarray, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Sum over the original neighbours of how far beyond place k they stand on the map; equal places in order of their row."""
    far, k, columns, total = _map_distances(points, rows), near.shape[1], np.arange(len(points)), np.zeros(len(rows))
    for other in near.T:
        limit = far[np.arange(len(rows)), other][:, None]
        closer, level = np.count_nonzero(far < limit, axis=1), far == limit
        tied = np.count_nonzero(level, axis=1) > 1
        closer[tied] += np.count_nonzero(level[tied] & (columns < other[tied][:, None]), axis=1)
        total += np.maximum(0, 1 + closer - k)
    return total


def _estimate(values: np.ndarray, population: int) -> Estimate:
    """Mean over the anchors with a t interval, narrowed by the share of all texts that are anchors, kept inside 0..1."""
    m, mean = len(values), float(values.mean())
    if m >= population:
        return Estimate(mean, mean, mean, m, "none needed: measured at every text")
    if m < 2:
        return Estimate(mean, None, None, m)
    half = float(student_half(values.std(ddof=1) * np.sqrt((1 - m / population) / m), m - 1))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), m, "95 % t interval over anchor texts, finite population")


# Our thresholds, not a standard: chosen so that maps of these encoders which look right to a reader of their texts come out as "well".
WELL, FAIRLY = 0.95, 0.85
CAUTIONS = {
    "pca": "only two of many directions are shown, so groups may overlap here that are apart in the original space",
    "umap": "distances between groups are not to be read",
    "tsne": "distances between groups and their sizes are not to be read",
    "pacmap": "distances between groups are only a rough guide",
}


def badge(quality: ProjectionQuality, method: str) -> str:
    """The map's check in plain words: how well local structure is kept, what fails most, and what not to read.

    Thresholds (ours) on the lower of trustworthiness and continuity: from 0.95 "well", from 0.85 "fairly well", below "poorly".
    Below 0.95 the worse side is named, if the two differ by more than 0.02.
    """
    trust, continuity = quality.trustworthiness.value, quality.continuity.value
    lower = min(trust, continuity)
    kept = "well" if lower >= WELL else "fairly well" if lower >= FAIRLY else "poorly"
    side = ""
    if lower < WELL and abs(trust - continuity) > 0.02:
        side = ", some texts that look close are not" if trust < continuity else ", some close texts are torn apart"
    return f"local structure kept {kept}{side}; {CAUTIONS.get(method, CAUTIONS['umap'])}"
