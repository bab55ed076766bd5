"""How a table fits a text width: size of its letters, wrapped columns, parts one beneath the other. Widths in points."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from dmlviz.figures.base.tex_text import strange
from dmlviz.figures.base.words import clean
from dmlviz.tables.table import Cell, Column, Table

PT_PER_MM = 72.27 / 25.4  # TeX's points
WIDTH_MM = 160.0  # both columns of a conference page, or A4 with margins of 25 mm
LEAST_WRAPPED, MOST_WORD = 40.0, 75.0  # a wrapped column is no narrower, and keeps words up to this width whole; both at 10 pt
WRAPPED_LINES = 3  # of a wrapped text, where the columns can stand in parts instead
MOST_PARTS = 4  # beyond, a narrow column is given up
BOLD = 1.16  # bold letters are wider
NUMBER = re.compile(r"(?P<mean>[+−]?[\d,]+(?:\.\d+)?)(?: ± (?P<half>[\d,.]+))?(?P<tail> \(.*\))?")
_EM = {  # widths of Computer Modern at 10 pt; other characters are taken for 6
    2.78: "ijlI.,:;'![]|", 3.33: " -()", 3.06: "f", 3.9: "rst", 4.44: "cez", 5.0: "agov0123456789/*+", 5.56: "bdhnpquS", 5.3: "kxyJ\"`",
    6.3: "LZ", 6.9: "EFPTRBC", 7.6: "ADGHKNOQUVXY&±−=<>_#", 8.4: "mwM%", 10.3: "W@",
}  # fmt: skip
WIDTHS = {character: width for width, characters in _EM.items() for character in characters}
PLUS_MINUS = 11.2  # with its spaces
BOX = 21.0  # the code point of a character without a letter


class Size(NamedTuple):
    """Letters of a table. `command` sets them, `scale` is their width over the text's (small letters are drawn wider), `sep` half the space between
    columns."""

    command: str
    scale: float
    sep: float


SIZES = (Size("", 1.0, 6.0), Size(r"\small", 0.93, 4.5), Size(r"\footnotesize", 0.86, 3.5))


class Part(NamedTuple):
    """Columns that stand side by side, by number, and the width of those whose texts are wrapped."""

    columns: tuple[int, ...]
    wrapped: dict[int, float]


class Plan(NamedTuple):
    """How the table is set."""

    size: Size
    parts: tuple[Part, ...]
    across: bool = False  # it takes WIDTH_MM although less was asked for

    @property
    def words(self) -> str:
        """What was done to make it fit; empty where it just does."""
        said = [f"{len(self.parts)} parts one beneath the other"] if len(self.parts) > 1 else []
        said += ["long texts wrapped"] if any(part.wrapped for part in self.parts) else []
        said += [f"letters of {self.size.command}"] if self.size.command else []
        said += [f"too wide for what was asked, so it is set for {WIDTH_MM:g} mm, across both columns (table*)"] if self.across else []
        return ", ".join(said)


def plan(table: Table, width_mm: float = WIDTH_MM) -> Plan:
    """The largest letters with which everything stands side by side; else parts by groups of columns; else long texts wrapped; else both.

    What would take more than MOST_PARTS parts in a narrow column is set for WIDTH_MM, and says so."""
    made = _plan(table, width_mm)
    return _plan(table, WIDTH_MM)[0]._replace(across=True) if width_mm < WIDTH_MM and (len(made[0].parts) > MOST_PARTS or made[1]) else made[0]


def _plan(table: Table, width_mm: float) -> tuple[Plan, bool]:
    """The plan, and whether some part is wider than the room even so."""
    room, every = width_mm * PT_PER_MM, tuple(range(len(table.columns)))
    for size in SIZES:
        if _width(table, every, size) <= room:
            return Plan(size, (Part(every, {}),)), False
    if len({column.group for column in table.columns[key_columns(table) :]}) > 1:
        found = [(size, parts) for size in SIZES[1:] if (parts := _parts(table, size, room))]
        if found:
            size, parts = min(found, key=lambda one: len(one[1]))  # of equally many the larger letters
            return Plan(size, tuple(Part(part, {}) for part in parts)), False
    size = SIZES[-1]
    wrapped = _wrapped(table, every, size, room)
    if wrapped is not None:
        return Plan(size, (Part(every, wrapped),)), False
    parts = [(part, _wrapped(table, part, size, room, most=None)) for part in _single(table, size, room)]
    return Plan(size, tuple(Part(part, given or {}) for part, given in parts)), any(given is None for _, given in parts)


def key_columns(table: Table) -> int:
    """Columns that say what a row is: those at the left before the first that is not aligned left or has a group."""
    for i, column in enumerate(table.columns):
        if i and (column.align != "l" or column.group):
            return i
    return 1


def text_width(text: str) -> float:
    """Width of the text at 10 pt, somewhat on the wide side."""
    plain = unicodedata.normalize("NFC", clean(text))
    boxes = set(strange(plain)) - set("−±†–—…“”‘’Δ‖")
    return sum(BOX if one in boxes else WIDTHS.get(one, 6.0) for one in plain)


def cell_width(cell: Cell) -> float:
    bold = BOLD if cell.best else 1.0
    return bold * text_width(cell.text) + 0.7 * text_width(cell.marks)


def column_width(table: Table, i: int) -> float:
    """At 10 pt, with its header. Numbers that are aligned on their ± take the width of their parts."""
    found = [(row[i], NUMBER.fullmatch(row[i].text) if table.columns[i].align == "r" else None) for row in table.rows]
    numbers = [one for _, one in found if one]
    own = [max([text_width(one[part] or "") for one in numbers], default=0.0) for part in ("mean", "half", "tail")]
    bold = BOLD if any(cell.best for cell, _ in found) else 1.0
    number = bold * own[0] + own[1] + own[2] + (PLUS_MINUS if own[1] else 0.0)
    return max([number, text_width(table.columns[i].header), *(cell_width(cell) for cell, one in found if one is None)])


def _width(table: Table, columns: Sequence[int], size: Size) -> float:
    """Of these columns side by side, the names of their groups in mind."""
    widths = {i: column_width(table, i) * size.scale for i in columns}
    total = sum(widths.values())
    for group in spans(table.columns, columns):
        own = columns[group[0] : group[1] + 1]
        inner = sum(widths[i] for i in own) + 2 * size.sep * (len(own) - 1)
        name = text_width(table.columns[own[0]].group) * size.scale
        total += max(0.0, name - inner) if table.columns[own[0]].group else 0.0
    return total + 2 * size.sep * (len(columns) - 1) + 6.0 * size.scale  # marks may stand out at the right


def spans(columns: Sequence[Column], chosen: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) place in `chosen` of each run of columns of one group; ungrouped ones each by itself."""
    found: list[tuple[int, int]] = []
    for place, i in enumerate(chosen):
        before = columns[chosen[place - 1]].group if place else ""
        if columns[i].group and columns[i].group == before:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


def _parts(table: Table, size: Size, room: float) -> list[tuple[int, ...]] | None:
    """Whole groups of columns, as many side by side as fit, each part behind the columns that say what a row is. None where one alone does not."""
    keys = tuple(range(key_columns(table)))
    rest = range(len(keys), len(table.columns))
    groups = [tuple(rest[a : b + 1]) for a, b in spans(table.columns, list(rest))]
    parts: list[tuple[int, ...]] = []
    for group in groups:
        if _width(table, (*keys, *group), size) > room:
            return None
        if parts and _width(table, (*parts[-1], *group), size) <= room:
            parts[-1] = (*parts[-1], *group)
        else:
            parts.append((*keys, *group))
    return _even(table, keys, groups, len(parts), size, room) or parts


def _even(
    table: Table, keys: tuple[int, ...], groups: Sequence[tuple[int, ...]], count: int, size: Size, room: float
) -> list[tuple[int, ...]] | None:  # fmt: skip
    """The same number of parts with as many groups in each as can be; None where these do not fit."""
    each = -(-len(groups) // count)
    parts = [(*keys, *(i for group in groups[start : start + each] for i in group)) for start in range(0, len(groups), each)]
    return parts if all(_width(table, part, size) <= room for part in parts) else None


def _wrapped(table: Table, columns: Sequence[int], size: Size, room: float, *, most: int | None = WRAPPED_LINES) -> dict[int, float] | None:
    """Column -> its width, for the columns of text that give way; None where even these are not enough, or a text takes more lines than `most`."""
    widths = {i: column_width(table, i) * size.scale for i in columns}
    if _width(table, columns, size) <= room:
        return {}
    least = {i: _widest_word(table, i) * size.scale for i in columns if table.columns[i].align == "l"}
    more = {i: widths[i] - width for i, width in least.items() if width < widths[i]}
    left = room - (_width(table, columns, size) - sum(more.values()))
    if left < 0:
        return None
    given: dict[int, float] = {}
    for place, i in enumerate(sorted(more, key=more.__getitem__)):  # those that want least take it, the others share the rest
        given[i] = min(more[i], left / (len(more) - place))
        left -= given[i]
    made = {i: least[i] + width for i, width in given.items() if width < more[i]}
    return None if most and any(line_count(row[i].text, width / size.scale) > most for row in table.rows for i, width in made.items()) else made


def line_count(text: str, width: float) -> int:
    """About how many lines a text takes in a column of that width, at 10 pt."""
    return max(1, -int(-1.1 * text_width(text) // width))


def _widest_word(table: Table, i: int) -> float:
    words = [word for text in (table.columns[i].header, *(row[i].text for row in table.rows)) for word in clean(text).split(" ")]
    return min(MOST_WORD, max(LEAST_WRAPPED, *(text_width(word) for word in words)) + 2)


def _single(table: Table, size: Size, room: float) -> list[tuple[int, ...]]:
    """Columns one after the other, as many in a part as fit."""
    keys = tuple(range(key_columns(table)))
    parts: list[tuple[int, ...]] = []
    for i in range(len(keys), len(table.columns)):
        if parts and _wrapped(table, (*parts[-1], i), size, room) is not None:
            parts[-1] = (*parts[-1], i)
        else:
            parts.append((*keys, i))
    return parts or [keys]
