"""A folder of texts: one file per part in any format that files.py reads, shards, what `save_to_disk` wrote, or a folder per class."""

from __future__ import annotations

from pathlib import Path

from dmlviz.core.types import InputError, PathLike, ReaderNote, TextDataset
from dmlviz.core.wording import listed, note
from dmlviz.data.class_folders import class_folder_rows, class_folders
from dmlviz.data.class_lists import class_list, with_class_list
from dmlviz.data.cleaning import build_dataset
from dmlviz.data.files import rows_of_table, table_of
from dmlviz.data.part_files import LAYOUT, named_parts, table_files
from dmlviz.data.parts import merged_notes, rows_of_parts, visible_parts
from dmlviz.data.rows import Rows
from dmlviz.data.splits import is_saved, saved_splits, split_tables

Found = tuple[Rows, tuple[ReaderNote, ...], str]  # rows, notes, which files


def read_folder(
    path: PathLike, name: str | None = None, *, text: str | None = None, label: str | None = None, text_pair: str | None = None,
    encoding: str | None = None,
) -> TextDataset:  # fmt: skip
    """The data set of a folder: dev is "val", all is "train". Rows that repeat stay, as they were published.

    A part without labels is left out, and validation is the test then. Raises InputError for a folder without texts to train on, two files for one
    part, missing shards, or whatever a file's reader refuses.
    """
    folder = Path(path)
    chosen = {"text": text, "label": label, "text_pair": text_pair}
    try:
        rows, notes, files = _rows_in(folder, chosen, encoding)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the folder {folder} cannot be opened ({getattr(error, 'strerror', None) or error}); check the path.") from None
    source = f"The folder {folder}: {files}."
    return build_dataset(rows, name=name or folder.resolve().name, source=source, notes=merged_notes(notes), keep_repeats=True)


def is_readable(folder: Path) -> bool:
    """Does the folder look like one that can be read? Nothing is read for it."""
    try:
        return is_saved(folder) or bool(named_parts(folder).files) or bool(class_folders(folder)) or len(table_files(folder)) == 1
    except (OSError, InputError):
        return False


def _rows_in(folder: Path, chosen: dict[str, str | None], encoding: str | None) -> Found:
    if is_saved(folder):
        return _saved_rows(folder, chosen)
    parts = named_parts(folder)
    if "train" in parts.files:
        return _part_rows(folder, parts.files, parts.place, chosen, encoding, parts.others)
    if classes := class_folders(folder):
        rows, notes = visible_with_notes(*class_folder_rows(folder, classes, encoding), folder.name)
        return rows, notes, f"a folder per class, {listed(sorted({label for _, label, _ in classes}), 6)}"
    alone = table_files(folder)
    if not parts.files and len(alone) == 1:
        table, shown_name = table_of(alone[0], f"{folder.name}/{alone[0].name}", encoding)
        rows, notes = rows_of_table(table, shown_name, chosen)
        rows, more = with_class_list(rows, class_list(folder))
        return rows, notes + more, alone[0].name
    has = f" Its files are {listed([file.name for file in alone], 6)}: give one of them." if alone else ""
    raise InputError(f"the folder {folder} has no training texts; it needs {LAYOUT}, or a folder per class.{has}")


def _part_rows(
    folder: Path, files: dict[str, list[Path]], place: str, chosen: dict[str, str | None], encoding: str | None, others: list[str]
) -> Found:  # fmt: skip
    tables = {}
    for part, shards in files.items():
        tables[part] = []
        for file in shards:
            shown_name = f"{folder.name}/{file.relative_to(folder)}"
            tables[part].append((shown_name, table_of(file, shown_name, encoding)[0]))
    rows, notes = rows_of_parts(tables, folder.name, **chosen)
    rows, more = with_class_list(rows, class_list(*dict.fromkeys((folder / place, folder))))
    notes += more
    notes += note("files", len(others), f"files of the folder that were not read, since their names say no part: {listed(others, 6)}.")
    names = [shards[0].name if len(shards) == 1 else f"{len(shards)} files {shards[0].name} …" for shards in files.values()]
    return rows, notes, (f"{place}: " if place else "") + ", ".join(names)


def _saved_rows(folder: Path, chosen: dict[str, str | None]) -> Found:
    splits = saved_splits(folder)
    tables, notes = split_tables(splits, None, folder.name)
    rows, more = rows_of_parts(tables, folder.name, **chosen)
    return rows, notes + more, f"saved by datasets, {listed(splits, 6)}"


def visible_with_notes(rows: Rows, notes: tuple[ReaderNote, ...], name: str) -> tuple[Rows, tuple[ReaderNote, ...]]:
    rows, more = visible_parts(rows, name)
    return rows, notes + more
