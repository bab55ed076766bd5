"""Runs that differ in seeds alone are one group."""

from __future__ import annotations

import numpy as np
import pytest

from dmlviz.analysis.reliability.groups import finished_groups, group_runs, line_key
from dmlviz.analysis.reliability.outcomes import outcome
from dmlviz.core.types import InputError, Progress, Run, RunArrays, RunConfig


def made(created: float = 0.0, state: str = "finished", **fields) -> Run:
    config = RunConfig(**{"dataset": "x", "dataset_hash": "a" * 64, **fields})
    return Run(f"run-{created}", config, state, Progress("done", 1, 1, "text", 0.0), {"accuracy": 0.5} if state == "finished" else {}, created)


def test_seeds_draws_and_folds_make_one_group_and_nothing_else_does():
    runs = [made(1), made(2, support_seed=1), made(3, seed=1), made(4, loss="supcon"), made(5, shots=4), made(6, epochs=5)]
    groups = group_runs(runs)
    assert [[run.created for run in group.runs] for group in groups] == [[1, 3, 2], [4], [5], [6]]
    assert (groups[0].draws, groups[0].seeds, groups[0].lone) == (2, 2, False)
    assert groups[1].lone


def test_the_same_seeds_twice_count_once_the_newest():
    (group,) = group_runs([made(1), made(7), made(3)])
    assert [run.created for run in group.runs] == [7]


def test_where_it_ran_and_what_the_texts_are_called_makes_no_other_group():
    assert len(group_runs([made(1), made(2, device="cpu", seed=1), made(3, dataset="elsewhere/x", seed=2, snapshots=0)])) == 1


def test_a_line_of_a_curve_holds_all_shots():
    assert line_key(made(1)) == line_key(made(2, shots=16, seed=3)) != line_key(made(3, lr=1e-3))


def test_only_runs_with_an_accuracy_are_judged():
    assert [len(group.runs) for group in finished_groups([made(1), made(2, state="running", seed=1)])] == [1]


def arrays(roles: list[str]) -> RunArrays:
    n = len(roles)
    scores = {"head": np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], dtype=np.float32))[:n]}
    nothing = dict.fromkeys(("logits", "centers", "centers_space", "snapshots", "snapshot_epochs", "snapshot_rows"))
    found = {"embeddings": np.zeros((n, 4), np.float16), "row_ids": np.arange(10, 10 + n), "labels": np.array([0, 1, 1])[:n]}
    return RunArrays(roles=np.array(roles), scores=scores, **found, **nothing)


def test_an_outcome_holds_rows_labels_and_probabilities_of_a_part():
    run = made(1)
    found = outcome(Run(**{**run.__dict__, "metrics": {"accuracy": 1.0, "readout": "head"}}), arrays(["support", "test", "test"]))
    assert found.rows(found.test).tolist() == [11, 12]
    assert found.labels(found.test).tolist() == [1, 1]
    np.testing.assert_allclose(found.probabilities(found.test), [[0.2, 0.8], [0.5, 0.5]], rtol=1e-6)


def test_a_readout_or_a_test_part_that_is_not_there_is_said():
    with pytest.raises(InputError, match="no scores of the readout 'knn'; it has head"):
        outcome(made(1), arrays(["test"] * 3), "knn")
    with pytest.raises(InputError, match="no test texts"):
        outcome(made(1), arrays(["support"] * 3), "head")
