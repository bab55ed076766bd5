"""The G-Loss similarity graph of texts, and how labels spread over it. NumPy only: pages open it without torch.

    vectors (N, D) -> squared distances -> W -> T = left * W * right -> scores of the hidden texts

Source: arXiv 2604.25853, sec. 3 and app. A; the same conventions as `dmlviz.losses.propagation`, which G-Loss trains with and which the tests
compare with. T_ij is how much text i listens to text j. T is never stored: it is W with row i scaled by `left[i]` and column j by `right[j]`.

A text that is similar to no other has a row of zeros, and a hidden text that no visible one reaches scores zero: flagged, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.linalg import lu_factor, lu_solve
from scipy.sparse import csr_array, issparse
from threadpoolctl import ThreadpoolController

from dmlviz.core.types import InputError

EXACT_LIMIT = 5_000  # texts; every pair of them is kept. Beyond that, each text's nearest neighbours
NEIGHBORS = 30  # of a text, beyond the exact limit
MEDIAN_TEXTS = 4_096  # for the median distance; beyond that, evenly spaced texts stand for all (as in training)
LINK = 1e-12  # a smaller share is no link (as in training)
EMPTY = float(np.finfo(np.float64).tiny ** 0.45)  # a sum below it is nothing (as in training)
FLOOR = 1e-100  # a sum of scores below it counts as none (as in G-Loss)
BLOCK = 1_000  # rows handled at a time where a whole (N, N) copy would be wasted

# name -> what the median is taken of: (squared distances, the zero diagonal counts)
SIGMA_RULES = {"sqrt_median": (False, False), "sqrt_median_squared": (True, False), "sqrt_median_code": (False, True)}


@dataclass(frozen=True, eq=False)
class SimilarityGraph:
    """W and the two scalings that make it T: T_ij = left_i W_ij right_j."""

    weights: np.ndarray | csr_array  # (N, N) float64, symmetric, zero diagonal; sparse beyond the exact limit
    left: np.ndarray  # (N,)
    right: np.ndarray  # (N,)
    sigma: float
    row_normalise: bool
    neighbors: int | None = None  # None: every pair of texts is in W; else so many nearest ones of each text

    @property
    def alone(self) -> np.ndarray:
        """(N,) bool: similar to no other text at this sigma."""
        return self.left == 0


@dataclass(frozen=True, eq=False)
class Propagated:
    """What the hidden texts are guessed to be. Visible texts stand in it with their own label."""

    visible: np.ndarray  # (N,) bool: the label was shown
    scores: np.ndarray  # (N, C) as the formula gives them; without row normalisation they do not sum to one
    predicted: np.ndarray  # (N,) int64; -1: nothing reached the text
    confidence: np.ndarray  # (N,) the predicted class's share of the scores, 0..1; 0 where nothing reached the text
    entropy: np.ndarray  # (N,) nats, of the shares; log C where nothing reached the text
    reached: np.ndarray  # (N,) bool; visible texts are reached
    correct: np.ndarray  # (N,) bool; a text that nothing reached is not correct
    unseen: tuple[int, ...]  # classes that hidden texts have and no visible one: they cannot be guessed

    @property
    def hidden(self) -> np.ndarray:
        return ~self.visible

    @property
    def accuracy(self) -> float:
        """Share of the hidden texts that are guessed right; NaN when none is hidden."""
        return float(self.correct[self.hidden].mean()) if self.hidden.any() else math.nan


@dataclass(frozen=True, eq=False)
class Why:
    """Where one text's scores came from (hidden text), or where a visible text's label went."""

    node: int
    others: np.ndarray  # (L,) visible texts, for a hidden node; hidden texts, for a visible one
    parts: np.ndarray  # (L,) what each gave to the node, or got from it
    scores: np.ndarray  # (C,) of the node: the parts, summed by the visible texts' class
    neighbors: np.ndarray  # (M,) most similar texts, the nearest first
    weights: np.ndarray  # (M,) their W


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> AbstractContextManager:
    """BLAS on one thread. Its threads wait for each other by spinning: on a machine with other work, systems of a few hundred texts
    took up to 35 times as long on two threads as on one."""
    return _threads().limit(limits=1, user_api="blas")


# ---- distances and sigma


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """(N, D) float64 of length one; a zero vector stays zero. Raises InputError for NaN or infinity."""
    wide = np.asarray(vectors, dtype=np.float64)
    if not np.isfinite(wide).all():
        raise InputError(
            "the similarity graph got embeddings with NaN or infinity; the run's training has diverged. Look at another run, "
            "or train it again with a lower lr or with precision fp32"
        )
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)


def squared_distances(vectors: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, N) float64 squared Euclidean distances of the unit vectors: zero on the diagonal, never negative, 0..4."""
    units = unit_vectors(vectors)
    with one_thread():
        squared = units @ units.T
    squared *= -2
    norms = np.einsum("ij,ij->i", units, units)  # 1, or 0 for a zero vector
    squared += norms[:, None]
    squared += norms[None, :]
    np.maximum(squared, 0, out=squared)
    np.fill_diagonal(squared, 0)
    return squared


def rule_sigma(squared: np.ndarray, rule: str = "sqrt_median") -> float:
    """sigma = sqrt(m / 3) from (N, N) squared distances; m is the median over pairs, the lower middle one of an even number.

    sqrt_median: of the distances (the paper's section 3). sqrt_median_squared: of the squared ones (its appendix D). sqrt_median_code: of the
    distances, each text's zero distance to itself included (the authors' code). More than 4,096 texts: 4,096 evenly spaced ones stand for all.
    """
    if rule not in SIGMA_RULES:
        raise InputError(f"unknown sigma rule {rule!r}; known: {', '.join(SIGMA_RULES)}, or a number from 0.01 to 10")
    if len(squared) < 2:
        raise InputError(f"sigma by the median distance needs two texts or more, not {len(squared)}; give sigma as a number")
    if len(squared) > MEDIAN_TEXTS:
        spaced = evenly_spaced(len(squared), MEDIAN_TEXTS)
        squared = squared[np.ix_(spaced, spaced)]
    of_squares, diagonal = SIGMA_RULES[rule]
    n = len(squared)
    at = (n * n - 1) // 2 if diagonal else n + 2 * ((n * (n - 1) // 2 - 1) // 2)  # sorted: n zeros of the diagonal, then each pair twice
    middle = float(np.partition(squared, at, axis=None)[at])  # of the squares: the root keeps the order
    sigma = math.sqrt((middle if of_squares else math.sqrt(middle)) / 3)
    if not sigma > 0:
        raise InputError("sigma by the median distance came out as 0: half of all pairs of texts have equal vectors; give sigma as a number")
    return sigma


def evenly_spaced(count: int, some: int) -> np.ndarray:
    """(some,) positions among `count`, from the first to the last."""
    return np.arange(some) * (count - 1) // max(some - 1, 1)


# ---- the graph


def similarity_graph(
    vectors: np.ndarray | None,
    *,
    sigma: float,
    row_normalise: bool = False,
    squared: np.ndarray | None = None,
    in_place: bool = False,
    neighbors: int = NEIGHBORS,
) -> SimilarityGraph:
    """(N, D) -> the graph: vectors made unit length, W_ij = exp(-|xi - xj|^2 / (2 sigma^2)), W_ii = 0, A = D^-1/2 W D^-1/2, T_ij = A_ij / sum_m A_mj.

    Columns of T sum to one, as the paper writes it; `row_normalise` then makes rows sum to one, as the authors' code does. Up to 5,000 texts
    every pair is in W. Beyond that each text keeps its `neighbors` nearest ones (a pair stays when either names the other) and the record says so.
    `squared` (N, N), when it is known already, saves its computation; `in_place` lets it be overwritten.
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(f"the similarity graph needs sigma above 0, not {sigma}; give a number such as 0.667")
    if squared is None and len(vectors) > EXACT_LIMIT:
        return _scaled(_sparse_weights(vectors, sigma, neighbors), sigma, row_normalise, neighbors)
    if squared is None:
        squared, in_place = squared_distances(vectors), True
    weights = squared if in_place else np.empty_like(squared)
    np.multiply(squared, -0.5 / sigma**2, out=weights)
    np.exp(weights, out=weights)
    np.fill_diagonal(weights, 0)
    return _scaled(weights, sigma, row_normalise, None)


def _sparse_weights(vectors: np.ndarray, sigma: float, neighbors: int) -> csr_array:
    from sklearn.neighbors import NearestNeighbors  # slow to import, and only large graphs want it

    units = unit_vectors(vectors)
    distances, others = NearestNeighbors(n_neighbors=neighbors, algorithm="brute").fit(units).kneighbors()  # a text is not its own neighbour
    heads = np.arange(len(units)).repeat(neighbors)
    half = csr_array((np.exp(distances.ravel() ** 2 / (-2 * sigma**2)), (heads, others.ravel())), shape=(len(units), len(units)))
    return csr_array(half.maximum(half.T))


def _scaled(weights: np.ndarray | csr_array, sigma: float, row_normalise: bool, neighbors: int | None) -> SimilarityGraph:
    """The scalings of T, read off W: A_ij = root_i W_ij root_j, its column sums are root_j (W root)_j."""
    root = np.sqrt(_inverse(np.asarray(weights.sum(axis=1))))
    right = root * _inverse(root * (weights @ root))
    left = root
    if row_normalise:
        left = root * _inverse(root * (weights @ right))
    return SimilarityGraph(weights, left, right, float(sigma), row_normalise, neighbors)


def _inverse(sums: np.ndarray) -> np.ndarray:
    """1 / sums, and 0 where the sum is nothing."""
    return np.divide(1.0, sums, out=np.zeros_like(sums), where=sums >= EMPTY)


def transition(graph: SimilarityGraph, rows: np.ndarray | slice = slice(None), columns: np.ndarray | slice = slice(None)) -> np.ndarray | csr_array:
    """T, or the block of it over these rows and columns (indices or masks)."""
    if issparse(graph.weights):
        block = graph.weights[rows][:, columns].multiply(graph.left[rows][:, None]).multiply(graph.right[columns][None, :])
        return csr_array(block)
    block = graph.weights[rows][:, columns] if isinstance(rows, slice) or isinstance(columns, slice) else graph.weights[np.ix_(rows, columns)]
    return (block * graph.left[rows][:, None]) * graph.right[columns][None, :]


# ---- masks


def random_mask(count: int, *, share: float, seed: int) -> np.ndarray:
    """(N,) bool, True where the label stays visible: round(share * N) texts drawn at random, at least one and at most all but one.

    `share` is the paper's gamma: the share that KEEPS its label. Not stratified, as in the paper: a small class may have no visible text.
    """
    if not 0 < share < 1:
        raise InputError(f"the visible share must lie between 0 and 1, not at {share}; the paper uses 0.7")
    if count < 2:
        raise InputError(f"labels can spread from two texts on, and there is {count}; take more texts")
    mask = np.zeros(count, dtype=bool)
    mask[np.random.default_rng(seed).permutation(count)[: min(max(round(share * count), 1), count - 1)]] = True
    return mask


# ---- propagation


def propagate(graph: SimilarityGraph, labels: np.ndarray, visible: np.ndarray, num_classes: int) -> Propagated:
    """Where labels end that are passed on for ever: (I - T_uu)^-1 T_ul Y_l for the hidden texts u. Labels of hidden texts are not read for it."""
    labels, visible = np.asarray(labels), np.asarray(visible, dtype=bool)
    scores = np.zeros((len(labels), num_classes))
    scores[visible, labels[visible]] = 1
    with one_thread():
        linked = reachable(graph, visible) & ~visible
        if linked.any():
            scores[linked] = _solve(graph, linked, _told(graph, linked, visible, scores))
    return judged(scores, labels, visible)


def judged(scores: np.ndarray, labels: np.ndarray, visible: np.ndarray) -> Propagated:
    """(N, C) scores -> predicted class, confidence and entropy of each text."""
    total = scores.sum(axis=1)
    reached = total > FLOOR
    shares = np.divide(scores, total[:, None], out=np.zeros_like(scores), where=reached[:, None]).clip(0, 1)
    predicted = np.where(reached, scores.argmax(axis=1), -1)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = np.where(reached, -(shares * logs).sum(axis=1), math.log(scores.shape[1]))
    unseen = np.setdiff1d(labels[~visible], labels[visible])
    return Propagated(visible, scores, predicted, np.where(reached, shares.max(axis=1), 0.0), entropy, reached, predicted == labels,
                      tuple(int(c) for c in unseen))  # fmt: skip


def reachable(graph: SimilarityGraph, visible: np.ndarray) -> np.ndarray:
    """(N,) bool: texts joined to a visible one by links. Without the others, I - T_uu is certain to have an inverse.

    i passes on to j along the sums that are one: rows after row normalisation, else columns (why: see `dmlviz.losses.propagation`).
    """
    reached = np.array(visible, dtype=bool)
    frontier = np.flatnonzero(reached)
    while len(frontier) and not reached.all():
        waiting = np.flatnonzero(~reached)
        frontier = waiting[_linked(graph, waiting, frontier)]
        reached[frontier] = True
    return reached


def _linked(graph: SimilarityGraph, rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(rows,) bool: passes some of its share on to one of the targets."""
    found = np.zeros(len(rows), dtype=bool)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        shares = transition(graph, part, targets) if graph.row_normalise else transition(graph, targets, part).T
        largest = shares.max(axis=1)
        found[start : start + BLOCK] = (largest.toarray().ravel() if issparse(largest) else largest) > LINK
    return found


def _told(graph: SimilarityGraph, linked: np.ndarray, visible: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """T_ul Y_l (U, C): what each hidden text hears from the visible ones at once."""
    heard = np.zeros_like(scores)
    heard[visible] = scores[visible] * graph.right[visible][:, None]
    return graph.left[linked][:, None] * (graph.weights @ heard)[linked]


def _solve(graph: SimilarityGraph, linked: np.ndarray, told: np.ndarray, transposed: bool = False) -> np.ndarray:
    """(I - T_uu)^-1 told, or its transpose's. Dense: LU in place, one (U, U) matrix. Sparse: conjugate gradients on the symmetric form."""
    if issparse(graph.weights):
        return _conjugate(graph, linked, told, transposed)
    which = np.flatnonzero(linked)
    matrix = np.asfortranarray(graph.weights[np.ix_(which, which)].T)  # W is symmetric: this is the block in LAPACK's order
    matrix *= -graph.left[which][:, None]
    matrix *= graph.right[which][None, :]
    matrix[np.diag_indices(len(which))] += 1
    return lu_solve(lu_factor(matrix, overwrite_a=True, check_finite=False), told, trans=int(transposed), overwrite_b=True, check_finite=False)


def _conjugate(graph: SimilarityGraph, linked: np.ndarray, told: np.ndarray, transposed: bool, tolerance: float = 1e-13) -> np.ndarray:
    """I - T_uu is similar to I - QWQ, symmetric and positive definite, with Q = sqrt(left * right): all classes at once, column by column exact."""
    left, right = graph.left[linked], graph.right[linked]
    both, turn = np.sqrt(left * right)[:, None], np.sqrt(left / right)[:, None]
    turn = 1 / turn if transposed else turn
    block = csr_array(graph.weights[linked][:, linked])
    solved, rest = np.zeros_like(told), told / turn
    ahead, size = rest.copy(), (rest**2).sum(axis=0)
    enough = np.maximum(size, np.finfo(float).tiny) * tolerance**2
    for _ in range(10 * len(told) + 100):
        busy = size > enough
        if not busy.any():
            return solved * turn
        image = ahead - both * (block @ (both * ahead))
        step = np.where(busy, size / np.where(busy, (ahead * image).sum(axis=0), 1), 0)
        solved += step * ahead
        rest -= step * image
        fresh = (rest**2).sum(axis=0)
        ahead = rest + np.where(busy, fresh / np.where(size > 0, size, 1), 0) * ahead
        size = fresh
    raise InputError("labels spread too slowly over this sparse graph to be computed; raise sigma, or take at most 5,000 texts")


# ---- why, and how


def why(graph: SimilarityGraph, labels: np.ndarray, visible: np.ndarray, node: int, num_classes: int, neighbors: int = 10) -> Why:
    """For a hidden text: the exact part of its scores that each visible text gave, a row of (I - T_uu)^-1 T_ul, by one transposed solve.

    For a visible text: how much of its label each hidden text got, a column of the same matrix. `neighbors` nearest texts come with their weights.
    """
    labels, visible = np.asarray(labels), np.asarray(visible, dtype=bool)
    others = np.flatnonzero(~visible if visible[node] else visible)
    with one_thread():
        linked = reachable(graph, visible) & ~visible
        parts = _given_by(graph, visible, linked, node) if visible[node] else _got_from(graph, linked, node)
    scores = np.eye(num_classes)[labels[node]] if visible[node] else np.bincount(labels[others], parts[others], minlength=num_classes)
    row = graph.weights[[node]].toarray()[0] if issparse(graph.weights) else graph.weights[node]
    near = np.argsort(-row, kind="stable")[: min(neighbors, len(row) - 1)]
    return Why(node, others, parts[others], scores, near[row[near] > 0], row[near][row[near] > 0])


def _got_from(graph: SimilarityGraph, linked: np.ndarray, node: int) -> np.ndarray:
    """(N,) row `node` of (I - T_uu)^-1 T_ul at the visible texts: the transposed system solved for one unit vector, then times T_ul."""
    if not linked[node]:
        return np.zeros(len(linked))
    start = np.zeros((int(linked.sum()), 1))
    start[int(linked[:node].sum())] = 1
    passed = np.zeros(len(linked))
    passed[linked] = _solve(graph, linked, start, transposed=True)[:, 0] * graph.left[linked]
    return (graph.weights @ passed) * graph.right  # W is symmetric


def _given_by(graph: SimilarityGraph, visible: np.ndarray, linked: np.ndarray, node: int) -> np.ndarray:
    """(N,) column `node` of (I - T_uu)^-1 T_ul at the hidden texts."""
    parts, source = np.zeros(len(linked)), np.zeros((len(linked), 1))
    source[node] = 1
    if linked.any():
        parts[linked] = _solve(graph, linked, _told(graph, linked, visible, source))[:, 0]
    return parts


def steps(graph: SimilarityGraph, labels: np.ndarray, visible: np.ndarray, num_classes: int, at: Sequence[int]) -> list[Propagated]:
    """The texts after so many turns of F_u <- T_uu F_u + T_ul Y_l, F_u = 0 at the start: turn 1 knows what visible neighbours say."""
    labels, visible = np.asarray(labels), np.asarray(visible, dtype=bool)
    state = np.zeros((len(labels), num_classes))
    state[visible, labels[visible]] = 1
    shown, found, turn = state[visible], [], 0
    with one_thread():
        for wanted in sorted(at):
            while turn < wanted:
                state = graph.left[:, None] * (graph.weights @ (graph.right[:, None] * state))
                state[visible] = shown
                turn += 1
            found.append(judged(state.copy(), labels, visible))
    return found
