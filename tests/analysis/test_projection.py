"""Maps: how far they can be trusted, and one laid on another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from dmlviz.analysis.projection import project, register
from dmlviz.records import InputError, Projection


def blobs(n: int = 60, dim: int = 8, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, dim)) + 4 * rng.normal(size=(3, dim))[np.arange(n) % 3]).astype(np.float16)


def a_map(points: np.ndarray, row_ids: np.ndarray) -> Projection:
    return Projection(np.asarray(points), np.asarray(row_ids), "pca", "cosine", 0, 1.0, 5, len(points))


@pytest.mark.parametrize(("method", "metric"), [("pca", "cosine"), ("pca", "euclidean"), ("umap", "cosine")])
def test_trustworthiness_is_that_of_scikit_learn(method, metric):
    vectors = blobs().astype(np.float32)
    found = project(blobs(), np.arange(60), method=method, metric=metric)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (found.trust_neighbors, found.trust_n, found.points.shape) == (15, 60, (60, 2))
    assert found.trustworthiness == pytest.approx(trustworthiness(vectors, found.points, n_neighbors=15), abs=1e-6)


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_planted_turn_mirror_scale_and_shift_is_undone(mirror):
    rng = np.random.default_rng(1)
    fixed = a_map(rng.normal(size=(40, 2)), np.arange(40))
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]]) @ np.diag([1, mirror])
    found = register(a_map(fixed.points @ turn * 3.5 + [10, -4], np.arange(40)), fixed)
    assert found.residual < 1e-6
    np.testing.assert_allclose(found.points, fixed.points, atol=1e-5)


def test_registration_uses_the_shared_rows_and_moves_all():
    points = np.random.default_rng(2).normal(size=(30, 2))
    fixed, order = a_map(points[:20], np.arange(20)), np.random.default_rng(3).permutation(np.arange(10, 30))
    found = register(a_map(-2 * points[order] + 1, order), fixed)
    assert found.residual < 1e-6
    np.testing.assert_allclose(found.points, points[order], atol=1e-5)


def test_unrelated_maps_leave_most_of_the_variance():
    rng = np.random.default_rng(4)
    found = register(a_map(rng.normal(size=(200, 2)), np.arange(200)), a_map(rng.normal(size=(200, 2)), np.arange(200)))
    assert 0.9 < found.residual <= 1


def test_too_few_shared_rows_are_said_to_be_unrelated():
    points = np.random.default_rng(5).normal(size=(10, 2))
    found = register(a_map(points, np.arange(10)), a_map(points + 5, np.arange(8, 18)))
    assert found.residual == 1
    np.testing.assert_allclose(found.points.mean(axis=0), (points + 5).mean(axis=0), atol=1e-5)


def test_the_signs_of_the_axes_are_fixed():
    vectors = blobs()
    plain = project(vectors, np.arange(60), method="pca", metric="euclidean").points
    mirrored = project(-vectors, np.arange(60), method="pca", metric="euclidean").points
    np.testing.assert_allclose(plain, mirrored, atol=1e-3)
    furthest = np.abs(plain).argmax(axis=0)
    assert (plain[furthest, [0, 1]] > 0).all()


def test_the_shares_of_variance_are_those_of_the_points():
    vectors = blobs().astype(float)
    found = project(vectors, np.arange(60), method="pca", metric="euclidean")
    np.testing.assert_allclose(found.variance, found.points.var(axis=0) / vectors.var(axis=0).sum(), rtol=1e-3)


def test_same_seed_same_umap_and_the_arguments_stay():
    vectors, rows = blobs(), np.arange(60)
    kept = vectors.copy()
    one, two = (project(vectors, rows, method="umap", seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(vectors, kept)
    fixed = dataclasses.replace(one, points=one.points + 1)
    before = one.points.copy()
    register(one, fixed)
    np.testing.assert_array_equal(one.points, before)


def test_too_few_texts_are_a_sentence():
    with pytest.raises(InputError, match=r"^a map needs at least 3 texts, this run has 2; add test texts$"):
        project(blobs(2), np.arange(2), method="pca")
    with pytest.raises(InputError, match=r"^UMAP needs at least 8 texts, this run has 7; look at the PCA instead$"):
        project(blobs(7), np.arange(7), method="umap")
    with pytest.raises(InputError, match="no map 'tsne'"):
        project(blobs(), np.arange(60), method="tsne")


@pytest.mark.parametrize("method", ["pca", "umap"])
@pytest.mark.parametrize("n", [8, 9, 16])
def test_small_and_equal_inputs_have_a_finite_map(method, n):
    for vectors in (blobs(n), np.ones((n, 4), dtype=np.float16), np.zeros((n, 4), dtype=np.float16)):
        found = project(vectors, np.arange(n), method=method)
        assert np.isfinite(found.points).all()
        assert 0 <= found.trustworthiness <= 1
