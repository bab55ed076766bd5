"""Choose data, encoder, losses and shots; press Train; watch."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import dataset_picker, papers_parts, sweep_parts, train_form, train_live, tuning_parts

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
    draws = train_form.pick_protocol()
with model:
    st.header("2 · Encoder", anchor=False)
    encoder = train_form.pick_encoder()
    st.header("3 · Losses", anchor=False)
    losses = train_form.pick_losses()
with protocol, ui.guard():
    train_live.plan_and_submit(chosen, encoder, losses, draws)
with ui.guard():
    sweep_parts.form(chosen, encoder, losses, draws[0])
with ui.guard():
    sweep_parts.watch()
with ui.guard():
    papers_parts.reproduce()
with ui.guard():
    tuning_parts.tune(chosen, encoder, draws[0])
train_live.running()
