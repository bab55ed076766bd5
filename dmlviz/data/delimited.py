"""CSV and TSV: text -> a table of cells. What stands above the table, and quote signs that are letters, are told from the rest and said."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.decoding import decode
from dmlviz.data.places import numbered
from dmlviz.data.tables import Table, is_usual_name, table_of_rows

csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)  # the default refuses cells above 128 kB
Line = tuple[int, list[str]]  # number in the file, cells
FIRST_LETTERS = 20_000  # the separator is found in these
MOST_ABOVE = 10  # lines that may stand above a table


class Reading(NamedTuple):
    """One way to read the lines."""

    rows: list[Line]
    spans: list[tuple[int, int]]  # first and last line of every row that goes over several
    error: str  # why it does not work; "" where it does
    error_line: int


def read_csv(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Comma-separated cells; `;`, tab and `|` are taken where they divide the first lines more evenly, or a first line `sep=;` says so."""
    text, notes = decode(raw, name, encoding)
    return delimited_table(text, name, notes)


def read_tsv(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Tab-separated cells; another separator only where no tab is in the first line."""
    text, notes = decode(raw, name, encoding)
    return delimited_table(text, name, notes, delimiter="\t" if "\t" in text.split("\n", 1)[0] else None)


def delimited_table(text: str, name: str, notes: tuple[ReaderNote, ...], delimiter: str | None = None) -> Table:
    """The table in the text; `delimiter` None: found out. Raises InputError naming the lines that are no rows."""
    text, skipped, said, more = _without_lines_above(text, delimiter)
    delimiter = said or delimiter or delimiter_of(text)
    notes += more if said else more + delimiter_note(delimiter, name)
    rows, more = _rows(text, name, delimiter, skipped)
    return table_of_rows(rows, name, notes + more)


# ---- what stands above the table


def _without_lines_above(text: str, delimiter: str | None) -> tuple[str, int, str | None, tuple[ReaderNote, ...]]:
    """(the table, lines taken off, the separator that `sep=` names, notes)."""
    skipped, said, notes = 0, None, ()
    first, _, rest = text.partition("\n")
    if found := re.fullmatch(r"sep=(.)\s*", first.strip('"\r ')):
        text, skipped, said = rest, 1, found[1]
        notes = note(
            "columns", 1, f"the first line, {shown(first.strip())}, says that cells are separated by {shown(said)}; it is not part of the table."
        )
    above = lines_above(text, said or delimiter)
    if above:
        text = text.split("\n", len(above))[-1]
        sentence = f"{count_of(len(above), 'line')} above the table skipped: {listed([line.strip() for line in above], 5)}."
        notes += note("above", len(above), sentence)
    return text, skipped + len(above), said, notes


def lines_above(text: str, delimiter: str | None) -> list[str]:
    """The first lines that are comments (#), or a title over a header of usual names. A header that begins with # is none."""
    lines = text[: 5 * FIRST_LETTERS].split("\n", MOST_ABOVE + 1)[: MOST_ABOVE + 1]
    comments = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    if comments:
        cells = _cells_of(lines[comments], delimiter)
        head = _cells_of(lines[comments - 1], delimiter)
        if len(head) == len(cells) > 1 and not any(map(is_usual_name, cells)):
            comments -= 1
    else:
        widths = [sum(bool(cell.strip()) for cell in _cells_of(line, delimiter)) for line in lines]
        wide = next((i for i, width in enumerate(widths) if width > 1), 0)
        comments = wide if sum(map(is_usual_name, _cells_of(lines[wide], delimiter))) > 1 else 0
    return lines[:comments]


def _cells_of(line: str, delimiter: str | None) -> list[str]:
    """The line's cells by the given separator, else by whichever divides it most."""
    line = re.sub(r'"[^"]*"', lambda quoted: quoted[0].replace(",", " "), line.rstrip("\r"))
    return max((line.split(sign) for sign in (delimiter or ",;\t|")), key=len)


def delimiter_of(text: str) -> str:
    """The sign that every one of the first lines has, as often in each as in the others; a comma in doubt."""
    head = text[:FIRST_LETTERS]
    if len(text) > FIRST_LETTERS:  # whole rows only: not half a line, nor half a quoted cell
        whole = head[: head.rfind('"')] if head.count('"') % 2 else head
        head = whole[: whole.rfind("\n") + 1] or head
    lines = [line for line in re.sub(r'"[^"]*"', "", head).splitlines() if line.strip(" ")][:20]

    def evenness(sign: str) -> tuple[bool, bool, int]:
        counts = [line.count(sign) for line in lines] or [0]
        return min(counts) > 0, min(counts) > 0 and len(set(counts)) == 1, counts[0]

    return max(",;\t|", key=evenness)


def delimiter_note(delimiter: str, name: str) -> tuple[ReaderNote, ...]:
    """A separator that the ending does not say."""
    usual = "\t" if name.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else ","
    return note("columns", int(delimiter != usual), f"cells are separated by {shown(delimiter)}.")


# ---- rows


def _rows(text: str, name: str, delimiter: str, skipped: int) -> tuple[list[Line], tuple[ReaderNote, ...]]:
    """The rows, quoted as in RFC 4180; line by line where that loses rows or fails and every line is a whole row by itself."""
    quoted = _quoted(text, delimiter, skipped)
    if not quoted.error and _only_with_quotes(text, delimiter, skipped, quoted):
        return quoted.rows, _spans_note(quoted.spans)
    lines, odd, broken = _line_by_line(text, delimiter, skipped)
    if not broken and _better_by_line(lines, odd, quoted):
        kind = "quote signs were read as part of the texts"
        lost = f"; read as quotes, they would make {len(quoted.rows) - 1:,} rows of {len(lines) - 1:,}" if not quoted.error else ""
        if odd is None:
            return lines, note("quotes", 1, f"{kind}{lost}.")
        return lines, note("quotes", len(odd), f"in {count_of(len(odd), 'line')} ({numbered(odd)}) {kind}: they close no cell{lost}.")
    if quoted.error:
        raise _quote_error(name, quoted, broken)
    return quoted.rows, _spans_note(quoted.spans)


def _spans_note(spans: list[tuple[int, int]]) -> tuple[ReaderNote, ...]:
    places = ", ".join(f"{a}-{b}" for a, b in spans[:20]) + (f" and {len(spans) - 20:,} more" if len(spans) > 20 else "")
    found = f"{count_of(len(spans), 'row')} over several lines (lines {places})"
    return note("spans", len(spans), f"{found}: a quoted text goes on there; a stray quote sign would look the same.")


def _only_with_quotes(text: str, delimiter: str, skipped: int, quoted: Reading) -> bool:
    """Is a line of the rows that go over several no row by itself, so that the lines need not all be read one by one?"""
    if not quoted.spans:
        return True
    width, spans = 0, iter(quoted.spans)
    first, last = next(spans)
    for i, line in enumerate(_lines(text), start=skipped + 1):
        line = line.rstrip("\r\n")
        if not width and line.strip():
            width = _width(line, delimiter)
        if i > last:
            if (span := next(spans, None)) is None:
                return False
            first, last = span
        if i >= first and line.strip() and any(cells := line.split(delimiter)) and width not in (len(cells), len(row_of(line, delimiter) or ())):
            return True
    return False


def _width(header: str, delimiter: str) -> int:
    return len(row_of(header, delimiter) or header.split(delimiter))


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends, as `io.StringIO(text, newline="")` gives them. It would hold the text at four bytes a letter."""
    if text.count("\r") != text.count("\r\n"):
        yield from io.StringIO(text, newline="")
        return
    start = 0
    while end := text.find("\n", start) + 1:
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _quoted(text: str, delimiter: str, skipped: int) -> Reading:
    """By the rules of CSV: a cell in quotes may hold separators and line ends. Blank lines are left out."""
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    rows: list[Line] = []
    spans: list[tuple[int, int]] = []
    line = skipped + 1
    try:
        for cells in reader:
            last = reader.line_num + skipped
            if any(cells):
                rows.append((line, cells))
                if last > line:
                    spans.append((line, last))
            line = last + 1
    except csv.Error as error:
        return Reading(rows, spans, str(error), line)
    return Reading(rows, spans, "", 0)


def _line_by_line(text: str, delimiter: str, skipped: int) -> tuple[list[Line], list[int] | None, list[int]]:
    """(rows, lines whose quote signs are letters, lines that are no row of the header's width). Every line is a row of its own.

    Where no line needs quotes (MRPC, SST), all quote signs are letters, and the second is None.
    """
    lines = [(i, line) for i, line in enumerate(io.StringIO(text, newline=None), start=skipped + 1) if line.strip()]
    lines = [(i, line.rstrip("\n")) for i, line in lines]
    width = _width(lines[0][1], delimiter)
    quoting = any('"' in line and _needs_quotes(line, delimiter) for _, line in lines)
    rows, odd, broken = [], [], []
    for i, line in lines:
        cells = row_of(line, delimiter) if quoting and '"' in line else None
        if cells is None or len(cells) != width:
            odd += [i] if '"' in line else []
            cells = line.split(delimiter)
        if any(cells):
            rows.append((i, cells))
            broken += [i] if len(cells) != width else []
    return rows, odd if quoting else None, broken


def row_of(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line by the rules of CSV; None where its quotes do not fit."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), None)
    except csv.Error:
        return None


def _needs_quotes(line: str, delimiter: str) -> bool:
    """Would the line be another without its quotes: a separator or a doubled quote inside a cell, or all cells quoted?"""
    cells = row_of(line, delimiter)
    if cells is None:
        return False
    wrapped = line.startswith('"') and line.endswith('"') and line.count(f'"{delimiter}"') >= len(cells) - 1 > 0
    return wrapped or any(delimiter in cell for cell in cells) or ('""' in line and any('"' in cell for cell in cells))


def _better_by_line(lines: list[Line], odd: list[int] | None, quoted: Reading) -> bool:
    """Every line is a whole row: is that the right reading? Where quotes work but make rows that go over lines, and where some lines need quotes,
    the lines in question must hold values that a column holds elsewhere, as labels do."""
    if not quoted.error:
        return _rows_like_others(lines, {i for a, b in quoted.spans for i in range(a, b + 1)})
    return odd is None or _rows_like_others(lines, set(odd))


def _rows_like_others(lines: list[Line], numbers: set[int]) -> bool:
    here, there = ([cells for i, cells in lines[1:] if (i in numbers) is side] for side in (True, False))
    for column in range(len(lines[0][1])):
        values = {cells[column] for cells in here}
        few = len(values) <= max(2, len(here) / 4)
        if few and (values <= {cells[column] for cells in there} or not there):
            return True
    return False


def _quote_error(name: str, quoted: Reading, broken: list[int]) -> InputError:
    if len(broken) > 1:
        found = f"{count_of(len(broken), 'line')} whose quotes do not fit, or with another number of cells ({numbered(broken)})"
        return InputError(f'{name}: {found}. Put every cell that holds a separator into quotes and write "" for a quote sign inside it.')
    if "end of data" in quoted.error:
        place = f"{name}, line {quoted.error_line}"
        return InputError(f'{place}: a quoted cell begins here and never ends; is the file cut off, or a " missing?')
    place = f"{name}, line {quoted.error_line}"
    return InputError(f'{place}: {quoted.error}. Put the whole cell into quotes and write "" for a quote sign inside it.')
