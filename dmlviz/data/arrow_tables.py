"""Parquet, and the tables of the library `datasets`: columns of Arrow -> a table of cells. Numbers of a ClassLabel become its names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, note, shown
from dmlviz.data.tables import Table, cell_text, repeated_names, unique_names


def parquet_table(raw: bytes, name: str, limit: int) -> Table:
    """A Parquet table of at most `limit` bytes when unpacked; numbers and booleans become their plain text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not raw:
        raise InputError(f"{name} is empty; a table with a text and a label column is needed.")
    try:
        file = pq.ParquetFile(io.BytesIO(raw))
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if sum(groups) > limit or file.metadata.num_columns > 10_000:
            found = f"{name} unpacks to {sum(groups) / 2**20:,.0f} MB and has {count_of(file.metadata.num_columns, 'column')}"
            raise InputError(f"{found}; at most {limit // 2**20} MB and 10,000 columns are read. Keep fewer.")
        table = file.read()
        classes = class_labels(table.schema.metadata)
        keys = unique_names(table.column_names)
        columns = {key: cells_of(table.column(i).to_pylist(), classes.get(key)) for i, key in enumerate(keys)}
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"{name} cannot be read as Parquet ({reason}); write it again, or save the table as CSV.") from None
    if not table.num_rows:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    notes = repeated_names(table.column_names) + class_notes(classes)
    return Table(columns, range(1, table.num_rows + 1), "row", True, notes, classes)


def class_labels(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Column -> class names, of the ClassLabel features that `datasets` writes into the metadata of a schema. {} where there are none."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        kinds = {column: feature for column, feature in features.items() if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"}
        return {column: [str(name) for name in feature["names"]] for column, feature in kinds.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def cells_of(values: Iterable[Any], names: Sequence[str] | None) -> list[str | None]:
    """The values as cells; with `names`, class numbers become names, and numbers beyond them (-1: hidden) no label."""
    if names is None:
        return [cell_text(value) for value in values]
    return [names[value] if isinstance(value, int) and 0 <= value < len(names) else None for value in values]


def class_notes(classes: Mapping[str, Sequence[str]]) -> tuple[ReaderNote, ...]:
    named = ", ".join(f"{shown(column)} ({count_of(len(names), 'class')})" for column, names in list(classes.items())[:4])
    return note("class_names", len(classes), f"class names are those that the file keeps for {named}.")
