"""Bytes of a file -> a table of text cells. One function per format; which column is what is decided in columns.py."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dmlviz.data.columns import PART_WORDS, Nested, Table, looks_headerless, unique_names
from dmlviz.data.wording import count_of, note, shown
from dmlviz.records import InputError, ReaderNote

MAX_BYTES = 500 * 2**20  # of a file, also after unpacking
_MAGIC = {
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or an Office document", b"\xd0\xcf\x11\xe0": "an old Office document", b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x7fELF": "a program", b"ARROW1": "an Arrow file", b"\x93NUMPY": "a NumPy array", b"\x80\x04\x95": "a Python pickle",
}  # fmt: skip
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32-le"), (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)  # the default refuses cells above 128 kB


def decode(raw: bytes, name: str) -> tuple[str, tuple[ReaderNote, ...]]:
    """Text of the bytes: by byte-order mark, else UTF-8, else UTF-16 by its zero bytes, else line by line UTF-8 or Windows-1252."""
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            raise InputError(f"{name} is {kind}, not text; save the table as CSV, TSV, JSONL, JSON or Parquet (with that ending).")
    text, notes = _decode_marked(raw) or _decode_unmarked(raw)
    text = text.removeprefix("\ufeff")
    head = text[:100_000]
    if len(_CONTROL.findall(head)) > max(8, len(head) / 20):
        raise InputError(f"{name} is not text: many of its bytes are control characters. Save the table as CSV, TSV, JSONL, JSON or Parquet.")
    if not text.strip():
        raise InputError(f"{name} is empty; a table with a text and a label column is needed.")
    return text, notes


def _decode_marked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]] | None:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            try:
                text = raw[len(mark) :].decode(encoding)
            except UnicodeDecodeError:
                continue
            return text, note("encoding", 1, f"the byte-order mark was taken off; the file was read as {encoding.upper()}.")
    return None


def _decode_unmarked(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    for position, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = raw[position:4000:2]
        if len(half) > 4 and half.count(0) > 0.7 * len(half) and len(raw) % 2 == 0:
            return raw.decode(encoding, errors="replace"), note("encoding", 1, f"the file has no byte-order mark and was read as {encoding.upper()}.")
    try:
        return raw.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _decode_lines(raw)


def _decode_lines(raw: bytes) -> tuple[str, tuple[ReaderNote, ...]]:
    lines, odd, kind = [], 0, "Windows-1252"
    for line in raw.split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
            continue
        except UnicodeDecodeError:
            odd += 1
        try:
            lines.append(line.decode("windows-1252"))
        except UnicodeDecodeError:
            kind = "Windows-1252 or Latin-1"
            lines.append(line.decode("latin-1"))
    return "\n".join(lines), note("encoding", odd, f"{count_of(odd, 'line')} not in UTF-8, read as {kind}; check the accents.")


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


def read_jsonl(raw: bytes, name: str) -> Table:
    """One JSON object a line. A file that begins with `[` is read as JSON."""
    text, notes = decode(raw, name)
    if text.lstrip().startswith("["):
        return _json_table(_parse(text, name), name, notes)
    records, lines = [], []
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            records.append(_parse(content, name, line))
            lines.append(line)
    return _record_table(records, lines, "line", name, notes)


def read_json(raw: bytes, name: str) -> Table:
    """A list of objects, {"data": [...]}, {"train": [...], "test": [...]} or {"text": [...], "label": [...]}."""
    text, notes = decode(raw, name)
    first = text.lstrip().split("\n", 1)
    if len(first) == 2 and first[0].strip().endswith("}") and first[1].lstrip().startswith("{"):
        return read_jsonl(raw, name)
    return _json_table(_parse(text, name), name, notes)


def _parse(text: str, name: str, line: int | None = None) -> Any:
    """The JSON value, numbers as they are written. Raises InputError naming the line."""
    try:
        return json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        place = line or error.lineno
        reason = f"broken JSON ({error.msg}, column {error.colno})"
        raise InputError(f"{name}, line {place}: {reason}; is the file cut off, or a comma or quote missing?") from None
    except RecursionError:
        raise InputError(f"{name}, line {line or 1}: JSON nested too deeply; a flat table of texts and labels is needed.") from None


def _json_table(value: Any, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    if isinstance(value, dict):
        lists = {key: rows for key, rows in value.items() if isinstance(rows, list)}
        of_objects = {key: rows for key, rows in lists.items() if rows and isinstance(rows[0], dict)}
        if "data" in of_objects or len(of_objects) == 1:
            value = of_objects.get("data") or next(iter(of_objects.values()))
        elif of_objects and all(key.casefold() in PART_WORDS for key in of_objects):
            value = [row | {"part": key} if isinstance(row, dict) else row for key, rows in of_objects.items() for row in rows]
        else:
            return _column_table(value, name, notes)
    if not isinstance(value, list):
        raise InputError(f'{name} holds {_kind(value)}; a list of objects is needed, such as [{{"text": "…", "label": "…"}}].')
    return _record_table(value, range(1, len(value) + 1), "row", name, notes)


def _column_table(value: dict, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    columns = {key: list(cells.values()) if isinstance(cells, dict) else cells for key, cells in value.items()}
    columns = {key: [cell_text(cell) for cell in cells] for key, cells in columns.items() if isinstance(cells, list)}
    sizes = {key: len(cells) for key, cells in columns.items()}
    if not columns or not any(sizes.values()):
        raise InputError(f'{name} has no rows; a list of objects is needed, such as [{{"text": "…", "label": "…"}}].')
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{shown(key)} {size:,}" for key, size in list(sizes.items())[:6])
        raise InputError(f"{name}: the columns have different lengths ({found}); give every text its label.")
    return Table(columns, range(1, max(sizes.values()) + 1), "row", True, notes)


def _record_table(records: list, lines: Sequence[int], unit: str, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    for line, record in zip(lines, records, strict=True):
        if not isinstance(record, dict):
            raise InputError(f'{name}, {unit} {line}: {_kind(record)} where an object is needed, such as {{"text": "…", "label": "…"}}.')
    if not records:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    keys = dict.fromkeys(key for record in records for key in record)
    if len(keys) > 10_000:
        raise InputError(f"{name} has {len(keys):,} different keys; a table with a text and a label in each object is needed.")
    return Table({key: [cell_text(record.get(key)) for record in records] for key in keys}, lines, unit, True, notes)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text or number", bool: "true or false", type(None): "null"}[type(value)]


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


def read_parquet(raw: bytes, name: str) -> Table:
    """A Parquet table; numbers and booleans become their plain text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not raw:
        raise InputError(f"{name} is empty; a table with a text and a label column is needed.")
    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if sum(groups) > MAX_BYTES or file.metadata.num_columns > 10_000:
            found = f"{name} unpacks to {sum(groups) / 2**20:,.0f} MB and has {count_of(file.metadata.num_columns, 'column')}"
            raise InputError(f"{found}; at most {MAX_BYTES // 2**20} MB and 10,000 columns are read. Keep fewer.")
        table = file.read()
        columns = {key: [cell_text(cell) for cell in table.column(i).to_pylist()] for i, key in enumerate(unique_names(table.column_names))}
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"{name} cannot be read as Parquet ({reason}); write it again, or save the table as CSV.") from None
    if not table.num_rows:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    return Table(columns, range(1, table.num_rows + 1), "row", True)


READERS: dict[str, Callable[[bytes, str], Table]] = {
    ".csv": read_csv, ".tsv": read_tsv, ".tab": read_tsv, ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".json": read_json, ".parquet": read_parquet,
}  # fmt: skip
