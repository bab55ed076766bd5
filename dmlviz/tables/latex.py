"""A table as LaTeX with booktabs: compiles with pdfLaTeX as it is, whatever stands in its cells."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from dmlviz.figures.base.tex_text import bare, needed, pasted
from dmlviz.figures.base.words import clean
from dmlviz.tables.layout import MOST_WORD, NUMBER, WIDTH_MM, Part, Plan, Size, key_columns, line_count, plan, spans, text_width
from dmlviz.tables.table import Cell, Column, Table

HEAD_LINES = 3  # what the head of a part takes
MOST_LINES = 46  # of a page; more rows are continued in another float
LONG_WORD = 44.0  # width in points of the pieces of a word that a wrapped column may break
ALIGNED_TAIL = 6  # letters in brackets behind a number, such as its n, that the column keeps room for
BOX_NOTE = "A small box holds the code point of a character that pdfLaTeX's fonts lack."
END = r" \tabularnewline"


def latex(table: Table, *, width_mm: float | None = None) -> str:
    """`table` environments for a text width (default 160 mm): caption, label, booktabs rules, notes. What is too wide gets smaller letters, is set in
    parts one beneath the other, or wraps its long texts; what is too long is continued. A comment at the head says which, and the packages."""
    width = WIDTH_MM if width_mm is None else width_mm
    made = plan(table, width)
    chunks = _chunks(table, made)
    floats = [_float(table, made, rows, i, len(chunks)) for i, rows in enumerate(chunks)]
    body = "\n".join(floats)
    return "\n".join([*_head(table, made, width), *needed(body), body, ""])


def document(tables: Sequence[str], *, width_mm: float | None = None) -> str:
    """A whole document of tables that `latex` made for the same width."""
    width = WIDTH_MM if width_mm is None else width_mm
    paper = "a4paper" if width <= 190 else f"paperwidth={width + 40:g}mm,paperheight=297mm"
    return "\n".join([
        r"\documentclass[10pt]{article}", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}",
        r"\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}", rf"\usepackage[{paper},textwidth={width:g}mm,vmargin=20mm]{{geometry}}",
        r"\usepackage{booktabs}", r"\begin{document}", *tables, r"\end{document}", "",
    ])  # fmt: skip


def _head(table: Table, made: Plan, width: float) -> list[str]:
    said = f"{table.title}, for a text width of {width:g} mm" + (f": {made.words}" if made.words else "")
    return [*(f"% {line}" for line in textwrap.wrap(clean(said), 110)),
            r"% Needs \usepackage{booktabs}; better with \usepackage[T1]{fontenc}. Across both columns of a page: table* for table."]  # fmt: skip


def _chunks(table: Table, made: Plan) -> list[range]:
    """Rows of each float."""
    lines = [sum(_lines(table, part, i, made.size) for part in made.parts if _told(table, part, i)) for i in range(len(table.rows))]
    starts, used, most = [0], 0, MOST_LINES - HEAD_LINES * (len(made.parts) - 1)
    for i, count in enumerate(lines):
        if used + count > most and i > starts[-1]:
            starts.append(i)
            used = 0
        used += count
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(table.rows)], strict=True)]


def _told(table: Table, part: Part, row: int) -> bool:
    """Has the row anything to say in these columns besides what it is?"""
    own = [table.rows[row][i].text for i in part.columns if i >= key_columns(table)]
    return any(own) or not own


def _lines(table: Table, part: Part, row: int, size: Size) -> int:
    return max([1, *(line_count(table.rows[row][i].text, width / size.scale) for i, width in part.wrapped.items())])


def _float(table: Table, made: Plan, rows: range, number: int, count: int) -> str:
    words = table.caption or table.title
    caption = pasted(words)
    listed = f"[{bare(words)}]" if needed(caption) else ""
    again = r"\addtocounter{table}{-1}" if number else ""
    label = re.sub(r"[^A-Za-z0-9:.-]", "-", table.label)
    kind = "table*" if made.across else "table"
    lines = [rf"\begin{{{kind}}}[tbp]", r"\centering", rf"{again}\caption{listed}{{{caption}{' Continued.' if number else ''}}}\vspace{{4pt}}"]
    lines += [rf"\label{{{label}}}"] if label and not number else []
    lines += [made.size.command] if made.size.command else []
    lines.append(rf"\setlength{{\tabcolsep}}{{{made.size.sep:g}pt}}")
    tabulars = [_tabular(table, part, told) for part in made.parts if (told := [row for row in rows if _told(table, part, row)])]
    lines.append("\n\\par\\medskip\n".join(tabulars))
    if number == count - 1:
        lines += _notes(table, "\n".join(lines))
    return "\n".join([*lines, rf"\end{{{kind}}}"])


def _notes(table: Table, body: str) -> list[str]:
    notes = [pasted(note) for note in table.notes]
    if r"\dmlchar" in body or any(r"\dmlchar" in note for note in notes):
        notes.append(pasted(BOX_NOTE))
    if not notes:
        return []
    return [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize\raggedright", *(f"{note}\\par" for note in notes), r"\end{minipage}"]


def _tabular(table: Table, part: Part, rows: Sequence[int]) -> str:
    marked = any(table.rows[row][part.columns[-1]].marks for row in rows)
    kinds = "".join(_kind(table.columns[i], part.wrapped.get(i)) for i in part.columns)
    lines = [rf"\begin{{tabular}}{{@{{}}{kinds}{'' if marked else '@{}'}}}", r"\toprule", *_headers(table, part), r"\midrule"]
    cells = {i: [_named(table.rows[rows[0]][i]), *(table.rows[row][i] for row in rows[1:])] for i in part.columns}
    columns = {i: _column(cells[i], i in part.wrapped, table.columns[i].align) for i in part.columns}
    for place, row in enumerate(rows):
        lines += [r"\midrule"] if place and row in table.rules else []
        lines.append(" & ".join(columns[i][place] for i in part.columns) + END)
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _named(cell: Cell) -> Cell:
    """A name that is left out because the row above has it stands again where a part begins."""
    return replace(cell, text=cell.value) if not cell.text and isinstance(cell.value, str) else cell


def _kind(column: Column, wrapped: float | None) -> str:
    return column.align if wrapped is None else f"p{{{wrapped:.1f}pt}}"


def _headers(table: Table, part: Part) -> list[str]:
    """Names of groups over a thin rule, then the columns' own; numbers with ± stand in the middle below them."""
    own = [table.columns[i] for i in part.columns]
    lines = []
    if any(column.group for column in own):
        cells, rules = [], []
        for first, last in spans(table.columns, part.columns):
            group = own[first].group
            cells.append(rf"\multicolumn{{{last - first + 1}}}{{c}}{{{pasted(group)}}}" if group else "")
            rules += [rf"\cmidrule(lr){{{first + 1}-{last + 1}}}"] if group else []
        lines = [" & ".join(cells) + END, "".join(rules)]
    heads = []
    for i, column in zip(part.columns, own, strict=True):
        middle = column.align == "r" and any(" ± " in row[i].text for row in table.rows)
        words = pasted(column.header)
        heads.append(rf"\multicolumn{{1}}{{c}}{{{words}}}" if middle else rf"\raggedright {words}" if i in part.wrapped else words)
    return [*lines, " & ".join(heads) + END]


def _column(cells: Sequence[Cell], wrapped: bool, align: str) -> list[str]:
    """The cells of a column; numbers are put on their decimal point and ± by invisible digits."""
    found = [NUMBER.fullmatch(cell.text) if align == "r" else None for cell in cells]
    halves = [one["half"] for one in found if one and one["half"]]
    tails = [one["tail"] for one in found if one and one["tail"] and len(one["tail"]) <= ALIGNED_TAIL]
    widest = max(halves, key=len, default="")
    tail = max(tails, key=len, default="")
    made = []
    for cell, one in zip(cells, found, strict=True):
        if one is None or (one["tail"] and len(one["tail"]) > ALIGNED_TAIL):
            body = _marked(pasted(cell.text), cell)
            made.append(_wrap(cell.text) + _marks(cell, align) if wrapped else body + _marks(cell, align))
            continue
        marks, bare_mark = _marks(cell, align), one["half"] is None and not one["tail"]
        number = _marked(_digits(one["mean"]), cell) + (marks if bare_mark else "") + _half(one["half"], widest) + _tail(one["tail"], tail)
        made.append(number + ("" if bare_mark else marks))
    return made


def _digits(number: str) -> str:
    """A number with its sign as mathematics has it."""
    return pasted(number) if number[0] not in "+−" else rf"\ensuremath{{{number[0].replace('−', '-')}}}{pasted(number[1:])}"


def _half(half: str | None, widest: str) -> str:
    if not widest:
        return ""
    if half is None:
        return rf"\phantom{{\,\ensuremath{{\pm}}\,{widest}}}"
    room = rf"\phantom{{{widest[: len(widest) - len(half)]}}}" if len(half) < len(widest) else ""
    return rf"\,\ensuremath{{\pm}}\,{room}{half}"


def _tail(own: str | None, widest: str) -> str:
    return rf"\ {pasted(own.strip())}" if own else rf"\phantom{{\ {pasted(widest.strip())}}}" if widest else ""


def _marks(cell: Cell, align: str) -> str:
    """A superscript; beside numbers it takes no room, so that these stay aligned."""
    if not cell.marks:
        return ""
    sign = pasted(cell.marks) if cell.marks == "*" else rf"\textsuperscript{{{pasted(cell.marks)}}}"  # an asterisk is raised as it is
    return rf"\rlap{{{sign}}}" if align == "r" and len(cell.marks) == 1 else sign


def _marked(body: str, cell: Cell) -> str:
    return rf"\textbf{{{body}}}" if cell.best else rf"\underline{{{body}}}" if cell.second else body


def _wrap(text: str) -> str:
    """The text of a wrapped column: ragged, and words that are longer than the column may be broken."""
    return rf"\raggedright {' '.join(_breakable(word) for word in clean(text).split(' '))}"


def _breakable(word: str) -> str:
    if text_width(word) <= MOST_WORD:
        return pasted(word)
    pieces = [""]
    for one in word:
        if text_width(pieces[-1] + one) > LONG_WORD:
            pieces.append("")
        pieces[-1] += one
    return r"\allowbreak{}".join(map(pasted, pieces))
