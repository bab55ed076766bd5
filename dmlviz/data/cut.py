"""Where a data set has no test part: test and validation are cut once, before any shots are drawn. And the linear steps that all draws share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmlviz.core.types import InputError, ReaderNote, TextDataset
from dmlviz.core.wording import count_of, note
from dmlviz.data.equal_texts import among, one_of_each_text
from dmlviz.data.near_copies import near_copies_of_cut

TEST_SHARE = 0.3  # of the different texts of each class
HELD_SHARE = 0.2  # of the different texts of each class at most, for validation
KEPT = 8  # texts that a class keeps for training where it has more than one: the default number of shots fits into small data sets, too
_CUT_SEED = 20_240_229  # of the cut that all runs share; cut_seed is added to it
_TEST, _VAL = 1, 3  # streams of random numbers


class Cut(NamedTuple):
    """Rows of a data set without a test part, whatever is drawn from them later."""

    test: np.ndarray
    validation: np.ndarray
    train: np.ndarray  # all other rows of the training part, validation among them
    all_train: np.ndarray  # the whole training part
    notes: tuple[ReaderNote, ...]


def cut_parts(dataset: TextDataset, first: np.ndarray, train: np.ndarray, validation: int, cut_seed: int) -> Cut:
    """30 % of each class's different texts for the test, fewer where the class would keep less than KEPT, one at least where it has two; then
    `validation` stratified texts, at most 20 % of each class, or of the data set's own validation part. Depends on the texts, `validation` and
    `cut_seed` alone.

    `first` (N,): for each row the first row with its text. Raises InputError where no class has two texts.
    """
    order = permuted(one_of_each_text(train, first), _CUT_SEED + cut_seed, _TEST)
    counts = class_counts(dataset, order)
    wanted = np.round(TEST_SHARE * counts).astype(int)
    sizes = np.where(counts > 1, np.clip(np.minimum(wanted, counts - KEPT), 1, None), 0)
    test = np.sort(last_per_class(dataset, order, sizes))
    if not len(test):
        raise InputError(f"{dataset.name} has no test part, and no class has a second text that could be set aside for one; add texts.")
    others = train[~among(train, test, len(first))]
    rest = others[~among(first[others], first[test], len(first))]
    held, notes = _held(dataset, first, train, rest, test, counts, validation, _CUT_SEED + cut_seed)
    which = f" (cut {cut_seed})" if cut_seed else ""
    fewer = ", fewer in small ones" if (sizes < wanted).any() else ""
    also = f" and {len(held):,} for validation" if len(held) else ""
    sentence = (
        f"no test part of its own: {len(test):,} of {count_of(len(order), 'different text')} are set aside for the test ({100 * TEST_SHARE:g} % of "
        f"each class{fewer}){also}{which}, the same for every draw, number of shots and loss."
    )
    notes = note("cut", len(test), sentence) + notes + near_copies_of_cut(dataset, rest, test, cut_seed)
    return Cut(test, held, others, train, notes)


def _held(
    dataset: TextDataset, first: np.ndarray, train: np.ndarray, rest: np.ndarray, test: np.ndarray, counts: np.ndarray, wanted: int, seed: int
) -> tuple[np.ndarray, tuple[ReaderNote, ...]]:
    part = np.flatnonzero(dataset.parts == "val")
    if len(part):
        pool = part[~among(first[part], first[train], len(first))]
        order = permuted(one_of_each_text(pool, first), seed, _VAL)
        own = class_counts(dataset, order)
        held = last_per_class(dataset, order, shares(wanted, own, own))
        why = "the validation part has no more texts of its own"
    else:
        order = permuted(one_of_each_text(rest, first), seed, _VAL)
        room = np.minimum(np.floor(HELD_SHARE * counts).astype(int), np.maximum(class_counts(dataset, order) - KEPT, 0))
        held = last_per_class(dataset, order, shares(wanted, counts, room))
        why = f"at most {100 * HELD_SHARE:g} % of each class, and at least {KEPT} texts of a class stay for training"
    return held, note("validation", wanted - len(held), f"{count_of(wanted, 'validation text')} asked for, {len(held):,} set aside: {why}.")


# ---- what all draws share


def permuted(rows: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """The rows in the order of seeded raw 64-bit numbers, one per row."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    return rows[np.argsort(bits.random_raw(len(rows)), kind="stable")] if len(rows) else rows


def class_counts(dataset: TextDataset, rows: np.ndarray) -> np.ndarray:
    """(C,) rows of each class."""
    return np.bincount(dataset.labels[rows], minlength=len(dataset.label_names))


def per_class(dataset: TextDataset, order: np.ndarray, sizes: np.ndarray, *, last: bool = False) -> np.ndarray:
    """The first (or last) `sizes[c]` rows of each class c in this order, class by class."""
    by_class = order[np.argsort(dataset.labels[order], kind="stable")]
    labels, counts = dataset.labels[by_class], class_counts(dataset, order)
    place = np.arange(len(by_class)) - (np.cumsum(counts) - counts)[labels]  # of each row within its class
    taken = place >= (counts - sizes)[labels] if last else place < sizes[labels]
    return by_class[taken]


def last_per_class(dataset: TextDataset, order: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The last `sizes[c]` rows of each class c in this order, class by class."""
    return per_class(dataset, order, sizes, last=True)


def shares(wanted: int, counts: np.ndarray, room: np.ndarray) -> np.ndarray:
    """(C,) sizes in proportion to `counts` by largest remainder, at most `room`; what does not fit goes to other classes."""
    sizes = np.zeros_like(room)
    while (left := min(wanted, int(room.sum())) - int(sizes.sum())) > 0:
        weight = np.where(sizes < room, counts, 0)
        exact = left * weight / weight.sum()
        step = np.floor(exact).astype(sizes.dtype)
        extra = np.argsort(-(exact - step), kind="stable")[: left - int(step.sum())]
        step[extra] += 1
        sizes = np.minimum(sizes + step, room)
    return sizes
