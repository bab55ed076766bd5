"""A text that no label reaches has no prediction: on no page is it the first class, everywhere it counts as wrong, and it is counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from outcome_cases import outcome_of
from sklearn.metrics import accuracy_score, f1_score

from dmlviz.analysis.graph.similarity import propagate, similarity_graph
from dmlviz.analysis.judged_rows import unreached_sentence
from dmlviz.analysis.map_kinds import confident
from dmlviz.analysis.reliability.errors import confusion, hard_texts
from dmlviz.analysis.reliability.intervals import on_texts
from dmlviz.analysis.reliability.outcomes import outcome
from dmlviz.core.types import UNREACHED, Split, TextDataset, class_words, predicted_classes
from dmlviz.figures import FIGURES
from dmlviz.training.readouts import metrics_of, propagation

FAR = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.99, 0.14, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=np.float32)


def test_the_readout_says_nothing_where_the_graph_page_says_nothing():
    """Two support texts of two classes, one text near the first, two that are far from both."""
    scores = propagation(FAR, np.array([1, 0]), 2, sigma=0.05)
    assert predicted_classes(scores)[2:].tolist() == [1, UNREACHED, UNREACHED]
    visible = np.array([True, True, False, False, False])
    page = propagate(similarity_graph(FAR.astype(np.float64), sigma=0.05, row_normalise=True), np.array([1, 0, 1, 0, 0]), visible, 2)
    assert page.predicted[2:].tolist() == [1, -1, -1]


def test_such_texts_count_as_wrong_and_are_counted():
    labels = np.array([1, 0, 1, 0, 0])
    split = Split(np.arange(2), np.array([], dtype=int), np.arange(2, 5), 1, "class", 0)
    found = metrics_of({"propagation": propagation(FAR, labels[:2], 2, sigma=0.05)}, labels, split)
    assert found["n_unreached"] == 2
    assert found["accuracy"] == pytest.approx(accuracy_score([1, 0, 0], [1, -1, -1]))
    assert found["macro_f1"] == pytest.approx(f1_score([1, 0, 0], [1, -1, -1], labels=[0, 1], average="macro", zero_division=0))
    reached = metrics_of({"propagation": propagation(FAR, labels[:2], 2, sigma=5.0)}, labels, split)
    assert "n_unreached" not in reached


def unreached_outcome(count: int = 10):
    """The first texts of class 0 have no prediction."""
    one = outcome_of(0, texts=60, right=1.0)
    scores = one.arrays.scores["head"].copy()
    rows = np.flatnonzero(one.arrays.labels == 0)[:count]
    scores[rows] = 0.0
    run = dataclasses.replace(one.run, metrics={**one.run.metrics, "n_unreached": len(rows), "accuracy": 1 - len(rows) / 60})
    return outcome(run, dataclasses.replace(one.arrays, scores={"head": scores}), "head"), rows


def test_every_reader_of_scores_leaves_them_out_or_counts_them_as_wrong():
    one, rows = unreached_outcome()
    assert on_texts([one]).observed[0] == pytest.approx(1 - len(rows) / 60)
    counts = confusion([one])
    assert counts.sum() == 60 - len(rows)
    assert counts.trace() == counts.sum()
    hard = hard_texts([one]).set_index("row_id")
    assert (hard.loc[rows, "said"] == UNREACHED).all()
    assert (hard.loc[rows, "wrong"] == 1).all()
    guessed, sure = confident(one.arrays.scores["head"])
    assert (class_words(["a", "b", "c"])[guessed[rows]] == "not reached").all()
    np.testing.assert_allclose(sure[rows], 1 / 3)


def test_it_is_said_where_the_numbers_stand():
    one, rows = unreached_outcome()
    said = f"No label reaches {len(rows)} test texts in 1 run: they have no prediction and count as wrong."
    assert unreached_sentence([one.run]) == said
    assert unreached_sentence([one.run], "knn") == ""
    table = FIGURES["shots_curve"].frame([one.run])
    assert said in FIGURES["shots_curve"].caption(table, [one.run])
    texts = TextDataset("x", ("t",) * 60, one.arrays.labels, ("a", "b", "c"), np.array(["test"] * 60), "a" * 64, "made by hand")
    figure = FIGURES["confusion"].frame([one], texts)
    assert f"{len(rows)} of 60 predictions are left out" in FIGURES["confusion"].caption(figure, [one])
