"""Random dialects of CSV: what the quick reader takes, the careful one reads alike; and what a writer wrote comes back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dmlviz.core.types import InputError
from dmlviz.data import delimited, formats, read_file, regular_files
from dmlviz.data.regular_files import regular_table, stream_of

CALM = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
DELIMITERS = st.sampled_from([",", ";", "\t", "|"])
PIECES = st.sampled_from(
    ["a", "b c", "text", "label", "pos", ",", ";", "\t", "|", '"', '""', "\n", "\r\n", "\r",
     " ", "", "é", "Ω字", "🙂", "\u2028", "#", "0", "1.5", "'", "\\"]
)  # fmt: skip
CELLS = st.lists(PIECES, max_size=4).map("".join)
PLAIN_CELLS = st.sampled_from(["a", "b c", "", " ", "pos", "neg", "é", "🙂", "a, b", "a; b", 'say ""hi""', "1", "x" * 30])


@st.composite
def careless_files(draw) -> bytes:
    """Cells of anything, quoted or not as it falls: most are no regular file, and many no table at all."""
    delimiter, end = draw(DELIMITERS), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=draw(st.integers(width, width + 1))), max_size=12))
    quoted = [[f'"{cell}"' if draw(st.integers(0, 3)) == 0 else cell for cell in row] for row in rows]
    head = draw(st.sampled_from(["", "text,label\n", "sep=;\n", "# note\n", "\ufeff", "\n"]))
    return (head + end.join(delimiter.join(row) for row in quoted) + draw(st.sampled_from(["", end, end * 2]))).encode()


@st.composite
def careful_files(draw) -> tuple[bytes, list[list[str]], str]:
    """(bytes, rows, separator) of what Python's own writer makes of a table without line ends in its cells: nearly all of them are regular."""
    delimiter = draw(DELIMITERS)
    width = draw(st.integers(2, 5))
    body = draw(st.lists(st.lists(PLAIN_CELLS, min_size=width, max_size=width), min_size=1, max_size=30))
    header = [*["text", "label"], *(f"more {i}" for i in range(width - 2))]
    rows = [header, *body] if draw(st.booleans()) else body
    sink = io.StringIO()
    end, quoting = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    text = draw(st.sampled_from(["", "\ufeff"])) + sink.getvalue()
    return (text if draw(st.booleans()) else text.rstrip("\r\n")).encode(), rows, delimiter


def both(raw: bytes, filename: str):
    """(quick table or None, careful table or the sentence)."""
    careful = delimited.read_tsv if filename.endswith(".tsv") else delimited.read_csv
    try:
        expected = careful(raw, filename)
    except InputError as error:
        expected = str(error)
    try:
        return regular_table(stream_of(raw), filename), expected
    except InputError as error:
        return str(error), expected


def assert_alike(quick, careful) -> None:
    if quick is None:
        return
    if isinstance(careful, str) or isinstance(quick, str):
        assert quick == careful
        return
    assert list(quick.columns) == list(careful.columns)
    assert {name: list(cells) for name, cells in quick.columns.items()} == careful.columns
    assert list(quick.lines) == list(careful.lines)
    assert quick[2:] == careful[2:]  # unit, header, notes


@pytest.fixture(params=[2**20, 64, 7], ids=["one piece", "pieces", "small pieces"])
def pieces(request, monkeypatch) -> int:
    monkeypatch.setattr(regular_files, "CHUNK", request.param)
    return request.param


@CALM
@given(raw=careless_files(), name=st.sampled_from(["r.csv", "r.tsv"]))
def test_the_quick_reader_reads_what_the_careful_one_reads(pieces, raw, name):
    assert_alike(*both(raw, name))


@CALM
@given(made=careful_files(), name=st.sampled_from(["r.csv", "r.tsv"]))
def test_the_quick_reader_takes_what_a_writer_wrote(pieces, made, name):
    raw, rows, delimiter = made
    quick, careful = both(raw, name)
    assert_alike(quick, careful)
    blank = any(not any(row) for row in rows) or any(row in ([" "], [""]) for row in rows)
    same_delimiter = name == "r.csv" and delimited.delimiter_of(raw.decode()) == delimiter
    if pieces == 2**20 and not isinstance(careful, str) and not blank and same_delimiter:
        assert quick is not None or len(rows[0]) < 2


@settings(CALM, max_examples=400)
@given(raw=careless_files(), name=st.sampled_from(["r.csv", "r.tsv"]))
def test_rows_over_several_lines_are_read_alike_whether_or_not_every_line_is_looked_at(raw, name):
    """The shortcut leaves out a reading that could not have been taken."""
    _, short = both(raw, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_only_with_quotes", lambda text, delimiter, skipped, quoted: not quoted.spans)
        _, whole = both(raw, name)
    assert short == whole


@CALM
@given(text=st.lists(PIECES, max_size=20).map("".join))
def test_lines_are_those_of_a_text_file(text):
    assert list(delimited._lines(text)) == list(io.StringIO(text, newline=""))


@CALM
@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from([b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b""])), min_size=1, max_size=3))
def test_one_odd_byte_in_a_regular_file(pieces, flips):
    raw = b"text,label\n" + b"".join(b'"some, text %d",%s\n' % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(40))
    for place, byte in flips:
        place %= len(raw)
        raw = raw[:place] + byte + raw[place + 1 :]
    assert_alike(*both(raw, "r.csv"))


@CALM
@given(
    rows=st.lists(st.tuples(CELLS, st.sampled_from(["pos", "neg", "not known"])), min_size=4, max_size=20),
    delimiter=DELIMITERS,
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_that_a_writer_wrote_comes_back(rows, delimiter, end):
    """Texts may hold anything, line ends and separators too, as long as they are quoted by the rules."""
    rows = [(f"text {i} {text}", label) for i, (text, label) in enumerate(rows)]
    assume(len({label for _, label in rows}) > 1)
    sink = io.StringIO()
    csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    dataset = read_file(sink.getvalue().encode(), filename="r.csv")
    assert [(text, dataset.label_names[label]) for text, label in zip(dataset.texts, dataset.labels, strict=True)] == rows


@CALM
@given(order=st.permutations([*"aaabbbccdd"]), names=st.permutations(["zebra", "Apfel", "10", "9"]))
def test_class_numbers_do_not_hang_on_the_order_of_rows(order, names):
    names = dict(zip("abcd", names, strict=True))
    table = "text,label\n" + "".join(f"some text {i},{names[label]}\n" for i, label in enumerate(order))
    dataset = read_file(table.encode(), filename="r.csv")
    assert dataset.label_names == tuple(sorted(names.values()))
    assert [dataset.label_names[label] for label in dataset.labels] == [names[label] for label in order]


def test_a_large_file_on_the_disk_is_read_in_pieces(tmp_path, monkeypatch):
    table = "text,label\n" + "".join(f'"some, text {i}",{"ab"[i % 2]}\n' for i in range(60_000))
    (tmp_path / "big.csv").write_text(table)
    whole = read_file(table.encode(), filename="big.csv")
    with monkeypatch.context() as context:
        context.setattr("dmlviz.data.files.read_bytes", lambda *_: pytest.fail("the whole file was read"))
        pieces = read_file(tmp_path / "big.csv")
    assert (pieces.content_hash, pieces.notes) == (whole.content_hash, whole.notes)
    monkeypatch.setattr(formats, "LARGE", 10**9)
    assert read_file(table.encode(), filename="big.csv").content_hash == whole.content_hash
