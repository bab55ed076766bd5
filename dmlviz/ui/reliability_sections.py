"""The sections of the Reliability page, of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import streamlit as st

from dmlviz.ui.frame import guard
from dmlviz.ui.reliability_groups import groups
from dmlviz.ui.reliability_parts import Scope, narrowed
from dmlviz.ui.reliability_tests import tests

OTHERS = (  # title, module of dmlviz.ui, its function
    ("Calibration", "reliability_calibration", "calibration"),
    ("Selective prediction", "reliability_calibration", "selective"),
    ("Strata", "reliability_calibration", "strata"),
    ("Errors", "reliability_errors", "errors"),
    ("Influence", "reliability_influence", "influence"),
)


def sections(scope: Scope) -> None:
    """Tabs; a closed one costs nothing. The open one is in the address."""
    found = {"Tests": tests, **{title: draw for title, module, name in OTHERS if (draw := _section(module, name))}, "Groups": groups}
    for tab, draw in zip(st.tabs(list(found), key="judge_tab", bind="query-params"), found.values(), strict=True):
        if tab.open:
            with tab, guard():
                draw(scope)


def _section(module: str, name: str) -> Callable[[Scope], None] | None:
    """The section's function on one data set and number of shots; None while its file does not exist."""
    if find_spec(f"dmlviz.ui.{module}") is None:
        return None
    return lambda scope: getattr(import_module(f"dmlviz.ui.{module}"), name)(narrowed(scope))
