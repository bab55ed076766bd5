"""Pictures of reliability: the frame holds what is drawn, paper is exact and whole, names from data are shown as themselves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from reliability_cases import made, texts_of

from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.core.types import InputError
from dmlviz.export.files import Provenance, figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.base.presets import PRESETS
from dmlviz.figures.base.theme import DARK, LIGHT, loss_color, readable
from dmlviz.figures.reliability import confusion, errors_shared

NAMES = ("calibration", "risk_coverage", "strata", "confusion", "errors_shared")
HOSTILE = ("<b>one</b>", "$x$ %{y}", "**three**", "four 日本")
LOSSES = ("cross_entropy", "supcon", "g_loss")


@pytest.fixture(scope="module")
def outcomes():
    """Three groups: five draws, two draws, a single run."""
    wanted = [(k, loss, draw) for k, (loss, draws) in enumerate(zip(LOSSES, (5, 2, 1), strict=True)) for draw in range(draws)]
    return [made(10 * k + draw, loss=loss, support_seed=draw, classes=4, skill=1 + k) for k, loss, draw in wanted]


@pytest.fixture(scope="module")
def dataset(outcomes):
    return texts_of(outcomes[0], HOSTILE)


def needs(name, outcomes, dataset):
    return [outcomes, dataset] if "dataset" in FIGURES[name].needs else [outcomes]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["acl-column", "double"])
def test_paper_is_as_wide_as_asked_and_its_words_are_whole(outcomes, dataset, name, preset):
    entry = FIGURES[name]
    table = entry.frame(*needs(name, outcomes, dataset))
    figure = entry.paper(table, PRESETS[preset])
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(PRESETS[preset].width_mm)
    written = [one for one in figure.findobj(lambda a: hasattr(a, "get_fontsize") and a.get_text()) if one.get_visible()]
    assert min(one.get_fontsize() for one in written) >= 6
    data = figure_bytes(figure, "pdf", provenance=Provenance("t", "c", ("x",)))
    assert io.BytesIO(data).read(5) == b"%PDF-"
    assert b"/Type3" not in data
    width, height = figure.canvas.get_width_height()
    for one in written:
        box = one.get_window_extent()
        assert box.x0 > -3, one.get_text()
        assert box.x1 < width + 3, one.get_text()
        assert box.y0 > -3, one.get_text()
        assert box.y1 < height + 3, one.get_text()


@pytest.mark.parametrize("name", NAMES)
def test_caption_and_alt_say_n_and_of_which_runs(outcomes, dataset, name):
    entry = FIGURES[name]
    table = entry.frame(*needs(name, outcomes, dataset))
    caption = entry.caption(table, outcomes)
    assert "n = 5 draws" in caption
    assert f"single run ({outcomes[-1].run.id})" in caption
    assert ("Student's over draws" in caption) == (name in ("calibration", "risk_coverage", "strata"))  # elsewhere nothing has an interval here
    assert entry.alt(table).endswith(".")
    assert "nan" not in caption + entry.alt(table)
    assert entry.notes(table) == [] or name == "confusion"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda one: one.name)
def test_the_screen_is_transparent_and_nothing_from_data_is_markup(outcomes, dataset, name, theme):
    entry = FIGURES[name]
    table = entry.frame(*needs(name, outcomes, dataset))
    for pane in dict.fromkeys(table["pane"]):
        made_figure = entry.screen(table, pane, theme=theme)
        said = made_figure.to_json()
        assert made_figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
        for bad in ("<b>one", "%{y}", "$x$"):
            assert bad not in said
        assert all("**three**" not in str(one.hovertemplate) for one in made_figure.data)


def test_lines_and_points_have_the_losses_colours(outcomes, dataset):
    for name in ("risk_coverage", "strata"):
        table = FIGURES[name].frame(*needs(name, outcomes, dataset))
        drawn = [one for one in FIGURES[name].screen(table).data if one.name]
        assert [one.line.color for one in drawn] == [readable(loss_color(loss), LIGHT.ground, 3.0) for loss in LOSSES]
        assert len({(one.marker.symbol, one.line.dash) for one in drawn}) == 3  # colour is not the only key


def test_the_reliability_diagram_is_its_frame(outcomes):
    entry = FIGURES["calibration"]
    table = entry.frame(outcomes)
    pane = table["pane"].iloc[0]
    bins = table[(table["pane"] == pane) & (table["kind"] == "bin")].sort_values("confidence")
    drawn = entry.screen(table, pane)
    assert list(drawn.data[1].x) == pytest.approx(bins["confidence"].tolist())
    assert list(drawn.data[1].y) == pytest.approx(bins["accuracy"].tolist())
    assert sum(drawn.data[2].y) == pytest.approx(120)  # every test text is in one bar
    assert bins["n"].sum() == pytest.approx(120)
    assert f"ECE {bins['ece'].iloc[0]:.3f}; by chance {bins['chance'].iloc[0]:.3f}" in drawn.layout.annotations[0].text
    scaled = entry.frame(outcomes, scaled=True)
    assert scaled["scaled"].all()
    assert "after temperature scaling" in entry.caption(scaled, outcomes)
    with pytest.raises(InputError, match="takes 10 or more"):
        entry.frame([made(0, validation=3)], scaled=True)
    with pytest.raises(InputError, match="no binning 'odd'"):
        entry.frame(outcomes, binning="odd")


def test_risk_ends_at_the_error_rate(outcomes):
    entry = FIGURES["risk_coverage"]
    table = entry.frame(outcomes, signal="margin")
    for side in sides(outcomes):
        rows = table[table["pane"] == side.runs[0].id]
        errors = [1 - (one.scores(one.test).argmax(axis=1) == one.labels(one.test)).mean() for one in side.outcomes]
        assert rows["risk"].iloc[-1] == pytest.approx(np.mean(errors))
        assert len(rows) == 100
    with pytest.raises(InputError, match="none of these runs has the cosine"):
        entry.frame(outcomes, signal="centre_distance")


@pytest.mark.parametrize("by", ["distance", "length", "frequency", "purity"])
def test_strata_hold_every_test_text_once(outcomes, dataset, by):
    table = FIGURES["strata"].frame(outcomes, dataset, by=by)
    assert table.groupby("pane")["n"].sum().tolist() == pytest.approx([120] * 3)
    drawn = FIGURES["strata"].screen(table)
    assert len(drawn.layout.xaxis.ticktext) == table["stratum"].nunique()
    words = FIGURES["strata"].caption(table, outcomes)
    assert ("arXiv 2211.15195" in words) == (by in ("distance", "length"))


def test_rows_of_the_confusion_matrix_are_whole(outcomes, dataset):
    table = confusion.frame(outcomes, dataset)
    for _, rows in table.groupby(["pane", "row"]):
        assert rows["share"].sum() == pytest.approx(1)
    orders = table.groupby("pane")["gold"].apply(lambda names: list(dict.fromkeys(names)))
    assert orders.map(tuple).nunique() == 1  # the same order in every pane
    by_name = confusion.frame(outcomes, dataset, order="name")
    assert list(dict.fromkeys(by_name["gold"])) == sorted(HOSTILE)
    few = confusion.frame(outcomes, dataset, most=2.0)
    assert few["left_out"].eq(2).all()
    assert list(dict.fromkeys(few["gold"]))[-1] == "2 other classes"
    assert few.groupby("pane")["texts"].sum().tolist() == pytest.approx([120] * 3)
    assert not few[(few["row"] == 2)]["right"].any()
    assert few[few["among_others"]].groupby("pane").size().tolist() == [1] * 3
    assert np.asarray(confusion.screen(few, few["pane"].iloc[0]).data[0].z)[2, 2] == 0  # right and wrong mingle there: no colour
    with pytest.raises(InputError, match="most='many' is no number of classes"):
        confusion.frame(outcomes, dataset, most="many")
    drawn = confusion.screen(table, table["pane"].iloc[0])
    assert np.asarray(drawn.data[0].z).shape == (4, 4)
    assert (np.asarray(drawn.data[0].z).diagonal() >= 0).all()


def test_shared_errors_are_bars_and_dots(outcomes):
    entry = FIGURES["errors_shared"]
    table = entry.frame(outcomes)  # one draw is common to all three
    bars = table.drop_duplicates("set")
    assert bars["repetitions"].eq(1).all()
    assert bars["texts"].sum() + bars["right_by_all"].iloc[0] == pytest.approx(120)
    assert bars["texts"].is_monotonic_decreasing
    drawn = entry.screen(table)
    assert list(drawn.data[0].y) == bars["texts"].tolist()
    filled = sum(color != "rgba(0,0,0,0)" for one in drawn.data[2:] for color in one.marker.color)
    assert filled == table["member"].sum()
    with pytest.raises(InputError, match="choose 2 to 6"):
        entry.frame(outcomes[:5])
    perfect = [made(0, skill=60), made(1, skill=60, loss="supcon", support_seed=0)]
    nothing = errors_shared.frame(perfect)
    assert nothing.empty
    assert "No test text is wrong" in errors_shared.caption(nothing, perfect)
    assert errors_shared.screen(nothing).layout.annotations[0].text == "No test text is wrong in any of these runs"
    assert errors_shared.paper(nothing, PRESETS["acl-column"])


def test_many_panes_stay_on_the_sheet(outcomes, dataset):
    figure = confusion.paper(confusion.frame(outcomes, dataset), PRESETS["acl-column"])
    assert figure.get_size_inches()[1] * 25.4 <= PRESETS["acl-column"].most_height_mm


def test_fifty_two_classes_can_be_read():
    outcomes = [made(0, classes=52, n=900, dim=60, skill=1.5)]
    names = tuple(f"class {i:02d} with a long name" for i in range(52))
    table = confusion.frame(outcomes, texts_of(outcomes[0], names))
    assert table["row"].max() == 20
    assert "32 less confused classes" in confusion.caption(table, outcomes)
    figure = confusion.paper(table, PRESETS["acl-column"])
    assert min(one.get_fontsize() for one in figure.findobj(lambda a: hasattr(a, "get_fontsize") and a.get_text())) >= 6
