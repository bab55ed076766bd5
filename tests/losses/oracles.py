"""Slow oracles: each loss once more, as plain loops over numbers, straight from the formulas in papers.md.

Nothing here uses the code under test, except to read a loss's centres, its sigma and which labels it hid. Shared by the tests and
by benchmarks/loss_parity.py. CASES lists what is compared with what, and how closely.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from pytorch_metric_learning.distances import DotProductSimilarity, LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, NPairsLoss, ProxyNCALoss, SoftTripleLoss, SupConLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from pytorch_metric_learning.regularizers import SparseCentersRegularizer
from torch import Tensor

from dmlviz.core.types import Encoded
from dmlviz.losses import build_loss, check_settings
from dmlviz.losses.base import MetricLoss

CLASSES, DIM = 3, 5


def make_encoded(texts: int = 9, tokens: int = 4, dim: int = DIM, seed: int = 0) -> tuple[Encoded, Tensor]:
    """A random batch in float64 with ragged masks; every class occurs."""
    chance = torch.Generator().manual_seed(seed)
    pooled = torch.randn(texts, dim, generator=chance, dtype=torch.float64)
    words = torch.randn(texts, tokens, dim, generator=chance, dtype=torch.float64)
    lengths = torch.randint(1, tokens + 1, (texts,), generator=chance)
    mask = (torch.arange(tokens)[None, :] < lengths[:, None]).long()
    return Encoded(pooled, words, mask), torch.arange(texts) % CLASSES


def unit(vector: Tensor) -> Tensor:
    return vector / sum(x * x for x in vector).sqrt()


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum(x * y for x, y in zip(a, b, strict=True))


def relaxed_similarity(vector: Tensor, centers: Tensor, temperature: float) -> Tensor:
    """S' of one vector to one class's centres (K, D)."""
    cosines = [dot(unit(vector), unit(center)) for center in centers]
    weights = [(cosine / temperature).exp() for cosine in cosines]
    return sum(weight / sum(weights) * cosine for weight, cosine in zip(weights, cosines, strict=True))


def soft_triple(vectors: list[Tensor], labels: list[int], weight: Tensor, knobs: dict) -> Tensor:
    """papers.md 1.1 over a list of vectors, and section 4's centre merging."""
    losses = []
    for vector, label in zip(vectors, labels, strict=True):
        scores = [relaxed_similarity(vector, weight[c], knobs["temperature"]) for c in range(len(weight))]
        own = (knobs["scale"] * (scores[label] - knobs["margin"])).exp()
        others = sum((knobs["scale"] * score).exp() for c, score in enumerate(scores) if c != label)
        losses.append(-(own / (own + others)).log())
    classes, count, _ = weight.shape
    merging = 0
    for c in range(classes):
        for t in range(count):
            for s in range(t):
                merging = merging + (2 + 1e-5 - 2 * dot(unit(weight[c, s]), unit(weight[c, t]))).sqrt()
    merging = knobs["tau"] * merging / (classes * count * (count - 1)) if count > 1 else 0
    return sum(losses) / len(losses) + merging


def soft_triple_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    return soft_triple(list(encoded.pooled), labels.tolist(), loss_fn.weight, knobs)


def all_tokens_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    text_tokens = range(encoded.tokens.shape[1])
    vectors = [token for text in encoded.tokens for token in text]
    return soft_triple(vectors, [label for label in labels.tolist() for _ in text_tokens], loss_fn.weight, knobs)


def masked_tokens_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    places = [(i, t) for i in range(len(labels)) for t in range(encoded.tokens.shape[1]) if encoded.mask[i, t] == 1]
    return soft_triple([encoded.tokens[i, t] for i, t in places], [int(labels[i]) for i, _ in places], loss_fn.weight, knobs)


def library_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """pytorch-metric-learning's SoftTriple on the same centres; its merging term has a smaller floor below the root."""
    classes, count, dim = loss_fn.weight.shape
    merging = {"weight_regularizer": SparseCentersRegularizer(classes, count), "weight_reg_weight": knobs["tau"]} if knobs["tau"] else {}
    theirs = SoftTripleLoss(classes, dim, count, la=knobs["scale"], gamma=knobs["temperature"], margin=knobs["margin"], **merging)
    del theirs.fc
    theirs.fc = loss_fn.weight.reshape(classes * count, dim).T  # a plain tensor, so the gradient reaches our centres
    theirs.cast_types = lambda dtype, device: None
    return theirs(encoded.pooled, labels)


def slow_transition(vectors: list[Tensor], sigma: float, row_normalise: bool) -> list[list[Tensor]]:
    """papers.md 3.1, steps 2, 3 and 5, entry by entry."""
    every = range(len(vectors))
    zero = vectors[0].new_zeros(())
    squared = [[sum((a - b) ** 2 for a, b in zip(vectors[i], vectors[j], strict=True)) for j in every] for i in every]
    graph = [[(-squared[i][j] / (2 * sigma**2)).exp() if i != j else zero for j in every] for i in every]
    degree = [sum(graph[i]) for i in every]
    affinity = [[graph[i][j] / (degree[i].sqrt() * degree[j].sqrt()) for j in every] for i in every]
    shares = [[affinity[i][j] / sum(affinity[m][j] for m in every) for j in every] for i in every]
    return [[share / sum(row) for share in row] for row in shares] if row_normalise else shares


def slow_propagation(shares: list[list[Tensor]], labels: list[int], visible: list[bool], doublings: int = 40) -> Tensor:
    """Scores (U, C) by going on passing labels: 2^40 terms of the Neumann series of (I - T_uu)^-1, no equation solved."""
    matrix = torch.stack([torch.stack(row) for row in shares])
    hidden = [i for i, shown in enumerate(visible) if not shown]
    shown = [i for i, kept in enumerate(visible) if kept]
    told = torch.tensor([[float(labels[i] == c) for c in range(CLASSES)] for i in shown], dtype=matrix.dtype)
    scores, power = matrix[hidden][:, shown] @ told, matrix[hidden][:, hidden]
    for _ in range(doublings):
        scores, power = scores + power @ scores, power @ power
    return scores


def g_loss_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """papers.md 3.1 step 7 on the hidden texts whose class is visible; 3.8.1 for the authors' form."""
    with torch.no_grad():
        visible = loss_fn.draw_mask(len(labels)).tolist()  # a look: the draw is not used up
    labels = labels.tolist()
    shares = slow_transition([unit(vector) for vector in encoded.pooled], float(loss_fn.sigma), knobs["row_normalise"])
    scores = slow_propagation(shares, labels, visible)
    hidden = [label for label, shown in zip(labels, visible, strict=True) if not shown]
    weight = [1.0] * CLASSES if loss_fn.class_weights is None else loss_fn.class_weights.tolist()
    seen = {label for label, shown in zip(labels, visible, strict=True) if shown}
    if knobs["form"] == "scores_as_logits":
        terms = [(weight[label], row.exp().sum().log() - row[label]) for row, label in zip(scores, hidden, strict=True)]
    else:
        terms = [(weight[label], -(row[label] / row.sum()).log()) for row, label in zip(scores, hidden, strict=True) if label in seen]
    mean = sum(share * loss for share, loss in terms) / sum(share for share, _ in terms)
    return mean / len(hidden) if knobs["divide_again"] else mean


def supcon_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """papers.md 4 (Gunel), a mean over the texts that have a positive; 3.5 for the factor."""
    texts, classes, losses = [unit(vector) for vector in encoded.pooled], labels.tolist(), []
    for i, anchor in enumerate(texts):
        others = [j for j in range(len(texts)) if j != i]
        positives = [j for j in others if classes[j] == classes[i]]
        if positives:
            whole = sum((dot(anchor, texts[k]) / knobs["temperature"]).exp() for k in others)
            shares = [(dot(anchor, texts[j]) / knobs["temperature"]).exp() / whole for j in positives]
            losses.append(-sum(share.log() for share in shares) / len(positives))
    mean = sum(losses) / len(losses)
    return mean * knobs["temperature"] / 0.07 if knobs["factor"] == "tau_over_0.07" else mean


def supcon_library(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    return SupConLoss(temperature=knobs["temperature"])(encoded.pooled, labels)


def gap(a: Tensor, b: Tensor, squared: bool) -> Tensor:
    total = sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
    return total if squared else total.sqrt()


def triplet_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """Every triplet on its own; batch_all: the mean of those above zero; batch_hard: the largest of each anchor."""
    texts, classes = [unit(vector) if knobs["normalise"] else vector for vector in encoded.pooled], labels.tolist()
    every, hardest = range(len(texts)), []
    above = []
    for a in every:
        own = []
        for p in every:
            for n in every:
                if a != p and classes[a] == classes[p] and classes[n] != classes[a]:
                    own.append(gap(texts[a], texts[p], knobs["squared"]) - gap(texts[a], texts[n], knobs["squared"]) + knobs["margin"])
        above += [loss for loss in own if loss > 0]
        hardest += [max(max(own), own[0] * 0)] if own else []
    return sum(hardest) / len(hardest) if knobs["mining"] == "batch_hard" else sum(above) / len(above)


def triplet_library(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    distance = LpDistance(normalize_embeddings=knobs["normalise"], power=2 if knobs["squared"] else 1)
    miner = BatchHardMiner(distance=distance) if knobs["mining"] == "batch_hard" else None
    reducer = MeanReducer() if miner else None
    triplets = miner(encoded.pooled, labels) if miner else None
    return TripletMarginLoss(margin=knobs["margin"], distance=distance, reducer=reducer)(encoded.pooled, labels, triplets)


def contrastive_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """Pairs i < j; each kind averaged over its pairs with a loss."""
    texts, classes = [unit(vector) for vector in encoded.pooled], labels.tolist()
    pulled, pushed = [], []
    for j in range(len(texts)):
        for i in range(j):
            far = gap(texts[i], texts[j], squared=False)
            if classes[i] == classes[j]:
                pulled.append(far - knobs["pos_margin"])
            else:
                pushed.append(knobs["neg_margin"] - far)
    means = [sum(loss for loss in kind if loss > 0) / max(1, sum(bool(loss > 0) for loss in kind)) for kind in (pulled, pushed)]
    return sum(means)


def contrastive_library(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    return ContrastiveLoss(**knobs)(encoded.pooled, labels)


def n_pairs_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """Sohn 2016, eq. 6: log(1 + sum of exp(differences)), over the first two texts of each class in the drawn order."""
    with torch.no_grad():
        order = loss_fn.draw_order(len(labels)).tolist()  # a look: the draw is not used up
    texts, classes = [unit(vector) if knobs["normalise"] else vector for vector in encoded.pooled], labels.tolist()
    pairs = [[i for i in order if classes[i] == c][:2] for c in range(CLASSES)]
    pairs = [pair for pair in pairs if len(pair) == 2]
    losses = []
    for a, p in pairs:
        rest = sum((dot(texts[a], texts[q]) - dot(texts[a], texts[p])).exp() for b, q in pairs if b != a)
        losses.append((1 + rest).log())
    return sum(losses) / len(losses)


def n_pairs_library(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    with torch.no_grad():
        anchors, positives = loss_fn.pairs(labels)
    distance = DotProductSimilarity(normalize_embeddings=knobs["normalise"])
    return NPairsLoss(distance=distance)(encoded.pooled, labels, (anchors, positives, anchors[:0], anchors[:0]))


def cos_sim_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """papers.md 3.5."""
    texts, classes = [unit(vector) for vector in encoded.pooled], labels.tolist()
    pairs = [(i, j) for j in range(len(texts)) for i in range(j)]
    return sum((dot(texts[i], texts[j]) - float(classes[i] == classes[j])) ** 2 for i, j in pairs) / len(pairs)


def proxy_nca_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """papers.md 4: a share of exp(-scale * squared distance), with the own proxy below the line or without it."""
    centers, losses = [unit(center[0]) for center in loss_fn.weight], []
    for vector, label in zip(encoded.pooled, labels.tolist(), strict=True):
        near = [(-knobs["scale"] * gap(unit(vector), center, squared=True)).exp() for center in centers]
        below = sum(share for c, share in enumerate(near) if c != label or knobs["denominator"] == "all")
        losses.append(-(near[label] / below).log())
    return sum(losses) / len(losses)


def proxy_nca_library(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    theirs = ProxyNCALoss(CLASSES, DIM, softmax_scale=knobs["scale"])
    del theirs.proxies
    theirs.proxies = loss_fn.weight[:, 0]
    theirs.cast_types = lambda dtype, device: None
    return theirs(encoded.pooled, labels)


def proxy_anchor_case(encoded: Encoded, labels: Tensor, loss_fn: MetricLoss, knobs: dict) -> Tensor:
    """papers.md 4."""
    texts, classes = [unit(vector) for vector in encoded.pooled], labels.tolist()
    pulled, pushed = [], []
    for c, proxy in enumerate(loss_fn.loss.proxies):
        near = [dot(text, unit(proxy)) for text in texts]
        own = sum((-knobs["scale"] * (s - knobs["margin"])).exp() for s, label in zip(near, classes, strict=True) if label == c)
        rest = sum((knobs["scale"] * (s + knobs["margin"])).exp() for s, label in zip(near, classes, strict=True) if label != c)
        pulled += [(1 + own).log()] if c in classes else []
        pushed.append((1 + rest).log())
    return sum(pulled) / len(pulled) + sum(pushed) / len(pushed)


@dataclass(frozen=True)
class Case:
    """One comparison: a loss with settings against an oracle."""

    loss: str
    oracle: str
    slow: Callable[[Encoded, Tensor, MetricLoss, dict], Tensor]
    settings: dict = field(default_factory=dict)
    limit: float = 1e-8  # of the relative error in float64; 1e-4 in float32

    @property
    def title(self) -> str:
        return f"{self.loss}({', '.join(f'{key}={value}' for key, value in self.settings.items())}) / {self.oracle}"


FEW = {"centers_per_class": 3}
CASES = [
    Case("soft_triple", "loop", soft_triple_case, FEW),
    Case("soft_triple", "loop", soft_triple_case, {"centers_per_class": 1}),
    Case("soft_triple", "loop", soft_triple_case, {"scale": 3.3, "temperature": 0.7, "margin": 0.5, "tau": 1.5, "centers_per_class": 2}),
    Case("soft_triple", "pytorch-metric-learning", library_case, {"tau": 0.0, **FEW}),
    Case("soft_triple", "pytorch-metric-learning", library_case, {"scale": 5.0, "temperature": 0.4, "margin": 0.3, "tau": 0.0, **FEW}),
    Case("soft_triple", "pytorch-metric-learning", library_case, {"tau": 0.2, **FEW}, limit=1e-4),  # floors 1e-5 and 1e-7 differ
    Case("triple_entropy", "loop", masked_tokens_case),
    Case("triple_entropy", "loop", all_tokens_case, {"vectors": "all_tokens"}),
    Case("triple_entropy", "loop", soft_triple_case, {"vectors": "pooled", "tau": 0.2}),
    Case("g_loss", "loop", g_loss_case),
    Case("g_loss", "loop", g_loss_case, {"sigma_rule": "fixed"}),
    Case("g_loss", "loop", g_loss_case, {"sigma_rule": "fixed", "sigma": 0.3, "visible_share": 0.4}),
    Case("g_loss", "loop", g_loss_case, {"sigma_rule": "tuned", "sigma": 0.5}),
    Case("g_loss", "loop", g_loss_case, {"row_normalise": True}),
    Case("g_loss", "loop", g_loss_case, {"divide_again": True}),
    Case("g_loss", "loop", g_loss_case, {"median_of": "squared_distance"}),
    Case("g_loss", "loop", g_loss_case, {"median_diagonal": True}),
    Case("g_loss", "loop", g_loss_case, {"form": "scores_as_logits", "row_normalise": True, "divide_again": True, "median_diagonal": True}),
    Case("g_loss", "loop", g_loss_case, {"form": "scores_as_logits"}),
    Case("g_loss", "loop", g_loss_case, {"form": "scores_as_logits", "row_normalise": True, "visible_share": 0.5}),
    Case("supcon", "loop", supcon_case),
    Case("supcon", "loop", supcon_case, {"factor": "tau_over_0.07"}),
    Case("supcon", "loop", supcon_case, {"temperature": 0.1, "factor": "tau_over_0.07"}),
    Case("supcon", "pytorch-metric-learning", supcon_library),
    Case("triplet", "loop", triplet_case),
    Case("triplet", "loop", triplet_case, {"squared": False}),
    Case("triplet", "loop", triplet_case, {"margin": 0.05, "squared": False, "normalise": True}),
    Case("triplet", "loop", triplet_case, {"margin": 0.05, "normalise": True}),
    Case("triplet", "loop", triplet_case, {"mining": "batch_hard"}),
    Case("triplet", "loop", triplet_case, {"mining": "batch_hard", "squared": False}),
    Case("triplet", "loop", triplet_case, {"mining": "batch_hard", "margin": 0.2, "squared": False, "normalise": True}),
    Case("triplet", "pytorch-metric-learning", triplet_library, {"squared": False}),
    Case("triplet", "pytorch-metric-learning", triplet_library, {"margin": 0.05, "normalise": True}),
    Case("triplet", "pytorch-metric-learning", triplet_library, {"mining": "batch_hard", "squared": False}),
    Case("contrastive", "loop", contrastive_case),
    Case("contrastive", "loop", contrastive_case, {"pos_margin": 0.3, "neg_margin": 1.6}),
    Case("contrastive", "loop", contrastive_case, {"pos_margin": 1.3, "neg_margin": 1.5}),  # some pairs of either kind are without a loss
    Case("contrastive", "pytorch-metric-learning", contrastive_library),
    Case("contrastive", "pytorch-metric-learning", contrastive_library, {"pos_margin": 1.3, "neg_margin": 1.5}),
    Case("contrastive", "pytorch-metric-learning", contrastive_library, {"pos_margin": 0.3, "neg_margin": 1.6}),
    Case("n_pairs", "loop", n_pairs_case),
    Case("n_pairs", "loop", n_pairs_case, {"normalise": False}),
    Case("n_pairs", "pytorch-metric-learning", n_pairs_library),
    Case("cos_sim", "loop", cos_sim_case),
    Case("proxy_nca", "loop", proxy_nca_case),
    Case("proxy_nca", "loop", proxy_nca_case, {"scale": 3.0}),
    Case("proxy_nca", "loop", proxy_nca_case, {"denominator": "all"}),
    Case("proxy_nca", "loop", proxy_nca_case, {"scale": 3.0, "denominator": "all"}),
    Case("proxy_nca", "pytorch-metric-learning", proxy_nca_library, {"scale": 2.0, "denominator": "all"}),
    Case("proxy_anchor", "loop", proxy_anchor_case),
    Case("proxy_anchor", "loop", proxy_anchor_case, {"scale": 4.0, "margin": 0.4}),
]


def errors(case: Case, dtype: torch.dtype, seed: int = 0, batch: tuple[Encoded, Tensor] | None = None) -> tuple[float, float]:
    """Largest relative error of the value and of the gradient. The oracle works in float64 on the rounded numbers."""
    encoded, labels = batch or make_encoded(seed=seed)
    loss_fn = build_loss(case.loss, num_classes=CLASSES, dim=DIM, seed=seed, **case.settings).to(dtype)
    loss_fn.prepare(encoded.pooled.to(dtype))
    inputs = [part.to(dtype).requires_grad_() for part in encoded[:2]]
    exact = [part.detach().double().requires_grad_() for part in inputs]
    theirs = case.slow(Encoded(*exact, encoded.mask), labels, twin := _double(loss_fn), check_settings(case.loss, case.settings))
    ours = loss_fn(Encoded(*inputs, encoded.mask), labels)
    return _error([ours], [theirs]), _error(_gradients(ours, inputs, loss_fn), _gradients(theirs, exact, twin))


def _double(loss_fn: MetricLoss) -> MetricLoss:
    """The same loss at the same numbers, in float64, with gradients of its own."""
    return copy.deepcopy(loss_fn).double()


def _gradients(loss: Tensor, inputs: list[Tensor], loss_fn: MetricLoss) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [*inputs, *loss_fn.parameters()], materialize_grads=True))


def _error(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Largest difference over the largest entry, of each tensor on its own."""
    pairs = [(a.detach().double(), b.detach().double()) for a, b in zip(ours, theirs, strict=True)]
    return max(float((a - b).abs().max() / b.abs().max().clamp_min(1e-30)) for a, b in pairs)
