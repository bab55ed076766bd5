"""Named selections of texts, kept in the home: one file per data set, since a selection means something on its texts alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from dmlviz.core.types import InputError
from dmlviz.store.damage import reading
from dmlviz.store.files import atomic_json, file_lock, read_json

MEND = "copy it back from a backup, or move it away and save the slices anew"
LONGEST_NAME = 60
LONGEST_LINE = 1_000_000  # of single rows, some 150,000
MOST = 200
LOCK_SECONDS = 5.0
HASH = re.compile(r"[0-9a-f]{8,128}")


class Slice(NamedTuple):
    """A selection with a name. The line is one of analysis/selecting.py."""

    name: str
    line: str


def saved_slices(home: Path, dataset_hash: str) -> list[Slice]:
    """In the order of their names; [] where none was saved. Raises DamagedError for a file that cannot be read."""
    path = _path(home, dataset_hash)
    if not path.exists():
        return []
    with reading(path, "the home", MEND, name=f"slices/{dataset_hash[:12]}….json"):
        found = [Slice(one["name"], one["line"]) for one in read_json(path)["slices"]]
        if not all(isinstance(part, str) and part for one in found for part in one):
            raise TypeError("a name or a line is no text")
    return sorted(found, key=lambda one: (one.name.casefold(), one.name))


def save_slice(home: Path, dataset_hash: str, name: str, line: str) -> Slice:
    """Keep the line under this name; one of the same name is replaced. Raises InputError for what cannot be kept."""
    made = Slice(_storable(" ".join(name.split())), _storable(line))
    if not made.name or len(made.name) > LONGEST_NAME:
        raise InputError(f"a slice's name has 1 to {LONGEST_NAME} characters, this one has {len(made.name)}; type another")
    if not made.line or len(made.line) > LONGEST_LINE:
        too_many = "too many single texts are selected to be kept; draw around them or search instead"
        raise InputError(too_many if made.line else "nothing is selected that could be saved; select texts first")
    path = _path(home, dataset_hash)
    with _alone(path):
        others = [one for one in saved_slices(home, dataset_hash) if one.name != made.name]
        if len(others) >= MOST:
            raise InputError(f"{MOST} slices of this data set are saved, which is the most; delete one first")
        _write(path, [*others, made])
    return made


def delete_slice(home: Path, dataset_hash: str, name: str) -> None:
    """Forget it. One that is gone already is no error."""
    path = _path(home, dataset_hash)
    with _alone(path):
        _write(path, [one for one in saved_slices(home, dataset_hash) if one.name != name])


def _path(home: Path, dataset_hash: str) -> Path:
    if not HASH.fullmatch(dataset_hash):
        raise InputError(f"slices are kept by a data set's content hash, and {dataset_hash[:40]!r} is none")
    return Path(home) / "slices" / f"{dataset_hash}.json"


def _alone(path: Path):
    return file_lock(path.with_name("slices.lock"), wait=LOCK_SECONDS)


def _write(path: Path, slices: list[Slice]) -> None:
    atomic_json(path, {"slices": [one._asdict() for one in slices]})


def _storable(text: str) -> str:
    """Without halves of characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
