"""Which losses get the same texts wrong: a bar for every set of losses, the set marked below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.errors import MOST_SIDES, shared_errors
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.figures.base.paper import Box, axes, beside, canvas, lines_of, plot_axes, text
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, Theme, drawing, loss_color, readable
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width
from dmlviz.figures.reliability.lines import axis, layout, of_runs, side_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SETS = 15
NOBODY = "No test text is wrong in any of these runs"
COLUMNS = (
    "pane", "title", "loss", "set", "texts", "low", "high", "share", "independent", "member", "error", "n", "repetitions", "right_by_all", "left_out",
)  # fmt: skip


def frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per set of losses (the 15 largest that hold a text, by size) and loss: texts that just this set gets wrong, with interval and the
    number that independent errors would give; whether the loss is in it; the loss's own error rate. `right_by_all`: texts that nobody gets wrong."""
    found = sides(outcomes)
    shared, titles = shared_errors(found), side_titles(found)
    sets = shared.table[[len(wrong) > 0 and texts > 0 for wrong, texts in zip(shared.table["wrong"], shared.table["texts"], strict=True)]]
    nobody = shared.table[[len(wrong) == 0 for wrong in shared.table["wrong"]]].iloc[0]["texts"]
    rows = []
    for place, one in enumerate(sets.head(MOST_SETS).itertuples()):
        for i, (side, title) in enumerate(zip(found, titles, strict=True)):
            rows.append((side.runs[0].id, title, side.group.config.shown_loss, place, one.texts, one.low, one.high, one.share, one.independent,
                         i in one.wrong, shared.sizes[i], shared.n, shared.repetitions, nobody, max(0, len(sets) - MOST_SETS)))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _sets(table: pd.DataFrame) -> pd.DataFrame:
    """One row per set: its numbers, `losses` in words, `alone` where it is one loss."""
    rows = []
    for _, own in table.groupby("set", sort=True):
        members = own[own["member"]]
        rows.append({**own.iloc[0].to_dict(), "losses": ", ".join(members["title"]), "count": len(members), "color_of": members["loss"].iloc[0]})
    return pd.DataFrame(rows)


def _bar_color(one: dict, everybody: int, theme: Theme) -> str:
    if one["count"] == 1:
        return readable(loss_color(one["color_of"]), theme.ground, 3.0)
    return theme.ink if one["count"] == everybody else theme.muted


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """Bars by set, a tick where independent errors would lie, dots for the losses of the set."""
    if table.empty:
        figure = go.Figure({"layout": layout(theme, 120)}).update_xaxes(visible=False).update_yaxes(visible=False)
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text=NOBODY, font={"color": theme.muted, "size": 13})
        return figure
    bars, losses = _sets(table), table.drop_duplicates("pane")
    names = [f"{short(row.title, 26)}, {100 * row.error:.1f} %" for row in losses.itertuples()]
    matrix = 26 * len(losses)
    tall = height or 250 + matrix
    left = max(text_width(name, 12) for name in names) + 18
    figure = go.Figure({"layout": layout(theme, tall, l=round(left), b=6, t=12)})
    split = matrix / (tall - 18)
    width = min(0.62, 0.08 * len(bars))
    colors = [_bar_color(one, len(losses), theme) for one in bars.to_dict("records")]
    hover = [f"wrong by {plotly_text(one['losses'])} and no other<br><b>{one['texts']:,.1f}</b> of {one['n']:,} texts a repetition "
             f"({100 * one['share']:.1f} %)<br>{one['independent']:,.1f} if errors were independent" for one in bars.to_dict("records")]  # fmt: skip
    figure.add_trace(go.Bar(
        x=bars["set"], y=bars["texts"], marker={"color": colors}, width=width, hovertext=hover, hovertemplate="%{hovertext}<extra></extra>",
        error_y={"type": "data", "symmetric": False, "array": bars["high"] - bars["texts"], "arrayminus": bars["texts"] - bars["low"],
                 "thickness": 1, "width": 0, "color": theme.ink},
    ))  # fmt: skip
    figure.add_trace(go.Scatter(x=bars["set"], y=bars["independent"], mode="markers", hoverinfo="skip",
                                marker={"symbol": "line-ew", "size": 16, "line": {"width": 2, "color": theme.accent}}))  # fmt: skip
    for place, row in enumerate(losses.itertuples()):
        own = table[table["pane"] == row.pane].sort_values("set")
        color = readable(loss_color(row.loss), theme.ground, 3.0)
        figure.add_trace(go.Scatter(
            x=own["set"], y=[place] * len(own), yaxis="y2", mode="markers", hoverinfo="skip",
            marker={"size": 11, "color": [color if one else "rgba(0,0,0,0)" for one in own["member"]],
                    "line": {"width": 1, "color": [color if one else theme.lines for one in own["member"]]}},
        ))  # fmt: skip
    for own in (table[(table["set"] == place) & table["member"]] for place in bars["set"]):
        places = [list(losses["pane"]).index(pane) for pane in own["pane"]]
        if len(places) > 1:
            figure.add_shape(type="line", x0=own["set"].iloc[0], x1=own["set"].iloc[0], y0=min(places), y1=max(places), yref="y2", layer="below",
                             line={"color": theme.muted, "width": 1.5})  # fmt: skip
    figure.update_xaxes(visible=False, range=(-0.6, len(bars) - 0.4), fixedrange=True)
    ticks = [f'<span style="color:{readable(loss_color(row.loss), theme.ground)}">{plotly_text(name)}</span>'
             for row, name in zip(losses.itertuples(), names, strict=True)]  # fmt: skip
    figure.update_layout(
        yaxis=axis(theme, domain=(split + 0.03, 1), title_text="texts wrong by just these", rangemode="tozero", nticks=5, range=(0, _top(bars))),
        yaxis2=axis(theme, domain=(0, split), tickvals=list(range(len(losses))), ticktext=ticks, range=(len(losses) - 0.5, -0.5), showgrid=False),
    )
    return figure


def _top(bars: pd.DataFrame) -> float:
    """Room for bars and intervals; an interval of two draws may leave the picture."""
    most = float(bars[["texts", "independent"]].max().max())
    ends = bars["high"].max()
    return 1.06 * (min(float(ends), 1.6 * most) if np.isfinite(ends) else most)


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same bars and dots; as many sets as the width takes."""
    with drawing():
        size, losses = max(MIN_PT, preset.font_pt - 0.5), table.drop_duplicates("pane")
        if table.empty:
            figure = canvas(preset.width_mm, 20)
            text(figure, preset.width_mm / 2, 10, NOBODY, size=size, ha="center", color=PAPER.muted)
            return figure
        step = 1.45 * size / PT_PER_MM
        names, left = beside([f"{row.title}, {100 * row.error:.1f} %" for row in losses.itertuples()], size, preset.width_mm - 3, limit=34)
        left += 2
        words = f"Texts wrong by just these, of {int(table['n'].iloc[0]):,}; line: expected of independent errors"
        heading = lines_of(words, size, preset.width_mm - 1)
        more = step * (len(heading) - 1)
        bars = _sets(table[table["set"] < max(4, int((preset.width_mm - left - 1) / 3.6))])
        height = preset.height_mm or min(max(0.62 * preset.width_mm, 30), 60) + step * len(losses) + more
        figure, room = canvas(preset.width_mm, height), preset.width_mm - left - 1
        chart, top = height - step * (len(losses) + 1.4) - 1.5 - more, step + more
        ax = plot_axes(figure, preset, Box(left, top, room, chart))
        for one in bars.to_dict("records"):
            ax.bar(one["set"], one["texts"], width=min(0.62, 0.1 * len(bars)), color=_bar_color(one, len(losses), PAPER), linewidth=0)
            if np.isfinite(one["low"]):
                ax.plot([one["set"]] * 2, [one["low"], one["high"]], color=PAPER.lines if one["count"] == len(losses) else PAPER.ink, linewidth=0.6)
            ax.plot([one["set"] - 0.42, one["set"] + 0.42], [one["independent"]] * 2, color=PAPER.accent, linewidth=1.2)
        ax.set(xlim=(-0.6, len(bars) - 0.4), ylim=(0, _top(bars)), xticks=[])
        for i, words in enumerate(heading):
            text(figure, 0.5, (0.7 + i) * step, words, size=size, color=PAPER.muted)
        dots = axes(figure, Box(left, top + chart + 0.8, room, step * len(losses)))
        dots.set(xlim=(-0.6, len(bars) - 0.4), ylim=(len(losses) - 0.5, -0.5))
        dots.set_axis_off()
        _dots(figure, dots, table[table["set"] < len(bars)], losses, names, Box(left, top + chart + 0.8, room, step), size)
    return figure


def _dots(figure: Figure, dots, table: pd.DataFrame, losses: pd.DataFrame, names: Sequence[str], box: Box, size: float) -> None:
    panes = list(losses["pane"])
    for place, own in table[table["member"]].groupby("set"):
        at = [panes.index(pane) for pane in own["pane"]]
        dots.plot([place] * 2, [min(at), max(at)], color=PAPER.muted, linewidth=0.8, zorder=1)
    for i, row in enumerate(losses.itertuples()):
        own, color = table[table["pane"] == row.pane], readable(loss_color(row.loss), PAPER.ground)
        dots.scatter(own["set"], [i] * len(own), s=12, c=[color if one else "white" for one in own["member"]],
                     edgecolors=[color if one else PAPER.lines for one in own["member"]], linewidths=0.5, zorder=2)  # fmt: skip
        text(figure, box.left - 1, box.top + (i + 0.5) * box.height, names[i], size=size, ha="right", va="center", color=color)


def caption(table: pd.DataFrame, outcomes: Sequence[Outcome]) -> str:
    """What a bar counts, what everyone gets right or wrong, and of which runs."""
    found = sides(outcomes)
    if table.empty:
        return f"{NOBODY}. {of_runs(found, side_titles(found), intervals='')}"
    first, bars = table.iloc[0], _sets(table)
    everybody = bars[bars["count"] == table["pane"].nunique()]
    together = "".join(f", {row.texts:,.0f} wrong by all ({row.independent:,.0f} if errors were independent)" for row in everybody.itertuples())
    left = f"; {first['left_out']} smaller sets left out" if first["left_out"] else ""
    times = f"mean over the {first['repetitions']} draws of all" if first["repetitions"] > 1 else "on the one draw of all"
    spread = " 95 % intervals: Student's over draws." if first["repetitions"] > 1 else ""
    return (f"Test texts by the losses that get them wrong ({times}{left}): of {first['n']:,} texts {first['right_by_all']:,.0f} are right by all"
            f"{together}. Beside each loss its error rate. Blue lines: expected of independent errors.{spread} "
            f"{of_runs(found, side_titles(found), intervals='')}")  # fmt: skip


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    if table.empty:
        return f"{NOBODY}."
    said = [f"{row.texts:,.0f} by {row.losses}" for row in _sets(table).head(4).itertuples()]
    return f"Texts wrong by just these losses: {'; '.join(said)}; {table.iloc[0]['right_by_all']:,.0f} right by all."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []


__all__ = ["MOST_SIDES", "alt", "caption", "frame", "notes", "paper", "screen"]
