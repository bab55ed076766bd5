"""The desk: maps that a page asks for, made by a process of its own; and what happens when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import waiting

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.analysis.geometry.projection import common_start, project
from dmlviz.analysis.map_kinds import MapKind, load_panes, missing_maps, read_kind
from dmlviz.core.types import InputError, RunConfig
from dmlviz.data import draw_split
from dmlviz.jobs import tasks
from dmlviz.store.attributions import stored_rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def two_runs(store, tiny_dataset) -> list[str]:
    """Two finished runs with embeddings and predictions, and no map."""
    split, ids = draw_split(tiny_dataset, shots=2, validation=0), []
    rows, rng = split.row_ids, np.random.default_rng(0)
    for seed in (0, 1):
        run_id = store.create(RunConfig(dataset="tiny", shots=2, seed=seed), tiny_dataset, split)
        labels = tiny_dataset.labels[rows]
        vectors = (np.eye(3)[labels] @ rng.normal(size=(3, 16)) + 0.4 * rng.normal(size=(len(rows), 16))).astype(np.float16)
        store.save_arrays(run_id, {"embeddings": vectors, "labels": labels, "scores_head": np.eye(3, dtype=np.float32)[labels]})
        store.end(run_id, "finished", metrics={"readout": "head", "accuracy": 1.0})
        ids.append(run_id)
    return ids


@pytest.fixture
def asleep(monkeypatch):
    """Nobody is woken: the test works itself."""
    monkeypatch.setattr("dmlviz.jobs.tasks.wake", lambda store: None)


@pytest.mark.parametrize(
    "text", ["umap", "pca", "tsne", "umap+euclidean+3d+seed=1+min_dist=0.5+n_neighbors=30+common", "umap+aligned", "pacmap+seed=2"]
)
def test_a_kind_of_map_there_and_back(text):
    assert str(read_kind(text)) == text


def test_a_default_needs_no_word():
    assert str(read_kind("umap+n_neighbors=15+cosine+2d+seed=0")) == "umap"
    assert read_kind("umap") == MapKind()


@pytest.mark.parametrize("text", ["", "foo", "umap+foo", "umap+n_neighbors=x", "umap+bar=3", "umap+9d", "umap+n_neighbors=1e9"])
def test_a_kind_that_is_none_is_a_sentence(text):
    with pytest.raises(InputError):
        read_kind(text)


@pytest.mark.usefixtures("asleep")
def test_maps_are_made_once_and_shown(store, two_runs):
    kind = read_kind("pca+euclidean+seed=3")
    assert missing_maps(store, two_runs, kind) == two_runs
    asked = tasks.ask_for_maps(store, two_runs, kind)
    assert [(one.state, one.run_ids) for one in asked] == [("waiting", (run_id,)) for run_id in two_runs]
    assert [one.id for one in tasks.ask_for_maps(store, two_runs, kind)] == [one.id for one in asked]  # asking twice asks once
    tasks.work(store, idle=0.5)
    assert missing_maps(store, two_runs, kind) == []
    assert tasks.tickets(store, two_runs, kind) == []
    assert {one.state for one in tasks.all_tickets(store)} == {"done"}
    panes, _ = load_panes(store, two_runs, method=str(kind), register_on_first=False)
    for pane, run_id in zip(panes, two_runs, strict=True):
        arrays = store.arrays(run_id)
        wanted = project(arrays.embeddings, arrays.row_ids, method="pca", metric="euclidean", seed=3)
        np.testing.assert_array_equal(pane.projection.points, wanted.points)


@pytest.mark.usefixtures("asleep")
def test_maps_with_a_common_start_are_made_together(store, two_runs):
    kind = read_kind("tsne+common+perplexity=5")
    (ticket,) = tasks.ask_for_maps(store, two_runs, kind)
    assert ticket.run_ids == tuple(two_runs)
    tasks.make_maps(store, ticket.run_ids, kind)
    assert missing_maps(store, two_runs, kind) == []
    assert missing_maps(store, two_runs[:1], kind) == two_runs[:1]  # with other company it is another map
    arrays = [store.arrays(run_id) for run_id in two_runs]
    start = common_start([one.embeddings for one in arrays])
    wanted = project(arrays[1].embeddings, arrays[1].row_ids, method="tsne", settings={"perplexity": 5}, start=start)
    panes, _ = load_panes(store, two_runs, method=str(kind), register_on_first=False)
    np.testing.assert_allclose(panes[1].projection.points, wanted.points, atol=1e-5)


@pytest.mark.usefixtures("asleep")
def test_while_a_map_is_missing_every_pane_shows_its_pca(store, two_runs):
    tasks.make_maps(store, two_runs[:1], read_kind("tsne+perplexity=5"))
    panes, _ = load_panes(store, two_runs, method="tsne+perplexity=5")
    assert [pane.projection.method for pane in panes] == ["pca", "pca"]


@pytest.mark.usefixtures("asleep")
def test_what_cannot_be_made_is_a_sentence_and_can_be_asked_for_again(store, two_runs, monkeypatch):
    kind = read_kind("umap+aligned")
    monkeypatch.setattr("dmlviz.analysis.geometry.projection.ALIGNED_LIMIT", 5)
    tasks.ask_for_maps(store, two_runs, kind)
    tasks._serve(store, tasks.all_tickets(store)[0], tasks.Kept(store))
    (ticket,) = tasks.tickets(store, two_runs, kind)
    assert ticket.state == "failed"
    assert "would take too long" in ticket.message
    assert [one.state for one in tasks.ask_for_maps(store, two_runs, kind)] == ["waiting"]
    with pytest.raises(InputError, match="there is no run"):
        tasks.ask_for_maps(store, ["odd-gone-2shot-d0-s0-000000"], read_kind("tsne"))


@pytest.mark.usefixtures("asleep")
def test_a_ticket_that_nobody_works_on_is_cancelled_at_once(store, two_runs):
    (ticket, _) = tasks.ask_for_maps(store, two_runs, read_kind("tsne+perplexity=5"))
    tasks.cancel(store, ticket.id)
    assert [one.state for one in tasks.tickets(store, two_runs, read_kind("tsne+perplexity=5"))] == ["cancelled", "waiting"]


@pytest.mark.slow
def test_a_real_worker_makes_maps_hears_cancel_and_is_replaced_when_killed(store, two_runs):
    kind = read_kind("tsne+perplexity=5")
    try:
        tasks.ask_for_maps(store, two_runs, kind)
        waiting.until(lambda: not missing_maps(store, two_runs, kind), 120, "two maps")
        assert tasks.worker_lives(store)
        (pid,) = [one.pid for one in waiting.processes_of(store.home)]  # kept for the next one
        os.kill(pid, signal.SIGSTOP)  # it cannot take the next ticket
        other = read_kind("tsne+perplexity=4")
        asked = tasks.ask_for_maps(store, two_runs, other)
        tasks.cancel(store, asked[0].id)
        os.kill(pid, signal.SIGKILL)
        waiting.until(lambda: not tasks.worker_lives(store), 30, "the end of the worker")
        tasks.cancel(store, asked[0].id)
        tasks.poll(store)
        waiting.until(lambda: len(missing_maps(store, two_runs, other)) == 1, 120, "the map that was not cancelled")
        assert [one.state for one in tasks.tickets(store, two_runs, other)] == ["cancelled"]
    finally:
        waiting.end_processes(store.home)


@pytest.mark.slow
def test_a_map_in_the_making_is_left_when_cancelled(store, two_runs):
    """The worker is told while it computes: it leaves without the map, and says so."""
    kind = read_kind("tsne+perplexity=5")
    desk_folder = store.home / "desk"
    slow = (
        "import time, sys; import dmlviz.jobs.tasks as d; from dmlviz.store.runs import Store; "
        "d.make_maps = lambda *a: time.sleep(60); d.work(Store(sys.argv[1]))"
    )
    tasks._ask(store, two_runs[:1], "map", str(kind))
    worker = subprocess.Popen([sys.executable, "-c", slow, str(store.home)], cwd=ROOT)
    try:
        waiting.until(lambda: [one.state for one in tasks.all_tickets(store)] == ["working"], 60, "the start")
        tasks.cancel(store, tasks.all_tickets(store)[0].id)
        assert worker.wait(20) == 1
        assert [one.state for one in tasks.all_tickets(store)] == ["cancelled"]
        assert not tasks.worker_lives(store)
    finally:
        worker.kill()
    assert sorted(p.name for p in desk_folder.iterdir() if p.is_dir()) == [tasks.all_tickets(store)[0].id]


# ---- attributions


@pytest.fixture
def fine_tuned(store, tiny_dataset, tiny_encoder, monkeypatch) -> list[str]:
    """Two runs of two losses with their weights, trained in this process; no maps."""
    from dmlviz.jobs.submit import submit
    from dmlviz.jobs.worker import work

    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    base = {"dataset": "tiny", "encoder": str(tiny_encoder), "shots": 4, "validation": 6, "batch_size": 4, "lr": 1e-3, "max_length": 16, "epochs": 1}
    ids = []
    for loss in ("cross_entropy", "soft_triple"):
        ids.append(submit(RunConfig(loss=loss, **base), store=store, dataset=tiny_dataset))
        work(store, ids[-1])
    return ids


@pytest.mark.usefixtures("asleep")
def test_attributions_are_asked_for_once_and_not_at_all_when_stored(store, fine_tuned):
    kind = AttributionKind("gradient_x_input")
    ticket = tasks.ask_for_attributions(store, fine_tuned, kind, [2, 0, 2])
    assert (ticket.state, ticket.task, ticket.request["rows"]) == ("waiting", "attributions", [0, 2])
    assert tasks.ask_for_attributions(store, fine_tuned, kind, [0, 2]).id == ticket.id
    assert [one.id for one in tasks.attribution_tickets(store, fine_tuned[:1])] == [ticket.id]
    tasks.work(store, idle=0.3)
    assert all(stored_rows(store, run_id, str(kind)) == {0, 2} for run_id in fine_tuned)
    assert tasks.attribution_tickets(store, fine_tuned) == []
    assert tasks.ask_for_attributions(store, fine_tuned, kind, [2]) is None


@pytest.mark.usefixtures("asleep")
def test_a_kind_that_a_run_has_not_is_the_tickets_sentence(store, fine_tuned):
    ticket = tasks.ask_for_attributions(store, fine_tuned[:1], AttributionKind("gradient_x_input", "soft_triple"), [0])
    tasks.work(store, idle=0.3)
    (failed,) = [one for one in tasks.all_tickets(store) if one.id == ticket.id]
    assert (failed.state, "no centres" in failed.message) == ("failed", True)


@pytest.mark.usefixtures("asleep")
def test_typed_sentences_are_served_between_the_chunks_of_a_long_job(store, fine_tuned, monkeypatch):
    """While a job of three chunks runs, a sentence is typed: it is answered before the second chunk."""
    from dmlviz.explain import jobs

    monkeypatch.setattr(jobs, "CHUNK", 2)
    kind, seen, plain = AttributionKind("gradient_x_input"), [], jobs.save_attributions
    tasks.ask_for_attributions(store, fine_tuned[:1], kind, range(6))

    def saving(*given):
        plain(*given)
        seen.append([one.state for one in tasks.all_tickets(store) if one.task == "typed"])
        if len(seen) == 1:
            tasks._ask(store, fine_tuned, "typed", str(kind), text="the cat", pair=None)

    monkeypatch.setattr(jobs, "save_attributions", saving)
    tasks.work(store, idle=0.3)
    assert seen == [[], ["done"], ["done"]]
    assert {one.state for one in tasks.all_tickets(store)} == {"done"}


@pytest.mark.slow
def test_a_real_worker_answers_a_typed_sentence_for_two_runs(store, fine_tuned):
    """Through a process of its own: values for the loss that has centres, a sentence for the one that has none."""
    try:
        ticket = tasks.ask_typed(store, fine_tuned, AttributionKind("ig", "soft_triple"), "the cat saw 🐈")
        found = waiting.until(lambda: tasks.typed_answer(store, ticket.id), 120, "the answer")
        assert "no centres" in found[fine_tuned[0]]
        assert len(found[fine_tuned[1]].values) == 4
        waiting.until(lambda: tasks.all_tickets(store)[0].state == "done", 30, "the end of the ticket")
        again = tasks.ask_typed(store, fine_tuned, AttributionKind("ig", "soft_triple"), "the cat saw 🐈")
        assert (again.id, again.state) == (ticket.id, "done")  # the answer is still there
        empty = tasks.ask_typed(store, fine_tuned, AttributionKind(), "  ")
        found = waiting.until(lambda: tasks.typed_answer(store, empty.id), 60, "the sentences")
        assert all("no word to explain" in one for one in found.values())
    finally:
        waiting.end_processes(store.home)


@pytest.mark.slow
def test_a_job_that_is_cancelled_keeps_its_parts(store, fine_tuned):
    """A worker whose chunks take their time is told to stop: the first chunk is stored, and asking again does the rest."""
    slow = (
        "import sys, time; import dmlviz.jobs.tasks as d; from dmlviz.explain import jobs; from dmlviz.store.runs import Store; jobs.CHUNK = 2; "
        "plain = jobs.save_attributions; jobs.save_attributions = lambda *a: (plain(*a), time.sleep(30)); d.work(Store(sys.argv[1]))"
    )
    kind = AttributionKind("gradient_x_input")
    tasks._ask(store, fine_tuned[:1], "attributions", str(kind), rows=list(range(5)))
    worker = subprocess.Popen([sys.executable, "-c", slow, str(store.home)], cwd=ROOT)
    try:
        waiting.until(lambda: len(stored_rows(store, fine_tuned[0], str(kind))) == 2, 90, "the first chunk")
        tasks.cancel(store, tasks.all_tickets(store)[0].id)
        assert worker.wait(20) == 1
        assert [one.state for one in tasks.all_tickets(store)] == ["cancelled"]
        assert len(stored_rows(store, fine_tuned[0], str(kind))) == 2
        tasks.ask_for_attributions(store, fine_tuned[:1], kind, range(5))
        waiting.until(lambda: len(stored_rows(store, fine_tuned[0], str(kind))) == 5, 90, "the rest")
    finally:
        worker.kill()
        waiting.end_processes(store.home)


# ---- what fails is not tried again by itself


@pytest.mark.usefixtures("asleep")
def test_a_typed_sentence_that_fails_is_asked_for_once_however_often_the_page_looks(store, two_runs, monkeypatch):
    served, kind = [], AttributionKind()

    def failing(*_):
        served.append(1)
        raise RuntimeError("a library broke")

    monkeypatch.setattr(tasks, "_work_on", failing)
    for _ in range(5):  # five redraws
        ticket = tasks.ask_typed(store, two_runs, kind, "the cat")
        while (waiting_one := tasks.next_ticket(store)) is not None:
            tasks._serve(store, waiting_one, tasks.Kept(store))
    assert len(served) == 1
    ticket = tasks.ask_typed(store, two_runs, kind, "the cat")
    assert ticket.state == "failed"
    assert ticket.message == "the attribution could not be made (RuntimeError); desk/log.txt in the home folder has the details"
    assert tasks.ask_typed(store, two_runs, kind, "the cat", again=True).state == "waiting"  # a person wants it
    tasks.cancel(store, ticket.id)
    assert tasks.ask_typed(store, two_runs, kind, "the cat").state == "cancelled"


@pytest.mark.usefixtures("asleep")
def test_a_damaged_answer_is_asked_for_again(store, two_runs):
    ticket = tasks.ask_typed(store, two_runs, AttributionKind(), "the cat")
    folder = store.home / "desk" / ticket.id
    tasks._tell(folder, state="done")
    (folder / "answer.json").write_text('{"a": ')
    assert tasks.ask_typed(store, two_runs, AttributionKind(), "the cat").state == "waiting"


@pytest.mark.slow
def test_a_ticket_that_ends_its_process_twice_is_given_up(store, two_runs):
    """The kernel kills the worker each time it begins: the second time is the last, and the next ticket is served."""
    killed = (
        "import os, sys; import dmlviz.jobs.tasks as d; from dmlviz.store.runs import Store; plain = d.make_maps\n"
        "def make_maps(store, ids, kind, *rest):\n"
        "    os._exit(9) if kind.method == 'tsne' else plain(store, ids, kind, *rest)\n"
        "d.make_maps = make_maps; d.work(Store(sys.argv[1]), idle=0.5)"
    )
    bad, good = read_kind("tsne+perplexity=5"), read_kind("pacmap")
    tasks._ask(store, two_runs[:1], "map", str(bad))
    tasks._ask(store, two_runs[:1], "map", str(good))
    codes = [subprocess.run([sys.executable, "-c", killed, str(store.home)], cwd=ROOT, check=False).returncode for _ in range(3)]
    assert codes == [9, 9, 0]
    (ticket,) = tasks.tickets(store, two_runs[:1], bad)
    assert ticket.state == "failed"
    assert ticket.message == "the map could not be made: its process ended without a word 2 times (killed, or out of memory)"
    assert missing_maps(store, two_runs[:1], good) == []
    assert [one.tries for one in tasks.ask_for_maps(store, two_runs[:1], bad)] == [0]


def test_one_run_that_cannot_be_explained_leaves_the_others(store, fine_tuned, monkeypatch):
    from dmlviz.explain import jobs

    plain = jobs.explain
    broken = lambda run, *rest, **named: plain(run, *rest, **named) if run.run.id != fine_tuned[0] else [][0]  # noqa: E731
    monkeypatch.setattr(jobs, "explain", broken)
    found = jobs.explain_typed(jobs.Models(store), fine_tuned, "the cat", None, AttributionKind("gradient_x_input"))
    assert found[fine_tuned[0]] == f"run {fine_tuned[0]} cannot be explained (IndexError: list index out of range)"
    assert len(found[fine_tuned[1]].values) == 2
