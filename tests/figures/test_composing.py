"""Sheets of several panels: exact sizes, letters, shared keys, heights that are given, slides, grey print, the venue's fonts."""

import io
import itertools

import numpy as np
import pandas as pd
import pypdf
import pytest
from figure_cases import HOSTILE, make_pane, names
from matplotlib.text import Text

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export.files import figure_bytes
from dmlviz.export.load_figure import Picture
from dmlviz.export.sheet import drawn, sheet_bytes
from dmlviz.figures.base import presets, theme
from dmlviz.figures.base.composing import GAP_MM, compose
from dmlviz.figures.base.fonts import family_name, typeset
from dmlviz.figures.base.grey import grey, without_color
from dmlviz.figures.base.paper import canvas, keys_of, size_mm, text
from dmlviz.figures.base.presets import preset
from dmlviz.figures.base.words import missing_glyphs
from dmlviz.figures.maps import manifold


def strip(share, words="panel"):
    """A picture whose height is a share of its width."""

    def draw(size):
        figure = canvas(size.width_mm, share * size.width_mm)
        text(figure, 2, 4, words, size=size.font_pt)
        return figure

    return draw


def table(classes=4, panes=2, label_names=None):
    made = [make_pane("soft_triple", classes, seed=i, lr=0.1 + i) for i in range(panes)]
    return manifold.frame(made, label_names or names(classes), ["text"] * 1000, parts=("test", "support"))


def picture(frame, caption="What it shows."):
    return Picture("manifold", frame, {}, caption, [])


def letters(sheet):
    return [one.get_text() for one in sheet.texts]


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_panels_have_their_column_and_lie_apart(count):
    sheet = compose([strip(0.5)] * count, preset("acl-text")).figure
    assert size_mm(sheet)[0] == pytest.approx(160)
    across = {2: 2, 3: 3, 4: 2, 6: 3}[count]
    wide = (160 - (across - 1) * GAP_MM) / across
    for panel in sheet.subfigs:
        assert size_mm(panel) == pytest.approx((wide, wide / 2))
    boxes = [panel.bbox_relative for panel in sheet.subfigs]
    for one, other in itertools.combinations(boxes, 2):
        assert one.x1 <= other.x0 + 1e-9 or other.x1 <= one.x0 + 1e-9 or one.y1 <= other.y0 + 1e-9 or other.y1 <= one.y0 + 1e-9
    assert all(box.x0 >= -1e-9 and box.x1 <= 1 + 1e-9 and box.y0 >= -1e-9 and box.y1 <= 1 + 1e-9 for box in boxes)
    assert letters(sheet) == list("abcdef"[:count])


def test_one_panel_is_the_picture_itself_and_bears_no_letter():
    sheet = compose([strip(0.5)], preset("acl-column")).figure
    assert (size_mm(sheet), letters(sheet)) == (pytest.approx((77, 38.5)), ["panel"])
    assert not sheet.subfigs


def test_a_panel_is_drawn_as_it_is_alone():
    """The same marks, text sizes and keys, only elsewhere."""
    frame, size = table(), preset("acl-text")
    alone = manifold.paper(frame, size._replace(width_mm=78))
    sheet = compose([lambda size: manifold.paper(frame, size), strip(0.3)], size).figure
    panel = sheet.subfigs[0]
    assert size_mm(panel) == pytest.approx(size_mm(alone))
    assert sorted(one.get_text() for one in panel.findobj(Text)) == sorted(one.get_text() for one in alone.findobj(Text))
    assert keys_of(sheet) == keys_of(alone)


def test_a_key_that_panels_share_is_drawn_once_but_told_for_each():
    frame, size = table(), preset("acl-text")
    sheet = compose([lambda size: manifold.paper(frame, size)] * 2, size).figure
    shown = [sum(one.get_text() == "support" for one in panel.findobj(Text)) for panel in sheet.subfigs]
    assert shown == [1, 0]
    assert len(keys_of(sheet)) == 2
    assert keys_of(sheet)[0] == keys_of(sheet)[1]


def test_columns_are_taken_or_refused():
    sheet = compose([strip(0.5)] * 2, preset("acl-text"), columns=1).figure
    assert [round(size_mm(panel)[0]) for panel in sheet.subfigs] == [160, 160]
    with pytest.raises(InputError, match="3 columns do not fit into 77 mm"):
        compose([strip(0.5)] * 3, preset("acl-column"), columns=3)
    with pytest.raises(InputError, match="7 panels came"):
        compose([strip(0.5)] * 7, preset("acl-text"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_given_height_is_exact_and_everything_fits(count):
    size = preset("custom:150x60mm")
    sheet = compose([strip(0.8)] * count, size).figure
    assert size_mm(sheet) == pytest.approx((150, 60))
    for panel in sheet.subfigs:
        box = panel.bbox_relative
        assert min(box.x0, box.y0) >= -1e-9
        assert max(box.x1, box.y1) <= 1 + 1e-9
        assert size_mm(panel)[1] == pytest.approx(0.8 * size_mm(panel)[0])


def test_too_little_height_is_a_sentence():
    with pytest.raises(InputError, match="do not fit into 100 x 40 mm; give the figure more height"):
        compose([strip(2.0)] * 2, preset("custom:100x40mm"))


def test_what_would_be_higher_than_a_page_gets_more_columns():
    sheet = compose([strip(1.6)] * 4, preset("acl-text")).figure  # 2 x 2 would be 256 mm high
    width, height = size_mm(sheet)
    assert (width, letters(sheet)) == (pytest.approx(160), list("abcd"))
    assert height <= 220
    assert len({round(panel.bbox_relative.x0, 3) for panel in sheet.subfigs}) == 3
    lncs = compose([strip(2.4)] * 2, preset("lncs-text")).figure  # 180 mm is its page: two of 59 mm fit
    assert size_mm(lncs)[1] <= 180


def test_what_fits_no_page_is_a_sentence_with_both_heights():
    with pytest.raises(InputError, match=r"2\d\d mm high, and ACL, one column \(acl-column\) allows 220 mm; choose fewer panels, a wider preset\."):
        compose([strip(1.0)] * 3, preset("acl-column"))
    with pytest.raises(InputError, match="allows 220 mm; choose fewer panels, a wider preset, or more columns"):
        compose([strip(1.0)] * 2, preset("acl-text"), columns=1)
    with pytest.raises(InputError, match="would be 300 mm high, and Single column"):
        compose([lambda size: canvas(size.width_mm, 300)], preset("single"))


def test_a_lone_picture_that_is_too_high_is_drawn_less_wide_in_the_middle():
    sheet = compose([strip(2.0)], preset("acl-text")).figure  # 320 mm high at its whole width
    width, height = size_mm(sheet)
    assert width == pytest.approx(160)
    assert height <= 220
    (panel,) = sheet.subfigs
    wide, high = size_mm(panel)
    assert (high, height) == (pytest.approx(2 * wide), pytest.approx(high))
    assert wide > 90  # no narrower than it must
    assert panel.bbox_relative.x0 == pytest.approx((1 - wide / width) / 2)
    assert letters(sheet) == []


def test_a_slide_is_enlarged_as_a_whole_and_less_when_it_must():
    one, four = compose([strip(0.5)], preset("slide")), compose([strip(1.2)] * 4, preset("slide"))
    assert one.scale == pytest.approx(2.4)
    assert four.scale < 2.4
    for made in (one, four):
        width, height = (side * made.scale for side in size_mm(made.figure))
        assert (width, height) == pytest.approx((338.67, 190.5))
        for fmt in ("pdf", "svg"):
            data = figure_bytes(made.figure, fmt, scale=made.scale)
            assert printed_size(data, fmt) == pytest.approx((338.67, 190.5), abs=0.01)


def printed_size(data, fmt):
    if fmt == "pdf":
        box = pypdf.PdfReader(io.BytesIO(data)).pages[0].mediabox
        return tuple(float(side) / 72 * 25.4 for side in (box.width, box.height))
    import re

    return tuple(float(re.search(rf'{name}="([\d.]+)pt"'.encode(), data)[1]) / 72 * 25.4 for name in ("width", "height"))


@pytest.mark.parametrize(("name", "width", "height"), [("custom:120mm", 120, None), ("custom:3.25in", 82.55, None), ("custom:219.086pt", 77.0, None),
                                                       ("custom:240bp", 84.667, None),
                                                       ("custom:12x8cm", 120, 80), ("custom:120", 120, None)])  # fmt: skip
def test_own_sizes(name, width, height):
    made = preset(name)
    assert made.width_mm == pytest.approx(width, abs=1e-3)
    assert made.height_mm == (None if height is None else pytest.approx(height))


@pytest.mark.parametrize("name", ["custom:", "custom:1mm", "custom:9999mm", "custom:80x2mm", "custom:1.2.3mm", "acl", "custom:80furlong"])
def test_unknown_sizes_are_a_sentence(name):
    with pytest.raises(InputError, match=r"custom:120mm|a side may have"):
        preset(name)


def test_grey_keeps_the_lightness_and_drops_the_hue():
    for color in theme.WIDER:
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        shade = grey([*rgb, 0.5])
        assert shade[0] == shade[1] == shade[2]
        assert shade[3] == 0.5
        code = "#" + f"{round(255 * shade[0]):02X}" * 3
        assert theme.lightness(code) == pytest.approx(theme.lightness(color), abs=0.5)


def test_a_grey_sheet_has_no_colour_left():
    drawn_grey = without_color(manifold.paper(table(), preset("single")))
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(figure_bytes(drawn_grey, "png", dpi=100))).convert("RGB")).astype(int)
    assert np.ptp(picture, axis=2).max() <= 2  # smooth edges round
    colored = np.asarray(Image.open(io.BytesIO(figure_bytes(manifold.paper(table(), preset("single")), "png", dpi=100))).convert("RGB")).astype(int)
    assert np.ptp(colored, axis=2).max() > 60


def test_classes_of_one_mark_differ_in_lightness_and_from_the_grey_of_the_others():
    styles = [(color, theme.class_mark(color)) for color in theme.WIDER]
    for (color, mark), (other, other_mark) in itertools.combinations(styles, 2):
        if mark == other_mark:
            assert abs(theme.lightness(color) - theme.lightness(other)) > 16, (color, other)
    circles = [color for color, mark in styles if mark == "circle"]
    assert min(abs(theme.lightness(color) - theme.lightness(theme.OTHER_COLOR)) for color in circles) > 13
    assert theme.class_mark("#123456", "x") == "x"


def test_the_venues_font_family_is_used_and_every_script_still_appears():
    for family in presets.FAMILIES:
        with typeset(family):
            assert family_name() == f"Liberation {family.title()}"
            assert missing_glyphs(["Ωμέγα", "сорт"]) is None
    assert preset("acl-column").family == "serif"
    assert preset("elsevier-text").family == "sans"


@pytest.mark.parametrize("family", ["venue", "sans", "serif"])
def test_names_in_any_script_are_drawn_or_replaced_and_said(family, recwarn):
    label_names = ["سلام عليكم", "名字", "Ωμέγα", "good 😀", *HOSTILE[:4]]
    frame = table(8, 1, label_names)
    made = drawn(SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),), family=family), [picture(frame)])
    data = sheet_bytes(made, "pdf")
    assert not [str(one.message) for one in recwarn if "missing from font" in str(one.message)]
    words = pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text()
    with typeset(preset("acl-column").family if family == "venue" else family):
        said = missing_glyphs(label_names)
    assert "Ωμέγα" in words
    assert ("\N{REPLACEMENT CHARACTER}" in words) == (said is not None)
    if said:
        assert said in made.words


def test_a_character_that_nobody_replaced_is_said_all_the_same():
    def careless(size):
        figure = canvas(size.width_mm, 20)
        text(figure, 2, 10, "a\U0010fffd", size=7)
        return figure

    assert missing_glyphs(["a\U0010fffd"])
    made = drawn(SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),) * 2, preset="acl-text"), [picture(table())] * 2)
    assert not made.words
    from unittest.mock import patch

    from dmlviz.figures import FIGURES

    with patch.dict(FIGURES, {"manifold": FIGURES["manifold"]._replace(paper=lambda frame, size: careless(size))}):
        made = drawn(SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),)), [picture(table())])
    assert any("U+10FFFD" in word for word in made.words)


def test_what_the_file_says_of_itself():
    frame = table()
    spec = SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("run-1", "run-2")),) * 2, preset="acl-text", title="Both")
    made = drawn(spec, [picture(frame, "First."), picture(frame, "Second.")], [{"id": "run-1", "seed": 3}])
    told = made.provenance
    assert (told.title, told.caption, told.run_ids) == ("Both", "(a) First. (b) Second.", ("run-1", "run-2"))
    assert (told.details["preset"], told.details["width_mm"], told.details["runs"]) == ("acl-text", 160.0, [{"id": "run-1", "seed": 3}])
    assert told.details["smallest_pt"] == pytest.approx(6.0)
    assert told.details["versions"]["matplotlib"]
    import json

    info = pypdf.PdfReader(io.BytesIO(sheet_bytes(made, "pdf"))).metadata
    assert json.loads(info["/DMLViz"]) == json.loads(json.dumps(told.details))
    own = drawn(spec.model_copy(update={"caption": "My words."}), [picture(frame), picture(frame)])
    assert own.provenance.caption == "My words."


def test_equal_sheets_are_equal_bytes():
    frame = table()
    spec = SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),) * 3, preset="acl-text", palette="grey")
    for fmt in ("pdf", "svg", "png"):
        first, second = (sheet_bytes(drawn(spec, [picture(frame.copy())] * 3), fmt) for _ in range(2))
        assert first == second


def test_the_frame_is_not_changed_by_drawing():
    frame = table()
    before = frame.copy()
    drawn(SheetSpec(panels=(FigureSpec(name="manifold", run_ids=("a",)),)), [picture(frame)])
    pd.testing.assert_frame_equal(frame, before)


