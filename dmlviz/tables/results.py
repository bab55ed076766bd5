"""Results: methods against data sets and shots, each number with its interval, the best marked, differences to a baseline tested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.judged_rows import rows_apart, unreached_sentence, untested_sentence
from dmlviz.analysis.reliability.comparing import Comparison, compare, pairs_of
from dmlviz.analysis.reliability.groups import Group
from dmlviz.analysis.reliability.intervals import KINDS, group_interval, units
from dmlviz.analysis.statistics import ALPHA, FEWEST, LEVEL, draws_needed, holm
from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Run
from dmlviz.figures.base.theme import base_title, loss_title
from dmlviz.figures.reliability.frame import (
    METRICS,
    Member,
    by_readout,
    comparable_members,
    members,
    number_word,
    shots_words,
    units_words,
    value,
    values,
)
from dmlviz.losses.table import find_loss
from dmlviz.tables.parts import DASH, changes, loss_place, measured, ranked
from dmlviz.tables.table import Cell, Column, Table

OPTIONS = {"metric": tuple(METRICS), "predictions_by": str, "baseline": str}
BETTER, WORSE = "*", "†"
MOST_UNFAIR = 3  # sentences on what besides the loss differs


class Tested(NamedTuple):
    """One method of a column against the baseline, over five draws or more (or what stands for them)."""

    found: Comparison
    adjusted: float  # p of the sign-flip test after Holm over the column
    family: int  # comparisons in the column

    @property
    def mark(self) -> str:
        if not self.adjusted < ALPHA:
            return ""
        return BETTER if self.found.difference > 0 else WORSE

    @property
    def could(self) -> bool:
        """Can so many draws show a difference at all, if each points the same way?"""
        return self.family * self.found.smallest < ALPHA


def make(runs: Sequence[Run], *, metric: str = "accuracy", predictions_by: str = "", baseline: str = "cross_entropy") -> Table:
    """One row per method, one column per data set and number of shots. `predictions_by`: a readout, "" for each run's own. `baseline`: a loss.

    Per cent. Raises InputError where no run is finished, or the baseline is no loss.
    """
    find_loss(baseline)
    found = [kept for one in members(runs, predictions_by=predictions_by) if (kept := _able(one, metric, predictions_by)).group.runs]
    if not found:
        raise InputError(f"no finished run here has stored its {number_word(metric)}{by_readout(predictions_by)}; choose accuracy, or other runs")
    labels, whole = _labels(found), found
    found, draws, apart = comparable_members(found)
    order = list(dict.fromkeys(sorted(labels, key=lambda row: (row[0], loss_place(row[1]), row[2]))))
    columns = list(dict.fromkeys((one.panel, one.config.shots) for one in found))
    at = {(row, (one.panel, one.config.shots)): one for row, one in zip(labels, found, strict=True)}
    usual = _usual_n(found, metric, predictions_by)
    made: dict[tuple[object, object], Cell] = {}
    tests: list[Tested] = []
    for column in columns:
        own = [at.get((row, column)) for row in order]
        cells = [_cell(one, metric, predictions_by, usual) for one in own]
        cells = cells if column in apart else ranked(cells, digits=1)
        tested = _tested([one for one in whole if (one.panel, one.config.shots) == column], baseline, metric, predictions_by)
        tests += tested.values()
        for row, one, cell in zip(order, own, cells, strict=True):
            made[row, column] = replace(cell, marks=tested[one.group.key].mark) if one and one.group.key in tested else cell
    rows = tuple((Cell(row[2]), *(made[row, column] for column in columns)) for row in order)
    heads = [Column("Method"), *(Column(_shots(shots, found), "r", panel) for panel, shots in columns)]
    return Table(
        "results", "Results", tuple(heads), rows, changes([row[0] for row in order]), _caption(metric, predictions_by, found),
        tuple(_notes(found, rows, tests, usual, metric, baseline, predictions_by, draws)), "tab:results",
    )  # fmt: skip


def _able(one: Member, metric: str, predictions_by: str) -> Member:
    """The member with those of its runs that have the number."""
    return one._replace(group=Group(one.group.key, tuple(run for run in one.group.runs if value(run, metric, predictions_by) is not None)))


def _labels(found: Sequence[Member]) -> list[tuple[str, str, str]]:
    """(encoder where there are several, loss, what the row is called) of each member."""
    if len({one.config.encoder for one in found}) == 1:
        return [("", one.loss, one.method) for one in found]
    short = [place_name(one.config.encoder).rsplit("/", 1)[-1] for one in found]
    return [(one.config.encoder, one.loss, one.method if name in one.method else f"{one.method}, {name}")
            for one, name in zip(found, short, strict=True)]  # fmt: skip


def _shots(shots: int | None, found: Sequence[Member]) -> str:
    return shots_words(next(one.config for one in found if one.config.shots == shots)).removesuffix(" in all")


def _cell(one: Member | None, metric: str, predictions_by: str, usual: int) -> Cell:
    if one is None:
        return Cell(DASH)
    interval = group_interval(one.group.runs, values(one.group.runs, metric, predictions_by))
    made = measured(interval.mean, interval.low, interval.high, interval.n)
    return replace(made, text=f"{made.text} ({interval.n})") if 1 < interval.n != usual else made


def _usual_n(found: Sequence[Member], metric: str, predictions_by: str) -> int:
    """The n that most numbers have, single runs left out; 1 where all are single."""
    counts = Counter(units(one.group.runs).n for one in found)
    counts.pop(1, None)
    return max(counts, key=lambda n: (counts[n], n)) if counts else 1


def is_of(one: Member, loss: str) -> bool:
    """Was it trained here with that loss? Controls and loaded models carry a loss that says nothing of them."""
    return one.config.loss == loss and one.config.control == "none" and one.group.runs[0].origin != "loaded"


def baseline_of(one: Member, found: Sequence[Member], loss: str = "cross_entropy") -> Member | None:
    """The group of that loss on the same data set, shots and encoder whose other fields differ least; None for a group of the loss itself."""
    if is_of(one, loss):
        return None
    mine = one.config.model_dump(exclude={"loss", "loss_settings", "ce_weight", "control", "seed", "support_seed", "fold"})
    same = [other for other in found if is_of(other, loss) and other.cell == one.cell and other.config.encoder == one.config.encoder]
    return min(same, key=lambda other: sum(getattr(other.config, name) != given for name, given in mine.items()), default=None)


def _tested(found: Sequence[Member], baseline: str, metric: str, predictions_by: str) -> dict[str, Tested]:
    """Group key -> its test, for the methods of one column that share five draws or more with the baseline."""
    compared: dict[str, Comparison] = {}
    for one in found:
        base = baseline_of(one, found, baseline)
        if base and (pairs := pairs_of(one.group, base.group)):
            compared[one.group.key] = compare(pairs, lambda run: 100 * float(value(run, metric, predictions_by) or 0.0))
    enough = {key: one for key, one in compared.items() if one.n >= FEWEST}
    adjusted = holm([one.permutation for one in enough.values()])
    return {key: Tested(one, float(p), len(enough)) for (key, one), p in zip(enough.items(), adjusted, strict=True)}


# ---- words


def _caption(metric: str, predictions_by: str, found: Sequence[Member]) -> str:
    shots = "number of labelled texts per class (shots)" if all(one.config.shots_by == "class" for one in found) else "number of labelled texts"
    return f"{METRICS[metric]} in per cent on the test part, by method, data set and {shots}{by_readout(predictions_by)}."


def _notes(
    found: Sequence[Member], rows: Sequence[Sequence[Cell]], tests: Sequence[Tested], usual: int, metric: str, baseline: str, predictions_by: str,
    draws: Sequence[str],
) -> list[str]:  # fmt: skip
    cells = [cell for row in rows for cell in row[1:]]
    every = [run for one in found for run in one.group.runs]
    lacking = untested_sentence(every) if metric == "macro_f1" else ""
    return [note for note in (_interval_note(found, cells, usual), *_draws_note(draws), _best_note(cells),
                              _test_note(found, tests, metric, baseline), lacking,
                              unreached_sentence(every, predictions_by), "" if predictions_by else _readout_note(found),
                              *_unfair_notes(found)) if note]  # fmt: skip


def _interval_note(found: Sequence[Member], cells: Sequence[Cell], usual: int) -> str:
    counts = [cell.n for cell in cells if cell.n]
    if max(counts) == 1:
        return "Every number is a single run, so none has an interval."
    told = [units(one.group.runs) for one in found if not one.group.lone]
    unit = units_words([one.name for one in told])
    other = ", another n in brackets" if any(n not in (1, usual) for n in counts) else ""
    lone = " A number without ± is a single run." if 1 in counts else ""
    holds = "; ".join(dict.fromkeys(one.words for one in told))
    kind = KINDS["student"].partition(": ")[2] if unit == "draws" else f"what other {unit} would give on the same test texts"
    return f"±: half of Student's {100 * LEVEL:.0f} % interval over {unit} (n = {usual}{other}), {kind}; {holds}.{lone}"


def _draws_note(draws: Sequence[str]) -> list[str]:
    more = [f"The same in {len(draws) - MOST_UNFAIR} more columns."] if len(draws) > MOST_UNFAIR else []
    return [*(one[0].upper() + one[1:] for one in draws[:MOST_UNFAIR]), *more]


def _best_note(cells: Sequence[Cell]) -> str:
    if any(cell.best for cell in cells):
        second = ", underlined: the second" if any(cell.second for cell in cells) else ""
        more = " A column that holds a single run has neither." if any(cell.n == 1 for cell in cells) else ""
        return f"Bold: the highest mean of a column{second}, as shown; this describes the means and is no test.{more}"
    return "Nothing is bold: a single run says too little of its method." if any(cell.n == 1 for cell in cells) else ""


def _test_note(found: Sequence[Member], tests: Sequence[Tested], metric: str, baseline: str) -> str:
    """What was tested and how; which signs stand for what; where no test could have told anything."""
    base = next((base_title(one.config) for one in found if is_of(one, baseline)), loss_title(baseline))
    others = [one for one in found if not is_of(one, baseline)]
    if not others:
        return ""
    family = max(Counter((one.panel, one.config.shots) for one in others).values())
    takes = f"{draws_needed(family)} {_things(others)} to show one{f' among {family} comparisons' if family > 1 else ''}"
    if not tests:
        return f"Differences to {base} are not tested: it takes {takes}, paired by draw, seed and fold."
    pairs = _counted([one.found for one in tests])
    marks = {one.mark for one in tests}
    said = [f"{sign} {words}" for sign, words in ((BETTER, "better"), (WORSE, "worse")) if sign in marks]
    head = f"{' and '.join(said)} than {base}" if said else f"No difference in {number_word(metric)} to {base} stands"
    untested = "" if len(tests) == len(others) else f"; methods with fewer than {FEWEST} {_things(others)} in common are not tested"
    reach = "" if said and all(one.could for one in tests) else f" It takes {takes}."
    return (f"{head} at the {100 * ALPHA:.0f} % level: two-sided sign-flip permutation test over {pairs}, paired by draw, seed and fold, Holm's "
            f"correction over the methods of a column{untested}.{reach}")  # fmt: skip


def _counted(found: Sequence[Comparison]) -> str:
    """What the tests count: "5 draws", "5 to 8 draws (15 to 24 pairs of runs, averaged within a draw)"."""
    unit = units_words([one.unit for one in found])
    words = f"{_span([one.n for one in found])} {unit}"
    if all(one.pairs == one.n for one in found):
        return words
    within = " or ".join(one.removesuffix("s") for one in unit.split(" or "))
    return f"{words} ({_span([one.pairs for one in found])} pairs of runs, averaged within a {within})"


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low} to {high}"


def _things(found: Sequence[Member]) -> str:
    """What repetitions of these groups are counted in: "draws", "seeds"."""
    return units_words([units(one.group.runs).name for one in found])


def _readout_note(found: Sequence[Member]) -> str:
    """Which methods predict by what, where each predicts by its own readout."""
    by: dict[str, list[str]] = {}
    for one in found:
        for readout in dict.fromkeys(str(run.metrics.get("readout", "none")) for run in one.group.runs):
            by.setdefault(readout, []).append(one.method)
    if len(by) < 2:
        return ""
    said = [f"{readout.replace('_', ' ')} ({', '.join(dict.fromkeys(methods))})" for readout, methods in by.items()]
    return f"Each method predicts by its own readout: {', '.join(said)}."


def _unfair_notes(found: Sequence[Member]) -> list[str]:
    """What besides the loss differs within a column."""
    unequal: dict[str, None] = {}
    every = [run for one in found for run in one.group.runs]
    if apart := rows_apart(every):  # between columns too: another number of shots is judged on the same texts
        unequal[f"Test parts differ ({apart}): their accuracies are not of the same texts."] = None
    for cell in dict.fromkeys(one.cell for one in found):
        own = [run for one in found if one.cell == cell for run in one.group.runs]
        said = unfair(own, [base_title(run.config) for run in own])
        unequal |= dict.fromkeys(one for one in said if not (apart and one.startswith("Test parts differ (")))
    return list(unequal)[:MOST_UNFAIR]
