"""JSON and JSON lines: text -> a table of cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dmlviz.data.columns import PART_WORDS, Table, cell_text
from dmlviz.data.decoding import decode
from dmlviz.data.wording import shown
from dmlviz.records import InputError, ReaderNote


def read_jsonl(raw: bytes, name: str) -> Table:
    """One JSON object a line. A file that begins with `[` is read as JSON."""
    text, notes = decode(raw, name)
    if text.lstrip().startswith("["):
        return _json_table(_parse(text, name), name, notes)
    records, lines = [], []
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            records.append(_parse(content, name, line))
            lines.append(line)
    return _record_table(records, lines, "line", name, notes)


def read_json(raw: bytes, name: str) -> Table:
    """A list of objects, {"data": [...]}, {"train": [...], "test": [...]} or {"text": [...], "label": [...]}."""
    text, notes = decode(raw, name)
    first = text.lstrip().split("\n", 1)
    if len(first) == 2 and first[0].strip().endswith("}") and first[1].lstrip().startswith("{"):
        return read_jsonl(raw, name)
    return _json_table(_parse(text, name), name, notes)


def _parse(text: str, name: str, line: int | None = None) -> Any:
    """The JSON value, numbers as they are written. Raises InputError naming the line."""
    try:
        return json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        place = line or error.lineno
        reason = f"broken JSON ({error.msg}, column {error.colno})"
        raise InputError(f"{name}, line {place}: {reason}; is the file cut off, or a comma or quote missing?") from None
    except RecursionError:
        raise InputError(f"{name}, line {line or 1}: JSON nested too deeply; a flat table of texts and labels is needed.") from None


def _json_table(value: Any, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    if isinstance(value, dict):
        lists = {key: rows for key, rows in value.items() if isinstance(rows, list)}
        of_objects = {key: rows for key, rows in lists.items() if rows and isinstance(rows[0], dict)}
        if "data" in of_objects or len(of_objects) == 1:
            value = of_objects.get("data") or next(iter(of_objects.values()))
        elif of_objects and all(key.casefold() in PART_WORDS for key in of_objects):
            value = [row | {"part": key} if isinstance(row, dict) else row for key, rows in of_objects.items() for row in rows]
        else:
            return _column_table(value, name, notes)
    if not isinstance(value, list):
        raise InputError(f'{name} holds {_kind(value)}; a list of objects is needed, such as [{{"text": "…", "label": "…"}}].')
    return _record_table(value, range(1, len(value) + 1), "row", name, notes)


def _column_table(value: dict, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    columns = {key: list(cells.values()) if isinstance(cells, dict) else cells for key, cells in value.items()}
    columns = {key: [cell_text(cell) for cell in cells] for key, cells in columns.items() if isinstance(cells, list)}
    sizes = {key: len(cells) for key, cells in columns.items()}
    if not columns or not any(sizes.values()):
        raise InputError(f'{name} has no rows; a list of objects is needed, such as [{{"text": "…", "label": "…"}}].')
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{shown(key)} {size:,}" for key, size in list(sizes.items())[:6])
        raise InputError(f"{name}: the columns have different lengths ({found}); give every text its label.")
    return Table(columns, range(1, max(sizes.values()) + 1), "row", True, notes)


def _record_table(records: list, lines: Sequence[int], unit: str, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    for line, record in zip(lines, records, strict=True):
        if not isinstance(record, dict):
            raise InputError(f'{name}, {unit} {line}: {_kind(record)} where an object is needed, such as {{"text": "…", "label": "…"}}.')
    if not records:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    keys = dict.fromkeys(key for record in records for key in record)
    if len(keys) > 10_000:
        raise InputError(f"{name} has {len(keys):,} different keys; a table with a text and a label in each object is needed.")
    return Table({key: [cell_text(record.get(key)) for record in records] for key in keys}, lines, unit, True, notes)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text or number", bool: "true or false", type(None): "null"}[type(value)]
