"""What is unequal besides the loss is said, and nothing else is."""

from __future__ import annotations

import dataclasses

import pytest

from dmlviz.analysis.fairness import lone, unfair
from dmlviz.records import Progress, Run, RunConfig

BASE = RunConfig(dataset="r8", loss="cross_entropy", lr=3e-4)


def run(**fields) -> Run:
    return Run("r", BASE.model_copy(update=fields), "finished", Progress("done", 1, 1, "text", 0.0), {}, 0.0)


def test_runs_that_differ_in_loss_and_seed_alone_are_fair():
    assert unfair([run(), run(loss="g_loss", ce_weight=0.2, loss_settings={"sigma": 1.0}), run(loss="supcon", seed=3)], ["A", "B", "C"]) == ()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"shots": 4}, "Training texts differ (8 a class, draw 0 (A), 4 a class, draw 0 (B)): the draw of the shots"),
        ({"shots": None}, "Training texts differ (8 a class, draw 0 (A), all texts, draw 0 (B))"),
        ({"shots_by": "total"}, "Training texts differ (8 a class, draw 0 (A), 8 in all, draw 0 (B))"),
        ({"support_seed": 2}, "Training texts differ (8 a class, draw 0 (A), 8 a class, draw 2 (B))"),
        ({"epochs": 8}, "Budgets differ (epochs 4 (A), 8 (B)): a better number may come from the training"),
        ({"batch_size": 32, "lr": 1e-5}, "Budgets differ (learning rate 0.0003 (A), 1e-05 (B); batch size 16 (A), 32 (B))"),
        ({"schedule": "cosine"}, "Budgets differ (schedule linear (A), cosine (B))"),
        ({"selection": "best_validation"}, "Selection rules differ (last epoch (A), best validation accuracy (B))"),
        ({"encoder": "roberta-large"}, "Encoders differ (all-MiniLM-L6-v2 (A), roberta-large (B))"),
        ({"pooling": "cls"}, "Encoders differ (pooling auto (A), cls (B))"),
        ({"dataset": "r52"}, "Test parts differ (r8 (A), r52 (B)): their accuracies are not of the same texts"),
    ],
)
def test_each_inequality_is_named_with_its_values(fields, sentence):
    assert any(said.startswith(sentence) for said in unfair([run(), run(loss="g_loss", **fields)], ["A", "B"]))


def test_a_loaded_model_says_that_its_budget_is_unknown():
    loaded = dataclasses.replace(run(epochs=1, shots=2), origin="loaded")
    assert unfair([run(), loaded], ["A", "theirs"]) == ("theirs came from elsewhere: training texts and budget are not known.",)
    assert unfair([loaded], ["theirs"]) == ()


def test_a_lone_run_is_known_by_its_config():
    assert lone([run(), run(seed=1), run(loss="g_loss")])
    assert not lone([run(), run(seed=1), run(loss="g_loss"), run(loss="g_loss", support_seed=1)])
