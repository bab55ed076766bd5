"""Cosines between all centres, ordered by class: which classes' centres lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.centers.use import center_matrix
from dmlviz.analysis.centers.view import CenterInput, CenterView
from dmlviz.figures.base.paper import Box, axes, canvas, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import CORRECT, LIGHT, PAPER, SCREEN_FONT, WRONG, Theme, drawing
from dmlviz.figures.base.words import plotly_text, short, text_width, whole
from dmlviz.figures.centers.frame import by_size, name, pane_ids, sizes, titles, views
from dmlviz.figures.centers.map import _runs, notes
from dmlviz.figures.centers.paper import EDGE_MM, pane_title
from dmlviz.figures.maps.frame import LABEL_CHARS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS, MOST_NAMES = 60, 20
COLUMNS = (
    "pane", "title", "loss", "row", "column", "row_name", "column_name", "row_label", "column_label", "row_dead", "column_dead", "cosine", "left_out",
)  # fmt: skip


def frame(inputs: Sequence[CenterInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Options: which, focus; part, space and merge change nothing here but which centres count as dead."""
    label_names = [whole(label) for label in label_names]
    return frame_of(views(inputs, len(label_names), options), label_names, focus=options.get("focus", ()))


def frame_of(found: Sequence[CenterView], label_names: Sequence[str], *, focus: Sequence[str] = ()) -> pd.DataFrame:
    """One row per run and pair of centres. Classes by size, the focused ones or as many of the largest as give at most 60 rows; centres of a class by
    the leaves of average linkage. `left_out` counts the classes that found no room."""
    label_names = [whole(label) for label in label_names]
    ranked = [c for c in by_size(found, label_names) if not focus or label_names[c] in set(map(whole, focus))]
    counts, tables = sizes(found, len(label_names)), []
    for view, title in zip(found, titles(found), strict=True):
        if view.report is not None:
            tables.append(_pairs(view, label_names, ranked, counts).assign(pane=view.run.id, title=title, loss=view.run.config.loss))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    return table.reindex(columns=list(COLUMNS))


def _pairs(view: CenterView, label_names: Sequence[str], ranked: Sequence[int], counts: np.ndarray) -> pd.DataFrame:
    report, kept, used = view.report, [], 0
    there = [c for c in ranked if report.there[c].any()]
    for c in there:
        used += int(report.there[c].sum())
        if (used > MOST_ROWS and kept) or len(kept) == MOST_NAMES:
            break
        kept.append(c)
    order, cosines = center_matrix(report.centers, counts, classes=kept)
    row, column = (side.ravel() for side in np.indices(cosines.shape))
    names = np.array([name(label_names[c], k) if len(order) > len(kept) else label_names[c] for c, k in order], dtype=object)
    labels = np.array([label_names[c] for c, _ in order], dtype=object)
    dead = np.array([report.dead[c, k] for c, k in order], dtype=bool)
    return pd.DataFrame({
        "row": row, "column": column, "row_name": names[row], "column_name": names[column], "row_label": labels[row], "column_label": labels[column],
        "row_dead": dead[row], "column_dead": dead[column], "cosine": cosines.ravel(), "left_out": len(there) - len(kept),
    })  # fmt: skip


def _bands(rows: pd.DataFrame) -> list[tuple[str, int, int]]:
    """(class, first row, last row) of each class's block."""
    labels = rows.drop_duplicates("row").sort_values("row")["row_label"].tolist()
    bands: list[tuple[str, int, int]] = []
    for i, label in enumerate(labels):
        if bands and bands[-1][0] == label:
            bands[-1] = (label, bands[-1][1], i)
        else:
            bands.append((label, i, i))
    return bands


def _matrix(rows: pd.DataFrame) -> np.ndarray:
    return rows.pivot(index="row", columns="column", values="cosine").to_numpy(dtype=float)


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int = 460) -> go.Figure:
    """One run's square of cosines from -1 (blue) over 0 to 1 (orange), with a line between classes."""
    rows = table[table["pane"] == pane_id]
    bands = _bands(rows)
    room = max([text_width(short(label, LABEL_CHARS), 12.5) for label, _, _ in bands], default=0) + 10
    figure = go.Figure({"layout": _layout(theme, bands, room, height)})
    if rows.empty:
        nothing = {"text": "No centres to compare", "font": {"color": theme.muted, "size": 14}}
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, **nothing)
        return figure
    names = rows.drop_duplicates("row").sort_values("row")
    said = [plotly_text(short(one, 60)) + (" (dead)" if dead else "") for one, dead in zip(names["row_name"], names["row_dead"], strict=True)]
    cosines = _matrix(rows)
    hover = [[f"{a}<br>{b}<br>cosine <b>{cosines[i, j]:.2f}</b>" for j, b in enumerate(said)] for i, a in enumerate(said)]
    figure.add_trace(go.Heatmap(
        z=cosines.round(4), zmin=-1, zmax=1, colorscale=[[0, CORRECT], [0.5, theme.ground], [1, WRONG]], hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>",
        colorbar={"thickness": 10, "len": 0.6, "y": 1, "yanchor": "top", "outlinewidth": 0, "tickvals": [-1, 0, 1], "x": 1.01, "xpad": 0,
                  "tickfont": {"color": theme.muted}},
    ))  # fmt: skip
    line, size = {"color": theme.muted, "width": 1}, len(cosines)
    edges = [(first - 0.5, {"type": "line", "line": line}) for _, first, _ in bands[1:]]
    upright = [{**one, "x0": at, "x1": at, "y0": -0.5, "y1": size - 0.5} for at, one in edges]
    level = [{**one, "y0": at, "y1": at, "x0": -0.5, "x1": size - 0.5} for at, one in edges]
    return figure.update_layout(shapes=[*upright, *level])


def _layout(theme: Theme, bands: list[tuple[str, int, int]], room: float, height: int) -> dict[str, Any]:
    size = bands[-1][2] + 1 if bands else 1
    places = [(first + last) / 2 for _, first, last in bands]
    axis = {"showgrid": False, "zeroline": False, "ticks": "", "constrain": "domain", "fixedrange": True}
    return {
        "xaxis": {**axis, "range": (-0.5, size - 0.5), "showticklabels": False, "constraintoward": "right"},
        "yaxis": {**axis, "range": (size - 0.5, -0.5), "scaleanchor": "x", "constraintoward": "top", "tickvals": places, "visible": bool(bands),
                  "ticktext": [plotly_text(short(label, LABEL_CHARS)) for label, _, _ in bands], "tickfont": {"size": 12, "color": theme.ink}},
        "title": {"text": "Cosine between centres; classes by size, their centres by likeness", "x": 0, "xref": "container", "y": 1,
                  "yref": "container", "yanchor": "top", "pad": {"t": 6, "l": 4}, "font": {"size": 13, "color": theme.muted}},
        "height": height, "margin": {"l": room, "r": 4, "t": 30, "b": 4}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink}, "dragmode": False,
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """One square per run, names of the classes on the left, one scale for all."""
    with drawing():
        ids, size = pane_ids(table), max(MIN_PT, preset.font_pt - 0.5)
        labels = [trimmed(label, size, 0.3 * preset.width_mm) for label in dict.fromkeys(table["row_label"])]
        left = max([width_mm(label, size) for label in labels], default=0) + EDGE_MM + 1
        columns = max(1, min(len(ids), int((preset.width_mm - 8) // (left + 32))))
        side = min((preset.width_mm - 8 - columns * left - (columns - 1) * 1.5) / columns, 80.0)
        head = 1.75 * preset.font_pt / PT_PER_MM
        rows = -(-max(len(ids), 1) // columns)
        figure = canvas(preset.width_mm, rows * (head + side + 1.5))
        for i, pane_id in enumerate(ids):
            box = Box(left + (i % columns) * (left + side + 1.5), head + (i // columns) * (head + side + 1.5), side, side)
            _pane(figure, table[table["pane"] == pane_id], box, size, preset)
        if ids:
            _scale(figure, Box(left + (columns - 1) * (left + side + 1.5) + side + 1.5, head, 1.8, min(side, 30)), size)
        else:
            text(figure, preset.width_mm / 2, head, "No centres to compare", size=preset.font_pt, ha="center", color=PAPER.muted)
    return figure


def _colors() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [CORRECT, PAPER.ground, WRONG])


def _pane(figure: Figure, rows: pd.DataFrame, box: Box, size: float, preset: Preset) -> None:
    ax, bands = axes(figure, box), _bands(rows)
    cosines = _matrix(rows)
    ax.imshow(cosines, vmin=-1, vmax=1, cmap=_colors(), interpolation="nearest", aspect="auto")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.5)
    for _, first, _ in bands[1:]:
        ax.axhline(first - 0.5, color=PAPER.lines, linewidth=0.5)
        ax.axvline(first - 0.5, color=PAPER.lines, linewidth=0.5)
    step, bottom = box.height / max(len(cosines), 1), -np.inf
    for label, first, last in bands:
        y = box.top + ((first + last) / 2 + 0.5) * step
        if y - bottom >= 1.15 * size / PT_PER_MM:  # a class with less than a line's height keeps its block but not its name
            words = trimmed(label, size, 0.3 * preset.width_mm)
            text(figure, box.left - 0.8, y, words, size=size, ha="right", va="center")
            bottom = y
    pane_title(figure, box, rows["title"].iloc[0], rows["loss"].iloc[0], float("nan"), preset)


def _scale(figure: Figure, box: Box, size: float) -> None:
    ax = axes(figure, box)
    ax.imshow(np.linspace(1, -1, 64)[:, None], vmin=-1, vmax=1, cmap=_colors(), aspect="auto")
    ax.set_axis_off()
    ax.set_gid("scale")
    for share, words in ((0.0, "1"), (0.5, "0"), (1.0, "−1")):
        text(figure, box.left + box.width + 0.6, box.top + share * box.height, words, size=size, va="center")


def caption(table: pd.DataFrame, inputs: Sequence[CenterInput] | Sequence[CenterView]) -> str:
    """What is compared, in which order, and of which runs."""
    if table.empty:
        return "No centres to compare."
    runs = [run for run in _runs(inputs) if run.id in set(table["pane"])]
    panes = table.drop_duplicates("pane")
    counts = "; ".join(f"{row.title}: {int((table['pane'] == row.pane).sum() ** 0.5):,} centres"
                       + (f", {row.left_out:,} smaller classes left out" if row.left_out else "") for row in panes.itertuples())  # fmt: skip
    return (f"Cosine between centres ({counts}); classes by size, centres of a class by the leaves of average linkage. "
            f"Runs {', '.join(run.id for run in runs)}, single runs.")  # fmt: skip


def alt(table: pd.DataFrame, pane_id: str | None = None) -> str:
    """The heat map in words: how alike centres of one class and of two are, and the two classes that are most alike."""
    rows = table if pane_id is None else table[table["pane"] == pane_id]
    rows = rows[rows["row"] < rows["column"]]
    if rows.empty:
        return "No two centres to compare."
    same = rows["row_label"] == rows["column_label"]
    kinds = ((same, "within a class"), (~same, "between classes"))
    said = [f"mean cosine {rows[mask]['cosine'].mean():.2f} {words}" for mask, words in kinds if mask.any()]
    top = rows[~same].sort_values("cosine").tail(1)
    most = "".join(f"; most alike: {row.row_name} and {row.column_name} ({row.cosine:.2f})" for row in top.itertuples())
    return f"Cosines between centres: {', '.join(said)}{most}."


__all__ = ["alt", "caption", "frame", "frame_of", "notes", "paper", "screen"]
