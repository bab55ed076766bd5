"""Few-shot accuracy of five objectives on four data sets: 20 training texts, paired support draws, equal budget. Commits whichever way it comes out.

    python benchmarks/few_shot.py [--draws 5] [--sets trec,mr,subj,cr] [--variants] [--out benchmarks/results]

MiniLM, 20 texts drawn from the training part as they fall (not per class, as in the papers' protocols), 40 epochs of one batch, lr 1e-4, the last
epoch's weights, no validation. Every objective sees the same 20 texts in a draw, so differences are paired by draw. At most 1,000 test texts
(the same for all runs of a set, drawn with seed 0) are predicted with the objective's own readout. Each finished run is a line of few_shot.jsonl; a
restart computes what is missing. The tables hold mean and 95 % t interval over draws, and the mean paired difference to cross-entropy with its
interval. `--variants` adds settings of TripleEntropy on MR and TREC: what was tried where its advantage (paper 2: +2.89 points on average, with
RoBERTa-large) does not appear.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import transformers
from scipy import stats

from dmlviz.core.types import RunConfig, Split
from dmlviz.data import draw_split, load_dataset
from dmlviz.figures.base.theme import loss_title
from dmlviz.training.fit import Job, fit
from dmlviz.training.readouts import metrics_of, readout_scores

MOST_TEST = 1_000
BASE = {"shots": 20, "shots_by": "total", "validation": 0, "snapshots": 0, "epochs": 40, "lr": 1e-4, "batch_size": 20, "max_length": 64}
OBJECTIVES = {
    "cross_entropy": {"loss": "cross_entropy"},
    "supcon": {"loss": "supcon", "ce_weight": 0.1},
    "triple_entropy": {"loss": "triple_entropy", "ce_weight": 0.4},
    "proxy_anchor": {"loss": "proxy_anchor", "ce_weight": 0.4},
    "g_loss": {"loss": "g_loss", "ce_weight": 0.2},
}
TRIPLE = OBJECTIVES["triple_entropy"]
VARIANTS = {
    "cross_entropy, 120 epochs": {"loss": "cross_entropy", "epochs": 120},
    "triple_entropy, 120 epochs": {**TRIPLE, "epochs": 120},
    "triple_entropy, K=25": {**TRIPLE, "loss_settings": {"centers_per_class": 25}},
    "triple_entropy, K=1": {**TRIPLE, "loss_settings": {"centers_per_class": 1}},
    "triple_entropy, centre lr 1e-2": {**TRIPLE, "center_lr": 1e-2},
    "triple_entropy, pooled": {**TRIPLE, "loss_settings": {"vectors": "pooled"}},
    "triple_entropy, as paper 2's MR checkpoint": {  # its name says K 25, 0.4, margin 0.7, la 9, gamma 0.1, all tokens
        **TRIPLE, "loss_settings": {"centers_per_class": 25, "margin": 0.7, "scale": 9.0, "temperature": 0.1, "vectors": "all_tokens"},
    },
    "triple_entropy, all tokens": {**TRIPLE, "loss_settings": {"vectors": "all_tokens"}},
    "triple_entropy, CE weight 0.9": {**TRIPLE, "ce_weight": 0.9},
    "proxy_anchor, scale 8": {**OBJECTIVES["proxy_anchor"], "loss_settings": {"scale": 8.0}},
    "proxy_anchor, centre lr 1e-2": {**OBJECTIVES["proxy_anchor"], "center_lr": 1e-2},
    "triple_entropy, pooled, centre lr 1e-2": {**TRIPLE, "center_lr": 1e-2, "loss_settings": {"vectors": "pooled"}},
}


def one_run(dataset, split: Split, fields: dict, draw: int) -> dict[str, float]:
    """Metrics of one training; the seed follows the draw, so runs of a draw share it."""
    config = RunConfig(dataset=dataset.name, support_seed=draw, seed=draw, **{**BASE, **fields})
    with tempfile.TemporaryDirectory() as folder:
        job = Job.prepare(config, dataset, split, Path(folder))
        model = fit(job)
    labels = dataset.labels[split.row_ids]
    scores = readout_scores(model, job.embed(model, split.row_ids), labels, split, len(dataset.label_names))
    return metrics_of(scores, labels, split)


def drawn(dataset, draw: int) -> Split:
    split = draw_split(dataset, shots=20, shots_by="total", support_seed=draw, validation=0)
    if len(split.test) <= MOST_TEST:
        return split
    return replace(split, test=np.sort(np.random.default_rng(0).choice(split.test, MOST_TEST, replace=False)))


def interval(values: list[float]) -> tuple[float, float]:
    """(mean, half width of the 95 % t interval)."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    return float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def table(rows: list[dict], names: list[str], sets: list[str], base: dict[str, str]) -> str:
    """Markdown: accuracy by objective and set, then the paired difference to `base[name]`."""
    found = {(row["set"], row["objective"], row["draw"]): 100 * row["accuracy"] for row in rows}
    lines = ["| accuracy, % | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for name in names:
        cells = []
        for one in sets:
            own = [value for (s, o, _), value in found.items() if (s, o) == (one, name)]
            cells.append(said(own, ".1f", f" (n = {len(own)})") if own else "–")
        lines.append(f"| {title(name)} | " + " | ".join(cells) + " |")
    lines += ["", "| difference, points, paired by draw | " + " | ".join(sets) + " | all sets |", "|---" * (len(sets) + 2) + "|"]
    for name in names:
        if base[name] == name:
            continue
        cells, means = [], []
        for one in sets:
            pairs = [v - found[one, base[name], d] for (s, o, d), v in found.items() if (s, o) == (one, name) and (one, base[name], d) in found]
            cells.append(said(pairs, "+.1f") if pairs else "–")
            means += [interval(pairs)[0]] if len(pairs) > 1 else []
        mean = f"{np.mean(means):+.1f}" if len(means) == len(sets) else "–"  # a mean over all sets, or none
        lines.append(f"| {title(name)} minus {title(base[name])} | " + " | ".join(cells) + f" | {mean} |")
    return "\n".join(lines)


def said(values: list[float], form: str, count: str = "") -> str:
    """'44.5 ± 8.7 (n = 5)'; one value has no interval."""
    mean, half = interval(values)
    return f"{mean:{form}} ± {half:.1f}{count}" if len(values) > 1 else f"{mean:{form}} (one draw)"


def title(name: str) -> str:
    loss, _, detail = name.partition(", ")
    fields = {**OBJECTIVES, **VARIANTS}[name]
    return loss_title(loss, fields.get("ce_weight")) + (f", {detail}" if detail else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--sets", default="trec,mr,subj,cr")
    parser.add_argument("--only", default="", help="objectives, separated by semicolons")
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--out", default=str(Path(__file__).resolve().parent / "results"))
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    file = Path(options.out) / "few_shot.jsonl"
    file.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    done = {(row["set"], row["objective"], row["draw"]) for row in rows}
    wanted = OBJECTIVES if not options.variants else VARIANTS
    names = [name for name in wanted if not options.only or name in options.only.split(";")]
    sets = options.sets.split(",") if not options.variants else ["trec", "mr"]
    home = Path(tempfile.mkdtemp(prefix="few-shot-"))
    for one in sets:
        dataset = load_dataset(one, home=home)
        for draw in range(options.draws):
            for name in names:
                if (one, name, draw) in done:
                    continue
                began = time.perf_counter()
                metrics = one_run(dataset, drawn(dataset, draw), wanted[name], draw)
                row = {"set": one, "objective": name, "draw": draw, **{k: round(v, 5) if isinstance(v, float) else v for k, v in metrics.items()}}
                rows.append(row)
                with open(file, "a", encoding="utf-8") as out:
                    out.write(json.dumps(row) + "\n")
                print(f"{one} draw {draw} {name}: {100 * row['accuracy']:.1f} % in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(rows, list(OBJECTIVES), options.sets.split(","), dict.fromkeys(OBJECTIVES, "cross_entropy")))
    if any(row["objective"] in VARIANTS for row in rows):
        base = {name: "cross_entropy, 120 epochs" if "120" in name else "cross_entropy" for name in VARIANTS}
        tried = [name for name in VARIANTS if any(row["objective"] == name for row in rows)]
        print("\n" + table(rows, tried, ["trec", "mr"], base))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
