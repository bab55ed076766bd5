"""The page list and nothing else. Run with `streamlit run app.py`."""

import streamlit as st

from dmlviz import ui

st.set_page_config(page_title="DMLViz", page_icon=ui.ICON, layout="wide", initial_sidebar_state="auto")
page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", default=True),
        st.Page("pages/train.py", title="Train"),
        st.Page("pages/runs.py", title="Runs"),
        st.Page("pages/manifold.py", title="Manifold"),
        st.Page("pages/proxies.py", title="Proxies"),
        st.Page("pages/graph.py", title="Graph"),
        st.Page("pages/attributions.py", title="Attributions"),
        st.Page("pages/reliability.py", title="Reliability"),
        st.Page("pages/figures.py", title="Figures"),
    ],
    position="top",
)
with ui.guard():
    ui.hear()
    ui.sidebar()
    page.run()
