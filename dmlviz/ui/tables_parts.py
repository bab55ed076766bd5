"""Tables of the runs on the Figures page: looked at here, pasted into a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dmlviz.draw_tables import KINDS, make_table, table_bytes
from dmlviz.export import file_name
from dmlviz.records import Run
from dmlviz.tables import TABLES, Table, markdown
from dmlviz.ui.figures_parts import sources, stamp
from dmlviz.ui.frame import guard

MEDIA = {"tex": "application/x-tex", "csv": "text/csv", "md": "text/markdown"}


@st.cache_data(max_entries=12, show_spinner=False)
def _made(name: str, run_ids: tuple[str, ...], changed: tuple[Any, ...]) -> Table:
    """A finished run never changes; what is found out about it later does (`changed`)."""
    return make_table(name, run_ids, {}, sources())


def show(runs: Sequence[Run]) -> None:
    """A table of these runs, and its files."""
    finished = [run for run in runs if run.state == "finished"]
    if not finished:
        return
    st.header("Tables", anchor=False)
    name = st.selectbox("Table", list(TABLES), format_func=lambda one: f"{TABLES[one].title}: {TABLES[one].question}", key="table_name", width=460)
    with guard():
        with st.spinner("Making the table"):
            run_ids = tuple(run.id for run in finished)
            made = _made(name, run_ids, stamp(run_ids) if name == "attributions" else ())
        data = {kind: table_bytes(made, kind, run_ids) for kind in KINDS}
        st.markdown(markdown(made), unsafe_allow_html=True)  # only <u> and <sup> of our own: names are escaped by the writer
        with st.container(horizontal=True):
            for kind, words in (("tex", "LaTeX"), ("csv", "CSV"), ("md", "Markdown")):
                st.download_button(words, data[kind], file_name(["table", name], kind), MEDIA[kind], key=f"table_{kind}", on_click="ignore",
                                   type="primary" if kind == "tex" else "secondary")  # fmt: skip
