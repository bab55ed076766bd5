"""Few-shot draws: nested, disjoint, stratified, and the same for the same seed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from dmlviz.core.types import InputError
from dmlviz.data import draw_split
from dmlviz.data.cut import per_class

drawn = settings(max_examples=60, deadline=None)


def counts(dataset, rows) -> list[int]:
    return np.bincount(dataset.labels[rows], minlength=len(dataset.label_names)).tolist()


def kinds(split) -> dict[str, str]:
    return {note.kind: note.sentence for note in split.notes}


SIZES = st.lists(st.integers(16, 60), min_size=2, max_size=5)


@drawn
@given(sizes=SIZES, seed=st.integers(0, 2**40), validation=st.integers(0, 30), shots_by=st.sampled_from(["class", "total"]), parted=st.booleans())
def test_draws_are_nested_disjoint_and_of_the_right_size(make_dataset, sizes, seed, validation, shots_by, parted):
    if shots_by == "total":
        sizes = [max(sizes)] * len(sizes)  # else 12 texts may all be of one class, which is refused
    labels = "".join("abcde"[c] * n for c, n in enumerate(sizes))
    parts = ["test" if parted and i % 5 == 0 else "train" for i in range(len(labels))]
    dataset = make_dataset(labels, parts)
    settings_ = {"shots_by": shots_by, "support_seed": seed, "validation": validation}
    few, more = (draw_split(dataset, shots=shots, **settings_) for shots in ((4, 8) if shots_by == "class" else (12, 16)))
    assert set(few.support) < set(more.support)
    assert few.test.tolist() == more.test.tolist()
    for split in (few, more):
        assert len(set(split.row_ids.tolist())) == len(split.row_ids)
        assert set(dataset.parts[np.concatenate([split.support, split.validation])]) == {"train"}
        assert len(split.validation) <= validation
    if shots_by == "class":
        assert counts(dataset, few.support) == [4] * len(sizes)
    else:
        assert len(few.support) == 12


# ---- the cut of data sets without a test part


@drawn
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5), seed=st.integers(0, 2**40), validation=st.integers(0, 30), cut=st.integers(0, 5),
    held=st.booleans(),
)  # fmt: skip
def test_the_cut_depends_on_no_shots_and_no_draw(make_dataset, sizes, seed, validation, cut, held):
    labels = "".join("abcde"[c] * n for c, n in enumerate(sizes))
    dataset = make_dataset(labels, ["val" if held and i % 4 == 3 else "train" for i in range(len(labels))])
    cuts, supports = set(), {}
    for shots, draw in ((1, seed), (2, seed), (7, seed), (25, seed), (1, seed + 1), (None, seed + 1)):
        try:
            split = draw_split(dataset, shots=shots, support_seed=draw, validation=validation, cut_seed=cut)
        except InputError:
            continue
        cuts.add((tuple(split.test), tuple(split.validation)))
        supports[shots, draw] = set(split.support.tolist())
        assert not supports[shots, draw] & {*split.test.tolist(), *split.validation.tolist()}
        train = np.bincount(dataset.labels[dataset.parts == "train"], minlength=len(dataset.label_names))
        assert ((np.array(counts(dataset, split.test)) > 0) == (train > 1)).all()  # every class that has two texts is tested
    assert len(cuts) <= 1
    nested = [supports[shots, seed] for shots in (1, 2, 7, 25) if (shots, seed) in supports]
    assert all(smaller < larger for smaller, larger in pairwise(nested))


def test_shots_never_shrink_the_test_and_what_does_not_fit_is_refused(make_dataset):
    dataset = make_dataset("a" * 24 + "b" * 24 + "c" * 24)
    tests = {tuple(draw_split(dataset, shots=shots, validation=0).test) for shots in (8, 14, 16, 17)}
    assert [len(test) for test in tests] == [21]
    with pytest.raises(InputError) as caught:
        draw_split(dataset, shots=19, validation=0)
    assert str(caught.value) == (
        "class 'a' has 17 texts but 19 shots were asked for (2 more classes too small); 7 more are set aside for the test; "
        "lower shots to 17, draw the shots in all instead of per class, or add texts"
    )
    with pytest.raises(InputError) as caught:
        draw_split(dataset, shots=16, validation=64)
    assert "7 more are set aside for the test, 4 for validation; lower shots to 13, lower validation, " in str(caught.value)
    assert len(draw_split(dataset, shots=13, validation=64).validation) == 12


def test_the_default_shots_fit_into_small_data_sets(make_dataset):
    for size, tested, held in ((2, 1, 0), (8, 1, 0), (9, 1, 0), (10, 2, 0), (12, 4, 0), (14, 4, 2), (40, 12, 8)):
        dataset = make_dataset("a" * size + "b" * size)
        split = draw_split(dataset, shots=min(8, size - 1))
        assert (counts(dataset, split.test), counts(dataset, split.validation)) == ([tested] * 2, [held] * 2)
    few = kinds(draw_split(make_dataset("a" * 10 + "b" * 40), shots=8))["cut"]
    assert "14 of 50 different texts are set aside for the test (30 % of each class, fewer in small ones) and 8 for validation" in few


def test_the_size_of_the_cut_is_said_and_another_seed_cuts_otherwise(make_dataset):
    dataset = make_dataset("a" * 40 + "b" * 20)
    first, other = (draw_split(dataset, shots=2, validation=8, cut_seed=seed) for seed in (None, 3))
    assert kinds(first)["cut"] == (
        "no test part of its own: 18 of 60 different texts are set aside for the test (30 % of each class) and 8 for validation, "
        "the same for every draw, number of shots and loss."
    )
    assert "(cut 3)" in kinds(other)["cut"]
    assert first.test.tolist() == draw_split(dataset, shots=2, cut_seed=0).test.tolist() != other.test.tolist()
    assert kinds(draw_split(dataset, shots=2, validation=40))["validation"] == (
        "40 validation texts asked for, 12 set aside: at most 20 % of each class, and at least 8 texts of a class stay for training."
    )
    with pytest.raises(InputError, match=r"^cut seed -1 was given; it must be 0 or more, or none for the cut that all runs share\.$"):
        draw_split(dataset, cut_seed=-1)


def test_near_copies_across_the_cut_are_said(make_dataset):
    texts = [f"{word} number {'abcdefghijklmnopqrst'[i % 20]}{'!' * (i // 20)}" for word in ("first", "second") for i in range(40)]
    found = kinds(draw_split(make_dataset("a" * 40 + "b" * 40, texts=texts), shots=2))["near_copies"]
    assert " differing from a training text in case or punctuation alone" in found


@drawn
@given(st.data())
def test_rows_per_class_are_those_of_a_loop_over_classes(make_dataset, data):
    labels = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
    dataset = make_dataset(labels)
    order = np.array(data.draw(st.permutations(range(len(labels)))))[: data.draw(st.integers(1, len(labels)))]
    sizes = np.array([data.draw(st.integers(0, 5)) for _ in dataset.label_names])
    by_class = [order[dataset.labels[order] == c] for c in range(len(sizes))]
    assert per_class(dataset, order, sizes).tolist() == [i for rows, n in zip(by_class, sizes, strict=True) for i in rows[:n]]
    last = [i for rows, n in zip(by_class, sizes, strict=True) for i in rows[max(0, len(rows) - n) :]]
    assert per_class(dataset, order, sizes, last=True).tolist() == last


def test_tens_of_thousands_of_classes(make_dataset):
    labels = [f"class {i // 3}" for i in range(60_000)]
    split = draw_split(make_dataset(labels), shots=1, validation=500)
    assert (len(split.support), len(split.test)) == (20_000, 20_000)


@drawn
@given(sizes=SIZES, seed=st.integers(0, 1000))
def test_test_part_is_stratified_and_the_same_for_every_seed(make_dataset, sizes, seed):
    dataset = make_dataset("".join("abcde"[c] * n for c, n in enumerate(sizes)))
    first, other = (draw_split(dataset, shots=4, support_seed=s, validation=0) for s in (seed, seed + 1))
    assert first.test.tolist() == other.test.tolist()
    assert counts(dataset, first.test) == [round(0.3 * n) for n in sizes]
    assert first.support.tolist() != other.support.tolist()


def test_same_seed_same_rows_pinned(make_dataset):
    split = draw_split(make_dataset("aaabbbccc" * 4), shots=2, support_seed=7, validation=3)
    assert split.support.tolist() == [11, 9, 21, 31, 16, 17]
    assert split.validation.tolist() == []
    assert split.test.tolist() == [0, 4, 5, 7, 8, 12, 18, 28, 29, 30, 33, 34]
    split = draw_split(make_dataset("aaabbbccc" * 6), shots=2, support_seed=7, validation=3)
    assert split.support.tolist() == [11, 37, 48, 13, 53, 25]
    assert split.validation.tolist() == [19, 14, 17]
    assert split.test.tolist() == [0, 4, 8, 18, 28, 29, 30, 33, 40, 43, 44, 45, 49, 50, 51]


def test_validation_is_stratified_and_stays_while_shots_grow(make_dataset):
    dataset = make_dataset("a" * 200 + "b" * 100, None)
    few, more = (draw_split(dataset, shots=shots, validation=30) for shots in (4, 8))
    assert counts(dataset, few.validation) == [20, 10]
    assert few.validation.tolist() == more.validation.tolist()


def test_val_part_is_used_where_there_is_one(make_dataset):
    dataset = make_dataset("ab" * 50, ["train"] * 50 + ["val"] * 30 + ["test"] * 20)
    split = draw_split(dataset, shots=4, validation=10)
    assert set(dataset.parts[split.validation]) == {"val"}
    assert counts(dataset, split.validation) == [5, 5]
    assert split.test.tolist() == list(range(80, 100))


def test_all_training_texts(make_dataset):
    dataset = make_dataset("ab" * 40, ["train"] * 60 + ["test"] * 20)
    split = draw_split(dataset, shots=None, validation=10)
    assert sorted([*split.support, *split.validation]) == list(range(60))
    assert len(split.validation) == 10
    assert len(draw_split(dataset, shots=None, validation=0).support) == 60
    most = draw_split(dataset, shots=None, validation=60)
    assert kinds(most)["validation"] == f"60 validation texts asked for, {len(most.validation)} drawn: no more are left over."
    assert len(most.validation) == 12


def test_a_text_of_the_test_is_never_a_shot(make_dataset):
    texts = [f"text {i}" for i in range(16)] + ["text 0", "text 1", "new", "newer"]
    dataset = make_dataset("ab" * 10, ["train"] * 16 + ["test"] * 4, texts)
    for shots in (7, None):
        split = draw_split(dataset, shots=shots, validation=0)
        assert not {0, 1} & set(split.support.tolist())
        assert kinds(split)["leakage"] == "2 training rows not used: the same text is in the test part."
    with pytest.raises(InputError, match="class 'a' has 7 texts but 8 shots"):
        draw_split(dataset, shots=8)


def test_no_text_is_drawn_twice(make_dataset):
    dataset = make_dataset("ab" * 12, ["train"] * 20 + ["test"] * 4, [f"text {i % 16}" for i in range(20)] + list("wxyz"))
    split = draw_split(dataset, shots=6, validation=4)
    texts = [dataset.texts[i] for i in [*split.support, *split.validation]]
    assert len(texts) == len(set(texts)) == 16
    assert kinds(split)["duplicate"] == "4 training rows with a text that came before; no text is drawn twice."
    full = draw_split(dataset, shots=None, validation=3)
    assert not {dataset.texts[i] for i in full.support} & {dataset.texts[i] for i in full.validation}
    assert len(full.support) > 13


def test_absent_classes_are_named(make_dataset):
    dataset = make_dataset("a" * 40 + "b" * 40 + "c" + "ab", ["train"] * 81 + ["test"] * 2)
    split = draw_split(dataset, shots=6, shots_by="total", validation=0, support_seed=1)
    assert kinds(split)["absent"] == "no training text of class 'c'; it cannot be learned."
    assert kinds(split)["untested"] == "no test text of class 'c'; accuracy says nothing about it."
    assert sum(counts(dataset, split.support)) == 6


REFUSED = {
    "few": ("joy " * 5 + "sad " * 20, {"shots": 8}, "class 'joy' has 5 texts but 8 shots were asked for; lower shots to 5 or add texts"),
    "more": ("joy " * 5 + "ire " * 6 + "sad " * 20, {"shots": 8}, "class 'joy' has 5 texts but 8 shots were asked for (1 more class too small); "
             "lower shots to 5, draw the shots in all instead of per class, or add texts"),
    "total": ("joy " * 5 + "sad " * 20, {"shots": 40, "shots_by": "total"},
              "there are 25 training texts but 40 shots in all were asked for; lower shots to 25"),
    "zero": ("joy sad " * 9, {"shots": 0}, "0 shots were asked for; give 1 or more, or none for every training text."),
    "by": ("joy sad " * 9, {"shots": 2, "shots_by": "row"},
           "shots were asked for by 'row'; known: 'class' (so many per class), 'total' (so many in all)."),
    "seed": ("joy sad " * 9, {"shots": 2, "support_seed": -1}, "support seed -1 and validation 64 were given; both must be 0 or more."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_drawn_is_one_sentence(case, make_dataset):
    labels, asked, said = REFUSED[case]
    labels = [*labels.split(), "joy", "sad"]
    dataset = make_dataset(labels, ["train"] * (len(labels) - 2) + ["test"] * 2)
    with pytest.raises(InputError) as caught:
        draw_split(dataset, **asked)
    assert str(caught.value) == said


def test_one_class_only_and_nothing_left_for_a_test(make_dataset):
    lopsided = make_dataset("a" * 30 + "b" + "ab", ["train"] * 31 + ["test"] * 2)
    with pytest.raises(InputError, match=r"^all 2 shots are of class 'a'; raise the shots, draw them per class or change the seed\.$"):
        draw_split(lopsided, shots=2, shots_by="total", validation=0)
    alone = make_dataset("abcd")
    with pytest.raises(InputError, match=r"^toy has no test part, and no class has a second text that could be set aside for one; add texts\.$"):
        draw_split(alone, shots=1)


def test_long_class_names_are_shortened_in_sentences(make_dataset):
    labels = ["<script>" + "x" * 500] * 3 + ["b"] * 9
    with pytest.raises(InputError) as caught:
        draw_split(make_dataset(labels), shots=5)
    assert len(str(caught.value)) < 190
    assert "…" in str(caught.value)


def test_real_reuters_draw(shared_data):
    from dmlviz.data import read_folder

    dataset = read_folder(shared_data / "r8")
    split = draw_split(dataset, shots=8, validation=64)
    assert counts(dataset, split.support) == [8] * 8
    assert (len(split.validation), len(split.test)) == (64, 2189)
    assert not {dataset.texts[i] for i in split.support} & {dataset.texts[i] for i in split.test}


# ---- folds


def test_folds_are_those_of_scikit_learn_whatever_the_parts(make_dataset):
    dataset = make_dataset("ab" * 25 + "a", ["train"] * 30 + ["val"] * 10 + ["test"] * 11)
    reference = KFold(n_splits=4, shuffle=True, random_state=2048).split(np.zeros(51))
    for fold, (_, wanted) in enumerate(reference):
        split = draw_split(dataset, shots=4, validation=6, folds=4, fold=fold)
        assert sorted(split.test.tolist()) == wanted.tolist()
        assert not set(split.test.tolist()) & set([*split.support.tolist(), *split.validation.tolist()])
        assert counts(dataset, split.support) == [4, 4]
        assert len(split.validation) == 6
    whole = draw_split(dataset, shots=None, validation=0, folds=4, fold=3)
    assert sorted(whole.row_ids.tolist()) == list(range(51))


def test_a_fold_stays_while_seeds_and_shots_change(make_dataset):
    dataset = make_dataset("ab" * 30)
    tests, supports = set(), set()
    for seed, shots in ((0, 4), (1, 4), (0, 8)):
        split = draw_split(dataset, shots=shots, support_seed=seed, folds=3, fold=1)
        tests.add(tuple(split.test.tolist()))
        supports.add(tuple(split.support.tolist()))
    assert (len(tests), len(supports)) == (1, 3)
    few, more = (draw_split(dataset, shots=shots, folds=3, fold=1) for shots in (4, 8))
    assert set(few.support) < set(more.support)


def test_a_text_of_the_fold_is_never_a_shot(make_dataset):
    dataset = make_dataset("ab" * 20, texts=[f"text {i % 30}" for i in range(40)])
    for fold in range(4):
        split = draw_split(dataset, shots=None, validation=0, folds=4, fold=fold)
        tested = {dataset.texts[i] for i in split.test}
        assert not tested & {dataset.texts[i] for i in split.support}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"folds": 4, "fold": 4}, "fold 4 of 4 was asked for; folds are counted from 0, so give 0 to 3."),
        ({"folds": 4, "fold": -1}, "fold -1 of 4 was asked for; folds are counted from 0, so give 0 to 3."),
        ({"folds": 1}, "1 folds were asked for; toy has 20 texts, so give 2 to 20, or none for the data set's own parts."),
        ({"folds": 21}, "21 folds were asked for; toy has 20 texts, so give 2 to 20, or none for the data set's own parts."),
        ({"fold": 2}, "fold 2 was asked for without folds; give folds, the number of parts, too."),
    ],
)
def test_a_fold_that_does_not_exist_is_one_sentence(asked, said, make_dataset):
    with pytest.raises(InputError) as caught:
        draw_split(make_dataset("ab" * 10), shots=2, **asked)
    assert str(caught.value) == said
