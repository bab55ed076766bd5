"""Every loss against its oracle: the value and the gradient, in float64 and float32."""

import math

import pytest
import torch
from oracles import CASES, CLASSES, DIM, Case, errors, make_encoded
from torch import Tensor

from dmlviz.core.types import Encoded
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


def test_the_contrastive_cases_have_pairs_without_a_loss():
    """Guards the oracle cases: only then is a mean over all pairs another number."""
    encoded, labels = make_encoded()
    unit = encoded.pooled / encoded.pooled.norm(dim=1, keepdim=True)
    gaps, same = torch.pdist(unit), torch.pdist(labels[:, None].double()) == 0
    assert 0 < (gaps[same] > 1.3).sum() < same.sum()
    assert 0 < (gaps[~same] < 1.5).sum() < (~same).sum()


def test_the_contrastive_pull_by_hand():
    """At 0, 90 and 91 degrees, one class: one pair is nearer than the margin of 0.5 and not counted; nothing is pushed."""
    angles = torch.tensor([0.0, 90.0, 91.0], dtype=torch.float64).deg2rad()
    pooled = torch.stack([angles.cos(), angles.sin()], dim=1)
    encoded, labels = Encoded(pooled, pooled[:, None], torch.ones(3, 1)), torch.tensor([1, 1, 1])
    loss = build_loss("contrastive", num_classes=CLASSES, dim=2, pos_margin=0.5)(encoded, labels)
    assert loss.item() == pytest.approx((2 * math.sin(math.pi / 4) + 2 * math.sin(math.radians(45.5))) / 2 - 0.5, rel=1e-9)


PAIRS = [case for case in CASES if LOSSES[case.loss].needs_pairs and case.loss != "g_loss"]


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.title)
@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1], [0, 1, 1, 1, 1, 1, 2, 2], [2, 0, 0]], ids=str)
def test_classes_with_a_single_text_and_classes_of_unequal_size_match_the_oracle_too(case: Case, labels: list[int]):
    if case.loss == "n_pairs" and labels == [2, 0, 0]:
        return  # one pair alone: zero, see the test below
    encoded, _ = make_encoded(len(labels), seed=2)
    assert max(errors(case, torch.float64, batch=(encoded, torch.tensor(labels)))) <= case.limit


NOTHING = [("supcon", [0, 1, 2]), ("triplet", [0, 1, 2]), ("triplet", [1, 1, 1]), ("n_pairs", [0, 1, 2]), ("n_pairs", [2, 0, 0]), ("cos_sim", [0])]


@pytest.mark.parametrize(("name", "labels"), [*NOTHING, ("contrastive", [0])])
def test_a_batch_without_a_valid_pair_is_a_zero_with_a_zero_gradient(name: str, labels: list[int]):
    encoded, _ = make_encoded(len(labels))
    pooled = encoded.pooled.requires_grad_()
    loss = build_loss(name, num_classes=CLASSES, dim=DIM)(encoded, torch.tensor(labels))
    loss.backward()
    assert loss == 0
    assert torch.equal(pooled.grad, torch.zeros_like(pooled))


def tight_batch(texts: int, spread: float) -> tuple[Encoded, Tensor]:
    """Each class within `spread` of a point, as after training; the numbers are those of float32."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(texts) % CLASSES
    around = 2 * torch.randn(CLASSES, DIM, generator=chance)[labels]
    pooled = (around + spread * torch.randn(texts, DIM, generator=chance)).double()
    return Encoded(pooled, pooled[:, None], torch.ones(texts, 1)), labels


TIGHT = [
    Case(case.loss, case.oracle, case.slow, {"margin": 50.0, "squared": False} if case.loss == "triplet" else {})
    for case in CASES
    if case.oracle == "loop" and not case.settings and LOSSES[case.loss].vectors == "pooled" and case.loss != "g_loss"
]


@pytest.mark.parametrize("case", TIGHT, ids=lambda case: case.title)
def test_classes_that_have_come_together_keep_their_digits_in_float32(case: Case):
    """27 texts: from 26 on torch.cdist, and so the library's contrastive loss, would compute distances by products."""
    assert max(errors(case, torch.float32, batch=tight_batch(27, 0.01))) <= 1e-4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
@pytest.mark.parametrize("texts", [0, 1, 6])
def test_every_variant_is_finite_on_no_text_one_text_and_one_class(case: Case, texts: int):
    encoded, labels = make_encoded(texts)
    pooled, tokens = encoded.pooled.requires_grad_(), encoded.tokens.requires_grad_()
    loss = build_loss(case.loss, num_classes=CLASSES, dim=DIM, **case.settings).double()(encoded, torch.ones_like(labels))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(part.grad).all() for part in (pooled, tokens) if part.grad is not None)


@pytest.mark.parametrize("case", [case for case in CASES if case.loss != "g_loss"], ids=lambda case: case.title)
def test_equal_texts_of_two_classes_leave_value_and_gradient_finite(case: Case):
    encoded, labels = make_encoded()
    pooled = encoded.pooled[:1].expand(9, DIM).clone().requires_grad_()
    loss = build_loss(case.loss, num_classes=CLASSES, dim=DIM, **case.settings).double()(Encoded(pooled, pooled[:, None], torch.ones(9, 1)), labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pooled.grad).all()
