"""Run folders: what is written comes back, half-written things do no harm, and a run's state is what it is now."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from dmlviz.core.types import DamagedError, InputError, Progress, Projection, ReaderNote, RunConfig, TextDataset
from dmlviz.data import draw_split, read_file
from dmlviz.store.files import atomic_json, read_dataset, read_json, write_dataset
from dmlviz.store.leftovers import sweep_leftovers
from dmlviz.store.runs import Store

CONFIG = RunConfig(dataset="tiny", shots=2, validation=3)


@pytest.fixture
def make_run(store, tiny_dataset):
    """make_run(state=..., **status): a run folder with this status. Returns its id."""
    split = draw_split(tiny_dataset, shots=2, validation=3)

    def make(**status) -> str:
        run_id = store.create(CONFIG, tiny_dataset, split)
        if status:
            store.update(run_id, **status)
        return run_id

    return make


def ended_process() -> int:
    """The pid of a process that is no more."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


# ---- status


def test_a_created_run_is_read_back_whole(store, make_run, tiny_dataset):
    run = store.run(make_run())
    assert (run.state, run.origin, run.progress) == ("queued", "trained", Progress("queued", 0, 0, "step", None))
    assert run.config == CONFIG.model_copy(update={"dataset_hash": tiny_dataset.content_hash})
    drawn, kept = draw_split(tiny_dataset, shots=2, validation=3), store.split(run.id)
    assert kept.row_ids.tolist() == drawn.row_ids.tolist()
    assert kept.roles.tolist() == drawn.roles.tolist()
    assert (kept.shots, kept.shots_by, kept.support_seed, kept.notes) == (2, "class", 0, drawn.notes)


def test_a_reader_never_sees_half_a_status(tmp_path):
    path, stop, wrong = tmp_path / "status.json", threading.Event(), []
    atomic_json(path, {"filler": "x" * 20_000, "n": 0})

    def read() -> None:
        while not stop.is_set():
            try:
                if len(read_json(path)["filler"]) != 20_000:
                    wrong.append("short")
            except ValueError as error:
                wrong.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(200):
        atomic_json(path, {"filler": "x" * 20_000, "n": n})
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert read_json(path)["n"] == 199
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]  # no draft is left


def test_a_claimed_run_is_running_while_its_process_lives(store, make_run):
    run_id = make_run()
    store.claim(run_id)
    assert store.run(run_id).state == "running"
    assert store.process(run_id) == (os.getpid(), psutil.Process().create_time())
    store.request_cancel(run_id)
    assert store.run(run_id).state == "cancelling"


@pytest.mark.parametrize(("wish", "state"), [(False, "interrupted"), (True, "cancelled")])
def test_a_dead_worker_is_interrupted_or_cancelled(store, make_run, wish, state):
    run_id = make_run(state="running", pid=ended_process(), pid_started=time.time(), host=socket.gethostname())
    if wish:
        store.request_cancel(run_id)
    assert store.run(run_id).state == state
    assert store.process(run_id) is None


def test_a_pid_given_to_another_process_is_not_the_worker(store, make_run):
    started = psutil.Process().create_time()
    run_id = make_run(state="running", pid=os.getpid(), pid_started=started - 3600, host=socket.gethostname())
    assert store.run(run_id).state == "interrupted"
    store.update(run_id, pid_started=started)
    assert store.run(run_id).state == "running"


def test_a_zombie_is_dead(store, make_run):
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        process = psutil.Process(child.pid)
        run_id = make_run(state="running", pid=child.pid, pid_started=process.create_time(), host=socket.gethostname())
        deadline = time.monotonic() + 20
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.status() == psutil.STATUS_ZOMBIE
        assert store.run(run_id).state == "interrupted"
    finally:
        child.wait()


def test_another_hosts_worker_is_judged_by_its_heartbeat(store, make_run):
    run_id = make_run(state="running", pid=os.getpid(), pid_started=psutil.Process().create_time(), host="elsewhere.example")
    assert store.run(run_id).state == "interrupted"  # it never beat
    store.beat(run_id)
    assert store.run(run_id).state == "running"
    assert store.process(run_id) is None  # nobody here may signal that pid
    old = time.time() - 60
    os.utime(store.folder(run_id) / "heartbeat", (old, old))
    assert store.run(run_id).state == "interrupted"


def test_a_queued_run_that_is_not_wanted_is_cancelled_at_once(store, make_run):
    run_id = make_run()
    store.request_cancel(run_id)
    assert store.run(run_id).state == "cancelled"
    store.requeue(run_id)
    assert store.run(run_id).state == "queued"


@pytest.mark.parametrize("state", ["queued", "running", "finished"])
def test_only_stopped_runs_go_back_into_the_queue(store, make_run, state):
    run_id = make_run()
    if state != "queued":
        store.claim(run_id)
    if state == "finished":
        store.end(run_id, "finished")
    with pytest.raises(InputError, match=f"run {run_id} is {state}; only interrupted, cancelled or failed runs can be resumed"):
        store.requeue(run_id)


# ---- ids and folders


@pytest.mark.parametrize(
    "run_id", ["..", ".", "", "../x", "a/../../x", "/etc", "a/b", "a\\b", "A", "-x", ".hidden", "a\n", "x" * 200, "☃", "no-such-run"]
)
def test_an_id_that_is_none_is_refused(store, run_id):
    outside = store.home / "x"  # what '../x' would reach
    outside.mkdir()
    (outside / "config.json").write_text("{}")
    for call in (store.folder, store.run, store.delete, store.log_tail, store.arrays, store.verify, store.request_cancel):
        with pytest.raises(InputError, match="there is no run"):
            call(run_id)
    assert (outside / "config.json").is_file()


@pytest.mark.parametrize("name", ["../x", "", "0" * 63, "0" * 64, "../" + "0" * 61])
def test_a_hash_that_is_none_is_refused(store, name):
    with pytest.raises(InputError, match=r"the data set .* is not in .*; load it again"):
        store.dataset(name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("status.json", ""),
        ("status.json", '{"state": "runn'),
        ("status.json", "[]"),
        ("status.json", "{}"),
        ("status.json", '{"state": "queued"}'),
        ("status.json", '{"state": "queued", "created": 1, "progress": 3}'),
        ("status.json", None),
        ("status.json", '{"state": "finishe", "created": 1}'),
        ("status.json", '{"state": "queued", "created": 1, "metrics": [1]}'),
        ("config.json", None),
        ("config.json", "nothing"),
        ("config.json", "[1]"),
        ("config.json", '{"format": "x"}'),
        ("config.json", '{"format": 1, "dataset": "r8", "unknown_field": 1}'),
    ],
)
def test_an_unreadable_folder_is_reported_and_skipped(store, make_run, file, content):
    sound, broken = make_run(), make_run()
    path = store.folder(broken) / file
    path.unlink() if content is None else path.write_text(content)
    assert [run.id for run in store.runs()] == [sound]
    wrong = {None: "is missing", "": "is empty"}.get(content, "is damaged, or was written by another version")
    assert store.damaged() == {broken: f"{file} of run {broken} {wrong}; copy it back from a backup, or delete the run"}
    store.delete(broken)
    assert store.damaged() == {}
    assert [run.id for run in store.runs()] == [sound]


def test_a_folder_of_a_newer_version_is_refused_in_a_sentence(store, make_run):
    run_id = make_run()
    path = store.folder(run_id) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "a_field_of_tomorrow": True}))
    with pytest.raises(InputError, match=f"^run {run_id} was written by a newer DMLViz; update this one to read it$"):
        store.run(run_id)
    assert store.runs() == []


def test_stray_files_and_drafts_are_no_runs(store, make_run):
    run_id = make_run()
    (store.runs_folder / ".half.new").mkdir()
    (store.runs_folder / "empty").mkdir()
    (store.runs_folder / "note.txt").write_text("hello")
    assert store.run_ids() == [run_id]
    assert store.unreadable() == []


def test_runs_are_listed_newest_first_and_no_array_is_read(store, make_run):
    ids = []
    for age in (30, 20, 10):
        run_id = make_run()
        moment = time.time() - age
        os.utime(store.folder(run_id) / "config.json", (moment, moment))
        (store.folder(run_id) / "arrays").mkdir()
        (store.folder(run_id) / "arrays" / "embeddings.npy").write_bytes(b"no array at all")
        ids.append(run_id)
    assert [run.id for run in store.runs()] == ids[::-1]
    with pytest.raises(InputError, match=rf"^arrays/embeddings\.npy of run {ids[0]} is damaged"):  # touching them would have been noticed
        store.arrays(ids[0])


@pytest.mark.parametrize("state", ["running", "cancelling"])
def test_a_running_run_is_not_deleted(store, make_run, state):
    run_id = make_run()
    store.claim(run_id)
    if state == "cancelling":
        store.request_cancel(run_id)
    with pytest.raises(InputError, match=f"^run {run_id} is still running; cancel it first$"):
        store.delete(run_id)
    store.end(run_id, "finished")
    store.delete(run_id)
    assert store.runs() == []
    assert list(store.runs_folder.iterdir()) == []


# ---- history


def test_half_a_line_is_ignored_and_swallows_nothing(store, make_run):
    run_id = make_run()
    store.add_event(run_id, {"kind": "step", "step": 1, "loss": 1.0})
    with open(store.folder(run_id) / "events.jsonl", "ab") as file:
        file.write('{"kind": "step", "step": 2, "note": "ü'.encode()[:-1])  # killed inside a letter
    assert [row["step"] for row in store.events(run_id)] == [1]
    store.add_event(run_id, {"kind": "step", "step": 2, "loss": 0.5})
    store.add_event(run_id, {"kind": "step", "step": 3, "loss": 0.25})
    assert [(row["step"], row["loss"]) for row in store.events(run_id)] == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_line_that_is_no_row_is_ignored(store, make_run):
    run_id = make_run()
    (store.folder(run_id) / "events.jsonl").write_text('12\nnull\n[1]\n{"kind": "step", "step": 1}\n')
    assert store.events(run_id) == [{"kind": "step", "step": 1}]


def test_a_repeated_step_keeps_the_later_row(store, make_run):
    run_id = make_run()
    for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 20.0), (3, 30.0)):
        store.add_event(run_id, {"kind": "step", "step": step, "loss": loss})
    store.add_event(run_id, {"kind": "validation", "step": 2, "accuracy": 0.5})
    steps = [(row["step"], row["loss"]) for row in store.events(run_id) if row["kind"] == "step"]
    assert steps == [(1, 1.0), (2, 20.0), (3, 30.0)]
    assert [row["accuracy"] for row in store.events(run_id) if row["kind"] == "validation"] == [0.5]


def test_the_log_tail_is_its_last_lines(store, make_run):
    run_id = make_run()
    assert store.log_tail(run_id) == ""
    store.log_file(run_id).write_text("".join(f"line {i}\n" for i in range(1000)))
    assert store.log_tail(run_id, lines=3) == "line 997\nline 998\nline 999"


# ---- arrays, maps, checks


@pytest.fixture
def finished(store, make_run):
    """A finished run with arrays of every kind, and those arrays."""
    rng, run_id = np.random.default_rng(0), make_run()
    n = len(store.split(run_id).row_ids)
    arrays = {
        "embeddings": rng.normal(size=(n, 5)).astype(np.float16),
        "labels": rng.integers(0, 3, n),
        "scores_head": rng.normal(size=(n, 3)).astype(np.float32),
        "scores_centers": rng.normal(size=(n, 3)).astype(np.float32),
        "logits": rng.normal(size=(n, 3)).astype(np.float32),
        "centers": rng.normal(size=(3, 4, 5)).astype(np.float32),
        "centers_space": np.array("tokens"),
        "snapshots": rng.normal(size=(2, 4, 5)).astype(np.float16),
        "snapshot_epochs": np.array([0.0, 2.0]),
        "snapshot_rows": np.arange(4),
    }
    store.claim(run_id)
    store.save_arrays(run_id, arrays)
    store.seal(run_id)
    store.end(run_id, "finished")
    return run_id, arrays


def test_arrays_come_back_as_they_were(store, finished):
    run_id, arrays = finished
    found = store.arrays(run_id)
    for name in ("embeddings", "labels", "logits", "centers", "snapshots", "snapshot_epochs", "snapshot_rows"):
        kept = getattr(found, name)
        assert isinstance(kept, np.memmap), name
        assert kept.dtype == arrays[name].dtype
        np.testing.assert_array_equal(kept, arrays[name])
    assert found.centers_space == "tokens"
    assert sorted(found.scores) == ["centers", "head"]
    np.testing.assert_array_equal(found.scores["head"], arrays["scores_head"])
    np.testing.assert_array_equal(found.row_ids, store.split(run_id).row_ids)


def test_a_run_without_centres_says_so(store, finished):
    run_id, arrays = finished
    (store.folder(run_id) / "checksums.json").unlink()
    store.save_arrays(run_id, {name: value for name, value in arrays.items() if not name.startswith(("centers", "logits", "snapshot"))})
    found = store.arrays(run_id)
    assert (found.centers, found.centers_space, found.logits, found.snapshots) == (None, None, None, None)
    assert [p.name for p in store.folder(run_id).iterdir() if p.name.startswith(".")] == []  # the old folder is gone


def test_a_run_without_arrays_says_so(store, make_run):
    run_id = make_run()
    with pytest.raises(InputError, match=f"^run {run_id} has no embeddings yet; it is queued$"):
        store.arrays(run_id)


def test_an_array_that_would_run_code_is_refused(store, finished):
    """A pickle inside an .npy is never read."""
    run_id, _ = finished
    np.save(store.folder(run_id) / "arrays" / "embeddings.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=rf"^arrays/embeddings\.npy of run {run_id} is damaged, or was written by another version"):
        store.arrays(run_id)


def test_a_map_comes_back_as_it_was(store, make_run):
    run_id = make_run()
    points = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)
    kept = Projection(points, np.arange(6), "pca", "cosine", 3, 0.9, 2, 6, (0.5, 0.25), None)
    store.save_projection(run_id, kept)
    found = store.projection(run_id, "pca", "cosine", 3)
    np.testing.assert_array_equal(found.points, points)
    np.testing.assert_array_equal(found.row_ids, np.arange(6))
    facts = [field.name for field in dataclasses.fields(Projection) if field.name not in ("points", "row_ids")]
    assert [getattr(found, name) for name in facts] == [getattr(kept, name) for name in facts]
    assert store.projection(run_id, "umap", "cosine", 3) is None


def test_maps_of_other_settings_starts_and_dimensions_lie_side_by_side(store, make_run):
    run_id = make_run()
    rng = np.random.default_rng(0)
    plain = {"method": "umap", "metric": "cosine", "seed": 0, "trustworthiness": 0.9, "trust_neighbors": 2, "trust_n": 6}
    kinds = [
        {},
        {"settings": {"min_dist": 0.5}},
        {"settings": {"min_dist": 0.5, "n_neighbors": 30}},
        {"start": "common", "shared_with": ("a", "b")},
        {"start": "common", "shared_with": ("a", "c")},
        {"start": "aligned", "shared_with": ("a", "b"), "notes": ("a sentence",)},
        {"dims": 3},
    ]
    made = []
    for kind in kinds:
        points = rng.normal(size=(6, kind.get("dims", 2))).astype(np.float32)
        made.append(Projection(points, np.arange(6), **plain, **{name: value for name, value in kind.items() if name != "dims"}))
        store.save_projection(run_id, made[-1])
    assert (store.folder(run_id) / "views" / "umap-cosine-0").is_dir()
    for kind, kept in zip(kinds, made, strict=True):
        found = store.projection(run_id, "umap", **{name: value for name, value in kind.items() if name != "notes"})
        np.testing.assert_array_equal(found.points, kept.points)
        assert (found.settings, found.start, found.shared_with, found.notes) == (kept.settings, kept.start, kept.shared_with, kept.notes)
    backwards = store.projection(run_id, "umap", settings={"n_neighbors": 30.0, "min_dist": 0.5})
    np.testing.assert_array_equal(backwards.points, made[2].points)  # neither order nor 30 or 30.0 matters
    turned = store.projection(run_id, "umap", start="common", shared_with=("b", "a"))
    np.testing.assert_array_equal(turned.points, made[3].points)
    np.testing.assert_array_equal(store.projection(run_id, "umap", start="own").points, made[0].points)
    assert store.projection(run_id, "umap", settings={"min_dist": 0.4}) is None
    (store.folder(run_id) / "views" / "graph").mkdir()
    (store.folder(run_id) / "views" / "tsne-cosine-0").mkdir()  # half written
    assert len(store.projections(run_id)) == len(kinds)
    with pytest.raises(InputError, match="methods and metrics are single words"):
        store.projection(run_id, "../../other", "cosine")


def test_a_map_of_an_older_version_is_read(store, make_run):
    run_id = make_run()
    folder = store.folder(run_id) / "views" / "umap-cosine-0"
    folder.mkdir(parents=True)
    np.save(folder / "points.npy", np.zeros((3, 2), dtype=np.float32))
    np.save(folder / "row_ids.npy", np.arange(3))
    facts = {"method": "umap", "metric": "cosine", "seed": 0, "trustworthiness": 0.9, "trust_neighbors": 15, "trust_n": 3, "variance": None}
    (folder / "facts.json").write_text(json.dumps({**facts, "residual": None}))
    found = store.projection(run_id, "umap")
    assert (found.settings, found.start, found.shared_with, found.notes) == ({}, "own pca", (), ())


def test_verify_finds_nothing_wrong_with_a_sound_run(store, finished):
    assert store.verify(finished[0]) == []


def test_verify_finds_what_has_changed_and_what_is_missing(store, finished):
    run_id, arrays = finished
    folder = store.folder(run_id) / "arrays"
    changed = arrays["embeddings"].copy()
    changed[0, 0] += 1
    np.save(folder / "embeddings.npy", changed)
    (folder / "centers.npy").unlink()
    assert store.verify(run_id) == ["arrays/centers.npy is missing", "arrays/embeddings.npy has changed since the run finished"]


def test_verify_finds_changed_and_missing_texts(store, finished, tiny_dataset):
    run_id, _ = finished
    path = store.datasets_folder / f"{tiny_dataset.content_hash}.parquet"
    row = int(store.split(run_id).test[0])
    texts = (*tiny_dataset.texts[:row], "another text", *tiny_dataset.texts[row + 1 :])
    write_dataset(dataclasses.replace(tiny_dataset, texts=texts), path)
    assert store.verify(run_id) == ["the stored texts are no longer those that the run was trained and tested on"]
    path.unlink()
    (sentence,) = store.verify(run_id)
    assert sentence.startswith(f"the data set {tiny_dataset.content_hash[:12]} is not in ")


def test_verify_says_when_there_is_nothing_to_compare(store, make_run, finished):
    queued = make_run()
    assert store.verify(queued) == [f"run {queued} is queued, not finished"]
    (store.folder(finished[0]) / "checksums.json").unlink()
    assert store.verify(finished[0]) == ["checksums.json is missing, so nothing can be compared"]


def test_a_home_can_be_moved(store, finished, tmp_path):
    run_id, arrays = finished
    shutil.copytree(store.home, tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    assert moved.verify(run_id) == []
    np.testing.assert_array_equal(moved.arrays(run_id).centers, arrays["centers"])


# ---- texts

ODD = ("🎉 emoji 👩‍👩‍👧", "שלום עולם \u202eabc", "<script>alert('x')</script>", 'line\nbreak\ttab, comma "quote"', "ﷺ é e\u0301", "  spaces  ")


def odd_dataset() -> TextDataset:
    names = ("<b>bold</b>", "NA", "שלום", "🙂")
    return TextDataset(
        "odd 名", ODD, np.array([0, 1, 2, 3, 0, 1]), names, np.array(["train"] * 4 + ["test"] * 2), "ab" * 32, "made <here> 🙂",
        text_pairs=ODD[::-1], notes=(ReaderNote("blank", 2, "2 rows « dropped »"),),
    )  # fmt: skip


@pytest.mark.parametrize("pairs", [True, False])
def test_texts_of_every_script_come_back_as_they_were(store, pairs):
    dataset = odd_dataset() if pairs else dataclasses.replace(odd_dataset(), text_pairs=None)
    found = store.dataset(store.add_dataset(dataset))
    for name in ("name", "texts", "text_pairs", "label_names", "content_hash", "source", "notes"):
        assert getattr(found, name) == getattr(dataset, name), name
    np.testing.assert_array_equal(found.labels, dataset.labels)
    np.testing.assert_array_equal(found.parts, dataset.parts)


def test_a_class_without_a_text_keeps_its_number(tmp_path):
    dataset = dataclasses.replace(odd_dataset(), labels=np.array([3, 1, 3, 1, 3, 1]))
    write_dataset(dataset, tmp_path / "x.parquet")
    found = read_dataset(tmp_path / "x.parquet")
    assert found.label_names == dataset.label_names
    np.testing.assert_array_equal(found.labels, dataset.labels)


def test_a_stored_data_set_keeps_its_order_of_classes(store):
    """Runs that were made when integers were sorted as text stay as they are, also where the file is read again."""
    table = "text,label\n" + "".join(f"some text {i},{i % 12}\n" for i in range(24))
    dataset = read_file(table.encode(), filename="r.csv")
    old = tuple(sorted(dataset.label_names))
    number = np.array([old.index(name) for name in dataset.label_names])
    store.add_dataset(dataclasses.replace(dataset, label_names=old, labels=number[dataset.labels]))
    found = store.dataset(store.add_dataset(dataset))
    assert found.label_names == old != dataset.label_names
    np.testing.assert_array_equal(found.labels, number[dataset.labels])


def test_half_characters_become_the_replacement_sign_before_they_are_stored(store, tmp_path):
    path = tmp_path / "half.jsonl"
    rows = [{"text": f"text {i} \ud83d", "label": "a\udc00" if i % 2 else "b"} for i in range(6)]
    path.write_text("\n".join(json.dumps(row) for row in rows))  # as the escapes \ud83d and \udc00
    dataset = read_file(path)
    assert dataset.label_names == ("a\ufffd", "b")
    assert dataset.texts[0] == "text 0 \ufffd"
    assert store.dataset(store.add_dataset(dataset)).texts == dataset.texts
    assert any(note.kind == "characters" and note.count == 6 for note in dataset.notes)


# ---- what a killed process leaves


def test_what_a_kill_left_is_swept_and_nothing_else(store, finished):
    run_id, _ = finished
    folder, hour = store.folder(run_id), 3600
    whole = {path for path in store.home.rglob("*")}
    (folder / "views" / "umap-cosine-0").mkdir(parents=True)
    leftovers = [
        store.runs_folder / f".{run_id}.deleted-a1b2c3", store.runs_folder / f".{run_id}.a1b2c3.new", folder / ".status.json.123.a1b2",
        folder / ".arrays.123.a1b2", folder / ".arrays.old.a1b2", folder / ".weights.new", folder / "views" / ".umap-cosine-0.99.0a1b",
        store.home / ".tray.json.7.00ff", store.datasets_folder / f".{'a' * 64}.parquet.7.00ff",
    ]  # fmt: skip
    for path in leftovers:
        if (path.suffix in (".a1b2", ".00ff") and "json" in path.name) or "parquet" in path.name:
            path.write_text("half")
        else:
            path.mkdir(parents=True)
            (path / "a file").write_text("half")
    (store.home / ".ballast").write_bytes(b"0")
    young = sweep_leftovers(store.home)
    assert sorted(young) == sorted(path.relative_to(store.home).as_posix() for path in leftovers if "deleted" in path.name or ".old." in path.name)
    assert len(sweep_leftovers(store.home, now=time.time() + 2 * hour)) == len(leftovers) - len(young)  # others may still be written for an hour
    assert not any(path.exists() for path in leftovers)
    assert whole <= set(store.home.rglob("*"))
    assert (store.home / ".ballast").exists()


def test_arrays_set_aside_by_a_kill_come_back(store, finished):
    run_id, arrays = finished
    (store.folder(run_id) / "arrays").rename(store.folder(run_id) / ".arrays.old.a1b2")
    with pytest.raises(DamagedError, match=r"^arrays/"):
        store.arrays(run_id)
    assert sweep_leftovers(store.home) == [f"runs/{run_id}/.arrays.old.a1b2"]
    np.testing.assert_array_equal(store.arrays(run_id).embeddings, arrays["embeddings"])


KILLED = """
import os, shutil, sys
from dmlviz.store.runs import Store
real = shutil.rmtree
def killed(path, *rest, **named):  # the power goes after the first file
    os.unlink(next(p for p in __import__("pathlib").Path(path).rglob("*") if p.is_file()))
    os._exit(9)
shutil.rmtree = killed
Store(sys.argv[1]).delete(sys.argv[2])
"""


def test_a_kill_inside_a_delete_leaves_no_run_and_no_file(store, finished):
    run_id, _ = finished
    died = subprocess.run([sys.executable, "-c", KILLED, str(store.home), run_id], check=False)
    assert died.returncode == 9
    assert store.run_ids() == []
    assert store.damaged() == {}
    (left,) = store.runs_folder.iterdir()
    assert sweep_leftovers(store.home) == [f"runs/{left.name}"]
    assert list(store.runs_folder.iterdir()) == []
