"""What the paper versions of the centre pictures share: a grid of panes, each with its loss above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmlviz.figures.base.paper import Box, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import PAPER, loss_color, readable
from dmlviz.figures.maps.frame import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP_MM, EDGE_MM = 2.5, 0.4


def head_mm(preset: Preset) -> float:
    """Room for a pane's title."""
    return 1.75 * preset.font_pt / PT_PER_MM


def squares(panes: int, preset: Preset, *, least: float, most: float) -> tuple[list[Box], float]:
    """Square panes of equal size, as many to a row as `least` mm allow, and the height they take with their titles."""
    width, head = preset.width_mm - 2 * EDGE_MM, head_mm(preset)
    columns = max(1, min(panes, int((width + GAP_MM) // (least + GAP_MM))))
    rows = -(-panes // columns)
    columns = -(-panes // rows)
    side = min((width - (columns - 1) * GAP_MM) / columns, most)
    left = EDGE_MM + (width - columns * side - (columns - 1) * GAP_MM) / 2
    spots = [(left + (i % columns) * (side + GAP_MM), head + (i // columns) * (side + head + GAP_MM)) for i in range(panes)]
    return [Box(x, y, side, side) for x, y in spots], spots[-1][1] + side + EDGE_MM


def pane_title(figure: Figure, box: Box, title: str, loss: str, accuracy: float, preset: Preset) -> None:
    """The loss in its colour on the left, the accuracy on the right; the loss gives way when both do not fit."""
    size, base = preset.font_pt, box.top - 0.55 * preset.font_pt / PT_PER_MM
    shown = percent(accuracy) if np.isfinite(accuracy) else ""
    room = box.width - width_mm(shown, size) - size / PT_PER_MM
    words = trimmed(title, size, room, bold=True)
    if words != title:
        size = max(MIN_PT, size - 1)
        words = trimmed(title, size, room, bold=True)
    text(figure, box.left, base, words, size=size, weight="bold", color=readable(loss_color(loss), PAPER.ground))
    text(figure, box.left + box.width, base, shown, size=size, ha="right", color=PAPER.ink)
