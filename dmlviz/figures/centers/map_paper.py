"""Draws centres among their texts with Matplotlib: the same marks at a column's exact width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmlviz.figures.base.paper import MARKERS, OUTLINE_PT, Box, arrows, axes, canvas, outlined_pt, size_mm, tell, text, trimmed, unshown, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import OTHER, PAPER, class_mark, drawing, mixed, readable
from dmlviz.figures.base.words import drawable, short
from dmlviz.figures.centers.frame import names_beside, pane_ids, view_of
from dmlviz.figures.centers.paper import EDGE_MM, pane_title, squares
from dmlviz.figures.maps.frame import LABEL_CHARS, Label, Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RASTER_ABOVE = 5_000
KEYS = (("centre, halo: share of its class", "star"), ("place approximate", "hollow"), ("chosen by none", "dead"))


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """All panes, squares of one size, and a key of the marks."""
    with drawing():
        ids = pane_ids(table)
        boxes, height = squares(max(len(ids), 1), preset, least=40, most=96)
        entries = unshown(_entries(table))
        size = max(MIN_PT, preset.font_pt - 0.5)
        strip = 1.6 * size / PT_PER_MM * len(_lines_of(entries, preset.width_mm, size))
        figure = canvas(preset.width_mm, height + strip)
        for box, pane_id in zip(boxes, ids, strict=False):
            rows = table[table["pane"] == pane_id]
            ax = axes(figure, box)
            _pane(ax, rows, view_of(table, pane_id), box.width, preset, raster=len(table) > RASTER_ABOVE)
            pane_title(figure, box, rows["title"].iloc[0], rows["loss"].iloc[0], float(rows["accuracy"].iloc[0]), preset)
        if not ids:
            text(figure, preset.width_mm / 2, height / 2, "No centres to show", size=preset.font_pt, ha="center", color=PAPER.muted)
        _key(figure, entries, height, size)
    return figure


def _pane(ax: Axes, rows: pd.DataFrame, view: Window, side: float, preset: Preset, *, raster: bool) -> None:
    ax.set(xlim=view[:2], ylim=view[2:], xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    texts = rows[rows["mark"] == "text"]
    for other, alpha in ((True, 0.3), (False, float(np.clip(0.5 * (400 / max(len(texts), 1)) ** 0.35, 0.25, 0.5)))):
        group = texts[(texts["color_key"] == OTHER) == other]
        style = {"s": (1.3 if len(texts) > 600 else 2.0) ** 2, "alpha": alpha, "edgecolors": "none", "rasterized": raster, "gid": "texts"}
        marks = pd.Series([class_mark(color) for color in group["color"]], group.index, dtype=object)
        for mark, own in group.groupby(marks, sort=True):
            ax.scatter(own["x"], own["y"], c=own["color"].tolist(), marker=MARKERS[mark], **style)
    _strokes(ax, rows)
    _stars(ax, rows[rows["mark"] == "centre"])
    size = max(MIN_PT, preset.font_pt - 1)
    coloured, centers = texts[texts["color_key"] != OTHER], rows[rows["mark"] == "centre"]
    for label in names_beside(coloured, centers, view, side=side * PT_PER_MM, size=1.12 * size, measure=outlined_pt):
        _name(ax, label, size)
    arrows(ax, rows, view)


def _strokes(ax: Axes, rows: pd.DataFrame) -> None:
    from matplotlib.collections import LineCollection

    spokes = rows[rows["mark"] == "spoke"]
    if len(spokes):
        ends = spokes[["x", "y", "x_to", "y_to"]].to_numpy(dtype=float).reshape(-1, 2, 2)
        ax.add_collection(LineCollection(ends, colors=spokes["color"].tolist(), linewidths=0.3, alpha=0.5, gid="spokes"))
    for (_, color), group in rows[rows["mark"] == "path"].groupby(["name", "color"], sort=False):
        ink = mixed(color, PAPER.ink, 0.35)
        ax.plot(group["x"], group["y"], color=ink, linewidth=0.5, linestyle=":", marker="o", markersize=1.2, gid="path")


def _stars(ax: Axes, centers: pd.DataFrame) -> None:
    shares = np.nan_to_num(centers["share"].to_numpy(dtype=float))
    alive = centers[shares > 0]
    if len(alive):
        sizes = (4 + 12 * np.sqrt(shares[shares > 0])) ** 2
        ax.scatter(alive["x"], alive["y"], s=sizes, c=alive["color"].tolist(), alpha=0.22, edgecolors="none", gid="halos")
    dead, hollow = centers["dead"].to_numpy(dtype=bool), centers["hollow"].to_numpy(dtype=bool)
    for mask, style in ((~dead & ~hollow, "star"), (~dead & hollow, "hollow"), (dead, "dead")):
        group = centers[mask]
        if len(group) and style != "dead":  # a white edge keeps a star apart from the texts it lies on
            ax.scatter(group["x"], group["y"], gid="casings", zorder=3, marker="*", s=7.4**2, c="#FFFFFF", linewidths=0, alpha=0.85)
        if len(group):
            ax.scatter(group["x"], group["y"], gid=style, zorder=3, **_style(style, group["color"].tolist()))


def _style(kind: str, colors: list[str]) -> dict[str, Any]:
    edges = [mixed(color, PAPER.ink, 0.6) for color in colors]
    if kind == "dead":
        return {"marker": "x", "s": 2.4**2, "c": edges, "linewidths": 0.7}
    if kind == "hollow":
        return {"marker": "*", "s": 5.4**2, "facecolors": "#FFFFFF", "edgecolors": colors, "linewidths": 0.6}
    return {"marker": "*", "s": 5.4**2, "c": colors, "edgecolors": edges, "linewidths": 0.4}


def _name(ax: Axes, label: Label, size: float) -> None:
    from matplotlib.patheffects import Stroke

    color = readable(label.color, PAPER.ground)
    if label.moved:
        ax.plot(*zip(label.anchor, label.at, strict=True), color=color, linewidth=0.4, solid_capstyle="butt", gid="leader")
    for effects in ([Stroke(linewidth=OUTLINE_PT, foreground=PAPER.ground, alpha=0.85)], None):
        words = text(ax, *label.at, short(drawable(label.name)[0], LABEL_CHARS), size=size, color=color, ha="center", va="center", weight="bold",
                     zorder=4)  # fmt: skip
        if effects:
            words.set_path_effects(effects)


def _entries(table: pd.DataFrame) -> list[tuple[str, str]]:
    """(words, mark) of the marks that are there."""
    centers = table[table["mark"] == "centre"]
    if centers.empty:
        return []
    dead, hollow = centers["dead"].astype(bool), centers["hollow"].astype(bool)
    there = {"star": True, "hollow": bool((hollow & ~dead).any()), "dead": bool(dead.any())}
    texts = table[(table["mark"] == "text") & (table["color_key"] != OTHER)].drop_duplicates("color_key").sort_values("color_key")
    classes = [(short(drawable(row.color_key)[0], LABEL_CHARS), f"{class_mark(row.color)} {row.color}") for row in texts.itertuples()]
    return [*((words, mark) for words, mark in KEYS if there[mark]), *classes]


def _lines_of(entries: list[tuple[str, str]], width: float, size: float) -> list[list[tuple[str, str]]]:
    """The key's entries in as few lines as fit."""
    lines: list[list[tuple[str, str]]] = []
    left = 0.0
    mark, gap, room = 1.4 * size / PT_PER_MM, 1.2 * size / PT_PER_MM, width - 2 * EDGE_MM
    for words, style in entries:
        words = trimmed(words, size, room - mark)
        wide = mark + width_mm(words, size)
        if not lines or left + wide > room:
            lines.append([])
            left = 0.0
        lines[-1].append((words, style))
        left += wide + gap
    return lines


def _key(figure: Figure, entries: list[tuple[str, str]], top: float, size: float) -> None:
    width, height = size_mm(figure)
    ax = axes(figure, Box(0, 0, width, height), frame=False)
    for i, line in enumerate(_lines_of(entries, width, size)):
        x, y = EDGE_MM, top + (i + 0.55) * 1.6 * size / PT_PER_MM
        for words, mark in line:
            if " #" in mark:
                shape, color = mark.split(" ")
                ax.scatter([x + 0.6 * size / PT_PER_MM], [y], marker=MARKERS[shape], c=color, s=(0.5 * size) ** 2, edgecolors="none")
                tell(figure, words, color, shape)
            else:
                ax.scatter([x + 0.6 * size / PT_PER_MM], [y], **_style(mark, [PAPER.muted]))
            text(ax, x + 1.4 * size / PT_PER_MM, y, words, size=size, va="center", color=PAPER.ink)
            x += width_mm(words, size) + 2.6 * size / PT_PER_MM
