"""The tray: each figure as it will be on paper, its checks, its files; tables; and everything as one bundle."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.figures import bundle, parts, tables


def show() -> None:
    """Draw the page."""
    ui.header("How will it look in the paper?", "The preview is the file itself: drawn once, at the preset's exact width, with its checks beside it.")
    with ui.guard():
        sheets = parts.kept()
        if not sheets:
            tables.show(ui.picked_runs(), "runs side by side")
            st.stop()
        tray_column, sheet_column = st.columns([1, 2.6], gap="large")
        with tray_column:
            at, places = parts.choose(sheets)
        with sheet_column, ui.guard():
            parts.controls(sheets[at], at)
            parts.preview(sheets[at])
        parts.thumbnails(sheets, places)
        tables.show(parts.runs_of(sheets), "runs of the tray")
        bundle.show(sheets)
