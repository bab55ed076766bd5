"""How tests spoil and write folders of models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

TEXTS = ["the cat and a dog", "bread", "some old cheese was near the soup with rice and cake", "a storm: 3 days", "it is", "we saw the big horse"]


def change_weights(folder: Path, change: Callable[[dict], dict]) -> Path:
    """Rewrite the folder's weights."""
    from safetensors.torch import load_file, save_file

    state = {name: value.contiguous().clone() for name, value in change(load_file(folder / "model.safetensors")).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def change_config(folder: Path, **fields) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return folder


def sentence_folder(body: Path, modules: list[str], configs: dict[str, dict], *, where: str = "") -> Path:
    """A folder of older versions, made by hand: its body at `where`, its modules listed."""
    folder = body.with_name(f"{body.name}-sentences-{len(list(body.parent.iterdir()))}")
    shutil.copytree(body, folder / where)
    paths = [where, *(f"{i}_{name}" for i, name in enumerate(modules[1:], start=1))]
    listed = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
              for i, (name, path) in enumerate(zip(modules, paths, strict=True))]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(listed))
    for path, name in zip(paths[1:], modules[1:], strict=True):
        (folder / path).mkdir(exist_ok=True)
        (folder / path / "config.json").write_text(json.dumps(configs.get(name, {})))
    return folder


MEAN = {"Pooling": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}}
