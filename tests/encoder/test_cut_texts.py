"""Texts that lose words, counted without torch: the numbers that a run's load report will give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from architectures import ARCHITECTURES
from encoder_folders import MEAN, sentence_folder

from dmlviz.core.types import DEFAULT_ENCODER, RunConfig
from dmlviz.data import draw_split, read_file
from dmlviz.encoder import cut_texts as module
from dmlviz.encoder.coverage import coverage
from dmlviz.encoder.cut_texts import CutTexts, cached_tokenizer, cut_in_run, cut_note, cut_texts, some_rows
from dmlviz.encoder.loading import load_encoder

TEXTS = ["the cat", "the cat and dog", "cat dog cat dog cat dog cat dog", "語 語", "", "cat " * 200, "the cat \x00", "CAT dog " * 9]
PAIRS = ["dog"] * 4 + ["dog cat " * 40] * 4
READ = [name for name, entry in ARCHITECTURES.items() if not entry.refused and name != "qwen2"]  # transformers gives that one its own tokenizer


@pytest.mark.parametrize("name", READ)
def test_it_counts_what_a_run_will_report(folder, name):
    place = folder(name)
    encoder = load_encoder(str(place), max_length=10_000)
    for length in (10_000, 6):
        encoder.max_length = min(encoder.max_length, length)
        for pairs in (None, PAIRS):
            report, counted = coverage(encoder, TEXTS, pairs), cut_texts(place, length, TEXTS, pairs)
            assert (counted.texts, counted.cut, counted.max_length) == (report.texts, report.cut, encoder.max_length)
            assert counted.cut_most == pytest.approx(report.cut_most)


def test_a_sentence_transformers_folder_says_where_it_cuts_and_that_it_makes_texts_lower(folder):
    place = sentence_folder(folder("bert"), ["Transformer", "Pooling"], MEAN)
    (place / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7, "do_lower_case": True}))
    report, counted = coverage(load_encoder(str(place), max_length=64), TEXTS), cut_texts(place, 64, TEXTS)
    assert (counted.cut, counted.cut_most, counted.max_length, counted.limited) == (report.cut, report.cut_most, 7, True)
    assert cut_note(counted)[0].sentence.endswith("; the encoder takes no more.")


def test_the_bundled_encoder():
    texts = ["Profits rose by 4.5 % in the 3rd quarter; shares didn't.", "Ærøskøbing 🙂 " * 30, "plain " * 126, "plain " * 127]
    report = coverage(load_encoder(DEFAULT_ENCODER, max_length=128), texts)
    counted = cut_texts(cached_tokenizer(DEFAULT_ENCODER), 128, texts)
    assert counted == CutTexts(4, report.cut, pytest.approx(report.cut_most), 128, False)
    assert counted.cut == 2


def test_short_texts_are_not_tokenized_and_the_count_is_the_same(folder, monkeypatch):
    place = folder("bert")
    texts = [" ".join(["the", "cat", "q" * 9][: i % 4]) * (1 + i % 5) for i in range(200)]
    quick = cut_texts(place, 16, texts)
    monkeypatch.setattr(module, "SURE", 10**6)
    assert cut_texts(place, 16, texts) == quick
    assert 0 < quick.cut < 200


def test_another_tokenizer_counts_and_the_encoder_limits(folder):
    small, other = folder("bert"), folder("roberta")
    assert cut_texts(small, 10_000, TEXTS, tokenizer=other).max_length == load_encoder(str(small), max_length=10_000, tokenizer=str(other)).max_length


# ---- silent where it cannot be known


@pytest.mark.parametrize("content", [None, "", "{}", '{"model": 1}', "\x00"])
def test_a_folder_without_a_tokenizer_that_can_be_read_is_silent(folder, content):
    place = folder("bert")
    (place / "tokenizer.json").unlink()
    if content is not None:
        (place / "tokenizer.json").write_text(content)
    assert cut_texts(place, 6, TEXTS) is None
    assert cut_note(None) == ()


@pytest.mark.parametrize("name", ["no/such-model", "", "../..", "/nowhere", "a b", "~"])
def test_an_encoder_that_is_not_here_is_silent_and_asks_nobody(name, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was asked"))
    assert cached_tokenizer(name) is None


def test_a_cached_hub_model_is_found(monkeypatch, tmp_path, folder):
    commit = "0" * 40
    home = tmp_path / "hub" / "models--owner--name"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    (home / "snapshots").mkdir()
    folder("bert").rename(home / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    found = cached_tokenizer("owner/name")
    assert found == home / "snapshots" / commit
    assert cut_texts(found, 6, TEXTS).cut > 0


# ---- of a run


def test_a_runs_note_has_the_numbers(folder, tmp_path):
    table = "text,label\n" + "".join(f"the cat number {i}{' and the dog' * (i % 2 * 20)},{'ab'[i % 2]}\n" for i in range(60))
    (tmp_path / "r.csv").write_text(table)
    dataset = read_file(tmp_path / "r.csv")
    config = RunConfig(dataset="r.csv", encoder=str(folder("bert")), max_length=16, shots=4)
    split = draw_split(dataset, shots=4)
    (note,) = cut_in_run(config, dataset, split)
    cut = int((dataset.labels[split.row_ids] == 1).sum())
    assert note.count == cut
    assert note.sentence.startswith(f"{cut} of {len(split.row_ids)} texts lose words at 16 tokens, up to 8")
    assert note.sentence.endswith("% of a text; a larger max_length keeps more and takes longer.")
    assert cut_in_run(config.model_copy(update={"max_length": 400, "encoder": "no/such-model"}), dataset, split) == ()


def test_of_very_many_texts_some_are_looked_at_and_this_is_said():
    rows = some_rows(np.arange(10**6))
    assert len(set(rows.tolist())) == module.MOST_TEXTS
    assert (rows[0], rows[-1]) == (0, 10**6 - 1)
    assert cut_note(CutTexts(20_000, 12, 0.98, 128, False), of=10**6)[0].sentence == (
        "12 of 20,000 texts looked at (there are 1,000,000) lose words at 128 tokens, up to 98% of a text; a larger max_length keeps more and takes "
        "longer."
    )
    assert cut_note(CutTexts(20_000, 0, 0.0, 128, False)) == ()


def test_it_loads_no_torch():
    code = "import sys; from dmlviz.encoder.cut_texts import *; cut_texts(cached_tokenizer('all-MiniLM-L6-v2'), 8, ['a ' * 99]);"
    done = subprocess.run([sys.executable, "-c", f"{code} print('torch' in sys.modules, 'transformers' in sys.modules)"], capture_output=True,
                          text=True, check=True, cwd=Path(__file__).parents[2])  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
