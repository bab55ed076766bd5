"""Label propagation over a Gaussian graph of texts: pure tensor functions, differentiable.

    embeddings (B, D) -> kernel_graph W -> normalise A -> transition T -> propagate scores of the hidden texts

Source: the G-Loss paper (arXiv 2604.25853), sec. 3 and app. A; propagation itself is Zhu & Ghahramani 2002.
T_ij is how much text i listens to text j. G-Loss and the similarity-graph page share these functions.

Two things hold throughout. A text that is similar to no other (its kernel weights underflow, or it is alone) gets a
row of zeros, never NaN. NaN or infinity that comes in is refused with an InputError, never turned into a number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmlviz.core.types import InputError

LINK = 1e-12  # a smaller share is no link: texts that hang on it alone would be solved with fewer than four digits
MOST_TEXTS = 4096  # for the median distance; beyond that, evenly spaced texts stand for all


def wide(tensor: Tensor) -> Tensor:
    """The same numbers in float64, where exp(-d) reaches 300 decimals deep; on the CPU for a device without float64."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def pairwise_squared_distances(embeddings: Tensor) -> Tensor:
    """(B, D) -> (B, B) squared Euclidean distances, exactly zero on the diagonal and never negative."""
    norms = embeddings.square().sum(dim=1)  # (B,)
    squared = norms[:, None] + norms[None, :] - 2 * embeddings @ embeddings.T  # (B, B)
    return squared.clamp_min(0) * _off_diagonal(squared)


def kernel_graph(embeddings: Tensor, sigma: float) -> Tensor:
    """(B, D) -> W (B, B): W_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)), W_ii = 0. Dense: no neighbour count, no threshold."""
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(f"the kernel graph needs sigma above 0, not {sigma}; set sigma to a number such as 0.667")
    squared = pairwise_squared_distances(embeddings)
    if not torch.isfinite(squared).all():
        raise InputError(
            "the kernel graph got embeddings with NaN or infinity; training has diverged before it. "
            "Lower lr (or center_lr), or set precision to fp32"
        )
    return torch.exp(squared / (-2 * sigma**2)) * _off_diagonal(squared)


def normalise(graph: Tensor) -> Tensor:
    """W -> A = D^-1/2 W D^-1/2 with D_ii = sum_j W_ij. A text without any similarity keeps a zero row and column."""
    root = _inverse(graph.sum(dim=1)).sqrt()  # (B,)
    return root[:, None] * graph * root[None, :]


def transition(affinity: Tensor, row_normalise: bool = False) -> Tensor:
    """A -> T with T_ij = A_ij / sum_m A_mj: each column sums to one, as the paper writes it.

    `row_normalise` then makes each row sum to one, as the authors' code and Zhu & Ghahramani do: only then are the
    propagated scores of a text probabilities that sum to one.
    """
    shares = affinity * _inverse(affinity.sum(dim=0))[None, :]
    return shares * _inverse(shares.sum(dim=1))[:, None] if row_normalise else shares


def text_transition(embeddings: Tensor, sigma: float, row_normalise: bool = False) -> Tensor:
    """(B, D) -> T (B, B) in one go, in float64: a graph in float32 would underflow at sigma 0.15 already."""
    return transition(normalise(kernel_graph(wide(embeddings), sigma)), row_normalise)


def propagate(shares: Tensor, labels: Tensor, visible: Tensor) -> Tensor:
    """Scores (U, C) of the U hidden texts, in batch order: (I - T_uu)^-1 T_ul Y_l, the limit of endless propagation.

    `shares` is T (B, B), `labels` one-hot or soft (B, C), `visible` (B,) bool; labels of hidden texts are not read.
    Solved in float64, returned in the dtype of `shares`. A hidden text that no visible text reaches, however many steps
    are taken, scores zero in every class: so does everything when nothing is visible. All visible: shape (0, C).
    """
    return _solve(shares, visible, labels[visible])


def contributions(shares: Tensor, visible: Tensor) -> Tensor:
    """(U, L): how much of a hidden text's score came from each visible text. `propagate` is this times their labels."""
    return _solve(shares, visible, torch.eye(int(visible.sum()), dtype=shares.dtype, device=shares.device))


def sqrt_median_sigma(embeddings: Tensor, squared: bool = False, include_diagonal: bool = False) -> float:
    """sigma = sqrt(m / 3), m the median distance between two texts (the lower middle one of an even number).

    The paper's section 3 takes the distance itself (default), its appendix D derives the rule for the squared distance
    (`squared`), and the authors' code counts every text's zero distance to itself (`include_diagonal`).
    More than 4,096 texts are represented by 4,096 evenly spaced ones.
    """
    if len(embeddings) < 2:
        raise InputError(f"sigma by the median distance needs two texts or more, not {len(embeddings)}; set sigma_rule to fixed")
    if len(embeddings) > MOST_TEXTS:
        embeddings = embeddings[torch.linspace(0, len(embeddings) - 1, MOST_TEXTS).long().to(embeddings.device)]
    distances = pairwise_squared_distances(wide(embeddings.detach()))
    if not squared:
        distances = distances.sqrt()
    if not include_diagonal:
        rows, columns = torch.triu_indices(len(distances), len(distances), offset=1, device=distances.device)
        distances = distances[rows, columns]
    sigma = math.sqrt(float(distances.median()) / 3)  # NaN stays NaN
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(
            f"sigma by the median distance came out as {sigma}: the embeddings are equal for half of all pairs, or not finite; "
            "set sigma_rule to fixed and give sigma"
        )
    return sigma


def _solve(shares: Tensor, visible: Tensor, told: Tensor) -> Tensor:
    """(I - T_uu)^-1 T_ul told, with zero rows for the hidden texts that are out of reach."""
    if not torch.isfinite(shares).all():
        raise InputError("label propagation got NaN or infinity; training has diverged before it. Lower lr, or set precision to fp32")
    matrix, told = wide(shares), wide(told)
    visible = visible.to(matrix.device)
    linked = _reached(matrix.detach(), visible) & ~visible
    own = torch.eye(int(linked.sum()), dtype=matrix.dtype, device=matrix.device)
    scores = torch.linalg.solve(own - matrix[linked][:, linked], matrix[linked][:, visible] @ told)  # (reached, C)
    every = scores.new_zeros(len(matrix), told.shape[1]).index_put((linked.nonzero()[:, 0],), scores)
    return every[~visible].to(shares.device, shares.dtype)


def _reached(matrix: Tensor, visible: Tensor) -> Tensor:
    """(B,) bool: texts joined to a visible one by links. Without the others, I - T_uu is certain to have an inverse.

    The proof reads along the sums that are one (rows after row normalisation, else columns): each hidden text must pass
    some of its share on, at last to a visible text.
    """
    rows = matrix.sum(dim=1)
    by_rows = bool((((rows - 1).abs() < 1e-6) | (rows == 0)).all())
    links = (matrix if by_rows else matrix.T) > LINK  # (B, B), [i, j]: i passes on to j
    reached = visible
    while True:  # two turns in a dense graph; at most B
        further = reached | links[:, reached].any(dim=1)
        if torch.equal(further, reached):
            return reached
        reached = further


def _off_diagonal(square: Tensor) -> Tensor:
    return 1 - torch.eye(len(square), dtype=square.dtype, device=square.device)


def _inverse(sums: Tensor) -> Tensor:
    """1 / sums, and 0 (value and gradient) where the sum is nothing: so small that 1 / sums^2, in the gradient, is infinite."""
    empty = sums < torch.finfo(sums.dtype).tiny ** 0.45  # 4e-139 in float64
    return torch.where(empty, torch.zeros_like(sums), 1 / torch.where(empty, torch.ones_like(sums), sums))
