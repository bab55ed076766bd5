"""How far the attributions of each run can be trusted: its checks as means over the explained texts."""

from __future__ import annotations

from collections.abc import Sequence

from dmlviz.analysis.attribution.summary import run_summary
from dmlviz.core.types import InputError
from dmlviz.figures.attribution.frame import AttributionInput, kind_words
from dmlviz.figures.base.theme import run_titles
from dmlviz.tables.parts import changes, count, data_key, measured, names_of, once
from dmlviz.tables.table import Cell, Column, Table

MEASURES = {"reliable": ("Reliable, %", 0, 100.0), "delta": ("Completeness gap", 4, 1.0), "comprehensiveness_gain": ("Comprehensiveness", 3, 1.0),
            "sufficiency_gain": ("Sufficiency", 3, 1.0), "tau": ("Kendall's tau", 2, 1.0)}  # fmt: skip


def make(inputs: Sequence[AttributionInput]) -> Table:
    """One row per run whose texts have been explained. Raises InputError where none has."""
    kept = [one for one in inputs if one.found]
    if not kept:
        raise InputError("no text of these runs has been explained this way; explain some with 'attribute' or on the Attributions page")
    names = names_of([one.run for one in kept])
    kept = sorted(kept, key=lambda one: names[data_key(one.run)])
    data = [names[data_key(one.run)] for one in kept]
    titles = [""] * len(kept)
    for name in dict.fromkeys(data):
        own = [i for i, other in enumerate(data) if other == name]
        for i, title in zip(own, run_titles([kept[i].run.config for i in own]), strict=True):
            titles[i] = title
    rows = [(Cell(name), Cell(title), count(len(one.found)), *_numbers(one)) for name, title, one in zip(data, titles, kept, strict=True)]
    columns = (Column("Data set"), Column("Run"), Column("Texts", "r"), *(Column(title, "r") for title, _, _ in MEASURES.values()))
    return Table("attributions", "Reliability of attributions", columns, tuple(once(rows, 1)), changes(data),
                 f"Reliability of attributions by run: {kind_words(kept[0].kind)}.", tuple(_notes(kept)), "tab:attributions")  # fmt: skip


def _numbers(one: AttributionInput) -> list[Cell]:
    made = run_summary(one.found)
    cells = []
    for name, (_, digits, scale) in MEASURES.items():
        n, mean, low, high = made[name]
        if name == "reliable":  # a share: no interval reaches beyond what a share can be
            low, high = max(low, 0.0) if low == low else low, min(high, 1.0) if high == high else high
        cells.append(measured(mean, low, high, n, digits=digits, scale=scale))
    return cells


def _notes(kept: Sequence[AttributionInput]) -> list[str]:
    return [
        "± and brackets: Student's 95 % interval over the explained texts of one run; each row is a single run, and other seeds give other runs.",
        "Reliable: texts whose attribution passes every check. Completeness gap: mean distance of the summed values from what they should sum to, in "
        "units of the score. Comprehensiveness (higher is better) and sufficiency (lower is better) are less their random reference. Kendall's tau: "
        "agreement with leaving out word by word.",
    ]  # fmt: skip
