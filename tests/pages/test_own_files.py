"""Own files on the Train page: read once, with the choosers that help, and what their reader found."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import pytest
from test_pages import button, own_file, words

from dmlviz.data import files

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "readers"


def sentences(app) -> str:
    return re.sub(r"\\(.)", r"\1", words(app))


def table(count: int = 40, labels: str = "ab") -> str:
    return "text,label\n" + "".join(f"some words {i},{labels[i % len(labels)]}\n" for i in range(count))


@pytest.fixture
def parses(monkeypatch) -> list[str]:
    """The name of every file that is parsed."""
    seen, parse = [], files.read_table

    def counted(raw, name, encoding=None):
        seen.append(name)
        return parse(raw, name, encoding)

    monkeypatch.setattr(files, "read_table", counted)
    return seen


def test_an_upload_is_read_once_whatever_is_clicked(visit, parses):
    app = visit("train")
    app.selectbox(key="train_data").set_value("upload").run()
    app.file_uploader[0].set_value(("once.csv", table().encode(), "text/csv")).run()
    assert not button(app, "Train").disabled
    for clicks in range(3):
        app.number_input(key="train_shots").set_value(clicks + 2).run()
    assert parses == ["once.csv"]


def test_a_broken_upload_is_read_once_too(visit, parses):
    app = visit("train")
    app.selectbox(key="train_data").set_value("upload").run()
    app.file_uploader[0].set_value(("broken.jsonl", b'{"text": \n{"text": \n', "text/plain")).run()
    app.number_input(key="train_shots").set_value(3).run()
    assert "2 lines of broken JSON (lines 1, 2)" in sentences(app)
    assert parses == ["broken.jsonl"]


def test_a_file_that_was_edited_in_place_is_read_again_and_no_other(visit, parses, tmp_path):
    folder = tmp_path / "edited"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}.csv").write_text(table())
    app = own_file(visit("train"), str(folder))
    assert "40 training, 40 test texts in 2 classes" in sentences(app)
    app.number_input(key="train_shots").set_value(3).run()
    assert parses == ["edited/train.csv", "edited/test.csv"]
    before = (folder / "train.csv").stat()
    (folder / "train.csv").write_text(table(labels="ac"))
    os.utime(folder / "train.csv", ns=(before.st_atime_ns, before.st_mtime_ns))  # of the same size, and its time set back
    app.number_input(key="train_shots").set_value(2).run()
    assert "in 3 classes" in sentences(app)
    assert len(parses) == 4


def test_a_folder_of_dmlviz_data_is_offered_and_read(visit, monkeypatch, tmp_path):
    monkeypatch.setenv("DMLVIZ_DATA", str(tmp_path))
    for name in ("reviews", "empty", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "reviews" / "all.jsonl.gz").write_bytes(
        gzip.compress("\n".join(json.dumps({"text": f"some words {i}", "label": "ab"[i % 2]}) for i in range(40)).encode())
    )
    app = visit("train")
    assert "reviews · own folder" in app.selectbox(key="train_data").options
    assert not {"empty · own folder", ".hidden · own folder"} & set(app.selectbox(key="train_data").options)
    app.selectbox(key="train_data").set_value("reviews").run()
    assert "40 training texts in 2 classes" in sentences(app)
    assert not button(app, "Train").disabled


def test_an_encoding_is_shown_and_can_be_chosen(visit, tmp_path):
    lines = ["text,label", *(f"Товар пришёл вовремя номер {i},{['да', 'нет'][i % 2]}" for i in range(40))]
    (tmp_path / "ru.csv").write_bytes("\n".join(lines).encode("koi8_r"))
    app = own_file(visit("train"), str(tmp_path / "ru.csv"))
    assert "was read as KOI8-R (Cyrillic). Lines to look at: 'text,label'" not in sentences(app)
    assert "was read as KOI8-R (Cyrillic). Lines to look at: 'Товар пришёл вовремя номер 0,да'" in sentences(app)
    app.selectbox(key="train_encoding").set_value("cp1251").run()
    assert "was read as" not in sentences(app)
    app.selectbox(key="train_encoding").set_value("utf-8").run()
    assert "ru.csv is not UTF-8: byte 0xf4 in line 2 is not valid there." in sentences(app)


def test_columns_that_cannot_be_told_are_chosen_in_the_upload(visit):
    rows = "".join(f'"{i % 4 + 1}","a title {i}","a longer description number {i}"\n' for i in range(40))
    app = visit("train")
    app.selectbox(key="train_data").set_value("upload").run()
    app.file_uploader[0].set_value(("ag.csv", rows.encode(), "text/csv")).run()
    assert "Choose which column holds the text and which the label." in sentences(app)
    choosers = {one.label: one for one in app.selectbox}
    choosers["Text column"].set_value("column 3").run()
    next(one for one in app.selectbox if one.label == "Label column").set_value("column 1").run()
    assert "40 training texts in 4 classes" in sentences(app)
    assert not button(app, "Train").disabled


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("b01_SST-2", "the validation part is the test part here"),
        ("a14_unbalanced.tsv", "read as quotes, they would make 72 rows of 120"),
        ("a13_prodigy_binary.jsonl", "30 rows whose 'answer' is reject or ignore left out"),
        ("a15c_mrpc.tsv", "75.0 % of the texts are of class '0'"),
        ("a04_hf_dict", "class names are those that the file keeps"),
    ],
)
def test_cases_and_their_notes_are_shown(visit, name, sentence):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    app = own_file(visit("train"), str(CASES / name))
    assert not app.exception
    assert not app.error
    assert sentence in sentences(app)


def test_texts_that_lose_words_are_said_before_training(visit, tmp_path, tiny_encoder):
    lines = [f"some words {i}{' and more words' * (i % 2 * 20)},{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "long.csv").write_text("\n".join(["text,label", *lines]))
    app = own_file(visit("train"), str(tmp_path / "long.csv"))
    app.text_input(key="train_encoder").set_value(str(tiny_encoder)).run()
    app.number_input(key="train_max_length").set_value(16).run()
    found = re.search(r"\d+ of \d+ texts lose words at 16 tokens, up to 92% of a text; a larger max_length keeps more", sentences(app))
    assert found, sentences(app)
    app.text_input(key="train_encoder").set_value("no/such-encoder").run()
    assert "lose words" not in sentences(app)
    assert not app.exception
