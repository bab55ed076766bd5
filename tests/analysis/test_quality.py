"""A map's check against scikit-learn, against slow loops from the definitions, and where distances are equal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn.manifold import trustworthiness

from dmlviz.analysis.geometry.neighbors import neighbors
from dmlviz.analysis.geometry.quality import Estimate, anchors_of, badge, map_quality, trust_of, usable_k
from dmlviz.core.types import InputError


def texts(n: int = 80, dim: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) + 2 * rng.normal(size=(4, dim))[np.arange(n) % 4]


def flat(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """A map that keeps something and loses something."""
    rng = np.random.default_rng(seed)
    return vectors[:, :2] + 0.4 * rng.normal(size=(len(vectors), 2))


def distances(vectors: np.ndarray, metric: str) -> np.ndarray:
    n = len(vectors)
    found = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            a, b = vectors[i], vectors[j]
            found[i, j] = 1 - a @ b / np.sqrt((a @ a) * (b @ b)) if metric == "cosine" else np.sqrt(((a - b) ** 2).sum())
    return found


def slow(original: np.ndarray, on_map: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per text trustworthiness, continuity and preservation, from two tables of distances, by the rules of analysis/geometry/quality.py."""
    n = len(original)
    trust, continuity, kept = np.ones(n), np.ones(n), np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        by_original = sorted(others, key=lambda j: (round(original[i, j], 10), j))
        by_map = sorted(others, key=lambda j: (on_map[i, j], j))
        rank = {j: 1 + sum(original[i, m] < original[i, j] - 1e-10 for m in others) for j in others}
        worst = sum((n - 1 - place) - k for place in range(k))  # the k furthest texts stand at places n-1, n-2, ...
        for j in by_map[:k]:
            kept[i] += rank[j] <= k
            trust[i] -= max(0, rank[j] - k) / worst
        for j in by_original[:k]:
            continuity[i] -= max(0, by_map.index(j) + 1 - k) / worst
    return trust, continuity, kept / k


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 5, 15])
def test_trustworthiness_is_that_of_scikit_learn(metric, k):
    vectors = texts()
    points = flat(vectors)
    found = map_quality(vectors, points, metric=metric, k=k)
    assert found.trustworthiness.value == pytest.approx(trustworthiness(vectors, points, n_neighbors=k, metric=metric), abs=1e-12)
    # continuity is trustworthiness with the two spaces exchanged
    if metric == "euclidean":
        assert found.continuity.value == pytest.approx(trustworthiness(points, vectors, n_neighbors=k), abs=1e-12)
    assert (found.n, found.k, found.trustworthiness.n, len(found.anchors)) == (80, k, 80, 80)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_three_agree_with_a_slow_loop(metric):
    vectors = texts(41, seed=2)
    points = flat(vectors, seed=3)
    trust, continuity, kept = slow(distances(vectors, metric), distances(points, "euclidean"), 7)
    found = map_quality(vectors, points, metric=metric, k=7)
    assert found.trustworthiness.value == pytest.approx(trust.mean(), abs=1e-12)
    assert found.continuity.value == pytest.approx(continuity.mean(), abs=1e-12)
    assert found.preservation.value == pytest.approx(kept.mean(), abs=1e-12)
    np.testing.assert_allclose(found.distortion, 1 - kept, atol=1e-12)
    assert 0 < found.preservation.value < 1


def test_a_sample_of_anchors_is_measured_against_all_texts_with_its_interval():
    vectors = texts(120, seed=4)
    points = flat(vectors, seed=5)
    trust, continuity, kept = slow(distances(vectors, "cosine"), distances(points, "euclidean"), 9)
    found = map_quality(vectors, points, k=9, sample=30, seed=1)
    assert len(set(found.anchors.tolist())) == 30
    np.testing.assert_array_equal(found.anchors, map_quality(vectors, points, k=9, sample=30, seed=1).anchors)
    assert (found.anchors != map_quality(vectors, points, k=9, sample=30, seed=2).anchors).any()
    for estimate, values in ((found.trustworthiness, trust), (found.continuity, continuity), (found.preservation, kept)):
        here = values[found.anchors]
        assert (estimate.value, estimate.n) == (pytest.approx(here.mean(), abs=1e-12), 30)
        low, high = stats.t.interval(0.95, 29, here.mean(), stats.sem(here) * np.sqrt(1 - 30 / 120))
        assert (estimate.low, estimate.high) == (pytest.approx(max(0, low), abs=1e-12), pytest.approx(min(1, high), abs=1e-12))
        assert "t interval" in estimate.interval
    np.testing.assert_allclose(found.distortion, 1 - kept, atol=1e-12)  # of every text, not of the anchors alone


def test_intervals_cover_the_number_over_all_texts():
    vectors = texts(300, seed=6)
    points = flat(vectors, seed=7)
    whole = map_quality(vectors, points, k=10).preservation.value
    drawn = [map_quality(vectors, points, k=10, sample=60, seed=seed).preservation for seed in range(200)]
    assert 0.90 <= np.mean([one.low <= whole <= one.high for one in drawn]) <= 0.99
    everywhere = map_quality(vectors, points, k=10, sample=300).preservation
    assert everywhere.low == everywhere.value == everywhere.high


def test_the_map_itself_is_perfect_and_a_shuffled_one_is_chance():
    points = np.random.default_rng(8).normal(size=(200, 2))
    same = map_quality(points, points * -3 + 7, metric="euclidean")
    assert [one.value for one in (same.trustworthiness, same.continuity, same.preservation)] == [1, 1, 1]
    assert not same.distortion.any()
    shuffled = map_quality(points, np.random.default_rng(9).permutation(points), metric="euclidean")
    assert shuffled.trustworthiness.value == pytest.approx(0.5, abs=0.08)
    assert shuffled.preservation.value == pytest.approx(15 / 199, abs=0.03)
    assert same.distortion.shape == (200,)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equal_distances_follow_the_rule(metric):
    rng = np.random.default_rng(10)
    vectors = np.repeat(texts(8, seed=11), 5, axis=0)[rng.permutation(40)]  # every text five times
    points = np.round(flat(vectors, seed=12))  # many texts in the same place
    if metric == "cosine":
        vectors = vectors * rng.uniform(0.1, 9, size=(40, 1))  # equal but for rounding
    trust, continuity, kept = slow(distances(vectors, metric), ((points[:, None] - points) ** 2).sum(axis=2), 6)
    found = map_quality(vectors, points, metric=metric, k=6)
    assert found.trustworthiness.value == pytest.approx(trust.mean(), abs=1e-12)
    assert found.continuity.value == pytest.approx(continuity.mean(), abs=1e-12)
    np.testing.assert_allclose(found.distortion, 1 - kept, atol=1e-12)


def test_a_map_of_one_place_earns_chance_and_a_collapsed_space_cannot_be_torn():
    vectors = texts(100, seed=13)
    collapsed_map = map_quality(vectors, np.zeros((100, 2)), k=10)
    assert collapsed_map.preservation.value < 0.2
    assert collapsed_map.continuity.value < 0.7
    collapsed_space = map_quality(np.ones((100, 4)), np.random.default_rng(0).normal(size=(100, 2)), k=10)
    assert (collapsed_space.trustworthiness.value, collapsed_space.preservation.value) == (1, 1)


def test_three_dimensions_and_float16_embeddings():
    vectors = texts(60, seed=14).astype(np.float16)
    points = np.asarray(vectors[:, :3], dtype=np.float32)
    found = map_quality(vectors, points, metric="euclidean", k=5)
    wide = vectors.astype(float)
    assert found.trustworthiness.value == pytest.approx(trustworthiness(wide, points.astype(float), n_neighbors=5), abs=1e-12)


def test_the_quick_trustworthiness_is_the_same_number():
    vectors = texts(90, seed=15)
    points = flat(vectors)
    for sample in (40, 1000):
        full = map_quality(vectors, points, seed=3, sample=sample)
        assert trust_of(vectors, points, metric="cosine", seed=3, sample=sample) == (full.trustworthiness.value, 15, min(sample, 90))


def test_found_neighbours_can_be_handed_in():
    vectors = texts()
    points = flat(vectors)
    near = neighbors(vectors, 20)
    plain, given = map_quality(vectors, points, k=15), map_quality(vectors, points, k=15, near=near)
    assert plain.trustworthiness == given.trustworthiness
    assert plain.continuity == given.continuity
    np.testing.assert_array_equal(plain.distortion, given.distortion)
    with pytest.raises(InputError, match="find 30 neighbours of all 80"):
        map_quality(vectors, points, k=30, near=near)


def test_above_the_limit_only_the_anchors_have_a_distortion(monkeypatch):
    vectors = texts(100)
    points = flat(vectors)
    whole = map_quality(vectors, points, sample=20)
    monkeypatch.setattr("dmlviz.analysis.geometry.quality.EXACT_LIMIT", 50)
    found = map_quality(vectors, points, sample=20)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(found.distortion)), found.anchors)
    np.testing.assert_array_equal(found.distortion[found.anchors], whole.distortion[found.anchors])
    assert found.trustworthiness == whole.trustworthiness


def test_few_texts_lower_k_and_too_few_are_a_sentence():
    assert [usable_k(n, 15) for n in (3, 4, 5, 31, 32, 100)] == [1, 1, 2, 15, 15, 15]
    for n in (3, 4, 7):
        found = map_quality(texts(n), flat(texts(n)))
        assert 0 <= found.trustworthiness.value <= 1
        assert 0 <= found.continuity.value <= 1
    with pytest.raises(InputError, match="needs at least 3 texts"):
        map_quality(texts(2), flat(texts(2)))
    with pytest.raises(InputError, match="the map has 5 points and the run 6 texts"):
        map_quality(texts(6), np.zeros((5, 2)))
    assert anchors_of(5, 10, 0).tolist() == [0, 1, 2, 3, 4]


def test_the_badge_says_it_in_words():
    found = map_quality(texts(), flat(texts()))

    def with_values(trust, continuity):
        return dataclasses.replace(found, trustworthiness=Estimate(trust), continuity=Estimate(continuity))

    assert badge(with_values(0.96, 0.95), "umap") == "local structure kept well; distances between groups are not to be read"
    assert badge(with_values(0.94, 0.97), "tsne").startswith("local structure kept fairly well, some texts that look close are not; ")
    assert badge(with_values(0.97, 0.80), "pacmap").startswith("local structure kept poorly, some close texts are torn apart; ")
    assert badge(with_values(0.90, 0.91), "pca").startswith("local structure kept fairly well; only two of many directions")
