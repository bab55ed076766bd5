"""A listing of many runs reads each run's files once, sees every change, and opens no array."""

from __future__ import annotations

import builtins
import os
import time

import numpy as np
import pytest

from dmlviz.core.types import InputError, RunConfig
from dmlviz.data import draw_split
from dmlviz.store import status as rooms
from dmlviz.store.runs import Store


def runs_in(store: Store, dataset, count: int) -> list[str]:
    split = draw_split(dataset, shots=2, validation=0)
    return [store.create(RunConfig(dataset="tiny", shots=2, support_seed=i), dataset, split) for i in range(count)]


def older(store: Store, run_id: str, seconds: float = 60.0) -> None:
    """The run's files look as if they had been written some time ago."""
    for name in ("config.json", "status.json"):
        path = store.folder(run_id) / name
        os.utime(path, (time.time() - seconds, path.stat().st_mtime - seconds))


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Names of the files that are opened."""
    names, plain = [], builtins.open
    monkeypatch.setattr(builtins, "open", lambda file, *rest, **named: names.append(str(file)) or plain(file, *rest, **named))
    read = rooms.read_json
    monkeypatch.setattr(rooms, "read_json", lambda path: names.append(str(path)) or read(path))
    return names


def test_a_run_that_has_not_changed_is_read_once_and_no_array_ever(store, tiny_dataset, opened):
    ids = runs_in(store, tiny_dataset, 3)
    for run_id in ids:
        store.save_arrays(run_id, {"embeddings": np.zeros((2, 2), np.float16)})
        store.update(run_id, state="finished", metrics={"accuracy": 0.5})
        older(store, run_id)
    opened.clear()
    first = store.runs()
    assert len([name for name in opened if name.endswith(".json")]) == 2 * 3
    opened.clear()
    assert store.runs() == first
    assert not opened
    assert not [name for name in opened if name.endswith(".npy")]


def test_a_changed_status_is_seen(store, tiny_dataset):
    (run_id,) = runs_in(store, tiny_dataset, 1)
    older(store, run_id)
    assert store.run(run_id).state == "queued"
    store.update(run_id, state="finished", metrics={"accuracy": 0.1})
    assert store.run(run_id).metrics == {"accuracy": 0.1}
    store.update(run_id, metrics={"accuracy": 0.2})  # the same size, within the same tick of the clock
    assert store.run(run_id).metrics == {"accuracy": 0.2}
    for i in range(200):
        store.update(run_id, progress=["training", 100 + i, 999, "step", None])
        assert store.run(run_id).progress.done == 100 + i


def test_what_is_active_is_looked_at_every_time(store, tiny_dataset):
    (run_id,) = runs_in(store, tiny_dataset, 1)
    older(store, run_id)
    assert store.run(run_id).state == "queued"
    store.request_cancel(run_id)  # a marker file: status.json stays as it was
    assert store.run(run_id).state == "cancelled"
    store.clear_cancel(run_id)
    assert store.run(run_id).state == "queued"
    store.claim(run_id)
    older(store, run_id)
    assert store.run(run_id).state == "running"
    store.update(run_id, pid_started=0.0)  # another process has the number now
    older(store, run_id)
    assert store.run(run_id).state == "interrupted"


def test_a_deleted_run_leaves_the_list_and_a_broken_one_is_said(store, tiny_dataset):
    kept, gone, broken = runs_in(store, tiny_dataset, 3)
    for run_id in (kept, gone, broken):
        older(store, run_id)
    assert len(store.runs()) == 3
    store.delete(gone)
    (store.folder(broken) / "status.json").write_text("{", encoding="utf-8")
    assert [run.id for run in store.runs()] == [kept]
    assert len(store.unreadable()) == 1
    with pytest.raises(InputError):
        store.run(broken)


def test_no_more_are_kept_than_fit(store, tiny_dataset, monkeypatch):
    monkeypatch.setattr(rooms, "MOST_READ", 4)
    for run_id in runs_in(store, tiny_dataset, 9):
        older(store, run_id)
    assert len(store.runs()) == 9
    assert len(rooms._READ) <= 5


def test_newest_first_by_the_config(store, tiny_dataset):
    ids = runs_in(store, tiny_dataset, 3)
    for age, run_id in zip((30, 10, 20), ids, strict=True):
        path = store.folder(run_id) / "config.json"
        os.utime(path, (1e9 - age, 1e9 - age))
    assert store.run_ids() == [ids[1], ids[2], ids[0]]
    (store.runs_folder / "stray").mkdir()
    (store.runs_folder / ".hidden").mkdir()
    assert len(store.run_ids()) == 3
