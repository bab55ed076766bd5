"""How far each centre moved from where it started, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.centers.view import CenterInput, CenterView
from dmlviz.figures.base.paper import Box, canvas, lines_of, plot_axes, text
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, readable
from dmlviz.figures.base.words import plotly_text, short, whole
from dmlviz.figures.centers.frame import in_colour, name, pane_ids, titles, views
from dmlviz.figures.centers.map import _runs, notes
from dmlviz.figures.centers.paper import head_mm, pane_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Cosine distance of each centre from where it started"
NOTHING = "No run here has kept how its centres moved."
COLUMNS = ("pane", "title", "loss", "label", "center", "name", "epoch", "drift", "dead", "color")


def frame(inputs: Sequence[CenterInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Options: part, focus."""
    label_names = [whole(label) for label in label_names]
    return frame_of(views(inputs, len(label_names), options), label_names, focus=options.get("focus", ()))


def frame_of(found: Sequence[CenterView], label_names: Sequence[str], *, focus: Sequence[str] = ()) -> pd.DataFrame:
    """One row per run, centre and stored moment, of the classes in colour. Runs whose centres' way was not kept have no row."""
    label_names = [whole(label) for label in label_names]
    shown, styles = in_colour(found, label_names, focus)
    rows = [
        (view.run.id, title, view.run.config.loss, label_names[c], k + 1, name(label_names[c], k), float(epoch), float(view.drift[e, c, k]),
         bool(view.report.dead[c, k]), styles[label_names[c]].color)
        for view, title in zip(found, titles(found), strict=True) if view.drift is not None
        for c in shown for k in range(view.drift.shape[2]) for e, epoch in enumerate(view.epochs)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"label": object, "name": object})


def _top(table: pd.DataFrame) -> float:
    """The upper end of the axis that all panes share."""
    return max(1.08 * float(table["drift"].max()) if len(table) else 1.0, 1e-4)


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int = 300) -> go.Figure:
    """One line per centre in its class's colour, dashed where no vector chooses it at the end."""
    rows = table[table["pane"] == pane_id]
    figure = go.Figure({"layout": _layout(theme, height, _top(table), sorted(set(rows["epoch"])))})
    for own, group in rows.groupby("name", sort=False):
        words, dead = plotly_text(short(str(own), 60)), bool(group["dead"].iloc[0])
        hover = [f"<b>{words}</b><br>epoch {epoch:g}: {value:.3f}" for epoch, value in zip(group["epoch"], group["drift"], strict=True)]
        color = readable(theme.shown(group["color"].iloc[0]), theme.ground, 1.6)
        figure.add_trace(go.Scatter(
            x=group["epoch"], y=group["drift"], mode="lines+markers", name=words, hovertext=hover, marker={"size": 4},
            hovertemplate="%{hovertext}<extra></extra>", opacity=0.5 if dead else 0.9,
            line={"color": color, "width": 1 if dead else 1.6, "dash": "dot" if dead else "solid"},
        ))  # fmt: skip
    return figure


def _layout(theme: Theme, height: int, top: float, epochs: list[float]) -> dict[str, Any]:
    axis = {"zeroline": False, "tickfont": {"color": theme.muted, "size": 12}, "automargin": True, "fixedrange": True}
    return {
        "xaxis": {**axis, "showgrid": False, "showline": True, "linecolor": theme.lines, "tickvals": epochs, "title": {
            "text": "epoch", "font": {"size": 12, "color": theme.muted}, "standoff": 4}},
        "yaxis": {**axis, "gridcolor": theme.lines, "range": (0, top), "nticks": 5},
        "title": {"text": TITLE, "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 6, "l": 4},
                  "font": {"size": 13, "color": theme.muted}},
        "height": height, "margin": {"l": 44, "r": 8, "t": 32, "b": 40}, "showlegend": False, "hovermode": "closest", "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """One plot per run on one scale."""
    with drawing():
        ids, size, head = pane_ids(table), max(6.0, preset.font_pt - 0.5), head_mm(preset)
        columns = max(1, min(len(ids), int(preset.width_mm // 55)))
        rows = -(-len(ids) // columns)
        step, tall, foot = preset.width_mm / columns, 34.0, 8.0
        heading = lines_of(TITLE if ids else NOTHING, size, preset.width_mm - 1)
        above = (0.45 + 1.25 * len(heading)) * size / PT_PER_MM
        figure = canvas(preset.width_mm, max(above + rows * (head + tall + foot), 6))
        for i, words in enumerate(heading):
            text(figure, 0.5, (1.2 + 1.25 * i) * size / PT_PER_MM, words, size=size, color=PAPER.muted)
        for i, pane_id in enumerate(ids):
            own = table[table["pane"] == pane_id]
            box = Box((i % columns) * step + 9, above + head + (i // columns) * (head + tall + foot), step - 11, tall)
            ax = plot_axes(figure, preset, box)
            epochs = sorted(set(own["epoch"]))
            ax.set(ylim=(0, _top(table)), xlim=(min(epochs), max(max(epochs), min(epochs) + 1)))
            ax.set_xticks(epochs[:: max(1, len(epochs) // 6)])
            for _, group in own.groupby("name", sort=False):
                dead = bool(group["dead"].iloc[0])
                ax.plot(group["epoch"], group["drift"], color=readable(group["color"].iloc[0], PAPER.ground, 1.6), linewidth=0.5 if dead else 0.9,
                        linestyle=":" if dead else "-", alpha=0.6 if dead else 1.0)  # fmt: skip
            text(figure, box.left + box.width, box.top + tall + foot - 1, "epoch", size=size, ha="right", color=PAPER.muted)
            pane_title(figure, box, own["title"].iloc[0], own["loss"].iloc[0], float("nan"), preset)
    return figure


def caption(table: pd.DataFrame, inputs: Sequence[CenterInput] | Sequence[CenterView]) -> str:
    """What the lines are, the mean at the end, and of which runs."""
    if table.empty:
        return NOTHING
    runs = [run for run in _runs(inputs) if run.id in set(table["pane"])]
    said = "; ".join(f"{title}: mean {mean:.3f} of {n:,} centres after {epoch:g} epochs" for title, mean, n, epoch in _ends(table))
    return (f"{TITLE}, one line per centre in its class's colour, dotted where no vector chooses it at the end. {said}. "
            f"Runs {', '.join(run.id for run in runs)}, single runs.")  # fmt: skip


def _ends(table: pd.DataFrame) -> list[tuple[str, float, int, float]]:
    found = []
    for title, own in table.groupby("title", sort=False):
        last = own[own["epoch"] == own["epoch"].max()]
        found.append((str(title), float(np.mean(last["drift"])), len(last), float(own["epoch"].max())))
    return found


def alt(table: pd.DataFrame, pane_id: str | None = None) -> str:
    """The lines in words."""
    rows = table if pane_id is None else table[table["pane"] == pane_id]
    if rows.empty:
        return NOTHING
    ends = "; ".join(f"{title} {mean:.3f} on average at epoch {epoch:g} (n = {n:,})" for title, mean, n, epoch in _ends(rows))
    return f"{TITLE}: {ends}."


__all__ = ["alt", "caption", "frame", "frame_of", "notes", "paper", "screen"]
