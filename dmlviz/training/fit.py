"""The training loop: transformers' Trainer over FineTuneModel, with its history, snapshots and checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import ExportableState

from dmlviz.encoder import load_encoder, pick_device, pick_precision
from dmlviz.records import InputError, RunConfig, Split, TextDataset
from dmlviz.store_files import atomic_json
from dmlviz.training.cost import default_lr
from dmlviz.training.embed import Cancelled, embed
from dmlviz.training.model import FineTuneModel
from dmlviz.training.readouts import can_read_out, metrics_of, readout_scores


@dataclass
class Reporter:
    """How the loop speaks to whoever runs it. Every field is a function; the defaults keep silent."""

    event: Callable[[Mapping[str, Any]], None] = lambda row: None
    progress: Callable[[str, int, int], None] = lambda phase, done, total: None
    cancelled: Callable[[], bool] = lambda: False


@dataclass
class Job:
    """One run's ingredients: what is trained on what, on which machine part, with checkpoints where."""

    config: RunConfig
    dataset: TextDataset
    split: Split
    folder: Path  # checkpoints and snapshots
    device: torch.device
    precision: torch.dtype

    @classmethod
    def prepare(cls, config: RunConfig, dataset: TextDataset, split: Split, folder: Path) -> Job:
        device = pick_device(config.device)
        if config.lr is None:
            config = config.model_copy(update={"lr": default_lr(config.encoder)})
        return cls(config, dataset, split, folder, device, pick_precision(config.precision, device))

    def texts(self, rows: Sequence[int]) -> tuple[list[str], list[str] | None]:
        pairs = [self.dataset.text_pairs[i] for i in rows] if self.dataset.text_pairs is not None else None
        return [self.dataset.texts[i] for i in rows], pairs

    def build(self) -> FineTuneModel:
        """A fresh model. Seeds everything first, so the head is the same whatever was built before."""
        set_seed(self.config.seed)
        encoder = load_encoder(self.config.encoder, pooling=self.config.pooling, max_length=self.config.max_length)
        return FineTuneModel(encoder, self.config, len(self.dataset.label_names)).to(self.device)

    def embed(self, model: FineTuneModel, rows: Sequence[int], on_batch: Callable[[int], None] = lambda done: None) -> np.ndarray:
        return embed(model.encoder, *self.texts(rows), precision=self.precision, on_batch=on_batch)


def fit(job: Job, reporter: Reporter | None = None) -> FineTuneModel:
    """Train and return the model whose weights are to be tested. Continues from the last whole checkpoint in the job's folder.

    Raises Cancelled (after a checkpoint) when the reporter says so, InputError when the loss stops being a number.
    """
    reporter = reporter or Reporter()
    job.folder.mkdir(parents=True, exist_ok=True)
    model = job.build()
    history = History(job, model, reporter)
    history.before_training()
    trainer = _RunTrainer(
        model=model,
        args=_arguments(job),
        train_dataset=_rows(job, model),
        data_collator=lambda rows: {**model.encoder.pad([r["ids"] for r in rows]), "labels": torch.tensor([r["label"] for r in rows])},
        callbacks=[history],
    )
    trainer.center_lr = job.config.center_lr or job.config.lr
    trainer.train(resume_from_checkpoint=last_checkpoint(job.folder))
    if history.stopped:
        raise Cancelled
    if job.config.selection == "best_validation" and (job.folder / "best.safetensors").is_file():
        model.load_state_dict(load_file(job.folder / "best.safetensors"))
    return model


def _rows(job: Job, model: FineTuneModel) -> list[dict[str, Any]]:
    ids = model.encoder.token_ids(*job.texts(job.split.support))
    return [{"ids": one, "label": int(job.dataset.labels[row])} for one, row in zip(ids, job.split.support, strict=True)]


def _arguments(job: Job) -> TrainingArguments:
    config = job.config
    steps = math.ceil(len(job.split.support) / config.batch_size) * config.epochs
    return TrainingArguments(
        output_dir=str(job.folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(config.schedule, config.schedule),
        warmup_steps=math.ceil(config.warmup_share * steps),
        max_grad_norm=config.max_grad_norm,
        bf16=job.precision == torch.bfloat16,
        use_cpu=job.device.type == "cpu",
        seed=config.seed,
        logging_steps=max(1, steps // 400),  # a curve has at most about 400 points
        logging_nan_inf_filter=False,  # the watchdog wants to see them
        save_strategy="no",  # History asks for checkpoints, by time
        save_total_limit=1,
        eval_strategy="no",
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=job.device.type == "cuda",
    )


class _RunTrainer(Trainer):
    """The Trainer with a learning rate of their own for the loss's centres."""

    center_lr: float

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            super().create_optimizer(model)
            own = {id(p) for p in (self.model.metric.parameters() if self.model.metric is not None else ())}
            for group in list(self.optimizer.param_groups):
                theirs = [p for p in group["params"] if id(p) in own]
                if theirs:
                    group["params"] = [p for p in group["params"] if id(p) not in own]
                    self.optimizer.add_param_group({**group, "params": theirs, "lr": self.center_lr})
        return self.optimizer


class History(TrainerCallback, ExportableState):
    """Writes the history, looks at validation, keeps snapshots and decides when a checkpoint is due."""

    def __init__(self, job: Job, model: FineTuneModel, reporter: Reporter) -> None:
        self.job, self.model, self.reporter = job, model, reporter
        self.sums: dict[str, torch.Tensor] = {}
        self.count = 0
        self.saved = time.monotonic()
        self.stopped = False
        self.snapshot_rows = snapshot_rows(job.split, job.dataset.labels)
        wanted = np.linspace(0, job.config.epochs, max(2, job.config.snapshots)).round().astype(int).tolist()
        self.snapshot_epochs = set(wanted) - {job.config.epochs}  # the last one is cut out of the final embeddings

    def before_training(self) -> None:
        """The untrained encoder's snapshot, and what the loss wants to know of it. A resumed run has both in its checkpoint."""
        if self.model.metric is not None and last_checkpoint(self.job.folder) is None:
            self.model.metric.prepare(torch.from_numpy(self.job.embed(self.model, self.job.split.support)).to(self.job.device))
        if not (self.job.folder / "snapshot-0.npy").is_file():
            self._snapshot(0)

    def state(self) -> dict:
        """What a checkpoint keeps of this: the terms summed since the last row, so that the row after a resume covers all its steps."""
        return {"args": {}, "attributes": {"sums": {name: float(value) for name, value in self.sums.items()}, "count": self.count}}

    def on_train_begin(self, args, state, control, **kwargs):
        kept = state.stateful_callbacks.get(type(self).__name__, {}).get("attributes", {})
        self.sums = {name: torch.tensor(value, device=self.job.device) for name, value in kept.get("sums", {}).items()}
        self.count = kept.get("count", 0)

    def on_step_end(self, args, state, control, **kwargs):
        for name, value in self.model.parts.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        self.count += 1
        self.reporter.progress("training", state.global_step, state.max_steps)
        if self.reporter.cancelled():
            self.stopped = control.should_training_stop = True
            control.should_save = not _is_whole(state.epoch)  # at the end of an epoch the checkpoint comes after what belongs to that epoch

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self._write_row(state, logs.get("learning_rate"))

    def on_train_end(self, args, state, control, **kwargs):
        if self.count and not self.stopped:  # steps after the last row; a stopped run's wait in its checkpoint
            self._write_row(state, None)

    def _write_row(self, state, lr: float | None) -> None:
        """One row of history, the mean over the steps since the last; a term that is no longer a number ends the run."""
        parts = {name: float(value) / self.count for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        self.reporter.event({"kind": "step", "step": state.global_step, "epoch": state.epoch, "lr": lr, **parts})
        bad = [name for name, value in parts.items() if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"the {' and the '.join(bad)} term of {self.job.config.loss} was no longer a number at step {state.global_step}; "
                f"lower lr (now {self.job.config.lr:g}) or the loss's scale, and train again"
            )

    def on_epoch_end(self, args, state, control, **kwargs):
        if not _is_whole(state.epoch):  # cancelled in the middle of it
            return
        epoch = round(state.epoch)
        if epoch in self.snapshot_epochs:
            self._snapshot(epoch)
        if len(self.job.split.validation):
            self._validate(state)
        due = time.monotonic() - self.saved >= self.job.config.checkpoint_seconds and epoch < self.job.config.epochs
        control.should_save = due or self.stopped

    def on_save(self, args, state, control, **kwargs):
        self.saved = time.monotonic()

    def _snapshot(self, epoch: int) -> None:
        if self.job.config.snapshots:
            vectors = self.job.embed(self.model, self.snapshot_rows).astype(np.float16)
            draft = self.job.folder / "snapshot.draft.npy"  # a killed run must not leave half a file
            np.save(draft, vectors, allow_pickle=False)
            draft.rename(self.job.folder / f"snapshot-{epoch}.npy")

    def _validate(self, state) -> None:
        job, names = self.job, self.job.dataset.label_names
        # a probe has to be fitted on the support's vectors; head and centres need the validation texts alone
        support = job.split.support if not can_read_out(self.model) else job.split.support[:0]
        seen = replace(job.split, support=support, test=job.split.test[:0])
        labels = job.dataset.labels[seen.row_ids]
        scores = readout_scores(self.model, job.embed(self.model, seen.row_ids), labels, seen, len(names))
        accuracy = metrics_of(scores, labels, seen)["validation_accuracy"]
        self.reporter.event({"kind": "validation", "step": state.global_step, "epoch": state.epoch, "accuracy": accuracy})
        if job.config.selection == "best_validation":
            self._keep_best(accuracy, round(state.epoch))

    def _keep_best(self, accuracy: float, epoch: int) -> None:
        note = self.job.folder / "best.json"
        if not note.is_file() or accuracy > json.loads(note.read_text())["accuracy"]:
            draft = self.job.folder / "best.draft.safetensors"
            save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, draft)
            draft.rename(self.job.folder / "best.safetensors")
            atomic_json(note, {"accuracy": accuracy, "epoch": epoch})


def _is_whole(epoch: float) -> bool:
    return abs(epoch - round(epoch)) < 1e-6


def snapshot_rows(split: Split, labels: np.ndarray, *, support: int = 32, test: int = 96) -> np.ndarray:
    """(P,) the rows whose vectors are kept over epochs: at most so many support texts, and a stratified sample of the test texts.

    Few, because they are embedded at every snapshot: 128 texts of Reuters take MiniLM more than a training step does.
    """
    rng = np.random.default_rng(0)  # the same rows for every run on these parts, so that snapshots compare
    known = split.support if len(split.support) <= support else np.sort(rng.choice(split.support, support, replace=False))
    if len(split.test) <= test:
        return np.concatenate([known, split.test])
    order = rng.permutation(split.test)
    rank = np.zeros(len(order))
    for name in np.unique(labels[order]):  # the k-th text of a class of n gets rank k / n: a prefix is stratified
        own = np.flatnonzero(labels[order] == name)
        rank[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.concatenate([known, np.sort(order[np.argsort(rank, kind="stable")[:test]])])


def stored_snapshots(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """((E, P, D) float16, (E,) epochs) from a job's folder, or None."""
    found = sorted((int(p.stem.split("-")[1]), p) for p in folder.glob("snapshot-*.npy"))
    if not found:
        return None
    return np.stack([np.load(p, allow_pickle=False) for _, p in found]), np.array([epoch for epoch, _ in found], dtype=np.float64)


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end (trainer_state.json is the last file of one)."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            whole.append((json.loads((path / "trainer_state.json").read_text())["global_step"], str(path)))
        except (OSError, ValueError, KeyError):
            continue
    return max(whole)[1] if whole else None
