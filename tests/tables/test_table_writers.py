"""Markdown is never markup, CSV is never run, and both hold the numbers of the table."""

from __future__ import annotations

import csv
import io
import re
from html import unescape

import pandas as pd
import pytest
from table_cases import HOSTILE, every_table, hostile_table, several

from dmlviz.export.files import csv_bytes
from dmlviz.figures.base.markdown_text import markdown_text as plain
from dmlviz.tables import Cell, Column, Table, markdown, results, table_frame


def shown(made: str) -> str:
    """What a reader of the Markdown sees: tags of ours gone, escapes (CommonMark 2.4) and entities resolved."""
    return unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", re.sub(r"</?(u|sup)>", "", made)))


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_a_hostile_name_is_shown_and_no_markup(name):
    made = plain(name)
    assert "<" not in made
    assert "\n" not in made
    assert "|" not in made.replace("\\|", "")
    assert "`" not in made.replace("\\`", "")
    assert "\\" in made or not set("*_[]#`|$~") & set(name)


def test_hostile_names_are_read_back_from_the_rendered_table():
    table = hostile_table()
    text = shown(markdown(table))
    for name in HOSTILE:
        assert "".join(name.replace("\ud800", "\N{REPLACEMENT CHARACTER}").split()) in "".join(text.replace("\u200b", "").split()), name


def test_every_table_has_a_cell_per_column():
    for table in every_table(hostile=True):
        lines = [line for line in markdown(table).splitlines() if line.startswith("| ")]
        assert len(lines) == len(table.rows) + 2
        assert {line.replace("\\|", "").count("|") for line in lines} == {len(table.columns) + 1}


def test_best_second_and_marks_in_markdown():
    rows = ((Cell("92.4 ± 0.8", best=True, marks="*"), Cell("1 (2)", second=True)),)
    made = markdown(Table("t", "T", (Column("a", "r", "g"), Column("b", "c")), rows, (), "C.", ("N.",)))
    assert "| g, a | b |\n| --: | :-: |" in made
    assert r"| **92.4** ± 0.8<sup>\*</sup> | <u>1</u> \(2\) |" in made
    assert made.startswith("**T.** C.\n")
    assert made.endswith("N.\n")


def test_numbers_have_columns_of_their_own():
    runs = several()
    table = results.make(runs)
    frame = table_frame(table)
    assert list(frame.columns) == ["Method", "group", "number", "mean", "low", "high", "n", "best", "second", "marks"]
    assert len(frame) == 4 * 6
    cell = table.rows[2][5]
    head = table.columns[5]
    row = frame[(frame["Method"] == "SupCon + CE") & (frame["group"] == head.group) & (frame["number"] == head.header)].iloc[0]
    assert (row["mean"], row["low"], row["high"], row["n"]) == (cell.value, cell.low, cell.high, 8)
    assert frame["mean"].dtype == float


def test_a_repeated_name_is_blank_for_people_and_there_for_machines():
    by = {table.name: table for table in every_table()}
    frame = table_frame(by["calibration"])
    assert (frame["Data set"] != "").all()
    assert frame["Loss"].nunique() == 3
    assert any(row[0].text == "" for row in by["calibration"].rows)


@pytest.mark.parametrize("hostile", [False, True])
def test_no_cell_of_the_csv_is_run_by_a_spreadsheet(hostile):
    for table in every_table(hostile=hostile):
        frame = table_frame(table)
        rows = list(csv.reader(io.StringIO(csv_bytes(frame).decode())))
        assert len(rows) == len(frame) + 1
        for head, row in zip([rows[0]] * len(rows), rows, strict=True):
            for name, cell in zip(head, row, strict=True):
                number = pd.api.types.is_numeric_dtype(frame[name]) if name in frame else False
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or _float(cell), (table.name, name, cell)


def _float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
