"""Whether one loss is better than another, and where it fails: curves, gains, tests, calibration, errors."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import reliability_curves, reliability_parts, reliability_sections

ui.header(
    "Is the difference real?",
    "Runs that differ in draw and seed alone are one group. Bands and bars: Student's 95 % interval over draws; dots: single runs.",
)
runs = ui.runs()
if not any("accuracy" in run.metrics for run in runs if run.state == "finished"):
    ui.empty("No finished run yet. Intervals and tests appear with the second draw of the shots.", "Train a run", "pages/train.py")
    st.stop()
with ui.guard():
    scope = reliability_parts.scope_of(runs)
    reliability_curves.first_screen(scope)
    reliability_sections.sections(scope)
