"""Use of centres: how many a run's classes really use, run by run or class by class."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.centers.view import MERGE, PARTS, SPACES, WHICH, CenterInput, CenterView
from dmlviz.core.types import InputError
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.centers.frame import by_size, counted, views
from dmlviz.tables.parts import DASH, changes, count, measured, names_of, once
from dmlviz.tables.parts import data_key as key_of
from dmlviz.tables.table import Cell, Column, Table

MOST_NAMED = 4  # runs in a note
BY = ("run", "class")
OPTIONS = {"by": BY, "part": PARTS, "space": SPACES, "which": WHICH, "merge": float}


class CenterSource(NamedTuple):
    """A run and the names of its classes."""

    given: CenterInput
    label_names: Sequence[str]


def make(
    sources: Sequence[CenterSource], *, by: str = "run", part: str = "test", space: str = "texts", which: str = "learned", merge: float = MERGE
) -> Table:
    """One row per run, or per class and run. Options as on the Proxies page. Raises InputError for a choice that is not known."""
    if by not in BY:
        raise InputError(f"by={by!r} is not accepted; choose one of {', '.join(BY)}")
    options = {"part": part, "space": space, "which": which, "merge": merge}
    found = [views([one.given], len(one.label_names), options)[0] for one in sources]
    kept = [(view, one.label_names) for view, one in zip(found, sources, strict=True) if view.report is not None]
    if not kept:
        raise InputError("none of these runs has centres or class means to count; pick runs with support texts")
    return (_by_run if by == "run" else _by_class)([view for view, _ in kept], [names for _, names in kept], merge)


def _titles(found: Sequence[CenterView]) -> list[tuple[str, str]]:
    """(data set, title) of each run; titles are told apart within a data set."""
    names, titles = names_of([view.run for view in found]), [""] * len(found)
    for data in names:
        own = [i for i, view in enumerate(found) if key_of(view.run) == data]
        for i, title in zip(own, run_titles([found[i].run.config for i in own]), strict=True):
            titles[i] = title
    return [(names[key_of(view.run)], title) for view, title in zip(found, titles, strict=True)]


def _by_run(found: Sequence[CenterView], label_names: Sequence[Sequence[str]], merge: float) -> Table:
    order = sorted(range(len(found)), key=lambda i: _titles(found)[i][0])
    titles = _titles(found)
    rows = [(Cell(titles[i][0]), Cell(titles[i][1]), *_run_cells(found[i])) for i in order]
    heads = ("Data set", "Run", "n", "Centres", "Used", "Dead", "Eff. K", "Soft", "Merged", "Purity, %", "Similarity", "Intrusions, %")
    columns = tuple(Column(head, "l" if i < 2 else "r") for i, head in enumerate(heads))
    return Table("centers", "Use of centres", columns, tuple(once(rows, 1)), changes([titles[i][0] for i in order]),
                 "Use of centres, by run.", tuple(_notes(found, merge)), "tab:centers")  # fmt: skip


def _run_cells(view: CenterView) -> tuple[Cell, ...]:
    """The numbers of the Proxies page's table."""
    report = view.report
    many, used = report.centers.shape[1] > 1, report.n > 0
    won = int(report.attracted.sum())
    mean = lambda values: float(values[used].mean()) if many and used.any() else math.nan  # noqa: E731
    there = int(report.there.sum())
    return (
        count(len(view.counted)), Cell(f"{there:,}" + (" means" if view.kind == "means" else ""), there),
        count(int((report.counts > 0).sum())), count(int(report.dead.sum())),
        measured(mean(report.effective), digits=2), measured(mean(report.effective_soft), digits=2), measured(mean(report.merged), digits=2),
        measured(100 * report.pure.sum() / won if won else math.nan, digits=1),
        measured(float(np.nansum(report.fit * report.counts) / max(report.counts.sum(), 1)), digits=2),
        measured(100 * len(report.intrusions.row_ids) / report.texts if report.texts else math.nan, digits=1),
    )  # fmt: skip


def _by_class(found: Sequence[CenterView], label_names: Sequence[Sequence[str]], merge: float) -> Table:
    titles, rows, keys = _titles(found), [], []
    for (data, title), view, names in zip(titles, found, label_names, strict=True):
        report = view.report
        for c in by_size([view], names):
            if not report.n[c]:
                continue
            won, many = int(report.attracted[c].sum()), report.centers.shape[1] > 1
            rows.append((
                Cell(data), Cell(title), Cell(names[c]), count(int(report.n[c])), count(int(report.there[c].sum())),
                count(int((report.counts[c] > 0).sum())), count(int(report.dead[c].sum())),
                measured(float(report.effective[c]), digits=2) if many else Cell(DASH, math.nan),
                count(int(report.merged[c])) if many else Cell(DASH, math.nan),
                measured(100 * report.pure[c].sum() / won if won else math.nan, digits=1),
            ))  # fmt: skip
            keys.append((data, view.run.id))
    heads = ("Data set", "Run", "Class", "n", "Centres", "Used", "Dead", "Eff. K", "Merged", "Purity, %")
    columns = tuple(Column(head, "l" if i < 3 else "r") for i, head in enumerate(heads))
    return Table("centers", "Use of centres, class by class", columns, tuple(once(rows, 2)), changes(keys), "Use of centres, by class and run.",
                 tuple(_notes(found, merge, by_class=True)), "tab:centers-classes")  # fmt: skip


def _notes(found: Sequence[CenterView], merge: float, *, by_class: bool = False) -> list[str]:
    told: dict[str, list[str]] = {}
    for view, (_, title) in zip(found, _titles(found), strict=True):
        for sentence in view.said:
            told.setdefault(sentence, []).append(title)
    said = [sentence if len(who) == len(found) else f"{', '.join(who[:MOST_NAMED])}{' and others' if len(who) > MOST_NAMED else ''}: {sentence}"
            for sentence, who in told.items()]  # fmt: skip
    of = "" if by_class else ", mean of the classes"
    soft = "" if by_class else " Soft: the same of the loss's own weights. Similarity: mean cosine of a vector and its nearest own centre."
    of_what = "; ".join(dict.fromkeys(re.sub(r"^[\d,]+ ", "", counted(view)) for view in found))
    counts = f" n: {of_what} counted{' of a class' if by_class else ''}."
    away = "" if by_class else " Intrusions: texts nearer to another class's centre than to any of their own."
    return [
        f"Each row is a single run, so no number has an interval.{counts}",
        f"Used: nearest to at least one counted vector of its class; dead: to none. Eff. K, the effective number of centres: exp(entropy) of a "
        f"class's vectors over them{of}.{soft} Merged: centres left when those within a cosine distance of {float(merge):g} count as one{of}. "
        f"Purity: of the vectors nearest to a centre, the share of its own class.{away}",
        *said[:3],
    ]
