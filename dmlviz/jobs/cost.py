"""What runs will cost before they start: arithmetic over tokens, calibrated by the finished runs of this home. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import psutil

from dmlviz.core.types import Run, RunConfig, Split, TextDataset
from dmlviz.jobs.local import visible_gpus
from dmlviz.losses import LOSSES, check_ce_weight
from dmlviz.training.defaults import shape_of

CPU_CORE_RATE = 50e9  # floating-point operations a second that one core reaches on such encoders; measured on 2 cores: 100-140e9
GPU_RATE = 40e12
# what a step costs beyond its arithmetic; measured on encoders so small that nothing else is left: 2-12 layers, batches of 4 and 16
STEP_SECONDS, LAYER_SECONDS = 2e-3, 1e-3  # once a step; for each layer and pass, forward and backward (a third of it forward only)
PASS_TEXTS = 4  # texts that run together in training on a CPU (encoder.GROUP)
START_SECONDS, MAP_SECONDS = 6.0, 16.0  # imports and weights; UMAP of about 2,000 texts


class Cost(NamedTuple):
    """An estimate for one run."""

    seconds: float
    disk_bytes: int
    calibrated: bool  # from runs on this machine, not from a guess at its speed
    work_seconds: float  # training and embedding before calibration; a run keeps it, so that the next estimate learns


def estimate(config: RunConfig, dataset: TextDataset, split: Split, past: Sequence[Run] = ()) -> Cost:
    """Seconds and bytes of one run. A token costs 24·layers·width² operations forward and three times that in training.

    With `patience` it is what the run costs at most.
    """
    layers, width = shape_of(config.encoder)
    tokens = np.minimum(np.array([len(t) for t in dataset.texts]) / 4.5 + 2, config.max_length)  # about 4.5 characters a token in English
    per_token = 24 * layers * width**2
    trained = tokens[split.support].sum() * config.epochs * 1.25  # padding inside groups of like length
    trained *= 2 if config.loss_settings.get("second_forward") in (True, "true") else 1  # the encoder runs twice a step
    looked = tokens[_looked_at(config, split)].sum() * config.epochs
    embedded = tokens[split.row_ids].sum()
    work = per_token * (3 * trained + looked + embedded)
    rate = CPU_CORE_RATE * (psutil.cpu_count() or 1) if not visible_gpus() or config.device == "cpu" else GPU_RATE
    seconds = work / rate + _overhead(config, split, layers)
    factor = _calibration(config, past)
    disk = weight_bytes(config.encoder) + len(split.row_ids) * (width * 2 + 8 * len(dataset.label_names))
    return Cost(START_SECONDS + seconds * (factor or 1.0) + MAP_SECONDS, int(disk), factor is not None, float(seconds))


def weight_bytes(encoder: str) -> int:
    """Of the stored encoder, in float32."""
    layers, width = shape_of(encoder)
    return 12 * layers * width**2 * 4 + 31_000 * width * 4


def _looked_at(config: RunConfig, split: Split) -> np.ndarray:
    """Rows embedded after every epoch: the validation texts, and the support where the run's own readout asks for its vectors."""
    if not len(split.validation):
        return split.validation
    probes = config.readout in ("knn", "linear_probe", "propagation")
    if config.readout == "auto":
        probes = check_ce_weight(config.loss, config.ce_weight) == 0 and not LOSSES[config.loss].has_centers
    return np.concatenate([split.support, split.validation]) if probes else split.validation


def _overhead(config: RunConfig, split: Split, layers: int) -> float:
    """Seconds that go into calling layers, whatever their width."""
    steps = math.ceil(len(split.support) / config.batch_size) * config.epochs  # a batch whose gradient is only accumulated costs its calls too
    passes = steps * math.ceil(min(config.batch_size, len(split.support)) / PASS_TEXTS)
    looks = math.ceil(len(_looked_at(config, split)) / 16) * config.epochs + math.ceil(len(split.row_ids) / 16)
    return STEP_SECONDS * steps + LAYER_SECONDS * layers * (passes + looks / 3)


def _calibration(config: RunConfig, past: Sequence[Run]) -> float | None:
    """Measured over estimated seconds, the median over finished runs with the same encoder."""
    ratios = [
        (run.metrics["train_seconds"] + run.metrics["embed_seconds"]) / run.facts["estimated_seconds"]
        for run in past
        if run.state == "finished" and run.config.encoder == config.encoder and run.facts.get("estimated_seconds") and "train_seconds" in run.metrics
    ]
    return float(np.median(ratios)) if ratios else None
