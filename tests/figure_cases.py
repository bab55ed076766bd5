"""Small panes with the shapes of real ones."""

from __future__ import annotations

import numpy as np

from dmlviz.core.types import Pane, Progress, Projection, Run, RunConfig

HOSTILE = ("<script>alert(1)</script>", "%{x}", "$x$", "good 😀 名", "سلام عليكم", "שלום", "=1+1", "half \ud800", "a name " + "that goes on " * 12)


def make_pane(loss: str, classes: int = 8, test: int = 120, *, seed: int = 0, accuracy: float | None = 0.924, **config: object) -> Pane:
    rng = np.random.default_rng(seed)
    support, validation = 2 * classes, 10
    drawn = [np.repeat(np.arange(classes), 2), rng.integers(0, classes, validation), rng.integers(0, classes, test)]
    labels = np.concatenate(drawn)
    centers = np.random.default_rng(7).normal(size=(classes, 2)) * 6
    points = centers[labels] + rng.normal(size=(len(labels), 2))
    predictions = np.where(rng.random(len(labels)) < 0.1, rng.integers(0, classes, len(labels)), labels)
    roles = np.repeat(["support", "validation", "test"], [support, validation, test])
    run = Run(
        id=f"{loss}-{seed}", config=RunConfig(dataset="r8", loss=loss, **config), state="finished", progress=Progress("done", 1, 1, "step", None),
        metrics={} if accuracy is None else {"accuracy": accuracy}, created=0.0,
    )  # fmt: skip
    projection = Projection(points.astype(np.float32), np.arange(len(labels)), "umap", "cosine", 0, 0.93, 15, 2000, None, 0.12 if seed else None)
    return Pane(run, projection, labels, predictions, rng.random(len(labels)), roles)


def names(classes: int) -> list[str]:
    return [f"class {i:02d}" for i in range(classes)]
