"""Accuracy by stratum: against slow loops, scipy and statsmodels; the slices' tests keep their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reliability_cases import made, texts_of
from scipy.stats import hypergeom, ttest_1samp, ttest_ind
from statsmodels.stats.multitest import multipletests

from dmlviz.analysis.reliability import strata
from dmlviz.analysis.reliability.over_runs import sides, wilson_interval
from dmlviz.core.types import InputError


def test_distance_is_to_the_mean_of_the_test_texts():
    one = made(0)
    vectors = np.asarray(one.arrays.embeddings)[one.test].astype(float)
    mean = [sum(column) / len(vectors) for column in vectors.T]
    slow = [math.sqrt(sum((x - m) ** 2 for x, m in zip(row, mean, strict=True))) for row in vectors]
    found = strata.strata_of(one, "distance")
    assert found.values == pytest.approx(slow)
    order = sorted(range(120), key=lambda i: slow[i])
    assert [found.number[i] for i in order] == [place // 12 for place in range(120)]  # ten groups of twelve


def test_lengths_are_words_and_equal_lengths_stay_together():
    one = made(0)
    dataset = texts_of(one)
    found = strata.strata_of(one, "length", dataset)
    assert found.values.tolist() == [len(dataset.texts[row].split()) for row in one.rows(one.test)]
    for value in np.unique(found.values):
        assert len(set(found.number[found.values == value])) == 1
    assert (np.diff([found.values[found.number == i].mean() for i in range(found.number.max() + 1)]) > 0).all()
    assert set(found.number) == set(range(found.number.max() + 1))


def test_frequency_is_of_the_training_part():
    one = made(0, classes=4)
    dataset = texts_of(one)
    counts, where = strata.class_frequencies(dataset)
    assert where == "training part"
    slow = [sum(1 for part, label in zip(dataset.parts, dataset.labels, strict=True) if part == "train" and label == c) for c in range(4)]
    assert counts.tolist() == slow
    found = strata.strata_of(one, "frequency", dataset)
    assert found.values.tolist() == [slow[c] for c in one.labels(one.test)]
    assert len(set(found.number)) == len(set(slow))
    many = strata._by_frequency(np.array([1.0, 2, 3, 4, 9, 10, 50, 2000]), np.arange(8))
    assert many.number.tolist() == [0, 0, 0, 0, 0, 1, 2, 5]


def test_purity_is_a_slow_loops():
    one = made(0, n=60)
    vectors = np.asarray(one.arrays.embeddings)[one.test].astype(float)
    labels = one.labels(one.test)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for i, share in enumerate(strata.neighbor_purity(np.asarray(one.arrays.embeddings)[one.test], labels)):
        near = sorted((j for j in range(60) if j != i), key=lambda j: -(unit[i] @ unit[j]))[:10]
        assert share == pytest.approx(sum(labels[j] == labels[i] for j in near) / 10)
    found = strata.strata_of(one, "purity")
    assert sorted(set(zip(found.values.round(1).tolist(), found.number.tolist(), strict=True))) == sorted(
        {(value, [0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4][round(10 * value)]) for value in found.values.round(1).tolist()}
    )


def test_accuracy_of_a_lone_run_has_wilsons_interval():
    one = made(0)
    found = strata.accuracy_by([one], "distance", space="own")
    away = strata.strata_of(one, "distance")
    right = one.scores(one.test).argmax(axis=1) == one.labels(one.test)
    for row in found.table.itertuples():
        own = right[away.number == row.stratum]
        assert (row.n, row.accuracy) == (len(own), pytest.approx(own.mean()))
        assert (row.low, row.high) == pytest.approx(wilson_interval(own.sum(), len(own))[2:])
    assert "each run's own space." in found.words


def test_strata_are_the_cross_entropy_runs_of_the_same_draw():
    plain = [made(i, support_seed=i) for i in range(2)]
    others = [made(10 + i, support_seed=i, loss="supcon") for i in range(2)]
    found = strata.accuracy_by([*plain, *others], "distance")
    assert found.words == (
        "Test texts by their Euclidean distance to the mean embedding of the test texts, in the cross-entropy run of the same draw."
    )
    mine = found.table[found.table["group"] == 1]
    slow = []
    for ours, base in zip(others, plain, strict=True):
        number = strata.strata_of(base, "distance").number
        right = ours.scores(ours.test).argmax(axis=1) == ours.labels(ours.test)
        slow.append([right[number == i].mean() for i in range(10)])
    assert mine["accuracy"].tolist() == pytest.approx(np.mean(slow, axis=0).tolist())
    assert mine["runs"].eq(2).all()
    assert (mine["value"].to_numpy() == found.table[found.table["group"] == 0]["value"].to_numpy()).all()
    alone = strata.accuracy_by([*plain, made(12, support_seed=7, loss="supcon")], "distance")
    assert "not every run here has such a partner" in alone.words


def test_rows_in_another_order_are_found_by_their_ids():
    base = made(0)
    turned = made(0, loss="supcon", test_rows=base.rows(base.test)[::-1].copy())
    away = strata.strata_of(turned, "distance", space=base)
    assert away.values == pytest.approx(strata.strata_of(base, "distance").values[::-1])
    with pytest.raises(InputError, match="does not hold the test texts"):
        strata.strata_of(made(1, test_rows=np.arange(900, 1020)), "distance", space=base)


def test_what_is_not_known_is_said():
    one = made(0)
    with pytest.raises(InputError, match="choose one of distance, length"):
        strata.strata_of(one, "colour")
    with pytest.raises(InputError, match="give the data set"):
        strata.strata_of(one, "length")
    with pytest.raises(InputError, match="no space 'theirs'"):
        strata.accuracy_by([one], "distance", space="theirs")


def test_holm_is_statsmodels():
    p_values = np.array([0.001, 0.04, 0.03, 0.2, 0.01, 0.01])
    assert strata.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    with_gap = strata.holm(np.array([0.01, np.nan, 0.02]))
    assert with_gap[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(with_gap[1])


def test_the_slices_test_of_a_lone_run_is_the_hypergeometric():
    right = np.r_[np.ones(30), np.zeros(20)]
    number = np.r_[np.zeros(4), np.ones(26), np.zeros(8), np.ones(12)].astype(int)
    expected = 12 * 0.6
    exact = sum(hypergeom.pmf(k, 50, 30, 12) for k in range(13) if abs(k - expected) >= abs(4 - expected) - 1e-9)
    found = strata.slice_p_values(right, number, 3, shuffles=20_000)
    assert found[0] == pytest.approx(exact, abs=0.006)
    assert found[1] == pytest.approx(exact, abs=0.006)  # the rest of a slice is as far from it
    assert math.isnan(found[2])


def test_slices_of_nothing_are_rarely_called_apart():
    rng, called = np.random.default_rng(0), 0
    for i in range(200):
        right = rng.integers(0, 4, 80) / 3
        corrected = strata.holm(strata.slice_p_values(right, rng.integers(0, 5, 80), 5, shuffles=199, seed=i))
        called += bool((corrected < 0.05).any())
    assert called / 200 <= 0.09  # 5 % of all looks together, with room for chance


def test_class_slices_are_recall_beside_the_rest():
    outcomes = [made(i, support_seed=i) for i in range(3)]
    (side,) = sides(outcomes)
    table = strata.class_slices(side, shuffles=199)
    assert table["class_id"].tolist() == [0, 1, 2]
    for row in table.itertuples():
        recalls, rests = [], []
        for one in outcomes:
            guessed, gold = one.scores(one.test).argmax(axis=1), one.labels(one.test)
            recalls.append((guessed == gold)[gold == row.class_id].mean())
            rests.append((guessed == gold)[gold != row.class_id].mean())
        assert row.accuracy == pytest.approx(np.mean(recalls))
        assert row.rest == pytest.approx(np.mean(rests))
        assert row.difference == pytest.approx(row.accuracy - row.rest)
        assert row.p_holm >= row.p
        per_draw = np.array(recalls) - np.array(rests)
        _, labels, right = strata.right_texts(outcomes)
        assert row.p == pytest.approx(strata.difference_p_value(per_draw, right[labels == row.class_id], right[labels != row.class_id]))
    alone = strata.class_slices(sides(outcomes[:1])[0], shuffles=199)
    one = outcomes[0]
    mine = strata.slice_p_values((one.scores(one.test).argmax(axis=1) == one.labels(one.test)).astype(float), one.labels(one.test), 3, shuffles=199)
    assert alone["p"].tolist() == pytest.approx(mine.tolist())


def test_the_test_over_draws_and_texts_is_welchs_when_draws_agree():
    rng = np.random.default_rng(0)
    inside, outside = rng.random(30), rng.random(200)
    same = np.full(5, inside.mean() - outside.mean())  # every draw finds the same difference
    assert strata.difference_p_value(same, inside, outside) == pytest.approx(ttest_ind(inside, outside, equal_var=False).pvalue)
    draws = np.array([0.1, 0.3, 0.2, -0.1, 0.25])
    texts_are_sure = strata.difference_p_value(draws, np.tile([0.4999, 0.5001], 10**6), np.tile([0.3, 0.3001], 10**6))
    assert texts_are_sure == pytest.approx(ttest_1samp(draws, 0).pvalue, rel=1e-3)
    assert math.isnan(strata.difference_p_value(draws[:1], inside, outside))
    assert strata.difference_p_value(np.full(5, 0.4), np.ones(3), rng.random(200) < 0.6) > 0.01  # three texts that all draws get right prove little


def test_the_test_over_draws_and_texts_keeps_its_level():
    """Draws that favour a class by chance, texts that are hard by chance: no class is harder, and p is below 0.05 in 5 % of cases at most."""
    rng, below = np.random.default_rng(1), 0
    for _ in range(400):
        hard = rng.normal(0, 1, 120)
        inside = np.arange(120) < 40
        favour = rng.normal(0, 0.8, 5)
        right = np.stack([rng.random(120) < 1 / (1 + np.exp(-(hard + np.where(inside, one, -one)))) for one in favour])
        per_draw = right[:, inside].mean(axis=1) - right[:, ~inside].mean(axis=1)
        below += strata.difference_p_value(per_draw, right[:, inside].mean(axis=0), right[:, ~inside].mean(axis=0)) < 0.05
    assert below / 400 <= 0.07
