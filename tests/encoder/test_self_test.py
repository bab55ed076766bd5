"""The same text alone, in a batch, padded and by its word vectors has one vector; what has not is corrected or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, LONGEST
from encoder_folders import TEXTS, change_config, change_weights

from dmlviz.core.types import POOLED, InputError
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.self_test import TOLERANCE, reaches_no_other
from dmlviz.training.embed import embed

READ = [name for name, entry in ARCHITECTURES.items() if not entry.refused]


@pytest.mark.parametrize("name", READ)
def test_a_text_has_one_vector_alone_in_a_batch_and_at_the_greatest_length(folder, name):
    found = load_encoder(str(folder(name)), max_length=100_000)
    assert found.max_length <= LONGEST
    assert found.report.self_test["batch"] <= TOLERANCE
    alone = np.concatenate([embed(found, [text]) for text in TEXTS])
    np.testing.assert_allclose(embed(found, TEXTS), alone, atol=1e-4 * np.abs(alone).max())
    longest = embed(found, ["cat " * 500])
    assert np.isfinite(longest).all()


@pytest.mark.parametrize("name", READ)
def test_training_in_groups_sees_the_same_vectors(folder, name):
    """Also where words are looked up once for all groups, by their vectors."""
    found = load_encoder(str(folder(name)), max_length=32).eval()
    batch = found.pad(found.token_ids(TEXTS * 2))
    grouped = found(batch).pooled.detach()
    with torch.no_grad():
        whole = found(batch, padding_matters=True).pooled
    torch.testing.assert_close(grouped, whole, atol=1e-4 * float(whole.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("name", "pooling"), [("bert", "cls"), ("roberta", "cls"), ("gpt2", "last"), ("qwen2", "last"), ("llama", "last"), ("bart", "cls")]
)
def test_the_pooling_that_nobody_names_follows_the_architecture_and_is_said(folder, name, pooling):
    found = load_encoder(str(folder(name)))
    assert found.pooling == pooling
    assert any(one.startswith(f"{POOLED[pooling]} pooling, since ") for one in found.report.assumed)
    assert np.ptp(embed(found, TEXTS), axis=0).max() > 0.01


def test_a_model_without_a_class_token_is_pooled_by_its_mean(folder):
    place = folder("t5")
    words = load_encoder(str(place)).tokenizer
    words.cls_token = None
    words.backend_tokenizer.post_processor = None
    words.save_pretrained(place)
    assert load_encoder(str(place)).pooling == "mean"


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_first_token_of_a_causal_model_is_refused(folder, name):
    place = str(folder(name))
    assert reaches_no_other(load_encoder(place))
    with pytest.raises(InputError, match=r"is a causal model, whose first token sees no other.*choose the pooling last or mean"):
        load_encoder(place, pooling="cls")
    assert load_encoder(place, pooling="mean").pooling == "mean"


def test_a_model_that_reads_padding_is_refused_by_name(folder):
    with pytest.raises(InputError, match=r"FNetModel of .* gives a text another vector when a longer one stands beside it .*choose an encoder "
                                         r"that does"):
        load_encoder(str(folder("fnet")))


def test_weights_that_are_no_numbers_are_refused(folder):
    def spoil(state):
        return {name: value * float("nan") if "layer.1.output.dense.weight" in name else value for name, value in state.items()}

    with pytest.raises(InputError, match="are not numbers before any training; its weights are damaged"):
        load_encoder(str(change_weights(folder("bert"), spoil)))


def test_a_model_of_other_things_than_texts_is_refused(tmp_path, folder):
    from transformers import ViTConfig, ViTModel

    place = folder("bert")
    ViTModel(ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32)).save_pretrained(place)
    with pytest.raises(InputError, match=r"ViTModel of .* cannot be run on texts"):
        load_encoder(str(place))


@pytest.mark.parametrize("name", ["roberta", "mpnet", "camembert", "xlm-roberta"])
def test_a_table_that_begins_behind_the_padding_index_is_used_to_its_end(folder, name):
    """Positions begin at the padding index plus one, wherever that is: with RoBERTa's usual 1 two places are lost, with 3 four."""
    padding = {} if name == "mpnet" else {"pad_token_id": 3}
    found = load_encoder(str(folder(name, max_position_embeddings=40, **padding)), max_length=500)
    assert found.max_length == (38 if name == "mpnet" else 36)
    assert np.isfinite(embed(found, ["cat " * 100])).all()


def test_the_test_leaves_chance_and_modes_alone(folder):
    place = str(folder("bert"))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    found = load_encoder(place)
    assert torch.equal(torch.rand(3), expected)
    assert not any(part.training for part in found.model.modules())


def test_a_config_that_names_no_architecture_is_a_sentence(folder):
    with pytest.raises(InputError, match="could not be loaded"):
        load_encoder(str(change_config(folder("bert"), model_type="a-model-of-tomorrow")))


@pytest.mark.parametrize("length", [5, 8, 16, 32, 64])
def test_a_causal_model_is_known_at_every_length(folder, length):
    """Whichever token stands at the end of what is tried."""
    for name, pooling in (("qwen2", "last"), ("llama", "last"), ("bert", "cls")):
        assert load_encoder(str(folder(name)), max_length=length).pooling == pooling


def test_a_window_of_attention_is_no_causal_model(tmp_path):
    """A Longformer's first token sees its neighbours, though not the end of a long text."""
    from architectures import write_tokenizer
    from tiny_words import WORDS
    from transformers import LongformerConfig, LongformerModel

    size = write_tokenizer(tmp_path, WORDS)
    config = LongformerConfig(
        vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, attention_window=[4, 4],
        max_position_embeddings=66,
    )  # fmt: skip
    torch.manual_seed(0)
    LongformerModel(config).save_pretrained(tmp_path)
    found = load_encoder(str(tmp_path), max_length=60)
    assert not reaches_no_other(found)
    assert found.pooling == "cls"
