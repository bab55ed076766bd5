"""Calibration against scikit-learn, against slow loops from the definitions, and against what is known of made-up models."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reliability_cases import made
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from dmlviz.analysis.reliability import calibration as cal
from dmlviz.analysis.reliability.over_runs import interval_words, over_runs, share_interval, sides, units, wilson_interval
from dmlviz.core.types import InputError


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(400, 4)) * 2
    labels = rng.integers(0, 4, 400)
    return scores, labels


def slow_softmax(row):
    top = max(row)
    raised = [math.exp(value - top) for value in row]
    return [one / sum(raised) for one in raised]


def test_brier_and_nll_are_scikit_learns(cloud):
    scores, labels = cloud
    probabilities = np.array([slow_softmax(row) for row in scores])
    assert cal.brier_score(probabilities, labels) == pytest.approx(brier_score_loss(labels, probabilities, labels=range(4), scale_by_half=False))
    assert cal.negative_log_likelihood(scores, labels) == pytest.approx(log_loss(labels, probabilities, labels=range(4)))
    two = probabilities[:, :2] / probabilities[:, :2].sum(axis=1, keepdims=True)
    assert cal.brier_score(two, labels % 2) == pytest.approx(2 * brier_score_loss(labels % 2, two[:, 1]))


@pytest.mark.parametrize(("binning", "strategy"), [("equal_width", "uniform"), ("equal_mass", "quantile")])
def test_bins_are_scikit_learns(cloud, binning, strategy):
    scores, labels = cloud
    confidence, correct = np.random.default_rng(0).uniform(size=400), labels == scores.argmax(axis=1)
    table = cal.reliability_bins(confidence, correct, binning, 10)
    accuracy, said = calibration_curve(correct, confidence, n_bins=10, strategy=strategy)
    assert table["accuracy"].to_numpy() == pytest.approx(accuracy)
    assert table["confidence"].to_numpy() == pytest.approx(said)
    assert table["n"].sum() == 400


def test_ece_is_a_slow_loops_in_both_binnings():
    rng = np.random.default_rng(1)
    confidence, correct = rng.uniform(0.2, 1, 173), rng.random(173) < 0.6
    width = 0.0
    for b in range(7):
        own = [i for i in range(173) if b / 7 < confidence[i] <= (b + 1) / 7]
        if own:
            width += len(own) / 173 * abs(sum(correct[i] for i in own) / len(own) - sum(confidence[i] for i in own) / len(own))
    assert cal.expected_calibration_error(confidence, correct, "equal_width", 7) == pytest.approx(width)
    order, mass = sorted(range(173), key=lambda i: confidence[i]), 0.0
    for b in range(7):
        own = [i for place, i in enumerate(order) if int(7 * (place + 0.5) / 173) == b]
        mass += abs(sum(correct[i] - confidence[i] for i in own)) / 173
    assert cal.expected_calibration_error(confidence, correct, "equal_mass", 7) == pytest.approx(mass)


def test_equal_confidences_stay_together_whatever_the_order_of_rows():
    confidence = np.repeat([0.4, 0.6, 0.8, 1.0], [50, 10, 30, 10])
    correct = np.random.default_rng(0).random(100) < confidence
    number = cal.bin_numbers(confidence, bins=5)
    assert [len(set(number[confidence == value])) for value in (0.4, 0.6, 0.8, 1.0)] == [1] * 4
    mixed = np.random.default_rng(1).permutation(100)
    assert cal.expected_calibration_error(confidence[mixed], correct[mixed], bins=5) == pytest.approx(
        cal.expected_calibration_error(confidence, correct, bins=5)
    )


def test_a_calibrated_model_shows_the_error_that_chance_makes():
    """Over many made-up calibrated models the mean ECE is the simulated one, and 95 % lie below its bound."""
    rng, below, errors, said = np.random.default_rng(5), 0, [], []
    for i in range(300):
        confidence = rng.beta(4, 2, 200)
        gap = cal.calibration_gap(confidence, rng.random(200) < confidence, simulations=200, seed=i)
        below += gap.ece <= gap.high
        errors.append(gap.ece)
        said.append(gap.chance)
    assert np.mean(errors) == pytest.approx(np.mean(said), rel=0.04)
    assert np.mean(said) > 0.05  # far from 0: this is why the number stands beside the ECE
    assert 0.91 <= below / 300 <= 0.985
    sure = cal.calibration_gap(np.full(200, 0.95), rng.random(200) < 0.6)
    assert sure.ece > sure.high


def test_the_chance_error_of_one_bin_is_the_mean_deviation_of_a_binomial():
    """One bin of n texts of confidence p: E|k/n - p| of k ~ Binomial(n, p), computed exactly."""
    from scipy.stats import binom

    exact = sum(binom.pmf(k, 30, 0.7) * abs(k / 30 - 0.7) for k in range(31))
    gap = cal.calibration_gap(np.full(30, 0.7), np.ones(30), bins=1, simulations=40_000)
    assert gap.chance == pytest.approx(exact, rel=0.02)
    assert gap.ece == pytest.approx(0.3)


def test_class_wise_ece_is_a_slow_loops(cloud):
    scores, labels = cloud
    probabilities = np.exp(cal.log_probabilities(scores))
    found = cal.class_calibration_errors(probabilities, labels, bins=5)
    for c in range(4):
        order, slow = sorted(range(400), key=lambda i: probabilities[i, c]), 0.0
        for b in range(5):
            own = order[80 * b : 80 * b + 80]
            slow += abs(sum(probabilities[i, c] - (labels[i] == c) for i in own)) / 400
        assert found[c] == pytest.approx(slow)
    assert cal.class_gap(probabilities, labels, bins=5).ece == pytest.approx(found.mean())


def test_class_wise_ece_of_a_calibrated_model_is_its_chance_error():
    rng = np.random.default_rng(2)
    found, said = [], []
    for i in range(60):
        probabilities = rng.dirichlet(np.ones(5), 150)
        labels = np.array([rng.choice(5, p=row) for row in probabilities])
        gap = cal.class_gap(probabilities, labels, simulations=60, seed=i)
        found.append(gap.ece)
        said.append(gap.chance)
    assert np.mean(found) == pytest.approx(np.mean(said), rel=0.03)


def test_temperature_is_the_minimum_of_the_nll_and_is_found_again():
    rng = np.random.default_rng(4)
    honest = rng.normal(size=(3000, 5)) * 1.5
    labels = np.array([rng.choice(5, p=row) for row in np.exp(cal.log_probabilities(honest))])
    fitted = cal.fit_temperature(3 * honest, labels)
    assert fitted.value == pytest.approx(3, rel=0.06)
    nll = {factor: cal.negative_log_likelihood(3 * honest / (factor * fitted.value), labels) for factor in (0.99, 1.0, 1.01)}
    assert nll[1.0] < min(nll[0.99], nll[1.01])
    assert not fitted.at_bound


def test_temperature_without_a_minimum_says_so_and_a_handful_is_refused():
    right = np.eye(3)[np.arange(12) % 3]
    labels = np.arange(12) % 3
    assert cal.fit_temperature(right, labels) == (1 / cal.BOUND, 12, True)
    assert cal.fit_temperature(-right, labels) == (cal.BOUND, 12, True)
    with pytest.raises(InputError, match="9 validation texts; it takes 10 or more"):
        cal.fit_temperature(right[:9], labels[:9])


def test_a_run_is_judged_before_and_after_scaling():
    one = made(1, sharp=6.0, n=600, validation=200)
    found = cal.run_calibration(one)
    assert found["temperature"] > 2
    assert found["scaled_ece_mass"] < found["ece_mass"]
    assert found["scaled_nll"] < found["nll"]
    assert found["n_validation"] == 200
    bare = cal.run_calibration(made(1, validation=4))
    assert math.isnan(bare["temperature"])
    assert "scaled_ece_mass" not in bare


def test_readouts_and_groups_have_their_rows():
    outcomes = [made(seed, readouts=("head", "knn"), loss=loss) for loss in ("cross_entropy", "supcon") for seed in (0, 1, 2)]
    table = cal.calibration_table(cal.all_readouts(outcomes))
    assert table["readout"].tolist() == ["head", "knn"] * 6
    side = sides(outcomes)[1]
    own = cal.group_calibration(side, table).set_index("measure")
    mine = table[table["run"].isin([run.id for run in side.runs]) & (table["readout"] == "head")]["ece_mass"]
    assert own.loc["ece_mass", "mean"] == pytest.approx(mine.mean())
    assert own.loc["ece_mass", "n"] == 3
    assert own.loc["temperature", "mean"] == pytest.approx(
        np.exp(np.log(table[table["run"].isin([r.id for r in side.runs]) & (table["readout"] == "head")]["temperature"]).mean())
    )
    first = table["run"].eq(side.runs[0].id)
    stuck = table.assign(at_bound=first, temperature=table["temperature"].where(~first, cal.BOUND))
    left = cal.group_calibration(side, stuck).set_index("measure").loc["temperature"]
    others = table[table["run"].isin([run.id for run in side.runs[1:]]) & (table["readout"] == "head")]["temperature"]
    assert (left["n"], left["mean"]) == (2, pytest.approx(np.exp(np.log(others).mean())))  # what stands at its bound is in no mean
    nowhere = cal.group_calibration(side, stuck.assign(at_bound=True)).set_index("measure").loc["temperature"]
    assert nowhere["n"] == 0
    assert np.isnan(nowhere["mean"])
    other = cal.group_calibration(side, table, "knn").set_index("measure")
    assert other.loc["ece_mass", "mean"] != own.loc["ece_mass", "mean"]
    bins = cal.group_bins(side)
    assert bins["runs"].eq(3).all()
    assert bins["n"].sum() == pytest.approx(120)
    alone = cal.group_bins(sides([outcomes[0]])[0])
    assert alone["low"].notna().all()  # Wilson's


def test_confidences_that_are_no_probabilities_are_refused():
    with pytest.raises(InputError, match="probabilities, from 0 to 1"):
        cal.expected_calibration_error(np.array([0.5, 1.5]), np.array([1, 0]))
    with pytest.raises(InputError, match="as many of each"):
        cal.expected_calibration_error(np.array([0.5]), np.array([1, 0]))


def test_runs_of_one_draw_count_once():
    outcomes = [made(i, support_seed=draw, seed=seed) for i, (draw, seed) in enumerate([(0, 0), (0, 1), (1, 0), (2, 0)])]
    runs = [one.run for one in outcomes]
    assert units(runs).name == "draw"
    found = over_runs([0.0, 1.0, 0.5, 0.8], runs)
    assert (found.n, found.mean) == (3, pytest.approx((0.5 + 0.5 + 0.8) / 3))
    half = 4.302653 * np.std([0.5, 0.5, 0.8], ddof=1) / math.sqrt(3)
    assert found.high - found.mean == pytest.approx(half)
    assert units(runs[:2]).name == "seed"
    assert over_runs([0.0, 1.0], runs[:2]).n == 2


def test_wilson_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for hits, n in [(0, 10), (7, 12), (480, 500)]:
        assert wilson_interval(hits, n)[2:] == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-9)
    one = made()
    assert share_interval([7], [12], [one.run], np.zeros(12)) == wilson_interval(7, 12)


def test_few_texts_widen_a_groups_interval():
    runs = [made(i, support_seed=i).run for i in range(3)]
    sure = share_interval([9, 9, 9], [9, 9, 9], runs, np.ones(9))
    assert sure.mean == 1
    q2 = stats.t.ppf(0.975, 8) ** 2
    assert sure.low == pytest.approx(9 / (9 + q2))  # every draw alike: Wilson's bound of nine texts, with Student's t
    shares = np.array([0.5, 0.6, 0.7])
    alike = np.r_[np.ones(60), np.zeros(40)]  # every run is right on the same texts: worth as much as one run's
    found = share_interval(100 * shares, [100] * 3, runs, alike)
    student = 4.302653 * shares.std(ddof=1) / math.sqrt(3)
    z = stats.t.ppf(0.975, 99)
    center, half = (0.6 + z * z / 200) / (1 + z * z / 100), z / (1 + z * z / 100) * math.sqrt(0.24 / 100 + z * z / 40_000)
    assert found.high - 0.6 == pytest.approx(math.hypot(student, center + half - 0.6), rel=1e-3)
    assert 0.6 - found.low == pytest.approx(math.hypot(student, 0.6 - center + half), rel=1e-3)
    spread_out = share_interval(100 * shares, [100] * 3, runs, np.tile([1 / 3, 2 / 3, 2 / 3, 1 / 3, 1.0], 20))
    assert spread_out.high < found.high  # runs that err on different texts say more of other texts
    assert interval_words([sides([made(0)])[0].group], texts=False) == ""


@pytest.mark.parametrize(("texts", "draw_spread"), [(9, 0.2), (50, 0.6), (300, 0.2)])
def test_the_interval_of_a_slice_holds_the_truth(texts, draw_spread):
    """Five draws, texts of their own difficulty: the truth is the mean over all draws and texts. Never much below 95 %, rather above."""
    rng, runs = np.random.default_rng(0), [made(i, support_seed=i).run for i in range(5)]
    truth = (1 / (1 + np.exp(-(0.5 + draw_spread * rng.normal(size=10**6) + rng.normal(size=10**6))))).mean()
    held = 0
    for _ in range(300):
        chance = 1 / (1 + np.exp(-(0.5 + draw_spread * rng.normal(size=(5, 1)) + rng.normal(size=texts))))
        right = rng.random((5, texts)) < chance
        found = share_interval(right.sum(axis=1).tolist(), [texts] * 5, runs, right.mean(axis=0))
        held += found.low <= truth <= found.high
    assert held / 300 >= 0.93
