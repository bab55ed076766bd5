"""The typed arrays of the maps hold what the frame holds, in the order the layers are drawn; the lasso's rule against matplotlib and a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
from figure_cases import HOSTILE, make_pane, names
from matplotlib.path import Path

from dmlviz.core.types import InputError
from dmlviz.figures.base.theme import loss_color
from dmlviz.figures.maps import frame as map_frame
from dmlviz.figures.maps import marks as map_marks
from dmlviz.figures.maps.marks import KINDS, MapEvent, chain, inside, marks, moving, rows_inside, selected_after

EVERY_PART = ("test", "validation", "support")


def frame_of(panes, texts, classes=8, **settings):
    return map_frame.frame(panes, names(classes), texts, parts=EVERY_PART, **settings)


@pytest.mark.parametrize("color_by", map_frame.COLOR_BY)
def test_marks_hold_the_frame_in_the_order_of_the_layers(panes, texts, color_by):
    frame = frame_of(panes, texts, color_by=color_by)
    view = map_frame.window(frame)
    marked = marks(frame, view)
    assert [pane.pane for pane in marked.panes] == map_frame.pane_ids(frame)
    for pane in marked.panes:
        rows = frame[frame["pane"] == pane.pane]
        layers = map_frame.layers(rows)
        drawn = rows.loc[[index for layer in layers for index in layer.rows.index]]
        assert pane.row_ids.tolist() == drawn["row_id"].tolist()
        assert [KINDS[kind] for kind in pane.kind] == [layer.name for layer in layers for _ in range(len(layer.rows))]
        assert [marked.palette[i] for i in pane.color_index] == drawn["color"].tolist()
        assert [marked.symbols[i] for i in pane.symbol_index] == drawn["symbol"].tolist()
        assert [marked.names[i] for i in pane.label_index] == drawn["label"].tolist()
        assert [marked.names[i] for i in pane.prediction_index] == drawn["prediction"].tolist()
        np.testing.assert_allclose(view[0] + pane.x * (view[1] - view[0]), drawn["x"], atol=1e-5)
        np.testing.assert_allclose(view[2] + pane.y * (view[3] - view[2]), drawn["y"], atol=1e-5)
        np.testing.assert_allclose(pane.confidence, drawn["confidence"], atol=1e-6)
        assert (pane.x.dtype, pane.color_index.dtype, pane.symbol_index.dtype, pane.kind.dtype, pane.row_ids.dtype) == (
            np.float32, np.uint16, np.uint8, np.uint8, np.int32,
        )  # fmt: skip
        assert pane.labels == tuple(map_frame.labels(rows, view, side=420, size=map_marks.LABEL_PX))
        assert (pane.title, pane.color, pane.opacity) == (rows["title"].iloc[0], loss_color(rows["loss"].iloc[0]), map_frame.opacity(len(rows)))
        assert pane.said == "92.4% · single run"
        assert (pane.shown, pane.total) == (len(rows), len(rows))


def test_panes_of_the_same_texts_share_their_arrays(texts):
    same = [make_pane("soft_triple", seed=3), make_pane("g_loss", seed=3)]
    first, second = marks(frame_of(same, texts), (-20, 20, -20, 20)).panes
    assert first.row_ids is second.row_ids
    assert first.color_index is second.color_index
    assert first.kind is second.kind


def test_rows_without_a_place_are_left_out_and_counted(panes, texts):
    frame = frame_of(panes, texts)
    lost = frame.index[(frame["pane"] == panes[1].run.id) & (frame["row_id"] % 5 == 0)]
    frame.loc[lost, "y"] = [np.nan, np.inf] * (len(lost) // 2) + [np.nan] * (len(lost) % 2)
    first, second, _ = marks(frame, map_frame.window(frame)).panes
    assert (second.shown, second.total) == (first.total - len(lost), first.total)
    assert (second.row_ids % 5 != 0).all()
    assert np.isfinite(second.x).all()
    assert np.isfinite(second.y).all()
    assert len(second.labels) == 8


def test_no_rows_give_no_panes(texts):
    frame = map_frame.frame([], names(3), texts)
    assert marks(frame, map_frame.window(frame)).panes == ()


def test_a_run_without_an_accuracy_says_so(texts):
    pane = make_pane("g_loss", accuracy=None)
    said = marks(map_frame.frame([pane._replace(roles=np.full(len(pane.roles), "support"))], names(8), texts, parts=("support",)), (-20, 20, -20, 20))
    assert said.panes[0].said == "no accuracy"


def test_names_from_data_come_through_unchanged(texts):
    frame = map_frame.frame([make_pane("supcon", len(HOSTILE))], HOSTILE, texts)
    marked = marks(frame, map_frame.window(frame))
    assert set(marked.names) == {name.encode("utf-8", "replace").decode() for name in HOSTILE}


def test_names_are_placed_from_a_sample_of_many_rows_that_keeps_every_class(texts):
    pane = make_pane("soft_triple", 12, 9_000, seed=4)
    roles = np.where((pane.roles == "test") & (pane.labels == 5), "validation", pane.roles)  # a class without a test text
    frame = map_frame.frame([pane._replace(roles=roles)], names(12), texts, parts=EVERY_PART)
    view = map_frame.window(frame)
    whole = map_frame.labels(frame, view, side=600, size=map_marks.LABEL_PX)
    sampled = {label.name: label for label in marks(frame, view, label_side=600).panes[0].labels}
    assert set(sampled) == {label.name for label in whole} == set(names(12))
    for theirs in whole:
        ours = sampled[theirs.name]
        assert np.linalg.norm(np.subtract(ours.anchor, theirs.anchor)) < 0.03 * (view[1] - view[0])
    rows = map_marks._label_rows(frame, np.arange(len(frame)))
    assert len(rows) < 2 * map_marks.LABEL_ROWS
    assert (np.diff(rows) > 0).all()


def slow_inside(point, polygon):
    """The even-odd rule from its definition: edges that a ray to the right crosses; an edge holds its lower end and not its upper one."""
    odd = False
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if min(y0, y1) <= point[1] < max(y0, y1):
            crossing = x0 + (point[1] - y0) * (x1 - x0) / (y1 - y0)
            odd ^= point[0] < crossing
    return odd


@pytest.mark.parametrize("seed", range(8))
def test_inside_matches_a_slow_loop_and_matplotlib(seed):
    rng = np.random.default_rng(seed)
    corners = int(rng.integers(3, 40))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.3, 1, corners)[:, None]  # simple: both rules agree
    points = rng.uniform(-1, 1, (600, 2))
    found = inside(points, polygon)
    assert found.tolist() == [slow_inside(point, polygon.tolist()) for point in points]
    assert found.tolist() == Path(polygon).contains_points(points).tolist()
    assert 0 < found.sum() < len(points)


def test_inside_on_the_edges_of_a_grid_matches_the_slow_loop():
    polygon = [(0, 0), (4, 0), (4, 2), (2, 2), (2, 4), (4, 4), (1, 3), (0, 4)]
    points = np.array([(x, y) for x in range(-1, 6) for y in range(-1, 6)], dtype=float)
    assert inside(points, polygon).tolist() == [slow_inside(point, polygon) for point in points]


def test_what_a_lasso_goes_round_twice_is_outside():
    angles = np.pi / 2 + 4 * np.pi / 5 * np.arange(5)  # a pentagram
    star = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert inside([(0.0, 0.0), (0.0, 0.8), (2.0, 0.0)], star).tolist() == [False, True, False]


@pytest.mark.parametrize("polygon", [[], [(0, 0)], [(0, 0), (1, 1)], [(0, 0), (1, 0), (2, 0)]])
def test_a_polygon_without_an_area_holds_nothing(polygon):
    assert not inside([(0.0, 0.0), (0.5, 0.0), (0.5, 0.5)], polygon).any()


def test_points_without_a_place_are_outside():
    assert inside([(np.nan, 0.5), (0.5, np.inf), (0.5, 0.5)], [(0, 0), (1, 0), (1, 1), (0, 1)]).tolist() == [False, False, True]


@pytest.fixture
def marked(panes, texts):
    frame = frame_of(panes, texts)
    return marks(frame, map_frame.window(frame))


def box(marked, pane, left, right):
    """A polygon in data units over a share of the window's width, and the row ids in it."""
    x0, x1, y0, y1 = marked.window
    one = next(one for one in marked.panes if one.pane == pane)
    a, b = (x0 + share * (x1 - x0) for share in (left, right))
    return ((a, y0), (b, y0), (b, y1), (a, y1)), sorted(one.row_ids[(one.x >= left) & (one.x < right)].tolist())


def test_events_select_rows(marked):
    first, other = marked.panes[0].pane, marked.panes[1].pane
    left, left_rows = box(marked, first, 0.0, 0.5)
    right, right_rows = box(marked, other, 0.5, 1.0)
    assert 0 < len(left_rows) < marked.panes[0].shown
    lasso = MapEvent("lasso", first, left)
    assert selected_after(marked, lasso, None).tolist() == left_rows
    assert selected_after(marked, lasso, [7]).tolist() == left_rows
    assert selected_after(marked, MapEvent("box", other, right, add=True), left_rows).tolist() == sorted({*left_rows, *right_rows})
    assert selected_after(marked, MapEvent("click", first, row_id=7, add=True), [3]).tolist() == [3, 7]
    assert selected_after(marked, MapEvent("click", first, row_id=7), [3]).tolist() == [7]
    assert selected_after(marked, MapEvent("clear"), [3]) is None
    assert selected_after(marked, MapEvent("lasso", "no such pane", left), None) is None
    assert rows_inside(marked, first, left).dtype == np.int64


def test_quick_events_follow_each_other(marked):
    first = marked.panes[0].pane
    left, left_rows = box(marked, first, 0.0, 0.4)
    lasso, click = MapEvent("lasso", first, left), MapEvent("click", first, row_id=9, add=True)
    both = chain([lasso, click])
    assert (both.kind, both.before) == ("click", (lasso,))
    assert selected_after(marked, both, [1]).tolist() == sorted({*left_rows, 9})
    assert chain([both, MapEvent("clear")]) == MapEvent("clear")  # what came before is undone
    assert chain([MapEvent("clear"), both]).before == (lasso,)
    assert chain([]) is None


def test_moving_marks_follow_their_rows(marked):
    x0, x1, y0, y1 = marked.window
    rng = np.random.default_rng(5)
    ids = [rng.permutation(pane.row_ids)[:-3] for pane in marked.panes]
    frames = [rng.uniform((x0, y0), (x1, y1), (4, len(own), 2)) for own in ids]
    moved = moving(marked, frames, ids)
    for pane, own, points in zip(moved.panes, ids, frames, strict=True):
        assert pane.x.shape == pane.y.shape == (4, len(pane.row_ids))
        assert pane.shown == len(own)
        for i, row in enumerate(pane.row_ids):
            at = np.flatnonzero(own == row)
            if not len(at):
                assert np.isnan(pane.x[:, i]).all()
                continue
            np.testing.assert_allclose(pane.x[:, i], (points[:, at[0], 0] - x0) / (x1 - x0), atol=1e-6)
            np.testing.assert_allclose(pane.y[:, i], (points[:, at[0], 1] - y0) / (y1 - y0), atol=1e-6)
    polygon = ((x0, y0), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x0, y1))
    early = selected_after(moved, MapEvent("lasso", moved.panes[0].pane, polygon, moment=1), None)
    assert early.tolist() == sorted(ids[0][frames[0][1, :, 0] < (x0 + x1) / 2].tolist())


def test_moving_marks_need_the_same_moments_everywhere(marked):
    ids = [pane.row_ids for pane in marked.panes]
    frames = [np.zeros((moments, len(own), 2)) for moments, own in zip((3, 3, 2), ids, strict=True)]
    with pytest.raises(InputError, match=r"3 panes with \[2, 3\] moments came for 3 maps"):
        moving(marked, frames, ids)
