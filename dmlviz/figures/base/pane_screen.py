"""What every square pane on the screen shares: ground, frame, title and class names (maps, centres, graphs)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.figures.base.map_window import Outside, Window, outside
from dmlviz.figures.base.theme import SCREEN_FONT, Theme, loss_color, readable, rgba
from dmlviz.figures.base.words import plotly_text, short
from dmlviz.figures.maps.frame import LABEL_CHARS, Label

TITLE_PX, LABEL_PX = 30, 12
NUMBER_AWAY = 0.05  # of the window: how far the number stands from its arrow
BOLD = 1.1  # how much wider bold names are than our estimate
STEADY = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}  # a click asks about a mark, it does not fade the rest


def layout(theme: Theme, view: Window, height: int, pane_id: str) -> dict[str, Any]:
    """A square without axes on a window. Dragging moves it, the wheel zooms, a click picks."""
    axis = {
        "showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None, "constrain": "domain",
        "showline": True, "mirror": True, "linecolor": theme.lines, "linewidth": 1, "autorange": False,
    }  # fmt: skip
    return {
        "xaxis": {**axis, "range": view[:2]}, "yaxis": {**axis, "range": view[2:], "scaleanchor": "x", "constraintoward": "top"},
        "height": height, "margin": {"l": 2, "r": 2, "t": TITLE_PX, "b": 2}, "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "dragmode": "pan", "clickmode": "event+select", "hovermode": "closest", "uirevision": pane_id, "selectionrevision": pane_id,
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme.muted, "activecolor": theme.accent, "orientation": "v",
                    "remove": ["zoomIn2d", "zoomOut2d", "autoScale2d", "toImage", "sendDataToCloud", "select2d", "lasso2d"]},
    }  # fmt: skip


def arrows(rows: pd.DataFrame, theme: Theme, view: Window) -> list[go.Scatter]:
    """At the border: where texts lie outside of the frame, with their number. Nothing where none do."""
    found = outside(rows, view)
    if not found:
        return []
    turns = [float(np.degrees(np.arctan2(*one.toward))) for one in found]  # clockwise from the top
    at, said = np.array([one.at for one in found]), [f"{one.count:,}" for one in found]
    numbers = at - NUMBER_AWAY * (view[1] - view[0]) * np.array([outward(one) for one in found])
    marker = {"symbol": "arrow", "size": 9, "angle": turns, "color": theme.ink, "line": {"width": 0}}
    hover = [f"{number} outside of the frame; zoom out to see them" for number in said]
    return [
        go.Scatter(x=at[:, 0], y=at[:, 1], mode="markers", name="outside", marker=marker, hovertext=hover,
                   hovertemplate="%{hovertext}<extra></extra>", **STEADY),
        go.Scatter(x=numbers[:, 0], y=numbers[:, 1], mode="text", name="outside numbers", text=said, textfont={"size": 11, "color": theme.ink},
                   hoverinfo="skip"),
    ]  # fmt: skip


def outward(one: Outside) -> tuple[float, float]:
    """The axis along which an arrow points most, away from the pane: its number stands on the other side."""
    right, up = one.toward
    return (0.0, float(np.sign(up))) if abs(up) >= abs(right) else (1.25 * float(np.sign(right)), 0.0)  # words are wider than high


def class_name(label: Label, theme: Theme) -> dict[str, Any]:
    """A class name with a halo, and a hairline to its medoid when it had to move away. Without a colour of its own it is in ink."""
    color = readable(theme.shown(label.color), theme.ground) if label.color else theme.ink
    halo = ", ".join(f"{x}px {y}px 1.5px {theme.ground}" for x in (-1, 0, 1) for y in (-1, 0, 1))
    x, y = label.at
    place = {"x": x, "y": y, "showarrow": False}
    if label.moved:
        place = {"x": label.anchor[0], "y": label.anchor[1], "ax": x, "ay": y, "axref": "x", "ayref": "y", "showarrow": True,
                 "arrowhead": 0, "arrowwidth": 1, "arrowcolor": color}  # fmt: skip
    return {
        **place, "xref": "x", "yref": "y", "captureevents": False, "text": plotly_text(short(label.name, LABEL_CHARS)),
        "bgcolor": rgba(theme.ground, 0.55), "borderpad": 0, "font": {"size": LABEL_PX, "color": color, "weight": 600, "shadow": halo},
    }  # fmt: skip


def title(rows: pd.DataFrame, theme: Theme, side: float, said: str, *, empty: str = "No texts to show") -> list[dict[str, Any]]:
    """The loss in its colour on the left, what is `said` of it on the right, just above the frame; the loss gives way when both do not fit."""
    if rows.empty:
        return [{"text": empty, "x": 0.5, "y": 0.5, "xref": "x domain", "yref": "y domain", "showarrow": False,
                 "font": {"color": theme.muted, "size": 14}}]  # fmt: skip
    color = readable(loss_color(rows["loss"].iloc[0]), theme.ground)
    common = {"y": 1, "xref": "x domain", "yref": "y domain", "yanchor": "bottom", "showarrow": False, "yshift": 3, "borderpad": 0}
    words = short(rows["title"].iloc[0], max(12, int((side - 13 * len(said) * 0.4) / 9.5)))
    name = {"text": plotly_text(words), "x": 0, "xanchor": "left", "font": {"color": color, "size": 15, "weight": 600}}
    return [{**common, **name}, {**common, "text": said, "x": 1, "xanchor": "right", "font": {"color": theme.muted, "size": 13}}]
