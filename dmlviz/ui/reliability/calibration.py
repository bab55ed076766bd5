"""Sections of the Reliability page on probabilities: calibration, selective prediction, and accuracy by stratum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.reliability.calibration import BINNINGS, LEAST_VALIDATION, all_readouts, class_calibration_errors, group_calibration
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, interval_words
from dmlviz.analysis.reliability.selective import SIGNALS, WHAT, group_selective, missing_signals
from dmlviz.analysis.reliability.selective import signals as signals_of
from dmlviz.analysis.reliability.strata import BY
from dmlviz.figures.base.words import whole
from dmlviz.figures.reliability.lines import many
from dmlviz.ui.reliability import shown
from dmlviz.ui.reliability.parts import Scope
from dmlviz.ui.shared.frame import escaped
from dmlviz.ui.shared.words import READOUTS

BINS = {"equal_mass": "as many texts in each", "equal_width": "of equal width"}
MEASURES = {"ece_mass": "ECE, equal-mass", "ece_width": "ECE, equal-width", "class_ece": "Class-wise ECE", "brier": "Brier", "nll": "NLL, nats"}
SHORT = dict(zip(SIGNALS, ("Probability", "Margin", "Centre", "Propagation", "kNN"), strict=True))
HELP = {
    "ECE, equal-mass": "Expected calibration error: mean distance of accuracy and confidence over bins. In brackets: a calibrated model at this n.",
    "ECE, equal-width": "The same over bins of equal width (Guo et al. 2017). In brackets: a calibrated model at this n.",
    "Class-wise ECE": "The mean over classes of the ECE of each class's own probability. In brackets: a calibrated model at this n.",
    "Brier": "Mean of the summed squared distance to the one-hot gold class: 0 best, 2 worst (Brier 1950).",
    "NLL, nats": "Mean of -log of the gold class's probability.",
    "Temperature": "Scores are divided by it. Below 1: the run was not sure enough. Fitted on the validation part (Guo et al. 2017).",
}


def calibration(scope: Scope) -> None:
    """Reliability diagrams, calibration errors beside what chance makes of them, and the temperature that mends them."""
    outcomes = shown.outcomes_of(scope)
    least = min(int(one.validation.sum()) for one in outcomes)
    a, b = st.columns([1, 2], vertical_alignment="bottom")
    binning = a.selectbox("Bins", BINNINGS, format_func=BINS.get, key="cal_bins", help="Of the diagrams and their ECE; the table has both.")
    scaled = b.toggle("After temperature scaling", key="cal_scaled", disabled=least < LEAST_VALIDATION)
    if least < LEAST_VALIDATION:
        st.caption(f"A run here has {least} validation texts; a temperature takes {LEAST_VALIDATION} or more (Train, validation texts).")
    shown.figure("calibration", outcomes, scope, key="cal", least=14, binning=binning, scaled=bool(scaled and least >= LEAST_VALIDATION))
    _errors_table(outcomes, scope)
    with st.container(horizontal=True, gap="large"):
        by_readout = st.toggle("Every stored readout", key="cal_readouts")
        by_class = st.toggle("Class by class", key="cal_classes")
    if by_readout:
        _readouts(outcomes)
    if by_class:
        _classes(outcomes)


def _errors_table(outcomes: list[Outcome], scope: Scope) -> None:
    table = shown.calibrations(outcomes)
    groups = [(title, many(side), group_calibration(side, table).set_index("measure")) for side, title in shown.titled(outcomes)]
    helps = {name: st.column_config.Column(help=words) for name, words in HELP.items()}
    rows = [{"Loss": title, "Runs": runs, **_cells(found)} for title, runs, found in groups]
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=helps)
    if scaled := [{"Loss": title, **_scaled_cells(found)} for title, _, found in groups if np.isfinite(_mean(found, "temperature"))]:
        st.dataframe(pd.DataFrame(scaled), hide_index=True, column_config=helps)
    n = sorted({int(one.validation.sum()) for one in outcomes})
    words = f"{n[0]:,}" if len(n) == 1 else f"{n[0]:,} to {n[-1]:,}"
    bound = table[table["at_bound"].astype(bool)]
    st.caption(
        "In brackets: the error that a perfectly calibrated model with the same probabilities would show on as many texts, by simulation; only what "
        f"is above it speaks against a run. Temperatures were fitted on {words} validation texts a run"
        + ("; so few leave them uncertain." if n[-1] < 200 else ".")
        + (f" For {len(bound)} of {len(table)} runs no temperature was best: it stands at its bound and in no mean." if len(bound) else "")
    )
    shown.csv(table, "calibration_runs", key="cal_table")


def _mean(found: pd.DataFrame, name: str, column: str = "mean") -> float:
    return float(found.loc[name, column]) if name in found.index else float("nan")


def _cells(by: pd.DataFrame) -> dict[str, str]:
    cells = {"Accuracy, %": shown.numbers(*by.loc["accuracy", ["mean", "low", "high"]], 1, 100)}
    for name, title in MEASURES.items():
        one = by.loc[name]
        chance = f" [{one['chance']:.3f}]" if np.isfinite(one["chance"]) else ""
        cells[title] = shown.numbers(one["mean"], one["low"], one["high"]) + chance
    return cells


def _scaled_cells(by: pd.DataFrame) -> dict[str, str]:
    """Temperature, and each measure before and after."""
    cells = {"Temperature": shown.numbers(*by.loc["temperature", ["mean", "low", "high"]], 2)}
    for name in ("ece_mass", "ece_width", "class_ece", "brier", "nll"):
        after = _mean(by, f"scaled_{name}", "chance")
        chance = f" [{after:.3f}]" if np.isfinite(after) else ""
        cells[f"{MEASURES[name]}, scaled"] = f"{_mean(by, name):.3f} → {_mean(by, f'scaled_{name}'):.3f}{chance}"
    return cells


def _readouts(outcomes: list[Outcome]) -> None:
    every = all_readouts(outcomes)
    with st.spinner("Every readout is measured"):
        table = shown.calibrations(every)
    rows = []
    for side, title in shown.titled(outcomes):
        stored = [set(one.arrays.scores) for one in side.outcomes]
        for readout in (name for name in side.outcomes[0].arrays.scores if all(name in own for own in stored)):
            found = group_calibration(side, table, readout).set_index("measure")
            temperature = shown.numbers(*found.loc["temperature", ["mean", "low", "high"]], 2) if "temperature" in found.index else "–"
            rows.append({"Loss": title, "Readout": READOUTS.get(readout, readout).split(":")[0], **_cells(found), "Temperature": temperature})
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    shown.csv(table, "calibration_readouts", key="cal_readouts")


def _classes(outcomes: list[Outcome]) -> None:
    names = [whole(name) for name in shown.dataset_of(outcomes).label_names]
    rows: dict[str, list] = {"Class": names, "Test texts": np.bincount(outcomes[0].labels(outcomes[0].test), minlength=len(names)).tolist()}
    for side, title in shown.titled(outcomes):
        errors = [class_calibration_errors(one.probabilities(one.test), one.labels(one.test)) for one in side.outcomes]
        rows[title] = np.mean(errors, axis=0).round(3).tolist()
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(420, 38 + 35 * len(names)))
    st.caption("ECE of each class's own probability, equal-mass bins, mean over the runs of a group.")


def selective(scope: Scope) -> None:
    """Error rate on the surest share of the texts, by what sureness is measured."""
    outcomes = shown.outcomes_of(scope)
    there = [name for name in SIGNALS if any(name in signals_of(one) for one in outcomes)]
    signal = st.selectbox("Surest by", there, format_func=SIGNALS.get, key="risk_signal", width=420)
    st.caption(f"Texts are answered in the order of {WHAT[signal]}. A line that falls to the left: the run knows when it is wrong.")
    shown.figure("risk_coverage", outcomes, scope, key="risk", signal=signal)
    table = shown.selectives(outcomes)
    rows = [_areas(side, title, table) for side, title in shown.titled(outcomes)]
    st.markdown("**Area under the curve (AURC, per cent; smaller is better)**")
    helps = {SHORT[name]: st.column_config.Column(help=f"Texts ordered by {WHAT[name]}.") for name in SIGNALS}
    st.dataframe(pd.DataFrame(rows).fillna("–"), hide_index=True, column_config=helps)
    st.caption("In brackets the excess over an oracle that gives up the wrong texts first. Random: abstaining by chance keeps the error rate.")
    if said := missing_signals(outcomes):
        st.caption(escaped(" ".join(said)))
    shown.csv(table, "risk_coverage_runs", key="risk_table")


def _areas(side: Side, title: str, table: pd.DataFrame) -> dict[str, str]:
    found = group_selective(side, table).set_index(["signal", "measure"])
    cells = {"Loss": title, "Runs": many(side)}
    cells["Oracle"] = f"{100 * found.loc[('max_probability', 'best'), 'mean']:.1f}"
    cells["Random"] = f"{100 * found.loc[('max_probability', 'risk'), 'mean']:.1f}"
    for name in SIGNALS:
        if (name, "aurc") in found.index:
            area, excess = found.loc[(name, "aurc")], found.loc[(name, "excess"), "mean"]
            some = "" if area["runs"] == len(side.runs) else f", {int(area['runs'])} runs"
            cells[SHORT[name]] = f"{shown.numbers(area['mean'], area['low'], area['high'], 1, 100)} [{100 * excess:.1f}]{some}"
    return cells


def strata(scope: Scope) -> None:
    """Accuracy by distance, length, class frequency and purity; and class by class against the rest."""
    outcomes = shown.outcomes_of(scope)
    a, b = st.columns([1, 1.4], vertical_alignment="bottom")
    by = a.selectbox("Accuracy by", list(BY), format_func=BY.get, key="strata_by")
    space = "cross_entropy"
    if by in ("distance", "purity"):
        words = {"cross_entropy": "the cross-entropy run of the same draw, as in arXiv 2211.15195", "own": "each run's own"}
        space = b.selectbox("In the space of", list(words), format_func=words.get, key="strata_space")
    options = {"by": by, "space": space} if by in ("distance", "purity") else {"by": by}
    table = shown.figure("strata", outcomes, scope, key="strata", **options)
    if table["stratum"].nunique() == 1:
        st.info("All test texts fall into one stratum here, so there is nothing to compare.")
    _slices(outcomes)


def _slices(outcomes: list[Outcome]) -> None:
    st.header("Class by class", anchor=False)
    found = shown.titled(outcomes)
    place = st.selectbox("Loss", range(len(found)), format_func=lambda i: found[i][1], key="strata_group", width=320)
    side, _ = found[place]
    table, names = shown.slices(side), [whole(name) for name in shown.dataset_of(outcomes).label_names]
    table = table.sort_values("accuracy", kind="stable")
    view = pd.DataFrame({
        "Class": [names[c] for c in table["class_id"]], "Test texts": table["n"].round().astype(int),
        "Accuracy, %": [shown.numbers(*row, 1, 100) for row in table[["accuracy", "low", "high"]].itertuples(index=False)],
        "Rest, %": (100 * table["rest"]).round(1), "Difference, points": (100 * table["difference"]).round(1),
        "p, corrected": [_p(value) for value in table["p_holm"]],
    })  # fmt: skip
    st.dataframe(view, hide_index=True, height=min(460, 38 + 35 * len(view)), column_config={
        "Difference, points": st.column_config.NumberColumn(format="%+.1f"), "Rest, %": st.column_config.NumberColumn(format="%.1f")})  # fmt: skip
    test = "permutation test over the test texts" if side.group.lone else "Welch's t over draws and test texts together"
    st.caption(
        f"{many(side)}. {interval_words([side.group], texts=True)} p: {test}, against the rest of the test part; Holm's correction for having looked "
        f"at {len(table)} classes."
    )
    shown.csv(table.assign(name=[names[c] for c in table["class_id"]]), "class_slices", key="strata_slices")


def _p(value: float) -> str:
    return "–" if not np.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
