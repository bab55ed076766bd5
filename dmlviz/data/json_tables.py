"""JSON and JSON lines: text -> a table of cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.annotation_exports import flat_records
from dmlviz.data.decoding import decode
from dmlviz.data.places import numbered
from dmlviz.data.tables import PART_WORDS, Table, cell_text, is_usual_name, table_of_columns

OBJECT = '{"text": "…", "label": "…"}'
MOST_KEYS = 10_000


def read_jsonl(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """One JSON object a line. A file that begins with `[` is read as JSON."""
    text, notes = decode(raw, name, encoding)
    if text.lstrip().startswith("["):
        return _json_table(*_parsed(text, name, notes), name=name)
    records, lines, errors, doubled = [], [], [], set()
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            try:
                records.append(_value(content, doubled))
                lines.append(line)
            except (json.JSONDecodeError, RecursionError) as error:
                errors.append((line, error))
    if errors:
        raise _broken_lines(errors, name)
    return _record_table(records, lines, "line", name, notes + _doubled_note(doubled))


def read_json(raw: bytes, name: str, encoding: str | None = None) -> Table:
    """A list of objects, {"data": [...]}, {"train": [...], "test": [...]} or {"text": [...], "label": [...]}.

    A row may also be a list, [text, label]. Raises InputError naming every line or row that is none.
    """
    text, notes = decode(raw, name, encoding)
    first = text.lstrip().split("\n", 1)
    if len(first) == 2 and first[0].strip().endswith("}") and first[1].lstrip().startswith("{"):
        return read_jsonl(raw, name, encoding)
    return _json_table(*_parsed(text, name, notes), name=name)


# ---- parsing


def _value(text: str, doubled: set[str]) -> Any:
    """The JSON value, numbers as they are written. Keys that stand twice in an object are put into `doubled`; the last one counts."""

    def of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            seen: set[str] = set()
            doubled.update(key for key, _ in pairs if key in seen or seen.add(key))
        return record

    return json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=lambda _: None, object_pairs_hook=of_pairs)


def _parsed(text: str, name: str, notes: tuple[ReaderNote, ...]) -> tuple[Any, tuple[ReaderNote, ...]]:
    """The value of the whole text and the notes. Raises InputError naming the line."""
    doubled: set[str] = set()
    try:
        return _value(text, doubled), notes + _doubled_note(doubled)
    except json.JSONDecodeError as error:
        raise _broken_lines([(error.lineno, error)], name) from None
    except RecursionError as error:
        raise _broken_lines([(1, error)], name) from None


def _doubled_note(doubled: set[str]) -> tuple[ReaderNote, ...]:
    return note("same_name", len(doubled), f"keys that stand twice in one object: {listed(sorted(doubled), 5)}; the last one counts.")


def _broken_lines(errors: Sequence[tuple[int, Exception]], name: str) -> InputError:
    """All lines that are no JSON in one sentence."""
    line, error = errors[0]
    if isinstance(error, RecursionError):
        return InputError(f"{name}, line {line}: JSON nested too deeply; a flat table of texts and labels is needed.")
    reason = f"broken JSON ({error.msg}, column {error.colno})"
    if len(errors) == 1:
        return InputError(f"{name}, line {line}: {reason}; is the file cut off, or a comma or quote missing?")
    places = numbered([line for line, _ in errors])
    return InputError(f"{name}: {count_of(len(errors), 'line')} of broken JSON ({places}); line {line}: {reason}. Mend or delete these lines.")


# ---- shapes


def _json_table(value: Any, notes: tuple[ReaderNote, ...], name: str) -> Table:
    if isinstance(value, dict):
        value, more = _of_rows(value)
        notes += more
    if isinstance(value, dict):
        rows = {key: found for key, cells in value.items() if (found := _rows_in(cells)) is not None}
        parts = [key for key in rows if key.strip().casefold() in PART_WORDS]
        if "data" in rows and isinstance(rows["data"], list):
            value = rows["data"]
        elif parts and len(rows) > 1:
            return _part_table({key: rows[key] for key in parts}, name, notes + _left_out({key: rows[key] for key in rows if key not in parts}))
        elif len(rows) == 1:
            value = next(iter(rows.values()))
        else:
            return _column_table(value, name, notes)
    if not isinstance(value, list):
        raise InputError(f"{name} holds {_kind(value)}; a list of objects is needed, such as [{OBJECT}].")
    return _record_table(value, range(1, len(value) + 1), "row", name, notes)


def _of_rows(value: dict[str, Any]) -> tuple[Any, tuple[ReaderNote, ...]]:
    """(list of objects, note) of what pandas writes as "split" or "index" (an object for each row, under its number or id); else the value itself."""
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(row, list) and len(row) == len(names) for row in rows) and rows:
        records = [dict(zip(map(str, names), row, strict=True)) for row in rows]
        return records, note("export", len(rows), "the columns' names were taken from 'columns'.")
    inner = list(value.values())
    flat = lambda row: isinstance(row, dict) and not any(isinstance(cell, dict | list) for cell in row.values())  # noqa: E731
    if len(inner) > 1 and all(flat(row) and any(map(is_usual_name, row)) for row in inner) and not any(map(is_usual_name, value)):
        return inner, note("export", len(inner), f"read as one object for each row; their keys ({listed(value, 3)}) were left out.")
    return value, ()


def _rows_in(value: Any) -> list | None:
    """The rows of a list of objects or lists, or of an object of columns; None for anything else."""
    if isinstance(value, list):
        return value if value and isinstance(value[0], dict | list) else None
    if isinstance(value, dict) and value and all(isinstance(cells, list) for cells in value.values()):
        sizes = set(map(len, value.values()))
        return [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)] if len(sizes) == 1 else None
    return None


def _left_out(others: dict[str, list]) -> tuple[ReaderNote, ...]:
    """Lists whose key is no part's name (CLINC150's oos_train ...)."""
    named = ", ".join(f"{shown(key)} ({count_of(len(rows), 'row')})" for key, rows in list(others.items())[:8])
    sentence = f"left out, since the name says no part: {named}. To train on them, move their rows to train, val or test."
    return note("part", len(others), sentence)


def _part_table(parts: dict[str, list], name: str, notes: tuple[ReaderNote, ...]) -> Table:
    """One table of the lists of all parts, with a column for the part."""
    if all(isinstance(row, list) for rows in parts.values() for row in rows):
        rows = [[*row, key] for key, rows in parts.items() for row in rows]
        width = len(rows[0])
        _refuse_rows([i for i, row in enumerate(rows, start=1) if len(row) != width], f"another number of values than the first, {width - 1}", name)
        names = [*(f"column {i}" for i in range(1, width)), "part"]
        return Table({key: [cell_text(row[i]) for row in rows] for i, key in enumerate(names)}, range(1, len(rows) + 1), "row", False, notes)
    records = [row | {"part": key} if isinstance(row, dict) else row for key, rows in parts.items() for row in rows]
    return _record_table(records, range(1, len(records) + 1), "row", name, notes)


def _column_table(value: dict, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    columns = {key: list(cells.values()) if isinstance(cells, dict) else cells for key, cells in value.items()}
    columns = {key: [cell_text(cell) for cell in cells] for key, cells in columns.items() if isinstance(cells, list)}
    sizes = {key: len(cells) for key, cells in columns.items()}
    if not columns or not any(sizes.values()):
        raise InputError(f"{name} has no rows; a list of objects is needed, such as [{OBJECT}].")
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{shown(key)} {size:,}" for key, size in list(sizes.items())[:6])
        raise InputError(f"{name}: the columns have different lengths ({found}); give every text its label.")
    return Table(columns, range(1, max(sizes.values()) + 1), "row", True, notes)


def _record_table(records: list, lines: Sequence[int], unit: str, name: str, notes: tuple[ReaderNote, ...]) -> Table:
    if not records:
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    if all(isinstance(record, list) for record in records) and len({len(record) for record in records}) == 1 and records[0]:
        columns = [[cell_text(record[i]) or "" for record in records] for i in range(len(records[0]))]
        return table_of_columns(columns, lines, name, notes)._replace(unit=unit)
    wrong = [(line, record) for line, record in zip(lines, records, strict=True) if not isinstance(record, dict)]
    if len(wrong) == 1:
        raise InputError(f"{name}, {unit} {wrong[0][0]}: {_kind(wrong[0][1])} where an object is needed, such as {OBJECT}.")
    _refuse_rows([line for line, _ in wrong], f"{_kind(wrong[0][1])} where an object is needed, such as {OBJECT}" if wrong else "", name, unit)
    records, more = flat_records(records)
    keys = dict.fromkeys(key for record in records for key in record)
    if len(keys) > MOST_KEYS:
        raise InputError(f"{name} has {len(keys):,} different keys; a table with a text and a label in each object is needed.")
    return Table({key: [cell_text(record.get(key)) for record in records] for key in keys}, lines, unit, True, notes + more)


def _refuse_rows(rows: Sequence[int], reason: str, name: str, unit: str = "row") -> None:
    if rows:
        raise InputError(f"{name}: {count_of(len(rows), unit)} with {reason} ({numbered(rows, unit)}).")


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text or number", bool: "true or false", type(None): "null"}[type(value)]
