"""What is explained: a run's score of a class as a differentiable function of the pooled vector.

    Seen (pooled vectors, a loaded classifier's logits) -> (B, C) class scores of a readout -> (B,) the target

Scores are raw (logits, similarities, log-shares), since the slope of a probability vanishes where the model is sure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from dmlviz.analysis.attribution.kind import Target
from dmlviz.core.types import InputError
from dmlviz.losses.propagation import kernel_graph, wide
from dmlviz.training.model import FineTuneModel
from dmlviz.training.readouts import FLOOR, mixed, propagation_sigma, support_texts


class Seen(NamedTuple):
    """What the model makes of a batch."""

    pooled: Tensor  # (B, D)
    logits: Tensor | None = None  # (B, C) of the classifier that came with a loaded model


Scores = Callable[[Seen], Tensor]  # -> (B, C), differentiable

class Explained(NamedTuple):
    """A target made ready for one run. `of` Seen -> (B,) needs the classes that each text is explained for."""

    of: Callable[[Seen, Tensor], Tensor]  # classes (B,) -> (B,)
    classes: Callable[[np.ndarray, np.ndarray | None], np.ndarray]  # predictions (N,), gold (N,) or None -> (N,)


def explained(target: Target, model: FineTuneModel, scores: Scores, label_names: tuple[str, ...], propagated: Callable[[], Scores]) -> Explained:
    """`scores` are those of the run's own readout, `propagated` makes those of propagation when asked."""
    first = class_of(target.first, label_names) if target.first else None
    one = (lambda predicted, gold: predicted) if first is None else (lambda predicted, gold: np.full(len(predicted), first))
    picked = lambda values, classes: values.gather(1, classes[:, None])[:, 0]  # noqa: E731
    if target.kind in ("predicted", "class"):
        return Explained(lambda seen, classes: picked(scores(seen), classes), one)
    if target.kind == "gold":
        return Explained(lambda seen, classes: picked(scores(seen), classes), _gold)
    if target.kind == "difference":
        other = class_of(target.second, label_names)
        if other == first:
            raise InputError(f"the difference of {target.first!r} and itself is nothing to explain; name two classes")
        return Explained(lambda seen, classes: picked(scores(seen), classes) - scores(seen)[:, other], one)
    if target.kind == "propagated":
        spread = propagated()
        return Explained(lambda seen, classes: picked(spread(seen), classes), one)
    centers = model.metric.centers() if model.metric is not None else None
    if centers is None:
        raise InputError("this run's loss has no centres; explain a class's score instead (predicted, gold or class=NAME)")
    if target.kind == "soft_triple":
        return Explained(lambda seen, classes: picked(model.metric.similarities(seen.pooled), classes), one)
    if not (target.second.isdecimal() and int(target.second) < centers.shape[1]):
        raise InputError(f"class {target.first!r} has the centres 0 to {centers.shape[1] - 1}, not {target.second[:20]!r}")
    center = centers.detach()[first, int(target.second)]
    return Explained(lambda seen, classes: functional.cosine_similarity(seen.pooled, center[None], dim=1), one)


def _gold(predicted: np.ndarray, gold: np.ndarray | None) -> np.ndarray:
    if gold is None:
        raise InputError("a typed text has no label of its own; explain its prediction, or one class (class=NAME)")
    return gold


def class_of(name: str, label_names: tuple[str, ...]) -> int:
    """The number of a class."""
    if name not in label_names:
        raise InputError(f"no class is called {name[:60]!r}; classes: {', '.join(label_names[:12])}{' ...' if len(label_names) > 12 else ''}")
    return label_names.index(name)


# ---- readouts as functions of what the model makes of a text


def readout_function(name: str, model: FineTuneModel, support: np.ndarray, labels: np.ndarray) -> Scores:
    """The run's readout of this name. `support` (S, D) and `labels` (S,) are what probes are fitted on.

    knn counts votes and has no slope, so its texts are explained through propagation, which weighs all support texts by distance.
    """
    if name == "head":
        return lambda seen: model.head(seen.pooled) if seen.logits is None else seen.logits
    if name == "centers":
        return lambda seen: model.metric.class_scores(seen.pooled)
    if name == "mixed":
        return lambda seen: mixed(model.head(seen.pooled), model.metric.similarities(seen.pooled), model.ce_weight)
    if name == "linear_probe":
        return linear_probe_function(support, labels, model.head.out_features, balanced=model.class_weights is not None)
    if name in ("propagation", "knn"):
        return propagation_function(support, labels, model.head.out_features, sigma=propagation_sigma(model, support))
    raise InputError(f"the readout {name!r} cannot be explained; those that can: head, centers, mixed, linear_probe, propagation")


def linear_probe_function(support: np.ndarray, labels: np.ndarray, num_classes: int, *, balanced: bool = False) -> Scores:
    """The logits of the same logistic regression that `training.readouts.linear_probe` fits."""
    if len(np.unique(labels)) < 2:
        raise InputError("a linear probe needs support texts of two classes; this run's are of one")
    scale = np.linalg.norm(support, axis=1).mean() or 1.0
    fitted = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced" if balanced else None).fit(support / scale, labels)
    weights, bias = fitted.coef_ / scale, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row: the second class against the first
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    whole, told = np.zeros((num_classes, support.shape[1])), np.full(num_classes, FLOOR)
    whole[fitted.classes_], told[fitted.classes_] = weights, bias
    matrix, offset = torch.tensor(whole, dtype=torch.float32), torch.tensor(told, dtype=torch.float32)
    return lambda seen: seen.pooled @ matrix.to(seen.pooled).T + offset.to(seen.pooled)


def propagation_function(support: np.ndarray, labels: np.ndarray, num_classes: int, *, sigma: float) -> Scores:
    """Log of the share of label mass that reaches one text, joined alone to the support, over the kernel graph of G-Loss.

    The stored readout joins 256 texts at a time, which pass labels on among themselves; here each text must stand alone, or its attribution would
    depend on its neighbours in the batch. T is row-normalised, so shares of a text sum to one.
    """
    chosen = support_texts(len(labels))
    units = functional.normalize(wide(torch.from_numpy(np.ascontiguousarray(support[chosen], dtype=np.float32))), dim=1)  # (S, D)
    graph = kernel_graph(units, sigma)  # (S, S)
    degrees = graph.sum(dim=1)  # (S,) without the new text
    onehot = functional.one_hot(torch.from_numpy(labels[chosen].astype(np.int64)), num_classes).double()  # (S, C)

    def scores(seen: Seen) -> Tensor:
        pooled = seen.pooled
        fixed, links, told = units.to(pooled.device), degrees.to(pooled.device), onehot.to(pooled.device)
        new = functional.normalize(pooled.double(), dim=1)
        exponents = (2 - 2 * new @ fixed.T) / (-2 * sigma**2)  # (B, S), of the squared distance between unit vectors
        near = exponents.exp()
        # A_ij / D-column: with W' the graph of support and the one text, T_ij ~ W'_ij / sqrt(D_j) / sum_m A_mj, and row factors cancel
        joined = links[None] + near  # (B, S) degrees of the support texts beside this one
        roots = joined.clamp_min(1e-300).rsqrt()
        own = near.sum(dim=1, keepdim=True).clamp_min(1e-300).rsqrt()  # (B, 1)
        columns = roots * (torch.einsum("bs,st->bt", roots, graph.to(pooled.device)) + own * near)  # (B, S) sum_m A_mj
        weights = exponents + roots.log() - columns.clamp_min(1e-300).log()  # log of T_ij up to the row's factor
        masses = [weights[:, told[:, c] > 0].logsumexp(dim=1) if bool((told[:, c] > 0).any()) else weights.new_full((len(pooled),), FLOOR * 10)
                  for c in range(num_classes)]  # fmt: skip
        return functional.log_softmax(torch.stack(masses, dim=1), dim=1).clamp_min(FLOOR).to(pooled.dtype)

    return scores
