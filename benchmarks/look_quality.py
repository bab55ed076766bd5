"""Seconds for the analyses behind the Manifold page on made-up embeddings: map quality, neighbours, space, slices, layouts.

    python benchmarks/look_quality.py [--sizes 10000,20000] [--dim 384] [--threads 1] [--maps umap,tsne,pacmap] [--aligned 2000]

Two columns, because a shared machine is noisy: seconds on the wall, and seconds of processor time (all threads together). Layouts are measured
after a small one, so that compiling is not counted; `first` says how long import and compiling took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from threadpoolctl import threadpool_limits

from dmlviz.analysis.geometry.neighbors import neighborhood_change, neighbors
from dmlviz.analysis.geometry.projection import aligned, project
from dmlviz.analysis.geometry.quality import map_quality
from dmlviz.analysis.geometry.space import space_report
from dmlviz.analysis.reliability.slices import slice_report


def texts(n: int, dim: int, classes: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) float16 and labels (N,): noisy classes, some close to each other."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return (rng.normal(size=(n, dim)) + rng.normal(size=(classes, dim))[labels]).astype(np.float16), labels


def timed(what: str, work: Callable[[], object]) -> object:
    wall, own = time.perf_counter(), time.process_time()
    found = work()
    print(f"{what:44} {time.perf_counter() - wall:8.2f} {time.process_time() - own:8.2f}", flush=True)
    return found


def analyses(n: int, dim: int) -> None:
    """All that needs no layout. Most of the time is one matrix product of N x N."""
    vectors, labels = texts(n, dim)
    rng, roles = np.random.default_rng(1), np.repeat(["support", "test"], [160, n - 160])
    points = timed(f"PCA with its trustworthiness, {n:,}", lambda: project(vectors, np.arange(n), method="pca")).points
    timed(f"map quality, {n:,}", lambda: map_quality(vectors, points))
    near = timed(f"15 neighbours of every text, {n:,}", lambda: neighbors(vectors, 15))
    timed(f"map quality, neighbours known, {n:,}", lambda: map_quality(vectors, points, near=near))
    timed(f"neighbourhood change, both known, {n:,}", lambda: neighborhood_change(near, near))
    timed(f"space report, {n:,}", lambda: space_report(vectors, labels, roles))
    predictions, selected = np.where(rng.random(n) < 0.8, labels, 0), rng.random(n) < 0.05
    words = rng.integers(1, 90, n)
    timed(f"slice report, {n:,}", lambda: slice_report(selected, labels, predictions, rng.random(n), words=words))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10000,20000")
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--threads", type=int, default=1, help="threads of the matrix products")
    parser.add_argument("--maps", default="umap,tsne,pacmap", help="layouts to time at the first size; empty: none")
    parser.add_argument("--aligned", type=int, default=0, help="texts of an aligned UMAP of 4 runs; 0: none")
    asked = parser.parse_args()
    sizes = [int(one) for one in asked.sizes.split(",")]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {asked.threads} thread(s), D = {asked.dim}")
    print(f"{'':44} {'wall s':>8} {'cpu s':>8}")
    with threadpool_limits(asked.threads):
        for n in sizes:
            analyses(n, asked.dim)
        for method in filter(None, asked.maps.split(",")):
            small, vectors = texts(100, asked.dim)[0], texts(sizes[0], asked.dim)[0]
            timed(f"{method}: first, import and compiling", lambda small=small, method=method: project(small, np.arange(100), method=method))
            timed(f"{method}, {sizes[0]:,}", lambda vectors=vectors, method=method: project(vectors, np.arange(len(vectors)), method=method))
        if asked.aligned:
            runs = [texts(asked.aligned, asked.dim, seed=seed)[0] for seed in range(4)]
            timed("aligned UMAP: first, compiling", lambda: aligned([run[:100] for run in runs], np.arange(100)))
            timed(f"aligned UMAP, 4 runs of {asked.aligned:,}", lambda: aligned(runs, np.arange(asked.aligned)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
