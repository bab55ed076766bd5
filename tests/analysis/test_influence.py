"""What leaving a text out changes, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dmlviz.analysis.reliability.influence import Retrained, floor, in_words, influence, retrained
from dmlviz.analysis.reliability.outcomes import outcome
from dmlviz.core.types import InputError, Progress, Run, RunArrays, RunConfig

LABELS = np.array([0, 1, 0, 1, 0, 1])  # two support texts, four test texts
ROLES = np.array(["support"] * 2 + ["test"] * 4)
SURE = np.log(np.array([[0.9, 0.1], [0.2, 0.8]], dtype=np.float32))


def made(name: str, guesses: list[int], **fields) -> Run:
    config = RunConfig(dataset="x", dataset_hash="a" * 64, **fields)
    run = Run(name, config, "finished", Progress("done", 1, 1, "text", 0.0), {"accuracy": 0.5, "readout": "head"}, 0.0)
    nothing = dict.fromkeys(("logits", "centers", "centers_space", "snapshots", "snapshot_epochs", "snapshot_rows"))
    scores = {"head": np.concatenate([np.zeros((2, 2), np.float32), SURE[guesses]])}
    ARRAYS[name] = RunArrays(np.zeros((6, 2), np.float16), np.arange(10, 16), ROLES, LABELS, scores=scores, **nothing)
    return run


ARRAYS: dict[str, RunArrays] = {}
# gold of the test texts: 0 1 0 1
BASE = made("base", [0, 1, 0, 0])  # three of four right
WITHOUT_10 = made("w10", [0, 0, 1, 0], left_out=10)  # one right: loses two
WITHOUT_11 = made("w11", [0, 1, 0, 1], left_out=11)  # four right: wins one
SEED_1, SEED_2 = made("s1", [0, 1, 0, 1], seed=1), made("s2", [0, 1, 1, 0], seed=2)
OTHERS = [made("other", [0, 0, 0, 0], shots=4, left_out=10), made("draw", [0, 0, 0, 0], support_seed=1)]


@pytest.fixture
def found() -> Retrained:
    return retrained(BASE, [BASE, WITHOUT_10, WITHOUT_11, SEED_1, SEED_2, *OTHERS], ARRAYS.get)


def test_only_runs_that_differ_in_the_text_left_out_or_in_the_seed_alone_are_gathered(found):
    assert {row: one.run.id for row, one in found.without.items()} == {10: "w10", 11: "w11"}
    assert [one.run.id for one in found.reseeded] == ["s1", "s2"]


def test_the_effect_is_counted_text_by_text(found):
    table = influence(found)
    assert table["row_id"].tolist() == [10, 11]  # most helpful first
    assert table["effect"].tolist() == [50.0, -25.0]
    assert (table["lost"].tolist(), table["won"].tolist()) == ([2, 0], [0, 1])
    assert table["label"].tolist() == [0, 1]
    apart = 100 * np.array([0.0, 1.0, 1.0, 0.0])
    half = stats.t.ppf(0.975, 3) * apart.std(ddof=1) / 2
    assert (table["low"][0], table["high"][0]) == (pytest.approx(50 - half), pytest.approx(50 + half))
    assert table["chosen"].isna().all()


def test_on_chosen_texts_the_gold_probability_counts(found):
    table = influence(found, [13, 15, 99])  # gold 1 and 1
    assert table["chosen_n"].tolist() == [2, 2]
    assert table["chosen"].tolist() == pytest.approx([((0.8 - 0.1) + 0) / 2, (0 + (0.1 - 0.8)) / 2])


def test_the_floor_is_how_far_other_seeds_move_the_accuracy(found):
    beneath = floor(found)
    assert (beneath.n, beneath.sd) == (2, pytest.approx(25.0))  # +25 and -25 points
    assert beneath.band == pytest.approx(stats.t.ppf(0.975, 2) * 25)
    assert "none of the 2 texts moves it beyond" in in_words(influence(found), beneath)
    few = floor(found._replace(reseeded=found.reseeded[:1]))
    assert few.n == 1
    assert math.isnan(few.band)
    assert "not known yet" in in_words(influence(found), few)


def test_beyond_the_floor_is_said_with_what_chance_would_give(found):
    near = found._replace(reseeded=[outcome(made("s3", [0, 1, 0, 0], seed=3), ARRAYS["s3"]), outcome(made("s4", [0, 1, 0, 0], seed=4), ARRAYS["s4"])])
    assert "2 of the 2 texts move it beyond ± 0.0" in in_words(influence(near), floor(near))
    assert "chance alone would put about 0.1 there" in in_words(influence(near), floor(near))


def test_other_test_texts_cannot_be_compared(found):
    other = found.without[10]
    moved = other._replace(arrays=RunArrays(**{**other.arrays.__dict__, "row_ids": np.arange(20, 26)}))
    with pytest.raises(InputError, match="tested on other texts"):
        influence(found._replace(without={10: moved}))
