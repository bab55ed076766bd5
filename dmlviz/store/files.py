"""How the store's files are written and read: atomically, without pickle, as plain as they can be."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from dmlviz.core.types import ReaderNote, Split, TextDataset

if TYPE_CHECKING:
    import pyarrow as pa


def process_lives(pid: int, started: float) -> bool:
    """Is the very process still there that began at `started` (as psutil says it)? A pid alone may have been given to another since."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def atomic_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one step: a reader sees the old one or the new one, never half, also after the machine lost its power."""
    atomic_bytes(path, json.dumps(content, indent=1, ensure_ascii=False).encode())


def atomic_bytes(path: Path, data: bytes) -> None:
    """Write beside the file, wait until the disk has it, rename."""
    draft = draft_of(path)
    try:
        with open(draft, "wb") as file:
            file.write(data)
            _to_disk(file)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    folder_to_disk(path.parent)


def draft_of(path: Path) -> Path:
    """Where a file or folder is written before it gets its name; store/leftovers.py knows it by this name."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}")


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def tree_to_disk(folder: Path) -> None:
    """Files that a library wrote."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb+") as file:
                _to_disk(file)
    folder_to_disk(folder)


def folder_to_disk(folder: Path) -> None:
    """A new name is safe only when the folder that holds it is on the disk, too. Some network disks cannot be asked."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def file_lock(path: Path, *, wait: float = 0.0) -> Iterator[bool]:
    """Hold a lock that ends with its process; yields False when another process has it for longer than `wait` seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        deadline, held = time.monotonic() + wait, False
        while not held:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.1)
        yield held


def lock_is_held(path: Path) -> bool:
    """Has another process the lock of `file_lock`? Writes nothing, so that a home that can only be read can be asked."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:  # nobody ever made it, or this disk knows no locks
        return False


def is_writable(home: Path) -> bool:
    """Can something be started and kept here? Of a home that is not there yet: can it be made?"""
    there = next(path for path in (home, *home.parents) if path.exists())
    return os.access(there, os.W_OK)


BALLAST_BYTES = 1 << 18  # room for many a sentence


def keep_ballast(home: Path) -> None:
    """A file that is only there to be deleted: on a full disk its room lets the sentence be written that says so."""
    path = home / ".ballast"
    with contextlib.suppress(OSError):
        if not path.is_file() and shutil.disk_usage(home).free > 8 * BALLAST_BYTES:
            path.write_bytes(bytes(BALLAST_BYTES))


def drop_ballast(home: Path) -> None:
    with contextlib.suppress(OSError):
        (home / ".ballast").unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> None:
    """One .npy per array into a draft folder that is then renamed to `folder`. With `facts`, facts.json says what belongs to them and, as "sums",
    the sha256 of each array."""
    draft, sums = draft_of(folder), {}
    draft.mkdir(parents=True)
    for name, array in arrays.items():
        with open(draft / f"{name}.npy", "wb") as file:
            np.save(file, array, allow_pickle=False)
            _to_disk(file)
        sums[name] = sha256_of(draft / f"{name}.npy")
    if facts is not None:
        atomic_json(draft / "facts.json", {**facts, "sums": sums})
    put_in_place(draft, folder)


def put_in_place(draft: Path, folder: Path) -> None:
    """The draft becomes the folder. One that is there already is set aside first and then removed; store/leftovers.py puts it back after a kill in
    between."""
    folder_to_disk(draft)
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old.{secrets.token_hex(2)}")
        folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old)
    else:
        draft.rename(folder)
    folder_to_disk(folder.parent)


def remove_folder(folder: Path) -> None:
    """It is gone from every list at once; the files follow. Whatever a kill leaves has a name that store/leftovers.py knows."""
    gone = folder.with_name(f".{folder.name}.deleted-{secrets.token_hex(3)}")
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def read_array(path: Path) -> np.ndarray:
    """Memory-mapped where it has rows; never unpickled."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if array.ndim else np.array(array)


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def write_dataset(dataset: TextDataset, path: Path) -> None:
    """Parquet: text, (text_pair), label as its name, part; the rest in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts, codes = np.unique(dataset.parts, return_inverse=True)
    labels = _named(dataset.label_names, dataset.labels)
    columns = {"text": pa.array(dataset.texts, pa.string()), "label": labels, "part": _named(parts.tolist(), codes)}
    if dataset.text_pairs is not None:
        columns["text_pair"] = pa.array(dataset.text_pairs, pa.string())
    facts = {
        "name": dataset.name, "source": dataset.source, "content_hash": dataset.content_hash,
        "label_names": list(dataset.label_names), "notes": [list(n) for n in dataset.notes],
        **({} if dataset.class_order is None else {"class_order": list(dataset.class_order)}),
    }  # fmt: skip
    table = pa.table(columns).replace_schema_metadata({"dmlviz": json.dumps(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    with open(draft, "wb") as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
        _to_disk(file)
    os.replace(draft, path)
    folder_to_disk(path.parent)


def _named(names: Sequence[str], codes: np.ndarray) -> pa.Array:
    """(N,) the name of each number, as an Arrow array of strings."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string())).cast(pa.string())


def read_dataset(path: Path) -> TextDataset:
    """The data set as it was stored."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, page_checksum_verification=True)
    facts = json.loads(table.schema.metadata[b"dmlviz"])
    number = {name: i for i, name in enumerate(facts["label_names"])}
    return TextDataset(
        name=facts["name"],
        texts=tuple(table["text"].to_pylist()),
        labels=np.array([number[name] for name in table["label"].to_pylist()], dtype=np.int64),
        label_names=tuple(facts["label_names"]),
        parts=np.array(table["part"].to_pylist()),
        content_hash=facts["content_hash"],
        source=facts["source"],
        text_pairs=tuple(table["text_pair"].to_pylist()) if "text_pair" in table.column_names else None,
        notes=tuple(ReaderNote(*note) for note in facts["notes"]),
        class_order=_order_in(facts),
    )


def stored_class_order(path: Path) -> tuple[str, ...] | None:
    """What a stored data set says of the order of its classes; no text is read."""
    import pyarrow.parquet as pq

    return _order_in(json.loads(pq.read_schema(path).metadata[b"dmlviz"]))


def _order_in(facts: Mapping[str, Any]) -> tuple[str, ...] | None:
    return None if facts.get("class_order") is None else tuple(facts["class_order"])


def split_to_json(split: Split, dataset: TextDataset) -> dict[str, Any]:
    """Row ids and, for each part, a hash of its texts: two splits can be compared without the texts."""
    parts = {"support": split.support, "validation": split.validation, "test": split.test}
    return {
        **{name: [int(i) for i in rows] for name, rows in parts.items()},
        "hashes": {name: _texts_hash(dataset, rows) for name, rows in parts.items()},
        "dataset_hash": dataset.content_hash,
        "shots": split.shots, "shots_by": split.shots_by, "support_seed": split.support_seed,
        "notes": [list(note) for note in split.notes],
    }  # fmt: skip


def _texts_hash(dataset: TextDataset, rows: np.ndarray) -> str:
    digest = hashlib.sha256()
    for i in rows:
        pair = dataset.text_pairs[i] if dataset.text_pairs is not None else None
        digest.update(json.dumps([dataset.texts[i], pair, dataset.label_names[dataset.labels[i]]]).encode() + b"\n")
    return digest.hexdigest()


def split_hashes(path: Path) -> dict[str, str]:
    """Part -> hash of its texts, out of a split.json whose row ids are not read: there may be a million. {} where the file does not say."""
    try:
        text = path.read_text(encoding="utf-8")
        return dict(json.JSONDecoder().raw_decode(text, text.index("{", text.rindex('"hashes"')))[0])
    except (OSError, ValueError, TypeError):
        return {}


def split_from_json(written: Mapping[str, Any]) -> Split:
    rows = {name: np.array(written[name], dtype=np.int64) for name in ("support", "validation", "test")}
    return Split(
        **rows, shots=written["shots"], shots_by=written["shots_by"], support_seed=written["support_seed"],
        notes=tuple(ReaderNote(*note) for note in written["notes"]),
    )  # fmt: skip
