"""Centres: what each holds, against slow loops, other libraries and a case computed by hand; and where they go on a map."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from center_cases import make_input, planted, with_points
from scipy.stats import entropy
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics.pairwise import cosine_similarity

from dmlviz.analysis.centers.places import among_neighbors, extent, on_pca, pca_places
from dmlviz.analysis.centers.use import center_matrix, center_report, class_means, drift, effective_number, merge_groups, nearest_words
from dmlviz.analysis.centers.view import CenterLook, center_view
from dmlviz.analysis.geometry.projection import project, register
from dmlviz.core.types import InputError


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


# ---- the planted case


def test_three_clusters_in_a_class_of_ten_centres_are_three_and_the_dead_ones_are_named():
    vectors, labels, centers = planted()
    report = center_report(vectors, labels, centers)
    assert round(report.effective[1], 6) == 3.0
    assert round(report.effective[0], 6) == 1.0
    names = [f"grain {k + 1}" for k in np.flatnonzero(report.dead[1])]
    assert names == ["grain 1", "grain 3", "grain 4", "grain 6", "grain 7", "grain 8", "grain 10"]
    assert report.counts[1, [1, 4, 8]].tolist() == [40, 40, 40]
    assert report.purity[1, [1, 4, 8]].tolist() == [1.0, 1.0, 1.0]
    assert len(report.intrusions.row_ids) == 0


def test_centres_that_share_a_cluster_merge_into_one():
    vectors, labels, centers = planted()
    rng = np.random.default_rng(3)
    for copy, original in ((0, 1), (2, 4), (3, 4)):  # two of three clusters are held by several centres each
        centers[1, copy] = 2.5 * centers[1, original] + 0.03 * rng.normal(size=centers.shape[2])
    plain, merged = (center_report(vectors, labels, centers, merge_distance=at) for at in (0.0, 0.05))
    assert plain.effective[1] > 3.5
    assert merged.effective_merged[1] == pytest.approx(3.0)
    assert plain.effective_merged[1] == pytest.approx(plain.effective[1])
    assert merged.groups[1, [0, 1]].tolist() == [0, 0]
    assert len(set(merged.groups[1, [2, 3, 4]])) == 1
    assert (plain.merged[1], merged.merged_used[1]) == (10, 3)
    alive = merged.groups[1][merged.counts[1] > 0]
    assert merged.merged[1] == len(set(merged.groups[1]))
    assert len(set(alive)) == 3


# ---- by hand


def test_a_case_computed_by_hand():
    """Class 0 has centres at 0 and 90 degrees, class 1 at 180 and 270. Texts at 10, 20, 80 (class 0), 190 and 30 (class 1)."""
    angles = np.deg2rad([10.0, 20.0, 80.0, 190.0, 30.0])
    vectors = 3.0 * np.column_stack([np.cos(angles), np.sin(angles)])
    centers = np.array([[[2.0, 0.0], [0.0, 5.0]], [[-1.0, 0.0], [0.0, -1.0]]])
    report = center_report(vectors, np.array([0, 0, 0, 1, 1]), centers, gamma=0.5, row_ids=np.array([5, 6, 7, 8, 9]))
    assert report.n.tolist() == [3, 2]
    assert report.counts.tolist() == [[2, 1], [1, 1]]  # the text at 30 degrees is 150 from 180 and 120 from 270
    assert report.attracted.tolist() == [[3, 1], [1, 0]]
    assert report.pure.tolist() == [[2, 1], [1, 0]]
    assert report.kept.tolist() == [[2, 1], [1, 0]]
    assert report.purity[0].tolist() == [pytest.approx(2 / 3), 1.0]
    assert np.isnan(report.purity[1, 1])
    assert report.effective[0] == pytest.approx(3 / 2 ** (2 / 3))  # exp(ln 3 - 2/3 ln 2)
    assert report.effective[1] == pytest.approx(2.0)
    weights = [1 / (1 + np.exp(2 * (np.sin(a) - np.cos(a)))) for a in angles[:3]]  # softmax of two cosines over gamma = 1/2
    np.testing.assert_allclose(report.soft[0], [np.mean(weights), 1 - np.mean(weights)], rtol=1e-6)
    found = report.intrusions
    assert (found.row_ids.tolist(), found.labels.tolist(), found.own.tolist()) == ([9], [1], [1])
    assert (found.other_labels.tolist(), found.other.tolist(), report.texts) == ([0], [0], 5)
    assert found.margins[0] == pytest.approx(np.cos(np.pi / 6) - np.cos(2 * np.pi / 3), abs=1e-6)
    assert report.nearest_rows[0, 0, :3].tolist() == [5, 6, 9]
    assert report.nearest_cosines[0, 0, 0] == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)
    assert report.fit[1, 0] == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)


# ---- slow loops


def random_case(seed: int, n: int = 50, classes: int = 4, count: int = 3, dim: int = 5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes - 1, n)  # the last class has no text
    centers = rng.normal(size=(classes, count, dim))
    return rng.normal(size=(n, dim)).astype(np.float16), labels, centers


@pytest.mark.parametrize("seed", range(4))
def test_the_report_is_that_of_slow_loops(seed):
    vectors, labels, centers = random_case(seed)
    if seed == 3:
        centers[1] = np.nan  # a class without centres
        centers[0, 2] = np.nan  # and one centre that is not there
    gamma, rows = 0.2, np.arange(len(vectors)) * 7
    report = center_report(vectors, labels, centers, gamma=gamma, row_ids=rows)
    shape = centers.shape[:2]
    counts, kept, attracted, pure, soft, fits = (np.zeros(shape) for _ in range(6))
    intruders = []
    for i, (vector, label) in enumerate(zip(vectors.astype(float), labels, strict=True)):
        cosines = {(c, k): cosine(vector, centers[c, k]) for c in range(shape[0]) for k in range(shape[1]) if np.isfinite(centers[c, k]).all()}
        own = {key: value for key, value in cosines.items() if key[0] == label}
        nearest = max(cosines, key=cosines.get)
        attracted[nearest] += 1
        pure[nearest] += nearest[0] == label
        if not own:
            assert report.own[i] == -1
            continue
        best = max(own, key=own.get)
        assert report.own[i] == best[1]
        counts[best] += 1
        kept[best] += nearest[0] == label
        fits[best] += own[best]
        total = sum(np.exp(value / gamma) for value in own.values())
        for key, value in own.items():
            soft[key] += np.exp(value / gamma) / total
        if nearest[0] != label:
            intruders.append((cosines[nearest] - own[best], rows[i], *nearest))
    np.testing.assert_array_equal(report.counts, counts)
    np.testing.assert_array_equal(report.kept, kept)
    np.testing.assert_array_equal(report.attracted, attracted)
    np.testing.assert_array_equal(report.pure, pure)
    n = counts.sum(axis=1)
    np.testing.assert_array_equal(report.n, n)
    for c in range(shape[0]):
        if n[c] == 0:
            assert np.isnan(report.soft[c]).all()
            assert np.isnan(report.effective[c])
            assert not report.dead[c].any()
            continue
        np.testing.assert_allclose(report.soft[c], soft[c] / n[c], atol=1e-5)
        np.testing.assert_allclose(report.fit[c][counts[c] > 0], (fits[c] / np.maximum(counts[c], 1))[counts[c] > 0], atol=1e-5)
        assert report.effective[c] == pytest.approx(np.exp(entropy(counts[c])))
        assert report.effective_soft[c] == pytest.approx(np.exp(entropy(soft[c])), rel=1e-5)
    intruders.sort(reverse=True)
    found = report.intrusions
    assert found.row_ids.tolist() == [row for _, row, _, _ in intruders]
    assert list(zip(found.other_labels.tolist(), found.other.tolist(), strict=True)) == [(c, k) for _, _, c, k in intruders]
    np.testing.assert_allclose(found.margins, [margin for margin, *_ in intruders], atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_count_one_by_one_and_texts_by_the_mean_of_their_tokens(seed):
    vectors, _, centers = random_case(seed, n=60)
    rows = np.random.default_rng(seed).integers(0, 12, 60) + 30
    labels = rows % 3
    report = center_report(vectors, labels, centers, row_ids=rows, nearest=4)
    assert report.counts.sum() == 60
    each = np.array([[[cosine(v.astype(float), w) for w in own] for own in centers] for v in vectors])
    mean = {row: each[rows == row].mean(axis=0) for row in set(rows)}
    for c in range(4):
        for k in range(3):
            expected = sorted(mean, key=lambda row: -mean[row][c, k])[:4]
            assert report.nearest_rows[c, k].tolist() == expected
            np.testing.assert_allclose(report.nearest_cosines[c, k], [mean[row][c, k] for row in expected], atol=1e-5)
    away = {row for row, values in mean.items() if values.max() > values[row % 3].max()}
    assert set(report.intrusions.row_ids.tolist()) == away
    assert report.texts == len(mean)


@pytest.mark.parametrize("distance", [0.0, 0.05, 0.3, 0.8, 2.0])
def test_merging_is_single_linkage_of_scikit_learn(distance):
    centers = np.random.default_rng(1).normal(size=(30, 3))
    found = merge_groups(centers, distance)
    units = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    tree = AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="single", distance_threshold=distance + 1e-9).fit_predict(units)
    pairs = [(found[i] == found[j], tree[i] == tree[j]) for i in range(30) for j in range(i)]
    assert all(ours == theirs for ours, theirs in pairs)
    firsts = list(dict.fromkeys(found.tolist()))
    assert firsts == list(range(len(firsts)))


def test_a_chain_merges_although_its_ends_are_far_apart():
    angles = np.deg2rad([0, 20, 40, 60, 120])
    centers = np.column_stack([np.cos(angles), np.sin(angles)])
    step = 1 - np.cos(np.deg2rad(20))
    assert merge_groups(centers, step + 1e-6).tolist() == [0, 0, 0, 0, 1]
    assert merge_groups(centers, step - 1e-3).tolist() == [0, 1, 2, 3, 4]
    assert merge_groups(np.array([[1.0, 0.0], [np.nan, np.nan], [2.0, 0.0]]), 0.0).tolist() == [0, -1, 0]


def test_the_effective_number_is_the_exponential_of_the_entropy():
    shares = np.random.default_rng(0).dirichlet(np.ones(6), size=5)
    np.testing.assert_allclose(effective_number(shares), np.exp(entropy(shares, axis=1)))
    assert effective_number(np.array([1.0, 0.0, 0.0])) == 1.0
    assert effective_number(np.full(7, 1 / 7)) == pytest.approx(7)
    assert np.isnan(effective_number(np.full(3, np.nan)))


def test_lengths_do_not_matter_and_arguments_stay():
    vectors, labels, centers = random_case(5)
    before = vectors.copy(), centers.copy()
    one = center_report(vectors, labels, centers)
    two = center_report(4.0 * vectors.astype(float), labels, centers * np.linspace(0.5, 3, 3)[None, :, None])
    np.testing.assert_array_equal(one.counts, two.counts)
    np.testing.assert_allclose(one.soft, two.soft, atol=1e-5)
    np.testing.assert_array_equal(vectors, before[0])
    np.testing.assert_array_equal(centers, before[1])


def test_the_soft_occupancy_uses_the_weights_of_the_loss():
    torch = pytest.importorskip("torch")
    from dmlviz.losses import build_loss

    vectors, labels, _ = random_case(6, dim=6)
    loss = build_loss("soft_triple", num_classes=4, dim=6, seed=0, centers_per_class=3, temperature=0.07)
    centers = loss.centers().detach().numpy()
    units = vectors / np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    directions = centers / np.linalg.norm(centers, axis=2, keepdims=True)
    for c in range(3):  # the loss's S' of one text is the weighted cosine, so a report of that text alone gives it back
        i = int(np.flatnonzero(labels == c)[0])
        report = center_report(vectors[i : i + 1], labels[i : i + 1], centers, gamma=0.07)
        expected = float(loss.similarities(torch.tensor(vectors[i : i + 1].astype(np.float32)))[0, c].detach())
        assert report.soft[c] @ (directions[c] @ units[i]) == pytest.approx(expected, abs=1e-4)


# ---- words, means, matrix, drift


def test_the_nearest_words_are_those_of_a_loop():
    rng = np.random.default_rng(2)
    vectors, centers = rng.normal(size=(40, 4)), rng.normal(size=(2, 2, 4))
    words = np.array(["the", "oil", "rare", *rng.choice(["wheat", "bank", "the"], 37)])
    found = nearest_words(vectors, words, centers, most=3)
    for c in range(2):
        for k in range(2):
            mean = {word: np.mean([cosine(v, centers[c, k]) for v in vectors[words == word]]) for word in ("the", "wheat", "bank")}
            assert [one.word for one in found[c][k]] == sorted(mean, key=mean.get, reverse=True)  # "oil" and "rare" come once
            for one in found[c][k]:
                assert one.cosine == pytest.approx(mean[one.word], abs=1e-5)
                assert one.count == (words == one.word).sum()
    once = nearest_words(vectors[:3], words[:3], centers)
    assert {one.word for one in once[0][0]} == {"the", "oil", "rare"}


def test_class_means_are_of_the_support_texts_alone():
    rng = np.random.default_rng(4)
    vectors, labels = rng.normal(size=(12, 3)), np.array([0, 0, 1, 1, 2, 2] * 2)
    roles = np.array(["support"] * 4 + ["test"] * 8)
    means = class_means(vectors, labels, roles, 3)
    expected = np.mean([v / np.linalg.norm(v) for v in vectors[:2]], axis=0)
    np.testing.assert_allclose(means[0, 0], expected / np.linalg.norm(expected), atol=1e-6)
    assert np.isnan(means[2]).all()  # its texts are test texts
    moved = np.concatenate([vectors[:4], rng.normal(size=(8, 3))])
    np.testing.assert_array_equal(class_means(moved, labels, roles, 3), means)


def test_the_matrix_is_ordered_by_size_then_likeness():
    angles = np.deg2rad([0, 90, 5, 95])  # 1 and 3 lie together, 2 and 4 do
    centers = np.stack([np.column_stack([np.cos(a), np.sin(a)]) for a in (angles, angles + 0.3, angles + 2)])
    found = center_matrix(centers, np.array([3, 9, 5]))
    assert found.order[::4, 0].tolist() == [1, 2, 0]
    own = found.order[:4, 1].tolist()
    assert {frozenset(own[:2]), frozenset(own[2:])} == {frozenset([0, 2]), frozenset([1, 3])}
    flat = centers[found.order[:, 0], found.order[:, 1]]
    np.testing.assert_allclose(found.cosines, cosine_similarity(flat), atol=1e-6)
    assert center_matrix(centers, np.array([3, 9, 5]), classes=[0]).order[:, 0].tolist() == [0] * 4
    centers[1, 2] = np.nan
    assert center_matrix(centers, np.array([3, 9, 5])).order.shape == (11, 2)


def test_drift_is_the_cosine_distance_from_the_start():
    snapshots = np.array([[[[1.0, 0.0], [0.0, 2.0]]], [[[3.0, 0.0], [1.0, 1.0]]], [[[0.0, 1.0], [0.0, -1.0]]]])  # (E=3, C=1, K=2, D=2)
    np.testing.assert_allclose(drift(snapshots)[:, 0], [[0, 0], [0, 1 - np.sqrt(0.5)], [1, 2]], atol=1e-6)


# ---- what does not fit


def test_what_does_not_fit_is_a_sentence():
    vectors, labels, centers = random_case(0)
    with pytest.raises(InputError, match=r"\(50, 4\) and centres \(4, 3, 5\) do not fit"):
        center_report(vectors[:, :4], labels, centers)
    with pytest.raises(InputError, match="50 vectors came with 49 labels"):
        center_report(vectors, labels[1:], centers)
    with pytest.raises(InputError, match="labels go from 0 to 4, but there are centres for classes 0 to 3 only"):
        center_report(vectors, np.where(np.arange(50) == 7, 4, labels), centers)
    with pytest.raises(InputError, match="gamma is 0; the temperature"):
        center_report(vectors, labels, centers, gamma=0)
    with pytest.raises(InputError, match="some vectors are not finite"):
        center_report(np.where(np.arange(50)[:, None] == 3, np.nan, vectors), labels, centers)


def test_nothing_to_count_is_a_report_of_nothing():
    _, _, centers = random_case(0)
    report = center_report(np.zeros((0, 5)), np.zeros(0, dtype=int), centers)
    assert report.n.sum() == report.counts.sum() == report.texts == len(report.intrusions.row_ids) == 0
    assert (report.nearest_rows == -1).all()
    assert not report.dead.any()


# ---- places


def a_map(seed: int = 0, n: int = 80, dim: int = 9):
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(n, dim)) + 2 * rng.normal(size=(3, dim))[np.arange(n) % 3]).astype(np.float16)
    return vectors, project(vectors, np.arange(n), method="pca")


def test_on_a_pca_a_centre_at_a_text_is_where_the_text_is():
    vectors, found = a_map()
    places = on_pca(vectors[:6].reshape(2, 3, -1).astype(float) * 5, vectors, found.points)
    assert places.exact
    np.testing.assert_allclose(places.points.reshape(6, 2), found.points[:6], atol=1e-4)


@pytest.mark.parametrize("mirror", [1, -1])
def test_the_place_follows_a_registered_map(mirror):
    vectors, found = a_map()
    turned = dataclasses.replace(found, points=(found.points @ np.array([[0.6, -0.8], [0.8, 0.6]]) * [3.0, 3.0 * mirror] + [7, 1]).astype(np.float32))
    other = register(dataclasses.replace(found, points=found.points), turned)
    places = on_pca(vectors[:6].reshape(2, 3, -1), vectors, other.points)
    np.testing.assert_allclose(places.points.reshape(6, 2), turned.points[:6], atol=1e-3)
    assert not places.rough.any()


def test_a_map_made_otherwise_is_not_taken_for_a_pca():
    vectors, found = a_map()
    assert on_pca(vectors[:2][None], vectors, found.points**3) is None
    assert on_pca(vectors[:2][None], vectors[:2], found.points[:2]) is None


def test_among_neighbours_is_the_weighted_mean_of_a_loop():
    vectors, _ = a_map()
    points = np.random.default_rng(1).normal(size=(80, 2))
    centers = np.random.default_rng(2).normal(size=(2, 2, 9))
    places = among_neighbors(centers, vectors, points, neighbors=5)
    for c in range(2):
        for k in range(2):
            cosines = [cosine(v.astype(float), centers[c, k]) for v in vectors]
            near = np.argsort(cosines)[::-1][:5]
            expected = sum(cosines[i] * points[i] for i in near) / sum(cosines[i] for i in near)
            np.testing.assert_allclose(places.points[c, k], expected, atol=1e-5)
            apart = np.median([np.linalg.norm(points[i] - expected) for i in near]) / extent(points)
            assert places.spread[c, k] == pytest.approx(apart, abs=1e-5)


def test_a_centre_between_two_groups_is_said_to_be_roughly_placed():
    rng = np.random.default_rng(0)
    vectors = np.concatenate([np.array([1.0, 0.2]) + 0.01 * rng.normal(size=(20, 2)), np.array([0.2, 1.0]) + 0.01 * rng.normal(size=(20, 2))])
    points = np.concatenate([rng.normal(size=(20, 2)) * 0.1, rng.normal(size=(20, 2)) * 0.1 + 10])
    rough = among_neighbors(np.array([[1.0, 1.0], [1.0, 0.2], [np.nan, np.nan]]), vectors[np.r_[0:5, 20:25]], points[np.r_[0:5, 20:25]])
    near = among_neighbors(np.array([[1.0, 0.2]]), vectors, points)
    assert rough.rough[0]
    assert not near.rough[0]
    assert near.points[0] == pytest.approx([0, 0], abs=0.2)
    assert np.isnan(rough.points[2]).all()
    assert rough.rough[2]


# ---- the view of a run


def test_a_run_without_centres_shows_the_means_of_its_support_texts():
    given = make_input("cross_entropy", space=None)
    view = center_view(given, 3, CenterLook())
    assert (view.kind, view.report.centers.shape[1], view.part) == ("means", 1, "test")
    means = class_means(given.arrays.embeddings, given.arrays.labels, given.arrays.roles, 3)
    np.testing.assert_allclose(view.report.centers, means, atol=1e-6)
    assert view.report.n.sum() == (given.arrays.roles == "test").sum()
    assert "the mean of each class's support texts stands for one" in view.said[0]
    bare = center_view(make_input("cross_entropy", space=None, support=False), 3, CenterLook())
    assert (bare.kind, bare.report, bare.places) == ("none", None, None)
    assert "no centres and no support texts" in bare.said[0]


def test_means_can_stand_in_for_learned_centres():
    view = center_view(make_input(), 3, CenterLook(which="means"))
    assert (view.kind, view.report.centers.shape[1]) == ("means", 1)
    assert any("in place of its own centres" in sentence for sentence in view.said)


@pytest.mark.parametrize(("space", "tokens", "words"), [
    ("tokens", False, "before tokens were kept"), ("texts", False, "before tokens were kept"), ("texts", True, "Choose tokens to see"),
])  # fmt: skip
def test_token_space_centres_among_texts_say_so(space, tokens, words):
    view = center_view(make_input("triple_entropy", space="tokens", tokens=tokens), 3, CenterLook(space=space))
    assert view.space == "texts"
    assert any(words in sentence for sentence in view.said)
    assert (view.near_words is not None) == tokens


def test_token_space_centres_on_their_own_map_count_tokens():
    given = make_input("triple_entropy", space="tokens", tokens=True)
    view = center_view(given, 3, CenterLook(space="tokens"))
    test_rows = set(given.arrays.row_ids[given.arrays.roles == "test"].tolist())
    assert view.space == "tokens"
    assert view.places.exact
    assert set(view.rows[view.counted].tolist()) <= test_rows
    assert view.report.n.sum() == sum(row in test_rows for row in given.arrays.tokens.rows)
    label_of = dict(zip(given.arrays.row_ids.tolist(), given.arrays.labels.tolist(), strict=True))
    assert view.labels.tolist() == [label_of[int(row)] for row in given.arrays.tokens.rows]
    assert set(view.report.nearest_rows.ravel().tolist()) <= test_rows
    points, places = pca_places(given.arrays.tokens.vectors, given.arrays.centers)
    np.testing.assert_allclose(view.points, points)
    np.testing.assert_allclose(view.places.points, places)


def test_pooled_centres_stay_among_texts_when_tokens_are_asked_for():
    view = center_view(make_input(), 3, CenterLook(space="tokens"))
    assert view.space == "texts"
    assert any("Nothing here lives in token space" in sentence for sentence in view.said)


def test_a_part_without_texts_counts_all_and_says_so():
    view = center_view(make_input(), 3, CenterLook(part="validation"))
    assert (view.part, len(view.counted)) == ("all", 60)
    assert any("no validation texts" in sentence for sentence in view.said)
    with pytest.raises(InputError, match="'train' is not known here; choose one of test, support, validation, all"):
        center_view(make_input(), 3, CenterLook(part="train"))


def test_the_path_ends_at_the_star_on_every_map():
    given = make_input(moments=3)
    for one in (given, with_points(given, np.random.default_rng(0).normal(size=(60, 2)))):
        view = center_view(one, 3, CenterLook())
        assert view.path.shape == (3, 3, 4, 2)
        np.testing.assert_array_equal(view.path[-1], view.places.points)
        np.testing.assert_allclose(view.drift, drift(one.arrays.center_snapshots))
        assert view.epochs.tolist() == [0, 1, 2]
    exact = center_view(given, 3, CenterLook())
    again = on_pca(given.arrays.center_snapshots[0], given.arrays.embeddings, exact.points)
    np.testing.assert_allclose(exact.path[0], again.points, atol=1e-4)


def test_earlier_places_are_among_the_texts_that_were_near_then():
    given = with_points(make_input(moments=2), np.random.default_rng(0).normal(size=(60, 2)))
    view = center_view(given, 3, CenterLook())
    arrays = given.arrays
    at = [arrays.row_ids.tolist().index(row) for row in arrays.snapshot_rows]
    expected = among_neighbors(arrays.center_snapshots[0], arrays.snapshots[0], np.asarray(given.pane.projection.points)[at])
    np.testing.assert_allclose(view.path[0], expected.points)


def test_a_run_whose_path_was_not_kept_says_so():
    view = center_view(make_input(), 3, CenterLook())
    assert view.drift is view.path is view.epochs is None
    assert any("was not kept" in sentence for sentence in view.said)
