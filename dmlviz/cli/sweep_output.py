"""Sweeps on the command line: what they will take, how far they are, and waiting for their end."""

from __future__ import annotations

import signal
import time
from typing import Any

from dmlviz.cli.output import run_facts, say
from dmlviz.core.wording import size_of
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.sweep import SweepCost, SweepState, sweep_state
from dmlviz.store.runs import Store

LOOK_SECONDS, POLL_LOOKS = 0.5, 10


def sweep_words(cost: SweepCost) -> str:
    """'24 runs, 4 of them finished here; about 3 min with 2 at once (a rough guess ...), 180 MB on disk'."""
    there = f", {cost.there:,} of them finished here" if cost.there else ""
    trust = "from finished runs here" if cost.calibrated else "a rough guess until a run has finished here"
    return f"{cost.runs:,} runs{there}; about {_duration(cost.seconds)} with {cost.slots} at once ({trust}), {size_of(cost.disk_bytes)} on disk"


def state_words(state: SweepState) -> str:
    """'running: 12 of 24 finished, 1 failed, 30 an hour, about 24 min left'."""
    counts, total = state.counts, len(state.runs)
    if state.done:
        return f"done: {total:,} of {total:,} finished"
    doing = "cancelled" if state.sweep.cancelled else state.sweep.paused if state.sweep.paused else "running" if state.open else "stopped"
    parts = [f"{counts.get('finished', 0):,} of {total:,} finished"]
    parts += [f"{counts[name]:,} {name}" for name in ("running", "failed", "interrupted", "cancelled", "missing") if counts.get(name)]
    parts += [f"{state.per_hour:,.0f} an hour"] if state.per_hour else []
    parts += [f"about {_duration(state.eta_seconds)} left"] if state.eta_seconds else []
    return f"{doing}: {', '.join(parts)}"


def sweep_facts(state: SweepState) -> dict[str, Any]:
    """A sweep as plain JSON."""
    runs = [run_facts(run) if run else {"id": run_id, "state": "missing"} for run_id, run in zip(state.sweep.run_ids, state.runs, strict=True)]
    own = {"name": state.sweep.name, "spec": dict(state.sweep.spec), "paused": state.sweep.paused, "cancelled": state.sweep.cancelled}
    return {**own, "counts": dict(state.counts), "runs_per_hour": state.per_hour, "eta_seconds": state.eta_seconds, "runs": runs}


def follow_sweep(store: Store, name: str) -> int:
    """Say how far it is until nothing is active. Ctrl-C leaves it at work and says how to come back."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    said, looks, engine = "", 0, LocalEngine(store)
    try:
        while (state := sweep_state(store, name)).open and not state.sweep.waits and not asked:
            line = state_words(state).partition(", about")[0]
            if line != said:
                say(state_words(state))
            said, looks = line, looks + 1
            if looks % POLL_LOOKS == 0:
                engine.poll()
            time.sleep(LOOK_SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)
    say(state_words(state))
    for run in state.runs:
        if run is not None and run.state == "failed":
            say(f"failed: {run.id}: {run.message}")
    if asked:
        say(f"the sweep goes on by itself; 'python -m dmlviz sweeps {name}' shows it, '--do pause' and '--do cancel' stop it")
        return 130
    return 0 if state.done else 1


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
