"""The app: its pages, and what stands around each of them."""

from __future__ import annotations

import streamlit as st

from dmlviz import ui
from dmlviz.ui.shared.frame import PAGES


def main() -> None:
    """Draw the page that the address names. Called by `app.py`, in whose folder `pages/` lies."""
    st.set_page_config(page_title="DMLViz", page_icon=ui.ICON, layout="wide", initial_sidebar_state="auto")
    page = st.navigation([st.Page(f"pages/{name}.py", title=name.capitalize(), default=name == PAGES[0]) for name in PAGES], position="top")
    with ui.guard():
        ui.hear()
        ui.sidebar()
        page.run()
