"""How labels spread between similar texts, and from which text a guessed label came."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import graph_parts, picks

ui.header(
    "How do labels spread between similar texts?",
    "Ringed texts show their label; it passes along the edges, more along wider ones, until every other text has a guess. Click a text to see why.",
)
runs = ui.needed("No finished run yet. The similarity graph of its texts appears as soon as the first run is trained.")
with ui.guard():
    runs = picks.on_one_dataset(runs)
    look = graph_parts.controls(runs)
    shown = graph_parts.load(runs, look)
    with st.container(key="wide"):
        graph_parts.panes(shown, look)
        graph_parts.reasons(shown, look)
        graph_parts.widths(shown, look)
    graph_parts.table(shown, look)
    graph_parts.steps(shown, look)
    graph_parts.epochs(shown, look)
