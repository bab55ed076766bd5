"""Folders that a person put into $DMLVIZ_DATA: each is a data set under its own name, beside those of the catalogue."""

from __future__ import annotations

import os
from pathlib import Path

from dmlviz.data.catalogue import CATALOGUE
from dmlviz.data.folders import is_readable


def own_folders() -> dict[str, bool]:
    """Name -> can it be read, for every folder in $DMLVIZ_DATA that is none of the catalogue, in order of their names. Nothing is read for it."""
    place = _place()
    try:
        names = sorted(entry.name for entry in os.scandir(place) if entry.is_dir() and _is_name(entry.name)) if place else []
    except OSError:
        return {}
    return {name: is_readable(place / name) for name in names if name.lower() not in CATALOGUE}


def own_folder(name: str) -> Path | None:
    """The folder of this name in $DMLVIZ_DATA; None where there is none. The case of letters counts only where two folders differ in it."""
    place = _place()
    if place is None or not _is_name(name):
        return None
    try:
        if (place / name).is_dir():
            return place / name
        alike = [one for one in own_folders() if one.casefold() == name.casefold()]
    except (OSError, ValueError):
        return None
    return place / alike[0] if len(alike) == 1 else None


def _place() -> Path | None:
    folder = os.environ.get("DMLVIZ_DATA")
    return Path(folder) if folder else None


def _is_name(name: str) -> bool:
    """A plain name: no path, nothing hidden."""
    return bool(name) and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}
