"""Agreement of attributions: by hand, against scipy, and what is compared with what."""

import math

import numpy as np
import pytest
from attribution_cases import attribution
from scipy import stats

from dmlviz.analysis.attribution.agreement import (
    agreement,
    between_baselines,
    beyond_the_floor,
    class_stability,
    pairwise,
    relation,
    stability,
    text_stability,
)
from dmlviz.analysis.attribution.kind import AttributionKind, other_baselines
from dmlviz.core.types import RunConfig

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
    ({"seed": 1, "support_seed": 1}, "draw and seed"), ({"seed": 1, "fold": 1}, "draw and seed"),
    ({"loss": "supcon", "seed": 1, "support_seed": 1}, "several"),
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
    assert "two runs of one loss with another seed or draw are needed" in beyond_the_floor(alone[alone["relation"] == "loss"])


def test_a_sweep_whose_draws_have_their_own_seeds_has_a_floor():
    """Runs of one loss differ in draw and seed there; pairs of two losses on different draws are no part of either side."""
    rng = np.random.default_rng(2)
    words, runs, configs = " ".join(f"w{i}" for i in range(12)), {}, {}
    for loss, noise in (("cross_entropy", 0.3), ("supcon", 2.0)):
        for draw in range(3):
            name = f"{loss}{draw}"
            configs[name] = CONFIG.model_copy(update={"loss": loss, "seed": draw, "support_seed": draw})
            values = {row: (1 + row) * (np.arange(12) + noise * rng.normal(size=12)) for row in range(30)}
            runs[name] = {row: attribution(words, own, row_id=row) for row, own in values.items()}
    pairs = pairwise(runs, configs)
    counts = pairs.drop_duplicates(["a", "b"])["relation"].value_counts().to_dict()
    assert counts == {"draw and seed": 6, "loss": 3, "several": 6}
    assert "two runs of one loss with another draw and seed" in beyond_the_floor(pairs)
    assert (class_stability(pairs)["floor_relation"] == "draw and seed").all()


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


# ---- baselines


def test_kinds_that_differ_in_the_baseline_alone():
    kind = AttributionKind("occlusion", "class=a+b", "zero")
    assert other_baselines(kind) == [kind._replace(baseline=name) for name in ("pad", "mask", "mean")]
    assert other_baselines(AttributionKind("gradient_x_input")) == []


def test_baselines_of_one_run_are_compared_text_by_text():
    rng = np.random.default_rng(3)
    values = {name: rng.normal(size=(5, 6)) for name in ("pad", "mask", "zero")}
    found = {name: {row: attribution("a b c d e f", own[row], row_id=row, class_id=row % 2) for row in range(5)} for name, own in values.items()}
    del found["zero"][4]
    other = {"mask": {0: attribution("a b c d e f", values["mask"][0])}}  # one baseline alone has no pair
    pairs = between_baselines({"x": found, "y": other})
    expected = []
    for first, second in (("pad", "mask"), ("pad", "zero"), ("mask", "zero")):
        for row in range(5):
            if row in found[first] and row in found[second]:
                one, two = np.float32(values[first][row]), np.float32(values[second][row])
                expected.append((f"x [{first}]", f"x [{second}]", row, row % 2, stats.spearmanr(one, two).statistic,
                                 len(set(np.argsort(-one)[:2]) & set(np.argsort(-two)[:2])) / 2))  # fmt: skip
    assert len(pairs) == len(expected) == 13
    assert set(pairs["relation"]) == {"baseline"}
    assert pairs["same"].all()
    got = pairs.sort_values(["a", "b", "row_id"])[["a", "b", "row_id", "class_id", "correlation", "overlap"]].to_numpy().tolist()
    for mine, slow in zip(got, sorted(expected), strict=True):
        assert mine[:4] == list(slow[:4])
        assert mine[4:] == pytest.approx(slow[4:])
    table = stability(pairs)
    assert table[["relation", "pairs", "texts"]].to_numpy().tolist() == [["baseline", 3, 5]]
    assert table["correlation"].item() == pytest.approx(np.mean([np.mean([one[4] for one in expected if one[2] == row]) for row in range(5)]))


# ---- per class


def of_classes(noise: dict[int, float], texts: int = 12):
    """Two seeds and two losses; in each class the values differ by its own noise."""
    rng, words = np.random.default_rng(5), " ".join(f"w{i}" for i in range(9))
    runs: dict = {"a0": {}, "a1": {}, "b0": {}}
    row = 0
    for class_id, level in noise.items():
        for _ in range(texts if class_id != 7 else 1):
            truth = rng.normal(size=9)
            for name, own in (("a0", 0.0), ("a1", level), ("b0", 2 * level)):
                runs[name][row] = attribution(words, truth + own * rng.normal(size=9), row_id=row, class_id=class_id)
            row += 1
    configs = {"a0": CONFIG, "a1": CONFIG.model_copy(update={"seed": 1}), "b0": CONFIG.model_copy(update={"loss": "supcon"})}
    return pairwise(runs, configs)


def test_each_class_has_its_own_agreement_and_floor_lowest_first():
    pairs = of_classes({0: 0.1, 3: 2.0, 7: 0.5})
    table = class_stability(pairs)
    assert len(table) == 9  # three classes, three relations
    assert table["correlation"].is_monotonic_increasing
    assert table.iloc[0]["class_id"] == 3
    for row in table.itertuples():
        own = pairs[(pairs["class_id"] == row.class_id) & (pairs["relation"] == row.relation)]
        seeds = pairs[(pairs["class_id"] == row.class_id) & (pairs["relation"] == "seed")]
        texts = [own.loc[own["row_id"] == text, "correlation"].mean() for text in sorted(set(own["row_id"]))]
        assert row.texts == len(texts) == (1 if row.class_id == 7 else 12)
        assert row.correlation == pytest.approx(np.mean(texts))
        assert (row.floor_relation, row.floor, row.floor_texts) == ("seed", pytest.approx(seeds["correlation"].mean()), row.texts)
        if row.class_id == 7:
            assert math.isnan(row.low)
        else:
            low, high = stats.t.interval(0.95, 11, np.mean(texts), stats.sem(texts))
            assert (row.low, row.high) == pytest.approx((max(low, -1), min(high, 1)))
    alone = class_stability(pairs[pairs["relation"] == "loss"])
    assert alone["floor"].isna().all()
    assert (alone["floor_texts"] == 0).all()


def test_a_class_without_correlations_is_last_and_nothing_is_an_empty_table():
    pairs = of_classes({0: 0.1, 3: 2.0})
    pairs.loc[pairs["class_id"] == 3, "correlation"] = math.nan
    table = class_stability(pairs)
    assert table["class_id"].tolist() == [0, 0, 0, 3, 3, 3]
    assert table["texts"].tolist()[3:] == [0, 0, 0]
    assert table["overlap"].notna().all()
    assert class_stability(pairs[pairs["relation"] == "never"]).empty
    pairs["same"] = False
    assert class_stability(pairs).empty


def test_no_interval_reaches_beyond_a_correlation():
    pairs = of_classes({0: 0.05}, texts=5)
    pairs.loc[pairs["relation"] == "seed", "correlation"] = [0.99, 0.9, 0.99, 0.98, -0.9]
    row = stability(pairs).iloc[0]
    assert -1 < row["low"] < row["high"] == 1
