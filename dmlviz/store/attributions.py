"""A run's attributions on disk: Parquet parts under views/, so that a job that was stopped goes on where it was. Safe to delete.

One row is one text. Values are kept as float16, the numbers that checks are judged by as float32.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dmlviz.core.types import DamagedError, TokenAttribution
from dmlviz.store.damage import reading
from dmlviz.store.files import atomic_json, read_json
from dmlviz.store.runs import Store

LISTS = {"starts": pa.int32(), "ends": pa.int32(), "second": pa.bool_(), "values": pa.float16(), "drops": pa.float16(),
         "deletion": pa.float16(), "insertion": pa.float16()}  # fmt: skip
NUMBERS = {"row_id": pa.int64(), "class_id": pa.int32(), "predicted": pa.int32(), "probability": pa.float32(), "output": pa.float32(),
           "baseline_output": pa.float32(), "delta": pa.float32(), "steps": pa.int32(), "converged": pa.bool_(), "outside": pa.float32(),
           "cut": pa.int32(), "unknown": pa.int32()}  # fmt: skip
MOST_PARTS = 20_000
CHECK = "check_"
MEND = "explain the texts again"


def attributions_folder(store: Store, run_id: str, kind: str) -> Path:
    """Where the attributions of this kind are; the folder's name is a hash, since class names may stand in a kind."""
    return store.folder(run_id) / "views" / f"attributions-{hashlib.sha256(kind.encode()).hexdigest()[:12]}"


def save_attributions(store: Store, run_id: str, kind: str, found: Sequence[TokenAttribution]) -> None:
    """Add a part. What is there stays."""
    if not found:
        return
    folder = attributions_folder(store, run_id, kind)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "kind.json").is_file():
        atomic_json(folder / "kind.json", {"kind": kind})
    parts = len(list(folder.glob("part-*.parquet")))
    draft = folder / f".{secrets.token_hex(4)}.new"
    write_attributions(draft, found)
    os.replace(draft, folder / f"part-{parts:05d}-{secrets.token_hex(2)}.parquet")


def write_attributions(path: Path, found: Sequence[TokenAttribution]) -> None:
    """One Parquet file."""
    columns = {name: pa.array([getattr(one, name) for one in found], type=kind) for name, kind in NUMBERS.items()}
    for name, kind in LISTS.items():
        narrow = np.float16 if kind == pa.float16() else None
        columns[name] = pa.array([np.asarray(getattr(one, name), dtype=narrow) for one in found], type=pa.list_(kind))
    for name in found[0].checks:
        columns[CHECK + name] = pa.array([one.checks[name] for one in found], type=pa.float32())
    with open(path, "wb") as file:
        pq.write_table(pa.table(columns), file, compression="zstd", write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())


def read_attributions(path: Path) -> list[TokenAttribution]:
    """What the file holds. Raises DamagedError."""
    with reading(path, "the attributions", MEND):
        return _records(pq.read_table(path, page_checksum_verification=True))


class Stored(NamedTuple):
    """A run's attributions of one kind, and how many of their files cannot be read."""

    found: dict[int, TokenAttribution]  # row id -> attribution
    damaged: int


def read_parts(store: Store, run_id: str, kind: str) -> Stored:
    """All that can be read. The texts of a damaged part count as not explained: whoever explains texts explains them again."""
    found, damaged = {}, 0
    for path in _parts(store, run_id, kind):
        try:
            found |= {one.row_id: one for one in read_attributions(path)}
        except DamagedError:
            damaged += 1
    return Stored(found, damaged)


def _parts(store: Store, run_id: str, kind: str) -> list[Path]:
    return sorted(attributions_folder(store, run_id, kind).glob("part-*.parquet"))


def stored_attributions(store: Store, run_id: str, kind: str) -> dict[int, TokenAttribution]:
    """Row id -> attribution, of those that can be read."""
    return read_parts(store, run_id, kind).found


def stored_rows(store: Store, run_id: str, kind: str) -> set[int]:
    """Row ids whose attributions are stored and can be read."""
    return {row for path in _parts(store, run_id, kind) for row in _rows_in(path)}


_ROWS: dict[str, tuple[tuple[int, int], frozenset[int]]] = {}  # part -> its time and size, its rows; none where it cannot be read


def _rows_in(path: Path) -> frozenset[int]:
    """Read once by this process: a part never changes, and pages ask again and again."""
    try:
        found = path.stat()
    except OSError:
        return frozenset()
    stamp = (found.st_mtime_ns, found.st_size)
    if _ROWS.get(str(path), (None,))[0] != stamp:
        try:
            rows = frozenset(one.row_id for one in read_attributions(path))
        except DamagedError:
            rows = frozenset()
        if len(_ROWS) >= MOST_PARTS:
            _ROWS.clear()
        _ROWS[str(path)] = (stamp, rows)
    return _ROWS[str(path)][1]


def drop_damaged_parts(store: Store, run_id: str, kind: str) -> None:
    """Delete the files of attributions that cannot be read; called when their texts are explained anew."""
    for path in _parts(store, run_id, kind):
        if not _rows_in(path):
            path.unlink(missing_ok=True)


def stored_kinds(store: Store, run_id: str) -> list[str]:
    """Kinds of attributions that the run has."""
    found = []
    for path in sorted((store.folder(run_id) / "views").glob("attributions-*/kind.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.append(str(json.loads(path.read_text(encoding="utf-8"))["kind"]))
    return found


def _records(table: pa.Table) -> list[TokenAttribution]:
    lists = {name: [np.asarray(one, dtype=_width(kind)) for one in table[name].to_pylist()] for name, kind in LISTS.items()}
    numbers = {name: table[name].to_pylist() for name in NUMBERS}
    checks = {name.removeprefix(CHECK): table[name].to_pylist() for name in table.column_names if name.startswith(CHECK)}
    return [
        TokenAttribution(
            checks={name: values[i] for name, values in checks.items()},
            **{name: values[i] for name, values in numbers.items()},
            **{name: values[i] for name, values in lists.items()},
        )
        for i in range(table.num_rows)
    ]


def _width(kind: pa.DataType):
    return {pa.float16(): np.float32, pa.int32(): np.int64, pa.bool_(): bool}[kind]


def save_sanity(store: Store, run_id: str, kind: str, facts: Mapping[str, Any]) -> None:
    """Keep what the sanity checks of this kind of attribution found."""
    folder = attributions_folder(store, run_id, kind)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_json(folder / "sanity.json", facts)


def stored_sanity(store: Store, run_id: str, kind: str) -> dict[str, Any] | None:
    """What they found, or None."""
    try:
        found = read_json(attributions_folder(store, run_id, kind) / "sanity.json")
        numbers = [*found["sensitivity"], *found["texts"], *(one for name in ("absolute", "signed") for one in found[name] if one is not None)]
        whole = len(found["stages"]) == len(found["absolute"]) == len(found["signed"]) and all(isinstance(one, int | float) for one in numbers)
        return found if whole else None
    except (OSError, ValueError, KeyError, TypeError):  # not made, or damaged: it can be made anew
        return None
