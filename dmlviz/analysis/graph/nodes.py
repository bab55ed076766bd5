"""Which texts stand in the graph, with which sigma, and whose labels are shown: a stratified sample, or a batch as training saw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmlviz.analysis.graph.similarity import (
    EXACT_LIMIT,
    MEDIAN_TEXTS,
    SIGMA_RULES,
    Propagated,
    SimilarityGraph,
    evenly_spaced,
    propagate,
    random_mask,
    rule_sigma,
    similarity_graph,
    squared_distances,
)
from dmlviz.core.types import InputError, RunArrays, SettingValue

SUPPORT, RECORDED = "support", "recorded"
SIGMA_LOW, SIGMA_HIGH = 0.01, 10.0  # the range the paper searched


@dataclass(frozen=True)
class GraphSettings:
    """What decides a graph, besides the run. Short words, fit for an address and a command line."""

    sample: str = "400"  # a sample of so many, "all", or "batch:0" (the first recorded one), "batch:1" ...
    sigma: str = "sqrt_median"  # a rule of SIGMA_RULES, "trained" (G-Loss's own, else sqrt_median) or a number
    visible: str = "0.7"  # a share drawn at random, "support" (the run's training texts) or "recorded" (a batch's own mask)
    seed: int = 0  # of sample and mask
    row_normalise: bool = False  # false: the paper's T; true: the authors' code


@dataclass(frozen=True, eq=False)
class Nodes:
    """The texts of one graph."""

    vectors: np.ndarray  # (n, D)
    row_ids: np.ndarray  # (n,) int64 into the data set; a batch may hold a row twice
    labels: np.ndarray  # (n,)
    support: np.ndarray  # (n,) bool: a training text of the run
    recorded: np.ndarray | None  # (n,) bool: the mask that training drew; None for a sample
    sigma: float | None  # that training used on this batch; None for a sample
    epoch: float | None  # of the batch
    total: int  # texts that the nodes were taken from

    @property
    def said(self) -> str:
        """Which texts these are, in words."""
        if self.epoch is not None:
            return f"training batch of epoch {self.epoch:.3g}, {len(self.labels):,} texts"
        few = f"all {self.total:,} texts" if len(self.labels) == self.total else f"{len(self.labels):,} of {self.total:,} texts, stratified"
        return few


@dataclass(frozen=True, eq=False)
class GraphStudy:
    """One run's graph under some settings: nodes, weights, and what the hidden texts are guessed to be."""

    nodes: Nodes
    graph: SimilarityGraph
    propagated: Propagated
    words: tuple[str, ...]  # what is not quite as asked, in sentences
    num_classes: int


# ---- texts


def shared_rows(every: Sequence[RunArrays]) -> np.ndarray:
    """(M,) row ids that all runs have embedded, sorted: samples are drawn from them, so that runs are compared on the same texts."""
    rows = np.asarray(every[0].row_ids)
    for arrays in every[1:]:
        rows = np.intersect1d(rows, arrays.row_ids)
    return np.unique(rows)


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(min(count, N),) sorted positions. Each class keeps its share (largest remainders), and has one text where there is room for all classes."""
    labels = np.asarray(labels)
    if count >= len(labels):
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    classes, sizes = np.unique(labels, return_counts=True)
    wanted = sizes * (count / len(labels))
    kept = np.maximum(np.floor(wanted).astype(int), int(count >= len(classes)))
    for c in np.argsort(kept - wanted, kind="stable"):  # the most short-changed first
        kept[c] += int(kept.sum() < count and kept[c] < sizes[c])
    while kept.sum() > count:  # small classes were rounded up: the largest pay
        kept[kept.argmax()] -= 1
    chosen = [rng.permutation(np.flatnonzero(labels == c))[:k] for c, k in zip(classes, kept, strict=True)]
    return np.sort(np.concatenate(chosen))


def choose_nodes(arrays: RunArrays, settings: GraphSettings, shared: np.ndarray | None = None) -> Nodes:
    """The nodes that the settings ask for. With visible="support" the run's support is always among them, whatever the sample.

    `shared`: the rows to sample from (default: the run's own). Raises InputError for a batch that was not recorded, or too few texts.
    """
    if settings.sample.startswith("batch:"):
        return batch_nodes(arrays, _whole(settings.sample.removeprefix("batch:"), "a batch is named"))
    count = None if settings.sample == "all" else _whole(settings.sample, "a sample is named")
    place = {int(row): i for i, row in enumerate(arrays.row_ids)}
    pool = np.array([place[int(row)] for row in (arrays.row_ids if shared is None else shared)], dtype=np.int64)
    labels, support = np.asarray(arrays.labels), np.asarray(arrays.roles) == SUPPORT
    if settings.visible == SUPPORT:
        rest = pool[~support[pool]]
        drawn = rest[stratified(labels[rest], len(rest) if count is None else count, settings.seed)]
        chosen, total = np.concatenate([np.flatnonzero(support), drawn]), len(rest) + int(support.sum())
    else:
        chosen, total = pool[stratified(labels[pool], len(pool) if count is None else count, settings.seed)], len(pool)
    if len(chosen) < 2:
        raise InputError(f"labels can spread from two texts on, and there is {len(chosen)} to take; pick runs on the same texts")
    return Nodes(np.asarray(arrays.embeddings[chosen]), np.asarray(arrays.row_ids)[chosen], labels[chosen], support[chosen], None, None, None, total)


def batch_nodes(arrays: RunArrays, at: int) -> Nodes:
    """The `at`-th recorded training batch: its vectors with dropout, its mask and its sigma, as G-Loss saw them."""
    batches = arrays.graph
    if batches is None:
        raise InputError(
            "this run has no recorded batches: only G-Loss builds a graph in training, and runs from before its recording have none; "
            "choose a sample of its texts instead"
        )
    if not 0 <= at < len(batches.epochs):
        raise InputError(f"this run has recorded {len(batches.epochs)} batches, counted from 0, and number {at} was asked for; choose another")
    real = np.asarray(batches.rows[at]) >= 0
    rows = np.asarray(batches.rows[at])[real]
    place = {int(row): i for i, row in enumerate(arrays.row_ids)}
    labels = np.asarray(arrays.labels)[[place[int(row)] for row in rows]]
    visible = np.asarray(batches.visible[at])[real]
    return Nodes(np.asarray(batches.vectors[at])[real], rows, labels, np.ones(len(rows), bool), visible, float(batches.sigma[at]),
                 float(batches.epochs[at]), len(rows))  # fmt: skip


def _whole(text: str, what: str) -> int:
    if not text.isdecimal() or not int(text):
        if text == "0" and what.startswith("a batch"):
            return 0
        raise InputError(f"sample {text[:40]!r} is not accepted; {what} by a whole number: 400, all, or batch:0 for the first recorded one")
    return int(text)


# ---- sigma and mask


def trained_sigma(loss: str, loss_settings: Mapping[str, SettingValue], arrays: RunArrays) -> tuple[float, str] | None:
    """The sigma that a G-Loss run trained with, and how it is known; None for other losses, or where nothing tells.

    Recorded with its batches, else given in its settings, else worked out again as training did: the median rule over the untrained encoder's
    support texts, where the first snapshot holds all of them.
    """
    if loss != "g_loss":
        return None
    if arrays.graph is not None and len(arrays.graph.sigma) and math.isfinite(float(arrays.graph.sigma[-1])):
        return float(arrays.graph.sigma[-1]), "recorded in training"
    if loss_settings.get("sigma_rule", "sqrt_median") != "sqrt_median":
        sigma = loss_settings.get("sigma")
        return (float(sigma), "from the run's settings") if sigma is not None else None
    support = np.asarray(arrays.row_ids)[np.asarray(arrays.roles) == SUPPORT]
    if arrays.snapshots is None or float(arrays.snapshot_epochs[0]) != 0 or not np.isin(support, arrays.snapshot_rows).all() or len(support) < 2:
        return None
    vectors = np.asarray(arrays.snapshots[0])[np.isin(arrays.snapshot_rows, support)]
    squares, diagonal = loss_settings.get("median_of") == "squared_distance", bool(loss_settings.get("median_diagonal", False))
    rule = next((name for name, parts in SIGMA_RULES.items() if parts == (squares, diagonal)), None)
    return None if rule is None else (rule_sigma(squared_distances(vectors), rule), "worked out again from the untrained encoder's support texts")


def chosen_sigma(
    settings: GraphSettings, nodes: Nodes, squared: np.ndarray | None, trained: tuple[float, str] | None
) -> tuple[float, tuple[str, ...]]:
    """(sigma, sentences on what was done instead of what was asked). `squared` None: it is worked out here, on at most 4,096 texts."""
    asked = settings.sigma
    if asked == "trained":
        known = (nodes.sigma, "") if nodes.sigma is not None else trained
        if known is not None and math.isfinite(known[0]):
            return known[0], ()
        asked, words = "sqrt_median", ("No sigma of training is known for this run, so the rule sqrt(median distance / 3) over these texts is used.",)
    else:
        words = ()
    if asked in SIGMA_RULES:
        return rule_sigma(_few(nodes) if squared is None else squared, asked), words
    return sigma_number(asked), words


def sigma_number(asked: str) -> float:
    """The number, or a sentence on what is accepted."""
    try:
        sigma = float(asked)
    except ValueError:
        sigma = math.nan
    if not SIGMA_LOW <= sigma <= SIGMA_HIGH:
        raise InputError(f"sigma {asked[:40]!r} is not accepted; give {', '.join(SIGMA_RULES)}, trained, or a number from 0.01 to 10")
    return sigma


def _few(nodes: Nodes) -> np.ndarray:
    """Squared distances of at most 4,096 evenly spaced texts, for the median."""
    n = len(nodes.labels)
    return squared_distances(nodes.vectors[evenly_spaced(n, MEDIAN_TEXTS)] if n > MEDIAN_TEXTS else nodes.vectors)


def chosen_mask(settings: GraphSettings, nodes: Nodes) -> np.ndarray:
    """(n,) bool: the labels that are shown. Raises InputError where the settings ask for a mask that does not exist."""
    if settings.visible == RECORDED:
        if nodes.recorded is None:
            raise InputError("only a training batch has a recorded mask; choose a batch, or a visible share for these texts")
        return nodes.recorded
    if settings.visible == SUPPORT:
        if not nodes.support.any() or nodes.support.all():
            what = "all of these texts are" if nodes.support.any() else "none of these texts is"
            raise InputError(f"{what} in the run's support, so no label can spread from there; choose a visible share instead")
        return nodes.support
    return random_mask(len(nodes.labels), share=visible_share(settings.visible), seed=settings.seed)


def visible_share(asked: str) -> float:
    """The number, or a sentence on what is accepted."""
    try:
        share = float(asked)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise InputError(f"visible {asked[:40]!r} is not accepted; give a share between 0 and 1 such as 0.7, support, or recorded (for a batch)")
    return share


def study(
    arrays: RunArrays,
    settings: GraphSettings,
    *,
    num_classes: int,
    shared: np.ndarray | None = None,
    trained: tuple[float, str] | None = None,
    nodes: Nodes | None = None,
    squared: np.ndarray | None = None,
) -> GraphStudy:
    """A run's graph and what spreads over it. `nodes` and their `squared` distances, when they are at hand, save their computation."""
    nodes = choose_nodes(arrays, settings, shared) if nodes is None else nodes
    own = squared is None and len(nodes.labels) <= EXACT_LIMIT
    squared = squared_distances(nodes.vectors) if own else squared
    sigma, words = chosen_sigma(settings, nodes, squared, trained)
    visible = chosen_mask(settings, nodes)
    graph = similarity_graph(nodes.vectors, sigma=sigma, row_normalise=settings.row_normalise, squared=squared, in_place=own)
    return GraphStudy(nodes, graph, propagate(graph, nodes.labels, visible, num_classes), words, num_classes)
