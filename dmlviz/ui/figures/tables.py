"""Tables of the runs on the Figures page: looked at here, pasted into a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dmlviz.core.types import Run
from dmlviz.export.files import file_name
from dmlviz.export.load_table import KINDS, make_table, table_bytes
from dmlviz.figures.base.presets import PRESETS
from dmlviz.figures.base.theme import base_title
from dmlviz.figures.reliability.frame import METRICS
from dmlviz.papers import protocol, protocol_names
from dmlviz.tables import TABLES, Table, markdown
from dmlviz.ui.figures.parts import sources, stamp
from dmlviz.ui.proxies.parts import PART_WORDS
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import guard
from dmlviz.ui.shared.words import READOUTS, readouts

MEDIA = {"tex": "application/x-tex", "csv": "text/csv", "md": "text/markdown"}


@st.cache_data(max_entries=12, show_spinner=False)
def _made(name: str, run_ids: tuple[str, ...], options: tuple[tuple[str, str], ...], changed: tuple[Any, ...]) -> Table:
    """A finished run never changes; what is found out about it later does (`changed`)."""
    return make_table(name, run_ids, dict(options), sources())


def show(runs: Sequence[Run], whose: str) -> None:
    """A table of these runs (`whose` says which they are), or of all that are finished, and its files."""
    every = [run for run in loaders.runs() if run.state == "finished"]
    if not every:
        return
    st.header("Tables", anchor=False)
    with st.container(horizontal=True):
        questions = {name: f"{one.title}: {one.question}" for name, one in TABLES.items()}
        name = _choice("Table", questions, "name", width=460)
        finished = [run for run in runs if run.state == "finished"]
        sets = {"these": f"{whose} ({len(finished):,})", "every": f"all finished runs ({len(every):,})"}
        if not finished or _choice("Of", sets, "whose", width=260) == "every":
            finished = every
    with guard():
        options = tuple((key, value) for key, value in _options(name, finished).items() if value)
        with st.spinner("Making the table"):
            run_ids = tuple(run.id for run in finished)
            made = _made(name, run_ids, options, stamp(run_ids if name == "attributions" else ()))
        st.markdown(markdown(made), unsafe_allow_html=True)  # only <u> and <sup> of our own: names are escaped by the writer
        with st.container(horizontal=True, vertical_alignment="bottom"):
            known = {"": "text width, 160 mm", **{one.name: one.title for one in PRESETS.values() if one.scale == 1}}
            width = _choice("LaTeX as wide as", known, "width", width=260)
            data = {kind: table_bytes(made, kind, run_ids, PRESETS[width].width_mm if width else None) for kind in KINDS}
            for kind, words in (("tex", "LaTeX"), ("csv", "CSV"), ("md", "Markdown")):
                st.download_button(words, data[kind], file_name(["table", name], kind), MEDIA[kind], key=f"table_{kind}", on_click="ignore",
                                   type="primary" if kind == "tex" else "secondary")  # fmt: skip


def _options(name: str, runs: Sequence[Run]) -> dict[str, str]:
    """What may be chosen of this table, as the command line's --set names it; "" where the table decides."""
    with st.container(horizontal=True):
        if name == "results":
            losses = {run.config.loss: base_title(run.config) for run in runs}
            first = list(losses).index("cross_entropy") if "cross_entropy" in losses else 0
            return {"metric": _choice("Metric", METRICS, "metric"), "predictions_by": _readout(runs),
                    "baseline": _choice("Compared with", losses, "baseline", first)}  # fmt: skip
        if name == "calibration":
            return {"readout": _readout(runs)}
        if name == "published":
            known = {"": "the one that most runs fit", **{one: protocol(one).title for one in protocol_names()}}
            return {"protocol": _choice("Protocol", known, "protocol")}
        if name == "centers":
            return {"by": _choice("One row for each", {"run": "run", "class": "class and run"}, "by"), "part": _choice("Texts", PART_WORDS, "part")}
    return {}


def _readout(runs: Sequence[Run]) -> str:
    """A readout that every run has stored."""
    stored = [set(readouts(run)) for run in runs if "accuracy" in run.metrics]
    shared = set.intersection(*stored) if stored else set()
    return _choice("Predictions by", {"": "each run's own readout", **{one: words for one, words in READOUTS.items() if one in shared}}, "readout")


def _choice(label: str, known: Mapping[str, str], key: str, first: int = 0, width: int = 210) -> str:
    return st.selectbox(label, list(known), first, format_func=lambda one: known.get(one, one), key=f"table_{key}", width=width)
