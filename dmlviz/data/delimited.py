"""CSV and TSV: text -> a table of cells."""

from __future__ import annotations

import csv
import io
import re
import sys

from dmlviz.data.columns import Table, looks_headerless, unique_names
from dmlviz.data.decoding import decode
from dmlviz.data.wording import count_of, note, shown
from dmlviz.records import InputError, ReaderNote

csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)  # the default refuses cells above 128 kB


def read_csv(raw: bytes, name: str) -> Table:
    """Comma-separated cells; `;`, tab and `|` are taken where they divide the first lines more evenly."""
    text, notes = decode(raw, name)
    delimiter = _delimiter(text)
    if delimiter != ",":
        notes += note("columns", 1, f"cells are separated by {shown(delimiter)}.")
    return _as_table(_cells(text, name, delimiter), name, notes)


def _delimiter(text: str) -> str:
    """The sign that every one of the first lines has, as often in each as in the others; a comma in doubt."""
    lines = [line for line in re.sub(r'"[^"]*"', "", text[:20_000]).splitlines() if line.strip()][:20]

    def evenness(sign: str) -> tuple[bool, bool, int]:
        found = [line.count(sign) for line in lines] or [0]
        return min(found) > 0, min(found) > 0 and len(set(found)) == 1, found[0]

    return max(",;\t|", key=evenness)


def read_tsv(raw: bytes, name: str) -> Table:
    """Tab-separated cells; quote signs are letters where the file does not use them as quotes (MRPC, SST)."""
    text, notes = decode(raw, name)
    try:
        return _as_table(_cells(text, name, "\t"), name, notes)
    except InputError:
        if '"' not in text:
            raise
    notes += note("columns", 1, "quote signs were read as part of the texts.")
    return _as_table(_cells(text, name, "\t", quoting=csv.QUOTE_NONE), name, notes)


def _cells(text: str, name: str, delimiter: str, quoting: int = csv.QUOTE_MINIMAL) -> list[tuple[int, list[str]]]:
    """(line, cells) of every line that is not blank. Raises InputError naming the line where quotes do not close."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=quoting != csv.QUOTE_NONE)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise InputError(f'{name}, line {line}: a quoted cell begins here and never ends; is the file cut off, or a " missing?') from None
        raise InputError(f'{name}, line {line}: {error}. Put the whole cell into quotes and write "" for a quote sign inside it.') from None
    return rows


def _as_table(rows: list[tuple[int, list[str]]], name: str, notes: tuple[ReaderNote, ...]) -> Table:
    if not rows:
        raise InputError(f"{name} has no rows; a header line and at least two texts are needed.")
    header = not looks_headerless([cells for _, cells in rows[:200]])
    names = unique_names([cell.strip() for cell in rows[0][1]] if header else [""] * len(rows[0][1]))
    body = rows[1:] if header else rows
    if not body:
        raise InputError(f"{name} has a header line only; add at least two texts with different labels.")
    width = len(names)
    for line, cells in body:
        if len(cells) > width and any(cells[width:]):
            found = f"{count_of(len(cells), 'cell')}, but the first line has {width}"
            raise InputError(f"{name}, line {line}: {found}; put quotes around a text that holds the separator.")
        cells += [""] * (width - len(cells))
    columns = {column: [cells[i] for _, cells in body] for i, column in enumerate(names)}
    return Table(columns, [line for line, _ in body], "line", header, notes)
