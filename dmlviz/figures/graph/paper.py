"""Draws the similarity graphs with Matplotlib: the same nodes and edges at a column's exact width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmlviz.figures.base.map_window import Window, outside, outside_sentence, window
from dmlviz.figures.base.paper import MARKERS, OUTLINE_PT, Box, arrows, axes, canvas, outlined_pt, size_mm, tell, text, trimmed, unshown, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import CORRECT, OTHER, OTHER_COLOR, PAPER, WRONG, class_mark, contrast, drawing, mixed, readable
from dmlviz.figures.base.words import drawable, missing_glyphs, short
from dmlviz.figures.centers.paper import EDGE_MM, pane_title, squares
from dmlviz.figures.graph.frame import BANDS, UNREACHED, GraphInput, edge_sentence, pane_ids, runs_words
from dmlviz.figures.graph.screen import class_labels
from dmlviz.figures.maps.frame import LABEL_CHARS, Label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS, OPACITIES = (0.2, 0.35, 0.55, 0.85), (0.25, 0.38, 0.55, 0.75)  # pt
RASTER_ABOVE = 6_000  # edges in the figure
BY_CLASS = ("true", "propagated")  # colourings that say a class


def paper(table: pd.DataFrame, preset: Preset, *, view: Window | None = None) -> Figure:
    """All panes on one window at the preset's width, and a key of what the marks mean."""
    with drawing():
        ids = pane_ids(table)
        view = window(table) if view is None else view
        boxes, height = squares(max(len(ids), 1), preset, least=34, most=92)
        entries = unshown(_entries(table))
        lines = _key_lines(entries, preset)
        figure = canvas(preset.width_mm, height + 1 + len(lines) * 1.45 * _small(preset) / PT_PER_MM)
        raster = int((table["mark"] == "edge").sum()) > RASTER_ABOVE
        for pane, box in zip(ids, boxes, strict=False):
            rows = table[table["pane"] == pane]
            ax = axes(figure, box)
            _pane(ax, rows, view, box.width, preset, raster)
            pane_title(figure, box, rows["title"].iloc[0], rows["loss"].iloc[0], float(rows["accuracy"].iloc[0]), preset)
        if not ids:
            text(figure, preset.width_mm / 2, height / 2, "No texts to show", size=preset.font_pt, ha="center", color=PAPER.muted)
        _key(figure, lines, height + 1, preset)
    return figure


def _small(preset: Preset) -> float:
    return max(MIN_PT, preset.font_pt - 0.5)


def _pane(ax: Axes, rows: pd.DataFrame, view: Window, side: float, preset: Preset, raster: bool) -> None:
    ax.set(xlim=view[:2], ylim=view[2:], xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    nodes, edges = rows[rows["mark"] == "node"], rows[rows["mark"] == "edge"]
    _edges(ax, edges, raster)
    _nodes(ax, nodes, side)
    size = max(MIN_PT, preset.font_pt - 1)
    for label in class_labels(nodes, view, side=side * PT_PER_MM, size=1.12 * size, measure=outlined_pt):
        _name(ax, label, size)
    arrows(ax, nodes, view)


def _edges(ax: Axes, edges: pd.DataFrame, raster: bool) -> None:
    from matplotlib.collections import LineCollection

    for same, color in ((True, PAPER.muted), (False, WRONG)):
        for band in range(BANDS):
            part = edges[(edges["same_class"] == same) & (edges["band"] == band)]
            if part.empty:
                continue
            segments = part[["x", "y", "x2", "y2"]].to_numpy(dtype=float).reshape(-1, 2, 2)
            dashes = "solid" if same else (0, (3, 2))
            ax.add_collection(LineCollection(segments, colors=color, linewidths=WIDTHS[band], alpha=OPACITIES[band], linestyles=dashes,
                                             rasterized=raster, zorder=1.5))  # fmt: skip


def _nodes(ax: Axes, nodes: pd.DataFrame, side: float) -> None:
    """Hidden filled, visible ringed, the fewer of them on top; one scatter per symbol."""
    diameter = (1.6 if len(nodes) > 1_000 else 2.2 if len(nodes) > 150 else 3.2) * min(max(side / 60, 0.7), 1.15)
    for shown in (False, True) if nodes["visible"].mean() <= 0.5 else (True, False):
        half = nodes[nodes["visible"].astype(bool) == shown]
        for symbol, part in half.groupby(_marks(half), sort=True):
            colors = part["color"].to_numpy()
            style: dict[str, Any] = {"c": colors, "s": (diameter * (1.25 if shown else 1.0)) ** 2, "zorder": 2.5}
            if symbol == "circle-open":
                style |= {"c": "none", "edgecolors": PAPER.muted, "linewidths": 0.5}
            elif symbol == "x":
                style |= {"linewidths": 0.7}
            else:
                edges = [mixed(color, PAPER.ink, 0.45) if contrast(color, PAPER.ground) < 1.6 else color for color in colors]
                style |= {"edgecolors": PAPER.ink if shown else edges, "linewidths": 0.5 if shown else 0.2}
            ax.scatter(part["x"], part["y"], marker=MARKERS.get(str(symbol).removesuffix("-open"), "o"), **style)


def _marks(nodes: pd.DataFrame) -> pd.Series:
    """The mark of every node: of its class where colour says the class, else the screen's."""
    if nodes.empty or nodes["color_by"].iloc[0] not in BY_CLASS:
        return nodes["symbol"]
    return pd.Series([class_mark(color, symbol) for color, symbol in zip(nodes["color"], nodes["symbol"], strict=True)], nodes.index, dtype=object)


def _name(ax: Axes, label: Label, size: float) -> None:
    from matplotlib.patheffects import Stroke

    color = readable(PAPER.shown(label.color), PAPER.ground) if label.color else PAPER.ink
    if label.moved:
        ax.plot(*zip(label.anchor, label.at, strict=True), color=color, linewidth=0.4, solid_capstyle="butt", zorder=5)
    for effects in ([Stroke(linewidth=OUTLINE_PT, foreground=PAPER.ground, alpha=0.85)], None):
        style = {"ha": "center", "va": "center", "weight": "bold", "zorder": 6}
        words = text(ax, *label.at, short(drawable(label.name)[0], LABEL_CHARS), size=size, color=color, **style)
        if effects:
            words.set_path_effects(effects)


# ---- key


def _entries(table: pd.DataFrame) -> list[tuple[str, str]]:
    """(kind of mark, words)."""
    nodes, edges = table[table["mark"] == "node"], table[table["mark"] == "edge"]
    if nodes.empty:
        return []
    found = [("ring", "label visible"), ("dot", "label hidden")]
    by = nodes["color_by"].iloc[0]
    if by == "confidence":
        found.append(("scale", "confidence 0 to 1"))
    elif by == "wrong":
        found += [("right", "guessed right"), ("wrong", "guessed wrong, or not reached")]
    else:
        known = nodes[~nodes["color_key"].isin([OTHER, UNREACHED])].drop_duplicates("color_key").sort_values("color_key")
        found += [(f"{class_mark(row.color, row.symbol)} {row.color}", short(drawable(row.color_key)[0], LABEL_CHARS)) for row in known.itertuples()]
        found += [("grey", OTHER.strip("()"))] if (nodes["color_key"] == OTHER).any() else []
        found += [("open", UNREACHED.strip("()"))] if (nodes["color_key"] == UNREACHED).any() else []
    found += [("same", "edge within a class")] if edges["same_class"].astype(bool).any() else []
    return found + ([("cross", "edge between classes")] if (~edges["same_class"].astype(bool)).any() else [])


def _key_lines(entries: Sequence[tuple[str, str]], preset: Preset) -> list[list[tuple[float, str, str]]]:
    """Lines of (left in mm, kind, words) that fit the width."""
    size, lines, left = _small(preset), [[]], EDGE_MM
    for kind, words in entries:
        words = trimmed(words, size, preset.width_mm - 2 * EDGE_MM - 2.1 * size / PT_PER_MM)
        width = width_mm(words, size) + 2.1 * size / PT_PER_MM
        if lines[-1] and left + width > preset.width_mm - EDGE_MM:
            lines.append([])
            left = EDGE_MM
        lines[-1].append((left, kind, words))
        left += width + 1.5 * size / PT_PER_MM
    return [line for line in lines if line]


def _key(figure: Figure, lines: list[list[tuple[float, str, str]]], top: float, preset: Preset) -> None:
    size = _small(preset)
    ax = axes(figure, Box(0, 0, *size_mm(figure)), frame=False)
    dots = {"ring": ("o", "#FFFFFF", PAPER.ink), "dot": ("o", PAPER.muted, "none"), "grey": ("o", OTHER_COLOR, "none"),
            "open": ("o", "none", PAPER.muted), "right": ("o", CORRECT, "none")}  # fmt: skip
    for i, line in enumerate(lines):
        y = top + (i + 0.6) * 1.45 * size / PT_PER_MM
        for left, kind, words in line:
            x, half = left + 0.9 * size / PT_PER_MM, 0.8 * size / PT_PER_MM
            if " #" in kind:
                mark, color = kind.split(" ")
                ax.scatter([x], [y], marker=MARKERS[mark], s=(0.55 * size) ** 2, c=color, edgecolors="none")
                tell(figure, words, color, mark)
            elif kind in dots:
                marker, face, edge = dots[kind]
                ax.scatter([x], [y], marker=marker, s=(0.55 * size) ** 2, c=face, edgecolors=edge, linewidths=0.6)
            elif kind == "wrong":
                ax.scatter([x], [y], marker="x", s=(0.5 * size) ** 2, c=WRONG, linewidths=0.8)
            elif kind == "scale":
                ax.imshow(np.linspace(0, 1, 32)[None], cmap="cividis", aspect="auto", extent=(x - half, x + half, y + 0.6, y - 0.6))
                ax.set(xlim=(0, size_mm(figure)[0]), ylim=(size_mm(figure)[1], 0))
            else:
                style = {"color": PAPER.muted} if kind == "same" else {"color": WRONG, "linestyle": (0, (3, 2))}
                ax.plot([x - half, x + half], [y, y], linewidth=0.8, **style)
            text(ax, left + 2.1 * size / PT_PER_MM, y, words, size=size, va="center")


def caption(table: pd.DataFrame, inputs: Sequence[GraphInput]) -> str:
    """What is drawn: texts, sigma, mask, edges, propagated accuracy, runs."""
    nodes = table[table["mark"] == "node"]
    if nodes.empty:
        return "No texts to show."
    panes = [group for _, group in nodes.groupby("pane", sort=False)]
    texts = ", ".join(dict.fromkeys(f"{len(group):,}" for group in panes))
    shown = ", ".join(dict.fromkeys(f"{int(group['visible'].sum()):,}" for group in panes))
    sigmas = ", ".join(dict.fromkeys(f"{float(group['sigma'].iloc[0]):.3g}" for group in panes))
    right = ", ".join(f"{100 * float(group['accuracy'].iloc[0]):.1f}%" for group in panes)
    by = {"true": "the true class", "propagated": "the class that propagation guesses", "confidence": "the guessed class's share of the score",
          "wrong": "whether propagation guesses right"}[nodes["color_by"].iloc[0]]  # fmt: skip
    said = [f"Similarity graphs as in G-Loss (arXiv 2604.25853): {texts} texts a run, {shown} of them with a visible label, sigma {sigmas}.",
            f"Colour is {by}.", edge_sentence(table), f"Propagation guesses {right} of the hidden labels right (one mask, single runs)."]  # fmt: skip
    view = window(table)
    said += filter(None, [outside_sentence([sum(one.count for one in outside(group, view)) for group in panes])])
    return " ".join([*said, runs_words([given.run for given in inputs])])


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written."""
    return [one for one in [missing_glyphs(dict.fromkeys([*table["title"], *table["label"].dropna()]))] if one]
