"""Errors against slow loops, scikit-learn, and data made so that the answer is known."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from reliability_cases import made, texts_of
from scipy import stats
from sklearn.metrics import confusion_matrix

from dmlviz.analysis.reliability import errors
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.core.types import InputError


def guesses(one):
    return one.scores(one.test).argmax(axis=1)


def test_confusion_is_scikit_learns_summed_over_runs():
    outcomes = [made(i, classes=4, skill=0.8) for i in range(2)]
    slow = sum(confusion_matrix(one.labels(one.test), guesses(one), labels=range(4)) for one in outcomes)
    assert (errors.confusion(outcomes) == slow).all()
    assert errors.row_shares(slow) == pytest.approx(slow / slow.sum(axis=1, keepdims=True))
    pairs = errors.confused_pairs(slow)
    assert pairs["count"].sum() == slow.sum() - slow.trace()
    assert (pairs["gold"] != pairs["predicted"]).all()
    assert pairs["count"].is_monotonic_decreasing


def test_confused_classes_stand_together():
    counts = np.diag([50] * 6)
    for a, b in ((0, 3), (1, 5), (2, 4)):
        counts[a, b] = counts[b, a] = 30
    order = errors.class_order(counts).tolist()
    assert {tuple(sorted(order[i : i + 2])) for i in (0, 2, 4)} == {(0, 3), (1, 5), (2, 4)}


def test_many_classes_become_a_readable_matrix_that_loses_no_text():
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(5, 90, 52)) + np.where(rng.random((52, 52)) < 0.03, rng.integers(1, 9, (52, 52)), 0)
    counts[51], counts[:, 51] = 0, 0  # a class that nobody is of, and nobody says
    view = errors.confusion_view(counts, 20)
    assert len(view.classes) == 21
    assert view.classes[-1] == errors.REST
    assert view.left_out == 31
    assert view.counts.sum() == counts.sum()
    i, j = view.classes[3], view.classes[7]
    assert view.counts[3, 7] == counts[i, j]
    others = [c for c in range(51) if c not in view.classes]
    assert view.counts[3, -1] == counts[i, others].sum()
    off = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    assert min(off[list(view.classes[:-1])]) >= max(off[others])
    again = errors.confusion_view(counts.T, 20, order=view.classes[:-1])
    assert again.classes == view.classes
    assert 51 not in errors.confusion_view(counts, 60).classes


def test_shared_errors_count_each_text_once():
    outcomes = [made(10 * k + draw, loss=loss, support_seed=draw, skill=1.0) for k, loss in enumerate(("cross_entropy", "supcon", "g_loss"))
                for draw in range(3)]  # fmt: skip
    found = errors.shared_errors(sides(outcomes))
    assert (found.n, found.repetitions) == (120, 3)
    assert found.table["texts"].sum() == pytest.approx(120)
    for wrong in ((), (1,), (0, 2), (0, 1, 2)):
        slow = []
        for draw in range(3):
            own = [outcomes[3 * k + draw] for k in range(3)]
            misses = [guesses(one) != one.labels(one.test) for one in own]
            slow.append(sum(tuple(k for k in range(3) if misses[k][t]) == wrong for t in range(120)))
        row = found.table[[one == wrong for one in found.table["wrong"]]].iloc[0]
        assert row["texts"] == pytest.approx(np.mean(slow))
        half = stats.t.ppf(0.975, 2) * np.std(slow, ddof=1) / np.sqrt(3)
        assert row["high"] == pytest.approx(np.mean(slow) + half)
    assert found.table["independent"].sum() == pytest.approx(120)
    assert found.sizes[0] == pytest.approx(np.mean([(guesses(one) != one.labels(one.test)).mean() for one in outcomes[:3]]))


def test_shared_errors_need_a_common_draw():
    with pytest.raises(InputError, match="share no draw of the shots"):
        errors.shared_errors(sides([made(0), made(1, loss="supcon")]))
    with pytest.raises(InputError, match="asked of 1 losses; choose 2 to 6"):
        errors.shared_errors(sides([made(0)]))
    with pytest.raises(InputError, match="on different data sets"):
        errors.shared_errors(sides([made(0), made(1, loss="supcon", support_seed=0, dataset_hash="b" * 64)]))
    same_draw = [made(0, seed=3), made(1, loss="supcon", support_seed=0, seed=4)]
    assert errors.shared_errors(sides(same_draw)).repetitions == 1


def test_errors_are_matched_by_row_not_by_place():
    one = made(0)
    turned = made(0, loss="supcon", test_rows=one.rows(one.test)[::-1].copy())
    found = errors.shared_errors(sides([one, turned]))
    ours, theirs = (guesses(o) != o.labels(o.test) for o in (one, turned))
    assert found.table.set_index("wrong")["texts"].to_dict()[0, 1] == (ours & theirs[::-1]).sum()


def test_churn_is_what_changes_and_what_accuracy_does_not_explain():
    outcomes = [made(i, support_seed=i) for i in range(4)]
    (side,) = sides(outcomes)
    pairs = errors.churn(side)
    assert len(pairs) == 6
    assert set(pairs["relation"]) == {"draw"}
    for row, (a, b) in zip(pairs.itertuples(), itertools.combinations(outcomes, 2), strict=True):
        assert row.churn == pytest.approx(sum(x != y for x, y in zip(guesses(a), guesses(b), strict=True)) / 120)
        assert row.beyond == pytest.approx(row.churn - row.gap)
        assert row.beyond >= -1e-12  # a difference of accuracies is the least churn there can be
    mean, low, high = errors.churn_interval(pairs)
    without = [pairs[(pairs["a"] != one.run.id) & (pairs["b"] != one.run.id)]["churn"].mean() for one in outcomes]
    half = stats.t.ppf(0.975, 3) * np.sqrt(3 / 4 * sum((x - np.mean(without)) ** 2 for x in without))
    assert (mean, high) == pytest.approx((pairs["churn"].mean(), mean + half))
    assert low < mean
    assert errors.churn(sides(outcomes[:1])[0]).empty
    assert np.isnan(errors.churn_interval(errors.churn(sides(outcomes[:2])[0]))[1])


def test_hard_texts_are_by_the_mean_probability_of_their_class():
    outcomes = [made(i, support_seed=i, skill=0.7) for i in range(3)]
    table = errors.hard_texts(outcomes)
    assert table["gold"].is_monotonic_increasing
    for row in table.head(5).itertuples():
        place = [int(np.flatnonzero(one.rows(one.test) == row.row_id)[0]) for one in outcomes]
        chances = [one.probabilities(one.test)[i, row.label] for one, i in zip(outcomes, place, strict=True)]
        said = [guesses(one)[i] for one, i in zip(outcomes, place, strict=True)]
        assert row.gold == pytest.approx(np.mean(chances))
        assert row.wrong == sum(one != row.label for one in said)
        assert row.votes == max(said.count(one) for one in said) == said.count(row.said)
    wrong = errors.always_wrong(table)
    assert (wrong["wrong"] == 3).all()
    assert len(wrong) == (table["wrong"] == 3).sum()
    assert errors.always_wrong(errors.hard_texts(outcomes[:1])).empty  # one run: nothing is "always"


def test_repeated_texts_and_conflicting_labels_are_named():
    one = made(0, n=6, validation=0)
    texts = ("A  cat", "a CAT", "dog", "a cat ", "bird", "Straße", "STRASSE", "owl", "elk")
    dataset = dataclasses.replace(texts_of(one), texts=texts, labels=np.array([0, 0, 1, 2, 0, 1, 1, 2, 2]), label_names=("ape", "bee", "cat"))
    table = errors.repeats(dataset)
    assert table["row_id"].tolist() == [0, 1, 3, 5, 6]
    assert table["copies"].tolist() == [(1, 3), (0, 3), (0, 1), (6,), (5,)]
    assert table["conflicts"].tolist() == [(3,), (3,), (0, 1), (), ()]
    assert errors.doubts([0, 2, 5], dataset, table) == [
        f"same text labelled cat in row 3 ({dataset.parts[3]})", "", f"same text and label in row 6 ({dataset.parts[6]})",
    ]  # fmt: skip
    paired = dataclasses.replace(dataset, text_pairs=("x", "y", *["z"] * 7))
    assert errors.repeats(paired)["row_id"].tolist() == [5, 6]
