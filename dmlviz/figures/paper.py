"""A white sheet in millimetres: what the paper renderers share. Matplotlib without pyplot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .map_window import Window, outside
from .theme import MIN_PT, MM_PER_INCH, PAPER, Preset
from .words import font_stack

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MARKERS = {"circle": "o", "square": "s", "triangle-up": "^", "x": "x", "diamond": "D"}  # Plotly's name -> Matplotlib's


class Box(NamedTuple):
    """A rectangle in mm from the sheet's top left corner."""

    left: float
    top: float
    width: float
    height: float


def canvas(width_mm: float, height_mm: float) -> Figure:
    """An empty white figure of exactly that size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), dpi=300, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def axes(figure: Figure, box: Box, *, frame: bool = True) -> Axes:
    """Axes in that box; without a frame, an overlay whose data units are mm."""
    width, height = (side * MM_PER_INCH for side in figure.get_size_inches())
    ax = figure.add_axes((box.left / width, 1 - (box.top + box.height) / height, box.width / width, box.height / height))
    ax.patch.set_alpha(0)
    if not frame:
        ax.set_axis_off()
        ax.set(xlim=(0, width), ylim=(height, 0))
    return ax


def text(place: Figure | Axes, x: float, y: float, words: str, *, size: float, color: str = PAPER.ink, **style: Any) -> Text:
    """Words in our fonts, never read as TeX. On a figure x and y are mm from the top left; on axes, data."""
    if hasattr(place, "get_size_inches"):
        width, height = (side * MM_PER_INCH for side in place.get_size_inches())
        x, y = x / width, 1 - y / height
    return place.text(x, y, words, fontfamily=list(font_stack()), fontsize=size, color=color, parse_math=False, **style)


def width_mm(words: str, size: float) -> float:
    """How wide these words will be drawn, to the pixel of a 300 dpi sheet."""
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    sheet = RendererAgg(8, 8, 300)
    return sheet.get_text_width_height_descent(words, FontProperties(family=list(font_stack()), size=size), False)[0] / 300 * MM_PER_INCH


def arrows(ax: Axes, rows: pd.DataFrame, view: Window) -> None:
    """At a pane's border: where texts lie outside of the frame, with their number."""
    from math import atan2

    for one in outside(rows, view):
        (x, y), (right, up) = one.at, one.toward
        ax.scatter([x], [y], marker=_arrow(-atan2(right, up)), s=4.5**2, c=PAPER.ink, linewidths=0, zorder=5, gid="outside")
        upright, step = abs(up) >= abs(right), 0.028 * (view[1] - view[0])
        sides = {"ha": "center", "va": "top" if up > 0 else "bottom"} if upright else {"ha": "right" if right > 0 else "left", "va": "center"}
        text(ax, x - step * (not upright) * (1 if right > 0 else -1), y - step * upright * (1 if up > 0 else -1), f"{one.count:,}",
             size=MIN_PT, color=PAPER.ink, zorder=5, **sides)  # fmt: skip


def _arrow(turn: float) -> list[tuple[float, float]]:
    """A slim triangle that points up, turned against the clock by radians: an even-sided one would point three ways."""
    from math import cos, sin

    corners = ((0.0, 1.0), (0.55, -0.7), (-0.55, -0.7))
    return [(x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)) for x, y in corners]


def plot_axes(figure: Figure, preset: Preset, box: Box) -> Axes:
    """Axes for a chart with scales: hairlines left and below, small ticks, our fonts."""
    ax = axes(figure, box)
    for side, spine in ax.spines.items():
        spine.set(color=PAPER.lines, linewidth=0.5, visible=side in ("left", "bottom"))
    ax.tick_params(length=2, width=0.5, color=PAPER.lines, labelcolor=PAPER.ink, labelsize=max(6.0, preset.font_pt - 1),
                   labelfontfamily=list(font_stack()), pad=1.5)  # fmt: skip
    return ax
