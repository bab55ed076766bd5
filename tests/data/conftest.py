"""Small tables and the places where real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dmlviz.core.types import TextDataset
from dmlviz.data.cleaning import Rows, content_hash

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("DMLVIZ_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "r8" / "train.jsonl.gz").is_file():
        pytest.skip(f"no real data at {folder}; set DMLVIZ_DATA")
    return folder


@pytest.fixture(scope="session")
def packages_home(tmp_path_factory) -> Path:
    """A home folder that keeps the fetched packages for the whole test session."""
    return Path(os.environ.get("DMLVIZ_TEST_HOME") or tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def make_dataset():
    """make_dataset("aabb", parts=[...], texts=[...]): a data set with one letter per label."""

    def make(labels, parts=None, texts=None) -> TextDataset:
        texts = texts or [f"text {i}" for i in range(len(labels))]
        parts = parts or ["train"] * len(labels)
        names = tuple(sorted(set(labels)))
        numbers = np.array([names.index(label) for label in labels], dtype=np.int64)
        hashed = content_hash(Rows(texts, list(labels), parts))
        return TextDataset("toy", tuple(texts), numbers, names, np.array(parts, dtype="<U5"), hashed, "made in a test")

    return make
