"""What is said before a run that would train but hardly learn."""

from __future__ import annotations

import pytest

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split
from dmlviz.training.cautions import cautions


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loss": "cross_entropy", "shots": 1, "batch_size": 1}, None),
        ({"loss": "soft_triple", "shots": 10}, None),
        ({"loss": "soft_triple", "shots": 4}, "SoftTriple: 10 centres per class but a class has 4 shots; some will attract no text. Lower"),
        ({"loss": "triple_entropy", "shots": 1}, "TripleEntropy: 5 centres per class but a class has 1 shot;"),
        ({"loss": "supcon", "shots": 4}, None),
        ({"loss": "supcon", "shots": 4, "batch_size": 1}, "SupCon compares texts of a batch, and a batch of one has nothing to compare"),
        ({"loss": "triplet", "shots": 1}, "Triplet compares texts of a class, and no class has two; raise the shots"),
        ({"loss": "g_loss", "shots": 4, "batch_size": 3}, "G-Loss spreads labels over the batch, and 3 texts make hardly a graph; raise batch_size"),
        ({"loss": "cross_entropy", "precision": "bf16", "device": "cpu"}, "bf16 on a CPU"),
        ({"loss": "triplet", "shots": 4, "class_weights": "balanced"},
         "class_weights balanced: Triplet without cross-entropy trains all texts alike; only the linear probe uses them."),
        ({"loss": "triplet", "shots": 4, "class_weights": "balanced", "ce_weight": 0.1}, None),
        ({"loss": "g_loss", "shots": 4, "class_weights": "balanced", "ce_weight": 0.0}, None),
        ({"loss": "cross_entropy", "class_weights": "balanced"}, None),
        ({"loss": "supcon", "shots": 4, "center_lr": 1e-3}, "center_lr is given, but SupCon has no centres; leave it out."),
        ({"loss": "cross_entropy", "center_lr": 1e-3}, "center_lr is given, but Cross-entropy has no centres; leave it out."),
        ({"loss": "proxy_anchor", "center_lr": 1e-3}, None),
        ({"loss": "g_loss", "shots": 4, "loss_settings": {"sigma": 0.5}},
         "G-Loss: sigma is given, but has no effect with sigma_rule sqrt_median; leave it out, or set sigma_rule to fixed or tuned."),
        ({"loss": "g_loss", "shots": 4, "loss_settings": {"sigma": 0.5, "sigma_rule": "tuned"}}, None),
        ({"loss": "g_loss", "shots": 4, "loss_settings": {"median_of": "squared_distance", "sigma_rule": "fixed"}},
         "G-Loss: median_of is given, but has no effect with sigma_rule fixed; leave it out, or set sigma_rule to sqrt_median."),
        ({"loss": "g_loss", "shots": 4, "ce_weight": 0.0, "loss_settings": {"second_forward": True}},
         "G-Loss: second_forward is given, but without cross-entropy there is one pass only; leave it out, or raise ce_weight."),
        ({"loss": "g_loss", "shots": 4, "ce_weight": 0.1, "loss_settings": {"second_forward": "true"}}, None),
    ],
)  # fmt: skip
def test_what_would_hardly_learn_is_said(tiny_dataset, fields, sentence):
    config = RunConfig(dataset="tiny", **fields)
    found = cautions(config, draw_split(tiny_dataset, shots=config.shots, validation=0), tiny_dataset)
    assert len(found) == (sentence is not None)
    assert sentence is None or found[0].startswith(sentence)
