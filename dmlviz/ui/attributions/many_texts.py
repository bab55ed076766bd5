"""The lower half of the Attributions page: what many texts say, and the jobs that explain them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.attribution.kind import AttributionKind, read_kind
from dmlviz.analysis.attribution.summary import where_word, word_table
from dmlviz.core.types import Run, TextDataset
from dmlviz.core.wording import count_of
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.export.load_attributions import damaged_words
from dmlviz.figures.attribution.frame import AttributionInput, kind_words
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.base.words import excerpt, whole
from dmlviz.jobs import tasks
from dmlviz.store.attributions import stored_kinds
from dmlviz.ui.attributions import loaders as attribution_loaders
from dmlviz.ui.attributions.agreement import agree
from dmlviz.ui.attributions.shared import figure, how_long, interval
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import damage, escaped, failed, guard
from dmlviz.ui.shared.words import duration

SANITY_TEXTS = 12
JOB_SIZES = (25, 50, 100, 250, 1000)


def many(runs: Sequence[Run], kind: AttributionKind, dataset: TextDataset) -> None:
    """What all explained texts of these runs say, and the job that explains more."""
    ids = [run.id for run in runs]
    st.header("What many texts say", anchor=False)
    job(runs, kind)
    inputs = attribution_loaders.stored(ids, kind)
    explained = [one for one in inputs if one.found]
    for words in damaged_words(inputs):
        damage(words)
    if not explained:
        st.info("No text of these runs has been explained this way yet. Start with 25: class words, faithfulness and agreement come with them.")
        if others := sorted({other for run_id in ids for other in stored_kinds(loaders.store(), run_id)} - {str(kind)}):
            st.caption(escaped(f"Explained otherwise: {'; '.join(kind_words(other) for other in others)}."))
        return
    titles = run_titles([run.config for run in runs])
    st.caption("Explained: " + " · ".join(f"{escaped(title)} {count_of(len(one.found), 'text')}" for one, title in zip(inputs, titles, strict=True)))
    names = ["Words of a class", "Faithfulness", "Agreement", "Sanity", "By loss"]
    for tab, draw in zip(st.tabs(names), (_classes, _faithful, agree, _sanity, _by_loss), strict=True):
        with tab, guard():
            draw(explained, dataset, kind)


def job(runs: Sequence[Run], kind: AttributionKind) -> None:
    """Explain more texts: how many, how long, start; progress and cancel while it runs."""
    store, ids = loaders.store(), [run.id for run in runs]
    open_jobs = [one for one in tasks.attribution_tickets(store, ids) if one.open]
    if open_jobs:
        return _job_progress(tuple(ids))
    _failure([one for one in tasks.attribution_tickets(store, ids) if one.kind == str(kind)], "why_job_again", tasks.ask_for_attributions)
    a, b, c = st.columns([1.6, 3, 1], vertical_alignment="bottom")
    chosen = selection.current(ids).rows if selection.line() else np.zeros(0, dtype=np.int64)
    sizes = [*JOB_SIZES, *([0] if len(chosen) else [])]
    words = lambda size: f"{size:,} test texts" if size else f"the {len(chosen):,} selected texts"  # noqa: E731
    size = a.selectbox("Explain more texts", sizes, format_func=words, key="why_size", help="As even over the classes as there are texts.")
    rows = attribution_loaders.sample(ids, size) if size else chosen
    have = attribution_loaders.stored(ids, kind)
    missing = sum(len(set(map(int, rows)) - set(one.found)) for one in have)
    b.caption(
        f"{missing:,} of {len(rows) * len(ids):,} are not explained yet: {how_long(missing)}. "
        "It goes on when the page is closed, and what is done stays."
        if missing else "All of these are explained."
    )  # fmt: skip
    if c.button("Explain", key="why_start", type="primary", width="stretch", disabled=not missing):
        with guard():
            tasks.ask_for_attributions(store, ids, kind, rows)
            st.rerun()


def _failure(jobs: Sequence[tasks.Ticket], key: str, ask: Callable[..., object]) -> None:
    """Why the last of these jobs failed, and the way to have it done all the same."""
    ended = [one for one in jobs if one.state == "failed"]
    if ended:
        again = lambda one: ask(loaders.store(), one.run_ids, read_kind(one.kind), one.request["rows"])  # noqa: E731
        failed(ended[-1].message or "the job failed", key=key, again=again, args=(ended[-1],))


@st.fragment(run_every=1.5)
def _job_progress(ids: tuple[str, ...]) -> None:
    store = loaders.store()
    tasks.poll(store)
    found = [one for one in tasks.attribution_tickets(store, ids) if one.open]
    if not found:
        st.rerun(scope="app")
    one = found[0]
    left, middle, right = st.columns([3.4, 0.9, 0.9], vertical_alignment="center")
    total = len(one.request["rows"]) * len(one.run_ids)
    left.progress(min(max(one.share, 0.0), 1.0), text=_job_words(one, total))
    if middle.button("Show", key="why_refresh", width="stretch", help="Take what is there so far into the pictures below."):
        st.rerun(scope="app")
    if right.button("Cancel", key="why_cancel", width="stretch"):
        tasks.cancel(store, one.id)


def _job_words(one: tasks.Ticket, total: int) -> str:
    if not one.began or one.share <= 0:
        return f"{total:,} texts and runs: libraries and weights are loaded"
    left = (time.time() - one.began) * (1 - one.share) / one.share
    return f"{100 * one.share:.0f} % of what was missing, about {duration(left)} left"


def _classes(inputs: Sequence[AttributionInput], dataset: TextDataset, kind: AttributionKind) -> None:
    names = [whole(name) for name in dataset.label_names]
    counts = {name: sum(made.class_id == i for one in inputs for made in one.found.values()) for i, name in enumerate(names)}
    kept = sorted((name for name in names if counts[name]), key=lambda name: -counts[name])
    a, b, c = st.columns([1.2, 1, 2], vertical_alignment="bottom")
    label = a.selectbox("Class explained", kept, format_func=lambda name: f"{name} ({counts[name]:,})", key="why_class_words")
    fewest = b.selectbox("In at least", [2, 3, 5, 10], 1, format_func=lambda n: f"{n} texts", key="why_fewest")
    word = c.text_input("Find a word", key="why_word", placeholder="where does a word push, and where not?")
    if word.strip():
        _where(word, inputs, dataset, names)
    figure("attribution_classes", inputs, (inputs, dataset), kind, "why_bars", label=label, fewest=float(fewest))


def _where(word: str, inputs: Sequence[AttributionInput], dataset: TextDataset, names: Sequence[str]) -> None:
    """Every explained text that the word stands in, and which way it pushes there, run by run."""
    titles, tables = run_titles([one.run.config for one in inputs]), []
    for one, title in zip(inputs, titles, strict=True):
        found = where_word(word_table(one.found, dataset), word)
        tables.append(found.assign(run=title))
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        st.info(f"“{escaped(word.strip())}” stands in none of the explained texts.")
        return
    lines = [f"{escaped(title)}: for the class in {(own['value'] > 0).sum():,}, against it in {(own['value'] < 0).sum():,} of {len(own):,} texts"
             for title, own in table.groupby("run", sort=False)]  # fmt: skip
    st.markdown("  \n".join(lines))
    shown = pd.DataFrame({
        "Run": table["run"], "Weight, %": 100 * table["value"], "Class explained": [names[i] for i in table["class_id"]],
        "True class": [names[i] for i in table["label"]], "Text": [excerpt(dataset.texts[row]) for row in table["row_id"]], "Row": table["row_id"],
    })  # fmt: skip
    st.dataframe(shown, hide_index=True, height=260, column_config={"Weight, %": st.column_config.NumberColumn(format="%+.1f")})
    st.button("Select these texts", key="why_select", on_click=selection.choose_rows, 
              args=(sorted(set(map(int, table["row_id"]))), dataset.content_hash))  # fmt: skip


def _faithful(inputs: Sequence[AttributionInput], dataset: TextDataset, kind: AttributionKind) -> None:
    figure("attribution_faithfulness", inputs, (inputs,), kind, "why_curves")


def _sanity(inputs: Sequence[AttributionInput], dataset: TextDataset, kind: AttributionKind) -> None:
    """Weights made random from the top down, and noise on the word vectors: curves where they are there, and the way to get them."""
    if kind.method != "ig":
        st.info("Sanity checks are made of Integrated Gradients; choose that method under More.")
        return
    store, ids = loaders.store(), [one.run.id for one in inputs]
    missing = [one.run.id for one in inputs if not one.sanity]
    if any(one.open for one in tasks.attribution_tickets(store, ids, "sanity")):
        _sanity_progress(tuple(ids))
    elif missing:
        _failure([one for one in tasks.attribution_tickets(store, ids, "sanity") if one.kind == str(kind)], "why_sanity_again", tasks.ask_for_sanity)
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.info(
            f"{count_of(len(missing), 'run')} without sanity checks. Their weights are made random from the top down, on copies, and {SANITY_TEXTS} "
            f"test texts are explained anew at every stage: about {duration(60.0 * len(missing))} for an encoder of MiniLM's size on two cores."
        )
        if right.button("Check", key="why_sanity_start", type="primary", width="stretch"):
            with guard():
                tasks.ask_for_sanity(store, ids, kind, attribution_loaders.sample(ids, SANITY_TEXTS))
                st.rerun()
    checked = [one for one in inputs if one.sanity]
    if checked:
        figure("attribution_sanity", checked, (checked,), kind, "why_sanity")


@st.fragment(run_every=1.5)
def _sanity_progress(ids: tuple[str, ...]) -> None:
    store = loaders.store()
    tasks.poll(store)
    found = [one for one in tasks.attribution_tickets(store, ids, "sanity") if one.open]
    if not found:
        st.rerun(scope="app")
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.progress(min(max(found[0].share, 0.0), 1.0), text="Weights are made random, and the texts explained anew")
    if right.button("Cancel", key="why_sanity_cancel", width="stretch"):
        tasks.cancel(store, found[0].id)


def _by_loss(inputs: Sequence[AttributionInput], dataset: TextDataset, kind: AttributionKind) -> None:
    _, table = attribution_loaders.tables(inputs)
    number = lambda name, scale=1.0: [interval(*(scale * np.array(row, dtype=float))) for row in  # noqa: E731
                                      table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)]  # fmt: skip
    shown = pd.DataFrame({
        "Loss": table["loss"], "Runs": table["runs"],
        "Texts": [str(few) if few == many else f"{few} to {many}" for few, many in zip(table["texts"], table["most_texts"], strict=True)],
        "Accuracy, %": number("accuracy", 100),
        "Comprehensiveness": number("comprehensiveness_gain"), "Sufficiency": number("sufficiency_gain"), "Kendall's tau": number("tau"),
        "Stability": number("stability"), "Reliable, %": number("reliable", 100),
    })  # fmt: skip
    st.dataframe(shown, hide_index=True)
    st.caption(
        "Comprehensiveness and sufficiency are less their random reference: above zero and below zero is better than chance. Stability is the rank "
        "correlation between runs of one loss that differ in seeds. With two runs or more the interval is Student's 95 % over runs, else over texts."
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        made = lambda: csv_bytes(table)  # noqa: E731, written when it is asked for
        st.download_button("CSV", made, file_name(["attribution_reliability"], "csv"), "text/csv", key="why_by_loss", on_click="ignore")
        st.download_button(
            "All words as Parquet", lambda: _parquet(inputs, dataset), file_name(["attributions", str(kind)], "parquet"), "application/octet-stream",
            key="why_parquet", on_click="ignore", help="One row per run, text and word: value, share, class explained, label.",
        )  # fmt: skip


def _parquet(inputs: Sequence[AttributionInput], dataset: TextDataset) -> bytes:
    tables = [word_table(one.found, dataset).assign(run=one.run.id, loss=one.run.config.shown_loss) for one in inputs]
    return pd.concat(tables, ignore_index=True).to_parquet(index=False)
