"""One run, one process: forked by jobs/forkserver.py, or `python -m dmlviz.jobs.worker --home HOME RUN_ID`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dmlviz.core.types import InputError, Progress, RunConfig
from dmlviz.store.files import drop_ballast, file_lock, put_in_place, tree_to_disk
from dmlviz.store.runs import Store
from dmlviz.training.cautions import cautions

BEAT_SECONDS = 2.0
SWEEP_NICE = 5  # nobody waits for one of many; the pages stay quick
LEAVE_SECONDS = 20.0  # a worker that was cancelled just now may still be on its way out
NO_SPREAD = 1e-6  # of the largest value: such vectors are one and the same
WRITE_SECONDS = 0.5  # least time between two writes of the progress


class Life:
    """The run's signs of life: heartbeat, progress, and whether somebody wants it to end."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.run_id = store, run_id
        self.stop = threading.Event()
        self.written = 0.0
        self.began = time.monotonic()
        self.pace: dict[str, tuple[float, int]] = {}  # phase -> (start time, units done at its start)
        self.ahead: Callable[[str, int, int], float | None] = lambda phase, done, total: None
        signal.signal(signal.SIGTERM, lambda *_: self.stop.set())
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while True:
            try:
                self.store.beat(self.run_id)
            except (OSError, InputError):
                os.kill(os.getpid(), signal.SIGTERM)  # the folder is gone or cannot be written: nobody can use the result
                return
            time.sleep(BEAT_SECONDS)

    def cancelled(self) -> bool:
        return self.stop.is_set() or self.store.cancel_requested(self.run_id)

    def progress(self, phase: str, done: int, total: int) -> None:
        """Write how far the run is, at most twice a second; raises nothing, changes nothing else."""
        now = time.monotonic()
        fresh = phase not in self.pace
        if fresh:
            self.pace[phase] = (now, done)
        if fresh or done >= total or now - self.written > WRITE_SECONDS:
            self.written = now
            unit = {"training": "step", "mapping": "map"}.get(phase, "text")
            self.store.update(self.run_id, progress=Progress(phase, done, total, unit, self._eta(phase, done, total, now)))

    def _eta(self, phase: str, done: int, total: int, now: float) -> float | None:
        start, first = self.pace[phase]
        if done <= first:
            return None
        here = (total - done) * (now - start) / (done - first)
        return here + (self.ahead(phase, done, total) or 0.0)


def work(store: Store, run_id: str) -> None:
    """Do a queued run, unless another process is at it: a dispatcher that was killed may have asked for it before the next one did."""
    with file_lock(store.folder(run_id) / "worker.lock", wait=LEAVE_SECONDS) as mine:
        if mine and store.run(run_id).state == "queued":
            _work(store, run_id)


def _work(store: Store, run_id: str) -> None:
    """Train (or load), embed, read out, map, seal. Every ending leaves a state and a sentence in the run folder."""
    life = Life(store, run_id)  # before the claim: whoever reads its pid may send it SIGTERM at once
    store.claim(run_id)
    if store.run(run_id).sweep and os.getsid(0) == os.getpid():
        step_back(SWEEP_NICE)
    from dmlviz.training.embed import Cancelled  # torch loads here, after the first sign of life

    try:
        _run(store, run_id, life)
    except Cancelled:
        store.end(run_id, "cancelled")
    except InputError as error:
        store.end(run_id, "failed", str(error))
    except MemoryError:
        store.end(run_id, "failed", "the machine ran out of memory; lower batch_size or max_length, or use a smaller encoder")
    except OSError as error:
        with contextlib.suppress(OSError):
            traceback.print_exc()
        said = f"a file could not be written or read: {error.strerror or error}; free disk space or check the rights, then resume"
        try:
            store.end(run_id, "failed", said)
        except OSError:
            drop_ballast(store.home)
            store.end(run_id, "failed", said)
    except Exception as error:  # the last door: a person sees a sentence, the log has the rest
        traceback.print_exc()
        store.end(run_id, "failed", _sentence(error))


def _sentence(error: Exception) -> str:
    text = str(error).strip().splitlines()
    if "out of memory" in str(error).lower():
        return "the GPU ran out of memory; lower batch_size or max_length, or use a smaller encoder"
    return f"the run stopped with {type(error).__name__}: {text[0][:200] if text else 'no message'}; the log has the details"


def _run(store: Store, run_id: str, life: Life) -> None:
    life.progress("loading", 0, 1)
    from dmlviz.jobs.cost import estimate
    from dmlviz.training.fit import Job, Reporter, fit
    from dmlviz.training.load import load_model, readout_reason
    from dmlviz.training.model import save_model
    from dmlviz.training.snapshots import stored_batches, stored_snapshots

    run = store.run(run_id)
    if "train_seconds" in run.metrics:  # cancelled or killed while its maps were made: everything else is there
        return _finish(store, run_id, life)
    dataset, split = store.dataset(run.config.dataset_hash or ""), store.split(run_id)
    job = Job.prepare(run.config, dataset, split, store.checkpoints_folder(run_id))
    store.update(run_id, facts={**_facts(job), "estimated_seconds": estimate(run.config, dataset, split).work_seconds})
    for sentence in cautions(job.config, split, dataset, on_cpu=job.device.type == "cpu"):
        print(sentence, flush=True)
    began = time.monotonic()
    if run.origin == "loaded" or run.config.control in ("pre_trained", "as_loaded"):
        model, foreign = load_model(job)
        taken, epoch = {}, 0.0
    else:
        reporter = Reporter(event=lambda row: store.add_event(run_id, row), progress=life.progress, cancelled=life.cancelled)
        life.ahead = lambda phase, done, total: len(split.row_ids) * _seconds_per_text(life, split, run.config) if phase == "training" else None
        model, foreign = fit(job, reporter), None
        taken, epoch = stored_snapshots(job.folder), _kept_epoch(store, run_id, job)
    trained = time.monotonic()
    arrays, metrics = _read_out(job, model, foreign, life, epoch)
    arrays |= stored_batches(job.folder)
    if taken:
        arrays |= _with_final_snapshot(taken, arrays, split, dataset.labels, epoch)
    store.save_arrays(run_id, arrays)
    if run.weights:
        order = None if foreign is None else foreign.order
        _save_weights(store, run_id, partial(save_model, model, run.config, dataset.label_names, order=order))
    metrics |= {"train_seconds": round(trained - began, 2), "embed_seconds": round(time.monotonic() - trained, 2)}
    found = {"pooling": model.encoder.pooling, "max_length": model.encoder.max_length, "load": _load_report(job, model, foreign, arrays)}
    store.update(run_id, metrics=metrics, facts={**store.run(run_id).facts, **found, "readout_why": readout_reason(run, found["load"], metrics)})
    _finish(store, run_id, life)


def _finish(store: Store, run_id: str, life: Life) -> None:
    """Maps, checksums, the end. A wish to cancel is heard at once: UMAP cannot be asked to stop, so the process leaves without it."""
    ending = threading.Lock()

    def listen() -> None:
        while not life.cancelled():
            time.sleep(0.2)
        with ending:
            store.end(run_id, "cancelled")
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    _map(store, run_id, life)
    ending.acquire()  # for good: from here on the run is finished, and a late wish must not say otherwise
    store.seal(run_id)
    shutil.rmtree(store.checkpoints_folder(run_id), ignore_errors=True)
    store.end(run_id, "finished", progress=Progress("done", 1, 1, "text", 0.0))


def _with_final_snapshot(taken: dict[str, np.ndarray], arrays, split, labels, epoch: float) -> dict[str, np.ndarray]:
    """The snapshots taken before `epoch`, then the final embeddings of the same rows and the final centres as that epoch's.

    `epoch` is the one whose weights were kept. Snapshots taken at or after it are left out: the first is the final one, the others show weights
    that were thrown away. So the last snapshot is always what the run's other arrays show, and the epochs increase.
    """
    from dmlviz.training.snapshots import snapshot_rows

    before = taken["snapshot_epochs"] < epoch
    taken = {name: array[before] for name, array in taken.items()}
    rows = snapshot_rows(split, labels)
    place = {row: i for i, row in enumerate(split.row_ids)}
    last = {"snapshots": arrays["embeddings"][[place[row] for row in rows]], "center_snapshots": arrays.get("centers")}
    found = {name: np.concatenate([taken[name], last[name][None]]) for name in ("snapshots", "center_snapshots") if name in taken}
    return {**found, "snapshot_epochs": np.append(taken["snapshot_epochs"], epoch), "snapshot_rows": rows}


def _kept_epoch(store: Store, run_id: str, job) -> float:
    """The epoch whose weights were kept: the best one where validation selects, else the last; fewer than asked for where patience ran out."""
    config, note = job.config, job.folder / "best.json"
    if config.selection == "best_validation" and note.is_file():
        return float(json.loads(note.read_text())["epoch"])
    if config.patience is None:
        return config.epochs
    return max((row["epoch"] for row in store.events(run_id) if row.get("epoch") is not None), default=config.epochs)


def _seconds_per_text(life: Life, split, config: RunConfig) -> float:
    """Embedding costs about a third of a training step per text."""
    start, _ = life.pace.get("training", (time.monotonic(), 0))
    done = life.store.run(life.run_id).progress.done * config.batch_size * config.accumulation
    return (time.monotonic() - start) / max(done, 1) / 3


def _read_out(job, model, foreign, life: Life, epoch: float) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """All arrays but the snapshots, and the metrics, of the model after `epoch` (0: not trained here) on every row of the split."""
    from dmlviz.training.embed import Cancelled
    from dmlviz.training.fit import check_vectors
    from dmlviz.training.readouts import metrics_of, readout_scores
    from dmlviz.training.snapshots import snapshot_rows, token_sample

    rows = job.split.row_ids

    def on_batch(done: int) -> None:
        if life.cancelled():
            raise Cancelled
        life.progress("embedding", done, len(rows))

    vectors, labels = check_vectors(job.embed(model, rows, on_batch), job.config, epoch), job.dataset.labels[rows]
    head = foreign.scores(job, rows) if foreign is not None else None
    scores = readout_scores(model, vectors, labels, job.split, len(job.dataset.label_names), head=head)
    arrays = {"embeddings": vectors.astype(np.float16), "labels": labels, **{f"scores_{name}": value for name, value in scores.items()}}
    if "head" in scores:
        arrays["logits"] = scores["head"]
    centers = model.metric.centers() if model.metric is not None else None
    if centers is not None:
        arrays |= {"centers": centers.detach().float().cpu().numpy(), "centers_space": np.array(model.metric.centers_space)}
        if model.metric.centers_space == "tokens":
            met = snapshot_rows(job.split, job.dataset.labels)
            arrays |= token_sample(model, *job.texts(met), met)
    return arrays, metrics_of(scores, labels, job.split, job.dataset.label_names) | _silhouettes(job, vectors, labels)


def _load_report(job, model, foreign, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """What was read of the encoder, with what its tokenizer makes of the run's texts. Warnings go into the log too."""
    from dmlviz.encoder.coverage import coverage
    from dmlviz.training.class_names import better_order

    counted = coverage(model.encoder, *job.texts(job.split.row_ids))
    vectors = arrays["embeddings"].astype(np.float32)
    spread = float(vectors.std(axis=0).max() / max(np.abs(vectors).max(), 1e-12)) if len(vectors) > 1 else None
    spread = 0.0 if spread is not None and spread < NO_SPREAD else spread
    report = dataclasses.replace(model.encoder.report, **counted._asdict(), spread=spread)
    if foreign is not None and foreign.guessed:
        support = len(job.split.support)
        hint = better_order(arrays["scores_head"][:support], arrays["labels"][:support], job.dataset.label_names)
        report = dataclasses.replace(report, assumed=(*report.assumed, *([hint] if hint else [])))
    told = dataclasses.asdict(report)
    told["self_test"] = {key: None if math.isnan(value) else value for key, value in report.self_test.items()}  # JSON knows no NaN
    for sentence in (*report.assumed, *report.left_out):
        print(f"encoder: {sentence}", flush=True)
    return told


def _silhouettes(job, vectors: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Of the test part and of validation, where the run monitors it (it takes every pair of texts)."""
    from dmlviz.training.readouts import macro_silhouette

    if job.config.monitor != "silhouette":
        return {}
    parts = {"silhouette": "test", "validation_silhouette": "validation"}
    found = {name: macro_silhouette(vectors[job.split.roles == role], labels[job.split.roles == role]) for name, role in parts.items()}
    return {name: value for name, value in found.items() if value is not None}


def _save_weights(store: Store, run_id: str, save: Callable) -> None:
    final = store.weights_folder(run_id)
    draft = final.with_name(".weights.new")
    shutil.rmtree(draft, ignore_errors=True)
    save(draft)
    tree_to_disk(draft)
    put_in_place(draft, final)


def _map(store: Store, run_id: str, life: Life) -> None:
    """PCA and UMAP, stored, so that the Manifold page opens at once. A map that cannot be made is no reason to lose the run."""
    from dmlviz.analysis.geometry.projection import METHODS, project

    arrays = store.arrays(run_id)
    methods = [method for method in METHODS if method in (store.run(run_id).maps or METHODS)]
    for i, method in enumerate(methods):
        life.progress("mapping", i, len(methods))
        if method != "pca":  # that one takes no time
            step_back()
        try:
            store.save_projection(run_id, project(arrays.embeddings, arrays.row_ids, method=method))
        except InputError as error:
            print(f"no {method} map: {error}", flush=True)


def step_back(nice: int = 19) -> None:
    """Let others go first: while a map is made, the next run; while a sweep runs, whoever looks at the page."""
    os.nice(max(0, nice - os.nice(0)))
    if os.getsid(0) == os.getpid():  # else it is the caller's session, which would starve as a whole
        with contextlib.suppress(OSError):  # Linux schedules sessions against each other, and a worker is a session of its own
            Path("/proc/self/autogroup").write_text(str(nice))


def _facts(job) -> dict[str, object]:
    import torch
    import transformers

    import dmlviz

    return {
        "device": torch.cuda.get_device_name(job.device) if job.device.type == "cuda" else job.device.type,
        "precision": str(job.precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {"dmlviz": dmlviz.__version__, "torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True)
    parser.add_argument("run_id")
    options = parser.parse_args()
    store = Store(options.home)
    work(store, options.run_id)
    return 0 if store.run(options.run_id).state == "finished" else 1


if __name__ == "__main__":
    sys.exit(main())
