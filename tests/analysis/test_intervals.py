"""Intervals hold the truth as often as they say, on simulated draws and texts; each number meets a slow or a published one."""

from __future__ import annotations

import numpy as np
import pytest
from outcome_cases import outcome_of, run_of
from scipy import stats
from scipy.special import ndtr
from sklearn.metrics import accuracy_score, f1_score

from dmlviz.analysis.reliability.intervals import crossed, group_interval, interval_on_texts, on_texts, text_weights, texts_only, units
from dmlviz.analysis.statistics import student, wilson
from dmlviz.core.types import InputError

SIMULATIONS = 4000  # the simulation's own standard error at 95 %: 0.34 points


def simulate(draws: int, texts: int, draw_sd: float, text_sd: float, *, seeds: int = 1, seed_sd: float = 0.0, seed: int = 0):
    """(right or wrong (S, U, M), mean over seeds; true accuracy; true accuracy on these texts (S,)): a probit of draw, seed, text and mix."""
    rng, mean, mix = np.random.default_rng(seed), 0.8, 0.3
    texts_at = text_sd * rng.normal(size=(SIMULATIONS, 1, texts))
    drawn = draw_sd * rng.normal(size=(SIMULATIONS, draws, 1))
    right = 0.0
    for _ in range(seeds):
        level = mean + drawn + seed_sd * rng.normal(size=(SIMULATIONS, draws, 1)) + texts_at
        right = right + (level + np.sqrt(1 + mix**2) * rng.normal(size=(SIMULATIONS, draws, texts)) > 0) / seeds
    rest = 1 + mix**2 + draw_sd**2 + seed_sd**2
    return right, ndtr(mean / np.sqrt(rest + text_sd**2)), ndtr((mean + texts_at[:, 0]) / np.sqrt(rest)).mean(axis=1)


def share(low: np.ndarray, high: np.ndarray, truth: np.ndarray | float) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


CASES = [(5, 150, 0.1, 0.7), (5, 150, 0.3, 0.7), (10, 150, 0.2, 0.5), (20, 100, 0.1, 1.0)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_95_per_cent_interval_holds_the_truth_in_93_to_97_of_100(case):
    right, truth, here = simulate(*case)
    observed = right.mean(axis=2)
    assert 0.93 <= share(*student(observed), here) <= 0.97
    weights = text_weights(case[1], 400)
    resampled = (weights @ right.reshape(-1, case[1]).T.astype(np.float32)).reshape(400, SIMULATIONS, case[0])
    assert 0.93 <= share(*crossed(observed, resampled, case[1]), truth) <= 0.97


def test_seeds_within_draws_are_held_by_the_draws():
    right, truth, here = simulate(5, 100, 0.2, 0.5, seeds=3, seed_sd=0.2)
    observed = right.mean(axis=2)
    assert 0.93 <= share(*student(observed), here) <= 0.97
    resampled = (text_weights(100, 400) @ right.reshape(-1, 100).T.astype(np.float32)).reshape(400, SIMULATIONS, 5)
    assert 0.93 <= share(*crossed(observed, resampled, 100), truth) <= 0.97


def test_texts_alone_hold_what_these_runs_would_give_elsewhere():
    rng = np.random.default_rng(0)
    skill = rng.normal(0.8, 0.2, size=(1, 3, 1))  # three runs, always the same; the texts are others in every simulation
    texts_at = 0.6 * rng.normal(size=(SIMULATIONS, 1, 200))
    right = (skill + texts_at + rng.normal(size=(SIMULATIONS, 3, 200)) > 0).astype(np.float32)
    resampled = (text_weights(200, 400) @ right.reshape(-1, 200).T).reshape(400, SIMULATIONS, 3)
    assert 0.93 <= share(*texts_only(right.mean(axis=2), resampled, 200), ndtr(skill / np.sqrt(1.36)).mean()) <= 0.97


def test_student_is_scipys():
    values = np.array([0.61, 0.65, 0.58, 0.70, 0.66])
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(student(values), (wanted.low, wanted.high))
    assert np.isnan(student(values[:1])).all()


def test_both_levels_are_those_of_a_slow_bootstrap():
    """The parts of the variance: draws resampled in a loop (times U / (U - 1)), texts resampled, less what both hold."""
    rng = np.random.default_rng(3)
    right = (rng.normal(size=(6, 1)) * 0.4 + rng.normal(size=40) * 0.6 + rng.normal(size=(6, 40)) > -0.5).astype(float)
    by_draws, by_texts, by_both = [], [], []
    for _ in range(40_000):
        chosen, texts = rng.integers(0, 6, 6), rng.integers(0, 40, 40)
        by_draws.append(right[chosen].mean())
        by_texts.append(right[:, texts].mean())
        by_both.append(right[np.ix_(chosen, texts)].mean() - by_draws[-1] - by_texts[-1] + right.mean())
    draws, words, both = 6 / 5 * np.var(by_draws), np.var(by_texts), 6 / 5 * np.var(by_both)
    half = np.sqrt(stats.t.ppf(0.975, 5) ** 2 * draws + stats.t.ppf(0.975, 39) ** 2 * max(words - both, 0))
    resampled = text_weights(40, 20_000).astype(float) @ right.T
    low, high = crossed(right.mean(axis=1), resampled, 40)
    assert high - low == pytest.approx(2 * half, rel=0.02)


def test_numbers_on_resampled_texts_are_those_of_the_drawn_texts():
    outcomes = [outcome_of(draw, texts=60, classes=4) for draw in range(3)]
    macro = {"average": "macro", "labels": range(4), "zero_division": 0}
    for metric, of in (("accuracy", accuracy_score), ("macro_f1", lambda gold, said: f1_score(gold, said, **macro))):
        found = on_texts(outcomes, metric, resamples=50)
        counts = np.rint(text_weights(60, 50) * 60).astype(int)
        for j, one in enumerate(outcomes):
            gold, said = one.labels(one.test), one.scores(one.test).argmax(axis=1)
            assert found.observed[j] == pytest.approx(of(gold, said), abs=1e-6)
            for b in range(50):
                assert found.resampled[b, j] == pytest.approx(of(np.repeat(gold, counts[b]), np.repeat(said, counts[b])), abs=1e-6)


def test_runs_on_other_texts_are_not_crossed():
    with pytest.raises(InputError, match="tested on different texts"):
        on_texts([outcome_of(0, texts=20), outcome_of(1, texts=21)], "accuracy")


@pytest.mark.parametrize(
    ("seeds", "name", "n", "words"),
    [
        ([(0, 0, 0)], "run", 1, "single run"),
        ([(0, 0, 0), (1, 1, 0), (2, 2, 0)], "draw", 3, "cannot tell them apart"),
        ([(0, 7, 0), (1, 7, 0)], "draw", 2, "one seed throughout"),
        ([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)], "draw", 2, "seeds are averaged within each draw"),
        ([(0, 0, 0), (0, 1, 0)], "seed", 2, "one draw of the shots"),
        ([(0, 0, 0), (0, 0, 1)], "fold", 2, "too narrow"),
        ([(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)], "draw", 2, "folds are averaged within each draw"),
    ],
)
def test_what_counts_as_one_repetition(seeds, name, n, words):
    found = units([run_of(*one) for one in seeds])
    assert (found.name, found.n) == (name, n)
    assert words in found.words


def test_a_group_with_two_seeds_a_draw_counts_its_draws():
    runs = [run_of(draw, seed) for draw in range(3) for seed in range(2)]
    found = group_interval(runs, [0.5, 0.7, 0.6, 0.6, 0.8, 0.6])
    low, high = student(np.array([0.6, 0.6, 0.7]))
    assert (found.mean, found.low, found.high, found.n, found.unit) == pytest.approx((0.6333333, low, high, 3, "draw"))


def test_a_lone_run_has_no_interval_over_draws_and_one_over_texts():
    alone = group_interval([run_of(0)], [0.5])
    assert alone.n == 1
    assert np.isnan([alone.low, alone.high]).all()
    one = outcome_of(0, texts=60)
    found = on_texts([one], "accuracy")
    by_texts = interval_on_texts([one.run], found, "texts", metric="accuracy")
    assert (by_texts.low, by_texts.high) == pytest.approx(wilson(60 * found.observed[0], 60))
    assert (by_texts.n, by_texts.unit) == (60, "text")
    assert np.isnan(interval_on_texts([one.run], found, "hierarchical", metric="accuracy").low)
    with pytest.raises(InputError, match="unknown interval 'bayes'"):
        interval_on_texts([one.run], found, "bayes", metric="accuracy")
