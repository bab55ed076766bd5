"""Do probabilities mean what they say? Accuracy against confidence bin by bin, and below it how often each confidence is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.calibration import BINNINGS, calibration_table, fit_temperature, group_bins, group_calibration, log_probabilities
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, sides
from dmlviz.core.types import InputError
from dmlviz.figures.base.paper import Box, canvas, plot_axes, text, trimmed
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, Theme, drawing, loss_color, readable, rgba
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short
from dmlviz.figures.reliability.lines import axis, layout, many, of_runs, side_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = 20  # of the histogram of confidences
COLUMNS = (
    "pane", "title", "loss", "said", "kind", "place", "n", "confidence", "accuracy", "low", "high", "ece", "ece_low", "ece_high", "chance",
    "chance_high", "ece_width", "overall", "mean_confidence", "texts", "temperature", "scaled",
)  # fmt: skip


def frame(outcomes: Sequence[Outcome], *, binning: str = "equal_mass", scaled: bool = False) -> pd.DataFrame:
    """Per group, one row per bin (kind "bin": n texts a run, confidence, accuracy and its interval) and per bar of the histogram (kind "bar": place
    is its middle, n the texts a run). Every row has the group's ECE in `binning`, what chance makes of it, and its ECE with equal-width bins.

    `scaled`: after the temperature that each run's validation part gave. Raises InputError where that is too small.
    """
    if binning not in BINNINGS:
        raise InputError(f"no binning {binning!r}; known: {', '.join(BINNINGS)}")
    found, tables = sides(outcomes), []
    for side, title in zip(found, side_titles(found), strict=True):
        numbers = group_calibration(side, calibration_table(side.outcomes, classes=False)).set_index("measure")
        before = "scaled_" if scaled else ""
        bins = group_bins(side, binning, temperature=scaled).rename(columns={"bin": "place"}).drop(columns="runs").assign(kind="bin")
        rows = pd.concat([bins, _bars(side, scaled)], ignore_index=True)
        ece = numbers.loc[f"{before}ece_mass" if binning == "equal_mass" else f"{before}ece_width"]
        tables.append(rows.assign(
            pane=side.runs[0].id, title=title, loss=side.group.config.shown_loss, said=many(side), ece=ece["mean"], ece_low=ece["low"],
            ece_high=ece["high"], chance=ece["chance"], chance_high=ece["high_chance"], ece_width=numbers.loc[f"{before}ece_width", "mean"],
            overall=numbers.loc["accuracy", "mean"], texts=float(np.mean([one.test.sum() for one in side.outcomes])), scaled=scaled,
            mean_confidence=numbers.loc[f"{before}confidence", "mean"],
            temperature=numbers.loc["temperature", "mean"] if "temperature" in numbers.index else np.nan,
        ))  # fmt: skip
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _confidences(side: Side, scaled: bool) -> list[np.ndarray]:
    found = []
    for one in side.outcomes:
        factor = fit_temperature(one.scores(one.validation), one.labels(one.validation)).value if scaled else 1.0
        found.append(np.exp(log_probabilities(one.scores(one.test) / factor)).max(axis=1))
    return found


def _bars(side: Side, scaled: bool) -> pd.DataFrame:
    counts = np.mean([np.histogram(one, bins=BARS, range=(0, 1 + 1e-9))[0] for one in _confidences(side, scaled)], axis=0)
    return pd.DataFrame({"kind": "bar", "place": (np.arange(BARS) + 0.5) / BARS, "n": counts})


def _parts(table: pd.DataFrame, pane_id: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = table[table["pane"] == (pane_id or table["pane"].iloc[0])]
    return rows[rows["kind"] == "bin"].sort_values("confidence"), rows[rows["kind"] == "bar"]


def said(first: pd.Series | dict) -> str:
    """"ECE 0.12; by chance 0.03": the number beside what few texts alone make of it."""
    return f"ECE {first['ece']:.3f}; by chance {first['chance']:.3f}"


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int = 380) -> go.Figure:
    """One group: points with intervals against the diagonal, the histogram below."""
    bins, bars = _parts(table, pane_id)
    first, color = bins.iloc[0], readable(loss_color(bins.iloc[0]["loss"]), theme.ground, 3.0)
    figure = go.Figure({"layout": layout(theme, height, t=46, b=42)})
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": theme.muted, "width": 1, "dash": "dash"}, hoverinfo="skip"))
    hover = [f"confidence {row.confidence:.2f}, accuracy <b>{100 * row.accuracy:.1f} %</b><br>{row.n:,.0f} texts a run" for row in bins.itertuples()]
    figure.add_trace(go.Scatter(
        x=bins["confidence"], y=bins["accuracy"], mode="lines+markers", line={"color": color, "width": 1.5}, marker={"color": color, "size": 7},
        error_y={"type": "data", "symmetric": False, "array": bins["high"] - bins["accuracy"], "arrayminus": bins["accuracy"] - bins["low"],
                 "thickness": 1, "width": 0, "color": rgba(color, 0.6)},
        hovertext=hover, hovertemplate="%{hovertext}<extra></extra>",
    ))  # fmt: skip
    bar_hover = [f"{row.n:,.0f} texts with a confidence of {row.place - 0.5 / BARS:.2f} to {row.place + 0.5 / BARS:.2f}" for row in bars.itertuples()]
    figure.add_trace(go.Bar(x=bars["place"], y=bars["n"], width=0.9 / BARS, marker={"color": rgba(color, 0.55)}, yaxis="y2", hovertext=bar_hover,
                            hovertemplate="%{hovertext}<extra></extra>"))  # fmt: skip
    figure.update_xaxes(**axis(theme, range=(0, 1), title_text="confidence", showgrid=False, tickvals=[0, 0.25, 0.5, 0.75, 1], anchor="y2"))
    figure.update_layout(
        yaxis=axis(theme, range=(0, 1.02), title_text="accuracy", domain=(0.27, 1), tickvals=[0, 0.25, 0.5, 0.75, 1]),
        yaxis2=axis(theme, title_text="texts", domain=(0, 0.2), nticks=3, rangemode="tozero", showgrid=False),
    )
    figure.add_annotation(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, align="left", yshift=3,
                          text=f"<b>{plotly_text(short(first['title'], 34))}</b>, {first['said']}<br>{said(first)}",
                          font={"color": readable(loss_color(first["loss"]), theme.ground), "size": 12.5})  # fmt: skip
    return figure


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """A pane per group, two in a column's width, four over a page's."""
    with drawing():
        panes, size = list(dict.fromkeys(table["pane"])), max(6.0, preset.font_pt - 0.5)
        step, across = 1.3 * size / PT_PER_MM, max(1, min(len(panes), int(preset.width_mm // 36)))
        width = preset.width_mm / across
        side, rows = width - 10.5, -(-len(panes) // across)
        tall = 2.4 * step + side * 1.38 + 2.9 * step
        figure = canvas(preset.width_mm, rows * tall)
        for i, pane in enumerate(panes):
            _pane(figure, table, pane, Box(width * (i % across), tall * (i // across), width, tall), side, size, step, preset, i % across == 0)
    return figure


def _pane(figure: Figure, table: pd.DataFrame, pane: str, box: Box, side: float, size: float, step: float, preset: Preset, left: bool) -> None:
    bins, bars = _parts(table, pane)
    first, color = bins.iloc[0], readable(loss_color(bins.iloc[0]["loss"]), PAPER.ground, 3.0)
    ink = readable(loss_color(first["loss"]), PAPER.ground)
    words = trimmed(f"{first['title']}, {first['said']}", size, box.width - 9.2, bold=True)
    text(figure, box.left + 8.5, box.top + 0.95 * step, words, size=size, weight="bold", color=ink)
    text(figure, box.left + 8.5, box.top + 1.9 * step, said(first), size=max(6.0, size - 0.5), color=PAPER.ink)
    top = Box(box.left + 8.5, box.top + 2.4 * step, side, side)
    ax = plot_axes(figure, preset, top)
    ax.plot([0, 1], [0, 1], color=PAPER.muted, linewidth=0.6, linestyle="--")
    ax.errorbar(bins["confidence"], bins["accuracy"], yerr=[bins["accuracy"] - bins["low"], bins["high"] - bins["accuracy"]], fmt="o-", color=color,
                markersize=2.2, linewidth=0.8, elinewidth=0.5)  # fmt: skip
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], xticklabels=[])
    below = plot_axes(figure, preset, Box(top.left, top.top + 1.08 * side, side, 0.3 * side))
    below.bar(bars["place"], bars["n"], width=0.9 / BARS, color=color, alpha=0.6, linewidth=0)
    below.set(xlim=(0, 1), xticks=[0, 0.5, 1], yticks=[])
    below.spines["left"].set_visible(False)
    text(figure, top.left + side / 2, box.top + box.height - 0.5 * step, "confidence", size=size, color=PAPER.muted, ha="center")
    if left:
        text(figure, box.left + 0.4, top.top + side / 2, "accuracy", size=size, color=PAPER.muted, rotation=90, va="center")
        text(figure, box.left + 0.4, top.top + 1.2 * side, "texts", size=size, color=PAPER.muted, rotation=90, va="center")


def caption(table: pd.DataFrame, outcomes: Sequence[Outcome]) -> str:
    """How bins were made, the errors beside chance, and of which runs."""
    first, found = table.iloc[0], sides(outcomes)
    bins = int((table[table["pane"] == first["pane"]]["kind"] == "bin").sum())
    scaled = ", after temperature scaling on the validation part" if first["scaled"] else ""
    numbers = "; ".join(f"{row.title} {row.ece:.3f} ({row.chance:.3f})" for row in table.drop_duplicates("pane").itertuples())
    return (
        f"Accuracy against confidence in {bins} bins over {first['texts']:,.0f} test texts{scaled}; on the dashed line a model is calibrated. "
        f"ECE (what a perfectly calibrated model would show on as many texts): {numbers}. {of_runs(found, side_titles(found))}"
    )


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    """One sentence a pane for whoever cannot see it: the mean confidence, the accuracy, and whether the run is too sure."""
    kept = table[table["pane"] == pane_id] if pane_id else table
    words = []
    for row in kept.drop_duplicates("pane").itertuples():
        way = "too sure" if row.mean_confidence > row.overall else "not sure enough"
        words.append(f"{row.title}: mean confidence {row.mean_confidence:.2f} at an accuracy of {row.overall:.2f}, so {way}; ECE {row.ece:.3f}")
    return "; ".join(words) + "."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []
