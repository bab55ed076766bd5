"""Which classes are taken for which: rows are gold classes, likes stand together, and beyond twenty classes only the confused ones are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.errors import MOST_CLASSES, REST, confusion, confusion_view, row_shares
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.core.types import UNREACHED, InputError, TextDataset
from dmlviz.figures.base.paper import Box, axes, canvas, text, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import CORRECT, LIGHT, PAPER, WRONG, Theme, drawing, loss_color, mixed, readable
from dmlviz.figures.base.words import drawable, missing_glyphs, plotly_text, short, text_width, whole
from dmlviz.figures.reliability.lines import layout, many, of_runs, side_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDERS = {"likeness": "classes taken for each other stand together", "size": "the classes with most texts first", "name": "classes by name"}
NAME_CHARS = 16
COLUMNS = (
    "pane", "title", "loss", "said", "row", "column", "gold", "predicted", "texts", "row_texts", "share", "right", "among_others", "left_out",
    "order", "accuracy",
)  # fmt: skip


def frame(outcomes: Sequence[Outcome], dataset: TextDataset, *, order: str = "likeness", most: float | str = MOST_CLASSES) -> pd.DataFrame:
    """One row per group and cell: gold and predicted class, texts a run (mean over runs), share of the gold class's texts, whether it is right.

    Every group has the same classes in the same order: of all groups together the `most` confused ones; the others are one last row and column.
    """
    if order not in ORDERS:
        raise InputError(f"no order {order!r}; known: {', '.join(ORDERS)}")
    try:
        most = max(2, int(float(most)))
    except (ValueError, OverflowError):
        raise InputError(f"most={str(most)[:20]!r} is no number of classes; give 2 or more, such as {MOST_CLASSES}") from None
    found = sides(outcomes)
    counts = [confusion(side.outcomes) for side in found]
    together = confusion_view(sum(counts), most)
    kept = [c for c in together.classes if c != REST]
    names = [whole(name) for name in dataset.label_names]
    if order == "size":
        kept = sorted(kept, key=lambda c: (-sum(counts)[c].sum(), c))
    elif order == "name":
        numbered = all(name.isdecimal() for name in names)  # their classes stand in the order of their numbers already
        kept = sorted(kept) if numbered else sorted(kept, key=lambda c: names[c])
    tables = []
    for side, title, own in zip(found, side_titles(found), counts, strict=True):
        table = _cells(confusion_view(own, order=kept), len(kept), together.left_out, names, len(side.runs))
        tables.append(table.assign(pane=side.runs[0].id, title=title, loss=side.group.config.shown_loss, said=many(side), order=order,
                                   accuracy=own.trace() / own.sum()))  # fmt: skip
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def _cells(view, kept: int, left_out: int, names: Sequence[str], runs: int) -> pd.DataFrame:
    counts = view.counts
    if left_out and len(counts) == kept:  # this group has no text of the others
        counts = np.pad(counts, ((0, 1), (0, 1)))
    words = [names[c] for c in view.classes[:kept]] + ([f"{left_out} other classes"] if left_out else [])
    row, column = (side.ravel() for side in np.indices(counts.shape))
    totals = counts.sum(axis=1)
    return pd.DataFrame({
        "row": row, "column": column, "gold": [words[i] for i in row], "predicted": [words[j] for j in column], "texts": counts.ravel() / runs,
        "row_texts": totals[row] / runs, "share": row_shares(counts).ravel(), "right": (row == column) & (row < kept),
        "among_others": (row == column) & (row >= kept), "left_out": left_out,
    })  # fmt: skip


def cell_color(share: float, right: bool, ground: str) -> str:
    """Blue on the diagonal, orange off it, the stronger the larger the share."""
    return ground if not np.isfinite(share) or share == 0 else mixed(ground, CORRECT if right else WRONG, 0.12 + 0.88 * min(share, 1) ** 0.7)


def _grid(table: pd.DataFrame, pane_id: str) -> tuple[pd.DataFrame, int]:
    rows = table[table["pane"] == (pane_id or table["pane"].iloc[0])]
    return rows, int(rows["row"].max()) + 1


def _names(rows: pd.DataFrame) -> list[str]:
    return rows.drop_duplicates("row").sort_values("row")["gold"].tolist()


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """One group's matrix; the share of the row in every cell with one per cent or more."""
    rows, size = _grid(table, pane_id)
    first, names = rows.iloc[0], _names(rows)
    widest = max(text_width(short(name, NAME_CHARS), 12) for name in names)
    left, upright = widest + 14, size * (widest + 8) > 200  # a pane may be 300 px wide
    head = max(widest + 8, 20.0) if upright else 22
    tall = height or int(max(300, min(640, 30 * size + head + 70)))
    figure = go.Figure({"layout": layout(theme, tall, l=round(left) + 18, t=round(head) + 46, b=8)})
    shares = rows.pivot(index="row", columns="column", values="share").to_numpy(dtype=float)
    right = rows.pivot(index="row", columns="column", values="right").to_numpy(dtype=bool)
    mingled = rows.pivot(index="row", columns="column", values="among_others").to_numpy(dtype=bool)  # neither right nor wrong: no colour
    signed = np.where(mingled, 0, np.where(right, 1, -1)) * np.where(shares > 0, 0.12 + 0.88 * np.minimum(shares, 1) ** 0.7, 0)
    hover = [[_hover(one) for one in own.sort_values("column").itertuples()] for _, own in rows.groupby("row")]
    figure.add_trace(go.Heatmap(
        z=signed, zmin=-1, zmax=1, colorscale=[[0, WRONG], [0.5, theme.ground], [1, CORRECT]], showscale=False, xgap=1, ygap=1,
        text=[[f"{100 * s:.0f}" if np.isfinite(s) and s >= 0.01 else "" for s in line] for line in shares], texttemplate="%{text}",
        textfont={"size": 11 if size <= 12 else 9}, hovertext=hover, hovertemplate="%{hovertext}<extra></extra>",
    ))  # fmt: skip
    ticks = [plotly_text(short(name, NAME_CHARS)) for name in names]
    plain = {"showgrid": False, "zeroline": False, "fixedrange": True, "ticks": "", "tickvals": list(range(size)), "ticktext": ticks,
             "tickfont": {"size": 12 if size <= 12 else 11, "color": theme.ink}}  # fmt: skip
    figure.update_xaxes(**plain, side="top", tickangle=-90 if upright else 0, range=(-0.5, size - 0.5))
    figure.update_yaxes(**plain, range=(size - 0.5, -0.5), title_text="gold class", title_font={"size": 12, "color": theme.muted})
    figure.add_annotation(x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, yshift=round(head) + 12,
                          xshift=-round(left) - 18, align="left",
                          text=f"<b>{plotly_text(short(first['title'], 34))}</b>, {100 * first['accuracy']:.1f} %, {first['said']}",
                          font={"color": readable(loss_color(first["loss"]), theme.ground), "size": 12.5})  # fmt: skip
    return figure


def _hover(one) -> str:
    gold, predicted = (plotly_text(short(name, 60)) for name in (one.gold, one.predicted))
    words = f"{gold} recognised" if one.right else f"{gold}, right or taken for each other" if one.among_others else f"{gold} taken for {predicted}"
    return f"{words}<br><b>{100 * one.share:.1f} %</b>, {one.texts:,.1f} of {one.row_texts:,.0f} texts a run"


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """A square per group, as many beside each other as can be read."""
    with drawing():
        panes, size = list(dict.fromkeys(table["pane"])), max(MIN_PT, preset.font_pt - 0.5)
        rows, count = _grid(table, panes[0])
        names = [short(drawable(name)[0], NAME_CHARS) for name in _names(rows)]
        left = max(width_mm(name, size) for name in names) + 1.6
        least, gap, head = max(18.0, count * 1.12 * size / PT_PER_MM), 2.0, 2.2 * size / PT_PER_MM + left
        across = max(1, min(len(panes), int((preset.width_mm - left) // (least + gap))))
        across = -(-len(panes) // -(-len(panes) // across))  # the same rows, filled evenly
        down = -(-len(panes) // across)
        tallest = max(least, preset.most_height_mm / down - head - gap)
        side = min((preset.width_mm - left) / across - gap, 12.0 * count, tallest)
        figure = canvas(preset.width_mm, down * (head + side + gap))
        heads = [_head(table, panes, told, size, lambda i: side + (left if i % across == 0 else 0) - 0.5) for told in (True, False)]
        for i, pane in enumerate(panes):
            box = Box(left + i % across * (side + gap), i // across * (head + side + gap) + head, side, side)
            _pane(figure, _grid(table, pane)[0], names, box, left if i % across == 0 else 0.0, size, (heads[0] or heads[1])[i])
    return figure


def _head(table: pd.DataFrame, panes: Sequence[str], told: bool, size: float, room: Callable[[int], float]) -> list[str]:
    """The panes' titles; with n (`told`) only where every pane has the room for it, else empty."""
    words = []
    for i, pane in enumerate(panes):
        first = table[table["pane"] == pane].iloc[0]
        title = drawable(first["title"])[0]
        one = f"{title}, {100 * first['accuracy']:.1f} %" + (f", {first['said']}" if told else "")
        if 1.08 * width_mm(one, size) > room(i):
            if told:
                return []
            one = short(title, max(8, int(room(i) * PT_PER_MM / (0.6 * size))))
        words.append(one)
    return words


def _pane(figure: Figure, rows: pd.DataFrame, names: Sequence[str], box: Box, left: float, size: float, head: str) -> None:
    """`left`: room for the names of the rows, which stand at the first pane of a line only."""
    first, count = rows.iloc[0], len(names)
    ax, step = axes(figure, box), box.width / count
    image = np.ones((count, count, 3))
    for one in rows.itertuples():
        color = PAPER.ground if one.among_others else cell_color(one.share, one.right, PAPER.ground)
        image[one.row, one.column] = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        if step >= 3.4 and np.isfinite(one.share) and one.share >= 0.01:
            text(ax, one.column, one.row, f"{100 * one.share:.0f}", size=MIN_PT, ha="center", va="center", color=readable(PAPER.ink, color))
    ax.imshow(image, interpolation="nearest", aspect="auto")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    for i, name in enumerate(names):
        own = min(size, max(MIN_PT, step * PT_PER_MM / 1.1))
        if left:
            text(figure, box.left - 0.7, box.top + (i + 0.5) * step, name, size=own, ha="right", va="center")
        text(figure, box.left + (i + 0.5) * step, box.top - 0.7, name, size=own, ha="center", va="bottom", rotation=90)
    above = max(width_mm(name, size) for name in names) + 1.6
    color = readable(loss_color(first["loss"]), PAPER.ground)
    text(figure, box.left - left + (0.8 if left else 0), box.top - above - 0.4, head, size=size, weight="bold", color=color)


def caption(table: pd.DataFrame, outcomes: Sequence[Outcome]) -> str:
    """What a cell is, which classes are shown, and of which runs."""
    first, found = table.iloc[0], sides(outcomes)
    left = f"; {first['left_out']} less confused classes are one last row and column" if first["left_out"] else ""
    return (f"Per cent of each gold class's test texts (row) by predicted class (column), mean over runs; {ORDERS[first['order']]}{left}. "
            f"{_unreached(outcomes)}{of_runs(found, side_titles(found), intervals='')}")  # fmt: skip


def _unreached(outcomes: Sequence[Outcome]) -> str:
    """What the cells leave out."""
    lost = sum(int((one.predicted(one.test) == UNREACHED).sum()) for one in outcomes)
    every = sum(int(one.test.sum()) for one in outcomes)
    return f"{lost:,} of {every:,} predictions are left out: the readout says nothing there. " if lost else ""


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    """The three commonest mistakes of each pane, for whoever cannot see it."""
    said = []
    for _, rows in (table[table["pane"] == pane_id] if pane_id else table).groupby("pane", sort=False):
        wrong = rows[(rows["row"] != rows["column"])].sort_values("texts", ascending=False).head(3)
        most = "; ".join(f"{row.gold} for {row.predicted} ({100 * row.share:.0f} %)" for row in wrong.itertuples() if row.texts > 0)
        said.append(f"{rows.iloc[0]['title']}: most often {most}" if most else f"{rows.iloc[0]['title']}: no confusion")
    return ". ".join(said) + "."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys([*table["title"], *table["gold"]]))
    return [found] if found else []
