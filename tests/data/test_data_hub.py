"""The Hub: its label names, GLUE's hidden test, and a Hub that does not answer."""

from __future__ import annotations

import socket
import time

import datasets
import pytest

from dmlviz.core.types import InputError
from dmlviz.data import CATALOGUE, hub, load_dataset

TEXT, NUMBER, CLASS = datasets.Value("string"), datasets.Value("int32"), datasets.ClassLabel(names=["neg", "pos"])
FEATURES = datasets.Features({"sentence": TEXT, "label": CLASS, "idx": NUMBER})


def split(texts: list[str], labels: list[int]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"sentence": texts, "label": labels, "idx": list(range(len(texts)))}, features=FEATURES)


@pytest.fixture
def glue(monkeypatch) -> dict:
    """A real DatasetDict in GLUE's form stands where the download would be; returns what was asked for."""
    asked = {}
    splits = datasets.DatasetDict(train=split(["a b", "c d"], [1, 0]), validation=split(["e f", "g h"], [0, 1]), test=split(["i j"], [-1]))

    def load(hub_id, config=None):
        asked.update(id=hub_id, config=config)
        return splits

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(hub, "reachable", lambda endpoint: True)
    return asked


def test_label_numbers_become_names_and_validation_stands_in_for_the_hidden_test(glue, tmp_path, monkeypatch):
    monkeypatch.delenv("DMLVIZ_DATA", raising=False)
    dataset = load_dataset("sst2_phrases", home=tmp_path)
    assert glue == {"id": "nyu-mll/glue", "config": "sst2"}
    assert [dataset.label_names[label] for label in dataset.labels] == ["pos", "neg", "neg", "pos"]
    assert dataset.parts.tolist() == ["train", "train", "test", "test"]
    assert dataset.source == "The Hugging Face Hub: nyu-mll/glue (sst2)."
    assert dataset.notes[0].sentence == "the validation split is the test part here: the labels of the Hub's own test split are hidden."


def test_any_hub_id_with_a_hidden_test(glue, tmp_path):
    dataset = load_dataset("owner/name:small", home=tmp_path)
    assert glue == {"id": "owner/name", "config": "small"}
    assert dataset.parts.tolist() == ["train", "train", "test", "test"]
    said = [note.sentence for note in dataset.notes]
    assert "columns guessed: texts from 'sentence', labels from 'label'." in said
    assert "owner/name: test rows without labels left out (1); the validation part is the test part here." in said


def test_an_unknown_column_of_a_hub_set(glue, tmp_path):
    with pytest.raises(InputError, match=r"^owner/name \(train\) has no column 'lable'; its columns are .* Did you mean 'label'\?$"):
        load_dataset("owner/name", home=tmp_path, label="lable")


def test_a_set_without_a_training_split(glue, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict(extra=split(["a", "b"], [0, 1])))
    with pytest.raises(InputError, match=r"^owner/name has no split to train on; its splits are 'extra'\."):
        load_dataset("owner/name", home=tmp_path)


def test_whatever_the_library_raises_is_one_sentence(glue, tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("Dataset scripts are no longer supported\nsecond line")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(InputError, match=r"^the Hub's owner/name cannot be loaded: Dataset scripts are no longer supported Check the id"):
        load_dataset("owner/name", home=tmp_path)


def test_unreachable_hub_is_one_sentence_within_seconds(tmp_path, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as silent:  # accepts a connection and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        begun = time.monotonic()
        with pytest.raises(InputError) as caught:
            hub.read_hub(CATALOGUE["mr"].hub)
    assert time.monotonic() - begun < 30  # 6 s of waiting; the rest is a slow import
    assert str(caught.value) == (
        "the Hugging Face Hub cannot be reached, so cornell-movie-review-data/rotten_tomatoes cannot be loaded; try again later, "
        "put the files into $DMLVIZ_DATA/<name>/ (train.jsonl.gz, test.jsonl.gz) or use a file of your own."
    )


def test_reachable_tells_an_answer_from_a_refusal():
    assert not hub.reachable("http://127.0.0.1:9", seconds=3)
    assert not hub.reachable("no address at all", seconds=3)


def test_offline_setting_asks_nobody(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "reachable", lambda endpoint: pytest.fail("the Hub was asked"))
    with pytest.raises(InputError, match=r"cannot be loaded \(HF_HUB_OFFLINE is set, so only its cache is looked at\): .+"):
        hub.read_hub("owner/no-such-set-here")
