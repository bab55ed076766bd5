"""The table of formats: an ending and the function that makes a table of cells of a file's bytes. Which column is what is decided in columns.py."""

from __future__ import annotations

from collections.abc import Callable

from dmlviz.data.arrow_tables import parquet_table
from dmlviz.data.columns import Table
from dmlviz.data.delimited import read_csv, read_tsv
from dmlviz.data.json_tables import read_json, read_jsonl

MAX_BYTES = 500 * 2**20  # of a file, also after unpacking


def read_parquet(raw: bytes, name: str) -> Table:
    """A Parquet table; numbers and booleans become their plain text."""
    return parquet_table(raw, name, MAX_BYTES)


READERS: dict[str, Callable[[bytes, str], Table]] = {
    ".csv": read_csv, ".tsv": read_tsv, ".tab": read_tsv, ".jsonl": read_jsonl, ".ndjson": read_jsonl, ".json": read_json, ".parquet": read_parquet,
}  # fmt: skip
