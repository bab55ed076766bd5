"""Submitting: what is checked and written before a run is queued. Panes: what a map needs of stored runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dmlviz.analysis.map_kinds import confident, load_panes
from dmlviz.core.types import InputError, Projection, RunConfig
from dmlviz.data import draw_split, read_file, split_of
from dmlviz.jobs.local import dispatcher_lock
from dmlviz.jobs.submit import checked_config, encoder_place, loaded_config, submit, submit_control, submit_loaded
from dmlviz.store.runs import Store


@pytest.fixture
def dataset(tmp_path):
    path = tmp_path / "toy.csv"
    rows = [f"{'red' if i % 2 else 'blue'} thing number {i},{'warm' if i % 2 else 'cold'}" for i in range(40)]
    path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return read_file(path)


@pytest.fixture
def store(tmp_path):
    """A home whose dispatcher's place is taken, so that a submitted run stays queued; cancelled at the end, so that none ever starts."""
    store = Store(tmp_path / "home")
    with dispatcher_lock(store.home):
        yield store
        for run_id in store.run_ids():
            store.request_cancel(run_id)


def test_submit_queues_a_run_that_says_all_of_itself(store, dataset):
    given = RunConfig(dataset="toy.csv", loss="triple_entropy", loss_settings={"scale": "4"}, shots=2, validation=4)
    run = store.run(submit(given, store=store, dataset=dataset))
    assert (run.state, run.origin) == ("queued", "trained")
    assert run.config.loss_settings == {"scale": 4.0}  # in its type, and only what was given
    assert run.config.ce_weight == 0.4  # the loss's own, so that titles know it
    assert run.config.dataset_hash == dataset.content_hash
    assert len(store.split(run.id).support) == 4


def test_submit_takes_stored_texts_by_their_hash(store, dataset):
    content_hash = store.add_dataset(dataset)
    run_id = submit(RunConfig(dataset="/no/longer/there.csv", dataset_hash=content_hash, shots=2), store=store)
    assert store.run(run_id).config.dataset_hash == content_hash


def test_a_run_that_an_older_version_drew_has_no_control_of_other_shots(store, dataset):
    """It would be compared with shots and test texts that it never saw."""
    config = RunConfig(dataset="toy.csv", shots=2, validation=4)
    drawn = split_of(config, dataset)
    moved = replace(drawn, support=np.sort(np.concatenate([drawn.support[:-1], drawn.test[:1]])), test=drawn.test[1:])
    older = store.run(store.create(config.model_copy(update={"encoder": "all-MiniLM-L6-v2"}), dataset, moved))
    with pytest.raises(InputError, match="was drawn by an older version, whose draw of the shots was another; train it again"):
        submit_control(older, "pre_trained", store=store)
    now = store.run(submit(config, store=store, dataset=dataset))
    assert store.run(submit_control(now, "pre_trained", store=store)).config.control == "pre_trained"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loss": "softriple"}, "Did you mean 'soft_triple'"),
        ({"loss": "g_loss", "loss_settings": {"sigm": 1}}, "unknown setting 'sigm' for g_loss"),
        ({"ce_weight": 0.5}, "all cross-entropy"),
        ({"shots": 99}, "6 more are set aside for the test, 4 for validation; lower shots to 10"),
        ({"encoder": "/no/such/folder"}, "neither a folder here nor a possible Hub id"),
    ],
)
def test_what_cannot_be_trained_is_a_sentence_and_leaves_nothing(store, dataset, fields, sentence):
    with pytest.raises(InputError, match=sentence):
        submit(RunConfig(**{"dataset": "toy.csv", **fields}), store=store, dataset=dataset)
    assert store.run_ids() == []


def checkpoint(folder, **written):
    """A folder that looks like a checkpoint; `written` is its dmlviz.json."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    if written:
        (folder / "dmlviz.json").write_text(json.dumps(written))
    return folder


def test_a_folder_of_ours_knows_its_run_and_given_fields_win(tmp_path):
    config = RunConfig(dataset="toy", loss="soft_triple", loss_settings={"scale": 5.0}, ce_weight=0.25, shots=3, seed=7)
    folder = checkpoint(tmp_path / "weights", pooling="mean", max_length=32, config=config.model_dump())
    found = loaded_config(str(folder), "toy", shots=2, seed=None)
    assert (found.loss, found.loss_settings, found.ce_weight) == ("soft_triple", {"scale": 5.0}, 0.25)
    assert (found.shots, found.seed, found.pooling, found.max_length) == (2, 7, "mean", 32)
    other = loaded_config(str(folder), "toy", loss="g_loss")
    assert (other.loss_settings, other.ce_weight) == ({}, None)  # SoftTriple's settings are not G-Loss's


def test_loading_queues_a_loaded_run(store, dataset, tmp_path):
    run = store.run(submit_loaded(str(checkpoint(tmp_path / "weights")), "toy.csv", store=store, dataset=dataset, shots=2))
    assert run.origin == "loaded"
    assert run.config.encoder == str(tmp_path / "weights")


def test_folders_that_are_no_checkpoint(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no config\.json"):
        encoder_place(str(tmp_path / "empty"))
    (tmp_path / "empty" / "config.json").write_text("{}")
    (tmp_path / "empty" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"no \.safetensors"):
        encoder_place(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="lacks fields"):
        loaded_config(str(checkpoint(tmp_path / "older", format=1)), "toy")
    assert encoder_place("org/name") == "org/name"


def test_an_encoder_folder_is_kept_absolute(tmp_path, monkeypatch):
    checkpoint(tmp_path / "enc")
    monkeypatch.chdir(tmp_path)
    assert checked_config(RunConfig(dataset="toy", encoder="enc")).encoder == str(tmp_path / "enc")


def test_submitting_loads_no_torch():
    code = "import sys, dmlviz.jobs.submit, dmlviz.analysis.map_kinds; sys.exit('torch' in sys.modules or 'streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def finished(store, dataset, *, seed=0, turn=0.0, umap=True):
    """A run with arrays and maps, written straight into the store."""
    split = draw_split(dataset, shots=2, validation=4)
    run_id = store.create(RunConfig(dataset="toy", shots=2, validation=4, seed=seed), dataset, split)
    rows, rng = split.row_ids, np.random.default_rng(0)
    vectors = rng.normal(size=(len(rows), 6)).astype(np.float16)
    scores = np.stack([np.zeros(len(rows)), np.where(dataset.labels[rows] == 1, 1.0, -1.0)], axis=1).astype(np.float32)
    store.save_arrays(run_id, {"embeddings": vectors, "labels": dataset.labels[rows], "scores_head": scores})
    store.update(run_id, state="finished", metrics={"readout": "head"})
    if umap:
        flat = vectors[:, :2].astype(np.float32) @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]], dtype=np.float32)
        store.save_projection(run_id, Projection(flat * 3, rows, "umap", "cosine", 0, 0.9, 5, len(rows)))
    return run_id


def test_panes_lie_on_one_frame(store, dataset):
    ids = [finished(store, dataset), finished(store, dataset, seed=1, turn=1.0)]
    panes, texts = load_panes(store, ids)
    assert [pane.run.id for pane in panes] == ids
    assert texts.content_hash == dataset.content_hash
    np.testing.assert_allclose(panes[1].projection.points, panes[0].projection.points, atol=1e-4)
    assert panes[1].projection.residual == pytest.approx(0, abs=1e-6)
    apart, _ = load_panes(store, ids, register_on_first=False)
    assert apart[1].projection.residual is None
    assert (panes[0].predictions == panes[0].labels).all()
    assert panes[0].confidence == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_missing_umap_gives_every_pane_its_pca_and_keeps_it(store, dataset):
    ids = [finished(store, dataset), finished(store, dataset, seed=1, umap=False)]
    panes, _ = load_panes(store, ids)
    assert [pane.projection.method for pane in panes] == ["pca", "pca"]
    assert store.projection(ids[1], "pca") is not None


def test_panes_refuse_in_sentences(store, dataset, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "\n".join(f"word {i},{'a' if i % 2 else 'b'}" for i in range(20)), encoding="utf-8")
    ids = [finished(store, dataset), finished(store, read_file(other))]
    with pytest.raises(InputError, match="different texts"):
        load_panes(store, ids)
    queued = store.create(RunConfig(dataset="toy"), dataset, draw_split(dataset, shots=2))
    with pytest.raises(InputError, match="no embeddings yet"):
        load_panes(store, [ids[0], queued])
    with pytest.raises(InputError, match="no run was named"):
        load_panes(store, [])


def test_confidence_is_the_softmax_of_the_winner():
    predictions, confidence = confident(np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], dtype=np.float32))
    assert predictions.tolist() == [1, 0]
    np.testing.assert_allclose(confidence, [0.75, 1.0], rtol=1e-6)
