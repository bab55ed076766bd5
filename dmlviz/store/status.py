"""config.json and status.json of a run folder to a Run: what was asked for, and what the run is now."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from dmlviz.core.types import FORMAT, DamagedError, Progress, Run, RunConfig, State
from dmlviz.store.damage import damaged, reading
from dmlviz.store.files import process_lives, read_json, split_hashes

MEND = "copy it back from a backup, or delete the run"
SILENT_SECONDS = 12.0  # a heartbeat older than this is a dead worker, where its process cannot be asked
QUEUED = Progress("queued", 0, 0, "step", None)
MOST_READ = 20_000  # runs kept; a hundred megabytes at the most
FRESH_SECONDS = 0.1  # a file so young may be replaced within one tick of the clock and look the same; it is not kept
_READ: dict[str, tuple[tuple[int, ...], Run, Mapping[str, Any]]] = {}  # folder -> which files were read, what they said, the status as written


def read_run(run_id: str, folder: Path) -> Run:
    """The run as its files say it. They are read again when one was replaced (other inode, time or size); what is active is looked at every time.

    Raises DamagedError, also for a run of a newer version."""
    stamp = _stamp(run_id, folder)
    known = _READ.get(str(folder))
    if known is None or known[0] != stamp[0]:
        known = (stamp[0], *_parsed(run_id, folder))
        if len(_READ) >= MOST_READ:
            _READ.clear()
        if time.time() - stamp[1] > FRESH_SECONDS:
            _READ[str(folder)] = known
    _, run, said = known
    return dataclasses.replace(run, state=observed_state(said, folder, time.time())) if run.state in ("queued", "running") else run


def read_status(folder: Path) -> dict[str, Any]:
    """status.json as it was written. Raises DamagedError."""
    path, run_id = folder / "status.json", folder.name
    with reading(path, f"run {run_id}", MEND, run_id=run_id):
        status = read_json(path)
        if not isinstance(status["created"], int | float) or status["state"] not in get_args(State):
            raise ValueError("no state of a run")
        return status


def _stamp(run_id: str, folder: Path) -> tuple[tuple[int, ...], float]:
    """(which files these are, when the younger one was written)."""
    found = []
    for name in ("config.json", "status.json"):
        try:
            found.append(os.stat(f"{folder}/{name}"))
        except FileNotFoundError:
            raise damaged(name, f"run {run_id}", "is missing", MEND, run_id=run_id) from None
    return tuple(part for one in found for part in (one.st_ino, one.st_mtime_ns, one.st_size)), max(one.st_mtime for one in found)


def _parsed(run_id: str, folder: Path) -> tuple[Run, Mapping[str, Any]]:
    """(the run, in the state that was written; its status)."""
    with reading(folder / "config.json", f"run {run_id}", MEND, run_id=run_id):
        written = read_json(folder / "config.json")
        if written.pop("format", FORMAT) > FORMAT:
            raise DamagedError(f"run {run_id} was written by a newer DMLViz; update this one to read it", run_id)
        config = RunConfig(**written)
    status = read_status(folder)
    with reading(folder / "status.json", f"run {run_id}", MEND, run_id=run_id):
        run = _run_of(run_id, _with_known_loss(config, status), status)
    return dataclasses.replace(run, parts=split_hashes(folder / "split.json")), status


def _with_known_loss(config: RunConfig, status: Mapping[str, Any]) -> RunConfig:
    """Versions without load reports called every loaded model a cross-entropy run; a loss that nobody named is not known."""
    reported = "load" in dict(status.get("facts", {})) or status.get("state") not in ("finished", None)
    if status.get("origin") == "loaded" and not reported and (config.control, config.loss) == ("none", "cross_entropy"):
        return config.model_copy(update={"control": "as_loaded"})
    return config


def _run_of(run_id: str, config: RunConfig, status: Mapping[str, Any]) -> Run:
    """Raises ValueError or TypeError where a field is not of its kind: a page must not meet it later."""
    progress = Progress(*status.get("progress", QUEUED))
    if not isinstance(progress.done + progress.total + (progress.eta_seconds or 0), int | float):
        raise TypeError("a progress is no number")
    mappings = {name: dict(status.get(name, {})) for name in ("metrics", "facts", "ends")}
    times = {name: None if status.get(name) is None else float(status[name]) for name in ("started", "ended")}
    words = {name: _text(status.get(name, usual)) for name, usual in (("message", ""), ("origin", "trained"), ("sweep", ""), ("engine", "local"))}
    return Run(
        id=run_id, config=config, state=status["state"], progress=progress, created=status["created"], maps=tuple(status.get("maps", ())),
        weights=status.get("weights", True), **mappings, **times, **words,
    )  # fmt: skip


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a word is none")
    return value


def observed_state(status: Mapping[str, Any], folder: Path, now: float) -> State:
    """What the run is now, not what it last wrote: a dead worker is interrupted, a wish to cancel is cancelling."""
    state, wish = status["state"], (folder / "cancel").exists()
    if state == "queued":
        return "cancelled" if wish else "queued"
    if state != "running":
        return state
    if status.get("host") == socket.gethostname():
        dead = not worker_lives(status)
    else:
        beat = folder / "heartbeat"
        dead = not beat.exists() or now - beat.stat().st_mtime > SILENT_SECONDS
    if dead:
        return "cancelled" if wish else "interrupted"
    return "cancelling" if wish else "running"


def worker_lives(status: Mapping[str, Any]) -> bool:
    """Is the very process that claimed the run still there?"""
    if status.get("pid") is None or status.get("host") != socket.gethostname():
        return False
    return process_lives(status["pid"], status["pid_started"])
