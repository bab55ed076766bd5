"""A selection against the rest, beside statsmodels and scipy."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from dmlviz.analysis.reliability.slices import COLUMNS, class_shares, newcombe, slice_report, word_counts
from dmlviz.analysis.statistics import wilson
from dmlviz.core.types import InputError


def a_run(n: int = 400, classes: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    predictions = np.where(rng.random(n) < 0.8, labels, rng.integers(0, classes, n))
    return {"labels": labels, "predictions": predictions, "confidence": rng.random(n), "words": rng.integers(1, 60, n)}


def a_selection(run: dict[str, np.ndarray], seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random(len(run["labels"])) < np.where(run["labels"] == 2, 0.5, 0.1)


def test_accuracy_has_the_intervals_of_statsmodels():
    run = a_run()
    selected = a_selection(run)
    row = slice_report(selected, **run).iloc[0]
    right = run["labels"] == run["predictions"]
    a, n, b, m = right[selected].sum(), selected.sum(), right[~selected].sum(), (~selected).sum()
    assert (row["statistic"], row["n_selected"], row["n_rest"]) == ("accuracy", n, m)
    for side, count, size in (("selected", a, n), ("rest", b, m)):
        assert row[side] == pytest.approx(count / size)
        assert (row[f"{side}_low"], row[f"{side}_high"]) == pytest.approx(proportion_confint(count, size, method="wilson"))
    assert row["difference"] == pytest.approx(a / n - b / m)
    both = confint_proportions_2indep(a, n, b, m, method="newcomb", compare="diff")
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(both)


@pytest.mark.parametrize(("yes", "n", "no", "m"), [(0, 5, 5, 5), (0, 1, 0, 1), (7, 7, 3, 900), (1, 3, 0, 40)])
def test_shares_at_the_edges(yes, n, no, m):
    one, other = (yes / n, *wilson(yes, n)), (no / m, *wilson(no, m))
    assert one[1:] == pytest.approx(proportion_confint(yes, n, method="wilson"), abs=1e-12)
    assert newcombe(one, other)[1:] == pytest.approx(confint_proportions_2indep(yes, n, no, m, method="newcomb"), abs=1e-12)
    assert one[1] <= one[0] <= one[2]


@pytest.mark.parametrize(("place", "name"), [(1, "confidence"), (2, "words")])
def test_means_have_the_intervals_of_scipy(place, name):
    run = a_run()
    selected = a_selection(run)
    row = slice_report(selected, **run).iloc[place]
    one, other = run[name][selected].astype(float), run[name][~selected].astype(float)
    assert row["statistic"] == name
    assert (row["selected"], row["rest"]) == (pytest.approx(one.mean()), pytest.approx(other.mean()))
    assert (row["selected_low"], row["selected_high"]) == pytest.approx(stats.t.interval(0.95, len(one) - 1, one.mean(), stats.sem(one)))
    welch = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((welch.low, welch.high))


def test_class_shares_their_p_values_and_the_correction():
    run = a_run()
    selected = a_selection(run)
    frame = slice_report(selected, **run, names=["a", "b", "c", "d", "e"])
    shares = frame[frame["statistic"] == "share of class"]
    assert shares.iloc[0]["name"] == "c"  # the planted one comes first
    assert shares.iloc[0]["p_holm"] < 1e-6
    assert (shares["difference"].abs().diff().dropna() <= 0).all()
    p = []
    for row in shares.itertuples():
        own = run["labels"] == "abcde".index(row.name)
        a, n, b, m = (own & selected).sum(), selected.sum(), (own & ~selected).sum(), (~selected).sum()
        assert (row.selected, row.rest) == (pytest.approx(a / n), pytest.approx(b / m))
        assert (row.difference_low, row.difference_high) == pytest.approx(confint_proportions_2indep(a, n, b, m, method="newcomb"))
        tails = [stats.fisher_exact([[a, n - a], [b, m - b]], alternative=side).pvalue for side in ("less", "greater")]
        p.append(min(1, 2 * min(tails)))
    np.testing.assert_allclose(shares["p"], p, rtol=1e-7)
    np.testing.assert_allclose(shares["p_holm"], multipletests(p, method="holm")[1], rtol=1e-7)


def test_a_random_selection_seldom_has_a_small_p():
    """The chance of any corrected p below 0.05 stays at or below 5 %, give or take the draws."""
    labels = a_run()["labels"]
    rng = np.random.default_rng(5)
    alarms = [class_shares(np.isin(np.arange(400), rng.choice(400, 60, replace=False)), labels)["p_holm"].min() < 0.05 for _ in range(300)]
    assert np.mean(alarms) <= 0.08


def test_one_two_and_no_texts_on_a_side():
    run = a_run(30)
    for count in (0, 1, 2, 28, 29, 30):
        selected = np.arange(30) < count
        frame = slice_report(selected, **run)
        assert list(frame.columns) == list(COLUMNS)
        assert (frame["n_selected"] == count).all()
        assert (frame["n_rest"] == 30 - count).all()
        for side, size in (("selected", count), ("rest", 30 - count)):
            assert frame[side].isna().all() == (size == 0)
            assert frame.loc[1, [f"{side}_low", f"{side}_high"]].isna().all() == (size < 5)
        assert frame["p"].isna().all() == (count in (0, 30))


def test_constant_values_have_an_interval_of_no_width():
    run = {**a_run(20), "confidence": np.full(20, 0.5)}
    row = slice_report(np.arange(20) < 8, **run).iloc[1]
    assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)


def test_words_are_optional_and_counted_at_white_space():
    run = a_run()
    del run["words"]
    assert "words" not in set(slice_report(a_selection(run), **run)["statistic"])
    assert word_counts(["a bc  d\n", "", "one"]).tolist() == [3, 0, 1]


def test_wrong_input_is_a_sentence():
    run = a_run()
    with pytest.raises(InputError, match=r"a mask over 399 texts, but these differ: labels \(400\)"):
        slice_report(np.zeros(399, dtype=bool), **run)
    with pytest.raises(InputError, match="has type int64; give a true or false for each text"):
        slice_report(np.zeros(400, dtype=np.int64), **run)


def test_no_word_claims_proof():
    run = a_run()
    said = map(str, slice_report(a_selection(run), **run).to_numpy().ravel())
    assert not re.search("significan|prove|confirm", " ".join([*said, *COLUMNS]))
