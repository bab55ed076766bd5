"""How similar texts are over all pairs, and how much similarity each text has: one line per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.sparse import issparse

from dmlviz.figures.base.labels import spread
from dmlviz.figures.base.paper import Box, beside, canvas, dash, inside, plot_axes, text, trimmed
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, run_titles
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width
from dmlviz.figures.graph.frame import GraphInput, GraphView, runs_words, views
from dmlviz.figures.training.curves import DASHES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUANTITIES = {"weight": "Weight of a pair of texts (W)", "degree": "Mean weight of a text to all others (degree / (n - 1))"}
SHARES = np.linspace(0, 1, 101)
COLUMNS = ("pane", "title", "loss", "quantity", "share", "value", "texts", "sigma", "color", "dash")


def frame(inputs: Sequence[GraphInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs; see `frame_of`."""
    return frame_of(views(inputs, len(label_names), {**options, "edges": "none", "layout": "map"}))


def frame_of(found: Sequence[GraphView]) -> pd.DataFrame:
    """Quantiles, from 0 to 1 in hundredths, of the weights of all pairs and of the texts' degrees. A sparse graph's left-out pairs weigh 0."""
    titles, met, rows = run_titles([one.run.config for one in found]), {}, []
    for one, title in zip(found, titles, strict=True):
        loss = one.run.config.loss
        met[loss] = met.get(loss, -1) + 1
        for quantity, values in _values(one).items():
            rows.append(pd.DataFrame({"share": SHARES, "value": np.quantile(values, SHARES)}).assign(
                pane=one.run.id, title=title, loss=loss, quantity=quantity, texts=len(one.study.nodes.labels), sigma=one.study.graph.sigma,
                color=loss_color(loss), dash=DASHES[met[loss] % len(DASHES)]))  # fmt: skip
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))
    return table.reindex(columns=list(COLUMNS))


def _values(one: GraphView) -> dict[str, np.ndarray]:
    weights, n = one.study.graph.weights, len(one.study.nodes.labels)
    degrees = np.asarray(weights.sum(axis=1)).ravel() / max(n - 1, 1)
    if issparse(weights):
        pairs = np.concatenate([weights.data, np.zeros(min(n * (n - 1) - weights.nnz, 10 * weights.nnz))])
    else:
        some = np.arange(n) if n <= 1_000 else np.linspace(0, n - 1, 1_000).round().astype(int)  # of larger graphs, evenly spaced texts
        pairs = weights[np.ix_(some, some)][np.triu_indices(len(some), 1)]
    return {"weight": pairs if len(pairs) else np.zeros(1), "degree": degrees}


def screen(table: pd.DataFrame, *, quantity: str = "weight", theme: Theme = LIGHT, height: int = 260) -> go.Figure:
    """Share of pairs (of texts) up to each value: steep where many are alike."""
    rows = table[table["quantity"] == quantity]
    groups = [group for _, group in rows.groupby("pane", sort=False)]
    ends = _ends(groups, 16 / max(height - 76, 1))
    room = max([text_width(short(group["title"].iloc[0], 30), 1.15 * 13) for group in groups], default=0) + 14
    figure = go.Figure({"layout": _layout(theme, quantity, height, room)})
    for group, end in zip(groups, ends, strict=True):
        color, title = readable(group["color"].iloc[0], theme.ground, 2.5), plotly_text(group["title"].iloc[0])
        hover = [f"{title}<br>{s:.0f}% lie above <b>{v:.3g}</b>" for s, v in zip(100 - 100 * group["share"], group["value"], strict=True)]
        line = {"color": color, "width": 2, "dash": group["dash"].iloc[0]}
        told = {"hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"}
        figure.add_trace(go.Scatter(x=100 * group["share"], y=group["value"], mode="lines", name=title, line=line, **told))
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=6, y=end, yref="y", showarrow=False,
                              text=plotly_text(short(group["title"].iloc[0], 30)),
                              font={"color": readable(group["color"].iloc[0], theme.ground), "size": 13, "weight": 600})  # fmt: skip
    return figure


def _ends(groups: list[pd.DataFrame], line: float) -> np.ndarray:
    return spread(np.array([group["value"].iloc[-1] for group in groups], dtype=float), 1.05 * line, 0, 1.03) if groups else np.zeros(0)


def _layout(theme: Theme, quantity: str, height: int, room: float) -> dict[str, Any]:
    axis = {"gridcolor": theme.lines, "zeroline": False, "linecolor": theme.lines, "tickfont": {"color": theme.muted, "size": 12}, "fixedrange": True}
    share = "pairs" if quantity == "weight" else "texts"
    return {
        "xaxis": {**axis, "range": (0, 100), "showgrid": False, "title": {"text": f"per cent of {share}, in rising order",
                                                                          "font": {"size": 12, "color": theme.muted}}},
        "yaxis": {**axis, "range": (0, 1.03), "nticks": 5},
        "title": {"text": QUANTITIES[quantity], "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top",
                  "pad": {"t": 6, "l": 4}, "font": {"size": 13, "color": theme.muted}},
        "height": height, "margin": {"l": 34, "r": room, "t": 34, "b": 42}, "showlegend": False, "dragmode": False, "hovermode": "closest",
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """Weights above, degrees below, at the preset's width."""
    with drawing():
        size = max(6.0, preset.font_pt - 0.5)
        each = min(max(0.42 * preset.width_mm, 24.0), 46.0)
        figure = canvas(preset.width_mm, 2 * each)
        for i, quantity in enumerate(QUANTITIES):
            groups = [group for _, group in table[table["quantity"] == quantity].groupby("pane", sort=False)]
            names, room = beside([group["title"].iloc[0] for group in groups], size, preset.width_mm - 10, limit=30, bold=True)
            room += 2
            box = Box(8, i * each + 5, preset.width_mm - 8 - room, each - 13)
            text(figure, 0.5, i * each + 3, trimmed(QUANTITIES[quantity], size, preset.width_mm - 1), size=size, color=PAPER.muted)
            ax = plot_axes(figure, preset, box)
            ax.set(xlim=(0, 100), ylim=(0, 1.03))
            for place, (group, end) in enumerate(zip(groups, _ends(groups, 1.3 * size / (box.height * PT_PER_MM)), strict=True)):
                color = readable(group["color"].iloc[0], PAPER.ground, 2.5)
                style = dash(figure, place, group["title"].iloc[0], group["color"].iloc[0])
                ax.plot(100 * group["share"], group["value"], color=color, linewidth=1.1, linestyle=style)
                text(ax, 100 + 120 / box.width, end, names[place], size=size, va="center", weight="bold", clip_on=False,
                     color=readable(group["color"].iloc[0], PAPER.ground))  # fmt: skip
            words = f"per cent of {'pairs' if quantity == 'weight' else 'texts'}, in rising order"
            middle = inside(8 + box.width / 2, words, size, preset.width_mm)
            text(figure, middle, (i + 1) * each - 1.2, words, size=size, ha="center", color=PAPER.muted)
    return figure


def caption(table: pd.DataFrame, inputs: Sequence[GraphInput]) -> str:
    """What the lines are."""
    if table.empty:
        return "No graph to show."
    sigmas = ", ".join(f"{sigma:.3g}" for sigma in dict.fromkeys(table["sigma"].astype(float)))
    n = ", ".join(f"{int(n):,}" for n in dict.fromkeys(table["texts"]))
    return (f"Quantiles of the kernel weights over all pairs, and of each text's mean weight, {n} texts a run, sigma {sigmas}. "
            f"{runs_words([given.run for given in inputs])}")  # fmt: skip


def alt(table: pd.DataFrame, pane_id: str | None = None, quantity: str = "weight") -> str:
    """Medians in words."""
    rows = table[(table["quantity"] == quantity) & (table["share"] == 0.5)]
    said = [f"{row.title} {row.value:.3g}" for row in rows.itertuples()]
    return f"{QUANTITIES[quantity]}, medians: {'; '.join(said)}." if said else "No graph to show."


def notes(table: pd.DataFrame) -> list[str]:
    return [one for one in [missing_glyphs(dict.fromkeys(table["title"]))] if one]
