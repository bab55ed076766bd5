"""Published numbers beside ours, with what our runs did differently."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

import pandas as pd

from dmlviz.core.types import InputError, Run
from dmlviz.papers import compare, protocol, protocol_names
from dmlviz.tables.parts import DASH, changes, count, fixed, measured, once
from dmlviz.tables.table import Cell, Column, Table

METRICS = {"accuracy": "Accuracy, %", "macro_f1": "Macro-F1, %", "silhouette": "Silhouette, Euclidean"}


def make(runs: Sequence[Run], *, protocol: str = "") -> Table:
    """One row per published number that runs here fit. `protocol`: a paper's; "" takes the one whose numbers most runs fit.

    Raises InputError where no run fits.
    """
    name, found = _compared(runs, protocol)
    order = list(dict.fromkeys(found["dataset"]))
    rows = sorted(found.to_dict("records"), key=lambda row: order.index(row["dataset"]))  # data set by data set, else as printed
    letters = _letters(rows)
    wide = len({row["encoder"] for row in rows}) > 1
    sizes = len({row["shots"] for row in rows}) > 1
    heads = [Column("Data set"), Column("Loss"), *([Column("Encoder")] if wide else []), *([Column("Shots", "r")] if sizes else []), Column("Number"),
             Column("Published", "r"), Column("Ours", "r"), Column("n", "r"), Column("Difference", "r")]  # fmt: skip
    cells = [_row(row, letters, wide, sizes) for row in rows]
    return Table(
        "published", "Published and reproduced", tuple(heads), tuple(once(cells, 2)), changes([row["dataset"] for row in rows]), _caption(name),
        tuple(_notes(rows, letters)), "tab:published",
    )  # fmt: skip


def _compared(runs: Sequence[Run], wanted: str) -> tuple[str, pd.DataFrame]:
    names = [protocol(wanted).name] if wanted else protocol_names()
    found = {name: compare(protocol(name), runs) for name in names}
    fitting = {name: table[(table["n"] > 0) & table["metric"].isin(METRICS)] for name, table in found.items()}
    best = max(fitting, key=lambda name: (fitting[name]["published"].notna().sum(), len(fitting[name])))
    if fitting[best].empty:
        raise InputError(
            f"none of the {len(runs):,} runs is finished and fits {wanted or 'a known paper'} in loss and data set; 'papers NAME --train' trains them"
        )
    table = fitting[best]
    return best, table.astype(object).where(table.notna(), None)


def _row(row: dict[str, Any], letters: dict[str, str], wide: bool, sizes: bool) -> tuple[Cell, ...]:
    digits = 3 if row["metric"] == "silhouette" else 2
    known = row["published"] is not None
    printed = Cell(str(row["printed"]).replace("±", " ± "), row["published"]) if known else Cell(DASH, math.nan)
    low, high = (math.nan if row[end] is None else row[end] for end in ("low", "high"))
    ours = measured(row["ours"], low, high, int(row["n"]), digits=digits)
    ours = Cell(ours.text, ours.value, marks=letters.get(row["differed"], ""), low=ours.low, high=ours.high, n=ours.n)
    apart = row["difference"] if known else None
    sign = "+" if apart is not None and apart > 0 else ""
    return (
        Cell(row["dataset"]), Cell(row["loss"]), *([Cell(row["encoder"])] if wide else []),
        *([Cell("all" if row["shots"] is None else f"{row['shots']:.0f}", row["shots"])] if sizes else []), Cell(METRICS[row["metric"]]),
        printed, ours, count(int(row["n"])), Cell(DASH, math.nan) if apart is None else Cell(sign + fixed(apart, digits), float(apart)),
    )  # fmt: skip


def _letters(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What differed -> the letter that stands for it."""
    told = list(dict.fromkeys(row["differed"] for row in rows if row["differed"]))
    return {words: ascii_lowercase[i % 26] * (1 + i // 26) for i, words in enumerate(told)}


def _caption(name: str) -> str:
    chosen = protocol(name)
    return f"Published numbers ({chosen.title}, {chosen.paper}) beside those of our runs."


def _notes(rows: Sequence[dict[str, Any]], letters: dict[str, str]) -> list[str]:
    several, lone = any(row["n"] > 1 for row in rows), any(row["n"] == 1 for row in rows)
    ours = "Ours: mean over n runs that differ in seeds or folds alone, ± half of the 95 % t interval over these runs." if several else ""
    single = ("A number of ours without ± is a single run." if several else "Ours: single runs, so none has an interval.") if lone else ""
    spreads = dict.fromkeys(row["spread_kind"] for row in rows if row["spread"] is not None)
    kinds = {"std": "standard deviation", "unknown": "not said of what"}
    spread = f"Published ±: {', '.join(kinds.get(kind, kind) for kind in spreads)}." if spreads else ""
    sources = "; ".join(dict.fromkeys(f"{row['source']} ({row['trust']})" for row in rows if row["published"] is not None))
    found = [f"{ours} {single}".strip(), f"{spread} Source: {sources}.".strip() if sources else "No number of this protocol is published."]
    return [note for note in (*found, _differed(letters)) if note]


def _differed(letters: dict[str, str]) -> str:
    """What every row of ours did differently once, then what is each letter's own."""
    if not letters:
        return ""
    told = {letter: words.split("; ") for words, letter in letters.items()}
    shared = [one for one in next(iter(told.values())) if all(one in other for other in told.values())]
    own = {letter: "; ".join(one for one in words if one not in shared) for letter, words in told.items()}
    parts = [f"({', '.join(told)}) {'; '.join(shared)}"] if shared else []
    parts += [f"({letter}) {words}" for letter, words in own.items() if words]
    return f"Where settings differ, a difference says nothing about the paper. What differed: {'. '.join(parts)}."
