"""The Train page below the form: the plan with its button, and the runs as they happen."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dmlviz.core.types import ACTIVE_STATES, RESUMABLE_STATES, FigureSpec, InputError, Run, RunConfig
from dmlviz.figures.training import curves
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.submit import submit
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.dataset_picker import Chosen
from dmlviz.ui.shared.frame import escaped, guard, theme
from dmlviz.ui.shared.picks import comparable, compare_link
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.words import run_line, run_name, score
from dmlviz.ui.train.form import show_plan

LIVE_SECONDS = 1.0
SHOWN = 8  # runs below the form; the Runs page has all
KINDS = {"loss": "Training loss", "ce": "Cross-entropy term", "metric": "Metric term", "validation": "Validation accuracy"}
ICONS = {
    "queued": ":material/schedule:", "running": ":material/play_arrow:", "cancelling": ":material/hourglass_top:", "finished": ":material/check:",
    "failed": ":material/error:", "cancelled": ":material/block:", "interrupted": ":material/bolt:",
}  # fmt: skip


def plan_and_submit(chosen: Chosen | None, encoder: str, losses: list[dict[str, Any]], draws: list[dict[str, Any]]) -> None:
    """The estimate and the button; what is missing is said instead."""
    st.header("What will run", anchor=False)
    if chosen is None or not losses:
        st.caption("Choose a data set first." if chosen is None else "Choose at least one loss.")
        st.button("Train", type="primary", disabled=True, width="stretch", key="train_go_off")
        return
    configs = [RunConfig(dataset=chosen.ref, encoder=encoder, **loss, **draw) for loss in losses for draw in draws]
    show_plan(configs, chosen)
    if st.button("Train", type="primary", width="stretch", key="train_go"):
        for config in configs:
            submit(config, store=loaders.store(), dataset=chosen.dataset)
        st.toast(f"{len(configs)} runs are in the queue")


def running() -> None:
    """The newest runs, live while one of them is active; a page on which nothing moves is left in peace."""
    newest = _newest()
    if newest:
        active = frozenset(run.id for run in newest if run.state in ACTIVE_STATES)
        st.fragment(_running, run_every=LIVE_SECONDS if active else None)(active)


def _newest() -> list[Run]:
    """Those of sweeps have a grid of their own."""
    return [run for run in loaders.runs() if not run.sweep][:SHOWN]


def _running(active: frozenset[str]) -> None:
    """Curves of the newest runs, a row for each with its state, progress and what can be done. When a run ends or is resumed, the page follows."""
    newest = _newest()
    if active != {run.id for run in newest if run.state in ACTIVE_STATES}:
        st.rerun()  # a resumed run has to be followed, too
    st.header("Runs", anchor=False)
    with st.container(key="wide_runs"):
        live, rows = st.columns([1, 1], gap="medium")
    with live:
        _curves([run for run in newest if run.origin == "trained"][:6])
    with rows:
        for run in newest:
            row(run, place="train")
        compare_link([run.id for run in reversed(newest) if comparable(run)][:6], "See the maps side by side", key="train_compare")


def _curves(runs: list[Run]) -> None:
    kind = st.selectbox("Curve", list(KINDS), format_func=KINDS.get, key="train_curve", label_visibility="collapsed")
    frame = curves.frame(runs, loaders.events([run.id for run in runs]))
    if frame.empty:
        st.caption("The curve begins with the first training step.")
        return
    picture(curves.screen(frame, kind=kind, theme=theme(), height=320), key="train_curves", alt=curves.alt(frame, kind))
    tools(FigureSpec(name="curves", run_ids=tuple(run.id for run in runs), options={"kind": kind}), frame, key="train_curves_tools")


def row(run: Run, *, place: str) -> None:
    """One run: name, state, progress, and the buttons that fit its state."""
    with st.container(border=True, gap="small"):
        words, act = st.columns([4, 1], vertical_alignment="center")
        if run.state == "finished":
            said = f"finished · accuracy {score(run)}"
        else:
            line = run_line(run)
            said = line if run.state in ACTIVE_STATES or line == run.state else f"{run.state} · {line}"
        words.markdown(f"{ICONS[run.state]} **{escaped(run_name(run))}**  \n:small[:gray[{escaped(said)}]]")
        if run.state == "running" and run.progress.total:
            words.progress(min(1.0, run.progress.done / run.progress.total))
        with act:
            _act(run, place)
        if run.state in ("failed", "interrupted"):
            with st.expander("Log"):
                st.code(loaders.store().log_tail(run.id) or "the log is empty", language=None)


def _act(run: Run, place: str) -> None:
    if run.state in ("queued", "running"):
        st.button("Cancel", key=f"{place}_cancel_{run.id}", on_click=act, args=("cancel", run.id))
    elif run.state in RESUMABLE_STATES and run.origin == "trained":
        st.button("Resume", key=f"{place}_resume_{run.id}", on_click=act, args=("resume", run.id))


def act(what: str, run_id: str) -> None:
    """Cancel or resume; a run that has moved on meanwhile is said, not raised."""
    engine = LocalEngine(loaders.store())
    with guard():
        try:
            (engine.cancel if what == "cancel" else engine.submit)(run_id)
        except InputError as error:
            st.toast(str(error))
