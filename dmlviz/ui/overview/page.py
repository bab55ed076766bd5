"""What there is, how to start, the last results."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.overview import parts
from dmlviz.ui.train import papers


def show() -> None:
    """Draw the page."""
    ui.header(
        "Which loss, on which data, with how few labels?",
        "Mean accuracy on the test part over draws of the shots and seeds, ± half of Student's 95 % interval; a single run says so.",
    )
    runs = ui.all_runs()
    parts.unreadable()
    if not runs:
        parts.welcome()
        st.stop()
    parts.active(runs)
    parts.results(runs)
    parts.next_step(runs)
    with st.container(key="wide"):
        parts.thumbnails(ui.picked_runs())
    with ui.guard():
        papers.published(runs)
