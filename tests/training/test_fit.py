"""The training loop: it learns, it repeats, and a resumed run is the undisturbed one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.utils.class_weight import compute_class_weight

import dmlviz.training.fit as fit_module
from dmlviz.core.types import InputError
from dmlviz.losses import LOSSES
from dmlviz.training.embed import Cancelled
from dmlviz.training.fit import History, Reporter, balanced_weights, fit, last_checkpoint
from dmlviz.training.model import FineTuneModel
from dmlviz.training.readouts import macro_silhouette, quality
from dmlviz.training.snapshots import stored_snapshots

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
    own = [name for name, _ in model.metric.named_parameters()] if model.metric is not None else []
    assert {f"metric.{name}" for name in own} <= set(moved("metric"))
    if LOSSES[loss].has_centers:
        assert own
        assert model.metric.centers().shape[::2] == (3, 32)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_in_the_optimiser_and_in_the_checkpoint(make_job, loss):
    job = make_job(loss=loss, center_lr=0.5, lr=1e-3, schedule="constant", warmup_share=0)
    with pytest.raises(Cancelled):
        fit(job, Reporter(**stop_at(2)))
    folder = Path(last_checkpoint(job.folder))
    groups = torch.load(folder / "optimizer.pt", weights_only=True)["param_groups"]
    model = job.build()
    own = list(model.metric.parameters()) if model.metric is not None else []
    assert sum(len(group["params"]) for group in groups if group["lr"] == 0.5) == len(own)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    kept = load_file(folder / "model.safetensors")
    assert {f"metric.{name}" for name in (model.metric.state_dict() if model.metric is not None else ())} <= set(kept)
    assert {"head.weight", "head.bias"} <= set(kept)


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
    kept, before = stored_snapshots(job.folder), stored_snapshots(make_job("undisturbed").folder)
    np.testing.assert_array_equal(kept["snapshot_epochs"], [0, 1, 2, 3])
    assert set(kept) == set(before)
    for name, array in kept.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_goes_on_as_if_nothing_had_been(make_job, loss):
    settings = {"loss": loss, "epochs": 3, "snapshots": 0, "checkpoint_seconds": 60, "class_weights": "balanced"}
    undisturbed, wanted = train(make_job("undisturbed", **settings))
    rows = []
    with pytest.raises(Cancelled):
        fit(make_job("disturbed", **settings), Reporter(event=rows.append, **stop_at(4)))
    model = fit(make_job("disturbed", **settings), Reporter(event=rows.append))
    assert_same_rows(by_step(rows), wanted)
    for name, value in undisturbed.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=TOLERANCE, rtol=0)


# 24 texts in batches of 4, accumulated: three steps an epoch, as above
@pytest.mark.parametrize("stop", [1, 6, 7], ids=["first step", "end of an epoch", "mid-epoch"])
@pytest.mark.parametrize("fields", [{"loss": "supcon"}, {"loss": "soft_triple", "batches": "balanced", "accumulation": 2, "shots": 8}])
def test_a_resumed_run_with_balanced_batches_is_the_undisturbed_one(make_job, fields, stop):
    settings = {**fields, "snapshots": 0}
    undisturbed, wanted = train(make_job("undisturbed", **settings))
    assert max(step for _, step in wanted) == 12
    job, rows = make_job("disturbed", **settings), []
    with pytest.raises(Cancelled):
        fit(job, Reporter(event=rows.append, **stop_at(stop)))
    model = fit(make_job("disturbed", **settings), Reporter(event=rows.append))
    assert_same_rows(by_step(rows), wanted)
    everything = job.split.row_ids
    np.testing.assert_allclose(job.embed(model, everything), job.embed(undisturbed, everything), atol=TOLERANCE)


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


# as large as a config may have them: every step makes the weights a million times larger
BLOWN_UP = {"lr": 1000, "weight_decay": 1000, "max_grad_norm": 1e9, "warmup_share": 0, "schedule": "constant", "snapshots": 0}


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize(("loss", "scaled"), [("cross_entropy", False), ("triple_entropy", True)])
def test_a_loss_that_is_no_number_ends_the_run_in_a_sentence(make_job, loss, scaled, accumulation):
    job = make_job(**BLOWN_UP, loss=loss, accumulation=accumulation, batch_size=2, validation=0, epochs=10)
    with pytest.raises(
        InputError, match=rf"term of {loss} was no longer a number at step \d+; lower lr \(now 1000\){' or its scale' if scaled else ''}$"
    ):
        fit(job)


VECTORS = r"^the encoder's vectors were no longer numbers after epoch 1; lower lr \(now 1000\)$"


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": "cross_entropy"},
        {"loss": "cross_entropy", "monitor": "silhouette"},
        {"loss": "cross_entropy", "readout": "linear_probe"},
        {"loss": "triplet"},
    ],
    ids=lambda fields: "-".join(fields.values()),
)
def test_vectors_that_are_no_numbers_end_the_run_at_its_epochs_end(make_job, brittle_encoder, fields):
    # one step an epoch: its loss is a number, and what it makes of the weights is seen by the validation first
    with pytest.raises(InputError, match=VECTORS):
        fit(make_job(**{**BLOWN_UP, "encoder": brittle_encoder, "batch_size": 12, "epochs": 3, **fields}))


def test_a_snapshot_of_vectors_that_are_no_numbers_is_not_kept(make_job, brittle_encoder):
    job = make_job(**{**BLOWN_UP, "encoder": brittle_encoder, "batch_size": 12, "epochs": 2, "snapshots": 3, "validation": 0})
    with pytest.raises(InputError, match=VECTORS):
        fit(job)
    assert stored_snapshots(job.folder)["snapshot_epochs"].tolist() == [0]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_watchdog_looks_at_every_step_on_a_cpu_and_at_epoch_ends_on_a_gpu(make_job, monkeypatch, device):
    """A term of the third of 1,200 steps is no number; a row is written every third step, an epoch has four."""
    job = make_job(shots=4, batch_size=3, epochs=300, validation=0, snapshots=0, checkpoint_seconds=3600)
    monkeypatch.setattr("dmlviz.training.fit._arguments", lambda job, usual=fit_module._arguments: replace(usual(job), logging_steps=1000))
    steps, forward = [], FineTuneModel.forward

    def broken(self, *args, **kwargs):
        found = forward(self, *args, **kwargs)
        steps.append(1)
        if len(steps) == 3:
            self.parts["ce"] = self.parts["ce"] * torch.nan
        return found

    monkeypatch.setattr(FineTuneModel, "forward", broken)
    if device == "cuda":  # the tensors stay where they are; only what is asked of the device's name differs
        monkeypatch.setattr(History, "on_substep_end", on_a_gpu(History.on_substep_end))
    with pytest.raises(InputError, match=rf"^the ce term of cross_entropy was no longer a number at step {3 if device == 'cpu' else 4}; lower lr"):
        fit(job)


def on_a_gpu(method):
    """The method as it runs where the job's device is a GPU."""

    def run(self, *args, **kwargs):
        own = self.job
        self.job = SimpleNamespace(device=SimpleNamespace(type="cuda"))
        try:
            return method(self, *args, **kwargs)
        finally:
            self.job = own

    return run


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


# ---- batches


def batches_seen(job, monkeypatch) -> list[list[int]]:
    """The labels of every batch, in the order they were trained."""
    seen = []
    forward = FineTuneModel.forward

    def look(self, labels, **batch):
        seen.append(labels.tolist())
        return forward(self, labels, **batch)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuneModel, "forward", look)
        fit(job)
    return seen


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_that_compare_pairs_get_pairs(make_job, loss, monkeypatch):
    seen = batches_seen(make_job(loss=loss, epochs=3, validation=0, snapshots=0), monkeypatch)
    assert len(seen) == 9
    lonely = [labels for labels in seen if any(labels.count(one) == 1 for one in labels)]
    assert bool(lonely) != LOSSES[loss].needs_pairs


def test_batches_differ_between_epochs_and_seeds(make_job, monkeypatch):
    settings = {"loss": "supcon", "epochs": 2, "validation": 0, "snapshots": 0}
    first, again, other = (batches_seen(make_job(f"{i}", seed=seed, **settings), monkeypatch) for i, seed in enumerate((0, 0, 1)))
    assert first == again != other
    assert first[:3] != first[3:]


@pytest.mark.parametrize("loss", ["cross_entropy", "soft_triple"])
def test_two_accumulated_halves_are_the_whole_batch(make_job, calm_encoder, loss):
    settings = {"loss": loss, "encoder": calm_encoder, "epochs": 2, "snapshots": 0, "weight_decay": 0}
    whole, wanted = train(make_job("whole", batch_size=4, **settings))
    halves, found = train(make_job("halves", batch_size=2, accumulation=2, **settings))
    assert_same_rows(found, wanted, tolerance=1e-5)
    start = make_job("start", **settings).build().state_dict()
    for name, value in whole.state_dict().items():
        if name.endswith("attention.self.key.bias"):  # softmax does not see it: its gradient is rounding, which Adam makes large
            continue
        torch.testing.assert_close(halves.state_dict()[name], value, atol=1e-5, rtol=0)
    assert any((whole.state_dict()[name] - value).abs().max() > 1e-3 for name, value in start.items())


# ---- weights, passes, schedules


def test_balanced_weights_by_hand():
    labels = np.array([0, 0, 0, 0, 0, 1, 3, 3])
    np.testing.assert_allclose(balanced_weights(labels, 5), [8 / 15, 8 / 3, 1, 8 / 6, 1], rtol=1e-6)
    found = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    np.testing.assert_allclose(balanced_weights(labels, 5)[[0, 1, 3]], found, rtol=1e-6)


def test_class_weights_reach_cross_entropy_and_g_loss(make_job):
    job = make_job(loss="g_loss", shots=9, shots_by="total", support_seed=3, class_weights="balanced", ce_weight=0.5)
    model = job.build().eval()
    wanted = torch.from_numpy(balanced_weights(job.dataset.labels[job.split.support], 3))
    assert len(set(wanted.tolist())) > 1, "the draw happens to be balanced; the test shows nothing"
    assert torch.equal(model.metric.class_weights, wanted)
    assert not [name for name in model.state_dict() if "class_weights" in name]  # drawn from the support again, never loaded
    rows = job.split.support
    batch, labels = model.encoder.pad(model.encoder.token_ids(*job.texts(rows))), torch.from_numpy(job.dataset.labels[rows])
    with torch.no_grad():
        each = torch.nn.functional.cross_entropy(model(labels, **batch)["logits"], labels, reduction="none")
    slow = sum(float(wanted[y] * one) for y, one in zip(labels, each, strict=True)) / sum(float(wanted[y]) for y in labels)
    assert float(model.parts["ce"]) == pytest.approx(slow, abs=1e-6)
    assert make_job().build().class_weights is None


def test_a_second_pass_has_a_dropout_mask_of_its_own(make_job):
    texts = slice(0, 8)

    def parts(second: bool, train_mode: bool) -> tuple[float, float, int]:
        job = make_job(loss="supcon", ce_weight=0.5, loss_settings={"second_forward": second}, shots=8)
        model, rows = job.build().train(train_mode), job.split.support[texts]
        passes = []
        model.encoder.register_forward_hook(lambda *_: passes.append(1))
        torch.manual_seed(0)
        model(torch.from_numpy(job.dataset.labels[rows]), **model.encoder.pad(model.encoder.token_ids(*job.texts(rows))))
        return float(model.parts["ce"]), float(model.parts["metric"]), len(passes)

    one, two = parts(False, True), parts(True, True)
    assert (one[2], two[2]) == (1, 2)
    assert one[0] == two[0]
    assert one[1] != two[1]
    assert parts(True, False) == parts(False, False)


def test_the_step_schedule_is_the_authors_multi_step_lr(make_job):
    _, rows = train(make_job(schedule="step", step_epoch=2, warmup_share=0, epochs=4, center_lr=1e-2, loss="soft_triple", validation=0))
    lrs = [row["lr"] for (kind, _), row in rows.items() if kind == "step"]
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    reference, wanted = torch.optim.lr_scheduler.MultiStepLR(optimiser, milestones=[2]), []
    for _ in range(4):
        wanted += 3 * reference.get_last_lr()
        optimiser.step()
        reference.step()
    assert lrs == pytest.approx(wanted)
    _, rows = train(make_job("warm", schedule="step", step_epoch=2, warmup_share=0.25, epochs=4, validation=0, snapshots=0))
    assert [row["lr"] for (kind, _), row in rows.items() if kind == "step"][:4] == pytest.approx([0, 1e-3 / 3, 2e-3 / 3, 1e-3])


@pytest.mark.parametrize(
    ("schedule", "share"),
    [("linear", lambda t: 1 - t), ("cosine", lambda t: (1 + math.cos(math.pi * t)) / 2), ("constant", lambda t: 1.0)],
)
def test_schedules_by_hand(make_job, schedule, share):
    """Twelve steps, the first three of them warming up."""
    _, rows = train(make_job(schedule=schedule, warmup_share=0.25, epochs=4, validation=0, snapshots=0))
    lrs = [row["lr"] for (kind, _), row in rows.items() if kind == "step"]
    assert lrs == pytest.approx([1e-3 * step / 3 for step in range(3)] + [1e-3 * share(step / 9) for step in range(9)])


@pytest.mark.parametrize(("weight_decay", "max_grad_norm"), [(0.0, 1e9), (0.5, 1e9), (0.0, 1e-7)])
def test_one_step_is_that_of_adamw(make_job, calm_encoder, weight_decay, max_grad_norm):
    """By hand: gradients shortened to `max_grad_norm` together, w <- w - lr (g / (|g| + 1e-8) + decay w), biases without decay."""
    plain = {"schedule": "constant", "warmup_share": 0, "validation": 0, "snapshots": 0, "encoder": calm_encoder, "batch_size": 12, "epochs": 1}
    job = make_job(loss="proxy_nca", ce_weight=0.5, lr=0.01, weight_decay=weight_decay, max_grad_norm=max_grad_norm, **plain)
    start, rows = job.build().train(), job.split.support
    start(torch.from_numpy(job.dataset.labels[rows]), **start.encoder.pad(start.encoder.token_ids(*job.texts(rows))))["loss"].backward()
    gradients = {name: p.grad for name, p in start.named_parameters() if p.grad is not None}
    norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values()))
    found = dict(fit(job).named_parameters())
    for name in ("head.weight", "head.bias", "metric.weight"):
        own = gradients[name] * min(1, max_grad_norm / norm)
        decay = 0 if name.endswith("bias") else weight_decay
        with torch.no_grad():
            before = dict(start.named_parameters())[name]
            wanted = before - 0.01 * (own / (own.abs() + 1e-8) + decay * before)
        clear = gradients[name].abs() > 1e-4 * gradients[name].abs().max()  # beside these, rounding decides the sign
        torch.testing.assert_close(found[name][clear], wanted[clear], atol=2e-6, rtol=0)
        assert clear.float().mean() > 0.9
        assert (found[name] - before).abs().max() > 1e-4


@pytest.mark.parametrize("settings", [{}, {"median_of": "squared_distance", "median_diagonal": True}])
def test_g_loss_takes_its_width_from_the_untrained_support_not_from_a_batch(make_job, settings):
    job = make_job(loss="g_loss", loss_settings={"sigma_rule": "sqrt_median", **settings}, epochs=1, snapshots=0, validation=0)
    vectors = job.embed(job.build(), job.split.support).astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(units) for j, b in enumerate(units) if i != j or settings]
    median = sorted(gap**2 if settings else gap for gap in gaps)[(len(gaps) - 1) // 2]
    assert float(fit(job).metric.sigma) == pytest.approx(math.sqrt(median / 3), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_objective_is_computed_in_float32_whatever_the_encoder_runs_in(make_job, loss):
    job = make_job(loss=loss, ce_weight=1.0 if LOSSES[loss].loss_class is None else 0.5, shots=8)
    model, rows = job.build().eval(), job.split.support[:8]
    batch, labels, seen = model.encoder.pad(model.encoder.token_ids(*job.texts(rows))), torch.from_numpy(job.dataset.labels[rows]), []
    for part in (model.head, *([model.metric] if model.metric is not None else [])):
        part.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    pooled = []
    model.encoder.register_forward_hook(lambda _, __, found: pooled.append(found.pooled))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = model(labels, **batch)["logits"]
        inside = torch.is_autocast_enabled("cpu")
    assert inside
    assert seen == [False] * len(seen) != []
    torch.testing.assert_close(logits, pooled[0].float() @ model.head.weight.T + model.head.bias, atol=1e-5, rtol=0)
    assert {value.dtype for value in model.parts.values()} == {torch.float32}


# ---- validation

TOO_FAST = {"lr": 0.02, "schedule": "constant", "warmup_share": 0, "validation": 18, "shots": 2}  # accuracy goes up and down


@pytest.mark.parametrize("monitor", ["accuracy", "macro_f1", "silhouette"])
def test_patience_ends_the_run_and_the_best_epoch_is_tested(make_job, monitor):
    settings = {**TOO_FAST, "monitor": monitor, "selection": "best_validation", "epochs": 40, "snapshots": 0, "checkpoint_seconds": 60}
    job = make_job(patience=3, **settings)
    model, rows = train(job)
    values = [row[monitor] for (kind, _), row in rows.items() if kind == "validation"]
    best = int(np.argmax(values))
    assert len(values) == best + 1 + 3 < 40
    assert all(("silhouette" in row) == (monitor == "silhouette") for (kind, _), row in rows.items() if kind == "validation")
    assert json.loads((job.folder / "best.json").read_text()) == {monitor: values[best], "epoch": best + 1}
    vectors = job.embed(model, job.split.validation)
    labels = job.dataset.labels[job.split.validation]
    scores = model.head(torch.from_numpy(vectors)).detach().numpy()
    found = {**quality(scores, labels), "silhouette": macro_silhouette(vectors, labels)}[monitor]
    assert found == pytest.approx(values[best], abs=1e-6)


def test_patience_survives_a_resume(make_job):
    settings = {**TOO_FAST, "patience": 3, "epochs": 40, "snapshots": 0}
    undisturbed, wanted = train(make_job("undisturbed", **settings))
    last = max(step for _, step in wanted)
    for stop in (1, last - 1, last):
        job, rows = make_job(f"stopped-{stop}", **settings), []
        reporter = Reporter(event=rows.append, **stop_at(stop))
        if stop < last:
            with pytest.raises(Cancelled):
                fit(job, reporter)
        else:
            fit(job, reporter)  # out of patience just then: the training is done
        model = fit(job, Reporter(event=rows.append))
        assert_same_rows(by_step(rows), wanted)
        assert torch.equal(model.head.weight, undisturbed.head.weight)


def test_a_silhouette_that_does_not_exist_is_said_before_training(make_job):
    with pytest.raises(InputError, match=r"^monitor silhouette needs validation texts of two classes.* the 1 drawn are not enough, so raise"):
        make_job(monitor="silhouette", validation=1)


def test_a_fold_is_tested(make_job, tiny_dataset):
    jobs = [make_job(str(fold), folds=3, fold=fold, validation=0) for fold in range(3)]
    assert sorted(row for job in jobs for row in job.split.test) == list(range(len(tiny_dataset.texts)))
