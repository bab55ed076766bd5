"""A map in three dimensions, for exploring on the screen. No paper version: what hides what depends on the view, and print cannot be turned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.figures.base.labels import medoid
from dmlviz.figures.base.theme import LIGHT, OTHER, SCREEN_FONT, Theme, loss_color, readable
from dmlviz.figures.base.words import plotly_lines, plotly_text, short
from dmlviz.figures.maps.frame import BY_CLASS, LABEL_CHARS, MOST_LABELS, opacity, percent

SYMBOLS = {"support": "diamond", "validation": "circle-open", "test": "circle"}


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int = 440) -> go.Figure:
    """One pane of a frame with a column z. The camera is shared by nothing: turn each by hand."""
    rows = table[table["pane"] == pane_id]
    figure = go.Figure()
    for part, symbol in SYMBOLS.items():
        own = rows[rows["part"] == part]
        if len(own):
            figure.add_trace(
                go.Scatter3d(
                    x=own["x"].to_numpy(np.float32), y=own["y"].to_numpy(np.float32), z=own["z"].to_numpy(np.float32), mode="markers", name=part,
                    marker={"size": 4 if part == "support" else 2.5, "symbol": symbol, "color": [theme.shown(color) for color in own["color"]],
                            "opacity": 1.0 if part == "support" else opacity(len(rows))},
                    hovertext=[_hover(row) for row in own.itertuples()], hovertemplate="%{hovertext}<extra></extra>",
                )
            )  # fmt: skip
    if names := _names(rows, theme):
        figure.add_trace(names)
    axis = {"showgrid": False, "zeroline": False, "showticklabels": False, "title": "", "showbackground": False, "showline": True,
            "linecolor": theme.lines}  # fmt: skip
    color = readable(loss_color(rows["loss"].iloc[0]), theme.ground) if len(rows) else theme.ink
    title = f"{plotly_text(short(rows['title'].iloc[0], 40))} · {percent(rows['accuracy'].iloc[0])} single run" if len(rows) else "No texts to show"
    figure.update_layout(
        height=height, margin={"l": 0, "r": 0, "t": 28, "b": 0}, showlegend=False, paper_bgcolor="rgba(0,0,0,0)", uirevision=pane_id,
        font={"family": SCREEN_FONT, "color": theme.ink}, title={"text": title, "x": 0, "font": {"size": 15, "color": color, "weight": 600}},
        scene={"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "data", "camera": {"eye": {"x": 1.6, "y": 1.6, "z": 1.1}}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": theme.muted, "activecolor": theme.accent},
        hoverlabel={"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    )  # fmt: skip
    return figure


def _names(rows: pd.DataFrame, theme: Theme) -> go.Scatter3d | None:
    """The coloured classes' names at their medoids, the largest classes first; in ink where colour says something else."""
    by_class = rows["color_by"].isin(BY_CLASS).all()
    key = "color_key" if by_class else "label"
    groups = sorted(rows[rows["color_key"] != OTHER].groupby(key), key=lambda one: -len(one[1]))[:MOST_LABELS]
    if not groups:
        return None
    places = np.array([medoid(own[["x", "y", "z"]].to_numpy(dtype=float)) for _, own in groups])
    inks = [readable(theme.shown(own["color"].iloc[0]), theme.ground) if by_class else theme.ink for _, own in groups]
    return go.Scatter3d(
        x=places[:, 0], y=places[:, 1], z=places[:, 2], mode="text", text=[plotly_text(short(str(name), LABEL_CHARS)) for name, _ in groups],
        textfont={"size": 13, "color": inks}, textposition="top center", hoverinfo="skip", name="names",
    )  # fmt: skip


def _hover(row) -> str:
    read = f"read as <b>{plotly_text(short(row.prediction, 60))}</b>" + ("" if row.correct else f", is <b>{plotly_text(short(row.label, 60))}</b>")
    return f"{plotly_lines(row.text)}<br>{read} · {row.part}"
