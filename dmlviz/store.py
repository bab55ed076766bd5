"""Run folders: the only room that knows their paths. The folder is the truth; there is no database.

Who writes status.json: the submitter, then the dispatcher, then the worker while it lives, then the dispatcher again. A person's wish to cancel
is a marker file beside it, so that two processes never write the same file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dmlviz.records import (
    ACTIVE_STATES,
    FORMAT,
    GraphBatches,
    InputError,
    PathLike,
    Progress,
    Projection,
    Run,
    RunArrays,
    RunConfig,
    Split,
    State,
    TextDataset,
    TokenSample,
)
from dmlviz.store_files import (
    atomic_json,
    disk_bytes,
    process_lives,
    read_dataset,
    read_json,
    read_stored_arrays,
    sha256_of,
    split_from_json,
    split_hashes,
    split_to_json,
    write_arrays,
    write_dataset,
)

RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,150}")
VIEW = re.compile(r"[a-z]+-[a-z]+-[0-9]+(-[a-z0-9]+)*")  # folder of a stored map
SILENT_SECONDS = 12.0  # a heartbeat older than this is a dead worker, where its process cannot be asked
QUEUED = Progress("queued", 0, 0, "step", None)


def home_folder(home: PathLike | None = None) -> Path:
    """The folder that holds everything: the argument, else $DMLVIZ_HOME, else ./dmlviz-data."""
    return Path(home or os.environ.get("DMLVIZ_HOME") or "dmlviz-data").expanduser().resolve()


class Store:
    """Reads and writes the runs and data sets of one home folder. Cheap to make; holds no state but the path."""

    def __init__(self, home: PathLike | None = None) -> None:
        self.home = home_folder(home)
        self.runs_folder = self.home / "runs"
        self.datasets_folder = self.home / "datasets"

    # ---- where things are

    def folder(self, run_id: str) -> Path:
        """The run's folder. Raises InputError for an id that is none (ids come from addresses and command lines)."""
        if not RUN_ID.fullmatch(run_id) or not (self.runs_folder / run_id / "config.json").is_file():
            raise InputError(f"there is no run {run_id[:80]!r} in {self.runs_folder}; 'python -m dmlviz runs' lists what there is")
        return self.runs_folder / run_id

    def weights_folder(self, run_id: str) -> Path:
        return self.folder(run_id) / "weights"

    def checkpoints_folder(self, run_id: str) -> Path:
        return self.folder(run_id) / "checkpoints"

    def log_file(self, run_id: str) -> Path:
        return self.folder(run_id) / "log.txt"

    # ---- data sets

    def add_dataset(self, dataset: TextDataset) -> str:
        """Store the texts once, under the hash of their content; returns the hash."""
        path = self.datasets_folder / f"{dataset.content_hash}.parquet"
        if not path.is_file():
            write_dataset(dataset, path)
        return dataset.content_hash

    def dataset(self, content_hash: str) -> TextDataset:
        """The texts and labels kept under this hash (64 hex digits). Raises InputError where they are not here, or not readable."""
        path = self.datasets_folder / f"{content_hash}.parquet"
        if not re.fullmatch(r"[0-9a-f]{64}", content_hash) or not path.is_file():
            raise InputError(
                f"the data set {content_hash[:12]} is not in {self.datasets_folder}; load it again, or copy that folder along with the runs"
            )
        return read_dataset(path)

    # ---- a run's life

    def create(
        self, config: RunConfig, dataset: TextDataset, split: Split, *, origin: str = "trained", run_id: str = "", **status: Any
    ) -> str:  # fmt: skip
        """A new run folder in state queued. It appears complete or not at all. Returns the run id.

        `run_id` is given by who names runs after their content (`content_id`); where such a run is there already, it is left as it is.
        `status` are further fields of status.json: the sweep it belongs to, who starts it, which maps it makes.
        """
        config = config.model_copy(update={"dataset_hash": self.add_dataset(dataset)})
        run_id = run_id or f"{self._stem(config, dataset, origin)}-{secrets.token_hex(3)}"
        draft = self.runs_folder / f".{run_id}.{secrets.token_hex(3)}.new"
        draft.mkdir(parents=True)
        atomic_json(draft / "config.json", {"format": FORMAT, **config.model_dump()})
        atomic_json(draft / "split.json", split_to_json(split, dataset))
        atomic_json(draft / "status.json", {"state": "queued", "created": time.time(), "progress": QUEUED, "origin": origin, **status})
        try:
            draft.rename(self.runs_folder / run_id)
        except OSError:
            shutil.rmtree(draft)
            self.folder(run_id)  # somebody else made the same one; anything else is an error
        return run_id

    def content_id(self, config: RunConfig, dataset: TextDataset) -> str:
        """The id that every run with this config (its texts by their hash) has: asking twice makes one run. What is None is not in it, so that a
        field that a later version adds changes no id."""
        said = config.model_copy(update={"dataset_hash": dataset.content_hash, "dataset": ""}).model_dump(mode="json", exclude_none=True)
        return f"{self._stem(config, dataset, 'trained')}-{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:10]}"

    def _stem(self, config: RunConfig, dataset: TextDataset, origin: str) -> str:
        name = re.sub(r"[^a-z0-9_]+", "-", dataset.name.lower()).strip("-")[:40] or "data"
        shots = "all" if config.shots is None else f"{config.shots}shot"
        what = config.loss if origin == "trained" else "loaded"
        return f"{name}-{what}-{shots}-d{config.support_seed}-s{config.seed}".lstrip("_-.")

    def update(self, run_id: str, **fields: Any) -> None:
        """Change some fields of status.json, atomically."""
        path = self.folder(run_id) / "status.json"
        atomic_json(path, {**read_json(path), **fields})

    def claim(self, run_id: str) -> None:
        """This process takes the run over: its pid, start time and host go into the status."""
        process = psutil.Process()
        whose = {"pid": process.pid, "pid_started": process.create_time(), "host": socket.gethostname()}
        self.update(run_id, state="running", started=time.time(), ended=None, message="", **whose)
        self.beat(run_id)

    def beat(self, run_id: str) -> None:
        (self.folder(run_id) / "heartbeat").touch()

    def end(self, run_id: str, state: State, message: str = "", **fields: Any) -> None:
        """The run stops here, in `state`, with a sentence for a person when it did not go well. How often it ended how is kept."""
        ends = dict(read_json(self.folder(run_id) / "status.json").get("ends", {}))
        ends[state] = ends.get(state, 0) + 1
        self.update(run_id, state=state, message=message, ended=time.time(), ends=ends, **fields)
        self.clear_cancel(run_id)

    def request_cancel(self, run_id: str) -> None:
        (self.folder(run_id) / "cancel").touch()

    def cancel_requested(self, run_id: str) -> bool:
        return (self.folder(run_id) / "cancel").exists()

    def clear_cancel(self, run_id: str) -> None:
        (self.folder(run_id) / "cancel").unlink(missing_ok=True)

    def requeue(self, run_id: str) -> None:
        """Put a stopped run back into the queue; it goes on from its last checkpoint. Raises InputError for other states."""
        run = self.run(run_id)
        if run.state in ACTIVE_STATES or run.state == "finished" or run.origin == "loaded":
            raise InputError(f"run {run_id} is {run.state}; only interrupted, cancelled or failed runs can be resumed")
        self.clear_cancel(run_id)
        self.update(run_id, state="queued", queued=time.time(), message="", ended=None)

    # ---- reading runs

    def run_ids(self) -> list[str]:
        """Newest first."""
        if not self.runs_folder.is_dir():
            return []
        made: dict[str, float] = {}
        for name in os.listdir(self.runs_folder):
            if RUN_ID.fullmatch(name):
                with contextlib.suppress(OSError):  # no run folder, or deleted while we were listing
                    made[name] = os.stat(f"{self.runs_folder}/{name}/config.json").st_mtime
        return sorted(made, key=lambda name: (-made[name], name))

    def runs(self) -> list[Run]:
        """Every readable run, newest first; no array is read."""
        return [run for run, _ in self._all() if run is not None]

    def unreadable(self) -> list[str]:
        """A sentence for each run folder that could not be read."""
        return [why for run, why in self._all() if run is None]

    def _all(self) -> list[tuple[Run | None, str]]:
        found: list[tuple[Run | None, str]] = []
        for run_id in self.run_ids():
            try:
                found.append((self.run(run_id), ""))
            except InputError as error:
                if (self.runs_folder / run_id).exists():  # else deleted while we were listing
                    found.append((None, str(error)))
        return found

    def run(self, run_id: str) -> Run:
        """The run as its folder says now. Raises InputError for one that is not here or cannot be read."""
        folder = self.folder(run_id)
        try:
            return _read_run(run_id, folder)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            why = (str(error).splitlines() or [""])[0]
            raise InputError(f"run {run_id} cannot be read ({type(error).__name__}: {why}); delete its folder {folder}") from error

    def process(self, run_id: str) -> tuple[int, float] | None:
        """(pid, start time) of the worker, when it is alive on this machine."""
        status = read_json(self.folder(run_id) / "status.json")
        return (status["pid"], status["pid_started"]) if _alive(status) else None

    def add_event(self, run_id: str, row: Mapping[str, Any]) -> None:
        """Append one history row ("kind", "step", "epoch", values)."""
        with open(self.folder(run_id) / "events.jsonl", "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a killed worker left half a line; it must not swallow this one
                    file.write(b"\n")
            file.write(json.dumps(row).encode() + b"\n")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """History rows in order of step. A step repeated after a resume counts once: the later row is the one that led on."""
        path = self.folder(run_id) / "events.jsonl"
        rows: dict[tuple[str, float], dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []:
            try:
                row = json.loads(line)
            except ValueError:  # a killed worker can leave half a line
                continue
            if not isinstance(row, dict):
                continue
            rows[(row.get("kind", ""), row.get("step", 0))] = row
        return sorted(rows.values(), key=lambda row: row.get("step", 0))

    def log_tail(self, run_id: str, lines: int = 40) -> str:
        """The last lines of what its process printed; nothing where it printed nothing."""
        path = self.log_file(run_id)
        if not path.is_file():
            return ""
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * lines))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])

    def split(self, run_id: str) -> Split:
        return split_from_json(read_json(self.folder(run_id) / "split.json"))

    # ---- arrays and views

    def save_arrays(self, run_id: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/ whole, then rename it into place."""
        write_arrays(self.folder(run_id) / "arrays", arrays)

    def arrays(self, run_id: str) -> RunArrays:
        """Memory-mapped arrays. Raises InputError when the run has none yet."""
        folder = self.folder(run_id) / "arrays"
        if not folder.is_dir():
            raise InputError(f"run {run_id} has no embeddings yet; it is {self.run(run_id).state}")
        try:
            found = read_stored_arrays(folder)
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                f"the arrays of run {run_id} cannot be read ({str(error).splitlines()[0]}); train it again or copy {folder} again"
            ) from error
        scores = {name.removeprefix("scores_"): found.pop(name) for name in sorted(found) if name.startswith("scores_")}
        split = self.split(run_id)
        space = str(found.pop("centers_space", "")) or None
        names = ("embeddings", "labels", "logits", "centers", "snapshots", "snapshot_epochs", "snapshot_rows", "center_snapshots")
        groups = {"tokens": _group(TokenSample, "token_", found), "graph": _group(GraphBatches, "graph_", found)}
        return RunArrays(
            row_ids=split.row_ids, roles=split.roles, scores=scores, centers_space=space, **{name: found.get(name) for name in names}, **groups
        )

    def save_projection(self, run_id: str, projection: Projection) -> None:
        """Keep a map under views/. Coordinates are stored because a seed alone does not repeat them on another machine."""
        facts = {k: v for k, v in projection.__dict__.items() if k not in ("points", "row_ids")}
        kind = {"settings": projection.settings, "start": projection.start, "shared_with": projection.shared_with}
        target = self._view(run_id, projection.method, projection.metric, projection.seed, projection.points.shape[1], **kind)
        write_arrays(target, {"points": projection.points, "row_ids": projection.row_ids}, facts)

    def projection(
        self,
        run_id: str,
        method: str,
        metric: str = "cosine",
        seed: int = 0,
        *,
        dims: int = 2,
        settings: Mapping[str, float] | None = None,
        start: str = "own pca",
        shared_with: Sequence[str] = (),
    ) -> Projection | None:
        """The stored map, or None when it has not been computed. `settings` holds those that differ from the method's defaults."""
        folder = self._view(run_id, method, metric, seed, dims, settings=settings or {}, start=start, shared_with=shared_with)
        return _read_projection(folder) if folder.is_dir() else None

    def projections(self, run_id: str) -> list[Projection]:
        """Every stored map of the run, in order of its folder's name; what is not a map, or half of one, is passed over."""
        found = []
        for folder in sorted((self.folder(run_id) / "views").glob("*")):
            if VIEW.fullmatch(folder.name) and (folder / "points.npy").is_file():
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # replaced while we read, or written by a newer version
                    found.append(_read_projection(folder))
        return found

    def _view(
        self, run_id: str, method: str, metric: str, seed: int, dims: int, *, settings: Mapping[str, float], start: str, shared_with: Sequence[str]
    ) -> Path:
        """views/umap-cosine-0, and what is not usual behind it: -3d, -common or -aligned, a hash of settings and partners."""
        name = f"{method}-{metric}-{seed}" + ("" if dims == 2 else f"-{dims}d") + ("" if start in ("own pca", "own") else f"-{start}")
        if settings or shared_with:
            unusual = [sorted((key, float(value)) for key, value in settings.items()), sorted(shared_with)]
            name += "-" + hashlib.sha256(json.dumps(unusual).encode()).hexdigest()[:10]
        if not VIEW.fullmatch(name):
            raise InputError(f"no map is stored under {name!r}; methods and metrics are single words such as umap and cosine")
        return self.folder(run_id) / "views" / name

    # ---- the end of a run

    def seal(self, run_id: str) -> None:
        """Write the checksums that `verify` compares with. After this the run's arrays and weights never change."""
        folder = self.folder(run_id)
        files = [p for part in ("arrays", "weights") for p in sorted((folder / part).rglob("*")) if p.is_file()]
        atomic_json(folder / "checksums.json", {str(p.relative_to(folder)): sha256_of(p) for p in [*files, folder / "split.json"]})

    def verify(self, run_id: str) -> list[str]:
        """Sentences for everything that is not as it was when the run finished; an empty list is a sound run."""
        folder, run = self.folder(run_id), self.run(run_id)
        if run.state != "finished":
            return [f"run {run_id} is {run.state}, not finished"]
        sums = read_json(folder / "checksums.json") if (folder / "checksums.json").is_file() else None
        if sums is None:
            return ["checksums.json is missing, so nothing can be compared"]
        missing = [name for name in sums if not (folder / name).is_file()]
        changed = [name for name, value in sums.items() if name not in missing and sha256_of(folder / name) != value]
        problems = [f"{name} is missing" for name in missing] + [f"{name} has changed since the run finished" for name in changed]
        try:
            now = split_to_json(self.split(run_id), self.dataset(run.config.dataset_hash or ""))
            if now["hashes"] != read_json(folder / "split.json")["hashes"]:
                problems.append("the stored texts are no longer those that the run was trained and tested on")
        except InputError as error:
            problems.append(str(error))
        return problems

    def size(self, run_id: str) -> int:
        """Bytes on disk."""
        return disk_bytes(self.folder(run_id))

    def delete(self, run_id: str) -> None:
        """Remove a run that is not active. It leaves the list at once; the files follow."""
        folder = self.folder(run_id)
        if self.run(run_id).state in ("running", "cancelling"):
            raise InputError(f"run {run_id} is still running; cancel it first")
        gone = folder.with_name(f".{run_id}.deleted-{secrets.token_hex(3)}")
        folder.rename(gone)
        shutil.rmtree(gone)


def _read_projection(folder: Path) -> Projection:
    facts = read_json(folder / "facts.json")
    facts["variance"] = tuple(facts["variance"]) if facts.get("variance") else None
    listed = {name: tuple(facts.pop(name, ())) for name in ("notes", "shared_with")}  # older maps have neither
    return Projection(**facts, **listed, **read_stored_arrays(folder))


def _group(record: type, prefix: str, found: Mapping[str, np.ndarray]) -> Any:
    """The record whose arrays are stored as <prefix><field>; None when the run has none of them."""
    fields = [field.name for field in dataclasses.fields(record)]
    return record(**{name: found[prefix + name] for name in fields}) if all(prefix + name in found for name in fields) else None


_READ: dict[str, tuple[tuple[int, ...], Run, Mapping[str, Any]]] = {}  # folder -> which files were read, what they said, the status as written
MOST_READ = 20_000  # runs kept; a hundred megabytes at the most
FRESH_SECONDS = 0.1  # a file so young may be replaced within one tick of the clock and look the same; it is not kept


def _read_run(run_id: str, folder: Path) -> Run:
    """The run as its files say it. They are read again when one was replaced (other inode, time or size); what is active is looked at every time."""
    config, status = (os.stat(f"{folder}/{name}") for name in ("config.json", "status.json"))
    stamp = (config.st_ino, config.st_mtime_ns, config.st_size, status.st_ino, status.st_mtime_ns, status.st_size)
    known = _READ.get(str(folder))
    if known is None or known[0] != stamp:
        known = (stamp, *_parsed(run_id, folder))
        if len(_READ) >= MOST_READ:
            _READ.clear()
        if time.time() - max(config.st_mtime, status.st_mtime) > FRESH_SECONDS:
            _READ[str(folder)] = known
    _, run, said = known
    return dataclasses.replace(run, state=observed_state(said, folder, time.time())) if run.state in ("queued", "running") else run


def _parsed(run_id: str, folder: Path) -> tuple[Run, Mapping[str, Any]]:
    """(the run, in the state that was written; its status)."""
    written = read_json(folder / "config.json")
    if written.pop("format", FORMAT) > FORMAT:
        raise InputError(f"run {run_id} was written by a newer DMLViz; update this one to read it")
    config, status = RunConfig(**written), read_json(folder / "status.json")
    config = _with_known_loss(config, status)
    run = Run(
        id=run_id,
        config=config,
        state=status["state"],
        progress=Progress(*status.get("progress", QUEUED)),
        metrics=status.get("metrics", {}),
        created=status["created"],
        started=status.get("started"),
        ended=status.get("ended"),
        message=status.get("message", ""),
        origin=status.get("origin", "trained"),
        facts=status.get("facts", {}),
        sweep=status.get("sweep", ""),
        engine=status.get("engine", "local"),
        maps=tuple(status.get("maps", ())),
        weights=status.get("weights", True),
        ends=status.get("ends", {}),
        parts=split_hashes(folder / "split.json"),
    )
    return run, status


def _with_known_loss(config: RunConfig, status: Mapping[str, Any]) -> RunConfig:
    """Older versions called every loaded model a cross-entropy run; a loss that nobody named is not known."""
    ours = status.get("facts", {}).get("load", {}).get("kind") == "weights of a DMLViz run"
    if status.get("origin") == "loaded" and not ours and (config.control, config.loss) == ("none", "cross_entropy"):
        return config.model_copy(update={"control": "as_loaded"})
    return config


def observed_state(status: Mapping[str, Any], folder: Path, now: float) -> State:
    """What the run is now, not what it last wrote: a dead worker is interrupted, a wish to cancel is cancelling."""
    state, wish = status["state"], (folder / "cancel").exists()
    if state == "queued":
        return "cancelled" if wish else "queued"
    if state != "running":
        return state
    if status.get("host") == socket.gethostname():
        dead = not _alive(status)
    else:
        beat = folder / "heartbeat"
        dead = not beat.exists() or now - beat.stat().st_mtime > SILENT_SECONDS
    if dead:
        return "cancelled" if wish else "interrupted"
    return "cancelling" if wish else "running"


def _alive(status: Mapping[str, Any]) -> bool:
    """Is the very process that claimed the run still there?"""
    if status.get("pid") is None or status.get("host") != socket.gethostname():
        return False
    return process_lives(status["pid"], status["pid_started"])
