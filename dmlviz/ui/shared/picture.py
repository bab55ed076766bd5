"""A picture with its two buttons, the same corner everywhere."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dmlviz.core.types import FigureSpec
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.ui.shared.tray import add_to_tray

PLOTLY = {"displaylogo": False, "displayModeBar": "hover", "scrollZoom": True}


def picture(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a Plotly figure to look at."""
    st.plotly_chart(figure, key=key, theme=None, config={**PLOTLY, "scrollZoom": False}, alt=alt)


def tools(spec: FigureSpec, frame: pd.DataFrame, *, key: str) -> None:
    """ "Add to figures" and "CSV"."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        st.button("Add to figures", key=f"{key}_add", on_click=add_to_tray, args=(spec,), icon=":material/add:")
        made = lambda: csv_bytes(frame)  # noqa: E731, written when it is asked for
        st.download_button("CSV", made, file_name([spec.name, *spec.run_ids[:2]], "csv"), "text/csv", key=f"{key}_csv", on_click="ignore")
