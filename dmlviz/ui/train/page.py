"""Choose data, encoder, losses and shots; press Train; watch."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.shared import dataset_picker
from dmlviz.ui.train import form, live, papers, sweep, tuning


def show() -> None:
    """Draw the page."""
    ui.header(
        "What should be trained on what?",
        "Pick a data set and the losses to compare. Everything but the loss is kept equal, so that a difference can be the loss's.",
    )
    with st.container(key="wide"):
        data, model, protocol = st.columns([1.15, 1, 0.9], gap="medium")
    with data:
        st.header("1 · Data", anchor=False)
        with ui.guard():
            chosen = None
            chosen = dataset_picker.pick_dataset()
            if chosen is not None:
                dataset_picker.show_dataset(chosen)
    with protocol:
        st.header("4 · Shots, draws, seeds", anchor=False)
        draws = form.pick_protocol()
    with model:
        st.header("2 · Encoder", anchor=False)
        encoder = form.pick_encoder()
        st.header("3 · Losses", anchor=False)
        losses = form.pick_losses()
    with protocol, ui.guard():
        live.plan_and_submit(chosen, encoder, losses, draws)
    with ui.guard():
        sweep.form(chosen, encoder, losses, draws[0])
    with ui.guard():
        sweep.watch()
    with ui.guard():
        papers.reproduce()
    with ui.guard():
        tuning.tune(chosen, encoder, draws[0])
    live.running()
