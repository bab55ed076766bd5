"""Calibration: errors beside what chance alone makes of them, proper scores and temperature, a row per group of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from dmlviz.analysis.reliability.calibration import calibration_table, group_calibration
from dmlviz.analysis.reliability.groups import Group
from dmlviz.analysis.reliability.intervals import units
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, interval_words, sides
from dmlviz.analysis.reliability.shared_draws import shared_by_place
from dmlviz.figures.reliability.frame import shots_words, units_words
from dmlviz.figures.reliability.lines import side_titles
from dmlviz.tables.parts import DASH, changes, count, counted, data_key, loss_place, measured, names_of, once, ranked
from dmlviz.tables.table import Cell, Column, Table

SCORES = {"ece_mass": ("ECE, equal mass", 3), "ece_width": ("ECE, equal width", 3), "brier": ("Brier", 3), "nll": ("NLL", 3)}


def make(outcomes: Sequence[Outcome]) -> Table:
    """One row per group: accuracy, both ECEs with that of a calibrated model, Brier score, NLL and temperature. Raises InputError for none."""
    found = _sorted(sides(outcomes))
    names = names_of([side.runs[0] for side in found])
    cells = [(names[data_key(side.runs[0])], shots_words(side.group.config).replace(" shots", "")) for side in found]
    titles = _titles(found, cells)
    shared = shared_by_place([side.group for side in found], cells, titles)
    found = [_with_runs_of(side, group) for side, group in zip(found, shared.groups, strict=True)]
    measures = calibration_table([one for side in found for one in side.outcomes], classes=False)
    rows = [_row(side, cell, title, measures) for side, cell, title in zip(found, cells, titles, strict=True)]
    for cell in dict.fromkeys(cells):  # the best of one data set and number of shots
        own = [i for i, other in enumerate(cells) if other == cell]
        if cell in shared.apart:
            continue
        for column, (_, digits) in zip((5, 7, 9, 10), SCORES.values(), strict=True):
            for i, better in zip(own, ranked([rows[i][column] for i in own], digits=digits, highest=False), strict=True):
                rows[i][column] = better
    heads = (Column("Data set"), Column("Shots"), Column("Loss"), Column("n", "r"), Column("Accuracy, %", "r"), *_ece_heads(), Column("Brier", "r"),
             Column("NLL", "r"), Column("Temperature", "r"))  # fmt: skip
    return Table("calibration", "Calibration", heads, tuple(once(rows, 2)), changes(cells), "Calibration on the test part, by group of runs.",
                 (*_notes(found, measures, rows), *_draws_notes(shared.words)), "tab:calibration")  # fmt: skip


def _ece_heads() -> list[Column]:
    return [Column(head, "r", SCORES[name][0]) for name in ("ece_mass", "ece_width") for head in ("found", "calibrated")]


def _sorted(found: Sequence[Side]) -> list[Side]:
    """By data set, shots and the order of the losses' colours."""
    names = names_of([side.runs[0] for side in found])

    def place(side: Side) -> tuple[str, str, float, int]:
        config = side.group.config
        return names[data_key(side.runs[0])], config.shots_by, config.shots or math.inf, loss_place(config.shown_loss)

    return sorted(found, key=place)


def _with_runs_of(side: Side, group: Group) -> Side:
    """The side with those of its runs that are in the group."""
    kept = {run.id for run in group.runs}
    return Side(group, tuple(one for one in side.outcomes if one.run.id in kept))


def _draws_notes(words: Mapping[tuple[str, str], str]) -> list[str]:
    return [f"{name}, {shots if shots.startswith('all') else f'{shots} shots'}: {said}." for (name, shots), said in words.items()]


def _titles(found: Sequence[Side], cells: Sequence[tuple[str, str]]) -> list[str]:
    """What each group is called within its data set and number of shots."""
    titles = [""] * len(found)
    for cell in dict.fromkeys(cells):
        own = [i for i, other in enumerate(cells) if other == cell]
        for i, title in zip(own, side_titles([found[i] for i in own]), strict=True):
            titles[i] = title
    return titles


def _row(side: Side, cell: tuple[str, str], title: str, measures: pd.DataFrame) -> list[Cell]:
    by = group_calibration(side, measures).set_index("measure")

    def number(name: str, digits: int, scale: float = 1.0) -> Cell:
        one = by.loc[name] if name in by.index else None
        return Cell(DASH, math.nan) if one is None else measured(one["mean"], one["low"], one["high"], int(one["n"]), digits=digits, scale=scale)

    chance = lambda name: measured(float(by.loc[name, "chance"]), digits=SCORES[name][1])  # noqa: E731
    return [
        Cell(cell[0]), Cell(cell[1]), Cell(title), count(units(side.runs).n), number("accuracy", 1, 100), number("ece_mass", 3), chance("ece_mass"),
        number("ece_width", 3), chance("ece_width"), number("brier", 3), number("nll", 3), number("temperature", 2),
    ]  # fmt: skip


def _notes(found: Sequence[Side], measures: pd.DataFrame, rows: Sequence[Sequence[Cell]]) -> list[str]:
    n = sorted({int(one.validation.sum()) for side in found for one in side.outcomes})
    texts = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    bound = int(measures["at_bound"].astype(bool).sum())
    kept = measures["temperature"].notna()
    runs = counted([units(side.runs).n for side in found], units_words([units(side.runs).name for side in found]))
    interval = interval_words([side.group for side in found], texts=False)
    lone = " A number without interval is a single run." if interval and any(side.group.lone for side in found) else ""
    best = "Bold: the lowest of a data set and number of shots, underlined: the second; no test." if any(c.best for row in rows for c in row) else ""
    return [one for one in (
        f"{runs[:1].upper() + runs[1:] if runs.startswith('s') else f'{runs} each'}. {interval}{lone}".strip(),
        "ECE over bins of equal mass and of equal width. Calibrated: the ECE that a perfectly calibrated model with the same probabilities would "
        "show on as many texts, by simulation; only what is above it speaks against a method. Brier: 0 best, 2 worst. NLL in nats.",
        f"Temperatures were fitted on {texts} validation texts a run" + ("; so few leave them uncertain." if n[-1] < 200 else ".")
        + (f" For {bound} of {int(kept.sum())} runs no temperature was best: it stands at the bound of the search and in no mean." if bound else "")
        if kept.any() else
        f"No temperature is given: {texts} validation texts a run are too few to fit one.",
        best,
    ) if one]  # fmt: skip


__all__ = ["make"]
