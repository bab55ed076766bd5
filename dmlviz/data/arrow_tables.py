"""Parquet: bytes -> a table of cells."""

from __future__ import annotations

import io

from dmlviz.data.columns import Table, cell_text, unique_names
from dmlviz.data.wording import count_of
from dmlviz.records import InputError


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
        columns = {key: [cell_text(cell) for cell in table.column(i).to_pylist()] for i, key in enumerate(unique_names(table.column_names))}
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"{name} cannot be read as Parquet ({reason}); write it again, or save the table as CSV.") from None
    if not table.num_rows:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    return Table(columns, range(1, table.num_rows + 1), "row", True)
