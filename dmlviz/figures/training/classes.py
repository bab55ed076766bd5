"""How many texts each class has, and in which part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.core.types import Split, TextDataset
from dmlviz.figures.base.paper import Box, beside, canvas, plot_axes, size_mm, text, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, mixed
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width, whole
from dmlviz.figures.maps.frame import LABEL_CHARS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 20
PART_TITLES = {"train": "training", "val": "validation", "test": "test", "support": "support", "validation": "validation"}
ROW_PX, HEAD_PX = 19, 28


def frame(dataset: TextDataset, split: Split | None = None) -> pd.DataFrame:
    """One row per class and part, the largest class first; of a split, its support, validation and test.

    Above 20 classes the smallest share one row: "and 33 smaller classes".
    """
    if split is None:
        parts, labels, order = np.asarray(dataset.parts), np.asarray(dataset.labels), ("train", "val", "test")
    else:
        parts, labels, order = split.roles, np.asarray(dataset.labels)[split.row_ids], ("support", "validation", "test")
    names = [whole(name) for name in dataset.label_names]
    counts = {part: np.bincount(labels[parts == part], minlength=len(names)) for part in order if (parts == part).any()}
    total = sum(counts.values(), np.zeros(len(names), dtype=int))
    ranked = sorted(range(len(names)), key=lambda i: -int(total[i]))  # ties in the order of the classes
    shown, rest = (ranked, []) if len(names) <= MOST_ROWS else (ranked[: MOST_ROWS - 1], ranked[MOST_ROWS - 1 :])
    groups = [(names[i], [i]) for i in shown] + ([(f"and {len(rest)} smaller classes", rest)] if rest else [])
    rows = [
        (rank, name, len(members), PART_TITLES[part], int(counts[part][members].sum()), int(total[members].sum()))
        for rank, (name, members) in enumerate(groups)
        for part in counts
    ]
    return pd.DataFrame(rows, columns=["rank", "label", "classes", "part", "count", "total"])


def _parts(table: pd.DataFrame, theme: Theme) -> dict[str, str]:
    """Part -> colour: the accent for what trains, paler for what only judges."""
    shades = [theme.accent, mixed(theme.accent, theme.ground, 0.4), mixed(theme.other, theme.ground, 0.15)]
    known = {"training": shades[0], "support": shades[0], "validation": shades[1], "test": shades[2]}
    return {part: known[part] for part in dict.fromkeys(table["part"])}


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates("rank").sort_values("rank")


def screen(table: pd.DataFrame, *, theme: Theme = LIGHT) -> go.Figure:
    """Stacked bars from zero, one row per class, the total at the end."""
    rows, parts = _rows(table), _parts(table, theme)
    figure = go.Figure(_layout(rows, theme))
    for part, color in parts.items():
        group = table[table["part"] == part].sort_values("rank")
        hover = [f"{plotly_text(label)}<br>{count:,} {part} texts" for label, count in zip(group["label"], group["count"], strict=True)]
        figure.add_trace(go.Bar(
            x=group["count"], y=group["rank"], orientation="h", name=part, marker={"color": color, "line": {"width": 0}},
            hovertext=hover, hovertemplate="%{hovertext}<extra></extra>", textposition="none",
        ))  # fmt: skip
    for row in rows.itertuples():
        figure.add_annotation(x=row.total, y=row.rank, text=f"{row.total:,}", xanchor="left", xshift=3, showarrow=False,
                              font={"size": 12, "color": theme.muted})  # fmt: skip
    words = " ".join(f'<span style="color:{color}">■</span> {part}' for part, color in parts.items()) or "No texts to count"
    figure.add_annotation(x=0, xref="paper", y=1, yref="paper", yanchor="bottom", xanchor="left", yshift=4, showarrow=False,
                          text=f"Texts per class: {words}" if parts else words, font={"size": 13, "color": theme.muted})  # fmt: skip
    return figure


def _layout(rows: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    most = float(rows["total"].max()) if len(rows) else 1.0
    widest = max([text_width(short(label, LABEL_CHARS + 4), 13) for label in rows["label"]], default=0)
    layout = {
        "xaxis": {"range": (0, 1.2 * max(most, 1)), "visible": False},
        "yaxis": {"range": (len(rows) - 0.4, -0.6), "showgrid": False, "zeroline": False, "ticklabelstandoff": 5, "ticks": "",
                  "tickvals": rows["rank"].tolist(),
                  "ticktext": [plotly_text(short(label, LABEL_CHARS + 4)) for label in rows["label"]], "tickfont": {"size": 13, "color": theme.ink}},
        "barmode": "stack", "bargap": 0.28, "showlegend": False, "height": HEAD_PX + 6 + ROW_PX * max(len(rows), 3), "hovermode": "closest",
        "margin": {"l": widest + 13, "r": 4, "t": HEAD_PX, "b": 6}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink}, "dragmode": False,
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip
    return {"layout": layout}


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same bars at the preset's width."""
    with drawing():
        rows, parts = _rows(table), _parts(table, PAPER)
        size = max(MIN_PT, preset.font_pt - 0.5)
        step, head = 1.5 * size / PT_PER_MM, 2.0 * size / PT_PER_MM
        keys = _keys(parts, preset.width_mm, size)
        more = max(y for _, _, _, y in keys)
        head += more
        figure = canvas(preset.width_mm, head + step * max(len(rows), 2) + 1)
        names, left = beside(rows["label"], size, preset.width_mm - 2.5, limit=LABEL_CHARS + 4)
        left += 2
        number = max([width_mm(f" {total:,}", size) for total in rows["total"]], default=0) + 0.3
        ax = plot_axes(figure, preset, box := Box(left, head, preset.width_mm - left - 0.5, step * max(len(rows), 2)))
        most = max(float(rows["total"].max()) if len(rows) else 1.0, 1.0) / min(1 / 1.12, 1 - number / box.width)
        ax.set(xlim=(0, most), ylim=(max(len(rows), 2) - 0.5, -0.5))
        ax.set_axis_off()
        _bars(ax, table, parts)
        for row in rows.itertuples():
            text(ax, row.total, row.rank, f" {row.total:,}", size=size, va="center", color=PAPER.muted)
            text(figure, left - 1, head + (row.rank + 0.5) * step, names[row.rank], size=size, ha="right", va="center")
        _head(figure, keys, head - more, size)
    return figure


def _bars(ax: Any, table: pd.DataFrame, parts: dict[str, str]) -> None:
    starts = np.zeros(table["rank"].nunique())
    for part, color in parts.items():
        counts = table[table["part"] == part].sort_values("rank")["count"].to_numpy(dtype=float)
        ax.barh(np.arange(len(counts)), counts, left=starts, height=0.72, color=color, linewidth=0)
        starts = starts + counts


def _keys(parts: dict[str, str], width: float, size: float) -> list[tuple[str, str, float, float]]:
    """(words, colour, left, mm below the first line) of each part in the key, wrapped to the width."""
    found, em, x, y = [], size / PT_PER_MM, 0.5, 0.0
    for part, color in [("Texts per class:", ""), *parts.items()]:
        room = width_mm(part, size) + (em if color else 0)
        if x + room > width and x > 0.5:
            x, y = 0.5, y + 1.3 * em
        found.append((part, color, x, y))
        x += room + em
    return found


def _head(figure: Figure, keys: list[tuple[str, str, float, float]], head: float, size: float) -> None:
    from matplotlib.patches import Rectangle

    em, (width, height) = size / PT_PER_MM, size_mm(figure)
    for part, color, x, below in keys:
        y = head - 0.8 * em + below
        if color:
            figure.add_artist(Rectangle((x / width, 1 - y / height), 0.7 * em / width, 0.7 * em / height, color=color, linewidth=0))
        text(figure, x + (em if color else 0), y, part, size=size, color=PAPER.muted)


def caption(table: pd.DataFrame, dataset: TextDataset) -> str:
    """Counts in words."""
    if table.empty:
        return "No texts to count."
    parts = ", ".join(f"{int(group['count'].sum()):,} {part}" for part, group in table.groupby("part", sort=False))
    rows = _rows(table)
    named = rows[rows["classes"] == 1]
    largest = named.iloc[0] if len(named) else rows.iloc[0]
    share = largest["total"] / max(int(rows["total"].sum()), 1)
    classes = int(rows["classes"].sum())
    return f"Texts per class in {dataset.name}: {parts}; {classes:,} classes, the largest ({largest['label']}) holds {100 * share:.1f}% of the texts."


def alt(table: pd.DataFrame) -> str:
    """The bars in words."""
    rows = _rows(table)
    return "Texts per class: " + "; ".join(f"{row.label} {row.total:,}" for row in rows.itertuples()) + "." if len(rows) else "No texts to count."


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written."""
    names = [str(name) for name in dict.fromkeys(table["label"])]
    return [sentence for sentence in [missing_glyphs(names)] if sentence]
