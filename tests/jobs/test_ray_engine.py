"""A sweep on Ray: two nodes on this machine, one of them killed; and folders that travel."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import numpy as np
import psutil
import pytest
from waiting import processes_of, until

from dmlviz.core.types import InputError
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.ray_engine import RayEngine, pack, unpack
from dmlviz.jobs.sweep import make_plan, start, sweep_state
from dmlviz.jobs.sweep_spec import spec_of
from dmlviz.store.runs import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def plan(tiny_encoder, tiny_dataset):
    """plan(store, epochs=...): a small sweep for the engine ray."""
    base = {"datasets": ["tiny"], "encoders": [str(tiny_encoder)], "losses": ["cross_entropy", "supcon"], "shots": [2], "support_seeds": [0, 1],
            "validation": 6, "batch_size": 2, "lr": 1e-3, "max_length": 16, "epochs": 3, "checkpoint_seconds": 0, "engine": "ray"}  # fmt: skip
    return lambda store, **fields: make_plan(spec_of({**base, **fields}), store, load=lambda ref: tiny_dataset)


@pytest.fixture(scope="module")
def ray():
    return pytest.importorskip("ray", reason="Ray is an extra: pip install ray")


@pytest.fixture(scope="module")
def cluster(ray):
    """Two nodes of one core each; the second may be killed."""
    from ray.cluster_utils import Cluster

    # Ray's dashboard reports even that it must not report; not from a test
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9"}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.second = made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level="error")
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


def assert_same(a: Store, b: Store, ids) -> None:
    for run_id in ids:
        one, other = a.arrays(run_id), b.arrays(run_id)
        np.testing.assert_array_equal(one.embeddings, other.embeddings)
        for name in one.scores:
            np.testing.assert_array_equal(one.scores[name], other.scores[name])


def local(store: Store, plan, **fields) -> Store:
    """The same sweep by the local engine, with as many threads a run."""
    name = start(plan(store, engine="local", slots=2, **fields), store)

    def done() -> bool:
        LocalEngine(store).poll()
        return sweep_state(store, name).done

    until(done, 240, "the local sweep")
    return store


def test_a_node_killed_in_the_middle_loses_nothing_and_both_engines_give_equal_arrays(cluster, ray, store, plan, tmp_path):
    fields = {"epochs": 150, "support_seeds": [0, 1], "checkpoint_seconds": 0.3}  # long enough to be in the middle of it
    name = start(plan(store, **fields), store)
    assert not processes_of(store.home)  # the local engine leaves these runs alone
    ids = sweep_state(store, name).sweep.run_ids
    feeder = threading.Thread(target=RayEngine(store).run, args=(ids,), daemon=True)
    feeder.start()
    trains = lambda: [run for run in sweep_state(store, name).runs if run.state == "running" and run.progress.phase == "training"]  # noqa: E731
    until(lambda: len(trains()) == 2, 240, "a run on each node")
    of_node = [info.process.pid for kind in cluster.second.all_processes.values() for info in kind]
    everything = [one for pid in of_node for one in psutil.Process(pid).children(recursive=True)]  # Ray's workers, fork servers, runs
    assert {store.process(run.id)[0] for run in trains()} & {one.pid for one in everything}
    cluster.remove_node(cluster.second, allow_graceful=False)
    for one in everything:  # a machine that is gone takes all of its processes with it
        with contextlib.suppress(psutil.Error):
            one.kill()
    feeder.join(300)
    assert not feeder.is_alive()
    state = sweep_state(store, name)
    assert state.done, (state.counts, [run.message for run in state.runs])
    assert sum(run.ends.get("interrupted", 0) for run in state.runs) >= 1  # the killed node's run went on elsewhere
    assert all(store.verify(run_id) == [] for run_id in ids)
    assert_same(store, local(Store(tmp_path / "local"), plan, **fields), ids)


def test_folders_travel_where_the_home_is_not_shared(cluster, ray, store, plan, tmp_path):
    name = start(plan(store), store)
    ids = sweep_state(store, name).sweep.run_ids
    RayEngine(store, synced=True).run(ids)
    assert sweep_state(store, name).done
    assert all(store.verify(run_id) == [] for run_id in ids)
    assert_same(store, local(Store(tmp_path / "local"), plan), ids)


def test_a_worker_that_is_killed_goes_on_from_its_checkpoint(cluster, ray, store, plan):
    name = start(plan(store, losses=["g_loss"], support_seeds=[0], epochs=100), store)
    (run_id,) = sweep_state(store, name).sweep.run_ids
    feeder = threading.Thread(target=RayEngine(store).run, args=([run_id],), daemon=True)
    feeder.start()
    until(lambda: store.run(run_id).progress.phase == "training" and store.run(run_id).progress.done > 20, 240, "training")
    os.kill(store.process(run_id)[0], signal.SIGKILL)
    feeder.join(240)
    run = store.run(run_id)
    assert (run.state, run.ends.get("interrupted")) == ("finished", 1)


def test_a_cluster_that_does_not_answer_is_a_sentence(store, plan, monkeypatch):
    ray = pytest.importorskip("ray", reason="Ray is an extra: pip install ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)

    def refuse(**_):
        raise ConnectionError("Could not connect")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 \(Could not connect\)"):
        RayEngine(store, address="127.0.0.1:1").run([])


def test_a_packed_folder_comes_back_as_it_was_and_replaces_what_was_there(tmp_path):
    (tmp_path / "a" / "arrays").mkdir(parents=True)
    (tmp_path / "a" / "arrays" / "x.npy").write_bytes(b"123")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old").touch()
    unpack(pack(tmp_path / "a"), tmp_path / "b")
    assert [str(p.relative_to(tmp_path / "b")) for p in sorted((tmp_path / "b").rglob("*"))] == ["arrays", "arrays/x.npy"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]
