"""What the pictures of reliability share: names of groups, and lines with intervals and a name at their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from dmlviz.analysis.reliability.over_runs import Side, interval_words, units
from dmlviz.figures.base.labels import spread
from dmlviz.figures.base.paper import DASHES as PAPER_DASHES
from dmlviz.figures.base.paper import Box, beside, canvas, inside, lines_of, plot_axes, tell, text, trimmed, width_mm
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, rgba, run_titles
from dmlviz.figures.base.words import drawable, plotly_text, short, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYMBOLS, MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon"), "osD^vp"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
LABEL_CHARS = 30


def side_titles(found: Sequence[Side]) -> list[str]:
    """One title per group: its loss, and what besides seeds tells it from the groups that share it."""
    return run_titles([side.group.config.model_copy(update={"support_seed": 0, "seed": 0, "fold": 0}) for side in found])


def many(side: Side) -> str:
    """"n = 5 draws", "single run"."""
    if side.group.lone:
        return "single run"
    unit = units(side.runs)
    more = "" if unit.n == len(side.runs) else f", {len(side.runs)} runs"
    return f"n = {unit.n} {unit.name}{'s' if unit.n > 1 else ''}{more}"


def of_runs(found: Sequence[Side], titles: Sequence[str], *, intervals: str = "shares") -> str:
    """"n = 5 draws each. 95 % intervals: …", "Cross-entropy n = 5 draws, SupCon single run (id). …": which runs a picture is of.
    `intervals`: "shares" (of few texts), "runs", or "" for a picture without."""
    said = [f"{title} {many(side)}{' (' + side.runs[0].id + ')' if side.group.lone else ''}" for side, title in zip(found, titles, strict=True)]
    alike = len({many(side) for side in found}) == 1 and not found[0].group.lone
    which = many(found[0]) + (" each" if len(found) > 1 else "") if alike else ", ".join(said)
    which = which if alike else which[:1].upper() + which[1:]
    said = interval_words([side.group for side in found], texts=intervals == "shares") if intervals else ""
    return f"{which}. {said}".strip()


class Line(NamedTuple):
    """One line of a chart. NaN bounds: no interval."""

    title: str
    loss: str
    x: np.ndarray  # (P,)
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    hover: tuple[str, ...]  # escaped
    place: int  # its number in the picture: decides marker and dash


class Axes(NamedTuple):
    """What stands around the lines."""

    x: tuple[float, float]
    y: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]  # "\n" between lines; empty: by the library
    x_title: str
    y_title: str
    bands: bool  # intervals as bands, else as bars at the points
    markers: bool


def y_range(lines: Sequence[Line], *, least: float = 0.0, most: float = 100.0) -> tuple[float, float]:
    """Room for lines and intervals, as long as these are at most twice as high as the lines: two draws make intervals that fill any axis."""
    values = np.concatenate([line.y for line in lines])
    values = values[np.isfinite(values)]
    if not len(values):
        return least, most
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 0.1 * (most - least))
    ends = np.concatenate([np.r_[line.low, line.high] for line in lines])
    ends = ends[np.isfinite(ends)]
    if len(ends):
        low, high = min(low, max(float(ends.min()), low - span)), max(high, min(float(ends.max()), high + span))
    pad = 0.06 * max(high - low, 0.1 * (most - least))
    return max(least - pad / 3, low - pad), min(most + pad / 3, high + pad)


def layout(theme: Theme, height: int, **margin: int) -> dict[str, Any]:
    """A quiet ground for a chart with scales."""
    return {
        "height": height, "margin": {"l": 52, "r": 8, "t": 10, "b": 44, **margin}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink, "size": 12}, "showlegend": False, "dragmode": False,
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def axis(theme: Theme, **own: Any) -> dict[str, Any]:
    """An axis of such a chart."""
    return {
        "zeroline": False, "gridcolor": theme.lines, "linecolor": theme.lines, "tickfont": {"color": theme.muted, "size": 12}, "fixedrange": True,
        "tickangle": 0, "title_font": {"size": 12, "color": theme.muted}, **own,
    }  # fmt: skip


def screen_lines(lines: Sequence[Line], around: Axes, *, theme: Theme = LIGHT, height: int = 340) -> go.Figure:
    """The lines with their names at their right end."""
    room = max([text_width(short(line.title, LABEL_CHARS), 1.15 * 12.5) for line in lines], default=0) + 16
    below = 44 + 15 * max([words.count("\n") for _, words in around.ticks], default=0)
    figure = go.Figure({"layout": layout(theme, height, r=round(room), b=below)})
    ticks = {"tickvals": [at for at, _ in around.ticks], "ticktext": [plotly_text(one).replace("\n", "<br>") if "\n" not in one else
             "<br>".join(map(plotly_text, one.split("\n"))) for _, one in around.ticks]} if around.ticks else {}  # fmt: skip
    figure.update_xaxes(**axis(theme, range=around.x, showgrid=False, showline=True, title_text=around.x_title, **ticks))
    figure.update_yaxes(**axis(theme, range=around.y, title_text=around.y_title, nticks=6))
    for line in lines:
        figure.add_traces(_traces(line, around, theme))
    ends = _ends(lines, around, 16 / (height - 10 - below))
    for line, at in zip(lines, ends, strict=True):
        color = readable(loss_color(line.loss), theme.ground)
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=6, y=at, yref="y", showarrow=False, align="left",
                              text=plotly_text(short(line.title, LABEL_CHARS)), font={"color": color, "size": 12.5, "weight": 600})  # fmt: skip
    return figure


def _ends(lines: Sequence[Line], around: Axes, line_height: float) -> np.ndarray:
    last = np.array([line.y[np.isfinite(line.y)][-1] if np.isfinite(line.y).any() else around.y[0] for line in lines])
    return spread(np.clip(last, *around.y), line_height * (around.y[1] - around.y[0]), *around.y)


def _traces(line: Line, around: Axes, theme: Theme) -> list[go.Scatter]:
    color = readable(loss_color(line.loss), theme.ground, 3.0)
    found, there = [], np.isfinite(line.low) & np.isfinite(line.high)
    bars = None
    if around.bands and there.any():
        found.append(go.Scatter(x=np.r_[line.x[there], line.x[there][::-1]], y=np.r_[line.high[there], line.low[there][::-1]], fill="toself",
                                fillcolor=rgba(color, 0.10), line={"width": 0}, hoverinfo="skip"))  # fmt: skip
    elif there.any():
        bars = {"type": "data", "symmetric": False, "array": line.high - line.y, "arrayminus": line.y - line.low, "thickness": 1, "width": 0,
                "color": rgba(color, 0.55)}  # fmt: skip
    found.append(go.Scatter(
        x=line.x, y=line.y, error_y=bars, mode="lines+markers" if around.markers else "lines", name=plotly_text(line.title),
        line={"color": color, "width": 2, "dash": "solid" if around.markers else DASHES[line.place % len(DASHES)]},
        marker={"symbol": SYMBOLS[line.place % len(SYMBOLS)], "size": 7, "color": color},
        hovertext=list(line.hover), hovertemplate="%{hovertext}<extra></extra>",
    ))  # fmt: skip
    return found


def paper_lines(lines: Sequence[Line], around: Axes, preset: Preset) -> Figure:
    """The same lines at the preset's width."""
    with drawing():
        size = max(6.0, preset.font_pt - 0.5)
        step = 1.3 * size / PT_PER_MM
        names, room = beside([line.title for line in lines], size, preset.width_mm - 12, limit=LABEL_CHARS, bold=True)
        room += 2.5
        heading = lines_of(drawable(around.y_title)[0], size, preset.width_mm - 1)
        head = step * len(heading)
        below = step * (1.9 + max([words.count("\n") for _, words in around.ticks], default=0)) + 1
        height = preset.height_mm or min(max(0.6 * preset.width_mm, below + step + 12), 66.0) + head - step
        figure = canvas(preset.width_mm, height)
        box = Box(9.5, head + 1, preset.width_mm - 9.5 - room, height - below - head - 1)
        ax = plot_axes(figure, preset, box)
        for line in lines:
            _draw(ax, line, around)
            mark = MARKERS[line.place % len(MARKERS)] if around.markers else f"dash {line.place % len(PAPER_DASHES) + 1}"
            tell(figure, line.title, loss_color(line.loss), mark)
        ax.set(xlim=around.x, ylim=around.y)
        if around.ticks:
            wide = max(width_mm(one, size) for _, words in around.ticks for one in words.split("\n")) + 0.8
            ticks = around.ticks[:: max(1, -int(-len(around.ticks) * wide // box.width))]  # their words must not touch
            ax.set_xticks([at for at, _ in ticks], ["\n".join(drawable(one)[0] for one in words.split("\n")) for _, words in ticks])
        for i, words in enumerate(heading):
            text(figure, 0.5, (0.75 + i) * step, words, size=size, color=PAPER.muted)
        title = trimmed(around.x_title, size, preset.width_mm - 1)
        middle = inside(box.left + box.width / 2, title, size, preset.width_mm)
        text(figure, middle, height - 0.3 * step, title, size=size, color=PAPER.muted, ha="center")
        for line, name, at in zip(lines, names, _ends(lines, around, step / box.height), strict=True):
            text(ax, around.x[1] + 1.5 * (around.x[1] - around.x[0]) / box.width, at, name, size=size, va="center", weight="bold", clip_on=False,
                 color=readable(loss_color(line.loss), PAPER.ground))  # fmt: skip
    return figure


def _draw(ax: Any, line: Line, around: Axes) -> None:
    color, there = readable(loss_color(line.loss), PAPER.ground, 3.0), np.isfinite(line.low) & np.isfinite(line.high)
    if around.bands and there.any():
        ax.fill_between(line.x[there], line.low[there], line.high[there], color=color, alpha=0.1, linewidth=0)
    elif there.any():
        ax.errorbar(line.x[there], line.y[there], yerr=[(line.y - line.low)[there], (line.high - line.y)[there]], fmt="none", ecolor=color,
                    elinewidth=0.5, alpha=0.6)  # fmt: skip
    look = {"marker": MARKERS[line.place % len(MARKERS)], "markersize": 2.6} if around.markers else {}
    ax.plot(line.x, line.y, color=color, linewidth=1.0, linestyle="-" if around.markers else PAPER_DASHES[line.place % len(PAPER_DASHES)], **look)
