"""Draws one pane of centres with Plotly: faint texts, spokes, stars with halos."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.figures.base.pane_screen import BOLD, LABEL_PX, STEADY, TITLE_PX, arrows, class_name, layout, title
from dmlviz.figures.base.theme import LIGHT, OTHER, Theme, mixed, rgba
from dmlviz.figures.base.words import plotly_lines, plotly_text, short
from dmlviz.figures.centers.frame import names_beside, view_of
from dmlviz.figures.maps.frame import Window, percent

STAR_PX = 13
NUMBERED = 24  # centres in a pane that still have room for their numbers


def screen(
    table: pd.DataFrame,
    pane_id: str,
    *,
    theme: Theme = LIGHT,
    view: Window | None = None,
    selected: Collection[int] = (),
    picked: str = "",
    height: int = 440,
    width: int | None = None,
) -> go.Figure:
    """One square pane. customdata: a text's row id, a centre's name. `selected` texts and the `picked` centre are ringed."""
    view = view_of(table, pane_id) if view is None else view
    rows = table[table["pane"] == pane_id]
    texts, centers = rows[rows["mark"] == "text"], rows[rows["mark"] == "centre"]
    marks = _texts(texts, theme)
    if len(selected):
        marks += _rings(texts[texts["row_id"].isin(list(selected))], theme)
    for color, group in rows[rows["mark"] == "spoke"].groupby("color", sort=False):
        marks.append(_lines(group, rgba(theme.shown(color), 0.45), 0.8))
    marks += [*_paths(rows[rows["mark"] == "path"], theme), *_stars(centers, theme, picked), *arrows(rows, theme, view)]
    side = min(height - TITLE_PX, width or height) - 4
    names = names_beside(texts[texts["color_key"] != OTHER], centers, view, side=side, size=BOLD * LABEL_PX)
    words = [*(class_name(label, theme) for label in names), *title(rows, theme, side, _said(rows, side), empty="Nothing to show")]
    return go.Figure(marks, {**layout(theme, view, height, pane_id), "annotations": words})


def _texts(rows: pd.DataFrame, theme: Theme) -> list[go.Scatter]:
    """Grey classes below, coloured ones above; all faint, for the centres are the subject. Vector marks: WebGL ones would lie over the stars."""
    grey = rows["color_key"] == OTHER
    found = []
    dense = float(np.clip(0.6 * (400 / max(len(rows), 1)) ** 0.35, 0.28, 0.6))
    for group, alpha in ((rows[grey], 0.35), (rows[~grey], dense)):
        if group.empty:
            continue
        faded = {color: rgba(theme.shown(color), alpha) for color in set(group["color"])}
        found.append(go.Scatter(
            x=group["x"].to_numpy(dtype=np.float32), y=group["y"].to_numpy(dtype=np.float32), mode="markers", name="texts",
            marker={"size": 4, "line": {"width": 0}, "color": [faded[color] for color in group["color"]]},
            customdata=group["row_id"].astype(int).tolist(),
            hovertext=[f"{plotly_lines(row.text)}<br><b>{plotly_text(short(row.label, 60))}</b> · {row.part}" for row in group.itertuples()],
            hovertemplate="%{hovertext}<extra></extra>", **STEADY,
        ))  # fmt: skip
    return found


def _rings(rows: pd.DataFrame, theme: Theme) -> list[go.Scatter]:
    if rows.empty:
        return []
    ring = {"symbol": "circle-open", "size": 9, "color": theme.ink, "line": {"width": 1.4}}
    return [go.Scatter(x=rows["x"], y=rows["y"], mode="markers", marker=ring, hoverinfo="skip", name="selected")]


def _lines(rows: pd.DataFrame, color: str, width: float) -> go.Scatter:
    """From each centre to each of its texts, as one trace."""
    gap = np.full(len(rows), np.nan)
    x, y = (np.column_stack([rows[a], rows[b], gap]).astype(np.float32).ravel() for a, b in (("x", "x_to"), ("y", "y_to")))
    return go.Scatter(x=x, y=y, mode="lines", line={"color": color, "width": width}, hoverinfo="skip", name="spokes", connectgaps=False)


def _paths(rows: pd.DataFrame, theme: Theme) -> list[go.Scatter]:
    """The way of each centre over the epochs: a line that ends at its star, a small dot at each moment."""
    found = []
    for (_, color), group in rows.groupby(["name", "color"], sort=False):
        ink = mixed(theme.shown(color), theme.ink, 0.35)
        hover = [f"{plotly_text(short(row.name, 60))}, epoch {row.epoch:g}" for row in group[["name", "epoch"]].itertuples(index=False)]
        found.append(go.Scatter(
            x=group["x"], y=group["y"], mode="lines+markers", line={"color": ink, "width": 1.2, "dash": "dot"}, marker={"size": 4, "color": ink},
            hovertext=hover, hovertemplate="%{hovertext}<extra></extra>", name="path", **STEADY,
        ))  # fmt: skip
    return found


def _stars(centers: pd.DataFrame, theme: Theme, picked: str) -> list[go.Scatter]:
    if centers.empty:
        return []
    shares = np.nan_to_num(centers["share"].to_numpy(dtype=float))
    colors = [theme.shown(color) for color in centers["color"]]
    edges = [mixed(color, theme.ink, 0.6) for color in colors]
    hollow, dead = centers["hollow"].to_numpy(dtype=bool), centers["dead"].to_numpy(dtype=bool)
    halo = {"size": 10 + 30 * np.sqrt(shares), "color": [rgba(color, 0.22) for color in colors], "line": {"width": 0.8, "color": colors}}
    alive = shares > 0
    star = {
        "symbol": [_symbol(*one) for one in zip(hollow, dead, strict=True)], "size": np.where(dead, 8, STAR_PX).tolist(),
        "color": [edge if d else theme.ground if h else color for color, edge, h, d in zip(colors, edges, hollow, dead, strict=True)],
        "line": {"width": np.where(dead, 1.5, 1.2).tolist(), "color": [c if h else e for c, e, h in zip(colors, edges, hollow & ~dead, strict=True)]},
    }  # fmt: skip
    place = {"x": centers["x"], "y": centers["y"]}
    found = [go.Scatter(x=centers["x"][alive], y=centers["y"][alive], mode="markers", name="halos", hoverinfo="skip",
                        marker={key: _masked(value, alive) for key, value in halo.items()}, **STEADY)]  # fmt: skip
    standing = ~dead
    casing = {"symbol": "star", "size": STAR_PX + 5, "color": theme.ground, "opacity": 0.85, "line": {"width": 0}}
    found.append(go.Scatter(x=centers["x"][standing], y=centers["y"][standing], mode="markers", name="casings", hoverinfo="skip", marker=casing))
    numbers = {"mode": "markers"}
    if 1 < len(centers) <= NUMBERED and (centers["center"] > 1).any():
        halos = ", ".join(f"{x}px {y}px 1px {theme.ground}" for x in (-1, 0, 1) for y in (-1, 0, 1))
        numbers = {"mode": "markers+text", "text": [f"{int(center)}" for center in centers["center"]], "textposition": "middle right",
                   "textfont": {"size": 11, "color": theme.ink, "shadow": halos}}  # fmt: skip
    found.append(go.Scatter(
        **place, **numbers, marker=star, name="centres", customdata=centers["name"].tolist(), **STEADY,
        hovertext=[_hover(row) for row in centers.itertuples()], hovertemplate="%{hovertext}<extra></extra>",
    ))  # fmt: skip
    chosen = centers[centers["name"] == picked]
    if len(chosen):
        ring = {"symbol": "circle-open", "size": 26, "color": theme.accent, "line": {"width": 2.5}}
        found.append(go.Scatter(x=chosen["x"], y=chosen["y"], mode="markers", marker=ring, hoverinfo="skip", name="picked"))
    return found


def _masked(value: Any, mask: np.ndarray) -> Any:
    if isinstance(value, dict):
        return {key: _masked(one, mask) for key, one in value.items()}
    return [one for one, keep in zip(value, mask, strict=True) if keep] if isinstance(value, list | np.ndarray) else value


def _symbol(hollow: bool, dead: bool) -> str:
    return "x-thin" if dead else "star-open" if hollow else "star"


def _hover(row: Any) -> str:
    """A centre's name and numbers, escaped."""
    said = [f"<b>{plotly_text(short(row.name, 60))}</b>"]
    if row.dead:
        said.append("chosen by no vector of its class")
    elif np.isfinite(row.share):
        said.append(f"chosen by {int(row.count):,} of its class ({100 * row.share:.1f} %), soft {100 * row.soft:.1f} %")
    else:
        said.append("no vector of its class was counted")
    if np.isfinite(row.purity):
        said.append(f"purity {100 * row.purity:.1f} % of {int(row.attracted):,} attracted")
    if row.hollow:
        said.append("place approximate: its nearest texts lie apart")
    return "<br>".join(said)


def _said(rows: pd.DataFrame, side: float) -> str:
    score = rows["accuracy"].iloc[0] if len(rows) else np.nan
    return f"<b>{percent(score)}</b>" + (" single run" if side > 340 else "") if np.isfinite(score) else ""
