"""Weights that are not those of the architecture are undone where the reason is known, else refused with their names; a head is never random."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES
from encoder_folders import TEXTS, change_config, change_weights
from safetensors.torch import load_file

from dmlviz.core.types import InputError
from dmlviz.encoder.checkpoint import Notes, read_classifier
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.places import find_model
from dmlviz.training.embed import embed

CLASSES = ("animals", "food", "weather")


def prefixed(prefix: str):
    return lambda state: {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "bert.", "module.bert.", "_orig_mod.module.encoder."])
def test_a_wrappers_prefix_is_taken_off_and_said(folder, prefix):
    plain, other = folder("bert"), folder("bert")
    change_weights(other, prefixed(prefix))
    found = load_encoder(str(other))
    np.testing.assert_array_equal(embed(found, TEXTS), embed(load_encoder(str(plain)), TEXTS))
    said = f"the names of its weights begin with {prefix!r}, which was taken off"
    assert (said in found.report.assumed) == (prefix != "bert.")  # that one is transformers' own


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model."])
def test_a_wrapped_classifier_keeps_its_head(folder, prefix):
    plain, other = folder("bert", label_names=CLASSES), folder("bert", label_names=CLASSES)
    change_weights(other, prefixed(prefix))
    one, two = (read_classifier(find_model(str(place)), Notes()) for place in (plain, other))
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_an_encoder_inside_another_class_is_found(folder):
    plain, other = folder("bert"), folder("bert")
    change_weights(other, lambda state: {**prefixed("text_model.")(state), "projection.weight": torch.zeros(4, 32)})
    found = load_encoder(str(other))
    np.testing.assert_array_equal(embed(found, TEXTS), embed(load_encoder(str(plain)), TEXTS))


def test_two_encoders_in_one_file_are_refused(folder):
    other = change_weights(folder("bert"), lambda state: {**prefixed("query.")(state), **prefixed("document.")(state)})
    with pytest.raises(InputError, match=r"holds 2 models, with names that begin with 'document\.', 'query\.'; save the one that is meant"):
        load_encoder(str(other))


def test_missing_layers_are_refused_by_name(folder):
    half = change_weights(folder("bert"), lambda state: {name: value for name, value in state.items() if ".layer.1." not in name})
    with pytest.raises(InputError, match=r"16 of the 3\d weights of BertModel are not in the checkpoint .*encoder\.layer\.1\.attention.* and 13 "
                                         r"more\), so they would be random"):
        load_encoder(str(half))


def test_more_layers_in_the_file_than_in_the_config_are_refused(folder):
    more = change_config(folder("bert"), num_hidden_layers=1)
    with pytest.raises(InputError, match=r"16 weights of the checkpoint .* have no place in the architecture .*encoder\.layer\.1\."):
        load_encoder(str(more))


def test_weights_of_another_shape_are_refused(folder):
    wide = change_config(folder("bert"), intermediate_size=128)
    with pytest.raises(InputError, match=r"6 weights of the checkpoint .* have another shape than its config\.json says "
                                         r"\(encoder\.layer\.0\.intermediate"):
        load_encoder(str(wide))


def test_weights_of_another_architecture_are_refused(folder):
    other = folder("distilbert")
    change_weights(other, lambda state: load_file(folder("bert") / "model.safetensors"))
    with pytest.raises(InputError, match="weights of DistilBertModel are not in the checkpoint"):
        load_encoder(str(other))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_missing_head_is_no_classifier(folder, prefix):
    headless = lambda state: {name: value for name, value in prefixed(prefix)(state).items() if "classifier" not in name}  # noqa: E731
    place = change_weights(folder("bert", label_names=CLASSES), headless)
    notes = Notes()
    assert read_classifier(find_model(str(place)), notes) is None
    assert notes.left_out == ["its classifier, since its weights are not in the file"]
    assert embed(load_encoder(str(place)), TEXTS).shape == (len(TEXTS), 32)


def test_a_classifier_without_its_encoder_is_refused(folder):
    place = change_weights(folder("bert", label_names=CLASSES), lambda state: {name: v for name, v in state.items() if ".layer.0." not in name})
    with pytest.raises(InputError, match=r"weights of BertForSequenceClassification are not in the checkpoint .*bert\.encoder\.layer\.0\."):
        read_classifier(find_model(str(place)), Notes())


def test_heads_of_other_tasks_are_left_out_and_said(folder):
    place = change_weights(folder("bert"), lambda state: {**state, "cls.predictions.bias": torch.zeros(3), "qa_outputs.weight": torch.zeros(2, 32)})
    assert load_encoder(str(place)).report.left_out == ("cls.predictions, qa_outputs, which another task needs",)


def test_weights_in_parts_are_read(folder):
    whole, parts = folder("bert"), folder("bert")
    from transformers import AutoModel

    AutoModel.from_pretrained(parts).save_pretrained(parts, max_shard_size="10KB")
    (parts / "model.safetensors").unlink()
    assert len(list(parts.glob("*.safetensors"))) > 2
    np.testing.assert_array_equal(embed(load_encoder(str(parts)), TEXTS), embed(load_encoder(str(whole)), TEXTS))
    np.testing.assert_array_equal(embed(load_encoder(str(whole)), TEXTS), embed(load_encoder(str(whole)), TEXTS))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_in_parts_that_a_wrapper_saved(folder, prefix):
    import json

    from safetensors.torch import save_file

    plain, place = folder("bert"), folder("bert")
    state = prefixed(prefix)(load_file(place / "model.safetensors"))
    (place / "model.safetensors").unlink()
    names, index = sorted(state), {}
    for part, own in enumerate((names[::2], names[1::2]), start=1):
        file = f"model-0000{part}-of-00002.safetensors"
        save_file({name: state[name].contiguous() for name in own}, place / file, metadata={"format": "pt"})
        index |= dict.fromkeys(own, file)
    (place / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))
    np.testing.assert_array_equal(embed(load_encoder(str(place)), TEXTS), embed(load_encoder(str(plain)), TEXTS))


def test_half_precision_weights_are_computed_in_float32(folder):
    place = change_weights(folder("bert"), lambda state: {name: value.half() for name, value in state.items()})
    assert {one.dtype for one in load_encoder(str(place)).parameters()} == {torch.float32}


@pytest.mark.parametrize("name", [name for name, entry in ARCHITECTURES.items() if not entry.refused])
def test_every_architecture_is_read_saved_and_read_again_with_equal_vectors(folder, name, tmp_path):
    found = load_encoder(str(folder(name)), max_length=500)
    found.save(tmp_path / "saved")
    again = load_encoder(str(tmp_path / "saved"), max_length=500, pooling=found.pooling)
    np.testing.assert_array_equal(embed(found, TEXTS), embed(again, TEXTS))
    assert np.ptp(embed(found, TEXTS), axis=0).max() > 0.01
