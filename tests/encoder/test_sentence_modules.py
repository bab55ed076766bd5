"""Vectors of sentence-transformers folders are those of its own `encode`, for every module list that it writes and we read; others are refused by
name."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from encoder_folders import MEAN, TEXTS, sentence_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmlviz.core.types import DEFAULT_ENCODER, InputError
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.places import find_model
from dmlviz.encoder.pooling import POOLINGS, pool
from dmlviz.encoder.sentence_modules import ACTIVATIONS, OLD_FLAGS, Dense, pooling_of, read_modules
from dmlviz.training.embed import embed


def slow_pool(tokens: torch.Tensor, mask: torch.Tensor, how: str) -> torch.Tensor:
    """Text by text, token by token."""
    rows = []
    for own, kept in zip(tokens, mask, strict=True):
        real = [token for token, keep in zip(own, kept, strict=True) if keep]
        weighted = sum((i + 1) * token for i, token in enumerate(real)) / sum(range(1, len(real) + 1))
        rows.append({"cls": real[0], "last": real[-1], "mean": sum(real) / len(real), "max": torch.stack(real).amax(dim=0),
                     "mean_sqrt_len": sum(real) / len(real) ** 0.5, "weighted_mean": weighted}[how])  # fmt: skip
    return torch.stack(rows)


@pytest.mark.parametrize("how", POOLINGS)
def test_pooling_is_a_slow_loop_whichever_side_is_padded(how):
    tokens = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    for mask in (torch.tensor([[1] * 6, [1, 1, 1, 0, 0, 0], [1] + [0] * 5, [1, 1, 1, 1, 1, 0]]),
                 torch.tensor([[1] * 6, [0, 0, 0, 1, 1, 1], [0] * 5 + [1], [0, 1, 1, 1, 1, 1]])):  # fmt: skip
        torch.testing.assert_close(pool(tokens, mask, how), slow_pool(tokens, mask, how))


def test_several_poolings_stand_one_behind_the_other():
    tokens, mask = torch.randn(2, 3, 4), torch.ones(2, 3, dtype=torch.long)
    torch.testing.assert_close(pool(tokens, mask, "mean+cls"), torch.cat([tokens.mean(dim=1), tokens[:, 0]], dim=1))


@pytest.mark.parametrize(("config", "pooling"), [
    ({"embedding_dimension": 32, "pooling_mode": "mean"}, "mean"),  # version 6
    ({"embedding_dimension": 32, "pooling_mode": ["lasttoken", "cls"]}, "last+cls"),
    ({"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),  # versions 1 to 5
    ({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "max+mean"),
    ({"word_embedding_dimension": 32, "pooling_mode_weightedmean_tokens": True, "pooling_mode_lasttoken": False}, "weighted_mean"),
    ({"word_embedding_dimension": 32}, "mean"),
])  # fmt: skip
def test_pooling_is_read_as_every_version_writes_it(config, pooling):
    assert pooling_of(config, "a model") == pooling


def test_a_pooling_of_tomorrow_is_refused():
    with pytest.raises(InputError, match=r"pools by 'attention', which is not known here; known: cls, max, mean"):
        pooling_of({"pooling_mode": "attention"}, "a model")


@pytest.mark.parametrize("where", ["", "0_BERT", "0_Transformer"])
def test_a_body_of_any_version_is_found_and_pooled_by_its_mean(folder, where):
    body = folder("bert")
    made = sentence_folder(body, ["Transformer", "Pooling"], MEAN, where=where)
    found = load_encoder(str(made))
    np.testing.assert_array_equal(embed(found, TEXTS), embed(load_encoder(str(body), pooling="mean"), TEXTS))
    assert found.report.kind == "sentence-transformers model"
    assert found.report.assumed == ()


def test_a_folder_of_version_one_without_a_list_has_its_mean(folder, tmp_path):
    body, made = folder("bert"), tmp_path / "version-1"
    shutil.copytree(body, made / "0_BERT")
    np.testing.assert_array_equal(embed(load_encoder(str(made)), TEXTS), embed(load_encoder(str(body), pooling="mean"), TEXTS))


def test_normalize_is_kept_for_a_model_as_it_is_and_left_out_in_training(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling", "Normalize"], MEAN)
    as_is, trained = load_encoder(str(made), as_is=True), load_encoder(str(made))
    np.testing.assert_allclose(np.linalg.norm(embed(as_is, TEXTS), axis=1), 1, atol=1e-6)
    assert np.linalg.norm(embed(trained, TEXTS), axis=1).max() > 1.5
    assert trained.report.left_out == ("Normalize of the sentence-transformers model, since a loss normalises where its paper does",)
    assert load_encoder(DEFAULT_ENCODER).report.left_out == trained.report.left_out


def test_another_pooling_than_its_own_is_said(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling"], MEAN)
    assert load_encoder(str(made), pooling="cls").report.assumed == ("it pools by mean where it comes from, and by cls here, as asked for",)


@pytest.mark.parametrize(("modules", "sentence"), [
    (["Transformer", "WeightedLayerPooling", "Pooling"], "WeightedLayerPooling is not read here"),
    (["Transformer", "Pooling", "CNN"], "CNN is not read here"),
    (["Transformer", "Dense", "Pooling"], "a Transformer, one Pooling and then other modules are read, in that order"),
    (["Transformer"], "a Transformer, one Pooling and then other modules are read, in that order"),
])  # fmt: skip
def test_other_modules_are_refused_by_name(folder, modules, sentence):
    made = sentence_folder(folder("bert"), modules, MEAN)
    with pytest.raises(InputError, match=f"is made of {', '.join(modules)}; {sentence}, and its vectors would not be the library's"):
        load_encoder(str(made))


def test_a_model_without_a_transformer_is_refused_by_name(folder, tmp_path):
    (tmp_path / "static").mkdir()
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}]
    (tmp_path / "static" / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match="begins with the module StaticEmbedding, and only Transformer encoders"):
        load_encoder(str(tmp_path / "static"))


def test_a_path_out_of_the_folder_is_not_followed(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling"], MEAN)
    listed = json.loads((made / "modules.json").read_text())
    for path in ("../elsewhere", "/etc"):
        listed[1]["path"] = path
        (made / "modules.json").write_text(json.dumps(listed))
        with pytest.raises(InputError, match="which lies outside of the folder"):
            load_encoder(str(made))


def test_a_dense_layer_kept_in_a_pickle_is_not_read(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling", "Dense"], {**MEAN, "Dense": {"in_features": 32, "out_features": 8}})
    (made / "2_Dense" / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(InputError, match=r"module 2_Dense .* has no model\.safetensors; other weight formats can run code"):
        load_encoder(str(made))


def test_an_activation_from_elsewhere_is_not_imported(folder):
    with pytest.raises(InputError, match=r"the activation 'os\.system', which is not read here"):
        Dense({"in_features": 2, "out_features": 2, "activation_function": "os.system"})


def test_a_prompt_before_every_text_is_refused(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling"], MEAN)
    said = {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": None}
    (made / "config_sentence_transformers.json").write_text(json.dumps(said))
    load_encoder(str(made))
    (made / "config_sentence_transformers.json").write_text(json.dumps({**said, "default_prompt_name": "query"}))
    with pytest.raises(InputError, match="puts 'query: ' before every text"):
        load_encoder(str(made))


def test_its_own_length_and_lower_case_are_kept(folder):
    made = sentence_folder(folder("bert"), ["Transformer", "Pooling"], MEAN)
    (made / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7, "do_lower_case": True}))
    found = load_encoder(str(made))
    assert (found.max_length, found.lower) == (7, True)
    assert len(found.token_ids(["the cat " * 20])[0]["input_ids"]) == 7
    assert found.cased(["The CAT"]) == ["the cat"]
    assert load_encoder(str(made), max_length=5).max_length == 5


# ---- beside the library itself


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """(sentence_transformers' models, folder of a BERT, of a RoBERTa and of a GPT-2)."""
    from architectures import write_model
    from sentence_transformers.sentence_transformer import modules as models
    from tiny_words import WORDS

    folder = tmp_path_factory.mktemp("bodies")
    larger = {"qwen2": {"vocab_size": 200}}  # transformers gives its tokenizer a token more
    return models, {name: write_model(folder / name, name, WORDS, **larger.get(name, {})) for name in ("bert", "mpnet", "qwen2", "t5")}


@st.composite
def module_lists(draw):
    """(body, poolings, layers): a layer is a name and its settings."""
    body = draw(st.sampled_from(["bert", "mpnet", "qwen2", "t5"]))
    modes = draw(st.lists(st.sampled_from([*POOLINGS.values()]), min_size=1, max_size=3, unique=True))
    if body == "qwen2":
        modes = [mode for mode in modes if mode != "cls"] or ["lasttoken"]
    layers = draw(st.lists(st.sampled_from(["Dense", "LayerNorm", "Normalize", "Dropout"]), max_size=4))
    dense = [(draw(st.integers(2, 40)), draw(st.sampled_from(sorted(ACTIVATIONS))), draw(st.booleans()), draw(st.booleans())) for _ in layers]
    return body, modes, list(zip(layers, dense, strict=True))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=module_lists(), seed=st.integers(0, 1000))
def test_vectors_are_those_of_encode_for_random_module_lists(library, tmp_path_factory, made, seed):
    """Saved by the library's present version, read by us, saved by us, and read by both again."""
    from sentence_transformers import SentenceTransformer

    models, bodies = library
    body, modes, layers = made
    torch.manual_seed(seed)
    built = [models.Transformer(str(bodies[body])), models.Pooling(32, pooling_mode=modes[0] if len(modes) == 1 else tuple(modes))]
    width = 32 * len(modes)
    for name, (size, activation, bias, residual) in layers:
        if name == "Dense":
            built.append(models.Dense(width, size, bias=bias, activation_function=ACTIVATIONS[activation](), use_residual=residual))
            width = size
        else:
            built.append(models.LayerNorm(width) if name == "LayerNorm" else getattr(models, name)())
    library_model = SentenceTransformer(modules=built, device="cpu").eval()
    folder = tmp_path_factory.mktemp("made")
    library_model.save(str(folder / "theirs"), create_model_card=False)
    expected = library_model.encode(TEXTS, convert_to_numpy=True, batch_size=4)
    found = load_encoder(str(folder / "theirs"), as_is=True)
    assert found.dim == expected.shape[1]
    np.testing.assert_allclose(embed(found, TEXTS), expected, atol=1e-5 * max(1, np.abs(expected).max()))
    found.save(folder / "ours")
    np.testing.assert_allclose(embed(load_encoder(str(folder / "ours"), as_is=True), TEXTS), embed(found, TEXTS), atol=1e-6)
    if not found.model.config.is_encoder_decoder:
        again = SentenceTransformer(str(folder / "ours"), device="cpu").eval().encode(TEXTS, convert_to_numpy=True)
        np.testing.assert_allclose(again, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.slow
def test_the_bundled_model_has_its_own_vectors(library):
    from sentence_transformers import SentenceTransformer

    place = find_model(DEFAULT_ENCODER)
    expected = SentenceTransformer(str(place.folder), device="cpu").encode(TEXTS, convert_to_numpy=True)
    np.testing.assert_allclose(embed(load_encoder(DEFAULT_ENCODER, as_is=True), TEXTS), expected, atol=1e-5)
    assert read_modules(place).names == ("Normalize",)


def test_every_flag_of_older_versions_is_known():
    assert set(OLD_FLAGS.values()) == set(POOLINGS)
