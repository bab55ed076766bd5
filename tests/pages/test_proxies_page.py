"""The Proxies page through app.py: every state it can be in, what is picked, and what people's data may hold."""

from __future__ import annotations

import re

import pytest
from center_cases import write_run
from page_links import follow
from streamlit.testing.v1 import AppTest
from tray_cases import emptied, panels

from dmlviz.data import read_file
from dmlviz.store.runs import Store, home_folder

MARKUP = ["<script>alert(1)</script>", "**bold**", "$x$", ":red[x]"]


def said(app: AppTest) -> str:
    return "\n".join(str(one.value) for kind in ("title", "markdown", "caption", "info", "warning", "error") for one in getattr(app, kind))


def plain(app: AppTest) -> str:
    """What is said, without the backslashes that disarm names."""
    return re.sub(r"\\(.)", r"\1", said(app))


def button(app: AppTest, start: str):
    return next(one for one in app.button if one.label.startswith(start))


def charts(app: AppTest) -> list:
    return app.get("plotly_chart")


def frames(app: AppTest, column: str):
    return [one.value for one in app.dataframe if column in one.value]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A home with one run of every kind."""
    folder = tmp_path_factory.mktemp("proxies")
    rows = [f"some words {label} number {i} of many,{label}" for label in ("earn", "grain", "trade") for i in range(24)]
    (folder / "toy.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    odd = [f"cat {i} <b>dog</b> $x$ {label},{label}" for label in MARKUP for i in range(8)]
    (folder / "odd.csv").write_text("\n".join(["text,label", *odd]) + "\n", encoding="utf-8")
    store = Store(folder / "home")
    store.home.mkdir()
    toy, hostile = read_file(folder / "toy.csv"), read_file(folder / "odd.csv")
    runs = {
        "soft_triple": write_run(store, toy, "soft_triple", moments=3),
        "old": write_run(store, toy, "soft_triple", seed=1),
        "tokens": write_run(store, toy, "triple_entropy", space="tokens", tokens=True, moments=2),
        "old_tokens": write_run(store, toy, "triple_entropy", space="tokens", seed=1),
        "anchor": write_run(store, toy, "proxy_anchor", count=1, moments=2),
        "none": write_run(store, toy, "cross_entropy", space=None),
        "loaded": write_run(store, toy, "cross_entropy", space=None, origin="loaded"),
        "bare": write_run(store, toy, "cross_entropy", space=None, origin="loaded", support=False),
        "odd": write_run(store, hostile, "soft_triple", moments=2),
        "odd_tokens": write_run(store, hostile, "triple_entropy", space="tokens", tokens=True),
    }  # fmt: skip
    return store, runs


@pytest.fixture
def see(visit, kept):
    """see("soft_triple", "none") -> the page comparing these runs."""
    store, runs = kept
    return lambda *which, **picks: visit("proxies", store.home, runs=[runs[one] for one in which], **picks)


def test_without_runs_there_is_a_sentence_and_a_way_on(visit):
    app = visit("proxies")
    assert app.title[0].value == "Which centres does each class really use?"
    assert "No finished run yet. Centres appear among the texts" in said(app)
    follow(app, "Train a run")
    assert app.title[0].value == "What should be trained on what?"


def test_one_run_has_map_bars_heat_map_texts_and_drift(see):
    app = see("soft_triple")
    assert not app.error
    assert len(charts(app)) == 4
    numbers = frames(app, "Effective K")[0]
    assert numbers[["Centres", "Used", "Dead"]].iloc[0].tolist() == ["12", int(numbers["Used"].iloc[0]), 12 - int(numbers["Used"].iloc[0])]
    assert numbers["Dead"].iloc[0] >= 3
    table = frames(app, "Soft %")[0]
    assert len(table) == 12
    assert table[table["Texts"] == 0]["Centre"].str.endswith(" 4").any()
    assert len(frames(app, "Cosine")[0]) == 10
    assert "single run" in said(app)


def test_six_runs_stand_side_by_side(see):
    app = see("soft_triple", "old", "tokens", "old_tokens", "anchor", "none")
    assert not app.error
    assert len(charts(app)) == 6 + 3  # maps, bars, heat map, drift of the first
    numbers = frames(app, "Effective K")[0]
    assert len(numbers) == 6
    assert numbers["Effective K"].isna().tolist() == [False] * 4 + [True] * 2
    assert "**Cross-entropy**: This loss has no centres" in plain(app)
    assert "the run was made before tokens were kept" in plain(app)


def test_another_run_s_details_can_be_read(see, kept):
    app = see("soft_triple", "none")
    assert len(frames(app, "Soft %")[0]) == 12
    app.selectbox(key="proxy_run").set_value(kept[1]["none"]).run()
    assert not app.exception
    assert not frames(app, "Soft %")
    assert frames(app, "Similarity")[-1]["Centre"].tolist() == ["earn 1", "grain 1", "trade 1"]


def test_a_run_with_one_class_in_focus(see):
    app = see("soft_triple", "none")
    app.multiselect(key="proxy_focus").set_value(["grain"]).run()
    assert not app.exception
    assert frames(app, "Soft %")[0]["Centre"].str.startswith("grain").all()
    assert all(one.startswith("grain") for one in app.selectbox(key="proxy_centre").options)


def test_a_loss_without_centres_says_what_stands_for_them(see):
    app = see("none")
    assert "the mean of each class's support texts stands for one" in plain(app)
    assert "class means" in said(app)
    assert frames(app, "Counted")[0]["Centres"].iloc[0] == "3 means"


def test_a_loaded_model_is_shown_like_any_run_without_centres(see):
    app = see("loaded", "soft_triple")
    assert not app.error
    assert "the mean of each class's support texts stands for one" in plain(app)


def test_a_loaded_model_without_support_says_where_to_look_instead(see):
    for app in (see("bare"), see("bare", "soft_triple")):
        assert not app.error
        assert "no centres and no support texts" in plain(app)
        assert "Manifold page" in plain(app)


def test_tokens_are_counted_on_request(see):
    app = see("tokens")
    assert "Choose tokens to see what the loss saw" in plain(app)
    app.selectbox(key="proxy_space").set_value("tokens").run()
    assert not app.exception
    assert "test tokens" in said(app)
    table = frames(app, "Soft %")[0]
    assert "Tokens" in table
    assert table["Nearest words"].str.contains("[CLS]", regex=False).any()
    assert "Nearest tokens, mean cosine" in said(app)
    assert "<b>cat" not in said(app)
    assert "<b>cat" in plain(app)


def test_a_run_made_before_tokens_and_paths_were_kept_says_both(see):
    app = see("old_tokens")
    assert "made before tokens were kept" in plain(app)
    assert "How its centres moved was not kept" in plain(app)
    assert len(charts(app)) == 3


def test_parts_maps_merging_paths_and_means_can_be_chosen(see):
    app = see("soft_triple", "tokens")
    assert frames(app, "Effective K")[0]["Counted"].str.endswith("test texts").all()
    app.selectbox(key="proxy_part").set_value("support").run()
    assert frames(app, "Effective K")[0]["Counted"].tolist() == ["6 support texts"] * 2
    app.selectbox(key="proxy_map").set_value("pca").run()
    assert "Centres are placed by the map's own PCA." in plain(app)
    before = frames(app, "Effective K")[0]["Merged"].iloc[0]
    app.selectbox(key="proxy_merge").set_value(0.5).run()
    assert frames(app, "Effective K")[0]["Merged"].iloc[0] < before
    app.toggle(key="proxy_paths").set_value(True).run()
    assert any('"name":"path"' in one.proto.spec for one in charts(app))
    app.radio(key="proxy_which").set_value("means").run()
    assert not app.exception
    assert "in place of its own centres" in plain(app)


def test_a_centre_can_be_picked_and_its_texts_selected(see):
    app = see("soft_triple")
    app.selectbox(key="proxy_centre").set_value("grain 1").run()
    assert not app.exception
    texts = frames(app, "Cosine")[0]
    assert texts["Class"].iloc[0] == "grain"
    assert texts["Cosine"].is_monotonic_decreasing
    count = int(re.search(r"Select the (\d+) texts?", button(app, "Select the").label)[1])
    table = frames(app, "Soft %")[0]
    assert table.set_index("Centre").loc["grain 1", "Texts"] == count
    button(app, "Select the").click().run()
    assert not app.exception
    assert len(set(re.findall(r"\d+", app.session_state["select"]))) >= 1
    assert any('"name":"selected"' in one.proto.spec for one in charts(app))


def test_a_dead_centre_says_so(see):
    app = see("soft_triple")
    app.selectbox(key="proxy_centre").set_value("grain 4").run()
    assert "No text of its class chose this centre: it is dead." in said(app)


def test_a_picked_centre_that_another_run_does_not_have_gives_way(see, kept):
    app = see("soft_triple", "anchor")
    app.selectbox(key="proxy_centre").set_value("trade 3").run()
    app.selectbox(key="proxy_run").set_value(kept[1]["anchor"]).run()
    assert not app.exception
    assert app.selectbox(key="proxy_centre").value in app.selectbox(key="proxy_centre").options


def test_intrusions_are_counted_and_can_be_selected(see):
    app = see("anchor")
    found = re.search(r"\*\*(\d+) of (\d+) texts", said(app))
    assert found
    tables = frames(app, "Nearer to")
    assert sum(map(len, tables)) == int(found[1])
    if tables:
        assert (tables[0]["By"] > 0).all()
        button(app, "Select these texts").click().run()
        assert app.session_state["select"]


def test_runs_on_other_texts_are_left_out_and_said(see):
    app = see("soft_triple", "odd")
    assert "1 picked run is left out" in said(app)
    assert not app.error


@pytest.mark.parametrize("which", ["odd", "odd_tokens"])
def test_hostile_names_are_never_markup(see, which):
    app = see(which)
    if which == "odd_tokens":
        app.selectbox(key="proxy_space").set_value("tokens").run()
    bare = re.sub(r"\\.", "", re.sub(r"`[^`\n]*`", "", said(app)))
    for name in MARKUP:
        assert name not in bare
    for one in charts(app):
        assert "<script" not in re.sub(r'"customdata":\[[^\]]*\]', "", one.proto.spec)
    assert not [one for one in app.markdown if one.allow_html and "script" in one.value]


def test_every_picture_goes_to_the_tray_and_is_drawn_for_paper(see):
    app = see("soft_triple", "tokens")
    home = emptied(home_folder())
    app.selectbox(key="proxy_part").set_value("all").run()
    for key in ("centers_map_add", "centers_use_add", "centers_heat_add", "centers_drift_add"):
        app.button(key=key).click().run()
    specs = panels(home)
    assert [spec.name for spec in specs] == ["centers_map", "centers_use", "centers_heat", "centers_drift"]
    assert all(spec.options["part"] == "all" for spec in specs)
    app.switch_page("pages/figures.py")
    app.run()
    for at in range(4):
        app.button(key=f"tray_pick_{at}").click().run()
        assert not app.exception
        assert not app.error
        assert app.code[0].value.endswith("single runs. Encoder all-MiniLM-L6-v2.")


@pytest.mark.parametrize("method", ["tsne", "pacmap"])
def test_a_map_that_is_not_stored_is_said_and_the_pca_stands_in(visit, home, method):
    app = visit("proxies", home.store.home, runs=home.hostile, proxy_map=method)
    assert not app.exception
    assert app.selectbox(key="proxy_map").value == method
    title = {"tsne": "t-SNE", "pacmap": "PaCMAP"}[method]
    assert any(f"Not every run has its {title} yet; the PCA is shown. Compute it on the Manifold page." in one.value for one in app.caption)
