"""What every row of LOSSES keeps, whichever loss it is."""

import pytest
import torch
from oracles import CLASSES, DIM, make_encoded
from pytorch_metric_learning.losses import ProxyAnchorLoss
from torch import Tensor

from dmlviz.core.types import Encoded, InputError
from dmlviz.losses import LOSSES, build_loss
from dmlviz.losses.base import MetricLoss

METRIC_LOSSES = [name for name, entry in LOSSES.items() if entry.loss_class]
each_loss = pytest.mark.parametrize("name", METRIC_LOSSES)


def make_loss(name: str, seed: int = 0, **settings) -> MetricLoss:
    return build_loss(name, num_classes=CLASSES, dim=DIM, seed=seed, **settings)


def batch(texts: int = 9, dtype: torch.dtype = torch.float32) -> tuple[Encoded, Tensor]:
    encoded, labels = make_encoded(texts)
    return Encoded(encoded.pooled.to(dtype).requires_grad_(), encoded.tokens.to(dtype).requires_grad_(), encoded.mask), labels


def used(name: str, encoded: Encoded) -> Tensor:
    return encoded.tokens if make_loss(name).centers_space == "tokens" else encoded.pooled


@each_loss
def test_a_loss_is_a_finite_scalar_whose_gradient_reaches_the_embeddings(name):
    encoded, labels = batch()
    loss_fn = make_loss(name)
    loss = loss_fn(encoded, labels)
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss > 0
    gradient = used(name, encoded).grad
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss_fn.parameters())


@each_loss
def test_shuffling_the_batch_changes_nothing(name):
    """G-Loss hides labels and N-pairs draws pairs by position, so there the positions are shuffled along; draw_mask and draw_order are for that."""
    encoded, labels = batch()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    straight, shuffled = make_loss(name), make_loss(name)
    if hasattr(straight, "draw_mask"):
        mask = straight.draw_mask(9)
        straight.draw_mask, shuffled.draw_mask = (lambda count: mask), (lambda count: mask[order])
        straight.prepare(encoded.pooled)
        shuffled.prepare(encoded.pooled)
    if hasattr(straight, "draw_order"):
        drawn = straight.draw_order(9)
        straight.draw_order, shuffled.draw_order = (lambda count: drawn), (lambda count: order.argsort()[drawn])
    torch.testing.assert_close(straight(encoded, labels), shuffled(Encoded(*(part[order] for part in encoded)), labels[order]))


@each_loss
def test_an_empty_batch_is_zero_with_a_zero_gradient_everywhere(name):
    encoded, labels = batch()
    loss_fn = make_loss(name)
    loss = loss_fn(Encoded(*(part[:0] for part in encoded)), labels[:0])
    loss.backward()
    assert loss == 0
    for tensor in (encoded.pooled, encoded.tokens, *loss_fn.parameters()):
        assert torch.equal(tensor.grad, torch.zeros_like(tensor))


@each_loss
@pytest.mark.parametrize("texts", [1, 2, 3])
def test_tiny_batches_stay_finite(name, texts):
    encoded, labels = batch(texts)
    loss = make_loss(name)(encoded, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(used(name, encoded).grad).all()


@each_loss
def test_a_batch_of_one_class_stays_finite(name):
    encoded, labels = batch()
    loss = make_loss(name)(encoded, torch.ones_like(labels))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(used(name, encoded).grad).all()


@each_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_embeddings_give_nearly_the_float32_loss(name, dtype):
    encoded, labels = batch(dtype=dtype)
    wide = Encoded(encoded.pooled.float(), encoded.tokens.float(), encoded.mask)
    loss = make_loss(name)(encoded, labels)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, make_loss(name)(wide, labels))
    assert torch.isfinite(used(name, encoded).grad).all()


@each_loss
def test_autocast_costs_no_digits(name):
    encoded, labels = batch()
    plain = make_loss(name)(encoded, labels)
    with torch.autocast("cpu", torch.bfloat16):
        loss = make_loss(name)(encoded, labels)
    torch.testing.assert_close(loss, plain)


@each_loss
def test_labels_that_the_loss_was_not_made_for_are_named(name):
    encoded, labels = batch()
    with pytest.raises(InputError, match=r"labels go from 1 to 3, but the loss was made for 3 classes, 0 to 2; mend the labels"):
        make_loss(name)(encoded, labels + 1)
    with pytest.raises(InputError, match="labels go from -1 to 1"):
        make_loss(name)(encoded, labels - 1)


@each_loss
def test_the_same_seed_gives_the_same_loss_and_another_seed_another(name):
    encoded, labels = batch()
    assert make_loss(name, seed=3)(encoded, labels) == make_loss(name, seed=3)(encoded, labels)
    by_chance = bool(list(make_loss(name).parameters())) or hasattr(make_loss(name), "draw_mask") or hasattr(make_loss(name), "draw_order")
    assert (make_loss(name, seed=3)(encoded, labels) != make_loss(name, seed=4)(encoded, labels)) == by_chance


@each_loss
def test_a_loss_leaves_the_global_random_state_alone(name):
    encoded, labels = batch()
    before = torch.random.get_rng_state()
    make_loss(name)(encoded, labels)
    assert torch.equal(before, torch.random.get_rng_state())


@each_loss
def test_a_loss_loaded_from_its_state_goes_on_exactly(name):
    encoded, labels = batch()
    first = make_loss(name)
    for _ in range(3):
        first(encoded, labels)
    resumed = make_loss(name)
    resumed.load_state_dict(first.state_dict())
    for _ in range(3):
        assert resumed(encoded, labels) == first(encoded, labels)


@each_loss
def test_centers_and_scores_are_what_the_table_says(name):
    encoded, _ = batch()
    loss_fn, entry = make_loss(name), LOSSES[name]
    assert (loss_fn.centers() is not None) == entry.has_centers == (loss_fn.centers_space is not None)
    assert (loss_fn.class_scores(encoded.pooled) is not None) == entry.has_centers
    if entry.has_centers:
        assert loss_fn.centers().shape == (CLASSES, entry.defaults.get("centers_per_class", 1), DIM)
        assert loss_fn.class_scores(encoded.pooled).shape == (9, CLASSES)


@each_loss
def test_gradient_descent_on_the_embeddings_lowers_the_loss(name):
    encoded, labels = batch()
    vectors = used(name, encoded)
    loss_fn = make_loss(name)
    if hasattr(loss_fn, "draw_mask"):
        mask = loss_fn.draw_mask(9)
        loss_fn.draw_mask = lambda count: mask
    if hasattr(loss_fn, "draw_order"):
        drawn = loss_fn.draw_order(9)
        loss_fn.draw_order = lambda count: drawn
    optimiser = torch.optim.SGD([vectors], lr=0.5)
    losses = []
    for _ in range(20):
        loss = loss_fn(encoded, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", [name for name, entry in LOSSES.items() if entry.has_centers])
def test_a_text_that_lies_on_a_center_scores_highest_for_its_class(name):
    """Guards the sign: the library's `get_logits` of ProxyNCA is a distance, small for the right class."""
    loss_fn = make_loss(name)
    scores = loss_fn.class_scores(loss_fn.centers()[:, 0].detach())
    assert scores.argmax(dim=1).tolist() == list(range(CLASSES))


@pytest.mark.parametrize("name", ["proxy_nca", "proxy_anchor"])
def test_proxies_start_where_the_library_starts_them(name):
    """Proxy-Anchor's: kaiming normal over the classes, so of about length sqrt(2 D / C)."""
    torch.manual_seed(7)
    theirs = ProxyAnchorLoss(CLASSES, 200).proxies
    ours = build_loss(name, num_classes=CLASSES, dim=200, seed=7).centers()
    assert torch.equal(ours[:, 0], theirs)
    torch.testing.assert_close(ours.norm(dim=2).mean(), torch.tensor((2 * 200 / CLASSES) ** 0.5), rtol=0.1, atol=0)


@each_loss
def test_the_names_in_a_checkpoint_stay(name):
    """A run that was saved must load: whoever changes a name here needs a way to read the old one."""
    weights = {"proxy_anchor": "loss.proxies"}
    expected = {"draws"} | ({weights.get(name, "weight")} if LOSSES[name].has_centers else set()) | ({"sigma"} if name == "g_loss" else set())
    assert set(make_loss(name).state_dict()) == expected


@each_loss
def test_the_second_forward_is_off_unless_it_is_asked_for(name):
    assert make_loss(name).second_forward is False
    if "second_forward" in LOSSES[name].defaults:
        assert make_loss(name, second_forward=True).second_forward is True


@pytest.mark.parametrize("name", [name for name, entry in LOSSES.items() if entry.has_centers])
def test_a_single_class_has_nothing_to_be_told_from_and_stays_finite(name):
    encoded, labels = batch(3)
    loss = build_loss(name, num_classes=1, dim=DIM)(encoded, labels * 0)
    loss.backward()
    assert torch.isfinite(loss)
