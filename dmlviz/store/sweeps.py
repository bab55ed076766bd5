"""A sweep on disk: <home>/sweeps/<name>/sweep.json says what was asked for and which runs that makes. The runs themselves are the state.

What a person wishes lies beside it as a marker: `paused` (its text is the reason), `cancelled`. Whoever starts runs looks there first.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dmlviz.core.types import DamagedError, InputError, Run
from dmlviz.store.damage import reading
from dmlviz.store.files import atomic_json, read_json
from dmlviz.store.runs import Store

RETRIES, MOST_KILLS = 1, 50
MEND = "copy it back from a backup, or forget the sweep and start it again; its runs stay and are not repeated"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class Sweep(NamedTuple):
    """What was asked for."""

    name: str
    spec: Mapping[str, Any]  # sweep_spec.SweepSpec as JSON
    run_ids: tuple[str, ...]  # in the order of the plan
    created: float  # seconds since 1970
    paused: str  # the reason; empty: it goes on
    cancelled: bool

    @property
    def engine(self) -> str:
        return str(self.spec.get("engine", "local"))

    @property
    def waits(self) -> bool:
        """None of its queued runs may start."""
        return bool(self.paused) or self.cancelled


def sweep_folder(store: Store, name: str) -> Path:
    """Raises InputError for a name that is none."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name[:60]!r} is no name for a sweep; take letters, digits, dots, dashes and underscores")
    return store.home / "sweeps" / name


def save_sweep(store: Store, name: str, spec: Mapping[str, Any], run_ids: tuple[str, ...]) -> None:
    folder = sweep_folder(store, name)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_json(folder / "sweep.json", {"spec": dict(spec), "run_ids": list(run_ids), "created": time.time()})


def read_sweep(store: Store, name: str) -> Sweep:
    """Raises InputError when there is no such sweep, DamagedError when it cannot be read."""
    folder = sweep_folder(store, name)
    if not folder.is_dir():
        raise InputError(f"there is no sweep {name!r} in {store.home}; 'python -m dmlviz sweeps' lists what there is")
    with reading(folder / "sweep.json", f"the sweep {name}", MEND):
        said = read_json(folder / "sweep.json")
        _check_types(said)
        return Sweep(name, said["spec"], tuple(said["run_ids"]), said["created"], _marker(folder / "paused"), (folder / "cancelled").exists())


def _check_types(said: Mapping[str, Any]) -> None:
    """Raises TypeError where a field is not of its kind: a dispatcher must not meet it later."""
    spec, ids = said["spec"], said["run_ids"]
    whole = isinstance(spec, dict) and isinstance(ids, list) and all(isinstance(one, str) for one in ids)
    numbers = [said["created"], spec.get("slots") or 1, spec.get("hours") or 1]
    if not whole or not all(isinstance(one, int | float) for one in numbers):
        raise TypeError("no sweep")


def sweeps(store: Store) -> list[Sweep]:
    """Every readable sweep, newest first."""
    return sorted((one for one in _all(store).values() if isinstance(one, Sweep)), key=lambda one: -one.created)


def damaged_sweeps(store: Store) -> dict[str, str]:
    """Name -> why it cannot be read, of every such sweep."""
    return {name: found for name, found in _all(store).items() if isinstance(found, str)}


def _all(store: Store) -> dict[str, Sweep | str]:
    found: dict[str, Sweep | str] = {}
    for folder in sorted(store.home.glob("sweeps/*/")):
        if NAME.fullmatch(folder.name):
            try:
                found[folder.name] = read_sweep(store, folder.name)
            except DamagedError as error:
                found[folder.name] = str(error)
            except InputError:  # forgotten while we were listing
                continue
    return found


def once_more(run: Run) -> bool:
    """Is it tried again by itself? A sweep's run that failed once is; one whose process was killed goes on from its checkpoint."""
    failures, kills = run.ends.get("failed", 0), run.ends.get("interrupted", 0)
    return bool(run.sweep) and ((run.state == "failed" and failures <= RETRIES) or (run.state == "interrupted" and kills <= MOST_KILLS))


def waiting(store: Store) -> set[str]:
    """Names of the sweeps none of whose queued runs may start. Reads no sweep, only what lies beside it."""
    return {path.parent.name for mark in ("paused", "cancelled") for path in store.home.glob(f"sweeps/*/{mark}")}


def pause(store: Store, name: str, reason: str) -> None:
    """Let no further run of it start."""
    read_sweep(store, name)
    path = sweep_folder(store, name) / "paused"
    try:
        path.write_text(reason or "paused", encoding="utf-8")
    except OSError:  # a full disk has no room for the reason; the marker alone stops the sweep
        path.touch()


def mark_cancelled(store: Store, name: str) -> None:
    read_sweep(store, name)
    (sweep_folder(store, name) / "cancelled").touch()


def clear_marks(store: Store, name: str) -> None:
    """It may go on."""
    for mark in ("paused", "cancelled"):
        (sweep_folder(store, name) / mark).unlink(missing_ok=True)


def _marker(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace") or "paused"
    except FileNotFoundError:
        return ""
