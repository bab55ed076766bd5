"""Fixtures of the tests that train: a config, encoders and a job on the tiny texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest
from safetensors.torch import load_file, save_file

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """The tiny encoder has nothing to share: a second thread only waits, here and in the workers."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tiny_config(tiny_encoder) -> Callable[..., RunConfig]:
    """tiny_config(loss=..., ...): a config for the tiny texts, quick to train."""
    base = {"dataset": "tiny", "encoder": str(tiny_encoder), "shots": 4, "validation": 6, "batch_size": 4, "lr": 1e-3, "max_length": 16}

    def make(**fields) -> RunConfig:
        return RunConfig(**{**base, "epochs": 4, "checkpoint_seconds": 0, **fields})

    return make


@pytest.fixture
def calm_encoder(tiny_encoder, tmp_path) -> str:
    """The tiny encoder without dropout: what is left of chance is the order of the texts."""
    folder = shutil.copytree(tiny_encoder, tmp_path / "calm")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))
    return str(folder)


@pytest.fixture
def brittle_encoder(tiny_encoder, tmp_path) -> str:
    """The tiny encoder with weights so large that its vectors are numbers still, and none after one step of the largest decay."""
    folder = shutil.copytree(tiny_encoder, tmp_path / "brittle")
    weights = load_file(folder / "model.safetensors")
    for name in weights:
        if name.endswith(("intermediate.dense.weight", "layer.1.output.dense.weight")):
            weights[name] *= 1e8
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return str(folder)


@pytest.fixture
def make_job(tiny_dataset, tiny_config, tmp_path):
    """make_job(folder="a", loss=..., ...): a job whose checkpoints go to that folder; the same folder again goes on from there."""
    from dmlviz.training.fit import Job

    def make(folder: str = "job", **fields) -> Job:
        config = tiny_config(**fields)
        split = draw_split(
            tiny_dataset, shots=config.shots, shots_by=config.shots_by, support_seed=config.support_seed, validation=config.validation,
            folds=config.folds, fold=config.fold,
        )  # fmt: skip
        return Job.prepare(config, tiny_dataset, split, tmp_path / folder)

    return make
