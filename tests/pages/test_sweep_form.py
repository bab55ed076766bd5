"""The sweep form on the Train page: it writes the file, says what it takes, starts it, and shows its grid."""

from __future__ import annotations

import pytest
from test_pages import button, words

from dmlviz.core.types import Progress, Run, RunConfig
from dmlviz.jobs.sweep_spec import spec_of
from dmlviz.store.sweeps import pause, read_sweep, save_sweep, sweeps
from dmlviz.ui.train.sweep import grid

ON = {"train_data": "own", "sweep_on": True, "train_losses": ["cross_entropy", "supcon"], "train_epochs": 2}


@pytest.fixture(autouse=True)
def nobody_trains(monkeypatch):
    """Runs wait for the test."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)


def test_the_form_says_what_will_run_and_starts_it(visit, own_home, tiny_csv, tiny_encoder):
    app = visit("train", own_home.store.home, train_path=str(tiny_csv), train_encoder=str(tiny_encoder), sweep_shots="2, 4", sweep_draws=3, **ON)
    assert not app.error, [one.value for one in app.error]
    assert "12 runs" in words(app)
    assert "Below five draws no difference between losses can be tested" in words(app)
    button(app, "Start the sweep").click().run()
    assert not app.exception
    (sweep,) = sweeps(own_home.store)
    spec = spec_of(sweep.spec)
    assert (spec.shots, spec.support_seeds, spec.seeds) == ((2, 4), (0, 1, 2), "as_draw")
    assert [arm.name for arm in spec.losses] == ["cross_entropy", "supcon"]
    assert spec.fields["epochs"] == 2
    assert len(sweep.run_ids) == 12
    assert {own_home.store.run(one).state for one in sweep.run_ids} == {"queued"}
    app.run()
    assert "at work: 0 of 12 finished" in words(app).replace("\\", "")
    button(app, "Pause").click().run()
    assert read_sweep(own_home.store, sweep.name).paused
    assert "paused by hand" in words(app).replace("\\", "")
    assert [one.label for one in app.button if one.key and one.key.startswith("sweep_resume")] == ["Go on"]


@pytest.mark.parametrize(("shots", "said"), [("four", "is not understood"), ("9999", "7 more are set aside for the test, 4 for validation")])
def test_what_cannot_run_is_a_sentence(visit, own_home, tiny_csv, tiny_encoder, shots, said):
    app = visit("train", own_home.store.home, train_path=str(tiny_csv), train_encoder=str(tiny_encoder), sweep_shots=shots, **ON)
    assert any(said in one.value.replace("\\", "") for one in app.error), [one.value for one in app.error]
    assert not [one for one in app.button if one.label == "Start the sweep"]


def test_without_data_or_losses_it_says_what_is_missing(visit, own_home):
    assert "Choose a data set first" in words(visit("train", own_home.store.home, sweep_on=True))


def test_a_missing_run_and_a_failed_one_are_in_the_grid_with_their_reason(visit, own_home):
    store = own_home.store
    spec = {"datasets": ["x"], "losses": [{"name": "supcon"}]}
    save_sweep(store, "odd", spec, (own_home.tiny, own_home.failed, "gone-supcon-8shot-d0-s0-0123456789"))
    pause(store, "odd", "its hours are over")
    told = words(visit("train", store.home)).replace("\\", "")
    assert "its hours are over: 1 of 3 finished, 1 failed, 1 not written yet, or deleted" in told
    assert store.run(own_home.failed).message[:40] in told


def test_names_from_data_are_escaped_in_the_grid():
    config = RunConfig(dataset="<script>alert(1)</script>")
    run = Run("a-run", config, "finished", Progress("done", 1, 1, "text", 0.0), {"accuracy": 0.5}, 0.0)
    html = grid([run, None], ["a-run", "b<i>-d0-s0"])
    assert "<script>" not in html
    assert "<i>" not in html
    assert html.count("<td ") == 2
    assert "accuracy 50.0 %" in html
