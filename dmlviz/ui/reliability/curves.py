"""The first screen of the Reliability page: few-shot curves beside the gains over cross-entropy."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dmlviz.core.types import FigureSpec, InputError
from dmlviz.figures import FIGURES
from dmlviz.figures.reliability.gain_forest import tall_as
from dmlviz.figures.reliability.shots_curve import panes
from dmlviz.ui.reliability.parts import Scope, options
from dmlviz.ui.shared.frame import escaped, theme
from dmlviz.ui.shared.picture import picture, tools

BESIDE = 2  # data sets whose curves leave room for the gains at their side
HEIGHT = 430


def first_screen(scope: Scope) -> None:
    """Curves on the left, gains on the right; from three data sets on, the gains below."""
    table, gains = FIGURES["shots_curve"].frame(scope.runs, **options(scope)), _gain_table(scope)
    names = panes(table)
    tall = HEIGHT if isinstance(gains, str) else min(max(HEIGHT, tall_as(gains)), 1.3 * HEIGHT)
    if len(names) > BESIDE:
        _curves(scope, table, names, HEIGHT)
        _gains(scope, gains, 0)
        return
    with st.container(key="wide_judge"):
        left, right = st.columns([1.15, 1] if len(names) == 1 else [1.5, 1], gap="medium")
        with left:
            _curves(scope, table, names, int(tall))
        with right:
            _gains(scope, gains, int(tall))


def _gain_table(scope: Scope) -> pd.DataFrame | str:
    """The gains, or why there are none."""
    try:
        return FIGURES["gain_forest"].frame(scope.runs, **options(scope))
    except InputError as error:
        return str(error)


def _curves(scope: Scope, table: pd.DataFrame, names: list[str], tall: int) -> None:
    entry, across = FIGURES["shots_curve"], min(len(names), 3)
    for start in range(0, len(names), across):
        with st.container(key=f"wide_curves_{start}"):
            for column, name in zip(st.columns(across), names[start : start + across], strict=False):
                with column:
                    drawn = entry.screen(table, name, theme=theme(), height=tall)
                    picture(drawn, key=f"judge_curve_{names.index(name)}", alt=entry.alt(table, name))
    _below("shots_curve", scope, table)


def _gains(scope: Scope, table: pd.DataFrame | str, tall: int) -> None:
    entry = FIGURES["gain_forest"]
    if isinstance(table, str):
        st.info(escaped(table[:1].upper() + table[1:] + "."))
        return
    picture(entry.screen(table, theme=theme(), height=tall), key="judge_gains", alt=entry.alt(table))
    _below("gain_forest", scope, table)


def _below(name: str, scope: Scope, table: pd.DataFrame) -> None:
    """Caption and buttons."""
    st.caption(escaped(FIGURES[name].caption(table, scope.runs)))
    tools(FigureSpec(name=name, run_ids=scope.run_ids, options=dict(options(scope))), table, key=f"judge_{name}")


def ranks(scope: Scope) -> None:
    """Methods ranked over the data sets of the scope."""
    entry = FIGURES["ranks"]
    table = entry.frame(scope.runs, **options(scope))
    picture(entry.screen(table, theme=theme()), key="judge_ranks", alt=entry.alt(table))
    _below("ranks", scope, table)
