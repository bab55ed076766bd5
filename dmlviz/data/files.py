"""A person's own table, by path or upload -> TextDataset. Whatever comes in, a data set or an InputError comes out."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dmlviz.core.types import InputError, PathLike, ReaderNote, TextDataset
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.data.annotation_exports import accepted_rows
from dmlviz.data.cleaning import build_dataset
from dmlviz.data.columns import Mapping as Columns
from dmlviz.data.columns import choose_rows, guess_columns
from dmlviz.data.formats import LARGE, MAX_BYTES, READERS
from dmlviz.data.label_columns import with_class_column
from dmlviz.data.part_files import ending_of, stem
from dmlviz.data.parts import visible_parts
from dmlviz.data.regular_files import regular_table
from dmlviz.data.rows import Rows
from dmlviz.data.tables import Table

ACCEPTED = ", ".join(ending for ending in READERS if ending not in (".tab", ".ndjson")) + ", each also with .gz"


class Peek(NamedTuple):
    """What the column chooser shows before a file is read."""

    columns: list[str]
    rows: list[dict[str, str | None]]  # the first five
    mapping: Columns  # the guess: text, label, text_pair, part; None where there is none


def read_file(
    path_or_bytes: PathLike | bytes,
    *,
    filename: str | None = None,
    text: str | None = None,
    label: str | None = None,
    text_pair: str | None = None,
    encoding: str | None = None,
    name: str | None = None,
) -> TextDataset:
    """The data set in a CSV, TSV, JSONL, JSON, Parquet, Excel or fastText file, each also gzipped; bytes come with their `filename`.

    Columns are chosen by `text`, `label`, `text_pair` or guessed from their names; `encoding` says how bytes that are not UTF-8 are to be read.
    Raises InputError naming file, lines and remedy.
    """
    table, shown_name = table_of(path_or_bytes, filename, encoding)
    return _dataset_of(table, shown_name, name, {"text": text, "label": label, "text_pair": text_pair})


def peek_columns(path_or_bytes: PathLike | bytes, filename: str | None = None, encoding: str | None = None) -> Peek:
    """Columns, first rows and the guess of which column is what. Raises InputError as `read_file` does for a broken file."""
    return _peek(with_class_column(table_of(path_or_bytes, filename, encoding)[0]))


def read_with_peek(
    path_or_bytes: PathLike | bytes, *, filename: str | None = None, encoding: str | None = None, **chosen: str | None
) -> tuple[Peek, TextDataset | InputError]:  # fmt: skip
    """`peek_columns` and `read_file` of one parse. What stands against the columns is returned; raises InputError for a broken file."""
    table, shown_name = table_of(path_or_bytes, filename, encoding)
    peek = _peek(with_class_column(table))
    try:
        return peek, _dataset_of(table, shown_name, None, chosen)
    except InputError as error:
        return peek, InputError(str(error))  # without its traceback, which holds on to the table


def _peek(table: Table) -> Peek:
    size = min(5, len(table.lines))
    rows = [{column: cells[i] for column, cells in table.columns.items()} for i in range(size)]
    return Peek(list(table.columns), rows, guess_columns(table))


def _dataset_of(table: Table, shown_name: str, name: str | None, chosen: Mapping[str, str | None]) -> TextDataset:
    rows, notes = rows_of_table(table, shown_name, chosen)
    dataset = build_dataset(rows, name=shown_name, source=f"The file {shown_name}.", notes=notes)
    return replace(dataset, name=name or stem(shown_name))


def rows_of_table(table: Table, shown_name: str, chosen: Mapping[str, str | None]) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The chosen columns of a table, not yet cleaned, and what was noticed. `chosen`: text, label, text_pair."""
    rows, notes = choose_rows(table, shown_name, **chosen)
    rows, more = visible_parts(rows, shown_name)
    return rows, table.notes + notes + more


def table_of(path_or_bytes: PathLike | bytes, filename: str | None = None, encoding: str | None = None) -> tuple[Table, str]:
    """(all cells, name to show) of a path or of bytes; `filename` is what a path is to be called, else its last name.

    A large regular file is read from the disk piece by piece, never as a whole.
    """
    on_disk = isinstance(path_or_bytes, str | Path)
    if on_disk and encoding is None and (found := _large_table(Path(path_or_bytes), filename)) is not None:
        return found
    raw, shown_name = read_bytes(path_or_bytes, filename)
    shown_name = _safe(filename) if on_disk and filename else shown_name
    return read_table(raw, shown_name, encoding), shown_name


def _large_table(path: Path, filename: str | None) -> tuple[Table, str] | None:
    """The same for a path that is a regular table; None for any other, which `read_bytes` looks at."""
    shown_name = _safe(filename or path.name)
    try:
        before = path.stat()
        if not path.is_file() or not LARGE < before.st_size <= MAX_BYTES or Path(shown_name).suffix.lower() not in (".csv", ".tsv", ".tab"):
            return None
        table = regular_table(lambda: path.open("rb"), shown_name)
        after = path.stat()
    except (OSError, ValueError):
        return None
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise InputError(f"{shown_name} was changed while it was read; wait until it is written, and read it again.")
    return None if table is None else (accepted_rows(table), shown_name)


def read_table(raw: bytes, shown_name: str, encoding: str | None = None) -> Table:
    """All cells of a file's bytes; the format goes by the name's ending, gzip by the first bytes."""
    ending = ending_of(shown_name)
    if ending not in READERS:
        came = f"the ending {shown(ending)}" if ending else "no ending"
        raise InputError(f"{shown_name} has {came}; accepted are {ACCEPTED}. Save the table as one of these.{did_you_mean(ending, READERS)}")
    if not raw:
        raise InputError(f"{shown_name} is empty; a table with a text and a label column is needed.")
    return accepted_rows(READERS[ending](unpack(raw, shown_name), shown_name, encoding))


def read_bytes(path_or_bytes: PathLike | bytes, filename: str | None = None) -> tuple[bytes, str]:
    """(bytes, name to show). Raises InputError for a path that cannot be read or a file above the cap."""
    if isinstance(path_or_bytes, bytes | bytearray | memoryview):
        raw, name = bytes(path_or_bytes), filename or "the upload"
    else:
        path = Path(path_or_bytes)
        name = filename or path.name
        try:
            if path.is_dir():
                raise InputError(f"{_safe(str(path))} is a folder; give the file inside it, or a folder with train.jsonl.gz and test.jsonl.gz.")
            _refuse_size(path.stat().st_size, _safe(name))
            raw = path.read_bytes()
        except InputError:  # a ValueError too
            raise
        except FileNotFoundError:
            raise InputError(f"there is no file {_safe(str(path))}; check the path.") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{_safe(str(path))} cannot be opened ({reason}); check the path and its permissions.") from None
    _refuse_size(len(raw), _safe(name))
    return raw, _safe(Path(name).name or "the upload")


def unpack(raw: bytes, shown_name: str) -> bytes:
    """The bytes without their gzip wrapping, if they have one. Raises InputError for a truncated or too large archive."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except EOFError:
        raise InputError(f"{shown_name} is cut off: the gzip data ends too early. Copy or download the file again.") from None
    except (OSError, zlib.error):
        raise InputError(f"{shown_name} is damaged: it is no valid gzip data. Copy or download the file again.") from None
    _refuse_size(len(unpacked), shown_name)
    if not unpacked:
        raise InputError(f"{shown_name} is empty; a table with a text and a label column is needed.")
    return unpacked


def _refuse_size(size: int, shown_name: str) -> None:
    if size > MAX_BYTES:
        limit = f"{MAX_BYTES // 2**20} MB (unpacked), the most that is read"
        raise InputError(f"{shown_name} is larger than {limit}; keep fewer rows or only the text and label columns.")


def _safe(name: str) -> str:
    """A file name that can stand in a sentence: printable, shortened in the middle of a very long path."""
    name = "".join(char if char.isprintable() else "�" for char in name)
    return name if len(name) <= 200 else name[:80] + "…" + name[-100:]
