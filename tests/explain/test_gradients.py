"""Integrated Gradients against what is computed by hand and by a slow loop of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmlviz.core.types import InputError
from dmlviz.explain import gradients
from dmlviz.explain.gradients import WordModel, batch_of, gradient_x_input, halving, in_batches, integrated_gradients, pass_tokens, seen
from dmlviz.explain.words import tokenize

TEXTS = ("the cat saw a small dog", "bread", "rain and snow, wind and storm with the old horse near a cake", "very good soup!")


def vector_of(words: WordModel, baseline: str) -> torch.Tensor:
    """(D,) by its name, read from the table."""
    table, tokenizer = words.encoder.model.get_input_embeddings().weight.detach(), words.encoder.tokenizer
    return {"pad": table[tokenizer.pad_token_id], "mask": table[tokenizer.mask_token_id], "zero": torch.zeros(table.shape[1]),
            "mean": table.mean(dim=0)}[baseline]  # fmt: skip


def slow(model: WordModel, text, class_id: int, of, baseline: str, steps: int) -> np.ndarray:
    """(T,) by the definition: one text, the midpoint rule, no library."""
    table = model.encoder.model.get_input_embeddings().weight.detach()
    end = table[torch.from_numpy(text.ids)]
    start = torch.where(torch.from_numpy(text.special)[:, None], end, vector_of(model, baseline))
    mask = torch.ones(1, len(text.ids), dtype=torch.long)
    types = {} if text.types is None else {"token_type_ids": torch.from_numpy(text.types)[None]}
    total = torch.zeros_like(end, dtype=torch.float64)
    for step in range(steps):
        here = (start + (step + 0.5) / steps * (end - start)).requires_grad_()
        hidden = model.encoder.model(inputs_embeds=here[None], attention_mask=mask, **types).last_hidden_state
        pooled = hidden[:, 0] if model.encoder.pooling == "cls" else hidden.mean(dim=1)
        score = of(gradients.Seen(pooled), torch.tensor([class_id]))[0]
        total += torch.autograd.grad(score, here)[0].double()
    return ((end - start).double() * total / steps).sum(dim=1).numpy()


@pytest.mark.parametrize("baseline", ["pad", "mask", "zero", "mean"])
def test_a_bag_of_word_vectors_gives_what_the_hand_computes(bag, cut, towards, baseline):
    """Mean of vectors, linear score: each token is worth (its vector - the baseline's) . w / T, special ones nothing."""
    texts, classes, of = cut(*TEXTS), np.array([0, 3, 1, 2]), towards(8)
    table = bag.encoder.model.words.weight.detach()
    for one, text, class_id in zip(integrated_gradients(bag, texts, classes, of, baseline=baseline), texts, classes, strict=True):
        by_hand = ((table[text.ids] - vector_of(bag, baseline)) @ of.weights[class_id]).numpy() / len(text.ids)
        by_hand[text.special] = 0
        np.testing.assert_allclose(one.values, by_hand, atol=1e-6)
        assert one.output == pytest.approx(float(table[text.ids].mean(dim=0) @ of.weights[class_id]), abs=1e-5)
        assert one.output - one.baseline_output == pytest.approx(by_hand.sum(), abs=1e-5)
        assert one.converged
        assert abs(one.delta) < 1e-5


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("baseline", ["pad", "mask", "zero", "mean"])
def test_a_slow_loop_agrees(tiny, towards, baseline, pooling):
    tiny.pooling = pooling
    model, of = WordModel(tiny), towards(32)
    texts = [tokenize(tiny.tokenizer, one, max_length=32) for one in TEXTS[:3]]
    classes = np.array([2, 1, 0])
    found = integrated_gradients(model, texts, classes, of, baseline=baseline, tolerance=1e-4, most_steps=512)
    for one, text, class_id in zip(found, texts, classes, strict=True):
        np.testing.assert_allclose(one.values, slow(model, text, int(class_id), of, baseline, 600), atol=2e-3 * np.abs(one.values).max())
        assert not one.values[text.special].any()


def test_values_add_up_to_the_difference_of_the_scores(model, cut, towards):
    texts, of = cut(*TEXTS), towards(32)
    for tolerance in (1e-2, 1e-3):
        for one in integrated_gradients(model, texts, np.zeros(4, dtype=int), of, tolerance=tolerance):
            difference = one.output - one.baseline_output
            assert one.delta == pytest.approx(one.values.sum() - difference)
            assert abs(one.delta) <= max(tolerance * abs(difference), gradients.FLOOR)
            assert one.converged


def test_the_two_scores_are_the_models(model, cut, towards):
    """Asked through the plain encoder, by ids."""
    text, of = cut(TEXTS[0])[0], towards(32)
    one = integrated_gradients(model, [text], np.array([1]), of)[0]
    for wanted, ids in ((one.output, text.ids), (one.baseline_output, np.where(text.special, text.ids, model.encoder.tokenizer.pad_token_id))):
        pooled = model.encoder({"input_ids": torch.from_numpy(ids)[None], "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}).pooled
        assert wanted == pytest.approx(float(of(gradients.Seen(pooled), torch.tensor([1]))), abs=1e-5)


def test_a_batch_gives_what_single_texts_give(model, cut, towards):
    """Lengths differ, so there is padding, and some texts need more steps."""
    texts, classes, of = cut(*TEXTS), np.array([0, 3, 1, 2]), towards(32)
    together = integrated_gradients(model, texts, classes, of, steps=64)
    for one, text, class_id in zip(together, texts, classes, strict=True):
        alone = integrated_gradients(model, [text], np.array([class_id]), of, steps=64)[0]
        assert (one.steps, one.converged) == (alone.steps, alone.converged)
        np.testing.assert_allclose(one.values, alone.values, atol=1e-5)
        assert one.output == pytest.approx(alone.output, abs=1e-5)


def test_small_passes_give_the_same(model, cut, towards, monkeypatch):
    texts, classes, of = cut(*TEXTS), np.array([0, 3, 1, 2]), towards(32)
    wanted = integrated_gradients(model, texts, classes, of, steps=32)
    monkeypatch.setattr(gradients, "pass_tokens", lambda *_, **__: 20)
    for one, other in zip(integrated_gradients(model, texts, classes, of, steps=32), wanted, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-5)


def test_the_other_way_is_minus(model, cut, towards):
    """From the text to its baseline: the same values with the other sign, and a loop that walks that way says so too."""
    text, of = cut(TEXTS[0])[0], towards(32)
    gone = text.replaced(np.where(text.special, text.ids, model.encoder.tokenizer.mask_token_id))
    table = model.encoder.model.get_input_embeddings().weight.detach()
    there = integrated_gradients(model, [text], np.array([0]), of, baseline="mask", steps=128)[0]
    back = np.zeros(len(text.ids))
    for share in (np.arange(400) + 0.5) / 400:
        here = (table[text.ids] + share * (table[gone.ids] - table[text.ids])).requires_grad_()
        hidden = model.encoder.model(inputs_embeds=here[None], attention_mask=torch.ones(1, len(text.ids), dtype=torch.long)).last_hidden_state
        pooled = model.encoder.pooled(hidden, torch.ones(1, len(text.ids)))
        slope = torch.autograd.grad(of(gradients.Seen(pooled), torch.tensor([0]))[0], here)[0]
        back += ((table[gone.ids] - table[text.ids]) * slope).sum(dim=1).detach().numpy() / 400
    np.testing.assert_allclose(there.values, -back, atol=2e-3 * np.abs(back).max())


def test_what_does_not_converge_is_tried_the_other_way_and_flagged(model, cut, towards, monkeypatch):
    calls = []
    plain = gradients.LayerIntegratedGradients.attribute

    def listening(self, inputs, **how):
        calls.append((how["n_steps"], bool((inputs == model.encoder.tokenizer.pad_token_id).sum() > (how["baselines"] == 0).sum())))
        return plain(self, inputs, **how)

    monkeypatch.setattr(gradients.LayerIntegratedGradients, "attribute", listening)
    texts, of = cut(*TEXTS), towards(32)
    found = integrated_gradients(model, texts, np.zeros(4, dtype=int), of, steps=1, most_steps=2, tolerance=1e-9)
    assert not any(one.converged for one in found if abs(one.delta) > gradients.FLOOR)
    assert any(not one.converged for one in found)
    assert {steps for steps, _ in calls} == {1, 2}
    assert calls[-1] == (2, True)  # the last one walks from the text to its baseline
    assert all(one.steps in (1, 2) for one in found)


def test_steps_double_until_the_values_add_up(model, cut, towards):
    texts, of = cut(*TEXTS), towards(32)
    found = integrated_gradients(model, texts, np.zeros(4, dtype=int), of, steps=1, most_steps=1024, tolerance=1e-3)
    assert all(one.converged for one in found)
    assert {one.steps for one in found} <= {2**i for i in range(11)}
    for one, text in zip(found, texts, strict=True):
        if one.steps == 1:
            continue
        before = integrated_gradients(model, [text], np.array([0]), of, steps=one.steps // 2, most_steps=one.steps // 2, tolerance=1e-3)[0]
        assert not before.converged  # half of the steps would not have done
    assert max(one.steps for one in found) > 1


def test_more_steps_are_for_the_texts_that_need_them(model, cut, towards, monkeypatch):
    """A text that has converged is not run again."""
    texts, of, asked = cut(*TEXTS), towards(32), []
    plain = gradients.LayerIntegratedGradients.attribute

    def listening(self, inputs, **how):
        asked.append((how["n_steps"], len(inputs)))
        return plain(self, inputs, **how)

    monkeypatch.setattr(gradients.LayerIntegratedGradients, "attribute", listening)
    found = integrated_gradients(model, texts, np.zeros(4, dtype=int), of, steps=1, most_steps=64)
    for points in {steps for steps, _ in asked}:
        assert sum(count for steps, count in asked if steps == points) == sum(one.steps >= points for one in found)


def test_progress_counts_texts_that_are_done(model, cut, towards):
    told = []
    integrated_gradients(model, cut(*TEXTS), np.zeros(4, dtype=int), towards(32), on_text=told.append)
    assert told == sorted(told)
    assert told[-1] == 4


def test_padding_changes_nothing(model, cut, towards):
    """A short text beside a long one, and `seen` of both."""
    texts, of = cut(TEXTS[1], TEXTS[2]), towards(32)
    assert len(texts[0].ids) < len(texts[1].ids)
    alone = seen(model, texts[:1], lambda what, rows: what.pooled)
    both = seen(model, texts, lambda what, rows: what.pooled)
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=0)
    batch = batch_of(model, texts)
    assert batch.ids.shape == batch.mask.shape == (2, len(texts[1].ids))
    assert batch.mask.sum(dim=1).tolist() == [len(one.ids) for one in texts]
    values = gradient_x_input(model, texts, np.array([0, 0]), of)
    np.testing.assert_allclose(values[0], gradient_x_input(model, texts[:1], np.array([0]), of)[0], atol=1e-5)


def test_seen_keeps_the_order_of_the_texts(model, cut):
    texts = cut(*TEXTS)
    numbers = seen(model, texts, lambda what, rows: rows)
    assert numbers.tolist() == [0, 1, 2, 3]


def test_gradient_x_input_by_hand(bag, model, cut, towards):
    texts, classes = cut(*TEXTS), np.array([0, 3, 1, 2])
    of, table = towards(8), bag.encoder.model.words.weight.detach()
    for values, text, class_id in zip(gradient_x_input(bag, texts, classes, of), texts, classes, strict=True):
        np.testing.assert_allclose(values, (table[text.ids] @ of.weights[class_id]).numpy() / len(text.ids), atol=1e-6)
    of = towards(32)
    for values, text, class_id in zip(gradient_x_input(model, texts, classes, of), texts, classes, strict=True):
        here = model.encoder.model.get_input_embeddings().weight.detach()[text.ids].requires_grad_()
        hidden = model.encoder.model(inputs_embeds=here[None], attention_mask=torch.ones(1, len(text.ids), dtype=torch.long)).last_hidden_state
        pooled = model.encoder.pooled(hidden, torch.ones(1, len(text.ids)))
        slope = torch.autograd.grad(of(gradients.Seen(pooled), torch.tensor([int(class_id)]))[0], here)[0]
        np.testing.assert_allclose(values, (here * slope).sum(dim=1).detach().numpy(), atol=1e-5)


def test_memory_that_runs_out_is_asked_for_in_halves():
    asked = []

    def run(tokens: int) -> int:
        asked.append(tokens)
        if tokens > 30:
            raise torch.OutOfMemoryError("planted")
        return tokens

    assert halving(run, 100, 10) == 25
    assert asked == [100, 50, 25]


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_one_text_that_does_not_fit_is_a_memory_error(error):
    def run(tokens: int) -> None:
        raise error

    with pytest.raises(MemoryError):
        halving(run, 100, 10)


def test_another_error_is_not_taken_for_memory():
    asked = []

    def run(tokens: int) -> None:
        asked.append(tokens)
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        halving(run, 100, 10)
    assert asked == [100]


def test_the_engine_goes_on_after_memory_ran_out(model, cut, towards, monkeypatch):
    """Out of memory for more than two points at a time: the same values come out."""
    texts, of = cut(*TEXTS), towards(32)
    wanted = integrated_gradients(model, texts, np.zeros(4, dtype=int), of)
    plain, most, failed = gradients.LayerIntegratedGradients.attribute, 200, []

    def narrow(self, inputs, **how):
        if how["internal_batch_size"] * inputs.shape[1] > most and how["internal_batch_size"] > len(inputs):
            failed.append(1)
            raise torch.OutOfMemoryError("planted")
        return plain(self, inputs, **how)

    monkeypatch.setattr(gradients.LayerIntegratedGradients, "attribute", narrow)
    found = integrated_gradients(model, texts, np.zeros(4, dtype=int), of)
    assert failed
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-5)


def test_batches_hold_texts_of_like_length_and_all_of_them():
    lengths = [5, 60, 7, 61, 6, 200, 8]
    groups = in_batches(lengths, 128)
    assert sorted(i for group in groups for i in group) == list(range(7))
    assert [[lengths[i] for i in group] for group in groups] == [[200], [61, 60], [8, 7, 6, 5]]


def test_an_encoder_without_the_baseline_is_told_so(bag):
    assert pass_tokens(bag) > 0
    with pytest.raises(InputError, match="baselines: pad, mask, zero, mean"):
        bag.baseline_id("noise")
    bag.encoder.tokenizer.mask_token = None
    with pytest.raises(InputError, match="no mask token"):
        bag.baseline_id("mask")


def test_explaining_leaves_the_weights_alone(model, cut, towards):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    integrated_gradients(model, cut(*TEXTS), np.zeros(4, dtype=int), towards(32))
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert all(one.grad is None and not one.requires_grad for one in model.parameters())
