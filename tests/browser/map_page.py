"""A page with nothing but linked maps, for test_map_component and benchmarks/look_maps. The address decides what is on it.

    PYTHONPATH=. streamlit run tests/browser/map_page.py        then open /?n=2000&panes=3&classes=8&by=class&time=4&missing=1&two=1&height=640
"""

import json

import numpy as np
import streamlit as st

from dmlviz.figures.base.theme import LIGHT
from dmlviz.figures.maps import frame as map_frame
from dmlviz.figures.maps import marks as map_marks
from dmlviz.ui.maps import map_event, maps
from tests.figure_cases import make_pane

LOSSES = ("soft_triple", "triple_entropy", "g_loss", "cross_entropy", "supcon", "triplet", "proxy_nca", "cos_sim")
ISLAND = 9  # texts that lie far away, where they are asked for
NASTY = "<img src=x onerror=window.hacked=1>"
asked = st.query_params


@st.cache_resource
def made(n: int, count: int, classes: int, color_by: str, missing: bool, moments: int, island: bool) -> tuple[map_marks.Marks, list[str], list[str]]:
    panes = [make_pane(LOSSES[i], classes, n - 2 * classes - 10, seed=i) for i in range(count)]
    names = [NASTY, *(f"class {i:02d}" for i in range(1, classes))]
    texts = [f"{NASTY} text {i} " + "of some length with more words " * 4 for i in range(n)]
    frame = map_frame.frame(panes, names, texts, color_by=color_by, parts=map_frame.PARTS)
    if island:
        frame.loc[frame["row_id"] < ISLAND, ["x", "y"]] = 120.0
    view = map_frame.window(frame)
    if missing:
        frame.loc[frame.index % 7 == 0, "x"] = np.nan
    marks = map_marks.marks(frame, view)
    if moments:
        final = [pane.projection.points for pane in panes]
        frames = [np.stack([points * share for share in np.linspace(0.2, 1, moments)]) for points in final]
        marks = map_marks.moving(marks, frames, [pane.projection.row_ids for pane in panes])
    return marks, [map_frame.excerpt(text) for text in texts], [map_frame.alt(frame, pane.pane) for pane in marks.panes]


n, count, classes = (int(asked.get(name, usual)) for name, usual in (("n", 2000), ("panes", 3), ("classes", 8)))
moments = int(asked.get("time", 0))
st.set_page_config(layout="wide")
st.html("<style>.stMainBlockContainer {padding: 3.5rem 1.6rem 2rem 1.6rem; max-width: none;}</style>")
st.button("Run again")
count = 1 if st.checkbox("One pane") else count
by = "correctness" if st.checkbox("Correctness") else asked.get("by", "class")
marks, excerpts, alt = made(n, count, classes, by, "missing" in asked, moments, "island" in asked)
for key in ("map", "other") if "two" in asked else ("map",):
    state = st.session_state.setdefault(f"{key}_selected", {"rows": None, "event": None})
    event = map_event(key)
    if event is not None:
        state["rows"] = map_marks.selected_after(marks, event, state["rows"])
        state["event"] = event
    maps(
        marks, key=key, selected=state["rows"], theme=LIGHT, height=int(asked.get("height", 640)), hover=excerpts if n <= 20_000 else None,
        badges=[f"Neighbours kept fairly well (0.{93 - i}); gaps are not to be read." for i in range(count)], alt=alt,
        time=[f"epoch {i}" for i in range(moments)] if moments else None,
    )  # fmt: skip
    st.text(f"{key}: {'none' if state['rows'] is None else len(state['rows'])}")
    said = state["event"] and {**state["event"]._asdict(), "before": len(state["event"].before)}
    st.code(json.dumps({"key": key, "event": said, "rows": None if state["rows"] is None else state["rows"].tolist()[:2000]}), language=None)
