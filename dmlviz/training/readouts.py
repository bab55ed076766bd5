"""From a trained run to predictions: every readout that applies, and the numbers a list shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, silhouette_samples
from torch import Tensor

from dmlviz.core.types import UNREACHED, InputError, Split, predicted_classes
from dmlviz.losses.g_loss import GLoss
from dmlviz.losses.propagation import propagate, sqrt_median_sigma, text_transition
from dmlviz.training.choices import no_such_readout, readouts_of
from dmlviz.training.model import FineTuneModel

NEIGHBORS = 5
CHUNK = 256  # texts that spread labels together; each chunk is joined to the whole support
MOST_SUPPORT = 1024  # texts of the support that take part in a propagation; beyond that, evenly spaced ones
NAMED = 20  # classes without a test text that a run's metrics name
FLOOR = -30.0  # log-probability of what is impossible: finite, so that it can be stored and drawn


def readout_scores(
    model: FineTuneModel, embeddings: np.ndarray, labels: np.ndarray, split: Split, num_classes: int, *, head: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Readout name -> (N, C) float32, softmax of which is the readout's probability. Rows as in `split.row_ids`; the first is the run's own.

    head: the linear layer trained by cross-entropy, or the given logits of a classifier that came with the encoder.
    centers: the loss's similarity to its centres (SoftTriple's S', scaled as in training).
    mixed: ce_weight · softmax(head) + (1 − ce_weight) · softmax(similarity to the centres), that similarity not scaled: extended inference of
        arXiv 2211.15202, whose proxy logits are S', the cosine to a proxy, or (ProxyNCA) minus the squared distance.
    knn, linear_probe, propagation: fitted on the frozen vectors of the support set; see there.
    Raises InputError when the config's readout cannot be made.
    """
    known = _known(model, head)
    own = _own(model, known)
    found = {name: _scores(name, model, embeddings, labels, len(split.support), num_classes, head) for name in (own, *(n for n in known if n != own))}
    if found[own] is None and model.readout != "auto":
        raise InputError(no_such_readout(own, "a support of one class", tuple(name for name, scores in found.items() if scores is not None)))
    return {name: scores for name, scores in found.items() if scores is not None}


def own_scores(model: FineTuneModel, embed: Callable[[np.ndarray], np.ndarray], labels: np.ndarray, split: Split) -> tuple[np.ndarray, np.ndarray]:
    """For validation during training: (V, D) vectors of the validation texts and (V, C) scores of the run's own readout alone.

    `embed` gives the vectors of row ids, `labels` are those of the whole data set. The support is embedded only where the readout asks for it.
    """
    own = _own(model, _known(model, None))
    rows = split.validation if own in ("head", "centers", "mixed") else np.concatenate([split.support, split.validation])
    vectors, seen = embed(rows), len(rows) - len(split.validation)
    scores = _scores(own, model, vectors, labels[rows], seen, model.head.out_features, None)
    if scores is None:  # a probe on one class
        scores = np.full((len(rows), model.head.out_features), FLOOR, dtype=np.float32)
        scores[:, labels[rows[0]]] = 0
    return vectors[seen:], scores[seen:]


def _known(model: FineTuneModel, head: np.ndarray | None) -> tuple[str, ...]:
    centers = model.metric is not None and model.metric.centers() is not None
    return readouts_of(head=model.has_head or head is not None, centers=centers, mixed=0 < model.ce_weight < 1)


def _own(model: FineTuneModel, known: tuple[str, ...]) -> str:
    """The config's readout; "auto": the head where there is one, else the centres, else a probe."""
    if model.readout == "auto":
        return next(name for name in ("head", "centers", "linear_probe") if name in known)
    if model.readout not in known:
        raise InputError(no_such_readout(model.readout, "this model", known))
    return model.readout


def _scores(
    name: str, model: FineTuneModel, embeddings: np.ndarray, labels: np.ndarray, n_support: int, num_classes: int, head: np.ndarray | None
) -> np.ndarray | None:
    """(N, C) of one readout; the first `n_support` rows are the support. None for a probe on one class."""
    if name == "linear_probe":
        return linear_probe(embeddings, labels, n_support, num_classes, balanced=model.class_weights is not None)
    if name == "knn":
        return knn(embeddings, labels[:n_support], num_classes)
    if name == "propagation":
        return propagation(embeddings, labels[:n_support], num_classes, sigma=_sigma(model))
    with torch.inference_mode():
        return _parts(name, model, torch.from_numpy(embeddings).to(model.head.weight.device), head).float().cpu().numpy()


def _parts(name: str, model: FineTuneModel, pooled: Tensor, head: np.ndarray | None) -> Tensor:
    if name == "head":
        return model.head(pooled) if head is None else torch.from_numpy(head)
    if name == "centers":
        return model.metric.class_scores(pooled)
    return mixed(_parts("head", model, pooled, head).float().cpu(), model.metric.similarities(pooled).float().cpu(), model.ce_weight)


def mixed(head: Tensor, proxies: Tensor, ce_weight: float) -> Tensor:
    """(N, C) logs of ce_weight · softmax(head) + (1 − ce_weight) · softmax(proxies); ce_weight is the papers' beta."""
    return torch.logaddexp(F.log_softmax(head, dim=1) + math.log(ce_weight), F.log_softmax(proxies, dim=1) + math.log(1 - ce_weight))


def knn(embeddings: np.ndarray, known: np.ndarray, num_classes: int, *, neighbors: int = NEIGHBORS) -> np.ndarray:
    """(N, C) log of each class's share of the votes of the nearest support texts (cosine); the first len(`known`) rows are the support.

    Every neighbour has one vote; of classes with as many votes the one that is more similar in sum wins. A support text is not its own
    neighbour. Without any neighbour all classes are alike.
    """
    units, k = torch.from_numpy(_units(embeddings)), min(neighbors, len(known))
    near, nearest = (found.numpy() for found in _nearest(units, units[: len(known)], k))  # (N, k) each
    counts = np.isfinite(near)  # a support of k texts leaves k - 1 for each of them
    votes = np.where(counts[:, :, None], np.eye(num_classes)[known[nearest]], 0.0)  # (N, k, C)
    closeness = np.where(counts, (1 + near) / 2, 0.0)  # 0..1
    scores = votes.sum(axis=1) + 0.01 * (votes * closeness[:, :, None]).sum(axis=1) / k  # a hundredth of a vote at most
    return _logs(scores)


def _nearest(units: Tensor, support: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(N, k) cosines and row numbers of the most similar support texts; a text's cosine with itself counts as minus infinity."""
    similar, nearest = [], []
    for start in range(0, len(units), 1024):
        cosines = units[start : start + 1024] @ support.T  # (n, S)
        if start < len(support):  # the first S texts are the support
            cosines.diagonal(offset=start).fill_(-math.inf)
        top = cosines.topk(k, dim=1)
        similar.append(top.values)
        nearest.append(top.indices)
    return torch.cat(similar), torch.cat(nearest)


def propagation(embeddings: np.ndarray, known: np.ndarray, num_classes: int, *, sigma: float | None = None) -> np.ndarray:
    """(N, C) log-probabilities: the labels of the support (the first len(`known`) rows) spread over the Gaussian graph of unit vectors.

    Other texts come in chunks of 256, in their order, each chunk joined to the support: they pass labels on among themselves too. A support text is
    guessed from all others of the support. `sigma` None: sqrt(median distance / 3) of the support, as G-Loss takes it. Rows of the transition matrix
    are normalised, so that scores are probabilities; a text that nothing reaches has all classes alike.
    """
    units = torch.from_numpy(_units(embeddings))
    chosen = support_texts(len(known))
    support, told = units[chosen], torch.from_numpy(np.eye(num_classes)[known[chosen]])
    sigma = _median_sigma(support) if sigma is None else sigma
    scores = np.zeros((len(units), num_classes))
    scores[chosen] = (text_transition(support, sigma, row_normalise=True) @ told).numpy()  # one hidden text: (I - 0)^-1 T_ul Y_l
    others = np.setdiff1d(np.arange(len(units)), chosen)
    for hidden in (others[start : start + CHUNK] for start in range(0, len(others), CHUNK)):
        visible = torch.arange(len(hidden) + len(chosen)) >= len(hidden)
        everyone = torch.cat([told.new_zeros(len(hidden), num_classes), told])
        shares = text_transition(torch.cat([units[hidden], support]), sigma, row_normalise=True)
        scores[hidden] = propagate(shares, everyone, visible).numpy()
    return _logs(scores)


def _sigma(model: FineTuneModel) -> float | None:
    """The kernel width that a G-Loss run trained with; None for other losses."""
    sigma = float(model.metric.sigma) if isinstance(model.metric, GLoss) else math.nan
    return sigma if math.isfinite(sigma) else None


def propagation_sigma(model: FineTuneModel, support: np.ndarray) -> float:
    """The kernel width of the run's propagation readout: G-Loss's own, or the median rule on the (S, D) vectors of the support."""
    own = _sigma(model)
    return _median_sigma(torch.from_numpy(_units(support[support_texts(len(support))]))) if own is None else own


def support_texts(count: int) -> np.ndarray:
    """Which texts of the support take part in a propagation."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_SUPPORT)).round().astype(int))


def _median_sigma(units: Tensor) -> float:
    try:
        return sqrt_median_sigma(units)
    except InputError:  # one text, or half of all pairs equal: any width of the order of the distances will do
        return 1.0


def _units(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) float64 of length one; a zero vector stays zero."""
    wide = embeddings.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def _logs(scores: np.ndarray) -> np.ndarray:
    """(N, C) weights -> float32 logs of their shares; rows without any weight are alike in every class."""
    total = scores.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, scores / np.where(total > 0, total, 1), 1 / scores.shape[1])
    return np.log(np.maximum(shares, math.exp(FLOOR))).astype(np.float32)


def linear_probe(embeddings: np.ndarray, labels: np.ndarray, n_support: int, num_classes: int, *, balanced: bool = False) -> np.ndarray | None:
    """(N, C) log-probabilities of a logistic regression fitted on the first `n_support` rows; None when they hold one class.

    C is 10 on vectors of unit length on average. `balanced`: a text of class c weighs S / (C · S_c), as in the class-weighted classifier on frozen
    vectors of G-Loss's authors, which is trained by Adam and stopped early; this one is fitted to its end.
    """
    known = labels[:n_support]
    if len(np.unique(known)) < 2:
        return None
    scale = np.linalg.norm(embeddings[:n_support], axis=1).mean() or 1.0  # unit length on average, so that C means the same for every encoder
    fitted = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced" if balanced else None).fit(embeddings[:n_support] / scale, known)
    scores = np.full((len(embeddings), num_classes), FLOOR, dtype=np.float32)  # a class without a shot cannot be predicted
    scores[:, fitted.classes_] = fitted.predict_log_proba(embeddings / scale).clip(min=FLOOR)
    return scores


def macro_silhouette(embeddings: np.ndarray, labels: np.ndarray) -> float | None:
    """Silhouette of unit vectors with respect to their classes (Euclidean): the mean of each class, then of all classes (G-Loss, app. C).

    -1..1, higher is better. Classes with one text are left out of the mean; None when there are no two classes, or none with two texts.
    """
    if not silhouette_exists(labels):
        return None
    values = silhouette_samples(_units(embeddings), labels)
    classes, counts = np.unique(labels, return_counts=True)
    return float(np.mean([values[labels == c].mean() for c in classes[counts > 1]]))


def silhouette_exists(labels: np.ndarray) -> bool:
    return 2 <= len(np.unique(labels)) < len(labels)


def quality(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy and macro-F1 of (N, C) scores, shares of 1.

    Macro-F1 is the plain mean of F1 over all C classes, a rare one counting as much as a common one, as scikit-learn's with `labels=range(C)`: a
    class without a text here, and one that is never predicted rightly, has F1 0. A text of which the readout says nothing counts as wrong.
    """
    predictions = predicted_classes(scores)
    return {
        "accuracy": float((predictions == labels).mean()),
        "macro_f1": float(f1_score(labels, predictions, average="macro", labels=np.arange(scores.shape[1]), zero_division=0)),
    }


def metrics_of(scores: dict[str, np.ndarray], labels: np.ndarray, split: Split, label_names: Sequence[str] = ()) -> dict[str, object]:
    """Accuracy and macro-F1 on the test part for every readout; the first readout is the run's own. Shares of 1, not per cent.

    `n_classes` says that macro-F1 is over all classes; `n_untested` and `untested` which of them the test part lacks (the first NAMED names);
    `n_unreached` how many test texts a readout says nothing of, where there are any.
    """
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
        for part, mask in (("", test), ("validation_", validation)):
            if mask.any():
                found |= {f"{prefix}{part}{key}": value for key, value in quality(values[mask], labels[mask]).items()}
        if unreached := int((predicted_classes(values[test]) == UNREACHED).sum()):
            found[f"{prefix}n_unreached"] = unreached
    if test.any():
        found["majority"] = float(np.bincount(labels[test]).max() / test.sum())
        found |= _untested(labels[test], next(iter(scores.values())).shape[1], label_names)
    return found


def _untested(labels: np.ndarray, classes: int, label_names: Sequence[str]) -> dict[str, object]:
    missing = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
    if not len(missing):
        return {"n_classes": classes}
    return {"n_classes": classes, "n_untested": len(missing), "untested": [label_names[c] if label_names else str(c) for c in missing[:NAMED]]}
