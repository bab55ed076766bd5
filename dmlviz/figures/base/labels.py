"""Where class names go on a map: at the class's medoid, moved as little as needed to be whole and apart."""

from __future__ import annotations

import numpy as np

ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False) + np.pi / 2  # upwards first


def medoid(points: np.ndarray, most: int = 400) -> np.ndarray:
    """(2,) the point with the least mean distance to the others; on an even subsample of at most `most`."""
    if len(points) > most:
        points = points[np.linspace(0, len(points) - 1, most).round().astype(int)]
    points = points[np.lexsort(points.T)]  # ties do not depend on the order of rows
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    return points[apart.sum(axis=1).argmin()]


def place_labels(anchors: np.ndarray, sizes: np.ndarray, box: tuple[float, float], *, gap: float = 1.0) -> np.ndarray:
    """(L, 2) centres for labels of `sizes` (L, 2) near `anchors` (L, 2), all in one unit, inside (0, 0) to `box`.

    Earlier rows choose first. A label that finds no free place within 0.35 of the box is NaN: hover and key still name it.
    """
    placed = np.full((len(anchors), 2), np.nan)
    reach = 0.35 * min(box)
    for i, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        half = size / 2 + gap
        if (2 * half > np.asarray(box)).any():
            continue
        spots = np.clip(anchor + _offsets(size, reach), half, np.asarray(box) - half)
        free = ~_hits(spots, half, placed[:i], sizes[:i] / 2 + gap)
        if free.any():
            placed[i] = spots[free.argmax()]
    return placed


def _offsets(size: np.ndarray, reach: float) -> np.ndarray:
    """(M, 2) steps to try: none, then rings outwards."""
    rings = np.arange(0.5 * size[1], reach + 1e-9, 0.5 * size[1])
    around = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
    return np.concatenate([np.zeros((1, 2)), (rings[:, None, None] * around).reshape(-1, 2)])


def _hits(spots: np.ndarray, half: np.ndarray, others: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """(M,) whether a label at each spot would touch one that is placed."""
    apart = np.abs(spots[:, None] - others[None])  # (M, L, 2), NaN where a label was dropped
    return ((apart < half + halves[None]).all(axis=2)).any(axis=1)


def spread(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Positions as near as can be to `wanted`, in its order, at least `gap` apart and inside low to high while there is room."""
    order = np.argsort(wanted, kind="stable")
    gap = min(gap, (high - low) / max(len(order) - 1, 1))
    groups: list[list[float]] = []  # positions without their gaps; neighbours that would swap share their mean
    for i, at in enumerate(np.asarray(wanted, dtype=float)[order]):
        groups.append([at - i * gap])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    level = np.concatenate([np.full(len(group), np.mean(group)) for group in groups]) if groups else np.zeros(0)
    result = np.empty(len(order))
    result[order] = np.clip(level, low, high - gap * max(len(order) - 1, 0)) + gap * np.arange(len(order))
    return result
