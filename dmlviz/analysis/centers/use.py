"""Which centres a class really uses: occupancy, purity, effective number, merges, dead centres, and texts that are nearer to another class.

All cosines. Vectors are what the centres were trained on, or what they are compared with: pooled texts, or tokens, each with its text's label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from dmlviz.core.types import InputError

NEAREST = 10  # texts and words listed per centre
LEAST_COUNT = 2  # times a word must occur in the sample to be listed: one token alone says little
OPTIMAL_UP_TO = 200  # centres of a class whose leaves are put into the optimal order; beyond, the tree's own order


class Intrusions(NamedTuple):
    """Texts closer to another class's centre than to any of their own, the widest margin first. (I,) each."""

    row_ids: np.ndarray
    labels: np.ndarray  # the text's class
    own: np.ndarray  # nearest centre of its class
    other_labels: np.ndarray  # the class of the nearer centre
    other: np.ndarray  # that centre
    own_cosines: np.ndarray
    other_cosines: np.ndarray

    @property
    def margins(self) -> np.ndarray:
        """(I,) how much nearer, as a difference of cosines; always above 0."""
        return self.other_cosines - self.own_cosines


@dataclass(frozen=True, eq=False)
class CenterReport:
    """How C classes use their K centres. A centre that is not there (a class without support has no mean) is NaN and counted nowhere."""

    centers: np.ndarray  # (C, K, D) float32 of length one; NaN where there is none
    n: np.ndarray  # (C,) vectors of each class that were counted
    counts: np.ndarray  # (C, K) hard occupancy: vectors of the class whose nearest own centre this is
    kept: np.ndarray  # (C, K) those of `counts` that are nearer to their own class than to any other
    soft: np.ndarray  # (C, K) soft occupancy: mean over the class of softmax_k(cosine / gamma), the weight in the loss; NaN for n = 0
    attracted: np.ndarray  # (C, K) vectors of any class whose nearest centre of all this is
    pure: np.ndarray  # (C, K) those of `attracted` that are of the centre's own class
    fit: np.ndarray  # (C, K) mean cosine of the centre and the vectors that chose it; NaN where none did
    own: np.ndarray  # (M,) the centre each vector chose in its own class; -1 where its class has none
    own_cosines: np.ndarray  # (M,) its cosine; NaN where its class has none
    effective: np.ndarray  # (C,) exp(entropy) of hard occupancy; NaN for n = 0
    effective_soft: np.ndarray  # (C,) the same of soft occupancy
    effective_merged: np.ndarray  # (C,) the same of hard occupancy after merging
    groups: np.ndarray  # (C, K) number of the merged group, counted from 0 within the class; -1 where there is no centre
    nearest_rows: np.ndarray  # (C, K, m) int64: the texts most similar to the centre, best first; -1 where there are fewer
    nearest_cosines: np.ndarray  # (C, K, m)
    intrusions: Intrusions
    texts: int  # texts that intrusions were looked for in: those whose class has a centre
    gamma: float
    merge_distance: float

    @property
    def hard(self) -> np.ndarray:
        """(C, K) share of the class's vectors that chose the centre; NaN for n = 0."""
        return self.counts / np.where(self.n == 0, np.nan, self.n)[:, None]

    @property
    def purity(self) -> np.ndarray:
        """(C, K) share of own class among the attracted vectors (n = `attracted`); NaN where none is."""
        return self.pure / np.where(self.attracted == 0, np.nan, self.attracted)

    @property
    def there(self) -> np.ndarray:
        """(C, K) whether there is such a centre."""
        return np.isfinite(self.centers).all(axis=2)

    @property
    def dead(self) -> np.ndarray:
        """(C, K) centres that no vector of their class chose. A class without vectors can choose none, so it has no dead ones."""
        return (self.counts == 0) & self.there & (self.n > 0)[:, None]

    @property
    def merged(self) -> np.ndarray:
        """(C,) centres left when those of a group count as one."""
        return self.groups.max(axis=1) + 1

    @property
    def merged_used(self) -> np.ndarray:
        """(C,) of those, how many some vector chose."""
        return np.array([len({*g[c > 0].tolist()}) for g, c in zip(self.groups, self.counts, strict=True)])


def center_report(
    vectors: np.ndarray,
    labels: np.ndarray,
    centers: np.ndarray,
    *,
    gamma: float = 0.1,
    row_ids: np.ndarray | None = None,
    merge_distance: float = 0.1,
    nearest: int = NEAREST,
) -> CenterReport:
    """Vectors (M, D) with their classes (M,), centres (C, K, D) -> CenterReport. Lengths do not matter: everything is a cosine.

    `row_ids` (M,) says which text a vector is of (default: each its own); a text's cosine to a centre is the mean of its vectors', which matters for
    the nearest texts and the intrusions of tokens. Centres of a class that a chain of steps of at most `merge_distance` (1 - cosine) joins count as
    one (single linkage). gamma: the loss's temperature (Qian et al. 2019, eq. 8). Raises InputError when shapes or numbers do not fit.
    """
    rows = np.arange(len(vectors)) if row_ids is None else np.asarray(row_ids)
    labels = np.asarray(labels)
    _check(vectors, labels, centers, rows, gamma)
    units, directions = unit(vectors), unit(centers)
    best, choice = _best(units, directions)  # (M, C), (M, C)
    classes, count, _ = directions.shape
    at = np.arange(len(units))
    own, own_cosines = choice[at, labels], best[at, labels]
    has_own = np.isfinite(own_cosines)
    winner = best.argmax(axis=1) if len(best) else np.zeros(0, dtype=int)
    any_won = np.isfinite(best).any(axis=1)
    n = np.bincount(labels[has_own], minlength=classes)
    counts = _tally(labels, own, has_own, (classes, count))
    soft = _soft(units, labels, directions, gamma)
    groups = np.stack([merge_groups(own_class, merge_distance) for own_class in directions])
    texts, text_labels, text_rows = _per_text(units, labels, rows)
    found = _intrusions(*((best, choice) if texts is units else _best(texts, directions)), text_labels, text_rows)
    near_rows, near_cosines = _nearest_texts(texts, text_rows, directions, nearest)
    shares = counts / np.where(n == 0, np.nan, n)[:, None]
    merged = np.stack([np.bincount(g[g >= 0], weights=s[g >= 0], minlength=count) for g, s in zip(groups, shares, strict=True)])
    sums = np.zeros((classes, count))
    np.add.at(sums, (labels[has_own], own[has_own]), own_cosines[has_own])
    return CenterReport(
        centers=directions, n=n, counts=counts, kept=_tally(labels, own, has_own & (winner == labels), (classes, count)), soft=soft,
        attracted=_tally(winner, choice[at, winner], any_won, (classes, count)),
        pure=_tally(winner, choice[at, winner], any_won & (winner == labels), (classes, count)),
        fit=sums / np.where(counts == 0, np.nan, counts),
        own=np.where(has_own, own, -1), own_cosines=np.where(has_own, own_cosines, np.nan),
        effective=effective_number(shares), effective_soft=effective_number(soft), effective_merged=effective_number(merged),
        groups=groups, nearest_rows=near_rows, nearest_cosines=near_cosines,
        intrusions=found, texts=int(np.isfinite(directions).all(axis=2).any(axis=1)[text_labels].sum()), gamma=gamma, merge_distance=merge_distance,
    )  # fmt: skip


def _check(vectors: np.ndarray, labels: np.ndarray, centers: np.ndarray, rows: np.ndarray, gamma: float) -> None:
    if np.ndim(vectors) != 2 or np.ndim(centers) != 3 or vectors.shape[1] != centers.shape[2]:
        raise InputError(f"vectors {np.shape(vectors)} and centres {np.shape(centers)} do not fit; (M, D) and (C, K, D) of one width are needed")
    if len(labels) != len(vectors) or len(rows) != len(vectors):
        raise InputError(f"{len(vectors)} vectors came with {len(labels)} labels and {len(rows)} row ids; each needs one of both")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(centers):
        raise InputError(f"labels go from {labels.min()} to {labels.max()}, but there are centres for classes 0 to {len(centers) - 1} only")
    if not gamma > 0:
        raise InputError(f"gamma is {gamma}; the temperature of the softmax over centres must be above 0")
    if not np.isfinite(vectors).all():
        raise InputError("some vectors are not finite numbers, so nothing is nearest to them; the run's training went wrong, train it again")


def unit(vectors: np.ndarray) -> np.ndarray:
    """The same directions with length one, float32; a zero vector stays zero."""
    found = np.asarray(vectors, dtype=np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)


def _best(units: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(M, C) cosine to the nearest centre of each class (-inf where a class has none), and which it is."""
    best = np.full((len(units), len(directions)), -np.inf, dtype=np.float32)
    choice = np.zeros((len(units), len(directions)), dtype=np.int64)
    for c, own in enumerate(directions):  # class by class: (M, C, K) at once could be gigabytes
        cosines = np.where(np.isfinite(own).all(axis=1), units @ np.nan_to_num(own).T, -np.inf)  # (M, K)
        choice[:, c] = cosines.argmax(axis=1)
        best[:, c] = cosines.max(axis=1)
    return best, choice


def _tally(classes: np.ndarray, centers: np.ndarray, mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(C, K) how many of the masked vectors went to each centre."""
    return np.bincount(classes[mask] * shape[1] + centers[mask], minlength=shape[0] * shape[1]).reshape(shape)


def _soft(units: np.ndarray, labels: np.ndarray, directions: np.ndarray, gamma: float) -> np.ndarray:
    """(C, K) mean over a class's vectors of softmax over its centres of cosine / gamma."""
    found = np.full(directions.shape[:2], np.nan)
    for c, own in enumerate(directions):
        mine, there = units[labels == c].astype(np.float64), np.isfinite(own).all(axis=1)
        if len(mine) and there.any():
            logits = mine @ own[there].T.astype(np.float64) / gamma
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            found[c] = 0.0
            found[c, there] = (raised / raised.sum(axis=1, keepdims=True)).mean(axis=0)
    return found


def effective_number(shares: np.ndarray) -> np.ndarray:
    """(..., K) shares that sum to one -> (...,) exp(entropy): K when all are used alike, 1 when one has everything; NaN stays NaN."""
    shares = np.asarray(shares, dtype=float)
    return np.exp(-np.where(shares > 0, shares * np.log(np.where(shares > 0, shares, 1.0)), shares * 0.0).sum(axis=-1))


def merge_groups(centers: np.ndarray, distance: float) -> np.ndarray:
    """(K,) group of each centre of a class: joined by a chain of steps of at most `distance` in 1 - cosine (single linkage).

    Groups are numbered in the order of their first centre; -1 where there is no centre.
    """
    directions = unit(centers)
    there = np.flatnonzero(np.isfinite(directions).all(axis=1))
    groups = np.full(len(directions), -1)
    if len(there) == 0:
        return groups
    raw = np.zeros(1, dtype=int)
    if len(there) > 1:
        raw = fcluster(linkage(_condensed(directions[there]), "single"), t=distance, criterion="distance")
    first = {group: i for i, group in enumerate(dict.fromkeys(raw.tolist()))}
    groups[there] = [first[group] for group in raw.tolist()]
    return groups


def _condensed(directions: np.ndarray) -> np.ndarray:
    """Cosine distances of K unit vectors in scipy's condensed form; rounding may not make one negative."""
    apart = np.clip(1.0 - (directions.astype(np.float64) @ directions.T.astype(np.float64)), 0.0, 2.0)
    np.fill_diagonal(apart, 0.0)
    return squareform((apart + apart.T) / 2, checks=False)


def _per_text(units: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R, D), (R,), (R,): the mean of each text's unit vectors, so that its product with a centre is the mean cosine; its class; its row id."""
    row_ids, first, inverse, sizes = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    if len(row_ids) == len(rows):
        return units, labels, rows
    return _group_means(units, inverse, sizes), labels[first], row_ids


def _group_means(units: np.ndarray, groups: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    sums = np.zeros((len(sizes), units.shape[1]))
    np.add.at(sums, groups, units)
    return (sums / sizes[:, None]).astype(np.float32)


def _intrusions(best: np.ndarray, choice: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Intrusions:
    best, at = best.copy(), np.arange(len(best))
    own = best[at, labels]
    best[at, labels] = -np.inf
    other = best.argmax(axis=1) if len(best) else np.zeros(0, dtype=int)
    far = best[at, other] - own
    found = np.flatnonzero((far > 0) & np.isfinite(own))
    found = found[np.argsort(-far[found], kind="stable")]
    return Intrusions(
        rows[found], labels[found], choice[found, labels[found]], other[found], choice[found, other[found]],
        own[found].astype(float), best[found, other[found]].astype(float),
    )  # fmt: skip


def _nearest_texts(texts: np.ndarray, rows: np.ndarray, directions: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(C, K, m) row ids and cosines of the texts, of whatever class, that are most similar to each centre."""
    classes, count, _ = directions.shape
    near = np.full((classes, count, most), -1, dtype=np.int64)
    cosines = np.full((classes, count, most), np.nan)
    for c, own in enumerate(directions):
        there = np.flatnonzero(np.isfinite(own).all(axis=1))
        at, found = most_similar(texts, own[there], most)
        near[c, there, : at.shape[1]], cosines[c, there, : at.shape[1]] = rows[at], found
    return near, cosines


def most_similar(units: np.ndarray, directions: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (N, D), directions (K, D) -> positions (K, m) of the most similar ones, best first, and their products (K, m); m <= most."""
    products = directions @ units.T  # (K, N)
    m = min(most, products.shape[1])
    some = np.argpartition(-products, m - 1, axis=1)[:, :m] if 0 < m < products.shape[1] else np.tile(np.arange(m), (len(directions), 1))
    values = np.take_along_axis(products, some, axis=1)
    order = np.lexsort((some, -values), axis=1)  # equal ones by position
    return np.take_along_axis(some, order, axis=1), np.take_along_axis(values, order, axis=1)


class NearWord(NamedTuple):
    """A word near a centre."""

    word: str  # as the tokenizer writes it
    cosine: float  # mean over its occurrences in the sample
    count: int  # occurrences


def nearest_words(
    vectors: np.ndarray, words: Sequence[str], centers: np.ndarray, *, most: int = NEAREST, least: int = LEAST_COUNT
) -> list[list[tuple[NearWord, ...]]]:
    """Token vectors (M, D), their words (M,) -> for every class and centre the words with the highest mean cosine, best first.

    Only words that occur at least `least` times; when none does, all of them.
    """
    directions = unit(centers)
    names, inverse, sizes = np.unique(np.asarray(words, dtype=str), return_inverse=True, return_counts=True)
    means = _group_means(unit(vectors), inverse, sizes)
    often = np.flatnonzero(sizes >= least) if (sizes >= least).any() else np.arange(len(names))

    def listed(center: np.ndarray) -> tuple[NearWord, ...]:
        if not np.isfinite(center).all():
            return ()
        cosines = means[often] @ center
        order = np.argsort(-cosines, kind="stable")[:most]
        return tuple(NearWord(str(names[often[i]]), float(cosines[i]), int(sizes[often[i]])) for i in order)

    return [[listed(center) for center in own] for own in directions]


def class_means(vectors: np.ndarray, labels: np.ndarray, roles: np.ndarray, classes: int) -> np.ndarray:
    """(C, K=1, D) direction of each class's support texts: what stands for centres where a loss has none. Test texts take no part.

    NaN for a class without a support text.
    """
    units, labels = unit(vectors), np.asarray(labels)
    support = np.asarray(roles) == "support"
    sums = np.zeros((classes, units.shape[1]))
    np.add.at(sums, labels[support], units[support])
    empty = np.bincount(labels[support], minlength=classes) == 0
    means = unit(sums)
    means[empty] = np.nan
    return means[:, None]


class CenterMatrix(NamedTuple):
    """Cosines between centres, ordered by class."""

    order: np.ndarray  # (R, 2) class and centre of each row: classes by size, centres of a class by the leaves of average linkage
    cosines: np.ndarray  # (R, R)


def center_matrix(centers: np.ndarray, sizes: np.ndarray, *, classes: Sequence[int] | None = None) -> CenterMatrix:
    """Centres (C, K, D), `sizes` (C,) texts per class -> cosines of every two, of the given classes only (default: all). Centres that are not there
    are left out; classes of one size keep their order."""
    directions = unit(centers)
    wanted = np.arange(len(directions)) if classes is None else np.asarray(sorted(set(classes)), dtype=int)
    ranked = wanted[np.argsort(-np.asarray(sizes)[wanted], kind="stable")] if len(wanted) else wanted
    order = np.array([(c, k) for c in ranked for k in _leaves(directions[c])], dtype=int).reshape(-1, 2)
    shown = directions[order[:, 0], order[:, 1]].astype(np.float64)
    return CenterMatrix(order, np.clip(shown @ shown.T, -1.0, 1.0))


def _leaves(directions: np.ndarray) -> np.ndarray:
    there = np.flatnonzero(np.isfinite(directions).all(axis=1))
    if len(there) < 3:
        return there
    return there[leaves_list(linkage(_condensed(directions[there]), "average", optimal_ordering=len(there) <= OPTIMAL_UP_TO))]


def drift(snapshots: np.ndarray) -> np.ndarray:
    """Centres over epochs (E, C, K, D) -> (E, C, K) cosine distance of each from where it started: 0 not moved, 1 a right angle."""
    directions = unit(snapshots).astype(np.float64)
    return np.maximum(0.0, 1.0 - np.einsum("eckd,ckd->eck", directions, directions[0]))
