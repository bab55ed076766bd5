"""The maps: what the frame holds is what screen and paper draw."""

import dataclasses
import re

import numpy as np
import pytest
from figure_cases import HOSTILE, make_pane, names

from dmlviz.core.types import InputError
from dmlviz.figures.base import presets, theme
from dmlviz.figures.maps import manifold
from dmlviz.figures.maps.paper import MOST_PANE_MM
from dmlviz.losses import LOSSES

ALL = ("test", "validation", "support")


def marks(figure):
    return sum(len(trace.x) for trace in figure.data)


@pytest.mark.parametrize("color_by", manifold.COLOR_BY)
@pytest.mark.parametrize("classes", [2, 8, 20, 52, 77])
def test_screen_and_paper_draw_every_row_once(classes, color_by, texts):
    panes = [make_pane("soft_triple", classes), make_pane("supcon", classes, seed=1)]
    table = manifold.frame(panes, names(classes), texts, color_by=color_by, parts=ALL)
    for pane_id in manifold.pane_ids(table):
        figure = manifold.screen(table, pane_id)
        rows = table[table["pane"] == pane_id]
        assert marks(figure) == len(rows)
        assert sorted(row for trace in figure.data for row in trace.customdata) == sorted(rows["row_id"])
    paper = manifold.paper(table, presets.preset("acl-text"))
    panes_drawn = [ax for ax in paper.axes if ax.axison]
    crossed = (table["part"] == "support") & (table["symbol"] == "x")
    assert sum(len(c.get_offsets()) for ax in panes_drawn for c in ax.collections) == len(table) + crossed.sum()


def test_all_panes_share_a_square_window_that_holds_every_text(panes, texts):
    table = manifold.frame(panes, names(8), texts)
    view = manifold.window(table)
    assert view[1] - view[0] == pytest.approx(view[3] - view[2])
    assert table["x"].between(*view[:2]).all()
    assert table["y"].between(*view[2:]).all()
    figures = [manifold.screen(table, pane, view=view) for pane in manifold.pane_ids(table)]
    assert {(figure.layout.xaxis.range, figure.layout.yaxis.range) for figure in figures} == {(view[:2], view[2:])}
    paper = manifold.paper(table, presets.preset("acl-text"))
    assert {(*ax.get_xlim(), *ax.get_ylim()) for ax in paper.axes if ax.axison} == {view}


def test_parts_are_layers_with_support_on_top(panes, texts):
    table = manifold.frame(panes[:1], names(8), texts, parts=ALL, color_by="correctness")
    drawn = manifold.layers(table)
    assert [layer.name for layer in drawn] == ["validation", "test", "wrong", "support"]
    assert sum(len(layer.rows) for layer in drawn) == len(table)
    figure = manifold.screen(table, table["pane"].iloc[0])
    symbols = {trace.name: trace.marker.symbol for trace in figure.data}
    assert (symbols["test"], symbols["wrong"]) == ("circle", "x")
    assert set(np.atleast_1d(symbols["support"])) <= {"diamond", "diamond-x"}
    assert set(np.atleast_1d(symbols["validation"])) <= {"circle-open", "x-open"}


def test_colours_do_not_depend_on_the_order_of_rows_runs_or_parts(panes, texts):
    one = manifold.frame(panes, names(8), texts, parts=ALL)
    other = manifold.frame(panes[::-1], names(8), texts, parts=("support",))
    colors = dict(zip(one["label"], one["color"], strict=True))
    assert all(colors[label] == color for label, color in zip(other["label"], other["color"], strict=True))
    flipped = manifold.labels(one[one["pane"] == "soft_triple-0"].iloc[::-1], manifold.window(one), side=400, size=12)
    assert flipped == manifold.labels(one[one["pane"] == "soft_triple-0"], manifold.window(one), side=400, size=12)


def test_many_classes_colour_the_eight_largest_or_the_focus(texts):
    pane = make_pane("supcon", 52, 800)
    table = manifold.frame([pane], names(52), texts)
    largest = table["label"].value_counts()
    assert set(table["color_key"]) - {theme.OTHER} == set(manifold.default_focus([pane], names(52)))
    assert largest[manifold.default_focus([pane], names(52))[0]] >= largest.iloc[1]
    focused = manifold.frame([pane], names(52), texts, focus=("class 03",))
    assert set(focused["color_key"]) == {theme.OTHER, "class 03"}
    assert [label.name for label in manifold.labels(focused, manifold.window(focused), side=400, size=12)] == ["class 03"]


def test_up_to_twelve_names_are_whole_and_inside(panes, texts):
    table = manifold.frame(panes[:1], names(12)[:8], texts)
    view = manifold.window(table)
    placed = manifold.labels(table, view, side=410, size=13)
    assert {label.name for label in placed} == set(names(8))
    assert all(view[0] < label.at[0] < view[1] and view[2] < label.at[1] < view[3] for label in placed)


def test_hostile_names_and_texts_are_escaped(texts):
    texts[20] = "<img src=x onerror=alert(1)> %{y} $\\frac{1}{2}$ </span><a href='javascript:1'>"
    table = manifold.frame([make_pane("supcon", len(HOSTILE))], HOSTILE, texts, parts=ALL)
    figure = manifold.screen(table, "supcon-0")
    shown = [words for trace in figure.data for words in trace.hovertext] + [note.text for note in figure.layout.annotations]
    allowed = ("<br>", "<b>", "</b>")
    for words in shown:
        for tag in allowed:
            words = words.replace(tag, "")
        assert not set("<>$") & set(words), words
        assert "%{" not in words
    assert {trace.hovertemplate for trace in figure.data} == {"%{hovertext}<extra></extra>"}
    assert set(table["label"]) == {"half ?" if "half" in name else name for name in HOSTILE}  # unescaped in the CSV
    assert any("ellipsis" in note for note in manifold.notes(table))


@pytest.mark.parametrize("theme_name", ["light", "dark"])
def test_selection_marks_the_chosen_and_dims_the_others(panes, texts, theme_name):
    table = manifold.frame(panes[:1], names(8), texts)
    shown = theme.THEMES[theme_name]
    figure = manifold.screen(table, "soft_triple-0", theme=shown, selected=[30, 31, 99_999])
    chosen = [trace.customdata[i] for trace in figure.data for i in trace.selectedpoints]
    assert sorted(chosen) == [30, 31]
    assert all(trace.selectedpoints is None for trace in manifold.screen(table, "soft_triple-0", theme=shown).data)
    assert figure.layout.dragmode == "pan"  # who draws around texts does it on the linked maps


def test_many_marks_use_webgl_on_screen_and_an_image_on_paper(texts):
    few = manifold.frame([make_pane("supcon", 8, 500)], names(8), texts)
    many = manifold.frame([make_pane("supcon", 8, 6000)], names(8), texts)
    assert {trace.type for trace in manifold.screen(few, "supcon-0").data} == {"scatter"}
    assert {trace.type for trace in manifold.screen(many, "supcon-0").data} == {"scattergl"}
    rasterized = [{c.get_rasterized() for c in manifold.paper(t, presets.preset("single")).axes[0].collections} for t in (few, many)]
    assert rasterized == [{False}, {True}]


@pytest.mark.parametrize("preset", presets.PRESETS.values(), ids=list(presets.PRESETS))
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_panes_are_square_inside_the_sheet_and_apart(preset, count, texts):
    table = manifold.frame([make_pane(loss, seed=i) for i, loss in enumerate(list(theme.LOSS_TITLES)[:count])], names(8), texts)
    figure = manifold.paper(table, preset, letters=True)
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(preset.width_mm, abs=0.01)
    boxes = [ax.get_position() for ax in figure.axes if ax.axison]
    assert len(boxes) == count
    for box in boxes:
        assert box.width * width == pytest.approx(box.height * height, abs=0.01)
        assert 25 < box.width * width <= MOST_PANE_MM + 0.01
        assert min(box.x0, box.y0) >= 0
        assert max(box.x1, box.y1) <= 1


def test_words_on_paper_are_inside_the_sheet_and_large_enough(texts):
    for classes, count, preset in [(20, 3, "acl-column"), (len(HOSTILE), 2, "acl-column"), (52, 3, "ieee-text"), (8, 5, "acl-text")]:
        labels = HOSTILE if classes == len(HOSTILE) and count == 2 else names(classes)
        table = manifold.frame([make_pane("soft_triple", classes, seed=i, lr=0.1 + i) for i in range(count)], labels, texts, parts=ALL)
        figure = manifold.paper(table, presets.preset(preset))
        figure.draw_without_rendering()
        words = [*figure.texts, *(words for ax in figure.axes for words in ax.texts)]
        assert min(text.get_fontsize() for text in words) >= presets.MIN_PT
        for text in words:
            box = text.get_window_extent()
            assert box.x0 >= -1, text.get_text()
            assert box.x1 <= figure.bbox.x1 + 1, text.get_text()
            assert box.y0 >= -1, text.get_text()
            assert box.y1 <= figure.bbox.y1 + 1, text.get_text()


def test_empty_and_single(texts):
    for panes in ([], [make_pane("supcon", 2, 0)]):
        table = manifold.frame(panes, names(2), texts, parts=("test",))
        assert table.empty
        assert manifold.alt(table, "supcon-0") == "Empty map: no texts to show."
        assert marks(manifold.screen(table, "supcon-0")) == 0
        assert manifold.paper(table, presets.preset("single")) is not None
        assert manifold.caption(table, panes) == "No texts to show."
    table = manifold.frame([make_pane("supcon", 2, 1)], names(2), texts, parts=("test",))
    assert marks(manifold.screen(table, "supcon-0")) == 1
    assert manifold.window(table)[0] < table["x"].iloc[0] < manifold.window(table)[1]


def test_caption_and_alt_say_what_is_shown(panes, texts):
    table = manifold.frame(panes, names(8), texts)
    caption = manifold.caption(table, panes)
    for said in ("120 test (filled), 16 support", "SoftTriple, TripleEntropy and G-Loss + CE", "92.4%", "single runs",
                 "8 shots per class", "support seed 0", "UMAP (cosine, seed 0)", "trustworthiness 0.93",
                 "residual of the registration 0.12", "soft_triple-0"):  # fmt: skip
        assert said in caption
    alt = manifold.alt(table, "soft_triple-0")
    assert "120 test texts and 16 support texts in 8 classes" in alt
    assert "Test accuracy 92.4%, single run" in alt


def test_accuracy_comes_from_the_rows_when_the_run_has_none(texts):
    pane = make_pane("supcon", accuracy=None)
    test = pane.roles == "test"
    table = manifold.frame([pane], names(8), texts)
    assert table["accuracy"].iloc[0] == pytest.approx((pane.labels == pane.predictions)[test].mean())


def test_titles_give_way_in_narrow_panes(texts):
    table = manifold.frame([make_pane("triple_entropy")], names(8), texts)
    said = [manifold.screen(table, "triple_entropy-0", width=width).layout.annotations[-1].text for width in (None, 230)]
    assert said == ["<b>92.4%</b> single run", "<b>92.4%</b>"]


def test_unknown_settings_are_sentences(panes, texts):
    with pytest.raises(InputError, match="choose one of class"):
        manifold.frame(panes, names(8), texts, color_by="loss")
    with pytest.raises(InputError, match="known: test"):
        manifold.frame(panes, names(8), texts, parts=("train",))


def test_the_caption_says_what_besides_the_loss_differs(panes, texts):
    longer = panes[1]._replace(run=dataclasses.replace(panes[1].run, config=panes[1].run.config.model_copy(update={"epochs": 9})))
    table = manifold.frame([panes[0], longer], names(8), texts)
    said = manifold.caption(table, [panes[0], longer])
    assert re.search(r"Budgets differ \(epochs \d+ \(SoftTriple[^)]*\), 9 \(TripleEntropy[^)]*\)\): a better number may come from the training", said)
    assert "differ" not in manifold.caption(manifold.frame(panes[:2], names(8), texts), panes[:2])


def test_the_caption_says_whether_paper_or_code_was_followed(panes, texts):
    """Only G-Loss and SupCon know both forms; the third pane is G-Loss."""
    said = manifold.caption(manifold.frame(panes, names(8), texts), panes)
    assert "G-Loss + CE: as in the paper." in said
    assert said.count("as in the") == 1
    code = {setting.name: setting.authors for setting in LOSSES["g_loss"].settings if setting.authors is not None}
    run = dataclasses.replace(panes[2].run, config=panes[2].run.config.model_copy(update={"loss_settings": code}))
    changed = [*panes[:2], panes[2]._replace(run=run)]
    assert "G-Loss + CE: as in the authors' code." in manifold.caption(manifold.frame(changed, names(8), texts), changed)
