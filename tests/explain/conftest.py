"""Small encoders that can be explained: a bag of word vectors, the tiny BERT, and finished runs of both sorts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.explain.gradients import WordModel
from dmlviz.explain.words import TokenizedText, tokenize
from dmlviz.jobs.submit import submit
from dmlviz.jobs.worker import work


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Bag(nn.Module):
    """Its last hidden layer is the word vectors themselves: linear, so all can be computed by hand."""

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, dim)
        self.config = SimpleNamespace(hidden_size=dim, num_hidden_layers=1, max_position_embeddings=512, model_type="bag")

    def get_input_embeddings(self) -> nn.Embedding:
        return self.words

    def forward(self, inputs_embeds=None, input_ids=None, **rest):
        return SimpleNamespace(last_hidden_state=self.words(input_ids) if inputs_embeds is None else inputs_embeds)


@pytest.fixture
def tiny(tiny_encoder) -> TextEncoder:
    return load_encoder(str(tiny_encoder), max_length=32)


@pytest.fixture
def bag(tiny) -> WordModel:
    """Mean of the word vectors, the tiny encoder's tokenizer."""
    torch.manual_seed(1)
    return WordModel(TextEncoder(Bag(len(tiny.tokenizer), 8), tiny.tokenizer, pooling="mean", max_length=32))


@pytest.fixture
def model(tiny) -> WordModel:
    return WordModel(tiny)


@pytest.fixture
def cut(tiny):
    """cut("some text", ...) -> its tokens."""

    def make(*texts: str) -> list[TokenizedText]:
        return [tokenize(tiny.tokenizer, text, max_length=32) for text in texts]

    return make


@pytest.fixture
def towards():
    """(Seen, classes) -> (B,): a fixed linear head with four classes over `dim` dimensions."""

    def make(dim: int):
        weights = torch.from_numpy(np.random.default_rng(0).normal(size=(4, dim)).astype(np.float32))
        made = lambda seen, classes: (seen.pooled * weights.to(seen.pooled)[classes]).sum(dim=1)  # noqa: E731
        made.weights = weights
        return made

    return make


@pytest.fixture
def finish(store, tiny_encoder, tiny_dataset, monkeypatch):
    """finish(loss=..., ...): the id of a finished run on the tiny texts, trained in this process, without maps."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)
    from dmlviz.core.types import RunConfig

    base = {"dataset": "tiny", "encoder": str(tiny_encoder), "shots": 4, "validation": 6, "batch_size": 4, "lr": 1e-3, "max_length": 16, "epochs": 2}

    def make(**fields) -> str:
        run_id = submit(RunConfig(**{**base, **fields}), store=store, dataset=tiny_dataset)
        work(store, run_id)
        assert store.run(run_id).state == "finished", store.run(run_id).message
        return run_id

    return make
