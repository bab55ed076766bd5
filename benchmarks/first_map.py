"""Seconds from pressing Train to the maps of two losses on Reuters R8, 8 shots per class, with the app's defaults.

    python benchmarks/first_map.py [--losses cross_entropy,triple_entropy] [--home DIR] [--epochs N]

Everything is what the Train page does: the same submit, the same queue, one process per run, then the frame and the two panes of the Manifold page.
Reading the texts comes before the button and is printed apart. Target: 120 s on 2 cores without a GPU (design.md §12); a shared machine is noisy,
so the load of the other processes is printed too.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dmlviz.analysis.map_kinds import load_panes
from dmlviz.core.types import ACTIVE_STATES, RunConfig
from dmlviz.data import load_dataset
from dmlviz.figures.maps import manifold
from dmlviz.jobs.submit import submit
from dmlviz.store.runs import Store


def maps_ready(store: Store, run_ids: list[str], method: str) -> bool:
    return all(store.projection(run_id, method) is not None for run_id in run_ids)


def draw(store: Store, run_ids: list[str], method: str) -> float:
    """Seconds for panes, frame and both Plotly figures."""
    began = time.perf_counter()
    panes, dataset = load_panes(store, run_ids, method=method)
    frame = manifold.frame(panes, dataset.label_names, dataset.texts)
    for run_id in run_ids:
        manifold.screen(frame, run_id).to_json()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--losses", default="cross_entropy,triple_entropy")
    parser.add_argument("--epochs", type=int, default=RunConfig.model_fields["epochs"].default)
    parser.add_argument("--home")
    options = parser.parse_args()
    store = Store(options.home or tempfile.mkdtemp(prefix="first-map-"))
    began = time.perf_counter()
    dataset = load_dataset("r8", home=store.home)
    print(f"texts read in {time.perf_counter() - began:.1f} s ({dataset.source})")
    pressed = time.perf_counter()
    configs = [RunConfig(dataset="r8", loss=loss, epochs=options.epochs) for loss in options.losses.split(",")]
    run_ids = [submit(config, store=store, dataset=dataset) for config in configs]
    first: dict[str, float] = {}
    while len(first) < 2:
        for method in ("pca", "umap"):
            if method not in first and maps_ready(store, run_ids, method):
                draw(store, run_ids, method)
                first[method] = time.perf_counter() - pressed
        failed = [run for run in map(store.run, run_ids) if run.state not in (*ACTIVE_STATES, "finished")]
        if failed:
            print(f"{failed[0].id} {failed[0].state}: {failed[0].message}")
            return 1
        time.sleep(0.1)
    print(f"first maps (PCA) of both losses after {first['pca']:.1f} s, UMAP after {first['umap']:.1f} s; target 120 s")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    while any(store.run(run_id).state in ACTIVE_STATES for run_id in run_ids):
        time.sleep(0.1)
    print(f"{'loss':18} {'accuracy':>9} {'majority':>9} {'train s':>8} {'embed s':>8}")
    for run in map(store.run, run_ids):
        m = run.metrics
        print(f"{run.config.loss:18} {100 * m['accuracy']:8.1f}% {100 * m['majority']:8.1f}% {m['train_seconds']:8.1f} {m['embed_seconds']:8.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
