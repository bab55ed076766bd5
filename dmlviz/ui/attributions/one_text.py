"""The upper half of the Attributions page: which text, and its words run by run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.attribution.kind import BASELINES, METHODS, AttributionKind, target_text
from dmlviz.core.types import FigureSpec, Run, TextDataset, TokenAttribution
from dmlviz.export.files import file_name
from dmlviz.figures.attribution import words as attribution_words
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.attribution.tex import tex
from dmlviz.figures.base.theme import loss_color, readable
from dmlviz.figures.base.words import excerpt, whole
from dmlviz.jobs import tasks
from dmlviz.losses import LOSSES
from dmlviz.store.files import is_writable
from dmlviz.ui.attributions import loaders as attribution_loaders
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import escaped, failed, theme
from dmlviz.ui.shared.picture import tools

BOUND = {"bind": "query-params"}
LONGEST_TEXT = 200_000  # characters of a typed text; the encoder reads far fewer
WAIT_SECONDS, LOOK_SECONDS = 4.0, 0.1  # before the page says that it waits
FROM = {"all": "test texts", "wrong": "surest errors of the first run", "apart": "texts on which the runs differ", "selected": "selected texts"}
TARGET_WORDS = {
    "predicted": "its prediction", "gold": "the true class", "propagated": "label propagation", "class": "one class",
    "difference": "one class minus another", "soft_triple": "its centres",
}  # fmt: skip
TARGET_HELP = (
    "Which score the words are weighed for: the score (before the softmax) of the class that each run predicts, of the text's own class, or of one "
    "class; the share of label mass that reaches the text from the support; the similarity to the centres, for losses that have them."
)
METHOD_HELP = (
    "Integrated Gradients (Sundararajan et al. 2017) adds up slopes on the way from the baseline to the text: its values sum to the difference of "
    "the two scores. The others are references: the slope at the text alone, leaving out word by word, and chance."
)


class Look(NamedTuple):
    """What the controls say."""

    kind: AttributionKind
    row: int | None  # of the data set; None while nothing is picked
    text: str
    pair: str | None

    @property
    def typed(self) -> bool:
        return self.row is None


def controls(runs: Sequence[Run]) -> Look:
    """One row: texts from, text, score explained, more; below it the text itself, to be read or edited."""
    ids, dataset = [run.id for run in runs], loaders.dataset(runs[0].config.dataset_hash or "")
    chosen = selection.current(ids).rows if selection.line() else np.zeros(0, dtype=np.int64)
    a, b, c, d = st.columns([1.1, 3, 1.2, 0.8], vertical_alignment="bottom")
    sources = [name for name in FROM if name != "selected" or len(chosen)]
    if st.session_state.get("why_from") not in (None, *sources):  # the selection was cleared
        st.session_state["why_from"] = "all"
    how = a.selectbox("Texts", sources, len(sources) - 1 if len(chosen) else 0, format_func=FROM.get, key="why_from", **BOUND)
    rows = [int(row) for row in attribution_loaders.candidates(ids, how, chosen)]
    asked = _asked_row(len(dataset.texts))
    if asked is not None and asked not in rows:
        rows.insert(0, asked)
    names = [whole(name) for name in dataset.label_names]
    row = b.selectbox(
        "Text", rows, rows.index(asked) if asked in rows else 0 if rows else None, key=f"why_row_{how}", placeholder="no text here",
        format_func=lambda one: f"{names[int(dataset.labels[one])]} · {excerpt(dataset.texts[one])}",
        help="Its true class and its first words. The list is searched as you type.",
    )  # fmt: skip
    target = _target(c, names, runs)
    with d.popover("More", width="stretch"):
        method = st.selectbox("Method", list(METHODS), format_func=METHODS.get, key="why_method", help=METHOD_HELP, **BOUND)
        has_baseline = method in ("ig", "occlusion")
        baseline = st.selectbox("Baseline", list(BASELINES), format_func=BASELINES.get, key="why_baseline", disabled=not has_baseline, **BOUND)
    kind = AttributionKind(method, target, baseline if has_baseline else "pad")
    if row is not None:
        st.query_params["text"] = str(row)
    return _edited(kind, row, dataset)


def _asked_row(count: int) -> int | None:
    """The text that the address names, the first time."""
    said = st.query_params.get("text", "") or str(st.session_state.get("why_kept", ("",))[0])
    return int(said) if said.isdecimal() and len(said) < 10 and int(said) < count else None


def _target(place, names: Sequence[str], runs: Sequence[Run]) -> str:
    centers = any(LOSSES[run.config.loss].has_centers for run in runs if run.config.loss in LOSSES)
    kinds = [kind for kind in TARGET_WORDS if kind != "soft_triple" or centers]
    kind = place.selectbox("Explain", kinds, format_func=TARGET_WORDS.get, key="why_target", help=TARGET_HELP, **BOUND)
    if kind not in ("class", "difference"):
        return kind
    left, right = st.columns(2)
    first = left.selectbox("Class", names, key="why_class", **BOUND)
    if kind == "class":
        return target_text(kind, first)
    others = [name for name in names if name != first]
    return target_text(kind, first, right.selectbox("Minus class", others, key="why_minus", **BOUND))


def _edited(kind: AttributionKind, row: int | None, dataset: TextDataset) -> Look:
    """The text in a field of its own: whoever changes a word asks about the changed text."""
    own = dataset.texts[row] if row is not None else ""
    own_pair = dataset.text_pairs[row] if dataset.text_pairs is not None and row is not None else None
    with st.container(key="why_text_box"):
        kept = st.session_state.get("why_kept", (None, "", None))  # what was written before a look at another page
        first = kept[1] if kept[0] == row and kept[1] else own
        text = st.text_area("The text; change it or write another", first, key=f"why_text_{row}", max_chars=LONGEST_TEXT, height=80)
        pair = None
        if dataset.text_pairs is not None:
            pair = st.text_area("Its second text", own_pair or "", key=f"why_pair_{row}", max_chars=LONGEST_TEXT, height=80)
    st.session_state["why_kept"] = (row, text, pair)
    same = row is not None and (text == own or text == own[:LONGEST_TEXT]) and (pair == own_pair)
    return Look(kind, row, own, own_pair) if same else Look(kind, None, text, pair)


# ---- one text


def words(runs: Sequence[Run], look: Look, dataset: TextDataset) -> None:
    """A row of highlighted words per run; asks for what is not there."""
    if not look.text.strip():
        st.info("Write a text, or pick one, and its words are weighed here.")
        return
    ids = [run.id for run in runs]
    stored = {one.run.id: one for one in attribution_loaders.stored(ids, look.kind)} if not look.typed else {}
    if not look.typed and all(look.row in one.found for one in stored.values()):
        return _rows(list(stored.values()), look, dataset, {"row": float(look.row or 0), "kind": str(look.kind)})
    if not is_writable(loaders.store().home):
        st.info("The words of this text have not been weighed, and in a home that can only be read nothing can be. Pick a text that was explained.")
        return
    ticket, found = _awaited(ids, look)
    if ticket.state == "failed":
        failed(ticket.message or "the words could not be weighed", key="why_again", again=_again, args=(ids, look))
    elif ticket.state == "cancelled":
        failed("the words of this text are not weighed, since it was cancelled", key="why_again", again=_again, args=(ids, look), label="Weigh them")
    elif ticket.open or not found:
        _waiting(ids, look)
    else:
        row = -1 if look.typed else look.row
        here = {run_id: one for run_id, one in found.items() if not isinstance(one, str)}
        typed = (look.text, look.pair) if look.typed else None
        inputs = [AttributionInput(run, {row: here[run.id]}, str(look.kind), typed) for run in runs if run.id in here]
        sentences = {run_id: one for run_id, one in found.items() if isinstance(one, str)}
        if sentences:
            failed("; ".join(dict.fromkeys(sentences.values())), key="why_again", again=_again, args=(ids, look))
        options = {"typed": ticket.id} if look.typed else {"row": float(look.row or 0)}
        _rows(inputs, look, dataset, {**options, "kind": str(look.kind)})


def _again(ids: Sequence[str], look: Look) -> None:
    attribution_loaders.answer(ids, look.kind, look.text, look.pair, look.row, again=True)


def _awaited(ids: Sequence[str], look: Look) -> tuple[tasks.Ticket, Mapping[str, TokenAttribution | str]]:
    """The answer, waited for as long as a person would not wonder."""
    began = time.monotonic()
    with st.spinner("The words are weighed"):
        while True:
            ticket, found = attribution_loaders.answer(ids, look.kind, look.text, look.pair, look.row)
            if not ticket.open or time.monotonic() - began > WAIT_SECONDS:
                return ticket, found
            time.sleep(LOOK_SECONDS)


@st.fragment(run_every=1.0)
def _waiting(ids: Sequence[str], look: Look) -> None:
    ticket, _ = attribution_loaders.answer(ids, look.kind, look.text, look.pair, look.row)
    if not ticket.open:
        st.rerun(scope="app")
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.info("The words are weighed. The first time, libraries and weights are loaded: up to half a minute.")
    if right.button("Cancel", key="cancel_typed", width="stretch"):
        tasks.cancel(loaders.store(), ticket.id)


def _rows(inputs: Sequence[AttributionInput], look: Look, dataset: TextDataset, options: Mapping[str, object]) -> None:
    if not inputs:
        return
    table = attribution_words.frame(inputs, dataset, row=-1 if look.typed else look.row or 0)
    here = theme()
    for pane in dict.fromkeys(table["pane"]):
        first = table[table["pane"] == pane].iloc[0]
        color = readable(loss_color(first["loss"]), here.ground)
        facts = f"{attribution_words.said(table, pane)} · {attribution_words.exact(table, pane)}"
        mark = "✓ reliable" if first["level"] == "reliable" else "? doubtful"
        st.html(
            f'<div style="border-top:1px solid {here.lines};padding-top:.45rem">'
            f'<b style="color:{color}">{escape(first["title"])}</b> <span style="color:{here.muted}">{escape(facts)}</span> '
            f'<span title="{escape(first["reasons"], quote=True)}" style="color:{here.ink};border:1px solid {here.lines};border-radius:9px;'
            f'padding:0 .5em;font-size:.85em;cursor:help">{mark}</span></div>{attribution_words.markup(table, pane, theme=here)}'
        )
        doubts = f"Doubtful: {first['reasons']}." if first["level"] != "reliable" else ""
        if note := " ".join(one for one in (doubts, attribution_words.left_out(table, pane)) if one):
            st.caption(escaped(note))
    st.caption(
        "Orange with + speaks for the explained class, blue with − against it; the ground is a word's share of all absolute values of the text. "
        "A wavy line marks words whose weight differs between the runs. Values are on hover. Single runs: one run is not its loss."
    )
    _word_tools(inputs, table, options)


def _word_tools(inputs: Sequence[AttributionInput], table: pd.DataFrame, options: Mapping[str, object]) -> None:
    spec = FigureSpec(name="attribution_words", run_ids=tuple(one.run.id for one in inputs), options=dict(options))
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        made = tex(table, attribution_words.caption(table, inputs))
        st.download_button("LaTeX", made, file_name([spec.name, *spec.run_ids[:2]], "tex"), "text/x-tex", key="why_tex", on_click="ignore")
        tools(spec, table, key="why_words")
