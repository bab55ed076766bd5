"""Which centres each class really uses, and what they hold."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.proxies import parts
from dmlviz.ui.shared import picks


def show() -> None:
    """Draw the page."""
    ui.header(
        "Which centres does each class really use?",
        "Stars are centres, joined to texts that are nearest to them of all the class's centres; a loss without centres shows its class means.",
    )
    runs = ui.needed("No finished run yet. Centres appear among the texts as soon as the first run is trained.")
    with ui.guard():
        runs = picks.on_one_dataset(runs)
        look = parts.controls(runs)
        shown = parts.load(runs, look)
        with st.container(key="wide"):
            parts.maps(shown)
        parts.numbers(shown)
        parts.details(shown)
