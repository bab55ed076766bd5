"""Parts of the Overview page."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.judged_rows import apart_sentence, unreached_sentence, untested_sentence
from dmlviz.analysis.reliability.groups import Group, finished_groups
from dmlviz.analysis.reliability.shared_draws import shared_by_place
from dmlviz.core.types import ACTIVE_STATES, FigureSpec, Run
from dmlviz.core.wording import count_of
from dmlviz.figures.maps import manifold
from dmlviz.figures.reliability.frame import method_titles
from dmlviz.losses import LOSSES
from dmlviz.ui.shared import group_rows, loaders, selection
from dmlviz.ui.shared.frame import damage, escaped, guard, link, theme
from dmlviz.ui.shared.picks import comparable, compare_link
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.words import READOUTS, accuracy_by, ago, dataset_name, readouts, shots
from dmlviz.ui.train.live import LIVE_SECONDS, row
from dmlviz.ui.train.sweep import sweep_line

STEPS = (
    ("Train", "Pick a data set (Reuters R8 is built in), a few losses and 8 shots per class. Three runs take a few minutes on two cores."),
    ("Look", "See the test texts of each run on one shared frame, side by side, with how far each map can be trusted."),
    ("Export", "Put a map into the tray and download it at a column's exact width, as PDF, SVG or PNG, with its data."),
)


def welcome() -> None:
    """The empty store: what this is, how to start, what will be here."""
    st.markdown(f"Fine-tune a text encoder with {', '.join(entry.title for entry in LOSSES.values())}, and look at what each loss does to the texts.")
    for column, (title, words) in zip(st.columns(3), STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{title}**")
            st.caption(words)
    with st.container(horizontal=True):
        link("Train the first runs", "pages/train.py", key="train", primary=True)
        link("Load a model fine-tuned elsewhere", "pages/runs.py", key="load")
    st.caption(f"Runs are kept in {loaders.store().home}. Nothing leaves this machine.")


def unreadable() -> None:
    """Run folders that could not be read, counted; the Runs page names them."""
    found = loaders.store().damaged()
    if found:
        which = next(iter(found.values())) if len(found) == 1 else f"{len(found):,} run folders cannot be read; the Runs page says which, and why"
        damage(which)


def active(runs: list[Run]) -> None:
    """Running now, live; nothing where nothing runs."""
    ids = {run.id for run in runs if run.state in ACTIVE_STATES}
    if ids:
        st.fragment(_active, run_every=LIVE_SECONDS)(ids)


def _active(ids: set[str]) -> None:
    now = [run for run in loaders.runs() if run.state in ACTIVE_STATES]
    if ids - {run.id for run in now}:
        st.rerun()  # one has ended: its result belongs on the page
    st.header("Running now", anchor=False)
    for name in dict.fromkeys(run.sweep for run in now if run.sweep):
        sweep_line(name)
    alone = sorted((run for run in now if not run.sweep), key=lambda run: run.state == "queued")
    for run in alone[:4]:
        row(run, place="overview")
    if len(alone) > 4:
        st.caption(f"and {len(alone) - 4} more in the queue; the Train and Runs pages show them")


def results(runs: list[Run]) -> None:
    """Groups of finished runs, best first within a data set and number of shots."""
    st.header("Results", anchor=False)
    done = [run for run in runs if run.state == "finished" and "accuracy" in run.metrics]
    if not done:
        st.caption("The first finished run appears here.")
        return
    readout = _pick_readout(done)
    groups = finished_groups([run for run in done if accuracy_by(run, readout) is not None])
    groups.sort(key=lambda one: (dataset_name(one.runs[0]), one.config.shots_by, one.config.shots or math.inf))
    accuracy, f1 = group_rows.numbers(groups, readout), group_rows.numbers(groups, readout, "macro_f1")
    gains = group_rows.gains(groups, readout)
    table = pd.DataFrame(
        {
            "Data set": [dataset_name(one.runs[0]) for one in groups],
            "Shots": [shots(one.runs[0]) for one in groups],
            "Loss": method_titles(groups),
            **accuracy,
            "Gain over CE": [gain for gain, _ in gains],
            "± gain": [half for _, half in gains],
            "Macro-F1 %": f1["Macro-F1 %"],
            "Readout": [_readouts(one, readout) for one in groups],
            "Encoder": [one.config.encoder.rsplit("/", 1)[-1] for one in groups],
            "Finished": [ago(max(run.ended or run.created for run in one.runs)) for one in groups],
        }
    )
    cells = table.groupby(["Data set", "Shots"], sort=False).ngroup()
    order, apart = _order(groups, cells.to_numpy(), table, readout)
    table = table.assign(cell=cells, order=order).sort_values(["cell", "order"], ascending=[True, False], kind="stable")
    table = table.drop(columns=["cell", "order"])
    own = "" if readout else ", each with its own readout"
    gain = st.column_config.NumberColumn(format="%+.1f", help=f"Points over cross-entropy, paired by draw, seed and budget{own}.")
    half = st.column_config.NumberColumn(format="%.1f", width="small", help="Half of Student's 95 % interval over the pairs.")
    st.dataframe(
        table, hide_index=True, height=min(38 + 35 * len(table), 300), placeholder="–", alt="Accuracy of every group of finished runs, best first",
        column_config={**group_rows.columns(table), "Gain over CE": gain, "± gain": half},
    )  # fmt: skip
    lone = sum(one.lone for one in groups)
    size = sum(len(one.runs) for one in groups)
    said = f"{count_of(size, 'run')} in {count_of(len(groups), 'group')}: runs of one group differ in draw and seed alone."
    if lone:
        said += " A single run says little: a difference of a point or two is usually the draw of the shots. Train several draws before you conclude."
    st.caption(said)
    for sentence in apart[:3]:
        st.caption(f":material/warning: {escaped(sentence)}")
    every = [run for group in groups for run in group.runs]
    for sentence in (apart_sentence(every), untested_sentence(every), unreached_sentence(every, readout or "")):
        if sentence:
            st.caption(f":material/warning: {escaped(sentence)}")


def _order(groups: list[Group], cells: np.ndarray, table: pd.DataFrame, readout: str | None) -> tuple[np.ndarray, list[str]]:
    """(the number by which each group stands within its data set and shots: its mean over the draws that all there have; sentences where that is
    not the mean that the table shows)."""
    shared, said = shared_by_place(groups, cells.tolist(), table["Loss"].tolist()), []
    order = group_rows.numbers(shared.groups, readout)["Accuracy %"].to_numpy(dtype=float)
    for cell, words in shared.words.items():
        own = np.flatnonzero(cells == cell)
        if cell not in shared.apart:
            means = ", ".join(f"{table['Loss'].iloc[i]} {order[i]:.1f}" for i in own if not groups[i].lone)
            words = f"ordered by {words}: {means}"
        said.append(f"{table['Data set'].iloc[own[0]]}, {table['Shots'].iloc[own[0]]}: {words}.")
    return order, said


def _readouts(group: Group, readout: str | None) -> str:
    return (readout or " and ".join(sorted({str(run.metrics["readout"]) for run in group.runs}))).replace("_", " ")


def _pick_readout(done: list[Run]) -> str | None:
    """One readout for every run, or None: each run's own."""
    known = sorted({name for run in done for name in readouts(run)})
    return st.selectbox(
        "Predictions by", [None, *known], format_func=lambda name: "each run's own readout" if name is None else READOUTS.get(name, name),
        key="overview_readout", width=340, persist_state="session", help="A trained model can predict in several ways; each is stored.",
    )  # fmt: skip


def thumbnails(runs: list[Run]) -> None:
    """The compared maps, small, on one window."""
    ready = [run for run in runs if comparable(run) and run.config.dataset_hash == runs[0].config.dataset_hash][:3]
    if not ready:
        return
    with guard():
        panes, dataset = loaders.panes([run.id for run in ready], "umap")
        frame = manifold.frame(panes, dataset.label_names, dataset.texts)
        view, chosen = manifold.window(frame), selection.current([run.id for run in ready]).rows
        st.header("Where the test texts land", anchor=False)
        for column, run in zip(st.columns(3 if len(ready) == 1 else len(ready)), ready, strict=False):
            with column:
                figure = manifold.screen(frame, run.id, theme=theme(), view=view, height=330, selected=chosen)
                picture(figure, key=f"overview_map_{run.id}", alt=manifold.alt(frame, run.id))
        tools(FigureSpec(name="manifold", run_ids=tuple(run.id for run in ready), options={"map": "umap"}), frame, key="overview_maps")


def next_step(runs: list[Run]) -> None:
    """Train, compare, export."""
    ready = [run for run in runs if comparable(run)]
    with st.container(horizontal=True):
        newest = [run.id for run in ready if run.config.dataset_hash == ready[0].config.dataset_hash][:3]
        compare_link(list(reversed(newest)), "Compare the newest runs", key="overview_compare")
        link("Train more", "pages/train.py", key="train")
