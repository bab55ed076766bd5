"""How much a sweep saves: 24 small real runs as one sweep beside the same runs as separate `train` calls in sequence, and the same sweep on Ray.

    python benchmarks/sweep.py [--runs 24] [--skip-ray] [--maps now] [--out FILE.md]

MiniLM on TREC: cross_entropy, triple_entropy and supcon + CE, 4 and 8 shots, four draws. Half of the separate calls go before the sweep and half
behind it, so that a machine that gets busier or quieter favours neither. A separate call imports torch anew, trains with every core, and makes a
UMAP map; a sweep forks its workers, runs one on each core and leaves UMAP to whoever looks first. `--maps now` lets the sweep make it, too; both are
worth knowing. Overhead per run: slots x seconds of the sweep / runs - seconds of training and embedding that the runs themselves report. Memory: the
largest sum of the proportional set sizes (PSS) of all processes of the home, so that what forks share counts once; looked at twice a second. Arrays:
the local sweep's and Ray's must be equal bit for bit; those of the separate calls come from more threads, so their largest difference is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil

from dmlviz.jobs.slots import slots_here
from dmlviz.jobs.sweep import make_plan
from dmlviz.jobs.sweep_spec import SweepSpec, spec_of, spec_yaml
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parent.parent

def spec(engine: str, maps: str, draws: int) -> SweepSpec:
    losses = ["cross_entropy", "triple_entropy", {"name": "supcon", "ce_weight": 0.5}]
    return spec_of({
        "datasets": ["trec"], "losses": losses, "shots": [4, 8], "support_seeds": list(range(draws)), "maps": maps, "engine": engine,
    })  # fmt: skip


class Memory:
    """Peak of the proportional memory of every process that names the home on its command line, or was started by one."""

    def __init__(self, home: Path) -> None:
        self.home, self.peak, self.over = str(home), 0, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self.over.wait(0.5):
            total = 0
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    if any(self.home in word for word in process.cmdline()):
                        total += process.memory_full_info().pss
            self.peak = max(self.peak, total)


def command(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "dmlviz", *words], cwd=ROOT, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def separate(configs, home: Path) -> float:
    """Seconds of one `train` call after the other."""
    began = time.monotonic()
    for config in configs:
        command("train", "--home", str(home), "--dataset", "trec", "--loss", config.loss, "--shots", str(config.shots), "--support-seed",
                str(config.support_seed), "--seed", str(config.seed), "--ce-weight", str(config.ce_weight))  # fmt: skip
    return time.monotonic() - began


def swept(engine: str, maps: str, draws: int, home: Path) -> tuple[float, float]:
    """(seconds, peak bytes) of one `sweep` call."""
    file = home.parent / f"{home.name}.yaml"
    file.write_text(spec_yaml(spec(engine, maps, draws)))
    memory, began = Memory(home), time.monotonic()
    command("sweep", str(file), "--home", str(home))
    seconds = time.monotonic() - began
    memory.over.set()
    return seconds, memory.peak


def arrays(home: Path) -> dict[tuple, np.ndarray]:
    store = Store(home)
    return {(run.config.loss, run.config.shots, run.config.support_seed): np.asarray(store.arrays(run.id).embeddings) for run in store.runs()}


def work_seconds(home: Path) -> float:
    """Mean seconds of training and embedding that the runs report."""
    return float(np.mean([run.metrics["train_seconds"] + run.metrics["embed_seconds"] for run in Store(home).runs()]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24, help="a multiple of 6")
    parser.add_argument("--skip-ray", action="store_true")
    parser.add_argument("--maps", choices=["later", "now"], default="later")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    draws = max(1, options.runs // 6)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plan = make_plan(spec("local", options.maps, draws), Store(place / "plan"))
        configs, half, slots = plan.configs, len(plan.configs) // 2, slots_here(plan.configs)
        alone = separate(configs[:half], place / "alone")
        seconds, memory = swept("local", options.maps, draws, place / "local")
        alone += separate(configs[half:], place / "alone")
        local, single = arrays(place / "local"), arrays(place / "alone")
        apart = max(float(np.abs(local[key].astype(np.float32) - single[key].astype(np.float32)).max()) for key in local)
        overhead = slots * seconds / len(configs) - work_seconds(place / "local")
        lines = [
            f"| {len(configs)} separate `train` calls | {alone:.0f} | 1.0 | | {work_seconds(place / 'alone'):.1f} | | "
            f"largest difference {apart:.1e} |",
            f"| one sweep, engine local, {slots} at once, maps {options.maps} | {seconds:.0f} | {alone / seconds:.2f} | {overhead:.1f} | "
            f"{work_seconds(place / 'local'):.1f} | {memory / 1e9:.2f} | |",
        ]
        if not options.skip_ray:
            ray_seconds, ray_memory = swept("ray", options.maps, draws, place / "ray")
            ray = arrays(place / "ray")
            equal = local.keys() == ray.keys() and all(np.array_equal(local[key], ray[key]) for key in local)
            lines.append(f"| the same sweep, engine ray | {ray_seconds:.0f} | {alone / ray_seconds:.2f} | "
                         f"{slots * ray_seconds / len(configs) - work_seconds(place / 'ray'):.1f} | {work_seconds(place / 'ray'):.1f} | "
                         f"{ray_memory / 1e9:.2f} (without Ray's own processes) | {'equal' if equal else 'NOT EQUAL'} to local |")  # fmt: skip
    head = "| | seconds | faster than separate | overhead per run, s | training and embedding per run, s | peak memory, GB | arrays |\n"
    head += "|---" * 7 + "|"
    text = "\n".join([f"# A sweep of {len(configs)} small runs\n", f"{time.strftime('%Y-%m-%d')}, {psutil.cpu_count()} cores, load at the end "
                      f"{os.getloadavg()[0]:.1f}.\n", head, *lines, ""])  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
