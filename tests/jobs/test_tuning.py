"""Tuning: what is searched, a study that goes on where it was stopped, and real runs that are its trials."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import optuna
import psutil
import pytest
from waiting import until

from dmlviz.core.types import InputError, Progress, Run, RunConfig
from dmlviz.jobs import tuning
from dmlviz.jobs.local import dispatcher_lock
from dmlviz.jobs.submit import checked_config
from dmlviz.jobs.tuning import open_study, run_study, start_tuning, stop_tuning, studies, summary
from dmlviz.losses import LOSSES, check_settings
from dmlviz.losses import search_spaces as spaces
from dmlviz.losses.search_spaces import SPACES, find_space, open_axes, trial_config
from dmlviz.store.runs import Store
from dmlviz.training.config_input import read_config

COMPLETE, PRUNED, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL


@pytest.fixture
def base(tiny_csv, tiny_encoder) -> RunConfig:
    """A small run of SoftTriple; its learning rate is not searched, so that a tiny encoder learns something."""
    small = {"shots": 4, "epochs": 2, "max_length": 16, "validation": 6, "snapshots": 0, "device": "cpu", "lr": 1e-3}
    return RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), loss="soft_triple", **small)


@pytest.fixture
def begin(store, base, tiny_dataset):
    """begin(trials=3, **fields): the name of a study of the small run; whoever works on it is ended with the test."""
    names = []

    def open_one(trials: int = 3, **fields) -> str:
        names.append(open_study(store, base.model_copy(update=fields), dataset=tiny_dataset, trials=trials))
        return names[-1]

    yield open_one
    for name in names:
        if pid := tuning._worker(store, name):
            psutil.Process(pid).kill()


def tune(*words) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "dmlviz", "tune", *map(str, words)], capture_output=True, text=True, check=False, timeout=300)


# ---- spaces


@pytest.mark.parametrize(("loss", "name"), [(loss, name) for loss, spaces in SPACES.items() for name in spaces])
def test_every_corner_of_a_space_can_be_trained(loss, name):
    space = SPACES[loss][name]
    config = RunConfig(dataset="r8", loss=loss)
    for corner in (0, -1):
        params = {axis.name: axis.values[corner] if axis.values else (axis.low, axis.high)[corner] for axis in space.axes}
        checked_config(trial_config(config, space, params))
        assert set(params) <= {"lr", "lambda"} | {setting.name for setting in LOSSES[loss].settings}
    check_settings(loss, dict(space.settings))


def test_lambda_is_the_weight_of_the_other_term():
    config = trial_config(RunConfig(dataset="r8", loss="g_loss"), SPACES["g_loss"]["paper"], {"lambda": 0.8, "sigma": 0.5, "lr": 2e-5})
    assert (config.ce_weight, config.lr, config.loss_settings) == (0.2, 2e-5, {"sigma_rule": "tuned", "sigma": 0.5})
    assert trial_config(RunConfig(dataset="r8", loss="supcon"), SPACES["supcon"]["authors"], {}).ce_weight == 0.1


def test_the_papers_spaces_are_those_of_the_notes():
    paper = {axis.name: (axis.values, axis.low, axis.high, axis.step) for axis in SPACES["g_loss"]["paper"].axes}
    assert paper == {
        "lr": ((1e-5, 2e-5, 3e-5, 4e-5, 5e-5), 0.0, 0.0, None), "visible_share": ((), 0.1, 0.9, None), "lambda": ((), 0.1, 0.9, None),
        "sigma": ((), 0.1, 10, None),
    }  # fmt: skip
    authors = {axis.name: (axis.low, axis.high, axis.step) for axis in SPACES["g_loss"]["authors"].axes}
    assert authors["visible_share"] == authors["lambda"] == (0.5, 0.9, 0.1)
    assert (tuning.SEED, spaces.TRIALS, tuning.STARTUP_TRIALS, tuning.WARMUP_EPOCHS, tuning.PRUNE_EVERY) == (42, 15, 3, 5, 1)
    searched = {name: axis for name, space in SPACES["supcon"].items() for axis in space.axes if axis.name == "temperature"}
    assert searched["gunel"].values == searched["authors"].values == (0.1, 0.3, 0.5, 0.7)
    assert [(searched[name].low, searched[name].high) for name in ("paper", "authors_standalone")] == [(0.01, 1), (0.1, 1)]
    assert [axis.name for axis in SPACES["triplet"]["authors"].axes] == [axis.name for axis in SPACES["cos_sim"]["authors"].axes] == ["lr"]
    assert "not known" in SPACES["triple_entropy"]["ours"].source


def test_every_loss_with_something_to_tune_has_a_space():
    assert set(SPACES) == set(LOSSES) - {"cross_entropy"}


def test_what_is_given_is_not_searched():
    space = find_space("g_loss")[1]
    given = RunConfig(dataset="r8", loss="g_loss", lr=3e-4, ce_weight=0.5, loss_settings={"sigma": 1.0})
    assert [axis.name for axis in open_axes(given, space)] == ["visible_share"]
    config = trial_config(given, space, {"visible_share": 0.3})
    assert (config.lr, config.ce_weight, config.loss_settings["sigma"]) == (3e-4, 0.5, 1.0)


def test_sigma_is_not_searched_where_the_rule_that_is_given_does_not_read_it():
    for space in SPACES["g_loss"].values():
        names = [axis.name for axis in space.axes]
        assert [axis.name for axis in open_axes(given(sigma_rule="fixed"), space)] == names
        searched = open_axes(given(sigma_rule="sqrt_median"), space)
        assert [axis.name for axis in searched] == [name for name in names if name != "sigma"]
        config = trial_config(given(sigma_rule="sqrt_median"), space, {axis.name: axis.values[0] if axis.values else axis.low for axis in searched})
        assert (config.loss_settings["sigma_rule"], "sigma" in config.loss_settings) == ("sqrt_median", False)


def given(**settings) -> RunConfig:
    return RunConfig(dataset="r8", loss="g_loss", loss_settings=settings)


@pytest.mark.parametrize(("loss", "name"), [(loss, name) for loss, spaces in SPACES.items() for name in spaces])
def test_a_trial_is_read_out_as_every_other(loss, name):
    """All weights of a space have a head, or none has: trials of two readouts would not be compared fairly."""
    space, config = SPACES[loss][name], RunConfig(dataset="r8", loss=loss)
    lambdas = [(axis.low, axis.high) if not axis.values else axis.values for axis in space.axes if axis.name == "lambda"]
    weights = [trial_config(config, space, {"lambda": value}).ce_weight for values in lambdas for value in values]
    assert len({weight > 0 for weight in weights}) <= 1
    if weights:
        head = RunConfig(dataset="r8", loss=loss, readout="head")
        for values in lambdas:
            for value in values:
                checked_config(trial_config(head, space, {"lambda": value}))


def test_what_is_left_out_or_open_in_a_paper_is_said():
    assert "without lambda 1.0" in SPACES["supcon"]["gunel"].source
    assert "0.01-10 in its appendix" in SPACES["g_loss"]["paper"].source


@pytest.mark.parametrize(("loss", "trials"), [("soft_triple", 15), ("supcon", 15), ("g_loss", 15), ("triplet", 5), ("cos_sim", 5)])
def test_the_number_of_trials_is_that_of_the_authors(store, base, tiny_dataset, loss, trials):
    config = base.model_copy(update={"loss": loss, "lr": None})
    assert summary(store, open_study(store, config, dataset=tiny_dataset)).wanted == trials


# ---- the journal, without runs


def drive(store: Store, name: str, count: int) -> None:
    """`count` trials as run_study makes them, in a study opened afresh; their results are arithmetic instead of runs."""
    study = tuning._load(store, name)
    config, space = tuning._base(study)
    axes = open_axes(config, space)
    study.sampler = tuning._replayed_sampler(study, axes)
    for _ in range(count):
        trial = tuning._next_trial(study)
        params = {axis.name: axis.suggest(trial) for axis in axes}
        trial.report(params["scale"], 0)
        state = FAIL if trial.number == 2 else PRUNED if trial.number == 4 else COMPLETE
        study.tell(trial, math.sin(params["scale"]) + params["margin"] if state == COMPLETE else None, state=state)


def test_a_study_that_was_stopped_goes_on_as_if_it_had_not_been(store, base, tiny_dataset):
    whole, pieces = (open_study(store, base, dataset=tiny_dataset, name=name) for name in ("whole", "pieces"))
    drive(store, whole, 14)  # more than TPE's ten random ones
    for count in (1, 4, 6, 3):
        drive(store, pieces, count)
    assert [t.params for t in summary(store, whole).trials] == [t.params for t in summary(store, pieces).trials]
    assert len({json.dumps(t.params) for t in summary(store, pieces).trials}) == 14


def test_a_summary_counts_and_names_the_best(store, base, tiny_dataset):
    name = open_study(store, base, dataset=tiny_dataset, trials=20)
    assert name.startswith("tiny-soft_triple-")
    empty = summary(store, name)
    assert (empty.done, empty.wanted, empty.best_value, empty.best_config, empty.running) == (0, 20, None, None, False)
    drive(store, name, 6)
    [found] = studies(store)
    assert (found.done, len(found.trials), found.trials[2].state, found.trials[4].state) == (5, 6, "fail", "pruned")
    best = max((t for t in found.trials if t.state == "complete"), key=lambda t: t.value)
    assert found.best_value == best.value
    assert found.best_config.loss_settings["scale"] == best.params["scale"]
    assert found.best_config.lr == base.lr
    assert found.monitor == "accuracy"


def test_the_same_options_find_the_same_study_and_others_do_not(store, base, tiny_dataset):
    name = open_study(store, base, dataset=tiny_dataset)
    assert open_study(store, base, dataset=tiny_dataset, trials=4) == name
    assert summary(store, name).wanted == 4
    assert open_study(store, base.model_copy(update={"epochs": 3}), dataset=tiny_dataset) != name
    with pytest.raises(InputError, match="was begun with epochs 2, not 3; repeat what it was begun with"):
        open_study(store, base.model_copy(update={"epochs": 3}), dataset=tiny_dataset, name=name)


def test_one_process_at_a_time(store, base, tiny_dataset):
    name = open_study(store, base, dataset=tiny_dataset)
    with tuning._only_worker(store, name):
        assert summary(store, name).running
        with pytest.raises(InputError, match="another process works on the study"):
            run_study(store, name, dataset=tiny_dataset)
    assert not summary(store, name).running
    with pytest.raises(InputError, match="nobody works on the study"):
        stop_tuning(store, name)


def test_half_a_line_in_the_journal_is_a_sentence(store, base, tiny_dataset):
    name = open_study(store, base, dataset=tiny_dataset)
    path = store.home / "studies" / f"{name}.log"
    path.write_bytes(path.read_bytes() + b'{"op_code": 4, "wor\n{"op_code"\n')
    with pytest.raises(InputError, match=r"\.log of the study .* is damaged, or was written by another version"):
        summary(store, name)
    assert studies(store) == []


@pytest.mark.parametrize(
    ("fields", "more", "sentence"),
    [
        ({"loss": "softriple"}, {}, "Did you mean 'soft_triple'"),
        ({"loss": "cross_entropy"}, {}, "cross_entropy has no search space; losses that have one: g_loss, supcon"),
        ({}, {"space": "our"}, "soft_triple has no search space 'our'; known: ours. Did you mean 'ours'"),
        ({"validation": 0}, {}, "tuning needs validation texts, and there are none; set validation to 16 or more"),
        ({"shots": None, "validation": 0}, {}, "tuning needs validation texts"),
        ({"loss_settings": {"scale": 1, "temperature": 1, "margin": 0, "centers_per_class": 1}}, {}, "nothing is left to search"),
        ({"loss_settings": {"scale": -1}}, {}, "scale=-1 is out of range"),
        ({}, {"name": "../x"}, "a study cannot be called '../x'"),
        ({}, {"trials": 0}, "0 trials were asked for"),
        ({"encoder": "/no/such/encoder"}, {}, "neither a folder here nor a possible Hub id"),
    ],
)
def test_what_cannot_be_tuned_is_a_sentence_and_leaves_nothing(store, base, tiny_dataset, fields, more, sentence):
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        start_tuning(store, base.model_copy(update=fields), dataset=tiny_dataset, **more)
    assert studies(store) == []
    assert store.run_ids() == []


@pytest.mark.parametrize(
    ("metrics", "selection", "value"),
    [({"validation_macro_f1": 0.7}, "last", 0.7), ({}, "last", 0.2), ({}, "best_validation", 0.9), ({"validation_accuracy": 0.7}, "last", 0.2)],
)
def test_the_objective_is_the_score_of_the_weights_that_are_kept(base, metrics, selection, value):
    config = base.model_copy(update={"monitor": "macro_f1", "selection": selection})
    run = Run("a", config, "finished", Progress("done", 1, 1, "text", 0.0), metrics, 0.0)
    assert tuning._value(run, [{"macro_f1": 0.9}, {"macro_f1": 0.2}], "macro_f1") == value
    if not metrics:
        with pytest.raises(InputError, match="has no macro_f1 on validation texts"):
            tuning._value(run, [], "macro_f1")


# ---- real runs


@pytest.mark.slow
def test_a_study_is_stopped_goes_on_and_ends(begin, store, base, tiny_dataset):
    """In a process of its own, stopped in the middle of a trial; the command then resumes that very run and makes the rest."""
    name = begin(trials=3, epochs=30)
    assert start_tuning(store, base.model_copy(update={"epochs": 30}), dataset=tiny_dataset, trials=3) == name
    assert until(lambda: summary(store, name).running, what="the tuner")
    first = until(lambda: [t.run_id for t in summary(store, name).trials if t.run_id], what="the first trial")[0]
    until(lambda: store.run(first).state in ("running", "finished"), what="its run")
    stop_tuning(store, name)
    until(lambda: not summary(store, name).running, what="the end of the tuner")
    waiting = summary(store, name)
    assert waiting.done < 3
    before = {t.number: t.run_id for t in waiting.trials}
    assert all(store.run(t.run_id).state == "cancelled" for t in waiting.trials if t.state == "running")
    done = tune("--name", name, "--home", store.home)
    assert done.returncode == 0, done.stderr
    ended = summary(store, name)
    assert (ended.done, len(ended.trials)) == (3, 3)
    assert {t.number: t.run_id for t in ended.trials if t.number in before} == before
    assert len({t.run_id for t in ended.trials}) == 3
    for trial in ended.trials:
        run = store.run(trial.run_id)
        assert trial.value == run.metrics["validation_accuracy"]
        assert run.config.loss_settings["scale"] == pytest.approx(trial.params["scale"])
    assert "as options: train --dataset" in done.stderr
    path = store.home / "best.json"
    path.write_text(done.stdout)
    assert checked_config(RunConfig(**read_config(path))) == store.run(ended.best_run_id).config
    assert tune("--name", name, "--home", store.home).stdout == done.stdout  # nothing is left to do
    assert len(summary(store, name).trials) == 3


@pytest.mark.slow
def test_a_pruned_trials_run_is_cancelled(begin, store, tiny_dataset):
    """Three finished trials that no accuracy can reach: the fourth is below their median as soon as five epochs are over."""
    name = begin(trials=4, epochs=5000, checkpoint_seconds=0.0)
    study = tuning._load(store, name)
    axes = open_axes(*tuning._base(study))
    for _ in range(3):
        trial = study.ask()
        _ = [axis.suggest(trial) for axis in axes]
        for step in range(tuning.WARMUP_EPOCHS + 20):
            trial.report(2.0, step)
        study.tell(trial, 2.0)
    heard: list[str] = []
    ended = run_study(store, name, dataset=tiny_dataset, say=heard.append)
    assert (ended.done, ended.trials[3].state) == (4, "pruned")
    assert store.run(ended.trials[3].run_id).state == "cancelled"
    seen = study.get_trials()[3].intermediate_values
    assert max(seen) == tuning.WARMUP_EPOCHS
    assert "below the median" in heard[-1]


@pytest.mark.slow
def test_failed_runs_are_told_and_three_in_a_row_end_the_study(store, base, tiny_dataset, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    (broken / "model.safetensors").write_bytes(b"nothing")
    name = open_study(store, base.model_copy(update={"encoder": str(broken)}), dataset=tiny_dataset, trials=5)
    done = tune("--name", name, "--home", store.home)
    ended = summary(store, name)
    assert (done.returncode, done.stdout, ended.done) == (1, "", 0)
    assert [t.state for t in ended.trials] == ["fail"] * 3
    assert all(t.message for t in ended.trials)
    assert "3 trials in a row failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_cannot_be_submitted_is_a_failed_trial(store, base, tiny_dataset):
    name = open_study(store, base, dataset=tiny_dataset, trials=2)
    with dispatcher_lock(store.home):
        study = tuning._load(store, name)
        study.set_user_attr("config", {**study.user_attrs["config"], "shots": 99})
        ended = run_study(store, name, dataset=tiny_dataset)
    assert [t.state for t in ended.trials] == ["fail"] * 3
    assert "lower shots to" in ended.trials[0].message
