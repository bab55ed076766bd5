"""What a process that was killed inside a write, a rename or a delete left in a home: put back where something would be lost, else removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

DELETED = re.compile(r"\..+\.deleted-[0-9a-f]{6}")  # files.remove_folder
SET_ASIDE = re.compile(r"\.(?P<name>.+)\.old\.[0-9a-f]{4}")  # files.put_in_place
DRAFT = re.compile(r"\..+\.[0-9]+\.[0-9a-f]{4}|\.(.+\.)?[0-9a-f]{6,8}\.new|\.weights\.new|\..+\.[0-9]+\.part")  # files and folders without a name yet
DRAFT_SECONDS = 3600.0  # one that was touched later may still be written
DEPTH = 4  # runs/RUN/views/MAP


def sweep_leftovers(home: Path, *, now: float | None = None) -> list[str]:
    """Look through the home's folders once; returns what was put back or removed, relative to it. A home that cannot be written stays as it is."""
    swept = []
    for path in _hidden(home, DEPTH):
        with contextlib.suppress(OSError):
            if _swept(path, time.time() if now is None else now):
                swept.append(path.relative_to(home).as_posix())
    return swept


def _hidden(folder: Path, depth: int) -> Iterator[Path]:
    """Files and folders below it whose names begin with a dot; weights are a checkpoint's own files."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False) and entry.name not in ("weights", "checkpoints"):
            yield from _hidden(Path(entry.path), depth - 1)


def _swept(path: Path, now: float) -> bool:
    if found := SET_ASIDE.fullmatch(path.name):
        whole = path.with_name(found["name"])
        if not whole.exists():  # killed between the two renames: this is the only one there is
            path.rename(whole)
            return True
    elif not DELETED.fullmatch(path.name) and not (DRAFT.fullmatch(path.name) and now - path.stat().st_mtime > DRAFT_SECONDS):
        return False
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return True
