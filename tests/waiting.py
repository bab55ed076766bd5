"""Waiting for runs made by other processes, and ending those processes when a test is over."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import psutil

from dmlviz.core.types import Run
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parents[1]
# Making a map, a worker goes behind every other process for good; this one has more runs before it
WORK = """
import sys
from dmlviz.store.runs import Store
from dmlviz.jobs import worker
worker.step_back = lambda *_: None
for run_id in sys.argv[2:]:
    worker.work(Store(sys.argv[1]), run_id)
"""


def train(store: Store, run_ids: Collection[str], seconds: float = 900) -> None:
    """The runs one after the other in one other process, without a dispatcher."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-c", WORK, str(store.home), *run_ids]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr


def until(true: Callable[[], object], seconds: float = 120, what: str = "the condition"):
    """Poll `true` and return its first truthy value; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about in {seconds:g} s")


def wait_for(store: Store, run_id: str, states: Collection[str] | str, seconds: float = 120) -> Run:
    """The run once it is in one of `states`. Fails at once when it ended in another way, with the log's last lines."""
    wanted = {states} if isinstance(states, str) else set(states)
    final = {"finished", "failed", "cancelled", "interrupted"}
    deadline = time.monotonic() + seconds
    while True:
        run = store.run(run_id)
        if run.state in wanted:
            return run
        lost = run.state in final and run.ended is not None
        if lost or time.monotonic() > deadline:
            raise AssertionError(f"run {run_id} is {run.state} {run.progress}, not {sorted(wanted)}: {run.message}\n{store.log_tail(run_id)}")
        time.sleep(0.1)


def processes_of(home: Path) -> list[psutil.Process]:
    """Dispatchers, workers and the desk that serve this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            ours = any(word.startswith("dmlviz.jobs.") for word in words)
            if ours and str(home) in words and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_processes(home: Path) -> None:
    """End every dispatcher and worker of this home, each by its own pid; dispatchers first, since they start workers."""
    for process in sorted(processes_of(home), key=lambda p: "dmlviz.jobs.dispatcher" not in p.cmdline()):
        with contextlib.suppress(psutil.Error):
            process.kill()
            until(lambda one=process: not one.is_running() or one.status() == psutil.STATUS_ZOMBIE, 10)  # not all parents collect their children
