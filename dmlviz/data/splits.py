"""Splits of the library `datasets`, from the Hub or from a folder that `save_to_disk` wrote -> tables of cells, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import listed, note
from dmlviz.data.arrow_tables import cells_of, class_notes
from dmlviz.data.tables import PART_WORDS, Table


def split_tables(
    splits: Mapping[str, Any], parts: Mapping[str, str] | None, name: str
) -> tuple[dict[str, list[tuple[str, Table]]], tuple[ReaderNote, ...]]:  # fmt: skip
    """Part -> its table with a name, for the splits that are used: those in `parts` (split -> part), or those whose name says a part.

    Raises InputError when none of them is for training, or two are for one part.
    """
    known = PART_WORDS if parts is None else parts
    used = {split: known[split] for split in splits if split in known}
    if "train" not in used.values():
        raise InputError(f"{name} has no split to train on; its splits are {listed(splits)}. Save it as a file with a part column.")
    ignored = [split for split in splits if split not in used]
    notes = note("part", len(ignored), f"splits not used: {listed(ignored)}.") if parts is None else ()
    tables: dict[str, list[tuple[str, Table]]] = {}
    for split, part in used.items():
        if part in tables:
            both = [one for one, its in used.items() if its == part]
            raise InputError(f"{name} has two splits for one part, {listed(both)}; save it as a file with a part column.")
        tables[part] = [(f"{name} ({split})", split_table(splits[split]))]
    return tables, notes


def split_table(split: Any) -> Table:
    """One split; numbers of a ClassLabel become its names."""
    classes = {column: feature.names for column in split.column_names if getattr(feature := split.features[column], "names", None)}
    columns = {column: cells_of(split[column], classes.get(column)) for column in split.column_names}
    return Table(columns, range(1, split.num_rows + 1), "row", True, class_notes(classes), classes)


def is_saved(folder: Path) -> bool:
    """Did `save_to_disk` write this folder?"""
    return (folder / "dataset_dict.json").is_file() or ((folder / "state.json").is_file() and (folder / "dataset_info.json").is_file())


def saved_splits(folder: Path) -> Mapping[str, Any]:
    """Split -> data set of a folder that `save_to_disk` wrote; a single one is "train". Raises InputError for a damaged folder."""
    import datasets

    try:
        found = datasets.load_from_disk(str(folder))
        splits = found if isinstance(found, datasets.DatasetDict) else {"train": found}
        for split in splits.values():
            split[:1]  # a damaged file shows itself here
        return splits
    except Exception as error:  # the library and Arrow raise dozens of kinds; a person needs the one line
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"the folder {folder} looks like one of save_to_disk but cannot be read ({reason}); save the data set again.") from None
