"""SoftTriple and TripleEntropy beyond the oracle cases."""

import math

import pytest
import torch
from oracles import CLASSES, DIM, make_encoded
from pytorch_metric_learning.losses import SoftTripleLoss

from dmlviz.core.types import Encoded
from dmlviz.losses import build_loss


def make_loss(name: str = "soft_triple", **settings):
    return build_loss(name, num_classes=CLASSES, dim=DIM, **settings).double()


def test_centers_start_where_the_library_starts_them():
    torch.manual_seed(7)
    theirs = SoftTripleLoss(CLASSES, DIM, 4).fc  # (D, C*K)
    ours = build_loss("soft_triple", num_classes=CLASSES, dim=DIM, seed=7, centers_per_class=4).centers()
    assert torch.equal(ours, theirs.T.reshape(CLASSES, 4, DIM))


def test_scores_are_the_training_probabilities_without_the_margin():
    encoded, labels = make_encoded()
    loss_fn = make_loss(margin=0.0, tau=0.0)
    chances = loss_fn.class_scores(encoded.pooled).softmax(dim=1)
    torch.testing.assert_close(loss_fn(encoded, labels), -chances.gather(1, labels[:, None]).log().mean())
    assert loss_fn.class_scores(encoded.pooled).abs().max() <= loss_fn.scale + 1e-9  # a scaled cosine


def test_merging_by_hand():
    """Two centres at a right angle are sqrt(2) apart; one pair per class, divided by K(K-1) = 2."""
    encoded, labels = make_encoded(texts=3, dim=2)
    losses = []
    for tau in (0.0, 0.6):
        loss_fn = build_loss("soft_triple", num_classes=CLASSES, dim=2, tau=tau, centers_per_class=2).double()
        with torch.no_grad():
            loss_fn.weight.copy_(torch.tensor([[3.0, 0], [0, 0.5]]).expand(CLASSES, 2, 2))
        losses.append(loss_fn(encoded, labels).item())
    assert losses[1] - losses[0] == pytest.approx(0.6 * math.sqrt(2 + 1e-5) / 2, rel=1e-9)


def test_equal_centers_have_a_finite_gradient():
    loss_fn = make_loss(tau=1.0)
    with torch.no_grad():
        loss_fn.weight.copy_(loss_fn.weight[:, :1].expand_as(loss_fn.weight))
    for dtype in (torch.float64, torch.float32):
        encoded, labels = make_encoded()
        loss_fn = loss_fn.to(dtype)
        loss_fn.zero_grad()
        loss_fn(Encoded(encoded.pooled.to(dtype), encoded.tokens, encoded.mask), labels).backward()
        assert torch.isfinite(loss_fn.weight.grad).all()


def test_only_directions_count():
    encoded, labels = make_encoded()
    loss_fn = make_loss()
    before = loss_fn(encoded, labels)
    with torch.no_grad():
        loss_fn.weight.mul_(7)
    torch.testing.assert_close(loss_fn(Encoded(encoded.pooled * 3, *encoded[1:]), labels), before)


def test_padding_is_left_out_by_default_and_taken_in_on_request():
    encoded, labels = make_encoded()
    padded = torch.where(encoded.mask[:, :, None] == 1, encoded.tokens, torch.full_like(encoded.tokens, 99.0))
    other = Encoded(encoded.pooled, padded, encoded.mask)
    masked, every = make_loss("triple_entropy"), make_loss("triple_entropy", vectors="all_tokens")
    assert masked(encoded, labels) == masked(other, labels)
    assert every(encoded, labels) != every(other, labels)
    assert masked.centers_space == every.centers_space == "tokens"
    assert make_loss("triple_entropy", vectors="pooled").centers_space == "pooled"


def test_texts_of_padding_only_give_zero():
    encoded, labels = make_encoded()
    loss = make_loss("triple_entropy")(Encoded(encoded.pooled, encoded.tokens, encoded.mask * 0), labels)
    assert loss == 0
    assert loss.requires_grad


def test_more_centers_than_texts_and_a_thousand_centers_work():
    encoded, labels = make_encoded(texts=3)
    assert torch.isfinite(make_loss(centers_per_class=1000)(encoded, labels))


def test_stored_half_precision_embeddings_can_be_scored():
    scores = build_loss("soft_triple", num_classes=CLASSES, dim=DIM).class_scores(make_encoded()[0].pooled.half())
    assert scores.dtype == torch.float32
