"""The sections of the Reliability page, of which only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dmlviz.ui.reliability.calibration import calibration, selective, strata
from dmlviz.ui.reliability.errors import errors
from dmlviz.ui.reliability.groups import groups
from dmlviz.ui.reliability.influence import influence
from dmlviz.ui.reliability.parts import Scope, narrowed, readable
from dmlviz.ui.reliability.tests import tests
from dmlviz.ui.shared.frame import guard

WHOLE = {"Tests": tests, "Groups": groups}  # look at every data set of the scope
ON_ONE_SETTING = {  # look text by text: at one data set and one number of shots
    "Calibration": calibration, "Selective prediction": selective, "Strata": strata, "Errors": errors, "Influence": influence,
}  # fmt: skip
ORDER = ("Tests", *ON_ONE_SETTING, "Groups")


def sections(scope: Scope) -> None:
    """Tabs; a closed one costs nothing. The open one is in the address."""
    for tab, title in zip(st.tabs(list(ORDER), key="judge_tab", bind="query-params"), ORDER, strict=True):
        if tab.open:
            with tab, guard():
                _section(title)(scope)


def _section(title: str) -> Callable[[Scope], None]:
    return WHOLE[title] if title in WHOLE else lambda scope: ON_ONE_SETTING[title](readable(narrowed(scope)))
