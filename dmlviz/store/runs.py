"""Run folders: the only room that knows their paths. The folder is the truth; there is no database.

Who writes status.json: the submitter, then the dispatcher, then the worker while it lives, then the dispatcher again. A person's wish to cancel
is a marker file beside it, so that two processes never write the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dmlviz.core.types import (
    ACTIVE_STATES,
    FORMAT,
    DamagedError,
    InputError,
    PathLike,
    Projection,
    Run,
    RunArrays,
    RunConfig,
    Split,
    State,
    TextDataset,
)
from dmlviz.store.arrays import read_arrays, read_hashes, read_projection, read_split
from dmlviz.store.damage import OF_RUN, reading
from dmlviz.store.files import (
    atomic_json,
    disk_bytes,
    file_lock,
    folder_to_disk,
    read_dataset,
    remove_folder,
    split_to_json,
    stored_class_order,
    write_arrays,
    write_dataset,
)
from dmlviz.store.seal import check_files, differences, read_seal, seal_of_arrays, write_seal
from dmlviz.store.status import QUEUED, read_run, read_status, worker_lives

RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,150}")
VIEW = re.compile(r"[a-z]+-[a-z]+-[0-9]+(-[a-z0-9]+)*")  # folder of a stored map
DATASET_MEND = "read it again with 'python -m dmlviz train' or on the Train page, which writes it anew, or copy the file back from a backup"


def home_folder(home: PathLike | None = None) -> Path:
    """The folder that holds everything: the argument, else $DMLVIZ_HOME, else ./dmlviz-data."""
    return Path(home or os.environ.get("DMLVIZ_HOME") or "dmlviz-data").expanduser().resolve()


_SOUND: dict[str, tuple[int, int, int]] = {}  # data sets that this process has read: path -> inode, time, size


class Store:
    """Reads and writes the runs and data sets of one home folder. Cheap to make; holds no state but the path."""

    def __init__(self, home: PathLike | None = None) -> None:
        self.home = home_folder(home)
        self.runs_folder = self.home / "runs"
        self.datasets_folder = self.home / "datasets"

    # ---- where things are

    def folder(self, run_id: str) -> Path:
        """The run's folder. Raises InputError for an id that is none (ids come from addresses and command lines)."""
        if not RUN_ID.fullmatch(run_id) or not _is_run(self.runs_folder / run_id):
            raise InputError(f"there is no run {run_id[:80]!r} in {self.runs_folder}; 'python -m dmlviz runs' lists what there is")
        return self.runs_folder / run_id

    def weights_folder(self, run_id: str) -> Path:
        return self.folder(run_id) / "weights"

    def check_weights(self, run_id: str) -> None:
        """Reads all of them. Raises DamagedError for the first file that is not what it was when the run finished."""
        folder = self.folder(run_id)
        seal = seal_of_arrays(folder)
        check_files(folder, [name for name in seal if name.startswith("weights/")], seal)

    def checkpoints_folder(self, run_id: str) -> Path:
        return self.folder(run_id) / "checkpoints"

    def log_file(self, run_id: str) -> Path:
        return self.folder(run_id) / "log.txt"

    # ---- data sets

    def add_dataset(self, dataset: TextDataset) -> str:
        """Store the texts once, under the hash of their content; returns the hash.

        What is there stays as it was first stored, but for the order of classes that a source states: the same texts may come from one that does not.
        """
        path = self.datasets_folder / f"{dataset.content_hash}.parquet"
        if not self._has_texts(path):
            write_dataset(dataset, path)
        elif dataset.class_order not in (None, stored_class_order(path)):
            write_dataset(replace(self.dataset(dataset.content_hash), class_order=dataset.class_order), path)
        return dataset.content_hash

    def _has_texts(self, path: Path) -> bool:
        """Are they there, and can they be read? Tried once by a process for each file, since a sweep asks for every run."""
        try:
            found = path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if _SOUND.get(str(path)) != stamp:
                self.dataset(path.stem)
                _SOUND[str(path)] = stamp
            return True
        except (DamagedError, OSError):
            return False

    def dataset(self, content_hash: str) -> TextDataset:
        """The texts and labels kept under this hash (64 hex digits). Raises DamagedError where they are not here, or cannot be read."""
        path = self.datasets_folder / f"{content_hash}.parquet"
        if not re.fullmatch(r"[0-9a-f]{64}", content_hash) or not path.is_file():
            raise DamagedError(
                f"the data set {content_hash[:12]} is not in {self.datasets_folder}; load it again, or copy that folder along with the runs",
                dataset_hash=content_hash,
            )
        with reading(path, "the home", DATASET_MEND, dataset_hash=content_hash, name=f"datasets/{content_hash[:12]}….parquet"):
            dataset = read_dataset(path)
            if dataset.content_hash != content_hash:
                raise ValueError("other texts than the name says")
            return dataset

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
        folder_to_disk(self.runs_folder)
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
        folder = self.folder(run_id)
        atomic_json(folder / "status.json", {**read_status(folder), **fields})

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
        ends = dict(read_status(self.folder(run_id)).get("ends", {}))
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
                    made[name] = _written(f"{self.runs_folder}/{name}")
        return sorted(made, key=lambda name: (-made[name], name))

    def runs(self) -> list[Run]:
        """Every readable run, newest first; no array is read."""
        return [run for _, run in self._all() if isinstance(run, Run)]

    def unreadable(self) -> list[str]:
        """A sentence for each run folder that could not be read."""
        return list(self.damaged().values())

    def damaged(self) -> dict[str, str]:
        """Run id -> why it cannot be read, of every such run folder."""
        return {run_id: found for run_id, found in self._all() if isinstance(found, str)}

    def _all(self) -> list[tuple[str, Run | str]]:
        found: list[tuple[str, Run | str]] = []
        for run_id in self.run_ids():
            try:
                found.append((run_id, self.run(run_id)))
            except InputError as error:
                if (self.runs_folder / run_id).exists():  # else deleted while we were listing
                    found.append((run_id, str(error)))
        return found

    def run(self, run_id: str) -> Run:
        """The run as its folder says now. Raises InputError for one that is not here, DamagedError for one that cannot be read."""
        return read_run(run_id, self.folder(run_id))

    def process(self, run_id: str) -> tuple[int, float] | None:
        """(pid, start time) of the worker, when it is alive on this machine."""
        status = read_status(self.folder(run_id))
        return (status["pid"], status["pid_started"]) if worker_lives(status) else None

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
        """The draw. Raises DamagedError where it cannot be read."""
        return read_split(self.folder(run_id))

    # ---- arrays and views

    def save_arrays(self, run_id: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays/ whole, then rename it into place."""
        write_arrays(self.folder(run_id) / "arrays", arrays)

    def arrays(self, run_id: str) -> RunArrays:
        """Memory-mapped arrays. Raises InputError when the run has none yet, DamagedError where they are not what they were."""
        folder = self.folder(run_id)
        if not (folder / "arrays").is_dir() and self.run(run_id).state != "finished":
            raise InputError(f"run {run_id} has no embeddings yet; it is {self.run(run_id).state}")
        return read_arrays(folder)

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
        """The stored map, or None when it has not been computed, or what is stored cannot be read: whoever needs it makes it again.
        `settings` holds those that differ from the method's defaults."""
        folder = self._view(run_id, method, metric, seed, dims, settings=settings or {}, start=start, shared_with=shared_with)
        return self._map(folder)

    def has_damaged_map(self, run_id: str, method: str, metric: str = "cosine", seed: int = 0, *, dims: int = 2, **kind: Any) -> bool:
        """Is something stored there that cannot be read? `kind`: settings, start and partners, as of `projection`."""
        kind = {"settings": {}, "start": "own pca", "shared_with": (), **kind}
        folder = self._view(run_id, method, metric, seed, dims, **kind)
        return folder.is_dir() and self._map(folder) is None

    def _map(self, folder: Path) -> Projection | None:
        try:
            return read_projection(folder) if folder.is_dir() else None
        except DamagedError:
            return None

    def projections(self, run_id: str) -> list[Projection]:
        """Every stored map of the run, in order of its folder's name; what is not a map, or half of one, is passed over."""
        folders = sorted((self.folder(run_id) / "views").glob("*"))
        found = [self._map(folder) for folder in folders if VIEW.fullmatch(folder.name)]
        return [one for one in found if one is not None]

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
        """Write the checksums that `verify` compares with. After this the run's config, split, arrays and weights never change."""
        write_seal(self.folder(run_id))

    def verify(self, run_id: str) -> list[str]:
        """Sentences for every file that is not as it was when the run finished; an empty list is a sound run. `training/verification.py` looks at the
        numbers, too."""
        folder, run = self.folder(run_id), self.run(run_id)
        if run.state != "finished":
            return [f"run {run_id} is {run.state}, not finished"]
        try:
            seal = read_seal(folder)
        except DamagedError as error:
            return [str(error)]
        if not seal:
            return ["checksums.json is missing, so nothing can be compared"]
        return differences(folder, seal) + self._verify_texts(run)

    def _verify_texts(self, run: Run) -> list[str]:
        try:
            known, dataset = read_hashes(self.folder(run.id)), self.dataset(run.config.dataset_hash or "")
            with reading(self.folder(run.id) / "split.json", f"run {run.id}", OF_RUN, run_id=run.id):
                same = split_to_json(self.split(run.id), dataset)["hashes"] == known
        except InputError as error:
            return [str(error)]
        return [] if same else ["the stored texts are no longer those that the run was trained and tested on"]

    def size(self, run_id: str) -> int:
        """Bytes on disk."""
        return disk_bytes(self.folder(run_id))

    def delete(self, run_id: str) -> None:
        """Remove a run that is not active, also one that cannot be read. It leaves the list at once; the files follow."""
        folder = self.folder(run_id)
        with contextlib.suppress(DamagedError):
            if self.run(run_id).state in ("running", "cancelling"):
                raise InputError(f"run {run_id} is still running; cancel it first")
        with file_lock(folder / "worker.lock") as mine:
            if not mine:  # its status may be damaged while it runs
                raise InputError(f"run {run_id} is still running; cancel it first")
            remove_folder(folder)


def _is_run(folder: Path) -> bool:
    """Also where one of its two files is gone: then it is a damaged run."""
    return (folder / "config.json").is_file() or (folder / "status.json").is_file()


def _written(folder: str) -> float:
    """When the run was made. Raises OSError for a folder that is no run's."""
    try:
        return os.stat(f"{folder}/config.json").st_mtime
    except FileNotFoundError:
        return os.stat(f"{folder}/status.json").st_mtime
