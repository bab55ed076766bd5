"""The order in which a source lists its classes is kept from the file to the stored data set; where none is stated, none is made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmlviz.data import hub, read_file, read_folder
from dmlviz.data.class_lists import with_class_list
from dmlviz.data.rows import Rows
from dmlviz.store.runs import Store

LISTED = ["weather", "animals", "food"]
CSV = "text,label\n" + "".join(f"some text {i},{LISTED[i % 3]}\n" for i in range(12))


def features(names: list[str] = LISTED) -> datasets.Features:
    return datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})


def table(names: list[str] = LISTED, count: int = 12, start: int = 0) -> datasets.Dataset:
    """Rows whose class numbers follow each other; of more than three classes only three have a text."""
    texts = [f"some text {start + i}" for i in range(count)]
    return datasets.Dataset.from_dict({"text": texts, "label": [names.index(LISTED[i % 3]) for i in range(count)]}, features=features(names))


def classes(dataset) -> list[str]:
    return [dataset.label_names[label] for label in dataset.labels]


@pytest.fixture(autouse=True)
def quiet():
    datasets.disable_progress_bars()


def parquet(folder: Path) -> Path:
    table().to_parquet(folder / "r.parquet")
    return folder / "r.parquet"


def shards(folder: Path) -> Path:
    for i in range(2):
        table(start=12 * i).to_parquet(folder / f"train-0000{i}-of-00002.parquet")
    return folder


def saved(folder: Path) -> Path:
    datasets.DatasetDict(train=table(), test=table(start=20)).save_to_disk(folder / "saved")
    return folder / "saved"


def with_list(folder: Path) -> Path:
    (folder / "train.csv").write_text(CSV)
    (folder / "classes.txt").write_text("\n".join([*LISTED, "sports"]) + "\n")
    return folder


@pytest.mark.parametrize("make", [parquet, shards, saved, with_list])
def test_a_stated_order_is_kept_to_the_stored_data_set(make, tmp_path):
    path = make(tmp_path)
    dataset = read_folder(path) if path.is_dir() else read_file(path)
    assert dataset.label_names == ("animals", "food", "weather")
    assert classes(dataset)[:3] == LISTED
    order = (*LISTED, "sports") if make is with_list else tuple(LISTED)  # a listed class may have no text
    assert dataset.class_order == order
    store = Store(tmp_path / "home")
    assert store.dataset(store.add_dataset(dataset)).class_order == order


def test_the_hub_states_it(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict(train=table(), test=table(start=20)))
    monkeypatch.setattr(hub, "reachable", lambda _: True)
    assert hub.read_hub("owner/name").class_order == tuple(LISTED)


def test_a_file_that_states_none_has_none(tmp_path):
    dataset = read_file(CSV.encode(), filename="r.csv")
    assert dataset.class_order is None
    store = Store(tmp_path)
    assert store.dataset(store.add_dataset(dataset)).class_order is None


def test_the_same_texts_from_a_source_that_states_it(tmp_path):
    """Stored once under the hash of the texts: what a better source says is added, and nothing else changes."""
    store, plain = Store(tmp_path), read_file(CSV.encode(), filename="r.csv")
    stated = read_file(parquet(tmp_path))
    assert store.add_dataset(plain) == store.add_dataset(stated) == store.add_dataset(plain)
    assert store.dataset(plain.content_hash).class_order == tuple(LISTED)
    assert store.dataset(plain.content_hash).source == plain.source
    store.add_dataset(replace(stated, class_order=tuple(LISTED[::-1])))
    assert store.dataset(plain.content_hash).class_order == tuple(LISTED[::-1])


def test_parts_that_state_two_orders_state_none(tmp_path):
    table().to_parquet(tmp_path / "train.parquet")
    table(LISTED[::-1], start=20).to_parquet(tmp_path / "test.parquet")
    dataset = read_folder(tmp_path)
    assert classes(dataset) == [LISTED[i % 3] for i in range(12)] * 2
    assert dataset.class_order is None


def test_a_class_that_is_not_listed_makes_the_order_unknown(tmp_path):
    (tmp_path / "train.csv").write_text(CSV + "one more,sports\n")
    (tmp_path / "classes.txt").write_text("\n".join(LISTED))
    dataset = read_folder(tmp_path)
    assert dataset.class_order is None
    assert any(note.sentence.startswith("'classes.txt' ('weather', 'animals', 'food') was not used") for note in dataset.notes)


def test_names_are_repaired_like_labels(tmp_path):
    names = ["  weather ", "animals", "cafe\u0301"]
    texts, numbers = [f"some text {i}" for i in range(12)], [i % 3 for i in range(12)]
    datasets.Dataset.from_dict({"text": texts, "label": numbers}, features=features(names)).to_parquet(tmp_path / "r.parquet")
    assert read_file(tmp_path / "r.parquet").class_order == ("weather", "animals", "café")


# ---- a file of class names beside numbers


@pytest.mark.parametrize("start", [0, 1])
def test_numbers_get_the_names_of_the_list(tmp_path, start):
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"some text {i},{i % 3 + start}\n" for i in range(12)))
    (tmp_path / "classes.txt").write_text("\n".join(LISTED))
    dataset = read_folder(tmp_path)
    assert classes(dataset)[:3] == LISTED
    assert dataset.class_order == tuple(LISTED)
    said = f"class names are those of 'classes.txt' (3 classes): {start} is 'weather', and so on."
    assert said in [note.sentence for note in dataset.notes]


@given(numbers=st.lists(st.integers(0, 5), min_size=1, max_size=8), count=st.integers(2, 6))
def test_numbers_are_never_named_where_the_list_may_begin_in_two_places(numbers, count):
    names = tuple(f"class {i}" for i in range(count))
    rows = Rows([f"text {i}" for i in range(len(numbers))], [str(number) for number in numbers], ["train"] * len(numbers))
    named, notes = with_class_list(rows, ("classes.txt", names))
    possible = [start for start in (0, 1) if all(0 <= number - start < count for number in numbers)]
    if len(possible) == 1:
        assert named.labels == [names[number - possible[0]] for number in numbers]
        assert named.class_order == names
    else:
        assert named is rows
        why = "the labels may count from 0 or from 1" if possible else "it does not list the labels of the rows"
        assert notes[0].sentence.endswith(f"was not used for the names of the classes: {why}.")


@pytest.mark.parametrize("content", ["", "one\n", "pos\nneg\npos\n", "\x00\x01\x02\x03\x04\x05\x06\x07\x08" * 9])
def test_a_file_that_lists_no_classes_is_passed_over(tmp_path, content):
    (tmp_path / "train.csv").write_text(CSV)
    (tmp_path / "labels.txt").write_text(content)
    assert read_folder(tmp_path).class_order is None
