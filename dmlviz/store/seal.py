"""checksums.json: what the files of a run were when it finished. They never change after that, so whoever reads one can tell whether it is itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dmlviz.core.types import DamagedError
from dmlviz.store.damage import OF_RUN, damaged, reading, wrong_with
from dmlviz.store.files import atomic_json, read_json, sha256_of

NAME = "checksums.json"
FORMAT = 2  # 1: a plain mapping, without config.json
FOLDERS, FILES = ("arrays", "weights"), ("config.json", "split.json")
NEEDED = ("split.json", "arrays/embeddings.npy", "arrays/labels.npy")  # in every seal, also in those of format 1
DIGITS = frozenset("0123456789abcdef")
MOST_KNOWN = 200_000


def sealed_names(folder: Path) -> list[str]:
    """The files of a finished run that never change again, relative to its folder."""
    found = [path for part in FOLDERS for path in sorted((folder / part).rglob("*")) if path.is_file()]
    return [*(path.relative_to(folder).as_posix() for path in found), *(name for name in FILES if (folder / name).is_file())]


def write_seal(folder: Path) -> None:
    """Note every file's sha256."""
    atomic_json(folder / NAME, {"format": FORMAT, "files": {name: sha256_of(folder / name) for name in sealed_names(folder)}})


def read_seal(folder: Path) -> Mapping[str, str]:
    """File -> sha256; {} for a run that is not finished. Raises DamagedError for a seal that cannot be read or lists nothing."""
    path, run_id = folder / NAME, folder.name
    if not path.exists():
        return {}
    with reading(path, f"run {run_id}", OF_RUN, run_id=run_id):
        written = read_json(path)
        files = written["files"] if written.get("format") == FORMAT else written
        if not all(isinstance(digest, str) and len(digest) == 64 and set(digest) <= DIGITS for digest in files.values()):
            raise ValueError("a checksum is none")
    if lacking := [name for name in NEEDED if name not in files]:
        raise damaged(NAME, f"run {run_id}", f"does not list {lacking[0]}", OF_RUN, run_id=run_id)
    return files


def seal_of_arrays(folder: Path) -> Mapping[str, str]:
    """As `read_seal`, for readers of arrays: they can do without, and `verify` says what is wrong with it."""
    try:
        return read_seal(folder)
    except DamagedError:
        return {}


def check_files(folder: Path, names: Iterable[str], seal: Mapping[str, str]) -> None:
    """Raises DamagedError for the first of these files that is not what the seal says; what it does not list is not looked at."""
    for name in names:
        path = folder / name
        if name in seal and not _unchanged(path, seal[name]):
            wrong = "is not what it was when the run finished" if path.is_file() and path.stat().st_size else wrong_with(path, ValueError())
            raise damaged(name, f"run {folder.name}", wrong, OF_RUN, run_id=folder.name)


def differences(folder: Path, seal: Mapping[str, str]) -> list[str]:
    """A sentence for every file that is gone, has changed, or is not in the seal."""
    there = sealed_names(folder)
    gone = [f"{name} is missing" for name in seal if not (folder / name).is_file()]
    changed = [f"{name} has changed since the run finished" for name, digest in seal.items()
               if (folder / name).is_file() and sha256_of(folder / name) != digest]  # fmt: skip
    return gone + changed + [f"{name} is not listed in {NAME}" for name in _unlisted(there, seal)]


def _unlisted(there: Collection[str], seal: Mapping[str, str]) -> list[str]:
    old = "config.json" not in seal  # a seal of format 1
    return [name for name in there if name not in seal and not (old and name == "config.json")]


_KNOWN: dict[str, tuple[tuple[int, int, int], str]] = {}  # path -> inode, time and size of what was read, its sha256


def _unchanged(path: Path, digest: str) -> bool:
    """Read once by this process, and again only when the file was replaced or written to."""
    try:
        found = os.stat(path)
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = _KNOWN.get(str(path))
        if known is None or known[0] != stamp:
            if len(_KNOWN) >= MOST_KNOWN:
                _KNOWN.clear()
            known = _KNOWN[str(path)] = (stamp, sha256_of(path))
        return known[1] == digest
    except OSError:
        return False
