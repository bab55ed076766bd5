"""From a trained run to predictions: every readout that applies, and the numbers a list shows."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from dmlviz.records import Split
from dmlviz.training.model import FineTuneModel


def readout_scores(model: FineTuneModel, embeddings: np.ndarray, labels: np.ndarray, split: Split, num_classes: int) -> dict[str, np.ndarray]:
    """Readout name -> (N, C) float32, softmax of which is the readout's probability. Rows as in `split.row_ids`; the first is the default.

    head: the linear layer trained by cross-entropy. centers: the loss's similarity to its centres (SoftTriple's S', scaled as in training).
    linear_probe: logistic regression on the frozen vectors of the support set (G-Loss's standalone pipeline trains such a classifier).
    """
    device = model.head.weight.device
    pooled = torch.from_numpy(embeddings).to(device)
    found: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        if model.has_head:
            found["head"] = model.head(pooled).float().cpu().numpy()
        near = model.metric.class_scores(pooled) if model.metric is not None else None
        if near is not None:
            found["centers"] = near.float().cpu().numpy()
    probe = linear_probe(embeddings, labels, len(split.support), num_classes)
    if probe is not None:
        found["linear_probe"] = probe
    return found


def can_read_out(model: FineTuneModel) -> bool:
    """Does the model predict by itself, without a classifier fitted afterwards?"""
    return model.has_head or (model.metric is not None and model.metric.centers() is not None)


def linear_probe(embeddings: np.ndarray, labels: np.ndarray, n_support: int, num_classes: int) -> np.ndarray | None:
    """(N, C) log-probabilities of a logistic regression fitted on the first `n_support` rows; None when they hold one class."""
    known = labels[:n_support]
    if len(np.unique(known)) < 2:
        return None
    scale = np.linalg.norm(embeddings[:n_support], axis=1).mean() or 1.0  # unit length on average, so that C means the same for every encoder
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(embeddings[:n_support] / scale, known)
    scores = np.full((len(embeddings), num_classes), -30.0, dtype=np.float32)  # a class without a shot cannot be predicted
    scores[:, fitted.classes_] = fitted.predict_log_proba(embeddings / scale).clip(min=-30)
    return scores


def metrics_of(scores: dict[str, np.ndarray], labels: np.ndarray, split: Split) -> dict[str, object]:
    """Accuracy and macro-F1 on the test part for every readout; the first readout is the run's own. Shares of 1, not per cent."""
    if not scores:  # a loaded encoder without a head, and support texts of one class: nothing can predict
        return {"readout": "none"}
    roles, default = split.roles, next(iter(scores))
    test, validation = roles == "test", roles == "validation"
    found: dict[str, object] = {
        "readout": default,
        "n_test": int(test.sum()),
        "n_validation": int(validation.sum()),
        "n_support": int((roles == "support").sum()),
    }
    for name, values in scores.items():
        prefix = "" if name == default else f"{name}_"
        found |= {f"{prefix}{key}": value for key, value in _quality(values.argmax(axis=1), labels, test, validation).items()}
    if test.any():
        found["majority"] = float(np.bincount(labels[test]).max() / test.sum())
    return found


def _quality(predictions: np.ndarray, labels: np.ndarray, test: np.ndarray, validation: np.ndarray) -> dict[str, float]:
    found = {}
    if test.any():
        found["accuracy"] = float((predictions[test] == labels[test]).mean())
        found["macro_f1"] = float(f1_score(labels[test], predictions[test], average="macro", labels=np.unique(labels[test]), zero_division=0))
    if validation.any():
        found["validation_accuracy"] = float((predictions[validation] == labels[validation]).mean())
    return found
