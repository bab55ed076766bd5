"""The training loop: it learns, it repeats, and a resumed run is the undisturbed one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dmlviz.losses import LOSSES
from dmlviz.records import InputError
from dmlviz.training.embed import Cancelled
from dmlviz.training.fit import Reporter, fit, last_checkpoint, snapshot_rows, stored_snapshots

TOLERANCE = 1e-6


def train(job):
    """(model, rows by kind and step)."""
    rows = []
    model = fit(job, Reporter(event=rows.append))
    return model, by_step(rows)


def by_step(rows) -> dict:
    """A repeated step keeps the later row, as the store reads them."""
    return {(row["kind"], row["step"]): {k: v for k, v in row.items() if k not in ("kind", "step")} for row in rows}


def stop_at(steps: int):
    """A wish to cancel that is there from this step on."""
    seen = {"step": 0}

    def progress(phase, done, total):
        seen["step"] = done

    return {"progress": progress, "cancelled": lambda: seen["step"] >= steps}


def assert_same_rows(found: dict, wanted: dict, tolerance: float = TOLERANCE) -> None:
    assert sorted(found) == sorted(wanted)
    for key, row in wanted.items():
        assert sorted(found[key]) == sorted(row), key
        for name, value in row.items():
            assert found[key][name] == pytest.approx(value, abs=tolerance), (key, name)


@pytest.mark.parametrize("loss", LOSSES)
def test_eight_texts_are_learnt_by_heart(make_job, loss, tiny_dataset):
    half = {} if LOSSES[loss].loss_class is None else {"ce_weight": 0.5}
    job = make_job(loss=loss, shots=8, shots_by="total", validation=0, batch_size=8, epochs=100, lr=3e-3, snapshots=0, checkpoint_seconds=60, **half)
    model, rows = train(job)
    texts = job.split.support
    assert len(texts) == 8
    vectors = torch.from_numpy(job.embed(model, texts))
    wanted = tiny_dataset.labels[texts].tolist()
    assert model.head(vectors).argmax(dim=1).tolist() == wanted
    losses = [row["ce"] for (kind, _), row in rows.items() if kind == "step"]
    assert losses[-1] < 0.2 < losses[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_parameter_that_should_move_moves(make_job, loss):
    job = make_job(loss=loss, epochs=2)
    before = {name: value.clone() for name, value in job.build().state_dict().items()}
    model, _ = train(job)
    after = model.state_dict()

    def moved(start: str) -> list[str]:
        return [name for name in before if name.startswith(start) and before[name].is_floating_point() and not torch.equal(before[name], after[name])]

    assert moved("encoder.model.encoder.layer.0")
    assert moved("encoder.model.encoder.layer.1")
    assert moved("encoder.model.embeddings")
    assert moved("head") or not model.has_head
    if LOSSES[loss].has_centers:
        own = [name for name, _ in model.metric.named_parameters()]
        assert own
        assert {f"metric.{name}" for name in own} <= set(moved("metric"))
        assert model.metric.centers().shape[::2] == (3, 32)


def test_centres_have_their_own_learning_rate(make_job):
    slow, _ = train(make_job("slow", loss="soft_triple", epochs=1, center_lr=1e-12, weight_decay=0))
    fast, _ = train(make_job("fast", loss="soft_triple", epochs=1, center_lr=1e-2, weight_decay=0))
    start = make_job("start", loss="soft_triple").build().metric.centers()
    assert torch.allclose(slow.metric.centers(), start, atol=1e-7)
    assert (fast.metric.centers() - start).abs().max() > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_same_seed_same_run_and_another_seed_another(make_job, loss):
    first, first_rows = train(make_job("a", loss=loss, epochs=2))
    again, again_rows = train(make_job("b", loss=loss, epochs=2))
    other, other_rows = train(make_job("c", loss=loss, epochs=2, seed=1))
    assert first_rows == again_rows
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    assert first_rows != other_rows
    assert not torch.equal(first.head.weight, other.head.weight)


# 12 texts in batches of 4: three steps an epoch. Step 7 is in the middle of the third epoch, step 6 at the end of the second
@pytest.mark.parametrize("stop", [1, 6, 7], ids=["first step", "end of an epoch", "mid-epoch"])
@pytest.mark.parametrize("loss", ["triple_entropy", "g_loss"])
def test_a_resumed_run_is_the_undisturbed_one(make_job, loss, stop):
    settings = {"loss": loss, "selection": "best_validation", "snapshots": 5}
    undisturbed, wanted = train(make_job("undisturbed", **settings))
    job, rows = make_job("disturbed", **settings), []
    with pytest.raises(Cancelled):
        fit(job, Reporter(event=rows.append, **stop_at(stop)))
    assert json.loads((Path(last_checkpoint(job.folder)) / "trainer_state.json").read_text())["global_step"] == stop
    model = fit(make_job("disturbed", **settings), Reporter(event=rows.append))
    assert_same_rows(by_step(rows), wanted)
    everything = job.split.row_ids
    np.testing.assert_allclose(job.embed(model, everything), job.embed(undisturbed, everything), atol=TOLERANCE)
    np.testing.assert_array_equal(stored_snapshots(job.folder)[1], [0, 1, 2, 3])
    np.testing.assert_array_equal(stored_snapshots(job.folder)[0], stored_snapshots(make_job("undisturbed").folder)[0])


def test_a_row_that_covers_several_steps_survives_a_resume(make_job):
    # 900 steps are logged two by two; step 301 is the first of a pair
    settings = {"shots": 6, "shots_by": "total", "batch_size": 2, "epochs": 300, "snapshots": 0, "checkpoint_seconds": 60, "validation": 0}
    _, wanted = train(make_job("undisturbed", **settings))
    rows = []
    with pytest.raises(Cancelled):
        fit(make_job("disturbed", **settings), Reporter(event=rows.append, **stop_at(301)))
    assert ("step", 302) in wanted
    assert max(row["step"] for row in rows) == 300
    fit(make_job("disturbed", **settings), Reporter(event=rows.append))
    assert_same_rows(by_step(rows), wanted)


def test_half_a_checkpoint_is_passed_over(make_job):
    job = make_job(epochs=3)
    with pytest.raises(Cancelled):
        fit(job, Reporter(**stop_at(4)))
    whole = last_checkpoint(job.folder)
    (job.folder / "checkpoint-8").mkdir()
    (job.folder / "checkpoint-9").mkdir()
    (job.folder / "checkpoint-9" / "trainer_state.json").write_text('{"global_step": 9, "ep')
    assert last_checkpoint(job.folder) == whole
    _, rows = train(job)
    assert min(step for kind, step in rows if kind == "step") == 5


@pytest.mark.parametrize("loss", ["cross_entropy", "triple_entropy"])
def test_a_loss_that_is_no_number_ends_the_run_in_a_sentence(make_job, loss):
    job = make_job(loss=loss, lr=1e30, max_grad_norm=1e30, warmup_share=0, schedule="constant", validation=0, epochs=10)
    with pytest.raises(
        InputError, match=rf"term of {loss} was no longer a number at step \d+; lower lr \(now 1e\+30\) or the loss's scale, and train"
    ):
        fit(job)


def test_the_steps_after_the_last_row_have_a_row_of_their_own(make_job):
    # 801 steps: a row is written every second one, so the last step falls behind the last row
    job = make_job(shots=3, shots_by="total", batch_size=1, epochs=267, validation=0, snapshots=0, checkpoint_seconds=3600)
    _, rows = train(job)
    steps = [step for kind, step in rows if kind == "step"]
    assert steps == [*range(2, 801, 2), 801]
    assert np.isfinite(rows["step", 801]["loss"])


def test_best_validation_gives_back_the_best_epoch(make_job):
    # the learning rate is far too high on purpose: accuracy goes up and down
    job = make_job(selection="best_validation", epochs=6, lr=0.02, schedule="constant", warmup_share=0, validation=18, shots=2)
    model, rows = train(job)
    seen = {round(row["epoch"]): row["accuracy"] for (kind, _), row in rows.items() if kind == "validation"}
    best = json.loads((job.folder / "best.json").read_text())
    assert sorted(seen) == [1, 2, 3, 4, 5, 6]
    assert best == {"accuracy": max(seen.values()), "epoch": min(epoch for epoch, value in seen.items() if value == max(seen.values()))}
    assert best["epoch"] < 6, "the last epoch happens to be the best; the test shows nothing"
    logits = model.head(torch.from_numpy(job.embed(model, job.split.validation)))
    accuracy = (logits.argmax(dim=1).numpy() == job.dataset.labels[job.split.validation]).mean()
    assert accuracy == pytest.approx(best["accuracy"])
    last, _ = train(make_job("last", **{**job.config.model_dump(), "selection": "last"}))
    assert not torch.equal(last.head.weight, model.head.weight)


def test_snapshots_begin_with_the_untrained_encoder(make_job):
    job = make_job(epochs=4, snapshots=3)
    untrained = job.embed(job.build(), snapshot_rows(job.split, job.dataset.labels))
    train(job)
    vectors, epochs = stored_snapshots(job.folder)
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
    job = make_job(epochs=2, snapshots=0)
    train(job)
    assert stored_snapshots(job.folder) is None


@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_stays_finite(make_job, loss):
    job = make_job(loss=loss, precision="bf16", epochs=3)
    model, rows = train(job)
    steps = [row for (kind, _), row in rows.items() if kind == "step"]
    assert np.isfinite([value for row in steps for name, value in row.items() if name in ("loss", "ce", "metric")]).all()
    vectors = job.embed(model, job.split.row_ids)
    assert np.isfinite(vectors).all()
    assert vectors.std() > 0
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_a_device_that_is_missing_is_a_sentence(make_job):
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(InputError, match=f"^device '{missing}' is not available here; available: .*cpu. Use 'auto'$"):
        make_job(device=missing)
