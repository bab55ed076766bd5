"""The tray: each figure as it will be on paper, and its files."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import figures_parts

ui.header("How will it look in the paper?", "The preview is drawn by the same code as the file, at the preset's exact width.")
if not ui.tray():
    ui.empty("The tray is empty. Every picture has an “Add to figures” button; the maps are a good start.", "Go to the maps", "pages/manifold.py")
    st.stop()
tray_column, preview_column = st.columns([1, 2.2], gap="large")
with tray_column:
    spec = figures_parts.choose()
with preview_column, ui.guard():
    figures_parts.preview(spec)
