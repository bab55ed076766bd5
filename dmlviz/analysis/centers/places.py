"""Where a centre goes on a map of texts: exactly on a PCA, among its nearest texts on any other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmlviz.analysis.centers.use import most_similar, unit

NEIGHBORS = 10
APART = 0.1  # share of the map's width: neighbours further from the drawn place than this, in the median, make it a rough one
SAME_MAP = 0.01  # share of the map's width by which a refitted PCA may miss the stored one


class Places(NamedTuple):
    """Centres on a map."""

    points: np.ndarray  # (..., 2); NaN where there is no centre
    spread: np.ndarray  # (...,) median distance of its 10 nearest texts from that place, as a share of the map's width
    exact: bool  # the map's own transform, not a mean of neighbours

    @property
    def rough(self) -> np.ndarray:
        """(...,) whether the place is to be drawn hollow: its nearest texts lie apart on the map."""
        return np.zeros(self.spread.shape, dtype=bool) if self.exact else ~(self.spread <= APART)


def extent(points: np.ndarray) -> float:
    """The longer side of the map."""
    return max(float(np.ptp(points, axis=0).max()) if len(points) else 0.0, 1e-12)


def among_neighbors(centers: np.ndarray, vectors: np.ndarray, points: np.ndarray, *, neighbors: int = NEIGHBORS) -> Places:
    """Centres (..., D) at the cosine-weighted mean of the places (N, 2) of their nearest vectors (N, D).

    A place between groups is a mean that belongs to none of them: `spread` says so.
    """
    flat = unit(centers).reshape(-1, np.shape(centers)[-1])
    places, spread = np.full((len(flat), 2), np.nan), np.full(len(flat), np.nan)
    units, points = unit(vectors), np.asarray(points, dtype=float)
    width = extent(points)
    there = np.flatnonzero(np.isfinite(flat).all(axis=1))
    if len(units) and len(there):
        near, cosines = most_similar(units, flat[there], neighbors)  # (Q, m)
        weights = np.maximum(cosines.astype(float), 1e-6)[..., None]  # a direction away from all texts still has nearest ones
        places[there] = (weights * points[near]).sum(axis=1) / weights.sum(axis=1)
        spread[there] = np.median(np.linalg.norm(points[near] - places[there, None], axis=2), axis=1) / width
    shape = np.shape(centers)[:-1]
    return Places(places.reshape(*shape, 2), spread.reshape(shape), False)


def on_pca(centers: np.ndarray, vectors: np.ndarray, points: np.ndarray) -> Places | None:
    """Centres (..., D) under the very PCA that made the map of the vectors (N, D), turned and shifted as the drawn points (N, 2) are.

    None when a refit does not give those points: the map was made otherwise (Euclidean, another version), so neighbours have to do.
    """
    if len(vectors) < 3:
        return None
    fitted, at = pca_places(vectors, centers)
    drawn = np.asarray(points, dtype=float)
    known = np.column_stack([fitted, np.ones(len(fitted))])
    turn, *_ = np.linalg.lstsq(known, drawn, rcond=None)  # signs, and the registration on another run's map
    if np.linalg.norm(known @ turn - drawn, axis=1).max() > SAME_MAP * extent(drawn):
        return None
    flat = at.reshape(-1, 2)
    placed = (np.column_stack([flat, np.ones(len(flat))]) @ turn).reshape(at.shape)
    return Places(placed, among_neighbors(centers, vectors, drawn).spread, True)


def pca_places(vectors: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PCA of the unit vectors (N, D), as `projection.project` fits it: their points (N, 2), and those of the unit centres (..., 2)."""
    from sklearn.decomposition import PCA  # a second to import, and pages that show no PCA need none

    units = unit(vectors)
    pca = PCA(n_components=2, svd_solver="full" if min(units.shape) < 50 else "covariance_eigh", random_state=0).fit(units)
    flat = unit(centers).reshape(-1, units.shape[1])
    places = np.full((len(flat), 2), np.nan)
    there = np.isfinite(flat).all(axis=1)
    if there.any():
        places[there] = pca.transform(flat[there])
    return pca.transform(units).astype(float), places.reshape(*np.shape(centers)[:-1], 2)
