"""Runs with centres, made by hand: what analysis and figures of centres are tested on."""

from __future__ import annotations

import dataclasses

import numpy as np

from dmlviz.analysis.centers.view import CenterInput
from dmlviz.analysis.geometry.projection import project
from dmlviz.core.types import Pane, Progress, Run, RunArrays, RunConfig, TextDataset, TokenSample
from dmlviz.data import draw_split
from dmlviz.store.runs import Store


def planted(seed: int = 0, n: int = 40, dim: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two classes: "earn" in one cluster, "grain" in three clear ones. Vectors (4n, D), labels, centres (2, 10, D).

    Grain's centres 2, 5 and 9 (counted from 1) are in its clusters, the others point away from every text; all of earn's but the first do too.
    """
    rng = np.random.default_rng(seed)
    axes = np.eye(dim)
    vectors = np.concatenate([axes[i] + 0.05 * rng.normal(size=(n, dim)) for i in range(4)])  # 0: earn; 1, 2, 3: grain
    labels = np.repeat([0, 1, 1, 1], n)
    centers = -axes[4] + 0.3 * rng.normal(size=(2, 10, dim))
    centers[:, :, :4] = -1.0  # away from every text
    centers[0, 0] = axes[0]
    centers[1, [1, 4, 8]] = axes[1:4]
    return vectors, labels, centers


def make_input(
    loss: str = "soft_triple", *, classes: int = 3, count: int = 4, n: int = 60, dim: int = 8, seed: int = 0, space: str | None = "pooled",
    tokens: bool = False, moments: int = 0, support: bool = True, **config: object,
) -> CenterInput:
    """A finished run on PCA whose texts lie around class directions. `space` None: no centres. `moments`: stored snapshots of texts and centres."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(classes, dim))
    labels = np.concatenate([np.arange(classes).repeat(3), rng.integers(0, classes, n - 3 * classes)])
    roles = np.array(["support"] * (3 * classes if support else 0) + ["test"] * (n - (3 * classes if support else 0)))
    embeddings = (directions[labels] + 0.4 * rng.normal(size=(n, dim))).astype(np.float16)
    row_ids = np.arange(100, 100 + n)[rng.permutation(n)]
    centers = None if space is None else (directions[:, None] + 0.8 * rng.normal(size=(classes, count, dim))).astype(np.float32)
    sample = None
    if tokens:
        at = np.repeat(np.arange(n), 4)
        noise = 0.6 * rng.normal(size=(len(at), dim))
        words = np.array([f"w{one}" for one in rng.integers(0, 9, len(at))])
        sample = TokenSample((embeddings[at] + noise).astype(np.float16), row_ids[at], words)
    snaps = {"snapshots": None, "snapshot_epochs": None, "snapshot_rows": None}
    if moments:
        kept = rng.choice(n, 20, replace=False)
        path = np.stack([centers + (moments - 1 - e) * 0.5 * rng.normal(size=centers.shape) for e in range(moments)]) if centers is not None else None
        snaps = {"snapshots": np.stack([embeddings[kept]] * moments), "snapshot_epochs": np.arange(moments, dtype=float),
                 "snapshot_rows": row_ids[kept], "center_snapshots": path}  # fmt: skip
    scores = rng.normal(size=(n, classes)).astype(np.float32)
    arrays = RunArrays(embeddings=embeddings, row_ids=row_ids, roles=roles, labels=labels, logits=None, scores={"head": scores}, centers=centers,
                       centers_space=space, tokens=sample, **snaps)  # fmt: skip
    done = Progress("done", 1, 1, "step", None)
    run = Run(f"{loss}-{seed}", RunConfig(dataset="r8", loss=loss, **config), "finished", done, metrics={"accuracy": 0.9}, created=0.0)
    pane = Pane(run, project(embeddings, row_ids, method="pca"), labels, scores.argmax(axis=1), np.full(n, 0.5), roles)
    return CenterInput(pane, arrays, 0.1)


def with_points(given: CenterInput, points: np.ndarray, method: str = "umap") -> CenterInput:
    """The same run on another map."""
    projection = dataclasses.replace(given.pane.projection, points=points.astype(np.float32), method=method, variance=None)
    return given._replace(pane=given.pane._replace(projection=projection))


def write_run(
    store: Store, dataset: TextDataset, loss: str, *, count: int = 4, space: str | None = "pooled", tokens: bool = False, moments: int = 0,
    seed: int = 0, origin: str = "trained", support: bool = True,
) -> str:
    """A finished run in the store, with arrays made by hand and two stored maps. The last centre of every class is chosen by no text."""
    rng = np.random.default_rng(seed)
    split = draw_split(dataset, shots=2)
    split = split if support else dataclasses.replace(split, support=split.support[:0])
    config = RunConfig(dataset=dataset.name, loss=loss, shots=2, seed=seed, epochs=2)
    run_id = store.create(config, dataset, split, origin=origin)
    rows, classes, dim = split.row_ids, len(dataset.label_names), 8
    labels = dataset.labels[rows]
    directions = np.eye(dim)[np.arange(classes) % dim]
    embeddings = (directions[labels] + 0.25 * rng.normal(size=(len(rows), dim))).astype(np.float16)
    scores = (embeddings @ directions.T).astype(np.float32)
    arrays: dict[str, np.ndarray] = {"embeddings": embeddings, "labels": labels, "scores_head": scores}
    if space is not None:
        centers = directions[:, None] + 0.3 * rng.normal(size=(classes, count, dim))
        centers[:, -1] = -3 * directions
        arrays |= {"centers": centers.astype(np.float32), "centers_space": np.array(space)}
    if moments:
        at = np.linspace(0, len(rows) - 1, min(len(rows), 12)).astype(int)
        arrays |= {"snapshots": np.stack([embeddings[at]] * moments), "snapshot_epochs": np.arange(moments, dtype=float), "snapshot_rows": rows[at]}
        if space is not None:
            arrays["center_snapshots"] = np.stack([centers + (moments - 1 - e) * 0.4 for e in range(moments)]).astype(np.float32)
    if tokens:
        owners = np.repeat(np.arange(len(rows)), 3)
        words = np.array(["[CLS]", "<b>cat", "##s"] * len(rows))
        arrays |= {"token_vectors": (embeddings[owners] + 0.2 * rng.normal(size=(len(owners), dim))).astype(np.float16),
                   "token_rows": rows[owners], "token_words": words}  # fmt: skip
    store.save_arrays(run_id, arrays)
    pca = project(embeddings, rows, method="pca")
    store.save_projection(run_id, pca)
    store.save_projection(run_id, dataclasses.replace(pca, method="umap", variance=None, points=pca.points + pca.points**3))
    test = split.roles == "test"
    right = float((scores.argmax(axis=1) == labels)[test].mean())
    store.end(run_id, "finished", metrics={"readout": "head", "n_test": int(test.sum()), "accuracy": right, "macro_f1": right})
    return run_id
