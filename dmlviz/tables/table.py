"""A table for a paper: cells, columns and what is said around them. Data alone; latex, markdown and frame write it."""

from __future__ import annotations

from dataclasses import dataclass

from dmlviz.core.types import InputError

ALIGNS = ("l", "r", "c")


@dataclass(frozen=True)
class Cell:
    """What is read, and the number behind it. A measured number has `n`, and its interval's ends where there is one, in the unit of `value`."""

    text: str
    value: float | str | None = None  # as a machine reads it; None: the text itself
    best: bool = False
    second: bool = False
    marks: str = ""  # set as a superscript: "*", "a"
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Column:
    """A column's head. Neighbours of one `group` stand under its name."""

    header: str
    align: str = "l"  # one of ALIGNS
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns. Texts are as they came; whoever writes them escapes them."""

    name: str  # a row of dmlviz.tables.TABLES
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    rules: tuple[int, ...] = ()  # numbers of rows, from 0, above which a rule stands
    caption: str = ""
    notes: tuple[str, ...] = ()  # sentences below it
    label: str = ""  # what LaTeX refers to it by

    def __post_init__(self) -> None:
        for column in self.columns:
            if column.align not in ALIGNS:
                raise InputError(f"column {column.header!r} is aligned {column.align!r}; choose one of {', '.join(ALIGNS)}")
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise InputError(f"row {i} of the table {self.name} has {len(row)} cells for {len(self.columns)} columns; give it one for each")
        if any(not 0 < rule < max(len(self.rows), 1) for rule in self.rules):
            raise InputError(f"the table {self.name} has rules above rows {list(self.rules)}; a rule stands between two of its {len(self.rows)} rows")
