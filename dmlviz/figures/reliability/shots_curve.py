"""Accuracy against the number of shots: one line per method, with the interval over draws as a band and single runs as dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.intervals import group_interval
from dmlviz.core.types import Run
from dmlviz.figures.base.labels import spread
from dmlviz.figures.base.paper import Box, beside, canvas, inside, plot_axes, tell, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, rgba
from dmlviz.figures.base.words import interval_text, missing_glyphs, plotly_text, short, text_width
from dmlviz.figures.reliability.frame import (
    METRICS,
    OPTIONS,
    PAPER_MARKS,
    by_readout,
    comparable_members,
    draws_words,
    members,
    n_words,
    number_word,
    rows_words,
    units_words,
    values,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME_OPTIONS = OPTIONS
LABEL_CHARS = 30
DODGE, ALONE = 0.035, 0.11  # of a doubling of the shots, between neighbouring methods; where there is one number of shots
LEAST_SPAN = 4.0  # points on the y axis: a difference of a tenth must not fill the picture
COLUMNS = ("pane", "method", "loss", "mark", "kind", "shots", "x", "value", "low", "high", "n", "unit", "run", "metric", "predictions_by")


def frame(runs: Sequence[Run], *, metric: str = "accuracy", predictions_by: str = "") -> pd.DataFrame:
    """One row per group ("mean": per cent with Student's interval) and per run ("run"). `pane` is the data set, `x` log2 of the shots;
    every training text stands one doubling beyond the most shots. Where methods differ in their draws, those that all have count."""
    rows: list[dict[str, Any]] = []
    found = comparable_members(members(runs, predictions_by=predictions_by))[0]
    methods = list(dict.fromkeys(one.method for one in found))
    for one in found:
        most = max((other.config.shots or 0 for other in found if other.panel == one.panel), default=0)
        x = np.log2(one.config.shots) if one.config.shots else np.log2(max(most, 1)) + (1 if most else 0)
        step = DODGE if len({other.config.shots for other in found if other.panel == one.panel}) > 1 else ALONE
        x += step * (methods.index(one.method) - (len(methods) - 1) / 2)
        head = {"pane": one.panel, "method": one.method, "loss": one.loss, "mark": one.mark, "shots": one.config.shots or np.inf, "x": x,
                "metric": metric, "predictions_by": predictions_by}  # fmt: skip
        own = values(one.group.runs, metric, predictions_by)
        middle = group_interval(one.group.runs, own)
        said = {"value": middle.mean, "low": middle.low, "high": middle.high, "n": middle.n, "unit": middle.unit}
        rows.append({**head, **said, "kind": "mean", "run": ""})
        dots = zip(one.group.runs, own, strict=True)
        rows += [{**head, "value": share, "kind": "run", "run": run.id, "n": 1, "unit": "run"} for run, share in dots]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def panes(table: pd.DataFrame) -> list[str]:
    """The data sets, in order."""
    return list(dict.fromkeys(table["pane"]))


class _Plan:
    """Ranges, ticks and the heights of the names at the lines' ends, the same for screen and paper."""

    def __init__(self, rows: pd.DataFrame, line: float) -> None:
        """`line`: a label's height as a share of the plot's."""
        self.means, self.runs = rows[rows["kind"] == "mean"], rows[rows["kind"] == "run"]
        lows, highs = rows[["value", "low"]].min(axis=1), rows[["value", "high"]].max(axis=1)
        inner = (float(rows["value"].min()), float(rows["value"].max()))
        reach = max(inner[1] - inner[0], 4.0)  # a band of two draws may be far wider than what was seen: it is cut there
        low, high = max(float(lows.min()), inner[0] - reach), min(float(highs.max()), inner[1] + reach)
        pad = max(0.05 * (high - low), (LEAST_SPAN - (high - low)) / 2)
        self.y = (max(0.0, low - pad), min(100.0, high + pad))
        self.cut = bool(max(lows.min(), 0) < self.y[0] - 1e-9 or min(highs.max(), 100) > self.y[1] + 1e-9)
        grouped = self.means.groupby("shots", sort=True)["x"].mean()
        self.ticks = [(float(round(x) if np.isfinite(shots) and np.log2(shots).is_integer() else x), "all" if np.isinf(shots) else f"{shots:,.0f}")
                      for shots, x in grouped.items()]  # fmt: skip
        left, right = float(rows["x"].min()), float(rows["x"].max())
        self.x = (left - 0.15, right + 0.15) if self.means["shots"].nunique() > 1 else (left - 0.6, right + 0.6)
        self.lines = [own.sort_values("x") for _, own in self.means.groupby("method", sort=False)]
        ends = np.array([float(np.clip(own["value"].iloc[-1], *self.y)) for own in self.lines])
        self.ends = spread(ends, line * (self.y[1] - self.y[0]), *self.y)

    @property
    def alpha(self) -> float:
        return 0.20 if len(self.lines) <= 2 else 0.13 if len(self.lines) <= 4 else 0.08


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int = 420) -> go.Figure:
    """One data set."""
    plan = _Plan(table[table["pane"] == pane_id], line=18 / (height - 84))
    room = max([text_width(short(own["method"].iloc[0], LABEL_CHARS), 1.12 * 13) for own in plan.lines], default=0) + 12
    metric = METRICS[table["metric"].iloc[0]]
    axis = {"zeroline": False, "tickfont": {"color": theme.muted, "size": 12}, "automargin": True, "fixedrange": True}
    figure = go.Figure({"layout": {
        "xaxis": {**axis, "range": plan.x, "showgrid": False, "showline": True, "linecolor": theme.lines, "ticks": "outside",
                  "tickcolor": theme.lines, "tickvals": [at for at, _ in plan.ticks],
                  "ticktext": [words for _, words in plan.ticks],
                  "title": {"text": _x_title(pane_id), "font": {"size": 13, "color": theme.muted}, "standoff": 6}},
        "yaxis": {**axis, "range": plan.y, "gridcolor": theme.lines, "nticks": 9},
        "title": {"text": f"<b>{plotly_text(short(pane_id, 40))}</b>  {metric}, per cent", "x": 0, "xref": "container", "y": 1, "yref": "container",
                  "yanchor": "top", "pad": {"t": 6, "l": 4}, "font": {"size": 13, "color": theme.ink}},
        "height": height, "margin": {"l": 40, "r": room, "t": 32, "b": 52}, "showlegend": False, "hovermode": "closest", "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }})  # fmt: skip
    for own, end in zip(plan.lines, plan.ends, strict=True):
        figure.add_traces(_traces(own, plan.runs[plan.runs["method"] == own["method"].iloc[0]], plan.alpha, theme))
        name = own["method"].iloc[0]
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=4, y=float(end), yref="y", showarrow=False, align="left",
            text=plotly_text(short(name, LABEL_CHARS)),
            font={"color": readable(loss_color(own["loss"].iloc[0]), theme.ground), "size": 13, "weight": 600},
        )  # fmt: skip
    return figure


def _x_title(pane_id: str) -> str:
    return "shots, all classes together" if pane_id.endswith("(shots in all)") else "shots per class"


def _traces(own: pd.DataFrame, dots: pd.DataFrame, alpha: float, theme: Theme) -> list[go.Scatter]:
    color, name = readable(loss_color(own["loss"].iloc[0]), theme.ground, 2.5), plotly_text(own["method"].iloc[0])
    told = [f"{name}, {_shots(row.shots)}<br><b>{said(row)}</b>" for row in own.itertuples()]
    dots = _beside(own, dots)
    single = [f"{name}, {_shots(row.shots)}<br>{row.value:.1f} %, {plotly_text(row.run)}" for row in dots.itertuples()]
    found, banded = [], own[np.isfinite(own["low"].astype(float))]
    for _, part in banded.groupby((own["low"].isna()).cumsum()[banded.index]):  # a lone run interrupts the band
        x, low, high = part["x"], part["low"], part["high"]
        if len(part) > 1:
            around = {"x": [*x, *x[::-1]], "y": [*high, *low[::-1]], "mode": "none", "hoverinfo": "skip"}
            found.append(go.Scatter(**around, fill="toself", fillcolor=rgba(color, alpha)))
    found.append(go.Scatter(x=dots["x"], y=dots["value"], mode="markers", marker={"color": rgba(color, 0.45), "size": 5}, hovertext=single,
                            hovertemplate="%{hovertext}<extra></extra>"))  # fmt: skip
    half = ((own["high"] - own["low"]) / 2).fillna(0)
    found.append(go.Scatter(
        x=own["x"], y=own["value"], mode="lines+markers", line={"color": color, "width": 2.2},
        marker={"symbol": [own["mark"].iloc[0] + ("-open" if n == 1 else "") for n in own["n"]], "size": 8, "color": color},
        error_y={"type": "data", "symmetric": True, "array": half, "color": color, "thickness": 1.2, "width": 0},
        hovertext=told, hovertemplate="%{hovertext}<extra></extra>", name=name,
    ))  # fmt: skip
    return found


def _beside(own: pd.DataFrame, dots: pd.DataFrame) -> pd.DataFrame:
    """The single runs that are drawn as dots: a lone run is the hollow mark itself."""
    return dots[~dots["shots"].isin(own.loc[own["n"] == 1, "shots"])]


def _shots(shots: float) -> str:
    return "all texts" if np.isinf(shots) else f"{shots:,.0f} shots"


def said(row: Any) -> str:
    """'92.4 ± 0.8 (n = 5 draws)'."""
    if row.n == 1:
        return f"{row.value:.1f} (single run)"
    return f"{interval_text(row.value, row.low, row.high)} (n = {row.n} {row.unit}s)"


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same lines, bands and names at the preset's width; data sets side by side while there is room."""
    with drawing():
        size = max(MIN_PT, preset.font_pt - 0.5)
        names = panes(table)
        methods = list(dict.fromkeys(table["method"]))
        kept, room = beside(methods, size, preset.width_mm - 8.5, limit=LABEL_CHARS, bold=True)
        called, room = dict(zip(methods, kept, strict=True)), room + 2
        across = max(1, min(len(names), int(preset.width_mm // (room + 38))))
        width, down = preset.width_mm / across, -(-len(names) // across)
        head, foot = 1.9 * size / PT_PER_MM, 3.6 * size / PT_PER_MM
        tall = min(max(0.75 * (width - room), 20.0), 55.0)
        figure = canvas(preset.width_mm, down * (head + tall + foot))
        for i, name in enumerate(names):
            box = Box(i % across * width + 6.5, i // across * (head + tall + foot) + head, width - room - 6.5, tall)
            plan = _Plan(table[table["pane"] == name], line=1.25 * size / (tall * PT_PER_MM))
            end = f": {number_word(table['metric'].iloc[0])}, %"
            label = trimmed(name, size, width - 1 - width_mm(end, size, bold=True), limit=40, bold=True) + end
            text(figure, box.left - 6, box.top - 0.55 * head, label, size=size, va="center", weight="bold")
            _panel(plot_axes(figure, preset, box), plan, box, size, called)
            for row in plan.means.drop_duplicates("method").itertuples():
                tell(figure, row.method, loss_color(row.loss), row.mark)
            middle = i % across * width + inside(6.5 + box.width / 2, _x_title(name), size, width)
            text(figure, middle, box.top + tall + 0.82 * foot, _x_title(name), size=size, ha="center", color=PAPER.muted)
    return figure


def _panel(ax: Any, plan: _Plan, box: Box, size: float, called: Mapping[str, str]) -> None:
    ax.set(xlim=plan.x, ylim=plan.y)
    ax.set_xticks([at for at, _ in plan.ticks], [words for _, words in plan.ticks])
    per_mm = (plan.x[1] - plan.x[0]) / box.width
    for own, end in zip(plan.lines, plan.ends, strict=True):
        color = readable(loss_color(own["loss"].iloc[0]), PAPER.ground, 2.5)
        dots = _beside(own, plan.runs[plan.runs["method"] == own["method"].iloc[0]])
        low, high = own["low"].to_numpy(dtype=float), own["high"].to_numpy(dtype=float)
        ax.fill_between(own["x"], low, high, color=color, alpha=plan.alpha, linewidth=0)
        ax.vlines(own["x"], low, high, color=color, linewidth=0.6)
        ax.plot(dots["x"], dots["value"], linestyle="none", marker="o", markersize=1.7, markeredgewidth=0, color=color, alpha=0.6)
        ax.plot(own["x"], own["value"], color=color, linewidth=1)
        for row in own.itertuples():
            ax.plot([row.x], [row.value], color=color, marker=PAPER_MARKS[row.mark], markersize=3, markeredgewidth=0.7,
                    markerfacecolor="white" if row.n == 1 else color)  # fmt: skip
        text(ax, plan.x[1] + 1.2 * per_mm, float(end), called[own["method"].iloc[0]], size=size, va="center", weight="bold", clip_on=False,
             color=readable(loss_color(own["loss"].iloc[0]), PAPER.ground))  # fmt: skip


def caption(table: pd.DataFrame, runs: Sequence[Run]) -> str:
    """What lines, bands and dots are, with n."""
    means, first = table[table["kind"] == "mean"], table.iloc[0]
    unit = units_words(means["unit"].tolist())
    lone = " Hollow marks are single runs." if (means["n"] == 1).any() and (means["n"] > 1).any() else ""
    cut = " Intervals of few draws reach beyond the frame." if any(_Plan(own, 0.05).cut for _, own in table.groupby("pane")) else ""
    bands = f"Bands: Student's 95 % interval over {unit} ({n_words(means['n'].tolist())}); dots: single runs." if (means["n"] > 1).any() else (
        "Every mark is a single run, so no interval can be given.")  # fmt: skip
    return (
        f"{METRICS[first['metric']]} on the test part of {', '.join(panes(table))} against shots{by_readout(first['predictions_by'])}. "
        f"{bands}{lone}{cut}{draws_words(runs, first['predictions_by'])}{rows_words(_drawn(table, runs), first['metric'], first['predictions_by'])} "
        f"{table['run'].ne('').sum():,} runs."
    )


def _drawn(table: pd.DataFrame, runs: Sequence[Run]) -> list[Run]:
    """The runs that are dots of the picture."""
    ids = set(table["run"])
    return [run for run in runs if run.id in ids]


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    """The lines in words."""
    rows = table[(table["kind"] == "mean") & ((table["pane"] == pane_id) | (not pane_id))]
    lines = [f"{name[1]}{'' if pane_id else ' on ' + name[0]}: " + ", ".join(f"{_shots(row.shots)} {said(row)}" for row in own.itertuples())
             for name, own in rows.groupby(["pane", "method"], sort=False)]  # fmt: skip
    return f"{METRICS[table['metric'].iloc[0]]} in per cent. {'; '.join(lines)}."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys([*table["method"], *table["pane"]]))
    return [found] if found else []
