"""A white sheet in millimetres: what the paper renderers share. Matplotlib without pyplot."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from dmlviz.figures.base.fonts import font_stack
from dmlviz.figures.base.map_window import Window, outside
from dmlviz.figures.base.presets import MIN_PT, MM_PER_INCH, PT_PER_MM, Preset
from dmlviz.figures.base.theme import PAPER
from dmlviz.figures.base.words import drawable, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

MARKERS = {"circle": "o", "square": "s", "triangle-up": "^", "triangle-down": "v", "triangle-left": "<", "triangle-right": ">", "cross": "P",
           "x": "x", "diamond": "D", "pentagon": "p"}  # Plotly's name -> Matplotlib's  # fmt: skip

# One for each line of a plot, in order: whatever the colours, grey print keeps them apart
DASHES = ("-", "--", ":", "-.", (0, (6, 1.2, 1, 1.2, 1, 1.2)), (0, (9, 2)), (0, (3, 1)), (0, (1, 2.5)))


OUTLINE_PT = 1.6  # of a class name on a map
CHART_MM, CHART_SHARE = 12.0, 0.42  # a chart's least width, in mm and of the room that it shares with names


class Box(NamedTuple):
    """A rectangle in mm from the sheet's top left corner."""

    left: float
    top: float
    width: float
    height: float


class Key(NamedTuple):
    """What a colour stands for, and what else tells it apart."""

    name: str
    color: str
    mark: str  # a marker or a dash


Sheet = "Figure | SubFigure"  # a whole sheet, or a panel of one
_KEYS: weakref.WeakKeyDictionary[Any, list[Key]] = weakref.WeakKeyDictionary()
_HOST: ContextVar[Any] = ContextVar("host", default=None)


def tell(figure: Sheet, name: str, color: str, mark: str) -> None:
    """Note that `name` (a class, a run) is drawn in this colour and with this mark, so that a check can see whether grey print keeps it apart."""
    own = _KEYS.setdefault(figure, [])
    if (key := Key(name, color.upper(), mark)) not in own:
        own.append(key)


def dash(figure: Sheet, place: int, name: str, color: str) -> Any:
    """Matplotlib's line style of the line in that place, which is told."""
    tell(figure, name, color, f"dash {place % len(DASHES) + 1}")
    return DASHES[place % len(DASHES)]


def keys_of(figure: Sheet) -> list[list[Key]]:
    """What `tell` was told, panel by panel; a sheet of its own is one panel."""
    panels = [_KEYS.get(one, []) for one in (figure, *figure.subfigs)]
    return [own for own in panels if own]


_SHOWN: ContextVar[set[Any] | None] = ContextVar("shown", default=None)


@contextmanager
def sharing_keys() -> Iterator[None]:
    """Meanwhile panels are drawn one after the other, and a key that an earlier one has shown is left out of a later one."""
    before = _SHOWN.set(set())
    try:
        yield
    finally:
        _SHOWN.reset(before)


def unshown(entries: list[Any]) -> list[Any]:
    """A key's entries, or none where an earlier panel shows the very same."""
    shown, key = _SHOWN.get(), tuple(entries)
    if shown is None or not entries:
        return entries
    if key in shown:
        return []
    shown.add(key)
    return entries


@contextmanager
def hosted(host: Any) -> Iterator[None]:
    """Meanwhile `canvas` hands out panels of a larger sheet: host(width_mm, height_mm) makes one."""
    before = _HOST.set(host)
    try:
        yield
    finally:
        _HOST.reset(before)


class _Measured(Exception):
    """Thrown by `canvas` to whoever only wants to know its size."""

    def __init__(self, height_mm: float) -> None:
        self.height_mm = height_mm


def height_of(draw: Callable[[], Any]) -> float:
    """How high the sheet is that `draw` asks for: nothing is drawn."""

    def stop(width_mm: float, height_mm: float) -> None:
        raise _Measured(height_mm)

    try:
        with hosted(stop):
            draw()
    except _Measured as found:
        return found.height_mm
    raise AssertionError("a picture that never asks for a sheet")


def canvas(width_mm: float, height_mm: float) -> Figure:
    """An empty white figure of exactly that size, or a panel of a larger one (see `hosted`)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if (host := _HOST.get()) is not None:
        return host(width_mm, height_mm)
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), dpi=300, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def size_mm(figure: Sheet) -> tuple[float, float]:
    """Width and height of a sheet or of a panel."""
    width, height = figure.get_figure(root=True).get_size_inches() * MM_PER_INCH
    box = getattr(figure, "bbox_relative", None)  # a panel's share of its sheet
    return (float(width), float(height)) if box is None else (float(width * box.width), float(height * box.height))


def axes(figure: Figure, box: Box, *, frame: bool = True) -> Axes:
    """Axes in that box; without a frame, an overlay whose data units are mm."""
    width, height = size_mm(figure)
    ax = figure.add_axes((box.left / width, 1 - (box.top + box.height) / height, box.width / width, box.height / height))
    ax.patch.set_alpha(0)
    if not frame:
        ax.set_axis_off()
        ax.set(xlim=(0, width), ylim=(height, 0))
    return ax


def text(place: Figure | Axes, x: float, y: float, words: str, *, size: float, color: str = PAPER.ink, **style: Any) -> Text:
    """Words in our fonts, never read as TeX. On a figure x and y are mm from the top left; on axes, data."""
    if hasattr(place, "subfigs"):
        width, height = size_mm(place)
        x, y = x / width, 1 - y / height
    return place.text(x, y, words, fontfamily=list(font_stack()), fontsize=size, color=color, parse_math=False, **style)


def width_mm(words: str, size: float, *, bold: bool = False) -> float:
    """How wide these words will be drawn, to the pixel of a 300 dpi sheet: measured in the very font that draws them."""
    return _measured(words, float(size), "bold" if bold else "normal", font_stack())


def width_pt(words: str, size: float, *, bold: bool = False) -> float:
    """The same in points."""
    return width_mm(words, size, bold=bold) * PT_PER_MM


def outlined_pt(words: str, size: float) -> float:
    """How many points a class name takes on a map: bold, as far as it can be drawn, in a white outline."""
    return width_pt(drawable(words)[0], size, bold=True) + OUTLINE_PT


@lru_cache(maxsize=8192)
def _measured(words: str, size: float, weight: str, families: tuple[str, ...]) -> float:
    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.font_manager import FontProperties

    sheet, font = RendererAgg(8, 8, 300), FontProperties(family=list(families), size=size, weight=weight)
    return sheet.get_text_width_height_descent(words, font, False)[0] / 300 * MM_PER_INCH


def trimmed(words: str, size: float, room: float, *, limit: int = 60, bold: bool = False) -> str:
    """The words as paper can draw them, shortened in their middle to `limit` characters and until they take at most `room` mm."""
    whole = drawable(words)[0]
    kept = short(whole, limit)
    if width_mm(kept, size, bold=bold) <= room:
        return kept
    low, high = 3, len(kept)  # `low` letters are taken to fit, `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if width_mm(short(whole, middle), size, bold=bold) <= room else (low, middle)
    return short(whole, low)


def lines_of(words: str, size: float, room: float) -> list[str]:
    """The words, a line per entry, none wider than `room` mm but for a single word that is."""
    lines: list[str] = []
    for word in words.split():
        if lines and width_mm(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def beside(names: Sequence[str], size: float, width: float, *, limit: int, bold: bool = False) -> tuple[list[str], float]:
    """(names, mm of the widest) as they fit into `width` mm beside a chart, which keeps its least width."""
    most = width - max(CHART_MM, CHART_SHARE * width)
    kept = [trimmed(name, size, most, limit=limit, bold=bold) for name in names]
    return kept, max((width_mm(name, size, bold=bold) for name in kept), default=0.0)


def inside(at: float, words: str, size: float, width: float) -> float:
    """Where to centre the words, as near to `at` as leaves them whole on a sheet of that width; all in mm."""
    half = width_mm(words, size) / 2 + 0.4
    return min(max(at, half), max(width - half, half))


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
