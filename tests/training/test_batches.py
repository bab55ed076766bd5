"""Balanced batches: every text once, fair shares, pairs where possible, the same for the same seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlviz.training.batches import BalancedSampler, balanced_order


def table(sizes: list[int], batch_size: int, seed: int = 0, epoch: int = 0) -> np.ndarray:
    """(batches, C): how many texts of each class each batch has."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = balanced_order(labels, batch_size, seed, epoch)
    assert sorted(order.tolist()) == list(range(len(labels)))
    return np.array([np.bincount(labels[order[i : i + batch_size]], minlength=len(sizes)) for i in range(0, len(order), batch_size)])


@settings(max_examples=80, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8), batch_size=st.integers(1, 40), seed=st.integers(0, 5))
def test_an_epoch_goes_through_every_text_once_in_near_equal_shares(sizes, batch_size, seed):
    found = table(sizes, batch_size, seed)
    total = sum(sizes)
    assert (found.sum(axis=1)[:-1] == min(batch_size, total)).all()
    fair = min(batch_size, total) * np.array(sizes) / total
    if (fair >= 3).all():  # room for each class in each batch; two and a rounding
        assert (np.abs(found[:-1] - fair) <= 1.5).all()
    assert (np.abs(found[:-1] - fair) <= 3 + fair / 2).all()


@pytest.mark.parametrize(("classes", "shots", "batch_size"), [(3, 4, 4), (8, 8, 16), (20, 8, 16), (3, 16, 12), (5, 6, 10), (2, 8, 16), (52, 4, 16)])
def test_no_text_is_alone_in_its_batch_where_pairs_fit(classes, shots, batch_size):
    for epoch in range(5):
        found = table([shots] * classes, batch_size, epoch=epoch)
        assert not (found == 1).any()
        assert (found.max(axis=1) - found.min(axis=1)).max() <= 2
        assert ((found > 0).sum(axis=1) > 1).all()


def test_where_two_of_each_class_fit_every_batch_has_them():
    found = table([40, 40, 40], 16)
    assert found[:-1].min() >= 5
    assert found[:-1].max() <= 6
    assert table([40, 20, 10], 16)[:-1].min() >= 2


def test_an_odd_number_of_texts_leaves_few_alone():
    assert (table([5, 5, 5], 4) == 1).sum() <= 2
    assert (table([7] * 10, 8) == 1).sum() <= 5


def test_the_order_depends_on_seed_and_epoch_alone():
    labels = np.repeat(np.arange(3), 8)
    np.random.seed(1)
    first = balanced_order(labels, 8, seed=3, epoch=2)
    np.random.seed(2)
    assert first.tolist() == balanced_order(labels, 8, seed=3, epoch=2).tolist()
    assert first.tolist() != balanced_order(labels, 8, seed=3, epoch=3).tolist()
    assert first.tolist() != balanced_order(labels, 8, seed=4, epoch=2).tolist()
    sampler = BalancedSampler(labels, 8, seed=3)
    sampler.set_epoch(2)
    assert list(sampler) == first.tolist()
    assert len(sampler) == 24
