"""Nothing that can be fed to the reader comes out as anything but a data set or a sentence."""

from __future__ import annotations

import contextlib
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmlviz.core.types import InputError
from dmlviz.data import peek_columns, read_file
from dmlviz.data.formats import READERS

ENDINGS = [ending + gz for ending in READERS for gz in ("", ".gz")]
CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = st.sampled_from([
    b"text", b"label", b",", b"\t", b"\n", b"\r", b'"', b"{", b"}", b"[", b"]", b":", b"null", b"1e999", b"\x00", b"\xff", b"PAR1", b"\xef\xbb\xbf",
    b"\xff\xfe", "é".encode(), b'{"text":"a","label":"b"}', b'"\\ud800"', b"train", b"part", b"9" * 5000,
])  # fmt: skip


def outcome(raw: bytes, filename: str) -> None:
    """Any exception but InputError fails the test; a data set must be whole and writable as UTF-8."""
    with contextlib.suppress(InputError):
        peek_columns(raw, filename)
    try:
        dataset = read_file(raw, filename=filename)
    except InputError as error:
        said = str(error)
    else:
        said = dataset.source
        assert len(dataset.texts) == len(dataset.labels) == len(dataset.parts) >= 2
        assert len(dataset.label_names) == len(set(dataset.labels.tolist())) >= 2
        "".join(dataset.texts + dataset.label_names).encode()
    assert "fuzz" in said
    said.encode()


@pytest.mark.parametrize("ending", ENDINGS)
@CALM
@given(raw=st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=40).map(b"".join)))
def test_random_bytes(ending, raw):
    outcome(raw, "fuzz" + ending)
    if ending.endswith(".gz"):
        outcome(gzip.compress(raw, 1), "fuzz" + ending)


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
KEYS = st.sampled_from(["text", "label", "data", "train", "test", "part", "text_pair", ""])
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@CALM
@given(value=JSON)
def test_any_json(value):
    outcome(json.dumps(value).encode(), "fuzz.json")
    outcome(json.dumps(value).encode() + b"\n" + json.dumps(value).encode(), "fuzz.jsonl")


@CALM
@given(flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=12))
def test_damaged_parquet(flips, sample_parquet):
    raw = bytearray(sample_parquet)
    for place, byte in flips:
        raw[place % len(raw)] = byte
    outcome(bytes(raw), "fuzz.parquet")


@pytest.fixture(scope="module")
def sample_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a b", "c d", "e f"], "label": ["x", "y", "x"], "n": [1, 2, None]}), sink)
    return sink.getvalue()
