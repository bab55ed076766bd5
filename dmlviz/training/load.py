"""A model fine-tuned elsewhere becomes a run: its encoder, and its classification head where it has one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from dmlviz.encoder import TextEncoder, find_encoder
from dmlviz.records import InputError
from dmlviz.training.choices import no_such_readout, readouts_of
from dmlviz.training.fit import Job
from dmlviz.training.model import FineTuneModel, load_objective


@dataclass
class ForeignHead:
    """The classifier of a Hugging Face *ForSequenceClassification checkpoint, with its outputs in the data set's class order."""

    model: torch.nn.Module
    order: list[int]  # for every class of the data set, the model's output number

    def scores(self, vectors: np.ndarray, job: Job, rows: np.ndarray) -> np.ndarray:
        """(N, C) float32 logits, computed by the whole model as its authors wired it."""
        encoder = TextEncoder(self.model, self._tokenizer(job), pooling="cls", max_length=job.config.max_length)
        ids = encoder.token_ids(*job.texts(rows))
        found = np.zeros((len(rows), len(self.order)), dtype=np.float32)
        self.model.eval().to(job.device)
        with torch.inference_mode():
            for positions, batch in encoder.batches(ids, 16):
                logits = self.model(**{k: v.to(job.device) for k, v in batch.items()}).logits
                found[positions] = logits.float().cpu().numpy()[:, self.order]
        return found

    @staticmethod
    def _tokenizer(job: Job):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(find_encoder(job.config.encoder), trust_remote_code=False)


def load_model(job: Job) -> tuple[FineTuneModel, ForeignHead | None]:
    """The run's model with stored weights. Raises InputError when a stored objective does not fit the data set, or the readout not the model."""
    model = job.build()
    place = find_encoder(job.config.encoder)
    untrained = job.config.control == "pre_trained"  # the encoder as training would have found it, whatever lies beside its weights
    had_objective = load_objective(model, place) if Path(place).is_dir() and not untrained else False
    if had_objective:
        return model, None
    model.metric, model.ce_weight = None, 0.0  # an untrained head or untrained centres must not be read out
    foreign = None if untrained else foreign_head(place, job)
    known = readouts_of(head=foreign is not None, centers=False, mixed=False)
    if job.config.readout not in ("auto", *known):
        raise InputError(no_such_readout(job.config.readout, "a model without an objective of ours", known))
    return model, foreign


def foreign_head(place: str, job: Job) -> ForeignHead | None:
    """The checkpoint's own classifier, when its outputs can be matched with the data set's classes; else None, said in the log."""
    config = AutoConfig.from_pretrained(place, trust_remote_code=False)
    if not any(name.endswith("ForSequenceClassification") for name in config.architectures or ()):
        return None
    order = match_labels(config.id2label, job.dataset.label_names)
    if order is None:
        print(f"the model's own classifier is not used: its classes {list(config.id2label.values())[:5]} are not the data set's", flush=True)
        return None
    model = AutoModelForSequenceClassification.from_pretrained(place, use_safetensors=True, trust_remote_code=False, dtype=torch.float32)
    return ForeignHead(model, order)


def match_labels(id2label: dict[int, str], label_names: tuple[str, ...]) -> list[int] | None:
    """The model's output number for every class name. Unnamed outputs (LABEL_0 ...) are taken in order when their count fits."""
    names = {str(name): int(i) for i, name in id2label.items()}
    if set(label_names) <= set(names):
        return [names[name] for name in label_names]
    if len(names) == len(label_names) and all(name.startswith("LABEL_") for name in names):
        return list(range(len(label_names)))
    return None
