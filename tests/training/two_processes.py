"""What test_distributed starts twice: FineTuneModel under DistributedDataParallel, each process on its half of every batch; and runs of `fit`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from dmlviz.core.types import RunConfig, Split, TextDataset
from dmlviz.encoder.loading import load_encoder
from dmlviz.training.fit import Job, fit
from dmlviz.training.model import FineTuneModel

WORDS = {0: ["cat dog", "bird fish", "sheep goat", "duck horse"], 1: ["bread cheese", "soup apple", "rice cake", "salad pasta"]}
STEPS = 4


def build(config: dict) -> FineTuneModel:
    torch.manual_seed(0)
    made = RunConfig(**config)
    return FineTuneModel(load_encoder(made.encoder, max_length=8), made, len(WORDS)).train()


def batch(model: FineTuneModel, rows: slice) -> tuple[Tensor, dict[str, Tensor]]:
    """Some of the eight texts, the classes in turn, all padded to one length."""
    texts = [WORDS[i % 2][i // 2] for i in range(8)]
    padded = model.encoder.pad(model.encoder.token_ids(texts))
    return torch.arange(8)[rows] % 2, {name: value[rows] for name, value in padded.items()}


def train(model: FineTuneModel, run, rows: list[slice]) -> dict[str, Tensor]:
    """STEPS steps of plain gradient descent; a step averages the losses of `rows`."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(STEPS):
        optimiser.zero_grad()
        for part in rows:
            labels, inputs = batch(model, part)
            (run(labels=labels, **inputs)["loss"] / len(rows)).backward()
        optimiser.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def fit_one(config: dict, folder: Path) -> dict[str, object]:
    """A run on sixteen texts as a worker trains it: the state it ends in, the state it began in and the rows of every batch of this process."""
    texts = [f"{a} {b}" for i in range(8) for a, b in zip(WORDS[0][i % 4].split(), WORDS[1][i // 2].split(), strict=True)]
    dataset = TextDataset("two", tuple(texts), np.arange(16) % 2, ("animal", "food"), np.full(16, "train"), "none", "made here")
    split = Split(np.arange(16), np.arange(0), np.arange(0), None, "class", 0)
    job, seen, forward = Job.prepare(RunConfig(**config), dataset, split, folder), [], FineTuneModel.forward

    def look(self, labels, rows=None, **batch):
        seen.append(rows.tolist())
        return forward(self, labels, rows=rows, **batch)

    start = {name: value.clone() for name, value in job.build().state_dict().items()}
    FineTuneModel.forward = look
    try:
        return {"state": {name: value.clone() for name, value in fit(job).state_dict().items()}, "start": start, "rows": seen}
    finally:
        FineTuneModel.forward = forward


def main() -> None:
    configs, runs, folder = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    for config in configs:
        model = build(config)
        own = slice(4 * rank, 4 * rank + 4)
        state = train(model, DistributedDataParallel(model), [own])
        torch.save(state, f"{folder}/{config['loss']}-{rank}.pt")
    for config in runs:
        torch.save(fit_one(config, Path(folder) / f"run-{config['loss']}-{rank}"), f"{folder}/run-{config['loss']}-{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
