"""Risk-coverage curves against a slow loop over all orders of ties, and against what is known by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from reliability_cases import made
from scipy.stats import entropy

from dmlviz.analysis.reliability import selective as sel
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.core.types import InputError


def slow_aurc(confidence, wrong) -> float:
    """Mean over every order that the confidences allow of the mean of errors(k) / k."""
    areas = []
    for order in itertools.permutations(range(len(wrong))):
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order)):
            errors, area = 0, 0.0
            for k, i in enumerate(order, 1):
                errors += wrong[i]
                area += errors / k
            areas.append(area / len(wrong))
    return sum(areas) / len(areas)


@pytest.mark.parametrize("confidence", [[0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0.9, 0.9, 0.7, 0.7, 0.7, 0.1], [0.5] * 6])
@pytest.mark.parametrize("wrong", [[0, 0, 1, 0, 1, 1], [1, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]])
def test_aurc_is_the_slow_loops_over_all_orders_of_ties(confidence, wrong):
    found = sel.selective(np.array(confidence), np.array(wrong))
    assert found.aurc == pytest.approx(slow_aurc(confidence, wrong))
    assert found.best == pytest.approx(slow_aurc([-one for one in wrong], wrong))
    assert found.excess == pytest.approx(found.aurc - found.best)


def test_shuffling_rows_changes_nothing():
    rng = np.random.default_rng(0)
    confidence, wrong = rng.integers(0, 5, 200) / 5, rng.random(200) < 0.3
    mixed = rng.permutation(200)
    assert sel.risk_curve(confidence, wrong) == pytest.approx(sel.risk_curve(confidence[mixed], wrong[mixed]))


def test_no_information_is_random_and_perfect_is_the_oracle():
    wrong = np.array([0, 1, 1, 0, 0, 0, 1, 0])
    flat = sel.selective(np.zeros(8), wrong)
    assert flat.aurc == pytest.approx(3 / 8) == flat.random
    assert flat.gain == pytest.approx(0)
    perfect = sel.selective(1 - wrong, wrong)
    assert perfect.excess == pytest.approx(0)
    assert perfect.gain == pytest.approx(1)
    assert perfect.best == pytest.approx((1 / 6 + 2 / 7 + 3 / 8) / 8)
    assert math.isnan(sel.selective(np.arange(4), np.zeros(4)).gain)


def test_risk_at_a_coverage_is_of_the_surest_texts():
    curve = sel.risk_curve(np.array([4, 3, 2, 1]), np.array([0, 0, 1, 1]))
    assert curve == pytest.approx([0, 0, 1 / 3, 0.5])
    assert sel.risk_at(curve, [0.01, 0.5, 0.75, 1.0]) == pytest.approx([0, 0, 1 / 3, 0.5])
    assert sel.risk_at(curve, [0.51]) == pytest.approx([1 / 3])  # three texts are needed to cover 51 %


def test_signals_are_what_they_say():
    one = made(0, readouts=("head", "knn", "propagation"), centers="pooled")
    assert sel.signals(one) == list(sel.SIGNALS)
    probabilities = one.probabilities(one.test)
    predicted = probabilities.argmax(axis=1)
    assert sel.confidence(one, "max_probability") == pytest.approx(probabilities.max(axis=1))
    slow = [sorted(row)[-1] - sorted(row)[-2] for row in probabilities]
    assert sel.confidence(one, "margin") == pytest.approx(slow)
    scores = one.arrays.scores["propagation"][one.test].astype(float)
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert sel.confidence(one, "propagation_entropy") == pytest.approx(-entropy(shares, axis=1))
    votes = np.exp(one.arrays.scores["knn"][one.test].astype(float))
    votes /= votes.sum(axis=1, keepdims=True)
    assert sel.confidence(one, "knn_agreement") == pytest.approx([votes[i, c] for i, c in enumerate(predicted)])
    vectors = np.asarray(one.arrays.embeddings)[one.test].astype(float)
    near = []
    for vector, c in zip(vectors, predicted, strict=True):
        near.append(max(vector @ center / np.linalg.norm(vector) / np.linalg.norm(center) for center in one.arrays.centers[c].astype(float)))
    assert sel.confidence(one, "centre_distance") == pytest.approx(near)


def test_a_signal_that_a_run_has_not_is_said():
    tokens, bare = made(0, centers="tokens"), made(1)
    assert sel.signals(tokens) == ["max_probability", "margin"] == sel.signals(bare)
    with pytest.raises(InputError, match="has no closeness to a centre"):
        sel.confidence(tokens, "centre_distance")
    with pytest.raises(InputError, match="no confidence signal 'mood'"):
        sel.confidence(tokens, "mood")
    assert sel.missing_signals([bare, made(2, readouts=("head", "knn"))])[2] == (
        "Agreement of the nearest support texts: not for 1 of 2 runs, the kNN readout is not stored."
    )
    with pytest.raises(InputError, match="as many of each"):
        sel.risk_curve(np.zeros(0), np.zeros(0))
    with pytest.raises(InputError, match="not numbers"):
        sel.risk_curve(np.array([np.nan]), np.array([1]))


def test_groups_average_their_runs():
    outcomes = [made(i, skill=skill, loss=loss) for loss, skill in (("cross_entropy", 1.0), ("supcon", 3.0)) for i in range(3)]
    table = sel.selective_table(outcomes)
    weak, strong = (sel.group_selective(side, table).set_index(["signal", "measure"]) for side in sides(outcomes))
    own = table[(table["signal"] == "margin") & table["run"].str.startswith("supcon")]["aurc"]
    assert strong.loc[("margin", "aurc"), "mean"] == pytest.approx(own.mean())
    assert strong.loc[("margin", "aurc"), "mean"] < weak.loc[("margin", "aurc"), "mean"]
    curve = sel.group_curve(sides(outcomes)[0], "max_probability")
    assert curve["risk"].iloc[-1] == pytest.approx(table[table["run"].str.startswith("cross")]["risk"].mean())
    assert curve["runs"].eq(3).all()
    assert sel.group_curve(sides(outcomes)[0], "knn_agreement").empty
    assert sel.group_curve(sides([outcomes[0]])[0], "margin")["low"].isna().all()
