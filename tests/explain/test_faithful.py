"""Checks against a slow reading of the papers: masks and removals made word by word, one question at a time."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from scipy.stats import kendalltau

from dmlviz.explain.faithful import CHECKS, FRACTIONS, RANDOM_RANKINGS, Variants, check, first_words, mask_token, random_rankings, ranking
from dmlviz.explain.gradients import seen
from dmlviz.explain.words import TokenizedText, tokenize

MASK = 4


@pytest.fixture
def ask(model, towards):
    """Probability and score of class 1, from the tiny encoder and a fixed head."""
    weights = towards(32).weights / 6  # so that probabilities are neither 0 nor 1

    def asked(texts, origins):
        pooled = seen(model, texts, lambda what, rows: what.pooled)
        scores = pooled @ weights.T
        return scores.softmax(dim=1)[:, 1].numpy().astype(float), scores[:, 1].numpy().astype(float)

    return asked


def one(ask, text: TokenizedText) -> tuple[float, float]:
    probability, score = ask([text], np.zeros(1, int))
    return float(probability[0]), float(score[0])


def masked(text: TokenizedText, words: list[int]) -> TokenizedText:
    return text.replaced(np.array([MASK if word in words else i for i, word in zip(text.ids, text.word, strict=True)]))


def removed(text: TokenizedText, words: list[int]) -> TokenizedText:
    return text.without(np.array([word in words for word in text.word]))


def slow(text: TokenizedText, values: np.ndarray, ask) -> tuple[dict[str, float], list[float], list[float], list[float]]:
    """The definitions, one at a time."""
    count = len(values)
    order = sorted(range(count), key=lambda word: (-values[word], word))
    whole, whole_score = one(ask, text)

    def aopc(ranks, take, keep: bool) -> float:
        falls = []
        for fraction in FRACTIONS:
            top = [int(word) for word in ranks[: ceil(fraction * count)]]
            falls.append(whole - one(ask, take(text, [w for w in range(count) if w not in top] if keep else top))[0])
        return sum(falls) / len(FRACTIONS)

    def curve(ranks, keep: bool) -> list[float]:
        points = []
        for tenth in range(11):
            top = [int(word) for word in ranks[: round(tenth / 10 * count)]]
            points.append(one(ask, masked(text, [w for w in range(count) if w not in top] if keep else top))[0])
        return points

    def area(points: list[float]) -> float:
        return sum((low + high) / 20 for low, high in pairwise(points))

    drops = [whole_score - one(ask, masked(text, [word]))[1] for word in range(count)]
    chance = random_rankings(text)
    gone = [aopc(ranks, masked, False) for ranks in chance]
    found = {
        "comprehensiveness": aopc(order, masked, False),
        "sufficiency": aopc(order, masked, True),
        "comprehensiveness_removed": aopc(order, removed, False),
        "sufficiency_removed": aopc(order, removed, True),
        "random_comprehensiveness": sum(gone) / len(gone),
        "random_comprehensiveness_most": max(gone),
        "random_sufficiency": sum(aopc(ranks, masked, True) for ranks in chance) / len(chance),
        "tau": tau_b(values, drops),
        "top_drop": whole - one(ask, masked(text, order[:1]))[0],
        "deletion": area(curve(order, False)),
        "insertion": area(curve(order, True)),
        "random_deletion": area(curve(chance[0], False)),
        "random_insertion": area(curve(chance[0], True)),
    }
    return found, drops, curve(order, False), curve(order, True)


def tau_b(first, second) -> float:
    """Kendall's tau-b by counting pairs."""
    agree = ties_first = ties_second = pairs = 0
    for i in range(len(first)):
        for j in range(i):
            pairs += 1
            a, b = np.sign(first[i] - first[j]), np.sign(second[i] - second[j])
            agree += a * b
            ties_first += a == 0
            ties_second += b == 0
    below = np.sqrt((pairs - ties_first) * (pairs - ties_second))
    return float(agree / below) if below else float("nan")


TEXTS = ("the cat saw a small dog", "rain and snow with wind and storm was near the old horse and a very big cake", "bread", "good soup")


def test_all_checks_agree_with_a_slow_reading(ask, cut):
    texts = cut(*TEXTS)
    rng, falls = np.random.default_rng(3), []
    values = [rng.normal(size=len(text.starts)).round(1) for text in texts]  # rounded: some are equal
    for text, own, found in zip(texts, values, check(texts, values, ask, MASK), strict=True):
        wanted, drops, deletion, insertion = slow(text, own, ask)
        assert set(found.checks) == set(CHECKS) == set(wanted)
        falls.append(abs(wanted["comprehensiveness"]))
        for name, value in wanted.items():
            assert found.checks[name] == pytest.approx(value, abs=1e-5, nan_ok=True), name
        np.testing.assert_allclose(found.drops, drops, atol=1e-5)
        np.testing.assert_allclose(found.deletion, deletion, atol=1e-5)
        np.testing.assert_allclose(found.insertion, insertion, atol=1e-5)
    assert max(falls) > 0.01  # there is something to agree on


def test_a_text_of_one_word(ask, cut):
    """Every fraction takes the one word, so all rankings are alike; there is no order to correlate."""
    text = cut("bread")[0]
    found = check([text], [np.array([0.3])], ask, MASK)[0].checks
    gone = one(ask, text)[0] - one(ask, masked(text, [0]))[0]
    for name in ("comprehensiveness", "random_comprehensiveness", "random_comprehensiveness_most", "top_drop"):
        assert found[name] == pytest.approx(gone, abs=1e-6)
    assert found["sufficiency"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(found["tau"])


def test_a_text_without_words_has_no_checks(ask, cut):
    empty, full = cut("", "the cat")
    found = check([empty, full], [np.zeros(0), np.array([1.0, 0.0])], ask, MASK)
    assert all(np.isnan(value) for value in found[0].checks.values())
    assert len(found[0].drops) == 0
    assert np.isfinite(list(found[1].checks.values())).all()


def test_the_true_order_is_more_faithful_than_chance(ask, cut):
    """Leave-one-out itself as the values: tau is one; of another order it is less."""
    text = cut(TEXTS[0])[0]
    drops = check([text], [np.zeros(6)], ask, MASK)[0].drops
    found = check([text], [drops], ask, MASK)[0].checks
    assert found["tau"] == pytest.approx(1)
    assert check([text], [drops[::-1].copy()], ask, MASK)[0].checks["tau"] < 1


def test_both_values_and_ties_count_in_tau():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(4, size=9), rng.integers(4, size=9)
        assert tau_b(first, second) == pytest.approx(kendalltau(first, second).statistic, nan_ok=True)


def test_random_rankings_are_those_of_the_text(cut):
    text, other = cut("the cat saw a dog", "the cat saw a horse")
    assert len(random_rankings(text)) == RANDOM_RANKINGS
    for first, second in zip(random_rankings(text), random_rankings(cut("the cat saw a dog")[0]), strict=True):
        np.testing.assert_array_equal(first, second)
        assert sorted(first) == list(range(5))
    assert any((a != b).any() for a, b in zip(random_rankings(text), random_rankings(other), strict=True))
    np.testing.assert_array_equal(random_rankings(text, 6)[0], random_rankings(text)[0])  # asking for more changes none


def test_equal_values_are_ranked_in_the_order_of_the_text():
    assert ranking(np.array([0.0, 1.0, 0.0, 1.0])).tolist() == [1, 3, 0, 2]
    assert first_words(np.array([2, 0, 1]), 2).tolist() == [True, False, True]


def test_the_same_text_is_asked_for_once(cut):
    text = cut("the cat saw")[0]
    variants = Variants(MASK)
    numbers = [variants.add(0, text, np.array(words, dtype=bool)) for words in ([1, 0, 0], [0, 1, 0], [1, 0, 0])]
    assert numbers == [0, 1, 0]
    assert variants.add(1, text, np.array([True, False, False])) == 2  # another text may be explained for another class
    assert variants.origins == [0, 0, 1]
    assert len(variants.texts) == 3


def test_words_are_masked_whole_and_special_tokens_stay(cut):
    text = cut("the zebra saw")[0]  # z-e-b-r-a: five tokens
    made = Variants(MASK)
    made.add(0, text, np.array([False, True, False]))
    assert (made.texts[0].ids == MASK).sum() == (text.word == 1).sum() == 5
    np.testing.assert_array_equal(made.texts[0].ids[text.special], text.ids[text.special])
    made.add(0, text, np.array([False, True, False]), remove=True)
    np.testing.assert_array_equal(made.texts[1].ids, text.ids[text.word != 1])


def test_a_token_for_masked_words_where_there_is_no_mask(tiny):
    assert mask_token(tiny.tokenizer) == tiny.tokenizer.mask_token_id
    tiny.tokenizer.mask_token = None
    assert mask_token(tiny.tokenizer) == tiny.tokenizer.unk_token_id
    tiny.tokenizer.unk_token = None
    assert mask_token(tiny.tokenizer) == tiny.tokenizer.pad_token_id


def test_both_sides_of_a_pair_are_checked(ask, tiny):
    text = tokenize(tiny.tokenizer, "the cat", "a dog saw", max_length=32)
    values = np.array([0.1, 0.5, -0.2, 0.9, 0.0])
    found = check([text], [values], ask, MASK)[0]
    wanted, drops, _, _ = slow(text, values, ask)
    np.testing.assert_allclose(found.drops, drops, atol=1e-5)
    assert found.checks["comprehensiveness"] == pytest.approx(wanted["comprehensiveness"], abs=1e-5)


def test_quick_checks_are_the_same_numbers_and_fewer():
    """What the badge asks for does not depend on whether the rest was asked too."""
    from dmlviz.explain.faithful import QUICK, check
    from dmlviz.explain.words import TokenizedText

    rng = np.random.default_rng(3)
    count = 9
    text = TokenizedText(
        rng.integers(10, 50, count), np.zeros(count, dtype=bool), np.zeros(count, dtype=bool), None, np.arange(count), np.arange(count) * 2,
        np.arange(count) * 2 + 1, np.zeros(count, dtype=bool), 0,
    )  # fmt: skip
    weights, asked = rng.normal(size=60), []

    def ask(texts, origins):
        asked.append(len(texts))
        scores = np.array([weights[one.ids].sum() for one in texts])
        return 1 / (1 + np.exp(-scores)), scores

    values = rng.normal(size=count)
    (full,), (quick,) = check([text], [values], ask, 3), check([text], [values], ask, 3, quick=True)
    assert asked[1] < asked[0]
    assert {name: quick.checks[name] for name in QUICK} == {name: full.checks[name] for name in QUICK}
    assert np.array_equal(quick.drops, full.drops)
    assert all(np.isnan(value) for name, value in quick.checks.items() if name not in QUICK)
    assert np.isnan(quick.deletion).all()
    assert np.isfinite(full.deletion).all()
