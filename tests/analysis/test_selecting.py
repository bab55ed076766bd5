"""Selections as one line: every kind, the way there and back, and lines that mean nothing."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from dmlviz.analysis import selection
from dmlviz.analysis.selection import LONGEST, Spot, area_line, inside, rows_line, rows_of, words_of
from dmlviz.core.types import InputError, TextDataset

TEXTS = ("Oil prices rose", "grain (wheat) fell", "OIL again", "a+b", "<b>oil</b>", "corn")
LABELS = np.array([0, 1, 0, 1, 0, 1])
AMONG = np.array([0, 1, 2, 4, 5])  # row 3 is in no part


@pytest.fixture
def dataset() -> TextDataset:
    return TextDataset(
        name="toy", texts=TEXTS, labels=LABELS, label_names=("crude", "grain, wheat"), parts=np.full(6, "test"), content_hash="0" * 64, source="",
    )  # fmt: skip


def spots(run_ids, kind_of_map):
    """Run a reads everything as crude, run b everything right but row 4; run a's map is a line, b's the same line shifted by the first run."""
    roles = np.array(["test", "test", "support", "test", "test"])
    found = {"a": np.zeros(5, dtype=int), "b": np.where(AMONG == 4, 1, LABELS[AMONG])}
    shift = 10.0 if len(run_ids) > 1 else 0.0
    points = np.stack([AMONG + shift, np.zeros(5)], axis=1)
    return [Spot(AMONG, roles, points, found[run_id]) for run_id in run_ids]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("rows:0,2-4", [0, 2, 4]),
        ("rows:900", []),
        ("class:crude", [0, 2, 4]),
        ("class:grain, wheat", [1, 5]),
        ("find:oil", [0, 2, 4]),
        ("find:(wheat)", [1]),
        (r"regex:^oil\b", [0, 2]),
        ("regex:rose|corn", [0, 5]),
        ("wrong:a", [1, 5]),
        ("flip:a,b", [4]),
        ("flip:b,a", [1, 5]),
        ("area:a,a,umap,test+support:0.5,-1;2.5,-1;2.5,1;0.5,1", [1, 2]),
        ("area:a,a,umap,test:0.5,-1;2.5,-1;2.5,1;0.5,1", [1]),
        ("area:a,b,umap,test:10.5,-1;12.5,-1;12.5,1;10.5,1", [1]),
        ("area:a,a,umap,test:0.5,-1", []),
    ],
)
def test_each_kind_by_hand(dataset, line, rows):
    assert rows_of(line, dataset, AMONG, spots).tolist() == rows


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", "is not understood; it starts with one of rows, class"),
        ("rows:", "is not understood"),
        ("rows:a-b", "give row numbers such as rows:3,7-9"),
        ("class:corn", "there is no class 'corn' in toy"),
        ("regex:(", "cannot be read"),
        ("flip:a", "it names two runs"),
        ("area:a,b:1,2", "draw the outline again"),
        ("area:a,b,umap,test:1;2", "draw the outline again"),
    ],
)
def test_a_line_that_means_nothing_is_a_sentence(dataset, line, sentence):
    with pytest.raises(InputError, match=sentence):
        rows_of(line, dataset, AMONG, spots)


def test_an_expression_that_runs_wild_is_stopped():
    wild = TextDataset(
        name="wild", texts=("a" * 5000 + "b",), labels=np.array([0]), label_names=("x",), parts=np.array(["test"]), content_hash="0" * 64, source="",
    )  # fmt: skip
    with pytest.raises(InputError, match="takes longer than 2 s on these texts"):
        rows_of("regex:(a|aa)+$", wild, np.array([0]), spots)


@given(st.lists(st.integers(0, 300)))
def test_rows_there_and_back(rows):
    dataset = TextDataset(
        name="many", texts=("x",) * 301, labels=np.zeros(301, dtype=int), label_names=("x",), parts=np.full(301, "test"), content_hash="0" * 64,
        source="",
    )  # fmt: skip
    line = rows_line(np.array(rows, dtype=int))
    assert (rows_of(line, dataset, np.arange(301), spots).tolist() if line else []) == sorted(set(rows))


@given(st.integers(0, 10_000), st.integers(3, 40))
def test_inside_is_matplotlib_s(seed, corners):
    rng = np.random.default_rng(seed)
    points, outline = rng.uniform(-1, 1, (50, 2)), rng.uniform(-1, 1, (corners, 2))
    if corners > 4:  # matplotlib fills by winding, we by even-odd: the two agree where the outline does not cross itself
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
        outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * rng.uniform(0.2, 1, (corners, 1))
    elif corners == 4:
        outline = np.array([[-0.5, -0.5], [0.5, -0.4], [0.4, 0.6], [-0.6, 0.3]])
    np.testing.assert_array_equal(inside(points, outline), Outline(outline).contains_points(points))


def test_a_long_outline_is_thinned_and_still_holds_its_middle():
    angle = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    line = area_line("run-one", "run-two", "umap", ("test", "support"), list(zip(np.cos(angle) * 1234.5678, np.sin(angle), strict=True)))
    assert len(line) <= LONGEST
    assert line.startswith("area:run-one,run-two,umap,test+support:")
    outline = np.array([[float(v) for v in one.split(",")] for one in line.split(":")[2].split(";")])
    assert inside(np.array([[0.0, 0.0], [1300.0, 0.0]]), outline).tolist() == [True, False]


def test_words_say_how_it_was_made():
    titles = {"a": "SoftTriple", "b": "G-Loss"}.get
    assert words_of("flip:a,b", titles) == "right in SoftTriple, wrong in G-Loss"
    assert words_of("area:a,b,umap,test:1,2", titles) == "drawn on the map of G-Loss"
    assert words_of("class:grain", titles) == "class grain"
    assert words_of("wrong:b", titles) == "wrong in G-Loss"


# ---- limits


def test_ranges_are_clipped_before_they_are_made(dataset):
    """An address of 330 characters that names billions of rows costs what the data set holds."""
    line = "rows:" + ",".join(["0-9999999"] * 33)
    assert len(line) < 340
    tracemalloc.start()
    try:
        found = rows_of(line, dataset, AMONG, spots)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.tolist() == AMONG.tolist()
    assert peak < 200_000


@pytest.mark.parametrize(("line", "rows"), [("rows:4-99999999999999999999", [4, 5]), ("rows:7-9", []), ("rows:5-2", []), ("rows:0-0,5", [0, 5])])
def test_ranges_beyond_the_data_set(dataset, line, rows):
    assert rows_of(line, dataset, AMONG, spots).tolist() == rows


def test_an_expression_has_one_budget_for_all_texts(monkeypatch):
    """Each text alone stays within the budget; together they do not, and no more than the budget is spent."""
    monkeypatch.setattr(selection, "REGEX_SECONDS", 0.4)
    texts = tuple("a" * 90 + str(i) for i in range(400))
    many = TextDataset("many", texts, np.zeros(400, int), ("x",), np.full(400, "test"), "0" * 64, "")
    with pytest.raises(InputError, match=r"takes longer than 0\.4 s on these texts; make it simpler"):
        rows_of(r"regex:(?:.+){3}\d{4}$", many, np.arange(400), spots)


@pytest.mark.parametrize("pattern", ["((a{1000}){1000}){1000}", "(?:a{1,1000}){1,1000}", "a{100000000}", "(?:[a-z]{99}){999}"])
def test_an_expression_that_fills_the_memory_is_never_compiled(dataset, pattern):
    with pytest.raises(InputError, match=r"signs, and 20,000 are the most; lower its counts in braces"):
        rows_of(f"regex:{pattern}", dataset, AMONG, spots)


@pytest.mark.parametrize(
    ("pattern", "size"),
    [("", 0), ("abc", 3), (r"\d{4}-\d{2}", 7), ("(ab){3}c", 7), ("[({]{2}", 2), (r"\(a{5}\)", 7), ("a{}", 3), ("(?:a{2,}b){2}", 10),
     ("((a{10}){10}){10}", 1000)],
)  # fmt: skip
def test_counts_in_braces_are_written_out(pattern, size):
    assert selection.expanded(pattern) == size
