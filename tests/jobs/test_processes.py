"""Runs in processes of their own, cancelled and killed by real signals."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import psutil
import pytest
from waiting import processes_of, until, wait_for

from dmlviz.core.types import InputError
from dmlviz.data import draw_split
from dmlviz.jobs.local import LocalEngine, dispatcher_lives

pytestmark = pytest.mark.slow


@pytest.fixture
def queue(store, tiny_config, tiny_dataset):
    """queue(epochs=...): a submitted run on seven texts (too few for UMAP, which would take most of the time). Returns its id."""

    def make(**fields) -> str:
        config = tiny_config(**{"loss": "g_loss", "epochs": 150, "shots": 1, "batch_size": 2, "snapshots": 3, "validation": 0, **fields})
        split = draw_split(tiny_dataset, shots=config.shots, validation=config.validation)
        small = type(split)(split.support, split.validation, split.test[:4], split.shots, split.shots_by, split.support_seed)
        run_id = store.create(config, tiny_dataset, small)
        LocalEngine(store).submit(run_id)
        return run_id

    return make


def training(store, run_id, steps: int = 20):
    """Wait until the run is in the middle of its training and has a checkpoint to go on from."""

    def far_enough():
        run = store.run(run_id)
        assert run.state in ("queued", "running"), (run.state, run.message, store.log_tail(run_id))
        return run.progress.phase == "training" and run.progress.done >= steps

    until(far_enough, what="training")


def assert_same_run(store, first: str, second: str) -> None:
    """Equal history to 1e-6, equal arrays bit for bit."""
    rows = [store.events(run_id) for run_id in (first, second)]
    assert [(row["kind"], row["step"]) for row in rows[0]] == [(row["kind"], row["step"]) for row in rows[1]]
    for one, other in zip(*rows, strict=True):
        assert all(other[name] == pytest.approx(value, abs=1e-6) for name, value in one.items() if name != "kind")
    a, b = store.arrays(first), store.arrays(second)
    np.testing.assert_array_equal(a.embeddings, b.embeddings)
    np.testing.assert_array_equal(a.snapshots, b.snapshots)
    for name in a.scores:
        np.testing.assert_array_equal(a.scores[name], b.scores[name])


def test_killed_cancelled_and_undisturbed_runs_end_alike(store, queue):
    undisturbed, killed, cancelled = queue(), queue(), queue()
    engine = LocalEngine(store)
    # one slot: the others wait
    training(store, undisturbed)
    assert [store.run(one).state for one in (killed, cancelled)] == ["queued", "queued"]
    wait_for(store, undisturbed, "finished")

    training(store, killed)
    assert store.run(cancelled).state == "queued"
    pid, _ = store.process(killed)
    os.kill(pid, signal.SIGKILL)
    run = wait_for(store, killed, "interrupted", seconds=15)
    until(lambda: store.run(killed).message, 15, "the dispatcher's word on the killed run")
    assert "resume goes on from the last checkpoint" in store.run(killed).message
    assert run.progress.phase == "training"

    training(store, cancelled)
    pid, _ = store.process(cancelled)
    engine.cancel(cancelled)
    assert store.run(cancelled).state in ("cancelling", "cancelled")
    wait_for(store, cancelled, "cancelled", seconds=30)
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 15, "the end of the worker")
    with pytest.raises(InputError, match="there is nothing to cancel"):
        engine.cancel(cancelled)

    engine.submit(killed)
    engine.submit(cancelled)
    for run_id in (killed, cancelled):
        before = max(row["step"] for row in store.events(run_id))
        assert 0 < before < 300
        wait_for(store, run_id, "finished")
        assert_same_run(store, undisturbed, run_id)
        assert store.verify(run_id) == []
    until(lambda: not processes_of(store.home), 120, "an idle home without processes")


def test_a_killed_dispatcher_is_replaced_and_a_queued_run_is_cancelled(store, queue):
    engine = LocalEngine(store)
    first, second, twin, unwanted = queue(), queue(epochs=2), queue(epochs=2), queue()
    training(store, first, steps=5)
    engine.cancel(unwanted)
    assert store.run(unwanted).state == "cancelled"
    assert store.process(unwanted) is None
    worker = store.process(first)
    dispatcher = until(lambda: [p for p in processes_of(store.home) if "dmlviz.jobs.dispatcher" in p.cmdline()], 10, "a dispatcher")
    for process in dispatcher:
        process.kill()
    until(lambda: not dispatcher_lives(store.home), 10, "the end of the dispatcher")
    assert store.process(first) == worker  # the run does not notice
    engine.poll()
    until(lambda: dispatcher_lives(store.home), 20, "another dispatcher")
    wait_for(store, first, "finished")
    wait_for(store, second, "finished")
    wait_for(store, twin, "finished")
    assert store.run(unwanted).state == "cancelled"
    assert store.run(second).started >= store.run(first).started
    begun = json.loads((store.folder(twin) / "status.json").read_text())
    assert begun["started"] - begun["pid_started"] < 5  # forked from a process that has imported everything: it begins at once
    assert_same_run(store, second, twin)  # same config, same seeds, two processes: equal bit for bit


def test_a_run_cancelled_while_its_map_is_made_leaves_at_once_and_trains_no_second_time(store, tiny_config, tiny_dataset):
    config = tiny_config(epochs=1, snapshots=2)
    run_id = store.create(config, tiny_dataset, draw_split(tiny_dataset, shots=config.shots, validation=config.validation))
    engine = LocalEngine(store)
    engine.submit(run_id)
    until(lambda: store.projection(run_id, "pca") is not None, 120, "the first map")
    pid, _ = store.process(run_id)
    engine.cancel(run_id)
    until(lambda: store.run(run_id).state == "cancelled", 10, "the end of the run")
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10, "the end of the worker")
    assert store.projection(run_id, "umap") is None
    trained, embedded = store.run(run_id).metrics["train_seconds"], np.array(store.arrays(run_id).embeddings)
    engine.submit(run_id)
    wait_for(store, run_id, "finished")
    assert store.projection(run_id, "umap") is not None
    assert store.run(run_id).metrics["train_seconds"] == trained
    np.testing.assert_array_equal(embedded, store.arrays(run_id).embeddings)
    assert store.verify(run_id) == []


def test_a_run_that_lost_patience_says_so_and_is_whole(store, queue):
    settings = {"loss": "soft_triple", "ce_weight": 0.5, "readout": "mixed", "monitor": "silhouette", "patience": 2, "validation": 12, "lr": 0.02}
    run_id = queue(**settings)
    run = wait_for(store, run_id, "finished")
    last = max(row["epoch"] for row in store.events(run_id))
    assert last < 150
    assert store.arrays(run_id).snapshot_epochs.tolist()[-1] == last
    assert list(run.metrics)[:1] == ["readout"]
    assert run.metrics["readout"] == "mixed"
    assert -1 <= run.metrics["validation_silhouette"] <= 1
    assert set(store.arrays(run_id).scores) == {"head", "centers", "mixed", "knn", "linear_probe", "propagation"}
    log = store.log_tail(run_id)
    assert "centres per class but a class has 1 shot" in log
    assert f"stopped after epoch {round(last)}: no better validation silhouette for 2 epochs" in log
    assert store.verify(run_id) == []


@pytest.mark.parametrize("loss", ["cross_entropy", "triple_entropy"])
def test_real_weights_on_real_reuters_texts(store, shared_data, loss):
    from transformers import AutoModel

    from dmlviz.core.types import RunConfig
    from dmlviz.data import read_folder
    from dmlviz.encoder.loading import load_encoder
    from dmlviz.training.embed import embed

    dataset = read_folder(shared_data / "r8", "r8")
    config = RunConfig(dataset="r8", loss=loss, shots=4, epochs=2, max_length=32, batch_size=8, lr=3e-4, validation=0)
    split = draw_split(dataset, shots=4, validation=0)
    small = type(split)(split.support, split.validation, split.test[:: len(split.test) // 150], split.shots, split.shots_by, split.support_seed)
    run_id = store.create(config, dataset, small)
    LocalEngine(store).submit(run_id)
    run = wait_for(store, run_id, "finished", seconds=240)
    assert run.metrics["accuracy"] > run.metrics["majority"] + 0.05
    weights, arrays = store.weights_folder(run_id), store.arrays(run_id)
    assert AutoModel.from_pretrained(weights).config.hidden_size == 384
    encoder = load_encoder(str(weights), max_length=32)
    again = embed(encoder, [dataset.texts[i] for i in arrays.row_ids])
    assert np.abs(again - arrays.embeddings.astype(np.float32)).max() < 1e-3
    assert (arrays.centers is not None) == (loss == "triple_entropy")
    assert store.projection(run_id, "umap").points.shape == (len(arrays.row_ids), 2)
    assert store.verify(run_id) == []


def test_a_run_that_was_resumed_meanwhile_is_not_cancelled_by_an_older_look(store, tiny_config, tiny_dataset):
    """The dispatcher saw a cancelled run, and before it noted its end somebody resumed it."""
    from dmlviz.jobs.dispatcher import Dispatcher

    config = tiny_config()
    run_id = store.create(config, tiny_dataset, draw_split(tiny_dataset, shots=4, validation=6))
    store.request_cancel(run_id)
    older = store.run(run_id)
    assert older.state == "cancelled"
    store.requeue(run_id)
    Dispatcher(store, 1)._settle(older)
    assert store.run(run_id).state == "queued"


def test_a_worker_listens_before_its_pid_is_known(store, tiny_config, tiny_dataset, monkeypatch):
    """Whoever reads the pid may send SIGTERM at once: it must ask for the end, not be the end."""
    from dmlviz.jobs import worker

    run_id = store.create(tiny_config(epochs=1), tiny_dataset, draw_split(tiny_dataset, shots=4, validation=6))
    before, claim = signal.getsignal(signal.SIGTERM), type(store).claim

    def claimed(self, run_id):
        claim(self, run_id)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(type(store), "claim", claimed)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        worker.work(store, run_id)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert store.run(run_id).state == "cancelled"
