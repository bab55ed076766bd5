"""What a run will cost: arithmetic by hand, and learning from finished runs."""

from __future__ import annotations

import dataclasses

import psutil
import pytest

from dmlviz.core.types import Progress, Run
from dmlviz.data import draw_split
from dmlviz.jobs.cost import CPU_CORE_RATE, MAP_SECONDS, START_SECONDS, estimate


@pytest.fixture
def asked(tiny_config, tiny_dataset):
    def make(**fields):
        config = tiny_config(device="cpu", **fields)
        split = draw_split(tiny_dataset, shots=config.shots, validation=config.validation)
        return config, tiny_dataset, split

    return make


def test_many_steps_of_a_tiny_encoder_cost_their_steps(asked):
    # 12 texts in batches of 4: 3 steps an epoch, one pass of 2 layers each; the arithmetic of width 32 is nothing
    short, long = (estimate(*asked(shots=4, epochs=epochs, validation=0, batch_size=4)) for epochs in (100, 300))
    calls = 200 * 3 * (2e-3 + 2 * 1e-3)
    tokens = [min(len(text) / 4.5 + 2, 16) for text in (asked(shots=4)[1].texts[row] for row in asked(shots=4, validation=0)[2].support)]
    arithmetic = 200 * 3 * 24 * 2 * 32**2 * 1.25 * sum(tokens) / (CPU_CORE_RATE * psutil.cpu_count())
    assert long.seconds - short.seconds == pytest.approx(calls + arithmetic, rel=1e-6)
    assert arithmetic < 0.02 * calls


def test_finished_runs_of_this_home_set_the_pace(asked):
    config, dataset, split = asked(epochs=50)
    guess = estimate(config, dataset, split)
    assert not guess.calibrated
    metrics = {"train_seconds": 3 * guess.work_seconds, "embed_seconds": guess.work_seconds}
    done = Run("a", config, "finished", Progress("done", 1, 1, "text", 0), metrics, 0.0, facts={"estimated_seconds": guess.work_seconds})
    other = dataclasses.replace(done, config=config.model_copy(update={"encoder": "elsewhere"}), metrics={**metrics, "train_seconds": 1e6})
    learnt = estimate(config, dataset, split, [done, other])
    assert learnt.calibrated
    assert learnt.seconds == pytest.approx(START_SECONDS + 4 * guess.work_seconds + MAP_SECONDS)


def test_a_second_forward_pass_is_paid_for(asked):
    once, twice = (estimate(*asked(loss="g_loss", epochs=500, loss_settings={"second_forward": on})) for on in (False, True))
    assert twice.work_seconds > once.work_seconds


def test_validation_by_a_probe_embeds_the_support_too(asked):
    by_head, by_probe = (estimate(*asked(loss="supcon", epochs=500, batch_size=12, ce_weight=weight)) for weight in (0.5, 0.0))
    assert by_probe.work_seconds > by_head.work_seconds
    assert estimate(*asked(loss="proxy_nca", epochs=500, ce_weight=0.0)).work_seconds == pytest.approx(
        estimate(*asked(loss="proxy_nca", epochs=500, ce_weight=0.5)).work_seconds
    )
