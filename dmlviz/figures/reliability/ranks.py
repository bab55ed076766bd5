"""Methods ranked over data sets, with Nemenyi's critical difference where there are enough data sets to test (Demšar 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.intervals import units
from dmlviz.analysis.reliability.ranking import FEWEST_SETS, cliques, rank
from dmlviz.core.types import InputError, Run
from dmlviz.figures.base.paper import Box, axes, canvas, lines_of, tell, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short
from dmlviz.figures.reliability.frame import (
    OPTIONS,
    PAPER_MARKS,
    Member,
    by_readout,
    comparable_members,
    draws_words,
    members,
    number_word,
    rows_words,
    values,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FRAME_OPTIONS = OPTIONS
LABEL_CHARS = 34


def frame(runs: Sequence[Run], *, metric: str = "accuracy", predictions_by: str = "") -> pd.DataFrame:
    """One row per method, best mean rank first. A method's number on a data set is its mean over the shots, and at each over the draws, that all
    methods have there; methods that are not on every data set are left out and counted. Raises InputError where fewer than two methods share two
    data sets."""
    found = members(runs, predictions_by=predictions_by)
    sets = list(dict.fromkeys(one.panel for one in found))
    shared = [method for method in dict.fromkeys(one.method for one in found) if {one.panel for one in found if one.method == method} == set(sets)]
    if len(sets) < 2 or len(shared) < 2:
        raise InputError(
            f"ranks take two methods on two data sets; here {len(shared)} methods stand on all {len(sets)} data sets, so pick more of them"
        )
    kept, _, apart = comparable_members([one for one in found if one.method in shared])
    kept = [one for one in kept if (one.panel, one.config.shots) not in apart]
    table = np.array([_numbers([one for one in kept if one.panel == name], shared, metric, predictions_by) for name in sets])  # (N, K)
    if not np.isfinite(table).all():
        raise InputError("on one of the data sets the methods have no number of shots with two draws in common, so they cannot be ranked; train the "
                         "missing ones")  # fmt: skip
    result, order = rank(table), np.argsort(rank(table).ranks, kind="stable")
    first = {one.method: one for one in kept}
    return pd.DataFrame([
        {"pane": "ranks", "method": shared[i], "loss": first[shared[i]].loss, "mark": first[shared[i]].mark, "place": place, "rank": result.ranks[i],
         "sets": result.sets, "data": ", ".join(sets), "friedman": result.friedman, "critical": result.critical, "mean": table[:, i].mean(),
         "left_out": len({one.method for one in found}) - len(shared), "metric": metric, "predictions_by": predictions_by}
        for place, i in enumerate(order)
    ])  # fmt: skip


def _numbers(own: Sequence[Member], methods: Sequence[str], metric: str, predictions_by: str) -> list[float]:
    """Each method's mean over the shots that all have; NaN where there are none."""
    shots = set.intersection(*({one.config.shots for one in own if one.method == method} for method in methods))
    means = [[_mean(one, metric, predictions_by) for one in own if one.method == method and one.config.shots in shots]
             for method in methods]  # fmt: skip
    return [float(np.mean(found)) if found else float("nan") for found in means]


def _mean(one: Member, metric: str, predictions_by: str) -> float:
    """Over draws, as in every table: a draw that was trained with several seeds counts once."""
    return float(units(one.group.runs).means(values(one.group.runs, metric, predictions_by)).mean())


def _bars(table: pd.DataFrame) -> list[tuple[float, float]]:
    """(least, most rank) of methods that the critical difference does not tell apart."""
    critical = float(table["critical"].iloc[0])
    ranks = table["rank"].to_numpy(dtype=float)
    return [(ranks[first], ranks[last]) for first, last in cliques(ranks, critical)] if np.isfinite(critical) else []


def _line(table: pd.DataFrame, *, brief: bool = False) -> str:
    sets, critical = int(table["sets"].iloc[0]), float(table["critical"].iloc[0])
    if np.isnan(critical):
        return f"{sets} of at least {FEWEST_SETS} data sets: ranks alone, no test"
    if brief:
        return f"critical difference {critical:.2f}, N = {sets} data sets"
    return f"critical difference {critical:.2f} (Nemenyi, 5 %); Friedman p = {table['friedman'].iloc[0]:.2g}; N = {sets} data sets"


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """Mean ranks on one axis, best on the left; bars join what is not told apart."""
    methods, bars = len(table), _bars(table)
    figure = go.Figure({"layout": {
        "height": height or 120 + 26 * methods, "margin": {"l": 10, "r": 10, "t": 34, "b": 40}, "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink}, "showlegend": False, "dragmode": False,
        "xaxis": {"range": (0.7, methods + 1.3), "tickvals": list(range(1, methods + 1)), "gridcolor": theme.lines, "zeroline": False,
                  "fixedrange": True, "tickfont": {"color": theme.muted, "size": 12},
                  "title": {"text": "mean rank, 1 is best", "font": {"size": 13, "color": theme.muted}, "standoff": 6}},
        "yaxis": {"range": (methods - 0.4, -0.8 - 0.35 * len(bars)), "visible": False, "fixedrange": True},
        "title": {"text": _line(table), "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 6, "l": 4},
                  "font": {"size": 13, "color": theme.ink}},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }})  # fmt: skip
    for i, (least, most) in enumerate(bars):
        figure.add_trace(go.Scatter(x=[least - 0.05, most + 0.05], y=[-0.55 - 0.35 * i] * 2, mode="lines", line={"color": theme.ink, "width": 4},
                                    hovertext="not told apart", hovertemplate="%{hovertext}<extra></extra>"))  # fmt: skip
    for row in table.itertuples():
        color = readable(loss_color(row.loss), theme.ground, 2.5)
        words = f"{plotly_text(short(row.method, LABEL_CHARS))}  {row.rank:.2f}"
        figure.add_trace(go.Scatter(
            x=[row.rank], y=[row.place], mode="markers", marker={"color": color, "size": 11, "symbol": row.mark},
            hovertext=[f"<b>{plotly_text(row.method)}</b><br>mean rank {row.rank:.2f} over {row.sets} data sets<br>mean {row.mean:.1f} %"],
            hovertemplate="%{hovertext}<extra></extra>",
        ))  # fmt: skip
        left = row.rank > (methods + 1) / 2
        figure.add_annotation(x=row.rank, y=row.place, showarrow=False, text=words, xanchor="right" if left else "left", xshift=-10 if left else 10,
                              font={"size": 13, "weight": 600, "color": readable(loss_color(row.loss), theme.ground)})  # fmt: skip
    return figure


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The critical-difference diagram: an axis of ranks, a lead from each method to its name, bars under the axis."""
    with drawing():
        size, methods, bars = max(MIN_PT, preset.font_pt - 0.5), len(table), _bars(table)
        step, top = 1.7 * size / PT_PER_MM, 4.6 * size / PT_PER_MM
        number, most = width_mm(" 9.99", size), 0.5 * (preset.width_mm - max(24.0, 0.3 * preset.width_mm)) - 3  # mm beside the axis, on each side
        stacked = most - number < 12
        if stacked:  # a narrow sheet: the rank below its name, a shorter axis
            step, most = 1.75 * step, 0.5 * (preset.width_mm - 14) - 3
        room, gap = (most, "\n") if stacked else (most - number, " ")
        names = [f"{trimmed(row.method, size, room, limit=LABEL_CHARS)}{gap}{row.rank:.2f}" for row in table.itertuples()]
        left = max(width_mm(part, size) for name in names for part in name.split("\n")) + 3
        half = -(-methods // 2)
        heading = lines_of(_line(table, brief=True), size, preset.width_mm - 1)
        line = 1.7 * size / PT_PER_MM
        top += line * (len(heading) - 1)
        under = 2.0 + 1.4 * len(bars)
        figure = canvas(preset.width_mm, top + under + half * step + 1)
        ax = axes(figure, Box(0, 0, preset.width_mm, top + under + half * step + 1), frame=False)
        at = lambda value: left + (value - 1) / max(methods - 1, 1) * (preset.width_mm - 2 * left)  # noqa: E731
        for i, words in enumerate(heading):
            text(figure, 0.5, (0.9 + i) * line, words, size=size, color=PAPER.muted)
        ax.plot([at(1), at(methods)], [top] * 2, color=PAPER.ink, linewidth=0.7)
        for tick in range(1, methods + 1):
            ax.plot([at(tick)] * 2, [top - 0.8, top], color=PAPER.ink, linewidth=0.7)
            text(figure, at(tick), top - 1.2, str(tick), size=size, ha="center")
        for i, (least, most) in enumerate(bars):
            ax.plot([at(least) - 0.6, at(most) + 0.6], [top + 1.2 + 1.4 * i] * 2, color=PAPER.ink, linewidth=2, solid_capstyle="round")
        for row in table.itertuples():
            on_left = row.place < half
            y = top + under + step * (row.place if on_left else methods - 1 - row.place) + 0.5 * step
            color, edge = readable(loss_color(row.loss), PAPER.ground, 2.5), left - 2 if on_left else preset.width_mm - left + 2
            ax.plot([at(row.rank), at(row.rank), edge], [top, y, y], color=color, linewidth=0.8)
            ax.plot([at(row.rank)], [top], marker=PAPER_MARKS[row.mark], markersize=3.5, color=color, markeredgewidth=0)
            tell(figure, row.method, loss_color(row.loss), row.mark)
            text(figure, edge + (-0.6 if on_left else 0.6), y, names[row.place], size=size, va="center", ha="right" if on_left else "left",
                 color=readable(loss_color(row.loss), PAPER.ground))  # fmt: skip
    return figure


def caption(table: pd.DataFrame, runs: Sequence[Run]) -> str:
    """Over what was ranked, by which test, or why by none."""
    first, sets = table.iloc[0], int(table["sets"].iloc[0])
    tested = (f"Methods joined by a bar are not told apart by Nemenyi's test at 5 % (critical difference {first['critical']:.2f}); Friedman's test "
              f"by permutation p = {first['friedman']:.2g}." if np.isfinite(first["critical"])
              else f"With {sets} data sets no test is made: it takes {FEWEST_SETS}.")  # fmt: skip
    ranked = set(table["method"])
    own = [one for one in members(runs, predictions_by=first["predictions_by"]) if one.method in ranked]
    shown, singles = [run for one in own for run in one.group.runs], [f"{one.method} on {one.cell}" for one in own if one.group.lone]
    lone = "" if len(singles) in (0, len(own)) else f" Single runs stand beside means over draws: {'; '.join(singles[:3])}{_more(singles, 3)}."
    left = f" {int(first['left_out'])} methods that are not on every data set are left out." if first["left_out"] else ""
    return (
        f"Mean rank by {number_word(first['metric'])}{by_readout(first['predictions_by'])} over {sets} data sets ({first['data']}), each the mean "
        f"over the shots that all methods share and over their draws. {tested}{left}{lone}{draws_words(shown, first['predictions_by'])}"
        f"{rows_words(shown, first['metric'], first['predictions_by'])}"
    )


def _more(found: Sequence[str], shown: int) -> str:
    return f" and {len(found) - shown} more" if len(found) > shown else ""


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    return "Mean ranks: " + ", ".join(f"{row.method} {row.rank:.2f}" for row in table.itertuples()) + f". {_line(table)}."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["method"]))
    return [found] if found else []
