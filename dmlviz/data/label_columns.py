"""Which columns may hold the labels: what is never taken unasked, one column per class, lists of one label, marks for no label."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from itertools import pairwise

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.places import at
from dmlviz.data.rows import is_blank
from dmlviz.data.tables import Nested, Table, plain_name

CLASS_COLUMN = "the column with the 1"
NEVER_NAMES = {
    "id", "idx", "index", "row", "row_id", "number", "no", "nr", "uid", "guid", "uuid", "key", "hash", "url", "link", "href", "date", "time",
    "datetime", "timestamp", "created_at", "updated_at", "year", "length", "len", "n_words", "words", "word_count", "n_chars", "char_count",
    "n_tokens", "num_tokens", "token_count", "user", "user_id", "username", "author", "annotator", "email", "file", "filename", "file_name", "path",
    "lang", "language", "page", "lead_time",
}  # fmt: skip
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ,]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?|\w{3} \w{3} +\d{1,2} \d{2}:.*")
_LINK = re.compile(r"(https?|ftp)://\S+|www\.\S+", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_BRACKETS = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)
_MOST = 0.9  # of the cells: what nearly all of them are, the column is
BINARY = {"0", "1", "0.0", "1.0", "false", "true"}
FEW_CLASSES = 2  # as many different values are always allowed: two texts of two classes are a data set


def why_not_labels(column: str, cells: Sequence[str | None], texts: Sequence[str | None] | None = None) -> str:
    """Why the column is not taken for the labels unless a person chooses it: 'dates', 'links', 'numbers that rise' ...; '' where it may be."""
    filled = [cell for cell in cells if not is_blank(cell)]
    if not filled:
        return "empty"
    if any(isinstance(cell, Nested) for cell in filled):
        return "lists or objects"
    values = set(filled)
    if len(filled) > FEW_CLASSES and all(map(_NUMBER.fullmatch, values)) and _rises(filled):
        return "numbers that rise"
    for pattern, kind in ((_DATE, "dates"), (_LINK, "links")):
        if sum(bool(pattern.fullmatch(value.strip())) for value in values) >= _MOST * len(values):
            return kind
    if texts is not None and all(map(_NUMBER.fullmatch, values)) and _are_lengths(cells, texts):
        return "lengths of the texts"
    if len(values) > max(FEW_CLASSES, len(filled) / 2):
        return f"{len(values):,} different values in {len(filled):,} rows"
    if plain_name(column) in NEVER_NAMES or plain_name(column).endswith(("_id", "_url", "_date")):
        return "by its name not a class"
    return "only one value" if len(values) == 1 else ""


def _rises(cells: Sequence[str]) -> bool:
    numbers = list(map(float, cells))
    return all(b > a for a, b in pairwise(numbers))


def _are_lengths(cells: Sequence[str | None], texts: Sequence[str | None]) -> bool:
    pairs = [(cell, text) for cell, text in zip(cells, texts, strict=True) if cell and text][:1000]
    for measure in (len, lambda text: len(text.split()), lambda text: len(text.encode())):
        if sum(cell == str(measure(text)) for cell, text in pairs) >= _MOST * len(pairs) > 0:
            return True
    return False


def with_class_column(table: Table) -> Table:
    """The table with one more column, where it has a column per class: the name of the column that holds the row's only 1."""
    binary = class_columns(table)
    if not binary or _odd_rows(table, binary):
        return table
    hits = zip(*(table.columns[column] for column in binary), strict=True)
    labels = [binary[next(i for i, cell in enumerate(cells) if _is_one(cell))] for cells in hits]
    return table._replace(columns={**table.columns, CLASS_COLUMN: labels})


def class_columns(table: Table) -> list[str]:
    """The columns that hold nothing but 0 and 1 (or false and true), where there are two or more."""
    binary = []
    for column, cells in table.columns.items():
        for some in (cells[:100], cells):  # most columns show themselves in the first cells
            if not {(cell or "").strip().casefold() for cell in set(some)} <= BINARY:
                break
        else:
            binary += [column] if cells else []
    return binary if len(binary) > 1 else []


def one_hot_refusal(table: Table, name: str) -> InputError | None:
    """The sentence for a table that would be one column per class, were there not rows with no 1 or several."""
    binary = class_columns(table)
    odd = _odd_rows(table, binary) if binary else []
    if not odd:
        return None
    found = f"{name}: the columns {listed(binary, 6)} look like one column per class, but {count_of(len(odd), 'row')} without exactly one 1"
    return InputError(f"{found}{at(table.places().named(odd))}. Give every text one class, or choose the column of the labels with --label-column.")


def _is_one(cell: str | None) -> bool:
    return (cell or "").strip().casefold() in ("1", "1.0", "true")


def _odd_rows(table: Table, binary: Sequence[str]) -> list[int]:
    columns = [table.columns[column] for column in binary]
    return [i for i, cells in enumerate(zip(*columns, strict=True)) if sum(map(_is_one, cells)) != 1]


def single_labels(cells: Sequence[str | None], column: str, table: Table, name: str) -> list[str | None]:
    """The cells with lists of one label taken out of them; an empty list is no label. Raises InputError for several labels and for objects."""
    cells = _parsed_lists(cells)
    if Nested not in set(map(type, cells)):
        return list(cells)
    labels, several = list(cells), []
    for i, cell in enumerate(cells):
        if isinstance(cell, Nested):
            value = json.loads(cell)
            if isinstance(value, list) and len(value) < 2 and not any(isinstance(inner, dict | list) for inner in value):
                labels[i] = None if not value or value[0] is None else str(value[0])
            else:
                several.append(i)
    if several:
        found = f"{count_of(len(several), 'row')} whose {shown(column)} holds a list of several or an object"
        first = shown(cells[several[0]] or "")
        remedy = "One label a text is needed: leave these rows out, or choose another column with --label-column"
        raise InputError(f"{name}: {found}{at(table.places().named(several))}, the first is {first}. {remedy}.")
    return labels


def _parsed_lists(cells: Sequence[str | None]) -> Sequence[str | None]:
    """Where every cell is written as a list or an object, in JSON or Python ("['a', 'b']"), they are Nested; else the cells as they are."""
    values = {cell for cell in set(cells) if not is_blank(cell)}
    if not values or not all(_BRACKETS.fullmatch(value.strip()) for value in values):
        return cells
    nested: dict[str | None, str | None] = {}
    for value in values:
        try:
            nested[value] = Nested(json.dumps(ast.literal_eval(value.strip()), default=str, ensure_ascii=False))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            try:
                nested[value] = Nested(json.dumps(json.loads(value), ensure_ascii=False))
            except (ValueError, RecursionError):
                return cells
    return [nested.get(cell, cell) for cell in cells]


def unmarked(labels: list[str | None], column: str) -> tuple[list[int], tuple[ReaderNote, ...]]:
    """(rows that hold a mark for no label, a note): the '-' of SNLI, where the annotators did not agree."""
    if plain_name(column) != "gold_label":
        return [], ()
    marked = [i for i, label in enumerate(labels) if label is not None and label.strip() == "-"]
    others = {label for label in labels if label and label.strip() != "-"}
    if not marked or not all(label.strip().isalpha() for label in others):
        return [], ()
    sentence = f"{count_of(len(marked), 'row')} whose {shown(column)} is '-' left out: the annotators did not agree."
    return marked, note("no_agreement", len(marked), sentence)
