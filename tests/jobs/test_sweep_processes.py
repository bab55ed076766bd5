"""Sweeps in real processes: what a kill, a pause, a full disk or a second start leave behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from waiting import end_processes, processes_of, until

from dmlviz.core.types import InputError
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.sweep import SweepState, cancel_sweep, cost_of, delete_sweep, make_plan, pause_sweep, resume_sweep, start, sweep_state
from dmlviz.jobs.sweep_spec import spec_of
from dmlviz.store.runs import Store
from dmlviz.store.sweeps import read_sweep

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("DMLVIZ_KILLS", "3"))  # more by hand


@pytest.fixture
def spec(tiny_encoder):
    """spec(losses=..., ...): a sweep over the tiny texts."""
    base = {"datasets": ["tiny"], "encoders": [str(tiny_encoder)], "losses": ["cross_entropy", "supcon"], "shots": [2], "support_seeds": [0, 1],
            "validation": 6, "batch_size": 2, "lr": 1e-3, "max_length": 16, "epochs": 3, "checkpoint_seconds": 0, "slots": 2}  # fmt: skip
    return lambda **fields: spec_of({**base, **fields})


@pytest.fixture
def begin(tiny_dataset, spec):
    """begin(store, epochs=...): the name of a sweep that was started."""
    return lambda store, **fields: start(make_plan(spec(**fields), store, load=lambda ref: tiny_dataset), store)


def finished(store: Store, name: str, seconds: float = 240) -> SweepState:
    """The sweep once nothing of it is active; dispatchers that were killed are replaced, as an open page would."""

    def ended() -> SweepState | None:
        LocalEngine(store).poll()
        state = sweep_state(store, name)
        return None if state.open else state

    return until(ended, seconds, f"the end of {name}")


def assert_same(a: Store, b: Store, ids) -> None:
    """Equal arrays, bit for bit."""
    for run_id in ids:
        one, other = a.arrays(run_id), b.arrays(run_id)
        np.testing.assert_array_equal(one.embeddings, other.embeddings)
        assert one.scores.keys() == other.scores.keys()
        for name in one.scores:
            np.testing.assert_array_equal(one.scores[name], other.scores[name])


def test_a_sweep_runs_what_is_missing_and_repeats_nothing(store, begin, spec, tiny_dataset):
    name = begin(store)
    state = finished(store, name)
    assert state.done
    assert len(state.runs) == 4
    assert all(store.verify(run.id) == [] for run in state.runs)
    assert [projection.method for projection in store.projections(state.runs[0].id)] == ["pca"]  # UMAP when somebody looks
    before = {run.id: run.ended for run in state.runs}

    wider = begin(store, support_seeds=[0, 1, 2])
    assert wider != name
    state = finished(store, wider)
    assert state.done
    assert len(state.runs) == 6
    assert {run.id: run.ended for run in state.runs if run.id in before} == before
    plan = make_plan(spec(support_seeds=[0, 1, 2]), store, load=lambda ref: tiny_dataset)
    cost = cost_of(plan, store)
    assert (cost.runs, cost.there, cost.seconds) == (6, 6, 0)
    delete_sweep(store, name)
    with pytest.raises(InputError, match="there is no sweep"):
        read_sweep(store, name)
    assert len(store.runs()) == 6


def test_a_forked_run_equals_one_in_a_process_of_its_own(store, begin, tmp_path, tiny_dataset, spec):
    from dmlviz.jobs.local import child_environment

    one = {"losses": ["supcon"], "support_seeds": [0]}
    state = finished(store, begin(store, **one))
    assert state.done
    alone = Store(tmp_path / "alone")
    plan = make_plan(spec(**one), alone, load=lambda ref: tiny_dataset)
    for config in plan.configs:
        run_id = alone.create(config, tiny_dataset, plan.split(config, {}), run_id=alone.content_id(config, tiny_dataset))
        command = [sys.executable, "-m", "dmlviz.jobs.worker", "--home", str(alone.home), run_id]
        subprocess.run(command, check=True, env=child_environment(), capture_output=True)
    assert_same(store, alone, [run.id for run in state.runs])


def test_killed_at_random_it_loses_nothing_and_ends_as_if_undisturbed(store, begin, tmp_path):
    calm = Store(tmp_path / "calm")
    settings = {"losses": ["cross_entropy", "g_loss"], "support_seeds": [0, 1], "epochs": 50}
    expected = finished(calm, begin(calm, **settings))
    assert expected.done

    name, chance, killed = begin(store, **settings), random.Random(0), []
    while len(killed) < KILLS and sweep_state(store, name).open | bool(sweep_state(store, name).counts.get("interrupted")):
        time.sleep(chance.uniform(0.3, 1.2))
        LocalEngine(store).poll()
        there = sorted(processes_of(store.home), key=lambda one: one.pid)
        if there:
            victim = chance.choice(there)
            with contextlib.suppress(psutil.Error):
                killed.append(victim.cmdline()[2])
                victim.send_signal(signal.SIGKILL)
        assert store.unreadable() == []
    assert len(killed) == KILLS
    state = finished(store, name)
    assert state.done, state.counts
    assert sorted(run.id for run in store.runs()) == sorted(state.sweep.run_ids)  # none lost, none twice
    assert_same(store, calm, state.sweep.run_ids)
    assert all(store.verify(run.id) == [] for run in state.runs)
    until(lambda: not processes_of(store.home), 60, "an idle home without processes")


def test_a_pause_lets_runs_end_and_starts_no_other_and_a_cancelled_sweep_goes_on_when_resumed(store, begin):
    name = begin(store, epochs=80, support_seeds=[0, 1, 2])
    until(lambda: sweep_state(store, name).counts.get("running"), 120, "the first runs")
    pause_sweep(store, name)
    until(lambda: not sweep_state(store, name).counts.get("running"), 120, "the end of the runs at work")
    until(lambda: not processes_of(store.home), 30, "an idle home: nobody waits for a paused sweep")
    state = sweep_state(store, name)
    assert state.sweep.paused.startswith("paused by hand")
    done = state.counts["finished"]
    assert state.counts["queued"] == 6 - done > 0
    LocalEngine(store).poll()
    assert not processes_of(store.home)

    resume_sweep(store, name)
    until(lambda: sweep_state(store, name).counts.get("running"), 120, "it going on")
    cancel_sweep(store, name)
    until(lambda: not sweep_state(store, name).open, 60, "the end of a cancelled sweep")
    assert sweep_state(store, name).counts["cancelled"] > 0
    resume_sweep(store, name)
    assert finished(store, name).done


def test_a_run_that_fails_is_tried_once_more_and_says_why(store, begin):
    wild = {"lr": 1000, "weight_decay": 1000, "max_grad_norm": 1e9, "warmup_share": 0.0, "schedule": "constant"}
    name = begin(store, losses=["cross_entropy", {"name": "triplet", **wild}])
    state = finished(store, name)
    failed = [run for run in state.runs if run.state == "failed"]
    assert state.counts == {"finished": 2, "failed": 2}
    assert {run.config.loss for run in failed} == {"triplet"}
    assert all(run.ends["failed"] == 2 for run in failed)
    assert all("lower lr (now 1000)" in run.message for run in failed), [run.message for run in failed]


def test_its_hours_over_it_pauses(store, begin):
    name = begin(store, hours=1e-4, epochs=60, support_seeds=[0, 1, 2, 3])
    state = until(lambda: (now := sweep_state(store, name)).sweep.paused and not now.counts.get("running") and now, 120, "the pause")
    assert state.sweep.paused == "its hours are over"
    assert state.counts["queued"] > 0


def test_a_run_of_its_own_goes_before_a_waiting_sweep(store, begin, tiny_config, tiny_dataset):
    from dmlviz.jobs.submit import submit

    name = begin(store, epochs=60, support_seeds=[0, 1, 2])
    until(lambda: sweep_state(store, name).counts.get("running"), 120, "the first runs")
    alone = submit(tiny_config(loss="soft_triple", epochs=2), store=store, dataset=tiny_dataset)
    until(lambda: store.run(alone).state == "running", 120, "the run")
    assert sweep_state(store, name).counts.get("queued")
    assert finished(store, name).done


@pytest.fixture
def small(tmp_path):
    """A file system of its own, 60 MB."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    yield place
    end_processes(place / "home")
    subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_is_a_sentence_and_nothing_is_corrupted(begin, small):
    store = Store(small / "home")
    name = begin(store, epochs=60, support_seeds=[0, 1, 2])
    until(lambda: sweep_state(store, name).counts.get("running") == 2, 120, "two runs at work")
    with contextlib.suppress(OSError), open(small / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 14))
    until(lambda: sweep_state(store, name).sweep.paused and not sweep_state(store, name).counts.get("running"), 120, "the pause")
    state = sweep_state(store, name)
    assert "free some space, then go on" in state.sweep.paused
    assert state.counts.get("finished", 0) < 6
    assert all("free disk space" in run.message for run in state.runs if run.state == "failed")
    assert store.unreadable() == []
    assert all(store.verify(run.id) == [] for run in state.runs if run.state == "finished")
    until(lambda: not processes_of(store.home), 60, "an idle home")
    (small / "filler").unlink()
    resume_sweep(store, name)
    state = finished(store, name)
    assert state.done, state.counts
    assert all(store.verify(run.id) == [] for run in state.runs)


def test_a_read_only_home_is_a_sentence(begin, small, capsys):
    from dmlviz.cli.main import main

    store = Store(small / "home")
    name = begin(store, support_seeds=[0])
    assert finished(store, name).done
    until(lambda: not processes_of(store.home), 60, "an idle home")
    file = small / "sweep.yaml"
    file.write_text("datasets: [r8]\nlosses: [supcon]\n")
    before = {path: path.stat().st_mtime_ns for path in store.runs_folder.rglob("*")}
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert main(["sweeps", name, "--do", "pause", "--home", str(store.home)]) == 2
    assert main(["resume", sweep_state(store, name).runs[0].id, "--home", str(store.home)]) == 2
    said = capsys.readouterr().err
    assert "Read-only file system" in said
    assert "Traceback" not in said
    assert [run.state for run in store.runs()] == ["finished", "finished"]  # looking goes on
    assert {path: path.stat().st_mtime_ns for path in store.runs_folder.rglob("*")} == before
    subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
