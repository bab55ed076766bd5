"""Maps: how far they can be trusted, and one laid on another."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import pairwise_distances

from dmlviz.analysis.geometry import layouts
from dmlviz.analysis.geometry.projection import LEAST, SETTINGS, TITLES, aligned, changed_settings, common_start, fitting_settings, project, register
from dmlviz.analysis.geometry.quality import map_quality
from dmlviz.core.types import InputError, Projection

ROOT = Path(__file__).resolve().parents[2]
LAID = ("umap", "tsne", "pacmap")  # methods with a layout that begins somewhere


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


def test_an_unlike_map_is_not_drawn_smaller():
    """Least squares would shrink it towards a point: the size of what is shown must not say how alike the maps are."""
    rng = np.random.default_rng(14)
    fixed = a_map(5 * rng.normal(size=(300, 2)), np.arange(300))
    found = register(a_map(rng.normal(size=(300, 2)), np.arange(300)), fixed)
    assert found.residual > 0.9
    assert found.points.var(axis=0).sum() == pytest.approx(fixed.points.var(axis=0).sum(), rel=1e-4)


def test_the_residual_is_that_of_scipys_procrustes():
    from scipy.spatial import procrustes

    rng = np.random.default_rng(15)
    a, b = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) * [1, 3]
    assert register(a_map(a, np.arange(50)), a_map(b, np.arange(50))).residual == pytest.approx(procrustes(b, a)[2], abs=1e-6)


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


@pytest.mark.parametrize("method", list(TITLES))
def test_same_seed_same_map_and_the_arguments_stay(method):
    vectors, rows, start = blobs(), np.arange(60), np.random.default_rng(1).normal(size=(60, 2))
    kept, kept_start = vectors.copy(), start.copy()
    one, two = (project(vectors, rows, method=method, seed=3, start=start) for _ in range(2))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(vectors, kept)
    np.testing.assert_array_equal(start, kept_start)
    wide = vectors.astype(np.float32)  # no copy is made of float32 on the way in
    project(wide, rows, method=method, metric="euclidean")
    np.testing.assert_array_equal(wide, kept)


@pytest.mark.parametrize("method", ["tsne", "pacmap"])
def test_the_number_of_threads_does_not_change_the_map(method, monkeypatch):
    monkeypatch.setattr(layouts, "TSNE_ROUNDS", (10, 20))  # threads that wait for each other are slow on a busy machine
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(layouts, "free_cores", lambda cores=cores: cores)
        found.append(project(blobs(), np.arange(60), method=method).points)
    np.testing.assert_array_equal(*found)


def test_another_seed_is_another_draw():
    for method in LAID:
        one, two = (project(blobs(), np.arange(60), method=method, seed=seed).points for seed in (0, 1))
        assert np.abs(one - two).max() > 1e-3, method


def test_registering_leaves_its_arguments_alone():
    one = project(blobs(), np.arange(60), method="pca")
    before = one.points.copy()
    register(one, dataclasses.replace(one, points=one.points + 1))
    np.testing.assert_array_equal(one.points, before)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("method", list(TITLES))
def test_every_map_parts_what_is_apart_and_carries_its_check(method, metric):
    vectors = blobs(90) if metric == "euclidean" else blobs(90) * np.linspace(0.5, 4, 90)[:, None].astype(np.float16)
    found = project(vectors, np.arange(90), method=method, metric=metric)
    assert (found.points.shape, found.points.dtype) == ((90, 2), np.float32)
    assert found.trustworthiness == map_quality(vectors, found.points, metric=metric).trustworthiness.value
    distances = pairwise_distances(found.points)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) % 3 == np.arange(90) % 3).mean() > 0.95  # three planted groups
    assert (found.variance is None) == (method != "pca")
    assert (found.settings, found.start, found.shared_with, found.notes[1:]) == ({}, "own pca", (), ())


@pytest.mark.parametrize("method", LAID)
def test_cosine_does_not_see_lengths(method):
    vectors = blobs(60).astype(np.float64)
    scaled = vectors * 2.0 ** np.random.default_rng(0).integers(-2, 3, 60)[:, None]  # powers of two: no rounding
    one, two = (project(each, np.arange(60), method=method) for each in (vectors, scaled))
    np.testing.assert_array_equal(one.points, two.points)


@pytest.mark.parametrize("method", list(TITLES))
def test_three_dimensions(method):
    found = project(blobs(90), np.arange(90), method=method, dims=3, metric="euclidean")
    assert found.points.shape == (90, 3)
    assert found.trustworthiness > 0.8
    assert np.ptp(found.points, axis=0).min() > 0
    if method == "pca":
        shares = PCA(3).fit(blobs(90).astype(float)).explained_variance_ratio_
        np.testing.assert_allclose(found.variance, shares, rtol=1e-4)


def test_vectors_of_two_dimensions_lie_flat_in_three():
    found = project(blobs(40, dim=2), np.arange(40), method="pca", metric="euclidean", dims=3)
    assert not found.points[:, 2].any()
    assert found.variance[2] == 0


@pytest.mark.parametrize("method", LAID)
def test_a_common_start_brings_maps_closer_than_their_own(method):
    """Two runs with the same three groups; in the second the third direction is the longest, so that its own PCA looks from another side."""
    rng = np.random.default_rng(5)
    vectors = (rng.normal(size=(120, 4)) + 8 * np.eye(3, 4)[np.arange(120) % 3] * [3, 2, 1, 1]).astype(np.float32)
    other = (vectors * [1, 2, 9, 1] + 0.3 * rng.normal(size=vectors.shape)).astype(np.float32)

    def apart(**where) -> float:
        maps = [project(one, np.arange(120), method=method, metric="euclidean", **where).points for one in (vectors, other)]
        return np.square(maps[0] - maps[1]).sum() / np.square(maps[0] - maps[0].mean(axis=0)).sum()

    start = common_start([vectors, other], metric="euclidean")
    assert apart(start=start) < 0.5 * apart()  # without any registration
    maps = [project(one, np.arange(120), method=method, metric="euclidean", start=start, shared_with=("a", "b")) for one in (vectors, other)]
    assert [(one.start, one.shared_with) for one in maps] == [("common", ("a", "b"))] * 2
    mirrored = project(vectors, np.arange(120), method=method, metric="euclidean", start=start * [-1, 1])
    straight = np.corrcoef(maps[0].points[:, 0], mirrored.points[:, 0])[0, 1]
    assert straight < -0.3  # the layout begins where it is told


@pytest.mark.parametrize("method", LAID)
def test_the_extent_of_a_start_does_not_matter(method):
    start = np.random.default_rng(3).normal(size=(60, 2))
    one, two = (project(blobs(), np.arange(60), method=method, start=scale * start) for scale in (1, 1024))
    np.testing.assert_allclose(one.points, two.points, atol=1e-3)


def test_a_pca_is_only_mirrored_by_a_start():
    own = project(blobs(), np.arange(60), method="pca")
    found = project(blobs(), np.arange(60), method="pca", start=own.points * [1, -1] + 5)
    np.testing.assert_allclose(found.points, own.points * [1, -1], atol=1e-6)


def test_the_common_start_is_the_pca_of_all_blocks():
    one, two = blobs(50, 6, 1).astype(float), blobs(50, 9, 2).astype(float)
    blocks = [(each - each.mean(axis=0)) / np.sqrt(((each - each.mean(axis=0)) ** 2).sum()) for each in (one, two)]
    slow = PCA(2).fit_transform(np.hstack(blocks))
    found = common_start([one, two], metric="euclidean")
    np.testing.assert_allclose(np.abs(found), np.abs(slow), atol=1e-6)
    np.testing.assert_allclose(found, common_start([one * 100, two], metric="euclidean"), atol=1e-5)  # no run leads by its lengths
    with pytest.raises(InputError, match="the runs have 50, 49 texts"):
        common_start([one, two[:49]])


@pytest.mark.parametrize("method", list(TITLES))
def test_progress_rises_to_one(method):
    heard: list[float] = []
    project(blobs(), np.arange(60), method=method, on_progress=heard.append)
    assert heard == sorted(heard)
    assert (heard[-1], len(heard) >= 2) == (1.0, True)
    assert method != "tsne" or len(heard) > 20
    assert method != "umap" or any(0.15 < share < 0.95 for share in heard)


@pytest.mark.parametrize("method", list(TITLES))
def test_what_the_listener_raises_stops_the_work(method):
    def stop(share: float) -> None:
        if share > 0.04:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        project(blobs(), np.arange(60), method=method, on_progress=stop)


def test_every_setting_has_a_default_in_its_range_and_a_sentence():
    assert list(SETTINGS) == list(TITLES) == list(LEAST) or set(SETTINGS) == set(TITLES) == set(LEAST)
    for table in SETTINGS.values():
        for setting in table:
            assert setting.low <= setting.default <= setting.high
            assert setting.help.endswith(".")
            assert 30 < len(setting.help) < 150


@pytest.mark.parametrize(
    ("method", "name", "value"), [(m, s.name, v) for m in LAID for s in SETTINGS[m] for v in {s.low, s.high} if s.name != "perplexity" or v < 20]
)
def test_every_setting_reaches_its_library(method, name, value):
    plain = project(blobs(120), np.arange(120), method=method)
    found = project(blobs(120), np.arange(120), method=method, settings={name: value})
    assert found.settings == {name: value}
    assert np.abs(plain.points - found.points).max() > 1e-3
    assert np.isfinite(found.points).all()


def test_defaults_are_no_settings():
    assert changed_settings("umap", {"n_neighbors": 15.0, "min_dist": 0.1}) == {}
    assert changed_settings("umap", None) == {}
    assert changed_settings("pacmap", {"n_neighbors": np.int64(20), "FP_ratio": 3}) == {"FP_ratio": 3, "n_neighbors": 20}
    assert changed_settings("tsne", {"perplexity": 12.5}) == {"perplexity": 12.5}


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("umap", {"n_neighbours": 5}, r"^UMAP has no setting 'n_neighbours'; known: n_neighbors, min_dist. Did you mean 'n_neighbors'\?$"),
        ("umap", {"n_neighbors": 1}, r"^UMAP: n_neighbors 1 was asked for; give a whole number from 2 to 200$"),
        ("umap", {"n_neighbors": 5.5}, "give a whole number"),
        ("umap", {"min_dist": float("nan")}, r"give a number from 0 to 0\.99$"),
        ("tsne", {"perplexity": "30"}, r"^t-SNE: perplexity '30' was asked for; give a number from 2 to 200$"),
        ("tsne", {"perplexity": True}, "give a number"),
        ("pacmap", {"MN_ratio": -1}, r"give a number from 0\.1 to 5$"),
        ("pca", {"perplexity": 3}, r"^PCA has no setting 'perplexity'; it has none\.$"),
    ],
)
def test_a_setting_that_does_not_exist_or_fit_is_a_sentence(method, settings, sentence):
    with pytest.raises(InputError, match=sentence):
        project(blobs(), np.arange(60), method=method, settings=settings)


def test_a_setting_too_large_for_the_texts_is_lowered_and_said():
    found = project(blobs(20), np.arange(20), method="tsne")
    assert found.notes == ("perplexity was lowered from 30 to 6.333: with 20 texts, a third of the other texts is the most.",)
    assert found.settings == {}  # what was asked for, so that it is found again
    assert fitting_settings("umap", {}, 10) == (
        {"n_neighbors": 9, "min_dist": 0.1},
        ("n_neighbors was lowered from 15 to 9: with 10 texts, each text can have that many others.",),
    )
    used, notes = fitting_settings("pacmap", {"MN_ratio": 2}, 30)
    assert used == {"n_neighbors": 4, "MN_ratio": 2, "FP_ratio": 2.0}
    assert notes[0].startswith("n_neighbors was lowered from 10 to 4: with 30 texts")
    assert fitting_settings("tsne", {}, 91)[1] == ()
    with pytest.raises(InputError, match="16 texts are too few for PaCMAP with these pair ratios"):
        fitting_settings("pacmap", {"FP_ratio": 10.0}, 16)


def test_too_few_texts_are_a_sentence():
    with pytest.raises(InputError, match=r"^a map needs at least 3 texts, this run has 2; add test texts$"):
        project(blobs(2), np.arange(2), method="pca")
    with pytest.raises(InputError, match=r"^UMAP needs at least 8 texts, this run has 7; look at the PCA instead$"):
        project(blobs(7), np.arange(7), method="umap")
    with pytest.raises(InputError, match="no map 'mds'"):
        project(blobs(), np.arange(60), method="mds")


    with pytest.raises(InputError, match=r"^PaCMAP needs at least 16 texts, this run has 15; look at the PCA instead$"):
        project(blobs(15), np.arange(15), method="pacmap")
    with pytest.raises(InputError, match="a map of 4 dimensions cannot be drawn; ask for 2 or 3"):
        project(blobs(), np.arange(60), dims=4)
    with pytest.raises(InputError, match=r"the start has shape \(60, 3\), the map \(60, 2\)"):
        project(blobs(), np.arange(60), start=np.zeros((60, 3)))
    with pytest.raises(InputError, match="not finite numbers"):
        project(np.full((60, 3), np.inf), np.arange(60), method="pca")


@pytest.mark.parametrize("method", list(TITLES))
@pytest.mark.parametrize("more", [0, 1, 8])
def test_small_and_equal_inputs_have_a_finite_map(method, more):
    n = LEAST[method] + more
    half_equal = blobs(n)
    half_equal[: n // 2] = half_equal[0]
    for vectors in (blobs(n), np.ones((n, 4), dtype=np.float16), np.zeros((n, 4), dtype=np.float16), half_equal, blobs(n, dim=1)):
        for dims in (2, 3):
            found = project(vectors, np.arange(n), method=method, dims=dims)
            assert np.isfinite(found.points).all()
            assert 0 <= found.trustworthiness <= 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_umap_is_given_the_distances_it_would_find_itself(metric):
    vectors = blobs(50).astype(np.float32)
    distances = pairwise_distances(vectors.astype(float), metric=metric)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    indices, found, _ = layouts._with_self(vectors, 9, metric)
    np.testing.assert_array_equal(indices, distances.argsort(axis=1)[:, :9])
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :9], atol=1e-6)


def test_pacmap_pairs_are_those_of_the_scaled_distance():
    """Wang et al. 2021: of the nearest, those with the least d²/(σ_i σ_j); σ is the mean distance to the 4th to 6th neighbour."""
    vectors = blobs(90).astype(np.float32)
    distances = pairwise_distances(vectors.astype(float))
    width = np.sort(distances, axis=1)[:, 4:7].mean(axis=1)  # place 0 is the text itself
    expected = []
    for i in range(90):
        candidates = [j for j in distances[i].argsort()[1:] if j != i][:54]
        expected += [(i, j) for j in sorted(candidates, key=lambda j: distances[i, j] ** 2 / width[i] / width[j])[:4]]
    np.testing.assert_array_equal(layouts._scaled_pairs(vectors, 4, "euclidean"), expected)


@pytest.mark.slow
def test_beyond_the_limit_the_libraries_search_themselves(monkeypatch):
    monkeypatch.setattr(layouts, "EXACT_LIMIT", 50)
    for method in LAID:
        one, two = (project(blobs(100), np.arange(100), method=method) for _ in range(2))
        np.testing.assert_array_equal(one.points, two.points)
        assert one.trustworthiness > 0.8


# ---- registration in three dimensions, and what does not fit


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_planted_turn_in_three_dimensions_is_undone_over_a_part_of_the_rows(mirror):
    rng = np.random.default_rng(6)
    points = rng.normal(size=(60, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turn = turn * np.sign(np.linalg.det(turn)) @ np.diag([1, 1, mirror])
    fixed, rows = a_map(points[:40], np.arange(40)), rng.permutation(np.arange(20, 60))
    found = register(a_map(points[rows] @ turn * 0.01 - [3, 5, 70], rows), fixed)
    assert found.residual < 1e-9
    np.testing.assert_allclose(found.points, points[rows], atol=1e-4)


def test_a_map_with_noise_leaves_the_share_of_the_noise():
    rng = np.random.default_rng(7)
    points = rng.normal(size=(4000, 2))
    found = register(a_map(-3 * points, np.arange(4000)), a_map(points + rng.normal(scale=0.5, size=points.shape), np.arange(4000)))
    assert found.residual == pytest.approx(0.25 / 1.25, abs=0.02)  # noise variance over the variance of the fixed map


def test_maps_of_different_dimensions_do_not_register():
    with pytest.raises(InputError, match="a map of 3 dimensions cannot be laid on one of 2"):
        register(a_map(np.zeros((5, 3)), np.arange(5)), a_map(np.zeros((5, 2)), np.arange(5)))
    two_shared = register(a_map(np.random.default_rng(0).normal(size=(9, 3)), np.arange(9)), a_map(np.eye(3), np.array([1, 2, 40])))
    assert two_shared.residual == 1


# ---- aligned UMAP


@pytest.mark.slow
def test_aligned_maps_repeat_and_lie_on_each_other():
    vectors = blobs(60, seed=8).astype(np.float32)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0].astype(np.float32)
    other = np.hstack([(vectors + 0.6 * np.random.default_rng(2).normal(size=vectors.shape)) @ turn, vectors[:, :2]])  # another width
    one, two = (aligned([vectors, other], np.arange(60), shared_with=("a", "b"), settings={"min_dist": 0.3}) for _ in range(2))
    for mine, again in zip(one, two, strict=True):
        np.testing.assert_array_equal(mine.points, again.points)
        assert (mine.start, mine.shared_with, mine.settings, mine.method) == ("aligned", ("a", "b"), {"min_dist": 0.3}, "umap")
        assert mine.trustworthiness > 0.8
    spread = np.square(one[0].points - one[0].points.mean(axis=0)).sum()
    assert np.square(one[0].points - one[1].points).sum() / spread < 0.3  # without registration


def test_what_cannot_be_aligned_is_said():
    many = [np.zeros((5001, 2), dtype=np.float32)] * 2
    with pytest.raises(InputError, match="an aligned UMAP of 5,001 texts would take too long; it is made for at most 5,000"):
        aligned(many, np.arange(5001))
    for count in (1, 7):
        with pytest.raises(InputError, match=f"{count} runs cannot be aligned; pick 2 to 6"):
            aligned([blobs()] * count, np.arange(60))
    with pytest.raises(InputError, match="the runs have 60, 50 texts"):
        aligned([blobs(), blobs(50)], np.arange(60))
    with pytest.raises(InputError, match="the same vector for every text"):
        aligned([blobs(), np.ones((60, 3))], np.arange(60))
    with pytest.raises(InputError, match="needs at least 16 texts"):
        aligned([blobs(10), blobs(10)], np.arange(10))


def test_no_library_is_loaded_before_a_map_is_made():
    heavy = ("umap", "openTSNE", "pacmap", "numba", "faiss", "torch")
    rooms = "from dmlviz.analysis.geometry import projection, quality, space, neighbors, layouts; from dmlviz.analysis.reliability import slices"
    code = f"import sys; {rooms}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


COMPILED = """
import resource, sys, numpy as np, umap.umap_ as u
from dmlviz.analysis.geometry.projection import project
if sys.argv[1] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file may grow beyond 100 bytes
points = project(np.random.default_rng(0).normal(size=(60, 8)).astype("f4"), np.arange(60), method="umap").points
print(sum(u.smooth_knn_dist.stats.cache_hits.values()), points.tobytes().hex())
"""


@pytest.mark.slow
def test_a_second_process_reads_what_the_first_compiled_and_the_map_is_the_same(tmp_path):
    """Where nothing can be written, the map is made all the same."""
    said = []
    for kept, state in (("one", ""), ("one", ""), ("other", "full")):
        env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / kept)}
        done = subprocess.run([sys.executable, "-c", COMPILED, state], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    assert [hits for hits, _ in said] == ["0", "1", "0"]
    assert len({points for _, points in said}) == 1
