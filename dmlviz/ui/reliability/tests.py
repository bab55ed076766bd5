"""Tests of the Reliability page: groups against each other, pair by pair, and one pair of runs text by text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.reliability.comparing import Comparison, agreement, compare, pairs_of, verdict
from dmlviz.analysis.reliability.intervals import KINDS, Interval, Tested, interval_of_means
from dmlviz.analysis.statistics import FEWEST, draws_needed, holm
from dmlviz.core.types import InputError, Run
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures.reliability.frame import Member, members, number_word
from dmlviz.figures.reliability.gain_forest import baseline
from dmlviz.ui.reliability import curves, loaders
from dmlviz.ui.reliability.parts import Scope, interval_kind, narrowed, readable
from dmlviz.ui.shared.frame import escaped

AGAINST = {"cross_entropy": "each against cross-entropy", "all": "every two"}
HELP = {
    "n": "Independent repetitions: draws of the shots. Pairs of one draw that differ in seeds alone are averaged first.",
    "in words": "From the sign-flip test after Holm. Six draws are the least that can show one difference at 5 %; more comparisons take more.",
    "sign-flip p": "Permutation test: the share of all ways to flip the signs of the differences that give a mean as far from zero.",
    "after Holm": "The sign-flip p times the comparisons still standing (Holm 1979): with many comparisons one is small by chance.",
    "Wilcoxon p": "Signed-rank test: looks at the order of the differences alone, exact.",
    "paired t p": "Student's paired t-test: assumes that differences are normal.",
    "d_z": "Cohen's d_z, mean over standard deviation of the differences, with Hedges's correction for few draws.",
    "detectable": "Least true difference, in points, that this n and spread find with 80 % power at 5 %.",
}


class Line(NamedTuple):
    """One comparison of the table."""

    first: Member
    second: Member
    pairs: list[tuple[Run, Run]]
    found: Comparison


def tests(scope: Scope) -> None:
    """The table of comparisons, what each says in words, one pair text by text, and ranks where there are several data sets."""
    several = len({group.config.dataset_hash for group in scope.groups}) > 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        here = narrowed(scope)
        against = st.selectbox("Compare", list(AGAINST), format_func=AGAINST.get, key="judge_against", bind="query-params", width=260)
        kind = interval_kind()
    if kind != "student" or st.session_state.get("judge_pairwise"):  # looks at texts
        here = readable(here)
    lines = comparisons(here, against)
    if lines:
        _table(here, lines, kind)
        _text_by_text(here, lines)
    else:
        st.info("Nothing to compare: it takes two losses on the same data set and shots with the same draws and seeds"
                + (", one of them cross-entropy." if against == "cross_entropy" else "."))  # fmt: skip
    if several:
        st.header("Over data sets", anchor=False)
        curves.ranks(scope)


def comparisons(scope: Scope, against: str) -> list[Line]:
    """Every comparison that has a pair of runs, in the order of the losses."""
    found = members(scope.runs, predictions_by=scope.readout)
    if against == "cross_entropy":
        wanted = [(one, base) for one in found if (base := baseline(one, found))]
    else:
        wanted = [(other, one) for one, other in combinations(found, 2) if one.cell == other.cell]
    lines = [(one, other, pairs) for one, other in wanted if (pairs := pairs_of(one.group, other.group))]
    return [Line(one, other, pairs, compare(pairs, lambda run: 100 * scope.value(run))) for one, other, pairs in lines]


def _table(scope: Scope, lines: Sequence[Line], kind: str) -> None:
    told = [line.found.n >= FEWEST for line in lines]
    raw = np.array([line.found.permutation if enough else np.nan for line, enough in zip(lines, told, strict=True)])
    adjusted, tested = holm(raw), int(np.isfinite(raw).sum())
    intervals = [_interval(scope, line, kind) for line in lines]
    words = [verdict(line.found, p, len(lines), (line.first.method, line.second.method)) for line, p in zip(lines, adjusted, strict=True)]
    table = pd.DataFrame({
        "comparison": [f"{line.first.method} − {line.second.method}" for line in lines],
        "n": [line.found.n for line in lines],
        "difference": [line.found.difference for line in lines],
        "95 % interval": [_bounds(one) for one in intervals],
        "in words": words,
        "sign-flip p": raw, "after Holm": adjusted,
        "Wilcoxon p": [line.found.wilcoxon if enough else np.nan for line, enough in zip(lines, told, strict=True)],
        "paired t p": [line.found.student if enough else np.nan for line, enough in zip(lines, told, strict=True)],
        "d_z": [line.found.effect for line in lines],
        "detectable": [line.found.detectable for line in lines],
    })  # fmt: skip
    if not any(told):
        table = table.drop(columns=["sign-flip p", "after Holm", "Wilcoxon p", "paired t p"])
    number = lambda name, shape: st.column_config.NumberColumn(format=shape, help=HELP.get(name), width="small")  # noqa: E731
    config = {name: number(name, "%.3f") for name in ("sign-flip p", "after Holm", "Wilcoxon p", "paired t p")}
    config |= {"n": st.column_config.NumberColumn(format="%d", help=HELP.get("n"), width=40), "difference": number("difference", "%+.1f"),
               "d_z": st.column_config.NumberColumn(format="%.2f", help=HELP.get("d_z"), width=52),
               "detectable": number("detectable", "%.1f"),
               "in words": st.column_config.Column(width=246, help=HELP["in words"])}  # fmt: skip
    st.dataframe(table, hide_index=True, column_config=config, placeholder="–", height=38 + 35 * len(table),
                 alt=f"{len(table)} comparisons with interval, tests and effect size")  # fmt: skip
    counted = f"Holm's correction counts {tested} comparisons. " if tested > 1 else ""
    needed = draws_needed(len(lines))
    shown = "this comparison" if len(lines) == 1 else f"these {len(lines)} comparisons"
    st.caption(escaped(
        f"Differences in points of {number_word(scope.metric)}, paired by draw of the shots, seed and fold. Interval: {KINDS[kind]}. "
        f"{counted}The words follow p after it; the intervals are not corrected. Pairs within a draw are averaged first. "
        f"With n draws the sign-flip test gives no p below 2 / 2ⁿ, so {shown} take {needed} draws each before one can be shown; below {FEWEST} draws "
        "no test is made."
    ))  # fmt: skip
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button("CSV", lambda: csv_bytes(table), file_name(["comparisons"], "csv"), "text/csv", key="judge_tests_csv", on_click="ignore")


def _interval(scope: Scope, line: Line, kind: str) -> Interval | None:
    """The difference's interval; None where the texts differ."""
    if kind == "student":
        return Interval(line.found.difference, line.found.low, line.found.high, line.found.n, line.found.unit, kind)
    try:
        sides = [loaders.of_runs([pair[i] for pair in line.pairs], scope.readout) for i in (0, 1)]
        one, other = (loaders.tested(side, scope.metric) for side in sides)
    except InputError as error:
        st.warning(escaped(str(error)))
        return None
    if one.texts != other.texts or not np.array_equal(*(side[0].rows(side[0].test) for side in sides)):
        return None
    both = Tested(100 * (one.observed - other.observed), 100 * (one.resampled - other.resampled), one.texts)
    return interval_of_means([first for first, _ in line.pairs], both, kind)


def _bounds(one: Interval | None) -> str:
    return "–" if one is None or not np.isfinite(one.low) else f"{one.low:+.1f} to {one.high:+.1f}".replace("-", "−")


def _text_by_text(scope: Scope, lines: Sequence[Line]) -> None:
    """McNemar and kappa within each pair of runs of one comparison."""
    if not st.toggle("Text by text within each pair of runs", key="judge_pairwise", bind="query-params"):
        return
    names = [f"{line.first.method} − {line.second.method}, {line.first.cell}" for line in lines]
    line = lines[st.selectbox("Comparison", range(len(lines)), format_func=names.__getitem__, key="judge_pairs", width=420)]
    rows = []
    for one, other in line.pairs:
        a, b = loaders.of_runs([one, other], scope.readout)
        if not np.array_equal(a.rows(a.test), b.rows(b.test)):
            raise InputError("the two runs were tested on different texts, so these cannot be compared one by one")
        said = agreement(a.predicted(a.test), b.predicted(b.test), a.labels(a.test))
        rows.append({"draw": one.config.support_seed, "seed": one.config.seed, **said._asdict()})
    found = pd.DataFrame(rows)
    table = pd.DataFrame({
        "draw": found["draw"], "seed": found["seed"], "texts": found["texts"], f"only {line.first.method} right": found["only_first"],
        f"only {line.second.method} right": found["only_second"], "McNemar p": found["mcnemar"], "after Holm": holm(found["mcnemar"].tolist()),
        "same prediction, %": 100 * found["same"], "kappa": found["kappa"],
    })  # fmt: skip
    shape = lambda words, help_words: st.column_config.NumberColumn(format=words, help=help_words)  # noqa: E731
    st.dataframe(table, hide_index=True, column_config={
        "McNemar p": shape("%.2g", "Exact: a fair coin over the texts that exactly one of the two runs has right (McNemar 1947)."),
        "after Holm": shape("%.2g", f"Corrected for {len(table)} pairs."), "same prediction, %": shape("%.1f", None),
        "kappa": shape("%.2f", "Cohen's: agreement of the two runs' predictions beyond chance."),
    })  # fmt: skip
    st.caption("McNemar's test speaks of these two trained models, not of the losses: another draw of the shots makes other models.")
