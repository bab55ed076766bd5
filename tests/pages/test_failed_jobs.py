"""What failed in another process says so on the page, is not asked for again by a redraw, and is by a click."""

from __future__ import annotations

import json
import time

import pytest
import waiting

from dmlviz.analysis.map_kinds import read_kind
from dmlviz.core.types import FigureSpec, SheetSpec
from dmlviz.export.bundle.jobs import bundles
from dmlviz.export.files import save_bytes
from dmlviz.export.tray import tray_text
from dmlviz.jobs import tasks

SENTENCE = "the machine ran out of memory; shorten the text, or compare fewer runs"


@pytest.fixture
def asleep(monkeypatch):
    """Nobody is woken: the test says how a ticket ends."""
    monkeypatch.setattr("dmlviz.jobs.tasks.wake", lambda store: None)
    monkeypatch.setattr("dmlviz.ui.attributions.one_text.WAIT_SECONDS", 0.1)


def errors(app) -> list[str]:
    return [one.value.replace("\\", "") for one in app.error]


@pytest.mark.usefixtures("asleep")
def test_words_that_cannot_be_weighed_wait_for_a_click(visit, own_home):
    store = own_home.store
    app = visit("attributions", store.home, runs=own_home.hostile)
    (ticket,) = tasks.all_tickets(store)
    tasks._tell(store.home / "desk" / ticket.id, state="failed", message=SENTENCE)
    status = store.home / "desk" / ticket.id / "status.json"
    before = status.stat().st_mtime_ns
    for _ in range(3):  # redraws
        app.run()
        assert errors(app) == [SENTENCE.capitalize()]
    assert status.stat().st_mtime_ns == before
    assert len(tasks.all_tickets(store)) == 1
    app.button(key="why_again").click().run()
    assert tasks.all_tickets(store)[0].state == "waiting"
    assert errors(app) == []


@pytest.mark.usefixtures("asleep")
def test_a_job_and_its_retry_keep_the_same_texts(visit, own_home):
    store, ids = own_home.store, own_home.hostile
    app = visit("attributions", store.home, runs=ids)
    app.button(key="why_start").click().run()
    (job,) = tasks.attribution_tickets(store, ids)
    tasks._tell(store.home / "desk" / job.id, state="failed", message="the attributions could not be made (RuntimeError)")
    app.run()
    assert "The attributions could not be made (RuntimeError)" in errors(app)
    app.button(key="why_job_again").click().run()
    (again,) = tasks.attribution_tickets(store, ids)
    assert (again.id, again.state, again.request["rows"]) == (job.id, "waiting", job.request["rows"])


@pytest.mark.usefixtures("asleep")
def test_a_map_that_cannot_be_made_says_why(visit, own_home):
    store, ids = own_home.store, own_home.hostile
    app = visit("manifold", store.home, runs=ids, map="tsne")
    app.button(key="compute_maps").click().run()
    kind = read_kind("tsne")
    for one in tasks.tickets(store, ids, kind):
        tasks._tell(store.home / "desk" / one.id, state="failed", message="the map could not be made: its process ended without a word 2 times")
    app.run()
    assert errors(app) == ["The map could not be made: its process ended without a word 2 times"]
    assert {one.state for one in tasks.tickets(store, ids, kind)} == {"failed"}
    app.button(key="compute_maps").click().run()
    assert {one.state for one in tasks.tickets(store, ids, kind)} == {"waiting"}


@pytest.mark.slow
def test_a_bundle_that_failed_is_made_once_more(visit, own_home):
    home = own_home.store.home
    sheets = [SheetSpec(panels=(FigureSpec(name="curves", run_ids=(own_home.hostile[0],)),))]
    failed = home / "bundles" / "20260101-000000"
    save_bytes(tray_text(sheets).encode(), failed / "tray.json")
    save_bytes(json.dumps({"with_texts": True}).encode(), failed / "request.json")
    save_bytes(b"the disk has 1 MB left\n", failed / "log.txt")
    save_bytes(json.dumps({"pid": 1, "started": time.time()}).encode(), failed / "process.json")
    (home / "tray.json").write_text(tray_text(sheets))
    app = visit("figures", home)
    assert "The disk has 1 MB left" in errors(app)
    app.button(key="bundle_again_20260101-000000").click().run()
    (made,) = bundles(home)
    assert made.name != "20260101-000000"
    assert json.loads((home / "bundles" / made.name / "request.json").read_text()) == {"with_texts": True}
    assert waiting.until(lambda: (one := bundles(home)[0]).state != "running" and one, 120, "the bundle").state == "finished"


@pytest.mark.usefixtures("asleep")
def test_a_search_that_ended_says_why(visit, own_home):
    import optuna

    from dmlviz.core.types import RunConfig
    from dmlviz.jobs.tuning import _load, open_study, summary

    store = own_home.store
    run = store.run(own_home.tiny)
    dataset = store.dataset(run.config.dataset_hash)
    config = RunConfig(dataset=run.config.dataset, encoder=run.config.encoder, loss="soft_triple", shots=2, validation=6)
    name = open_study(store, config, dataset=dataset, trials=3)
    assert summary(store, name).ended == ""
    _load(store, name).set_user_attr("ended", "3 trials in a row failed, so the study stops; mend what they say and let it go on")
    app = visit("train", store.home)
    assert any("3 trials in a row failed" in one for one in errors(app))
    study = _load(store, name)
    study.set_user_attr("ended", None)
    study.ask()  # its process was killed inside a trial
    assert summary(store, name).ended == "its process ended without a word (killed, or out of memory)"
    assert study.get_trials()[0].state == optuna.trial.TrialState.RUNNING
    app.run()
    assert any("ended without a word" in one for one in errors(app))
    assert any(one.key == f"tune_on_{name}" for one in app.button)
