"""Two processes on one model: the loss's centres are part of the gradient sync."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes

from dmlviz.losses import LOSSES

pytestmark = pytest.mark.slow

WHOLE, HALVES = [slice(0, 8)], [slice(0, 4), slice(4, 8)]
# Proxy-Anchor is no mean over texts (it sums inside a logarithm), so two halves averaged are what two processes compute, not the joined batch
CASES = {
    "soft_triple": ({"tau": 0.1}, WHOLE),
    "triple_entropy": ({"vectors": "all_tokens"}, WHOLE),
    "proxy_nca": ({}, WHOLE),
    "proxy_anchor": ({}, HALVES),
}


@pytest.fixture(scope="module")
def configs(tiny_encoder, tmp_path_factory) -> dict[str, dict]:
    """A config for each case, on the tiny encoder without dropout."""
    calm = tmp_path_factory.mktemp("calm")
    for path in tiny_encoder.iterdir():
        (calm / path.name).write_bytes(path.read_bytes())
    said = json.loads((calm / "config.json").read_text())
    (calm / "config.json").write_text(json.dumps({**said, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))
    base = {"dataset": "tiny", "encoder": str(calm), "ce_weight": 0.5}
    return {loss: {**base, "loss": loss, "loss_settings": settings} for loss, (settings, _) in CASES.items()}


RUNS = ("g_loss", "n_pairs", "supcon")


@pytest.fixture(scope="module")
def runs(configs) -> dict[str, dict]:
    """A config for each whole run: two balanced batches of four texts to a step, two steps to an epoch."""
    base = {**configs["soft_triple"], "loss_settings": {}, "epochs": 3, "batch_size": 4, "lr": 1e-2, "max_length": 8, "device": "cpu"}
    return {loss: {**base, "loss": loss, "validation": 0, "snapshots": 0, "checkpoint_seconds": 3600} for loss in RUNS}


@pytest.fixture(scope="module")
def ranks(configs, runs, tmp_path_factory) -> dict[str, list[dict]]:
    """The state of the model in both processes, for each case; all in one launch."""
    folder = tmp_path_factory.mktemp("ranks")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    with open(folder / "log.txt", "w") as log:
        what = [json.dumps(list(configs.values())), json.dumps(list(runs.values())), str(folder)]
        launcher = subprocess.Popen([*command, two_processes.__file__, *what], env=environment, cwd=root, stdout=log, stderr=log)
        try:
            code = launcher.wait(timeout=240)
        finally:
            launcher.terminate()  # not kill: the launcher ends the processes that it started
            launcher.wait(timeout=30)
    assert code == 0, (folder / "log.txt").read_text()[-3000:]
    names = (*configs, *(f"run-{loss}" for loss in runs))
    return {name: [torch.load(folder / f"{name}-{rank}.pt", weights_only=True) for rank in range(2)] for name in names}


@pytest.mark.parametrize("loss", CASES)
def test_two_processes_train_what_one_would(configs, ranks, loss):
    first, second = ranks[loss]
    model = two_processes.build(configs[loss])
    start = {name: value.clone() for name, value in model.state_dict().items()}
    alone = two_processes.train(model, model, CASES[loss][1])
    own = [name for name in start if name.startswith("metric.") and start[name].is_floating_point()]
    assert own
    assert LOSSES[loss].has_centers
    for name in own:
        assert (first[name] - start[name]).abs().max() > 1e-4, f"{name} did not move"
    assert first.keys() == second.keys() == alone.keys()
    for name, value in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, atol=1e-5, rtol=0, msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize("loss", RUNS)
def test_a_whole_run_in_two_processes_is_one_model(runs, ranks, loss, tmp_path):
    """Trainer, sampler, centres, hidden labels: both processes end with the same model, each having seen its own balanced batches."""
    first, second = ranks[f"run-{loss}"]
    assert first["state"].keys() == second["state"].keys()
    for name, value in first["state"].items():
        assert torch.equal(value, second["state"][name]), name
        assert torch.equal(first["start"][name], second["start"][name]) or name == "metric.sigma", name  # sigma is unknown before: NaN
    assert (first["state"]["head.weight"] - first["start"]["head.weight"]).abs().max() > 1e-3
    assert len(first["rows"]) == len(second["rows"]) == 6
    for epoch in range(3):
        ours, theirs = ([row for batch in one["rows"][2 * epoch : 2 * epoch + 2] for row in batch] for one in (first, second))
        assert sorted(ours + theirs) == list(range(16))
    assert all(sorted(row % 2 for row in batch) == [0, 0, 1, 1] for one in (first, second) for batch in one["rows"])
    if loss != "supcon":
        assert int(first["state"]["metric.draws"]) == 6  # one draw for each of this process's batches
        return
    # nothing is drawn: one process with both batches to a step is the same run, its warm-up and schedule too
    alone = two_processes.fit_one({**runs[loss], "accumulation": 2}, tmp_path)
    assert alone["rows"] == [batch for pair in zip(first["rows"], second["rows"], strict=True) for batch in pair]
    for name, value in alone["state"].items():
        if value.is_floating_point() and not name.endswith("key.bias"):  # softmax does not see it: its gradient is rounding, which Adam makes large
            assert (first["state"][name] - value).norm() <= 0.01 * (value - first["start"][name]).norm(), name
