"""What a training step of each loss costs, relative to cross-entropy.

    python benchmarks/loss_cost.py [--rounds 20] [--batch 64] [--tokens 64] [--encoder NAME] [--device cpu] [--precision fp32] [--losses a,b]

One process, one batch of Reuters R8 texts, balanced over the classes, cut to so many tokens. A step is forward, backward and AdamW. The losses
take turns within a round, in an order that moves on by one each round; each step is divided by the cross-entropy step of its own round, and the
median over rounds is printed with its quartiles. Target: 1.10 (design.md §12). G-Loss is measured at batch 128 too, against cross-entropy at 128.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from dmlviz.core.types import DEFAULT_ENCODER, RunConfig, TextDataset
from dmlviz.data import load_dataset
from dmlviz.encoder.loading import load_encoder
from dmlviz.losses import LOSSES
from dmlviz.training.model import FineTuneModel

Batch = dict[str, torch.Tensor]


class Step:
    """One model with its optimiser; `run` takes one step and returns its seconds."""

    def __init__(self, loss: str, options: argparse.Namespace, classes: int) -> None:
        torch.manual_seed(0)
        encoder = load_encoder(options.encoder, max_length=options.tokens)
        self.model = FineTuneModel(encoder, RunConfig(dataset="r8", loss=loss, lr=1e-5), classes).to(options.device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)
        self.type = options.device, torch.bfloat16, options.precision == "bf16"

    def run(self, batch: Batch) -> float:
        began = time.perf_counter()
        with torch.autocast(self.type[0], dtype=self.type[1], enabled=self.type[2]):
            loss = self.model(**batch)["loss"]
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.type[0] == "cuda":
            torch.cuda.synchronize()
        if not torch.isfinite(loss):
            raise SystemExit(f"{self.model.metric} gave {loss.item()}")
        return time.perf_counter() - began


def make_batch(dataset: TextDataset, size: int, step: Step, device: str) -> Batch:
    """`size` training texts, as many of each class as of the others, padded, with their labels."""
    classes, rows = len(dataset.label_names), []
    for i in range(size):
        own = np.flatnonzero((dataset.labels == i % classes) & (dataset.parts == "train"))
        rows.append(int(own[i // classes]))
    encoder = step.model.encoder
    padded = encoder.pad(encoder.token_ids([dataset.texts[row] for row in rows]))
    return {key: value.to(device) for key, value in {**padded, "labels": torch.tensor(dataset.labels[rows])}.items()}


def measure(steps: dict[str, Step], batch: Batch, rounds: int) -> dict[str, list[float]]:
    """loss -> seconds, one per round; a first round that warms up is not counted."""
    names, seconds = list(steps), {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            spent = steps[name].run(batch)
            if turn:
                seconds[name].append(spent)
    return seconds


def report(seconds: dict[str, list[float]], batch: int) -> None:
    base = seconds["cross_entropy"]
    for name, own in seconds.items():
        ratios = sorted(a / b for a, b in zip(own, base, strict=True))
        low, _, high = statistics.quantiles(ratios, n=4)
        print(f"{name:16} {batch:5} {1000 * statistics.median(own):9.1f} {statistics.median(ratios):7.3f}   {low:.3f}-{high:.3f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--encoder", default=DEFAULT_ENCODER)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--losses", default=",".join(LOSSES))
    options = parser.parse_args()
    dataset = load_dataset("r8", home=Path(tempfile.mkdtemp(prefix="loss-cost-")))
    names = ["cross_entropy", *(name for name in options.losses.split(",") if name != "cross_entropy")]
    place = f"{torch.get_num_threads()} threads, {options.device}, {options.precision}, {options.encoder}"
    print(f"{place}, {options.tokens} tokens, {options.rounds} rounds")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'loss':16} {'batch':>5} {'median ms':>9} {'ratio':>7}   quartiles")
    steps = {name: Step(name, options, len(dataset.label_names)) for name in names}
    report(measure(steps, make_batch(dataset, options.batch, steps["cross_entropy"], options.device), options.rounds), options.batch)
    if "g_loss" in steps:
        steps = {name: steps[name] for name in ("cross_entropy", "g_loss")}
        report(measure(steps, make_batch(dataset, 128, steps["cross_entropy"], options.device), options.rounds), 128)
    if options.device == "cuda":
        print(f"most memory in use: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB, all models together")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
