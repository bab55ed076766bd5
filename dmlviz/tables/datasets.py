"""The data sets of some runs in one table: sizes, balance, lengths, repairs and terms of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dmlviz.analysis.reliability.strata import word_counts
from dmlviz.core.types import InputError, ReaderNote, Run, TextDataset
from dmlviz.data.catalogue import CATALOGUE, CatalogueEntry
from dmlviz.tables.parts import DASH, count, names_of
from dmlviz.tables.table import Cell, Column, Table

PARTS = {"train": "train", "val": "val.", "test": "test"}
HASH_CHARS = 8
MENDED = ("characters", "merged_labels", "blank", "blank_label", "duplicate", "encoding", "unrated")  # kinds of notes that change or drop rows
UNKNOWN = "not in the catalogue; ask its source"


def make(runs: Sequence[Run], datasets: Mapping[str, TextDataset]) -> Table:
    """One row per data set of the runs. `datasets`: content hash -> data set. Raises InputError for no run."""
    if not runs:
        raise InputError("no run was named, so there is no data set to tell of; name some with --runs")
    names = names_of(runs)
    hashes = sorted({run.config.dataset_hash or "" for run in runs}, key=lambda one: names.get(one, ""))
    entries = {one: _entry(next(run for run in runs if (run.config.dataset_hash or "") == one)) for one in hashes}
    rows = tuple(_row(names.get(one, datasets[one].name), datasets[one], entries[one]) for one in hashes)
    columns = (
        Column("Data set"), Column("Task"), Column("Classes", "r"), *(Column(title, "r", "Texts") for title in PARTS.values()),
        Column("largest", "r", "Class share, %"), Column("smallest", "r", "Class share, %"), Column("Words", "r"), Column("Repaired", "r"),
        Column("Hash"), Column("Terms of use"),
    )  # fmt: skip
    return Table("datasets", "Data sets", columns, rows, (), "Data sets as they were read.", tuple(_notes(names, hashes, datasets)), "tab:datasets")


def _entry(run: Run) -> CatalogueEntry | None:
    return CATALOGUE.get(run.config.dataset.strip().lower())


def _row(name: str, dataset: TextDataset, entry: CatalogueEntry | None) -> tuple[Cell, ...]:
    sizes = np.bincount(dataset.labels, minlength=len(dataset.label_names))
    shares = 100 * sizes / max(len(dataset.labels), 1)
    middle = float(np.median(word_counts(dataset, np.arange(len(dataset.texts))))) if len(dataset.texts) else 0.0
    repaired = sum(note.count for note in dataset.notes if note.kind in MENDED and ": kept" not in note.sentence)
    parts = [int((np.asarray(dataset.parts) == part).sum()) for part in PARTS]
    return (
        Cell(name), Cell(entry.task if entry else DASH), count(len(dataset.label_names)), *(count(n) if n else Cell(DASH, 0) for n in parts),
        Cell(f"{shares.max():.1f}", float(shares.max())), Cell(f"{shares.min():.1f}", float(shares.min())), Cell(f"{middle:g}", middle),
        count(repaired), Cell(dataset.content_hash[:HASH_CHARS], dataset.content_hash), Cell(entry.terms if entry else UNKNOWN),
    )  # fmt: skip


def _without_texts(note: ReaderNote) -> str:
    """A note's sentence without the text that it quotes: many a data set's texts may not be passed on."""
    return note.sentence.partition("; for example ")[0].rstrip(".") + "." if note.kind == "conflict" else note.sentence


def _notes(names: Mapping[str, str], hashes: Sequence[str], datasets: Mapping[str, TextDataset]) -> list[str]:
    """What the numbers are of, and what the reader repaired, data set by data set."""
    found = ["Class share: of all texts of a data set. Words: median length of a text, split at white space, both texts of a pair. Hash: the first "
             f"{HASH_CHARS} signs of the SHA-256 over texts, labels and parts. Repaired: rows that the reader mended or dropped."]  # fmt: skip
    for one in hashes:
        told = " ".join(map(_without_texts, datasets[one].notes))
        found += [f"{names.get(one, datasets[one].name)}: {told}"] if told else []
    return found
