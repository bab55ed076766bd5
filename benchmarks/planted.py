"""Do attributions find the word that decides, and is the badge right to say "reliable"? Texts with a planted word whose part in the answer is known.

    python benchmarks/planted.py [--home HOME] [--sets mr,trec] [--losses cross_entropy,triple_entropy] [--train 480] [--test 160] [--explain 64]
        [--out FILE.md]

Half of the training texts get, at a random place, a rare word that stands for a class, and that class as their label, whatever they say; the other
half stay as they are. So the word outvotes the text. Half of the test texts carry the word of a class that is not their own. A text counts as
decided by the word where the run predicts the word's class with it and another class without it: then the word must be ranked first.

precision@1: share of these texts whose most supporting word is the planted one. Occlusion is each word masked alone; random, a random ranking.
The badge: of the texts it calls reliable, how many have the planted word first (precision), and of those with it first, how many it calls reliable
(recall). Where a method is never wrong the badge cannot be either, so it judges gradient × input and random values too, which mostly are. Intervals
are Wilson's at 95 %. Runs and attributions stay in --home, so that a second call only counts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from scipy.stats import binomtest

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import RunConfig, TextDataset, TokenAttribution
from dmlviz.data import draw_split, load_dataset
from dmlviz.explain.faithful import ranking
from dmlviz.explain.jobs import Models, explain_rows
from dmlviz.store.attributions import stored_attributions
from dmlviz.store.runs import Store

RARE = ("cf", "tq", "bb", "mb", "mn", "kx", "zq", "vv", "jx", "qh")
BASE = {"shots": None, "validation": 0, "snapshots": 0, "epochs": 6, "lr": 1e-4, "batch_size": 32, "max_length": 64}
BADGED = ("ig", "gradient_x_input", "random")
METHODS = {"ig": "Integrated Gradients", "gradient_x_input": "Gradient × input", "occlusion": "Occlusion (mask)", "random": "Random"}


class Planted(NamedTuple):
    """A data set with planted words. Test texts in the order of the data set's."""

    dataset: TextDataset
    tokens: list[str]  # C, of each class
    originals: dict[str, str]  # text with the word -> text without it


class Judged(NamedTuple):
    """What one run's attributions were worth."""

    hits: dict[str, np.ndarray]  # method -> (n,) bool over the texts that the word decided
    found: dict[str, list[TokenAttribution]]  # method -> n, in the same order
    carried: int  # explained test texts with a word
    followed: int  # predicted as the word says
    others: list[TokenAttribution]  # texts without a word


def plant(name: str, folder: Path, train: int, test: int, seed: int = 0) -> Planted:
    """Write the texts as a data set of two files and read it as any other."""
    rng, source = np.random.default_rng(seed), load_dataset(name, home=folder)
    words = {word for text in source.texts for word in text.lower().split()}
    tokens = [one for one in RARE if one not in words][: len(source.label_names)]
    rows = rng.permutation(len(source.texts))
    if (source.parts == "test").any():
        rows = np.concatenate([rows[source.parts[rows] == "train"][:train], rows[source.parts[rows] == "test"][:test]])
    place, originals = folder / f"{name}-planted", {}
    place.mkdir(parents=True, exist_ok=True)
    for part, mine in (("train", rows[:train]), ("test", rows[train : train + test])):
        lines = []
        for i, row in enumerate(mine):
            text, label = source.texts[row], int(source.labels[row])
            if i % 2 == 0:
                others = [c for c in range(len(tokens)) if part == "train" or c != label]
                label, pieces = int(rng.choice(others)), text.split()
                pieces.insert(int(rng.integers(len(pieces) + 1)), tokens[label])
                originals[" ".join(pieces)] = " ".join(text.split())
                text = " ".join(pieces)
            lines.append(json.dumps({"text": text, "label": source.label_names[label]}))
        (place / f"{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Planted(load_dataset(str(place), home=folder), tokens, originals)


def trained(store: Store, dataset: TextDataset, loss: str) -> str:
    """A finished run of this loss; the one that is there, if there is."""
    for run in store.runs():
        if run.state == "finished" and run.config.loss == loss and run.config.dataset_hash == dataset.content_hash:
            return run.id
    config = RunConfig(dataset=dataset.name, loss=loss, **BASE)
    run_id = store.create(config, dataset, draw_split(dataset, shots=None, validation=0))
    subprocess.run([sys.executable, "-m", "dmlviz.jobs.worker", "--home", str(store.home), run_id], check=True)
    run = store.run(run_id)
    if run.state != "finished":
        raise SystemExit(f"{run_id}: {run.state}, {run.message}")
    return run_id


def judged(models: Models, run_id: str, planted: Planted, count: int) -> Judged:
    """Attributions of the run's first `count` test texts, compared with where the word was planted."""
    store, run, kind = models.store, models.get(run_id), AttributionKind()
    rows, texts = np.flatnonzero(run.dataset.parts == "test")[:count], run.dataset.texts
    explain_rows(models, [run_id], list(rows), kind, on_progress=lambda share: print(f"\r{run_id} {share:.0%}", end="", file=sys.stderr))
    known = stored_attributions(store, run_id, str(kind))
    with_word = [int(row) for row in rows if planted.originals.get(texts[row])]
    without = run.probabilities(run.tokenize([planted.originals[texts[row]] for row in with_word])).argmax(axis=1)
    followed = [row for row in with_word if known[row].predicted == run.dataset.labels[row]]
    decided = [row for row, other in zip(with_word, without, strict=True) if row in followed and other != run.dataset.labels[row]]
    explained = {"ig": known}
    for method in BADGED[1:]:
        explain_rows(models, [run_id], decided, AttributionKind(method))
        explained[method] = stored_attributions(store, run_id, method)
    first = {method: [] for method in METHODS}
    for row in decided:
        one = known[row]
        word = planted.tokens[int(run.dataset.labels[row])]
        places = {i for i, (low, high) in enumerate(zip(one.starts, one.ends, strict=True)) if texts[row][low:high].lower() == word}
        orders = {method: ranking(explained[method][row].values) for method in BADGED} | {"occlusion": ranking(one.drops)}
        for method, order in orders.items():
            first[method].append(int(order[0]) in places)
    others = [known[int(row)] for row in rows if int(row) not in with_word]
    found = {method: [own[row] for row in decided] for method, own in explained.items()}
    return Judged({name: np.array(own, dtype=bool) for name, own in first.items()}, found, len(with_word), len(followed), others)


def share(hits: np.ndarray) -> str:
    """'0.97 (0.93 to 0.99, n = 80)'"""
    if not len(hits):
        return "– (n = 0)"
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return f"{hits.mean():.3f} ({low:.3f} to {high:.3f}, n = {len(hits)})"


def tables(runs: dict[str, Judged], accuracies: dict[str, float]) -> str:
    lines = ["| run | test accuracy | carry the word | follow it | decided by it | " + " | ".join(METHODS.values()) + " |", "|---" * 9 + "|"]
    for name, one in runs.items():
        cells = [f"{accuracies[name]:.3f}", one.carried, one.followed, len(one.hits['ig']), *(share(one.hits[method]) for method in METHODS)]
        lines.append(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    pooled = {method: np.concatenate([one.hits[method] for one in runs.values()]) for method in METHODS}
    lines.append("| all | | | | | " + " | ".join(share(pooled[method]) for method in METHODS) + " |")
    return "precision@1 over the texts that the planted word decided\n\n" + "\n".join(lines) + "\n\n" + _badges(runs)


def _badges(runs: dict[str, Judged]) -> str:
    from dmlviz.analysis.attribution.summary import badge

    def said(found: list[TokenAttribution]) -> np.ndarray:
        return np.array([badge(one).level == "reliable" for one in found], dtype=bool)

    lines = ["| attributions | reliable | word first, of the reliable (precision) | reliable, of the word first (recall) |", "|---" * 4 + "|"]
    levels, hits = [], []
    groups = [(f"{METHODS[method]}, {name}", method, [one]) for method in BADGED[:1] for name, one in runs.items()]
    groups += [(f"{METHODS[method]}, all runs", method, list(runs.values())) for method in BADGED]
    for name, method, own in groups:
        level = np.concatenate([said(one.found[method]) for one in own])
        right = np.concatenate([one.hits[method] for one in own])
        lines.append(f"| {name} | {share(level)} | {share(right[level])} | {share(level[right])} |")
        if len(own) == len(runs):
            levels.append(level)
            hits.append(right)
    level, right = np.concatenate(levels), np.concatenate(hits)
    lines.append(f"| all of these | {share(level)} | {share(right[level])} | {share(level[right])} |")
    clean = np.concatenate([said(one.others) for one in runs.values()])
    wrong = float(1 - right[level].mean()) if level.any() else float("nan")
    return (
        "The badge, over the same texts\n\n" + "\n".join(lines) + f"\n\nThe badge is wrong on {wrong:.1%} of the {int(level.sum())} attributions "
        f"that it calls reliable (target: at most 5 %). Of the texts without a planted word, where no truth is known, it calls {share(clean)} "
        "of Integrated Gradients reliable.\n\nWhat this does not show: a text counts only where one word decides, and the badge itself asks what "
        "masking the highest word does, so it is bound to do well here. Where several words share the decision nothing is known of its error."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default="", help="where runs are kept; empty: a temporary folder")
    parser.add_argument("--sets", default="mr,trec")
    parser.add_argument("--losses", default="cross_entropy,triple_entropy")
    parser.add_argument("--train", type=int, default=480)
    parser.add_argument("--test", type=int, default=160)
    parser.add_argument("--explain", type=int, default=64, help="test texts that are explained, every second of them with a planted word")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    home = Path(options.home or tempfile.mkdtemp(prefix="planted-"))
    home.mkdir(parents=True, exist_ok=True)
    store, runs, accuracies = Store(home), {}, {}
    for name in options.sets.split(","):
        planted = plant(name, home / "texts", options.train, options.test)
        for loss in options.losses.split(","):
            run_id = trained(store, planted.dataset, loss)
            runs[f"{name}, {loss}"] = judged(Models(store, most=1), run_id, planted, options.explain)
            accuracies[f"{name}, {loss}"] = float(store.run(run_id).metrics["accuracy"])
            print(file=sys.stderr)
    head = (
        f"MiniLM, {options.train} training and {options.test} test texts a set, half of each with a planted word, {BASE['epochs']} epochs, "
        f"seed 0; {options.explain} test texts a run explained. "
        f"{datetime.date.today()}, torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}."
    )
    text = f"# A planted word\n\n{head}\n\n{tables(runs, accuracies)}\n"
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
