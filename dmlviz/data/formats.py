"""The table of formats: an ending and the function that makes a table of cells of a file's bytes. Which column is what is decided in columns.py."""

from __future__ import annotations

import json
from collections.abc import Callable

from dmlviz.core.wording import note
from dmlviz.data import delimited
from dmlviz.data.arrow_tables import parquet_table
from dmlviz.data.json_tables import read_json, read_jsonl
from dmlviz.data.labelled_lines import read_txt
from dmlviz.data.regular_files import regular_table, stream_of
from dmlviz.data.spreadsheets import xlsx_table
from dmlviz.data.tables import Table

LARGE = 1_000_000  # bytes from which a regular file is looked for: below, pyarrow takes longer to load than it saves
MAX_BYTES = 500 * 2**20  # of a file, also after unpacking


def read_csv(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Comma-separated cells; a large file by pyarrow where its lines are regular."""
    return _json_lines(raw, name, encoding) or _regular(raw, name, encoding) or delimited.read_csv(raw, name, encoding)


def read_tsv(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Tab-separated cells; a large file by pyarrow where its lines are regular."""
    return _json_lines(raw, name, encoding) or _regular(raw, name, encoding) or delimited.read_tsv(raw, name, encoding)


def _regular(raw: bytes, name: str, encoding: str | None) -> Table | None:
    return regular_table(stream_of(raw), name) if encoding is None and len(raw) > LARGE else None


def read_text(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Lines of fastText, or a table with the ending .txt."""
    return _json_lines(raw, name, encoding) or read_txt(raw, name, encoding)


def _json_lines(raw: bytes, name: str, encoding: str | None) -> Table | None:
    """The table of JSON lines under another ending; None where the first line is no JSON object."""
    if not raw[:65_536].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(raw.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or len(found) < 2:
        return None
    table = read_jsonl(raw, name, encoding)
    return table._replace(notes=table.notes + note("columns", 1, "its lines are JSON objects, so it was read as JSON lines."))


def read_parquet(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """A Parquet table; numbers and booleans become their plain text. It says its encoding itself."""
    return parquet_table(raw, name, MAX_BYTES)


def read_xlsx(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """An Excel sheet. It says its encoding itself."""
    return xlsx_table(raw, name, MAX_BYTES)


READERS: dict[str, Callable[[bytes, str, str | None], Table]] = {
    ".csv": read_csv, ".tsv": read_tsv, ".tab": read_tsv, ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".json": read_json, ".parquet": read_parquet,
    ".xlsx": read_xlsx, ".txt": read_text,
}  # fmt: skip
