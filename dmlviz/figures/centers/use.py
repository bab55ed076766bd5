"""How each class spreads over its centres: stacked bars with the effective number beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.centers.view import CenterInput, CenterView
from dmlviz.analysis.fairness import unfair
from dmlviz.figures.base.paper import CHART_MM, Box, axes, canvas, size_mm, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, mixed, readable
from dmlviz.figures.base.words import plotly_text, short, text_width, whole
from dmlviz.figures.centers.frame import MOST_CLASSES, by_size, counted, in_colour, name, pane_ids, titles, views
from dmlviz.figures.centers.map import _runs, notes
from dmlviz.figures.centers.paper import EDGE_MM, head_mm
from dmlviz.figures.maps.frame import LABEL_CHARS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_PX, HEAD_PX = 24, 46
ELSEWHERE = "nearer to another class"
COLUMNS = (
    "pane", "title", "loss", "counted", "rank", "label", "n", "center", "name", "segment", "count", "kept", "share", "hard", "soft", "attracted",
    "purity", "fit", "dead", "group", "effective", "effective_soft", "effective_merged", "merged", "merged_used", "dead_in_class", "class_purity",
    "centers", "color", "merge_distance",
)  # fmt: skip


def frame(inputs: Sequence[CenterInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Options: part, space, which, merge, focus."""
    label_names = [whole(label) for label in label_names]
    return frame_of(views(inputs, len(label_names), options), label_names, focus=options.get("focus", ()))


def frame_of(found: Sequence[CenterView], label_names: Sequence[str], *, focus: Sequence[str] = ()) -> pd.DataFrame:
    """One row per run, class and centre, and one more per class for its vectors that are nearer to another class's centre.

    `share` is the drawn length: kept vectors of n, so a class's segments sum to one. At most 20 classes, the focused ones or the largest.
    """
    label_names = [whole(label) for label in label_names]
    wanted, styles = in_colour(found, label_names, focus)
    shown = (wanted if focus else by_size(found, label_names))[:MOST_CLASSES]
    rows = []
    for view, title in zip(found, titles(found), strict=True):
        if view.report is None:
            continue
        drawn = [c for c in shown if view.report.n[c]]
        head = (view.run.id, title, view.run.config.loss, counted(view))
        for rank, c in enumerate(drawn):
            rows += [(*head, rank, *row) for row in _class_rows(view, c, label_names[c], styles[label_names[c]].color)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"label": object, "name": object, "segment": object})


def _class_rows(view: CenterView, c: int, label: str, color: str) -> list[tuple[Any, ...]]:
    report = view.report
    n, won = int(report.n[c]), int(report.attracted[c].sum())
    common = (float(report.effective[c]), float(report.effective_soft[c]), float(report.effective_merged[c]), int(report.merged[c]),
              int(report.merged_used[c]), int(report.dead[c].sum()), report.pure[c].sum() / won if won else np.nan,
              int(report.there[c].sum()), color, report.merge_distance)  # fmt: skip
    order = [k for k in np.argsort(-report.kept[c], kind="stable") if report.there[c, k]]
    rows = [
        (label, n, k + 1, name(label, k), "centre", int(report.counts[c, k]), int(report.kept[c, k]), report.kept[c, k] / n, report.hard[c, k],
         report.soft[c, k], int(report.attracted[c, k]), report.purity[c, k], report.fit[c, k], bool(report.dead[c, k]), int(report.groups[c, k]),
         *common)
        for k in order
    ]  # fmt: skip
    away = n - int(report.kept[c].sum())
    rest = (label, n, 0, f"{label}: {ELSEWHERE}", "elsewhere", away, away, away / n, np.nan, np.nan, 0, np.nan, np.nan, False, -1, *common)
    return [*rows, rest]


class Numbers(NamedTuple):
    """A column of numbers beside the bars."""

    title: str
    words: list[str]


def _classes(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop_duplicates("rank").sort_values("rank")


def numbers(rows: pd.DataFrame) -> list[Numbers]:
    """What stands beside the bars of one run: n, effective K, merged, dead, purity; with one centre a class, n and purity only."""
    table = _classes(rows)
    pure = Numbers("purity", ["–" if np.isnan(share) else f"{100 * share:.1f} %" for share in table["class_purity"]])
    n = Numbers("n", [f"{count:,}" for count in table["n"]])
    if len(table) == 0 or table["centers"].max() == 1:
        return [n, pure]
    effective = Numbers("eff. K", [f"{one:.1f} of {k}" for one, k in zip(table["effective"], table["centers"], strict=True)])
    merged = Numbers("merged", [f"{count}" for count in table["merged"]])
    return [n, effective, merged, Numbers("dead", [f"{count}" for count in table["dead_in_class"]]), pure]


def _shade(color: str, position: int, theme: Theme) -> str:
    """Neighbouring segments of a class differ; a line between them keeps them apart without colour."""
    return mixed(theme.shown(color), theme.ground, (0.0, 0.4, 0.2, 0.55)[position % 4])


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, width: int = 560) -> go.Figure:
    """One run's bars from zero to all of a class's vectors; each segment is a centre, the hatched rest is nearer to another class."""
    rows = table[table["pane"] == pane_id]
    classes, columns = _classes(rows), numbers(rows)
    wide = [max(text_width(one, 12.5) for one in (column.title, *column.words)) + 12 for column in columns]
    left = max([text_width(short(label, LABEL_CHARS), 13) for label in classes["label"]], default=0) + 10
    head = f"Each class by nearest own centre; {rows['counted'].iloc[0]}" if len(rows) else "No centres to show"
    title = {"text": plotly_text(head), "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 6, "l": 4},
             "font": {"size": 13, "color": theme.muted}}  # fmt: skip
    layout = {**_layout(theme, classes, left, sum(wide) + 4), "title": title, "annotations": _beside(columns, wide, theme)}
    return go.Figure(_segments(rows, theme, width - left - sum(wide)), layout)


def _beside(columns: list[Numbers], wide: list[float], theme: Theme) -> list[dict[str, Any]]:
    """The columns of numbers to the right of the bars, as annotations: added one by one they would take seconds."""
    found, at = [], 0.0
    for column, room in zip(columns, wide, strict=True):
        at += room
        common = {"x": 1, "xref": "paper", "xanchor": "right", "xshift": at, "yref": "y", "showarrow": False}
        found.append({**common, "y": -0.5, "yanchor": "bottom", "text": column.title, "font": {"size": 12, "color": theme.muted}})
        found += [{**common, "y": rank, "text": words, "font": {"size": 12.5, "color": theme.ink}} for rank, words in enumerate(column.words)]
    return found


def _segments(rows: pd.DataFrame, theme: Theme, room: float) -> list[go.Bar]:
    """The first segment of every class, then the second, ...; the hatched rest at the end."""
    drawn = rows[rows["share"] > 0]
    drawn = drawn.assign(position=drawn.groupby("rank").cumcount().where(drawn["segment"] == "centre", -1))
    own = drawn[drawn["position"] >= 0]
    found = [_bars(group, int(position), theme, room) for position, group in own.groupby("position")]
    rest = drawn[drawn["position"] < 0]
    if len(rest):
        found.append(_hatched(rest, theme))
    return found


def _bars(group: pd.DataFrame, position: int, theme: Theme, room: float) -> go.Bar:
    colors = [_shade(color, position, theme) for color in group["color"]]
    words = [str(row.center) if row.centers > 1 and row.share * room > 7 * len(str(row.center)) + 5 else "" for row in group.itertuples()]
    inks = ["#FFFFFF" if readable("#FFFFFF", color, 3) == "#FFFFFF" else "#111111" for color in colors]
    return go.Bar(
        x=group["share"].tolist(), y=group["rank"].tolist(), orientation="h", marker={"color": colors, "line": {"width": 1, "color": theme.ground}},
        hovertext=[_hover(row) for row in group.itertuples()], hovertemplate="%{hovertext}<extra></extra>", text=words, textposition="inside",
        insidetextanchor="middle", textangle=0, textfont={"size": 11, "color": inks}, name="segments",
    )  # fmt: skip


def _hatched(rest: pd.DataFrame, theme: Theme) -> go.Bar:
    pattern = {"shape": "/", "fgcolor": theme.muted, "size": 5, "solidity": 0.25}
    hover = [
        f"<b>{plotly_text(short(row.label, 60))}</b>: {row.count:,} of {row.n:,} nearer to another class's centre ({100 * row.share:.1f} %)"
        for row in rest.itertuples()
    ]
    return go.Bar(
        x=rest["share"].tolist(), y=rest["rank"].tolist(), orientation="h", name="elsewhere", hovertext=hover,
        marker={"color": theme.panel, "line": {"width": 1, "color": theme.lines}, "pattern": pattern}, hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _hover(row: Any) -> str:
    """A segment's name and numbers, escaped."""
    said = [
        f"<b>{plotly_text(short(row.name, 60))}</b>", f"chosen by {row.count:,} of {row.n:,} ({100 * row.hard:.1f} %), soft {100 * row.soft:.1f} %",
        f"{row.kept:,} of them nearer to it than to another class",
    ]  # fmt: skip
    if np.isfinite(row.purity):
        said.append(f"purity {100 * row.purity:.1f} % of {row.attracted:,}")
    return "<br>".join(said)


def _layout(theme: Theme, classes: pd.DataFrame, left: float, right: float) -> dict[str, Any]:
    return {
        "xaxis": {"range": (0, 1), "visible": False, "fixedrange": True},
        "yaxis": {"range": (len(classes) - 0.5, -0.5), "showgrid": False, "zeroline": False, "ticks": "", "ticklabelstandoff": 4, "fixedrange": True,
                  "tickvals": classes["rank"].tolist(), "ticktext": [plotly_text(short(label, LABEL_CHARS)) for label in classes["label"]],
                  "tickfont": {"size": 13, "color": theme.ink}},
        "barmode": "stack", "bargap": 0.22, "showlegend": False, "height": HEAD_PX + 4 + ROW_PX * max(len(classes), 1), "hovermode": "closest",
        "margin": {"l": left, "r": right, "t": HEAD_PX, "b": 4}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink}, "dragmode": False, "uniformtext": {"minsize": 9, "mode": "hide"},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


MARKS = (({"facecolor": "#9AA3AB", "edgecolor": "#FFFFFF"}, "a centre, by its number"),
         ({"facecolor": "#FFFFFF", "edgecolor": PAPER.lines, "hatch": "//////"}, ELSEWHERE))  # fmt: skip


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same bars, the runs below each other."""
    with drawing():
        ids, size = pane_ids(table), max(MIN_PT, preset.font_pt - 0.5)
        step, head = 1.55 * size / PT_PER_MM, head_mm(preset) + 1.5 * size / PT_PER_MM
        heights = [head + step * int((table["pane"] == one).sum() and _classes(table[table["pane"] == one]).shape[0]) for one in ids]
        under = 2.1 * size / PT_PER_MM + max(y for _, y in _key_spots(preset.width_mm, size))
        figure = canvas(preset.width_mm, max(sum(heights) + 1.5 * max(len(ids) - 1, 0) + under, 12))
        top = 0.0
        for one, height in zip(ids, heights, strict=True):
            _pane(figure, table[table["pane"] == one], top + head, step, size, preset)
            top += height + 1.5
        if ids:
            _key(figure, top, size)
        else:
            text(figure, preset.width_mm / 2, 6, "No centres to show", size=preset.font_pt, ha="center", color=PAPER.muted)
    return figure


def _pane(figure: Figure, rows: pd.DataFrame, top: float, step: float, size: float, preset: Preset) -> None:
    classes, columns = _classes(rows), numbers(rows)
    wide = [max(width_mm(one, size) for one in (column.title, *column.words)) + 0.9 * size / PT_PER_MM for column in columns]
    while len(wide) > 1 and preset.width_mm - sum(wide) - 2 * EDGE_MM - 1 < CHART_MM + 10:  # a narrow sheet: n alone, and the table has the rest
        columns, wide = columns[:-1], wide[:-1]
    names = max(min(0.32 * preset.width_mm, preset.width_mm - sum(wide) - 2 * EDGE_MM - 1 - CHART_MM), 9.0)
    labels = [trimmed(label, size, names) for label in classes["label"]]
    left = max(width_mm(label, size) for label in labels) + EDGE_MM + 1
    box = Box(left, top, preset.width_mm - left - sum(wide) - EDGE_MM, step * len(classes))
    ax = axes(figure, box)
    ax.set(xlim=(0, 1), ylim=(len(classes) - 0.5, -0.5))
    ax.set_axis_off()
    for rank, group in rows.groupby("rank"):
        _bar(ax, int(rank), group, box.width, size)
    at = left + box.width
    loss, title = rows["loss"].iloc[0], rows["title"].iloc[0]
    words = trimmed(f"{title}: {rows['counted'].iloc[0]}", preset.font_pt, preset.width_mm - 2 * EDGE_MM, bold=True)
    color = readable(loss_color(loss), PAPER.ground)
    text(figure, EDGE_MM, top - 1.75 * size / PT_PER_MM, words, size=preset.font_pt, weight="bold", color=color)
    for column, room in zip(columns, wide, strict=True):
        at += room
        text(figure, at, top - 0.45 * size / PT_PER_MM, column.title, size=size, ha="right", color=PAPER.muted)
        for rank, words in enumerate(column.words):
            text(figure, at, top + (rank + 0.5) * step, words, size=size, ha="right", va="center")
    for rank, label in enumerate(labels):
        text(figure, left - 1, top + (rank + 0.5) * step, label, size=size, ha="right", va="center")


def _bar(ax: Any, rank: int, group: pd.DataFrame, width: float, size: float) -> None:
    start = 0.0
    for position, row in enumerate(group.itertuples()):
        if row.share <= 0:
            continue
        if row.segment == "elsewhere":
            ax.barh(rank, row.share, left=start, height=0.76, color="#FFFFFF", edgecolor=PAPER.lines, hatch="//////", linewidth=0.3)
        else:
            color = _shade(row.color, position, PAPER)
            ax.barh(rank, row.share, left=start, height=0.76, color=color, edgecolor="#FFFFFF", linewidth=0.4)
            if row.centers > 1 and row.share * width > width_mm(str(row.center), MIN_PT) + 0.7:
                ink = "#FFFFFF" if readable("#FFFFFF", color, 3) == "#FFFFFF" else "#111111"
                text(ax, start + row.share / 2, rank, str(row.center), size=MIN_PT, ha="center", va="center", color=ink)
        start += row.share


def _key(figure: Figure, top: float, size: float) -> None:
    from matplotlib.patches import Rectangle

    width, height = size_mm(figure)
    em = size / PT_PER_MM
    for (style, words), (x, below) in zip(MARKS, _key_spots(width, size), strict=True):
        y = top + below
        figure.add_artist(Rectangle((x / width, 1 - (y + em) / height), 1.4 * em / width, 0.9 * em / height, linewidth=0.3, **style))
        text(figure, x + 1.9 * em, y + 0.55 * em, words, size=size, va="center", color=PAPER.ink)


def _key_spots(width: float, size: float) -> list[tuple[float, float]]:
    """(left, mm below the first line) of each of MARKS, wrapped to the width."""
    found, em, x, y = [], size / PT_PER_MM, EDGE_MM, 0.0
    for _, words in MARKS:
        room = 1.9 * em + width_mm(words, size)
        if x + room > width and x > EDGE_MM:
            x, y = EDGE_MM, y + 1.4 * em
        found.append((x, y))
        x += room + 1.3 * em
    return found


def caption(table: pd.DataFrame, inputs: Sequence[CenterInput] | Sequence[CenterView]) -> str:
    """What the bars are, how the numbers beside them are counted, and of which runs."""
    if table.empty:
        return "No centres to show."
    runs = [run for run in _runs(inputs) if run.id in set(table["pane"])]
    counts = "; ".join(f"{title}: {said}" for title, said in table.drop_duplicates("pane")[["title", "counted"]].itertuples(index=False))
    distance = table["merge_distance"].iloc[0]
    several = (
        " Eff. K is exp(entropy) of the hard occupancy; merged counts the centres left when those joined by cosine distances of at most "
        f"{distance:g} (single linkage) are one; dead ones are chosen by no vector."
        if table["centers"].max() > 1
        else " Every class has one centre."
    )
    unequal = "".join(f" {said}" for said in unfair(runs, list(dict.fromkeys(table["title"]))))
    return (
        f"How each class spreads over its centres ({counts}): segments are the vectors nearest to one of their own centres, hatched the share nearer "
        f"to another class's.{several} Purity: own class among the vectors a class's centres attract.{unequal} "
        f"Runs {', '.join(run.id for run in runs)}, single runs."
    )


def alt(table: pd.DataFrame, pane_id: str | None = None) -> str:
    """The bars in words."""
    rows = table if pane_id is None else table[table["pane"] == pane_id]
    if rows.empty:
        return "No centres to show."
    said = []
    for _, own in rows.groupby("pane", sort=False):
        each = "; ".join(f"{row.label} effective K {row.effective:.1f} of {row.centers}, {row.dead_in_class} dead (n = {row.n:,})"
                         for row in _classes(own).itertuples())  # fmt: skip
        said.append(f"Use of centres, {own['title'].iloc[0]}: {each}.")
    return " ".join(said)


__all__ = ["alt", "caption", "frame", "frame_of", "notes", "numbers", "pane_ids", "paper", "screen"]
