"""Runs and outcomes made by hand, for tests of what is said about groups."""

from __future__ import annotations

import numpy as np

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.core.types import Progress, Run, RunArrays, RunConfig


def run_of(draw: int = 0, seed: int = 0, fold: int = 0, *, accuracy: float = 0.5, loss: str = "cross_entropy", data: str = "x", **fields) -> Run:
    """A finished run with that accuracy (its macro-F1 is 0.1 less)."""
    config = RunConfig(dataset=data, dataset_hash=data[0] * 64, support_seed=draw, seed=seed, fold=fold, loss=loss, **fields)
    metrics = {"accuracy": accuracy, "macro_f1": accuracy - 0.1, "readout": "head", "knn_accuracy": accuracy / 2, "knn_macro_f1": accuracy / 3}
    shots = "all" if config.shots is None else config.shots
    run_id = f"{data}-{loss}-{shots}shot-d{draw}-s{seed}-f{fold}".lower()
    return Run(run_id, config, "finished", Progress("done", 1, 1, "text", 0.0), metrics, float(100 * draw + seed))


def outcome_of(draw: int = 0, *, texts: int = 40, classes: int = 3, right: float = 0.7, **fields) -> Outcome:
    """A run that has about that share of its test texts right; gold labels are the same for all."""
    gold = np.random.default_rng(0).integers(0, classes, texts)
    rng = np.random.default_rng(100 + draw)
    said = np.where(rng.random(texts) < right, gold, rng.integers(0, classes, texts))
    scores = {"head": np.log(0.1 + np.eye(classes)[said] + 0.05 * rng.random((texts, classes))).astype(np.float32)}
    nothing = dict.fromkeys(("logits", "centers", "centers_space", "snapshots", "snapshot_epochs", "snapshot_rows"))
    arrays = RunArrays(embeddings=rng.normal(size=(texts, 4)).astype(np.float16), row_ids=np.arange(texts), roles=np.array(["test"] * texts),
                       labels=gold, scores=scores, **nothing)  # fmt: skip
    return Outcome(run_of(draw, draw, accuracy=float((said == gold).mean()), **fields), arrays, "head")
