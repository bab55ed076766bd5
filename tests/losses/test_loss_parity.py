"""Every loss against its oracle: the value and the gradient, in float64 and float32."""

import pytest
import torch
from oracles import CASES, CLASSES, DIM, Case, errors, make_encoded

from dmlviz.losses import LOSSES, build_loss

torch.set_num_threads(1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_loss_and_its_gradient_match_the_oracle(case: Case):
    for seed in (0, 1):
        assert max(errors(case, torch.float64, seed)) <= case.limit
        assert max(errors(case, torch.float32, seed)) <= 1e-4


def test_every_row_with_a_metric_term_has_an_oracle():
    assert {case.loss for case in CASES} == {name for name, entry in LOSSES.items() if entry.loss_class}


@pytest.mark.parametrize("setting", ["scale", "temperature", "margin", "tau"])
def test_each_number_of_soft_triple_moves_the_loss(setting: str):
    """Guards the oracle cases: a setting that changed nothing could be wrong without a test noticing."""
    encoded, labels = make_encoded()
    values = [
        build_loss("soft_triple", num_classes=CLASSES, dim=DIM, **{setting: value}).double()(encoded, labels) for value in (0.2, 0.4)
    ]
    assert abs(values[0] - values[1]) > 1e-3
