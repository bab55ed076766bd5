"""How each run's loss falls while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.fairness import unfair
from dmlviz.core.types import InputError, Run
from dmlviz.figures.base.labels import spread
from dmlviz.figures.base.paper import Box, beside, canvas, dash, lines_of, plot_axes, text
from dmlviz.figures.base.presets import PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, run_titles
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Kind(NamedTuple):
    """One quantity of the history: where it stands in an event and what it is called."""

    event: str
    field: str
    title: str
    scale: float = 1.0


KINDS = {
    "loss": Kind("step", "loss", "Training loss, batch mean, each loss on its own scale"),
    "ce": Kind("step", "ce", "Cross-entropy term, nats, batch mean"),
    "metric": Kind("step", "metric", "Metric term, batch mean, each loss on its own scale"),
    "validation": Kind("validation", "accuracy", "Validation accuracy, per cent", 100.0),
}
DASHES = ("solid", "dash", "dot", "dashdot")  # runs of one loss
SMOOTH_ABOVE = 40  # points in a curve; above, a running mean leads and the points stand back
COLUMNS = ("run", "title", "loss", "kind", "step", "epoch", "value", "smooth", "color", "dash")


def frame(runs: Sequence[Run], events: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """One row per run, kind and step. `events` maps a run's id to its history rows."""
    titles = run_titles([run.config for run in runs])
    met: dict[str, int] = {}
    rows: list[pd.DataFrame] = []
    for run, title in zip(runs, titles, strict=True):
        dash = DASHES[met.get(run.config.loss, 0) % len(DASHES)]
        met[run.config.loss] = met.get(run.config.loss, 0) + 1
        for name, kind in KINDS.items():
            points = _points(events.get(run.id, ()), kind)
            if len(points):
                head = {"run": run.id, "title": title, "loss": run.config.loss, "kind": name}
                rows.append(points.assign(**head, color=loss_color(run.config.loss), dash=dash)[list(COLUMNS)])
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))


def _points(events: Sequence[Mapping[str, Any]], kind: Kind) -> pd.DataFrame:
    rows = [(event["step"], event.get("epoch"), event[kind.field]) for event in events if event.get("kind") == kind.event and kind.field in event]
    points = pd.DataFrame(rows, columns=["step", "epoch", "value"]).astype(float).dropna(subset=["value"]).sort_values("step")
    points["value"] *= kind.scale
    span = max(1, len(points) // 20) if len(points) > SMOOTH_ABOVE else 1
    return points.assign(smooth=points["value"].rolling(span, min_periods=1, center=True).mean())


class Curve(NamedTuple):
    """One line, and where its name goes."""

    rows: pd.DataFrame
    title: str
    color: str
    dash: str
    label_y: float


def _curves(table: pd.DataFrame, kind: str, line: float) -> tuple[list[Curve], tuple[float, float], tuple[float, float]]:
    """The curves of a kind with their x and y ranges; `line` is a label's height as a share of the plot's."""
    if kind not in KINDS:
        raise InputError(f"unknown curve {kind!r}; known: {', '.join(KINDS)}.")
    rows = table[(table["kind"] == kind) & np.isfinite(table["value"].to_numpy(dtype=float))]
    if rows.empty:
        return [], (0.0, 1.0), (0.0, 1.0)
    low, high = float(rows["value"].min()), float(rows["value"].max())
    pad = 0.06 * (high - low) or max(abs(high) * 0.1, 0.1)
    y = (low - pad, high + pad)
    groups = [group for _, group in rows.groupby("run", sort=False)]
    ends = spread(np.array([group["smooth"].iloc[-1] for group in groups]), line * (y[1] - y[0]), *y)
    parts = zip(groups, ends, strict=True)
    curves = [Curve(g, g["title"].iloc[0], g["color"].iloc[0], g["dash"].iloc[0], float(end)) for g, end in parts]
    first, last = float(rows["step"].min()), float(rows["step"].max())
    return curves, ((first, last) if last > first else (first - 1, last + 1)), y


def _ticks(table: pd.DataFrame, x: tuple[float, float], most: int) -> list[tuple[float, str]]:
    """Steps with the epoch below, where all runs share the length of an epoch."""
    whole = table[(table["epoch"] > 0) & (table["step"] > 0)]
    lengths = (whole["step"] / whole["epoch"]).to_numpy(dtype=float)
    shared = float(np.median(lengths)) if len(lengths) and np.ptp(lengths) <= 0.05 * np.median(lengths) else None
    raw = max((x[1] - x[0]) / most, 1.0)
    step = shared * max(1, int(np.ceil(raw / shared - 0.2))) if shared and raw >= shared / 2 else _nice(raw)
    marks = np.arange(np.ceil(x[0] / step) * step, x[1] + 1e-9, step)
    return [(float(mark), f"step {mark:,.0f}" + (f"\nepoch {mark / shared:.3g}" if shared else "")) for mark in marks]


def _nice(raw: float) -> float:
    power = 10 ** np.floor(np.log10(raw))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw - 1e-9))


def screen(table: pd.DataFrame, *, kind: str = "loss", theme: Theme = LIGHT, height: int = 280) -> go.Figure:
    """One line per run with its name at its end."""
    curves, x, y = _curves(table, kind, line=16 / (height - 76))
    room = max([text_width(short(curve.title, 30), 1.15 * 13) for curve in curves], default=0) + 14
    figure = go.Figure(_layout(theme, kind, height, room, x, y))
    ticks = _ticks(table[table["kind"] == kind], x, 6)
    figure.update_xaxes(tickvals=[at for at, _ in ticks], ticktext=[words.replace("\n", "<br>") for _, words in ticks])
    for curve in curves:
        figure.add_traces(_traces(curve, theme))
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=6, y=curve.label_y, yref="y", showarrow=False, align="left",
            text=plotly_text(short(curve.title, 30)), font={"color": readable(curve.color, theme.ground), "size": 13, "weight": 600},
        )  # fmt: skip
    if not curves:
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text="No steps yet", font={"color": theme.muted, "size": 14})
        figure.update_xaxes(visible=False).update_yaxes(visible=False)
    return figure


def _traces(curve: Curve, theme: Theme) -> list[go.Scatter]:
    color = readable(curve.color, theme.ground, 2.5)
    rows, single = curve.rows, len(curve.rows) == 1
    hover = [f"{plotly_text(curve.title)}<br>step {s:,.0f}, epoch {e:.2f}<br><b>{v:.4g}</b>"
             for s, e, v in zip(rows["step"], rows["epoch"].fillna(0), rows["value"], strict=True)]  # fmt: skip
    common = {"x": rows["step"], "name": plotly_text(curve.title), "mode": "markers" if single else "lines"}
    line = {"color": color, "dash": curve.dash, "width": 2}
    told = {"hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"}
    main = go.Scatter(**common, **told, y=rows["smooth"], line=line, marker={"color": color, "size": 7})
    if np.allclose(rows["smooth"], rows["value"]):
        return [main]
    return [go.Scatter(**common, y=rows["value"], line={"color": color, "width": 1}, opacity=0.25, hoverinfo="skip"), main]


def _layout(theme: Theme, kind: str, height: int, room: float, x: tuple[float, float], y: tuple[float, float]) -> dict[str, Any]:
    axis = {"zeroline": False, "tickfont": {"color": theme.muted, "size": 12}, "automargin": True, "title": None}
    layout = {
        "xaxis": {**axis, "range": x, "showgrid": False, "showline": True, "linecolor": theme.lines,
                  "ticks": "outside", "tickcolor": theme.lines, "ticklen": 4, "tickangle": 0},
        "yaxis": {**axis, "range": y, "gridcolor": theme.lines, "nticks": 5},
        "title": {"text": KINDS[kind].title, "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 6, "l": 4},
                  "font": {"size": 13, "color": theme.muted}},
        "height": height, "margin": {"l": 44, "r": room, "t": 32, "b": 44}, "showlegend": False, "hovermode": "closest", "uirevision": kind,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip
    return {"layout": layout}


def paper(table: pd.DataFrame, preset: Preset, *, kind: str = "loss") -> Figure:
    """The same lines and names at the preset's width."""
    with drawing():
        size = max(6.0, preset.font_pt - 0.5)
        height = preset.height_mm or min(0.55 * preset.width_mm, 62.0)
        heading = lines_of(KINDS[kind].title, size, preset.width_mm - 1)
        top = 5 + 1.25 * size / PT_PER_MM * (len(heading) - 1)
        height += 0 if preset.height_mm else top - 5
        plot_height = height - top - 7.5
        curves, x, y = _curves(table, kind, line=1.3 * size / (plot_height * PT_PER_MM))
        figure = canvas(preset.width_mm, height)
        names, room = beside([curve.title for curve in curves], size, preset.width_mm - 10, limit=30, bold=True)
        room += 2
        ax = plot_axes(figure, preset, Box(8, top, preset.width_mm - 8 - room, plot_height))
        ax.set(xlim=x, ylim=y)
        ticks = _ticks(table[table["kind"] == kind], x, max(1, min(4, int((preset.width_mm - 8 - room) // 9))))
        ax.set_xticks([at for at, _ in ticks], [words for _, words in ticks])
        for i, words in enumerate(heading):
            text(figure, 0.5, 3 + 1.25 * size / PT_PER_MM * i, words, size=size, color=PAPER.muted)
        for place, curve in enumerate(curves):
            style = dash(figure, place, curve.title, curve.color)
            _line(ax, curve, style, x[1] + 1.2 * (x[1] - x[0]) / (preset.width_mm - 8 - room), names[place], size)
        if not curves:
            text(figure, preset.width_mm / 2, height / 2, "No steps yet", size=size, ha="center", color=PAPER.muted)
            ax.set_axis_off()
    return figure


def _line(ax: Any, curve: Curve, style: Any, label_x: float, title: str, size: float) -> None:
    rows, color = curve.rows, readable(curve.color, PAPER.ground, 2.5)
    if not np.allclose(rows["smooth"], rows["value"]):
        ax.plot(rows["step"], rows["value"], color=color, linewidth=0.4, alpha=0.3)
    single = {"marker": "o", "markersize": 3} if len(rows) == 1 else {}
    ax.plot(rows["step"], rows["smooth"], color=color, linewidth=1.1, linestyle=style, **single)
    text(ax, label_x, curve.label_y, title, size=size, va="center", weight="bold", clip_on=False, color=readable(curve.color, PAPER.ground))


def caption(table: pd.DataFrame, runs: Sequence[Run]) -> str:
    """What the lines are, and of which runs."""
    if table.empty:
        return "No steps yet."
    smooth = " Thick lines are running means." if not np.allclose(table["smooth"], table["value"]) else ""
    ended = table.groupby("run", sort=False)["step"].max()
    steps = ", ".join(f"{run} ({ended[run]:,.0f} steps)" for run in ended.index)
    many = "run" if len(ended) == 1 else "runs"
    shown = [run for run in runs if run.id in ended.index]
    unequal = "".join(f" {said}" for said in unfair(shown, run_titles([run.config for run in shown])))
    return f"Training history of {len(ended):,} {many}, one line per run, no averaging over seeds.{smooth}{unequal} Runs {steps}."


def alt(table: pd.DataFrame, kind: str = "loss") -> str:
    """The curves in words."""
    rows = table[table["kind"] == kind]
    if rows.empty:
        return "No steps yet."
    said = [f"{g['title'].iloc[0]} from {g['value'].iloc[0]:.3g} to {g['value'].iloc[-1]:.3g} at step {g['step'].iloc[-1]:,.0f}"
            for _, g in rows.groupby("run", sort=False)]  # fmt: skip
    return f"{KINDS[kind].title}: {'; '.join(said)}."


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written."""
    return [sentence for sentence in [missing_glyphs(dict.fromkeys(table["title"]))] if sentence]
