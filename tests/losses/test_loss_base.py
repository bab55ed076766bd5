"""What all losses share: mixing, choice of vectors, chance that survives a resume."""

import pytest
import torch
from oracles import CLASSES, DIM, make_encoded

from dmlviz.losses.base import MetricLoss, mix


def base(seed: int = 0) -> MetricLoss:
    return MetricLoss(num_classes=CLASSES, dim=DIM, seed=seed)


def draw(loss_fn: MetricLoss) -> list[float]:
    return torch.rand(3, generator=loss_fn.generator()).tolist()


def test_ce_weight_is_the_share_of_cross_entropy():
    ce, metric = torch.tensor(2.0), torch.tensor(10.0)
    assert mix(ce, metric, 0.4).item() == pytest.approx(0.4 * 2 + 0.6 * 10)
    assert mix(ce, metric, 1.0).item() == 2.0
    assert mix(ce, metric, 0.0).item() == 10.0
    assert mix(ce, None, 1.0) is ce


def test_vectors_are_the_pooled_ones_all_tokens_or_those_that_are_not_padding():
    encoded, labels = make_encoded(texts=4, tokens=3)
    loss_fn = base()
    assert loss_fn.vectors(encoded, labels)[0] is encoded.pooled
    every, theirs = loss_fn.vectors(encoded, labels, "all_tokens")
    assert torch.equal(every, encoded.tokens.reshape(12, DIM))
    assert theirs.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0]
    kept, theirs = loss_fn.vectors(encoded, labels, "masked_tokens")
    lengths = encoded.mask.sum(dim=1).tolist()
    assert sum(lengths) < 12
    assert torch.equal(kept, torch.cat([encoded.tokens[i, :n] for i, n in enumerate(lengths)]))
    assert theirs.tolist() == [label for label, n in zip(labels.tolist(), lengths, strict=True) for _ in range(n)]


def test_each_training_draw_is_new_and_depends_on_seed_and_count_alone():
    first, second = base(), base()
    draws = [draw(first) for _ in range(4)]
    assert len({tuple(d) for d in draws}) == 4
    torch.rand(5)  # the global generator plays no part
    assert [draw(second) for _ in range(4)] == draws
    assert draw(base(seed=1)) != draws[0]
    assert draw(base(seed=2**32)) != draws[0]  # torch's CPU generator alone would read only 32 bits


def test_a_draw_is_not_used_up_in_eval_mode_or_without_gradient():
    loss_fn = base()
    loss_fn.eval()
    assert draw(loss_fn) == draw(loss_fn)
    loss_fn.train()
    with torch.no_grad():
        looked = draw(loss_fn)
    assert loss_fn.draws == 0
    assert draw(loss_fn) == looked
    assert loss_fn.draws == 1


def test_the_count_of_draws_travels_in_the_checkpoint():
    loss_fn, resumed = base(), base()
    for _ in range(5):
        draw(loss_fn)
    assert loss_fn.state_dict()["draws"].item() == 5
    resumed.load_state_dict(loss_fn.state_dict())
    assert draw(resumed) == draw(loss_fn)


def test_a_loss_without_centers_says_so():
    assert base().centers() is None
    assert base().class_scores(torch.zeros(2, DIM)) is None
    assert base().centers_space is None
