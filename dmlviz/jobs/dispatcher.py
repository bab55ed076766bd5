"""Starts queued runs and looks after running ones: `python -m dmlviz.jobs.dispatcher --home HOME`. Loads no torch."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import psutil

from dmlviz.core.types import ACTIVE_STATES, InputError, Run
from dmlviz.jobs.cost import weight_bytes
from dmlviz.jobs.local import GRACE_SECONDS, LocalEngine, child_environment, dispatcher_lock, gpu_of, slot_count, threads_of
from dmlviz.jobs.slots import slots_here
from dmlviz.store.files import drop_ballast, keep_ballast
from dmlviz.store.leftovers import sweep_leftovers
from dmlviz.store.runs import Store
from dmlviz.store.sweeps import once_more, pause, read_sweep, waiting

LOOK_SECONDS = 0.4
IDLE_SECONDS = 3.0
MOST_DEATHS = 2
LEAST_FREE = 4e6  # bytes of disk for a run's arrays, log and status
# one thread, since a fork has no pool's threads; and "is there a GPU" is asked of NVML: to ask CUDA itself would leave it unusable in every fork
FORKING = {"OMP_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
KILLED = "the process ended without a word (killed, or out of memory); resume goes on from the last checkpoint"


class ForkServer:
    """Our side of jobs/forkserver.py: asks for workers, hears their pids."""

    def __init__(self, store: Store, *, with_children: bool = False) -> None:
        more = ["--with-children"] if with_children else []
        with open(store.home / "dispatcher.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dmlviz.jobs.forkserver", "--home", str(store.home), *more],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.PIPE, start_new_session=True,
                env=child_environment() | FORKING,
            )  # fmt: skip
        os.set_blocking(self.process.stdout.fileno(), False)
        self.heard = b""

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def ask(self, run_id: str, gpu: str, threads: int) -> None:
        """Raises BrokenPipeError when the server has died."""
        self.process.stdin.write(json.dumps({"run_id": run_id, "gpu": gpu, "threads": threads}).encode() + b"\n")
        self.process.stdin.flush()

    def born(self) -> dict[str, int]:
        """Run id -> pid of the workers that were forked since the last call."""
        self.heard += self.process.stdout.read() or b""
        *lines, self.heard = self.heard.split(b"\n")
        return {words[0].decode(): int(words[1]) for words in map(bytes.split, lines)}

    def dismiss(self) -> None:
        """Its workers go on."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


class Dispatcher:
    """One per home. Everything it knows is in the run folders, so a killed dispatcher is simply replaced."""

    def __init__(self, store: Store, slots: int) -> None:
        self.store, self.base, self.slots = store, slots, slots
        self.slots_of: dict[str, int] = {}  # sweep -> runs at once
        self.over: dict[str, float] = {}  # sweep -> when its hours are over, seconds since 1970
        self.server: ForkServer | None = None
        self.slot_of: dict[str, int] = {}  # of runs that were asked for
        self.asked: dict[str, int | None] = {}  # run id -> pid of its worker, while the run does not say so itself
        self.deaths = 0  # of servers, one after the other, before any worker was born
        self.wishes: dict[str, float] = {}  # run id -> when the wish to cancel was first seen

    def serve(self) -> None:
        """Until nothing has been active for a few seconds."""
        idle_since = time.monotonic()
        while (began := time.monotonic()) - idle_since < IDLE_SECONDS:
            if self.look():
                idle_since = time.monotonic()
            time.sleep(max(LOOK_SECONDS, 3 * (time.monotonic() - began)))  # a home of thousands of runs is looked at less often
        if self.server is not None:
            self.server.dismiss()

    def look(self) -> bool:
        """One round: note the dead, press the cancelled, start the queued. True while anything is active."""
        runs = [run for run in self.store.runs() if run.engine == "local"]
        waits = waiting(self.store)
        for run in runs:
            with contextlib.suppress(InputError, OSError):  # deleted meanwhile; or the disk is full, and what cannot be noted now is noted later
                self._settle(run)
                if run.ended is not None and run.sweep not in waits and once_more(run):
                    self.store.requeue(run.id)
        with contextlib.suppress(InputError, OSError):
            self._hear({run.id: run for run in runs})
        queued = [run for run in reversed(runs) if run.state == "queued" and run.sweep not in waits]
        queued = self._with_room(queued)
        self.slots = self._slots([run for run in runs if run.sweep and run.state == "running"] + [run for run in queued if run.sweep])
        self._start(sorted((run for run in queued if run.id not in self.asked), key=lambda run: bool(run.sweep)))  # who waits for one run goes first
        return bool(queued) or any(run.state in ("running", "cancelling") for run in runs)

    def _with_room(self, queued: Sequence[Run]) -> list[Run]:
        """The queued runs that the disk has room for. A sweep without room pauses; other runs fail; both say why."""
        if not queued:
            return []
        keep_ballast(self.store.home)
        free, kept = shutil.disk_usage(self.store.home).free, []
        full: set[str] = set()
        for run in queued:
            need = LEAST_FREE + (2 * weight_bytes(run.config.encoder) if run.sweep and run.weights else 0)
            if free >= need:
                kept.append(run)
                continue
            drop_ballast(self.store.home)
            said = f"the disk has {free / 1e6:,.0f} MB left and a run needs about {need / 1e6:,.0f} MB; free some space, then go on"
            with contextlib.suppress(InputError, OSError):
                if not run.sweep:
                    self.store.end(run.id, "failed", said)
                elif run.sweep not in full:
                    full.add(run.sweep)
                    pause(self.store, run.sweep, said)
        return kept

    def _slots(self, of_sweeps: Sequence[Run]) -> int:
        """While runs of a sweep are at work, as many as it asked for, or as cores and memory allow; noted once per sweep."""
        found = [self.base]
        for name in dict.fromkeys(run.sweep for run in of_sweeps):
            if name not in self.slots_of:
                try:
                    sweep = read_sweep(self.store, name)
                except InputError:  # its folder was deleted by hand; its runs go on one by one
                    continue
                self.slots_of[name] = int(sweep.spec.get("slots") or slots_here(run.config for run in of_sweeps if run.sweep == name))
                self.over[name] = sweep.created + 3600 * float(sweep.spec.get("hours") or math.inf)
            if time.time() > self.over[name]:
                with contextlib.suppress(InputError, OSError):  # its folder was deleted meanwhile
                    pause(self.store, name, "its hours are over")
                del self.slots_of[name]
                continue
            found.append(self.slots_of[name])
        return max(found)

    def _settle(self, run: Run) -> None:
        if run.state in ("interrupted", "cancelled") and run.ended is None and self.store.run(run.id).state == run.state:  # not resumed meanwhile
            self.store.end(run.id, run.state, KILLED if run.state == "interrupted" else "")
        if run.state == "cancelling":
            since = self.wishes.setdefault(run.id, time.monotonic())
            process = self.store.process(run.id)
            if process is not None:
                force = time.monotonic() - since > GRACE_SECONDS
                _signal(process[0], signal.SIGKILL if force else signal.SIGTERM)
        else:
            self.wishes.pop(run.id, None)

    def _hear(self, runs: Mapping[str, Run]) -> None:
        """Which workers have begun, and which never will."""
        if self.server is None:
            return
        for run_id, pid in self.server.born().items():
            self.deaths = 0
            if run_id in self.asked:
                self.asked[run_id] = pid
        gone = not self.server.lives
        for run_id, pid in list(self.asked.items()):
            run = runs.get(run_id)
            if run is None or run.state != "queued":
                del self.asked[run_id]
            elif pid is not None and not _there(pid) and self.store.run(run_id).state == "queued":  # `runs` may be older than its end
                del self.asked[run_id]
                self.store.end(run_id, "failed", "its process ended before it began; the log has the details")
            elif gone and pid is None:
                del self.asked[run_id]
                if self.deaths >= MOST_DEATHS:
                    self.store.end(run_id, "failed", "no worker could be started; dispatcher.log in the home folder has the details")
        self.slot_of = {run_id: slot for run_id, slot in self.slot_of.items() if run_id in runs and runs[run_id].state in ACTIVE_STATES}
        if gone:
            self.server, self.deaths = None, self.deaths + 1

    def _start(self, queued: Sequence[Run]) -> None:
        """Fill the free slots."""
        taken = self._taken_slots()
        for run in queued:
            free = next((slot for slot in range(self.slots) if slot not in taken), None)
            if free is None:
                return
            self.server = self.server or ForkServer(self.store)
            try:
                self.server.ask(run.id, gpu_of(free), threads_of(self.slots))
            except BrokenPipeError:  # it has died meanwhile: the next look makes another
                return
            self.asked[run.id], self.slot_of[run.id] = None, free
            taken.add(free)

    def _taken_slots(self) -> set[int]:
        """One run that is making its map needs a core for seconds, not a slot: the next run may begin, but no third one."""
        taken, mapping = {self.slot_of[run_id] for run_id in self.asked}, 0
        for run in reversed(self.store.runs()):
            if run.state in ("running", "cancelling") and run.id not in self.asked and run.engine == "local":
                mapping += run.progress.phase == "mapping"
                if run.progress.phase != "mapping" or mapping > 1:
                    taken.add(self.slot_of.get(run.id, min(set(range(self.slots)) - taken, default=0)))
        return taken


def _there(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


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
    sweep_leftovers(store.home)
    # a holder on its way out lets go within IDLE_SECONDS; waiting that long closes the gap between its last look and its end
    while True:
        with dispatcher_lock(store.home, wait=IDLE_SECONDS) as held:
            if not held:
                return 0
            Dispatcher(store, slot_count()).serve()
        if not LocalEngine(store).wanted():
            return 0


if __name__ == "__main__":
    sys.exit(main())
