"""The Graph page, through app.py: with nothing, with runs, with recorded batches, and where there is nothing to spread."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from page_links import follow
from test_pages import button, charts, unescaped, words
from tray_cases import emptied, panels

from dmlviz.analysis.graph.nodes import GraphSettings, choose_nodes, chosen_mask
from dmlviz.analysis.graph.similarity import propagate, similarity_graph
from dmlviz.store.files import write_arrays


def plain(app) -> str:
    """What the page says, without the escapes."""
    return re.sub(r"\\(.)", r"\1", words(app))


def numbers(app):
    return next(one.value for one in app.dataframe if "Spectral gap" in one.value)


def hidden_row(store, run_id: str, **settings) -> int:
    """A text whose label the page hides."""
    nodes = choose_nodes(store.arrays(run_id), GraphSettings(**settings))
    return int(nodes.row_ids[np.flatnonzero(~chosen_mask(GraphSettings(**settings), nodes))[0]])


def test_an_empty_store_has_a_sentence_and_a_button(visit):
    app = visit("graph")
    assert "No finished run yet. The similarity graph of its texts appears" in words(app)
    follow(app, "Train a run")
    assert app.title[0].value == "What should be trained on what?"


def test_runs_side_by_side_have_graph_matrix_curve_and_numbers(visit, home):
    app = visit("graph", home.store.home, runs=home.hostile)
    assert not app.error
    assert len(charts(app)) == 2 * 2 + 3 + 2  # graphs and matrices, curve and two distributions, epochs
    table = numbers(app)
    assert len(table) == 2
    assert table["Accuracy %"].between(0, 100).all()
    assert table["Texts"].nunique() == 1
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), name


def test_the_numbers_are_those_of_the_analysis(visit, home):
    app = visit("graph", home.store.home, runs=[home.tiny])
    app.selectbox(key="graph_sigma").set_value("hand").run()
    app.select_slider(key="graph_width").set_value(0.501).run()
    app.selectbox(key="graph_shown").set_value("0.5").run()
    arrays = home.store.arrays(home.tiny)
    settings = GraphSettings(visible="0.5")
    nodes = choose_nodes(arrays, settings, np.unique(arrays.row_ids))
    found = propagate(similarity_graph(nodes.vectors, sigma=0.501), nodes.labels, chosen_mask(settings, nodes), 3)
    assert numbers(app)["Accuracy %"].item() == pytest.approx(100 * found.accuracy)
    assert numbers(app)["σ"].item() == 0.501
    assert f"{int(found.visible.sum())} labels shown" in plain(app)


def test_a_text_s_reasons_are_shown_with_its_neighbours(visit, home):
    node = hidden_row(home.store, home.tiny)
    app = visit("graph", home.store.home, runs=[home.tiny])
    assert "the parts are exact" in plain(app)
    app.selectbox(key="graph_ask").set_value(node).run()
    assert not app.exception
    assert re.search(r"Guessed \w+, (rightly|wrongly: it is \w+)\. Texts of \w+ gave \d+\.\d% of its score; all parts sum to \d\.\d{4}", plain(app))
    near = next(one.value for one in app.dataframe if "most similar texts" in one.value)
    assert near["weight"].is_monotonic_decreasing
    assert app.query_params["node"] in (str(node), [str(node)])


def test_an_address_asks_about_its_text_and_one_that_is_not_there_is_said(visit, home):
    app = visit("graph", home.store.home, runs=[home.tiny])
    app.query_params["node"] = str(hidden_row(home.store, home.tiny))
    app.run()
    assert "all parts sum to" in plain(app)
    app.query_params["node"] = "99999"
    app.run()
    assert "Text 99999 is not among the texts of these graphs" in plain(app)
    app.query_params["node"] = "<script>"
    app.run()
    assert not app.exception
    assert "node" not in app.query_params


def test_a_recorded_batch_is_there_for_g_loss_and_said_for_the_others(visit, home):
    app = visit("graph", home.store.home, runs=[home.tiny])
    options = app.selectbox(key="graph_texts").options
    assert sum("training batch, epoch" in str(one) for one in options) == len(home.store.arrays(home.tiny).graph.epochs)
    app.selectbox(key="graph_texts").set_value("batch:0").run()
    app.selectbox(key="graph_sigma").set_value("trained").run()
    assert not app.exception
    assert not app.error
    said = plain(app)
    assert "training batch of epoch" in said
    assert "draws its mask anew" in said
    batch = home.store.arrays(home.tiny).graph
    assert f"{int(batch.visible[0].sum())} labels shown" in said
    assert numbers(app)["σ"].item() == pytest.approx(float(batch.sigma[0]))
    other = visit("graph", home.store.home, runs=home.hostile)
    assert not any("training batch" in str(one) for one in other.selectbox(key="graph_texts").options)


def test_a_sigma_at_which_every_weight_underflows_says_to_raise_it(visit, home):
    app = visit("graph", home.store.home, runs=[home.tiny])
    app.selectbox(key="graph_sigma").set_value("hand").run()
    app.select_slider(key="graph_width").set_value(0.01).run()
    assert not app.exception
    assert re.search(r"(No text is similar to any other at σ = 0\.01|No label reaches \d+ of \d+ hidden texts).*Raise σ", plain(app))


@pytest.mark.parametrize("shown", ["support", "0.05", "0.9"])
@pytest.mark.parametrize("hue", ["propagated", "confidence", "wrong"])
def test_every_mask_and_colour_draws(visit, home, shown, hue):
    app = visit("graph", home.store.home, runs=home.hostile, graph_shown=shown, graph_hue=hue)
    assert not app.error
    assert len(numbers(app)) == 2


def test_steps_spring_layout_edges_and_authors_rows_draw(visit, home):
    app = visit("graph", home.store.home, runs=home.hostile)
    before = len(charts(app))
    app.toggle(key="graph_steps").set_value(True).run()
    assert len(charts(app)) == before + 1
    turns = next(one.value for one in app.dataframe if "After turn" in one.value)
    assert turns["Reached %"].iloc[0] == 0
    app.selectbox(key="graph_places").set_value("spring").run()
    app.selectbox(key="graph_edges").set_value("min0.5").run()
    app.selectbox(key="graph_rows").set_value("code").run()
    assert not app.exception
    assert not app.error


def cut_to(store, run_id: str, keep: np.ndarray) -> None:
    """Leaves only these rows of a run, in arrays, split and maps."""
    folder, rows, roles = store.folder(run_id), store.split(run_id).row_ids[keep], store.split(run_id).roles[keep]
    arrays = {path.stem: np.load(path) for path in (folder / "arrays").glob("*.npy")}
    count = len(arrays["embeddings"])
    cut = {name: value[keep] if value.shape[:1] == (count,) else value for name, value in arrays.items()
           if not name.startswith(("graph_", "snapshot", "center_snap"))}  # fmt: skip
    write_arrays(folder / "arrays", cut)
    split = json.loads((folder / "split.json").read_text())
    split |= {name: [int(r) for r, role in zip(rows, roles, strict=True) if role == name] for name in ("support", "validation", "test")}
    (folder / "split.json").write_text(json.dumps(split))
    store.seal(run_id)
    for one in store.projections(run_id):
        store.save_projection(run_id, replace(one, points=one.points[keep], row_ids=rows))


@pytest.mark.parametrize(("kind", "sentence"), [("one class", "All of these texts are of one class"), ("two texts", "2 texts"), ("plain", "")])
def test_one_class_two_texts_and_no_snapshots(visit, own_home, kind, sentence):
    store, run_id = own_home.store, own_home.tiny
    labels = np.asarray(store.arrays(run_id).labels)
    keep = np.flatnonzero(labels == 0) if kind == "one class" else np.array([0, len(labels) - 1]) if kind == "two texts" else np.arange(len(labels))
    cut_to(store, run_id, np.sort(keep))
    app = visit("graph", store.home, runs=[run_id])
    assert not app.exception
    assert sentence in plain(app)
    assert "have stored no snapshots" in plain(app)
    assert len(numbers(app)) == 1


def test_runs_on_other_texts_are_left_out(visit, home):
    app = visit("graph", home.store.home, runs=[*home.hostile, home.tiny])
    assert "1 picked run is left out" in plain(app)
    assert len(numbers(app)) == 2


def test_graphs_go_to_the_tray_and_to_paper(visit, home):
    app = visit("graph", emptied(home.store.home), runs=home.hostile)
    for label in ("Add graphs", "Add matrices"):
        button(app, label).click().run()
    app.switch_page("pages/figures.py").run()
    assert not app.exception
    assert not [one.value for one in app.error]
    assert [panel.name for panel in panels(home.store.home)] == ["graph", "graph_matrix"]
    app.button(key="tray_pick_0").click().run()
    assert not app.exception
    assert not app.error
