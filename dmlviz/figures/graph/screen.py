"""Draws one similarity graph with Plotly: edges by weight, nodes, class names; and the steps of the propagation as an animation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.graph.similarity import Propagated
from dmlviz.figures.base.pane_screen import BOLD, LABEL_PX, STEADY, TITLE_PX, arrows, class_name, layout, title
from dmlviz.figures.base.theme import LIGHT, OTHER_COLOR, WRONG, ClassStyle, Theme, contrast, mixed, rgba
from dmlviz.figures.base.words import plotly_lines, plotly_text, short, text_width
from dmlviz.figures.graph.frame import BANDS, UNREACHED
from dmlviz.figures.maps.frame import Label, Measure, Window, labels, percent, window

GL_ABOVE = 3_000  # nodes in a pane
WIDTHS, OPACITIES = (0.5, 0.9, 1.4, 2.2), (0.22, 0.34, 0.5, 0.7)


def screen(
    table: pd.DataFrame,
    pane_id: str,
    *,
    theme: Theme = LIGHT,
    view: Window | None = None,
    selected: Collection[int] = (),
    node: int | None = None,
    height: int = 440,
    width: int | None = None,
) -> go.Figure:
    """One pane. `selected` row ids are ringed, `node` (a row id) is the one that is asked about. customdata is the row id."""
    view = window(table) if view is None else view
    rows = table[table["pane"] == pane_id]
    nodes, edges = rows[rows["mark"] == "node"], rows[rows["mark"] == "edge"]
    side = min(height - TITLE_PX, width or height) - 4
    figure = go.Figure({"layout": layout(theme, view, height, pane_id)})
    gl = len(nodes) > GL_ABOVE
    rings = _rings(nodes, theme, selected, node, gl)
    for trace in [*_edge_traces(edges, theme, gl), *_node_traces(nodes, theme, gl), *rings, *arrows(nodes, theme, view)]:
        figure.add_trace(trace)
    for label in class_labels(nodes, view, side=side, size=BOLD * LABEL_PX):
        figure.add_annotation(class_name(label, theme))
    for annotation in title(nodes, theme, side, _said(nodes, side)):
        figure.add_annotation(annotation)
    return figure


def class_labels(nodes: pd.DataFrame, view: Window, *, side: float, size: float, measure: Measure = text_width) -> list[Label]:
    """Class names at their medoids, as on the maps; in ink where colour says something else."""
    if nodes.empty:
        return []
    by_class = nodes["color_by"].isin(("true", "propagated"))
    reached = nodes[nodes["color_key"] != UNREACHED]
    shown = reached.assign(part="test", color_by=np.where(by_class[reached.index], "class", "correctness"))
    return labels(shown, view, side=side, size=size, measure=measure)


def _edge_traces(edges: pd.DataFrame, theme: Theme, gl: bool) -> list[go.Scatter | go.Scattergl]:
    """Light edges first; edges between classes on top, in orange and dashed."""
    kind, found = go.Scattergl if gl else go.Scatter, []
    for same, color in ((True, theme.muted), (False, WRONG)):
        for band in range(BANDS):
            part = edges[(edges["same_class"] == same) & (edges["band"] == band)]
            if part.empty:
                continue
            gap = np.full(len(part), np.nan)
            x, y = (np.column_stack([part[a], part[b], gap]).astype(np.float32).ravel() for a, b in (("x", "x2"), ("y", "y2")))
            line = {"width": WIDTHS[band], "color": rgba(color, OPACITIES[band] + 0.15 * (not same)), "dash": "solid" if same else "dash"}
            found.append(kind(x=x, y=y, mode="lines", line=line, hoverinfo="skip", connectgaps=False, name=f"{'same' if same else 'cross'} {band}"))
    return found


def node_sizes(nodes: pd.DataFrame) -> np.ndarray:
    """(N,) px: visible labels are larger."""
    base = 5 if len(nodes) > 1_000 else 7 if len(nodes) > 150 else 10
    return np.where(nodes["visible"].to_numpy(dtype=bool), base + 1, base)


def _node_traces(nodes: pd.DataFrame, theme: Theme, gl: bool) -> list[go.Scatter | go.Scattergl]:
    """Hidden texts filled, visible labels ringed, the fewer of them on top; each row in one trace."""
    if nodes.empty:
        return []
    kind, found = go.Scattergl if gl else go.Scatter, []
    sizes, shown = node_sizes(nodes), nodes["visible"].to_numpy(dtype=bool)
    for name, which in sorted((("hidden", ~shown), ("visible", shown)), key=lambda one: -one[1].sum()):
        part = nodes[which]
        if part.empty:
            continue
        marker = _marker(part, theme, ring=name == "visible")
        found.append(kind(
            x=part["x"].to_numpy(dtype=np.float32), y=part["y"].to_numpy(dtype=np.float32), mode="markers", name=name,
            marker={**marker, "size": sizes[which].tolist(), "opacity": 1}, customdata=part["row_id"].astype(int).tolist(),
            hovertext=[_hover(row) for row in part.itertuples()], hovertemplate="%{hovertext}<extra></extra>", **STEADY,
        ))  # fmt: skip
    return found


def _marker(part: pd.DataFrame, theme: Theme, *, ring: bool) -> dict[str, Any]:
    colors = [theme.shown(color) for color in part["color"]]
    if ring:
        return {"color": colors, "symbol": part["symbol"].tolist(), "line": {"width": 1.1, "color": theme.ink}}
    edges = [mixed(color, theme.ink, 0.45) if contrast(color, theme.ground) < 1.6 else color for color in colors]
    return {"color": colors, "symbol": part["symbol"].tolist(), "line": {"width": 0.6, "color": edges}}


def _rings(nodes: pd.DataFrame, theme: Theme, selected: Collection[int], node: int | None, gl: bool) -> list[go.Scatter | go.Scattergl]:
    kind, found = go.Scattergl if gl else go.Scatter, []
    for name, rows, size, width in (("selected", list(selected), 13, 1.5), ("asked", [] if node is None else [node], 20, 2.4)):
        part = nodes[nodes["row_id"].isin(rows)] if len(rows) else nodes[:0]
        for what, color, line in ((f"{name} halo", theme.ground, width + 3), (name, theme.ink, width)) if len(part) else ():
            ring = {"symbol": "circle-open", "size": size, "color": color, "line": {"width": line, "color": color}}
            found.append(kind(x=part["x"], y=part["y"], mode="markers", marker=ring, hoverinfo="skip", name=what, **STEADY))
    return found


def _hover(row: Any) -> str:
    """The text, then what was shown or guessed; every word from data escaped."""
    label = plotly_text(short(row.label, 60))
    if row.visible:
        said = f"label shown: <b>{label}</b>"
    elif not row.reached:
        said = f"no label reaches it; is <b>{label}</b>"
    else:
        guess = plotly_text(short(row.predicted, 60))
        said = f"guessed <b>{guess}</b> · share {row.confidence:.2f}" + ("" if row.correct else f" · is <b>{label}</b>")
    return f"{_lines(row.text)}<br>{said}"


@lru_cache(maxsize=20_000)
def _lines(text: str) -> str:
    """Wrapping a text costs more than drawing its mark, and a change of sigma leaves all texts as they are."""
    return plotly_lines(text)


def _said(nodes: pd.DataFrame, side: float) -> str:
    """The propagated accuracy."""
    score = float(nodes["accuracy"].iloc[0]) if len(nodes) else np.nan
    return f"<b>{percent(score)}</b>" + (" of hidden" if side > 260 else "") if np.isfinite(score) else "nothing hidden"



# ---- the steps


def animation(
    table: pd.DataFrame, pane_id: str, turns: Sequence[str], states: Sequence[Propagated], label_names: Sequence[str],
    styles: dict[str, ClassStyle], *, theme: Theme = LIGHT, height: int = 480,
) -> go.Figure:  # fmt: skip
    """The pane with a slider over the turns: each hidden text in its guessed class's colour so far, stronger the surer; hollow until a label arrives.

    `turns` says each state's name ("0", "1", ..., "the end"); a state has the texts in the order of the table's nodes.
    """
    figure = screen(table, pane_id, theme=theme, height=height)
    hidden = next((i for i, trace in enumerate(figure.data) if trace.name == "hidden"), None)
    if hidden is None:
        return figure
    figure.frames = [
        go.Frame(name=turn, traces=[hidden], data=[type(figure.data[hidden])(marker=_state_marker(state, label_names, styles, theme))])
        for turn, state in zip(turns, states, strict=True)
    ]
    figure.data[hidden].marker.update(figure.frames[0].data[0].marker)
    figure.layout.annotations = [one for one in figure.layout.annotations if one.xref == "x domain"]  # class names would cover what moves
    steps = [{"label": turn, "method": "animate", "args": [[turn], {"mode": "immediate", "frame": {"duration": 0, "redraw": False},
                                                                   "transition": {"duration": 0}}]} for turn in turns]  # fmt: skip
    play = {"label": "Play", "method": "animate", "args": [None, {"fromcurrent": True, "frame": {"duration": 500, "redraw": False},
                                                                  "transition": {"duration": 0}}]}  # fmt: skip
    font = {"color": theme.ink, "size": 12}
    figure.update_layout(
        height=height + 84, margin_b=86,
        updatemenus=[{"type": "buttons", "buttons": [play], "x": 0, "y": -0.03, "xanchor": "left", "yanchor": "top", "showactive": False,
                      "bgcolor": theme.panel, "bordercolor": theme.lines, "font": font, "pad": {"t": 6}}],
        sliders=[{"steps": steps, "x": 0.16, "len": 0.78, "y": -0.01, "pad": {"t": 6, "b": 0}, "font": font, "bordercolor": theme.lines,
                  "bgcolor": theme.panel, "activebgcolor": theme.accent, "currentvalue": {"prefix": "after turn ", "font": font}}],
    )  # fmt: skip
    return figure


def _state_marker(state: Propagated, label_names: Sequence[str], styles: dict[str, ClassStyle], theme: Theme) -> dict[str, Any]:
    hidden = np.flatnonzero(state.hidden)
    colors, symbols = [], []
    for i in hidden:
        style = styles[label_names[state.predicted[i]]] if state.reached[i] else None
        color = theme.shown(style.color if style else OTHER_COLOR)
        colors.append(mixed(color, theme.ground, 0.75 * (1 - float(state.confidence[i]))) if style else color)
        symbols.append(style.symbol if style else "circle-open")
    return {"color": colors, "symbol": symbols}


# ---- in words


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The graph in words, for those who do not see it."""
    rows = table[table["pane"] == pane_id]
    nodes, edges = rows[rows["mark"] == "node"], rows[rows["mark"] == "edge"]
    if nodes.empty:
        return "Empty graph: no texts to show."
    hidden = nodes[~nodes["visible"].astype(bool)]
    said = [f"Similarity graph of {nodes['title'].iloc[0]}: {len(nodes):,} texts, {len(nodes) - len(hidden):,} with a visible label; "
            f"{len(edges):,} edges drawn, {int((~edges['same_class'].astype(bool)).sum()):,} of them between classes."]  # fmt: skip
    if len(hidden):
        said.append(f"Propagation guesses {percent(float(nodes['accuracy'].iloc[0]))} of the {len(hidden):,} hidden labels right.")
    wrong = hidden[~hidden["correct"].astype(bool) & hidden["reached"].astype(bool)]
    pairs = wrong.groupby(["label", "predicted"]).size().sort_values(ascending=False, kind="stable").head(2)
    if len(pairs):
        said.append("Most often confused: " + ", ".join(f"{a} guessed as {b} ({n:,})" for (a, b), n in pairs.items()) + ".")
    return " ".join(said)

