"""A figure's table as a CSV that is exact both ways, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dmlviz.core.types import InputError

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", " =", " +", " -", " @", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # a spreadsheet would run it
DTYPE = re.compile(r"u?int(8|16|32|64)|float(16|32|64)|bool|object|category|str|string|<U\d{1,4}")
NUMBERS = {"float64": float, "float32": np.float32, "float16": np.float16}


def harmless(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would run it. `restored` takes it off again."""
    return f"'{text}" if text.lstrip("'").startswith(RISKY) else text


def restored(text: str) -> str:
    """What `harmless` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(RISKY) else text


def write_frame(frame: pd.DataFrame) -> tuple[bytes, dict[str, Any]]:
    """(CSV in UTF-8, what its columns are). Kinds: those of NUMBERS, int, bool, text, category (missing cells are listed), json for what is mixed."""
    columns, cells = [], []
    for name in frame.columns:
        kind, missing, written = _column(frame[name])
        told = {"name": str(name), "kind": kind, "dtype": str(frame[name].dtype), **({"missing": missing} if missing else {})}
        columns.append(told | ({"categories": frame[name].cat.categories.tolist()} if kind == "category" else {}))
        cells.append(written)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([harmless(str(name)) for name in frame.columns])
    writer.writerows(zip(*cells, strict=True))
    return buffer.getvalue().encode("utf-8", "surrogatepass"), {"rows": len(frame), "columns": columns}


def read_frame(data: bytes, schema: Mapping[str, Any]) -> pd.DataFrame:
    """The table that `write_frame` was given, equal to the last bit. Raises InputError for a file that does not fit its schema."""
    collects = gc.isenabled()
    gc.disable()  # millions of cells, none of them in a cycle: looking through them again and again takes most of the time
    try:
        return _read(data, schema)
    except InputError:
        raise
    except Exception as error:  # whatever somebody wrote into the description
        raise InputError(f"the data's description is not understood ({type(error).__name__}); take the bundle's own file again") from None
    finally:
        if collects:
            gc.enable()


def _read(data: bytes, schema: Mapping[str, Any]) -> pd.DataFrame:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8", "surrogatepass"), newline="")))
    except UnicodeDecodeError:
        raise InputError("the data is not UTF-8; take the bundle's own file again") from None
    names, body = [restored(cell) for cell in rows[0]] if rows else [], rows[1:]
    wanted = [column["name"] for column in schema["columns"]]
    if names != wanted or len(body) != schema["rows"] or any(len(row) != len(names) for row in body):
        raise InputError(
            f"the data has {len(body):,} rows and the columns {', '.join(names)[:80]!r}, its description says {schema['rows']:,} and "
            f"{', '.join(wanted)[:80]!r}; take the bundle's own file again"
        )
    try:
        made = {i: _series([row[i] for row in body], column) for i, column in enumerate(schema["columns"])}
    except ValueError as error:
        raise InputError(f"the data does not fit its description: {error}; take the bundle's own file again") from None
    frame = pd.DataFrame(made, index=pd.RangeIndex(len(body)))
    frame.columns = wanted
    return frame


def _column(series: pd.Series) -> tuple[str, list[int], list[str]]:
    """(kind, rows without a value, cells)."""
    dtype = str(series.dtype)
    if dtype in NUMBERS:
        return dtype, [], [repr(float(value)) for value in series.to_numpy()]
    if pd.api.types.is_bool_dtype(series.dtype) and dtype == "bool":
        return "bool", [], [str(bool(value)) for value in series.to_numpy()]
    if pd.api.types.is_integer_dtype(series.dtype) and dtype.lstrip("u").startswith("int"):
        return "int", [], [str(int(value)) for value in series.to_numpy()]
    if dtype == "category" and all(isinstance(one, str) for one in series.cat.categories):
        written = [harmless(one) for one in series.cat.categories]
        return "category", np.flatnonzero(series.isna()).tolist(), [written[code] if code >= 0 else "" for code in series.cat.codes]
    values = series.tolist()
    gaps = [i for i, value in enumerate(values) if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA]
    there = set(gaps)
    if all(isinstance(value, str) for i, value in enumerate(values) if i not in there) and (dtype != "object" or not gaps):
        return "text", gaps, ["" if i in there else harmless(value) for i, value in enumerate(values)]
    return "json", [], [harmless(json.dumps(_plain(value), ensure_ascii=True)) for value in values]


def _plain(value: Any) -> Any:
    """As JSON holds it; what JSON has no word for is marked."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, tuple):
        return {"tuple": [_plain(one) for one in value]}
    if isinstance(value, np.ndarray):
        return {"array": [_plain(one) for one in value.tolist()], "dtype": str(value.dtype)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value is pd.NA else value


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return [_back(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "float" in value:
        return float(value["float"])
    if "tuple" in value:
        return tuple(_back(one) for one in value["tuple"])
    return np.array([_back(one) for one in value["array"]], dtype=_dtype(value["dtype"]))


def _dtype(name: object) -> str:
    """One of those that tables have: another could ask for any amount of memory. Raises ValueError."""
    if not isinstance(name, str) or not DTYPE.fullmatch(name):
        raise ValueError(f"no column has the type {str(name)[:40]!r}")
    return name


def _series(cells: list[str], column: Mapping[str, Any]) -> pd.Series:
    kind, dtype = column["kind"], _dtype(column["dtype"])
    if kind in NUMBERS:
        return pd.Series(np.array(list(map(float, cells)), dtype=kind))
    if kind == "bool":
        return pd.Series(np.array([cell == "True" for cell in cells], dtype=bool))
    if kind == "int":
        return pd.Series(np.array(list(map(int, cells)), dtype=dtype))
    if kind == "json":
        values = np.empty(len(cells), dtype=object)
        values[:] = [_back(json.loads(restored(cell))) for cell in cells]
        return pd.Series(values, dtype=object)
    gaps = set(column.get("missing", ()))
    if kind == "category":
        codes = {harmless(one): code for code, one in enumerate(column["categories"])}
        found = np.array([codes.get(cell, -1) for cell in cells], dtype=np.int64)
        found[list(gaps)] = -1  # an empty cell may be a category, too
        return pd.Series(pd.Categorical.from_codes(found, categories=column["categories"]))
    return pd.Series([None if i in gaps else restored(cell) for i, cell in enumerate(cells)], dtype=dtype)
