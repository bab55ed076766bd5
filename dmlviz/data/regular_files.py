"""Large CSV and TSV files whose every line is a row: read by pyarrow, to exactly what delimited.py reads, in less time and memory.

`regular_table` answers None for whatever it is not sure of; then the careful reader reads. What it is sure of, byte by byte: UTF-8 without zero
bytes, lines that end in line feeds (with or without carriage returns), no blank line and nothing above the table, quotes only around whole cells
(doubled inside) and never over the end of a line, and the same number of cells in every line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from dmlviz.core.types import ReaderNote
from dmlviz.data.decoding import BOM_NOTE, MAGIC, is_binary
from dmlviz.data.delimited import delimiter_note, delimiter_of, lines_above, row_of
from dmlviz.data.tables import Table, table_of_columns

CHUNK = 2**20  # bytes that are looked at together; a file with a longer line is left to the careful reader
HEAD = 400_000  # bytes from which separator and header are told; 100,000 letters at least
BOM = b"\xef\xbb\xbf"
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13


def regular_table(open_stream: Callable[[], BinaryIO], name: str) -> Table | None:
    """The table of the file that `open_stream` opens (twice), or None where the careful reader has to look at it."""
    with open_stream() as stream:
        head = stream.read(HEAD)
    found = _dialect(head, name)
    if found is None:
        return None
    delimiter, width, notes = found
    with open_stream() as stream:
        quoted = _quoting(stream, delimiter)
    if quoted is None:
        return None
    with open_stream() as stream:
        columns = _columns(stream, delimiter, width, quoted)
    if columns is None or _has_empty_row(columns):
        return None
    return table_of_columns(columns, range(1, len(columns[0]) + 1), name, notes)


def stream_of(raw: bytes) -> Callable[[], BinaryIO]:
    """Opens bytes in memory; nothing is copied."""
    return lambda: io.BytesIO(raw)


def _dialect(head: bytes, name: str) -> tuple[str, int, tuple[ReaderNote, ...]] | None:
    """(separator, number of cells, notes) as the careful reader tells them from the first letters; None where it would do something special."""
    if any(head.startswith(magic) for magic in MAGIC):
        return None
    text = head.removeprefix(BOM).decode("utf-8", errors="ignore")
    if is_binary(text[:100_000]) or not text.strip() or text.startswith("\ufeff"):
        return None
    given = "\t" if _is_tsv(name) and "\t" in text.split("\n", 1)[0] else None
    if text.lstrip().startswith("{") or re.match(r'"?sep=', text) or lines_above(text, given):
        return None
    delimiter = given or delimiter_of(text)
    first = row_of(text.split("\n", 1)[0].removesuffix("\r"), delimiter)
    if first is None or len(first) < 2:
        return None
    return delimiter, len(first), (BOM_NOTE if head.startswith(BOM) else ()) + delimiter_note(delimiter, name)


def _is_tsv(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith((".tsv", ".tab"))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, in pieces of about CHUNK bytes; a longer line comes without its end, as the last piece."""
    rest = b""
    while len(rest) <= CHUNK and (chunk := stream.read(CHUNK)):
        chunk = rest + chunk
        end = chunk.rfind(b"\n") + 1
        rest = chunk[end:]
        if end:
            yield chunk[:end]
    yield rest


def _quoting(stream: BinaryIO, delimiter: str) -> bool | None:
    """Are there quoted cells? None where a byte or a line is none of the regular ones."""
    quoted = ended = False
    for number, chunk in enumerate(_chunks(stream)):
        if len(chunk) > CHUNK and b"\n" not in chunk:
            return None  # a line longer than a piece
        chunk = chunk.removeprefix(BOM) if number == 0 else chunk
        lines = chunk.rstrip(b"\r\n")
        if not lines:
            ended = ended or bool(chunk)  # blank lines: fine at the end of the file alone
            continue
        if ended or not _plain(chunk) or lines.startswith((b"\n", b"\r")) or b"\n\n" in lines or b"\n\r\n" in lines:
            return None
        ended = chunk.count(b"\n", len(lines)) > 1
        if b'"' in chunk:
            if not _quotes_fit(chunk, ord(delimiter)):
                return None
            quoted = True
    return quoted


def _plain(chunk: bytes) -> bool:
    """UTF-8 without zero bytes, and \\r before \\n alone."""
    if b"\0" in chunk or chunk.count(b"\r") != chunk.count(b"\r\n"):
        return False
    try:
        return chunk.isascii() or bool(chunk.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _quotes_fit(chunk: bytes, delimiter: int) -> bool:
    """Does every quote open a cell, close one, or stand doubled inside; and is no line end inside of one? `chunk` is whole lines.

    Quotes are counted through: the 1st, 3rd ... open, the 2nd, 4th ... close, a doubled one closes and opens again at once.
    """
    data = np.frombuffer(chunk, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = np.where(opening > 0, data[opening - 1], _NEWLINE)
    again = np.zeros(len(opening), dtype=bool)
    again[1:] = opening[1:] == closing[:-1] + 1
    if not np.all((before == delimiter) | (before == _NEWLINE) | again):
        return False
    after = np.where(closing + 1 < len(data), data[np.minimum(closing + 1, len(data) - 1)], _NEWLINE)
    doubled = np.zeros(len(closing), dtype=bool)
    doubled[:-1] = again[1:]
    if not np.all((after == delimiter) | (after == _NEWLINE) | (after == _RETURN) | doubled):
        return False
    inside = np.searchsorted(quotes, np.flatnonzero(data == _NEWLINE)) % 2
    return not inside.any()


def _columns(stream: BinaryIO, delimiter: str, width: int, quoted: bool) -> list[list[str]] | None:
    """The cells, column by column, first line included; None where pyarrow finds a line of another width."""
    import pyarrow as pa
    from pyarrow import csv

    names = [f"f{i}" for i in range(width)]
    read = csv.ReadOptions(use_threads=False, block_size=CHUNK, column_names=names)
    parse = csv.ParseOptions(delimiter=delimiter, quote_char='"' if quoted else False, double_quote=True, newlines_in_values=False)
    convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False)
    columns: list[list[str]] = [[] for _ in names]
    known: list[dict[str, str] | None] = [{} for _ in names]  # of columns with few values, which are kept once
    try:
        with csv.open_csv(stream, read_options=read, parse_options=parse, convert_options=convert) as reader:
            for batch in reader:
                for i, column in enumerate(columns):
                    values = batch.column(i).to_numpy(zero_copy_only=False).tolist()
                    column.extend(values if known[i] is None else map(known[i].setdefault, values, values))
                    if known[i] is not None and len(known[i]) > 1000 + len(column) / 10:
                        known[i] = None
    except (pa.ArrowException, ValueError, OSError):
        return None
    return columns if columns[0] else None


def _has_empty_row(columns: list[list[str]]) -> bool:
    """A line of separators alone, which the careful reader passes over."""
    if "" not in columns[0]:
        return False
    return any(not any(cells) for cells in zip(*columns, strict=True))
