"""Few-shot draws: which rows train, validate and test. Seeded, nested, stratified; the same on every machine.

One permutation of the training texts per `support_seed` decides everything: the shots of a class are its first rows,
validation its last ones. So 4 shots lie inside 8, and validation stays while the shots grow. The permutation is the
order of raw PCG64 numbers, which NumPy keeps stable between versions (the output of `Generator` methods it does not).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from dmlviz.data.wording import count_of, listed, note, shown
from dmlviz.records import InputError, ReaderNote, Split, TextDataset

TEST_SHARE = 0.3  # of the texts, where a data set has no test part
VALIDATION_SHARE = 0.2  # of the texts at most, where all the rest is trained on
_TEST_SEED = 20_240_229  # one test part for all draws
FOLD_SEED = 2048  # of the TripleEntropy authors' KFold; one set of folds for all draws
_TEST, _TRAIN, _VAL = 1, 2, 3  # streams of random numbers


def draw_split(
    dataset: TextDataset,
    *,
    shots: int | None = 8,
    shots_by: Literal["class", "total"] = "class",
    support_seed: int = 0,
    validation: int = 64,
    folds: int | None = None,
    fold: int = 0,
    left_out: int | None = None,
) -> Split:
    """Row ids for support, validation and test.

    `shots` per class or in all ("total": unbalanced, as it falls), None for every training text. Test is the part "test",
    or a stratified 30 % that is the same for every `support_seed`. No text of the test is in support or validation.
    With `folds` the parts of the data set are put aside: test is fold number `fold` (from 0) of all texts, the rest is trained on.
    `left_out` is a row of the support that is taken out of it; nothing else changes.
    Raises InputError where a class (or the whole) has fewer texts than shots, or where the row left out was not drawn.
    """
    _check_settings(shots, shots_by, support_seed, validation)
    dataset = _with_fold(dataset, folds, fold)
    keys = _text_keys(dataset)
    test, train = _test_and_train(dataset, keys, shots if shots_by == "class" else None)
    pool, notes = _pool(dataset, keys, train, test)
    order = _permuted(pool, support_seed, _TRAIN)
    if shots is None:
        support, reserve = pool, np.ceil((1 - VALIDATION_SHARE) * _class_counts(dataset, pool)).astype(int)
    else:
        support = _shots_per_class(dataset, order, shots) if shots_by == "class" else _shots_in_all(order, shots)
        reserve = _class_counts(dataset, support)
    drawn, more = _validation(dataset, keys, order, reserve, test, support_seed, validation)
    if shots is None:
        spent = {keys[i] for i in drawn}
        fresh = {keys[i] for i in pool}
        support = np.array([i for i in train if keys[i] in fresh and keys[i] not in spent], dtype=np.int64)
    if left_out is not None:
        if left_out not in support or len(support) < 2:
            raise InputError(f"text {left_out} cannot be left out: it is not among the {len(support)} support texts, or the only one.")
        support = support[support != left_out]
    notes += more + _absent(dataset, support, test)
    return Split(support, drawn, test, shots, shots_by, support_seed, notes)


def _check_settings(shots: int | None, shots_by: str, support_seed: int, validation: int) -> None:
    if shots is not None and shots < 1:
        raise InputError(f"{shots} shots were asked for; give 1 or more, or none for every training text.")
    if shots_by not in ("class", "total"):
        raise InputError(f"shots were asked for by {shown(str(shots_by))}; known: 'class' (so many per class), 'total' (so many in all).")
    if support_seed < 0 or validation < 0:
        raise InputError(f"support seed {support_seed} and validation {validation} were given; both must be 0 or more.")


def _with_fold(dataset: TextDataset, folds: int | None, fold: int) -> TextDataset:
    """The same texts with one fold as the part "test" and all others as "train": scikit-learn's KFold(folds, shuffle=True, random_state=2048)."""
    if folds is None:
        if fold:
            raise InputError(f"fold {fold} was asked for without folds; give folds, the number of parts, too.")
        return dataset
    texts = len(dataset.texts)
    if not 2 <= folds <= texts:
        most = f"{dataset.name} has {count_of(texts, 'text')}, so give 2 to {texts:,}, or none for the data set's own parts"
        raise InputError(f"{folds} folds were asked for; {most}.")
    if not 0 <= fold < folds:
        raise InputError(f"fold {fold} of {folds} was asked for; folds are counted from 0, so give 0 to {folds - 1}.")
    order = np.arange(texts)
    np.random.RandomState(FOLD_SEED).shuffle(order)  # NumPy keeps RandomState's stream frozen
    parts = np.full(texts, "train")
    parts[np.array_split(order, folds)[fold]] = "test"  # the first folds have one text more where it does not divide
    return replace(dataset, parts=parts)


def _text_keys(dataset: TextDataset) -> Sequence[Hashable]:
    return dataset.texts if dataset.text_pairs is None else tuple(zip(dataset.texts, dataset.text_pairs, strict=True))


def _permuted(rows: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """The rows in the order of seeded raw 64-bit numbers, one per row."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    return rows[np.argsort(bits.random_raw(len(rows)), kind="stable")] if len(rows) else rows


def _class_counts(dataset: TextDataset, rows: np.ndarray) -> np.ndarray:
    """(C,) rows of each class."""
    return np.bincount(dataset.labels[rows], minlength=len(dataset.label_names))


def _first_of_each_text(rows: np.ndarray, keys: Sequence[Hashable]) -> np.ndarray:
    first: dict[Hashable, int] = {}
    for i in rows.tolist():
        first.setdefault(keys[i], i)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def _test_and_train(dataset: TextDataset, keys: Sequence[Hashable], shots: int | None) -> tuple[np.ndarray, np.ndarray]:
    """(test, train) rows. Without a test part, 30 % of each class's different texts, fewer where the shots need them."""
    train, test = np.flatnonzero(dataset.parts == "train"), np.flatnonzero(dataset.parts == "test")
    if not len(train):
        raise InputError(f"{dataset.name} has no training texts; name the part of some rows train.")
    if len(test):
        return test, train
    order = _permuted(_first_of_each_text(train, keys), _TEST_SEED, _TEST)
    counts = _class_counts(dataset, order)
    wanted = np.where(counts > 1, np.maximum(1, np.round(TEST_SHARE * counts).astype(int)), 0)
    test = np.sort(_last_per_class(dataset, order, np.clip(wanted, 0, np.maximum(counts - (shots or 1), 0))))
    if not len(test):
        most = int(counts.max()) - 1
        asked = f"{dataset.name} has no test part, and {shots or 1} shots per class leave no text for one"
        raise InputError(f"{asked}; {f'lower shots to {most} or ' if most else ''}add texts.")
    return test, np.setdiff1d(train, test)


def _last_per_class(dataset: TextDataset, order: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The last `sizes[c]` rows of each class c in this order."""
    by_class = [order[dataset.labels[order] == c] for c in range(len(dataset.label_names))]
    return np.concatenate([rows[len(rows) - size :] for rows, size in zip(by_class, sizes.tolist(), strict=True)])


def _pool(dataset: TextDataset, keys: Sequence[Hashable], train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, tuple[ReaderNote, ...]]:
    """Different training texts that are not test texts; of rows with the same text, the first."""
    tested = {keys[i] for i in test.tolist()}
    clear = np.array([i for i in train.tolist() if keys[i] not in tested], dtype=np.int64)
    if not len(clear):
        raise InputError(f"{dataset.name}: every training text is a test text too; give the test part texts of its own.")
    pool = _first_of_each_text(clear, keys)
    leaked, repeats = len(train) - len(clear), len(clear) - len(pool)
    notes = note("leakage", leaked, f"{count_of(leaked, 'training row')} not used: the same text is in the test part.")
    return pool, notes + note("duplicate", repeats, f"{count_of(repeats, 'training row')} with a text that came before; no text is drawn twice.")


def _shots_per_class(dataset: TextDataset, order: np.ndarray, shots: int) -> np.ndarray:
    counts = _class_counts(dataset, order)
    small = [c for c in np.argsort(counts, kind="stable").tolist() if 0 < counts[c] < shots]
    if small:
        have, name = int(counts[small[0]]), shown(dataset.label_names[small[0]])
        asked = f"class {name} has {count_of(have, 'text')} but {shots} shots were asked for"
        if len(small) == 1:
            raise InputError(f"{asked}; lower shots to {have} or add texts")
        others = f"{count_of(len(small) - 1, 'more class')} too small"
        raise InputError(f"{asked} ({others}); lower shots to {have}, draw the shots in all instead of per class, or add texts")
    return np.concatenate([order[dataset.labels[order] == c][:shots] for c in range(len(counts))])


def _shots_in_all(order: np.ndarray, shots: int) -> np.ndarray:
    if shots > len(order):
        raise InputError(f"there are {count_of(len(order), 'training text')} but {shots} shots in all were asked for; lower shots to {len(order)}")
    return order[:shots]


def _validation(
    dataset: TextDataset, keys: Sequence[Hashable], order: np.ndarray, reserve: np.ndarray, test: np.ndarray, seed: int, wanted: int
) -> tuple[np.ndarray, tuple[ReaderNote, ...]]:
    """Stratified rows: of the part "val" if there is one, else the last of the training order, `reserve` (C,) left alone."""
    part = np.flatnonzero(dataset.parts == "val")
    notes: tuple[ReaderNote, ...] = ()
    if len(part):
        taken = {keys[i] for i in np.concatenate([np.flatnonzero(dataset.parts == "train"), test]).tolist()}
        clear = np.array([i for i in part.tolist() if keys[i] not in taken], dtype=np.int64)
        leaked = len(part) - len(clear)
        notes = note("leakage", leaked, f"{count_of(leaked, 'validation row')} not used: the same text is in the train or test part.")
        order, reserve = _permuted(_first_of_each_text(clear, keys), seed, _VAL), np.zeros_like(reserve)
    counts = _class_counts(dataset, order)
    sizes = _shares(wanted, counts, np.maximum(counts - reserve, 0))
    drawn = _last_per_class(dataset, order, sizes)
    sentence = f"{count_of(wanted, 'validation text')} asked for, {len(drawn)} drawn: no more are left over."
    return drawn, notes + note("validation", wanted - len(drawn), sentence)


def _shares(wanted: int, counts: np.ndarray, room: np.ndarray) -> np.ndarray:
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


def _absent(dataset: TextDataset, support: np.ndarray, test: np.ndarray) -> tuple[ReaderNote, ...]:
    """Classes without a shot, and classes without a test text. Raises InputError when only one class can be learned."""
    names = np.array(dataset.label_names, dtype=object)
    trained, tested = _class_counts(dataset, support) > 0, _class_counts(dataset, test) > 0
    if trained.sum() < 2 and len(support) > 1:
        found = f"all {count_of(len(support), 'shot')} are of class {listed(names[trained])}"
        raise InputError(f"{found}; raise the shots, draw them per class or change the seed.")
    notes = note("absent", int((~trained).sum()), f"no training text of class {listed(names[~trained])}; it cannot be learned.")
    return notes + note("untested", int((~tested).sum()), f"no test text of class {listed(names[~tested])}; accuracy says nothing about it.")
