"""Tuning on the Train page: start a search over a loss's settings, watch its trials, train with the best."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dmlviz.figures.theme import loss_title
from dmlviz.losses import LOSSES
from dmlviz.records import RunConfig
from dmlviz.spaces import SPACES
from dmlviz.submit import submit
from dmlviz.tuning import StudySummary, start_tuning, stop_tuning, studies
from dmlviz.ui import loaders
from dmlviz.ui.frame import escaped, guard
from dmlviz.ui.train_form import Chosen

LIVE_SECONDS = 2.0


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
            st.toast(f"{name} is on its way")
        found = studies(loaders.store())
        if found:
            st.fragment(_studies, run_every=LIVE_SECONDS if any(one.running for one in found) else None)()


def _studies() -> None:
    """A row per search, with its best options so far."""
    for one in studies(loaders.store()):
        with st.container(border=True, gap="small"):
            words, act = st.columns([4, 1.3], vertical_alignment="center")
            words.markdown(f"**{escaped(one.name)}** · {loss_title(one.config.loss, one.config.ce_weight)}  \n:small[:gray[{escaped(_line(one))}]]")
            words.progress(min(1.0, one.done / max(one.wanted, 1)))
            with act, guard():
                if one.running:
                    st.button("Stop", key=f"tune_stop_{one.name}", on_click=_stop, args=(one.name,))
                elif one.best_config is not None:
                    st.button("Train with the best", key=f"tune_best_{one.name}", on_click=_train, args=(one,))


def _line(one: StudySummary) -> str:
    best = "" if one.best_value is None else f"; best validation {one.monitor.replace('_', '-')} {one.best_value:.3f} with {_params(one)}"
    state = "searching" if one.running else "done" if one.done >= one.wanted else "stopped; the same form goes on with it"
    return f"{state}: {one.done} of {one.wanted} trials{best}"


def _params(one: StudySummary) -> str:
    """What the best trial was given: 'lr 2e-05, sigma 0.31'."""
    best = next(trial for trial in one.trials if trial.run_id == one.best_run_id)
    return ", ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in best.params.items())


def _stop(name: str) -> None:
    with guard():
        stop_tuning(loaders.store(), name)


def _train(one: StudySummary) -> None:
    with guard():
        submit(one.best_config, store=loaders.store(), dataset=loaders.store().dataset(one.best_config.dataset_hash or ""))
        st.toast("1 run is in the queue")
