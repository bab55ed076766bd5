"""Pictures of centres: what the frame holds is what screen and paper draw."""

from __future__ import annotations

import re

import numpy as np
import pytest
from center_cases import make_input, with_points
from figure_cases import HOSTILE, names

from dmlviz.analysis.centers.use import center_matrix
from dmlviz.analysis.centers.view import CenterLook, center_view
from dmlviz.core.types import InputError
from dmlviz.export.files import csv_bytes, figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.base import presets, theme
from dmlviz.figures.centers import drift, heat, map, use
from dmlviz.figures.centers.frame import center_input, merge_number, summary
from dmlviz.figures.centers.map import MOST_SPOKES

KINDS = {"centers_map": map, "centers_use": use, "centers_heat": heat, "centers_drift": drift}
TEXTS = [f"text {i} with\nsome words" for i in range(400)]


@pytest.fixture
def inputs():
    """A loss with centres, one whose centres live in token space, one without centres."""
    return [
        make_input("soft_triple", moments=3), make_input("triple_entropy", space="tokens", tokens=True, seed=1, moments=2),
        make_input("cross_entropy", space=None, seed=2),
    ]  # fmt: skip


def frame(kind: str, given, label_names, **options):
    """The table of any of the four pictures."""
    needs = (given, label_names, TEXTS) if "texts" in FIGURES[kind].needs else (given, label_names)
    return FIGURES[kind].frame(*needs, **options)


def drawn(ax, gid: str) -> int:
    return sum(len(one.get_offsets()) for one in ax.collections if one.get_gid() == gid)


def traces(figure, name: str):
    return [trace for trace in figure.data if trace.name == name]


# ---- the map


@pytest.mark.parametrize("options", [{}, {"trails": True}, {"space": "tokens"}, {"part": "support"}, {"focus": ("class 01",)}])
def test_screen_and_paper_draw_every_row_of_the_map_once(inputs, options):
    table = frame("centers_map", inputs, names(3), **options)
    paper = map.paper(table, presets.preset("acl-text"))
    axes = [ax for ax in paper.axes if ax.axison]
    for ax, pane_id in zip(axes, map.pane_ids(table), strict=True):
        rows = table[table["pane"] == pane_id]
        count = rows["mark"].value_counts().reindex(["text", "centre", "spoke", "path"], fill_value=0)
        figure = map.screen(table, pane_id)
        assert sum(len(trace.x) for trace in traces(figure, "texts")) == drawn(ax, "texts") == count["text"]
        assert sum(len(trace.x) for trace in traces(figure, "centres")) == sum(drawn(ax, g) for g in ("star", "hollow", "dead")) == count["centre"]
        assert sum(len(trace.x) // 3 for trace in traces(figure, "spokes")) == count["spoke"]
        assert sum(len(one.get_segments()) for one in ax.collections if one.get_gid() == "spokes") == count["spoke"]
        assert sum(len(trace.x) for trace in traces(figure, "path")) == count["path"]
        assert sum(len(line.get_xdata()) for line in ax.lines if line.get_gid() == "path") == count["path"]
        window = map.view_of(table, pane_id)
        assert (*ax.get_xlim(), *ax.get_ylim()) == window
        assert rows[["x"]].dropna().to_numpy().min() >= window[0]
        assert rows[["y"]].dropna().to_numpy().max() <= window[3]


def test_the_rows_of_the_map_are_those_of_the_report(inputs):
    view = center_view(inputs[0], 3, CenterLook())
    table = map.frame_of([view], names(3), TEXTS)
    centers = table[table["mark"] == "centre"].set_index("name")
    for c in range(3):
        for k in range(4):
            row = centers.loc[f"class {c:02d} {k + 1}"]
            assert (row["count"], row["dead"]) == (view.report.counts[c, k], view.report.dead[c, k])
            assert (row["x"], row["y"]) == tuple(view.places.points[c, k])
            assert row["share"] == pytest.approx(view.report.hard[c, k])
    spokes = table[table["mark"] == "spoke"]
    assert spokes.groupby("name").size().max() <= MOST_SPOKES
    label_of = dict(zip(view.rows.tolist(), view.labels.tolist(), strict=True))
    chosen = dict(zip(view.rows[view.counted].tolist(), view.report.own.tolist(), strict=True))
    assert all(names(3)[label_of[row]] == label and chosen[row] + 1 == center for row, label, center in spokes[["row_id", "label", "center"]].values)


def test_dead_and_roughly_placed_centres_look_different_without_colour(inputs):
    rng = np.random.default_rng(0)
    view = center_view(with_points(inputs[0], rng.normal(size=(60, 2))), 3, CenterLook(part="support"))
    table = map.frame_of([view], names(3), TEXTS)
    centers = table[table["mark"] == "centre"]
    assert centers["dead"].any()
    assert (centers["hollow"] & ~centers["dead"]).any()
    symbols = traces(map.screen(table, view.run.id), "centres")[0].marker.symbol
    expected = np.where(centers["dead"], "x-thin", np.where(centers["hollow"], "star-open", "star"))
    assert list(symbols) == expected.tolist()
    paper = map.paper(table, presets.preset("acl-column"))
    words = [text.get_text() for ax in paper.axes for text in ax.texts]
    assert "chosen by none" in words
    assert "place approximate" in words
    assert "among its 10 nearest texts" in map.caption(table, [inputs[0]])
    dead = centers[centers["dead"]]["name"].iloc[0]
    assert dead in map.alt(table, view.run.id)


def test_halos_grow_with_occupancy_and_dead_centres_have_none(inputs):
    table = frame("centers_map", inputs[:1], names(3))
    centers = table[(table["mark"] == "centre") & (table["count"] > 0)]
    halo = traces(map.screen(table, inputs[0].pane.run.id), "halos")[0]
    assert len(halo.x) == len(centers)
    np.testing.assert_allclose(halo.marker.size, 10 + 30 * np.sqrt(centers["share"].astype(float)))


def test_selected_texts_and_the_picked_centre_are_ringed(inputs):
    table = frame("centers_map", inputs, names(3))
    pane_id = inputs[0].pane.run.id
    rows = table[(table["pane"] == pane_id) & (table["mark"] == "text")]["row_id"].astype(int).tolist()[:3]
    figure = map.screen(table, pane_id, selected=rows, picked="class 01 2")
    assert len(traces(figure, "selected")[0].x) == 3
    ring, star = traces(figure, "picked")[0], table[(table["pane"] == pane_id) & (table["name"] == "class 01 2") & (table["mark"] == "centre")]
    assert (ring.x[0], ring.y[0]) == (star["x"].iloc[0], star["y"].iloc[0])
    assert not traces(map.screen(table, pane_id), "picked")


def test_classes_have_the_colours_of_the_maps_and_the_rest_is_grey(inputs):
    from dmlviz.figures.base.theme import class_styles

    table = frame("centers_map", inputs, names(3))
    styles = class_styles(names(3))
    assert all(styles[label].color == color for label, color in table[["label", "color"]].drop_duplicates().values)
    many = [make_input(classes=30, count=2, n=200)]
    table = frame("centers_map", many, names(30))
    assert table[table["mark"] == "centre"]["label"].nunique() == 8
    assert set(table[table["color_key"] == theme.OTHER]["mark"]) == {"text"}
    focused = frame("centers_map", many, names(30), focus=("class 04",))
    assert set(focused[focused["mark"] == "centre"]["label"]) == {"class 04"}


def test_maps_of_tokens_have_windows_of_their_own(inputs):
    table = frame("centers_map", inputs, names(3), space="tokens")
    spaces = table.drop_duplicates("pane").set_index("pane")["space"]
    assert spaces.tolist() == ["texts", "tokens", "texts"]
    windows = [map.view_of(table, pane_id) for pane_id in spaces.index]
    assert windows[0] == windows[2] != windows[1]
    assert table[table["space"] == "tokens"]["text"].dropna().str.startswith("“w").all()


# ---- bars


def test_the_bars_hold_every_vector_of_a_class_once(inputs):
    table = frame("centers_use", inputs, names(3))
    for _, rows in table.groupby(["pane", "label"]):
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["kept"].sum() == rows["n"].iloc[0]
    figure = use.screen(table, inputs[0].pane.run.id)
    own = table[table["pane"] == inputs[0].pane.run.id]
    bars = sorted((int(y), x) for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True))
    expected = sorted(own[own["share"] > 0][["rank", "share"]].itertuples(index=False, name=None))
    assert [y for y, _ in bars] == [rank for rank, _ in expected]
    assert [x for _, x in bars] == pytest.approx([share for _, share in expected])
    for rank, rows in own[(own["segment"] == "centre") & (own["share"] > 0)].groupby("rank"):  # the largest first, from the left
        drawn_now = [x for trace in figure.data if trace.name == "segments" for x, y in zip(trace.x, trace.y, strict=True) if y == rank]
        assert drawn_now == pytest.approx(rows["share"].tolist())
    assert [trace.name for trace in figure.data][-1] == "elsewhere"
    paper = use.paper(table, presets.preset("acl-column"))
    widths = [bar.get_width() for ax in paper.axes for bar in ax.patches]
    assert widths == pytest.approx(table[table["share"] > 0]["share"].tolist())


def test_the_numbers_beside_the_bars_are_those_of_the_report(inputs):
    view = center_view(inputs[0], 3, CenterLook(merge=0.3))
    table = use.frame_of([view], names(3))
    order = [names(3).index(label) for label in table.drop_duplicates("rank")["label"]]
    columns = {column.title: column.words for column in use.numbers(table)}
    assert list(columns) == ["n", "eff. K", "merged", "dead", "purity"]
    assert columns["eff. K"] == [f"{view.report.effective[c]:.1f} of 4" for c in order]
    assert columns["merged"] == [str(view.report.merged[c]) for c in order]
    assert columns["dead"] == [str(view.report.dead[c].sum()) for c in order]
    assert [column.title for column in use.numbers(frame("centers_use", inputs[2:], names(3)))] == ["n", "purity"]
    words = [note.text for note in use.screen(table, view.run.id).layout.annotations]
    assert all(word in words for word in columns["eff. K"])


def test_at_most_twenty_classes_have_bars():
    table = frame("centers_use", [make_input(classes=30, count=2, n=300)], names(30))
    assert table["label"].nunique() == 20
    sizes = table.drop_duplicates("label")["n"].tolist()
    assert len(sizes) == 20
    assert frame("centers_use", [make_input(classes=30, count=2, n=300)], names(30), focus=("class 29",))["label"].unique().tolist() == ["class 29"]


# ---- heat map and drift


def test_the_heat_map_is_the_matrix(inputs):
    table = frame("centers_heat", inputs, names(3))
    pane_id = inputs[0].pane.run.id
    rows = table[table["pane"] == pane_id]
    counts = np.bincount(inputs[0].arrays.labels, minlength=3)
    expected = center_matrix(inputs[0].arrays.centers, counts)
    figure = heat.screen(table, pane_id)
    np.testing.assert_allclose(np.array(figure.data[0].z), expected.cosines, atol=1e-4)
    assert rows["row_name"].unique().tolist() == [f"class {c:02d} {k + 1}" for c, k in expected.order]
    assert (figure.data[0].zmin, figure.data[0].zmax) == (-1, 1)
    assert list(figure.layout.yaxis.ticktext) == [f"class {c:02d}" for c in dict.fromkeys(expected.order[:, 0])]
    paper = heat.paper(table, presets.preset("acl-text"))
    np.testing.assert_allclose(paper.axes[0].images[0].get_array(), expected.cosines, atol=1e-6)
    assert "mean cosine" in heat.alt(table, pane_id)


def test_a_heat_map_has_at_most_sixty_rows_and_says_what_is_left_out():
    given = [make_input(classes=30, count=7, n=300)]
    table = frame("centers_heat", given, names(30))
    assert table["row"].max() + 1 == 56  # eight classes of seven
    assert table["left_out"].iloc[0] == 22
    assert "22 smaller classes left out" in heat.caption(table, given)
    assert frame("centers_heat", [make_input(classes=3, count=70, n=30)], names(3))["row_label"].nunique() == 1  # one class is never cut


def test_drift_is_one_line_per_centre_of_the_runs_that_kept_it(inputs):
    table = frame("centers_drift", inputs, names(3))
    assert table["pane"].unique().tolist() == [inputs[0].pane.run.id, inputs[1].pane.run.id]
    view = center_view(inputs[0], 3, CenterLook())
    own = table[table["pane"] == view.run.id]
    for row in own.itertuples():
        assert row.drift == view.drift[int(row.epoch), names(3).index(row.label), row.center - 1]
    figure = drift.screen(table, view.run.id)
    assert len(figure.data) == 12
    assert sum(len(trace.x) for trace in figure.data) == len(own)
    paper = drift.paper(table, presets.preset("acl-text"))
    assert sum(len(line.get_xdata()) for ax in paper.axes for line in ax.lines) == len(table)
    assert all(ax.get_ylim()[0] == 0 for ax in paper.axes)


# ---- all four


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_show_is_a_sentence(kind):
    bare = [make_input("cross_entropy", space=None, support=False)]
    for given in ([], bare):
        table = frame(kind, given, names(3))
        module = KINDS[kind]
        assert figure_bytes(module.paper(table, presets.preset("acl-column")), "pdf").startswith(b"%PDF")
        assert module.screen(table, "nobody") is not None
        assert module.caption(table, given)
        assert module.alt(table, "nobody")
        assert module.notes(table) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_hostile_names_are_escaped_and_fit_on_paper(kind, dark):
    label_names = list(HOSTILE)
    classes = len(label_names)
    given = [make_input(classes=classes, count=3, n=120, moments=2), make_input("cross_entropy", classes=classes, n=120, space=None, seed=1)]
    table = frame(kind, given, label_names)
    module = KINDS[kind]
    for pane_id in dict.fromkeys(table["pane"]):
        figure = module.screen(table, pane_id, theme=theme.DARK if dark else theme.LIGHT)
        for trace in figure.data:
            trace.customdata = None  # comes back on a click, is never drawn
        said = figure.to_json()
        assert "<script" not in said.replace("\\u003c", "<")
        assert "%{x}" not in said
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    for preset in ("acl-column", "acl-text"):
        paper = module.paper(table, presets.preset(preset))
        assert paper.get_size_inches()[0] * 25.4 == pytest.approx(presets.preset(preset).width_mm)
        assert figure_bytes(paper, "pdf").startswith(b"%PDF")
        drawn_words = [text for ax in paper.axes for text in ax.texts] + list(paper.texts)
        assert all(text.get_fontsize() >= 6 for text in drawn_words if text.get_text())
    assert csv_bytes(table)
    assert module.notes(table)


@pytest.mark.parametrize("kind", KINDS)
def test_words_stay_on_the_paper(kind, inputs):
    """No word of ours reaches over the sheet's edge."""
    label_names = ["money-fx", "a rather long class name here", "grain"]
    for preset in ("acl-column", "acl-text"):
        paper = KINDS[kind].paper(frame(kind, inputs, label_names), presets.preset(preset))
        renderer, (width, height) = paper.canvas.get_renderer(), paper.bbox.size
        for text in [*paper.texts, *(text for ax in paper.axes for text in ax.texts)]:
            box = text.get_window_extent(renderer)
            assert box.x0 >= -2, (preset, text.get_text())
            assert box.x1 <= width + 2, (preset, text.get_text())
            assert box.y0 >= -3, (preset, text.get_text())
            assert box.y1 <= height + 3, (preset, text.get_text())


@pytest.mark.parametrize("kind", KINDS)
def test_captions_name_the_runs_and_what_was_counted(kind, inputs):
    table = frame(kind, inputs, names(3))
    said = KINDS[kind].caption(table, inputs)
    for pane_id in dict.fromkeys(table["pane"]):
        assert pane_id in said
    assert "single runs" in said
    assert re.search(r"\d", said)


def test_the_line_of_numbers_has_its_ns(inputs):
    view = center_view(inputs[0], 3, CenterLook())
    said = summary(view)
    report = view.report
    assert f"{(report.counts > 0).sum()} of 12 centres used, {report.dead.sum()} dead" in said
    assert f"effective K {report.effective.mean():.1f} of 4 (mean of 3 classes)" in said
    assert f"(n = {len(view.counted)})" in said
    assert f"{len(report.intrusions.row_ids)} of {report.texts} texts nearer to another class" in said
    assert "3 class means" in summary(center_view(inputs[2], 3, CenterLook()))


def test_options_as_they_come_from_a_shell(inputs):
    assert merge_number("0.25") == 0.25
    for wrong in ("far", -0.1, 2.5, None):
        with pytest.raises(InputError, match="merge takes a cosine distance from 0"):
            merge_number(wrong)
    assert frame("centers_use", inputs, names(3), merge="0.25")["merge_distance"].unique().tolist() == [0.25]
    assert (frame("centers_map", inputs, names(3), which="means").query("mark == 'centre'")["center"] == 1).all()


def test_the_temperature_is_the_run_s_own(inputs):
    given = make_input("soft_triple", loss_settings={"temperature": 0.03})
    assert center_input(given.pane, given.arrays).gamma == 0.03
    assert center_input(inputs[0].pane, inputs[0].arrays).gamma == 0.1
    assert center_input(inputs[2].pane, inputs[2].arrays).gamma == 0.1


def test_class_names_cover_neither_stars_nor_each_other(inputs):
    from dmlviz.figures.base.words import text_width
    from dmlviz.figures.centers.frame import names_beside

    table = frame("centers_map", [make_input("cross_entropy", classes=8, n=200, space=None)], names(8))
    rows, view = table[table["mark"] == "text"], map.view_of(table, "cross_entropy-0")
    centers = table[table["mark"] == "centre"]
    placed = names_beside(rows, centers, view, side=500, size=12)
    assert len(placed) == 8
    scale = 500 / (view[1] - view[0])
    boxes = [(np.array(label.at) * scale, np.array([text_width(label.name, 12), 15]) / 2) for label in placed]
    stars = [(np.array(at) * scale, np.full(2, 7.0)) for at in centers[["x", "y"]].to_numpy(dtype=float)]
    for i, (at, half) in enumerate(boxes):
        for other, room in [*boxes[:i], *stars]:
            assert (np.abs(at - other) >= half + room - 1e-6).any()


def test_of_many_texts_a_fixed_sample_is_drawn_and_said():
    given = [make_input("soft_triple", n=3000), make_input("cross_entropy", n=3000, space=None)]
    texts = TEXTS * 8
    plain = map.frame(given, names(3), texts)
    drawn_rows = [set(rows["row_id"]) for _, rows in plain[plain["mark"] == "text"].groupby("pane", sort=False)]
    assert [len(rows) for rows in drawn_rows] == [map.MOST_POINTS] * 2
    assert len(drawn_rows[0] & drawn_rows[1]) >= map.MOST_POINTS - 12 * MOST_SPOKES  # but for the ends of spokes
    assert set(plain[plain["mark"] == "spoke"]["row_id"]) <= drawn_rows[0] | drawn_rows[1]
    assert "2,991 texts (2,500 drawn)" in map.caption(plain, given)
    view = center_view(given[0], 3, CenterLook())
    left_out = sorted(set(view.rows[view.counted].tolist()) - drawn_rows[0])[:5]
    kept = map.frame_of([view], names(3), texts, keep=left_out)
    assert set(left_out) <= set(kept[kept["mark"] == "text"]["row_id"])
    centers = plain[(plain["mark"] == "centre") & (plain["pane"] == "soft_triple-0")]
    assert centers["count"].sum() == 2991  # all are counted
