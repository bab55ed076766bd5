"""The tray: each figure as it will be on paper, its checks, its files; tables; and everything as one bundle."""

import streamlit as st

from dmlviz import ui
from dmlviz.ui import bundle_parts, figures_parts, tables_parts

ui.header("How will it look in the paper?", "The preview is the file itself: drawn once, at the preset's exact width, with its checks beside it.")
with ui.guard():
    sheets = figures_parts.kept()
    if not sheets:
        tables_parts.show(ui.picked_runs(), "runs side by side")
        st.stop()
    tray_column, sheet_column = st.columns([1, 2.6], gap="large")
    with tray_column:
        at, places = figures_parts.choose(sheets)
    with sheet_column, ui.guard():
        figures_parts.controls(sheets[at], at)
        figures_parts.preview(sheets[at])
    figures_parts.thumbnails(sheets, places)
    tables_parts.show(figures_parts.runs_of(sheets), "runs of the tray")
    bundle_parts.show(sheets)
