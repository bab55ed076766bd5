"""Selective prediction: if the model may abstain on the texts it is least sure of, how wrong is it on the rest?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.geometry.neighbors import unit
from dmlviz.analysis.reliability.calibration import log_probabilities
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, over_runs
from dmlviz.core.types import InputError

SIGNALS = {
    "max_probability": "Probability of the predicted class",
    "margin": "Margin of the two likeliest classes",
    "centre_distance": "Closeness to a centre of the predicted class",
    "propagation_entropy": "Certainty of label propagation",
    "knn_agreement": "Agreement of the nearest support texts",
}
WHAT = {
    "max_probability": "the probability of the predicted class",
    "margin": "the probability of the likeliest class less that of the second",
    "centre_distance": "the cosine of a text to the nearest centre of its predicted class",
    "propagation_entropy": "minus the entropy of the classes that label propagation from the support gives",
    "knn_agreement": "the share of the kNN readout's votes for the predicted class",
}
COVERAGES = np.arange(1, 101) / 100  # where curves of runs are averaged
TIE = 12  # decimals beyond which confidences count as equal


class Selective(NamedTuple):
    """How well a confidence tells right from wrong. Areas are mean risks over all coverages."""

    n: int
    risk: float  # error rate on all texts: what random abstaining keeps
    aurc: float
    best: float  # AURC of an oracle that gives up wrong texts first
    excess: float  # aurc - best; 0 is perfect
    random: float  # AURC of abstaining at random: the risk

    @property
    def gain(self) -> float:
        """Share of the way from random abstaining (0) to the oracle (1); NaN where nothing is wrong, or everything."""
        room = self.random - self.best
        return (self.random - self.aurc) / room if room > 1e-12 else math.nan


def risk_curve(confidence: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """(M,) error rate among the k surest texts, k = 1 ... M; ties are averaged over all orders of the tied texts.

    Within a block of equal confidence any order is as likely, so its j-th text is wrong with the block's error rate: the expected number of errors
    grows evenly over the block. Raises InputError where there is nothing to order.
    """
    confidence, wrong = np.round(np.asarray(confidence, dtype=np.float64), TIE), np.asarray(wrong, dtype=np.float64)
    if len(confidence) != len(wrong) or not len(wrong):
        raise InputError(f"{len(confidence)} confidences came with {len(wrong)} outcomes; as many of each are needed, and one at least")
    if np.isnan(confidence).any():
        raise InputError("some confidences are not numbers, so texts cannot be ordered by them; choose another signal")
    values, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)  # the surest first
    errors = np.bincount(inverse, wrong, minlength=len(values))
    return np.cumsum(np.repeat(errors / counts, counts)) / np.arange(1, len(wrong) + 1)


def oracle_curve(wrong: np.ndarray) -> np.ndarray:
    """(M,) the least risk at each coverage: every wrong text comes last."""
    return risk_curve(-np.asarray(wrong, dtype=np.float64), wrong)


def selective(confidence: np.ndarray, wrong: np.ndarray) -> Selective:
    """AURC (Geifman and El-Yaniv 2017: the mean of the risk over coverages 1/M ... 1) and its excess over the oracle (Geifman et al. 2019)."""
    area, best, risk = risk_curve(confidence, wrong).mean(), oracle_curve(wrong).mean(), float(np.mean(wrong))
    return Selective(len(wrong), risk, float(area), float(best), float(area - best), risk)


def risk_at(curve: np.ndarray, coverages: np.ndarray | Sequence[float]) -> np.ndarray:
    """Risk of a curve (M,) at each coverage: on the surest ceil(coverage * M) texts."""
    kept = np.ceil(np.asarray(coverages, dtype=np.float64) * len(curve) - 1e-9).astype(np.int64)
    return curve[np.clip(kept, 1, len(curve)) - 1]


def signals(one: Outcome) -> list[str]:
    """Names of the SIGNALS that the run has: centres only where they live among the pooled vectors, readouts only where they are stored."""
    found = ["max_probability", "margin"]
    if one.arrays.centers is not None and one.arrays.centers_space == "pooled":
        found.append("centre_distance")
    return [*found, *(name for name, readout in (("propagation_entropy", "propagation"), ("knn_agreement", "knn")) if readout in one.arrays.scores)]


def missing_signals(outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for each signal that some of these runs do not have."""
    why = {
        "centre_distance": "closeness to a centre takes centres among the pooled vectors",
        "propagation_entropy": "the propagation readout is not stored",
        "knn_agreement": "the kNN readout is not stored",
    }
    found = []
    for name, reason in why.items():
        lacking = sum(name not in signals(one) for one in outcomes)
        if lacking:
            found.append(f"{SIGNALS[name]}: not for {lacking} of {len(outcomes)} runs, {reason}.")
    return found


def confidence(one: Outcome, signal: str) -> np.ndarray:
    """(M,) how sure the run is of its predictions on the test texts, higher is surer (WHAT says of what). InputError where the run has it not."""
    if signal not in SIGNALS:
        raise InputError(f"no confidence signal {signal!r}; known: {', '.join(SIGNALS)}")
    if signal not in signals(one):
        raise InputError(f"run {one.run.id} has no {SIGNALS[signal].lower()}; it has {', '.join(signals(one))}")
    scores = one.scores(one.test)
    predicted = scores.argmax(axis=1)  # where all are alike, any: such a text is as unsure as can be
    if signal == "centre_distance":
        return _closeness(np.asarray(one.arrays.embeddings)[one.test], np.asarray(one.arrays.centers), predicted)
    if signal == "propagation_entropy":
        return -_entropy(log_probabilities(np.asarray(one.arrays.scores["propagation"][one.test], dtype=np.float64)))
    if signal == "knn_agreement":
        votes = np.exp(log_probabilities(np.asarray(one.arrays.scores["knn"][one.test], dtype=np.float64)))
        return votes[np.arange(len(votes)), predicted]
    top = np.sort(np.exp(log_probabilities(scores)), axis=1)
    return top[:, -1] - top[:, -2] if signal == "margin" else top[:, -1]


def _closeness(vectors: np.ndarray, centers: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(M,) cosine to the nearest of the predicted class's centres; -1 where the class has none."""
    classes, per_class, dim = centers.shape
    cosines = unit(vectors) @ unit(np.nan_to_num(centers.reshape(-1, dim))).T
    cosines[:, ~np.isfinite(centers).all(axis=2).ravel()] = -1
    return cosines.reshape(len(vectors), classes, per_class)[np.arange(len(vectors)), predicted].max(axis=1)


def _entropy(log_p: np.ndarray) -> np.ndarray:
    return -(np.exp(log_p) * log_p).sum(axis=1)


def wrong_texts(one: Outcome) -> np.ndarray:
    """(M,) 1.0 where the readout's prediction of a test text is wrong."""
    return (one.predicted(one.test) != one.labels(one.test)).astype(np.float64)


def selective_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per run and signal it has: run, signal, n, risk, aurc, best, excess, gain, risk_80 (error rate on the surest 80 %)."""
    rows = []
    for one in outcomes:
        wrong = wrong_texts(one)
        for name in signals(one):
            sure = confidence(one, name)
            found = selective(sure, wrong)
            rows.append((one.run.id, name, found.n, found.risk, found.aurc, found.best, found.excess, found.gain,
                         float(risk_at(risk_curve(sure, wrong), [0.8])[0])))  # fmt: skip
    return pd.DataFrame(rows, columns=["run", "signal", "n", "risk", "aurc", "best", "excess", "gain", "risk_80"])


def group_selective(side: Side, table: pd.DataFrame) -> pd.DataFrame:
    """One row per signal and measure (risk, aurc, best, excess, gain, risk_80): signal, measure, runs, n (units), mean, low, high over runs.

    `table` is of `selective_table`; a signal that only some of the runs have counts these.
    """
    rows, by_id = [], {run.id: run for run in side.runs}
    own = table[table["run"].isin(by_id)]
    for signal, found in own.groupby("signal", sort=False):
        runs = [by_id[run_id] for run_id in found["run"]]
        for measure in ("risk", "aurc", "best", "excess", "gain", "risk_80"):
            least = -math.inf if measure == "gain" else 0.0
            rows.append((signal, measure, len(runs), *over_runs(found[measure].to_numpy(dtype=float), runs, least=least, most=1.0)))
    return pd.DataFrame(rows, columns=["signal", "measure", "runs", "n", "mean", "low", "high"])


def group_curve(side: Side, signal: str) -> pd.DataFrame:
    """One row per coverage from 1 to 100 %: coverage, n (texts kept, mean over runs), risk, low, high over the runs that have the signal, runs.
    Empty where none has it."""
    able = [(run, one) for run, one in zip(side.runs, side.outcomes, strict=True) if signal in signals(one)]
    if not able:
        return pd.DataFrame(columns=["coverage", "n", "risk", "low", "high", "runs"])
    runs = [run for run, _ in able]
    curves = [risk_curve(confidence(one, signal), wrong_texts(one)) for _, one in able]
    risks = np.stack([risk_at(curve, COVERAGES) for curve in curves])  # (R, 100)
    kept = np.mean([np.ceil(COVERAGES * len(curve) - 1e-9) for curve in curves], axis=0)
    intervals = [over_runs(column, runs, least=0.0, most=1.0) for column in risks.T]
    return pd.DataFrame({
        "coverage": COVERAGES, "n": kept, "risk": [one.mean for one in intervals], "low": [one.low for one in intervals],
        "high": [one.high for one in intervals], "runs": len(able),
    })  # fmt: skip
