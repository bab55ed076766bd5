"""G-Loss beyond the oracle cases: which labels are hidden, where sigma comes from, what cannot be guessed."""

import math

import pytest
import torch
import torch.nn.functional as F
from oracles import CLASSES, DIM, g_loss_case, make_encoded
from torch import Tensor

from dmlviz.core.types import Encoded, InputError
from dmlviz.losses import build_loss
from dmlviz.losses.propagation import propagate, text_transition


def make_loss(**settings):
    return build_loss("g_loss", num_classes=CLASSES, dim=DIM, **settings)


def hide(loss_fn, *hidden: int):
    """Fix which positions of the batch are hidden."""
    loss_fn.draw_mask = lambda count: torch.tensor([i not in hidden for i in range(count)])
    return loss_fn


def on_circle(*degrees: float) -> Encoded:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    pooled = torch.stack([angles.cos(), angles.sin()], dim=1)
    return Encoded(pooled, pooled[:, None], torch.ones(len(degrees), 1))


def test_three_texts_by_hand():
    """u at 0 degrees is hidden, a (its class) at 60, b at -90: squared distances 1, 2 and 2 + sqrt(3), sigma 1."""
    au, bu, ab = math.exp(-1 / 2), math.exp(-1), math.exp(-(2 + math.sqrt(3)) / 2)
    a, b, u = au + ab, bu + ab, au + bu  # degrees
    from_a = (au / math.sqrt(u)) / (au / math.sqrt(u) + ab / math.sqrt(b))
    from_b = (bu / math.sqrt(u)) / (bu / math.sqrt(u) + ab / math.sqrt(a))
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=1.0), 0)
    loss = loss_fn(on_circle(0, 60, -90), torch.tensor([1, 1, 0])).item()
    assert loss == pytest.approx(-math.log(from_a / (from_a + from_b)), rel=1e-10)
    logits = hide(make_loss(sigma_rule="fixed", sigma=1.0, form="scores_as_logits"), 0)
    expected = -math.log(math.exp(from_a) / (math.exp(from_a) + math.exp(from_b) + math.exp(0)))
    assert logits(on_circle(0, 60, -90), torch.tensor([1, 1, 0])).item() == pytest.approx(expected, rel=1e-10)


def test_the_authors_form_has_a_floor_and_the_paper_s_has_none():
    """papers.md 3.8.1: scores of at most one, read as logits, leave log(1 + (C-1)/e)."""
    encoded, labels = on_circle(0, 1, 120, 121, 240, 241), torch.tensor([0, 0, 1, 1, 2, 2])
    settings = {"sigma_rule": "fixed", "sigma": 0.1, "row_normalise": True}
    assert hide(make_loss(**settings), 0, 2)(encoded, labels).item() == pytest.approx(0, abs=1e-9)
    floor = math.log(1 + (CLASSES - 1) / math.e)
    assert hide(make_loss(form="scores_as_logits", **settings), 0, 2)(encoded, labels).item() == pytest.approx(floor, abs=1e-6)


SHOWN = [(10, 0.7, 7), (16, 0.7, 11), (9, 0.4, 4), (2, 0.95, 1), (2, 0.05, 1), (128, 0.5, 64)]


@pytest.mark.parametrize(("count", "share", "shown"), SHOWN)
def test_the_visible_share_keeps_its_labels(count, share, shown):
    mask = make_loss(visible_share=share).draw_mask(count)
    assert mask.dtype == torch.bool
    assert mask.shape == (count,)
    assert int(mask.sum()) == shown


def test_every_step_hides_other_texts_and_each_is_hidden_sometimes():
    loss_fn = make_loss()
    masks = torch.stack([loss_fn.draw_mask(10) for _ in range(300)])
    assert len({tuple(mask.tolist()) for mask in masks}) > 50
    assert ((masks.double().mean(dim=0) - 0.7).abs() < 0.12).all()


def test_evaluation_repeats_itself_and_leaves_training_alone():
    encoded, labels = make_encoded()
    loss_fn, undisturbed = make_loss(), make_loss()
    for each in (loss_fn, undisturbed):
        each.prepare(encoded.pooled)
        each(encoded, labels)
    loss_fn.eval()
    assert loss_fn(encoded, labels) == loss_fn(encoded, labels)
    loss_fn.train()
    with torch.no_grad():
        loss_fn(encoded, labels)
    assert loss_fn(encoded, labels) == undisturbed(encoded, labels)


def test_resuming_repeats_masks_and_sigma_exactly():
    encoded, labels = make_encoded()
    loss_fn = make_loss(seed=5)
    loss_fn.prepare(encoded.pooled)
    losses = [loss_fn(encoded, labels) for _ in range(3)]
    state = {key: value.clone() for key, value in loss_fn.state_dict().items()}
    losses += [loss_fn(encoded, labels) for _ in range(3)]
    resumed = make_loss(seed=5)
    resumed.load_state_dict(state)
    assert [resumed(encoded, labels) for _ in range(3)] == losses[3:]


def slow_sigma(pooled: Tensor) -> float:
    unit = [vector / vector.norm() for vector in pooled]
    distances = sorted(float((unit[i] - unit[j]).norm()) for i in range(len(unit)) for j in range(i))
    return math.sqrt(distances[(len(distances) - 1) // 2] / 3)


def test_sigma_comes_from_the_support_texts_once():
    support, _ = make_encoded(texts=12, seed=3)
    encoded, labels = make_encoded()
    loss_fn = make_loss()
    assert loss_fn.sigma.isnan()
    loss_fn.prepare(support.pooled)
    assert float(loss_fn.sigma) == pytest.approx(slow_sigma(support.pooled), rel=1e-6)
    loss_fn(encoded, labels)
    assert float(loss_fn.sigma) == pytest.approx(slow_sigma(support.pooled), rel=1e-6)


def test_without_preparation_the_first_training_batch_sets_sigma():
    encoded, labels = make_encoded()
    loss_fn = make_loss().eval()
    loss_fn(encoded, labels)
    assert loss_fn.sigma.isnan()
    loss_fn.train()
    loss_fn(Encoded(*(part[:1] for part in encoded)), labels[:1])  # one text has no distance
    assert loss_fn.sigma.isnan()
    loss_fn(encoded, labels)
    assert float(loss_fn.sigma) == pytest.approx(slow_sigma(encoded.pooled), rel=1e-6)


def test_a_fixed_sigma_stays_fixed():
    loss_fn = make_loss(sigma_rule="fixed")
    loss_fn.prepare(make_encoded()[0].pooled)
    assert float(loss_fn.sigma) == pytest.approx(0.667, rel=1e-6)


def test_the_length_of_an_embedding_does_not_count():
    encoded, labels = make_encoded()
    lengths = torch.linspace(0.5, 4, 9, dtype=torch.float64)[:, None]
    torch.testing.assert_close(make_loss()(encoded, labels), make_loss()(Encoded(encoded.pooled * lengths, *encoded[1:]), labels))


def test_a_hidden_text_whose_class_is_not_visible_is_left_out_and_counted():
    encoded, labels = on_circle(0, 10, 20, 100, 110, 200), torch.tensor([0, 0, 0, 1, 1, 2])
    loss_fn = hide(make_loss(sigma_rule="fixed"), 0, 3, 5)
    loss = loss_fn(encoded, labels)
    assert loss_fn.left_out == 1
    relabelled = hide(make_loss(sigma_rule="fixed"), 0, 3, 5)(encoded, torch.tensor([0, 0, 0, 1, 1, 0]))
    assert torch.isfinite(loss)
    assert loss < relabelled  # counting it as class 0 would cost


def test_if_no_hidden_text_can_be_guessed_the_loss_is_a_zero_with_a_gradient():
    encoded, labels = make_encoded(texts=3)
    pooled = encoded.pooled.requires_grad_()
    loss_fn = make_loss()  # three texts of three classes
    loss = loss_fn(encoded, labels)
    loss.backward()
    assert loss == 0
    assert loss_fn.left_out == 1
    assert torch.equal(pooled.grad, torch.zeros_like(pooled))


@pytest.mark.parametrize("row_normalise", [False, True])
def test_a_small_probability_costs_what_its_logarithm_says(row_normalise):
    """Far from its class and beside another: nothing is cut off at a probability of a thousandth or a millionth, and the text is still pulled."""
    encoded, labels = on_circle(0, 5, 150, 155), torch.tensor([1, 0, 1, 1])
    pooled = encoded.pooled.requires_grad_()
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=0.3, row_normalise=row_normalise), 0)
    loss = loss_fn(encoded, labels)
    knobs = {"form": "nll", "row_normalise": row_normalise, "divide_again": False}
    assert loss > 14  # a probability below a millionth
    torch.testing.assert_close(loss, g_loss_case(encoded, labels, loss_fn, knobs), rtol=1e-8, atol=0)
    loss.backward()
    assert pooled.grad[0].abs().max() > 0.1


def test_a_text_that_hardly_anything_reaches_still_counts():
    """A hidden text between two others, its scores summing to less than a millionth without row normalisation."""
    encoded, labels = on_circle(0, 120, -110, 122, -112), torch.tensor([1, 1, 0, 1, 0])
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=0.2), 0)
    loss = loss_fn(encoded, labels)
    shares = text_transition(encoded.pooled, 0.2)
    assert shares[0].sum() < 1e-6
    assert loss_fn.left_out == 0
    torch.testing.assert_close(loss, g_loss_case(encoded, labels, loss_fn, {"form": "nll", "row_normalise": False, "divide_again": False}))


def test_a_sigma_that_blinds_the_graph_is_a_sentence():
    encoded, labels = on_circle(0, 90, 180, 270), torch.tensor([0, 0, 1, 1])
    with pytest.raises(InputError, match=r"g_loss: with sigma=0.01 no text .* similar .* raise sigma, or set sigma_rule to sqrt_median"):
        hide(make_loss(sigma_rule="fixed", sigma=0.01), 0, 2)(encoded, labels)


def test_one_text_out_of_reach_is_left_out_not_fatal():
    encoded, labels = on_circle(0, 0.2, 180), torch.tensor([0, 0, 0])
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=0.01), 1, 2)
    assert loss_fn(encoded, labels).item() == pytest.approx(0)
    assert loss_fn.left_out == 1


def test_embeddings_that_are_not_numbers_stop_with_a_sentence():
    encoded, labels = make_encoded()
    encoded.pooled[2, 1] = math.nan
    with pytest.raises(InputError, match=r"NaN or infinity; .* Lower lr"):
        make_loss(sigma_rule="fixed")(encoded, labels)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.136, 10.0])
def test_small_and_large_sigma_keep_value_and_gradient_finite(sigma):
    chance = torch.Generator().manual_seed(0)
    pooled = F.normalize(torch.randn(32, 6, generator=chance) + 2, dim=1).requires_grad_()
    labels = torch.arange(32) % CLASSES
    loss = make_loss(sigma_rule="fixed", sigma=sigma)(Encoded(pooled, pooled[:, None], torch.ones(32, 1)), labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pooled.grad).all()
    assert pooled.grad.abs().sum() > 0


def test_a_badly_placed_text_costs_what_the_formula_says_and_keeps_its_gradient():
    """Its own class is far away: a probability below a thousandth is neither rounded nor cut off."""
    encoded, labels = on_circle(0, 5, 60), torch.tensor([1, 0, 1])
    pooled = encoded.pooled.requires_grad_()
    near, far, across = (math.exp(-(2 - 2 * math.cos(math.radians(d))) / (2 * 0.1**2)) for d in (5, 60, 55))
    from_near = near / math.sqrt(near + far) / (near / math.sqrt(near + far) + across / math.sqrt(far + across))
    from_far = far / math.sqrt(near + far) / (far / math.sqrt(near + far) + across / math.sqrt(near + across))
    shares = torch.tensor([from_near, from_far], dtype=torch.float64)
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=0.1, row_normalise=True), 0)
    loss = loss_fn(encoded, labels)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(shares[1] / shares.sum()), rel=1e-6)
    assert loss.item() > 5
    assert pooled.grad.abs().sum() > 1


def test_each_rule_of_the_median_gives_its_sigma():
    """Four texts on a circle: the six distances by hand; with the diagonal, four zeros come in front of twelve of them."""
    encoded = on_circle(0, 20, 80, 150)
    chords = sorted(2 * math.sin(math.radians(angle) / 2) for angle in (20, 80, 150, 60, 130, 70))  # the third is not 1, so its square differs
    lower_median = chords[2]
    for settings, median in (
        ({}, lower_median),
        ({"median_of": "squared_distance"}, lower_median**2),
        ({"median_diagonal": True}, sorted([0.0] * 4 + chords * 2)[7]),
    ):
        loss_fn = make_loss(**settings)
        loss_fn.prepare(encoded.pooled)
        assert float(loss_fn.sigma) == pytest.approx(math.sqrt(median / 3), rel=1e-6)


@pytest.mark.parametrize("form", ["nll", "scores_as_logits"])
def test_class_weights_weigh_the_hidden_texts_as_cross_entropy_does(form):
    encoded, labels = on_circle(0, 10, 120, 131, 240, 255), torch.tensor([0, 0, 1, 1, 2, 2])
    plain = hide(make_loss(sigma_rule="fixed", sigma=0.7, form=form), 0, 2)
    first, second = hide(make_loss(sigma_rule="fixed", sigma=0.7, form=form), 0), hide(make_loss(sigma_rule="fixed", sigma=0.7, form=form), 2)
    assert first(encoded, labels) != second(encoded, labels)
    before = plain(encoded, labels)
    plain.class_weights = torch.tensor([1.0, 1.0, 9.0])
    assert plain(encoded, labels) == before  # equal weights of those that are hidden change nothing
    plain.class_weights = torch.tensor([3.0, 1.0, 9.0])
    each = []
    for kept in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]):
        plain.class_weights = torch.tensor(kept)
        each.append(plain(encoded, labels))
    plain.class_weights = torch.tensor([3.0, 1.0, 9.0])
    torch.testing.assert_close(plain(encoded, labels), (3 * each[0] + each[1]) / 4)


@pytest.mark.parametrize("settings", [{}, {"form": "scores_as_logits"}, {"divide_again": True}], ids=str)
def test_class_weights_match_the_slow_loop_and_torch(settings):
    encoded, labels = make_encoded(texts=12)
    loss_fn = make_loss(sigma_rule="fixed", visible_share=0.5, **settings).double()
    loss_fn.class_weights = torch.tensor([0.2, 1.0, 5.0], dtype=torch.float64)
    knobs = {"form": "nll", "row_normalise": False, "divide_again": False} | settings
    expected = g_loss_case(encoded, labels, loss_fn, knobs)
    torch.testing.assert_close(loss_fn(encoded, labels), expected, rtol=1e-10, atol=0)
    loss_fn.class_weights = torch.full((3,), 7.0, dtype=torch.float64)  # a weighted mean: a factor of all weights is nothing
    even = loss_fn.eval()(encoded, labels)
    loss_fn.class_weights = None
    torch.testing.assert_close(even, loss_fn(encoded, labels))


def test_the_weighted_mean_is_that_of_torch():
    encoded, labels = make_encoded(texts=12)
    loss_fn = make_loss(sigma_rule="fixed", form="scores_as_logits").eval()
    mask = loss_fn.draw_mask(12)
    shares = text_transition(F.normalize(encoded.pooled, dim=1), float(loss_fn.sigma))
    scores = propagate(shares, F.one_hot(labels, CLASSES).double(), mask)
    weights = torch.tensor([0.2, 1.0, 5.0], dtype=torch.float64)
    loss_fn.class_weights = weights
    torch.testing.assert_close(loss_fn(encoded, labels), F.cross_entropy(scores, labels[~mask], weight=weights))


def test_tuned_is_a_fixed_sigma_that_preparation_leaves_alone():
    encoded, labels = make_encoded()
    tuned, fixed = (make_loss(sigma_rule=rule, sigma=0.31) for rule in ("tuned", "fixed"))
    tuned.prepare(encoded.pooled)
    assert float(tuned.sigma) == pytest.approx(0.31)
    assert tuned(encoded, labels) == fixed(encoded, labels)


def test_class_weights_stay_with_their_texts_when_one_is_left_out():
    """The first hidden text has no visible text of its class; the weights of the two that follow must not move up."""
    encoded, labels = on_circle(200, 0, 10, 120, 131), torch.tensor([2, 0, 0, 1, 1])
    loss_fn = hide(make_loss(sigma_rule="fixed", sigma=0.7), 0, 1, 3)
    loss_fn.class_weights = torch.tensor([3.0, 0.5, 9.0])
    knobs = {"form": "nll", "row_normalise": False, "divide_again": False}
    torch.testing.assert_close(loss_fn(encoded, labels), g_loss_case(encoded, labels, loss_fn, knobs), rtol=1e-10, atol=0)
    assert loss_fn.left_out == 1
