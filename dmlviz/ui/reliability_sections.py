"""The sections of the Reliability page: the first screen, and tabs of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import streamlit as st

from dmlviz.ui.frame import escaped, guard
from dmlviz.ui.reliability_parts import Scope, narrowed
from dmlviz.ui.words import run_name


def first_screen(scope: Scope) -> None:
    """Few-shot curves beside the gains over cross-entropy."""


def sections(scope: Scope) -> None:
    """Tabs; a closed one costs nothing."""
    found = {"Groups": groups, **{title: draw for title, module, name in _TABLE if (draw := _section(module, name))}}
    for tab, draw in zip(st.tabs(list(found), key="judge_tab", bind="query-params"), found.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(scope)


_TABLE = (  # title, module of dmlviz.ui, its function
    ("Calibration", "reliability_calibration", "calibration"),
    ("Selective prediction", "reliability_calibration", "selective"),
    ("Strata", "reliability_calibration", "strata"),
    ("Errors", "reliability_errors", "errors"),
    ("Influence", "reliability_influence", "influence"),
)


def groups(scope: Scope) -> None:
    """The runs of each group."""
    for group in scope.groups:
        st.caption(escaped(", ".join(run_name(run) for run in group.runs)))


def _section(module: str, name: str) -> Callable[[Scope], None] | None:
    """The section's function on the narrowed scope; None while its file does not exist."""
    if find_spec(f"dmlviz.ui.{module}") is None:
        return None

    def draw(scope: Scope) -> None:
        from importlib import import_module

        getattr(import_module(f"dmlviz.ui.{module}"), name)(narrowed(scope))

    return draw
