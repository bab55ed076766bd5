"""Do the values of Integrated Gradients add up? 100 real texts of TREC and 100 of MR, explained by a fine-tuned MiniLM.

    python benchmarks/completeness.py [--texts 100] [--sets trec,mr] [--home HOME --run RUN_ID] [--out FILE.md]

delta is the sum of all values minus the difference of the two scores (logits). Relative: over that difference. The engine doubles its points, from
16 on, until the relative delta is below its tolerance (or delta below 1e-4, which is rounding). Each row is one tolerance. Without --run, MiniLM is
fine-tuned for a moment with cross-entropy on 8 texts per class; with it, texts of that run's data set are explained.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from dmlviz.analysis.attribution.kind import read_target
from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, load_dataset
from dmlviz.explain.gradients import FIRST_STEPS, MOST_STEPS, TOLERANCE, integrated_gradients
from dmlviz.explain.run_model import RunModel
from dmlviz.store.runs import Store

TOLERANCES = (TOLERANCE, 1e-3)
TARGET = 1e-3
BRIEF = {"shots": 8, "validation": 0, "snapshots": 0, "epochs": 8, "lr": 1e-4, "batch_size": 16, "max_length": 64}


def brief_run(store: Store, name: str, loss: str = "cross_entropy") -> str:
    """The id of a run of this loss on 8 texts per class; the one that is there, if there is. 100 test texts take part."""
    for run in store.runs():
        if run.state == "finished" and run.config.dataset == name and run.config.loss == loss:
            return run.id
    dataset = load_dataset(name, home=store.home)
    split = draw_split(dataset, shots=8, validation=0)
    test = np.sort(np.random.default_rng(0).choice(split.test, min(100, len(split.test)), replace=False))
    run_id = store.create(RunConfig(dataset=name, loss=loss, **BRIEF), dataset, replace(split, test=test))
    subprocess.run([sys.executable, "-m", "dmlviz.jobs.worker", "--home", str(store.home), run_id], check=True, capture_output=True)
    if store.run(run_id).state != "finished":
        raise SystemExit(f"{run_id}: {store.run(run_id).message}")
    return run_id


def some_texts(store: Store, run_id: str, count: int) -> list[str]:
    arrays, dataset = store.arrays(run_id), store.dataset(store.run(run_id).config.dataset_hash)
    return [dataset.texts[row] for row in np.asarray(arrays.row_ids)[np.asarray(arrays.roles) == "test"][:count]]


def place() -> str:
    return (
        f"{datetime.date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} "
        f"on {os.cpu_count()} cores (shared with other work)"
    )


def row_of(name: str, run: RunModel, texts: list[str], tolerance: float) -> str:
    """One line of the table."""
    cut = run.tokenize(texts)
    classes = run.probabilities(cut).argmax(axis=1)
    began = time.perf_counter()
    found = integrated_gradients(run.words, cut, classes, run.explained(read_target("predicted")).of, tolerance=tolerance, most_steps=2048)
    spent = time.perf_counter() - began
    delta = np.array([abs(one.delta) for one in found])
    relative = delta / np.maximum([abs(one.output - one.baseline_output) for one in found], 1e-12)
    steps = ", ".join(f"{count} at {points}" for points, count in sorted(Counter(one.steps for one in found).items()))
    numbers = [f"{median:.1e} / {high:.1e} / {most:.1e}" for median, high, most in (
        (np.median(own), np.quantile(own, 0.95), own.max()) for own in (delta, relative))]  # fmt: skip
    within = f"{int((relative <= TARGET).sum())} / {int((delta <= TARGET).sum())} of {len(found)}"
    print(f"{name} {tolerance:g}: {spent:.0f} s", file=sys.stderr, flush=True)
    return f"| {name} | {tolerance:g} | {' | '.join(numbers)} | {within} | {steps} | {sum(one.converged for one in found)} | {spent:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--sets", default="trec,mr")
    parser.add_argument("--home", default="")
    parser.add_argument("--run", default="")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    store = Store(Path(options.home or tempfile.mkdtemp(prefix="completeness-")))
    store.home.mkdir(parents=True, exist_ok=True)
    ids = [options.run] if options.run else [brief_run(store, name) for name in options.sets.split(",")]
    lines = [
        "| texts | tolerance | abs. delta: median / 95 % / max | relative delta: median / 95 % / max "
        f"| relative / absolute delta within {TARGET:g} | texts at so many points | converged | seconds |", "|---" * 8 + "|"]  # fmt: skip
    for run_id in ids:
        run = RunModel(store, run_id)
        texts = some_texts(store, run_id, options.texts)
        lines += [row_of(f"{run.run.config.dataset} (n = {len(texts)})", run, texts, tolerance) for tolerance in TOLERANCES]
    text = (
        "# Completeness of Integrated Gradients on MiniLM\n\n"
        f"Baseline: padding; target: the predicted class's logit; Gauss-Legendre, from {FIRST_STEPS} points on, doubled. The app uses tolerance "
        f"{TOLERANCE:g} and at most {MOST_STEPS} points; here up to 2048 were allowed. {place()}.\n\n" + "\n".join(lines) + "\n"
    )
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
