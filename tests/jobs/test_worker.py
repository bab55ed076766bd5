"""What a worker makes of a trained model, in this process; no map is made, for that lowers the priority of the whole process."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dmlviz.data import draw_split
from dmlviz.jobs.submit import submit
from dmlviz.jobs.worker import work
from dmlviz.training.fit import History


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Runs wait for the test."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)


@pytest.fixture
def finish(store, tiny_config, tiny_dataset):
    """finish(loss=..., ...): the id of a run that has been worked on."""

    def make(**fields) -> str:
        run_id = submit(tiny_config(**fields), store=store, dataset=tiny_dataset)
        work(store, run_id)
        return run_id

    return make


BLOWN_UP = {"lr": 1000, "weight_decay": 1000, "max_grad_norm": 1e9, "warmup_share": 0.0, "schedule": "constant", "snapshots": 0, "batch_size": 12,
            "epochs": 1}  # fmt: skip


@pytest.mark.parametrize("loss", ["cross_entropy", "triplet"])
def test_what_the_last_step_broke_is_said_before_the_readouts(store, finish, brittle_encoder, loss):
    """The last loss was a number, nothing is validated: only the vectors know."""
    run = store.run(finish(loss=loss, encoder=brittle_encoder, validation=0, **BLOWN_UP))
    assert run.state == "failed"
    assert run.message == "the encoder's vectors were no longer numbers after epoch 1; lower lr (now 1000)"


@pytest.mark.parametrize(("best", "epochs"), [(1, [0, 1]), (2, [0, 2]), (3, [0, 2, 3]), (4, [0, 2, 4]), (6, [0, 2, 4, 6])])
def test_the_last_snapshot_bears_the_epoch_whose_weights_were_kept(store, finish, monkeypatch, best, epochs):
    """Snapshots at 0, 2, 4 and the end of six epochs; `best` of them is the best by a validation that this test writes."""
    kept = {}

    def validate(self, state):
        self._keep_best(1.0 if round(state.epoch) == best else 0.5 if round(state.epoch) == 1 else 0.0, round(state.epoch))
        kept["best"] = json.loads((self.job.folder / "best.json").read_text())
        kept["centers"] = load_file(self.job.folder / "best.safetensors")["metric.weight"]

    monkeypatch.setattr(History, "_validate", validate)
    run_id = finish(loss="soft_triple", selection="best_validation", snapshots=4, epochs=6, center_lr=0.1)
    arrays = store.arrays(run_id)
    assert kept["best"]["epoch"] == best
    assert arrays.snapshot_epochs.tolist() == epochs
    assert len(arrays.snapshots) == len(arrays.center_snapshots) == len(epochs)
    place = {row: i for i, row in enumerate(arrays.row_ids)}
    np.testing.assert_array_equal(arrays.snapshots[-1], arrays.embeddings[[place[row] for row in arrays.snapshot_rows]])
    np.testing.assert_array_equal(arrays.center_snapshots[-1], arrays.centers)
    torch.testing.assert_close(torch.from_numpy(np.array(arrays.centers)), kept["centers"])


def test_the_last_epoch_is_kept_where_validation_does_not_select(store, finish):
    assert store.arrays(finish(epochs=3, snapshots=3)).snapshot_epochs.tolist() == [0, 2, 3]
    assert store.arrays(finish(epochs=3, snapshots=3, validation=0, selection="best_validation", seed=1)).snapshot_epochs.tolist() == [0, 2, 3]


def test_the_largest_seeds_train(store, tiny_config, tiny_dataset):
    """Seeds up to the bound that a config accepts mean something to every library they are given to."""
    from dmlviz.core.types import LARGEST_SEED

    config = tiny_config(loss="g_loss", seed=LARGEST_SEED, support_seed=LARGEST_SEED, epochs=1)
    split = draw_split(tiny_dataset, shots=4, support_seed=LARGEST_SEED, validation=6)
    run_id = store.create(config, tiny_dataset, split)
    work(store, run_id)
    assert store.run(run_id).state == "finished", store.run(run_id).message
