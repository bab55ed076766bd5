"""Hyperparameter search: Optuna asks, a run of the usual kind answers. Loads no torch; the trials are runs of the engine.

A study is one journal file, <home>/studies/<name>.log. It holds the base config, the space and every trial with its run id, so whoever is called
next goes on where the last one was stopped or killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from dmlviz.core.types import ACTIVE_STATES, InputError, Run, RunConfig, TextDataset
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.data import split_of
from dmlviz.jobs.local import LocalEngine, child_environment
from dmlviz.jobs.submit import checked_config, encoder_place, submit
from dmlviz.losses import check_settings
from dmlviz.losses.search_spaces import LR, SPACES, Axis, Space, find_space, open_axes, trial_config
from dmlviz.store.damage import damaged, reading
from dmlviz.store.runs import Store
from dmlviz.training.defaults import default_lr

MOST_TRIALS = 10_000
SEED = 42  # of the authors of G-Loss, as is the pruner
STARTUP_TRIALS, WARMUP_EPOCHS, PRUNE_EVERY = 3, 5, 1
LOOK_SECONDS, POLL_LOOKS = 0.4, 10
FAILURES = 3  # so many in a row, and the study stops: the next one would fail too
MEND = "copy it back from a backup, or delete it to begin anew; the runs of its trials stay"
STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


# ---- what there is


class TrialSummary(NamedTuple):
    """One trial of a study."""

    number: int
    state: str  # "running", "complete", "pruned", "fail"
    value: float | None
    params: Mapping[str, Any]
    run_id: str
    message: str


class StudySummary(NamedTuple):
    """A study as a page shows it."""

    name: str
    config: RunConfig  # the base of every trial
    space: str
    monitor: str  # what is maximised, on the validation texts
    wanted: int
    trials: tuple[TrialSummary, ...]
    done: int  # complete or pruned; a failed trial is tried again with other values
    best_value: float | None
    best_config: RunConfig | None
    best_run_id: str
    running: bool  # somebody works on it now
    ended: str = ""  # why its process ended before it was done, in a sentence; "" while it is at work, and when somebody stopped it


def studies(store: Store) -> list[StudySummary]:
    """Every readable study of the home, by name."""
    return [one for one in _all(store).values() if isinstance(one, StudySummary)]


def damaged_studies(store: Store) -> dict[str, str]:
    """Name -> why it cannot be read, of every such study."""
    return {name: found for name, found in _all(store).items() if isinstance(found, str)}


def _all(store: Store) -> dict[str, StudySummary | str]:
    found: dict[str, StudySummary | str] = {}
    for path in sorted(_folder(store).glob("*.log")):
        try:
            found[path.stem] = summary(store, path.stem)
        except InputError as error:
            found[path.stem] = str(error)
    return found


def delete_study(store: Store, name: str) -> None:
    """Forget the study, also one that cannot be read; the runs of its trials stay. Raises InputError while somebody works on it."""
    if not STUDY_NAME.fullmatch(name) or _worker(store, name) is not None:
        raise InputError(f"the study {shown(name)} is being worked on; stop it first")
    for end in ("log", "out", "busy"):
        (_folder(store) / f"{name}.{end}").unlink(missing_ok=True)


def summary(store: Store, name: str) -> StudySummary:
    """Raises InputError for a study that is not here, DamagedError for one whose journal cannot be read."""
    with reading(_path(store, name), f"the study {name}", MEND):
        return _summary(store, name)


def _summary(store: Store, name: str) -> StudySummary:
    study = _load(store, name)
    config, space = _base(study)
    trials = tuple(
        TrialSummary(t.number, t.state.name.lower(), t.value, t.params, t.user_attrs.get("run_id", ""), t.user_attrs.get("message", ""))
        for t in study.get_trials(deepcopy=False)
    )
    complete = [t for t in trials if t.state == "complete"]
    best = max(complete, key=lambda t: (t.value, -t.number), default=None)
    return StudySummary(
        name=name, config=config, space=study.user_attrs["space"], monitor=config.monitor, wanted=study.user_attrs["trials"], trials=trials,
        done=sum(t.state in ("complete", "pruned") for t in trials), best_value=best.value if best else None,
        best_config=checked_config(trial_config(config, space, best.params)) if best else None, best_run_id=best.run_id if best else "",
        running=(running := _worker(store, name) is not None), ended="" if running else _why_ended(study, trials),
    )  # fmt: skip


def _why_ended(study: optuna.Study, trials: Sequence[TrialSummary]) -> str:
    said = study.user_attrs.get("ended")
    if said is None and any(trial.state == "running" for trial in trials):
        return "its process ended without a word (killed, or out of memory)"
    return str(said or "")


# ---- begin, run, start, stop


def open_study(
    store: Store, config: RunConfig, *, dataset: TextDataset, trials: int | None = None, name: str | None = None, space: str | None = None
) -> str:
    """Check everything and write the journal's head, or find the study that the same options began. Returns its name; trains nothing.

    Raises InputError for what cannot be tuned, and for a name that other options have taken.
    """
    space_name, chosen = find_space(config.loss, space)
    open_axes(config, chosen)
    if trials is not None and not 1 <= trials <= MOST_TRIALS:
        raise InputError(f"{trials:,} trials were asked for; give 1 to {MOST_TRIALS:,}")
    _check_validation(config, dataset)
    checked_config(trial_config(config, chosen, {}))
    checked = check_settings(config.loss, dict(config.loss_settings))
    plain = {"encoder": encoder_place(config.encoder), "loss_settings": {key: checked[key] for key in config.loss_settings}}
    config = config.model_copy(update={**plain, "dataset_hash": store.add_dataset(dataset)})
    options = {"config": config.model_dump(mode="json"), "space": space_name}
    name = name or _name_of(config, dataset, options)
    if not STUDY_NAME.fullmatch(name):
        raise InputError(f"a study cannot be called {shown(name)}; use letters, digits, dots, dashes and underscores")
    if _path(store, name).is_file() and "config" in (found := _load(store, name)).user_attrs:
        _check_same(name, found.user_attrs, options)
        if trials is not None and trials != found.user_attrs["trials"]:
            found.set_user_attr("trials", trials)
        return name
    study = _load(store, name, make=True)
    for key, value in {"trials": trials or chosen.trials, **options}.items():
        study.set_user_attr(key, value)
    return name


def run_study(
    store: Store, name: str, *, dataset: TextDataset, say: Callable[[str], None] = lambda sentence: None, stopped: Callable[[], bool] = lambda: False
) -> StudySummary:
    """Trials until enough are done. `stopped` is asked often; then the trial's run is cancelled and waits, resumable, for the next call.

    A trial without a result yet (of a process that was stopped or killed) comes first: its run is resumed, or its result read.
    """
    with _only_worker(store, name), _end_noted(store, name, stopped):
        study = _load(store, name)
        config, space = _base(study)
        axes = open_axes(config, space)
        study.sampler = _replayed_sampler(study, axes)
        if LR in axes and (usual := default_lr(config.encoder)) > max(LR.values):
            say(f"this space's learning rates are for encoders of BERT's size; {usual:g} suits {Path(config.encoder).name} better: give lr to fix it")
        failures = 0
        while failures < FAILURES and not stopped() and _done(study) < study.user_attrs["trials"]:
            trial = _next_trial(study)
            state, message = _one_trial(study, trial, store, dataset, say, stopped)
            failures = failures + 1 if state == TrialState.FAIL else 0
            if state is not None:
                say(f"trial {trial.number}: {state.name.lower()}, {message} ({_done(study)} of {study.user_attrs['trials']} done)")
        if failures == FAILURES:
            said = f"{FAILURES} trials in a row failed, so the study stops; mend what they say and let it go on"
            study.set_user_attr("ended", said)
            say(said)
    return summary(store, name)


@contextlib.contextmanager
def _end_noted(store: Store, name: str, stopped: Callable[[], bool]) -> Iterator[None]:
    """The journal says why the work ended; nothing where its process is killed inside."""
    study = _load(store, name)
    study.set_user_attr("ended", None)
    try:
        yield
    except InputError as error:
        study.set_user_attr("ended", str(error))
        raise
    if stopped():
        study.set_user_attr("ended", "")


def start_tuning(
    store: Store, config: RunConfig, *, dataset: TextDataset, trials: int | None = None, name: str | None = None, space: str | None = None
) -> str:
    """Begin (or go on with) a study in a process of its own, which outlives this one. Returns its name; raises InputError as open_study does."""
    name = open_study(store, config, dataset=dataset, trials=trials, name=name, space=space)
    go_on(store, name)
    return name


def go_on(store: Store, name: str) -> None:
    """Put a process to work on a study that is there, unless one is."""
    _load(store, name)
    if _worker(store, name) is None:
        with open(_folder(store) / f"{name}.out", "ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "dmlviz", "tune", "--name", name, "--home", str(store.home)],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, env=child_environment(),
            )  # fmt: skip


def stop_tuning(store: Store, name: str) -> None:
    """Ask whoever works on the study to stop: its run is cancelled, and the study can go on later."""
    pid = _worker(store, name)
    if not pid:
        raise InputError(f"nobody works on the study {shown(name)} now; there is nothing to stop")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


# ---- one trial


def _one_trial(
    study: optuna.Study, trial: optuna.Trial, store: Store, dataset: TextDataset, say: Callable[[str], None], stopped: Callable[[], bool]
) -> tuple[TrialState | None, str]:
    """(how it ended, a word about it); None while it waits for the next call."""
    config, space = _base(study)
    params = {axis.name: axis.suggest(trial) for axis in open_axes(config, space)}
    try:
        run_id = _run_of(trial, store) or submit(trial_config(config, space, params), store=store, dataset=dataset)
        trial.set_user_attr("run_id", run_id)
        say(f"trial {trial.number}: {', '.join(f'{k} {v:.4g}' for k, v in params.items())}; run {run_id}")
        value = _watch(trial, store, run_id, config.monitor, stopped)
    except _Stopped:
        return None, ""
    except optuna.TrialPruned as told:
        study.tell(trial, state=TrialState.PRUNED)
        return TrialState.PRUNED, str(told)
    except InputError as error:
        trial.set_user_attr("message", str(error))
        study.tell(trial, state=TrialState.FAIL)
        return TrialState.FAIL, str(error)
    study.tell(trial, value)
    return TrialState.COMPLETE, f"validation {config.monitor} {value:.4f}"


class _Stopped(Exception):
    """Somebody wants the study to wait."""


def _watch(trial: optuna.Trial, store: Store, run_id: str, monitor: str, stopped: Callable[[], bool]) -> float:
    """Report every validation to Optuna until the run has its result. Raises TrialPruned, _Stopped or InputError (the run came to nothing)."""
    engine, looks = LocalEngine(store), 0
    reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
    while True:
        run = store.run(run_id)  # read before the events, so that a finished run's are all there
        rows = [row for row in store.events(run_id) if row.get("kind") == "validation" and row.get(monitor) is not None]
        for row in rows:
            step = round(row["epoch"]) - 1  # from 0, as Optuna counts: WARMUP_EPOCHS whole epochs are left in peace
            if step not in reported:
                reported.add(step)
                trial.report(row[monitor], step)
                if trial.should_prune():
                    _cancel(store, run_id)
                    raise optuna.TrialPruned(f"{monitor} {row[monitor]:.4f} after {step + 1} epochs is below the median")
        if run.state == "finished" or "train_seconds" in run.metrics:  # its map may still be in the making
            return _value(run, rows, monitor)
        if run.state not in ACTIVE_STATES:
            raise InputError(run.message or f"run {run_id} is {run.state}")
        if stopped():
            _cancel(store, run_id)
            raise _Stopped
        looks += 1
        if looks % POLL_LOOKS == 0:
            engine.poll()
        time.sleep(LOOK_SECONDS)


def _value(run: Run, rows: list[dict[str, Any]], monitor: str) -> float:
    """The validation score of the weights that the run kept."""
    value = run.metrics.get(f"validation_{monitor}")
    if value is None and rows:
        seen = [row[monitor] for row in rows]
        value = max(seen) if run.config.selection == "best_validation" else seen[-1]
    if value is None:
        raise InputError(f"run {run.id} has no {monitor} on validation texts")
    return float(value)


def _cancel(store: Store, run_id: str) -> None:
    """Cancel and wait for the end, so that the next trial finds the slot free."""
    with contextlib.suppress(InputError):  # it has just ended by itself
        LocalEngine(store).cancel(run_id)
        while store.run(run_id).state in ACTIVE_STATES:
            time.sleep(LOOK_SECONDS)


def _run_of(trial: optuna.Trial, store: Store) -> str | None:
    """The run that an interrupted trial had begun, going on; None when there is none any more."""
    run_id = trial.user_attrs.get("run_id")
    if run_id is None or run_id not in store.run_ids():
        return None
    if store.run(run_id).state in ("cancelled", "interrupted"):
        LocalEngine(store).submit(run_id)
    return run_id


def _next_trial(study: optuna.Study) -> optuna.Trial:
    """The trial that a stopped or killed process left without a result, else a new one."""
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return optuna.trial.Trial(study, left[0]._trial_id) if left else study.ask()


def _done(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


# ---- the journal


def _folder(store: Store) -> Path:
    return store.home / "studies"


def _path(store: Store, name: str) -> Path:
    return _folder(store) / f"{name}.log"


def _load(store: Store, name: str, *, make: bool = False) -> optuna.Study:
    """The study with the authors' pruner; its sampler is set by whoever asks for trials."""
    path = _path(store, name)
    if not STUDY_NAME.fullmatch(name) or not (make or path.is_file()):
        known = [one.stem for one in sorted(_folder(store).glob("*.log"))]
        raise InputError(f"there is no study {shown(name)} in {_folder(store)}; known: {', '.join(known) or 'none'}.{did_you_mean(name, known)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with reading(path, f"the study {name}", MEND):
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        pruner = optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP_EPOCHS, PRUNE_EVERY)
        if make:
            return optuna.create_study(storage=storage, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True)
        return optuna.load_study(storage=storage, study_name=name, pruner=pruner)


def _base(study: optuna.Study) -> tuple[RunConfig, Space]:
    """The base config and the space that a journal was begun with."""
    try:
        config = RunConfig(**study.user_attrs["config"])
        return config, SPACES[config.loss][study.user_attrs["space"]]
    except (KeyError, ValueError):
        name = study.study_name
        raise damaged(f"{name}.log", f"the study {name}", "is damaged, or was written by another version", MEND) from None


def _replayed_sampler(study: optuna.Study, axes: tuple[Axis, ...]) -> optuna.samplers.TPESampler:
    """TPE with the authors' seed, its random numbers used up as far as the study has come: a study that was stopped goes on as if it had not been."""
    sampler = optuna.samplers.TPESampler(seed=SEED)
    again = optuna.create_study(direction="maximize", sampler=sampler)
    for old in study.get_trials(deepcopy=False):
        trial = again.ask()
        for axis in axes:
            if axis.name in old.params:
                axis.suggest(trial)
        _tell_again(again, trial, old)
    return sampler


def _tell_again(study: optuna.Study, trial: optuna.Trial, old: FrozenTrial) -> None:
    for step, value in old.intermediate_values.items():
        trial.report(value, step)
    if old.state == TrialState.COMPLETE:
        study.tell(trial, old.value)
    elif old.state.is_finished():
        study.tell(trial, state=old.state)


def _name_of(config: RunConfig, dataset: TextDataset, options: Mapping[str, Any]) -> str:
    """Data set, loss and a hash of all options: the same command finds the same study."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:6]
    stem = re.sub(r"[^a-z0-9_]+", "-", dataset.name.lower()).strip("-_")[:40] or "data"
    return f"{stem}-{config.loss}-{digest}"


def _check_same(name: str, found: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    before, now = ({**one["config"], "space": one["space"]} for one in (found, options))
    other = [f"{key} {before.get(key)}, not {now[key]}" for key in now if before.get(key) != now[key]]
    if other:
        raise InputError(f"the study {name} was begun with {'; '.join(other)[:200]}; repeat what it was begun with, or choose another --name")


def _check_validation(config: RunConfig, dataset: TextDataset) -> None:
    if not len(split_of(config, dataset).validation):
        what = "lower the shots or add texts" if config.validation else "set validation to 16 or more"
        raise InputError(f"tuning needs validation texts, and there are none; {what}")


# ---- who works on it


@contextlib.contextmanager
def _only_worker(store: Store, name: str) -> Iterator[None]:
    """Hold the study alone; the file says who does."""
    with open(_folder(store) / f"{name}.busy", "a+") as file:
        for look in range(5):  # somebody may only be asking whether it is held
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if look == 4:
                    raise InputError(f"another process works on the study {name} already; wait for it, or stop it") from None
                time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _worker(store: Store, name: str) -> int | None:
    """Pid of the process that works on the study (0 while it is not written yet), or None."""
    path = _folder(store) / f"{name}.busy"
    if not STUDY_NAME.fullmatch(name) or not path.is_file():
        return None
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
    return None
