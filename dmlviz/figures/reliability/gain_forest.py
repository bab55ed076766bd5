"""Gain over cross-entropy, pair by pair: a row per data set, number of shots and method, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.judged_rows import untested_sentence
from dmlviz.analysis.reliability.comparing import compare, pairs_of
from dmlviz.core.types import InputError, Run
from dmlviz.figures.base.paper import Box, beside, canvas, inside, plot_axes, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, base_title, drawing, loss_color, readable, rgba
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width
from dmlviz.figures.reliability.frame import OPTIONS, PAPER_MARKS, Member, by_readout, members, n_words, number_word, units_words, value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME_OPTIONS = OPTIONS
LABEL_CHARS = 34
ROW_PX = 23
BELOW = 0.27  # of a row: single pairs lie under their mean
COLUMNS = ("pane", "method", "loss", "mark", "kind", "place", "gain", "low", "high", "n", "pairs", "unit", "run", "metric", "predictions_by")


def frame(runs: Sequence[Run], *, metric: str = "accuracy", predictions_by: str = "") -> pd.DataFrame:
    """One row per method and cell ("mean": points over cross-entropy with Student's interval over draws, pairs of one draw averaged) and one per
    pair of runs ("pair").

    `pane` is the cell, "trec, 8 shots"; `place` the line from the top, a cell's name having one of its own. A group is set against the cross-entropy
    of its encoder, data set and shots that is most like it. Raises InputError where there is no such pair."""
    found, rows, place, cell = members(runs, predictions_by=predictions_by), [], -1, ""
    for one in found:
        base = baseline(one, found)
        pairs = pairs_of(one.group, base.group) if base else []
        if not pairs:
            continue
        place += 1 if one.cell == cell else 2
        cell = one.cell
        head = {"pane": cell, "method": one.method, "loss": one.loss, "mark": one.mark, "place": place, "metric": metric,
                "predictions_by": predictions_by}  # fmt: skip
        gain = lambda run: 100 * float(value(run, metric, predictions_by) or 0.0)  # noqa: E731
        tested = compare(pairs, gain)
        middle = {"gain": tested.difference, "low": tested.low, "high": tested.high, "n": tested.n, "pairs": tested.pairs, "unit": tested.unit}
        rows.append({**head, **middle, "kind": "mean", "run": ""})
        if len(pairs) > 1:  # a lone pair is the hollow mark itself
            rows += [{**head, "kind": "pair", "gain": gain(a) - gain(b), "n": 1, "pairs": 1, "unit": "run", "run": a.id} for a, b in pairs]
    if not rows:
        raise InputError(
            "no run here has a cross-entropy run of its data set, encoder, shots, draw and seed; train cross-entropy with the same draws and seeds"
        )
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def is_baseline(one: Member) -> bool:
    return one.config.loss == "cross_entropy" and one.config.control == "none" and one.group.runs[0].origin != "loaded"


def baseline(one: Member, found: Sequence[Member]) -> Member | None:
    """The cross-entropy group of the same data set, shots and encoder whose other fields differ least; None for cross-entropy itself."""
    if is_baseline(one):
        return None
    mine = one.config.model_dump(exclude={"loss", "loss_settings", "ce_weight", "control", "seed", "support_seed", "fold"})
    same = [other for other in found if is_baseline(other) and other.cell == one.cell and other.config.encoder == one.config.encoder]
    unlike = lambda other: sum(getattr(other.config, name) != given for name, given in mine.items())  # noqa: E731
    return min(same, key=unlike, default=None)


class _Plan:
    """The range of gains and the names, the same for screen and paper."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.means, self.pairs = table[table["kind"] == "mean"], table[table["kind"] == "pair"]
        inner = (min(0.0, float(table["gain"].min())), max(0.0, float(table["gain"].max())))
        reach = 0.8 * max(inner[1] - inner[0], 2.0)  # an interval of two pairs may be far wider than what was seen
        low = max(float(np.nanmin([inner[0], table["low"].astype(float).min()])), inner[0] - reach)
        high = min(float(np.nanmax([inner[1], table["high"].astype(float).max()])), inner[1] + reach)
        pad = 0.04 * (high - low)
        self.x = (low - pad, high + pad)
        self.cut = bool((self.means["low"] < self.x[0]).any() or (self.means["high"] > self.x[1]).any())
        self.heads = self.means.drop_duplicates("pane")[["pane", "place"]].assign(place=lambda rows: rows["place"] - 1)
        self.last = int(self.means["place"].max())


def tall_as(table: pd.DataFrame) -> int:
    """Least height of the picture on the screen, in pixels."""
    return ROW_PX * (int(table["place"].max()) + 1) + 84


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """Every cell; `pane_id` is not looked at."""
    plan = _Plan(table)
    left = max(text_width(short(name, LABEL_CHARS), 1.1 * 12.5) for name in table["method"]) + 14
    told = [said(row, with_n=plan.means["n"].nunique() > 1) for row in plan.means.itertuples()]  # one n for all stands in the caption
    right = max(text_width(one, 1.2 * 12) for one in told) + 10
    figure = go.Figure({"layout": {
        "height": max(height or 0, tall_as(table)), "margin": {"l": left, "r": right, "t": 30, "b": 46},
        "xaxis": {"range": plan.x, "gridcolor": theme.lines, "zeroline": False, "tickfont": {"color": theme.muted, "size": 12}, "fixedrange": True,
                  "title": {"text": _x_title(table), "font": {"size": 13, "color": theme.muted}, "standoff": 6}},
        "yaxis": {"range": (plan.last + 0.6, -0.7), "tickvals": plan.means["place"], "showgrid": False, "zeroline": False, "fixedrange": True,
                  "ticktext": [plotly_text(short(name, LABEL_CHARS)) for name in plan.means["method"]], "ticks": "",
                  "tickfont": {"size": 12.5, "color": theme.ink}},
        "title": {"text": "Gain over cross-entropy, same draws", "x": 0, "xref": "container", "y": 1, "yref": "container",
                  "yanchor": "top", "pad": {"t": 6, "l": 4}, "font": {"size": 13, "color": theme.ink, "weight": 600}},
        "showlegend": False, "hovermode": "closest", "dragmode": False, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }})  # fmt: skip
    figure.add_vline(x=0, line={"color": theme.muted, "width": 1.2})
    for head in plan.heads.itertuples():
        figure.add_annotation(x=0, xref="paper", xanchor="left", xshift=4 - left, y=head.place, yref="y", showarrow=False,
                              text=f"<b>{plotly_text(short(head.pane, 40))}</b>", font={"size": 12.5, "color": theme.muted})  # fmt: skip
    for words, row in zip(told, plan.means.itertuples(), strict=True):
        color, dots = readable(loss_color(row.loss), theme.ground, 2.5), plan.pairs[plan.pairs["place"] == row.place]
        hover = [f"{plotly_text(row.method)}, {plotly_text(row.pane)}<br>{gain:+.1f} points<br>{plotly_text(run)}"
                 for gain, run in zip(dots["gain"], dots["run"], strict=True)]  # fmt: skip
        figure.add_trace(go.Scatter(
            x=dots["gain"], y=dots["place"] + BELOW, mode="markers", marker={"color": rgba(color, 0.45), "size": 5}, hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ))  # fmt: skip
        if np.isfinite(row.low):
            figure.add_trace(go.Scatter(x=[row.low, row.high], y=[row.place] * 2, mode="lines", line={"color": color, "width": 2}, hoverinfo="skip"))
        figure.add_trace(go.Scatter(
            x=[row.gain], y=[row.place], mode="markers", marker={"color": color, "size": 10, "symbol": row.mark + ("-open" if row.n == 1 else "")},
            hovertext=[f"{plotly_text(row.method)}, {plotly_text(row.pane)}<br><b>{said(row)}</b>"], hovertemplate="%{hovertext}<extra></extra>",
        ))  # fmt: skip
        figure.add_annotation(x=1, xref="paper", xanchor="left", xshift=6, y=row.place, yref="y", showarrow=False, text=words,
                              font={"size": 12, "color": theme.ink})  # fmt: skip
    return figure


def _x_title(table: pd.DataFrame) -> str:
    return f"points of {number_word(table['metric'].iloc[0])}"


def said(row: Any, *, with_n: bool = True) -> str:
    """'+3.2 (−1.0 to +7.4), n = 5'."""
    if row.n == 1:
        return f"{row.gain:+.1f}, single pair".replace("-", "−")
    return (f"{row.gain:+.1f} ({row.low:+.1f} to {row.high:+.1f})" + (f", n = {row.n}" if with_n else "")).replace("-", "−")


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same rows at the preset's width. On a narrow sheet names and numbers stand above their rows instead of beside them."""
    with drawing():
        plan, size = _Plan(table), max(MIN_PT, preset.font_pt - 0.5)
        step = 1.75 * size / PT_PER_MM
        told = [said(row, with_n=plan.means["n"].nunique() > 1) for row in plan.means.itertuples()]  # one n for all stands in the caption
        right, names = max(width_mm(one, size) for one in told) + 1.5, list(plan.means["method"])
        stacked = preset.width_mm - right < 30
        if stacked:
            step, names = 1.8 * step, [trimmed(name, size, preset.width_mm - right - 2.0, limit=LABEL_CHARS) for name in names]
            left = right = 1.0
        else:
            names, left = beside(names, size, preset.width_mm - right - 2.5, limit=LABEL_CHARS)
            left += 2.5
        above, below = (0.25, 0.2) if stacked else (0.0, 0.0)  # of a row: words above, marks below its middle
        rows, foot = plan.last + 1, 4.2 * size / PT_PER_MM
        figure = canvas(preset.width_mm, rows * step + foot)
        box = Box(left, 0.5, preset.width_mm - left - right, rows * step)
        ax = plot_axes(figure, preset, box)
        ax.spines["left"].set_visible(False)
        ax.set(xlim=plan.x, ylim=(plan.last + 0.5, -0.5), yticks=[])
        ground = {"bbox": {"facecolor": "white", "linewidth": 0, "pad": 0.6}} if stacked else {}  # the line of no gain stops at words
        ax.axvline(0, color=PAPER.muted, linewidth=0.6)
        under = f"gain over cross-entropy, {_x_title(table)}"  # on screen that is the title
        under = under if width_mm(under, size) <= preset.width_mm else _x_title(table)
        middle = inside(box.left + box.width / 2, under, size, preset.width_mm)
        text(figure, middle, box.height + 0.75 * foot, under, size=size, ha="center", color=PAPER.muted)
        height = lambda place: 0.5 + (place + 0.5 - above) * step  # noqa: E731
        for head in plan.heads.itertuples():
            title = trimmed(head.pane, size, preset.width_mm - 1, limit=40, bold=True)
            text(figure, 0.5, height(head.place + (0.5 if stacked else 0)), title, size=size, va="center", weight="bold", **ground)
        for name, words, row in zip(names, told, plan.means.itertuples(), strict=True):
            color, dots = readable(loss_color(row.loss), PAPER.ground, 2.5), plan.pairs[plan.pairs["place"] == row.place]
            under = below + (0.15 if stacked else BELOW)
            ax.plot(dots["gain"], dots["place"] + under, linestyle="none", marker="o", markersize=1.7, markeredgewidth=0, color=color, alpha=0.6)
            ax.plot([row.low, row.high], [row.place + below] * 2, color=color, linewidth=1)
            ax.plot([row.gain], [row.place + below], marker=PAPER_MARKS[row.mark], markersize=3.5, markeredgewidth=0.7, color=color,
                    markerfacecolor="white" if row.n == 1 else color)  # fmt: skip
            text(figure, 1.0, height(row.place), name, size=size, va="center", **ground)
            text(figure, preset.width_mm - 0.3, height(row.place), words, size=size, va="center", ha="right", **ground)
    return figure


def caption(table: pd.DataFrame, runs: Sequence[Run]) -> str:
    """What a row is, with n, and what besides the loss differs."""
    means, first = table[table["kind"] == "mean"], table.iloc[0]
    unit = units_words(means["unit"].tolist())
    within = f", pairs within a {unit.partition(' or ')[0].removesuffix('s')} averaged" if (means["pairs"] > means["n"]).any() else ""
    bars = (f"Bars: Student's 95 % interval over {unit} ({n_words(means['n'].tolist())}){within}; dots: single pairs" if (means["n"] > 1).any()
            else "Every mark is a single pair of runs, so no interval can be given")  # fmt: skip
    found = members(runs, predictions_by=first["predictions_by"])
    unequal: dict[str, None] = {}
    for cell in dict.fromkeys(one.cell for one in found):
        own = [run for one in found if one.cell == cell for run in one.group.runs]
        unequal |= dict.fromkeys(unfair(own, [base_title(run.config) for run in own]))
    shown = [run for one in found for run in one.group.runs]
    lacking = f" {sentence}" if first["metric"] == "macro_f1" and (sentence := untested_sentence(shown)) else ""
    return (
        f"Gain of {number_word(first['metric'])} over cross-entropy in percentage points, paired by draw of the shots, seed and fold"
        f"{by_readout(first['predictions_by'])}. {bars}.{' Some bars reach beyond the frame.' if _Plan(table).cut else ''}"
        f"{''.join(' ' + sentence for sentence in list(unequal)[:2])}{lacking} {means['pairs'].sum():,.0f} pairs of runs."
    )


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    return "; ".join(f"{row.method}, {row.pane}: {said(row)}" for row in table[table["kind"] == "mean"].itertuples()) + "."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys([*table["method"], *table["pane"]]))
    return [found] if found else []
