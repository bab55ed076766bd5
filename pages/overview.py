"""What there is, how to start, the last results."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import overview_parts, papers_parts

ui.header(
    "Which loss, on which data, with how few labels?",
    "Mean accuracy on the test part over draws of the shots and seeds, ± half of Student's 95 % interval; a single run says so.",
)
runs = ui.runs()
overview_parts.unreadable()
if not runs:
    overview_parts.welcome()
    st.stop()
overview_parts.active(runs)
overview_parts.results(runs)
overview_parts.next_step(runs)
with st.container(key="wide"):
    overview_parts.thumbnails(ui.picked_runs())
with ui.guard():
    papers_parts.published(runs)
