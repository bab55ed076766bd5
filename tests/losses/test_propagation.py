"""Label propagation: by hand, by brute force, and at the edges."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from dmlviz.core.types import InputError
from dmlviz.losses.propagation import (
    MOST_TEXTS,
    contributions,
    kernel_graph,
    normalise,
    pairwise_squared_distances,
    propagate,
    sqrt_median_sigma,
    text_transition,
    transition,
)

torch.set_num_threads(1)
ONE_HOT = torch.eye(3, dtype=torch.float64)


def vectors(count: int, dim: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def shown(*flags: int) -> torch.Tensor:
    return torch.tensor(flags, dtype=torch.bool)


def test_distances_are_those_of_a_loop():
    x = vectors(5)
    slow = [[sum((float(a) - float(b)) ** 2 for a, b in zip(x[i], x[j], strict=True)) for j in range(5)] for i in range(5)]
    torch.testing.assert_close(pairwise_squared_distances(x), torch.tensor(slow, dtype=torch.float64))
    twice = pairwise_squared_distances(torch.cat([x, x]).float() * 1000)
    assert (twice >= 0).all()
    assert (twice.diagonal() == 0).all()


def test_the_kernel_by_hand():
    graph = kernel_graph(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]), sigma=2.0)
    far, near, middle = math.exp(-25 / 8), math.exp(-1 / 8), math.exp(-18 / 8)
    torch.testing.assert_close(graph, torch.tensor([[0, far, near], [far, 0, middle], [near, middle, 0]]))


def test_three_texts_by_hand():
    """Similarities ab 1, au 3, bu 8, so degrees 4, 9, 11; u is hidden."""
    graph = torch.tensor([[0.0, 1, 3], [1, 0, 8], [3, 8, 0]], dtype=torch.float64)
    affinity = normalise(graph)
    assert affinity[0, 1].item() == pytest.approx(1 / 6)
    assert affinity[0, 2].item() == pytest.approx(3 / math.sqrt(44))
    shares = transition(affinity)
    assert shares[2].tolist() == pytest.approx([0.7307190, 0.8283022, 0], abs=1e-6)
    scores = propagate(shares, ONE_HOT[[0, 1, 0]], shown(1, 1, 0))
    assert scores[0].tolist() == pytest.approx([0.7307190, 0.8283022, 0], abs=1e-6)
    scores = propagate(transition(affinity, row_normalise=True), ONE_HOT[[0, 1, 0]], shown(1, 1, 0))
    assert scores[0].tolist() == pytest.approx([0.4687040, 0.5312960, 0], abs=1e-6)


@pytest.mark.parametrize("row_normalise", [False, True])
def test_propagation_is_where_endless_passing_of_labels_ends(row_normalise):
    shares = text_transition(vectors(7), 1.3, row_normalise)
    visible = shown(1, 0, 1, 0, 0, 1, 0)
    labels = ONE_HOT[[0, 1, 1, 2, 0, 2, 0]]
    state = labels * visible[:, None]
    for _ in range(3000):
        state = torch.where(visible[:, None], labels, shares @ state)
    torch.testing.assert_close(propagate(shares, labels, visible), state[~visible], rtol=1e-10, atol=1e-12)


def test_propagation_is_numpy_s_answer():
    shares, visible = text_transition(vectors(8), 0.9), shown(1, 0, 1, 0, 0, 1, 0, 1)
    labels = ONE_HOT[torch.arange(8) % 3]
    t, u = shares.numpy(), ~visible.numpy()
    expected = np.linalg.inv(np.eye(u.sum()) - t[np.ix_(u, u)]) @ t[np.ix_(u, ~u)] @ labels.numpy()[~u]
    np.testing.assert_allclose(propagate(shares, labels, visible).numpy(), expected, rtol=1e-10)


def test_columns_sum_to_one_and_after_row_normalisation_rows_do():
    x = vectors(6)
    ones = torch.ones(6, dtype=torch.float64)
    torch.testing.assert_close(text_transition(x, 1.0).sum(dim=0), ones)
    torch.testing.assert_close(text_transition(x, 1.0, row_normalise=True).sum(dim=1), ones)
    assert (text_transition(x, 1.0).sum(dim=1) - 1).abs().max() > 1e-3  # why G-Loss renormalises


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    count=st.integers(2, 12),
    sigma=st.floats(0.01, 10),
    seed=st.integers(0, 10_000),
    row_normalise=st.booleans(),
    spread=st.sampled_from([1e-3, 1.0, 30.0]),
)
@example(count=2, sigma=1.65625, seed=2, row_normalise=False, spread=30.0)  # a degree of 1e-310: no 0, yet 1 / it is infinite
def test_scores_are_what_the_visible_texts_contribute(count, sigma, seed, row_normalise, spread):
    x = (vectors(count, seed=seed) * spread).requires_grad_()
    shares = text_transition(x, sigma, row_normalise)
    visible = torch.arange(count) % 3 != 1
    labels = ONE_HOT[torch.arange(count) % 3]
    scores, parts = propagate(shares, labels, visible), contributions(shares, visible)
    assert torch.isfinite(scores).all()
    assert (scores >= 0).all()
    torch.testing.assert_close(parts @ labels[visible], scores)
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    assert torch.isfinite(gradient).all()
    if row_normalise:
        sums = parts.sum(dim=1)
        assert ((sums - 1).abs() < 1e-3).logical_or(sums == 0).all()


def test_scaling_embeddings_and_sigma_together_changes_nothing():
    x, visible, labels = vectors(6), shown(1, 1, 0, 0, 1, 0), ONE_HOT[torch.arange(6) % 3]
    torch.testing.assert_close(
        propagate(text_transition(x, 0.7), labels, visible), propagate(text_transition(x * 5, 3.5), labels, visible)
    )


def test_labels_of_hidden_texts_are_not_read():
    shares, visible = text_transition(vectors(5), 1.0), shown(1, 1, 0, 0, 1)
    first, second = ONE_HOT[[0, 1, 2, 2, 0]], ONE_HOT[[0, 1, 0, 1, 0]]
    assert torch.equal(propagate(shares, first, visible), propagate(shares, second, visible))


def test_nothing_visible_scores_zero_and_nothing_hidden_scores_no_one():
    shares, labels = text_transition(vectors(4), 1.0), ONE_HOT[[0, 1, 2, 0]]
    assert torch.equal(propagate(shares, labels, shown(0, 0, 0, 0)), torch.zeros(4, 3, dtype=torch.float64))
    assert propagate(shares, labels, shown(1, 1, 1, 1)).shape == (0, 3)
    assert contributions(shares, shown(1, 1, 1, 1)).shape == (0, 4)


@pytest.mark.parametrize("count", [0, 1])
def test_a_text_alone_has_an_empty_row_not_nan(count):
    shares = text_transition(vectors(count), 1.0)
    assert torch.equal(shares, torch.zeros(count, count, dtype=torch.float64))
    assert torch.equal(propagate(shares, ONE_HOT[:count], shown(*[0] * count)), torch.zeros(count, 3, dtype=torch.float64))


@pytest.mark.parametrize("row_normalise", [False, True])
def test_texts_out_of_reach_score_zero_and_the_others_are_solved_without_them(row_normalise):
    near = vectors(4) * 0.01
    far = torch.tensor([[900.0, 0, 0, 0], [900.01, 0, 0, 0], [0, 900.0, 0, 0]], dtype=torch.float64)  # a pair and a hermit
    visible, labels = shown(1, 0, 1, 0, 0, 0, 0), ONE_HOT[[0, 1, 1, 0, 2, 2, 2]]
    x = torch.cat([near, far]).requires_grad_()
    scores = propagate(text_transition(x, 0.05, row_normalise), labels, visible)
    assert torch.equal(scores[2:], torch.zeros(3, 3, dtype=torch.float64))
    torch.testing.assert_close(scores[:2], propagate(text_transition(near, 0.05, row_normalise), labels[:4], visible[:4]))
    scores.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("row_normalise", [False, True])
def test_a_thin_link_is_still_a_link(row_normalise):
    """A hidden pair that hangs on the labelled text by a millionth still gets its label."""
    graph = torch.tensor([[0.0, 1e-6, 1e-6, 1], [1e-6, 0, 1, 0], [1e-6, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.float64)
    shares = transition(normalise(graph), row_normalise)
    scores = propagate(shares, ONE_HOT[[0, 1, 1, 2]], shown(1, 0, 0, 1))
    assert (scores[:, 0] > 0).all()
    if row_normalise:
        assert scores[:, 0].tolist() == pytest.approx([1, 1], rel=1e-6)


def test_a_small_sigma_that_would_underflow_in_float32_still_works():
    x = torch.tensor([[1.0, 0], [0, 1], [0.6, 0.8]], dtype=torch.float32)
    assert kernel_graph(x, 0.06)[2, 0] == 0
    scores = propagate(text_transition(x, 0.06), ONE_HOT[[0, 1, 0]], shown(1, 1, 0))
    assert scores[0, :2].min() > 0


def test_gradients_are_right():
    x, visible, labels = vectors(6, dim=3).requires_grad_(), shown(1, 1, 0, 0, 1, 0), ONE_HOT[torch.arange(6) % 3]
    for row_normalise in (False, True):
        assert torch.autograd.gradcheck(lambda y, rows=row_normalise: propagate(text_transition(y, 1.1, rows), labels, visible), (x,))


def test_dtypes_come_back_as_they_came():
    shares, labels = text_transition(vectors(4), 1.0).float(), ONE_HOT[[0, 1, 2, 0]].float()
    assert propagate(shares, labels, shown(1, 1, 0, 0)).dtype == torch.float32


def test_sigma_is_the_root_of_a_third_of_the_median_distance():
    """Points 0, 1, 3, 7 on a line: distances 1 2 3 4 6 7, so the lower middle one is 3."""
    x = torch.tensor([[0.0], [1], [3], [7]])
    assert sqrt_median_sigma(x) == pytest.approx(1.0)
    assert sqrt_median_sigma(x, squared=True) == pytest.approx(math.sqrt(9 / 3))
    # the authors' matrix: four zeros, then each distance twice: 0000 1122 3344 6677
    assert sqrt_median_sigma(x, include_diagonal=True) == pytest.approx(math.sqrt(2 / 3))
    assert float(torch.median(torch.cdist(x, x))) == 2.0


def test_many_texts_are_represented_by_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr("dmlviz.losses.propagation.MOST_TEXTS", 3)
    assert sqrt_median_sigma(torch.arange(101.0)[:, None]) == pytest.approx(math.sqrt(50 / 3))


def test_a_thousand_texts_all_count_in_the_median():
    x = vectors(1000)
    assert sqrt_median_sigma(x) == pytest.approx(math.sqrt(np.sort(pdist(x.numpy()))[(1000 * 999 // 2 - 1) // 2] / 3), rel=1e-9)
    assert MOST_TEXTS == 4096  # as its docstring says


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_that_is_no_width_is_a_sentence(sigma):
    with pytest.raises(InputError, match=r"the kernel graph needs sigma above 0, not .*; set sigma to a number such as 0.667"):
        kernel_graph(vectors(3), sigma)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_broken_embeddings_are_a_sentence_that_names_the_setting(bad):
    x = vectors(3)
    x[1, 1] = bad
    with pytest.raises(InputError, match=r"kernel graph got embeddings with NaN or infinity; .* Lower lr"):
        text_transition(x, 1.0)
    with pytest.raises(InputError, match=r"label propagation got NaN or infinity; .* Lower lr"):
        propagate(x[:, :3] * bad, ONE_HOT, shown(1, 0, 1))
    with pytest.raises(InputError, match=r"sigma by the median distance came out as (nan|inf)"):
        sqrt_median_sigma(x)


def test_a_median_that_does_not_exist_is_a_sentence():
    with pytest.raises(InputError, match=r"needs two texts or more, not 1; set sigma_rule to fixed"):
        sqrt_median_sigma(vectors(1))
    with pytest.raises(InputError, match=r"came out as 0.0: the embeddings are equal for half of all pairs"):
        sqrt_median_sigma(torch.ones(4, 2))
