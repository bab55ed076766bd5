"""One text, a row per run: each word on a ground that says how much it weighs towards the explained class."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from dmlviz.core.types import TextDataset
from dmlviz.figures.attribution.frame import AttributionInput, kind_words, sign, word_color, word_frame
from dmlviz.figures.base.paper import Box, axes, canvas, size_mm, text, trimmed, width_mm
from dmlviz.figures.base.presets import MIN_PT, PT_PER_MM, Preset
from dmlviz.figures.base.theme import LIGHT, PAPER, SCREEN_FONT, Theme, drawing, loss_color, readable
from dmlviz.figures.base.words import clean, drawable, missing_glyphs, plotly_text, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_WORDS = 400  # shown of one text; the rest is counted


def frame(inputs: Sequence[AttributionInput], dataset: TextDataset, *, row: float | str = -1) -> pd.DataFrame:
    """See attribution.frame.word_frame."""
    return word_frame(inputs, dataset, row=row)


def rows_of(table: pd.DataFrame, pane_id: str) -> pd.DataFrame:
    """The words of one run's row, as far as they are shown."""
    return table[table["pane"] == pane_id].head(MOST_WORDS)


def said(table: pd.DataFrame, pane_id: str) -> str:
    """Prediction, how sure, and what is explained; plain text."""
    first = table[table["pane"] == pane_id].iloc[0]
    right = "" if not first["label"] else ", rightly" if first["label"] == first["predicted"] else f", but it is {short(first['label'], 30)}"
    guess = short(first["predicted"], 30)
    if first["class"] == first["predicted"]:
        return f"{guess} {first['probability']:.2f}{right}"
    sure = "" if " minus " in first["class"] else f" {first['probability']:.2f}"  # a difference has no probability
    return f"{guess}{right}; explained: {short(first['class'], 40)}{sure}"


def exact(table: pd.DataFrame, pane_id: str) -> str:
    """How exactly the values add up; plain text."""
    first = table[table["pane"] == pane_id].iloc[0]
    if not math.isfinite(first["delta"]):
        return "the method promises no sum"
    return f"Δ {first['delta']:+.1e} after {first['steps']:.0f} steps"


def left_out(table: pd.DataFrame, pane_id: str) -> str:
    """Sentences on what of the text is not shown or not read."""
    rows = table[table["pane"] == pane_id]
    first, parts = rows.iloc[0], []
    if first["cut"]:
        behind = "1 character behind them is" if first["cut"] == 1 else f"{first['cut']:,} characters behind them are"
        parts.append(f"The encoder read the first {len(rows):,} words; {behind} cut.")
    if len(rows) > MOST_WORDS:
        parts.append(f"{MOST_WORDS} of its {len(rows):,} words are shown.")
    if first["unknown"]:
        symbols = "1 symbol is" if first["unknown"] == 1 else f"{first['unknown']:,} symbols are"
        parts.append(f"{symbols} unknown to the tokenizer.")
    return " ".join(parts)


def markup(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT) -> str:
    """The row's words as HTML, all of it escaped: ground by weight, value on hover, a sign before heavy words, a wavy line where runs differ."""
    parts = []
    before_second = False
    for one in rows_of(table, pane_id).to_dict("records"):
        if one["second"] and not before_second:
            parts.append(f'<span style="color:{theme.muted}"> ‖ </span>')
            before_second = True
        else:
            parts.append(_escaped(one["gap"]) or " " * bool(one["gap"]))
        mark = sign(one["share"], one["strength"])
        told = f"{one['value']:+.3g} · {100 * one['share']:+.1f} % of the text" + (" · differs between the runs" if one["differs"] else "")
        line = f"text-decoration:underline wavy {theme.ink} 1.5px;text-underline-offset:4px;" if one["differs"] else ""
        small = f'<sup style="font-size:.65em">{mark}</sup>' if mark else ""
        parts.append(
            f'<span title="{html.escape(told, quote=True)}" style="background:{word_color(one["share"], one["strength"], theme)};color:{theme.ink};'
            f'padding:1px 2px;border-radius:3px;{line}">{small}{_escaped(one["word"])}</span>'
        )
    return f'<div dir="auto" style="line-height:2;overflow-wrap:anywhere;font-size:1.02rem">{"".join(parts)}</div>'


def _escaped(word: str) -> str:
    return html.escape(clean(word), quote=True).replace("$", "&#36;").replace("`", "&#96;")


def screen(table: pd.DataFrame, pane_id: str, *, theme: Theme = LIGHT, height: int | None = None) -> go.Figure:
    """The row's words as bars in the order of the text, for who wants to see the values themselves."""
    rows = rows_of(table, pane_id)
    colors = [word_color(share, max(strength, 0.35), theme) for share, strength in zip(rows["share"], rows["strength"], strict=True)]
    bars = go.Bar(
        x=list(range(len(rows))), y=100 * rows["share"], marker={"color": colors, "line": {"width": 0.6, "color": theme.muted}},
        hovertext=[f"{plotly_text(word)}<br>{value:+.3g} · {100 * share:+.1f} % of the text"
                   for word, value, share in zip(rows["word"], rows["value"], rows["share"], strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip
    ticks = rows if len(rows) <= 40 else rows[rows["strength"] >= 0.5]
    layout: dict[str, Any] = {
        "height": height or 200, "margin": {"l": 40, "r": 4, "t": 6, "b": 60}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": SCREEN_FONT, "color": theme.ink, "size": 11}, "dragmode": False, "bargap": 0.15,
        "xaxis": {"tickvals": ticks["place"].tolist(), "ticktext": [plotly_text(short(word, 14)) for word in ticks["word"]], "tickangle": -60,
                  "showgrid": False, "fixedrange": True},
        "yaxis": {"title": {"text": "share of the text, %", "standoff": 4}, "gridcolor": theme.lines, "zerolinecolor": theme.muted,
                  "fixedrange": True},
    }  # fmt: skip
    return go.Figure([bars], layout)


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """Highlighted text per run, wrapped to the width; text stays text in a PDF."""
    with drawing():
        size = max(MIN_PT, preset.font_pt)
        step, panes = 1.75 * size / PT_PER_MM, list(dict.fromkeys(table["pane"]))
        laid = [_lines(rows_of(table, pane), size, preset.width_mm - 1) for pane in panes]
        height = sum((len(lines) + (1.25 if _abreast(table, pane, size, preset.width_mm) else 2.25)) * step + 0.6 * step
                     for pane, lines in zip(panes, laid, strict=True)) + 1.0 + (step if len(panes) else 0)
        figure = canvas(preset.width_mm, max(height, 10))
        ax = axes(figure, Box(0, 0, *size_mm(figure)), frame=False)
        top = 0.5
        for pane, lines in zip(panes, laid, strict=True):
            top = _paper_row(figure, ax, table, pane, lines, top, size, step, preset.width_mm)
        if panes:
            _legend(figure, ax, top, size, step)
    return figure


def _lines(rows: pd.DataFrame, size: float, width: float) -> list[list[tuple[dict[str, Any], str, float, float]]]:
    """(word's row, drawn words, left, width) in mm, line by line."""
    lines: list[list[tuple[dict[str, Any], str, float, float]]] = [[]]
    left, blank, second = 0.5, 0.33 * size / PT_PER_MM, False
    for one in rows.to_dict("records"):
        mark = sign(one["share"], one["strength"])
        words = ("‖ " if one["second"] and not second else "") + mark + short(drawable(one["word"])[0], 60)
        second = second or one["second"]
        room = width_mm(words, size) + 0.9
        gap = blank if one["gap"] or not lines[-1] else 0.0
        if left + gap + room > width and lines[-1]:
            lines.append([])
            left, gap = 0.5, 0.0
        lines[-1].append((one, words, left + gap, room))
        left += gap + room
    return lines


def _heads(table: pd.DataFrame, pane: str) -> tuple[str, str]:
    """What a run is called, and what it said of the text."""
    first = table[table["pane"] == pane].iloc[0]
    return short(drawable(first["title"])[0], 40), short(drawable(f"{said(table, pane)} · {first['level']}")[0], 60)


def _abreast(table: pd.DataFrame, pane: str, size: float, width: float) -> bool:
    """Do both fit into one line?"""
    title, words = _heads(table, pane)
    return width_mm(title, size, bold=True) + width_mm(words, size) + 2 <= width


def _paper_row(figure: Figure, ax: Any, table: pd.DataFrame, pane: str, lines: list, top: float, size: float, step: float, width: float) -> float:
    from matplotlib.patches import Rectangle

    first = table[table["pane"] == pane].iloc[0]
    title, words = _heads(table, pane)
    text(figure, 0.5, top + 0.8 * step, trimmed(title, size, width - 1, bold=True), size=size, weight="bold",
         color=readable(loss_color(first["loss"]), PAPER.ground))  # fmt: skip
    if _abreast(table, pane, size, width):
        text(figure, width - 0.5, top + 0.8 * step, words, size=size, ha="right", color=PAPER.muted)
    else:
        top += step
        text(figure, 0.5, top + 0.8 * step, trimmed(words, size, width - 1), size=size, color=PAPER.muted)
    top += 1.25 * step
    for line in lines:
        for one, words, left, room in line:
            ax.add_patch(Rectangle((left, top + 0.1 * step), room, 0.85 * step, facecolor=word_color(one["share"], one["strength"], PAPER),
                                   linewidth=0, gid=f"word-{one['place']}"))  # fmt: skip
            text(figure, left + room / 2, top + 0.72 * step, words, size=size, ha="center")
            if one["differs"]:
                ax.plot([left, left + room], [top + 0.97 * step] * 2, color=PAPER.ink, linewidth=0.5, linestyle=(0, (1.5, 1)))
        top += step
    return top + 0.6 * step


def _legend(figure: Figure, ax: Any, top: float, size: float, step: float) -> None:
    from matplotlib.patches import Rectangle

    left = 0.5
    for share, words in ((-1.0, "− against"), (1.0, "+ towards the class")):
        room = width_mm(words, size) + 1.4
        ax.add_patch(Rectangle((left, top - 0.15 * step), room, 0.85 * step, facecolor=word_color(share, 1.0, PAPER), linewidth=0))
        text(figure, left + room / 2, top + 0.47 * step, words, size=max(MIN_PT, size - 0.5), ha="center")
        left += room + 1.5


def caption(table: pd.DataFrame, inputs: Sequence[AttributionInput]) -> str:
    """What the colours are, of which runs, and how exact."""
    if table.empty:
        return "No text was explained."
    first, panes = table.iloc[0], list(dict.fromkeys(table["pane"]))
    which = f"Text {int(first['row_id'])}" if first["row_id"] >= 0 else "A typed text"
    rows = "; ".join(f"{table.loc[table['pane'] == pane, 'title'].iloc[0]}: {said(table, pane)}, {exact(table, pane)}, "
                     f"{table.loc[table['pane'] == pane, 'level'].iloc[0]}" for pane in panes)  # fmt: skip
    return (
        f"{which}. {kind_words(inputs[0].kind)}. Ground: a word's share of the sum of absolute values, orange (+) towards, blue (−) against the "
        f"class; underlined: differs between the runs. {rows}. Single runs: {', '.join(panes)}."
    )


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The heaviest words in words."""
    rows = table[table["pane"] == pane_id]
    top = rows.reindex(rows["share"].abs().sort_values(ascending=False).index).head(5)
    words = ", ".join(f"{clean(word)} {100 * share:+.0f} %" for word, share in zip(top["word"], top["share"], strict=True))
    return f"{said(table, pane_id)}. Heaviest words: {words}."


def notes(table: pd.DataFrame) -> list[str]:
    glyphs = missing_glyphs(dict.fromkeys([*table["title"], *table["class"], *table["word"]]))
    cut = next((left_out(table, pane) for pane in dict.fromkeys(table["pane"]) if left_out(table, pane)), "")
    return [one for one in (glyphs, cut) if one]
