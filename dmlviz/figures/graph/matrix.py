"""Similarity matrices sorted by class, as the paper's heat maps: of the graph's texts, or of the snapshots over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from pandas.api.types import union_categoricals

from dmlviz.analysis.graph.numbers import class_means
from dmlviz.analysis.graph.similarity import SimilarityGraph, similarity_graph
from dmlviz.core.types import InputError
from dmlviz.figures.base.paper import Box, axes, canvas, size_mm, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, OTHER, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable, run_titles
from dmlviz.figures.base.words import missing_glyphs, plotly_text, short, text_width, whole
from dmlviz.figures.centers.paper import EDGE_MM, head_mm, pane_title, squares
from dmlviz.figures.graph.frame import GraphInput, GraphView, runs_words, views
from dmlviz.figures.maps.frame import LABEL_CHARS

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

WHOLE_LIMIT = 400  # texts; above, means over the texts of two classes
MOST_CLASSES = 20  # rows of means; the smaller classes share the last one
STEPS = 64  # of the colours on paper
MOMENTS = ("now", "epochs")
COLUMNS = ("pane", "title", "loss", "moment", "epoch", "kind", "row", "column", "row_class", "column_class", "weight", "texts", "sigma", "accuracy")


class Band(NamedTuple):
    """One class's rows."""

    name: str
    first: int
    last: int


def frame(inputs: Sequence[GraphInput], label_names: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Option `moments`: "now", or "epochs" (the run's snapshots under the same sigma)."""
    moments = str(options.get("moments", "now"))
    if moments not in MOMENTS:
        raise InputError(f"moments {moments[:40]!r} is not accepted; choose one of {', '.join(MOMENTS)}")
    found = views(inputs, len(label_names), {**options, "edges": "none", "layout": "map"})
    return frame_of(found, label_names) if moments == "now" else epochs_frame(found, inputs, label_names)


def frame_of(found: Sequence[GraphView], label_names: Sequence[str]) -> pd.DataFrame:
    """One row per run and cell. Up to 400 texts a cell is a pair of texts, sorted by class; above, the mean weight between two classes."""
    label_names = [whole(name) for name in label_names]
    order = _order([one.study.nodes.labels for one in found], label_names)
    titles = run_titles([one.run.config for one in found])
    tables = []
    for one, title in zip(found, titles, strict=True):
        facts = {"pane": one.run.id, "title": title, "loss": one.run.config.loss, "moment": "now", "epoch": np.nan}
        tables.append(_cells(one.study.graph, one.study.nodes.labels, label_names, order, {**facts, "accuracy": one.study.propagated.accuracy}))
    return _together(tables)


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table; words stay categories: 160,000 cells a run would be slow as objects."""
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    table = {}
    for column in COLUMNS:
        parts = [one[column] for one in tables]
        words = isinstance(parts[0].dtype, pd.CategoricalDtype)
        table[column] = union_categoricals(parts) if words else np.concatenate([part.to_numpy() for part in parts])
    return pd.DataFrame(table)


def epochs_frame(found: Sequence[GraphView], inputs: Sequence[GraphInput], label_names: Sequence[str]) -> pd.DataFrame:
    """As `frame_of`, for each stored snapshot of each run, all under the sigma that the run's graph has now. Runs without snapshots have no row."""
    label_names = [whole(name) for name in label_names]
    kept = [(one, given.arrays) for one, given in zip(found, inputs, strict=True) if given.arrays.snapshots is not None]
    titles = run_titles([one.run.config for one in found])
    labels_of = {one.run.id: _labels_at(arrays) for one, arrays in kept}
    order = _order(list(labels_of.values()), label_names)
    tables = []
    for one, arrays in kept:
        title = titles[[other.run.id for other in found].index(one.run.id)]
        for epoch, vectors in zip(arrays.snapshot_epochs, arrays.snapshots, strict=True):
            graph = similarity_graph(np.asarray(vectors), sigma=one.study.graph.sigma)
            facts = {"pane": one.run.id, "title": title, "loss": one.run.config.loss, "moment": f"epoch {epoch:.3g}", "epoch": float(epoch)}
            tables.append(_cells(graph, labels_of[one.run.id], label_names, order, {**facts, "accuracy": np.nan}))
    return _together(tables)


def _labels_at(arrays: Any) -> np.ndarray:
    place = {int(row): i for i, row in enumerate(arrays.row_ids)}
    return np.asarray(arrays.labels)[[place[int(row)] for row in arrays.snapshot_rows]]


def _order(every: Sequence[np.ndarray], label_names: Sequence[str]) -> list[int]:
    """Classes that occur, the largest first; the same for every run."""
    counts = sum((np.bincount(labels, minlength=len(label_names)) for labels in every), np.zeros(len(label_names), int))
    return sorted(np.flatnonzero(counts).tolist(), key=lambda c: -counts[c])


def _cells(
    graph: SimilarityGraph, labels: np.ndarray, label_names: Sequence[str], order: Sequence[int], facts: Mapping[str, str | float]
) -> pd.DataFrame:
    """One row per cell, row by row."""
    if len(labels) <= WHOLE_LIMIT:
        rank = np.zeros(len(label_names), dtype=int)
        rank[list(order)] = np.arange(len(order))
        sort = np.argsort(rank[labels], kind="stable")
        values, kind = graph.weights[np.ix_(sort, sort)].copy(), "texts"
        np.fill_diagonal(values, np.nan)  # W_ii = 0 by definition: a text's likeness to itself is not in the graph
        codes, names = labels[sort], label_names
    else:
        alone = list(order) if len(order) <= MOST_CLASSES else list(order[: MOST_CLASSES - 1])
        group = np.full(len(label_names), len(alone))
        group[alone] = np.arange(len(alone))
        count, kind = len(alone) + (len(alone) < len(order)), "classes"
        values = class_means(graph, group[labels], count)
        codes, names = np.arange(count), [*(label_names[c] for c in alone), OTHER][:count]
    row, column = np.indices(values.shape, dtype=np.int16).reshape(2, -1)
    found = {"row": row, "column": column, "weight": values.ravel().astype(np.float32)}
    found |= {name: pd.Categorical.from_codes(codes[place], categories=names) for name, place in (("row_class", row), ("column_class", column))}
    for name, value in {**facts, "kind": kind, "texts": len(labels), "sigma": graph.sigma}.items():
        alike = np.zeros(len(row), dtype=np.int8)
        found[name] = pd.Categorical.from_codes(alike, categories=[value]) if isinstance(value, str) else np.full(len(row), value)
    return pd.DataFrame(found)


def matrix(rows: pd.DataFrame) -> np.ndarray:
    """(k, k) one pane's and moment's cells, which stand in order."""
    size = int(rows["row"].max()) + 1 if len(rows) else 0
    return rows["weight"].to_numpy(dtype=np.float32).reshape(size, size)


def bands(rows: pd.DataFrame) -> list[Band]:
    """The classes, each with its first and last row."""
    names = rows.loc[rows["column"].to_numpy() == 0, "row_class"].tolist()
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return [Band(names[a], a, b - 1) for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]


def named(found: Sequence[Band], size: int, side: float, line: float) -> list[Band]:
    """The bands that are tall enough for a name of height `line` on a matrix of `side` (one unit)."""
    return [band for band in found if (band.last - band.first + 1) / max(size, 1) * side >= line]


def ruled(found: Sequence[Band], size: int) -> list[Band]:
    """The bands with a line before them: those after one of at least a fiftieth of the rows. More lines would hide what they part."""
    return [band for before, band in pairwise(found) if before.last - before.first + 1 >= size / 50]


def limits(table: pd.DataFrame) -> tuple[float, float]:
    """One scale for all panes: from the 1st to the 99th percentile of the weights, 0 at the least."""
    values = table["weight"].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = np.percentile(values, (1, 99))
    return (0.0 if low < 0.2 * high else float(low)), float(max(high, low + 1e-6))


# ---- screen


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int = 380) -> go.Figure:
    """One run's matrix; several moments stand side by side."""
    rows = table[table["pane"] == pane_id]
    moments = list(dict.fromkeys(rows["moment"]))
    low, high = limits(table)
    figure = go.Figure({"layout": _layout(theme, height)})
    if not moments:
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text="No matrix to show", font={"color": theme.muted})
        return figure.update_xaxes(visible=False).update_yaxes(visible=False)
    found = bands(rows[rows["moment"] == moments[0]])
    names = named(found, found[-1].last + 1, height - 40, 13 if len(moments) == 1 else 20)
    room = max([text_width(short(band.name, LABEL_CHARS), 12) for band in names], default=0) + 12
    figure.update_layout(margin_l=room)
    for i, moment in enumerate(moments):
        _draw(figure, rows[rows["moment"] == moment], i, len(moments), (low, high), names if i == 0 else [], theme)
    return figure


def _layout(theme: Theme, height: int) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 2, "r": 4, "t": 26, "b": 8}, "showlegend": False, "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def _draw(figure: go.Figure, rows: pd.DataFrame, at: int, of: int, scale: tuple[float, float], names: list[Band], theme: Theme) -> None:
    values, found = matrix(rows), bands(rows)
    size, axis, gap = len(values), str(at + 1) if at else "", 0.02
    share = (1 - gap * (of - 1)) / of
    common = {"showgrid": False, "zeroline": False, "ticks": "", "fixedrange": True, "constrain": "domain"}
    figure.update_layout({
        f"xaxis{axis}": {**common, "range": (-0.5, size - 0.5), "showticklabels": False, "anchor": f"y{axis}",
                         "domain": (at * (share + gap), min(at * (share + gap) + share, 1))},
        f"yaxis{axis}": {**common, "range": (size - 0.5, -0.5), "scaleanchor": f"x{axis}", "anchor": f"x{axis}", "constraintoward": "top",
                         "showticklabels": bool(names), "tickvals": [(band.first + band.last) / 2 for band in names],
                         "ticktext": [plotly_text(short(band.name, LABEL_CHARS)) for band in names], "tickfont": {"size": 11, "color": theme.ink}},
    })  # fmt: skip
    last = at == of - 1
    bar = {"thickness": 9, "len": 0.7, "outlinewidth": 0, "x": 1.0, "xpad": 2, "tickfont": {"color": theme.muted, "size": 11}, "nticks": 4}
    figure.add_trace(go.Heatmap(
        z=values, zmin=scale[0], zmax=scale[1], colorscale="Cividis", showscale=last, colorbar=bar, xaxis=f"x{axis}", yaxis=f"y{axis}",
        hoverongaps=False, name=str(rows["moment"].iloc[0]), **_hover(rows, size),
    ))  # fmt: skip
    for band in ruled(found, size) if rows["kind"].iloc[0] == "texts" else []:
        line = {"color": theme.ground, "width": 1}
        figure.add_shape(type="line", x0=band.first - 0.5, x1=band.first - 0.5, y0=-0.5, y1=size - 0.5, line=line, xref=f"x{axis}", yref=f"y{axis}")
        figure.add_shape(type="line", y0=band.first - 0.5, y1=band.first - 0.5, x0=-0.5, x1=size - 0.5, line=line, xref=f"x{axis}", yref=f"y{axis}")
    if of > 1:
        figure.add_annotation(x=0, y=1, xref=f"x{axis} domain", yref=f"y{axis} domain", yanchor="bottom", xanchor="left", showarrow=False, yshift=2,
                              text=plotly_text(str(rows["moment"].iloc[0])), font={"color": theme.muted, "size": 12})  # fmt: skip
    else:
        figure.add_annotation(x=0, y=1, xref="x domain", yref="y domain", yanchor="bottom", xanchor="left", showarrow=False, yshift=3,
                              text=_head(rows), font={"color": theme.muted, "size": 12})  # fmt: skip


def _head(rows: pd.DataFrame) -> str:
    texts = int(rows["texts"].iloc[0])
    return f"Similarity of {texts:,} texts, by class" if rows["kind"].iloc[0] == "texts" else f"Mean similarity of classes ({texts:,} texts)"


def _hover(rows: pd.DataFrame, size: int) -> dict[str, Any]:
    """Names on hover where cells are few; else the weight alone: 160,000 names would be megabytes."""
    if size > MOST_CLASSES:
        return {"hovertemplate": "weight %{z:.3f}<extra></extra>"}
    said = [f"{plotly_text(short(a, 60))}<br>{plotly_text(short(b, 60))}<br>mean weight <b>{w:.3f}</b>" if np.isfinite(w) else ""
            for a, b, w in zip(rows["row_class"], rows["column_class"], rows["weight"], strict=True)]  # fmt: skip
    return {"hovertext": np.array(said, dtype=object).reshape(size, size).tolist(), "hovertemplate": "%{hovertext}<extra></extra>"}


# ---- paper


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """Every run and moment as a square at the preset's width, runs below each other where there are moments; one scale for all."""
    with drawing():
        panes = list(dict.fromkeys(table["pane"]))
        moments = {pane: list(dict.fromkeys(table.loc[table["pane"] == pane, "moment"])) for pane in panes}
        most = max([len(found) for found in moments.values()], default=1)
        if not panes:
            figure = canvas(preset.width_mm, 20)
            text(figure, preset.width_mm / 2, 10, "No matrix to show", size=preset.font_pt, ha="center", color=PAPER.muted)
            return figure
        boxes, height = _boxes(table, panes, moments, most, preset)
        figure = canvas(preset.width_mm, height + 7)
        scale, image, long = limits(table), None, min(40.0, preset.width_mm - 22)  # of the bar of weights: its words stand beside it
        for (pane, moment), box in boxes.items():
            rows = table[(table["pane"] == pane) & (table["moment"] == moment)]
            leftmost = box.left == min(one.left for one in boxes.values())  # the order is the same in all
            image = _paper_matrix(figure, rows, box, scale, preset, names=leftmost)
            first = moment == moments[pane][0]
            if most == 1:
                pane_title(figure, box, rows["title"].iloc[0], rows["loss"].iloc[0], float(rows["accuracy"].iloc[0]), preset)
            else:
                _moment_title(figure, box, rows, preset, first)
        _paper_bar(figure, image, scale, Box(preset.width_mm - 2 - long, height + 1.5, long, 1.6), preset)
    return figure


def _boxes(
    table: pd.DataFrame, panes: list[str], moments: dict[str, list[str]], most: int, preset: Preset
) -> tuple[dict[tuple[str, str], Box], float]:
    """Where each matrix goes, with room for class names on the left, and the height they take."""
    found = bands(table[(table["pane"] == panes[0]) & (table["moment"] == moments[panes[0]][0])])
    size = max(MIN_PT, preset.font_pt - 1)
    names = [trimmed(band.name, size, preset.width_mm, limit=LABEL_CHARS) for band in found]
    room = min(max([width_mm(name, size) for name in names], default=0) + 1.4, 0.28 * preset.width_mm)
    head = head_mm(preset)
    if most == 1:
        narrow = preset._replace(width_mm=preset.width_mm - room)
        spots, height = squares(len(panes), narrow, least=34 if preset.width_mm > 100 else 24, most=80)
        return {(pane, "now"): box._replace(left=box.left + room) for pane, box in zip(panes, spots, strict=True)}, height
    side = min((preset.width_mm - 2 * EDGE_MM - room - 1.2 * (most - 1)) / most, 40.0)
    boxes, top = {}, EDGE_MM
    for pane in panes:
        top += 2 * head
        for i, moment in enumerate(moments[pane]):
            boxes[pane, moment] = Box(EDGE_MM + room + i * (side + 1.2), top, side, side)
        top += side + 1
    return boxes, top


def _colors() -> Colormap:
    """No eye tells more steps apart, and a file of hundreds of thousands of cells becomes a quarter smaller."""
    from matplotlib import colormaps

    return colormaps["cividis"].resampled(STEPS)


def _paper_matrix(figure: Figure, rows: pd.DataFrame, box: Box, scale: tuple[float, float], preset: Preset, *, names: bool) -> Any:
    values, found = matrix(rows), bands(rows)
    ax = axes(figure, box)
    image = ax.imshow(values, cmap=_colors(), vmin=scale[0], vmax=scale[1], interpolation="nearest", aspect="auto")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=PAPER.lines, linewidth=0.4)
    for band in ruled(found, len(values)) if rows["kind"].iloc[0] == "texts" else []:
        ax.axhline(band.first - 0.5, color="white", linewidth=0.4)
        ax.axvline(band.first - 0.5, color="white", linewidth=0.4)
    size = max(MIN_PT, preset.font_pt - 1)
    for band in named(found, len(values), box.height * PT_PER_MM, 1.05 * size) if names else []:
        middle = box.top + (band.first + band.last + 1) / 2 / len(values) * box.height
        text(figure, box.left - 0.8, middle, trimmed(band.name, size, box.left - 1.2, limit=LABEL_CHARS), size=size, ha="right", va="center_baseline")
    return image


def _moment_title(figure: Figure, box: Box, rows: pd.DataFrame, preset: Preset, first: bool) -> None:
    size, line = preset.font_pt, 1.3 * preset.font_pt / PT_PER_MM
    if first:
        color = readable(loss_color(rows["loss"].iloc[0]), PAPER.ground)
        title = trimmed(rows["title"].iloc[0], size, size_mm(figure)[0] - box.left, limit=50, bold=True)
        text(figure, box.left, box.top - 0.8 - line, title, size=size, weight="bold", color=color)
    text(figure, box.left, box.top - 0.8, str(rows["moment"].iloc[0]), size=max(MIN_PT, size - 0.5), color=PAPER.muted)


def _paper_bar(figure: Figure, image: Any, scale: tuple[float, float], box: Box, preset: Preset) -> None:
    ax = axes(figure, box)
    ax.imshow(np.linspace(0, 1, STEPS)[None], cmap=_colors(), aspect="auto", extent=(0, 1, 0, 1))
    ax.set(xticks=[], yticks=[], gid="scale")
    for spine in ax.spines.values():
        spine.set(linewidth=0.3, color=PAPER.lines)
    size, base = max(MIN_PT, preset.font_pt - 1), box.top + box.height + 2.6
    text(figure, box.left, base, f"{scale[0]:.2g}", size=size)
    text(figure, box.left + box.width, base, f"{scale[1]:.2g}", size=size, ha="right")
    text(figure, box.left - 1.2, box.top + box.height, "kernel weight", size=size, ha="right", color=PAPER.muted)


# ---- in words


def caption(table: pd.DataFrame, inputs: Sequence[GraphInput]) -> str:
    """What a cell is, the order, sigma, runs."""
    if table.empty:
        return "No matrix to show: these runs have stored no snapshots."
    whole_matrix = table["kind"].iloc[0] == "texts"
    cell = "A cell is the Gaussian weight of a pair of texts"
    cell = cell if whole_matrix else "A cell is the mean Gaussian weight between the texts of two classes"
    sigmas = ", ".join(f"{sigma:.3g}" for sigma in dict.fromkeys(table["sigma"].astype(float)))
    texts = ", ".join(f"{int(n):,}" for n in dict.fromkeys(table["texts"]))
    said = [f"Similarity sorted by class, the largest first, {texts} texts a run.", f"{cell}; sigma {sigmas}; one scale for all panes."]
    if table["moment"].iloc[0] != "now":
        said.append("Snapshots of training from the untrained encoder on, under the same sigma.")
    return " ".join([*said, runs_words([given.run for given in inputs])])


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The matrix in words: how much more alike texts of one class are than texts of two."""
    rows = table[table["pane"] == pane_id]
    if rows.empty:
        return "Empty matrix: nothing to compare."
    said = []
    for moment, part in rows.groupby("moment", sort=False, observed=True):
        same = part["row_class"].astype(object).to_numpy() == part["column_class"].astype(object).to_numpy()
        within, across = part.loc[same, "weight"].mean(), part.loc[~same, "weight"].mean()
        when = "" if moment == "now" else f" at {moment}"
        said.append(f"mean weight{when} {within:.3f} within classes" + (f" and {across:.3f} between them" if np.isfinite(across) else ""))
    return f"Similarity matrix of {rows['title'].iloc[0]}, {int(rows['texts'].iloc[0]):,} texts sorted by class: {'; '.join(said)}."


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written."""
    return [one for one in [missing_glyphs(dict.fromkeys([*table["title"], *table["row_class"]]))] if one]

