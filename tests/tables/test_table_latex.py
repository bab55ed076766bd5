"""LaTeX of every table: compiles with a real pdflatex whatever the names are, nothing leaves the page, and the PDF says what the table says."""

from __future__ import annotations

import io
import re

import pytest
from pypdf import PdfReader
from table_cases import HOSTILE, every_table, hostile_table, several
from tex import need_tex, pdflatex

from dmlviz.core.types import InputError
from dmlviz.tables import Cell, Column, Table, document, latex, results
from dmlviz.tables.layout import plan


def compiled(tmp_path, source: str) -> tuple[str, str]:
    """(text of the PDF, log); the test is skipped where there is no TeX."""
    need_tex("booktabs.sty")
    (tmp_path / "t.tex").write_bytes(source.encode())
    for _ in range(2):  # labels
        log = pdflatex(tmp_path, "t.tex")
    pages = PdfReader(io.BytesIO((tmp_path / "t.pdf").read_bytes())).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split()), log


def letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("width", [160.0, 77.0])
def test_every_table_compiles_with_hostile_names_and_stays_within_the_width(tmp_path, width):
    every = every_table(hostile=True)
    wide = [one for one in every if plan(one, width).across]
    assert {one.title for one in wide} == ({"Calibration", "Use of centres, class by class"} if width < 100 else set())
    tables = [one for one in every if one not in wide]
    for one in wide:  # no column of a page holds them: they are set across both, and say so
        assert r"\begin{table*}" in (made := latex(one, width_mm=width))
        assert "too wide for what was asked, so it is set for 160 mm" in " ".join(made.splitlines()[:3]).replace(" % ", " ")
    text, log = compiled(tmp_path, document([latex(one, width_mm=width) for one in tables], width_mm=width))
    assert "Overfull \\hbox" not in log, [line for line in log.splitlines() if "Overfull \\hbox" in line]
    assert "Missing character" not in log
    assert "undefined" not in log
    found = letters(text)
    for name in HOSTILE:
        for part in re.findall(r"[A-Za-z0-9]+", name):
            assert part in found or part in ("x", "Ł"), name
    assert "1F600" in found  # the code point in its box
    assert "0633" in found
    assert "SupConCE" in found
    assert "passwd" in found  # shown, not read


@pytest.mark.slow
@pytest.mark.parametrize("engine_head", ["", "\\usepackage[T1]{fontenc}\n"])
def test_a_table_is_pasted_into_any_document_that_loads_booktabs(tmp_path, engine_head):
    made = latex(hostile_table(), width_mm=120)
    head = f"\\documentclass{{article}}\n{engine_head}\\usepackage{{booktabs}}\n\\begin{{document}}\n\\listoftables\n"
    source = f"{head}See Table~\\ref{{tab:a-b-c}}.\n{made}\\end{{document}}\n"
    text, _ = compiled(tmp_path, source)
    assert "See Table 1." in text
    for sign in ("\\", "%", "$", "#", "<", "|", *("_{}~^" if engine_head else "")):  # the old fonts draw the others
        assert sign in text, sign


@pytest.mark.slow
def test_letters_of_every_european_language_are_set_or_boxed(tmp_path):
    """Each character from U+00A0 to U+017F in a cell of its own."""
    names = [chr(code) for code in range(0xA1, 0x180) if code != 0xAD]
    rows = tuple((Cell(f"x{one}x"), Cell("1", 1)) for one in names)
    compiled(tmp_path, document([latex(Table("t", "T", (Column("a"), Column("b", "r")), rows))]))


def test_the_wide_case_fits_both_columns_of_a_page_at_full_size():
    table = results.make(several())
    assert plan(table, 160.0).parts[0].columns == tuple(range(7))
    assert len(plan(table, 160.0).parts) == 1
    narrow = plan(table, 77.0)
    assert [part.columns for part in narrow.parts] == [(0, 1, 2, 3), (0, 4, 5, 6)]
    made = latex(table, width_mm=77.0)
    assert made.count(r"\begin{tabular}") == 2
    assert "2 parts one beneath the other" in made.splitlines()[0] + made.splitlines()[1]


def test_bold_underlined_marks_rules_groups_and_label():
    cells = (Cell("92.4 ± 0.8", 92.4, best=True, marks="*"), Cell("9.1 ± 10.2", 9.1, second=True), Cell("7.0"))
    rows = tuple(zip((Cell("a_b"), Cell("c"), Cell("d")), cells, strict=True))
    made = latex(Table("t", "T", (Column("Method"), Column("4", "r", "x%y")), rows, (2,), "A caption.", ("A note.",), "tab:x"))
    assert r"a\_b & \textbf{92.4}\,\ensuremath{\pm}\,\phantom{1}0.8\rlap{{*}}" in made
    assert r"c & \underline{9.1}\,\ensuremath{\pm}\,10.2" in made
    assert r"d & 7.0\phantom{\,\ensuremath{\pm}\,10.2}" in made
    assert r"\multicolumn{1}{c}{x\%y}" in made
    assert r"\cmidrule(lr){2-2}" in made
    assert made.count(r"\midrule") == 2
    assert r"\caption{A caption.}" in made
    assert r"\label{tab:x}" in made
    assert "A note." in made
    assert made.startswith("% T, for a text width of 160 mm\n% Needs \\usepackage{booktabs}")


def test_a_long_table_is_continued():
    rows = tuple((Cell(f"row{i}"), Cell(str(i), i)) for i in range(100))
    made = latex(Table("t", "T", (Column("a"), Column("b", "r")), rows, (), "Rows.", ("Note.",), "tab:x"))
    assert made.count(r"\begin{table}") == 3
    assert made.count(r"\caption{Rows. Continued.}") == 2
    assert made.count("Note.") == 1
    assert made.count(r"\label{tab:x}") == 1
    assert all(f"row{i} &" in made for i in range(100))


def test_a_part_names_its_first_row_and_holds_no_blank_ones():
    rows = tuple((Cell("" if i else "data", "data"), Cell(f"r{i}"), Cell(str(i), i)) for i in range(60))
    made = latex(Table("t", "T", (Column("a"), Column("b"), Column("c", "r")), rows))
    assert made.count("data &") == made.count(r"\begin{table}") == 2
    heads = (Column("Setting"), Column("All"), *(Column("word " * 9 + str(i)) for i in range(12)))
    shared = (Cell("shared"), Cell("4"), *(Cell("") for _ in range(12)))
    split = Table("t", "T", heads, ((Cell("differs"), *(Cell(str(i)) for i in range(13))), shared))
    assert len(plan(split).parts) > 1
    assert latex(split).count("shared") == 1
    assert latex(split).count("differs") == len(plan(split).parts)


def test_a_table_is_a_rectangle():
    with pytest.raises(InputError, match="row 1 of the table t has 1 cells for 2 columns"):
        Table("t", "T", (Column("a"), Column("b")), ((Cell("1"), Cell("2")), (Cell("3"),)))
    with pytest.raises(InputError, match="aligned 'x'; choose one of l, r, c"):
        Table("t", "T", (Column("a", "x"),), ())
    with pytest.raises(InputError, match="a rule stands between two"):
        Table("t", "T", (Column("a"),), ((Cell("1"),),), (1,))
