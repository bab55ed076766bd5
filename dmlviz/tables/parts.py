"""What the tables share: a number with its interval as a cell, the best of several, blocks of rows, names of data sets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dmlviz.analysis.reliability.groups import group_runs
from dmlviz.core.types import Run
from dmlviz.figures.base.theme import LOSS_COLORS
from dmlviz.figures.base.words import fixed, interval_text
from dmlviz.figures.reliability.frame import dataset_names, n_words
from dmlviz.tables.table import Cell

DASH = "–"


def measured(mean: float, low: float = math.nan, high: float = math.nan, n: int | None = None, *, digits: int = 1, scale: float = 1.0) -> Cell:
    """"92.4 ± 0.8" as a cell; both ends where the interval is cut at a bound; the number alone without an interval, a dash without a number."""
    if not math.isfinite(mean):
        return Cell(DASH, math.nan, n=n or 0)
    mean, low, high = scale * mean, scale * low, scale * high
    if not (math.isfinite(low) and math.isfinite(high)):
        return Cell(fixed(mean, digits), mean, n=n)
    return Cell(interval_text(mean, low, high, digits), mean, low=low, high=high, n=n)


def count(value: int) -> Cell:
    return Cell(f"{value:,}", value)


def ranked(cells: Sequence[Cell], *, digits: int, highest: bool = True) -> list[Cell]:
    """The same cells with the best and the second marked, by what is shown: equal numbers share a place, and two best leave no second.

    Nothing is marked where one cell is a single run: its number says little of the method, and beside it no other can be called the best.
    """
    there = [i for i, cell in enumerate(cells) if isinstance(cell.value, (int, float)) and math.isfinite(cell.value)]
    if len(there) < 2 or any((cells[i].n or 0) < 2 for i in there):
        return list(cells)
    shown = {i: (-1 if highest else 1) * round(float(cells[i].value), digits) for i in there}
    place = {i: 1 + sum(other < shown[i] for other in shown.values()) for i in there}
    return [replace(cell, best=place.get(i) == 1, second=place.get(i) == 2) for i, cell in enumerate(cells)]


def once(rows: Sequence[Sequence[Cell]], columns: int) -> list[tuple[Cell, ...]]:
    """The rows with the first `columns` blank where they repeat the row above; the value stays for machines."""
    made = []
    for above, row in zip([None, *rows], rows, strict=False):
        same = 0
        while above is not None and same < columns and above[same].text == row[same].text:
            same += 1
        made.append((*(replace(cell, text="", value=cell.text if cell.value is None else cell.value) for cell in row[:same]), *row[same:]))
    return made


def changes(keys: Sequence[object]) -> tuple[int, ...]:
    """Numbers of rows whose key is not that of the row above: where a rule stands."""
    return tuple(i for i in range(1, len(keys)) if keys[i] != keys[i - 1])


def names_of(runs: Sequence[Run]) -> dict[str, str]:
    """Content hash (or reference) -> what the data set is called, as on the pages."""
    return dataset_names(group_runs(runs))


def loss_place(loss: str) -> int:
    """Where a loss stands among others: in the order of the colours."""
    order = list(LOSS_COLORS)
    return order.index(loss) if loss in order else len(order)


def data_key(run: Run) -> str:
    return run.config.dataset_hash or run.config.dataset


def counted(counts: Iterable[int], unit: str) -> str:
    """"n = 5 draws", "n = 2 to 5 draws", "single runs"."""
    counts = list(counts)
    said = n_words(counts)
    return said if max(counts) == 1 else f"{said} {unit}"


__all__ = ["DASH", "changes", "count", "counted", "data_key", "fixed", "loss_place", "measured", "names_of", "once", "ranked"]
