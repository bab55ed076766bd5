"""What many attributions say together: by hand, against scipy, and at the edges."""

import math

import numpy as np
import pandas as pd
import pytest
from attribution_cases import attribution
from scipy import stats

from dmlviz.analysis.attribution.agreement import pairwise
from dmlviz.analysis.attribution.kind import AttributionKind, Target, read_kind, read_target, target_text
from dmlviz.analysis.attribution.summary import badge, by_loss, class_words, curves, mean_interval, run_summary, shares, where_word, word_table
from dmlviz.analysis.attribution.text_sample import sample_rows
from dmlviz.core.types import InputError, RunConfig, TextDataset

CONFIG = RunConfig(dataset="tiny", loss="cross_entropy")


def dataset(*texts: str, labels=None) -> TextDataset:
    labels = np.array(labels or [0] * len(texts))
    return TextDataset("tiny", tuple(texts), labels, ("a", "b"), np.array(["test"] * len(texts)), "0" * 64, "made by hand")


# ---- kinds


@pytest.mark.parametrize("kind", [AttributionKind(), AttributionKind("ig", "gold", "mask"), AttributionKind("occlusion", "class=a+b>c", "zero"),
                                  AttributionKind("ig", "difference=a+b>c", "pad"), AttributionKind("random", "propagated", "pad")])  # fmt: skip
def test_a_kind_is_read_as_it_was_written(kind):
    assert read_kind(str(kind)) == kind


def test_a_class_name_may_hold_any_sign():
    assert read_target("difference=x>y=z>w") == Target("difference", "x>y=z", "w")
    for first, second in (("a>b", ">"), ("50% off", "%3E"), ("a", "b>c")):
        assert read_target(target_text("difference", first, second)) == Target("difference", first, second)
    assert read_target(target_text("class", "a>b%")) == Target("class", "a>b%", "")
    assert read_target("center=a>b>3") == Target("center", "a>b", "3")
    assert read_kind("ig+class=pad+mask").target == "class=pad+mask"


@pytest.mark.parametrize("text", ["lime", "ig+nothing", "ig+class=", "ig+difference=a", "ig+center=a", "ig+predicted=a", ""])
def test_what_is_no_kind_is_one_sentence(text):
    with pytest.raises(InputError, match=r"not known|names too little|not understood"):
        read_kind(text)


# ---- badge


def test_a_sound_attribution_is_reliable_and_says_why():
    found = badge(attribution("good film", [2.0, 1.0]))
    assert found.level == "reliable"
    assert "-0.40" in found.reasons[1]
    assert "-0.10" in found.reasons[1]


@pytest.mark.parametrize(("fields", "words"), [
    ({"converged": False, "delta": 0.5, "steps": 256}, "0.5 after 256 steps"),
    ({"outside": 0.4}, "40% of the absolute values"),
    ({"checks": {"random_comprehensiveness_most": 0.4}}, "hardly more than masking words at random"),
    ({"checks": {"comprehensiveness": math.nan}}, "hardly more than masking words at random"),
    ({"checks": {"top_drop": 0.01}}, "alone changes the class's probability by -0.01"),
    ({"checks": {"tau": -0.1}}, "leaving out word by word"), ({"unknown": 2}, "knows none of its symbols"),
])  # fmt: skip
def test_each_doubt_is_enough(fields, words):
    found = badge(attribution("good film", [2.0, 1.0], **fields))
    assert found.level == "doubtful"
    assert len(found.reasons) == 1
    assert words in found.reasons[0]


# ---- words


def test_shares_sum_to_one_in_absolute_value_and_nothing_stays_nothing():
    assert shares(np.array([3.0, -1.0])).tolist() == [0.75, -0.25]
    assert shares(np.zeros(2)).tolist() == [0, 0]


def test_class_words_by_hand():
    texts = dataset("Good film", "good good play", "bad film")
    found = {0: attribution("Good film", [3, 1]), 1: attribution("good good play", [1, 1, 2], row_id=1)}
    found[2] = attribution("bad film", [1, -1], row_id=2, class_id=1)
    table = word_table(found, texts)
    own = class_words(table, 0, fewest=2)
    assert own["word"].tolist() == ["good"]  # film stands in one text of this class; in both spellings good is one word
    values = [0.75, 0.25 + 0.25]
    low, high = stats.t.interval(0.95, 1, np.mean(values), stats.sem(values))
    assert (low, high) != (-1, 1)
    assert own[["n", "mean", "low", "high"]].iloc[0].tolist() == pytest.approx([2, np.mean(values), max(low, -1), min(high, 1)])


def test_where_a_word_stands_and_which_way_it_pushes():
    texts = dataset("not good", "not bad", "fine")
    found = {0: attribution("not good", [-1, 1]), 1: attribution("not bad", [3, 1], row_id=1, class_id=1), 2: attribution("fine", [1], row_id=2)}
    table = word_table(found, texts)
    assert where_word(table, " NOT ")[["row_id", "value"]].to_numpy().tolist() == [[0, -0.5], [1, 0.75]]
    assert where_word(table, "not", sign=-1)["row_id"].tolist() == [0]
    assert where_word(table, "not", class_id=1)["row_id"].tolist() == [1]
    assert where_word(table, "never").empty


# ---- per run


def test_intervals_are_students_and_few_values_have_none():
    values = [1.0, 2.0, 4.0, math.nan]
    low, high = stats.t.interval(0.95, 2, np.mean(values[:3]), stats.sem(values[:3]))
    assert mean_interval(values, fewest=2) == pytest.approx((3, np.mean(values[:3]), low, high))
    assert mean_interval(values, 0, 4, fewest=2)[2:] == (0, 4)  # no wider than what the number can be
    assert mean_interval(values) == pytest.approx((3, np.mean(values[:3]), math.nan, math.nan), nan_ok=True)  # texts: five at least
    assert mean_interval([5.0], fewest=2) == pytest.approx((1, 5.0, math.nan, math.nan), nan_ok=True)
    assert mean_interval([])[0] == 0


def test_a_run_in_numbers_and_the_losses_beside_each_other():
    sound, poor = attribution("x y z", [3, 2, 1]), attribution("x y z", [3, 2, 1], row_id=1, checks={"tau": -0.5, "comprehensiveness": 0.2})
    found = {0: sound, 1: poor}
    summary = run_summary(found)
    assert summary["comprehensiveness"][:2] == (2, pytest.approx(0.3))
    assert summary["comprehensiveness_gain"][1] == pytest.approx(0.2)
    assert summary["reliable"][1] == 0.5
    runs = {"a0": found, "a1": found, "b0": {0: sound}}
    pairs = pairwise(runs, {"a0": CONFIG, "a1": CONFIG.model_copy(update={"seed": 1}), "b0": CONFIG.model_copy(update={"loss": "supcon"})})
    table = by_loss({name: run_summary(own) for name, own in runs.items()}, {"a0": "A", "a1": "A", "b0": "B"}, {"a0": 0.8, "a1": 0.9}, pairs)
    first, second = table.to_dict("records")
    assert (first["loss"], first["runs"], first["accuracy"], first["stability"]) == ("A", 2, pytest.approx(0.85), pytest.approx(1))
    assert (second["runs"], second["texts"]) == (1, 1)
    assert math.isnan(second["stability"])  # one run agrees with nobody


def test_curves_are_means_over_texts():
    table = curves({0: attribution("x", [1]), 1: attribution("x", [1], row_id=1, deletion=np.zeros(11, dtype=np.float32))})
    own = table[table["curve"] == "deletion"]
    assert isinstance(own, pd.DataFrame)
    assert own["mean"].iloc[0] == pytest.approx(0.45)
    assert own["n"].tolist() == [2] * 11


def test_a_sample_is_even_over_classes_and_few_are_part_of_many():
    roles, labels = np.array(["support"] * 4 + ["test"] * 30), np.array([0, 1, 2, 0] + [0] * 24 + [1] * 4 + [2] * 2)
    rows = np.arange(100, 134)
    some, more = sample_rows(roles, labels, rows, 9), sample_rows(roles, labels, rows, 20)
    assert np.bincount(labels[some - 100]).tolist() == [4, 3, 2]
    assert set(some) <= set(more)
    assert set(sample_rows(roles, labels, rows, 1000)) == set(rows[4:])
