"""Few-shot draws: which rows train, validate and test. Seeded, nested, stratified; the same on every machine.

The test part stands first: the data set's own, a fold, or a cut (cut.py) that no number of shots and no support seed moves. Then one permutation
of the training texts per `support_seed` decides: the shots of a class are its first rows, and, where the test part is the data set's own,
validation its last ones. So 4 shots lie inside 8. The permutation is the order of raw PCG64 numbers, which NumPy keeps stable between versions (the
output of `Generator` methods it does not). All steps are linear in the rows, whatever the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from dmlviz.core.types import InputError, ReaderNote, RunConfig, Split, TextDataset
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.cut import TEST_SHARE, Cut, class_counts, cut_parts, last_per_class, per_class, permuted, shares
from dmlviz.data.equal_texts import among, first_rows, one_of_each_text

__all__ = ["DRAWN_BY", "FOLD_SEED", "TEST_SHARE", "draw_split", "split_of"]
VALIDATION_SHARE = 0.2  # of the texts at most, where all the rest is trained on
FOLD_SEED = 2048  # of the TripleEntropy authors' KFold; one set of folds for all draws
_TRAIN, _VAL = 2, 3  # streams of random numbers
DRAWN_BY = ("shots", "shots_by", "support_seed", "validation", "folds", "fold", "left_out", "cut_seed")  # fields of a RunConfig that decide the split


def split_of(config: RunConfig, dataset: TextDataset) -> Split:
    """The split that a run with this config has. Raises what `draw_split` raises."""
    return draw_split(dataset, **{name: getattr(config, name) for name in DRAWN_BY})


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
    cut_seed: int | None = None,
) -> Split:
    """Row ids for support, validation and test.

    `shots` per class or in all ("total": unbalanced, as it falls), None for every training text. Test is the part "test"; without one, a stratified
    30 % that is the same for every number of shots and `support_seed`, and so are its validation texts; `cut_seed` makes other cuts.
    No text of the test is in support or validation.
    With `folds` the parts of the data set are put aside: test is fold number `fold` (from 0) of all texts, the rest is trained on.
    `left_out` is a row of the support that is taken out of it; nothing else changes.
    Raises InputError where a class (or the whole) has fewer texts than shots, or where the row left out was not drawn.
    """
    _check_settings(shots, shots_by, support_seed, validation, cut_seed)
    dataset = _with_fold(dataset, folds, fold)
    first = first_rows(dataset.texts, dataset.text_pairs)
    train, test = np.flatnonzero(dataset.parts == "train"), np.flatnonzero(dataset.parts == "test")
    if not len(train):
        raise InputError(f"{dataset.name} has no training texts; name the part of some rows train.")
    cut = None if len(test) else cut_parts(dataset, first, train, validation, cut_seed or 0)
    if cut is not None:
        train, test = cut.train, cut.test
    pool, notes = _pool(dataset, first, train, test)
    order = permuted(pool, support_seed, _TRAIN)
    if cut is not None:
        order = order[~among(order, cut.validation, len(first))]
        pool = np.sort(order)
        notes = cut.notes + notes
    if shots is None:
        support, reserve = pool, np.ceil((1 - VALIDATION_SHARE) * class_counts(dataset, pool)).astype(int)
    else:
        support = _shots_per_class(dataset, order, shots, cut) if shots_by == "class" else _shots_in_all(order, shots)
        reserve = class_counts(dataset, support)
    if cut is not None:
        drawn, more = cut.validation, ()
    else:
        drawn, more = _validation(dataset, first, order, reserve, test, support_seed, validation)
    if shots is None:
        support = train[among(first[train], first[pool], len(first)) & ~among(first[train], first[drawn], len(first))]
    if left_out is not None:
        if left_out not in support or len(support) < 2:
            raise InputError(f"text {left_out} cannot be left out: it is not among the {len(support)} support texts, or the only one.")
        support = support[support != left_out]
    notes += more + _absent(dataset, support, test)
    return Split(support, drawn, test, shots, shots_by, support_seed, notes)


def _check_settings(shots: int | None, shots_by: str, support_seed: int, validation: int, cut_seed: int | None) -> None:
    if shots is not None and shots < 1:
        raise InputError(f"{shots} shots were asked for; give 1 or more, or none for every training text.")
    if shots_by not in ("class", "total"):
        raise InputError(f"shots were asked for by {shown(str(shots_by))}; known: 'class' (so many per class), 'total' (so many in all).")
    if support_seed < 0 or validation < 0:
        raise InputError(f"support seed {support_seed} and validation {validation} were given; both must be 0 or more.")
    if cut_seed is not None and cut_seed < 0:
        raise InputError(f"cut seed {cut_seed} was given; it must be 0 or more, or none for the cut that all runs share.")


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


def _pool(dataset: TextDataset, first: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, tuple[ReaderNote, ...]]:
    """Different training texts that are not test texts; of rows with the same text, the first."""
    clear = train[~among(first[train], first[test], len(first))]
    if not len(clear):
        raise InputError(f"{dataset.name}: every training text is a test text too; give the test part texts of its own.")
    pool = one_of_each_text(clear, first)
    leaked, repeats = len(train) - len(clear), len(clear) - len(pool)
    notes = note("leakage", leaked, f"{count_of(leaked, 'training row')} not used: the same text is in the test part.")
    return pool, notes + note("duplicate", repeats, f"{count_of(repeats, 'training row')} with a text that came before; no text is drawn twice.")


def _shots_per_class(dataset: TextDataset, order: np.ndarray, shots: int, cut: Cut | None) -> np.ndarray:
    counts = class_counts(dataset, order)
    there = counts if cut is None else class_counts(dataset, cut.all_train)
    small = [c for c in np.argsort(counts, kind="stable").tolist() if counts[c] < shots and there[c]]
    if small:
        raise _too_few(dataset, small, int(counts[small[0]]), shots, cut)
    return per_class(dataset, order, np.full(len(counts), shots))


def _too_few(dataset: TextDataset, small: Sequence[int], have: int, shots: int, cut: Cut | None) -> InputError:
    """The sentence for a class that has fewer texts than shots. Its remedies leave every class of the test in it."""
    asked = f"class {shown(dataset.label_names[small[0]])} has {count_of(have, 'text')} but {shots} shots were asked for"
    asked += f" ({count_of(len(small) - 1, 'more class')} too small)" if len(small) > 1 else ""
    remedies = [f"lower shots to {have}"] if have else []
    if cut is not None:
        tested, held = (int((dataset.labels[rows] == small[0]).sum()) for rows in (cut.test, cut.validation))
        asked += f"; {tested} more {'is' if tested == 1 else 'are'} set aside for the test" + (f", {held} for validation" if held else "")
        remedies += ["lower validation"] if held and have + held >= shots else []
    remedies += ["draw the shots in all instead of per class"] if len(small) > 1 or not have else []
    return InputError(f"{asked}; {', '.join(remedies)}{', or' if len(remedies) > 1 else ' or'} add texts")


def _shots_in_all(order: np.ndarray, shots: int) -> np.ndarray:
    if shots > len(order):
        raise InputError(f"there are {count_of(len(order), 'training text')} but {shots} shots in all were asked for; lower shots to {len(order)}")
    return order[:shots]


def _validation(
    dataset: TextDataset, first: np.ndarray, order: np.ndarray, reserve: np.ndarray, test: np.ndarray, seed: int, wanted: int
) -> tuple[np.ndarray, tuple[ReaderNote, ...]]:
    """Stratified rows: of the part "val" if there is one, else the last of the training order, `reserve` (C,) left alone."""
    part = np.flatnonzero(dataset.parts == "val")
    notes: tuple[ReaderNote, ...] = ()
    if len(part):
        taken = np.concatenate([np.flatnonzero(dataset.parts == "train"), test])
        clear = part[~among(first[part], first[taken], len(first))]
        leaked = len(part) - len(clear)
        notes = note("leakage", leaked, f"{count_of(leaked, 'validation row')} not used: the same text is in the train or test part.")
        order, reserve = permuted(one_of_each_text(clear, first), seed, _VAL), np.zeros_like(reserve)
    counts = class_counts(dataset, order)
    sizes = shares(wanted, counts, np.maximum(counts - reserve, 0))
    drawn = last_per_class(dataset, order, sizes)
    sentence = f"{count_of(wanted, 'validation text')} asked for, {len(drawn)} drawn: no more are left over."
    return drawn, notes + note("validation", wanted - len(drawn), sentence)


def _absent(dataset: TextDataset, support: np.ndarray, test: np.ndarray) -> tuple[ReaderNote, ...]:
    """Classes without a shot, and classes without a test text. Raises InputError when only one class can be learned."""
    names = np.array(dataset.label_names, dtype=object)
    trained, tested = class_counts(dataset, support) > 0, class_counts(dataset, test) > 0
    if trained.sum() < 2 and len(support) > 1:
        found = f"all {count_of(len(support), 'shot')} are of class {listed(names[trained])}"
        raise InputError(f"{found}; raise the shots, draw them per class or change the seed.")
    notes = note("absent", int((~trained).sum()), f"no training text of class {listed(names[~trained])}; it cannot be learned.")
    return notes + note("untested", int((~tested).sum()), f"no test text of class {listed(names[~tested])}; accuracy says nothing about it.")
