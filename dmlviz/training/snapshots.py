"""What a run keeps of its way: the same texts, the centres and G-Loss's batches, epoch by epoch; and the tokens that token-space centres meet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from dmlviz.core.types import Split
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.training.embed import BATCH
from dmlviz.training.model import FineTuneModel

MOST_TOKENS = 6_000  # token vectors kept of a run: 4.6 MB for MiniLM, 12 MB for a large encoder


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


def keep_snapshot(folder: Path, epoch: int, model: FineTuneModel, vectors: np.ndarray) -> None:
    """Write the texts' vectors (P, D) and the centres, where there are some, as of now."""
    centers = model.metric.centers() if model.metric is not None else None
    found = {"vectors": vectors.astype(np.float16), **({} if centers is None else {"centers": _array(centers)})}
    _keep(folder / f"snapshot-{epoch}.safetensors", found)


def keep_batch(folder: Path, epoch: int, model: FineTuneModel) -> None:
    """Write the last batch as the loss saw it, where the loss builds a graph: the mask was drawn at random and is nowhere else."""
    seen = getattr(model.metric, "seen", None)
    if seen is None or model.rows is None:
        return
    vectors, visible, sigma = seen
    found = {"rows": _array(model.rows), "visible": _array(visible), "vectors": _array(vectors).astype(np.float16), "sigma": np.array([sigma])}
    _keep(folder / f"batch-{epoch}.safetensors", found)


def stored_snapshots(folder: Path) -> dict[str, np.ndarray]:
    """"snapshots" (E, P, D), "snapshot_epochs" (E,) and "center_snapshots" (E, C, K, D) of a job's folder; empty when there are none."""
    found = _stored(folder, "snapshot")
    if not found:
        return {}
    epochs = np.array([epoch for epoch, _ in found], dtype=np.float64)
    centers = {"center_snapshots": np.stack([one["centers"] for _, one in found])} if "centers" in found[0][1] else {}
    return {"snapshots": np.stack([one["vectors"] for _, one in found]), "snapshot_epochs": epochs, **centers}


def stored_batches(folder: Path) -> dict[str, np.ndarray]:
    """The fields of GraphBatches as "graph_<field>"; empty when the loss kept none."""
    found = _stored(folder, "batch")
    if not found:
        return {}
    longest = max(len(one["rows"]) for _, one in found)

    def padded(name: str, fill: float) -> np.ndarray:
        return np.stack([np.pad(v := one[name], [(0, longest - len(v)), *[(0, 0)] * (v.ndim - 1)], constant_values=fill) for _, one in found])

    return {
        "graph_rows": padded("rows", -1), "graph_visible": padded("visible", False), "graph_vectors": padded("vectors", 0),
        "graph_sigma": np.array([one["sigma"][0] for _, one in found]), "graph_epochs": np.array([epoch for epoch, _ in found], dtype=np.float64),
    }  # fmt: skip


def token_sample(model: FineTuneModel, texts: list[str], pairs: list[str] | None, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of TokenSample as "token_<field>": every token that the loss meets (special ones too, padding not), at most MOST_TOKENS of them."""
    encoder = model.encoder
    ids = encoder.token_ids(texts, pairs)
    vectors, owners, words = [], [], []
    for positions, found in _token_vectors(encoder, ids):
        for position, own in zip(positions, found, strict=True):
            vectors.append(own.astype(np.float16))
            owners += [int(rows[position])] * len(own)
            words += encoder.tokenizer.convert_ids_to_tokens(ids[position]["input_ids"])
    stacked = np.concatenate(vectors)
    kept = np.sort(np.random.default_rng(0).permutation(len(stacked))[:MOST_TOKENS])
    return {"token_vectors": stacked[kept], "token_rows": np.array(owners, dtype=np.int64)[kept], "token_words": np.array(words, dtype=np.str_)[kept]}


def _token_vectors(encoder: TextEncoder, ids: list[dict[str, list[int]]]):
    """Positions and their (T, D) token vectors without padding, batch by batch. Leaves the encoder's mode as it was."""
    device, was_training = next(encoder.parameters()).device, encoder.training
    encoder.eval()
    with torch.inference_mode():
        for positions, batch in encoder.batches(ids, BATCH):
            encoded = encoder({key: value.to(device) for key, value in batch.items()}, padding_matters=True)
            yield positions, [own[mask.bool()].float().cpu().numpy() for own, mask in zip(encoded.tokens, encoded.mask, strict=True)]
    encoder.train(was_training)


def _array(tensor: torch.Tensor) -> np.ndarray:
    found = tensor.detach().cpu()
    return found.float().numpy() if found.is_floating_point() else found.numpy()


def _keep(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    draft = path.with_name(f"draft-{path.name}")  # a killed run must not leave half a file
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, draft)
    draft.rename(path)


def _stored(folder: Path, kind: str) -> list[tuple[int, dict[str, np.ndarray]]]:
    return sorted(((int(p.stem.split("-")[1]), load_file(p)) for p in folder.glob(f"{kind}-*.safetensors")), key=lambda one: one[0])
