"""The committed few-shot curves: table with intervals, gains over cross-entropy with tests, and the two figures, from the sweep in curves.yaml.

    python -m dmlviz sweep benchmarks/curves.yaml --home HOME
    python benchmarks/curves.py --home HOME [--out benchmarks/results]

Writes curves.md, curves.csv (one row per run: nothing else is needed to redraw) and, for print, shots_curve.pdf and gain_forest.pdf into a folder of
your choice with --figures. Only draws that every loss, data set and number of shots has are taken.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
import psutil

from dmlviz.analysis.reliability.comparing import compare, pairs_of
from dmlviz.analysis.reliability.groups import Group, group_runs
from dmlviz.analysis.reliability.intervals import group_interval
from dmlviz.analysis.statistics import holm
from dmlviz.export.load_figure import draw_file
from dmlviz.figures.base.theme import base_title
from dmlviz.store.runs import Store
from dmlviz.store.sweeps import read_sweep


def whole_draws(store: Store, name: str):
    """The sweep's finished runs of the draws in which none is missing."""
    sweep = read_sweep(store, name)
    by_id = {run.id: run for run in store.runs()}
    runs = [by_id[one] for one in sweep.run_ids if one in by_id and by_id[one].state == "finished"]
    draws = sorted({run.config.support_seed for run in runs})
    full = max(sum(run.config.support_seed == draw for run in runs) for draw in draws)
    kept = [draw for draw in draws if sum(run.config.support_seed == draw for run in runs) == full]
    return [run for run in runs if run.config.support_seed in kept], len(kept)


def accuracy(run) -> float:
    return 100 * float(run.metrics["accuracy"])


def curve_lines(groups: list[Group]) -> list[str]:
    lines = ["| data set | shots | loss | accuracy, % | macro-F1, % | n draws |", "|---" * 6 + "|"]
    for group in groups:
        both = [group_interval(group.runs, [100 * run.metrics[name] for run in group.runs]) for name in ("accuracy", "macro_f1")]
        told = " | ".join(f"{one.mean:.1f} ± {one.half:.1f}" for one in both)
        lines.append(f"| {group.config.dataset} | {group.config.shots} | {base_title(group.config)} | {told} | {both[0].n} |")
    return lines


def gain_lines(groups: list[Group]) -> list[str]:
    lines = ["| data set | shots | loss | gain, points | 95 % interval | sign-flip p | after Holm | d_z |", "|---" * 8 + "|"]
    rows = []
    for group in groups:
        base = next(one for one in groups if one.config.loss == "cross_entropy" and (one.config.dataset, one.config.shots)
                    == (group.config.dataset, group.config.shots))  # fmt: skip
        if group is not base:
            rows.append((group, compare(pairs_of(group, base), accuracy)))
    corrected = holm([one.permutation for _, one in rows])
    for (group, one), p in zip(rows, corrected, strict=True):
        lines.append(f"| {group.config.dataset} | {group.config.shots} | {base_title(group.config)} | {one.difference:+.1f} | {one.low:+.1f} to "
                     f"{one.high:+.1f} | {one.permutation:.3f} | {p:.3f} | {one.effect:.2f} |")  # fmt: skip
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--name", default="curves")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--figures", type=Path)
    options = parser.parse_args()
    store = Store(options.home)
    runs, draws = whole_draws(store, options.name)
    order = {"cross_entropy": 0, "triple_entropy": 1, "supcon": 2, "g_loss": 3}
    groups = sorted(group_runs(runs), key=lambda one: (one.config.dataset, one.config.shots or 0, order[one.config.loss]))
    seconds = [run.metrics["train_seconds"] + run.metrics["embed_seconds"] for run in runs]
    text = "\n".join([
        "# Few-shot curves of four losses\n",
        f"`python -m dmlviz sweep benchmarks/curves.yaml`, {time.strftime('%Y-%m-%d')}: MiniLM, {len(runs)} runs on {psutil.cpu_count()} cores, "
        f"{draws} draws of the shots (each with a seed of its own), {np.mean(seconds):.0f} s of training and embedding a run. Each loss with its "
        "settings from the table and its own readout; 4 epochs and learning rate 3e-4, the app's own settings, nothing tuned. One small encoder "
        "and two data sets: "
        "what is seen here need not hold for large ones.\n",
        f"## Accuracy and macro-F1\n\n± is half of Student's 95 % interval over draws, n = {draws}; the test texts are the same.\n",
        *curve_lines(groups),
        "\n## Gain over cross-entropy, same draws and seeds\n",
        f"Student's 95 % interval over {draws} pairs; exact sign-flip test; Holm over all rows of the table. With {draws} pairs no p can be below "
        f"{2 / 2**draws:.3f}.\n",
        *gain_lines(groups), "",
    ])  # fmt: skip
    (options.out / "curves.md").write_text(text)
    pd.DataFrame([{
        "dataset": run.config.dataset, "loss": run.config.loss, "ce_weight": run.config.ce_weight, "shots": run.config.shots,
        "support_seed": run.config.support_seed, "seed": run.config.seed, "accuracy": run.metrics["accuracy"], "macro_f1": run.metrics["macro_f1"],
        "readout": run.metrics["readout"], "train_seconds": run.metrics["train_seconds"],
    } for run in runs]).to_csv(options.out / "curves.csv", index=False)  # fmt: skip
    print(text)
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        for name in ("shots_curve", "gain_forest"):
            draw_file(store, name, [run.id for run in runs], options.figures / f"{name}.pdf", preset="acl-text", options={}, title="", method="umap",
                      csv=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
