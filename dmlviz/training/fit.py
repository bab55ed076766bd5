"""The training loop: transformers' Trainer over FineTuneModel, with its history, snapshots and checkpoints."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import ExportableState

from dmlviz.core.types import InputError, RunConfig, Split, TextDataset
from dmlviz.encoder.devices import pick_device, pick_precision
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.losses import LOSSES
from dmlviz.store.files import atomic_json
from dmlviz.training.batches import BalancedSampler
from dmlviz.training.choices import balances, check_readout
from dmlviz.training.defaults import default_lr
from dmlviz.training.embed import Cancelled, embed
from dmlviz.training.model import FineTuneModel
from dmlviz.training.readouts import macro_silhouette, own_scores, quality, silhouette_exists
from dmlviz.training.snapshots import keep_batch, keep_snapshot, snapshot_rows

DIVISORS = ("temperature", "sigma")  # settings that a loss divides by: small is what makes it diverge


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
        """Raises InputError for what can be known before training to lead nowhere."""
        check_readout(config)
        _check_split(config, dataset, split)
        device = pick_device(config.device)
        if config.lr is None:
            config = config.model_copy(update={"lr": default_lr(config.encoder)})
        return cls(config, dataset, split, folder, device, pick_precision(config.precision, device))

    @property
    def steps_per_epoch(self) -> int:
        batches = math.ceil(len(self.split.support) / self.config.batch_size)
        shared = math.ceil(batches / int(os.environ.get("WORLD_SIZE", "1")))  # torchrun's processes take turns at the batches
        return math.ceil(shared / self.config.accumulation)

    def train_labels(self) -> np.ndarray:
        """(S,) labels that training sees of the support texts: their own, or the same ones dealt out anew for the control."""
        own = self.dataset.labels[self.split.support]
        return np.random.default_rng(self.config.seed).permutation(own) if self.config.control == "shuffled_labels" else own

    def texts(self, rows: Sequence[int]) -> tuple[list[str], list[str] | None]:
        pairs = [self.dataset.text_pairs[i] for i in rows] if self.dataset.text_pairs is not None else None
        return [self.dataset.texts[i] for i in rows], pairs

    def build(self, encoder: TextEncoder | None = None) -> FineTuneModel:
        """A fresh model, of the given encoder or the config's. Seeds everything first, so the head is the same whatever was built before."""
        set_seed(self.config.seed)
        encoder = encoder if encoder is not None else self.encoder()
        model = FineTuneModel(encoder, self.config, len(self.dataset.label_names)).to(self.device)
        if self.config.class_weights == "balanced":
            weights = balanced_weights(self.train_labels(), len(self.dataset.label_names))
            model.weigh_classes(torch.from_numpy(weights).to(self.device))
        return model

    def encoder(self, **how: Any) -> TextEncoder:
        """The config's encoder, as `load_encoder` reads it."""
        config = self.config
        return load_encoder(config.encoder, pooling=config.pooling, max_length=config.max_length, tokenizer=config.tokenizer, **how)

    def embed(self, model: FineTuneModel, rows: Sequence[int], on_batch: Callable[[int], None] = lambda done: None) -> np.ndarray:
        return embed(model.encoder, *self.texts(rows), precision=self.precision, on_batch=on_batch)


def _check_split(config: RunConfig, dataset: TextDataset, split: Split) -> None:
    if config.readout == "linear_probe" and len(np.unique(dataset.labels[split.support])) < 2:
        raise InputError("readout linear_probe needs support texts of two classes, and all are of one; raise shots or choose auto or knn")
    if config.monitor == "silhouette" and len(split.validation) and not silhouette_exists(dataset.labels[split.validation]):
        raise InputError(
            "monitor silhouette needs validation texts of two classes, and two of one of them; "
            f"the {len(split.validation)} drawn are not enough, so raise validation or monitor macro_f1"
        )


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(C,) float32 S / (C · S_c) over the support's labels (S,), C the classes in it; 1 for a class that is not."""
    counts = np.bincount(labels, minlength=num_classes)
    return np.where(counts > 0, len(labels) / ((counts > 0).sum() * np.maximum(counts, 1)), 1).astype(np.float32)


def check_vectors(vectors: np.ndarray, config: RunConfig, epoch: float) -> np.ndarray:
    """The vectors (N, D) as they came. Raises InputError when one is no number: after the last step no loss shows it. Epoch 0: untrained."""
    if np.isfinite(vectors).all():
        return vectors
    if not epoch:
        raise InputError("the encoder's vectors are not numbers, before any training; choose another encoder or set precision to fp32")
    raise InputError(f"the encoder's vectors were no longer numbers after epoch {epoch:g}; lower lr (now {config.lr:g})")


def fit(job: Job, reporter: Reporter | None = None) -> FineTuneModel:
    """Train and return the model whose weights are to be tested. Continues from the last whole checkpoint in the job's folder.

    Raises Cancelled (after a checkpoint) when the reporter says so, InputError when the loss or the encoder's vectors stop being numbers.
    What the very last step did shows in the vectors alone: `check_vectors` is for whoever embeds with the model.
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
        data_collator=partial(_collate, model),
        callbacks=[history],
    )
    trainer.job = job
    trainer.train(resume_from_checkpoint=last_checkpoint(job.folder))
    if history.stopped:
        raise Cancelled
    if job.config.selection == "best_validation" and (job.folder / "best.safetensors").is_file():
        model.load_state_dict(load_file(job.folder / "best.safetensors"))
    return model


def _rows(job: Job, model: FineTuneModel) -> list[dict[str, Any]]:
    ids = model.encoder.token_ids(*job.texts(job.split.support))
    return [{"ids": i, "label": int(label), "row": int(row)} for i, label, row in zip(ids, job.train_labels(), job.split.support, strict=True)]


def _collate(model: FineTuneModel, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch as FineTuneModel.forward takes it."""
    return {
        **model.encoder.pad([row["ids"] for row in rows]),
        "labels": torch.tensor([row["label"] for row in rows]),
        "rows": torch.tensor([row["row"] for row in rows]),
    }


def _arguments(job: Job) -> TrainingArguments:
    config = job.config
    steps = job.steps_per_epoch * config.epochs
    return TrainingArguments(
        output_dir=str(job.folder),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        lr_scheduler_type={"constant": "constant_with_warmup", "step": "constant_with_warmup"}.get(config.schedule, config.schedule),
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
    """The Trainer with a learning rate of their own for the loss's centres, a step schedule and balanced batches."""

    job: Job

    def _get_train_sampler(self, train_dataset=None):
        config = self.job.config
        if not balances(config):
            return super()._get_train_sampler(train_dataset)
        return BalancedSampler(self.job.train_labels(), config.batch_size, config.seed)

    def create_scheduler(self, num_training_steps, optimizer=None):
        """The library's schedules, and `step` of our own."""
        config = self.job.config
        if config.schedule != "step":
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            warmup, late = self.args.get_warmup_steps(num_training_steps), config.step_epoch * self.job.steps_per_epoch

            def share(step: int) -> float:
                return (step / warmup if step < warmup else 1.0) * (0.1 if step >= late else 1.0)

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, share)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def create_optimizer(self, model=None):
        """The library's optimiser, with centres and proxies at `center_lr`."""
        if self.optimizer is None:
            super().create_optimizer(model)
            own = {id(p) for p in (self.model.metric.parameters() if self.model.metric is not None else ())}
            for group in list(self.optimizer.param_groups):
                theirs = [p for p in group["params"] if id(p) in own]
                if theirs:
                    group["params"] = [p for p in group["params"] if id(p) not in own]
                    self.optimizer.add_param_group({**group, "params": theirs, "lr": self.job.config.center_lr or self.job.config.lr})
        return self.optimizer


class History(TrainerCallback, ExportableState):
    """Writes the history, looks at validation, keeps snapshots and decides when a checkpoint is due."""

    def __init__(self, job: Job, model: FineTuneModel, reporter: Reporter) -> None:
        self.job, self.model, self.reporter = job, model, reporter
        self.sums: dict[str, torch.Tensor] = {}
        self.count = 0
        self.saved = time.monotonic()
        self.stopped = False
        self.best: float | None = None  # the monitored value
        self.stale = 0  # epochs since it was reached
        self.snapshot_rows = snapshot_rows(job.split, job.dataset.labels)
        wanted = np.linspace(0, job.config.epochs, max(2, job.config.snapshots)).round().astype(int).tolist()
        self.snapshot_epochs = set(wanted) - {job.config.epochs}  # the last one is cut out of the final embeddings

    def before_training(self) -> None:
        """The untrained encoder's snapshot, and what the loss wants to know of it. A resumed run has both in its checkpoint."""
        if self.model.metric is not None and last_checkpoint(self.job.folder) is None:
            self.model.metric.prepare(torch.from_numpy(self.job.embed(self.model, self.job.split.support)).to(self.job.device))
        if not (self.job.folder / "snapshot-0.safetensors").is_file():
            self._snapshot(0)

    def state(self) -> dict:
        """What a checkpoint keeps of this: the terms summed since the last row, so that the row after a resume covers all its steps; the patience."""
        sums = {name: float(value) for name, value in self.sums.items()}
        return {"args": {}, "attributes": {"sums": sums, "count": self.count, "best": self.best, "stale": self.stale}}

    def on_train_begin(self, args, state, control, **kwargs):
        kept = state.stateful_callbacks.get(type(self).__name__, {}).get("attributes", {})
        self.sums = {name: torch.tensor(value, device=self.job.device) for name, value in kept.get("sums", {}).items()}
        self.count, self.best, self.stale = kept.get("count", 0), kept.get("best"), kept.get("stale", 0)

    def on_substep_end(self, args, state, control, **kwargs):
        """After every batch: some are not followed by a step when gradients are accumulated."""
        for name, value in self.model.parts.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value
        self.count += 1
        if self.job.device.type == "cpu":  # on a GPU a look costs a wait for it
            self._look(state)

    def on_step_end(self, args, state, control, **kwargs):
        """Tells how far it is; ends training where the person has cancelled."""
        self.on_substep_end(args, state, control)
        self.reporter.progress("training", state.global_step, state.max_steps)
        if self.reporter.cancelled():
            self._look(state)  # no checkpoint of what is no number
            self.stopped = control.should_training_stop = True
            control.should_save = not _is_whole(state.epoch)  # at the end of an epoch the checkpoint comes after what belongs to that epoch

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            self._write_row(state, logs.get("learning_rate"))

    def on_train_end(self, args, state, control, **kwargs):
        if self.count and not self.stopped:  # steps after the last row; a stopped run's wait in its checkpoint
            self._write_row(state, None)

    def _look(self, state) -> None:
        """End the run when a term is no longer a number. NaN and infinity stay in the sums, so one look tells of every batch since the last row."""
        if self.count and not all(math.isfinite(float(value)) for value in self.sums.values()):
            self._write_row(state, None)

    def _write_row(self, state, lr: float | None) -> None:
        """One row of history, the mean over the batches since the last; a term that is no longer a number ends the run."""
        parts = {name: float(value) / self.count for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        self.reporter.event({"kind": "step", "step": state.global_step, "epoch": state.epoch, "lr": lr, **parts})
        bad = [name for name, value in parts.items() if not math.isfinite(value)]
        if bad:
            raise InputError(self._not_a_number(bad, state.global_step))

    def _not_a_number(self, terms: list[str], step: int) -> str:
        config = self.job.config
        setting = LOSSES[config.loss].diverges
        other = f" or {'raise ' if setting in DIVISORS else ''}its {setting}" if setting else ""
        return f"the {' and the '.join(terms)} term of {config.loss} was no longer a number at step {step}; lower lr (now {config.lr:g}){other}"

    def on_epoch_end(self, args, state, control, **kwargs):
        """After whole epochs: keeps the moments of the film, validates, stops for want of progress, and says whether a checkpoint is due."""
        if not _is_whole(state.epoch):  # cancelled in the middle of it
            return
        self._look(state)
        epoch = round(state.epoch)
        if epoch in self.snapshot_epochs:
            self._snapshot(epoch)
        if self.job.config.snapshots and epoch in (*self.snapshot_epochs, self.job.config.epochs):
            keep_batch(self.job.folder, epoch, self.model)
        if len(self.job.split.validation):
            self._validate(state)
        if self.job.config.patience is not None and self.stale >= self.job.config.patience and epoch < self.job.config.epochs:
            print(f"stopped after epoch {epoch}: no better validation {self.job.config.monitor} for {self.stale} epochs", flush=True)
            control.should_training_stop, self.stopped = True, False  # a wish to cancel that came with the last step is heard by who embeds
            control.should_save = False  # a resume from here would train on
            return
        due = time.monotonic() - self.saved >= self.job.config.checkpoint_seconds and epoch < self.job.config.epochs
        control.should_save = due or self.stopped

    def on_save(self, args, state, control, **kwargs):
        self.saved = time.monotonic()

    def _snapshot(self, epoch: int) -> None:
        if self.job.config.snapshots:
            keep_snapshot(self.job.folder, epoch, self.model, self._embed(self.snapshot_rows, epoch))

    def _embed(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        return check_vectors(self.job.embed(self.model, rows), self.job.config, epoch)

    def _validate(self, state) -> None:
        job, config = self.job, self.job.config
        vectors, scores = own_scores(self.model, lambda rows: self._embed(rows, round(state.epoch)), job.dataset.labels, job.split)
        labels = job.dataset.labels[job.split.validation]
        values = quality(scores, labels)
        if config.monitor == "silhouette":
            values["silhouette"] = macro_silhouette(vectors, labels)
        self.reporter.event({"kind": "validation", "step": state.global_step, "epoch": state.epoch, **values})
        value, self.stale = values[config.monitor], self.stale + 1
        if self.best is None or value > self.best:
            self.best, self.stale = value, 0
        if config.selection == "best_validation":
            self._keep_best(value, round(state.epoch))

    def _keep_best(self, value: float, epoch: int) -> None:
        note, monitor = self.job.folder / "best.json", self.job.config.monitor
        if not note.is_file() or value > json.loads(note.read_text())[monitor]:
            draft = self.job.folder / "best.draft.safetensors"
            save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, draft)
            draft.rename(self.job.folder / "best.safetensors")
            atomic_json(note, {monitor: value, "epoch": epoch})


def _is_whole(epoch: float) -> bool:
    return abs(epoch - round(epoch)) < 1e-6


def last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end (trainer_state.json is the last file of one)."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        try:
            whole.append((json.loads((path / "trainer_state.json").read_text())["global_step"], str(path)))
        except (OSError, ValueError, KeyError):
            continue
    return max(whole)[1] if whole else None
