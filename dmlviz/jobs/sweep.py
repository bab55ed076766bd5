"""Many runs from one file: plan, estimate, start, look after. The runs are ordinary ones, named after their content, so that a restart makes what is
missing and repeats nothing. Loads no torch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dmlviz.core.types import ACTIVE_STATES, RESUMABLE_STATES, DamagedError, InputError, Run, RunConfig, Split, State, TextDataset
from dmlviz.data import DRAWN_BY, load_dataset, split_of
from dmlviz.jobs.cost import MAP_SECONDS, START_SECONDS, estimate, weight_bytes
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.slots import slots_here
from dmlviz.jobs.submit import checked_config, stored_texts
from dmlviz.jobs.sweep_spec import SweepSpec, default_name, spec_json, spec_of
from dmlviz.store.files import remove_folder
from dmlviz.store.runs import Store
from dmlviz.store.sweeps import Sweep, clear_marks, mark_cancelled, once_more, pause, read_sweep, save_sweep, sweep_folder

FORK_SECONDS = 0.5  # what a forked run costs beyond its work
RECENT = 20  # finished runs that the pace is taken from


@dataclass(frozen=True, eq=False)
class Plan:
    """Every run of a sweep, checked, with its texts and its draw."""

    spec: SweepSpec
    configs: tuple[RunConfig, ...]
    datasets: Mapping[str, TextDataset]  # content hash -> texts

    def split(self, config: RunConfig, known: dict[tuple, Split]) -> Split:
        """The draw; `known` keeps those that several losses share."""
        key = tuple(getattr(config, name) for name in ("dataset_hash", *DRAWN_BY))
        if key not in known:
            known[key] = split_of(config, self.datasets[config.dataset_hash or ""])
        return known[key]


class SweepCost(NamedTuple):
    """What a sweep will take on this machine."""

    runs: int
    there: int  # of these, finished already
    seconds: float  # for those that are missing, with `slots` at once
    disk_bytes: int
    slots: int
    calibrated: bool


def make_plan(spec: SweepSpec, store: Store, *, load: Callable[[str], TextDataset] | None = None) -> Plan:
    """Read the texts, check every run, draw nothing twice. Raises InputError for the first run that cannot be made, naming it."""
    load = load or (lambda ref: load_dataset(ref, home=store.home))
    by_ref = {ref: load(ref) for ref in spec.datasets}
    configs = tuple(checked_config(config).model_copy(update={"dataset_hash": by_ref[config.dataset].content_hash}) for config in spec.configs())
    plan, known = Plan(spec, configs, {one.content_hash: one for one in by_ref.values()}), {}
    for config in configs:
        try:
            plan.split(config, known)
        except InputError as error:
            raise InputError(f"{config.dataset}, {config.shots or 'all'} shots: {error}") from error
    return plan


def cost_of(plan: Plan, store: Store) -> SweepCost:
    """Runs that differ in seeds alone cost the same, so one of each group is estimated."""
    past, known = store.runs(), {}
    there = existing(plan, store)
    groups: dict[str, list[RunConfig]] = {}
    for config in plan.configs:
        groups.setdefault(config.model_copy(update={"support_seed": 0, "seed": 0, "fold": 0, "left_out": None}).model_dump_json(), []).append(config)
    seconds = disk = 0.0
    calibrated = True
    for group in groups.values():
        one = estimate(group[0], plan.datasets[group[0].dataset_hash or ""], plan.split(group[0], known), past)
        missing = sum(_content(config) not in there for config in group)
        seconds += missing * (one.seconds - START_SECONDS + FORK_SECONDS - (MAP_SECONDS if plan.spec.maps == "later" else 0))
        disk += missing * (one.disk_bytes - (weight_bytes(group[0].encoder) if plan.spec.weights == "drop" else 0))
        calibrated = calibrated and one.calibrated
    slots = plan.spec.slots or slots_here(plan.configs)
    return SweepCost(len(plan.configs), len(there), max(0.0, seconds), int(disk), slots, calibrated)


def existing(plan: Plan, store: Store) -> dict[str, str]:
    """Content of a config -> id, of the plan's runs that are finished here, under whatever id."""
    wanted = {_content(config) for config in plan.configs}
    found = {_content(run.config): run.id for run in store.runs() if run.state == "finished" and run.origin == "trained"}
    return {content: run_id for content, run_id in found.items() if content in wanted}


def _content(config: RunConfig) -> str:
    """The config without the name under which its texts were found: their hash is in it."""
    return config.model_copy(update={"dataset": ""}).model_dump_json()


def start(plan: Plan, store: Store, *, on_progress: Callable[[int, int], None] = lambda done, total: None) -> str:
    """Write the sweep and every run that is missing, and see to it that somebody starts them. Returns its name.

    The same sweep again goes on where it was: finished runs stay, failed, cancelled and interrupted ones are tried anew. Raises InputError when the
    name belongs to another sweep.
    """
    name, said = default_name(plan.spec), spec_json(plan.spec)
    try:
        old = read_sweep(store, name)
    except InputError:
        old = None
    if old is not None and spec_of(old.spec) != plan.spec:
        raise InputError(f"the name {name!r} belongs to a sweep with other settings; give this one another name")
    here, damaged = existing(plan, store), store.damaged()
    ids = tuple(here.get(_content(config)) or store.content_id(config, plan.datasets[config.dataset_hash or ""]) for config in plan.configs)
    for run_id in ids:
        if run_id in damaged:
            raise DamagedError(f"{damaged[run_id]} ('python -m dmlviz delete {run_id} --yes'), then start the sweep again", run_id)
    save_sweep(store, name, said, ids)
    known: dict[tuple, Split] = {}
    for i, (config, run_id) in enumerate(zip(plan.configs, ids, strict=True)):
        on_progress(i, len(ids))
        if _content(config) not in here:
            _make(plan, store, config, run_id, name, known)
    on_progress(len(ids), len(ids))
    clear_marks(store, name)
    if plan.spec.engine == "local":
        LocalEngine(store).wake()
    return name


def _make(plan: Plan, store: Store, config: RunConfig, run_id: str, name: str, known: dict[tuple, Split]) -> None:
    try:
        run = store.run(run_id)
    except InputError:
        kept = {"maps": ["pca"]} if plan.spec.maps == "later" else {}
        kept |= {"weights": False} if plan.spec.weights == "drop" else {}
        status = {"sweep": name, "engine": plan.spec.engine, **kept}
        store.create(config, plan.datasets[config.dataset_hash or ""], plan.split(config, known), run_id=run_id, **status)
        return
    if run.state in RESUMABLE_STATES:
        store.requeue(run_id)
    if run.state not in ("running", "cancelling"):
        store.update(run_id, sweep=name, engine=plan.spec.engine, ends={})


# ---- looking after it


class SweepState(NamedTuple):
    """How far a sweep is."""

    sweep: Sweep
    runs: tuple[Run | None, ...]  # as `sweep.run_ids`; None: not written, or deleted
    counts: Mapping[State | str, int]  # state -> runs; "missing" for None
    per_hour: float | None  # runs finished in an hour, over the last ones
    eta_seconds: float | None

    @property
    def open(self) -> bool:
        """Something runs, waits to run, or is about to be tried again."""
        again = not self.sweep.waits and any(run is not None and run.sweep == self.sweep.name and once_more(run) for run in self.runs)
        return again or any(self.counts.get(state) for state in ACTIVE_STATES)

    @property
    def done(self) -> bool:
        return self.counts.get("finished", 0) == len(self.runs)


def sweep_state(store: Store, name: str, runs: Sequence[Run] | None = None) -> SweepState:
    """`runs`: the home's runs where the caller has them."""
    sweep = read_sweep(store, name)
    by_id = {run.id: run for run in (store.runs() if runs is None else runs)}
    own = tuple(by_id.get(run_id) for run_id in sweep.run_ids)
    counts: dict[str, int] = {}
    for run in own:
        counts[run.state if run else "missing"] = counts.get(run.state if run else "missing", 0) + 1
    per_hour = _pace([run for run in own if run is not None and run.state == "finished" and run.sweep == name])
    left = len(own) - counts.get("finished", 0) - counts.get("failed", 0)
    open_now = any(counts.get(state) for state in ACTIVE_STATES) and not sweep.waits
    eta = 3600 * left / per_hour if per_hour and left and open_now else None
    return SweepState(sweep, own, counts, per_hour, eta)


def _pace(finished: Sequence[Run]) -> float | None:
    """Runs an hour, from the median time between two ends: a pause in between does not count."""
    ends = sorted(run.ended for run in finished if run.ended)[-RECENT:]
    gaps = np.diff(ends)
    if len(gaps) < 2:
        return None
    usual = gaps[gaps <= 10 * max(float(np.median(gaps)), 0.1)]
    return 3600 / max(float(usual.mean()), 1e-3)


def pause_sweep(store: Store, name: str) -> None:
    """Runs that are at work end as usual; no other begins."""
    pause(store, name, f"paused by hand at {time.strftime('%H:%M')}")


def resume_sweep(store: Store, name: str) -> None:
    """Go on: what is missing is written, what failed or was stopped is tried anew."""
    sweep = read_sweep(store, name)
    start(make_plan(spec_of(sweep.spec), store, load=lambda ref: _stored(store, sweep, ref)), store)


def _stored(store: Store, sweep: Sweep, ref: str) -> TextDataset:
    """The very texts that the sweep's runs have, where one of them is there; the source may have changed since."""
    for run_id in sweep.run_ids:
        try:
            run = store.run(run_id)
        except InputError:
            continue
        if run.config.dataset == ref:
            return stored_texts(store, ref, run.config.dataset_hash or "")
    return load_dataset(ref, home=store.home)


def cancel_sweep(store: Store, name: str) -> None:
    """No other run begins, those at work write a checkpoint and end. `resume_sweep` goes on."""
    sweep = read_sweep(store, name)
    mark_cancelled(store, name)
    engine, by_id = LocalEngine(store), {run.id: run for run in store.runs()}
    for run_id in sweep.run_ids:
        run = by_id.get(run_id)
        if run is not None and run.sweep == name and run.state in ("running", "queued"):
            store.request_cancel(run_id)
    engine.wake()


def delete_sweep(store: Store, name: str) -> None:
    """Forget the sweep, also one that cannot be read; its runs stay."""
    with contextlib.suppress(DamagedError):
        if sweep_state(store, name).open:
            raise InputError(f"sweep {name} is still at work; cancel it first")
    remove_folder(sweep_folder(store, name))
