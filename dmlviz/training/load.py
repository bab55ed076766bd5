"""A model fine-tuned elsewhere becomes a run: its encoder, and its classification head where it has one that fits the data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dmlviz.core.types import InputError, Run
from dmlviz.encoder.checkpoint import Notes, read_classifier, read_config
from dmlviz.encoder.places import Place, called, find_model
from dmlviz.encoder.self_test import TOLERANCE, by_embeds, differences
from dmlviz.encoder.sentence_modules import Normalize
from dmlviz.encoder.setfit_head import on_unit_vectors, read_setfit_head
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.training.choices import no_such_readout, readouts_of
from dmlviz.training.class_names import match_classes
from dmlviz.training.fit import Job
from dmlviz.training.model import FineTuneModel, load_objective


@dataclass
class ForeignHead:
    """The classifier of a Hugging Face *ForSequenceClassification checkpoint, with its outputs in the data set's class order."""

    model: nn.Module
    encoder: TextEncoder  # whose tokenizer it has, and whose model is a part of it
    order: list[int]  # for every class of the data set, the model's output number
    guessed: bool = False  # the order was taken from the places, since the outputs have no names
    alone: bool = False  # texts of unequal length never stand in one batch

    def scores(self, job: Job, rows: np.ndarray) -> np.ndarray:
        """(N, C) float32 logits, computed by the whole model as its authors wired it."""
        ids = self.encoder.token_ids(*job.texts(rows))
        found = np.zeros((len(rows), len(self.order)), dtype=np.float32)
        self.model.eval().to(job.device)
        with torch.inference_mode():
            for positions, batch in self.encoder.batches(ids, 16, equal=self.alone):
                found[positions] = self.logits({key: value.to(job.device) for key, value in batch.items()}).float().cpu().numpy()
        return found

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, C) of one batch."""
        return self.model(**batch).logits[:, self.order]


def load_model(job: Job) -> tuple[FineTuneModel, ForeignHead | None]:
    """The run's model with stored weights; its encoder's report says what was read. Raises InputError when a stored objective does not fit the data
    set, or the readout not the model."""
    if job.config.control == "pre_trained":  # the encoder as training would have found it, whatever lies beside its weights
        return _bare(job.build()), None
    place = find_model(job.config.encoder)
    if place.kind == "dmlviz" and (place.folder / "objective.safetensors").is_file():
        model = job.build(job.encoder(as_is=True))
        load_objective(model, place.folder, job.dataset.label_names)
        return model, None
    if place.kind == "SetFit":
        return _with_setfit_head(job, place), None
    foreign, notes = foreign_head(place, job)
    model = _bare(job.build(foreign.encoder if foreign is not None else job.encoder(as_is=True, notes=notes)))
    known = readouts_of(head=foreign is not None, centers=False, mixed=False)
    if job.config.readout not in ("auto", *known):
        raise InputError(no_such_readout(job.config.readout, "a model without an objective of ours", known))
    return model, foreign


def _bare(model: FineTuneModel) -> FineTuneModel:
    """An untrained head or untrained centres must not be read out."""
    model.metric, model.ce_weight = None, 0.0
    return model


# ---- heads


def foreign_head(place: Place, job: Job) -> tuple[ForeignHead | None, Notes]:
    """The checkpoint's own classifier, when its outputs can be matched with the data set's classes; else None, and notes that say why."""
    notes = Notes()
    if place.kind != "adapter":
        config = read_config(place)
        if not any(str(name).endswith("ForSequenceClassification") for name in config.architectures or ()):
            return None, notes
        if reason := _no_classes(config):
            notes.left_out.append(reason)
            return None, notes
    classifier = read_classifier(place, notes)
    if classifier is None:
        return None, notes
    match = match_classes(_stored_order(place, job.dataset.label_names), classifier.config.id2label, job.dataset)
    if match.order is None:
        notes.left_out.append(f"its own classifier, since {match.sentence}")
        return None, notes
    notes.assumed += [one for one in (match.sentence, _named_twice(classifier.config)) if one]
    encoder = job.encoder(as_is=True, owner=classifier, notes=notes)
    try:
        return _checked(ForeignHead(classifier, encoder, match.order, guessed=match.guessed), place.name), notes
    except InputError as error:
        notes.left_out.append(f"its own classifier, since {str(error).replace(place.name, called(place.name))}")
        return None, notes


def _no_classes(config: Any) -> str | None:
    """Why a head gives no probabilities of classes."""
    if config.num_labels == 1 or config.problem_type == "regression":
        return "its head, since it predicts a number (regression) and no class"
    if sorted(config.id2label) != list(range(len(config.id2label))):
        numbers = ", ".join(map(str, sorted(config.id2label)[:4]))
        return f"its classifier, since id2label of its config.json numbers the outputs {numbers} ... and not from 0"
    if config.problem_type == "multi_label_classification":
        return "its head, since it says yes or no for each class by itself (multi-label), so they share no probability"
    return None


def _named_twice(config: Any) -> str:
    """id2label and label2id of a config.json that do not say the same."""
    names = {str(name): int(i) for i, name in config.id2label.items()}
    theirs = {str(name): int(i) for name, i in (config.label2id or {}).items()}
    return "the names of id2label, which label2id of its config.json contradicts" if set(names) == set(theirs) and names != theirs else ""


def _checked(head: ForeignHead, name: str) -> ForeignHead:
    """The same, told how to batch; its report holds the largest difference of its logits. Raises InputError where even a text alone is not
    repeated."""
    if head.model.config.pad_token_id is None:
        head.model.config.pad_token_id = head.encoder.tokenizer.pad_token_id
    was = head.model.training
    head.model.eval()
    with torch.inference_mode():
        found = differences(head.encoder, head.logits, name, by_embeds(head.encoder, head.logits))
    head.model.train(was)
    head.alone = not found["batch"] <= TOLERANCE
    report = head.encoder.report
    said = ("its classifier reads texts of equal length together, since it answers otherwise beside a longer text",) if head.alone else ()
    head.encoder.report = replace(report, assumed=(*report.assumed, *said),
                                  self_test={**report.self_test, **{f"logits_{key}": value for key, value in found.items()}})  # fmt: skip
    return head


def _stored_order(place: Place, names: Sequence[str]) -> list[int] | None:
    """A run's own weights say which output is which class of its data set; those classes may stand in another order here. None: not known."""
    path = place.folder / "dmlviz.json"
    written = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    order, classes = written.get("classifier_order"), written.get("label_names")
    if order is None or not classes or sorted(classes) != sorted(names):
        return None
    return [order[classes.index(name)] for name in names]


def _with_setfit_head(job: Job, place: Place) -> FineTuneModel:
    """A SetFit model: its body, and its logistic regression or linear head as ours."""
    notes = Notes()
    head = read_setfit_head(place, notes)
    encoder = job.encoder(as_is=True, notes=notes)
    if on_unit_vectors(place) and not (len(encoder.layers) and isinstance(encoder.layers[-1], Normalize)):
        encoder.layers.append(Normalize())
        said = "vectors of length one, on which config_setfit.json says its head was fitted"
        encoder.report = replace(encoder.report, read=(*encoder.report.read, said))
    model = _bare(job.build(encoder))
    if head is None:
        return model
    match = match_classes(None, dict(enumerate(head.classes)), job.dataset)
    report = encoder.report
    if match.order is None or head.weight.shape[1] != encoder.dim:
        why = match.sentence or f"it takes vectors of {head.weight.shape[1]} numbers, and the body gives {encoder.dim}"
        encoder.report = replace(report, left_out=(*report.left_out, f"its head, since {why}"))
        return model
    encoder.report = replace(report, assumed=(*report.assumed, *([match.sentence] if match.sentence else [])))
    with torch.no_grad():
        model.head.weight.copy_(head.weight[match.order])
        model.head.bias.copy_(head.bias[match.order])
    model.ce_weight = 1.0  # it has a head that was trained
    return model




def readout_reason(run: Run, report: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Why the run predicts with its readout: a sentence for whoever sees its accuracy."""
    own = str(metrics.get("readout", "none"))
    if own == "none":
        return "nothing predicts: there is no head, no centres, and the support texts are of one class"
    if run.config.readout != "auto":
        return f"{own.replace('_', ' ')}, as asked for"
    if run.origin == "loaded" or run.config.control == "as_loaded":
        if own in ("head", "centers"):
            return {"head": "its own classifier", "centers": "its own centres"}[own]
        heads = [one for one in report.get("left_out", ()) if "head" in one or "classifier" in one]
        return f"a linear probe on the support texts{'; not read: ' + heads[0] if heads else ', since it came without a head'}"
    return {"head": "the linear head, which cross-entropy trained", "centers": "the loss's own centres, since no head was trained",
            "linear_probe": "a linear probe on the support texts, since the loss trains neither a head nor centres"}.get(own, own)  # fmt: skip
