"""Excel sheets, through python-calamine: bytes -> a table of cells."""

from __future__ import annotations

import datetime
import io
import zipfile
from typing import Any

from dmlviz.core.types import InputError
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.tables import PART_WORDS, Table, table_of_rows

EXTRA = "reading .xlsx needs python-calamine, which is not installed here: pip install 'dmlviz[app]', or save the sheet as CSV (UTF-8)"


def xlsx_table(raw: bytes, name: str, limit: int) -> Table:
    """The first sheet that holds something, or all sheets where each is named after a part (train, test). Raises InputError with the remedy."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise InputError(f"{name}: {EXTRA}.") from None
    _check_archive(raw, name, limit)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(raw))
        sheets = {
            sheet: rows for sheet in workbook.sheet_names if (rows := _filled(workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)))
        }
    except (CalamineError, ValueError, OSError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise InputError(f"{name} cannot be read as an Excel sheet ({reason}); save it again, or as CSV (UTF-8).") from None
    if not sheets:
        raise InputError(f"{name} has no rows; a header line and at least two texts are needed.")
    if len(sheets) > 1 and all(sheet.strip().casefold() in PART_WORDS for sheet in sheets):
        return _part_sheets(sheets, name)
    sheet, rows = next(iter(sheets.items()))
    others = [other for other in sheets if other != sheet]
    notes = note("sheets", len(others), f"read from the sheet {shown(sheet)}; not read: {listed(others, 6)}.")
    return table_of_rows(rows, name, notes)._replace(unit="row")


def _check_archive(raw: bytes, name: str, limit: int) -> None:
    """Raises InputError for what is no workbook, or unpacks to more than `limit` bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise InputError(f"{name} is no Excel workbook (.xlsx), or damaged; save it again, or as CSV (UTF-8).") from None
    if size > limit:
        raise InputError(f"{name} unpacks to {size / 2**20:,.0f} MB; at most {limit // 2**20} MB are read. Keep fewer rows.")


def _filled(rows: list[list[Any]]) -> list[tuple[int, list[str]]]:
    """(row number as Excel counts, cells) of every row that holds something."""
    cells = [(i, [_cell(value) for value in row]) for i, row in enumerate(rows, start=1)]
    cells = [(i, row) for i, row in cells if any(row)]
    width = max((j for _, row in cells for j, cell in enumerate(row, start=1) if cell), default=0)
    return [(i, row[:width]) for i, row in cells]


def _cell(value: Any) -> str:
    """Excel keeps every number as a fraction: 1.0 is written 1, as the sheet shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _part_sheets(sheets: dict[str, list[tuple[int, list[str]]]], name: str) -> Table:
    """One table of the sheets train, test ... with a column for the part. Columns go by name; row numbers are those of each sheet."""
    tables = {sheet: table_of_rows(rows, f"{name}, sheet {sheet}", ()) for sheet, rows in sheets.items()}
    names = dict.fromkeys(column for table in tables.values() for column in table.columns if column.casefold() != "part")
    columns: dict[str, list[str | None]] = {column: [] for column in names}
    parts: list[str | None] = []
    lines: list[int] = []
    for sheet, table in tables.items():
        size = len(table.lines)
        for column, cells in columns.items():
            cells += table.columns.get(column, [None] * size)
        parts += [sheet.strip()] * size
        lines += table.lines
    said = note("sheets", len(sheets), f"{count_of(len(sheets), 'sheet')} read as parts: {listed(sheets)}.")
    notes = tuple(each for table in tables.values() for each in table.notes)
    return Table({**columns, "part": parts}, lines, "row", True, said + notes)
