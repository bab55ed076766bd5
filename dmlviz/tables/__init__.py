"""Tables for a paper: numbers from the analyses that the pages show, as LaTeX, Markdown and CSV.

TABLES is the table that command line and pages go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dmlviz.core.types import InputError
from dmlviz.core.wording import did_you_mean
from dmlviz.tables import attributions, calibration, centers, datasets, published, results, settings
from dmlviz.tables.frame import table_frame
from dmlviz.tables.latex import document, latex
from dmlviz.tables.markdown import markdown
from dmlviz.tables.table import Cell, Column, Table


class TableEntry(NamedTuple):
    """One table. A caller loads what `needs` names, in that order, and asks nothing else about it."""

    title: str
    question: str
    needs: tuple[str, ...]  # "runs", "outcomes", "centers", "attributions", "datasets"
    make: Callable[..., Table]  # make(*needs, **options)
    options: Mapping[str, Any] = {}  # name -> accepted values or its type


TABLES: dict[str, TableEntry] = {
    "results": TableEntry("Results", "Which method is best where?", ("runs",), results.make, results.OPTIONS),
    "published": TableEntry("Published and reproduced", "Do our runs reach what was published?", ("runs",), published.make, {"protocol": str}),
    "calibration": TableEntry("Calibration", "Do probabilities mean what they say?", ("outcomes",), calibration.make),
    "centers": TableEntry("Use of centres", "How many centres does a class really use?", ("centers",), centers.make, centers.OPTIONS),
    "attributions": TableEntry("Reliability of attributions", "Can the reasons be believed?", ("attributions",), attributions.make),
    "datasets": TableEntry("Data sets", "What was trained and tested on?", ("runs", "datasets"), datasets.make),
    "settings": TableEntry("Settings", "How was each method trained?", ("runs",), settings.make),
}


def entry(name: str) -> TableEntry:
    """The table of that name, or a sentence with the known ones."""
    if name not in TABLES:
        raise InputError(f"unknown table {name[:60]!r}; known: {', '.join(TABLES)}.{did_you_mean(name, TABLES)}")
    return TABLES[name]


__all__ = ["TABLES", "Cell", "Column", "Table", "TableEntry", "document", "entry", "latex", "markdown", "table_frame"]
