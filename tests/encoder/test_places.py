"""Names become folders: the Hub's cache, ids with their commit, and what kind of folder it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from encoder_folders import MEAN, TEXTS, sentence_folder

from dmlviz.core.types import InputError
from dmlviz.encoder.loading import load_encoder
from dmlviz.encoder.places import find_model
from dmlviz.training.embed import embed

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """cached(folder, "org/name", known=[...]) puts a folder where a download would have left it, and the Hub out of reach."""
    from huggingface_hub import constants

    cache = tmp_path / "hub-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    def put(folder: Path, name: str, *, nowhere: tuple[str, ...] = ()) -> str:
        place = cache / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text(COMMIT)
        shutil.copytree(folder, place / "snapshots" / COMMIT)
        for file in nowhere:
            (place / ".no_exist" / COMMIT).mkdir(parents=True, exist_ok=True)
            (place / ".no_exist" / COMMIT / file).touch()
        return name

    return put


def test_a_hub_ids_modules_are_read_from_its_snapshot(folder, cached):
    body = folder("bert")
    name = cached(sentence_folder(body, ["Transformer", "Pooling"], MEAN), "somebody/sentences")
    found = load_encoder(name)
    np.testing.assert_array_equal(embed(found, TEXTS), embed(load_encoder(str(body), pooling="mean"), TEXTS))
    assert (found.pooling, found.report.source, found.report.assumed) == ("mean", "somebody/sentences@0123456", ())


def test_a_cache_that_may_lack_the_modules_is_said(folder, cached):
    said = load_encoder(cached(folder("bert"), "somebody/encoder")).report.assumed
    assert any("the Hub did not answer, and its cache may lack the file that says so" in one for one in said)
    known = load_encoder(cached(folder("bert"), "somebody/plain", nowhere=("modules.json",))).report.assumed
    assert not any("did not answer" in one for one in known)


def test_a_hub_id_without_safetensors_is_refused(folder, cached):
    place = folder("bert")
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"has no \.safetensors file; other weight formats can run code"):
        load_encoder(cached(place, "somebody/pickle"))


@pytest.mark.parametrize(("files", "kind"), [
    ((), "transformers"), (("modules.json",), "sentence-transformers"), (("modules.json", "config_setfit.json"), "SetFit"),
    (("modules.json", "model_head.pkl"), "SetFit"), (("adapter_config.json",), "adapter"), (("dmlviz.json",), "dmlviz"),
])  # fmt: skip
def test_a_folder_is_known_by_its_files(folder, files, kind):
    place = folder("bert")
    for file in files:
        (place / file).write_text('[{"type": "sentence_transformers.models.Transformer", "path": ""}]' if file == "modules.json" else "{}")
    assert find_model(str(place)).kind == kind
    assert find_model(str(place)).body == place


def test_broken_lists_are_a_sentence(folder):
    place = folder("bert")
    for content in ("{", "[]", "{}", "[1]"):
        (place / "modules.json").write_text(content)
        with pytest.raises(InputError, match=r"is not readable JSON|begins with the module without a type"):
            find_model(str(place))


def test_looking_for_a_model_loads_no_torch():
    import subprocess
    import sys

    said = "import sys; import dmlviz.encoder.places; print('torch' in sys.modules, 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]
