"""Sweeps on the Train page: the form that writes the file, what it will take, and the grid of its runs as they happen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from dmlviz.core.types import InputError, Run, RunConfig, TextDataset
from dmlviz.core.wording import count_of, size_of
from dmlviz.data import CATALOGUE, own_folders
from dmlviz.figures.base.theme import base_title
from dmlviz.jobs.sweep import Plan, SweepState, cancel_sweep, cost_of, delete_sweep, make_plan, pause_sweep, resume_sweep, start, sweep_state
from dmlviz.jobs.sweep_spec import SweepSpec, default_name, parse_sweep, spec_of, spec_yaml
from dmlviz.store.sweeps import damaged_sweeps, sweeps
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.dataset_picker import Chosen
from dmlviz.ui.shared.frame import damage, escaped, guard, link
from dmlviz.ui.shared.words import duration

LIVE_SECONDS = 1.5
SHOWN = 4  # sweeps below the form
MOST_CELLS = 2_000
KEEP = {"persist_state": "session"}
MARKS = {  # state -> (sign, colour on light and dark grounds, word)
    "finished": ("✓", "#0B7A4B", "finished"), "running": ("▶", "#0B6E99", "running"), "cancelling": ("▷", "#0B6E99", "ending"),
    "queued": ("·", "#8A949E", "waiting"), "failed": ("✕", "#C4421A", "failed"), "interrupted": ("↯", "#B8860B", "interrupted"),
    "cancelled": ("–", "#8A949E", "cancelled"), "missing": ("?", "#8A949E", "not written yet, or deleted"),
}  # fmt: skip
STYLE = """<style>
table.sweep {border-collapse: collapse; font-size: .85rem;}
table.sweep th {font-weight: 500; text-align: left; padding: 1px 10px 1px 0; white-space: nowrap;}
table.sweep td {width: 1.35em; text-align: center; padding: 0; font-weight: 700;} div.sweep {overflow-x: auto; max-height: 22rem;}
</style>"""


def form(chosen: Chosen | None, encoder: str, losses: list[dict[str, Any]], draw: dict[str, Any]) -> None:
    """Data sets, shots, draws and seeds of a sweep; losses, encoder and budget are those of the form above."""
    if not st.toggle(
        "Sweep over data sets, shots and draws", key="sweep_on", **KEEP,
        help="One file, many runs, unattended: what is there is not repeated, what fails is tried once more, a restart goes on.",
    ):  # fmt: skip
        return
    with st.container(border=True):
        if chosen is None or not losses:
            st.caption("Choose a data set first." if chosen is None else "Choose at least one loss.")
            return
        written = spec_yaml(_asked(chosen, encoder, losses, draw))
        with st.popover("The file", width="content"):
            if st.toggle("Edit it", key="sweep_edit"):
                written = st.text_area("Sweep file", written, height=320, key=f"sweep_yaml_{hash(written)}")
            else:
                st.code(written, language="yaml")
            st.download_button("Download", written, "sweep.yaml", "application/yaml", key="sweep_download", on_click="ignore")
            st.caption("`python -m dmlviz sweep sweep.yaml` runs the same, also with `--engine ray`.")
        spec = parse_sweep(written)
        plan = _plan(spec, chosen)
        cost = cost_of(plan, loaders.store())
        trust = "from finished runs here" if cost.calibrated else "a rough guess until a run has finished here"
        there = f" ({cost.there:,} are finished here already)" if cost.there else ""
        st.markdown(
            f"**{count_of(cost.runs, 'run')}**{there}, about **{duration(cost.seconds) if cost.seconds else 'no time'}** with {cost.slots} at once "
            f"({trust}), **{size_of(cost.disk_bytes)}** on disk."
        )
        if len(spec.support_seeds) < 5:
            st.caption("Below five draws no difference between losses can be tested: accuracy moves more with the draw than with the loss.")
        if st.button("Start the sweep", type="primary", key="sweep_go", disabled=not cost.runs):
            with st.spinner(f"{count_of(cost.runs, 'run')} are written down"):
                name = start(plan, loaders.store())
            st.toast(f"{name} is on its way")


def _asked(chosen: Chosen, encoder: str, losses: list[dict[str, Any]], draw: dict[str, Any]) -> SweepSpec:
    a, b = st.columns([1.4, 1])
    titles = {name: entry.title for name, entry in CATALOGUE.items()} | {name: name for name, readable in own_folders().items() if readable}
    others = [name for name in titles if name != chosen.ref]
    more = a.multiselect(
        "Data sets besides the one above", others, key="sweep_data", format_func=titles.get, placeholder="none", **KEEP
    )
    shots = b.text_input("Shots", "4, 8, 16", key="sweep_shots", help="Labelled texts, separated by commas; 'all' for every one.", **KEEP)
    c, d, e, f = st.columns(4)
    draws = c.number_input("Draws", 1, 100, 5, key="sweep_draws", help="Each draws other shots. Five or more let differences be tested.", **KEEP)
    seeds = d.number_input("Seeds a draw", 0, 100, 0, key="sweep_seeds", help="0: one run a draw, its seed the draw's number.", **KEEP)
    slots = e.number_input("At once", 0, 64, 0, key="sweep_slots", help="Runs at a time. 0: what cores and memory allow.", **KEEP)
    hours = f.number_input("Hours", 0.0, 1000.0, 0.0, 0.5, key="sweep_hours", help="After so many it pauses. 0: no limit.", **KEEP)
    g, h = st.columns(2)
    now = g.toggle("Make UMAP maps at once", key="sweep_maps", help="Else PCA at once, and UMAP when somebody looks: a small run's time.", **KEEP)
    light = h.toggle("Keep no weights", key="sweep_light", help="Vectors and scores stay; words cannot be explained. For hundreds of runs.", **KEEP)
    arms = [{"name": one["loss"], "ce_weight": one["ce_weight"], "settings": dict(one["loss_settings"])} for one in losses]
    fields = {name: value for name, value in draw.items() if name not in ("shots", "support_seed", "seed")}
    usual = {name: field.default for name, field in RunConfig.model_fields.items()}
    return spec_of({
        "datasets": [chosen.ref, *more], "losses": arms, "encoders": [encoder], "shots": _shots(shots), "support_seeds": list(range(int(draws))),
        "seeds": list(range(int(seeds))) if seeds else "as_draw", "maps": "now" if now else "later",
        "weights": "drop" if light else "keep",
        **({"slots": int(slots)} if slots else {}), **({"hours": hours} if hours else {}),
        "fields": {name: value for name, value in fields.items() if value != usual[name]},
    })  # fmt: skip


def _shots(text: str) -> list[int | str]:
    found: list[int | str] = []
    for one in text.replace(";", ",").split(","):
        word = one.strip().lower()
        if word and word != "all" and not (word.isdecimal() and len(word) < 12):
            raise InputError(f"shots {one.strip()[:40]!r} is not understood; write numbers separated by commas, or 'all'")
        found += [word if word == "all" else int(word)] if word else []
    return found or [8]


def _plan(spec: SweepSpec, chosen: Chosen) -> Plan:
    """The plan, made anew only when the file changes."""
    key = (default_name(spec), spec, chosen.dataset.content_hash)
    if st.session_state.get("sweep_plan", (None,))[0] != key:
        load = lambda ref: _texts(ref, chosen)  # noqa: E731
        with st.spinner("Texts are read and every draw is checked"):
            st.session_state["sweep_plan"] = (key, make_plan(spec, loaders.store(), load=load))
    return st.session_state["sweep_plan"][1]


def _texts(ref: str, chosen: Chosen) -> TextDataset:
    return chosen.dataset if ref == chosen.ref else loaders.read_dataset(ref)


# ---- watching


def watch() -> None:
    """The newest sweeps, live while one is at work; those that cannot be read, with the way to be rid of them."""
    for name, words in damaged_sweeps(loaders.store()).items():
        left, right = st.columns([6, 1], vertical_alignment="center")
        with left:
            damage(words)
        right.button("Forget", key=f"sweep_forget_{name}", on_click=_do, args=(delete_sweep, name), width="stretch")
    found = sweeps(loaders.store())[:SHOWN]
    if found:
        runs = loaders.runs()
        open_now = any(sweep_state(loaders.store(), one.name, runs).open and not one.waits for one in found)
        st.fragment(_watch, run_every=LIVE_SECONDS if open_now else None)(open_now)


def _watch(open_now: bool) -> None:
    store, runs = loaders.store(), loaders.runs()
    states = [sweep_state(store, one.name, runs) for one in sweeps(store)[:SHOWN]]
    if open_now != any(state.open and not state.sweep.waits for state in states):
        st.rerun()
    st.header("Sweeps", anchor=False)
    st.html(STYLE)
    for state in states:
        _card(state)


def sweep_line(name: str) -> None:
    """A sweep at work in one line, for other pages."""
    try:
        state = sweep_state(loaders.store(), name)
    except InputError:  # forgotten meanwhile; its runs go on
        st.caption(f"Runs of the sweep {escaped(name)}, which is no longer listed.")
        return
    with st.container(border=True, gap="small"):
        st.markdown(f":material/grid_on: **{escaped(name)}**  \n:small[:gray[{escaped(line(state))}]]")
        st.progress(state.counts.get("finished", 0) / max(1, len(state.runs)))


def _card(state: SweepState) -> None:
    name = state.sweep.name
    with st.container(border=True, gap="small"):
        words, act = st.columns([4, 1.6], vertical_alignment="center")
        words.markdown(f"**{escaped(name)}**  \n:small[:gray[{escaped(line(state))}]]")
        words.progress(state.counts.get("finished", 0) / max(1, len(state.runs)))
        with act, guard(), st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            _buttons(state)
        with st.expander("Every run", expanded=state.open):
            st.html(grid(state.runs, state.sweep.run_ids))
        failed = [run for run in state.runs if run is not None and run.state == "failed"]
        if failed:
            with st.expander(f"Why {count_of(len(failed), 'run')} failed", expanded=True):
                for reason in dict.fromkeys(run.message for run in failed):
                    own = [run.id for run in failed if run.message == reason]
                    st.markdown(f"- {escaped(reason)} :small[:gray[{escaped(', '.join(own[:3]))}{' and others' if len(own) > 3 else ''}]]")


def _buttons(state: SweepState) -> None:
    name, at_work = state.sweep.name, state.open and not state.sweep.waits
    if at_work:
        st.button("Pause", key=f"sweep_pause_{name}", on_click=_do, args=(pause_sweep, name), help="Runs at work end as usual; no other begins.")
        st.button("Cancel", key=f"sweep_cancel_{name}", on_click=_do, args=(cancel_sweep, name), help="Runs at work write a checkpoint and end.")
    elif not state.done:
        st.button("Go on", key=f"sweep_resume_{name}", on_click=_do, args=(resume_sweep, name), type="primary")
    if state.counts.get("finished", 0) > 1:
        link("See the curves", "pages/reliability.py", key=f"sweep_see_{name}", primary=state.done)
    if not state.open:
        st.button("Forget", key=f"sweep_forget_{name}", on_click=_do, args=(delete_sweep, name), help="Its runs stay.")


def _do(act, name: str) -> None:
    with guard():
        act(loaders.store(), name)


def line(state: SweepState) -> str:
    """'at work: 12 of 24 finished, 2 running, 1 failed; 410 an hour, about 2 min left'."""
    total, counts = len(state.runs), state.counts
    doing = "done" if state.done else "cancelled" if state.sweep.cancelled else state.sweep.paused or ("at work" if state.open else "stopped")
    parts = [f"{counts.get('finished', 0):,} of {total:,} finished"]
    parts += [f"{counts[name]:,} {word}" for name, (_, _, word) in MARKS.items() if counts.get(name) and name not in ("finished", "queued")]
    pace = [f"{state.per_hour:,.0f} an hour"] if state.per_hour else []
    pace += [f"about {duration(state.eta_seconds)} left"] if state.eta_seconds else []
    return f"{doing}: {', '.join(parts)}" + (f"; {', '.join(pace)}" if pace else "")


def grid(runs: Sequence[Run | None], run_ids: Sequence[str]) -> str:
    """A row per data set, shots and loss; a sign per draw and seed. Names from data are escaped."""
    rows: dict[tuple[str, str], list[str]] = {}
    for run, run_id in list(zip(runs, run_ids, strict=True))[:MOST_CELLS]:
        state = run.state if run else "missing"
        sign, color, word = MARKS[state]
        told = f"{word}: {run_id}" + (f", accuracy {100 * run.metrics['accuracy']:.1f} %" if run and "accuracy" in run.metrics else "")
        key = _row_names(run, run_id)
        rows.setdefault(key, []).append(f'<td style="color:{color}" title="{escape(told, quote=True)}">{sign}</td>')
    lines = "".join(f"<tr><th>{escape(data)}</th><th>{escape(what)}</th>{''.join(cells)}</tr>" for (data, what), cells in rows.items())
    met = dict.fromkeys((run.state if run else "missing") for run in runs)
    key = " &nbsp; ".join(f'<span style="color:{MARKS[one][1]};font-weight:700">{MARKS[one][0]}</span> {MARKS[one][2]}' for one in met)
    left = f"<p>The first {MOST_CELLS:,} of {len(runs):,} runs.</p>" if len(runs) > MOST_CELLS else ""
    return f'<div class="sweep"><table class="sweep">{lines}</table></div><small>{key}</small>{left}'


def _row_names(run: Run | None, run_id: str) -> tuple[str, str]:
    if run is None:
        return run_id.rsplit("-d", 1)[0], ""
    shots = "all texts" if run.config.shots is None else f"{run.config.shots} shots"
    return f"{run.config.dataset.rsplit('/', 1)[-1][:40]} · {shots}", base_title(run.config)
