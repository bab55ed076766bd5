"""The local engine: a process per run, one slot per GPU (one in all without a GPU), a queue that outlives the web server.

Submitting writes a queued run folder and wakes a dispatcher; the dispatcher (one per home, held by a file lock) starts workers and leaves when the
queue is empty. Whoever looks can wake another, so neither a closed browser nor a restarted server loses a run.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil

import dmlviz
from dmlviz.core.types import ACTIVE_STATES, InputError
from dmlviz.store.files import file_lock, lock_is_held
from dmlviz.store.runs import Store
from dmlviz.store.sweeps import once_more, waiting

GRACE_SECONDS = 20.0  # from the wish to cancel to the end by force; a checkpoint of a large encoder takes some of it


class LocalEngine:
    """submit, cancel, poll: what every engine offers. Holds nothing; the run folders say it all."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def submit(self, run_id: str) -> None:
        """Start the run (or resume it) when a slot is free. Raises InputError when the run is not in a state to start."""
        DISPATCHERS.forget(self.store.home)
        if self.store.run(run_id).state != "queued":
            self.store.requeue(run_id)
        self.wake()

    def cancel(self, run_id: str) -> None:
        """Ask for the end. A queued run is cancelled at once; a running one writes a checkpoint first, and is ended by force if it does not."""
        if self.store.run(run_id).state not in ACTIVE_STATES:
            raise InputError(f"run {run_id} is {self.store.run(run_id).state}; there is nothing to cancel")
        self.store.request_cancel(run_id)
        process = self.store.process(run_id)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process[0], signal.SIGTERM)
        self.wake()

    def poll(self) -> None:
        """See to it that somebody looks after queued and running runs. Cheap; called whenever a page is drawn. Whoever dies again and again is woken
        less and less often, and at last no more (`cannot_start`)."""
        if self.wanted():
            DISPATCHERS.see_to(self.store.home, lambda: dispatcher_lives(self.store.home), self.wake)

    def cannot_start(self) -> str:
        """Why nothing that is queued will start; "" where it will."""
        if DISPATCHERS.given_up(self.store.home):
            return "queued runs cannot be started: the process that starts them ends at once; dispatcher.log in the home folder says why"
        return ""

    def wanted(self) -> bool:
        """Is there a run to start or to look after?"""
        waits = waiting(self.store)
        runs = [run for run in self.store.runs() if run.engine == "local"]
        held = lambda run: run.state not in ("running", "cancelling") and run.sweep in waits  # noqa: E731
        return any((run.state in ACTIVE_STATES or once_more(run)) and not held(run) for run in runs)

    def wake(self) -> None:
        """Start a dispatcher, in a session of its own so that the server's end is not its end. A second one leaves by itself."""
        log = self.store.home / "dispatcher.log"
        with open(log, "ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "dmlviz.jobs.dispatcher", "--home", str(self.store.home)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=child_environment(),
            )  # fmt: skip


class Waking:
    """Processes that are started again when they are not there, but not for ever: each time that one was started in vain doubles the wait."""

    def __init__(self, most: int = 6, first_wait: float = 2.0) -> None:
        self.most, self.first_wait = most, first_wait
        self.tried: dict[Path, tuple[int, float]] = {}  # home -> starts in vain, when the last one was
        self.lock = threading.Lock()

    def see_to(self, home: Path, lives: Callable[[], bool], wake: Callable[[], None]) -> None:
        """Wake it, unless it lives, was woken a moment ago, or has been woken often enough."""
        with self.lock:
            count, last = self.tried.get(home, (0, -math.inf))
            if lives():
                self.tried.pop(home, None)
            elif count < self.most and time.monotonic() - last >= self.first_wait * 2 ** max(0, count - 1):
                self.tried[home] = (count + 1, time.monotonic())
                wake()

    def given_up(self, home: Path) -> bool:
        """Was the last start in vain, too, and so long ago that it should live?"""
        count, last = self.tried.get(home, (0, -math.inf))
        return count >= self.most and time.monotonic() - last >= self.first_wait * 2 ** (self.most - 1)

    def forget(self, home: Path) -> None:
        """A person asks for it: it is tried again."""
        with self.lock:
            self.tried.pop(home, None)


DISPATCHERS = Waking()


def child_environment() -> dict[str, str]:
    """The environment of a process that we start: finds this very package."""
    root = str(Path(dmlviz.__file__).parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}


def threads_of(slots: int) -> int:
    """A slot's share of the cores, unless OMP_NUM_THREADS says otherwise."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) else max(1, (psutil.cpu_count(logical=True) or 1) // slots)


def gpu_of(slot: int) -> str:
    """The one GPU of a slot as CUDA_VISIBLE_DEVICES names it; empty without GPUs."""
    gpus = visible_gpus()
    return gpus[slot % len(gpus)] if gpus else ""


def visible_gpus() -> list[str]:
    """The numbers (or ids) of the NVIDIA GPUs this process may use, found without loading torch or touching CUDA."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [one.strip() for one in chosen.split(",") if one.strip() not in ("", "-1")]
    return sorted((p.name.removeprefix("nvidia") for p in Path("/dev").glob("nvidia[0-9]*")), key=int)


def slot_count() -> int:
    return max(1, len(visible_gpus()))


def dispatcher_lock(home: Path, *, wait: float = 0.0) -> AbstractContextManager[bool]:
    """Hold the home's dispatcher lock; False when another process has it for longer than `wait` seconds."""
    return file_lock(home / "dispatcher.lock", wait=wait)


def dispatcher_lives(home: Path) -> bool:
    return lock_is_held(home / "dispatcher.lock")
