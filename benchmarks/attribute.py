"""How fast Integrated Gradients are: our batched engine beside a plain Captum loop over single texts, and a sentence across four losses.

    python benchmarks/attribute.py [--texts 12] [--rounds 2] [--threads 1] [--sets mr,trec] [--home HOME] [--out FILE.md]

The plain loop is what Captum's own tutorial does: one text at a time, LayerIntegratedGradients on the model's embedding layer, 50 points, all of a
text's points in one pass, parameters as they were loaded. Contenders take turns within a round; the median over rounds is shown, with each round's
ratio to the plain loop of the same round. "Difference" is the largest one between word attributions of a contender and the plain loop's.
Tokenization is in none of them. Times are CPU seconds of this process, on one thread, so that other work on the machine does not decide; where it is
idle they are those of the clock. The second table is `explain()` with all its checks, warm, by the clock with all threads: four runs, one sentence.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from completeness import brief_run, place, some_texts

from dmlviz.analysis.attribution.kind import AttributionKind, read_target
from dmlviz.encoder.pooling import pool
from dmlviz.explain.explain import explain
from dmlviz.explain.gradients import integrated_gradients
from dmlviz.explain.run_model import RunModel
from dmlviz.explain.words import TokenizedText, by_word
from dmlviz.store.runs import Store

STEPS = 50
LOSSES = ("cross_entropy", "soft_triple", "triple_entropy", "g_loss")


def plain(run: RunModel, texts: list[TokenizedText], classes: np.ndarray) -> list[np.ndarray]:
    """(T,) of tokens per text, from Captum alone."""
    encoder, head = run.model.encoder, run.model.head

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return head(pool(encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state, mask, encoder.pooling))

    lig = LayerIntegratedGradients(forward, encoder.model.get_input_embeddings())
    found = []
    for text, class_id in zip(texts, classes, strict=True):
        ids = torch.from_numpy(text.ids)[None]
        baseline = torch.where(torch.from_numpy(text.special)[None], ids, encoder.tokenizer.pad_token_id)
        values = lig.attribute(ids, baselines=baseline, target=int(class_id), n_steps=STEPS, additional_forward_args=(torch.ones_like(ids),))
        found.append(values.sum(dim=2)[0].detach().double().numpy())
    return found


def with_gradients(run: RunModel, texts: list[TokenizedText], classes: np.ndarray) -> list[np.ndarray]:
    """The plain loop with parameters that ask for gradients, as a loaded model's do."""
    run.model.requires_grad_(True)
    try:
        return plain(run, texts, classes)
    finally:
        run.model.requires_grad_(False)


def engine(run: RunModel, texts: list[TokenizedText], classes: np.ndarray, *, points: int | None = None) -> list[np.ndarray]:
    """Ours, with a fixed number of points or with as many as each text needs."""
    fixed = {} if points is None else {"steps": points, "most_steps": points, "tolerance": float("inf")}
    return [one.values for one in integrated_gradients(run.words, texts, classes, run.explained(read_target("predicted")).of, **fixed)]


CONTENDERS: dict[str, Callable] = {
    f"plain Captum loop, {STEPS} points": with_gradients,
    f"ours, {STEPS} points": partial(engine, points=STEPS),
    "ours, 32 points": partial(engine, points=32),
    "ours, 16 points": partial(engine, points=16),
    "ours, as many as needed (the app)": engine,
}


def race(run: RunModel, texts: list[str], rounds: int) -> list[str]:
    """A line of the table per contender."""
    cut = sorted(run.tokenize(texts), key=lambda one: len(one.ids))
    classes = run.probabilities(cut).argmax(axis=1)
    seconds, values = {name: [] for name in CONTENDERS}, {}
    for name in CONTENDERS:
        CONTENDERS[name](run, cut[:2], classes[:2])  # warm
    for turn in range(rounds):
        names = list(CONTENDERS)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.process_time()
            values[name] = CONTENDERS[name](run, cut, classes)
            seconds[name].append(time.process_time() - began)
    base = next(iter(CONTENDERS))
    lines = []
    for name, own in seconds.items():
        ratios = sorted(slow / fast for slow, fast in zip(seconds[base], own, strict=True))
        gaps = [np.abs(by_word(a, t) - by_word(b, t)).max() for a, b, t in zip(values[name], values[base], cut, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        speed = len(texts) / statistics.median(own)
        lines.append(f"| {run.run.config.dataset} | {name} | {speed:.2f} | {spread} | {max(gaps):.1e} | {np.median(gaps):.1e} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def sentence(models: list[RunModel], text: str, times: int) -> tuple[float, float]:
    """(median, most) seconds of explaining one sentence with all runs, warm."""
    spent = []
    for _ in range(times + 1):
        began = time.perf_counter()
        for run in models:
            explain(run, [text], kind=AttributionKind())
        spent.append(time.perf_counter() - began)
    return statistics.median(spent[1:]), max(spent[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sets", default="mr,trec")
    parser.add_argument("--home", default="")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    store = Store(Path(options.home or tempfile.mkdtemp(prefix="attribute-")))
    store.home.mkdir(parents=True, exist_ok=True)
    names = options.sets.split(",")
    lines = ["| texts | contender | texts a CPU second | times as fast as plain: median (range of rounds) | largest difference | median text's |",
             "|---" * 6 + "|"]  # fmt: skip
    every = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    for name in names:
        run_id = brief_run(store, name)
        lines += race(RunModel(store, run_id), some_texts(store, run_id, options.texts), options.rounds)
    torch.set_num_threads(every)
    models = [RunModel(store, brief_run(store, names[0], loss)) for loss in LOSSES]
    texts = sorted(some_texts(store, models[0].run.id, 100), key=lambda text: len(text.split()))
    rows = ["| words | tokens | seconds: median | most |", "|---" * 4 + "|"]
    for text in (texts[len(texts) // 10], texts[len(texts) // 2], texts[-1]):
        cut = models[0].tokenize([text])[0]
        median, most = sentence(models, text, 5)
        rows.append(f"| {len(cut.starts)} | {len(cut.ids)} | {median:.2f} | {most:.2f} |")
        print(rows[-1], file=sys.stderr, flush=True)
    whole = (
        f"# Speed of attributions\n\nMiniLM in float32 on a CPU, {options.texts} texts a set, {options.rounds} rounds, "
        f"{options.threads} thread(s) in the first table. {place()}.\n\n"
        + "\n".join(lines) + f"\n\nA sentence of {names[0].upper()}, {len(LOSSES)} losses ({', '.join(LOSSES)}), all checks, models loaded:\n\n"
        + "\n".join(rows) + "\n"
    )  # fmt: skip
    print(whole)
    if options.out:
        Path(options.out).write_text(whole, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
