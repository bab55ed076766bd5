"""Numbers of a similarity graph: homophily, spectral gap, components, degrees, and propagated accuracy with an interval over random masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array, issparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from dmlviz.analysis.graph.nodes import stratified
from dmlviz.analysis.graph.similarity import (
    BLOCK,
    EXACT_LIMIT,
    Propagated,
    SimilarityGraph,
    one_thread,
    propagate,
    random_mask,
    similarity_graph,
    squared_distances,
)
from dmlviz.analysis.statistics import student
from dmlviz.core.types import InputError

CURVE_TEXTS = 600  # of a stratified sample, for accuracy over many masks and sigmas
MASKS = 10
DENSE_TEXTS = 1_000  # up to which every eigenvalue is worked out
SIGMAS = tuple(float(s) for s in np.geomspace(0.03, 3.0, 25))


@dataclass(frozen=True, eq=False)
class Edges:
    """Chosen edges, each once, the heaviest last."""

    heads: np.ndarray  # (M,)
    tails: np.ndarray  # (M,) heads < tails
    weights: np.ndarray  # (M,) W
    same: np.ndarray  # (M,) bool: both texts are of one class
    rule: str  # "3 strongest of each text", "weight 0.5 and more"


@dataclass(frozen=True, eq=False)
class GraphNumbers:
    """A graph in numbers."""

    texts: int
    sigma: float
    accuracy: float  # on the hidden texts under this mask, 0..1; NaN where nothing is hidden
    hidden: int
    unreached: int  # hidden texts that no label reaches; they count as wrong
    homophily: float  # share of all edge weight that joins texts of one class, 0..1; NaN where there is no weight
    edge_homophily: float  # share of the chosen edges that do
    chance: float  # homophily if weights knew nothing of classes: the share of pairs that are of one class
    gap: float  # 1 - |second eigenvalue of T|, 0..1: 0 is a graph in parts, where labels cannot mix
    components: int  # by the chosen edges
    degrees: np.ndarray  # (N,) sums of W
    alone: int  # texts similar to no other


@dataclass(frozen=True, eq=False)
class SigmaCurve:
    """Propagated accuracy against sigma, over the same random masks at every sigma."""

    sigmas: np.ndarray  # (S,)
    mean: np.ndarray  # (S,) 0..1
    low: np.ndarray  # (S,) of the 95 % t interval of the mean over masks; NaN for one mask
    high: np.ndarray  # (S,)
    masks: int
    texts: int  # the sample
    of: int  # texts it was drawn from
    visible: int  # labels shown


# ---- edges


def strongest(graph: SimilarityGraph, labels: np.ndarray, count: int) -> Edges:
    """Each text's `count` heaviest edges (weight 0 is none), each pair once."""
    n = len(labels)
    count = min(count, n - 1)
    if issparse(graph.weights):
        heads, tails = _strongest_sparse(graph.weights, count)
    else:
        tails = np.concatenate([_largest(graph.weights[i : i + BLOCK], count) for i in range(0, n, BLOCK)]).ravel()
        heads = np.arange(n).repeat(count)
    return _edges(graph, labels, heads, tails, f"{count} strongest of each text")


def _largest(rows: np.ndarray, count: int) -> np.ndarray:
    """(rows, count) columns of each row's largest entries. A few passes over the rows are quicker than sorting them."""
    rest, at = rows.copy(), np.arange(len(rows))
    found = np.zeros((len(rows), count), dtype=np.int64)
    for i in range(count):
        found[:, i] = rest.argmax(axis=1)
        rest[at, found[:, i]] = -1
    return found


def _strongest_sparse(weights: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for i in range(weights.shape[0]):
        own = slice(weights.indptr[i], weights.indptr[i + 1])
        best = np.argsort(-weights.data[own], kind="stable")[:count]
        found.append(np.stack([np.full(len(best), i), weights.indices[own][best]]))
    both = np.concatenate(found, axis=1).astype(np.int64)
    return both[0], both[1]


def above(graph: SimilarityGraph, labels: np.ndarray, threshold: float) -> Edges:
    """Every edge of at least this weight."""
    if issparse(graph.weights):
        entries = coo_array(graph.weights)
        keep = entries.data >= threshold
        heads, tails = entries.coords[0][keep], entries.coords[1][keep]
    else:
        heads, tails = np.nonzero(np.triu(graph.weights >= threshold, 1))
    return _edges(graph, labels, heads, tails, f"weight {threshold:g} and more")


def _edges(graph: SimilarityGraph, labels: np.ndarray, heads: np.ndarray, tails: np.ndarray, rule: str) -> Edges:
    low, high = np.minimum(heads, tails).astype(np.int64), np.maximum(heads, tails).astype(np.int64)
    pairs = np.unique(low * len(labels) + high)
    low, high = pairs // len(labels), pairs % len(labels)
    weights = np.asarray(graph.weights[low, high], dtype=np.float64).ravel()
    kept = np.flatnonzero(weights > 0)
    kept = kept[np.argsort(weights[kept], kind="stable")]
    labels = np.asarray(labels)
    return Edges(low[kept], high[kept], weights[kept], labels[low[kept]] == labels[high[kept]], rule)


# ---- numbers


def numbers(graph: SimilarityGraph, labels: np.ndarray, propagated: Propagated, edges: Edges) -> GraphNumbers:
    """All numbers of one graph; homophily over all edges, and over the chosen ones."""
    n, hidden = len(labels), propagated.hidden
    sizes = np.bincount(labels).astype(float)
    joined = coo_array((np.ones(len(edges.heads)), (edges.heads, edges.tails)), shape=(n, n))
    degrees = np.asarray(graph.weights.sum(axis=1)).ravel()
    return GraphNumbers(
        texts=n, sigma=graph.sigma, accuracy=propagated.accuracy, hidden=int(hidden.sum()), unreached=int((hidden & ~propagated.reached).sum()),
        homophily=homophily(graph, labels, degrees), edge_homophily=float(edges.same.mean()) if len(edges.same) else math.nan,
        chance=float((sizes * (sizes - 1)).sum() / (n * (n - 1))) if n > 1 else math.nan, gap=spectral_gap(graph),
        components=int(connected_components(joined, directed=False, return_labels=False)), degrees=degrees, alone=int(graph.alone.sum()),
    )  # fmt: skip


def homophily(graph: SimilarityGraph, labels: np.ndarray, degrees: np.ndarray | None = None) -> float:
    """Share of all edge weight that joins two texts of one class; NaN where no weight is left."""
    degrees = np.asarray(graph.weights.sum(axis=1)).ravel() if degrees is None else degrees
    total = degrees.sum()
    within = class_weights(graph, labels, int(np.max(labels)) + 1).trace()
    return float(within / total) if total > 0 else math.nan


def class_weights(graph: SimilarityGraph, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C) summed weight between the texts of two classes; each pair within a class is counted from both its ends."""
    one_hot = np.zeros((len(labels), num_classes))
    one_hot[np.arange(len(labels)), labels] = 1
    return one_hot.T @ (graph.weights @ one_hot)


def class_means(graph: SimilarityGraph, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(C, C) mean weight between texts of two classes, a text's similarity to itself left out; NaN where there is no pair."""
    sizes = np.bincount(labels, minlength=num_classes).astype(float)
    pairs = np.outer(sizes, sizes) - np.diag(sizes)
    return np.divide(class_weights(graph, labels, num_classes), pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


def spectral_gap(graph: SimilarityGraph) -> float:
    """1 - |second largest eigenvalue of T|, 0..1. Texts alone are left out. NaN where fewer than two texts are left.

    T = L W R has the eigenvalues of the symmetric Q W Q, Q = sqrt(L R), whose largest is 1 with the vector sqrt(R / L) (rows sum to one) or
    sqrt(L / R) (columns do). That one is taken off, so that the second is the largest that is left. Up to `DENSE_TEXTS` texts all eigenvalues are
    worked out; beyond, the three largest to 1e-10: asked for one alone and loosely, ARPACK may settle on the third where the second is close to it.
    """
    linked = np.flatnonzero((graph.left > 0) & (graph.right > 0))
    if len(linked) < 2:
        return math.nan
    left, right = graph.left[linked], graph.right[linked]
    weights = graph.weights if len(linked) == len(graph.left) else graph.weights[linked][:, linked]
    scale = np.sqrt(left * right)
    top = np.sqrt(1 / (left * right)) * (left if not graph.row_normalise else right)
    top /= np.linalg.norm(top)
    if len(linked) <= DENSE_TEXTS:
        matrix = (weights.toarray() if issparse(weights) else weights) * np.outer(scale, scale) - np.outer(top, top)
        return float(1 - min(np.abs(np.linalg.eigvalsh(matrix)).max(), 1))

    def times(vector: np.ndarray) -> np.ndarray:
        return scale * (weights @ (scale * vector)) - top * (top @ vector)

    operator = LinearOperator((len(linked),) * 2, matvec=times, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(len(linked))
    try:
        with one_thread():
            found = eigsh(operator, k=3, which="LM", v0=start, tol=1e-10, ncv=40, return_eigenvectors=False)
    except ArpackNoConvergence:
        return math.nan
    return float(1 - min(np.abs(found).max(), 1))


# ---- accuracy over masks


def accuracy_curve(
    vectors: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    sigmas: Sequence[float] = SIGMAS,
    share: float | None = 0.7,
    visible: np.ndarray | None = None,
    row_normalise: bool = False,
    masks: int = MASKS,
    seed: int = 0,
    most: int = CURVE_TEXTS,
) -> SigmaCurve:
    """Accuracy on the hidden texts at each sigma: the mean over `masks` random masks of this `share`, or under the one mask `visible` (n,).

    More than `most` texts: a stratified sample (all visible texts stay, with a mask given). Distances are worked out once, a graph once a sigma.
    """
    labels = np.asarray(labels)
    chosen = _curve_sample(labels, visible, most, seed)
    squared, own = squared_distances(vectors[chosen]), labels[chosen]
    if visible is not None:
        drawn = [np.asarray(visible)[chosen]]
    else:
        drawn = [random_mask(len(chosen), share=share or 0.7, seed=seed + i) for i in range(masks)]
    found = np.zeros((len(sigmas), len(drawn)))
    with one_thread():
        for i, sigma in enumerate(sigmas):
            graph = similarity_graph(None, sigma=sigma, row_normalise=row_normalise, squared=squared)
            found[i] = [propagate(graph, own, mask, num_classes).accuracy for mask in drawn]
    low, high = student(found)
    return SigmaCurve(np.asarray(sigmas, dtype=float), found.mean(axis=1), low.clip(0), high.clip(max=1), len(drawn), len(chosen), len(labels),
                      int(drawn[0].sum()))  # fmt: skip


def _curve_sample(labels: np.ndarray, visible: np.ndarray | None, most: int, seed: int) -> np.ndarray:
    if len(labels) <= most:
        return np.arange(len(labels))
    if visible is None:
        return stratified(labels, most, seed)
    shown, hidden = np.flatnonzero(visible), np.flatnonzero(~np.asarray(visible))
    if len(shown) > EXACT_LIMIT:
        raise InputError(f"{len(shown):,} visible texts are too many for accuracy against sigma; choose a visible share instead")
    return np.sort(np.concatenate([shown, hidden[stratified(labels[hidden], max(most - len(shown), most // 3), seed)]]))
