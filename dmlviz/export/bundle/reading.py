"""A bundle as it comes from somebody else: only regular files inside it are read, and what they say is checked before anything is made of it."""

from __future__ import annotations

import gzip
import json
import os
import re
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from dmlviz.core.types import InputError, SettingValue, SheetSpec, Written
from dmlviz.export.load_figure import Picture, one_of
from dmlviz.figures import FIGURES, split_options
from dmlviz.store.frames import read_frame
from dmlviz.tables import Table
from dmlviz.tables.stored import table_from_json

FORMAT = 1
AGAIN = "take the bundle's own files again"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
MOST_BYTES = 2 * 10**9  # of one table, unpacked
CONTENT = "data/content.json"


class StoredPanel(Written):
    """One picture of a figure: its table and what is drawn of it."""

    name: str
    options: dict[str, SettingValue | list[SettingValue] | None]
    caption: str
    encoder: str = ""  # what embedded the texts; bundles made before it was said have none
    words: tuple[str, ...]
    data: str
    columns: str


class StoredSheet(Written):
    """One figure."""

    file: str
    spec: SheetSpec
    panels: tuple[StoredPanel, ...] = Field(min_length=1, max_length=6)
    runs: tuple[dict[str, SettingValue | None], ...]


class StoredTable(Written):
    """One table; `table` is tables.stored's."""

    file: str
    table: dict[str, Any]
    runs: tuple[str, ...]


class Content(Written):
    """data/content.json."""

    format: int
    dmlviz: str
    sheets: tuple[StoredSheet, ...]
    tables: tuple[StoredTable, ...]


def check_files(folder: Path) -> None:
    """Raises InputError for a link, a pipe or a device anywhere in the bundle: none is followed or opened."""
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(place) / name
            kind = path.lstat().st_mode
            if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                raise InputError(f"{path.relative_to(folder).as_posix()[:80]} is not a regular file, and a bundle holds no others; {AGAIN}")


def read_content(folder: Path) -> Content:
    """What is in the bundle. Raises InputError for what no bundle says."""
    try:
        written = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{CONTENT} cannot be read ({error.strerror or error}); {AGAIN}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{CONTENT} is not JSON; {AGAIN}") from None
    if not isinstance(written, dict):
        raise InputError(f"{CONTENT} holds no figures; {AGAIN}")
    if written.get("format") != FORMAT:
        form, made_by = str(written.get("format"))[:20], str(written.get("dmlviz"))[:20]
        raise InputError(f"the bundle has format {form}, this DMLViz reads {FORMAT}; use the version {made_by}, which made it")
    try:
        content = Content.model_validate(written)
    except (ValidationError, RecursionError) as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))[:80] if isinstance(error, ValidationError) else "its depth"
        raise InputError(f"{CONTENT} is not understood at {where}; {AGAIN}") from None
    for sheet in content.sheets:
        _check_sheet(sheet)
    for table in content.tables:
        plain(table.file)
        stored_table(table)
    return content


def _check_sheet(sheet: StoredSheet) -> None:
    plain(sheet.file)
    if len(sheet.panels) != len(sheet.spec.panels):
        raise InputError(f"{CONTENT} gives {sheet.file} {len(sheet.panels)} panels and describes {len(sheet.spec.panels)}; {AGAIN}")
    for panel in sheet.panels:
        plain(panel.data)
        plain(panel.columns)
        one_of(panel.name, FIGURES, "figure")
        strangers = [option for option in panel.options if option not in FIGURES[panel.name].paper_options]
        if strangers:
            raise InputError(f"{CONTENT} gives the figure {panel.name} the option {strangers[0][:40]!r}, which it does not have; {AGAIN}")
        split_options(panel.name, {key: value for key, value in panel.options.items() if value is not None})


def plain(name: str) -> str:
    """A file's name as a bundle makes it. Raises InputError for one that could lead elsewhere."""
    if not NAME.fullmatch(name):
        raise InputError(f"the bundle names the file {name[:60]!r}, which no bundle does; {AGAIN}")
    return name


def stored_table(table: StoredTable) -> Table:
    """Raises InputError for what is none."""
    try:
        return table_from_json(table.table)
    except InputError:
        raise
    except Exception as error:  # whatever somebody wrote into it
        raise InputError(f"the table {table.file} of {CONTENT} is not understood ({type(error).__name__}); {AGAIN}") from None


def stored_picture(folder: Path, panel: StoredPanel) -> Picture:
    """The picture with its table. Raises InputError for data that does not fit its description."""
    schema = _schema(folder, panel.columns)
    frame = read_frame(_unpacked(folder / "data" / panel.data), schema)
    return Picture(panel.name, frame, dict(panel.options), panel.caption, list(panel.words), encoder=panel.encoder)


def _schema(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        return json.loads((folder / "data" / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"data/{name} cannot be read ({error.strerror or error}); {AGAIN}") from None
    except (ValueError, RecursionError):
        raise InputError(f"data/{name} is not JSON; {AGAIN}") from None


def _unpacked(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"data/{path.name} cannot be read ({getattr(error, 'strerror', None) or error}); {AGAIN}") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"data/{path.name} is larger than {MOST_BYTES / 1e9:g} GB when it is unpacked, which no bundle is; {AGAIN}")
    return data
