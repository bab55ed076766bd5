"""Two data sets in the home: what was selected or picked among one's texts never names texts of the other."""

from __future__ import annotations

import numpy as np
import pytest

from dmlviz.ui.shared import selection
from dmlviz.ui.shared.selection import HASH_SIGNS

PAGES = ("overview", "manifold", "proxies", "graph", "attributions", "reliability")


def plain(app) -> str:
    kinds = ("title", "header", "markdown", "caption", "error", "warning", "info")
    return "\n".join(str(one.value) for kind in kinds for one in getattr(app, kind)).replace("\\", "")


def test_rows_of_one_draw_are_not_taken_for_another_draw_of_the_data_set(tiny_dataset):
    """Found rows are kept per run: two runs of one data set hold other texts."""
    first, second = (selection._cached_rows("rows:0-7", tiny_dataset.content_hash, "home", run, tiny_dataset, rows)
                     for run, rows in (("a", np.arange(4)), ("b", np.arange(4, 8))))  # fmt: skip
    assert (first.tolist(), second.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])


def chosen(app) -> str:
    """The selection's line, "" for none."""
    return app.session_state["select"] if "select" in app.session_state else ""  # noqa: SIM401 (AppTest's state has no get)


@pytest.fixture
def hashes(home) -> dict[str, str]:
    """The data sets of the hostile runs and of the tiny one."""
    return {"hostile": home.store.run(home.hostile[0]).config.dataset_hash, "tiny": home.store.run(home.tiny).config.dataset_hash}


def compare(app, run_ids):
    return app.multiselect(key="runs").set_value(list(run_ids)).run()


@pytest.mark.parametrize("page", PAGES)
def test_a_selection_of_another_data_set_is_empty_and_says_so_on_every_page(visit, home, hashes, page):
    """Rows 0 to 3 exist in both data sets."""
    address = f"{hashes['hostile'][:HASH_SIGNS]}~rows:0-3"
    app = visit(page, home.store.home, runs=[home.tiny], select="rows:0-3", select_of=hashes["hostile"][:HASH_SIGNS], select_address=address)
    assert "The selection is of odd. The runs compared here are on tiny, so nothing is selected." in plain(app)
    assert "of 18 texts" not in plain(app)
    if page == "attributions":
        assert "selected" not in app.selectbox(key="why_from").options
    if page == "manifold":
        assert app.query_params["select"] == address  # the link still means what it meant
    app.button(key="select_back").click().run()
    assert app.session_state["runs"] == home.hostile[::-1] or set(app.session_state["runs"]) == set(home.hostile)
    assert "so nothing is selected" not in plain(app)
    assert " texts" in plain(app)


def test_a_selection_comes_back_with_its_data_set(visit, home, hashes):
    app = visit("manifold", home.store.home, runs=home.hostile)
    app.text_input(key="find").set_value("cat").run()
    assert app.session_state["select_of"] == hashes["hostile"][:HASH_SIGNS]
    before = plain(app)
    assert "texts with “cat”" in before
    compare(app, [home.tiny])
    assert "so nothing is selected" in plain(app)
    compare(app, home.hostile)
    assert "texts with “cat”" in plain(app)


def test_a_link_of_an_older_version_says_that_it_was_taken_for_these_texts(visit, home, hashes):
    app = visit("manifold", home.store.home, runs=home.hostile, select="find:cat")
    assert "The link does not say which data set it selects from; it is taken for odd." in plain(app)
    assert app.session_state["select_of"] == hashes["hostile"][:HASH_SIGNS]
    compare(app, [home.tiny])
    assert "so nothing is selected" in plain(app)


def test_a_slice_is_offered_on_its_own_data_set_alone(visit, own_home):
    app = visit("manifold", own_home.store.home, runs=own_home.hostile)
    app.text_input(key="find").set_value("cat").run()
    app.text_input(key="slice_name").set_value("cats").run()
    app.button(key="slice_save").click().run()
    assert "cats" in app.selectbox(key="slice_pick").options
    compare(app, [own_home.tiny])
    assert not any(one.key == "slice_pick" for one in app.selectbox)
    compare(app, own_home.hostile)
    assert app.selectbox(key="slice_pick").value == "cats"


@pytest.mark.parametrize(("page", "press"), [
    ("manifold", "changed_top"), ("manifold", "select_go"), ("proxies", "proxy_select_centre"), ("reliability", "hard_select"),
])  # fmt: skip
def test_every_button_that_selects_marks_texts_of_the_data_set_it_shows(visit, home, hashes, page, press):
    """On the hostile runs while the newest run of the home is of other texts."""
    picks = {"changed_top": {"below": "changed"}, "select_go": {"select_class": "😀 emoji"}, "hard_select": {"judge_tab": "Errors", "judge": ["odd"]}}
    runs = [home.tiny] if page == "reliability" else home.hostile  # there the data set is picked on the page, beside other runs in the sidebar
    app = visit(page, home.store.home, runs=runs, **picks.get(press, {}))
    app.button(key=press).click().run()
    assert not app.exception
    assert app.session_state["select_of"] == hashes["hostile"][:HASH_SIGNS]
    assert chosen(app)
    if page == "reliability":
        assert "The selection is of odd. The runs compared here are on tiny, so nothing is selected." in plain(app)


def test_a_text_asked_about_on_the_graph_is_of_its_data_set(visit, home, hashes):
    app = visit("graph", home.store.home, runs=home.hostile)
    options = app.selectbox(key="graph_ask").options
    app.selectbox(key="graph_ask").select_index(0).run()
    assert options
    assert app.session_state["select_of"] == hashes["hostile"][:HASH_SIGNS]
    assert app.query_params["node"]
    compare(app, [home.tiny])
    assert not app.exception
    assert app.selectbox(key="graph_ask").value is None
    assert "node" not in app.query_params


def test_picked_texts_and_classes_are_forgotten_on_another_data_set(visit, home):
    app = visit("attributions", home.store.home, runs=home.hostile)
    first = app.selectbox(key="why_row_all").value
    app.selectbox(key="why_row_all").select_index(3).run()
    assert app.selectbox(key="why_row_all").value != first
    asked = app.query_params["text"]
    compare(app, [home.tiny])
    assert not app.exception
    assert app.selectbox(key="why_row_all").value == app.selectbox(key="why_row_all").options[0] or app.query_params["text"] != asked
    app = visit("manifold", home.store.home, runs=home.hostile, focus=["😀 emoji"])
    compare(app, [home.tiny])
    assert app.multiselect(key="focus").value == []
    assert "focus" not in app.query_params


def test_a_link_brings_its_picks_along(visit, home):
    """The first data set of a session forgets nothing."""
    app = visit("manifold", home.store.home, runs=home.hostile, focus=["😀 emoji"])
    assert app.multiselect(key="focus").value == ["😀 emoji"]
