"""Parts of the Runs page."""

from __future__ import annotations

import contextlib
from collections import Counter
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from dmlviz.analysis.load_words import known_config, report_rows
from dmlviz.analysis.reliability.groups import Group, group_runs
from dmlviz.core.types import ACTIVE_STATES, POOLING_NAMES, DamagedError, FigureSpec, InputError, Run, RunConfig
from dmlviz.core.wording import count_of, size_of
from dmlviz.figures.base.theme import loss_title, method_title
from dmlviz.figures.reliability.frame import method_titles
from dmlviz.figures.training import curves
from dmlviz.jobs.submit import submit_loaded
from dmlviz.losses import LOSSES
from dmlviz.losses.table import variant
from dmlviz.ui.shared import group_rows, loaders
from dmlviz.ui.shared.dataset_picker import pick_dataset
from dmlviz.ui.shared.frame import capitalised, damage, escaped, notes, sentence, theme
from dmlviz.ui.shared.picks import MOST, comparable, compare_link
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.words import accuracy_by, ago, dataset_name, duration, readouts, run_name, shots
from dmlviz.ui.train.live import KINDS, row

MOST_DAMAGED = 8  # rows of run folders that cannot be read


def unreadable() -> None:
    """Run folders that could not be read are said, not hidden, each with the way to be rid of it."""
    found = loaders.store().damaged()
    for run_id, words in list(found.items())[:MOST_DAMAGED]:
        left, right = st.columns([6, 1], vertical_alignment="center")
        with left:
            damage(words)
        if right.button("Delete", key=f"damaged_{run_id}", width="stretch"):
            _confirm(run_id, run_id)
    if len(found) > MOST_DAMAGED:
        st.caption(f"and {len(found) - MOST_DAMAGED:,} more run folders that cannot be read; 'python -m dmlviz runs' lists them")


def filtered(runs: list[Run]) -> list[Run]:
    """By data set, loss and state; an empty filter lets everything through."""
    a, b, c = st.columns(3)
    sets = a.multiselect("Data set", sorted({dataset_name(run) for run in runs}), key="runs_data", placeholder="all", persist_state="session")
    losses = b.multiselect(
        "Loss", sorted({run.config.loss for run in runs}), format_func=loss_title, key="runs_loss", placeholder="all", persist_state="session"
    )
    states = c.multiselect("State", sorted({run.state for run in runs}), key="runs_state", placeholder="all", persist_state="session")
    return [
        run for run in runs
        if (not sets or dataset_name(run) in sets) and (not losses or run.config.loss in losses) and (not states or run.state in states)
    ]  # fmt: skip


def table(runs: list[Run]) -> list[Run]:
    """The list, run by run or group by group; returns the selected runs."""
    rows = st.segmented_control(
        "Rows", ["run", "group"], default="run", required=True, format_func={"run": "One row per run", "group": "One row per group"}.get,
        key="runs_rows", bind="query-params", label_visibility="collapsed", help="A group: runs that differ in draw, seed and fold alone.",
    )  # fmt: skip
    return _group_table(runs) if rows == "group" else _run_table(runs, "runs_table")


def _run_table(runs: list[Run], key: str) -> list[Run]:
    share = [run.metrics.get("accuracy") for run in runs]
    f1 = [run.metrics.get("macro_f1") for run in runs]
    rows = pd.DataFrame(
        {
            "State": [run.state for run in runs],
            "Loss": [method_title(run) for run in runs],
            "Accuracy %": [None if value is None else 100 * value for value in share],
            "Macro-F1 %": [None if value is None else 100 * value for value in f1],
            "Data set": [dataset_name(run) for run in runs],
            "Shots": [shots(run) for run in runs],
            "Draw": [run.config.support_seed for run in runs],
            "Seed": [run.config.seed for run in runs],
            "Readout": [str(run.metrics.get("readout", "")).replace("_", " ") for run in runs],
            "Trained in": [duration(run.metrics["train_seconds"]) if "train_seconds" in run.metrics else "" for run in runs],
            "Made": [ago(run.created) for run in runs],
            "Id": [run.id[-6:] for run in runs],
        }
    )
    one, small = st.column_config.NumberColumn(format="%.1f", width="small"), st.column_config.Column(width="small")
    config = {name: small for name in ("State", "Draw", "Seed", "Trained in", "Made", "Id")} | {"Accuracy %": one, "Macro-F1 %": one}
    event = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="multi-row", key=key, column_config=config,
        height=min(38 + 35 * max(len(rows), 1), 430), placeholder="–", alt="All runs with state, loss, data set, seeds and accuracy",
    )  # fmt: skip
    st.caption(f"{len(runs):,} runs. Accuracy and macro-F1 on the test part; each row is a single run.")
    return [runs[i] for i in event["selection"]["rows"] if i < len(runs)]


def _group_table(runs: list[Run]) -> list[Run]:
    """One row per group, unfinished runs counted; the runs of the selected groups below it, to be selected in their turn."""
    groups = group_runs(runs)
    done = [Group(one.key, tuple(run for run in one.runs if run.state == "finished" and "accuracy" in run.metrics)) for one in groups]
    numbers = group_rows.numbers([one for one in done if one.runs], None)
    numbers.index = [i for i, one in enumerate(done) if one.runs]
    rows = pd.DataFrame(
        {
            "Loss": method_titles(groups),
            "Data set": [dataset_name(one.runs[0]) for one in groups],
            "Shots": [shots(one.runs[0]) for one in groups],
            "State": [_states(one) for one in groups],
            "Made": [ago(max(run.created for run in one.runs)) for one in groups],
        }
    ).join(numbers)[["Loss", "Data set", "Shots", "Accuracy %", "±", "Runs", "Each run", "State", "Made"]]
    rows["Each run"] = [own if isinstance(own, list) else [] for own in rows["Each run"]]
    event = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="multi-row", key="runs_groups", column_config=group_rows.columns(rows),
        height=min(38 + 35 * max(len(rows), 1), 430), placeholder="–", alt="All groups of runs with mean accuracy, interval and states",
    )  # fmt: skip
    st.caption(f"{count_of(len(groups), 'group')} of {count_of(len(runs), 'run')}. {group_rows.INTERVAL}. Of twins the newest counts.")
    picked = [groups[i] for i in event["selection"]["rows"] if i < len(groups)]
    if not picked:
        return []
    inside = [run for one in picked for run in one.runs]
    chosen = _run_table(inside, "runs_of_group")
    ready = [run.id for run in inside if comparable(run)]
    compare_link(ready, "Compare these runs" if len(ready) <= MOST else f"Compare the first {MOST}", key="runs_group_compare")
    return chosen


def _states(group: Group) -> str:
    """'finished', '3 finished, 1 failed'."""
    counts = Counter(run.state for run in group.runs)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{count} {state}" for state, count in counts.items())


def details(picked: list[Run]) -> None:
    """One run in full, or the config diff of two."""
    if not picked:
        return
    if len(picked) > 1:
        _differences(picked)
        return
    run = picked[0]
    st.header(escaped(run_name(run)), anchor=False)
    if run.state == "finished" and (wrong := loaders.damage_of(run)) is not None:
        sentence(str(wrong))
    if run.state != "finished":
        row(run, place="runs")
    with st.container(key="wide_details"):
        left, middle, right = st.columns([1, 1, 1.2], gap="medium")
    with left:
        _readouts(run)
        _facts(run)
    with middle:
        st.markdown("**Config**")
        st.dataframe(_config_rows([run]), hide_index=True, height=420, column_config={"Field": st.column_config.Column(width=130)})
    with right:
        _curve(run)
        _encoder(run)
        with contextlib.suppress(DamagedError):  # said above
            notes(loaders.store().split(run.id).notes, title="About the draw")
        with st.expander("Log"):
            st.code(loaders.store().log_tail(run.id) or "the log is empty", language=None)
    _actions(run)


def _readouts(run: Run) -> None:
    """Accuracy of every readout that was stored."""
    if "accuracy" not in run.metrics:
        return
    table = pd.DataFrame(
        [
            {
                "Readout": name.replace("_", " ") + (" (the run's own)" if name == run.metrics["readout"] else ""),
                "Accuracy %": 100 * accuracy_by(run, name),
                "Macro-F1 %": 100 * accuracy_by(run, name, "macro_f1"),
            }
            for name in readouts(run)
        ]
    )
    st.markdown("**Readouts** on the test part")
    one = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(table, hide_index=True, column_config={"Accuracy %": one, "Macro-F1 %": one})
    if why := run.facts.get("readout_why"):
        st.caption(escaped(f"It predicts by {why}."))
    st.caption(f"{run.metrics['n_support']:,} support, {run.metrics['n_validation']:,} validation, {run.metrics['n_test']:,} test texts; single run. "
               f"Always guessing the largest class gives {100 * run.metrics.get('majority', 0):.1f} %.")  # fmt: skip


def _encoder(run: Run) -> None:
    """What was read of the run's encoder, what was assumed and what was left out."""
    rows = report_rows(run)
    if not rows:
        return
    st.markdown("**Encoder**")
    names = dict.fromkeys(name for name, _ in rows)
    shown = [(name, words if name == "Model" else words[:1].upper() + words[1:]) for name, words in rows]
    lines = {name: "".join(f"<dd>{escape(words)}</dd>" for one, words in shown if one == name) for name in names}
    st.html("<dl class='report'>" + "".join(f"<dt>{escape(name)}</dt>{own}" for name, own in lines.items()) + "</dl>")


def _facts(run: Run) -> None:
    here = loaders.store()
    versions = ", ".join(f"{name} {number}" for name, number in run.facts.get("versions", {}).items())
    lines = [
        f"Id `{run.id}`",
        f"{run.facts.get('device', 'device not recorded yet')}, {run.facts.get('precision', '')}",
        versions,
        _form(run),
        f"{size_of(here.size(run.id))} in `{here.folder(run.id)}`",
    ]
    st.caption("  \n".join(line for line in lines if line))


def _form(run: Run) -> str:
    """'G-Loss as in the paper', where paper and authors' code differ."""
    said = variant(run.config.loss, run.config.loss_settings)
    return f"{loss_title(run.config.loss)}: {said if said == 'mixed variant' else 'as in the ' + said}" if said else ""


def _config_rows(runs: list[Run]) -> pd.DataFrame:
    configs = [known_config(run) for run in runs]
    return pd.DataFrame(
        [{"Field": name, **{run.id[-6:]: str(config[name]) for run, config in zip(runs, configs, strict=True)}} for name in configs[0]]
    )


def _differences(picked: list[Run]) -> None:
    """What differs between the selected configs, and only that."""
    rows = _config_rows(picked)
    differing = rows[rows.drop(columns="Field").nunique(axis=1) > 1]
    st.header("Differences of the configs", anchor=False)
    if differing.empty:
        st.caption("The configs are equal.")
    else:
        st.dataframe(differing, hide_index=True)
    st.caption(f"{len(rows) - len(differing)} fields are equal.")
    compare_link([run.id for run in picked if comparable(run)], "Compare their maps", key="runs_compare")


def _curve(run: Run) -> None:
    if run.origin == "loaded":
        st.caption("Fine-tuned elsewhere, so there is no training curve.")
        return
    kind = st.selectbox("Curve", list(KINDS), format_func=KINDS.get, key="runs_curve", label_visibility="collapsed")
    frame = curves.frame([run], loaders.events([run.id]))
    picture(curves.screen(frame, kind=kind, theme=theme()), key="runs_curve_picture", alt=curves.alt(frame, kind))
    tools(FigureSpec(name="curves", run_ids=(run.id,), options={"kind": kind}), frame, key="runs_curve_tools")


def _actions(run: Run) -> None:
    with st.container(horizontal=True):
        compare_link([run.id] if comparable(run) else [], "Show its map", key="runs_show")
        if run.state not in ("running", "cancelling") and st.button("Delete", key="runs_delete"):
            _confirm(run.id, run_name(run))


@st.dialog("Delete this run?")
def _confirm(run_id: str, name: str) -> None:
    """Deleting is asked twice and cannot be undone."""
    st.write(escaped(name))
    st.write(f"{size_of(loaders.store().size(run_id))} of embeddings, weights and maps are removed for good. The texts stay.")
    if st.button("Delete for good", type="primary", on_click=_delete, args=(run_id,)):
        st.rerun()


def _delete(run_id: str) -> None:
    try:
        loaders.store().delete(run_id)
    except InputError as error:
        st.toast(capitalised(str(error)), icon=":material/error:")
    except OSError as error:
        st.toast(f"The run cannot be deleted ({error.strerror or error}); check the rights of the home folder.", icon=":material/error:")


def load_form() -> None:
    """A model fine-tuned elsewhere becomes a run."""
    with st.expander("Load a model fine-tuned elsewhere"):
        st.caption("A Hugging Face checkpoint, a sentence-transformers or SetFit model, or an adapter, as .safetensors. A classifier is used where "
                   "its classes are the data set's. What was read, assumed and left out stands with the run.")  # fmt: skip
        model = st.text_input("Checkpoint folder or Hub id", key="load_model", placeholder="a folder on this machine, or owner/name").strip()
        chosen = pick_dataset_for_load()
        fields = _load_fields()
        if st.button("Load", type="primary", disabled=not model or chosen is None, key="load_go"):
            run_id = submit_loaded(model, chosen.ref, store=loaders.store(), dataset=chosen.dataset, **fields)
            st.success(f"Run {run_id[-6:]} is in the queue.")
    loading = [run for run in loaders.runs() if run.origin == "loaded" and run.state in ACTIVE_STATES]
    if loading:
        _loading([run.id for run in loading])


def pick_dataset_for_load() -> Any:
    """The same picker as on the Train page: a choice made there is kept here."""
    return pick_dataset()


def _load_fields() -> dict[str, Any]:
    a, b, c = st.columns(3)
    loss = a.selectbox(
        "Fine-tuned with", [None, *LOSSES], format_func=lambda n: "as its folder says" if n is None else LOSSES[n].title, key="load_loss"
    )
    shots_given = b.number_input(
        "Shots per class (0: every text)", 0, 100_000, 8, key="load_shots", help="Which texts count as support, marked on the map."
    )
    draw = c.number_input("Support draw", 0, 10_000, 0, key="load_draw")
    d, e, f = st.columns(3)
    known = RunConfig.model_fields
    length = d.number_input("Tokens per text", 4, 8192, known["max_length"].default, 16, key="load_length", help="The rest is cut.")
    pooling = e.selectbox("Pooling", ["auto", *POOLING_NAMES], key="load_pooling", help=known["pooling"].description)
    tokenizer = f.text_input("Tokenizer (where the folder has none)", key="load_tokenizer", placeholder="the model's own").strip()
    return {"loss": loss, "shots": int(shots_given) or None, "support_seed": int(draw), "max_length": int(length), "pooling": pooling,
            "tokenizer": tokenizer or None}  # fmt: skip


@st.fragment(run_every=1.0)
def _loading(run_ids: list[str]) -> None:
    now = {run.id: run for run in loaders.runs()}
    for run_id in run_ids:
        if run_id in now:
            row(now[run_id], place="load")
    if not any(now[run_id].state in ACTIVE_STATES for run_id in run_ids if run_id in now):
        st.rerun()
