"""Outcomes made by hand for the tests of reliability."""

from __future__ import annotations

import numpy as np

from dmlviz.analysis.reliability.outcomes import Outcome, outcome
from dmlviz.core.types import Progress, Run, RunArrays, RunConfig, TextDataset

WORDS = "a b c d e f g h".split()  # noqa: SIM905


def made(
    chance: int = 0, *, n: int = 120, validation: int = 40, classes: int = 3, skill: float = 1.5, sharp: float = 1.0, centers: str | None = None,
    readouts: tuple[str, ...] = ("head",), test_rows: np.ndarray | None = None, dim: int = 6, **fields,
) -> Outcome:  # fmt: skip
    """A run whose scores favour the gold class by `skill`, `sharp` times too surely. Rows: C support texts, then validation, then test; labels depend
    on the row alone, so runs share their texts."""
    rng = np.random.default_rng(chance)
    rows = np.arange(classes + validation + n)
    labels = np.random.default_rng(99).integers(0, classes, len(rows))
    labels[:classes] = np.arange(classes)
    roles = np.repeat(["support", "validation", "test"], [classes, validation, n])
    scores = {name: (sharp * (rng.normal(size=(len(rows), classes)) + skill * np.eye(classes)[labels])).astype(np.float32) for name in readouts}
    embeddings = (rng.normal(size=(len(rows), dim)) + 2 * np.eye(classes, dim)[labels]).astype(np.float16)
    if test_rows is not None:
        rows = rows.copy()
        rows[roles == "test"] = test_rows
    there = rng.normal(size=(classes, 2, dim)).astype(np.float32) if centers else None
    arrays = RunArrays(embeddings, rows, roles, labels, None, scores, there, centers, None, None, None)
    config = RunConfig(**{"dataset": "x", "dataset_hash": "a" * 64, "loss": "cross_entropy", "support_seed": chance, **fields})
    metrics = {"accuracy": 0.5, "readout": readouts[0]}
    run_id = f"{config.loss}-{config.shots}-{config.support_seed}-{config.seed}-{chance}"
    return outcome(Run(run_id, config, "finished", Progress("done", 1, 1, "text", 0.0), metrics, 0.0), arrays)


def texts_of(one: Outcome, names: tuple[str, ...] = ("ape", "bee", "cat", "dog")) -> TextDataset:
    """A data set that fits `made`: texts of one to eight words; class names are as many as there are classes."""
    labels = np.asarray(one.arrays.labels)
    texts = tuple(" ".join([f"t{i}", *WORDS[: i % 8]]) for i in range(len(labels)))
    parts = np.where(one.arrays.roles == "test", "test", "train")
    return TextDataset("x", texts, labels, names[: int(labels.max()) + 1], parts, "a" * 64, "made by hand")
