"""Where each text lands, and how far the map can be trusted."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import manifold_parts

ui.header(
    "Where do the texts land?",
    "Texts close together are close in the encoder's space, as far as the line under each map says. Gaps and directions mean nothing.",
)
runs = ui.picked_runs()
if not runs:
    ui.empty("No finished run yet. Maps appear as soon as the first run is trained, one pane per run.", "Train a run", "pages/train.py")
    st.stop()
with ui.guard():
    look = manifold_parts.controls(runs)
    frame, panes = manifold_parts.load(runs, look)
    with st.container(key="wide"):
        selected = manifold_parts.panes_row(frame, panes, look)
    manifold_parts.below(frame, panes, selected, look)
