"""Random weights must change an explanation, and no noise must not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from dmlviz.core.types import InputError
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.explain.gradients import Seen, WordModel, integrated_gradients
from dmlviz.explain.sanity import layers_of, randomisation, redraw, sensitivity
from dmlviz.explain.words import by_word

TEXTS = (
    "the cat saw a small dog near the bread", "rain and snow with wind and storm", "very good soup with rice and salad", "bread cheese",
    "an old horse was with the bird we saw", "this big cake is new", "a duck had that fish near some fog", "frost and sun with a cloud",
)  # fmt: skip


def of(head: nn.Linear):
    return lambda seen, classes: head(seen.pooled).gather(1, classes[:, None])[:, 0]


@pytest.fixture
def head() -> nn.Linear:
    torch.manual_seed(5)
    return nn.Linear(32, 3)


def test_everything_random_leaves_no_correlation(model, head, cut):
    """Mean over texts and seeds; the stages go from the top down."""
    texts, classes, last = cut(*TEXTS), np.zeros(len(TEXTS), dtype=int), []
    for seed in range(8):
        found = randomisation(model, head, of, texts, classes, seed=seed)
        assert found.stages == ("trained", "head and centres", "layer 2", "layer 1", "word vectors")
        assert found.absolute[0] == found.signed[0] == pytest.approx(1)
        assert found.texts.tolist() == [7] * 5  # "bread cheese" has two words: no rank correlation
        last.append((found.absolute[-1], found.signed[-1]))
    means, errors = np.mean(last, axis=0), np.std(last, axis=0, ddof=1) / np.sqrt(len(last))
    assert (np.abs(means) < np.maximum(3 * errors, 0.15)).all(), (means, errors)
    assert np.abs(last).max() < 0.9


def test_a_correlation_is_the_mean_over_texts_of_the_two_models(model, head, cut):
    """The first stage by hand: another head on the same encoder."""
    texts, classes = cut(*TEXTS[:3]), np.array([0, 1, 2])
    found = randomisation(model, head, of, texts, classes, seed=3)
    other = nn.Linear(32, 3)
    other.load_state_dict(head.state_dict())
    redraw(other, torch.Generator().manual_seed(3))
    signed, absolute = [], []
    for text, class_id in zip(texts, classes, strict=True):
        a, b = (by_word(integrated_gradients(model, [text], np.array([class_id]), of(one), steps=16, most_steps=16)[0].values, text)
                for one in (head, other))  # fmt: skip
        signed.append(spearmanr(a, b).statistic)
        absolute.append(spearmanr(np.abs(a), np.abs(b)).statistic)
    assert found.signed[1] == pytest.approx(np.mean(signed), abs=1e-6)
    assert found.absolute[1] == pytest.approx(np.mean(absolute), abs=1e-6)


def test_the_model_itself_never_changes_and_a_seed_repeats(model, head, cut):
    before = {name: value.clone() for name, value in [*model.state_dict().items(), *head.state_dict().items()]}
    texts, classes = cut(*TEXTS[:3]), np.zeros(3, dtype=int)
    first, again = (randomisation(model, head, of, texts, classes, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.signed, again.signed)
    assert (randomisation(model, head, of, texts, classes, seed=2).signed[1:] != first.signed[1:]).any()
    for name, value in [*model.state_dict().items(), *head.state_dict().items()]:
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_random_weights_are_others_of_the_same_size():
    layer = nn.Linear(200, 300)
    before = layer.weight.detach().clone(), layer.bias.detach().clone()
    redraw(layer, torch.Generator().manual_seed(0))
    assert (layer.weight != before[0]).float().mean() > 0.99
    assert float(layer.weight.detach().std()) == pytest.approx(float(before[0].std()), rel=0.02)
    assert sorted(layer.bias.tolist()) == sorted(before[1].tolist())
    assert abs(np.corrcoef(layer.weight.detach().ravel(), before[0].ravel())[0, 1]) < 0.02


def test_layers_are_found_from_the_bottom_up(model, bag):
    assert layers_of(model.encoder.model) == list(model.encoder.model.encoder.layer)
    with pytest.raises(InputError, match="layers"):
        layers_of(bag.encoder.model)


def test_texts_too_short_for_a_correlation_are_none(model, head, cut):
    found = randomisation(model, head, of, cut("bread", "good soup"), np.zeros(2, dtype=int))
    assert found.texts.tolist() == [0] * 5
    assert np.isnan(found.signed).all()


def test_no_noise_changes_nothing_and_more_noise_changes_more(model, head, cut):
    texts, classes = cut(*TEXTS[:2]), np.array([0, 1])
    none = sensitivity(model, texts, classes, of(head), share=0.0)
    np.testing.assert_allclose(none.values, 0, atol=1e-4)
    little, much = (sensitivity(model, texts, classes, of(head), share=share) for share in (0.01, 0.2))
    assert (little.values > 1e-4).all()
    assert (much.values > little.values).all()
    np.testing.assert_array_equal(sensitivity(model, texts, classes, of(head), share=0.01).values, little.values)  # seeded


def test_the_radius_is_a_share_of_a_word_vectors_length(model, head, cut):
    found = sensitivity(model, cut("good soup"), np.array([0]), of(head), share=0.05, samples=2)
    table = model.encoder.model.get_input_embeddings().weight.detach()
    assert found.radius * np.sqrt(table.shape[1]) == pytest.approx(0.05 * float(table.norm(dim=1).mean()))
    assert found.samples == 2


def test_a_linear_model_moves_as_far_as_its_words(bag, cut):
    """Score w . mean of vectors: a value changes by (noise . w) / T, so by hand at most radius * sum|w| / T for each token."""
    text, head = cut("the cat saw bread")[0], nn.Linear(8, 2)
    found = sensitivity(bag, [text], np.array([1]), of(head), share=0.1, samples=50)
    own = integrated_gradients(bag, [text], np.array([1]), of(head))[0].values
    most = found.radius * float(head.weight[1].abs().sum()) / len(text.ids) * np.sqrt(len(text.ids)) / np.linalg.norm(own)
    assert 0.1 * most < found.values[0] <= most * (1 + 1e-4)


def test_a_classifier_that_came_with_its_model_is_told(model, head, cut, monkeypatch):
    monkeypatch.setattr(model, "classifier", nn.Identity())
    with pytest.raises(InputError, match="input noise"):
        sensitivity(model, cut("good soup"), np.array([0]), of(head))
    assert isinstance(model.encoder, TextEncoder)
    assert isinstance(model, WordModel)
    assert Seen(torch.zeros(1, 2)).logits is None
