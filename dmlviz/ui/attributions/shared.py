"""What the tabs of the Attributions page share: a figure with its buttons, an interval in words, how long a job takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import streamlit as st

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import FigureSpec
from dmlviz.figures import FIGURES
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.base.theme import loss_color, readable
from dmlviz.ui.shared.frame import escaped, theme
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.words import duration

SECONDS_PER_TEXT = 2.5  # MiniLM, 25 words, all checks, two quiet cores; said as "about"


def how_long(texts: int) -> str:
    """Of explaining so many texts and runs, in words."""
    return f"about {duration(max(10.0, texts * SECONDS_PER_TEXT))} for an encoder of MiniLM's size on two cores"


def figure(name: str, inputs: Sequence[AttributionInput], needs: Sequence[object], kind: AttributionKind, key: str, **options: object) -> None:
    """A figure of the table with its two buttons."""
    entry = FIGURES[name]
    table = entry.frame(*needs, **options)
    panes = list(dict.fromkeys(table["pane"]))
    if name == "attribution_classes":
        across = min(len(panes), 3) or 1
        for start in range(0, len(panes), across):
            with st.container(key=f"wide_{key}_{start}"):
                for column, pane in zip(st.columns(across), panes[start : start + across], strict=False):
                    with column:
                        first = table[table["pane"] == pane].iloc[0]
                        st.html(f'<b style="color:{readable(loss_color(first["loss"]), theme().ground)}">{escape(first["title"])}</b>')
                        picture(entry.screen(table, pane, theme=theme()), key=f"{key}_{pane}", alt=entry.alt(table, pane))
    else:
        picture(entry.screen(table, theme=theme()), key=key, alt=entry.alt(table, panes[0] if panes else ""))
    spec = FigureSpec(name=name, run_ids=tuple(one.run.id for one in inputs), options={**options, "kind": str(kind)})
    st.caption(escaped(entry.caption(table, inputs)))
    tools(spec, table, key=key)


def interval(value: float, low: float, high: float) -> str:
    """0.42 (0.31 to 0.53); a dash for what was not measured."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f}" + (f" ({low:.2f} to {high:.2f})" if math.isfinite(low) and math.isfinite(high) else "")
