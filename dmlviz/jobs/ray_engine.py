"""A sweep's runs as Ray tasks, on one machine or a cluster (extra `ray`). A run folder looks the same whichever engine made it.

Each Ray worker process keeps a fork server of its own, so that start-up is paid once per slot and a run still has a fresh process; when the worker
dies, its fork server and the run's process die with it, and the run goes on elsewhere from its last checkpoint. Nodes see the home (a shared file
system), or the run folder travels there and back (`synced`). Ray is imported only here, and only when asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

import dmlviz
from dmlviz.core.types import ACTIVE_STATES, InputError, Run
from dmlviz.jobs.dispatcher import KILLED, ForkServer
from dmlviz.store.runs import Store
from dmlviz.store.status import SILENT_SECONDS
from dmlviz.store.sweeps import once_more, waiting

LOOK_SECONDS = 0.3
AHEAD = 2  # tasks that wait at Ray beyond those that run: a pause is heard soon
_SERVERS: dict[str, ForkServer] = {}  # of this Ray worker process: home -> fork server


def check_ray() -> None:
    """Raises InputError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise InputError("the engine ray needs Ray, which is not installed; run 'pip install ray', or take --engine local")


class RayEngine:
    """Feeds a sweep's runs to Ray and waits for them. `cpus` cores (default 1) and `gpus` (a share is fine) per run."""

    def __init__(
        self, store: Store, *, address: str | None = None, cpus: float | None = None, gpus: float | None = None, slots: int | None = None,
        synced: bool = False,
    ) -> None:  # fmt: skip
        check_ray()
        self.store, self.address, self.slots, self.synced = store, address, slots, synced
        self.cpus, self.gpus = 1.0 if cpus is None else cpus, gpus or 0.0

    def run(self, run_ids: Sequence[str], say: Callable[[str], None] = lambda line: None) -> None:
        """Until every run has ended, or the sweep is paused or cancelled. Raises InputError when the cluster does not answer."""
        import ray

        ours = not ray.is_initialized()
        if ours:
            self._connect(ray)
        try:
            self._feed(ray, list(run_ids), say)
        finally:
            if ours:
                ray.shutdown()

    def _connect(self, ray: Any) -> None:
        root = str(Path(dmlviz.__file__).parent.parent)
        if root not in sys.path:
            sys.path.insert(0, root)  # Ray's workers search where we do
        if not self.address:  # a cluster of our own tells nobody of itself
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {} if self.address else {"num_cpus": math.ceil((self.slots or 0) * self.cpus) or None, "include_dashboard": False}
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="error", **own)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            where = self.address or "this machine"
            raise InputError(f"no Ray cluster answers at {where} ({str(error).splitlines()[0][:120]}); start one, or leave --address out") from None

    def _feed(self, ray: Any, run_ids: list[str], say: Callable[[str], None]) -> None:
        train = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0, max_calls=0)(_synced_task if self.synced else _shared_task)
        threads, pending, lost = max(1, int(self.cpus)), {}, {}
        texts: dict[str, Any] = {}
        told = ""
        while True:
            runs = [run for run in map(self._run, run_ids) if run is not None]
            waits, at_ray = waiting(self.store), set(pending.values())
            for run in runs:
                if run.id not in at_ray and run.sweep not in waits:
                    self._again(run, lost)
            runs = [run for run in map(self._run, run_ids) if run is not None]  # some of them wait again
            ready = [run.id for run in runs if run.state == "queued" and run.id not in at_ray and run.sweep not in waits]
            for run_id in ready[: max(0, self._room(ray) + AHEAD - len(pending))]:
                pending[train.remote(*self._cargo(ray, run_id, texts), threads)] = run_id
            counts = Counter(run.state for run in runs)
            if (line := f"{counts['finished']:,} of {len(run_ids):,} finished, {len(pending):,} at Ray") != told:
                say(told := line)
            if not pending and not ready and not any(run.state in ACTIVE_STATES and run.sweep not in waits for run in runs) and not lost:
                return
            done, _ = ray.wait(list(pending), timeout=LOOK_SECONDS) if pending else ([], [])
            if not pending:
                time.sleep(LOOK_SECONDS)
            for task in done:
                self._take(ray, task, pending.pop(task), lost)

    def _run(self, run_id: str) -> Run | None:
        with contextlib.suppress(InputError):
            return self.store.run(run_id)
        return None

    def _room(self, ray: Any) -> int:
        """Runs that the cluster can have at once; with `slots` no more than so many on each node."""
        total = ray.cluster_resources()
        by_need = [total.get(name, 0.0) / need for name, need in (("CPU", self.cpus), ("GPU", self.gpus)) if need]
        nodes = sum(node["Alive"] for node in ray.nodes())
        return max(1, int(min([*by_need, *([self.slots * nodes] if self.slots else [])])))

    def _again(self, run: Run, lost: dict[str, float]) -> None:
        """What local's dispatcher does for its own: failed once, once more; its process gone, on from the checkpoint."""
        if run.state == "interrupted" and run.ended is None:
            self.store.end(run.id, "interrupted", KILLED)
            run = self.store.run(run.id)
        if once_more(run):
            self.store.requeue(run.id)
        if run.state != "running" or time.monotonic() > lost.get(run.id, 0.0):
            lost.pop(run.id, None)  # a silent heartbeat shows as interrupted

    def _cargo(self, ray: Any, run_id: str, texts: dict[str, Any]) -> tuple[Any, ...]:
        if not self.synced:
            return str(self.store.home), run_id
        content = self.store.run(run_id).config.dataset_hash or ""
        if content not in texts:
            texts[content] = ray.put((self.store.datasets_folder / f"{content}.parquet").read_bytes())
        self.store.update(run_id, progress=["loading", 0, 1, "step", None])
        return pack(self.store.folder(run_id)), texts[content], content, run_id

    def _take(self, ray: Any, task: Any, run_id: str, lost: dict[str, float]) -> None:
        """A task has ended: well, with its folder (synced), or with its node."""
        try:
            found = ray.get(task)
        except ray.exceptions.RayError as error:
            print(f"{run_id}: {type(error).__name__}", file=sys.stderr)
            lost[run_id] = time.monotonic() + SILENT_SECONDS + 5  # its state is known when its heartbeat has gone silent
            return
        if self.synced:
            unpack(found, self.store.folder(run_id))


def _server(home: str) -> ForkServer:
    if home not in _SERVERS or not _SERVERS[home].lives:
        _SERVERS[home] = ForkServer(Store(home), with_children=True)
    return _SERVERS[home]


def _shared_task(home: str, run_id: str, threads: int) -> str:
    """On a node: fork a worker for the run and wait for its end. Returns the run's state."""
    store, server = Store(home), _server(home)
    if store.run(run_id).state != "queued":  # done or taken meanwhile
        return store.run(run_id).state
    server.ask(run_id, os.environ.get("CUDA_VISIBLE_DEVICES", ""), threads)
    pid = None
    while server.lives and pid is None:
        pid = server.born().get(run_id)
        time.sleep(0.05)
    while pid is not None and server.lives and psutil.pid_exists(pid):
        time.sleep(0.05)
    if not server.lives:
        raise RuntimeError("the fork server has ended; dispatcher.log in the home folder has the details")
    return store.run(run_id).state


def _synced_task(folder: bytes, texts: bytes, content: str, run_id: str, threads: int) -> bytes:
    """On a node that does not see the home: the run folder arrives, is worked on in a home of this node's own, and goes back."""
    home = Path(tempfile.gettempdir()) / f"dmlviz-ray-{os.getuid()}-{os.getpid()}"
    store = Store(home)
    place = store.datasets_folder / f"{content}.parquet"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(texts)
    unpack(folder, store.runs_folder / run_id)
    try:
        _shared_task(str(home), run_id, threads)
        return pack(store.folder(run_id))
    finally:
        shutil.rmtree(store.runs_folder / run_id, ignore_errors=True)


def pack(folder: Path) -> bytes:
    """A run folder as one tar."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        tar.add(folder, arcname=".")
    return held.getvalue()


def unpack(held: bytes, folder: Path) -> None:
    """The folder as it was packed, in place of what is there. A process that is killed between the two renames leaves the old one beside it, and
    the next one puts it back."""
    for left in sorted(folder.parent.glob(f".{folder.name}.*.old")):
        if folder.exists():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.rename(folder)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(held)) as tar:
        tar.extractall(draft, filter="data")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
