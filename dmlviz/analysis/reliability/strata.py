"""Where is a run right? Accuracy by distance to the mean embedding, sentence length, class frequency, neighbour purity, and class by class.

The first two are paper 2's own figures (notebooks beside arXiv 2211.15195): Euclidean distance of each sentence's embedding under the cross-entropy
model to the mean embedding, and words split at white space, each sorted and cut into ten equal groups. Here all texts are test texts, and the mean
is that of the test texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.geometry.neighbors import neighbors
from dmlviz.analysis.reliability.calibration import bin_numbers
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, over_runs, share_interval, sides, text_shares, units
from dmlviz.analysis.statistics import holm
from dmlviz.core.types import InputError, TextDataset

BY = {
    "distance": "Distance to the mean embedding",
    "length": "Sentence length",
    "frequency": "Class frequency",
    "purity": "Neighbour purity",
}
SPACES = ("cross_entropy", "own")  # whose embeddings distances and neighbours are measured in
GROUPS = 10  # deciles, as in paper 2
LEAST_TEXTS = 10  # in a stratum; fewer strata where it would hold less
PURITY_NEIGHBORS = 10
PURITY_EDGES = (0.15, 0.35, 0.65, 0.85)  # 0 to 1, 2 to 3, 4 to 6, 7 to 8, 9 to 10 of ten neighbours
FREQUENCY_EDGES = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000)  # about half a power of ten each, where there are many frequencies
MOST_FREQUENCIES = 7
SHUFFLES = 9999
COLUMNS = ("group", "stratum", "value", "least", "most", "n", "accuracy", "low", "high", "runs")


class Strata(NamedTuple):
    """The test texts of a run by one of BY."""

    number: np.ndarray  # (M,) stratum of each test text, from 0
    values: np.ndarray  # (M,) what they were sorted by


class Found(NamedTuple):
    """Accuracy by stratum, and what was measured how."""

    table: pd.DataFrame  # COLUMNS, one row per group (its place in `sides`) and stratum
    by: str
    words: str  # one sentence: what was sorted by what, in whose space


def distances_to_mean(embeddings: np.ndarray) -> np.ndarray:
    """(M, D) -> (M,) Euclidean distance of each vector to their mean."""
    vectors = np.asarray(embeddings, dtype=np.float64)
    return np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)


def word_counts(dataset: TextDataset, rows: np.ndarray) -> np.ndarray:
    """(M,) words split at white space; both sentences of a pair."""
    pairs = dataset.text_pairs
    return np.array([len(dataset.texts[row].split()) + (len(pairs[row].split()) if pairs else 0) for row in rows], dtype=np.float64)


def class_frequencies(dataset: TextDataset) -> tuple[np.ndarray, str]:
    """(C,) texts of each class in the training part, and "training part"; of the whole data set where it has no training part."""
    train = np.asarray(dataset.parts) == "train"
    part, words = (train, "training part") if train.any() else (np.ones(len(dataset.labels), dtype=bool), "whole data set")
    return np.bincount(dataset.labels[part], minlength=len(dataset.label_names)).astype(np.float64), words


def neighbor_purity(embeddings: np.ndarray, labels: np.ndarray, k: int = PURITY_NEIGHBORS) -> np.ndarray:
    """(M,) share of each text's k nearest others (cosine) that are of its own gold class; fewer neighbours where there are fewer texts."""
    k = min(k, len(labels) - 1)
    near = neighbors(embeddings, k).indices
    return (np.asarray(labels)[near] == np.asarray(labels)[:, None]).mean(axis=1)


def deciles(values: np.ndarray, groups: int = GROUPS) -> np.ndarray:
    """(M,) -> (M,) group of each value, from 0: as even as can be while equal values stay together; ten, or as many as hold ten texts each."""
    groups = max(1, min(groups, len(values) // LEAST_TEXTS))
    return np.unique(bin_numbers(values, "equal_mass", groups), return_inverse=True)[1]


def strata_of(one: Outcome, by: str, dataset: TextDataset | None = None, *, space: Outcome | None = None) -> Strata:
    """A run's test texts by one of BY. `space`: the run whose embeddings count (its own where None); length and frequency need the data set.

    Raises InputError for another `by`, or a space that does not hold these test texts.
    """
    if by not in BY:
        raise InputError(f"accuracy cannot be shown by {by!r}; choose one of {', '.join(BY)}")
    if by in ("length", "frequency") and dataset is None:
        raise InputError(f"accuracy by {by} needs the texts themselves; give the data set")
    if by == "length":
        counts = word_counts(dataset, one.rows(one.test))
        return Strata(deciles(counts), counts)
    if by == "frequency":
        frequency, _ = class_frequencies(dataset)
        return _by_frequency(frequency, one.labels(one.test))
    vectors = _vectors(one, space or one)
    if by == "distance":
        away = distances_to_mean(vectors)
        return Strata(deciles(away), away)
    purity = neighbor_purity(vectors, one.labels(one.test))
    return Strata(np.searchsorted(PURITY_EDGES, purity), purity)


def _by_frequency(frequency: np.ndarray, labels: np.ndarray) -> Strata:
    """Classes, the rare ones first: one stratum per frequency where there are up to seven, else by FREQUENCY_EDGES."""
    values = frequency[labels]
    known = np.unique(values)
    edges = known[1:] if len(known) <= MOST_FREQUENCIES else np.array(FREQUENCY_EDGES)
    return Strata(np.searchsorted(edges, values, side="right"), values)


def _vectors(one: Outcome, space: Outcome) -> np.ndarray:
    """(M, D) embeddings in `space` of the test texts of `one`, in its order."""
    rows, there = one.rows(one.test), np.asarray(space.arrays.row_ids)
    place = {int(row): i for i, row in enumerate(there)}
    if not all(int(row) in place for row in rows):
        raise InputError(f"run {space.run.id} does not hold the test texts of run {one.run.id}, so these cannot be placed in its space")
    return np.asarray(space.arrays.embeddings)[[place[int(row)] for row in rows]]


def common_spaces(outcomes: Sequence[Outcome]) -> dict[str, Outcome] | None:
    """Run id -> the cross-entropy run of the same draw, fold and seed (else of the same draw and fold); None where some run has no such partner."""
    plain = [one for one in outcomes if one.run.config.shown_loss == "cross_entropy" and one.run.config.control == "none"]
    exact = {_seeds(one): one for one in reversed(plain)}
    near = {_seeds(one)[:2]: one for one in reversed(plain)}
    found = {one.run.id: exact.get(_seeds(one)) or near.get(_seeds(one)[:2]) for one in outcomes}
    for one in outcomes:
        partner = found[one.run.id]
        if partner is None or not np.isin(one.rows(one.test), partner.arrays.row_ids).all():
            return None
    return found


def _seeds(one: Outcome) -> tuple[int, int, int]:
    return one.run.config.support_seed, one.run.config.fold, one.run.config.seed


def accuracy_by(outcomes: Sequence[Outcome], by: str, dataset: TextDataset | None = None, *, space: str = "cross_entropy") -> Found:
    """Accuracy of every group within each stratum of its runs' test texts.

    `space` "cross_entropy" measures distance and purity in the cross-entropy run of the same draw, as paper 2 does, so that a stratum holds the same
    texts for every loss; where there is no such run it is each run's own space, and `words` says so. Rows: value, least, most and n (texts a run) are
    means over runs; intervals are those of `share_interval`.
    """
    if space not in SPACES:
        raise InputError(f"no space {space!r}; known: {', '.join(SPACES)}")
    shared = common_spaces(outcomes) if space == "cross_entropy" and by in ("distance", "purity") else None
    rows, cache = [], {}
    for place, side in enumerate(sides(outcomes)):
        per_run = [_hits(one, by, dataset, shared, cache).assign(run=i) for i, one in enumerate(side.outcomes)]
        for stratum, found in pd.concat(per_run).groupby("stratum"):
            rows.append(_row(place, stratum, found, side))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Found(table, by, _words(by, dataset, shared, space))


def _hits(one: Outcome, by: str, dataset: TextDataset | None, shared: Mapping[str, Outcome] | None, cache: dict[object, Strata]) -> pd.DataFrame:
    """One row per stratum of a run: stratum, n, hits, value, least, most, rows and right (arrays of its texts). Strata that several runs share are
    made once."""
    home = shared[one.run.id] if shared else one
    key = (home.run.id if by in ("distance", "purity") else "", one.rows(one.test).tobytes())
    if key not in cache:
        cache[key] = strata_of(one, by, dataset, space=home)
    strata = cache[key]
    right, rows = one.predicted(one.test) == one.labels(one.test), one.rows(one.test)
    found = []
    for stratum in np.unique(strata.number):
        own = strata.number == stratum
        values = strata.values[own]
        found.append((stratum, own.sum(), right[own].sum(), values.mean(), values.min(), values.max(), rows[own], right[own]))
    return pd.DataFrame(found, columns=["stratum", "n", "hits", "value", "least", "most", "rows", "right"])


def _row(place: int, stratum: int, found: pd.DataFrame, side: Side) -> tuple:
    runs = [side.runs[i] for i in found["run"]]
    interval = share_interval(found["hits"].tolist(), found["n"].tolist(), runs, text_shares(found["rows"].tolist(), found["right"].tolist()))
    means = [float(found[name].mean()) for name in ("value", "least", "most", "n")]
    return (place, int(stratum), *means, *interval[1:], len(runs))


def _words(by: str, dataset: TextDataset | None, shared: object, space: str) -> str:
    where = "the cross-entropy run of the same draw" if shared else "each run's own space"
    lacking = "" if shared or space == "own" else "; arXiv 2211.15195 takes the cross-entropy model's, and not every run here has such a partner"
    if by == "distance":
        return f"Test texts by their Euclidean distance to the mean embedding of the test texts, in {where}{lacking}."
    if by == "purity":
        return f"Test texts by how many of their {PURITY_NEIGHBORS} nearest test texts (cosine) are of their own class, in {where}{lacking}."
    if by == "length":
        return "Test texts by their words, split at white space, in groups as even as equal lengths allow."
    return f"Test texts by how often their class occurs in the {class_frequencies(dataset)[1]}; classes of one frequency stand together."


# ---- slices against the rest


def right_texts(outcomes: Sequence[Outcome]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row ids (M,), gold classes (M,), share of the runs that are right (M,)) over every test text of any of these runs."""
    rows = np.concatenate([one.rows(one.test) for one in outcomes])
    labels = np.concatenate([one.labels(one.test) for one in outcomes])
    right = np.concatenate([one.predicted(one.test) == one.labels(one.test) for one in outcomes])
    ids, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return ids, labels[first], np.bincount(inverse, right) / np.bincount(inverse)


def slice_p_values(right: np.ndarray, number: np.ndarray, slices: int, *, shuffles: int = SHUFFLES, seed: int = 0) -> np.ndarray:
    """(S,) how often a random set of as many texts differs as much from the rest as the slice does: a two-sided permutation test. NaN for an empty
    slice or one that holds every text.

    right (M,): share of the runs that are right on each text; number (M,): slice of each text. The texts are what is resampled: the runs are given.
    """
    right, number = np.asarray(right, dtype=np.float64), np.asarray(number)
    sizes = np.bincount(number, minlength=slices)
    expected = sizes * right.mean()
    apart = np.abs(np.bincount(number, right, minlength=slices) - expected)
    rng, reached, shuffled = np.random.default_rng(seed), np.zeros(slices), right.copy()
    for _ in range(shuffles):
        rng.shuffle(shuffled)
        reached += np.abs(np.bincount(number, shuffled, minlength=slices) - expected) >= apart - 1e-9
    found = (1 + reached) / (1 + shuffles)
    found[(sizes == 0) | (sizes == len(number))] = np.nan
    return found


def difference_p_value(per_unit: np.ndarray, inside: np.ndarray, outside: np.ndarray) -> float:
    """Two-sided p of a difference between a slice and the rest, if draws and texts were others; NaN where it cannot be said.

    per_unit (U,): the difference on each draw; inside, outside: share of the runs that are right on each text of the slice and of the rest. The
    variance of the mean over draws and Welch's of the two samples of texts are added, with Satterthwaite's degrees of freedom: what draws and texts
    both move is counted twice, so the test is rather too careful. A slice in which all texts are alike has the variance of one more right and one
    more wrong text (Laplace), not none.
    """
    from scipy import stats

    if len(per_unit) < 2 or not len(outside) or not len(inside):
        return math.nan
    parts = [(float(np.var(per_unit, ddof=1)) / len(per_unit), len(per_unit) - 1)]
    for sample in (inside, outside):
        smoothed = (sample.sum() + 1) / (len(sample) + 2)
        spread = float(np.var(sample, ddof=1)) if len(sample) > 1 else 0.0
        parts.append(((spread or smoothed * (1 - smoothed)) / len(sample), max(len(sample) - 1, 1)))
    total = sum(variance for variance, _ in parts)
    freedom = total**2 / sum(variance**2 / df for variance, df in parts)
    return float(2 * stats.t.sf(abs(float(np.mean(per_unit))) / math.sqrt(total), freedom))


def class_slices(side: Side, *, shuffles: int = SHUFFLES, seed: int = 0) -> pd.DataFrame:
    """One row per class with test texts: class_id, n (texts a run), accuracy, low, high (within the class: recall), rest (accuracy on all others),
    difference, p, p_holm (over the classes of this group), runs.

    p is a permutation test over texts for a lone run; for several, `difference_p_value`: texts that these very runs find hard need not be hard for
    the runs of other draws.
    """
    one = side.outcomes[0]
    _, labels, right = right_texts(side.outcomes)
    classes = one.arrays.scores[one.readout].shape[1]
    by_texts = slice_p_values(right, labels, classes, shuffles=shuffles, seed=seed) if len(side.runs) == 1 else None
    rows = []
    for c in np.unique(labels):
        counts, hits, rests = _recalls(side, int(c))
        interval, rest = share_interval(hits, counts, side.runs, right[labels == c]), over_runs(rests, side.runs).mean
        shares = np.divide(hits, counts, out=np.full(len(hits), np.nan), where=counts > 0)
        p = by_texts[c] if by_texts is not None else difference_p_value(_unit_means(shares - rests, side), right[labels == c], right[labels != c])
        rows.append((int(c), float(counts.mean()), *interval[1:], rest, interval.mean - rest, p, len(side.runs)))
    table = pd.DataFrame(rows, columns=["class_id", "n", "accuracy", "low", "high", "rest", "difference", "p", "runs"])
    table.insert(8, "p_holm", holm(table["p"].to_numpy(dtype=float)))
    return table


def _recalls(side: Side, c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R,) texts of a class, how many of them each run gets right, and its accuracy on all others."""
    found = []
    for one in side.outcomes:
        own, right = one.labels(one.test) == c, one.predicted(one.test) == one.labels(one.test)
        found.append((own.sum(), (right & own).sum(), right[~own].mean() if (~own).any() else np.nan))
    counts, hits, rests = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
    return counts, hits, rests


def _unit_means(values: np.ndarray, side: Side) -> np.ndarray:
    """(U,) means over the runs of each unit, without those that have no number."""
    means = units(side.runs).means(values)
    return means[np.isfinite(means)]
