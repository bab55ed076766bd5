"""The shared frame: a far island does not squeeze the maps, and what lies outside is counted, pointed at and told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from figure_cases import make_pane, names

from dmlviz.figures.base import map_window, presets
from dmlviz.figures.base.map_window import outside, outside_sentence, outside_words, window
from dmlviz.figures.maps import manifold
from dmlviz.figures.maps.marks import marks, moving, rows_inside


def with_island(pane, count, at):
    points = pane.projection.points.copy()
    points[-count:] = np.array(at) + np.random.default_rng(0).normal(scale=0.1, size=(count, 2))
    return pane._replace(projection=dataclasses.replace(pane.projection, points=points))


@pytest.fixture
def island(texts):
    """Two maps of 500 texts; 7 of the first lie far up on the right."""
    plain = [make_pane("soft_triple", test=474, seed=0), make_pane("supcon", test=474, seed=1)]
    return [with_island(plain[0], 7, (90, 60)), plain[1]], plain


def tables(island, texts):
    return [manifold.frame(panes, names(8), texts, parts=("test", "validation", "support")) for panes in island]


def test_a_far_island_leaves_the_frame_to_the_rest(island, texts):
    table, plain = tables(island, texts)
    view = window(table)
    rest = table[~((table["pane"] == "soft_triple-0") & (table["x"] > 50))]
    assert len(rest) == len(table) - 7
    assert view == window(rest, whole=True)
    assert table["x"].max() > view[1]
    assert window(table, whole=True)[1] > table["x"].max()
    assert window(plain) == window(plain, whole=True)


@pytest.mark.parametrize(("count", "at", "whole"), [(7, (90, 60), False), (11, (90, 60), True), (7, (18, 0), True), (1, (-90, 0), False)])
def test_only_few_texts_that_squeeze_the_rest_are_left_out(texts, count, at, whole):
    """At most 2 % of 500 texts, and only where the rest would fill less than half of the pane."""
    table = manifold.frame([with_island(make_pane("supcon", test=474), count, at)], names(8), texts, parts=("test", "validation", "support"))
    assert len(table) == 500
    assert (window(table) == window(table, whole=True)) is whole


def test_a_few_texts_are_all_in_the_frame(texts):
    table = manifold.frame([with_island(make_pane("supcon", test=10), 1, (90, 60))], names(8), texts)
    assert len(table) < 50
    assert window(table) == window(table, whole=True)


def test_a_heavy_tail_is_no_island():
    """Every text follows close on the next, so there is no gap to cut at."""
    radii, angles = np.linspace(0, 1, 2000) ** 6 * 40, np.arange(2000) * 2.4
    table = pd.DataFrame({"pane": "a", "x": radii * np.cos(angles), "y": radii * np.sin(angles)})
    assert window(table) == window(table, whole=True)


def test_centres_and_nodes_are_framed_by_their_own_rule():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"pane": "a", "mark": "text", "x": rng.normal(size=200), "y": rng.normal(size=200)})
    far = pd.DataFrame({"pane": "a", "mark": ["text"], "x": [100.0], "y": [0.0]})
    centre = far.assign(mark="centre")
    spoke = pd.DataFrame({"pane": "a", "mark": "spoke", "x": [100.0], "y": [0.0]})
    assert window(pd.concat([rows, far, spoke], ignore_index=True))[1] < 10
    assert window(pd.concat([rows, far, centre], ignore_index=True))[1] > 100  # a centre is never left out


def test_what_lies_outside_is_counted_where_it_lies():
    points = [(0, 0), (5, 0), (5.2, 0.1), (-7, 9), (0, -30), (np.nan, 1)]
    rows = pd.DataFrame(points, columns=["x", "y"]).assign(pane="a")
    found = {one.count: one for one in outside(rows, (-1, 1, -1, 1)) if one.count == 2}
    assert sorted(one.count for one in outside(rows, (-1, 1, -1, 1))) == [1, 1, 2]
    right = found[2]
    assert right.toward == pytest.approx((1, 0))
    assert right.place == pytest.approx((5.1, 0.05))
    assert right.at == pytest.approx((0.95, 0.05))
    corner = next(one for one in outside(rows, (-1, 1, -1, 1)) if one.place == (-7, 9))
    assert corner.toward == pytest.approx((-0.6, 0.8))  # from the corner (-1, 1)
    assert outside(rows, (-50, 50, -50, 50)) == []


def test_screen_paper_and_caption_tell_what_is_outside(island, texts):
    table, plain = tables(island, texts)
    view = window(table)
    first, second = (manifold.screen(table, pane, view=view) for pane in manifold.pane_ids(table))
    (arrow,) = [trace for trace in first.data if trace.name == "outside"]
    (number,) = [trace for trace in first.data if trace.name == "outside numbers"]
    assert number.text == ("7",)
    assert number.x[0] < arrow.x[0] < view[1]  # between the arrow and the middle
    assert view[0] < arrow.x[0] < view[1]
    assert view[2] < arrow.y[0] < view[3]
    assert 0 < arrow.marker.angle[0] < 90  # to the upper right, clockwise from the top
    assert not any(trace.name == "outside" for trace in second.data)
    drawn = manifold.paper(table, presets.preset("acl-text"))
    assert [text.get_text() for ax in drawn.axes if ax.axison for text in ax.texts if text.get_text().isdecimal()] == ["7"]
    assert sum(len(one.get_offsets()) for ax in drawn.axes for one in ax.collections if one.get_gid() == "outside") == 1
    assert "7, 0 texts lie outside of the panes' frame" in manifold.caption(table, island[0])
    assert "outside" not in manifold.caption(plain, island[1])
    alone = table[table["pane"] == "soft_triple-0"]
    assert "7 texts lie outside of the frame (arrow at the border)." in manifold.caption(alone, island[0][:1])


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([0, 0], ""),
        ([1], "1 text lies outside of the frame (arrow at the border)."),
        ([1, 1], "1 text lies outside of each pane's frame (arrow at the border, with the number)."),
    ],
)
def test_the_sentence_of_a_caption(counts, said):
    assert outside_sentence(counts) == said


def test_the_line_under_a_pane_counts_one_text_as_one():
    rows = pd.DataFrame({"pane": "a", "x": [0.0, 9.0], "y": [0.0, 0.0]})
    assert outside_words(rows, (-1, 1, -1, 1)) == "1 text lies outside of the frame; zoom out to see it."
    assert outside_words(rows, (-10, 10, -10, 10)) == ""


def test_the_linked_maps_know_how_far_to_zoom_out(island, texts):
    table, plain = tables(island, texts)
    marked = marks(table, window(table))
    assert [sum(one.count for one in pane.outside) for pane in marked.panes] == [7, 0]
    assert marked.whole[0] <= marked.window[0]
    assert marked.whole[1] > 90 > marked.window[1]
    assert marked.whole[1] - marked.whole[0] == pytest.approx(marked.whole[3] - marked.whole[2])
    assert len(rows_inside(marked, "soft_triple-0", [(80, 50), (100, 50), (100, 70), (80, 70)])) == 7  # they can be drawn around
    still = marks(plain, window(plain))
    assert still.whole == still.window
    everywhere = marks(table, window(table, whole=True))
    points = [pane.projection.points[None] for pane in island[0]]
    assert moving(everywhere, points, [pane.projection.row_ids for pane in island[0]]).panes[0].outside == ()


def test_two_windows_are_held_by_one_square():
    assert map_window.around((0, 1, 0, 1), (3, 5, 0, 2)) == pytest.approx((0, 5, -1.5, 3.5))
