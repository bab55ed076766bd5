"""A table as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dmlviz.tables.table import Cell, Column, Table


def table_json(table: Table) -> dict[str, Any]:
    """As JSON holds it; `table_from_json` takes it."""
    return asdict(table)


def table_from_json(found: Mapping[str, Any]) -> Table:
    """The very table that `table_json` was given."""
    rows = tuple(tuple(Cell(**cell) for cell in row) for row in found["rows"])
    return Table(**{
        **found, "columns": tuple(Column(**one) for one in found["columns"]), "rows": rows,
        "rules": tuple(found["rules"]), "notes": tuple(found["notes"]),
    })  # fmt: skip
