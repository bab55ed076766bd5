"""Embeddings to two dimensions, with the number that says how far the map can be trusted, and registration of one map on another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from dmlviz.records import InputError, Projection

METHODS = ("pca", "umap")
METRICS = ("cosine", "euclidean")
TRUST_NEIGHBORS = 15
TRUST_LIMIT = 2_000  # points; the exact number needs all pairs
UMAP_LEAST = 8  # texts; below that UMAP has no neighbourhood to keep


def project(embeddings: np.ndarray, row_ids: np.ndarray, *, method: str = "umap", metric: str = "cosine", seed: int = 0) -> Projection:
    """(N, D) -> Projection with points (N, 2). Same input and seed, same map on this machine and library version.

    pca: on unit-length vectors for cosine, else on the vectors as they are. umap: 15 neighbours, min_dist 0.1 (the library's defaults),
    started from the PCA so that the outline does not depend on the draw. Raises InputError for fewer than three texts or an unknown method.
    """
    if method not in METHODS or metric not in METRICS:
        raise InputError(f"no map {method!r} with metric {metric!r}; methods: {', '.join(METHODS)}; metrics: {', '.join(METRICS)}")
    vectors = np.asarray(embeddings, dtype=np.float32)
    if len(vectors) < 3:
        raise InputError(f"a map needs at least 3 texts, this run has {len(vectors)}; add test texts")
    if metric == "cosine":
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    pca = PCA(n_components=2, svd_solver="full" if min(vectors.shape) < 50 else "covariance_eigh", random_state=seed)
    points = _fixed_signs(pca.fit_transform(vectors))
    variance = tuple(float(share) for share in np.nan_to_num(pca.explained_variance_ratio_))
    if method == "umap":
        points, variance = _umap(vectors, points, metric, seed), None
    trust, k, n = map_trust(vectors, points, seed=seed)
    return Projection(points.astype(np.float32), np.asarray(row_ids), method, metric, seed, trust, k, n, variance)


def _fixed_signs(points: np.ndarray) -> np.ndarray:
    """A principal axis has no sign of its own: let the point furthest out be on the positive side."""
    furthest = points[np.abs(points).argmax(axis=0), np.arange(2)]
    return points * np.where(furthest < 0, -1.0, 1.0)


def _umap(vectors: np.ndarray, start: np.ndarray, metric: str, seed: int) -> np.ndarray:
    if len(vectors) < UMAP_LEAST:
        raise InputError(f"UMAP needs at least {UMAP_LEAST} texts, this run has {len(vectors)}; look at the PCA instead")
    if np.ptp(start) == 0:
        return start  # every text has the same vector: there is one place on the map, and UMAP would divide by zero
    import umap  # slow to import, so only where a map is made

    spread = start / max(float(start.std()), 1e-12) * 2.0  # the library's own PCA start has a similar extent
    fitted = umap.UMAP(n_neighbors=min(15, len(vectors) - 1), metric=metric, init=spread, random_state=seed, n_jobs=1)
    return fitted.fit_transform(vectors)


def map_trust(vectors: np.ndarray, points: np.ndarray, *, seed: int = 0) -> tuple[float, int, int]:
    """(trustworthiness, k, n): the share of neighbours on the map that are neighbours in the original space too (Venna and Kaski 2001)."""
    n = len(vectors)
    rows = np.arange(n) if n <= TRUST_LIMIT else np.random.default_rng(seed).choice(n, TRUST_LIMIT, replace=False)
    k = max(1, min(TRUST_NEIGHBORS, (len(rows) - 1) // 2 - (len(rows) % 2 == 0)))  # scikit-learn wants k < n / 2
    if len(rows) < 4:
        return 1.0, 1, len(rows)
    return float(trustworthiness(vectors[rows], points[rows], n_neighbors=k)), k, len(rows)


def register(moving: Projection, fixed: Projection) -> Projection:
    """Turn, mirror, scale and shift `moving` onto `fixed` over the texts they share (Procrustes; distances within the map keep their ratios).

    The residual is the share of the fixed map's variance that is left: 0 is the same layout, 1 an unrelated one. Fewer than three shared texts:
    the map is returned centred on the other, with residual 1.
    """
    shared, here, there = np.intersect1d(moving.row_ids, fixed.row_ids, return_indices=True)
    a, b = moving.points[here].astype(float), fixed.points[there].astype(float)
    if len(shared) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return replace(moving, points=(moving.points - moving.points.mean(axis=0) + fixed.points.mean(axis=0)).astype(np.float32), residual=1.0)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    left, values, right = np.linalg.svd((a - mean_a).T @ (b - mean_b))
    turn, scale = left @ right, values.sum() / ((a - mean_a) ** 2).sum()
    moved = (moving.points - mean_a) * scale @ turn + mean_b
    residual = (((a - mean_a) * scale @ turn + mean_b - b) ** 2).sum() / ((b - mean_b) ** 2).sum()
    return replace(moving, points=moved.astype(np.float32), residual=float(residual))
