"""The Influence section: a run trained again without each of its support texts."""

from __future__ import annotations

import streamlit as st

from dmlviz.analysis.reliability.influence import retrained
from dmlviz.core.types import FigureSpec, InputError, Run
from dmlviz.core.wording import count_of
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures import FIGURES
from dmlviz.figures.reliability.influence import InfluenceInput
from dmlviz.jobs.submit import check_drawn
from dmlviz.jobs.sweep import cost_of, make_plan, resume_sweep, start, sweep_state
from dmlviz.jobs.sweep_spec import FLOOR_SEEDS, influence_spec
from dmlviz.store.sweeps import pause, read_sweep
from dmlviz.ui.reliability.parts import Scope
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import escaped, theme
from dmlviz.ui.shared.picture import picture
from dmlviz.ui.shared.tray import add_to_tray
from dmlviz.ui.shared.words import duration, run_name
from dmlviz.ui.train.sweep import line

LIVE_SECONDS = 2.0
MOST_SUPPORT = 200  # texts: beyond that a retraining each is no evening's work


def influence(scope: Scope) -> None:
    """Pick a run, start its retrainings, see what each support text does."""
    runs = {run.id: run for run in scope.runs if run.origin == "trained" and run.config.control == "none"}
    if not runs:
        st.info("Influence needs a run that was trained here: its support texts are left out one by one.")
        return
    run = runs[st.selectbox("Run", list(runs), format_func=lambda run_id: run_name(runs[run_id]), key="influence_run", persist_state="session")]
    support = loaders.store().split(run.id).support
    name = influence_spec(run, support).name
    state = _state(name)
    if len(support) > MOST_SUPPORT and state is None:
        st.info(f"This run has {len(support):,} support texts, and each takes a training of its own; up to {MOST_SUPPORT} are offered here. "
                "Take a run with fewer shots.")  # fmt: skip
        return
    if state is None:
        _offer(run, support)
    elif not state.done:
        st.fragment(_progress, run_every=LIVE_SECONDS if state.open and not state.sweep.waits else None)(name)
    panes, dataset = loaders.panes([run.id], "umap")
    found = retrained(run, loaders.runs(), loaders.store().arrays)
    if found.without:
        _picture(InfluenceInput(panes[0], found), dataset)


def _state(name: str):
    try:
        return sweep_state(loaders.store(), name)
    except InputError:
        return None


def _offer(run: Run, support) -> None:
    store = loaders.store()
    check_drawn(run, store)
    dataset = loaders.dataset(run.config.dataset_hash or "")
    left, right = st.columns([4, 1], vertical_alignment="center")
    spec = influence_spec(run, support)
    if st.session_state.get("influence_plan", (None,))[0] != spec:
        st.session_state["influence_plan"] = (spec, make_plan(spec, store, load=lambda ref: dataset))
    plan = st.session_state["influence_plan"][1]
    cost = cost_of(plan, store)
    left.info(
        f"The run is trained again without each of its {len(support):,} support texts, all else equal, and {FLOOR_SEEDS} times with other "
        f"seeds, to know how far accuracy moves by itself: "
        f"{count_of(cost.runs - cost.there, 'training')}, about {duration(cost.seconds)} with {cost.slots} at once."
    )
    if right.button("Start", key="influence_start", type="primary", width="stretch"):
        start(plan, store)
        st.rerun()


def _progress(name: str) -> None:
    state = sweep_state(loaders.store(), name)
    left, right = st.columns([4, 1], vertical_alignment="center")
    left.progress(state.counts.get("finished", 0) / max(1, len(state.runs)), text=escaped(line(state)))
    if state.done:
        st.rerun(scope="app")
    if state.open and not state.sweep.waits:
        right.button("Pause", key="influence_pause", width="stretch", on_click=pause, args=(loaders.store(), name, "paused"))
    elif read_sweep(loaders.store(), name):
        right.button("Go on", key="influence_on", width="stretch", on_click=resume_sweep, args=(loaders.store(), name))


def _picture(given: InfluenceInput, dataset) -> None:
    entry, chosen = FIGURES["influence"], selection.current([given.run.id]).rows if selection.line() else []
    rows = tuple(str(int(row)) for row in chosen)
    table = entry.frame(given, dataset, chosen=rows)
    with st.container(key="wide_influence"):
        left, right = st.columns([1, 1.25])
    with left:
        picture(entry.screen(table, "map", theme=theme()), key="influence_map", alt=entry.alt(table, "map"))
        st.caption("Grey: test texts. Triangles: support texts; blue and upwards helps, orange and downwards hurts, larger is more.")
    with right:
        picture(entry.screen(table, "bars", theme=theme()), key="influence_bars", alt=entry.alt(table, "bars"))
    st.caption(escaped(entry.caption(table, given)))
    shown = table[table["kind"] == "support"]
    columns = {"text": "Text", "label": "Class", "effect": "Effect, points", "low": "from", "high": "to"}
    columns |= {"lost": "Lost without", "won": "Won without"}
    if shown["chosen"].notna().any():
        columns |= {"chosen": f"On the {int(shown['chosen_n'].iloc[0]):,} selected"}
    number = st.column_config.NumberColumn
    st.dataframe(
        shown[list(columns)].rename(columns=columns), hide_index=True, height=260,
        column_config={"Effect, points": number(format="%+.2f"), "from": number(format="%+.2f"), "to": number(format="%+.2f"),
                       columns.get("chosen", "-"): number(format="%+.3f", help="Change of the gold class's probability on the selected test texts.")},
    )  # fmt: skip
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        spec = FigureSpec(name="influence", run_ids=(given.run.id,), options={"chosen": ",".join(rows)} if rows else {})
        st.button("Add to figures", key="influence_add", on_click=add_to_tray, args=(spec,), icon=":material/add:")
        made = lambda: csv_bytes(table)  # noqa: E731, written when it is asked for
        st.download_button("CSV", made, file_name(["influence", given.run.id], "csv"), "text/csv", key="influence_csv", on_click="ignore")
