"""Folders as other people's tools write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from architectures import write_model
from tiny_words import WORDS


@pytest.fixture
def folder(tmp_path) -> Callable[..., Path]:
    """folder("bert", label_names=(...)) -> a folder with that model and its tokenizer."""
    return lambda name, **fields: write_model(tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}", name, WORDS, **fields)
