"""Draws the maps with Matplotlib: the same marks at a column's exact width, panes square, text as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from dmlviz.figures.base.paper import MARKERS, OUTLINE_PT, Box, arrows, axes, canvas, outlined_pt, size_mm, tell, text, trimmed, unshown, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import OTHER_COLOR, PAPER, class_mark, contrast, drawing, loss_color, mixed, readable
from dmlviz.figures.base.words import drawable, short
from dmlviz.figures.maps.frame import BY_CLASS, LABEL_CHARS, KeyEntry, Label, Layer, Window, key, labels, layers, opacity, pane_ids, percent, window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RASTER_ABOVE = 5_000  # marks in the figure
LEAST_PANE_MM, MOST_PANE_MM = 34.0, 92.0
GAP_MM, EDGE_MM = 2.0, 0.3


class Grid(NamedTuple):
    """Where the panes go, in mm from the top left corner."""

    side: float
    panes: list[tuple[float, float]]  # left, top of each square
    key: Box  # where the key goes: a free cell, the room on the right, or a strip below
    height: float


def paper(
    table: pd.DataFrame, preset: Preset, *, letters: bool = False, view: Window | None = None, columns: int | None = None
) -> Figure:
    """All panes on one window at the preset's width, and a key of what is not named in them. `columns`: so many beside each other; None: as fit."""
    with drawing():
        view = window(table) if view is None else view
        ids = pane_ids(table)
        entries = unshown(_key_entries(table))
        grid = _grid(max(len(ids), 1), preset, entries, columns)
        figure = canvas(preset.width_mm, grid.height)
        for i, (left, top) in enumerate(grid.panes[: len(ids)]):
            rows = table[table["pane"] == ids[i]]
            ax = axes(figure, Box(left, top, grid.side, grid.side))
            _pane(ax, rows, view, grid.side, preset, raster=len(table) > RASTER_ABOVE)
            _title(figure, rows, Box(left, top, grid.side, grid.side), preset, "abcdefghijklmnopqrstuvwxyz"[i % 26] if letters else "")
        if not ids:
            text(figure, preset.width_mm / 2, grid.height / 2, "No texts to show", size=preset.font_pt, ha="center", color=PAPER.muted)
        _draw_key(figure, entries, grid.key, preset)
        for entry in _class_entries(table):
            tell(figure, entry.name, entry.color, entry.symbol)
    return figure


def _grid(panes: int, preset: Preset, entries: list[KeyEntry], asked: int | None) -> Grid:
    width, head = preset.width_mm - 2 * EDGE_MM, _head(preset)
    columns = asked or max(1, min(panes, int((width + GAP_MM) // (LEAST_PANE_MM + GAP_MM))))
    rows = -(-panes // columns)
    columns = asked or -(-panes // rows)  # four in place of three and one
    side = min((width - (columns - 1) * GAP_MM) / columns, MOST_PANE_MM)
    spots = [(EDGE_MM + (i % columns) * (side + GAP_MM), head + (i // columns) * (side + head + GAP_MM)) for i in range(panes)]
    bottom = spots[-1][1] + side + EDGE_MM
    used = columns * (side + GAP_MM)
    if panes < rows * columns:
        left, top = EDGE_MM + (panes % columns) * (side + GAP_MM), spots[-1][1]
        return Grid(side, spots, Box(left + GAP_MM, top, width - left - GAP_MM, side), bottom)
    if width - used >= 30:
        return Grid(side, spots, Box(EDGE_MM + used + GAP_MM, head, width - used - GAP_MM, side), bottom)
    strip = Box(EDGE_MM, bottom + 1.5, width, _strip_height(entries, width, preset))
    return Grid(side, spots, strip, strip.top + strip.height + EDGE_MM if entries else bottom)


def _head(preset: Preset) -> float:
    return 1.75 * preset.font_pt / PT_PER_MM


def _pane(ax: Axes, rows: pd.DataFrame, view: Window, side: float, preset: Preset, *, raster: bool) -> None:
    ax.set(xlim=view[:2], ylim=view[2:], xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    for layer in layers(rows):
        _marks(ax, layer, len(rows), side, raster)
    size = max(MIN_PT, preset.font_pt - 1)
    for label in labels(rows, view, side=side * PT_PER_MM, size=1.12 * size, measure=outlined_pt):
        _name(ax, label, size)
    arrows(ax, rows, view)


def _marks(ax: Axes, layer: Layer, marks: int, side: float, raster: bool) -> None:
    diameter = min(max(side / 26, 1.3), 2.6) * (1.0 if marks > 600 else 1.5)  # pt
    for symbol, group in layer.rows.groupby(_paper_marks(layer.rows), sort=True):
        colors = group["color"].to_numpy()
        style = {"c": colors, "marker": MARKERS[symbol], "s": diameter**2, "edgecolors": "none", "alpha": opacity(marks)}
        if layer.name == "test":
            style |= _edged(colors, opacity(marks))
        elif layer.name == "wrong":
            style = {"c": colors, "marker": MARKERS[symbol], "s": (1.3 * diameter) ** 2, "linewidths": 0.6, "alpha": 0.9}
        elif layer.name == "validation":
            style = {"edgecolors": colors, "facecolors": "none", "marker": MARKERS["circle" if symbol == "x" else symbol],
                     "s": (1.4 * diameter) ** 2, "linewidths": 0.45, "alpha": 0.9}  # fmt: skip
        elif layer.name == "support":
            style = _support(group, diameter)
        ax.scatter(group["x"], group["y"], rasterized=raster, **style)
        if layer.name == "support" and symbol == "x":
            ax.scatter(group["x"], group["y"], c="#FFFFFF", marker="x", s=(1.1 * diameter) ** 2, linewidths=0.5, rasterized=raster)


def _paper_marks(rows: pd.DataFrame) -> pd.Series:
    """The mark of every row: of its class where colour says the class, else the screen's."""
    if rows.empty or rows["color_by"].iloc[0] not in BY_CLASS:
        return rows["symbol"]
    pairs = zip(rows["color"], rows["symbol"], strict=True)
    return pd.Series([class_mark(color, symbol) for color, symbol in pairs], rows.index, dtype=object)


def _edged(colors: Sequence[str], alpha: float) -> dict[str, Any]:
    """Pale colours get a thin darker edge, the others a wholly transparent one."""
    from matplotlib.colors import to_rgba

    edges = {color: (mixed(color, PAPER.ink, 0.45), alpha) if contrast(color, PAPER.ground) < 1.6 else (color, 0.0) for color in set(colors)}
    return {"c": [to_rgba(color, alpha) for color in colors], "edgecolors": [to_rgba(*edges[color]) for color in colors],
            "linewidths": 0.25, "alpha": None}  # fmt: skip


def _support(group: pd.DataFrame, diameter: float) -> dict[str, Any]:
    grey = (group["color"] == OTHER_COLOR).to_numpy()
    sizes = [((1.0 if other else 1.5) * diameter + 0.6) ** 2 for other in grey]
    return {"c": group["color"].to_numpy(), "marker": "D", "s": [0.7 * size for size in sizes],
            "edgecolors": [PAPER.muted if other else PAPER.ink for other in grey], "linewidths": 0.5}  # fmt: skip


def _name(ax: Axes, label: Label, size: float) -> None:
    """A class name as text over its own white outline; the outline alone is drawn as a shape, so the words stay searchable."""
    from matplotlib.patheffects import Stroke

    color = readable(PAPER.shown(label.color), PAPER.ground) if label.color else PAPER.ink
    if label.moved:
        ax.plot(*zip(label.anchor, label.at, strict=True), color=color, linewidth=0.4, solid_capstyle="butt")
    for effects in ([Stroke(linewidth=OUTLINE_PT, foreground=PAPER.ground, alpha=0.85)], None):
        words = text(ax, *label.at, short(drawable(label.name)[0], LABEL_CHARS), size=size, color=color, ha="center", va="center", weight="bold")
        if effects:
            words.set_path_effects(effects)


def _title(figure: Figure, rows: pd.DataFrame, box: Box, preset: Preset, letter: str) -> None:
    """The loss in its colour on the left, its accuracy on the right; the loss gives way when both do not fit."""
    size, base = preset.font_pt, box.top - 0.55 * preset.font_pt / PT_PER_MM
    shown = percent(rows["accuracy"].iloc[0]) if rows["accuracy"].notna().all() else ""
    room, left = box.width - width_mm(shown, size) - size / PT_PER_MM, box.left
    if letter:
        text(figure, left, base, letter, size=size, weight="bold", color=PAPER.ink)
        left += 1.1 * size / PT_PER_MM
        room -= 1.1 * size / PT_PER_MM
    name = short(drawable(rows["title"].iloc[0])[0], 60)
    if width_mm(name, size, bold=True) > room:
        size = max(MIN_PT, size - 1)
        name = trimmed(name, size, room, bold=True)
    text(figure, left, base, name, size=size, weight="bold", color=readable(loss_color(rows["loss"].iloc[0]), PAPER.ground))
    text(figure, box.left + box.width, base, shown, size=size, ha="right", color=PAPER.ink)


def _key_entries(table: pd.DataFrame) -> list[KeyEntry]:
    """The parts that are drawn, what colour says beyond the names in the panes, and the grey rest."""
    if table.empty:
        return []
    present, color_by = set(table["part"]), table["color_by"].iloc[0]
    entries = [KeyEntry("support", "#FFFFFF", "diamond", 0)] if "support" in present else []
    entries += [KeyEntry("validation", "#FFFFFF", "circle", 0)] if "validation" in present else []
    if color_by not in BY_CLASS:
        return [*entries, *key(table)]
    if "test" in present and entries:
        entries.append(KeyEntry("test", PAPER.muted, "circle", 0))
    return [*entries, *_class_entries(table)]  # those that are named in the panes, too: grey print tells them apart by their marks


def _class_entries(table: pd.DataFrame) -> list[KeyEntry]:
    """What each colour stands for, with its mark on paper; [] where colour says no class."""
    by_class = len(table) and table["color_by"].iloc[0] in BY_CLASS
    return [entry._replace(symbol=class_mark(entry.color, entry.symbol)) for entry in key(table)] if by_class else []


def _entry_words(entry: KeyEntry, width: float, size: float) -> str:
    return trimmed(entry.name, size, width - 1.5 * size / PT_PER_MM, limit=LABEL_CHARS)


def _columns(entries: list[KeyEntry], width: float, size: float) -> tuple[int, float]:
    widest = max(width_mm(_entry_words(entry, width, size), size) for entry in entries) + 2.2 * size / PT_PER_MM
    columns = max(1, min(len(entries), int(width // widest)))
    return columns, widest


def _strip_height(entries: list[KeyEntry], width: float, preset: Preset) -> float:
    if not entries:
        return 0.0
    size = max(MIN_PT, preset.font_pt - 0.5)
    return -(-len(entries) // _columns(entries, width, size)[0]) * 1.35 * size / PT_PER_MM


def _draw_key(figure: Figure, entries: list[KeyEntry], box: Box, preset: Preset) -> None:
    if not entries:
        return
    size = max(MIN_PT, preset.font_pt - 0.5)
    columns, widest = _columns(entries, box.width, size)
    step = 1.35 * size / PT_PER_MM
    ax = axes(figure, Box(0, 0, *size_mm(figure)), frame=False)
    for i, entry in enumerate(entries):
        x, y = box.left + (i % columns) * widest, box.top + (i // columns + 0.5) * step
        ring = PAPER.ink if entry.symbol == "diamond" else PAPER.muted
        hollow = entry.color == "#FFFFFF"
        style = {"c": entry.color, "edgecolors": ring, "linewidths": 0.5} if hollow else {"c": entry.color, "edgecolors": "none"}
        style = style if entry.symbol != "x" else {"c": entry.color, "linewidths": 0.8}
        ax.scatter([x + 0.6 * size / PT_PER_MM], [y], marker=MARKERS[entry.symbol], s=(0.5 * size) ** 2, **style)
        text(ax, x + 1.4 * size / PT_PER_MM, y, _entry_words(entry, box.width, size), size=size, va="center", color=PAPER.ink)
