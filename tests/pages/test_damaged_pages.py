"""Every kind of file x every damage x every page: the page is there, says which file of which run, and shows the other runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage_cases import FILES, HOW, Home, damaged, make_home, met
from page_links import links
from streamlit.testing.v1 import AppTest

PAGES = ("overview", "train", "runs", "manifold", "proxies", "graph", "attributions", "reliability", "figures")
COMPARING = ("manifold", "proxies", "graph", "attributions")
OF_RUN = ("split.json", "embeddings.npy", "labels.npy", "scores.npy", "other_scores.npy", "centers.npy", "centers_space.npy", "snapshots.npy",
          "snapshot_epochs.npy", "token_rows.npy")  # fmt: skip


def words(app: AppTest) -> str:
    """What the boxes of the page say, as a person reads it."""
    return "\n".join(one.value for one in (*app.error, *app.warning, *app.info)).replace("\\", "")


def turned(kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each kind with one of the damages, in turn: the slow test has all."""
    return [(kind, HOW[i % len(HOW)]) for i, kind in enumerate(kinds)]


@pytest.fixture(scope="session")
def whole_home(tmp_path_factory, tiny_encoder, tiny_csv) -> Home:
    """One of everything. Not to be changed: `look` takes copies."""
    return make_home(tmp_path_factory.mktemp("damage"), tiny_encoder, tiny_csv)


@pytest.fixture
def look(visit, whole_home, tmp_path):
    """look("manifold", kind, how) -> (the page on a home with that damage, with both runs picked; the home)."""

    def at(page: str, kind: str, how: str) -> tuple[AppTest, Home]:
        home = damaged(whole_home, tmp_path / f"{page}-{kind}-{how}", kind, how)
        return visit(page, home.store.home, runs=list(home.runs)), home

    return at


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_no_page_shows_an_exception(look, kind):
    for how in HOW:
        for page in met(kind, how, PAGES, 1):
            look(page, kind, how)  # asserts that there is none


@pytest.mark.parametrize(("kind", "how"), turned(OF_RUN))
def test_a_page_names_the_damaged_file_and_shows_the_other_run(look, kind, how):
    for page in COMPARING:
        app, home = look(page, kind, how)
        said = words(app)
        assert f"{Path(FILES[kind]).name} of run {home.run} " in said, (page, said)
        assert "copy it back from a backup, or delete the run and train it again" in said
        cards = [one.value for one in app.sidebar.get("html")] + [str(one.proto) for one in app.sidebar.get("html")]
        assert any("Cross-entropy" in card for card in cards), page
        assert not any("TripleEntropy" in card for card in cards), page


@pytest.mark.parametrize("how", HOW)
def test_texts_that_cannot_be_read_are_said_and_the_numbers_stay(look, how):
    for page in COMPARING:
        app, home = look(page, "dataset.parquet", how)
        assert home.dataset[:12] in words(app), page
        assert "Go to the runs" in links(app), page
    app, home = look("overview", "dataset.parquet", how)
    assert len(app.dataframe) >= 1
    assert home.dataset[:12] in words(app)


@pytest.mark.parametrize(("kind", "how"), [(kind, how) for kind in ("config.json", "status.json") for how in ("empty", "later", "gone")])
def test_a_run_that_cannot_be_listed_is_named_and_can_be_deleted(look, visit, whole_home, kind, how):
    visit("figures", whole_home.store.home)  # the figure was drawn while its run was whole: what is kept of it hides nothing
    app, home = look("runs", kind, how)
    assert home.run in words(app)
    app.button(key=f"damaged_{home.run}").click().run()
    next(one for one in app.button if one.label == "Delete for good").click().run()
    assert home.store.damaged() == {}
    assert {run.id for run in home.store.runs()} == {home.runs[1], home.other}
    app, home = look("overview", kind, how)
    assert home.run in words(app)
    app, home = look("figures", kind, how)
    assert home.run in words(app)


@pytest.mark.parametrize("how", ["empty", "half", "flipped", "later"])
def test_a_sweep_and_a_study_that_cannot_be_read_are_listed_and_can_be_forgotten(look, how):
    app, home = look("train", "sweep.json", how)
    assert f"sweep.json of the sweep {home.sweep} " in words(app)
    app.button(key=f"sweep_forget_{home.sweep}").click().run()
    assert not (home.store.home / "sweeps" / home.sweep).exists()
    assert f"sweep {home.sweep} " not in words(app)
    app, home = look("train", "study.log", how)
    assert f"{home.study}.log of the study {home.study} " in words(app)
    app.button(key=f"tune_delete_{home.study}").click().run()
    assert not (home.store.home / "studies" / f"{home.study}.log").exists()


@pytest.mark.parametrize("how", ["empty", "half", "flipped", "later"])
def test_a_tray_that_cannot_be_read_is_set_aside_and_tables_stay(look, how):
    app, home = look("figures", "tray.json", how)
    assert "tray.json of the Figures page " in words(app)
    assert any(one.value == "Tables" for one in app.header)
    app.button(key="tray_aside").click().run()
    assert [path.name[:13] for path in home.store.home.glob("tray*.json")] == ["tray-damaged-"]
    assert "tray.json" not in words(app)


def test_saved_slices_that_cannot_be_read_are_said_beside_the_maps(look):
    app, home = look("manifold", "slices.json", "half")
    assert f"slices/{home.dataset[:12]}….json of the home is damaged" in words(app)


def test_a_damaged_map_is_asked_for_at_once(look):
    from dmlviz.analysis.map_kinds import MapKind
    from dmlviz.jobs import tasks

    for kind in ("map_facts.json", "map_points.npy"):
        app, home = look("manifold", kind, "half")
        app.session_state["map"] = "umap"
        app.run()
        assert [one.run_ids for one in tasks.tickets(home.store, home.runs, MapKind())] == [(home.run,)]
        assert not app.exception


def test_a_damaged_run_can_still_be_looked_at_and_deleted_on_runs(look):
    app, home = look("runs", "split.json", "half")
    app.session_state["runs_table"] = {"selection": {"rows": [i for i, run in enumerate(home.store.runs()) if run.id == home.run]}}
    app.run()
    assert f"split.json of run {home.run} is damaged" in words(app)
    assert any(one.key == "runs_delete" for one in app.button)
