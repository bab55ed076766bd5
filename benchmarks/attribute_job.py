"""One job of 1,000 texts x 5 runs through the desk: told, killed, asked again, cancelled, asked again, and counted.

    python benchmarks/attribute_job.py [--texts 1000] [--set mpqa] [--home HOME] [--out FILE.md]

Five small runs (five losses, 8 texts per class, few epochs) are trained first in a home of their own. The job is asked for as the page does, and its
worker is watched from outside: the share it tells, what it has stored, the most memory it held (VmHWM of /proc). At a third of the attributions the
worker is ended by kill -9, at two thirds the job is cancelled; each time the same is asked again. At the end every text of every run must be stored
exactly once, and no file that was there at an interruption may have changed or share a text with a later one. What can have been computed twice is
the part that was in the making: the first part that the next worker stores.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
import pyarrow.parquet as pq
from completeness import place

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, load_dataset
from dmlviz.explain.words import word_spans
from dmlviz.jobs import tasks
from dmlviz.store.attributions import attributions_folder
from dmlviz.store.runs import Store

LOSSES = {"cross_entropy": 1.0, "supcon": 0.1, "soft_triple": 0.4, "triple_entropy": 0.4, "proxy_anchor": 0.4}  # name -> weight of cross-entropy
BRIEF = {"shots": 8, "validation": 0, "snapshots": 0, "epochs": 6, "lr": 1e-4, "batch_size": 16, "max_length": 64}
KIND = AttributionKind()
MIDWAY_SECONDS = 1.5  # after the share was told, which is when a part was stored: the end comes amid the next part
LOOK_SECONDS, PATIENCE = 0.5, 120.0  # between two looks; until a woken worker must live, or a cancelled one be gone


class Leg(NamedTuple):
    """From a wake to an end."""

    end: str
    seconds: float
    stored: int  # texts and runs, of this leg
    shares: int  # different shares of the job that were told
    falls: int  # looks at which the share had become smaller
    peak_mb: float
    lost: float  # seconds of work that were not stored at the end


def trained(store: Store, name: str, count: int) -> tuple[list[str], np.ndarray]:
    """(ids of the runs, those that are there are taken; rows of `count` test texts with a word)."""
    dataset = load_dataset(name, home=store.home)
    split = draw_split(dataset, shots=BRIEF["shots"], validation=0)
    rows = np.array([row for row in np.random.default_rng(0).permutation(split.test) if word_spans(dataset.texts[row])][:count])
    if len(rows) < count:
        raise SystemExit(f"{name} has {len(rows)} test texts with a word, and {count} were asked for; lower --texts")
    there = {run.config.loss: run.id for run in store.runs() if run.state == "finished" and run.config.dataset == name}
    for loss, weight in LOSSES.items():
        if loss not in there:
            config = RunConfig(dataset=name, loss=loss, ce_weight=weight, **BRIEF)
            there[loss] = store.create(config, dataset, replace(split, test=np.sort(rows)), maps=("pca",))
            command = [sys.executable, "-m", "dmlviz.jobs.worker", "--home", str(store.home), there[loss]]
            subprocess.run(command, check=True, capture_output=True, start_new_session=True)  # it lowers its session's priority while it maps
            print(f"trained: {loss}", file=sys.stderr, flush=True)
    return [there[loss] for loss in LOSSES], rows


def worker(store: Store) -> psutil.Process | None:
    """The desk's worker of this very home, and of no other."""
    for process in psutil.process_iter(["cmdline"]):
        said = process.info["cmdline"] or []
        if said[-4:] == ["-m", "dmlviz.jobs.tasks", "--home", str(store.home)]:
            return process
    return None


def parts(store: Store, run_ids: list[str]) -> dict[Path, str]:
    """Stored files -> hash."""
    folders = [attributions_folder(store, run_id, str(KIND)) for run_id in run_ids]
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for folder in folders for path in sorted(folder.glob("part-*.parquet"))}


def rows_of(paths: list[Path]) -> Counter:
    """(folder, row) -> how often it is stored."""
    return Counter((path.parent, row) for path in paths for row in pq.read_table(path, columns=["row_id"])["row_id"].to_pylist())


def peak_mb(process: psutil.Process) -> float:
    """The most memory the process has held so far."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
    except OSError:
        return 0.0


def leg(store: Store, run_ids: list[str], rows: np.ndarray, until: float, how: str) -> Leg:
    """Ask, and watch until the share `until` of all attributions is stored; then end it as `how` says ("killed", "cancelled", "done")."""
    before, began = sum(rows_of(list(parts(store, run_ids))).values()), time.time()
    ticket = tasks.ask_for_attributions(store, run_ids, KIND, rows)
    if ticket is None:
        raise SystemExit("nothing is missing in this home; give another one")
    total, told, falls, peak, process = len(rows) * len(run_ids), [], 0, 0.0, None
    while True:
        process = process if process is not None and process.is_running() else worker(store)
        if process is None and time.time() - began > PATIENCE:
            raise SystemExit(f"no worker lives; see {store.home / 'desk' / 'log.txt'}")
        peak = max(peak, peak_mb(process) if process is not None else 0.0)
        now = next(one for one in tasks.all_tickets(store) if one.id == ticket.id)
        if now.state == "failed":
            raise SystemExit(now.message)
        share = now.share if (now.began or 0) >= began else 0.0  # what a dead worker told last is not this one's
        falls += bool(told) and share < told[-1]
        told += [share] if not told or share != told[-1] else []
        done = before + share * (total - before)
        if now.state == "done" or (how != "done" and process is not None and done >= until * total):
            break
        time.sleep(LOOK_SECONDS)
    if how != "done":
        time.sleep(MIDWAY_SECONDS)
    if how == "killed":
        os.kill(process.pid, signal.SIGKILL)
    elif how == "cancelled":
        tasks.cancel(store, ticket.id)
    ended = time.time()
    if how != "done":
        process.wait(PATIENCE)
        expected = "working" if how == "killed" else "cancelled"  # nobody is left to say that it was killed
        found = next(one for one in tasks.all_tickets(store) if one.id == ticket.id)
        assert found.state == expected, found
        assert not tasks.worker_lives(store)
    here = parts(store, run_ids)
    last = max((path.stat().st_mtime for path in here), default=began)
    stored = sum(rows_of(list(here)).values()) - before
    made = Leg(how, ended - began, stored, len(told), falls, peak, max(ended - last, 0.0) if how != "done" else 0.0)
    print(made, file=sys.stderr, flush=True)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--set", default="mpqa")
    parser.add_argument("--home", default="")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    store = Store(Path(options.home or tempfile.mkdtemp(prefix="attribute-job-")))
    store.home.mkdir(parents=True, exist_ok=True)
    run_ids, rows = trained(store, options.set, options.texts)
    dataset = store.dataset(store.run(run_ids[0]).config.dataset_hash)
    total = len(rows) * len(run_ids)
    legs, kept, repeated, torn = [], [], 0, 0
    for until, how in ((1 / 3, "killed"), (2 / 3, "cancelled"), (1.0, "done")):
        earlier = kept[-1] if kept else {}
        legs.append(leg(store, run_ids, rows, until, how))
        kept.append(parts(store, run_ids))
        if earlier:  # the part that was in the making when the leg before this one ended
            first = min(kept[-1].keys() - earlier.keys(), key=lambda path: path.stat().st_mtime)
            repeated += sum(rows_of([first]).values())
        for path, found in earlier.items():
            assert kept[-1].get(path) == found, f"{path.name} was stored and has changed"
        torn = sum(1 for run_id in run_ids for _ in attributions_folder(store, run_id, str(KIND)).glob(".*.new"))
    found = rows_of(list(kept[-1]))
    wanted = {(attributions_folder(store, run_id, str(KIND)), int(row)) for run_id in run_ids for row in rows}
    twice, missing = sum(count > 1 for count in found.values()), len(wanted - found.keys())
    assert found.keys() <= wanted
    words = [len(word_spans(dataset.texts[row])) for row in rows]
    seconds = sum(one.seconds for one in legs)
    names = ("asked until", "seconds", "attributions stored", "a second", "shares told", "share fell", "peak memory, MB", "seconds of work lost")
    table = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for one in legs:
        speed = f"{one.stored / one.seconds:.1f}"
        cells = (one.end, f"{one.seconds:.0f}", f"{one.stored:,}", speed, one.shares, one.falls, f"{one.peak_mb:,.0f}", f"{one.lost:.1f}")
        table.append(f"| {' | '.join(map(str, cells))} |")
    whole = (
        f"# One job: {len(rows):,} texts x {len(run_ids)} runs\n\nMiniLM in float32 on a CPU, {options.set.upper()} ({np.median(words):.0f} words "
        f"in the median, {max(words)} at most), Integrated Gradients with all checks; {', '.join(LOSSES)}. OMP_NUM_THREADS "
        f"{os.environ.get('OMP_NUM_THREADS', 'not set')}, niceness {os.nice(0)}. {place()}.\n\n" + "\n".join(table) + "\n\n"
        f"- Together {seconds:.0f} s, {total / seconds:.1f} attributions a second, loading of libraries and weights included.\n"
        f"- Stored at the end: {len(found):,} of {total:,}; missing {missing}, stored twice {twice}, files left half written {torn}.\n"
        f"- Computed twice: at most {repeated} texts, the parts in the making at the two interruptions ({100 * repeated / total:.1f} %). "
        "No file that was stored before an interruption has changed, and none of its texts was stored again.\n"
    )  # fmt: skip
    print(whole)
    if options.out:
        Path(options.out).write_text(whole, encoding="utf-8")
    return 0 if not (missing or twice) else 1


if __name__ == "__main__":
    raise SystemExit(main())
