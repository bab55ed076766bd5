"""Starts queued runs and looks after running ones: `python -m dmlviz.training.dispatcher --home HOME`. Loads no torch."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil

from dmlviz.records import ACTIVE_STATES, InputError, Run
from dmlviz.store import Store
from dmlviz.training.local import GRACE_SECONDS, child_environment, dispatcher_lock, gpu_of, slot_count

LOOK_SECONDS = 0.4
IDLE_SECONDS = 3.0
KILLED = "the process ended without a word (killed, or out of memory); resume goes on from the last checkpoint"


class Dispatcher:
    """One per home. Everything it knows is in the run folders, so a killed dispatcher is simply replaced."""

    def __init__(self, store: Store, slots: int) -> None:
        self.store, self.slots = store, slots
        self.children: dict[str, tuple[subprocess.Popen, int]] = {}  # run id -> (process, slot)
        self.wishes: dict[str, float] = {}  # run id -> when the wish to cancel was first seen
        self.spare: subprocess.Popen | None = None  # has torch imported and waits for its one run

    def serve(self) -> None:
        """Until nothing has been active for a few seconds."""
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < IDLE_SECONDS:
            if self.look():
                idle_since = time.monotonic()
            time.sleep(LOOK_SECONDS)
        self._dismiss_spare()

    def look(self) -> bool:
        """One round: note the dead, press the cancelled, start the queued. True while anything is active."""
        for process, _ in self.children.values():
            process.poll()  # reap, so that a dead worker is no zombie
        runs = self.store.runs()
        for run in runs:
            with contextlib.suppress(InputError, FileNotFoundError):  # deleted meanwhile
                self._settle(run)
        active = [run for run in runs if run.state in ACTIVE_STATES]
        self._start([run for run in reversed(runs) if run.state == "queued"])
        return bool(active)

    def _settle(self, run: Run) -> None:
        if run.state in ("interrupted", "cancelled") and run.ended is None:
            self.store.end(run.id, run.state, KILLED if run.state == "interrupted" else "")
        if run.state == "cancelling":
            since = self.wishes.setdefault(run.id, time.monotonic())
            process = self.store.process(run.id)
            if process is not None:
                force = time.monotonic() - since > GRACE_SECONDS
                _signal(process[0], signal.SIGKILL if force else signal.SIGTERM)
        else:
            self.wishes.pop(run.id, None)
        if run.state not in ACTIVE_STATES:
            self.children.pop(run.id, None)

    def _start(self, queued: Sequence[Run]) -> None:
        """Fill the free slots. While runs wait, a spare process gets its imports done, which takes as long as several training steps."""
        taken = self._taken_slots()
        for run in queued:
            free = next((slot for slot in range(self.slots) if slot not in taken), None)
            if free is None:
                self._keep_spare()
                return
            with contextlib.suppress(InputError, FileNotFoundError):
                self._launch(run.id, free)
                taken.add(free)

    def _taken_slots(self) -> set[int]:
        """One run that is making its map needs a core for seconds, not a slot: the next run may begin, but no third one."""
        taken, mapping = set(), 0
        for run in reversed(self.store.runs()):
            if run.state in ("running", "cancelling"):
                mapping += run.progress.phase == "mapping"
                if run.progress.phase != "mapping" or mapping > 1:
                    slot = self.children[run.id][1] if run.id in self.children else min(set(range(self.slots)) - taken, default=0)
                    taken.add(slot)
        return taken

    def _launch(self, run_id: str, slot: int) -> None:
        self.store.claim(run_id)  # were we killed before the child is written down, nobody must start a second one: it claims the run itself
        spare, self.spare = self.spare, None
        child = spare if spare is not None and spare.poll() is None else self._worker()
        self.children[run_id] = (child, slot)
        try:
            self.store.claim(run_id, psutil.Process(child.pid))
            child.stdin.write(f"{run_id} {gpu_of(slot)}\n".encode())
            child.stdin.close()
        except (psutil.NoSuchProcess, BrokenPipeError):  # it has died meanwhile
            self.store.end(run_id, "interrupted", KILLED)

    def _keep_spare(self) -> None:
        if self.spare is None or self.spare.poll() is not None:
            self.spare = self._worker()

    def _worker(self) -> subprocess.Popen:
        """A process that will read one run's id from its standard input, and leave when that is closed: with us goes our spare."""
        with open(self.store.home / "dispatcher.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dmlviz.training.worker", "--home", str(self.store.home)],
                stdout=log, stderr=log, stdin=subprocess.PIPE, start_new_session=True, env=child_environment(self.slots),
            )  # fmt: skip

    def _dismiss_spare(self) -> None:
        if self.spare is not None:
            self.spare.stdin.close()
            self.spare.wait()
            self.spare = None


def _signal(pid: int, which: signal.Signals) -> None:
    """To the worker alone when asked to stop; to its whole process group when it is ended by force."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if which == signal.SIGKILL:
            os.killpg(pid, which)
        else:
            os.kill(pid, which)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True)
    store = Store(parser.parse_args().home)
    # a holder on its way out lets go within IDLE_SECONDS; waiting that long closes the gap between its last look and its end
    while True:
        with dispatcher_lock(store.home, wait=IDLE_SECONDS) as held:
            if not held:
                return 0
            Dispatcher(store, slot_count()).serve()
        if not any(run.state in ACTIVE_STATES for run in store.runs()):
            return 0


if __name__ == "__main__":
    sys.exit(main())
