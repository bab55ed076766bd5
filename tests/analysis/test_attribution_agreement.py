"""Agreement of attributions: by hand, against scipy, and what is compared with what."""

import math

import numpy as np
import pytest
from attribution_cases import attribution
from scipy import stats

from dmlviz.analysis.attribution_agreement import agreement, beyond_the_floor, pairwise, relation, stability, text_stability
from dmlviz.records import RunConfig

CONFIG = RunConfig(dataset="tiny", loss="cross_entropy")


def test_agreement_is_spearman_and_the_overlap_of_the_heaviest_fifth():
    rng = np.random.default_rng(0)
    text = "one two three four five six seven eight nine ten"
    x, y = rng.normal(size=10), rng.normal(size=10)
    found = agreement(attribution(text, x), attribution(text, y))
    assert found.correlation == pytest.approx(stats.spearmanr(np.float32(x), np.float32(y)).statistic)
    assert found.overlap == len(set(np.argsort(-x)[:2]) & set(np.argsort(-y)[:2])) / 2


def test_only_words_that_both_have_are_compared():
    a, b = attribution("one two three four", [1, 2, 3, 4]), attribution("one two three", [1, 2, 3])
    assert agreement(a, b).correlation == pytest.approx(1)
    assert math.isnan(agreement(attribution("one two", [1, 2]), attribution("one two", [1, 2])).correlation)
    assert agreement(attribution("one", [1]), attribution("", [])) == pytest.approx((math.nan, math.nan), nan_ok=True)


@pytest.mark.parametrize(("changed", "kind"), [
    ({"seed": 1}, "seed"), ({"support_seed": 1}, "support draw"), ({"loss": "supcon"}, "loss"),
    ({"loss": "supcon", "ce_weight": 0.1, "loss_settings": {"temperature": 0.3}}, "loss"), ({"loss": "supcon", "seed": 1}, "several"),
    ({}, "nothing"), ({"epochs": 9}, "epochs"),
])  # fmt: skip
def test_relation_names_what_differs(changed, kind):
    assert relation(CONFIG, CONFIG.model_copy(update=changed)) == kind


def planted(seed_noise: float, loss_noise: float, texts: int = 40):
    """Two seeds of one loss and another loss, whose values differ by so much noise."""
    rng = np.random.default_rng(1)
    words = " ".join(f"w{i}" for i in range(12))
    runs: dict = {"a0": {}, "a1": {}, "b0": {}}
    for row in range(texts):
        truth = rng.normal(size=12)
        for name, noise in (("a0", 0.0), ("a1", seed_noise), ("b0", loss_noise)):
            runs[name][row] = attribution(words, truth + noise * rng.normal(size=12), row_id=row)
    configs = {"a0": CONFIG, "a1": CONFIG.model_copy(update={"seed": 1}), "b0": CONFIG.model_copy(update={"loss": "supcon"})}
    return pairwise(runs, configs)


def test_losses_that_differ_more_than_seeds_are_told_and_others_are_not():
    assert "agree less" in beyond_the_floor(planted(0.2, 2.0))
    assert "Do not read meaning into it" in beyond_the_floor(planted(1.0, 1.0))
    alone = planted(0.2, 2.0)
    assert "differ in the seed alone are needed" in beyond_the_floor(alone[alone["relation"] == "loss"])


def test_stability_counts_texts_not_pairs():
    pairs = planted(0.5, 0.5)
    table = stability(pairs).set_index("relation")
    assert table.index.tolist() == ["seed", "loss", "several"]
    assert table.loc["seed", ["pairs", "texts"]].tolist() == [1, 40]
    own = pairs[pairs["relation"] == "seed"]["correlation"]
    low, high = stats.t.interval(0.95, 39, own.mean(), stats.sem(own))
    assert table.loc["seed", ["correlation", "low", "high"]].tolist() == pytest.approx([own.mean(), low, high])
    assert text_stability(pairs)[3] == pytest.approx(pairs[pairs["row_id"] == 3]["correlation"].mean())


def test_texts_explained_for_different_classes_are_left_out():
    configs = {"a": CONFIG, "b": CONFIG.model_copy(update={"seed": 1})}
    runs = {"a": {0: attribution("x y z", [1, 2, 3])}, "b": {0: attribution("x y z", [3, 2, 1], class_id=1)}}
    pairs = pairwise(runs, configs)
    assert not pairs["same"].any()
    assert stability(pairs).empty
    assert stability(pairs, same_class=False)["correlation"].tolist() == [pytest.approx(-1)]
