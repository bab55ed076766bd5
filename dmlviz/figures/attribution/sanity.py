"""Does an attribution depend on what was learnt? Its agreement with itself while the weights are made random from the top down."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, degrees, radians, sin
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.core.types import InputError
from dmlviz.figures.attribution.frame import AttributionInput, kind_words
from dmlviz.figures.base.paper import Box, canvas, plot_axes, tell, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, rgba, run_titles
from dmlviz.figures.base.words import missing_glyphs, plotly_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
MARKERS = "osD^v+"
SLANT = radians(40)  # of the stages' names on paper


def frame(inputs: Sequence[AttributionInput]) -> pd.DataFrame:
    """One row per run and stage: mean rank correlation with the trained model's values (signed and absolute), n texts, the run's mean sensitivity."""
    kept = [(one, title) for one, title in zip(inputs, run_titles([one.run.config for one in inputs]), strict=True) if one.sanity]
    if not kept:
        raise InputError("no run here has sanity checks; start them on the Attributions page")
    rows = []
    for one, title in kept:
        found, noise = one.sanity, [value for value in one.sanity["sensitivity"] if value is not None]
        for place, stage in enumerate(found["stages"]):
            rows.append((one.run.id, title, one.run.config.shown_loss, place, stage, found["signed"][place], found["absolute"][place],
                         found["texts"][place], float(np.mean(noise)) if noise else np.nan, found["share"], found["samples"]))  # fmt: skip
    return pd.DataFrame(rows, columns=["pane", "title", "loss", "place", "stage", "signed", "absolute", "n", "sensitivity", "share", "samples"])


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """A line per run; `pane_id` is not looked at."""
    figure = go.Figure({"layout": {
        "height": height or 300, "margin": {"l": 48, "r": 8, "t": 10, "b": 60}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink, "size": 12}, "showlegend": False, "dragmode": False,
    }})  # fmt: skip
    stages = table.drop_duplicates("place").sort_values("place")
    for i, (_, rows) in enumerate(table.groupby("pane", sort=False)):
        first, color = rows.iloc[0], readable(loss_color(rows.iloc[0]["loss"]), theme.ground, 3.0)
        told = [f"{plotly_text(first['title'])}, {plotly_text(row.stage)}: {row.signed:.2f} (of absolute values {row.absolute:.2f}), n = {row.n}"
                for row in rows.itertuples()]  # fmt: skip
        figure.add_trace(go.Scatter(
            x=rows["place"], y=rows["signed"], mode="lines+markers", line={"color": color, "width": 2}, marker={"symbol": SYMBOLS[i % 6], "size": 7},
            hovertext=told, hovertemplate="%{hovertext}<extra></extra>", name=plotly_text(first["title"]),
        ))  # fmt: skip
    figure.add_hline(y=0, line={"color": theme.muted, "width": 1}, fillcolor=rgba(theme.muted, 0.2))
    names = [plotly_text(one) for one in stages["stage"]]
    figure.update_xaxes(tickvals=stages["place"], ticktext=names, tickangle=-35, showgrid=False, fixedrange=True)
    return figure.update_yaxes(range=(-0.55, 1.05), title_text="rank correlation", gridcolor=theme.lines, zeroline=False, fixedrange=True)


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """A line per run over the stages, a key below."""
    with drawing():
        size = max(MIN_PT, preset.font_pt - 0.5)
        step, runs, stages = 1.5 * size / PT_PER_MM, table.drop_duplicates("pane"), table.drop_duplicates("place").sort_values("place")
        height, tick = min(0.5 * preset.width_mm, 55), max(MIN_PT, preset.font_pt - 1)
        names = [trimmed(one, tick, 0.4 * preset.width_mm, limit=18) for one in stages["stage"]]
        longest = max((width_mm(one, tick) for one in names), default=0)
        left, below = max(9.0, longest * cos(SLANT) - 1), longest * sin(SLANT) + 2 * step
        figure = canvas(preset.width_mm, height + below + step * (len(runs) + 0.5))
        ax = plot_axes(figure, preset, Box(left, 1, preset.width_mm - left - 1, height))
        for i, (_, rows) in enumerate(table.groupby("pane", sort=False)):
            color = readable(loss_color(rows.iloc[0]["loss"]), PAPER.ground, 3.0)
            ax.plot(rows["place"], rows["signed"].astype(float), color=color, linewidth=1, marker=MARKERS[i % 6], markersize=3)
            tell(figure, rows.iloc[0]["title"], color, MARKERS[i % 6])
        ax.axhline(0, color=PAPER.muted, linewidth=0.5)
        ax.set(ylim=(-0.55, 1.05), xlim=(-0.3, len(stages) - 0.7), xticks=stages["place"].tolist())
        ax.set_xticklabels(names, rotation=degrees(SLANT), ha="right")
        for j, first in enumerate(runs.to_dict("records")):
            line = f"{'●■◆▲▼+'[j % 6]} {first['title']}: sensitivity to noise {first['sensitivity']:.2f}, n = {int(first['n'])}"
            text(figure, 1, height + below + j * step, trimmed(line, size, preset.width_mm - 1.5, limit=120), size=size,
                 color=readable(loss_color(first["loss"]), PAPER.ground))
    return figure


def caption(table: pd.DataFrame, inputs: Sequence[AttributionInput]) -> str:
    """What the stages are, how sensitive each run is to noise, and of which runs."""
    first = table.iloc[0]
    noise = "; ".join(f"{row.title} {row.sensitivity:.2f}" for row in table.drop_duplicates("pane").itertuples())
    return (
        "Mean rank correlation of the words' values with those of the trained model while its weights are made random from the top down, each stage "
        "with those before it (Adebayo et al. 2018): an attribution that stays near 1 does not depend on what was learnt. Sensitivity, the largest "
        f"relative change of the values when word vectors move by at most {100 * first['share']:g} % of their mean length "
        f"({int(first['samples'])} draws, mean over {int(first['n'])} texts): {noise}. {kind_words(inputs[0].kind)}. "
        f"Single runs: {', '.join(dict.fromkeys(table['pane']))}."
    )


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    return "; ".join(f"{rows.iloc[0]['title']}: from {rows['signed'].iloc[0]:.2f} to {rows['signed'].iloc[-1]:.2f}"
                     for _, rows in table.groupby("pane", sort=False)) + "."  # fmt: skip


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []
