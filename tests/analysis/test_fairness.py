"""What is unequal besides the loss is said, and nothing else is."""

from __future__ import annotations

import dataclasses
from itertools import product

import pytest

from dmlviz.analysis.fairness import by_design, lone, paired, unfair
from dmlviz.core.types import Progress, Run, RunConfig

BASE = RunConfig(dataset="r8", dataset_hash="a" * 64, loss="cross_entropy", lr=3e-4)


def run(metrics: dict | None = None, facts: dict | None = None, **fields) -> Run:
    return Run("r", BASE.model_copy(update=fields), "finished", Progress("done", 1, 1, "text", 0.0), metrics or {}, 0.0, facts=facts or {})


def said_of(*others: Run) -> tuple[str, ...]:
    return unfair(others, [f"{chr(65 + i)}" for i in range(len(others))])


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
        ({"batch_size": 8, "accumulation": 2}, "Budgets differ (batch size 16 (A), 2 x 8 (B))"),
        ({"patience": 3}, "Budgets differ (patience none (A), 3 (B))"),
        ({"schedule": "cosine"}, "Budgets differ (schedule linear (A), cosine (B))"),
        ({"warmup_share": 0.0}, "Budgets differ (warm-up 0.1 (A), 0 (B))"),
        ({"weight_decay": 0.0}, "Budgets differ (weight decay 0.01 (A), 0 (B))"),
        ({"max_grad_norm": 5.0}, "Budgets differ (gradient clip 1 (A), 5 (B))"),
        ({"class_weights": "balanced"}, "Budgets differ (class weights none (A), balanced (B))"),
        ({"batches": "balanced"}, "Batches differ (shuffled (A), balanced (B))"),
        ({"selection": "best_validation"}, "Selection rules differ (last epoch (A), best validation accuracy (B))"),
        ({"validation": 8}, "Selection rules differ (validation texts 64 (A), 8 (B))"),
        ({"encoder": "roberta-large"}, "Encoders differ (all-MiniLM-L6-v2 (A), roberta-large (B))"),
        ({"pooling": "cls"}, "Encoders differ (pooling auto (A), cls (B))"),
        ({"dataset": "r52", "dataset_hash": "b" * 64}, "Test parts differ (r8 (A), r52 (B)): their accuracies are not of the same texts"),
        ({"dataset_hash": "b" * 64}, "Test parts differ (texts aaaaaa (A), bbbbbb (B)): their accuracies are not of the same texts"),
        ({"folds": 4, "fold": 1}, "Test parts differ (r8 (A), r8, fold 1 of 4 (B))"),
        ({"control": "shuffled_labels"}, "B is a control (shuffled labels)."),
        ({"control": "pre_trained", "epochs": 9}, "B is a control (not trained)."),
    ],
)
def test_each_inequality_is_named_with_its_values(fields, sentence):
    found = said_of(run(), run(loss="triple_entropy", **fields))
    assert found[0].startswith(sentence)
    assert len(found) == 1


def test_the_same_texts_under_another_name_are_the_same():
    assert said_of(run(), run(loss="supcon", dataset="/data/r8")) == ()


def test_step_schedules_differ_by_their_step():
    found = said_of(run(schedule="step"), run(loss="supcon", schedule="step", step_epoch=3))
    assert found[0].startswith("Budgets differ (schedule step at 30 (A), step at 3 (B))")


def test_a_learning_rate_of_centres_counts_among_losses_with_centres():
    assert said_of(run(), run(loss="soft_triple", center_lr=0.01)) == ()
    assert said_of(run(loss="soft_triple"), run(loss="triple_entropy", center_lr=3e-4)) == ()  # the encoder's own
    found = said_of(run(loss="soft_triple", center_lr=0.01), run(loss="triple_entropy"))
    assert found[0].startswith("Budgets differ (of centres 0.01 (A), the encoder's (B))")


def test_precision_is_what_was_used():
    half, full = {"precision": "bfloat16"}, {"precision": "float32"}
    assert said_of(run(facts=full), run(loss="supcon", facts=half))[0].startswith("Budgets differ (precision fp32 (A), bf16 (B))")
    assert said_of(run(facts=full), run(loss="supcon", precision="fp32")) == said_of(run(facts=full), run(loss="supcon")) == ()


def test_paired_draws_and_folds_are_fair_and_unpaired_ones_are_not():
    """Each loss on draws 0 and 1, or on every fold: the same texts on both sides."""
    losses = ("cross_entropy", "supcon")
    both = [run(loss=loss, support_seed=draw) for loss, draw in product(losses, (0, 1))]
    titles = ["CE · support seed 0", "CE · support seed 1", "SupCon · support seed 0", "SupCon · support seed 1"]
    assert unfair(both, titles) == ()
    assert unfair(both[:3], titles[:3])[0].startswith(
        "Training texts differ (8 a class, draws 0, 1 (CE), 8 a class, draw 0 (SupCon · support seed 0)): the draw of the shots"
    )
    assert unfair([run(loss=loss, folds=4, fold=fold) for loss, fold in product(losses, range(4))], ["CE"] * 4 + ["SupCon"] * 4) == ()
    found = unfair([run(loss=loss, folds=4, fold=fold) for loss, fold in (("cross_entropy", 0), ("supcon", 0), ("supcon", 1))], ["CE", "S", "S"])
    assert found[0].startswith("Test parts differ (r8, fold 0 of 4 (CE), r8, folds 0, 1 of 4 (S))")
    crossed = [run(loss=loss, folds=4, fold=f, support_seed=d) for loss, f, d in (("cross_entropy", 0, 0), ("cross_entropy", 1, 1),
                                                                                 ("supcon", 0, 1), ("supcon", 1, 0))]  # fmt: skip
    assert "draw 0 in fold 0, draw 1 in fold 1 (CE), 8 a class, draw 0 in fold 1, draw 1 in fold 0 (S)" in unfair(crossed, ["CE", "CE", "S", "S"])[0]


def test_what_a_loss_has_by_design_is_a_clause_and_no_unfairness():
    """Cross-entropy, TripleEntropy and G-Loss as the Train page makes them."""
    made = [run({"readout": "head"}), run({"readout": "head"}, loss="triple_entropy"), run({"readout": "head"}, loss="g_loss")]
    titles = ["CE", "TripleEntropy", "G-Loss"]
    assert unfair(made, titles) == ()
    assert by_design(made, titles) == "Each loss's own: batches balanced (G-Loss), else shuffled."
    soft = run({"readout": "centers"}, loss="soft_triple")
    assert by_design([made[0], soft], ["CE", "SoftTriple"]) == "Each loss's own: readouts centers (SoftTriple), else head."
    assert by_design(made[:2], titles[:2]) == by_design(made[:1], titles[:1]) == ""
    longer = [made[0], run({"readout": "head"}, loss="g_loss", epochs=9)]
    assert [one.split(" (")[0] for one in unfair(longer, ["CE", "G-Loss"])] == ["Budgets differ", "Each loss's own: batches balanced"]


def test_a_readout_that_was_asked_for_is_an_inequality():
    asked = [run({"readout": "head"}), run({"readout": "linear_probe"}, loss="triple_entropy", readout="linear_probe")]
    assert unfair(asked, ["CE", "T"]) == ("Readouts differ (head (CE), linear probe (T)): part of a difference may be the readout's.",)


def test_a_gain_is_between_runs_of_one_draw_seed_and_budget():
    base = run({"readout": "head"})
    assert paired(base, run({"readout": "centers"}, loss="soft_triple"))
    for fields in ({"seed": 1}, {"support_seed": 1}, {"epochs": 9}, {"dataset_hash": None}, {"folds": 3}, {"control": "shuffled_labels"}):
        assert not paired(base, run(loss="soft_triple", **fields)), fields
    assert not paired(base, dataclasses.replace(run(loss="soft_triple"), origin="loaded"))


def test_a_loaded_model_says_that_its_budget_is_unknown():
    loaded = dataclasses.replace(run(epochs=1, shots=2), origin="loaded")
    assert unfair([run(), loaded], ["A", "theirs"]) == ("theirs came from elsewhere: training texts and budget are not known.",)
    assert unfair([loaded], ["theirs"]) == ()


def test_a_lone_run_is_known_by_its_config():
    assert lone([run(), run(seed=1), run(loss="g_loss")])
    assert not lone([run(), run(seed=1), run(loss="g_loss"), run(loss="g_loss", support_seed=1)])


def test_the_same_seeds_twice_are_one_and_folds_are_repetitions():
    assert lone([run(), run()])
    assert lone([run(), run(device="cpu", snapshots=0)])
    assert not lone([run(folds=3, fold=fold) for fold in range(3)])
    assert lone([run(), run(seed=1, dataset_hash="b" * 64)])  # other texts
