"""Whether one loss is better than another, and where it fails: curves, gains, tests, calibration, errors."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.reliability import curves, parts, sections


def show() -> None:
    """Draw the page."""
    ui.header(
        "Is the difference real?",
        "Runs that differ in draw and seed alone are one group. Bands and bars: Student's 95 % interval over draws; dots: single runs.",
    )
    runs = ui.all_runs()
    if not any("accuracy" in run.metrics for run in runs if run.state == "finished"):
        ui.empty("No finished run yet. Intervals and tests appear with the second draw of the shots.", "Train a run", "pages/train.py")
        st.stop()
    with ui.guard():
        scope = parts.scope_of(runs)
        curves.first_screen(scope)
        sections.sections(scope)
