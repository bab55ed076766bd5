"""A tokenizer is there, knows words, fits the model's table and pads on the right; else a sentence says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from encoder_folders import TEXTS

from dmlviz.core.types import InputError
from dmlviz.encoder.coverage import coverage
from dmlviz.encoder.loading import load_encoder
from dmlviz.training.embed import embed


def without_tokenizer(place: Path) -> Path:
    for path in place.glob("*token*"):
        path.unlink()
    return place


def test_a_folder_without_a_tokenizer_is_refused_and_told_how_to_name_one(folder):
    bare = without_tokenizer(folder("bert"))
    with pytest.raises(InputError, match=r"has no tokenizer.*name one with --tokenizer FOLDER_OR_HUB_ID"):
        load_encoder(str(bare))


def test_another_folders_tokenizer_is_used_and_said(folder, tmp_path):
    whole, bare = folder("bert"), without_tokenizer(folder("bert"))
    found = load_encoder(str(bare), tokenizer=str(whole))
    np.testing.assert_array_equal(embed(found, TEXTS), embed(load_encoder(str(whole)), TEXTS))
    assert f"the tokenizer is that of {whole.name}" in found.report.assumed
    alone = tmp_path / "tokenizer only"
    found.tokenizer.save_pretrained(alone)
    np.testing.assert_array_equal(embed(load_encoder(str(bare), tokenizer=str(alone)), TEXTS), embed(found, TEXTS))
    with pytest.raises(InputError, match=r"the folder .* has no tokenizer; name one"):
        load_encoder(str(whole), tokenizer=str(without_tokenizer(folder("bert"))))


def test_more_tokens_than_the_table_has_rows_get_the_mean_of_the_others(folder):
    place = folder("bert")
    before = load_encoder(str(place))
    words = before.tokenizer
    words.add_tokens(["zebra", "okapi"])
    words.save_pretrained(place)
    found = load_encoder(str(place))
    assert ("the tokenizer has 2 tokens more than the model's table of 127: rows were added, each the mean of the others and not trained"
            in found.report.assumed)  # fmt: skip
    table = found.model.get_input_embeddings().weight
    np.testing.assert_allclose(table[-1].detach(), table[:127].detach().mean(dim=0), atol=1e-6)
    np.testing.assert_array_equal(embed(found, TEXTS), embed(before, TEXTS))
    assert np.isfinite(embed(found, ["a zebra and an okapi"])).all()


def test_padding_goes_to_the_right_whatever_the_folder_says(folder):
    place, plain = folder("bert"), folder("bert")
    path = place / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "padding_side": "left"}))
    np.testing.assert_allclose(embed(load_encoder(str(place)), TEXTS), embed(load_encoder(str(plain)), TEXTS), atol=1e-6)
    alone = np.concatenate([embed(load_encoder(str(place)), [text]) for text in TEXTS])
    np.testing.assert_allclose(embed(load_encoder(str(place)), TEXTS), alone, atol=1e-5)


def test_a_decoder_without_a_padding_token_pads_with_its_last_one(folder):
    found = load_encoder(str(folder("gpt2")))
    assert found.report.assumed[0] == "it has no padding token, so [SEP] pads, masked"
    alone = np.concatenate([embed(found, [text]) for text in TEXTS])
    np.testing.assert_allclose(embed(found, TEXTS), alone, atol=1e-5)


def test_what_texts_lose_is_counted(folder):
    found = load_encoder(str(folder("bert")), max_length=6)  # [CLS], four tokens, [SEP]
    counted = coverage(found, ["the cat", "the cat and dog", "cat dog cat dog cat dog cat dog", "語 語"])
    assert (counted.texts, counted.cut) == (4, 1)
    assert counted.cut_most == pytest.approx(0.5)
    assert counted.unknown == pytest.approx(2 / 12)  # 語 twice among 2 + 4 + 4 + 2 tokens
    pairs = coverage(found, ["cat dog cat dog"], ["dog cat dog cat"])
    assert pairs.cut == 1
    assert pairs.cut_most == pytest.approx(5 / 8)  # three tokens are left beside [CLS] and two [SEP]


def test_a_slow_tokenizer_counts_tokens(folder):
    from types import SimpleNamespace

    from transformers import BertTokenizer

    words = list(load_encoder(str(folder("bert"))).tokenizer.get_vocab())
    slow = SimpleNamespace(tokenizer=BertTokenizer(vocab={word: i for i, word in enumerate(words)}), max_length=6, cased=list)
    counted = coverage(slow, ["the cat", "cat dog cat dog cat dog cat dog"])
    assert counted.cut == 1


def test_texts_without_a_token_are_no_division_by_zero(folder):
    assert coverage(load_encoder(str(folder("bert"))), ["", " "]) == (2, 0.0, 0, 0.0)
