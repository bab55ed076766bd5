"""The Attributions page, through app.py: with nothing, with stored attributions, with a changed text, and where nothing can be said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from page_links import follow
from test_pages import button, unescaped, words
from tray_cases import emptied, panels

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.analysis.map_kinds import load_panes, map_values
from dmlviz.jobs import tasks
from dmlviz.store.attributions import attributions_folder, stored_attributions, stored_sanity
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def explained(home):
    """The shared home with twelve texts of each hostile run explained by the command line."""
    command = [sys.executable, "-m", "dmlviz", "attribute", "--home", str(home.store.home), "--runs", ",".join(home.hostile), "--texts", "12"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def asleep(monkeypatch):
    """Nobody is woken, and the page does not wait."""
    monkeypatch.setattr("dmlviz.jobs.tasks.wake", lambda store: None)
    monkeypatch.setattr("dmlviz.ui.attributions.one_text.WAIT_SECONDS", 0.0)


def html(app) -> str:
    return "\n".join(str(one.proto.body) for one in app.get("html"))


def plain(app) -> str:
    """What the page says, without the escapes."""
    return unescape(re.sub(r"\\(.)", r"\1", words(app)))


def shown_texts(app) -> list[str]:
    """The highlighted text of every row, as a person reads it."""
    rows = re.findall(r'<div dir="auto"[^>]*>(.*?)</div>', html(app), flags=re.S)
    return ["".join(unescape(re.sub(r"<[^>]+>", "", re.sub(r"<sup[^>]*>.</sup>", "", row))).split()) for row in rows]


def test_an_empty_store_has_a_sentence_and_a_button(visit):
    app = visit("attributions")
    assert "No finished run yet. The words behind its predictions" in words(app)
    follow(app, "Train a run")
    assert app.title[0].value == "What should be trained on what?"


def test_stored_attributions_are_shown_run_by_run_and_over_many_texts(visit, explained, asleep):
    store, first = explained.store, explained.hostile[0]
    row = next(iter(stored_attributions(store, first, "ig")))
    app = visit("attributions", store.home, runs=explained.hostile, why_row_all=row)
    assert not app.error
    text = store.dataset(store.run(first).config.dataset_hash).texts[row]
    assert shown_texts(app) == ["".join(text.split()).removesuffix("**$x$")] * 2  # these runs read 16 tokens
    assert plain(app).count("5 characters behind them are cut") == 2
    assert html(app).count("reliable") + html(app).count("doubtful") >= 2
    assert "12 texts" in plain(app)
    assert [tab.label for tab in app.tabs] == ["Words of a class", "Faithfulness", "Agreement", "Sanity", "By loss"]
    table = next(one.value for one in app.dataframe if "Stability" in one.value)
    assert table["Texts"].tolist() == ["12", "12"]
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), name
    assert "<script>" not in html(app)


def test_a_word_is_found_in_the_texts_it_stands_in(visit, explained, asleep):
    app = visit("attributions", explained.store.home, runs=explained.hostile, why_word="CAT")
    table = next(one.value for one in app.dataframe if "Weight, %" in one.value)
    assert len(table) == 2 * 12  # it stands in every text
    button(app, "Select these texts").click().run()
    assert app.session_state["select"].startswith("rows:")
    nowhere = visit("attributions", explained.store.home, runs=explained.hostile, why_word="walrus")
    assert "stands in none of the explained texts" in words(nowhere)


def test_a_changed_text_is_asked_about_and_answered(visit, own_home, asleep):
    store = own_home.store
    app = visit("attributions", store.home, runs=own_home.hostile)
    box = next(one for one in app.text_area if one.label.startswith("The text"))
    box.set_value("a cat & <b>dog</b>").run()
    assert "The words are weighed" in words(app)
    (ticket,) = [one for one in tasks.all_tickets(store) if one.request.get("text") == "a cat & <b>dog</b>"]
    assert ticket.request["row"] is None
    tasks.work(store, idle=0.1)
    app.run()
    assert shown_texts(app) == ["acat&<b>dog</b>"] * 2
    assert not stored_attributions(store, own_home.hostile[0], "ig").get(-1)
    box = next(one for one in app.text_area if one.label.startswith("The text"))
    box.set_value("  ").run()
    assert "Write a text, or pick one" in words(app)


def test_a_job_is_started_told_and_cancelled(visit, own_home, asleep):
    store = own_home.store
    app = visit("attributions", store.home, runs=own_home.hostile)
    button(app, "Explain").click().run()
    (ticket,) = tasks.attribution_tickets(store, own_home.hostile)
    assert ticket.open
    assert len(ticket.request["rows"]) == min(25, len(store.split(own_home.hostile[0]).test))
    next(one for one in app.button if one.key == "why_cancel").click().run()
    assert [one.state for one in tasks.attribution_tickets(store, own_home.hostile)] == ["cancelled"]


def agreement_tables(app) -> list:
    return [one.value for one in app.dataframe if "Differ in" in one.value]


def test_a_lone_run_is_compared_between_baselines(visit, explained, tmp_path, asleep):
    store = Store(shutil.copytree(explained.store.home, tmp_path / "based"))
    first, second = explained.hostile
    app = visit("attributions", store.home, runs=[first])
    assert "or two baselines of a run" in plain(app)
    assert not agreement_tables(app)
    next(one for one in app.selectbox if one.key == "why_other_baseline").set_value(AttributionKind(baseline="mask")).run()
    next(one for one in app.button if one.key == "why_baseline_start").click().run()
    (ticket,) = tasks.attribution_tickets(store, [first])
    assert ticket.kind == "ig+mask"
    assert ticket.request["rows"] == sorted(stored_attributions(store, first, "ig"))
    assert ticket.run_ids == (first,)
    tasks.work(store, idle=0.1)
    app = visit("attributions", store.home, runs=[first])
    assert not app.error
    whole, classes = agreement_tables(app)
    assert whole["Differ in"].tolist() == ["baseline"]
    assert whole["Pairs"].tolist() == [1]
    assert set(classes["Differ in"]) == {"baseline"}
    assert "between two baselines" in plain(app)
    assert "Agreement takes two runs" not in plain(app)
    both = visit("attributions", store.home, runs=[first, second])
    assert agreement_tables(both)[0]["Differ in"].tolist()[-1] == "baseline"
    assert "Between two baselines of one run" in plain(both)
    next(one for one in both.selectbox if one.key == "why_other_baseline").set_value(AttributionKind(baseline="mask")).run()
    next(one for one in both.button if one.key == "why_baseline_start").click().run()
    asked = [one for one in tasks.attribution_tickets(store, [second]) if one.open]
    assert [one.run_ids for one in asked] == [(second,)]  # the first run has them


def test_runs_that_never_explain_one_class_are_told_so(visit, explained, asleep):
    found = [stored_attributions(explained.store, run_id, "ig") for run_id in explained.hostile]
    shared = [row for row in found[0] if row in found[1] and found[0][row].class_id == found[1][row].class_id]
    app = visit("attributions", explained.store.home, runs=explained.hostile)
    if shared:  # what these barely trained runs predict depends on the machine
        whole, classes = agreement_tables(app)
        assert (classes["Floor of the class"] == "–").all()  # they differ in their loss
        assert classes["Texts"].sum() == whole["Texts"].sum()
    else:
        assert "predict different classes for every text they share" in plain(app)
        assert not agreement_tables(app)


def test_found_words_stand_above_the_chart(visit, explained, asleep):
    app = visit("attributions", explained.store.home, runs=explained.hostile, why_word="CAT")
    tab = next(one for one in app.tabs if one.label == "Words of a class")
    order = [type(one).__name__ if type(one).__name__ == "Dataframe" else one.type for one in _inside(tab)]
    assert order.index("Dataframe") < order.index("plotly_chart")


def _inside(block) -> list:
    found = []
    for child in block.children.values():
        found += _inside(child) if hasattr(child, "children") else [child]
    return found


def test_the_same_figure_is_in_the_tray_once(visit, explained, asleep):
    app = visit("attributions", emptied(explained.store.home), runs=explained.hostile)
    for _ in range(2):
        next(one for one in app.button if one.key == "why_heat_add").click().run()
    next(one for one in app.button if one.key == "why_bars_add").click().run()
    assert [one.name for one in panels(explained.store.home)] == ["attribution_stability", "attribution_classes"]


def test_one_run_has_no_agreement_and_a_loss_without_centres_no_centre_target(visit, explained, asleep):
    app = visit("attributions", explained.store.home, runs=explained.hostile[:1])
    assert "Agreement takes two runs" in words(app)
    target = next(one for one in app.selectbox if one.label == "Explain")
    assert "its centres" not in target.options
    both = visit("attributions", explained.store.home, runs=explained.hostile)
    assert "its centres" in next(one for one in both.selectbox if one.label == "Explain").options


def test_a_target_that_one_run_lacks_is_said_and_the_other_run_is_shown(visit, own_home, asleep):
    store = own_home.store
    kind = AttributionKind(target="soft_triple")
    app = visit("attributions", store.home, runs=own_home.hostile, why_target="soft_triple")
    tasks.work(store, idle=0.1)
    app.run()
    assert "This run's loss has no centres" in plain(app)
    assert len(shown_texts(app)) == 1
    assert not stored_attributions(store, own_home.hostile[0], str(kind))


def test_the_address_names_the_text(visit, explained, asleep):
    row = max(stored_attributions(explained.store, explained.hostile[0], "ig"))
    app = visit("overview", explained.store.home, runs=explained.hostile)
    app.query_params["text"] = str(row)
    app.switch_page("pages/attributions.py").run()
    text = explained.store.dataset(explained.store.run(explained.hostile[0]).config.dataset_hash).texts[row]
    assert shown_texts(app)[0] == "".join(text.split()).removesuffix("**$x$")


def test_runs_on_other_texts_are_left_out(visit, explained, asleep):
    app = visit("attributions", explained.store.home, runs=[*explained.hostile, explained.tiny])
    assert "1 picked run is left out" in words(app)
    assert isinstance(explained.store, Store)


@pytest.mark.parametrize("colour", ["needed", "reasons"])
def test_the_map_is_coloured_by_attributions_where_there_are_some(visit, explained, own_home, colour):
    app = visit("manifold", explained.store.home, runs=explained.hostile, colour=colour)
    assert not app.error
    values = map_values(colour, load_panes(explained.store, explained.hostile, method="pca")[0], explained.store.arrays,
                        lambda run_id: stored_attributions(explained.store, run_id, "ig"))  # fmt: skip
    assert [int(np.isfinite(one).sum()) for one in values.values()] == [12, 12]
    assert np.nanmin(list(values.values())) >= 0
    for run_id in own_home.hostile:
        shutil.rmtree(attributions_folder(own_home.store, run_id, "ig"), ignore_errors=True)
    bare = visit("manifold", own_home.store.home, runs=own_home.hostile, colour=colour)
    assert not bare.error
    assert any("explain some on the Attributions page" in one.value for one in bare.info)


def test_sanity_is_asked_for_made_and_drawn(visit, explained, tmp_path, asleep):
    store = Store(shutil.copytree(explained.store.home, tmp_path / "sane"))
    app = visit("attributions", store.home, runs=explained.hostile)
    next(one for one in app.button if one.key == "why_sanity_start").click().run()
    (ticket,) = tasks.attribution_tickets(store, explained.hostile, "sanity")
    assert len(ticket.request["rows"]) == 12
    tasks.work(store, idle=0.1)
    found = stored_sanity(store, explained.hostile[1], "ig")
    assert found["stages"][:2] == ["trained", "head and centres"]
    assert found["signed"][0] == pytest.approx(1)
    assert abs(found["signed"][-1]) < 0.9
    assert tasks.ask_for_sanity(store, explained.hostile, AttributionKind(), [0]) is None  # nothing is made twice
    app = visit("attributions", store.home, runs=explained.hostile)
    assert not app.error
    assert "made random from the top down, each stage" in plain(app)


def test_what_was_explained_in_another_way_is_named(visit, explained, asleep):
    app = visit("attributions", explained.store.home, runs=explained.hostile, why_method="occlusion")
    assert "No text of these runs has been explained this way yet" in words(app)
    assert "Explained otherwise: Integrated Gradients towards the predicted class, baseline: pad." in plain(app)
