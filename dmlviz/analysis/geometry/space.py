"""Numbers of the embedding space itself: no map has a say in them. All on unit vectors of the test texts.

The training texts shaped the space, so their separation proves little; they appear only as the neighbours that test texts are classified by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from dmlviz.analysis.geometry.neighbors import comparable, neighbors
from dmlviz.analysis.geometry.quality import Estimate, anchors_of
from dmlviz.analysis.statistics import student_half, wilson
from dmlviz.core.types import InputError

KNN = 10  # neighbours that vote
SAMPLE = 2_000  # texts for the measures that need all pairs
JACKKNIFE = "95 % jackknife interval over texts"
WILSON = "95 % Wilson interval over texts"
ONE_CLASS = "the test texts are all of one class"
ONE_EACH = "no class has two test texts"


@dataclass(frozen=True, eq=False)
class SpaceReport:
    """How the test texts of one run lie in its embedding space. A number that does not exist is None, with its reason in `why`."""

    silhouette: Estimate  # mean over texts of (b - a) / max(a, b), cosine distance; -1..1, higher: classes lie apart
    silhouette_macro: Estimate  # mean over classes of their texts' mean: a small class counts as much as a large one
    knn_accuracy: Estimate  # a test text takes the class that most of its 10 nearest other test texts have; 0..1
    knn_from_support: Estimate  # the same from its nearest support texts; 0..1
    alignment: Estimate  # mean squared distance within a class; 0..4, lower: a class is tighter
    uniformity: Estimate  # log of the mean Gaussian similarity of two texts; -8..0, lower: more of the sphere is used
    effective_rank: Estimate  # 1..D: how many directions are used
    scatter_ratio: Estimate  # between-class over within-class scatter; 0.., higher: classes lie apart
    part: str  # "test"
    n: int  # texts of that part
    classes: int  # that occur in it


def space_report(embeddings: np.ndarray, labels: np.ndarray, roles: np.ndarray, *, seed: int = 0, sample: int = SAMPLE) -> SpaceReport:
    """(N, D) embeddings, labels (N,), roles (N,) -> SpaceReport of the TEST texts.

    What needs all pairs (kNN accuracy, uniformity) is measured at `sample` seeded test texts; the neighbours are sought among all of them.
    Intervals say how the number would vary over test texts; for seeds and support draws compare runs. Raises InputError without test texts.
    """
    roles = np.asarray(roles)
    test = np.flatnonzero(roles == "test")
    if len(test) < 2:
        raise InputError(f"this run has {len(test)} test texts; the numbers of its space need at least 2")
    vectors, labels = comparable(embeddings, "cosine"), np.unique(np.asarray(labels), return_inverse=True)[1]
    units, own = vectors[test], labels[test]
    support = np.flatnonzero(roles == "support")
    silhouettes = silhouette_values(units, own)
    rows = anchors_of(len(test), sample, seed)
    return SpaceReport(
        silhouette=_silhouette(silhouettes, own),
        silhouette_macro=_macro(silhouettes, own),
        knn_accuracy=_knn(units, own, rows),
        knn_from_support=_knn_from(units[rows], own[rows], vectors[support], labels[support]),
        alignment=alignment(units, own),
        uniformity=uniformity(units[rows]),
        effective_rank=effective_rank(units),
        scatter_ratio=scatter_ratio(units, own),
        part="test",
        n=len(test),
        classes=len(set(own.tolist())),
    )


def _class_sums(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sums (C, D), counts (C,)) by class number."""
    counts = np.bincount(labels)
    sums = np.zeros((len(counts), values.shape[1]))
    order = labels.argsort(kind="stable")
    present = np.flatnonzero(counts)
    sums[present] = np.add.reduceat(values[order], np.concatenate([[0], np.cumsum(counts[present])[:-1]]), axis=0)
    return sums, counts


# ---- silhouette


def silhouette_values(units: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """(N, D) unit vectors -> (N,) silhouettes with cosine distance (Rousseeuw 1987), 0 for a class of one text; None for fewer than two classes.

    The mean cosine distance to a class is 1 - u · (its mean vector), so no table of pairs is needed.
    """
    sums, counts = _class_sums(units, labels)
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return None
    toward = units @ sums[present].T  # (N, C): sum of the cosines to the texts of each class
    mine = np.searchsorted(present, labels)
    each, row = counts[present], np.arange(len(units))
    self_distance = 1 - np.square(units).sum(axis=1)  # 0, but 1 for a zero vector, which is no distance to itself
    within = (each[mine] - toward[row, mine] - self_distance) / np.maximum(each[mine] - 1, 1)
    other = 1 - toward / each
    other[row, mine] = np.inf
    nearest = other.min(axis=1)
    longer = np.maximum(within, nearest)
    found = np.divide(nearest - within, longer, out=np.zeros(len(units)), where=longer > 1e-12)
    return np.where(each[mine] == 1, 0.0, found)


def _silhouette(values: np.ndarray | None, labels: np.ndarray) -> Estimate:
    if values is None:
        return Estimate(None, n=len(labels), why=ONE_CLASS)
    half = _t_half(values.std(ddof=1) / np.sqrt(len(values)), len(values))
    return Estimate(float(values.mean()), *_around(values.mean(), half, -1, 1), len(values), "95 % t interval over texts, the others held fixed")


def _macro(values: np.ndarray | None, labels: np.ndarray) -> Estimate:
    """Interval: normal, from the variances within the classes that have two texts or more."""
    if values is None:
        return Estimate(None, n=len(labels), why=ONE_CLASS)
    parts = [values[labels == c] for c in np.unique(labels)]
    mean = float(np.mean([part.mean() for part in parts]))
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts if len(part) > 1)) / len(parts)
    kind = "95 % normal interval over texts within classes, the others held fixed"
    return Estimate(mean, *_around(mean, norm.ppf(0.975) * error, -1, 1), len(values), kind)


# ---- neighbours that vote


def _knn(units: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Estimate:
    if len(set(labels.tolist())) < 2:
        return Estimate(None, n=len(labels), why=ONE_CLASS)
    near = neighbors(units, min(KNN, len(units) - 1), rows=rows)
    return _share_right(vote(labels[near.indices], near.similarities), labels[rows])


def _knn_from(units: np.ndarray, labels: np.ndarray, base: np.ndarray, base_labels: np.ndarray) -> Estimate:
    if not len(base):
        return Estimate(None, n=len(labels), why="this run has no support texts")
    if len(set(base_labels.tolist())) < 2:
        return Estimate(None, n=len(labels), why="the support texts are all of one class")
    close = units @ base.T
    order = np.argsort(-close, axis=1, kind="stable")[:, : min(KNN, len(base))]
    return _share_right(vote(base_labels[order], np.take_along_axis(close, order, axis=1)), labels)


def vote(classes: np.ndarray, similarities: np.ndarray) -> np.ndarray:
    """(M, k) classes of the neighbours -> (M,) the class with most votes; with equal votes the one whose summed similarity is larger."""
    votes, closeness = np.zeros((len(classes), classes.max() + 1)), np.zeros((len(classes), classes.max() + 1))
    row = np.arange(len(classes))
    for j in range(classes.shape[1]):
        votes[row, classes[:, j]] += 1
        closeness[row, classes[:, j]] += similarities[:, j]
    return np.where(votes == votes.max(axis=1, keepdims=True), closeness, -np.inf).argmax(axis=1)


def _share_right(predictions: np.ndarray, labels: np.ndarray) -> Estimate:
    n, right = len(labels), int((predictions == labels).sum())
    low, high = wilson(right, n)
    return Estimate(right / n, float(low), float(high), n, WILSON)


# ---- alignment and uniformity (Wang and Isola 2020, α = 2, t = 2)


def alignment(units: np.ndarray, labels: np.ndarray) -> Estimate:
    """Mean of ‖u_i - u_j‖² over all ordered pairs i ≠ j of one class: 2 Σ_c (n_c Σ_{i∈c} ‖u_i‖² - ‖Σ_{i∈c} u_i‖²) / Σ_c n_c (n_c - 1).

    Positive pairs are two texts of one class, each pair counting once, so that large classes count more. Interval: jackknife.
    """
    sums, counts = _class_sums(units, labels)
    pairs = float((counts * (counts - 1)).sum())
    if pairs == 0:
        return Estimate(None, n=len(units), why=ONE_EACH)
    lengths = np.square(units).sum(axis=1)
    squares = np.bincount(labels, weights=lengths, minlength=len(counts))
    own = counts[labels] * lengths + squares[labels] - 2 * (units * sums[labels]).sum(axis=1)  # (N,) Σ_j ‖u_i - u_j‖² within the class
    total = float(own.sum())
    left_pairs = pairs - 2 * (counts[labels] - 1)
    left_out = np.divide(total - 2 * own, left_pairs, out=np.full(len(units), np.nan), where=left_pairs > 0)
    value = max(0.0, total / pairs)
    return Estimate(value, *_around(value, _jackknife_half(left_out), 0, 4), len(units), JACKKNIFE)


def uniformity(units: np.ndarray, t: float = 2.0) -> Estimate:
    """log of the mean of exp(-t ‖u_i - u_j‖²) over all pairs i ≠ j. Interval: jackknife."""
    n = len(units)
    rows, lengths = np.zeros(n), np.square(units).sum(axis=1)
    for start in range(0, n, 500):
        piece = slice(start, start + 500)
        squared = lengths[piece, None] + lengths - 2 * units[piece] @ units.T
        rows[piece] = np.exp(-t * np.maximum(squared, 0)).sum(axis=1) - 1  # without itself
    total = rows.sum()
    value = float(np.log(total / (n * (n - 1))))
    left_out = np.log((total - 2 * rows) / ((n - 1) * (n - 2))) if n > 2 else np.array([np.nan])
    return Estimate(value, *_around(value, _jackknife_half(left_out), -4 * t, 0), n, JACKKNIFE)


# ---- spread


def effective_rank(units: np.ndarray) -> Estimate:
    """exp(-Σ p_i log p_i) with p_i = σ_i / Σ σ, σ the singular values of the vectors less their mean.

    Roy and Vetterli (2007) define it of a matrix as it is, without taking a mean off; here the vectors are centred first, so it is the effective
    rank of the centred vectors and not comparable with a number that was not centred.

    The mean is taken off because an offset that all texts share is no direction in which they differ. No interval: drawing texts again would
    repeat some, and so lower the rank.
    """
    centred = units - units.mean(axis=0)
    gram = centred.T @ centred if centred.shape[0] >= centred.shape[1] else centred @ centred.T
    squares = np.linalg.eigvalsh(gram)
    if squares[-1] <= 1e-12:
        return Estimate(None, n=len(units), why="every test text has the same vector")
    values = np.sqrt(np.where(squares > squares[-1] * 1e-14 * len(squares), squares, 0))
    shares = values[values > 0] / values.sum()
    return Estimate(float(np.exp(-(shares * np.log(shares)).sum())), None, None, len(units))


def scatter_ratio(units: np.ndarray, labels: np.ndarray) -> Estimate:
    """trace(S_b) / trace(S_w) = Σ_c n_c ‖m_c - m‖² / Σ_c Σ_{i∈c} ‖u_i - m_c‖² (Fisher's scatter matrices). Interval: jackknife."""
    sums, counts = _class_sums(units, labels)
    if np.count_nonzero(counts) < 2:
        return Estimate(None, n=len(units), why=ONE_CLASS)
    if counts.max() < 2:
        return Estimate(None, n=len(units), why=ONE_EACH)
    n, mine = len(units), counts[labels]
    to_class = np.square(units - sums[labels] / mine[:, None]).sum(axis=1)
    to_middle = np.square(units - units.mean(axis=0)).sum(axis=1)
    within, whole = to_class.sum(), to_middle.sum()
    if within <= 1e-12:
        return Estimate(None, n=n, why="the texts of a class all have the same vector, so nothing is scattered within it")
    left_within = within - np.divide(mine * to_class, mine - 1, out=np.zeros(n), where=mine > 1)  # without text i
    left_whole = whole - n / (n - 1) * to_middle
    left_out = np.divide(left_whole - left_within, left_within, out=np.full(n, np.nan), where=left_within > 1e-12)
    value = float((whole - within) / within)
    return Estimate(value, *_around(value, _jackknife_half(left_out), 0, np.inf), n, JACKKNIFE)


# ---- intervals


def _jackknife_half(left_out: np.ndarray) -> float:
    """Half the interval from the estimates without one text each (Tukey 1958); NaN where leaving a text out leaves nothing to measure."""
    n = len(left_out)
    return _t_half(np.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum()), n)


def _t_half(error: float, n: int) -> float:
    return float(student_half(error, n - 1))


def _around(value: float, half: float, least: float, most: float) -> tuple[float | None, float | None]:
    return (max(least, float(value - half)), min(most, float(value + half))) if np.isfinite(half) else (None, None)


ROWS: tuple[tuple[str, str, str], ...] = (
    ("silhouette", "Silhouette, cosine", "how much nearer a text is to its own class than to the next; -1 to 1, higher is better"),
    ("silhouette_macro", "Silhouette, cosine, mean of classes", "the same, every class counting equally"),
    ("knn_accuracy", "10-NN accuracy within test", "share of test texts whose nearest other test texts mostly have their class"),
    ("knn_from_support", "10-NN accuracy from support", "share of test texts whose nearest support texts mostly have their class"),
    ("alignment", "Alignment", "mean squared distance of two texts of one class; 0 to 4, lower is tighter (Wang and Isola 2020)"),
    ("uniformity", "Uniformity", "log mean similarity of any two texts; lower uses more of the sphere (Wang and Isola 2020)"),
    ("effective_rank", "Effective rank, centred", "how many directions the texts use: Roy and Vetterli (2007), of the vectors less their mean"),
    ("scatter_ratio", "Between / within", "scatter of the classes' means over the scatter within classes; higher is better separated"),
)


def rows_of(report: SpaceReport, say: Callable[[float], str] = "{:.3f}".format) -> list[dict[str, str | int]]:
    """One row per number for a table: measure, value, interval, n, kind, meaning; where there is none, the value says why."""
    found = []
    for name, title, meaning in ROWS:
        one: Estimate = getattr(report, name)
        value = f"none: {one.why}" if one.value is None else say(one.value)
        interval = f"{say(one.low)} to {say(one.high)}" if one.low is not None else ""
        found.append({"measure": title, "value": value, "interval": interval, "n": one.n, "kind": one.interval, "meaning": meaning})
    return found
