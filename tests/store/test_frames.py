"""Tables as CSV: exact both ways, harmless in a spreadsheet."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlviz.core.types import InputError
from dmlviz.store.frames import RISKY, harmless, read_frame, restored, write_frame


def back(frame):
    data, schema = write_frame(frame)
    return read_frame(data, schema)


def test_every_kind_of_column_comes_back_to_the_last_bit():
    mixed = np.empty(4, dtype=object)
    mixed[:] = [("a", 1.5), None, float("nan"), [1, "x"]]
    frame = pd.DataFrame({
        "f": [0.1 + 0.2, np.nan, -np.inf, 1e-320], "f32": np.array([0.1, np.nan, 3.0, -0.0], dtype=np.float32), "i": [1, -2, 3, 2**53 + 1],
        "i32": np.array([1, 2, 3, 4], dtype=np.int32), "b": [True, False, True, True], "t": ["", "=1+1", "'=x", "a,\"b\"\r\nc"],
        "gap": pd.Series(["x", None, "", "-"], dtype="str"), "o": np.array(["x", None, "y", 3], dtype=object), "mixed": mixed,
        "c": pd.Categorical(["-b", None, "a", "a"], categories=["a", "-b", "unused"]), "i16": np.array([1, 2, 3, -4], dtype=np.int16),
        "=name": ["é", "名", "🙂", "\t"],
    })  # fmt: skip
    pd.testing.assert_frame_equal(back(frame), frame, check_exact=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_texts_come_back_and_no_cell_is_run_by_a_spreadsheet(texts):
    frame = pd.DataFrame({"text": np.array(texts, dtype=object)})
    data, schema = write_frame(frame)
    assert read_frame(data, schema)["text"].tolist() == texts
    for cell in pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding_errors="surrogatepass")["text"]:
        assert not cell.startswith(RISKY)


@pytest.mark.parametrize("text", ["=x", "'=x", "''+1", "'s", "s", "", "'", "-1", "@a"])
def test_an_apostrophe_is_taken_off_only_where_it_was_put(text):
    assert restored(harmless(text)) == text
    assert not harmless(text).startswith(RISKY)


def test_a_changed_file_is_refused_in_a_sentence():
    data, schema = write_frame(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(InputError, match="1 rows"):
        read_frame(data.rsplit(b"2.0", 1)[0], schema)
    with pytest.raises(InputError, match="does not fit its description"):
        read_frame(data.replace(b"2.0", b"two"), schema)


def test_no_row_at_all():
    frame = pd.DataFrame({"x": pd.Series([], dtype=float), "t": pd.Series([], dtype="str")})
    pd.testing.assert_frame_equal(back(frame), frame)
