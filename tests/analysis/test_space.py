"""Numbers of the original space against scikit-learn, slow loops from the formulas, and intervals against leaving texts out one by one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier
from statsmodels.stats.proportion import proportion_confint

from dmlviz.analysis.geometry.quality import Estimate
from dmlviz.analysis.geometry.space import (
    ROWS,
    SpaceReport,
    alignment,
    effective_rank,
    rows_of,
    scatter_ratio,
    silhouette_values,
    space_report,
    uniformity,
    vote,
)
from dmlviz.core.types import InputError


def texts(n: int = 90, dim: int = 7, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors and labels; classes of different sizes."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, n) % rng.integers(1, classes + 1, n))
    vectors = rng.normal(size=(n, dim)) + 1.5 * rng.normal(size=(classes, dim))[labels]
    order = rng.permutation(n)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[order], labels[order]


def pairs(units: np.ndarray) -> np.ndarray:
    return np.array([[((a - b) ** 2).sum() for b in units] for a in units])


def slow_alignment(units, labels):
    found = [d for i, row in enumerate(pairs(units)) for j, d in enumerate(row) if i != j and labels[i] == labels[j]]
    return np.mean(found)


def slow_uniformity(units):
    return np.log(np.mean([np.exp(-2 * d) for i, row in enumerate(pairs(units)) for j, d in enumerate(row) if i != j]))


def slow_ratio(units, labels):
    between, within = np.zeros((units.shape[1],) * 2), np.zeros((units.shape[1],) * 2)
    for c in set(labels.tolist()):
        part = units[labels == c]
        middle = part.mean(axis=0) - units.mean(axis=0)
        between += len(part) * np.outer(middle, middle)
        for one in part:
            within += np.outer(one - part.mean(axis=0), one - part.mean(axis=0))
    return np.trace(between) / np.trace(within)


def jackknife(measure, units, labels) -> float:
    n = len(units)
    left_out = np.array([measure(np.delete(units, i, axis=0), np.delete(labels, i)) for i in range(n)])
    return stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())


def test_silhouettes_are_those_of_scikit_learn():
    units, labels = texts()
    labels[0] = 9  # a class of one text
    np.testing.assert_allclose(silhouette_values(units, labels), silhouette_samples(units, labels, metric="cosine"), atol=1e-10)
    units[5] = 0  # a zero vector
    np.testing.assert_allclose(silhouette_values(units, labels), silhouette_samples(units, labels, metric="cosine"), atol=1e-10)


@pytest.mark.parametrize(
    ("measure", "slow"),
    [
        (alignment, slow_alignment),
        (lambda units, labels: uniformity(units), lambda units, labels: slow_uniformity(units)),
        (scatter_ratio, slow_ratio),
    ],
)
def test_each_number_and_its_interval_agree_with_a_slow_loop(measure, slow):
    units, labels = texts(40, 5)
    found = measure(units, labels)
    value, half = slow(units, labels), jackknife(slow, units, labels)
    assert found.value == pytest.approx(value, rel=1e-9)
    assert (found.low, found.high) == (pytest.approx(value - half, rel=1e-7), pytest.approx(value + half, rel=1e-7))
    assert (found.n, found.interval) == (40, "95 % jackknife interval over texts")


def test_the_bounds_of_alignment_and_uniformity():
    one = np.tile([1.0, 0.0], (10, 1))
    assert alignment(one, np.zeros(10, dtype=int)).value == 0
    assert uniformity(one).value == pytest.approx(0)
    apart = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert alignment(apart, np.array([0, 0])).value == pytest.approx(4)
    assert uniformity(apart).value == pytest.approx(-8)


def test_effective_rank_by_definition():
    rng = np.random.default_rng(3)
    units = rng.normal(size=(60, 9))
    values = np.linalg.svd(units - units.mean(axis=0), compute_uv=False)
    shares = values / values.sum()
    assert effective_rank(units).value == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-9)
    assert effective_rank(units[:6]).value < 5.01  # fewer texts than dimensions: n - 1 at most
    square = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert effective_rank(square + 5).value == pytest.approx(2)  # two directions, and the offset is none
    line = np.outer(rng.normal(size=50), np.ones(8))
    assert effective_rank(line).value == pytest.approx(1, abs=1e-6)
    assert effective_rank(np.ones((5, 3))).why == "every test text has the same vector"


def report(units, labels, roles=None, **settings) -> SpaceReport:
    return space_report(units * 3, labels, np.repeat("test", len(units)) if roles is None else roles, **settings)


def test_the_report_is_of_the_test_texts_alone():
    units, labels = texts(120)
    roles = np.array(["support", "test", "validation"])[np.arange(120) % 3]
    test = roles == "test"
    whole = report(units, labels, roles)
    alone = report(units[test], labels[test])
    assert (whole.part, whole.n, whole.classes) == ("test", 40, len(set(labels[test])))
    for name, *_ in ROWS:
        if name != "knn_from_support":
            mine, other = getattr(whole, name), getattr(alone, name)
            assert mine.value == pytest.approx(other.value)
            assert (mine.n, mine.interval) == (other.n, other.interval)
    assert alone.knn_from_support == Estimate(None, n=40, why="this run has no support texts")


def test_silhouettes_and_their_intervals_in_the_report():
    units, labels = texts()
    values, found = silhouette_samples(units, labels, metric="cosine"), report(units, labels)
    assert found.silhouette.value == pytest.approx(values.mean())
    low, high = stats.t.interval(0.95, 89, values.mean(), stats.sem(values))
    assert (found.silhouette.low, found.silhouette.high) == (pytest.approx(low), pytest.approx(high))
    parts = [values[labels == c] for c in sorted(set(labels))]
    assert found.silhouette_macro.value == pytest.approx(np.mean([part.mean() for part in parts]))
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)) / len(parts)
    assert found.silhouette_macro.high - found.silhouette_macro.low == pytest.approx(2 * 1.959964 * error, rel=1e-5)


def test_knn_accuracies_leave_the_text_itself_out():
    units, labels = texts(150, seed=5)
    roles = np.array(["support", "test"])[(np.arange(150) % 5 > 0).astype(int)]
    test, support = roles == "test", roles == "support"
    found = report(units, labels, roles)
    right = 0
    here, own = units[test], labels[test]
    for i in range(len(here)):
        near = sorted((j for j in range(len(here)) if j != i), key=lambda j: -(here[i] @ here[j]))[:10]
        right += slow_vote([own[j] for j in near], [here[i] @ here[j] for j in near]) == own[i]
    assert found.knn_accuracy.value == pytest.approx(right / len(here))
    low, high = proportion_confint(right, len(here), method="wilson")
    assert (found.knn_accuracy.low, found.knn_accuracy.high) == (pytest.approx(low), pytest.approx(high))
    right = 0
    for i in range(len(here)):
        near = sorted(np.flatnonzero(support), key=lambda j: -(here[i] @ units[j]))[:10]
        right += slow_vote([labels[j] for j in near], [here[i] @ units[j] for j in near]) == own[i]
    assert found.knn_from_support.value == pytest.approx(right / len(here))
    one_neighbour = KNeighborsClassifier(1, metric="cosine").fit(units[support], labels[support]).score(here, own)
    assert abs(found.knn_from_support.value - one_neighbour) < 0.3


def slow_vote(classes, similarities):
    most = max(classes.count(c) for c in classes)
    tied = [c for c in set(classes) if classes.count(c) == most]
    return max(tied, key=lambda c: sum(s for k, s in zip(classes, similarities, strict=True) if k == c))


def test_equal_votes_go_to_the_closer_class():
    assert vote(np.array([[2, 0, 0, 2], [1, 1, 0, 3]]), np.array([[0.9, 0.8, 0.7, 0.5], [0.1, 0.1, 0.9, 0.8]])).tolist() == [0, 1]


def test_a_large_test_part_is_sampled_against_all_and_says_so():
    units, labels = texts(400, seed=6)
    found, again = (report(units, labels, sample=150, seed=1) for _ in range(2))
    assert found == again or all(getattr(found, name) == getattr(again, name) for name, *_ in ROWS)
    assert (found.knn_accuracy.n, found.uniformity.n, found.alignment.n, found.n) == (150, 150, 400, 400)
    assert found.uniformity.value == pytest.approx(report(units, labels).uniformity.value, abs=0.2)


def test_what_does_not_exist_says_why():
    units, labels = texts(30)
    found = report(units, np.zeros(30, dtype=int))
    for name in ("silhouette", "silhouette_macro", "knn_accuracy", "scatter_ratio"):
        assert getattr(found, name).value is None
        assert getattr(found, name).why == "the test texts are all of one class"
    assert found.alignment.value > 0
    single = report(units, np.arange(30))
    assert single.alignment.why == single.scatter_ratio.why == "no class has two test texts"
    assert single.silhouette.value == 0
    collapsed = report(np.repeat(np.eye(3), 10, axis=0), np.repeat(np.arange(3), 10))
    assert collapsed.scatter_ratio.why.startswith("the texts of a class all have the same vector")
    assert collapsed.silhouette.value == pytest.approx(1)
    everywhere_equal = report(np.ones((30, 3)), np.arange(30) % 3)
    assert everywhere_equal.silhouette.value == 0
    with pytest.raises(InputError, match="this run has 0 test texts"):
        space_report(units, labels, np.repeat("support", 30))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_handful_of_texts_has_finite_numbers_or_none(n):
    units, _ = texts(n)
    found = report(units, np.arange(n) % 2)
    for name, *_ in ROWS:
        one = getattr(found, name)
        assert (one.value is None and one.why) or np.isfinite(one.value)
        assert one.low is None or one.low <= one.value <= one.high


def test_the_table_says_every_number_or_why_there_is_none():
    units, labels = texts()
    rows = rows_of(report(units, labels))
    assert [field.name for field in dataclasses.fields(SpaceReport)][: len(rows)] == [name for name, *_ in ROWS]
    assert rows[0]["value"] == f"{report(units, labels).silhouette.value:.3f}"
    assert rows[3]["value"] == "none: this run has no support texts"
    assert all(row["n"] == 90 for row in rows)
