"""Has what a name stands for changed since it was read? Answered from the file system, without reading."""

from __future__ import annotations

import os
from pathlib import Path

from dmlviz.data.catalogue import CATALOGUE
from dmlviz.data.own_folders import own_folder

MOST_FILES = 100_000
State = tuple[tuple[str, int, int, int, int], ...]


def file_states(ref: str) -> State | None:
    """(name, size, time of writing, time of change, inode) of the file, or of every file in the folder, that a reference stands for.

    None where it stands for none: a package, the Hub. Two equal states are the same content: the time of change cannot be set back.
    """
    key = ref.strip()
    place = own_folder(key.lower() if key.lower() in CATALOGUE else key) or Path(key).expanduser()
    try:
        if not place.exists():
            return None
        if not place.is_dir():
            return (_state(place, place.name),)
        files = [Path(folder) / name for folder, _, names in os.walk(place) for name in names][:MOST_FILES]
        return tuple(_state(file, str(file.relative_to(place))) for file in sorted(files))
    except (OSError, ValueError):
        return None


def _state(file: Path, name: str) -> tuple[str, int, int, int, int]:
    found = file.stat()
    return name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
