"""Paired comparisons meet other libraries and slow loops; false alarms are as rare as they say; no word too much below five pairs."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from outcome_cases import run_of
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.power import TTestPower

from dmlviz.analysis.reliability.comparing import (
    agreement,
    compare,
    detectable,
    effect_size,
    mcnemar,
    paired_t,
    pairs_of,
    sign_flip,
    verdict,
    wilcoxon,
)
from dmlviz.analysis.reliability.groups import group_runs
from dmlviz.analysis.reliability.ranking import cliques, critical_difference, friedman, rank
from dmlviz.core.types import InputError

GAINS = np.array([0.021, 0.034, -0.012, 0.045, 0.018, 0.027, 0.003])
SIMULATIONS = 4000


def test_sign_flips_are_counted_one_by_one():
    slow = np.mean([abs(np.dot(signs, GAINS)) >= abs(GAINS.sum()) - 1e-12 for signs in product((-1, 1), repeat=len(GAINS))])
    assert sign_flip(GAINS) == slow
    theirs = stats.permutation_test((GAINS, np.zeros(7)), lambda a, b, axis: (a - b).mean(axis=axis), permutation_type="samples", vectorized=True)
    assert sign_flip(GAINS) == pytest.approx(theirs.pvalue)
    assert sign_flip(np.full(5, 0.1)) == 2 / 32


def test_many_pairs_are_flipped_at_random_and_repeat():
    found = np.random.default_rng(0).normal(0.3, 1, 40)
    assert sign_flip(found) == sign_flip(found)
    assert sign_flip(found) == pytest.approx(paired_t(found), abs=0.01)
    assert sign_flip(np.ones(40)) == 1 / 20_001


def test_wilcoxon_is_scipys_and_bears_ties():
    assert wilcoxon(GAINS) == pytest.approx(stats.wilcoxon(GAINS, method="exact").pvalue)
    tied = np.array([0.01, 0.01, -0.01, 0.02, 0.0, 0.03])
    ranks = stats.rankdata([0.01, 0.01, 0.01, 0.02, 0.03])
    observed = np.dot([1, 1, -1, 1, 1], ranks)
    slow = np.mean([abs(np.dot(signs, ranks)) >= abs(observed) - 1e-12 for signs in product((-1, 1), repeat=5)])
    assert wilcoxon(tied) == slow
    assert wilcoxon(np.zeros(4)) == 1


def test_t_effect_and_power_are_those_of_other_libraries():
    assert paired_t(GAINS) == pytest.approx(stats.ttest_1samp(GAINS, 0).pvalue)
    approximated = 1 - 3 / (4 * (len(GAINS) - 1) - 1)  # Hedges 1981, eq. 6e
    assert effect_size(GAINS) == pytest.approx(approximated * GAINS.mean() / GAINS.std(ddof=1), rel=2e-3)
    by_hand = 0.5 / np.sqrt(np.pi / 4)  # three pairs: Γ(1) / (√1 Γ(1/2)) = 1 / √π
    assert effect_size(np.array([0.0, 1.0, 2.0])) == pytest.approx(by_hand)
    for count in (3, 5, 10, 30):
        found = np.random.default_rng(count).normal(size=count)
        wanted = TTestPower().solve_power(effect_size=None, nobs=count, alpha=0.05, power=0.8) * found.std(ddof=1)
        assert detectable(found) == pytest.approx(wanted, rel=1e-5)
    assert np.isnan(detectable(GAINS[:1]))
    assert np.isnan(effect_size(np.ones(4)))


def test_one_pair_of_runs_text_by_text():
    rng = np.random.default_rng(1)
    gold, first, second = rng.integers(0, 3, 80), rng.integers(0, 3, 80), rng.integers(0, 3, 80)
    second[:40] = gold[:40]
    found = agreement(first, second, gold)
    b, c = ((first == gold) & (second != gold)).sum(), ((first != gold) & (second == gold)).sum()
    assert (found.only_first, found.only_second, found.texts) == (b, c, 80)
    assert found.mcnemar == pytest.approx(their_mcnemar([[0, b], [c, 0]], exact=True).pvalue)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 5) == 1
    assert np.isnan(agreement(np.zeros(4), np.zeros(4), np.zeros(4)).kappa)


@pytest.mark.parametrize("count", [6, 10, 20])
def test_five_in_a_hundred_false_alarms(count):
    """No difference, noise with heavy tails: each test cries in 5 of 100, up to three times the simulation's own error of 0.35 points."""
    found = np.random.default_rng(count).standard_t(5, size=(SIMULATIONS, count))
    tolerance = 3 * np.sqrt(0.05 * 0.95 / len(found))
    for test in (sign_flip, wilcoxon, paired_t):
        rate = np.mean([test(row) <= 0.05 for row in found])
        assert rate <= 0.05 + tolerance, test.__name__
        if count >= 10:
            assert rate >= 0.035, test.__name__


def group_of(values: list[float], loss: str, **fields):
    (group,) = group_runs(run_of(i, i, accuracy=value, loss=loss, **fields) for i, value in enumerate(values))
    return group


def test_pairs_share_draw_seed_and_fold():
    first, second = group_of([0.6, 0.7, 0.8], "supcon"), group_of([0.5, 0.6], "cross_entropy")
    assert [(one.id, other.id) for one, other in pairs_of(first, second)] == [
        ("x-supcon-8shot-d0-s0-f0", "x-cross_entropy-8shot-d0-s0-f0"), ("x-supcon-8shot-d1-s1-f0", "x-cross_entropy-8shot-d1-s1-f0"),
    ]  # fmt: skip
    with pytest.raises(InputError, match="train both with the same seeds"):
        compare([], lambda run: 0.0)


def accuracy(run) -> float:
    return run.metrics["accuracy"]


def test_seeds_of_one_draw_count_once():
    runs = {loss: [run_of(draw, seed, accuracy=base + 0.01 * draw + 0.1 * seed, loss=loss) for draw in range(5) for seed in range(3)]
            for loss, base in (("supcon", 0.5), ("cross_entropy", 0.48))}  # fmt: skip
    (first,), (second,) = group_runs(runs["supcon"]), group_runs(runs["cross_entropy"])
    found = compare(pairs_of(first, second), accuracy)
    assert (found.n, found.pairs, found.unit) == (5, 15, "draw")
    assert found.difference == pytest.approx(0.02)
    assert found.permutation == found.smallest == 2 / 32


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_below_five_pairs_nothing_is_called_significant(count):
    found = compare(pairs_of(group_of([0.9 + 0.01 * i for i in range(count)], "supcon"), group_of([0.1] * count, "cross_entropy")), accuracy)
    said = verdict(found, 0.001, 1, ("SupCon", "Cross-entropy"))
    assert "significant" not in said
    assert said == f"too few: {6 - count} more {'draws' if count > 1 else 'pairs'} needed (6 in all)"


def test_what_is_said_from_five_pairs_on():
    many = compare(pairs_of(group_of([0.9 + 0.01 * i for i in range(8)], "supcon"), group_of([0.1] * 8, "cross_entropy")), accuracy)
    assert verdict(many, many.permutation, 1, ("SupCon", "CE")) == "significant at 5 %: SupCon is better"
    five = compare(pairs_of(group_of([0.9, 0.8, 0.7, 0.6, 0.5], "supcon"), group_of([0.1] * 5, "cross_entropy")), accuracy)
    assert verdict(five, five.permutation, 1, ("SupCon", "CE")) == "5 draws cannot show it, 6 could"
    assert verdict(five, 0.2, 3, ("SupCon", "CE")) == "5 draws cannot show it, 7 could"
    assert 3 * 2 / 2**7 < 0.05 < 3 * 2 / 2**6
    mixed = compare(pairs_of(group_of([0.5, 0.6, 0.5, 0.6, 0.5, 0.6], "supcon"), group_of([0.6, 0.5] * 3, "cross_entropy")), accuracy)
    assert verdict(mixed, mixed.permutation, 1, ("SupCon", "CE")) == "not significant"
    same = compare(pairs_of(group_of([0.5] * 5, "supcon"), group_of([0.5] * 5, "cross_entropy")), accuracy)
    assert verdict(same, same.permutation, 1, ("SupCon", "CE")) == "equal in every pair"


def test_differences_that_are_equal_but_for_rounding_have_no_spread():
    shares = [0.02 * i for i in range(10)]
    found = compare(pairs_of(group_of([0.1 + one for one in shares], "supcon"), group_of(shares, "cross_entropy")), accuracy)
    assert np.isnan(found.effect)
    assert (found.detectable, found.student) == (0, 0)


VALUES = np.array([[0.9, 0.8, 0.7], [0.6, 0.7, 0.5], [0.9, 0.85, 0.8], [0.5, 0.4, 0.4], [0.7, 0.6, 0.5], [0.8, 0.7, 0.75]])


def test_ranks_over_data_sets():
    found = rank(VALUES)
    np.testing.assert_allclose(found.ranks, stats.rankdata(-VALUES, axis=1).mean(axis=0))
    assert found.ranks.sum() == pytest.approx(6)
    assert np.isnan(rank(VALUES[:4]).friedman)
    assert np.isnan(rank(VALUES[:4]).critical)


def test_friedman_is_the_share_of_all_shuffles():
    ranks = stats.rankdata(-VALUES[:4], axis=1)
    orders = [np.array(one) for one in permutations([0, 1, 2])]
    spread = lambda found: ((found.mean(axis=0) - 2) ** 2).sum()  # noqa: E731
    slow = np.mean([spread(np.stack([row[o] for row, o in zip(ranks, chosen, strict=True)])) >= spread(ranks) - 1e-12
                    for chosen in product(orders, repeat=4)])  # fmt: skip
    assert friedman(ranks) == pytest.approx(slow, abs=0.01)
    rng = np.random.default_rng(0)
    many = stats.rankdata(rng.normal(size=(30, 4)) + np.array([0, 0, 0, 0.6]), axis=1)
    assert friedman(many) == pytest.approx(stats.friedmanchisquare(*many.T).pvalue, abs=0.01)


def test_nemenyis_critical_difference_is_the_published_one():
    assert critical_difference(5, 30) == pytest.approx(2.728 * np.sqrt(5 * 6 / (6 * 30)), rel=1e-3)  # Demšar 2006, table 5: q 2.728 for five
    assert critical_difference(2, 10) == pytest.approx(1.960 * np.sqrt(2 * 3 / 60), rel=1e-3)


def test_cliques_are_the_longest_that_the_difference_spans():
    assert cliques([1.0, 1.5, 2.4, 4.0, 4.2], 1.0) == [(0, 1), (1, 2), (3, 4)]
    assert cliques([1.0, 3.0], 1.0) == []
