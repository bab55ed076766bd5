"""What the pictures of centres share: views from stored runs, which classes are shown, colours, and the words below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dmlviz.analysis.centers.view import MERGE, PARTS, SPACES, WHICH, CenterInput, CenterLook, CenterView, center_view
from dmlviz.core.types import InputError, Pane, RunArrays
from dmlviz.figures.base.map_window import Window, outside, outside_sentence, outside_words, window
from dmlviz.figures.base.theme import MOST_COLORS, MOST_FOCUS, ClassStyle, class_styles, run_titles
from dmlviz.figures.base.words import short, text_width, whole
from dmlviz.figures.maps.frame import LABEL_CHARS, Label, Measure, labels
from dmlviz.losses.table import LOSSES, check_settings

MOST_CLASSES = 20  # rows of bars that can still be read
PAD = 0.07  # of the window's half: a halo at the edge is seen whole
OPTIONS = {"part": PARTS, "space": SPACES, "which": WHICH, "merge": float, "focus": str}  # of every picture of centres


def center_input(pane: Pane, arrays: RunArrays) -> CenterInput:
    """A stored run with its loss's temperature: what a run did not set is the table's default, and losses without one have a single centre."""
    config = pane.run.config
    settings = check_settings(config.loss, config.loss_settings) if config.loss in LOSSES else {}
    return CenterInput(pane, arrays, float(settings.get("temperature", 0.1)))


def views(inputs: Sequence[CenterInput], classes: int, options: dict[str, Any]) -> list[CenterView]:
    """The runs as `options` want them: part, space, which, merge."""
    look = CenterLook(
        options.get("part", "test"), options.get("space", "texts"), options.get("which", "learned"), merge_number(options.get("merge", MERGE))
    )
    return [center_view(given, classes, look) for given in inputs]


def merge_number(value: object) -> float:
    """The merge distance, also as it comes from a shell."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 2:
        raise InputError(f"merge={value!r} is not accepted; merge takes a cosine distance from 0 (equal centres) to 2")
    return number


def titles(found: Sequence[CenterView]) -> list[str]:
    return run_titles([view.run.config for view in found])


def sizes(found: Sequence[CenterView], classes: int) -> np.ndarray:
    """(C,) texts of each class in the first pane: what "largest" means."""
    if not found:
        return np.zeros(classes, dtype=int)
    first = found[0]
    texts = np.unique(first.rows, return_index=True)[1]
    return np.bincount(first.labels[texts], minlength=classes)


def by_size(found: Sequence[CenterView], label_names: Sequence[str]) -> list[int]:
    """Class numbers, the largest first, ties by number."""
    counts = sizes(found, len(label_names))
    return sorted(range(len(label_names)), key=lambda c: -int(counts[c]))


def in_colour(found: Sequence[CenterView], label_names: Sequence[str], focus: Sequence[str]) -> tuple[list[int], dict[str, ClassStyle]]:
    """The classes whose centres are drawn, the largest first, and every class's style: as on the maps of texts, 8 at a time above 20 classes."""
    known = tuple(dict.fromkeys(name for name in map(whole, focus) if name in set(label_names)))[:MOST_FOCUS]
    ranked = by_size(found, label_names)
    if not known and len(label_names) > MOST_COLORS:
        known = tuple(label_names[c] for c in ranked[:MOST_FOCUS])
    shown = [c for c in ranked if not known or label_names[c] in known]
    return shown, class_styles(label_names, known)


def name(label: str, center: int) -> str:
    """"grain 3": a centre as people call it; numbers start at 1."""
    return f"{label} {center + 1}"


def counted(view: CenterView) -> str:
    """"2,189 test texts"."""
    part = "" if view.part == "all" else f"{view.part} "
    unit = "token" if view.space == "tokens" else "text"
    n = len(view.counted)
    return f"{n:,} {part}{unit}{'' if n == 1 else 's'}"


def summary(view: CenterView) -> str:
    """One line of numbers: centres in use, effective K, purity, intrusions, each with its n."""
    if view.report is None:
        return "No centres and no class means."
    report, intruding = view.report, len(view.report.intrusions.row_ids)
    won, texts = int(report.attracted.sum()), report.texts
    pure = f"purity {100 * report.pure.sum() / won:.1f} % (n = {won:,})" if won else "no vector counted"
    away = f"{intruding:,} of {texts:,} texts nearer to another class" + (f" ({100 * intruding / texts:.1f} %)" if texts else "")
    if report.centers.shape[1] == 1:
        return f"{int(report.there.sum()):,} {'class means' if view.kind == 'means' else 'centres, one a class'}; {pure}; {away}."
    used, alive = report.n > 0, int((report.counts > 0).sum())
    effective = f"effective K {report.effective[used].mean():.1f} of {report.centers.shape[1]} (mean of {int(used.sum()):,} classes)"
    return f"{alive:,} of {int(report.there[used].sum()):,} centres used, {int(report.dead.sum()):,} dead; {effective}; {pure}; {away}."


def placing(found: Sequence[CenterView]) -> str:
    """How the centres came onto the map, in one sentence."""
    kinds = {(view.space, view.places.exact) for view in found if view.places is not None}
    said = []
    if ("texts", False) in kinds:
        said.append("A centre is drawn among its 10 nearest texts, so its place is approximate; hollow where those texts lie apart.")
    if ("texts", True) in kinds:
        said.append("Centres are placed by the map's own PCA.")
    if ("tokens", True) in kinds:
        said.append("The tokens' map is the PCA of the stored tokens, and centres are placed by it.")
    return " ".join(said)


def names_beside(
    points: pd.DataFrame, centers: pd.DataFrame, view: Window, *, side: float, size: float, measure: Measure = text_width
) -> list[Label]:
    """Class names as on the maps of texts, moved off the centres: a name over a star would hide what the picture is about. Units as in `labels`."""
    found = labels(points, view, side=side, size=size, measure=measure)
    span, corner = view[1] - view[0], np.array([view[0], view[2]])
    stars = (centers[["x", "y"]].to_numpy(dtype=float) - corner) / span * side
    taken = stars[np.isfinite(stars).all(axis=1)]  # what a name may not cover, stars first
    room = np.full(taken.shape, 0.62 * size)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False) + np.pi / 2
    turns, placed = np.stack([np.cos(angles), np.sin(angles)], axis=1), []
    for label in found:
        half = np.array([measure(short(label.name, LABEL_CHARS), size), 1.25 * size]) / 2
        anchor = (np.array(label.at) - corner) / span * side
        spots = np.concatenate([anchor[None], *(anchor + r * turns for r in np.arange(0.6, 9.0, 0.6) * size)])
        spots = np.clip(spots, half, np.maximum(side - half, half))
        free = (np.abs(spots[:, None] - taken) >= half + room).any(axis=2).all(axis=1)
        spot = spots[free.argmax()] if free.any() else anchor
        taken, room = np.vstack([taken, spot]), np.vstack([room, half])
        at = spot / side * span + corner
        placed.append(label._replace(at=tuple(at), moved=bool(np.linalg.norm(at - label.anchor) > 3.2 * size / side * span)))
    return placed


def view_of(table: pd.DataFrame, pane_id: str) -> Window:
    """The square a pane shows: one for all maps of texts, each map of tokens its own."""
    own = table[table["pane"] == pane_id]
    if len(own) and own["space"].iloc[0] == "tokens":
        return window(own, PAD)
    return window(table[table["space"] == "texts"], PAD)


def outside_said(table: pd.DataFrame, pane_id: str) -> str:
    """How many drawn texts of the pane its frame leaves out, for the line under it."""
    return outside_words(table[table["pane"] == pane_id], view_of(table, pane_id))


def left_out(table: pd.DataFrame) -> str:
    """The same of all panes, for the caption."""
    return outside_sentence([sum(one.count for one in outside(table[table["pane"] == pane], view_of(table, pane))) for pane in pane_ids(table)])


def pane_ids(table: pd.DataFrame) -> list[str]:
    """The panes in the order they were given."""
    return list(dict.fromkeys(table["pane"]))
