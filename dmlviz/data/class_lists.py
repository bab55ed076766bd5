"""The order in which a source lists its classes: of a ClassLabel, or of a file beside the tables that names a class a line (classes.txt)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.decoding import decode
from dmlviz.data.rows import Rows, is_blank

FILES = ("classes.txt", "class_names.txt", "label_names.txt", "label_list.txt", "labels.txt")
MOST_BYTES = 2**20


def class_list(*folders: Path) -> tuple[str, tuple[str, ...]] | None:
    """(file name, names in order) of the first of FILES in these folders that lists different names, one a line; None where none does."""
    for folder in folders:
        there = {file.name.lower(): file for file in folder.iterdir() if file.name.lower() in FILES and file.is_file()}
        for file in (there[name] for name in FILES if name in there):
            names = _names_in(file)
            if names is not None:
                return file.name, names
    return None


def _names_in(file: Path) -> tuple[str, ...] | None:
    """None for what is no list of classes: nothing, one name, a name twice (labels row by row), no text."""
    if file.stat().st_size > MOST_BYTES:
        return None
    try:
        text, _ = decode(file.read_bytes(), file.name)
    except InputError:
        return None
    names = tuple(line.strip() for line in text.splitlines() if not is_blank(line))
    return names if len(names) > 1 and len(set(names)) == len(names) else None


def with_class_list(rows: Rows, found: tuple[str, tuple[str, ...]] | None) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The rows with the classes in the order of the list; numbers become its names where it is certain whether they count from 0 or from 1.

    Whatever is not certain stays as it is and is said.
    """
    if found is None or rows.class_order is not None:
        return rows, ()
    file, names = found
    labels = {label.strip() for label in rows.labels if label is not None and not is_blank(label)}
    if labels <= set(names):
        return replace(rows, class_order=names), note("class_names", len(names), f"the order of the classes is that of {shown(file)}.")
    starts = _starts(labels, len(names))
    if len(starts) != 1:
        unsure = "the labels may count from 0 or from 1" if starts else "it does not list the labels of the rows"
        return rows, note("class_names", 1, f"{shown(file)} ({listed(names, 4)}) was not used for the names of the classes: {unsure}.")
    (start,) = starts
    named = [None if label is None or is_blank(label) else names[int(label) - start] for label in rows.labels]
    sentence = f"class names are those of {shown(file)} ({count_of(len(names), 'class')}): {start} is {shown(names[0])}, and so on."
    return replace(rows, labels=named, class_order=names), note("class_names", len(names), sentence)


def _starts(labels: set[str], count: int) -> list[int]:
    """Of 0 and 1, those from which numbers of `count` classes may begin; [] where a label is no number."""
    if not labels or not all(label.isascii() and label.isdecimal() for label in labels):
        return []
    numbers = [int(label) for label in labels]
    return [start for start in (0, 1) if start <= min(numbers) and max(numbers) < count + start]


def class_order(stated: Sequence[str] | None, label_names: Sequence[str]) -> tuple[str, ...] | None:
    """The stated order where it names every class of the data set once (and perhaps others, which have no text); else None: it is not known."""
    if stated is None or len(set(stated)) < len(stated) or not set(label_names) <= set(stated):
        return None
    return tuple(stated)
