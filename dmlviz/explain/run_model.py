"""A finished run, ready to be asked why: its weights, its readout as a function with a slope, and its texts cut into words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from torch import Tensor, nn

from dmlviz.analysis.attribution.kind import Target, read_target
from dmlviz.core.types import InputError, Run
from dmlviz.encoder.devices import pick_device
from dmlviz.encoder.loading import load_encoder
from dmlviz.explain.gradients import WordModel, seen
from dmlviz.explain.scores import Explained, Scores, Seen, explained, propagation_function, readout_function
from dmlviz.explain.self_test import check_tokenizer, checked
from dmlviz.explain.words import TokenizedText, tokenize
from dmlviz.store.damage import OF_RUN, reading
from dmlviz.store.runs import Store
from dmlviz.training.fit import Job
from dmlviz.training.load import ForeignHead, load_model
from dmlviz.training.model import FineTuneModel, load_objective
from dmlviz.training.readouts import propagation_sigma


class RunModel:
    """Weights of a run and what they predict. Loads once, answers often."""

    def __init__(self, store: Store, run_id: str, *, device: str = "auto") -> None:
        self.run: Run = store.run(run_id)
        if self.run.state != "finished":
            raise InputError(f"run {run_id} is {self.run.state}; attributions need a finished run")
        folder = store.weights_folder(run_id)
        if not folder.is_dir():
            raise InputError(f"the weights of run {run_id} are not here, so its texts cannot be explained; train it again, keeping the weights")
        store.check_weights(run_id)
        self.dataset = store.dataset(self.run.config.dataset_hash or "")
        self.label_names = tuple(self.dataset.label_names)
        self._arrays = store.arrays(run_id)
        place = pick_device(device)
        with reading(folder, f"run {run_id}", OF_RUN, run_id=run_id, name="weights/"):
            self.model, foreign = self._trained(folder) if self._ours else self._brought(store, folder)
        self.model.requires_grad_(False).eval().to(place)
        check_tokenizer(self.model.encoder.tokenizer)
        whole = (foreign.model, foreign.order) if foreign is not None else ()
        self.words = checked(WordModel(self.model.encoder, *whole)).to(place)

    @property
    def _ours(self) -> bool:
        return self.run.origin == "trained" and self.run.config.control != "pre_trained"

    def _trained(self, folder: Path) -> tuple[FineTuneModel, None]:
        config = self.run.config
        encoder = load_encoder(str(folder), pooling=str(self.run.facts.get("pooling", config.pooling)), max_length=config.max_length, as_is=True)
        model = FineTuneModel(encoder, config, len(self.label_names))
        if not load_objective(model, folder):
            raise InputError(f"the head and centres of run {self.run.id} are not here, so its texts cannot be explained; train it again")
        return model, None

    def _brought(self, store: Store, folder: Path) -> tuple[FineTuneModel, ForeignHead | None]:
        """A model from elsewhere. The run keeps all of it; one of an older version kept the encoder alone, and is read where it came from."""
        config = self.run.config
        if "load" in self.run.facts:
            config = config.model_copy(update={"encoder": str(folder), "tokenizer": None, "pooling": str(self.run.facts["pooling"])})
        return load_model(Job.prepare(config, self.dataset, store.split(self.run.id), store.checkpoints_folder(self.run.id)))

    @property
    def readout(self) -> str:
        """The readout that is explained: the run's own, or propagation where that only counts votes."""
        own = str(self.run.metrics.get("readout", "none"))
        if own == "none":
            raise InputError(f"run {self.run.id} predicts nothing (no head, no centres, support texts of one class), so nothing can be explained")
        return "propagation" if own == "knn" else own

    @cached_property
    def scores(self) -> Scores:
        return readout_function(self.readout, self.model, *self._support)

    def explained(self, target: Target) -> Explained:
        """The target for this run. Raises InputError where the run has no such thing."""
        return explained(target, self.model, self.scores, self.label_names, self._propagated)

    def classes(self, target: str, texts: Sequence[TokenizedText], gold: np.ndarray | None) -> np.ndarray:
        """(N,) the class that each text is explained for."""
        predicted = self.probabilities(texts).argmax(axis=1)
        return np.asarray(self.explained(read_target(target)).classes(predicted, gold), dtype=np.int64)

    def score_by_head(self, target: str) -> tuple[nn.Module, Callable[[nn.Module], Callable[[Seen, Tensor], Tensor]]]:
        """The modules above the encoder (head, centres), and the score of a batch with such modules in their place."""
        above = nn.ModuleList([self.model.head, self.model.metric if self.model.metric is not None else nn.Identity()])
        support = self._support

        def score(modules: nn.Module) -> Callable[[Seen, Tensor], Tensor]:
            metric = modules[1] if self.model.metric is not None else None
            like = SimpleNamespace(head=modules[0], metric=metric, ce_weight=self.model.ce_weight, class_weights=self.model.class_weights)
            return explained(read_target(target), like, readout_function(self.readout, like, *support), self.label_names, self._propagated).of

        return above, score

    def _propagated(self) -> Scores:
        vectors, labels = self._support
        return propagation_function(vectors, labels, len(self.label_names), sigma=propagation_sigma(self.model, vectors))

    @cached_property
    def _support(self) -> tuple[np.ndarray, np.ndarray]:
        """Stored vectors (S, D) and labels (S,) of the support."""
        mine = self._arrays.roles == "support"
        return np.asarray(self._arrays.embeddings[mine], dtype=np.float32), np.asarray(self._arrays.labels[mine])

    def tokenize(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[TokenizedText]:
        encoder = self.model.encoder
        others = [None] * len(texts) if pairs is None else pairs
        cased = lambda one: None if one is None else encoder.cased([one])[0]  # noqa: E731
        return [tokenize(encoder.tokenizer, cased(text), cased(pair), max_length=encoder.max_length)
                for text, pair in zip(texts, others, strict=True)]  # fmt: skip

    def probabilities(self, texts: Sequence[TokenizedText]) -> np.ndarray:
        """(N, C) shares of the run's own readout."""
        scores = self.scores  # made here: what is made in inference mode can have no slope
        return seen(self.words, texts, lambda what, rows: scores(what).softmax(dim=1)).numpy()

