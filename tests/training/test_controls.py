"""Controls: the encoder before training, and training on labels that say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmlviz.core.types import InputError
from dmlviz.figures.base.theme import run_titles
from dmlviz.jobs.submit import submit, submit_control
from dmlviz.jobs.worker import work
from dmlviz.training.fit import fit


@pytest.fixture
def queued(monkeypatch):
    """Runs wait for the test; their maps, which step back behind every other process, are not made."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)


@pytest.mark.usefixtures("queued")
def test_the_pre_trained_control_is_the_encoder_before_training(store, tiny_config, tiny_dataset):
    run_id = submit(tiny_config(loss="triple_entropy", epochs=2, snapshots=2, validation=0), store=store, dataset=tiny_dataset)
    control = submit_control(store.run(run_id), "pre_trained", store=store)
    for one in (run_id, control):
        work(store, one)
        assert store.run(one).state == "finished", store.run(one).message
    trained, before = store.arrays(run_id), store.arrays(control)
    np.testing.assert_array_equal(trained.row_ids, before.row_ids)
    place = {row: i for i, row in enumerate(before.row_ids)}
    np.testing.assert_array_equal(before.embeddings[[place[row] for row in trained.snapshot_rows]], trained.snapshots[0])
    assert before.centers is None
    assert store.run(control).metrics["readout"] == "linear_probe"
    assert run_titles([store.run(run_id).config, store.run(control).config]) == ["TripleEntropy", "Pre-trained"]
    assert submit_control(store.run(run_id), "pre_trained", store=store) == control  # not made twice


def test_shuffled_labels_are_the_same_ones_dealt_out_anew(make_job):
    job, honest = make_job(control="shuffled_labels", seed=3), make_job(seed=3)
    true = job.dataset.labels[job.split.support]
    assert sorted(job.train_labels()) == sorted(true)
    assert (job.train_labels() != true).any()
    np.testing.assert_array_equal(job.train_labels(), make_job(control="shuffled_labels", seed=3).train_labels())
    assert (job.train_labels() != make_job(control="shuffled_labels", seed=4).train_labels()).any()
    np.testing.assert_array_equal(honest.train_labels(), true)


def test_training_learns_the_shuffled_labels(make_job):
    job = make_job(control="shuffled_labels", epochs=40, lr=3e-3, validation=0)
    model = fit(job)
    scores = model.head(model.encoder(_batch(job, model)).pooled).argmax(dim=1).numpy()
    assert (scores == job.train_labels()).mean() > 0.9
    assert (scores == job.dataset.labels[job.split.support]).mean() < 0.8


def _batch(job, model):
    model.eval()
    return model.encoder.pad(model.encoder.token_ids(*job.texts(job.split.support)))


@pytest.mark.usefixtures("queued")
def test_a_run_from_elsewhere_has_no_control(store, tiny_config, tiny_dataset):
    run = store.run(submit(tiny_config(), store=store, dataset=tiny_dataset))
    with pytest.raises(InputError, match="fine-tuned elsewhere"):
        submit_control(replace(run, origin="loaded"), "pre_trained", store=store)
    shuffled = store.run(submit_control(run, "shuffled_labels", store=store))
    assert run_titles([shuffled.config]) == ["Cross-entropy, shuffled labels"]
