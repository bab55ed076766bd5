"""Which column holds the text, the label, the second text and the part: chosen by a person or guessed, and said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from dmlviz.data.cleaning import Rows, is_blank
from dmlviz.data.wording import did_you_mean, listed, note, shown
from dmlviz.records import InputError, ReaderNote

PART_WORDS = {
    **dict.fromkeys(("train", "training", "all"), "train"),
    **dict.fromkeys(("val", "dev", "valid", "validation", "development"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
TEXT_NAMES = (
    "text", "texts", "sentence", "sentences", "review", "review_text", "content", "comment", "document", "utterance", "message", "tweet", "body",
    "headline", "snippet", "phrase", "question", "query", "abstract", "description", "title", "input", "sentence1", "text1", "question1", "premise",
)  # fmt: skip
LABEL_NAMES = (
    "label_text", "label_name", "label", "labels", "class", "class_name", "category", "target", "sentiment", "intent", "topic", "emotion", "tag",
    "polarity", "gold", "gold_label", "y", "output", "rating", "stars", "score",
)  # fmt: skip
PAIR_NAMES = {
    "text": ("text_pair",), "sentence1": ("sentence2",), "text1": ("text2",), "question1": ("question2",), "premise": ("hypothesis",),
    "sentence_1": ("sentence_2",), "text_1": ("text_2",),
}  # fmt: skip
PART_NAMES = ("part", "split", "set", "partition", "fold")


class Nested(str):
    """A list or an object found where a cell should be, as JSON. Harmless until its column is chosen."""


def cell_text(value: Any) -> str | None:
    """A cell as plain text: true/false for booleans, 1 for 1, 1.0 for 1.0, None for a missing value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, dict | list | tuple):
        return Nested(json.dumps(value, default=str, ensure_ascii=False))
    return str(value)


class Table(NamedTuple):
    """A file's cells as text, column by column; None where a cell is missing."""

    columns: dict[str, list[str | None]]
    lines: Sequence[int]  # N, where each row begins
    unit: str  # "line" or "row": what `lines` counts
    header: bool  # False: the columns have no names of their own
    notes: tuple[ReaderNote, ...] = ()


class Mapping(NamedTuple):
    """Column names by what they hold; None where there is none."""

    text: str | None
    label: str | None
    text_pair: str | None
    part: str | None


def unique_names(names: Sequence[str]) -> list[str]:
    """Names for all columns: 'column 3' for a nameless one, a number behind the second of two equal ones."""
    result: dict[str, None] = {}
    for i, name in enumerate(names, start=1):
        name = name or f"column {i}"
        while name in result:
            name += f" ({i})"
        result[name] = None
    return list(result)


def looks_headerless(rows: Sequence[Sequence[str]]) -> bool:
    """True when the first line is a row already: it has no usual column name, and one of its cells comes again below."""
    if any(_plain(cell) in {*TEXT_NAMES, *LABEL_NAMES, *PART_NAMES, *PAIR_NAMES} for cell in rows[0]):
        return False
    return any(cell.strip() and any(len(row) > i and row[i] == cell for row in rows[1:]) for i, cell in enumerate(rows[0]))


def guess_columns(table: Table) -> Mapping:
    """The likely columns by their names; with two columns also by their contents (the label is the one with fewer values)."""
    plain = {_plain(column): column for column in reversed(table.columns)}
    text = next((plain[name] for name in (*TEXT_NAMES, *PAIR_NAMES) if name in plain), None)
    label = next((plain[name] for name in LABEL_NAMES if name in plain), None)
    part = next((plain[name] for name in PART_NAMES if name in plain and _is_part(table.columns[plain[name]])), None)
    rest = [column for column in table.columns if column != part]
    if len(rest) == 2 and (text is None) != (label is None):
        known = text if label is None else label
        other = rest[1] if known == rest[0] else rest[0]
        text, label = (known, other) if label is None else (other, known)
    elif len(rest) == 2 and text is None:
        text, label = _by_contents(table, *rest)
    pairs = PAIR_NAMES.get(_plain(text), ()) if text is not None else ()
    return Mapping(text, label, next((plain[name] for name in pairs if name in plain), None), part)


def choose_rows(
    table: Table, name: str, *, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The rows of the chosen columns, the rest guessed and said in a note.

    Raises InputError for a column that is not there, none to guess, one column for two things, a list in a cell.
    """
    for column in (text, label, text_pair):
        if column is not None and column not in table.columns:
            raise InputError(f"{name} has no column {shown(column)}; its columns are {listed(table.columns)}.{did_you_mean(column, table.columns)}")
    guess = _guess_around(table, text, label)
    pair = text_pair if text_pair is not None or text is not None else guess.text_pair
    mapping = Mapping(text or guess.text, label or guess.label, pair, guess.part)
    _check_mapping(mapping, table, name)
    columns = table.columns
    part_cells = columns[mapping.part] if mapping.part else [None] * len(table.lines)
    parts = ["train" if is_blank(cell) else PART_WORDS[_plain(cell)] for cell in part_cells]
    rows = Rows(columns[mapping.text], columns[mapping.label], parts, None if mapping.text_pair is None else columns[mapping.text_pair])
    return rows, _guess_notes(mapping, table, guessed=text is None or label is None)


def _guess_around(table: Table, text: str | None, label: str | None) -> Mapping:
    """The guess for what was not chosen: a chosen column is not offered for something else."""
    if text is None and label is None:
        return guess_columns(table)
    left = {column: cells for column, cells in table.columns.items() if column not in (text, label)}
    guess = guess_columns(table._replace(columns=left))
    only = next(iter(left)) if len(left) == 1 else None
    return guess._replace(text=guess.text or only, label=guess.label or only)


def _check_mapping(mapping: Mapping, table: Table, name: str) -> None:
    for column, what in ((mapping.text, "text"), (mapping.label, "label")):
        if column is None:
            headless = "" if table.header else " (the file has no header line)"
            columns = listed(table.columns) + headless
            raise InputError(f"{name} has no {what} column that could be told by its name; its columns are {columns}. Choose one.")
    chosen = [column for column in mapping[:3] if column is not None]
    if len(set(chosen)) < len(chosen):
        raise InputError(f"{name}: the column {shown(chosen[-1])} was chosen twice; text, label and second text need a column each.")
    for column in chosen:
        bad = next((i for i, cell in enumerate(table.columns[column]) if isinstance(cell, Nested)), None)
        if bad is not None:
            place = f"{name}, {table.unit} {table.lines[bad]}"
            cell = shown(table.columns[column][bad])
            raise InputError(f"{place}: {shown(column)} holds a list or an object ({cell}); a single text is needed. Choose another column.")


def _guess_notes(mapping: Mapping, table: Table, guessed: bool) -> tuple[ReaderNote, ...]:
    named = [(mapping.text, "texts"), (mapping.label, "labels"), (mapping.text_pair, "second texts"), (mapping.part, "parts")]
    used = ", ".join(f"{what} from {shown(column)}" for column, what in named if column is not None)
    headless = "" if table.header else "the file has no header line; "
    ignored = [column for column in table.columns if _plain(column) in PART_NAMES and column != mapping.part]
    notes = note("columns", int(guessed), f"columns guessed: {headless}{used}.")
    sentence = f"the column {listed(ignored)} was not used as the part: it holds other words than train, dev, val, validation and test."
    return notes + (note("part", len(ignored), sentence) if not mapping.part else ())


def _plain(name: str | None) -> str:
    return (name or "").strip().casefold().replace(" ", "_").replace("-", "_")


def _is_part(cells: Sequence[str | None]) -> bool:
    values = {_plain(cell) for cell in set(cells) if not is_blank(cell)}
    return bool(values) and values <= PART_WORDS.keys()


def _by_contents(table: Table, first: str, second: str) -> tuple[str | None, str | None]:
    """(text column, label column) of two unnamed ones, or (None, None) where it is not clear."""

    def measure(column: str) -> tuple[int, float]:
        cells = [cell or "" for cell in table.columns[column]]
        return len(set(cells)), sum(map(len, cells)) / max(len(cells), 1)

    (kinds_1, length_1), (kinds_2, length_2) = measure(first), measure(second)
    n = len(table.lines)
    if kinds_1 > kinds_2 and length_1 > length_2 and kinds_2 <= max(2, n / 2):
        return first, second
    if kinds_2 > kinds_1 and length_2 > length_1 and kinds_1 <= max(2, n / 2):
        return second, first
    return None, None

