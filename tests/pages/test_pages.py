"""Every page, through app.py: with nothing, with runs, and with what people type."""

from __future__ import annotations

import gzip
import json
import re
import shutil

import pytest
import waiting
from page_links import follow, links
from tray_cases import emptied, panels

from dmlviz.export.bundle.jobs import bundles
from dmlviz.export.tray import change_tray, tray
from dmlviz.losses import LOSSES

HOSTILE = ["<script>alert(1)</script>", "😀 emoji", "عربي", "**bold**", "$x$", ":red[x]", "日本語"]
EMPTY = {
    "overview": (r"Runs are kept in .*Nothing leaves this machine", "Train the first runs"),
    "train": (r"Reuters R8 \(8 newswire topics\) is a good first one", "Train"),
    "runs": (r"No runs yet\. Train some, or load a model below", "Train a run"),
    "manifold": (r"No finished run yet\. Maps appear as soon as the first run is trained", "Train a run"),
    "proxies": (r"No finished run yet\. Centres appear among the texts", "Train a run"),
    "graph": (r"No finished run yet\. The similarity graph of its texts appears", "Train a run"),
    "reliability": (r"No finished run yet\. Intervals and tests appear", "Train a run"),
    "figures": (r"The tray is empty\. Every picture has an “Add to figures” button", "Go to the maps"),
}
PAGES = tuple(EMPTY)


def words(app) -> str:
    """Everything a page says in Markdown, one block a line."""
    return "\n".join(str(one.value) for kind in ("title", "header", "markdown", "caption", "error", "warning", "info") for one in getattr(app, kind))


def unescaped(app) -> str:
    """What Markdown would take for markup: `words` without code and without what a backslash disarms."""
    return re.sub(r"\\.", "", re.sub(r"`[^`\n]*`", "", words(app)))


def button(app, label: str):
    return next(one for one in app.button if one.label == label)


def charts(app) -> list:
    return [one.proto for one in app.get("plotly_chart")]


def panes(app) -> list[str]:
    """Run ids of the linked maps, in order."""
    return [pane.pane for pane in app.session_state["select_on"]["marks"].panes]


def own_file(app, path: str):
    app.selectbox(key="train_data").set_value("own").run()
    return app.text_input(key="train_path").set_value(path).run()


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_has_a_sentence_and_a_button(visit, page):
    app = visit(page)
    sentence, label = EMPTY[page]
    assert re.search(sentence, words(app))
    assert button(app, label).disabled if page == "train" else not links(app)[label].disabled
    assert not app.error


def test_the_buttons_of_the_empty_pages_lead_on(visit):
    for page, label, title in [
        ("overview", "Train the first runs", "What should be trained on what?"),
        ("manifold", "Train a run", "What should be trained on what?"),
        ("figures", "Go to the maps", "Where do the texts land?"),
    ]:
        app = visit(page)
        assert follow(app, label).title[0].value == title


@pytest.mark.parametrize("page", PAGES)
def test_pages_with_runs_draw_and_escape_hostile_names(visit, home, page):
    app = visit(page, home.store.home, runs=home.hostile)
    assert not app.exception
    assert not app.error
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), (page, name)
    assert all("<script>" not in one.value for one in app.get("html"))
    assert not [one for one in app.markdown if one.allow_html and "script" in one.value]


def test_overview_and_runs_list_the_runs(visit, home):
    overview = visit("overview", home.store.home).dataframe[0].value
    assert sorted(overview["Loss"]) == sorted(LOSSES[n].title for n in ("cross_entropy", "triple_entropy", "g_loss"))
    assert set(overview["Data set"]) == {"odd", "tiny"}
    assert overview["Accuracy %"].between(0, 100).all()
    listed = visit("runs", home.store.home).dataframe[0].value
    assert sorted(listed["State"]) == ["failed", "finished", "finished", "finished"]
    assert set(listed["Id"]) == {run_id[-6:] for run_id in (*home.hostile, home.tiny, home.failed)}


def test_runs_can_be_filtered(visit, home):
    app = visit("runs", home.store.home)
    app.multiselect(key="runs_data").set_value(["odd"]).run()
    assert set(app.dataframe[0].value["Id"]) == {one[-6:] for one in home.hostile}
    app.multiselect(key="runs_state").set_value(["failed"]).run()
    assert app.dataframe[0].value.empty
    assert not app.exception


def test_a_failed_run_shows_its_sentence(visit, home):
    app = visit("train", home.store.home)
    message = home.store.run(home.failed).message
    assert "could not be loaded" in message
    assert re.sub(r"\\(.)", r"\1", words(app)).count(message) == 1
    assert any(one.key == f"train_resume_{home.failed}" for one in app.button)


def test_the_form_is_made_from_the_table(visit):
    app = visit("train")
    multiselect = app.get("button_group")[0]
    assert multiselect.value == ["cross_entropy", "triple_entropy", "g_loss"]
    assert multiselect.options == [entry.title for entry in LOSSES.values()]
    multiselect.set_value(list(LOSSES)).run()
    assert not app.exception
    keys = {one.key for kind in ("slider", "selectbox", "toggle", "number_input") for one in getattr(app, kind)}
    for name, entry in LOSSES.items():
        works = [one for one in entry.settings if one.only_when is None or entry.defaults[one.only_when[0]] in one.only_when[1]]
        assert {f"train_{name}_{setting.name}" for setting in works} == {key for key in keys if key.startswith(f"train_{name}_")} - {
            f"train_{name}_ce_weight"
        }
        assert (f"train_{name}_ce_weight" in keys) == (entry.loss_class is not None)


def test_a_setting_without_effect_is_not_asked_for(visit):
    app = visit("train")
    asked = {one.key for one in (*app.number_input, *app.selectbox)}
    assert "train_g_loss_sigma" not in asked
    assert "train_g_loss_median_of" in asked
    app.selectbox(key="train_g_loss_sigma_rule").set_value("fixed").run()
    asked = {one.key for one in (*app.number_input, *app.selectbox)}
    assert "train_g_loss_sigma" in asked
    assert "train_g_loss_median_of" not in asked


def test_what_would_hardly_learn_is_said_before_it_starts(visit, tiny_csv, tiny_encoder):
    app = own_file(visit("train"), str(tiny_csv))
    app.number_input(key="train_shots").set_value(2).run()
    assert any("5 centres per class but a class has 2 shots" in one.value for one in app.warning)


def test_a_paper_is_chosen_and_its_unknowns_are_said(visit, home):
    app = visit("train", home.store.home)
    app.selectbox(key="train_paper").set_value("g_loss_integrated").run()
    assert not app.exception
    assert "Whether the numbers come from the formula of the paper" in unescaped(app)
    assert app.multiselect(key="paper_losses_g_loss_integrated").value[:2] == ["CE", "SCL+CE"]
    assert any(one.label.startswith("Train these ") for one in app.button)
    app.multiselect(key="paper_losses_g_loss_integrated").set_value([]).run()
    assert "Choose a data set and a loss." in words(app)


def test_a_search_without_validation_texts_is_a_sentence(visit, tiny_csv, tiny_encoder):
    app = visit("train")
    assert button(app, "Start the search").disabled
    app = own_file(app, str(tiny_csv))
    app.text_input(key="train_encoder").set_value(str(tiny_encoder)).run()
    assert "The grid of paper 1" in unescaped(app) or "G-Loss" in unescaped(app)
    app.number_input(key="train_validation").set_value(0).run()
    button(app, "Start the search").click().run()
    assert not app.exception
    assert any("validation" in one.value for one in app.error)


def test_published_numbers_stand_beside_ours(visit, own_home):
    for run_id in own_home.hostile:  # as if these runs were of a data set that a paper reports
        folder = own_home.store.folder(run_id)
        written = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**written, "dataset": "r8"}))
    app = visit("overview", own_home.store.home)
    app.selectbox(key="overview_paper").set_value("g_loss_integrated").run()
    table = next(one.value for one in app.dataframe if "Published" in one.value)
    row = table[(table["Loss"] == "CE") & (table["Metric"] == "Accuracy %") & (table["Encoder"] == "bert-base-uncased")].iloc[0]
    ours = 100 * own_home.store.run(own_home.hostile[0]).metrics["accuracy"]
    assert (row["Published"], row["Interval"], row["n"]) == (97.57, "single run", 1)
    assert row["Ours"] == pytest.approx(ours)
    assert row["Difference"] == pytest.approx(ours - 97.57)
    assert "instead of bert-base-uncased" in re.sub(r"\\(.)", r"\1", words(app))


def broken(kind: str) -> tuple[str, bytes | None, str]:
    """(file name, content, the sentence a person reads)."""
    rows = b"text,label\n" + b"".join(b"some words %d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(400))
    return {
        "one class": ("one.csv", b"text,label\nsome words,a\nother words,a\nmore words,a\n", r"one\.csv: the only label is 'a'"),
        "no rows": ("none.csv", b"text,label\n", r"none\.csv has a header line only; add at least two texts"),
        "nothing": ("nothing.csv", b"", r"nothing\.csv is empty; a table with a text and a label column is needed"),
        "binary": ("binary.csv", bytes(range(256)) * 40, r"binary\.csv is not text: .*Save the table as CSV"),
        "truncated": ("cut.csv.gz", gzip.compress(rows)[:-200], r"cut\.csv\.gz is cut off: .*Copy or download the file again"),
        "one column": ("column.csv", b"words\nsome words\nother words\n", r"column\.csv has no text column .*its columns are 'words'"),
        "missing": ("missing.csv", None, r"There is no file or folder '.*missing\.csv'; check the path"),
    }[kind]


@pytest.mark.parametrize("kind", ["one class", "no rows", "nothing", "binary", "truncated", "one column", "missing"])
def test_a_broken_file_is_a_sentence(visit, tmp_path, kind):
    name, content, sentence = broken(kind)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    app = own_file(visit("train"), str(tmp_path / name))
    assert not app.exception
    assert len(app.error) == 1
    shown = re.sub(r"\\(.)", r"\1", app.error[0].value)
    assert re.search(sentence, shown), shown
    assert button(app, "Train").disabled


@pytest.mark.parametrize("kind", ["one class", "binary", "truncated"])
def test_a_broken_upload_is_a_sentence(visit, kind):
    name, content, sentence = broken(kind)
    app = visit("train")
    app.selectbox(key="train_data").set_value("upload").run()
    app.file_uploader[0].set_value((name, content, "text/csv")).run()
    assert not app.exception
    assert len(app.error) == 1
    assert re.search(sentence, re.sub(r"\\(.)", r"\1", app.error[0].value))


def test_a_column_that_is_not_there_is_a_sentence(visit, tiny_csv):
    app = own_file(visit("train"), str(tiny_csv))
    assert not app.error
    app.text_input(key="train_column_label").set_value("**topic**").run()
    assert not app.exception
    assert "topic" in app.error[0].value
    assert "**topic**" not in app.error[0].value


def test_too_many_shots_and_an_impossible_encoder_are_sentences(visit, tiny_csv, tiny_encoder):
    app = own_file(visit("train"), str(tiny_csv))
    app.number_input(key="train_shots").set_value(24).run()
    assert not app.exception
    assert "7 more are set aside for the test, 4 for validation; lower shots to 13" in app.error[0].value
    app.number_input(key="train_shots").set_value(2).run()
    app.text_input(key="train_encoder").set_value("no such / encoder").run()
    button(app, "Train").click().run()
    assert not app.exception
    assert "Hub id" in app.error[0].value


def test_a_file_with_hostile_names_is_shown_as_it_is(visit, hostile_csv, tiny_encoder):
    app = own_file(visit("train"), str(hostile_csv))
    assert not app.exception
    assert not app.error
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app)
    assert not button(app, "Train").disabled


def test_a_picked_run_that_is_gone_is_left_out(visit, home):
    app = visit("manifold", home.store.home, runs=[*home.hostile[:1], "odd-gone-2shot-d0-s0-000000", "../../etc"])
    assert not app.exception
    assert app.session_state["runs"] == [home.hostile[0]]
    assert panes(app) == [home.hostile[0]]


def test_manifold_shows_a_pane_per_run_in_the_order_of_the_address(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile[::-1])
    assert panes(app) == home.hostile[::-1]
    assert re.search(r"\d+ of \d+ texts in each map", words(app))
    assert set(HOSTILE) <= set(app.multiselect(key="focus").options)


def test_manifold_says_which_runs_it_leaves_out(visit, home):
    app = visit("manifold", home.store.home, runs=[*home.hostile, home.tiny])
    assert panes(app) == home.hostile
    sentence = "1 picked run is left out, on 'tiny': what is compared here needs the same texts, and the first run is on 'odd'."
    assert app.info[0].value.replace("\\", "") == sentence


@pytest.mark.parametrize(
    "setting",
    [
        {"map": "pca"}, {"colour": "prediction"}, {"colour": "correctness"}, {"colour": "part"}, {"colour": "confidence"},
        {"colour": "distortion"}, {"colour": "disagreement"}, {"part": "support"}, {"select": "find:cat"}, {"focus": HOSTILE[:2]},
        {"when": "epochs"}, {"below": "changed"}, {"below": "numbers"}, {"select": "class:" + HOSTILE[0]},
    ],
)  # fmt: skip
def test_manifold_draws_every_setting(visit, home, setting):
    app = visit("manifold", home.store.home, runs=home.hostile, **setting)
    assert not app.exception
    assert not app.error
    assert panes(app) == home.hostile
    for key, value in setting.items():
        if key in ("map", "colour", "part", "when"):
            assert app.selectbox(key=key).value == value


@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("method", ["pca", "umap"])
def test_three_dimensions_draw_a_turnable_map_for_each_run(visit, home, method, runs):
    """Where no UMAP of three dimensions is stored, the PCA of three stands in and the UMAP is offered."""
    app = visit("manifold", home.store.home, runs=home.hostile[:runs], map=method, dims="3")
    assert not app.exception
    assert not app.error
    assert str(app.selectbox(key="dims").value) == "3"
    drawn = [chart for chart in charts(app) if "scatter3d" in chart.spec]
    assert len(drawn) == runs
    assert any(one.key == "compute_maps" for one in app.button) is (method == "umap")
    assert not any(one.key == "manifold_add" for one in app.button)  # no paper: print cannot be turned


@pytest.mark.parametrize(
    ("colour", "runs", "why"),
    [
        ("lost", 2, "pre-trained encoder; add it as a pane"), ("disagreement", 1, "at least 2 runs"),
        ("reasons", 2, "explain some on the Attributions page"),
    ],
)  # fmt: skip
def test_a_colour_that_cannot_be_used_says_why_and_the_maps_stay(visit, home, colour, runs, why):
    app = visit("manifold", home.store.home, runs=home.hostile[:runs], colour=colour)
    assert not app.error
    (said,) = [one.value.replace("\\", "") for one in app.info if why in one.value.replace("\\", "")]
    assert said.endswith("The maps are coloured by class meanwhile.")
    assert panes(app) == home.hostile[:runs]
    options = app.selectbox(key="colour").options
    assert "class" in options
    assert any(option.endswith("(not here)") for option in options)


def test_what_changed_lists_texts_and_selects_them(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile, below="changed")
    table = app.dataframe[0].value
    assert list(table["change"]) == sorted(table["change"], reverse=True)
    assert len(table) == 28
    app.button(key="changed_top").click().run()
    assert not app.exception
    assert app.session_state["select"].startswith("rows:")
    assert "**28** of 28 texts" in unescaped(app)


def test_the_numbers_have_a_column_for_each_run(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile, below="numbers")
    checks, spaces = (one.value for one in app.dataframe[:2])
    assert list(checks.columns) == ["Measure", "Cross-entropy", "TripleEntropy"]
    assert {"Trustworthiness", "Continuity", "Neighbours kept"} <= set(checks["Measure"])
    assert len(spaces) >= 8


def test_a_map_with_other_settings_is_offered_and_not_made_unasked(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile, map="pacmap")
    assert "the PCA is shown" in app.info[0].value
    assert not app.button(key="compute_maps").disabled
    assert not (home.store.home / "desk").exists() or not list((home.store.home / "desk").glob("*/request.json"))


def test_a_selection_travels_and_can_be_cleared(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile, select="class:" + HOSTILE[0])
    assert "**4** of 28 texts" in words(app)
    app.switch_page("pages/overview.py").run()
    assert "**4** of 28 texts" in words(app)
    app.button(key="select_clear").click().run()
    assert "**4** of 28 texts" not in words(app)
    assert "select" not in app.query_params


def test_a_selection_is_saved_offered_again_and_deleted(visit, own_home):
    """On another page and in another session too; a name that wants to be markup stays a name."""
    folder, name = own_home.store.home, "<b>**wrong**</b> $x$"
    app = visit("manifold", folder, runs=own_home.hostile, select="find:cat")
    count = len(app.dataframe[0].value) and re.search(r"\*\*(\d+)\*\* of", words(app))[1]
    app.text_input(key="slice_name").set_value(name).run()
    app.button(key="slice_save").click().run()
    assert not app.exception
    assert app.selectbox(key="slice_pick").value == name
    app.button(key="select_clear").click().run()
    assert app.selectbox(key="slice_pick").value is None
    assert not any(one.key == "slice_delete" for one in app.button)
    other = visit("proxies", folder, runs=own_home.hostile)
    assert other.selectbox(key="slice_pick").options == [name]
    other.selectbox(key="slice_pick").set_value(name).run()
    assert f"**{count}** of" in words(other)
    assert "<b>" not in unescaped(other)
    other.button(key="slice_delete").click().run()
    assert not other.exception
    assert not any(one.key == "slice_pick" for one in other.selectbox)
    assert f"**{count}** of" in words(other)  # what is selected stays selected


def test_a_slice_without_a_name_is_a_sentence(visit, own_home):
    app = visit("manifold", own_home.store.home, runs=own_home.hostile, select="find:cat")
    app.button(key="slice_save").click().run()
    assert any("1 to 60 characters" in re.sub(r"\\(.)", r"\1", one.value) for one in app.warning)
    assert not (own_home.store.home / "slices").exists()


@pytest.mark.parametrize("line", ["class:none such", "area:a,b,umap,test:1,2", "flip:x,y", "<script>", "regex:("])
def test_a_selection_that_means_nothing_here_is_a_sentence(visit, home, line):
    app = visit("manifold", home.store.home, runs=home.hostile, select=line)
    assert not app.exception
    assert len(app.sidebar.warning) == 1


@pytest.mark.parametrize("runs", ["<script>", "…" * 99, ["a", "b"], ""])
def test_odd_addresses_do_no_harm(visit, home, runs):
    first = visit("overview", home.store.home)
    app = type(first).from_file(first._script_path, default_timeout=60)
    app.query_params["runs"] = runs
    app.run()
    assert not app.exception
    assert app.session_state["runs"] == []


def test_the_address_holds_ids_and_a_link_picks_them(visit, home):
    first = visit("overview", home.store.home)
    assert "runs" not in first.query_params
    app = type(first).from_file(first._script_path, default_timeout=60)
    app.query_params["runs"] = ",".join([home.tiny, "odd-gone-2shot-d0-s0-000000"])
    app.run()
    assert app.session_state["runs"] == [home.tiny]
    assert app.query_params["runs"] in (home.tiny, [home.tiny])  # as written, or as a list after the widget was touched
    assert "1 of the address's runs is not in this home" in words(app)
    app.sidebar.multiselect[0].set_value(home.hostile).run()  # the picker wins over the address it wrote itself
    assert app.query_params["runs"] in (",".join(home.hostile), [",".join(home.hostile)])
    assert app.session_state["runs"] == home.hostile
    assert "not in this home" not in words(app)


def test_search_fills_the_table_of_texts(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile, select="find:no such word")
    assert not app.dataframe
    app.text_input(key="find").set_value("DOG").run()
    table = next(one.value for one in app.dataframe if "text" in one.value)
    assert len(table) == 28
    assert set(table["class"]) == set(HOSTILE)


def test_a_few_selected_texts_have_no_interval_of_their_mean_and_n_is_shown(visit, home):
    """A mean confidence of two texts once had an interval from -0.94 to 2.50."""
    run = home.store.run(home.hostile[0])
    rows = home.store.split(run.id).test[:2]
    app = visit("manifold", home.store.home, runs=home.hostile, select="rows:" + ",".join(map(str, rows)))
    table = next(one.value for one in app.dataframe if "difference" in one.value).set_index(["run", "what"])
    first = table.loc[table.index.get_level_values("what") == "confidence"].iloc[0]
    assert re.fullmatch(r"0\.\d\d", first["selected"])
    assert re.fullmatch(r"2 / \d+", first["n"])
    assert re.fullmatch(r"\d+\.\d \(\d+\.\d to \d+\.\d\)", table.loc[table.index.get_level_values("what") == "accuracy %"].iloc[0]["selected"])
    assert "a mean of fewer than 5 texts has none" in words(app)


def test_a_map_goes_to_the_tray_and_to_paper(visit, home):
    app = visit("manifold", emptied(home.store.home), runs=home.hostile)
    button(app, "Add to figures").click().run()
    app.switch_page("pages/figures.py").run()
    assert not app.exception
    assert not app.error
    pgf = ["PGF"] if shutil.which("pdflatex") else []
    assert [one.label for one in app.get("download_button")] == ["PDF", "SVG", "PNG", "HTML", *pgf, "CSV", "JSON", "LaTeX", "CSV", "Markdown"]
    assert "TripleEntropy" in app.button(key="tray_pick_0").label
    assert "Ready for print" in words(app)


def test_figures_are_ordered_combined_changed_and_taken_apart(visit, home):
    app = visit("manifold", emptied(home.store.home), runs=home.hostile)
    button(app, "Add to figures").click().run()
    app.switch_page("pages/graph.py").run()
    button(app, "Add graphs").click().run()
    assert [panel.name for panel in panels(home.store.home)] == ["manifold", "graph"]
    app.switch_page("pages/figures.py").run()
    app.button(key="tray_up").click().run()
    assert [panel.name for panel in panels(home.store.home)] == ["graph", "manifold"]
    app.multiselect(key="tray_combine").set_value([1, 0]).run()
    app.button(key="tray_join").click().run()
    (sheet,) = tray(home.store.home)
    assert [panel.name for panel in sheet.panels] == ["manifold", "graph"]
    chosen = {"Preset": ("preset", "acl-text"), "Font": ("family", "sans"), "Palette": ("palette", "grey"), "Columns": ("columns", 1)}
    for label, (field, value) in chosen.items():
        next(one for one in app.selectbox if one.label == label).set_value(value).run()
        assert not app.exception
        assert getattr(tray(home.store.home)[0], field) == value
    next(one for one in app.text_area if one.label.startswith("Caption")).set_value("Own words.")
    next(one for one in app.button if one.label == "Apply").click().run()
    assert app.code[0].value == "Own words."
    next(one for one in app.selectbox if one.label == "Preset").set_value("custom").run()
    assert tray(home.store.home)[0].preset == "custom:120mm"
    app.button(key="tray_apart").click().run()
    assert [panel.name for panel in panels(home.store.home)] == ["manifold", "graph"]
    app.button(key="tray_remove").click().run()
    assert len(panels(home.store.home)) == 1
    app.button(key="tray_clear").click().run()
    assert "The tray is empty" in words(app)


def test_the_tray_is_there_after_a_reload(visit, home):
    app = visit("manifold", emptied(home.store.home), runs=home.hostile)
    button(app, "Add to figures").click().run()
    again = visit("figures", home.store.home)
    assert again.header[0].value == "Tray (1)"


def test_tables_take_the_choices_of_the_command_line(visit, home):
    app = visit("figures", emptied(home.store.home), runs=home.hostile)

    def tables(app) -> str:
        return "\n".join(str(one.value) for one in app.markdown if "|" in str(one.value))

    def chosen(**values: str) -> str:
        for key, value in values.items():
            app.selectbox(key=f"table_{key}").set_value(value).run()
            assert not app.exception
            assert not app.error
        return words(app)

    assert "Accuracy in per cent" in words(app)
    assert "Macro-F1 in per cent" in chosen(metric="macro_f1")
    assert "predictions by" not in words(app)
    assert "predictions by knn" in chosen(readout="knn")
    assert chosen(name="calibration") != chosen(readout="")
    by_run = chosen(name="centers")
    assert chosen(by="class").count("\n") > by_run.count("\n")
    assert chosen(part="support") != by_run
    app.selectbox(key="table_name").set_value("published").run()
    app.selectbox(key="table_protocol").set_value("g_loss_standalone").run()
    assert not app.exception
    assert [one.value for one in app.error]  # none of these runs fits it: a sentence
    app.selectbox(key="table_name").set_value("datasets").run()
    assert len(app.selectbox(key="table_whose").options) == 2
    assert "tiny" not in tables(app)
    app.selectbox(key="table_whose").set_value("every").run()
    assert "tiny" in tables(app)
    app.selectbox(key="table_width").set_value("acl-column").run()
    assert not app.exception


def test_a_bundle_is_asked_for_watched_and_deleted(visit, own_home):
    app = visit("manifold", emptied(own_home.store.home), runs=own_home.hostile)
    button(app, "Add to figures").click().run()
    app.switch_page("pages/figures.py").run()
    app.button(key="bundle_make").click().run()
    (asked,) = bundles(own_home.store.home)
    assert asked.state == "running"
    assert app.button(key="bundle_make").disabled
    assert button(app, "Cancel")
    made = waiting.until(lambda: (one := bundles(own_home.store.home)[0]).state != "running" and one, 120, "the bundle")
    assert made.state == "finished", made.lines
    app.run()
    assert not app.exception
    assert not app.button(key="bundle_make").disabled
    assert any(one.label.startswith(f"Bundle of {made.name} (") for one in app.get("download_button"))
    app.button(key=f"bundle_delete_{made.name}").click().run()
    assert bundles(own_home.store.home) == []

    # one that fails says why, and its traces can be removed
    change_tray(own_home.store.home, lambda sheets: [sheets[0].model_copy(update={"title": "Later deleted"})])
    own_home.store.delete(own_home.hostile[0])
    app.run()
    app.button(key="bundle_make").click().run()
    failed = waiting.until(lambda: (one := bundles(own_home.store.home)[0]).state != "running" and one, 120, "the bundle")
    assert failed.state == "failed"
    app.run()
    assert any(own_home.hostile[0] in re.sub(r"\\(.)", r"\1", one.value) for one in app.error)
    app.button(key=f"bundle_delete_{failed.name}").click().run()
    assert bundles(own_home.store.home) == []
    assert not app.exception


def test_a_figure_whose_run_was_deleted_is_a_sentence(visit, own_home):
    app = visit("manifold", emptied(own_home.store.home), runs=own_home.hostile)
    button(app, "Add to figures").click().run()
    own_home.store.delete(own_home.hostile[0])
    app.switch_page("pages/figures.py").run()
    assert not app.exception
    assert "was deleted; remove the figure from the tray" in re.sub(r"\\(.)", r"\1", app.error[0].value)


def test_a_run_queued_from_the_form_has_the_form_s_settings(visit, store, tiny_csv, tiny_encoder, monkeypatch):
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)  # stays in the queue
    app = own_file(visit("train", store.home), str(tiny_csv))
    app.text_input(key="train_encoder").set_value(str(tiny_encoder)).run()
    app.number_input(key="train_shots").set_value(3).run()
    app.number_input(key="train_epochs").set_value(7).run()
    app.number_input(key="train_max_length").set_value(20).run()
    button(app, "Train").click().run()
    assert not app.exception
    assert not app.error
    runs = store.runs()
    assert sorted(run.config.loss for run in runs) == ["cross_entropy", "g_loss", "triple_entropy"]
    assert {(run.config.shots, run.config.epochs, run.config.max_length, run.config.encoder) for run in runs} == {(3, 7, 20, str(tiny_encoder))}
    assert words(app).count("waiting for a free slot") == 3
    app.button(key=f"train_cancel_{runs[0].id}").click().run()
    assert store.run(runs[0].id).state == "cancelled"
    assert not app.exception


def test_a_damaged_run_folder_is_said_and_the_others_stay(visit, own_home):
    (own_home.store.folder(own_home.tiny) / "status.json").write_text("{", encoding="utf-8")
    app = visit("runs", own_home.store.home)
    assert own_home.tiny in re.sub(r"\\(.)", r"\1", app.warning[0].value)
    assert len(app.dataframe[0].value) == 3


def test_overview_compares_one_readout_over_all_runs(visit, home):
    app = visit("overview", home.store.home)
    table = app.dataframe[0].value
    assert set(table["Readout"]) <= {"head", "centers"}
    app.selectbox(key="overview_readout").set_value("linear_probe").run()
    table = app.dataframe[0].value
    assert set(table["Readout"]) == {"linear probe"}
    for run_id in home.hostile:
        run = home.store.run(run_id)
        row = table[table["Loss"] == {"cross_entropy": "Cross-entropy", "triple_entropy": "TripleEntropy"}[run.config.loss]]
        assert row["Accuracy %"].iloc[0] == pytest.approx(100 * run.metrics["linear_probe_accuracy"])


def test_unequal_runs_are_said_to_be_unequal_on_every_page(visit, own_home):
    folder = own_home.store.folder(own_home.hostile[1])
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**written, "epochs": 7}))
    for page in ("overview", "manifold", "runs"):
        app = visit(page, own_home.store.home, runs=own_home.hostile)
        assert "Budgets differ" in unescaped(app) or any("Budgets differ" in one.value for one in app.warning)
    app = visit("manifold", own_home.store.home, runs=own_home.hostile[:1])
    assert not app.warning


def test_an_address_that_names_billions_of_rows_selects_those_that_there_are(visit, home):
    app = visit("manifold", home.store.home, runs=home.hostile)
    app.query_params["select"] = "rows:" + ",".join(["0-9999999"] * 33)
    app.run()
    assert not app.exception
    total = len(home.store.split(home.hostile[0]).row_ids)
    assert f"**{total:,}** of {total:,} texts" in " ".join(one.value for one in app.sidebar.markdown)
    app.query_params["select"] = "rows:" + ",".join(map(str, range(2000)))
    app.run()
    assert not app.exception
    assert any("has more than 1,800 signs and is not used" in one.value for one in app.sidebar.warning)
    app.query_params["text"] = "9" * 5000
    app.switch_page("pages/attributions.py").run()
    assert not app.exception
