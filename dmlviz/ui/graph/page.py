"""How labels spread between similar texts, and from which text a guessed label came."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.graph import parts
from dmlviz.ui.shared import picks


def show() -> None:
    """Draw the page."""
    ui.header(
        "How do labels spread between similar texts?",
        "Ringed texts show their label; it passes along the edges, more along wider ones, until every other text has a guess. "
        "Click a text to see why.",
    )
    runs = ui.needed("No finished run yet. The similarity graph of its texts appears as soon as the first run is trained.")
    with ui.guard():
        runs = picks.on_one_dataset(runs)
        look = parts.controls(runs)
        shown = parts.load(runs, look)
        with st.container(key="wide"):
            parts.panes(shown, look)
            parts.reasons(shown, look)
            parts.widths(shown, look)
        parts.table(shown, look)
        parts.steps(shown, look)
        parts.epochs(shown, look)
