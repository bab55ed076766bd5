"""Tuning on the Train page: start a search over a loss's settings, watch its trials, train with the best."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dmlviz.core.types import RunConfig
from dmlviz.figures.base.theme import loss_title
from dmlviz.jobs.submit import submit
from dmlviz.jobs.tuning import StudySummary, damaged_studies, delete_study, go_on, start_tuning, stop_tuning, studies
from dmlviz.losses import LOSSES
from dmlviz.losses.search_spaces import SPACES
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.dataset_picker import Chosen
from dmlviz.ui.shared.frame import capitalised, damage, escaped, guard

LIVE_SECONDS = 2.0
START_SECONDS = 45.0  # a process that was started has said nothing for so long: it is not coming


def tune(chosen: Chosen | None, encoder: str, draw: dict[str, Any]) -> None:
    """The search's form; data, encoder, shots and budget are those of the form above."""
    with st.expander("Tune a loss"):
        st.caption("Tries settings on the validation texts: Optuna's TPE with median pruning. Each trial is a run like any other. "
                   "The test part has no say in what is chosen.")  # fmt: skip
        a, b, c = st.columns(3)
        loss = a.selectbox("Loss", list(SPACES), format_func=lambda name: LOSSES[name].title, key="tune_loss")
        space = b.selectbox("Search space", list(SPACES[loss]), key=f"tune_space_{loss}", help="Whose ranges are searched.")
        usual = SPACES[loss][space].trials
        trials = c.number_input("Trials", 1, 1_000, usual, key=f"tune_trials_{loss}_{space}", help=f"{usual} in this space's own search.")
        st.caption(escaped(SPACES[loss][space].source))
        if chosen is None:
            st.caption("Choose a data set above first.")
        if st.button("Start the search", key="tune_go", disabled=chosen is None):
            config = RunConfig(dataset=chosen.ref, encoder=encoder, loss=loss, **{**draw, "lr": None})
            name = start_tuning(loaders.store(), config, dataset=chosen.dataset, trials=int(trials), space=space)
            _begun(name)
            st.toast(f"{name} is on its way")
        for name, words in damaged_studies(loaders.store()).items():
            left, right = st.columns([6, 1], vertical_alignment="center")
            with left:
                damage(words)
            right.button("Delete", key=f"tune_delete_{name}", on_click=_delete, args=(name,), width="stretch")
        found = studies(loaders.store())
        if found:
            st.fragment(_studies, run_every=LIVE_SECONDS if any(one.running or _starting(one) for one in found) else None)()


def _begun(name: str) -> None:
    st.session_state.setdefault("tune_begun", {})[name] = time.time()


def _starting(one: StudySummary) -> bool:
    """Was its process started a moment ago, and has not taken the study yet?"""
    begun = st.session_state.get("tune_begun", {})
    if one.running or one.done >= one.wanted:
        begun.pop(one.name, None)
    return time.time() - begun.get(one.name, 0.0) < START_SECONDS


def _studies() -> None:
    """A row per search, with its best options so far."""
    for one in studies(loaders.store()):
        with st.container(border=True, gap="small"):
            words, act = st.columns([4, 1.3], vertical_alignment="center")
            words.markdown(f"**{escaped(one.name)}** · {loss_title(one.config.loss, one.config.ce_weight)}  \n:small[:gray[{escaped(_line(one))}]]")
            words.progress(min(1.0, one.done / max(one.wanted, 1)))
            with act, guard():
                if _starting(one):
                    st.caption("libraries are loaded")
                elif one.running:
                    st.button("Stop", key=f"tune_stop_{one.name}", on_click=_stop, args=(one.name,))
                else:
                    if one.done < one.wanted:
                        st.button("Go on", key=f"tune_on_{one.name}", on_click=_go_on, args=(one.name,))
                    if one.best_config is not None:
                        st.button("Train with the best", key=f"tune_best_{one.name}", on_click=_train, args=(one,))
            if one.ended and one.done < one.wanted and not _starting(one):
                st.error(escaped(capitalised(one.ended)), icon=":material/error:")
            if one.trials:
                _trials(one)


def _trials(one: StudySummary) -> None:
    """Every trial: its settings, what it reached, its run."""
    st.dataframe(
        pd.DataFrame({
            "Trial": [trial.number for trial in one.trials], "State": [trial.state for trial in one.trials],
            f"Validation {one.monitor.replace('_', '-')}": [None if trial.value is None else round(trial.value, 4) for trial in one.trials],
            "Settings": [_told(trial.params) for trial in one.trials], "Run": [trial.run_id for trial in one.trials],
        }),
        hide_index=True, height=min(36 * (len(one.trials) + 1), 220),
    )  # fmt: skip


def _line(one: StudySummary) -> str:
    best = "" if one.best_value is None else f"; best validation {one.monitor.replace('_', '-')} {one.best_value:.3f} with {_params(one)}"
    state = "starting" if _starting(one) else "searching" if one.running else "done" if one.done >= one.wanted else "stopped"
    return f"{state}: {one.done} of {one.wanted} trials{best}"


def _params(one: StudySummary) -> str:
    """What the best trial was given: 'lr 2e-05, sigma 0.31'."""
    best = next(trial for trial in one.trials if trial.run_id == one.best_run_id)
    return _told(best.params)


def _told(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in params.items())


def _go_on(name: str) -> None:
    with guard():
        go_on(loaders.store(), name)
        _begun(name)


def _delete(name: str) -> None:
    with guard():
        delete_study(loaders.store(), name)


def _stop(name: str) -> None:
    with guard():
        stop_tuning(loaders.store(), name)


def _train(one: StudySummary) -> None:
    with guard():
        submit(one.best_config, store=loaders.store(), dataset=loaders.store().dataset(one.best_config.dataset_hash or ""))
        st.toast("1 run is in the queue")
