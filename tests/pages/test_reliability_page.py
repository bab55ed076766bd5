"""The Reliability page, and groups on Overview and Runs, through app.py: with nothing, with one run, with several groups on two data sets."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from group_homes import add_runs, dataset, several
from page_links import follow, links
from test_pages import charts, unescaped, words
from tray_cases import emptied, panels

from dmlviz.store.runs import Store


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Store:
    """Shared; nothing here changes it."""
    return several(tmp_path_factory.mktemp("groups") / "home")


def plain(app) -> str:
    return unescape(re.sub(r"\\(.)", r"\1", words(app)))


def tables(app, column: str) -> list:
    return [one.value for one in app.dataframe if column in one.value]


def of_data(store: Store, name: str) -> list[str]:
    return [run.id for run in store.runs() if run.id.startswith(name)]


def test_an_empty_store_has_a_sentence_and_a_button(visit):
    app = visit("reliability")
    assert "No finished run yet. Intervals and tests appear with the second draw" in words(app)
    follow(app, "Train a run")
    assert app.title[0].value == "What should be trained on what?"


def test_one_run_is_a_single_run_without_an_interval(visit, tmp_path):
    store = Store(tmp_path / "one")
    add_runs(store, dataset(), losses=("supcon",), shots=(4,), draws=1)
    app = visit("reliability", store.home)
    said = plain(app)
    assert not app.error
    assert "Every mark is a single run, so no interval can be given." in said
    assert "train cross-entropy with the same draws and seeds" in said
    assert "Nothing to compare: it takes two losses" in said
    assert "significant" not in said
    groups = visit("reliability", store.home, judge_tab="Groups")
    (table,) = tables(groups, "n")
    assert table["n"].tolist() == ["single run"]
    assert table["95 % interval"].isna().all()
    by_texts = visit("reliability", store.home, judge_tab="Groups", judge_interval="texts")
    assert tables(by_texts, "n")[0]["95 % interval"].str.fullmatch(r"\d+\.\d to \d+\.\d").all()


def test_curves_gains_and_tests_of_several_groups(visit, many):
    app = visit("reliability", many.home, runs=of_data(many, "odd")[:2])
    assert not app.error
    assert len(charts(app)) == 2
    said = plain(app)
    assert "Accuracy on the test part of odd against shots. Bands: Student's 95 % interval over draws (n = 5); dots: single runs." in said
    assert "Gain of accuracy over cross-entropy in percentage points" in said
    (table,) = tables(app, "sign-flip p")
    assert sorted(table["comparison"]) == [f"{name} − Cross-entropy" for name in ("G-Loss", "SupCon", "TripleEntropy")]
    assert set(table["n"]) == {5}
    assert set(table["in words"]) == {"5 draws cannot show it, 7 could"}
    runs = {run.id: run for run in many.runs()}
    cell = {(run.config.loss, run.config.support_seed): run.metrics["accuracy"] for run in runs.values()
            if run.id.startswith("odd") and run.config.shots == runs[of_data(many, "odd")[0]].config.shots}  # fmt: skip
    gain = 100 * np.mean([cell["supcon", draw] - cell["cross_entropy", draw] for draw in range(5)])
    assert table[table["comparison"].str.startswith("SupCon")]["difference"].iloc[0] == pytest.approx(gain)
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), name


def test_below_five_pairs_no_test_and_no_big_word(visit, tmp_path):
    store = Store(tmp_path / "three")
    add_runs(store, dataset(), shots=(4,), draws=3)
    app = visit("reliability", store.home)
    (table,) = tables(app, "in words")
    assert set(table["in words"]) == {"too few: 4 more draws needed (7 in all)"}
    assert not [name for name in table.columns if name.endswith(" p")]
    assert "significant" not in plain(app) + table.to_csv()


def test_eight_draws_can_be_told_apart(visit, tmp_path):
    store = Store(tmp_path / "eight")
    add_runs(store, dataset(), shots=(4,), draws=8, losses=("cross_entropy", "supcon"))
    app = visit("reliability", store.home)
    (table,) = tables(app, "in words")
    assert table["in words"].tolist() == ["significant at 5 %: SupCon is better"]
    assert table["sign-flip p"].iloc[0] == pytest.approx(2 / 2**8)


def test_every_interval_and_every_two_and_text_by_text(visit, many):
    ids = of_data(many, "odd")[:1]
    widths = {}
    for kind in ("student", "hierarchical", "texts"):
        app = visit("reliability", many.home, runs=ids, judge_interval=kind, judge_against="all", judge_pairwise=True)
        assert not app.error
        table = tables(app, "in words")[0]
        assert len(table) == 6
        widths[kind] = table["95 % interval"].tolist()
        inside = tables(app, "McNemar p")[0]
        assert len(inside) == 5
        assert inside["kappa"].between(-1, 1).all()
    assert len({tuple(own) for own in widths.values()}) == 3
    assert not any("–" in own for own in widths.values())


def test_two_data_sets_stand_side_by_side_and_are_ranked(visit, many):
    app = visit("reliability", many.home, judge=["even", "odd"])
    assert not app.error
    assert len(charts(app)) == 4  # two curves, the gains, the ranks
    assert "With 2 data sets no test is made: it takes 5." in plain(app)


def test_the_scope_is_in_the_address(visit, many):
    app = visit("reliability", many.home, judge=["even"], judge_losses=["SupCon", "Cross-entropy"], judge_readout="knn", judge_metric="macro_f1")
    assert dict(app.query_params)["judge"] in ("even", ["even"])
    assert dict(app.query_params)["judge_metric"] in ("Macro-F1", ["Macro-F1"], "macro_f1", ["macro_f1"])
    assert "Macro-F1 on the test part of even against shots, predictions by knn." in plain(app)
    assert len(tables(app, "in words")[0]) == 1


@pytest.mark.parametrize("tab", ["Tests", "Calibration", "Selective prediction", "Strata", "Errors", "Influence", "Groups"])
def test_every_section_draws(visit, many, tab):
    app = visit("reliability", many.home, runs=of_data(many, "odd")[:1], judge_tab=tab)
    assert not app.error, [one.value for one in app.error]
    assert [one.label for one in app.tabs if one.label == tab]
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), name


def test_its_pictures_go_into_the_tray_and_are_drawn_on_paper(visit, many):
    app = visit("reliability", emptied(many.home), runs=of_data(many, "odd")[:1], judge_metric="macro_f1", judge_readout="knn")
    for name in ("shots_curve", "gain_forest"):
        next(one for one in app.button if one.key == f"judge_{name}_add").click().run()
    specs = panels(many.home)
    assert [spec.name for spec in specs] == ["shots_curve", "gain_forest"]
    assert len(specs[0].run_ids) == 40
    app.switch_page("pages/figures.py").run()
    assert not app.error
    said = "\n".join(one.value for one in app.code)
    assert "Macro-F1 on the test part of odd against shots, predictions by knn." in said or "Gain of macro-F1 over cross-entropy" in said


def test_the_runs_of_a_group_go_into_the_comparison(visit, many):
    app = visit("reliability", many.home, runs=of_data(many, "odd")[:1], judge_tab="Groups")
    (table,) = tables(app, "n")
    assert set(table["n"]) == {"5 draws"}
    assert (table["draws"] == 5).all()
    assert [len(own) for own in table["each run"]] == [5] * len(table)


def test_overview_has_one_row_per_group(visit, many):
    app = visit("overview", many.home)
    table = app.dataframe[0].value
    assert len(table) == 2 * 2 * 4
    assert set(table["Runs"]) == {"5 draws, 5 seeds"}
    assert table["±"].gt(0).all()
    assert table[table["Loss"] == "Cross-entropy"]["Gain over CE"].isna().all()
    assert table[table["Loss"] != "Cross-entropy"]["± gain"].gt(0).all()
    assert [len(own) for own in table["Each run"]] == [5] * len(table)
    assert table["Shots"].tolist()[:8] == ["4 per class"] * 4 + ["8 per class"] * 4
    assert "80 runs in 16 groups" in plain(app)
    assert "A single run says little" not in plain(app)


def test_a_picked_run_says_what_its_group_gives(visit, many):
    app = visit("overview", many.home, runs=of_data(many, "odd")[:1])
    assert re.search(r"accuracy, single run\s+its group \d+\.\d ± \d+\.\d \(n = 5 draws\)", plain(app))


def test_a_selected_group_shows_its_runs_and_they_can_be_compared(visit, many, monkeypatch):
    import streamlit as st

    plainly = st.dataframe

    def first_row(data, *rest, key=None, **named):  # AppTest cannot click into a table
        made = plainly(data, *rest, key=key, **named)
        return {"selection": {"rows": [0], "columns": []}} if key in ("judge_groups", "runs_groups") else made

    monkeypatch.setattr(st, "dataframe", first_row)
    app = visit("reliability", many.home, runs=of_data(many, "odd")[:1], judge_tab="Groups")
    (inside,) = tables(app, "run")
    assert len(inside) == 5
    follow(app, "Compare these runs")
    assert len(app.session_state["runs"]) == 5
    runs = visit("runs", many.home, runs_rows="group")
    assert len(tables(runs, "Id")[0]) == 5
    assert "Compare these runs" in links(runs)


def test_overview_says_single_run(visit, home):
    app = visit("overview", home.store.home)
    assert set(app.dataframe[0].value["Runs"]) == {"single run"}
    assert app.dataframe[0].value["±"].isna().all()
    assert "A single run says little" in plain(app)


def test_runs_can_be_listed_group_by_group(visit, many):
    app = visit("runs", many.home, runs_rows="group")
    table = app.dataframe[0].value
    assert len(table) == 16
    assert set(table["Runs"]) == {"5 draws, 5 seeds"}
    assert set(table["State"]) == {"finished"}
    assert "16 groups of 80 runs" in plain(app)
    one = visit("runs", many.home)
    assert len(one.dataframe[0].value) == 80


def test_groups_with_unfinished_runs_count_the_finished_ones(visit, tmp_path):
    store = Store(tmp_path / "some")
    add_runs(store, dataset(), losses=("supcon",), shots=(4,), draws=3)
    add_runs(store, dataset(), losses=("g_loss",), shots=(4,), draws=2, state="failed")
    table = visit("runs", store.home, runs_rows="group").dataframe[0].value
    assert sorted(table["State"]) == ["failed", "finished"]
    assert table[table["State"] == "failed"]["Accuracy %"].isna().all()
    assert table[table["State"] == "finished"]["Runs"].tolist() == ["3 draws, 3 seeds"]
