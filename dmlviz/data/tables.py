"""A file's cells, column by column, before anybody has said which column is what: header or not, names, rows that are none."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.places import Places, Segment, at, numbered

TEXT_NAMES = (
    "text", "texts", "sentence", "sentences", "review", "review_text", "content", "comment", "comment_text", "document", "utterance", "message",
    "tweet", "body", "headline", "snippet", "phrase", "question", "query", "abstract", "description", "title", "input", "sentence1", "text1",
    "question1", "premise", "sentence_1", "text_1", "text_a", "sentence_a", "#1_string", "review_body", "tweet_text", "passage", "transcript",
    "article", "claim",
)  # fmt: skip
LABEL_NAMES = (
    "label_text", "label_name", "label", "labels", "class", "class_name", "class_index", "category", "target", "sentiment", "intent", "topic",
    "emotion", "tag", "polarity", "gold", "gold_label", "annotation", "is_duplicate", "quality", "choice", "y", "output", "rating", "stars", "score",
)  # fmt: skip
PAIR_NAMES = (  # first text, second text: where both columns are there, they are a pair
    ("text", "text_pair"), ("sentence1", "sentence2"), ("text1", "text2"), ("question1", "question2"), ("premise", "hypothesis"),
    ("sentence_1", "sentence_2"), ("text_1", "text_2"), ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("question", "sentence"),
    ("question", "passage"), ("query", "passage"), ("query", "document"), ("claim", "evidence"), ("#1_string", "#2_string"),
)  # fmt: skip
PART_NAMES = ("part", "split", "set", "partition", "fold")
PART_WORDS = {
    **dict.fromkeys(("train", "training", "all"), "train"),
    **dict.fromkeys(("val", "dev", "valid", "validation", "development"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_USUAL = {*TEXT_NAMES, *LABEL_NAMES, *PART_NAMES, *(name for pair in PAIR_NAMES for name in pair)}
FIRST_ROWS = 200


class Nested(str):
    """A list or an object found where a cell should be, as JSON. Harmless until its column is chosen."""


class Table(NamedTuple):
    """A file's cells as text, column by column; None where a cell is missing."""

    columns: dict[str, list[str | None]]
    lines: Sequence[int]  # N, where each row begins
    unit: str  # "line" or "row": what `lines` counts
    header: bool  # False: the columns have no names of their own
    notes: tuple[ReaderNote, ...] = ()
    classes: Mapping[str, Sequence[str]] = {}  # column -> its class names in order, of columns that state them (ClassLabel)

    def take(self, rows: Sequence[int]) -> Table:
        """The rows with these numbers, counted from 0."""
        columns = {name: [cells[i] for i in rows] for name, cells in self.columns.items()}
        return self._replace(columns=columns, lines=[self.lines[i] for i in rows])

    def places(self, name: str = "") -> Places:
        return Places((Segment(name, self.unit, self.lines),))


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


def plain_name(name: str | None) -> str:
    """'Review Text' -> 'review_text'."""
    return (name or "").strip().casefold().replace(" ", "_").replace("-", "_")


def is_usual_name(name: str) -> bool:
    """Is this what a column of texts, labels, second texts or parts is usually called?"""
    return plain_name(name) in _USUAL


def unique_names(names: Sequence[str]) -> list[str]:
    """Names for all columns: 'column 3' for a nameless one, a number behind the second of two equal ones."""
    result: dict[str, None] = {}
    for i, name in enumerate(names, start=1):
        name = name or f"column {i}"
        while name in result:
            name += f" ({i})"
        result[name] = None
    return list(result)


def repeated_names(names: Sequence[str]) -> tuple[ReaderNote, ...]:
    """A note for columns of one name: what the second is called."""
    several = [name for name, count in Counter(name for name in names if name).items() if count > 1]
    renamed = [new for name, new in zip(names, unique_names(names), strict=True) if name in several and new != name]
    sentence = f"more than one column is named {listed(several)}; the first keeps the name, the others are called {listed(renamed)}."
    return note("same_name", len(renamed), sentence)


def table_of_rows(rows: list[tuple[int, list[str]]], name: str, notes: tuple[ReaderNote, ...]) -> Table:
    """The table of (line, cells), header first if there is one. Raises InputError naming every line with more cells than the first."""
    if not rows:
        raise InputError(f"{name} has no rows; a header line and at least two texts are needed.")
    width = len(rows[0][1])
    wide = [(line, cells) for line, cells in rows if len(cells) > width and any(cells[width:])]
    if wide:
        raise _too_wide(wide, width, name)
    short = [line for line, cells in rows if len(cells) < width]
    for _, cells in rows:
        cells += [""] * (width - len(cells))
    found = f"{count_of(len(short), 'row')} with fewer cells than the first line ({numbered(short)})" if short else ""
    notes += note("short_rows", len(short), f"{found}: what is missing is taken as empty.")
    return table_of_columns([[cells[i] for _, cells in rows] for i in range(width)], [line for line, _ in rows], name, notes)


def _too_wide(wide: list[tuple[int, list[str]]], width: int, name: str) -> InputError:
    remedy = "put quotes around a text that holds the separator"
    line, cells = wide[0]
    if len(wide) == 1:
        return InputError(f"{name}, line {line}: {count_of(len(cells), 'cell')}, but the first line has {width}; {remedy}.")
    found = f"{count_of(len(wide), 'line')} with more cells than the first, which has {width}"
    return InputError(f"{name}: {found} ({numbered([line for line, _ in wide])}; line {line} has {len(cells)}); {remedy}.")


def table_of_columns(cells: list[list[str]], lines: Sequence[int], name: str, notes: tuple[ReaderNote, ...]) -> Table:
    """The table of columns whose first cells may be names. A row that repeats the header is left out and said."""
    head = [column[0] for column in cells]
    header = not _is_headerless(cells)
    names = unique_names([name.strip() for name in head] if header else [""] * len(head))
    if header and len(lines) == 1:
        raise InputError(f"{name} has a header line only; add at least two texts with different labels.")
    if not header:
        return Table(dict(zip(names, cells, strict=True)), lines, "line", False, notes)
    notes += repeated_names([name.strip() for name in head])
    for column in cells:
        del column[0]
    table = Table(dict(zip(names, cells, strict=True)), lines[1:], "line", True, notes)
    return _without_repeated_header(table, head)


def _without_repeated_header(table: Table, head: list[str]) -> Table:
    """Files that were put one behind the other bring their headers along."""
    columns = list(table.columns.values())
    if head[-1] not in columns[-1]:
        return table
    again = [
        i for i, cell in enumerate(columns[-1]) if cell == head[-1] and all(column[i] == name for column, name in zip(columns, head, strict=True))
    ]
    if not again or len(again) == len(table.lines):
        return table
    places = table.places().named(again)
    sentence = f"{count_of(len(again), 'row')} equal to the header left out{at(places)}."
    left_out = set(again)
    kept = table.take([i for i in range(len(table.lines)) if i not in left_out])
    return kept._replace(notes=table.notes + note("header_again", len(again), sentence))


def _is_headerless(cells: list[list[str]]) -> bool:
    """True when the first line is a row already: it has no usual column name, and one of its cells comes again below.

    Below is near by, or, in a column of few values, anywhere at least twice.
    """
    if any(is_usual_name(column[0]) for column in cells):
        return False
    for column in cells:
        first = column[0]
        if first.strip() and (first in column[1:FIRST_ROWS] or (column.count(first) > 2 and len(set(column)) <= len(column) / 2)):
            return True
    return False


def said_columns(table: Table) -> str:
    """The columns as they stand in a sentence."""
    return listed(table.columns) + ("" if table.header else " (the file has no header line)")


def example(cells: Sequence[str | None]) -> str:
    """The first values of a column, for a sentence."""
    return ", ".join(shown(cell, 30) for cell in list(dict.fromkeys(cell for cell in cells[:FIRST_ROWS] if cell))[:3])
