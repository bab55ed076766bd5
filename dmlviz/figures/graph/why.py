"""Why a text was guessed as it was: the exact share of its score that each visible text gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.graph.similarity import Why, why
from dmlviz.core.types import InputError
from dmlviz.figures.base.paper import Box, axes, canvas, size_mm, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, class_styles, drawing, loss_color, mixed, readable, run_titles
from dmlviz.figures.base.words import HOVER_CHARS, excerpt, missing_glyphs, plotly_lines, plotly_text, short, whole
from dmlviz.figures.graph.frame import GraphInput, GraphView, default_focus, runs_words, settings, views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES, MOST_TEXTS = 5, 8  # bars
HEADINGS = {"class": "By class of the visible texts", "text": "By text, the largest (a scale of their own)"}
COLUMNS = (
    "mark", "pane", "title", "loss", "node", "node_text", "label", "predicted", "visible", "reached", "row_id", "text", "class", "part", "share",
    "count", "weight", "color",
)  # fmt: skip


def frame(inputs: Sequence[GraphInput], label_names: Sequence[str], texts: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Option `node`: the row id of the text that is asked about."""
    asked = str(options.get("node", ""))
    if not asked.isdecimal():
        raise InputError(f"node={asked[:40]!r} is not accepted; give the row id of a text, as the CSV of the graph names it")
    found = views(inputs, len(label_names), {**options, "edges": "none", "layout": "map"})
    places = [np.flatnonzero(one.study.nodes.row_ids == int(asked)) for one in found]
    kept = [(one, int(place[0])) for one, place in zip(found, places, strict=True) if len(place)]
    if not kept:
        raise InputError(f"text {asked} is not among the texts of these graphs ({settings(options).sample} texts, seed {settings(options).seed})")
    return frame_of([(one, reasons(one, place)) for one, place in kept], label_names, texts)


def reasons(one: GraphView, node: int) -> Why:
    """Why the node (a position in the graph) was guessed as it was."""
    made = one.study
    return why(made.graph, made.nodes.labels, made.propagated.visible, node, made.num_classes)


def frame_of(found: Sequence[tuple[GraphView, Why]], label_names: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    """Rows "class": what all visible texts of a class gave together, the largest first; they sum to the score. Rows "text": the visible texts that
    gave most. Rows "neighbor": the most similar texts with their weight. `share` is of the text's whole score: those of the classes sum to 1.

    Of a text whose label is shown there are no rows "class", and rows "text" say what it gave to hidden ones; `share` is of each one's own score.
    """
    label_names = [whole(name) for name in label_names]
    titles, tables = run_titles([one.run.config for one, _ in found]), []
    for (one, reason), title in zip(found, titles, strict=True):
        styles = class_styles(label_names, default_focus([one], label_names))
        result, nodes = one.study.propagated, one.study.nodes
        names = np.array([*label_names, ""], dtype=object)
        facts = {
            "pane": one.run.id, "title": title, "loss": one.run.config.loss, "node": int(nodes.row_ids[reason.node]),
            "node_text": excerpt(texts[int(nodes.row_ids[reason.node])]), "label": names[nodes.labels[reason.node]],
            "predicted": names[result.predicted[reason.node]], "visible": bool(result.visible[reason.node]),
            "reached": bool(result.reached[reason.node]),
        }  # fmt: skip
        rows = pd.concat([_given(one, reason, label_names, texts), _near(one, reason, label_names, texts)], ignore_index=True)
        tables.append(rows.assign(**facts, color=[styles[name].color for name in rows["class"]]))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    return table.reindex(columns=list(COLUMNS))


def _given(one: GraphView, reason: Why, label_names: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    nodes, result = one.study.nodes, one.study.propagated
    whole_score = result.scores[reason.others].sum(axis=1) if result.visible[reason.node] else np.full(len(reason.others), reason.parts.sum())
    shares = np.divide(reason.parts, whole_score, out=np.zeros_like(reason.parts), where=whole_score > 0)
    rows = []
    if not result.visible[reason.node]:
        classes = nodes.labels[reason.others]
        for c in sorted(set(classes[reason.parts > 0].tolist()), key=lambda c: -reason.scores[c]):
            own = classes == c
            rows.append(("class", -1, "", label_names[c], reason.scores[c], shares[own].sum(), int(own.sum())))
    top = np.argsort(-reason.parts, kind="stable")[:MOST_TEXTS]
    rows += [("text", int(nodes.row_ids[i]), excerpt(texts[int(nodes.row_ids[i])]), label_names[nodes.labels[i]], reason.parts[k], shares[k], 1)
             for k, i in zip(top, reason.others[top], strict=True) if reason.parts[k] > 0]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "row_id", "text", "class", "part", "share", "count"])


def _near(one: GraphView, reason: Why, label_names: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    nodes = one.study.nodes
    rows = [("neighbor", int(nodes.row_ids[i]), excerpt(texts[int(nodes.row_ids[i])]), label_names[nodes.labels[i]], weight)
            for i, weight in zip(reason.neighbors, reason.weights, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "row_id", "text", "class", "weight"])


def bars(table: pd.DataFrame, pane_id: str) -> pd.DataFrame:
    """The rows that have a bar: the five largest classes, then single texts."""
    rows = table[table["pane"] == pane_id]
    return pd.concat([rows[rows["mark"] == "class"].head(MOST_CLASSES), rows[rows["mark"] == "text"]], ignore_index=True)


def bar_words(row: Any) -> str:
    """"earn: the first words of the text", or "earn: all 31 visible texts together"."""
    count = int(row["count"])
    what = short(row["text"], 60) if row["mark"] == "text" else "its one visible text" if count == 1 else f"all {count:,} visible texts together"
    return f"{short(row['class'], 18)}: {what}"


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """Bars from zero, as shares of the asked text's whole score: by class, then of single texts on a scale of their own."""
    rows = bars(table, pane_id)
    blocks = [part for part in (rows[rows["mark"] == "class"], rows[rows["mark"] == "text"]) if len(part)]
    figure = go.Figure({"layout": _layout(theme, height or _height(blocks))})
    if not blocks:
        figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, text="No visible label reaches this text",
                              font={"color": theme.muted, "size": 13})  # fmt: skip
        return figure.update_xaxes(visible=False).update_yaxes(visible=False)
    total, top = sum(len(part) + 1 for part in blocks), 1.0
    for i, part in enumerate(blocks):
        bottom = top - (len(part) + 1) / total
        _block(figure, part.to_dict("records"), str(i + 1) if i else "", (max(bottom, 0), top), theme)
        top = bottom
    return figure


ROW_PX = 31


def _height(blocks: Sequence[pd.DataFrame]) -> int:
    return ROW_PX * max(sum(len(part) + 1 for part in blocks), 3) + 8


def _block(figure: go.Figure, rows: list[dict[str, Any]], axis: str, domain: tuple[float, float], theme: Theme) -> None:
    """A heading, then for each row its words and below them its bar."""
    largest, colors = max(row["share"] for row in rows), [theme.shown(row["color"]) for row in rows]
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "fixedrange": True}
    figure.update_layout({
        f"xaxis{axis}": {**bare, "range": (0, 1.2 * 100 * largest), "anchor": f"y{axis}"},
        f"yaxis{axis}": {**bare, "range": (len(rows), -1), "domain": domain, "anchor": f"x{axis}"},
    })  # fmt: skip
    figure.add_trace(go.Bar(
        x=[100 * row["share"] for row in rows], y=np.arange(len(rows)) + 0.73, orientation="h", width=0.4, xaxis=f"x{axis}", yaxis=f"y{axis}",
        hovertext=[_hover(row) for row in rows], hovertemplate="%{hovertext}<extra></extra>", customdata=[row["row_id"] for row in rows],
        marker={"color": colors, "line": {"width": 0.8, "color": [mixed(color, theme.ink, 0.4) for color in colors]}},
        text=[_percent(row["share"]) for row in rows], textposition="outside", cliponaxis=False, textfont={"color": theme.ink, "size": 11},
    ))  # fmt: skip
    words = {"xref": "paper", "x": 0, "xanchor": "left", "yref": f"y{axis}", "yanchor": "middle", "showarrow": False, "captureevents": False}
    figure.add_annotation(**words, y=-0.5, text=f"<b>{HEADINGS[rows[0]['mark']]}</b>", font={"size": 12, "color": theme.muted})
    for place, row in enumerate(rows):
        figure.add_annotation(**words, y=place + 0.28, text=plotly_text(bar_words(row)), font={"size": 11, "color": theme.ink})


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share >= 0.0005 else "< 0.1%"


def _hover(row: Any) -> str:
    what = plotly_lines(row["text"]) if row["mark"] == "text" else f"{int(row['count']):,} visible texts together"
    return f"{what}<br>label <b>{plotly_text(short(row['class'], 60))}</b> · {100 * row['share']:.2f}% of the score ({row['part']:.4g})"


def _layout(theme: Theme, height: int) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 2, "r": 30, "t": 2, "b": 2}, "showlegend": False, "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"family": SCREEN_FONT, "color": theme.ink},
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.lines, "align": "left", "font": {"color": theme.ink, "size": 12}},
    }  # fmt: skip


def verdict(table: pd.DataFrame, pane_id: str) -> str:
    """What was guessed and from what, as a sentence; plain text."""
    rows = table[table["pane"] == pane_id]
    if rows.empty:
        return "This text is not among the texts of this graph."
    first, given = rows.iloc[0], rows[rows["mark"] == "class"]
    if first["visible"]:
        return f"Its label, {first['label']}, is shown: nothing is guessed. Below: the share it has in the scores of hidden texts."
    if not first["reached"] or given.empty:
        return f"It is {first['label']}; no visible label reaches it at this sigma, so nothing is guessed. Raise sigma."
    total = given["part"].sum()
    own = given.loc[given["class"] == first["predicted"], "share"].sum()
    right = "rightly" if first["predicted"] == first["label"] else f"wrongly: it is {first['label']}"
    return f"Guessed {first['predicted']}, {right}. Texts of {first['predicted']} gave {100 * own:.1f}% of its score; all parts sum to {total:.4f}."


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """A block of bars per run, one below the other."""
    with drawing():
        panes = list(dict.fromkeys(table["pane"]))
        size = max(MIN_PT, preset.font_pt - 0.5)
        step, head = 2.55 * size / PT_PER_MM, 3.2 * size / PT_PER_MM
        counts = [max(len(bars(table, pane)) + 0.5 * bars(table, pane)["mark"].nunique(), 1) for pane in panes]
        figure = canvas(preset.width_mm, max(sum(head + n * step for n in counts) + 1, 12))
        top = 0.0
        for pane, count in zip(panes, counts, strict=True):
            _paper_block(figure, table, pane, Box(0.5, top, preset.width_mm - 1, head + count * step), size, step)
            top += head + count * step
        if not panes:
            text(figure, preset.width_mm / 2, 6, "No text was asked about", size=size, ha="center", color=PAPER.muted)
    return figure


def _paper_block(figure: Figure, table: pd.DataFrame, pane: str, box: Box, size: float, step: float) -> None:
    rows, first = bars(table, pane), table[table["pane"] == pane].iloc[0]
    line = 1.3 * size / PT_PER_MM
    said = f"guessed {first['predicted']}, is {first['label']}" if not first["visible"] else f"label shown: {first['label']}"
    said = trimmed(said, size, 0.62 * box.width, limit=50)
    title = trimmed(first["title"], size, box.width - width_mm(said, size) - 2.5, limit=40, bold=True)
    text(figure, box.left, box.top + line, title, size=size, weight="bold",
         color=readable(loss_color(first["loss"]), PAPER.ground))  # fmt: skip
    text(figure, box.left + box.width, box.top + line, said, size=size, ha="right")
    text(figure, box.left, box.top + 2 * line, trimmed(first["node_text"], size, box.width, limit=HOVER_CHARS), size=size, color=PAPER.muted)
    ax = axes(figure, Box(0, 0, *size_mm(figure)), frame=False)
    largest = {mark: max(float(part["share"].max()), 1e-12) for mark, part in rows.groupby("mark")}  # single texts on a scale of their own
    room = box.width - 6 * size / PT_PER_MM
    place, before = -0.1, None
    for row in rows.to_dict("records"):
        if row["mark"] != before:
            heading = HEADINGS[row["mark"]]
            heading = heading if width_mm(heading, size, bold=True) <= box.width else heading.partition(" (")[0]  # the caption says it too
            text(figure, box.left, box.top + 2.45 * line + (place + 0.5) * step, heading, size=size, weight="bold", color=PAPER.muted)
            place, before = place + 0.5, row["mark"]
        base = box.top + 2.45 * line + (place + 0.45) * step
        place += 1
        text(figure, box.left, base, trimmed(bar_words(row), size, box.width, limit=HOVER_CHARS), size=size)
        width = room * row["share"] / largest[row["mark"]]
        bar = ax.barh([base + 0.32 * step], [width], left=box.left, height=0.3 * step, color=row["color"], edgecolor=PAPER.ink, linewidth=0.3)
        bar[0].set_gid(f"share-{row['share']:.6f}")
        text(figure, box.left + width + 0.8, base + 0.42 * step, _percent(row["share"]), size=max(MIN_PT, size - 0.5), color=PAPER.muted)
    if rows.empty:
        text(figure, box.left, box.top + 2.45 * line + 0.5 * step, "No visible label reaches this text", size=size, color=PAPER.muted)


def caption(table: pd.DataFrame, inputs: Sequence[GraphInput]) -> str:
    """What a bar is, and of which text and runs."""
    if table.empty:
        return "No text was asked about."
    first = table.iloc[0]
    what = "share of a hidden text's propagated score that this text's label gave"
    if not first["visible"]:
        what = ("share of the text's propagated score that visible texts gave, by class and (on a scale of their own) by text, "
                "from its row of (I - T_uu)^-1 T_ul")  # fmt: skip
    return f"Text {int(first['node'])}: “{first['node_text']}” Bars: {what}. {runs_words([given.run for given in inputs])}"


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The bars in words."""
    rows = bars(table, pane_id)
    top = ", ".join(f"{100 * row['share']:.1f}% from {bar_words(row)}" for row in rows.head(3).to_dict("records"))
    return f"{verdict(table, pane_id)} {'Largest: ' + top + '.' if top else ''}".strip()


def notes(table: pd.DataFrame) -> list[str]:
    return [one for one in [missing_glyphs(dict.fromkeys([*table["title"], *table["class"], *table["text"].dropna()]))] if one]
