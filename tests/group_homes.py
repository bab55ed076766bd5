"""A home with groups of finished runs, made by hand: five draws of four losses, at two numbers of shots, with real (if simulated) scores."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from dmlviz.core.types import RunConfig, TextDataset
from dmlviz.data import draw_split
from dmlviz.store.runs import Store

NAMES = ("<script>alert(1)</script>", "**bold** $x$", ":red[x]")
LOSSES = {"cross_entropy": 0.55, "supcon": 0.75, "triple_entropy": 0.57, "g_loss": 0.6}


def dataset(name: str = "odd") -> TextDataset:
    """Ninety texts of three classes whose names want to be markup."""
    labels = np.tile(np.arange(3), 40)
    parts = np.array(["train"] * 48 + ["test"] * 72)
    texts = tuple(f"{name} <b>text</b> {i} " + "word " * (i % 7) for i in range(120))
    return TextDataset(name, texts, labels, NAMES, parts, (name * 64).encode().hex()[:64], "made by hand")


def add_runs(store: Store, texts: TextDataset, *, losses=tuple(LOSSES), shots=(4, 8), draws: int = 5, state: str = "finished", **fields) -> list[str]:
    """Finished runs with arrays; a loss's accuracy is about that of LOSSES, the same on each draw but for chance."""
    ids = []
    for k in shots:
        for draw in range(draws):
            split = draw_split(texts, shots=k, support_seed=draw, validation=12)
            for loss in losses:
                config = RunConfig(dataset=texts.name, loss=loss, shots=k, support_seed=draw, seed=draw, validation=12, **fields)
                run_id = store.create(config, texts, split)
                metrics = _arrays(store, run_id, texts, split, LOSSES.get(loss, 0.6) + 0.01 * k, draw)
                done = {"metrics": metrics, "progress": ["done", 1, 1, "text", 0.0]} if state == "finished" else {}
                store.update(run_id, state=state, ended=1e9 + draw, **done)
                ids.append(run_id)
    return ids


def _arrays(store: Store, run_id: str, texts: TextDataset, split, right: float, draw: int) -> dict[str, object]:
    rows, rng = split.row_ids, np.random.default_rng(zlib.crc32(run_id.rsplit('-', 1)[0].encode()))
    labels = texts.labels[rows]
    sure = np.random.default_rng(draw).random(len(rows)) < right  # draws are the same for all losses: differences are paired
    scores, metrics = {}, {"readout": "head", "n_test": len(split.test), "n_support": len(split.support), "n_validation": len(split.validation)}
    for name, off in (("head", 0.0), ("knn", 0.1)):
        said = np.where(sure & (rng.random(len(rows)) >= off), labels, (labels + rng.integers(1, 3, len(rows))) % 3)
        logits = rng.normal(scale=0.3, size=(len(rows), 3)) + 2.0 * np.eye(3)[said]
        scores[name] = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
        test = split.roles == "test"
        share = float((scores[name].argmax(axis=1) == labels)[test].mean())
        metrics |= {"accuracy": share, "macro_f1": share - 0.01} if name == "head" else {f"{name}_accuracy": share, f"{name}_macro_f1": share - 0.01}
    store.save_arrays(run_id, {
        "embeddings": (np.eye(3)[labels].repeat(4, axis=1) + 0.4 * rng.normal(size=(len(rows), 12))).astype(np.float16), "labels": labels,
        "logits": scores["head"], **{f"scores_{name}": found for name, found in scores.items()},
    })  # fmt: skip
    return {**metrics, "train_seconds": 1.0, "majority": 1 / 3}


def several(folder: Path) -> Store:
    """Two data sets, four losses, two numbers of shots, five draws."""
    store = Store(folder)
    for name in ("odd", "even"):
        add_runs(store, dataset(name))
    return store
