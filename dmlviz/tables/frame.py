"""A table as machines read it: plain numbers, ends of intervals and n in columns of their own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dmlviz.figures.base.words import whole
from dmlviz.tables.table import Cell, Table

MEASURED = ("mean", "low", "high", "n", "best", "second", "marks")


def table_frame(table: Table) -> pd.DataFrame:
    """One row per measured number where the table holds intervals or an n: the columns that say what it is of, its own column ("group", "number"),
    and MEASURED. Else one row per row, one column per column. Written by `export.csv_bytes`, which keeps spreadsheets from running a cell."""
    measured = [i for i in range(len(table.columns)) if any(row[i].n is not None for row in table.rows)]
    names = _names(table)
    if not measured:
        return pd.DataFrame([{name: value(cell) for name, cell in zip(names, row, strict=True)} for row in table.rows], columns=names)
    keys = [i for i in range(len(table.columns)) if i not in measured and names[i] not in MEASURED]  # each number brings its own n
    rows = [{**{names[i]: value(row[i]) for i in keys}, **_number(table, i, row[i])} for row in table.rows for i in measured]
    return pd.DataFrame(rows, columns=[*(names[i] for i in keys), *(["group"] if _grouped(table, measured) else []), "number", *MEASURED])


def value(cell: Cell) -> Any:
    """The number behind a cell, else its text."""
    found = cell.text if cell.value is None else cell.value
    return whole(found) if isinstance(found, str) else found


def _number(table: Table, i: int, cell: Cell) -> dict[str, Any]:
    column = table.columns[i]
    mean = cell.value if isinstance(cell.value, (int, float)) else float("nan")
    return {"group": whole(column.group), "number": whole(column.header), "mean": mean, "low": cell.low, "high": cell.high, "n": cell.n or 0,
            "best": cell.best, "second": cell.second, "marks": whole(cell.marks)}  # fmt: skip


def _grouped(table: Table, measured: list[int]) -> bool:
    return any(table.columns[i].group for i in measured)


def _names(table: Table) -> list[str]:
    """A name per column; repeated ones are counted."""
    names: list[str] = []
    for column in table.columns:
        name = whole(f"{column.group}: {column.header}" if column.group else column.header)
        taken = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({taken + 1})" if name in names else name)
    return names
