"""What each support text does to a run, on its map and as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.influence import Floor, Retrained, floor, in_words, influence
from dmlviz.core.types import InputError, Pane, TextDataset
from dmlviz.figures.base.paper import Box, axes, beside, canvas, inside, lines_of, plot_axes, text
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, Theme, drawing, readable, run_titles
from dmlviz.figures.base.words import drawable, excerpt, missing_glyphs, plotly_lines, plotly_text, short, text_width, whole
from dmlviz.figures.reliability.lines import axis, layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELPS, HURTS = "#0072B2", "#D55E00"  # blue and orange, and triangles up and down
MOST_BARS = 12  # at each end
TEXT_CHARS, SCREEN_CHARS = 30, 32
COLUMNS = ("pane", "kind", "row_id", "x", "y", "effect", "low", "high", "lost", "won", "chosen", "chosen_n", "label", "text", "band", "words")


class InfluenceInput(NamedTuple):
    """A run's pane and its retrained neighbours."""

    pane: Pane
    found: Retrained

    @property
    def run(self):
        return self.pane.run


def frame(given: InfluenceInput, dataset: TextDataset, *, chosen: tuple[str, ...] = ()) -> pd.DataFrame:
    """One row per support text left out ("support") and per test text ("test", only a place). `chosen`: row ids of test texts whose gold class's
    probability is looked at. Raises InputError where no run without a text is there.
    """
    if strange := [row for row in chosen if not str(row).isdecimal()]:
        raise InputError(f"chosen={str(strange[0])[:40]!r} is not accepted; name test texts by their row ids, separated by commas")
    table, beneath = influence(given.found, [int(row) for row in chosen]), floor(given.found)
    if table.empty:
        raise InputError(f"no run that leaves out a support text of {given.run.id} is finished; start it on the Reliability page under Influence")
    where = {int(row): place for row, place in zip(given.pane.projection.row_ids, given.pane.projection.points[:, :2], strict=True)}
    names = [whole(name) for name in dataset.label_names]
    table["x"], table["y"] = (np.array([where[row][i] for row in table["row_id"]]) for i in (0, 1))
    table["text"], table["label"] = [excerpt(dataset.texts[row]) for row in table["row_id"]], [names[i] for i in table["label"]]
    test = given.pane.roles == "test"
    places = pd.DataFrame({"row_id": given.pane.projection.row_ids[test], "x": given.pane.projection.points[test, 0],
                           "y": given.pane.projection.points[test, 1], "kind": "test"})  # fmt: skip
    both = pd.concat([table.assign(kind="support"), places], ignore_index=True)
    return both.assign(pane=given.run.id, band=beneath.band, words=in_words(table, beneath)).reindex(columns=list(COLUMNS))


def _support(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["kind"] == "support"]


def _shown(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows that have a bar, and how many in the middle have none."""
    rows = _support(table)
    if len(rows) <= 2 * MOST_BARS:
        return rows, 0
    return pd.concat([rows.head(MOST_BARS), rows.tail(MOST_BARS)]), len(rows) - 2 * MOST_BARS


def screen(table: pd.DataFrame, pane_id: str = "map", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """`pane_id` "map": the support texts where they lie; "bars": the most helpful and the most harmful."""
    return _map(table, theme, height or 430) if pane_id != "bars" else _bars(table, theme, height)


def _hover(row: Any) -> str:
    chosen = f"<br>gold probability on the chosen texts {row.chosen:+.3f} (n = {int(row.chosen_n)})" if np.isfinite(row.chosen) else ""
    return (
        f"{plotly_lines(row.text)}<br><b>{plotly_text(row.label)}</b> · {row.effect:+.2f} points ({row.low:+.2f} to {row.high:+.2f})"
        f"<br>left out: {int(row.lost)} test texts lost, {int(row.won)} won{chosen}"
    )


def _map(table: pd.DataFrame, theme: Theme, height: int) -> go.Figure:
    test, rows = table[table["kind"] == "test"], _support(table)
    figure = go.Figure({"layout": layout(theme, height, l=6, r=6, t=6, b=6)})
    figure.add_trace(go.Scattergl(x=test["x"], y=test["y"], mode="markers", marker={"size": 3.5, "color": theme.muted, "opacity": 0.35},
                                  hoverinfo="skip"))  # fmt: skip
    largest = float(rows["effect"].abs().max()) or 1.0
    for up in (True, False):
        own = rows[(rows["effect"] >= 0) == up]
        figure.add_trace(go.Scatter(
            x=own["x"], y=own["y"], mode="markers", customdata=own["row_id"].tolist(),
            marker={"symbol": "triangle-up" if up else "triangle-down", "color": readable(HELPS if up else HURTS, theme.ground, 4.0),
                    "size": (7 + 14 * np.sqrt(own["effect"].abs() / largest)).tolist(), "line": {"color": theme.ground, "width": 1}},
            hovertext=[_hover(row) for row in own.itertuples()], hovertemplate="%{hovertext}<extra></extra>",
        ))  # fmt: skip
    none = {"visible": False, "fixedrange": False}
    return figure.update_xaxes(**none).update_yaxes(**none, scaleanchor="x")


def _bars(table: pd.DataFrame, theme: Theme, height: int | None) -> go.Figure:
    rows, left = _shown(table)
    names = [_name(row) for row in rows.itertuples()]
    room = max(text_width(name, 1.2 * 12) for name in names) + 16
    figure = go.Figure({"layout": layout(theme, height or max(430, 21 * len(rows) + 70), l=round(room), r=10, t=28, b=44)})
    at, colors = list(range(len(rows))), [readable(HELPS if one >= 0 else HURTS, theme.ground, 3.5) for one in rows["effect"]]
    band = float(table["band"].iloc[0])
    if np.isfinite(band):
        figure.add_vrect(x0=-band, x1=band, fillcolor=theme.muted, opacity=0.16, line_width=0)
        figure.add_annotation(x=0, y=1, yref="paper", yanchor="bottom", showarrow=False, text="another seed, 95 %",
                              font={"color": theme.muted, "size": 12})  # fmt: skip
    figure.add_trace(go.Bar(
        y=at, x=rows["effect"], orientation="h", marker={"color": colors}, hovertext=[_hover(row) for row in rows.itertuples()],
        hovertemplate="%{hovertext}<extra></extra>", width=0.55,
        error_x={"type": "data", "symmetric": False, "array": rows["high"] - rows["effect"], "arrayminus": rows["effect"] - rows["low"],
                 "color": theme.muted, "thickness": 1, "width": 0},
    ))  # fmt: skip
    figure.add_vline(x=0, line={"color": theme.ink, "width": 1})
    title = f"effect, points; {left} texts between not shown" if left else "effect on accuracy, points"
    figure.update_xaxes(**axis(theme, title_text=title))
    ticks = {"tickvals": at, "ticktext": [plotly_text(name) for name in names]}
    return figure.update_yaxes(**axis(theme, **ticks, range=(len(rows) - 0.4, -0.6), showgrid=False))


def _name(row: Any) -> str:
    return f"{'▲' if row.effect >= 0 else '▼'} {short(row.text, SCREEN_CHARS)} · {short(row.label, 14)}"


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """Bars with the band of other seeds, and the map beside or above them."""
    with drawing():
        size, (rows, left) = max(MIN_PT, preset.font_pt - 0.5), _shown(table)
        step = 1.45 * size / PT_PER_MM
        chars = TEXT_CHARS
        names = [drawable(f"{short(row.text, chars)} · {short(row.label, 12)}")[0] for row in rows.itertuples()]
        wide = preset.width_mm >= 120
        side = min(preset.width_mm * 0.38, 70.0) if wide else min(preset.width_mm, 60.0)
        tall = step * len(rows)
        top, begin = (0.0, side + 3) if wide else (side + 2, 0.0)
        names, room = beside(names, size, preset.width_mm - begin - 3.5, limit=60)
        room += 2
        words = "effect on accuracy, points" + (f"; {left} texts between not shown" if left else "")
        below = lines_of(words, size, preset.width_mm - begin - 2)
        figure = canvas(preset.width_mm, max(top + tall + (3.3 + len(below)) * step, side if wide else 0.0))
        _paper_map(figure, table, Box(0.3 if wide else (preset.width_mm - side) / 2, 0.3, side - 0.6, side - 0.6))
        box = Box(begin + room, top + 1.3 * step, preset.width_mm - begin - room - 1.5, tall)
        ax = plot_axes(figure, preset, box)
        ax.spines["left"].set_visible(False)
        at, band = np.arange(len(rows)), float(table["band"].iloc[0])
        if np.isfinite(band):
            ax.axvspan(-band, band, color=PAPER.lines, alpha=0.45, linewidth=0)
            grey = "grey: another seed, 95 %"
            middle = inside(box.left + box.width / 2, grey, size, preset.width_mm)
            text(figure, middle, top + 0.9 * step, grey, size=size, ha="center", color=PAPER.muted)
        colors = [HELPS if one >= 0 else HURTS for one in rows["effect"]]
        ax.barh(at, rows["effect"], height=0.55, color=colors)
        ax.hlines(at, rows["low"], rows["high"], color=PAPER.ink, linewidth=0.4)
        ax.axvline(0, color=PAPER.ink, linewidth=0.5)
        ax.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
        for i, name in enumerate(names):
            text(figure, begin + room - 1, box.top + (i + 0.5) * step, name, size=size, ha="right", va="center")
        for i, words in enumerate(below):
            text(figure, preset.width_mm - 1, box.top + tall + (2.4 + i) * step, words, size=size, ha="right", color=PAPER.muted)
    return figure


def _paper_map(figure: Figure, table: pd.DataFrame, box: Box) -> None:
    ax = axes(figure, box)
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    ax.set(xticks=[], yticks=[])
    test, rows = table[table["kind"] == "test"], _support(table)
    ax.scatter(test["x"], test["y"], s=1.2, c=PAPER.muted, alpha=0.35, linewidths=0, rasterized=len(test) > 5000)
    largest = float(rows["effect"].abs().max()) or 1.0
    for up, mark in ((True, "^"), (False, "v")):
        own = rows[(rows["effect"] >= 0) == up]
        sizes, color = 5 + 40 * own["effect"].abs() / largest, HELPS if up else HURTS
        ax.scatter(own["x"], own["y"], s=sizes, marker=mark, c=color, edgecolors="white", linewidths=0.4)
    ax.set_aspect("equal", adjustable="datalim")


def caption(table: pd.DataFrame, given: InfluenceInput) -> str:
    """What was done, of which run, and what may be read from it."""
    title = run_titles([given.run.config])[0]
    return (
        f"{title}, run {given.run.id}, trained again without each of {len(_support(table)):,} support texts, all else equal. Effect: accuracy with "
        f"the text minus accuracy without it, in points; lines: Student's 95 % interval over test texts. Blue, upwards: helps; orange, downwards: "
        f"hurts; larger: more. {table['words'].iloc[0]}"
    )


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    rows, _ = _shown(table)
    return "; ".join(f"{short(row.text, 40)}: {row.effect:+.2f} points" for row in rows.itertuples()) + "."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys([*_support(table)["text"], *_support(table)["label"]]))
    return [found] if found else []


__all__ = ["Floor", "InfluenceInput", "alt", "caption", "frame", "notes", "paper", "screen"]
