"""Papers: their protocols on the Train page, their numbers beside ours on the Overview."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dmlviz.core.types import DEFAULT_ENCODER, Run, RunConfig
from dmlviz.export.files import csv_bytes
from dmlviz.jobs.submit import submit
from dmlviz.papers import Protocol, compare, configs, protocol, protocol_names
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.dataset_picker import Chosen
from dmlviz.ui.shared.frame import escaped
from dmlviz.ui.train.form import show_plan

METRICS = {"accuracy": "Accuracy %", "macro_f1": "Macro-F1 %", "silhouette": "Silhouette, Euclidean"}


def reproduce() -> None:
    """Choose a paper's protocol, see what is not known of it, and train it."""
    with st.expander("Reproduce a paper"):
        chosen = _pick("train_paper")
        _facts(chosen)
        a, b, c = st.columns([1.2, 1.6, 1])
        datasets = a.multiselect("Data sets", chosen.datasets, [chosen.datasets[0]], key=f"paper_sets_{chosen.name}")
        labels = [loss.label for loss in chosen.losses]
        losses = b.multiselect("Losses", labels, labels, key=f"paper_losses_{chosen.name}")
        encoders = list(dict.fromkeys([*chosen.encoders, DEFAULT_ENCODER]))
        encoder = c.selectbox("Encoder", encoders, key=f"paper_encoder_{chosen.name}", accept_new_options=True)
        d, e, _ = st.columns([1, 1, 1.8])
        limit = d.number_input("Repetitions at most", 1, 1_000, 1, key=f"paper_limit_{chosen.name}", help="Seeds, support draws or folds of each.")
        epochs = e.number_input("Epochs (0: the protocol's)", 0, 10_000, 0, key=f"paper_epochs_{chosen.name}")
        if not datasets or not losses:
            st.caption("Choose a data set and a loss.")
            return
        shorter = {"epochs": int(epochs)} if epochs else {}
        asked = configs(chosen, datasets=datasets, losses=losses, encoder=encoder, limit=int(limit), overrides=shorter)
        _plan(asked)


def _plan(asked: list[RunConfig]) -> None:
    """How many runs; their cost on demand, for the texts must be read for it; and the button."""
    names = list(dict.fromkeys(config.dataset for config in asked))
    st.caption(f"{len(asked)} runs on {', '.join(names)}. The time is estimated when the texts have been read.")
    if st.toggle("Read the texts and estimate", key="paper_estimate"):
        for name in names:
            texts = loaders.read_dataset(name)
            own = [config for config in asked if config.dataset == name]
            show_plan(own, Chosen(name, texts))
    if st.button(f"Train these {len(asked)} runs", key="paper_go"):
        for config in asked:
            submit(config, store=loaders.store(), dataset=loaders.read_dataset(config.dataset))
        st.toast(f"{len(asked)} runs are in the queue")


def published(runs: list[Run]) -> None:
    """Published beside ours, for the protocols that some finished run fits."""
    st.header("Papers", anchor=False)
    fitting = {name: table for name in protocol_names() if (table := compare(protocol(name), runs))["n"].sum() > 0}
    if not fitting:
        st.caption("No finished run fits a paper's protocol yet. Train → Reproduce a paper.")
        return
    name = st.selectbox(
        "Protocol", list(fitting), format_func=lambda one: f"{protocol(one).title} ({protocol(one).paper})", key="overview_paper",
        persist_state="session", label_visibility="collapsed", width=720,
    )  # fmt: skip
    table = _shown(fitting[name])
    number = st.column_config.NumberColumn(format="%.2f", width="small")
    columns = {key: number for key in ("Published", "Ours", "Difference")}
    st.dataframe(table, hide_index=True, column_config=columns, height=min(38 + 35 * len(table), 320), placeholder="–",
                 alt="Published numbers beside those of runs here")  # fmt: skip
    st.caption("Ours: mean over runs that differ in seeds or folds alone, with a 95 % t interval where there are several. Where settings differ, "
               "a difference says nothing about the paper.")  # fmt: skip
    _differed(fitting[name])
    st.download_button("CSV", lambda: csv_bytes(fitting[name]), f"{name}.csv", "text/csv", key="overview_paper_csv", on_click="ignore")
    _facts(protocol(name))


def _differed(table: pd.DataFrame) -> None:
    """What our runs did differently, once for each group of runs: too long for a cell."""
    ours = table[table["n"] > 0].drop_duplicates(["run_ids", "dataset", "loss", "encoder"])
    lines = [f"- **{escaped(row.dataset)}, {escaped(row.loss)}**: {escaped(row.differed or 'nothing')}" for row in ours.itertuples()]
    with st.popover("What differed"):
        st.markdown("\n".join(lines))


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that have ours, in the words of a table."""
    ours = table[(table["n"] > 0) & table["metric"].isin(METRICS)]
    spread = [f"± {s:g} ({kind})" if pd.notna(s) else "" for s, kind in zip(ours["spread"], ours["spread_kind"], strict=True)]
    interval = [f"{low:.2f} to {high:.2f}" if pd.notna(low) else "single run" for low, high in zip(ours["low"], ours["high"], strict=True)]
    return pd.DataFrame(
        {
            "Data set": ours["dataset"], "Loss": ours["loss"], "Metric": ours["metric"].map(METRICS),
            "Published": ours["published"].astype(float),
            "Spread": spread, "Ours": ours["ours"].astype(float), "Interval": interval, "n": ours["n"],
            "Difference": ours["difference"].astype(float),
            "Encoder": ours["encoder"], "Source": ours["source"], "Trust": ours["trust"],
        }
    )  # fmt: skip


def _pick(key: str) -> Protocol:
    names = protocol_names()
    name = st.selectbox("Protocol", names, format_func=lambda one: f"{protocol(one).title} ({protocol(one).paper})", key=key, persist_state="session")
    return protocol(name)


def _facts(chosen: Protocol) -> None:
    """Claims, what is not known, and what we filled in: never shown as the paper's."""
    st.caption(escaped(f"Settings from {chosen.source} ({chosen.trust})."))
    for claim in chosen.claims:
        st.markdown(f"- {escaped(claim.text)} :small[:gray[{escaped(claim.source)}, {escaped(claim.trust)}]]")
    for table in chosen.context:
        with st.popover(f"Also published: {table.title}"):
            st.dataframe(pd.DataFrame([[label, *cells] for label, cells in table.rows.items()], columns=["", *table.columns]), hide_index=True,
                         alt=table.title)  # fmt: skip
            st.caption(escaped(f"{table.source} ({table.trust})."))
    if chosen.what_is_unknown or chosen.filled_in:
        with st.popover("What is not known, and what is ours"):
            for title, lines in (("Not known", chosen.what_is_unknown), ("Filled in by us", chosen.filled_in)):
                if lines:
                    st.markdown(f"**{title}**\n" + "\n".join(f"- {escaped(line)}" for line in lines))
