"""The one square that the panes of a figure share, and what is said of the few texts that lie far outside of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

Window = tuple[float, float, float, float]  # x0, x1, y0, y1

MOST_OUTSIDE = 0.02  # share of a pane's texts that the frame may leave out
LEAST_GAP = 0.25  # of the others' span: texts nearer than that belong to them
LEAST_FILLED = 0.5  # of the pane's area: where all but the far texts fill less, they get the frame to themselves
TEXT_MARKS = ("text", "node")  # in tables that hold other marks too; centres and their ways are never left out
LINES = ("edge", "spoke")  # they join marks that have rows of their own
INSET = 0.025  # of the side: how far from the border an arrow stands


def window(table: pd.DataFrame, pad: float = 0.04, *, whole: bool = False) -> Window:
    """The one square all panes share: x0, x1, y0, y1.

    It holds everything, unless at most MOST_OUTSIDE of the texts of the panes lie so far out that the rest would fill less than half of it: then it
    holds the rest. `whole`: everything in any case.
    """
    rows = table[~table["mark"].isin(LINES)] if "mark" in table else table
    points = rows[["x", "y"]].to_numpy(dtype=float)
    known = np.isfinite(points).all(axis=1)
    if not known.any():
        return (-1.0, 1.0, -1.0, 1.0)
    everything = _square(points[known], pad)
    if whole or "pane" not in table:
        return everything
    far = np.zeros(len(rows), dtype=bool)
    texts = known & _texts(rows)
    for places in rows.groupby("pane", sort=False).indices.values():
        own = places[texts[places]]
        far[own] = _far(points[own])
    if not far.any():
        return everything
    rest = _square(points[known & ~far], pad)
    filled = ((rest[1] - rest[0]) / (everything[1] - everything[0])) ** 2
    return rest if 1e-6 < filled < LEAST_FILLED else everything


def _square(points: np.ndarray, pad: float) -> Window:
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-6) * (1 + 2 * pad)
    x, y = (low + high) / 2
    return (x - half, x + half, y - half, y + half)


def _texts(rows: pd.DataFrame) -> np.ndarray:
    return rows["mark"].isin(TEXT_MARKS).to_numpy() if "mark" in rows else np.ones(len(rows), dtype=bool)


def _far(points: np.ndarray) -> np.ndarray:
    """(n, 2) -> (n,) bool: texts beyond a wide gap along an axis, at most MOST_OUTSIDE of them all, the furthest tails first."""
    most, far, tails = int(MOST_OUTSIDE * len(points)), np.zeros(len(points), dtype=bool), []
    if not most:
        return far
    for axis in (0, 1):
        for values in (points[:, axis], -points[:, axis]):
            order = np.argsort(values, kind="stable")
            ranked = values[order]
            gaps = np.diff(ranked[: most + 1])
            wide = np.flatnonzero(gaps > LEAST_GAP * (ranked[-1 - most] - ranked[most]))
            if len(wide):
                tails.append((ranked[wide[-1] + 1] - ranked[0], order[: wide[-1] + 1]))
    for _, tail in sorted(tails, key=lambda one: -one[0]):
        with_it = far.copy()
        with_it[tail] = True
        if with_it.sum() <= most:
            far = with_it
    return far


def around(a: Window, b: Window) -> Window:
    """The smallest square that holds both."""
    low, high = np.minimum(np.array(a)[[0, 2]], np.array(b)[[0, 2]]), np.maximum(np.array(a)[[1, 3]], np.array(b)[[1, 3]])
    return tuple(float(one) for one in _square(np.stack([low, high]), 0))


class Outside(NamedTuple):
    """Texts beyond one place of a pane's border."""

    place: tuple[float, float]  # their mean, in data units
    at: tuple[float, float]  # where the arrow stands, in data units
    toward: tuple[float, float]  # where it points, of length 1
    count: int


def outside(pane_rows: pd.DataFrame, view: Window) -> list[Outside]:
    """The pane's texts outside of the window, those beyond the same stretch of the border together."""
    points = pane_rows.loc[_texts(pane_rows), ["x", "y"]].to_numpy(dtype=float)
    low, high, span = np.array([view[0], view[2]]), np.array([view[1], view[3]]), view[1] - view[0]
    points = points[np.isfinite(points).all(axis=1)]
    points = points[((points < low) | (points > high)).any(axis=1)]
    stretch = np.round((np.clip(points, low, high) - low) / span * 8)
    found = []
    for one in np.unique(stretch, axis=0) if len(points) else ():
        own = points[(stretch == one).all(axis=1)]
        place = own.mean(axis=0)
        away = place - np.clip(place, low, high)
        toward = away / np.linalg.norm(away)
        at = np.clip(place, low + INSET * span, high - INSET * span)
        found.append(Outside(tuple(map(float, place)), tuple(map(float, at)), tuple(map(float, toward)), len(own)))
    return found


def outside_words(pane_rows: pd.DataFrame, view: Window) -> str:
    """For the line under a pane: how many, and how to see them; "" where there are none."""
    return counted_words(sum(one.count for one in outside(pane_rows, view)))


def counted_words(count: int) -> str:
    """The same of a number that is known."""
    return f"{_texts_said(count)} outside of the frame; zoom out to see {'it' if count == 1 else 'them'}." if count else ""


def outside_sentence(counts: list[int]) -> str:
    """For a caption: how many of each pane's texts are left out; "" where none are."""
    if not any(counts):
        return ""
    if len(counts) == 1:
        return f"{_texts_said(counts[0])} outside of the frame (arrow at the border)."
    if len(set(counts)) == 1:
        return f"{_texts_said(counts[0])} outside of each pane's frame (arrow at the border, with the number)."
    return f"{', '.join(f'{count:,}' for count in counts)} texts lie outside of the panes' frame (arrows at the border, with their number)."


def _texts_said(count: int) -> str:
    return "1 text lies" if count == 1 else f"{count:,} texts lie"
