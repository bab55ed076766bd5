"""Do probabilities mean what they say? Reliability bins, calibration error beside what chance alone makes of it, proper scores, temperature.

Confidence is the probability of the predicted class. All functions take plain arrays or Outcomes and return new values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.reliability.outcomes import Outcome, outcome
from dmlviz.analysis.reliability.over_runs import Interval, Side, over_runs, share_interval, text_shares
from dmlviz.core.types import InputError, predicted_classes

BINS = 15  # as in Guo et al. 2017; fewer below 150 texts
LEAST_IN_BIN = 10
BINNINGS = ("equal_mass", "equal_width")
SIMULATIONS = 500
CLASS_SIMULATIONS = 100
LEAST_VALIDATION = 10  # texts below which no temperature is fitted
BOUND = 100.0  # temperatures are sought between 1 / BOUND and BOUND
MEASURES = {
    "ece_mass": "ECE, equal-mass bins",
    "ece_width": "ECE, equal-width bins",
    "class_ece": "Class-wise ECE",
    "brier": "Brier score",
    "nll": "NLL, nats",
}
MOST = {"accuracy": 1.0, "confidence": 1.0, "ece": 1.0, "brier": 2.0}  # bounds of intervals; none is below 0


class Gap(NamedTuple):
    """A calibration error, and what a perfectly calibrated model with the same probabilities would show on as many texts."""

    ece: float
    chance: float  # its mean under perfect calibration: the bias that few texts alone bring
    high: float  # 95 % of calibrated models stay below


class Temperature(NamedTuple):
    """A fitted temperature: scores are divided by it."""

    value: float
    n: int  # validation texts it was fitted on
    at_bound: bool  # no minimum within 1 / BOUND to BOUND: the texts are all right, or no better than chance


def bin_count(n: int) -> int:
    """Bins for n texts: 15, fewer where they would hold less than ten texts each."""
    return max(1, min(BINS, n // LEAST_IN_BIN))


def bin_numbers(values: np.ndarray, binning: str = "equal_mass", bins: int | None = None) -> np.ndarray:
    """(M,) values -> (M,) bin of each, from 0.

    equal_mass: as many texts in each as can be while equal values stay together, by their mean rank, so the order of rows has no say. equal_width:
    of 0 to 1, a value at an edge belongs to the lower bin. Raises InputError for another binning.
    """
    values = np.asarray(values, dtype=np.float64)
    bins = bin_count(len(values)) if bins is None else bins
    if binning == "equal_width":
        return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)
    if binning != "equal_mass":
        raise InputError(f"no binning {binning!r}; known: {', '.join(BINNINGS)}")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2  # of the ranks that share a value
    return np.minimum((bins * middle / max(len(values), 1)).astype(np.int64), bins - 1)[inverse]


def reliability_bins(confidence: np.ndarray, correct: np.ndarray, binning: str = "equal_mass", bins: int | None = None) -> pd.DataFrame:
    """One row per bin that holds texts: bin, n, confidence (mean), hits, accuracy."""
    number = bin_numbers(confidence, binning, bins)
    table = pd.DataFrame({"bin": number, "confidence": np.asarray(confidence, dtype=np.float64), "correct": np.asarray(correct, dtype=np.float64)})
    found = table.groupby("bin").agg(n=("correct", "size"), confidence=("confidence", "mean"), hits=("correct", "sum")).reset_index()
    return found.assign(accuracy=found["hits"] / found["n"])


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, binning: str = "equal_mass", bins: int | None = None) -> float:
    """Mean over texts of |accuracy - mean confidence| of their bin (ECE; Guo et al. 2017 take equal_width)."""
    _check(confidence, correct)
    outcomes = np.asarray(correct, dtype=np.float64)[None]
    return float(_errors(outcomes, np.asarray(confidence, dtype=np.float64), bin_numbers(confidence, binning, bins))[0])


def _errors(correct: np.ndarray, confidence: np.ndarray, number: np.ndarray) -> np.ndarray:
    """(S, M) outcomes -> (S,) their ECE under one binning."""
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(number[order]) > 0])
    apart = np.add.reduceat((correct - confidence)[:, order], starts, axis=1)  # (S, bins): summed over the bin
    return np.abs(apart).sum(axis=1) / len(confidence)


def calibration_gap(
    confidence: np.ndarray,
    correct: np.ndarray,
    binning: str = "equal_mass",
    bins: int | None = None,
    *,
    simulations: int = SIMULATIONS,
    seed: int = 0,
) -> Gap:
    """The ECE and its small-sample bias by simulation: each text is right with the probability that its confidence states (consistency resampling
    of Bröcker & Smith 2007, at the given confidences), and the same bins are taken again."""
    found = expected_calibration_error(confidence, correct, binning, bins)
    confidence = np.asarray(confidence, dtype=np.float64)
    number, rng, drawn = bin_numbers(confidence, binning, bins), np.random.default_rng(seed), []
    step = max(1, 4_000_000 // len(confidence))
    for start in range(0, simulations, step):
        count = min(step, simulations - start)
        drawn.append(_errors((rng.random((count, len(confidence))) < confidence).astype(np.float64), confidence, number))
    errors = np.concatenate(drawn)
    return Gap(found, float(errors.mean()), float(np.quantile(errors, 0.95)))


def class_calibration_errors(probabilities: np.ndarray, labels: np.ndarray, bins: int | None = None) -> np.ndarray:
    """(C,) ECE of each class's own probability, (M, C), against whether a text is of it; equal-mass bins. Their mean is the class-wise ECE
    (Kull et al. 2019, there with equal-width bins)."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    bins = bin_count(len(probabilities)) if bins is None else bins
    return _class_errors(probabilities, np.asarray(labels), _class_bins(probabilities, bins), bins)


def _class_bins(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """(M, C) bin of every class's probability, numbered on over the classes."""
    return np.stack([c * bins + bin_numbers(column, "equal_mass", bins) for c, column in enumerate(probabilities.T)], axis=1)


def _class_errors(probabilities: np.ndarray, labels: np.ndarray, number: np.ndarray, bins: int) -> np.ndarray:
    count, classes = probabilities.shape
    said = np.bincount(number.ravel(), probabilities.ravel(), minlength=classes * bins)
    seen = np.bincount(number[np.arange(count), labels], minlength=classes * bins)
    return np.abs(said - seen).reshape(classes, bins).sum(axis=1) / count


def class_gap(probabilities: np.ndarray, labels: np.ndarray, *, bins: int | None = None, simulations: int = CLASS_SIMULATIONS, seed: int = 0) -> Gap:
    """Class-wise ECE and its small-sample bias: each text's class is drawn from its probabilities."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    bins = bin_count(len(probabilities)) if bins is None else bins
    number, rng = _class_bins(probabilities, bins), np.random.default_rng(seed)
    upto, last = np.cumsum(probabilities, axis=1), probabilities.shape[1] - 1
    drawn = []
    for _ in range(simulations):
        classes = np.minimum((upto < rng.random((len(upto), 1))).sum(axis=1), last)
        drawn.append(_class_errors(probabilities, classes, number, bins).mean())
    found = _class_errors(probabilities, np.asarray(labels), number, bins).mean()
    return Gap(float(found), float(np.mean(drawn)), float(np.quantile(drawn, 0.95)))


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over texts of sum_c (p_c - y_c)^2 with y one-hot (Brier 1950): 0 is best, 2 worst; with two classes twice what is often quoted."""
    aimed = np.asarray(probabilities, dtype=np.float64).copy()
    aimed[np.arange(len(aimed)), labels] -= 1
    return float((aimed**2).sum(axis=1).mean())


def log_probabilities(scores: np.ndarray) -> np.ndarray:
    """(M, C) scores -> log softmax, finite where the scores are."""
    shifted = np.asarray(scores, dtype=np.float64) - np.max(scores, axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def negative_log_likelihood(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean over texts of -log p(gold class), nats."""
    return float(-log_probabilities(scores)[np.arange(len(labels)), labels].mean())


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> Temperature:
    """The temperature T that makes softmax(scores / T) most likely (Guo et al. 2017). (M, C), (M,).

    The NLL is convex in 1 / T, so its one minimum is where the slope, mean(E_p[score] - score of the gold class), crosses zero.
    Raises InputError below ten texts: what is fitted to a handful says nothing of others.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if len(labels) < LEAST_VALIDATION:
        raise InputError(
            f"a temperature was to be fitted on {len(labels)} validation texts; it takes {LEAST_VALIDATION} or more, "
            "so train with validation set to 64, say"
        )
    gold = scores[np.arange(len(labels)), labels]

    def slope(log_beta: float) -> float:
        chances = np.exp(log_probabilities(scores * math.exp(log_beta)))
        return float(((chances * scores).sum(axis=1) - gold).mean())

    reach = math.log(BOUND)
    if slope(-reach) >= 0:
        return Temperature(BOUND, len(labels), True)
    if slope(reach) <= 0:
        return Temperature(1 / BOUND, len(labels), True)
    from scipy.optimize import brentq

    return Temperature(math.exp(-brentq(slope, -reach, reach, xtol=1e-10)), len(labels), False)


def measures(scores: np.ndarray, labels: np.ndarray, *, seed: int = 0, classes: bool = True) -> dict[str, float]:
    """Everything on (M, C) scores and (M,) gold classes: n, accuracy, confidence, ece_mass and ece_width (with _chance, _high), class_ece (with
    _chance, _high; `classes` False leaves it out), brier, nll."""
    log_p = log_probabilities(scores)
    probabilities = np.exp(log_p)
    predictions, confidence = predicted_classes(scores), probabilities.max(axis=1)
    correct = predictions == labels
    mass, width = (calibration_gap(confidence, correct, binning, seed=seed) for binning in BINNINGS)
    found: dict[str, float] = {"n": len(labels), "accuracy": float(correct.mean()), "confidence": float(confidence.mean())}
    gaps = {"ece_mass": mass, "ece_width": width, **({"class_ece": class_gap(probabilities, labels, seed=seed)} if classes else {})}
    for name, gap in gaps.items():
        found |= {name: gap.ece, f"{name}_chance": gap.chance, f"{name}_high": gap.high}
    return found | {"brier": brier_score(probabilities, labels), "nll": negative_log_likelihood(scores, labels)}


def run_calibration(one: Outcome, *, seed: int = 0, classes: bool = True) -> dict[str, float]:
    """`measures` on the run's test part; where it has validation texts enough also temperature, n_validation, at_bound and the measures after
    scaling (scaled_...), else temperature NaN."""
    labels, scores = one.labels(one.test), one.scores(one.test)
    found = measures(scores, labels, seed=seed, classes=classes)
    n = int(one.validation.sum())
    if n < LEAST_VALIDATION:
        return found | {"temperature": math.nan, "n_validation": n, "at_bound": False}
    fitted = fit_temperature(one.scores(one.validation), one.labels(one.validation))
    scaled = measures(scores / fitted.value, labels, seed=seed, classes=classes)
    found |= {"temperature": fitted.value, "n_validation": n, "at_bound": fitted.at_bound}
    return found | {f"scaled_{name}": value for name, value in scaled.items() if name not in ("n", "accuracy")}


def calibration_table(outcomes: Sequence[Outcome], *, seed: int = 0, classes: bool = True) -> pd.DataFrame:
    """One row per outcome: run, readout, and all that `run_calibration` finds."""
    return pd.DataFrame([{"run": one.run.id, "readout": one.readout, **run_calibration(one, seed=seed, classes=classes)} for one in outcomes])


def all_readouts(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Every outcome under each readout that its run has stored, its own first."""
    found = []
    for one in outcomes:
        found += [one, *(outcome(one.run, one.arrays, name) for name in one.arrays.scores if name != one.readout)]
    return found


def group_calibration(side: Side, table: pd.DataFrame, readout: str | None = None) -> pd.DataFrame:
    """One row per measure: measure, n (units), mean, low, high over the runs of a group; chance and high_chance are means over its runs. The mean of
    temperatures is geometric (2 and 1/2 cancel out) and of the runs in which one was best: those that stand at the bound of the search have none.

    `table` is of `calibration_table`; `readout` None takes each run's row of the readout that its outcome is judged by.
    """
    wanted = [(one.run.id, readout or one.readout) for one in side.outcomes]
    rows = table.set_index(["run", "readout"]).reindex(wanted)
    found = []
    for name in ("accuracy", "confidence", *MEASURES, "temperature", *(f"scaled_{name}" for name in ("confidence", *MEASURES))):
        if name in rows:
            chance = [float(rows[f"{name}_{end}"].mean()) if f"{name}_{end}" in rows else math.nan for end in ("chance", "high")]
            values = rows[name].to_numpy(dtype=float)
            if name == "temperature":
                values = np.where(rows["at_bound"].to_numpy(dtype=bool), np.nan, values)
            found.append((name, *_interval(name, values, side), *chance))
    return pd.DataFrame(found, columns=["measure", "n", "mean", "low", "high", "chance", "high_chance"])


def _interval(name: str, values: np.ndarray, side: Side) -> Interval:
    if name == "temperature":
        found = over_runs(np.log(values), side.runs)
        return found._replace(mean=math.exp(found.mean), low=math.exp(found.low), high=math.exp(found.high)) if found.n else found
    most = next((most for part, most in MOST.items() if part in name), math.inf)
    return over_runs(values, side.runs, least=0.0, most=most)


def group_bins(side: Side, binning: str = "equal_mass", *, temperature: bool = False) -> pd.DataFrame:
    """One row per bin: bin, n (texts a run, mean), confidence and accuracy (means over runs), low and high of the accuracy (Wilson's for a lone run),
    runs. `temperature`: after scaling by the temperature fitted on each run's validation part."""
    tables, members = [], []
    for i, one in enumerate(side.outcomes):
        scores = one.scores(one.test)
        if temperature:
            scores = scores / fit_temperature(one.scores(one.validation), one.labels(one.validation)).value
        chances = np.exp(log_probabilities(scores))
        confidence, right = chances.max(axis=1), one.predicted(one.test) == one.labels(one.test)
        tables.append(reliability_bins(confidence, right, binning).assign(run=i))
        members.append((bin_numbers(confidence, binning), one.rows(one.test), right))
    table, found = pd.concat(tables), []
    for number, rows in table.groupby("bin"):
        runs = [side.runs[i] for i in rows["run"]]
        own = [(ids[numbers == number], right[numbers == number]) for numbers, ids, right in (members[i] for i in rows["run"])]
        interval = share_interval(rows["hits"].tolist(), rows["n"].tolist(), runs, text_shares(*zip(*own, strict=True)))
        found.append((number, float(rows["n"].mean()), float(rows["confidence"].mean()), *interval[1:], len(runs)))
    return pd.DataFrame(found, columns=["bin", "n", "confidence", "accuracy", "low", "high", "runs"])


def _check(confidence: np.ndarray, correct: np.ndarray) -> None:
    if len(confidence) != len(correct) or not len(confidence):
        raise InputError(f"{len(confidence)} confidences came with {len(correct)} outcomes; as many of each are needed, and one at least")
    low, high = float(np.min(confidence)), float(np.max(confidence))
    if not (low >= 0 and high <= 1 + 1e-9):
        raise InputError(f"confidences run from {low:.3g} to {high:.3g}; they are probabilities, from 0 to 1")
