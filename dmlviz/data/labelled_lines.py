"""Text files: fastText's lines `__label__x text`, or a table with the ending .txt."""

from __future__ import annotations

import re

from dmlviz.core.types import InputError
from dmlviz.core.wording import count_of, note
from dmlviz.data.decoding import decode
from dmlviz.data.delimited import delimited_table, delimiter_of
from dmlviz.data.places import numbered
from dmlviz.data.tables import Table

_LABELS = re.compile(r"((?:__label__\S+\s+)*__label__\S+)(?:\s+|$)(.*)")


def read_txt(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """Lines of fastText, else a table whose separator divides every line. Raises InputError for lines of text alone, or several labels on a line."""
    text, notes = decode(raw, name, encoding)
    lines = [(i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if any(line.lstrip().startswith("__label__") for _, line in lines[:20]):
        columns, numbers = _fasttext(lines, name)
        return Table(columns, numbers, "line", True, notes + note("export", len(numbers), "read as lines of fastText, __label__x text."))
    delimiter = delimiter_of(text)
    if not all(delimiter in line for _, line in lines[:20]):
        found = "lines without __label__ (fastText) and without a separator that divides all of them"
        raise InputError(f"{name} holds {found}; save the table as CSV, TSV or JSONL, or put the texts of each class into a folder of its own.")
    return delimited_table(text, name, notes, delimiter)


def _fasttext(lines: list[tuple[int, str]], name: str) -> tuple[dict[str, list[str]], list[int]]:
    found = [(i, _LABELS.match(line.strip())) for i, line in lines]
    without = [i for i, match in found if match is None]
    several = [i for i, match in found if match is not None and match[1].count("__label__") > 1]
    if without:
        raise InputError(f"{name}: {count_of(len(without), 'line')} without __label__ at the start ({numbered(without)}); give every text its label.")
    if several:
        sentence = f"{count_of(len(several), 'line')} with several labels ({numbered(several)}); one label a text is needed"
        raise InputError(f"{name}: {sentence}. Leave these lines out or keep one label.")
    columns = {"text": [match[2] for _, match in found], "label": [match[1].removeprefix("__label__") for _, match in found]}
    return columns, [i for i, _ in found]
