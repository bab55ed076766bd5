"""Parts of the Overview page."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dmlviz.analysis.fairness import paired
from dmlviz.figures import manifold
from dmlviz.figures.theme import base_title
from dmlviz.losses import LOSSES
from dmlviz.records import ACTIVE_STATES, Run
from dmlviz.ui import loaders, selection
from dmlviz.ui.frame import guard, theme
from dmlviz.ui.picks import comparable, compare_button
from dmlviz.ui.picture import picture
from dmlviz.ui.train_live import LIVE_SECONDS, row
from dmlviz.ui.words import READOUTS, accuracy_by, ago, dataset_name, readouts, shots

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
        if st.button("Train the first runs", type="primary"):
            st.switch_page("pages/train.py")
        if st.button("Load a model fine-tuned elsewhere"):
            st.switch_page("pages/runs.py")
    st.caption(f"Runs are kept in {loaders.store().home}. Nothing leaves this machine.")


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
    for run in now[:4]:
        row(run, place="overview")
    if len(now) > 4:
        st.caption(f"and {len(now) - 4} more in the queue; the Train and Runs pages show them")


def results(runs: list[Run]) -> None:
    """The last finished runs, best first within a data set and number of shots."""
    st.header("Results", anchor=False)
    done = [run for run in runs if run.state == "finished" and "accuracy" in run.metrics]
    if not done:
        st.caption("The first finished run appears here.")
        return
    readout = _pick_readout(done)
    done = [run for run in done if accuracy_by(run, readout) is not None]
    table = pd.DataFrame(
        {
            "Data set": [dataset_name(run) for run in done],
            "Shots": [shots(run) for run in done],
            "Loss": [base_title(run.config) for run in done],
            "Accuracy %": [100 * accuracy_by(run, readout) for run in done],
            "Macro-F1 %": [100 * accuracy_by(run, readout, "macro_f1") for run in done],
            "Gain over CE": [_gain(run, done, readout) for run in done],
            "Readout": [(readout or run.metrics["readout"]).replace("_", " ") for run in done],
            "Encoder": [run.config.encoder.rsplit("/", 1)[-1] for run in done],
            "Draw, seed": [f"{run.config.support_seed}, {run.config.seed}" for run in done],
            "Finished": [ago(run.ended or run.created) for run in done],
        }
    ).sort_values(["Data set", "Shots", "Accuracy %"], ascending=[True, True, False])
    one = st.column_config.NumberColumn(format="%.1f")
    own = "" if readout else ", each with its own readout"
    gain = st.column_config.NumberColumn(format="%+.1f", help=f"Points over cross-entropy with the same draw, seed and budget{own}.")
    st.dataframe(
        table, hide_index=True, height=min(38 + 35 * len(table), 300), placeholder="–", alt="Accuracy of every finished run, best first",
        column_config={"Accuracy %": one, "Macro-F1 %": one, "Gain over CE": gain},
    )  # fmt: skip
    st.caption(
        "Single runs: a difference of a point or two between losses is usually the draw of the shots. Train several draws before you conclude."
    )


def _pick_readout(done: list[Run]) -> str | None:
    """One readout for every run, or None: each run's own."""
    known = sorted({name for run in done for name in readouts(run)})
    return st.selectbox(
        "Predictions by", [None, *known], format_func=lambda name: "each run's own readout" if name is None else READOUTS.get(name, name),
        key="overview_readout", width=340, persist_state="session", help="A trained model can predict in several ways; each is stored.",
    )  # fmt: skip


def _gain(run: Run, done: list[Run], readout: str | None) -> float | None:
    """Points over the cross-entropy run of the same draw, seed and budget; the readouts may differ where `readout` names none."""
    if run.config.loss == "cross_entropy":
        return None
    for other in done:
        if other.config.loss == "cross_entropy" and other.config.control == "none" and paired(run, other):
            return 100 * (accuracy_by(run, readout) - accuracy_by(other, readout))
    return None


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


def next_step(runs: list[Run]) -> None:
    """Train, compare, export."""
    ready = [run for run in runs if comparable(run)]
    with st.container(horizontal=True):
        newest = [run.id for run in ready if run.config.dataset_hash == ready[0].config.dataset_hash][:3]
        compare_button(list(reversed(newest)), "Compare the newest runs", key="overview_compare")
        if st.button("Train more"):
            st.switch_page("pages/train.py")
