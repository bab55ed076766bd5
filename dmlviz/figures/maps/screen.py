"""Draws one pane of the map with Plotly: hover and zoom. Maps that are drawn on, several on one canvas, are in ui/maps."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.figures.base.pane_screen import BOLD, LABEL_PX, TITLE_PX, arrows, class_name, layout, title
from dmlviz.figures.base.theme import LIGHT, OTHER_COLOR, Theme, contrast, mixed
from dmlviz.figures.base.words import plotly_lines, plotly_text, short
from dmlviz.figures.maps.frame import Layer, Window, labels, layers, opacity, percent, window

GL_ABOVE = 3_000  # marks in a pane; below, SVG marks are crisper and cost no WebGL context


def screen(
    table: pd.DataFrame,
    pane_id: str,
    *,
    theme: Theme = LIGHT,
    view: Window | None = None,
    selected: Collection[int] = (),
    height: int = 440,
    width: int | None = None,
) -> go.Figure:
    """One square pane. `view` is window(frame) so that panes agree; customdata is the row id of each mark.

    `width` is about how wide the page will show it, when that is less than the height.
    """
    view = window(table) if view is None else view
    rows = table[table["pane"] == pane_id]
    figure = go.Figure({"layout": layout(theme, view, height, pane_id)})
    side = min(height - TITLE_PX, width or height) - 4
    gl = len(rows) > GL_ABOVE
    for layer in layers(rows):
        figure.add_trace(_trace(layer, theme, gl=gl, selected=selected, marks=len(rows)))
    for trace in arrows(rows, theme, view):
        figure.add_trace(trace)
    for label in labels(rows, view, side=side, size=BOLD * LABEL_PX):
        figure.add_annotation(class_name(label, theme))
    for annotation in title(rows, theme, side, _said(rows, side)):
        figure.add_annotation(annotation)
    return figure


def _trace(layer: Layer, theme: Theme, *, gl: bool, selected: Collection[int], marks: int) -> go.Scatter | go.Scattergl:
    rows = layer.rows
    row_ids = rows["row_id"].to_numpy(dtype=int)
    wanted = np.isin(row_ids, list(selected)) if len(selected) else None
    marker = _marker(layer, theme, marks)
    kind = go.Scattergl if gl else go.Scatter
    return kind(
        x=rows["x"].to_numpy(dtype=np.float32), y=rows["y"].to_numpy(dtype=np.float32), mode="markers", name=layer.name, marker=marker,
        customdata=row_ids.tolist(), hovertext=[_hover(row) for row in rows.itertuples()], hovertemplate="%{hovertext}<extra></extra>",
        selectedpoints=None if wanted is None else np.flatnonzero(wanted).tolist(),
        selected={"marker": {"opacity": 1.0}}, unselected={"marker": {"opacity": 0.12}},
    )  # fmt: skip


def _marker(layer: Layer, theme: Theme, marks: int) -> dict[str, Any]:
    colors = [theme.shown(color) for color in layer.rows["color"]]
    size = 4 if marks > 600 else 6
    if layer.name == "support":
        return _support_marker(layer, colors, theme)
    symbols = layer.rows["symbol"].to_numpy(dtype=object)
    if layer.name == "validation":
        return {**_codes(colors), "symbol": _one(symbols + "-open"), "size": size + 2, "line": {"width": 1}, "opacity": 0.9}
    if layer.name == "wrong":
        return {**_codes(colors), "symbol": _one(symbols), "size": size + 2, "line": {"width": 0}, "opacity": 0.9}
    marker = {**_codes(colors), "symbol": _one(symbols), "size": size, "opacity": min(0.95, opacity(marks) + 0.1 * (theme.name == "dark"))}
    edge = {color: mixed(color, theme.ink, 0.45) if contrast(color, theme.ground) < 1.6 else color for color in set(colors)}
    pale = layer.name == "test" and any(edge[color] != color for color in edge)
    return {**marker, "line": {"width": 0.6, **_codes([edge[color] for color in colors])} if pale else {"width": 0}}


def _support_marker(layer: Layer, colors: list[str], theme: Theme) -> dict[str, Any]:
    """Ringed diamonds; a cross inside when the text is read wrongly and colour says so."""
    crossed = ["diamond-x" if key == "wrong" and by == "correctness" else "diamond" for key, by in _keys(layer)]
    grey = layer.rows["color"].to_numpy() == OTHER_COLOR
    sizes = np.where(grey, 5, 9 if len(grey) <= 80 else 7).tolist()
    ring = {"color": np.where(grey, theme.muted, theme.ink).tolist(), "width": 1.2}
    return {"color": colors, "symbol": _one(crossed), "size": sizes, "line": ring, "opacity": 1.0}


def _codes(colors: list[str]) -> dict[str, Any]:
    """One colour as it is; several as small numbers on a stepped scale, a tenth of the bytes of as many names."""
    names = sorted(set(colors))
    if len(names) == 1:
        return {"color": names[0]}
    steps = [[at / len(names), name] for i, name in enumerate(names) for at in (i, i + 1)]
    codes = {name: i for i, name in enumerate(names)}
    return {"color": np.array([codes[color] for color in colors], dtype=np.uint8), "colorscale": steps, "cmin": -0.5, "cmax": len(names) - 0.5}


def _one(symbols: Any) -> Any:
    return symbols[0] if len(set(symbols)) == 1 else list(symbols)


def _keys(layer: Layer) -> zip:
    return zip(layer.rows["color_key"], layer.rows["color_by"], strict=True)


def _hover(row: Any) -> str:
    """The text, then its values; every word from data escaped."""
    read = f"read as <b>{plotly_text(short(row.prediction, 60))}</b>" + ("" if row.correct else f", is <b>{plotly_text(short(row.label, 60))}</b>")
    sure = f" · p = {row.confidence:.2f}" if np.isfinite(row.confidence) else ""
    return f"{plotly_lines(row.text)}<br>{read}{sure} · {row.part}"


def _said(rows: pd.DataFrame, side: float) -> str:
    """The accuracy; that it is one run's where there is room."""
    score = rows["accuracy"].iloc[0] if len(rows) else np.nan
    return ["", f"<b>{percent(score)}</b>", f"<b>{percent(score)}</b> single run"][np.isfinite(score) * (1 + (side > 340))]
