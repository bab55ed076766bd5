"""A table as Markdown (GitHub's tables): nothing in a cell is markup."""

from __future__ import annotations

from dmlviz.figures.base.markdown_text import markdown_text as plain
from dmlviz.tables.layout import NUMBER
from dmlviz.tables.table import Cell, Column, Table

RULES = {"l": ":--", "r": "--:", "c": ":-:"}


def markdown(table: Table) -> str:
    """Caption, table, notes. Best bold, second underlined, marks as superscripts; names of groups stand before their columns' own."""
    heads = [_head(column) for column in table.columns]
    lines = [_line(heads), _line([RULES[column.align] for column in table.columns])]
    lines += [_line([_cell(cell) for cell in row]) for row in table.rows]
    return "\n\n".join([f"**{plain(table.title)}.** {plain(table.caption)}", "\n".join(lines), *map(plain, table.notes)]) + "\n"


def _head(column: Column) -> str:
    return plain(f"{column.group}, {column.header}" if column.group else column.header)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    found = NUMBER.fullmatch(cell.text)
    front, rest = (plain(found["mean"]), plain(cell.text[found.end("mean") :])) if found else (plain(cell.text), "")
    if front and (cell.best or cell.second):
        front = f"**{front}**" if cell.best else f"<u>{front}</u>"
    return front + (f" {rest.strip()}" if rest else "") + (f"<sup>{plain(cell.marks)}</sup>" if cell.marks else "")
