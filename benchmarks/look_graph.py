"""Speed of the similarity graph: a new picture after sigma or mask changed on 2,000 texts, and 5,000 texts exactly. Prints a table.

    python benchmarks/look_graph.py [--repeats 5] [--visible 0.7]

Made-up unit vectors: 8 classes, 384 dimensions, as MiniLM gives them. A row at 2,000 texts is what the Graph page works out for one run when that
control moves, its distances at hand: graph, propagation, chosen edges, numbers, the table of the figure, and the figure as JSON. At 5,000 texts
everything is worked out from the vectors, in a process of its own, whose largest resident memory is measured. Medians over the repeats, by the
clock and of the processor (the two differ where the machine has other work); BLAS runs on one thread (analysis/graph.py says why).
Targets: 1 s; 10 s and 2 GB.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from dmlviz.analysis.graph.nodes import GraphSettings, Nodes, choose_nodes, study
from dmlviz.analysis.graph.numbers import accuracy_curve, numbers
from dmlviz.analysis.graph.similarity import squared_distances, why
from dmlviz.core.types import Progress, Projection, Run, RunArrays, RunConfig
from dmlviz.figures.graph import matrix, similarity
from dmlviz.figures.graph.frame import GraphView, view

CLASSES, DIM = 8, 384
NAMES = [f"class {c}" for c in range(CLASSES)]


def made_up(count: int) -> tuple[RunArrays, Projection]:
    """Arrays of a run with so many texts, and a map."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, count)
    vectors = (rng.normal(size=(CLASSES, DIM))[labels] + 2.5 * rng.normal(size=(count, DIM))).astype(np.float16)
    points = (rng.normal(size=(CLASSES, 2))[labels] * 4 + rng.normal(size=(count, 2))).astype(np.float32)
    rows = np.arange(count)
    return RunArrays(vectors, rows, np.full(count, "test"), labels, None, {}, None, None, None, None, None), Projection(
        points, rows, "umap", "cosine", 0, 0.9, 15, count
    )


RUN = Run("benchmark", RunConfig(dataset="made up"), "finished", Progress("done", 1, 1, "step", None), {}, 0.0)


def pictures(one: GraphView, texts: list[str], nodes: Nodes) -> None:
    """The node-link picture, the matrix and the numbers, ready to be sent."""
    made = one.study
    numbers(made.graph, made.nodes.labels, made.propagated, one.edges)
    frame = similarity.frame_of([one], NAMES, texts)
    similarity.screen(frame, RUN.id).to_json()
    matrix.screen(matrix.frame_of([one], NAMES), RUN.id).to_json()
    accuracy_curve(nodes.vectors, nodes.labels, num_classes=CLASSES, sigmas=(made.graph.sigma,), share=float(made.propagated.visible.mean()))


def timed(what: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Median seconds by the clock and of the processor; one call before counts for nothing."""
    what(0)
    found = []
    for i in range(1, repeats + 1):
        start, used = time.perf_counter(), time.process_time()
        what(i)
        found.append((time.perf_counter() - start, time.process_time() - used))
    clock, processor = zip(*found, strict=True)
    return statistics.median(clock), statistics.median(processor)


def at_hand(count: int, repeats: int, visible: float) -> list[tuple[str, tuple[float, float], str]]:
    """Rows for texts whose distances are kept."""
    arrays, projection = made_up(count)
    texts = [f"text {i} about this and that, long enough to be wrapped on hover over some lines of fifty signs" for i in range(count)]
    nodes = choose_nodes(arrays, GraphSettings(sample="all"))
    squared = squared_distances(nodes.vectors)

    def changed(sigma: float, seed: int) -> None:
        settings = GraphSettings("all", f"{sigma:g}", f"{visible:g}", seed)
        made = study(arrays, settings, num_classes=CLASSES, nodes=nodes, squared=squared)
        pictures(view(RUN, made, projection, "top3", "map"), texts, nodes)

    kept = study(arrays, GraphSettings("all", "0.5", f"{visible:g}"), num_classes=CLASSES, nodes=nodes, squared=squared)
    asked = int(np.flatnonzero(kept.propagated.hidden)[0])
    return [
        (f"{count:,} texts, sigma changed: numbers and pictures", timed(lambda i: changed(0.4 + 0.02 * i, 0), repeats), "1 s"),
        (f"{count:,} texts, mask changed: numbers and pictures", timed(lambda i: changed(0.5, i), repeats), "1 s"),
        (f"{count:,} texts, one text's reasons",
         timed(lambda i: why(kept.graph, nodes.labels, kept.propagated.visible, asked, CLASSES), repeats), ""),
        (f"{count:,} texts, accuracy against sigma (25 widths, 10 masks, 600 texts)",
         timed(lambda i: accuracy_curve(nodes.vectors, nodes.labels, num_classes=CLASSES, share=visible, seed=i), min(repeats, 3)), ""),
    ]  # fmt: skip


def alone(count: int, visible: float) -> None:
    """From the vectors to the pictures, once; prints seconds and MB. Run in a process of its own."""
    arrays, projection = made_up(count)
    texts = [f"text {i}" for i in range(count)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, used = time.perf_counter(), time.process_time()
    made = study(arrays, GraphSettings("all", "sqrt_median", f"{visible:g}"), num_classes=CLASSES)
    pictures(view(RUN, made, projection, "top3", "map"), texts, made.nodes)
    seconds, most = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{seconds:.3f} {time.process_time() - used:.3f} {most / 1024:.0f} {before / 1024:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--visible", type=float, default=0.7, help="share of the texts that shows its label; fewer cost more")
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.visible)
        return
    rows = at_hand(2_000, given.repeats, given.visible)
    each = []
    for _ in range(given.repeats):
        command = [sys.executable, __file__, "--alone", "5000", "--visible", f"{given.visible:g}"]
        each.append([float(x) for x in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()])
    seconds, used, most, before = (statistics.median(column) for column in zip(*each, strict=True))
    memory = f"{most:,.0f} MB at most ({before:,.0f} MB before)"
    rows.append((f"5,000 texts exactly, from vectors to pictures; {memory}", (seconds, used), "10 s, 2,048 MB"))
    print(f"| {'what':84} | median s | processor s | target |\n|{'-' * 86}|---------:|------------:|--------|")
    for what, (clock, processor), target in rows:
        print(f"| {what:84} | {clock:8.2f} | {processor:11.2f} | {target} |")


if __name__ == "__main__":
    main()
