"""What a run keeps of its way: texts, centres, batches, tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmlviz.core.types import Encoded
from dmlviz.losses import build_loss
from dmlviz.training.fit import Reporter, fit
from dmlviz.training.snapshots import snapshot_rows, stored_batches, stored_snapshots, token_sample


def test_snapshots_begin_with_the_untrained_encoder(make_job):
    job = make_job(epochs=4, snapshots=3)
    untrained = job.embed(job.build(), snapshot_rows(job.split, job.dataset.labels))
    fit(job)
    kept = stored_snapshots(job.folder)
    vectors, epochs = kept["snapshots"], kept["snapshot_epochs"]
    assert epochs.tolist() == [0, 2]  # the last of the three is cut out of the final embeddings
    assert vectors.shape == (2, len(job.split.support) + len(job.split.test), 32)
    assert vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors[0], untrained.astype(np.float16))
    assert not np.array_equal(vectors[0], vectors[1])


def test_snapshot_rows_are_a_stratified_sample(make_job):
    job = make_job()
    rows = snapshot_rows(job.split, job.dataset.labels, support=9, test=9)
    assert len(set(rows.tolist())) == len(rows) == 18
    support, test = rows[:9], rows[9:]
    assert set(support) <= set(job.split.support)
    assert set(test) <= set(job.split.test)
    assert np.bincount(job.dataset.labels[test]).tolist() == [3, 3, 3]
    np.testing.assert_array_equal(rows, snapshot_rows(job.split, job.dataset.labels, support=9, test=9))


def test_no_snapshots_when_none_are_wanted(make_job):
    job = make_job(loss="g_loss", epochs=2, snapshots=0)
    fit(job)
    assert not stored_snapshots(job.folder)
    assert not stored_batches(job.folder)


@pytest.mark.parametrize("loss", ["soft_triple", "proxy_nca"])
def test_centres_are_kept_beside_the_texts(make_job, loss):
    job = make_job(loss=loss, epochs=4, snapshots=3, center_lr=0.1)
    first = job.build().metric.centers().detach().numpy()
    model = fit(job)
    centers = stored_snapshots(job.folder)["center_snapshots"]
    np.testing.assert_array_equal(centers[0], first)
    assert centers.shape == (2, *first.shape)
    last = model.metric.centers().detach().numpy()
    assert np.linalg.norm(last - centers[0]) > np.linalg.norm(centers[1] - centers[0]) > 0


def test_a_recorded_batch_gives_the_loss_of_its_step(make_job, tiny_dataset):
    rows = []
    job = make_job(loss="g_loss", epochs=4, snapshots=3)
    fit(job, Reporter(event=rows.append))
    kept = stored_batches(job.folder)
    assert kept["graph_epochs"].tolist() == [2, 4]
    steps = {row["epoch"]: row["metric"] for row in rows if row["kind"] == "step"}
    fields = (kept[f"graph_{name}"] for name in ("rows", "visible", "vectors", "sigma", "epochs"))
    for batch, visible, vectors, sigma, epoch in zip(*fields, strict=True):
        assert set(batch) <= set(job.split.support)
        loss_fn = build_loss("g_loss", num_classes=3, dim=32, sigma_rule="fixed", sigma=float(sigma))
        loss_fn.draw_mask = lambda count, shown=visible: torch.from_numpy(shown)
        pooled = torch.from_numpy(vectors.astype(np.float32))
        again = loss_fn(Encoded(pooled, pooled[:, None], torch.ones(len(pooled), 1)), torch.from_numpy(tiny_dataset.labels[batch]))
        assert float(again) == pytest.approx(steps[epoch], rel=2e-3)  # the vectors are kept in half precision


def test_batches_of_unequal_length_are_padded(make_job):
    job = make_job(loss="g_loss", epochs=2, snapshots=2, batch_size=5)  # 12 texts: the last batch has two
    fit(job)
    kept = stored_batches(job.folder)
    assert kept["graph_rows"].shape[1] == kept["graph_vectors"].shape[1] == kept["graph_visible"].shape[1]
    assert not kept["graph_visible"][kept["graph_rows"] < 0].any()


def test_tokens_are_those_of_their_texts(make_job):
    job = make_job(loss="soft_triple", loss_settings={"vectors": "masked_tokens"}, epochs=1)
    model = fit(job)
    rows = job.split.test[:5]
    kept = token_sample(model, *job.texts(rows), rows)
    tokenizer = model.encoder.tokenizer
    model.encoder.eval()
    for row in rows:
        text = job.dataset.texts[row]
        ids = tokenizer(text, truncation=True, max_length=16, return_tensors="pt")
        own = kept["token_rows"] == row
        assert kept["token_words"][own].tolist() == tokenizer.convert_ids_to_tokens(ids["input_ids"][0])
        with torch.inference_mode():
            wanted = model.encoder(dict(ids)).tokens[0].numpy()
        np.testing.assert_allclose(kept["token_vectors"][own], wanted, atol=2e-3)


def test_a_batch_of_one_text_has_no_graph(make_job):
    job = make_job(loss="g_loss", epochs=2, snapshots=2, batch_size=11, batches="shuffled")  # 12 texts: the last batch has one
    fit(job)
    assert not stored_batches(job.folder)
