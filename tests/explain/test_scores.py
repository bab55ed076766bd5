"""What is explained is what the run predicted with; targets say what they mean, and what cannot be had is one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from dmlviz.analysis.attribution.kind import AttributionKind, Target, read_kind, read_target
from dmlviz.core.types import InputError
from dmlviz.explain.explain import explain
from dmlviz.explain.gradients import seen
from dmlviz.explain.run_model import RunModel
from dmlviz.explain.scores import Seen, linear_probe_function, propagation_function, readout_function
from dmlviz.losses.propagation import propagate, text_transition
from dmlviz.training.readouts import linear_probe

RUNS = {
    "head": {"loss": "cross_entropy"},
    "centers": {"loss": "soft_triple", "ce_weight": 0.0, "readout": "centers"},
    "mixed": {"loss": "proxy_anchor", "ce_weight": 0.5, "readout": "mixed"},
    "linear_probe": {"loss": "supcon", "ce_weight": 0.0, "readout": "linear_probe"},
}


@pytest.fixture
def opened(store, finish):
    """opened(loss=..., ...): a finished run, ready to be asked."""
    return lambda **fields: RunModel(store, finish(**fields))


@pytest.mark.parametrize("readout", RUNS)
def test_a_readout_as_a_function_gives_the_stored_scores(store, opened, readout):
    """Softmax of ours, asked with words as vectors, against what the run stored. All texts of the split."""
    run = opened(**RUNS[readout])
    assert run.readout == readout
    arrays = store.arrays(run.run.id)
    stored = torch.from_numpy(np.array(arrays.scores[readout])).softmax(dim=1).numpy()
    # 2e-3: a probe is fitted on the vectors as stored, in float16
    found = run.probabilities(run.tokenize([run.dataset.texts[i] for i in arrays.row_ids]))
    np.testing.assert_allclose(found, stored, atol=2e-3 if readout == "linear_probe" else 1e-4)
    assert (found.argmax(axis=1) == stored.argmax(axis=1)).all()


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_linear_probe_is_the_one_that_was_fitted(classes, balanced):
    """The same vectors: 1e-4. Class 1 of five has no shot, and can never be predicted."""
    rng = np.random.default_rng(classes)
    labels = np.array([c for c in range(classes) if not (classes == 5 and c == 1)] * 6)
    vectors = (rng.normal(size=(classes, 16))[labels] + 0.5 * rng.normal(size=(len(labels), 16))).astype(np.float32)
    other = rng.normal(size=(20, 16)).astype(np.float32)
    stored = linear_probe(np.concatenate([vectors, other]), np.append(labels, np.zeros(20, int)), len(labels), classes, balanced=balanced)
    found = linear_probe_function(vectors, labels, classes, balanced=balanced)(Seen(torch.from_numpy(other))).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, torch.from_numpy(stored[len(labels) :]).softmax(dim=1).numpy(), atol=1e-4)


def test_a_probe_on_one_class_is_a_sentence():
    with pytest.raises(InputError, match="two classes"):
        linear_probe_function(np.ones((3, 4), np.float32), np.zeros(3, int), 2)


@pytest.mark.parametrize("sigma", [0.15, 0.5, 1.5])
def test_propagation_is_that_of_one_hidden_text(sigma):
    """Against `dmlviz.losses.propagation`, which solves the whole graph: one text at a time beside the support."""
    rng = np.random.default_rng(0)
    labels = np.array([0, 0, 1, 1, 2, 2, 2])
    support = (rng.normal(size=(3, 6))[labels] + 0.6 * rng.normal(size=(7, 6))).astype(np.float32)
    hidden = rng.normal(size=(9, 6)).astype(np.float32)
    found = propagation_function(support, labels, 3, sigma=sigma)(Seen(torch.from_numpy(hidden))).softmax(dim=1).numpy()
    onehot = torch.eye(3, dtype=torch.float64)[torch.from_numpy(labels)]
    for one, ours in zip(hidden, found, strict=True):
        units = functional.normalize(torch.from_numpy(np.concatenate([one[None], support])).double(), dim=1)
        visible = torch.arange(8) > 0
        wanted = propagate(text_transition(units, sigma, row_normalise=True), torch.cat([onehot.new_zeros(1, 3), onehot]), visible)[0]
        np.testing.assert_allclose(ours, wanted / wanted.sum(), atol=1e-4)


def test_propagation_has_a_slope_where_the_kernel_has_none():
    """A sigma so small that every link to the text underflows in float64: still a finite slope, not NaN."""
    support = np.eye(4, dtype=np.float32)
    pooled = torch.tensor([[1.0, 0.9, 0.8, 0.2]], requires_grad=True)
    scores = propagation_function(support, np.array([0, 1, 0, 1]), 2, sigma=0.01)(Seen(pooled))
    assert torch.isfinite(scores).all()
    assert torch.isfinite(torch.autograd.grad(scores[0, 0], pooled)[0]).all()


def test_a_class_without_support_gets_no_mass():
    scores = propagation_function(np.eye(3, dtype=np.float32)[:2], np.array([0, 2]), 3, sigma=0.5)(Seen(torch.tensor([[0.6, 0.5, 0.1]])))
    assert scores.softmax(dim=1)[0, 1] < 1e-12
    assert torch.isfinite(scores).all()


def test_knn_is_explained_through_propagation(opened):
    run = opened(loss="supcon", ce_weight=0.0, readout="knn")
    assert run.readout == "propagation"
    assert run.probabilities(run.tokenize(["the cat"])).sum() == pytest.approx(1, abs=1e-5)


def test_a_readout_that_cannot_be_explained_is_a_sentence(opened):
    run = opened(loss="cross_entropy")
    with pytest.raises(InputError, match="those that can"):
        readout_function("magic", run.model, *run._support)


# ---- targets


def scores_of(run: RunModel, texts: list[str]) -> np.ndarray:
    return seen(run.words, run.tokenize(texts), lambda what, rows: run.scores(what)).numpy()


TEXTS = ["the cat saw the dog", "bread and cheese", "rain with snow", "the old horse"]


def one_of(run: RunModel, target: str, gold=None) -> tuple[np.ndarray, np.ndarray]:
    """(N,) the target's score, (N,) the classes."""
    made, cut = run.explained(read_target(target)), run.tokenize(TEXTS)
    classes = np.asarray(made.classes(run.probabilities(cut).argmax(axis=1), gold))
    return seen(run.words, cut, lambda what, rows: made.of(what, torch.from_numpy(classes)[rows])).numpy(), classes


def test_targets_are_the_scores_they_name(opened):
    run = opened(loss="cross_entropy")
    names, whole = run.label_names, scores_of(run, TEXTS)
    rows, gold = np.arange(4), np.array([0, 1, 2, 0])
    for target, known, classes in [
        ("predicted", None, whole.argmax(axis=1)),
        ("gold", gold, gold),
        (f"class={names[2]}", None, np.full(4, 2)),
    ]:
        values, chosen = one_of(run, target, known)
        np.testing.assert_array_equal(chosen, classes)
        np.testing.assert_allclose(values, whole[rows, classes], atol=1e-5)
    values, chosen = one_of(run, f"difference={names[1]}>{names[0]}")
    np.testing.assert_allclose(values, whole[:, 1] - whole[:, 0], atol=1e-5)
    assert (chosen == 1).all()


def test_centers_and_soft_triple_are_explained_on_the_losss_own_ground(opened):
    run = opened(loss="soft_triple", ce_weight=0.5, loss_settings={"centers_per_class": 3})
    pooled = seen(run.words, run.tokenize(TEXTS), lambda what, rows: what.pooled)
    centers = run.model.metric.centers().detach()
    for number in (0, 2):
        values, classes = one_of(run, f"center={run.label_names[1]}>{number}")
        by_hand = [float(p @ centers[1, number] / p.norm() / centers[1, number].norm()) for p in pooled]
        np.testing.assert_allclose(values, by_hand, atol=1e-5)
        assert (classes == 1).all()
    values, classes = one_of(run, "soft_triple")
    similar = run.model.metric.similarities(pooled).detach().numpy()
    np.testing.assert_allclose(values, similar[np.arange(4), classes], atol=1e-5)
    np.testing.assert_allclose(one_of(run, f"soft_triple={run.label_names[0]}")[0], similar[:, 0], atol=1e-5)


def test_the_propagated_score_needs_no_centres(opened):
    run = opened(loss="cross_entropy")
    values, _ = one_of(run, f"propagated={run.label_names[1]}")
    assert (values <= 0).all()  # logs of shares
    pooled = seen(run.words, run.tokenize(TEXTS), lambda what, rows: what.pooled)
    vectors, labels = run._support
    from dmlviz.training.readouts import propagation_sigma

    own = propagation_function(vectors, labels, 3, sigma=propagation_sigma(run.model, vectors))(Seen(pooled))
    np.testing.assert_allclose(values, own[:, 1].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("target", "gold", "said"),
    [
        ("gold", False, "no label of its own"),
        ("class=nothing", True, "no class is called 'nothing'"),
        ("difference=food>food", True, "nothing to explain"),
        ("difference=food>nothing", True, "no class is called"),
        ("center=food>0", True, "no centres"),
        ("soft_triple", True, "no centres"),
    ],
)
def test_a_target_that_this_run_has_not_is_a_sentence(opened, target, gold, said):
    run = opened(loss="cross_entropy")
    with pytest.raises(InputError, match=said):
        explain(run, ["the cat"], kind=AttributionKind(target=target), gold=np.array([0]) if gold else None)


@pytest.mark.parametrize("number", ["9", "-1", "x", "²", "1.5"])
def test_a_centre_that_is_not_there_is_a_sentence(opened, number):
    run = opened(loss="soft_triple", loss_settings={"centers_per_class": 2})
    with pytest.raises(InputError, match="centres 0 to 1"):
        explain(run, ["the cat"], kind=AttributionKind(target=f"center=food>{number}"))


@pytest.mark.parametrize("text", ["", "foo", "class", "class=", "center=food", "difference=a", "predicted=food", "gold=", "soft_triple="])
def test_a_target_that_is_none_is_a_sentence(text):
    with pytest.raises(InputError):
        read_target(text)


def test_a_target_is_read_as_it_was_written():
    assert read_target("difference=a>b>c") == Target("difference", "a>b", "c")
    assert read_target("class=a=b+c") == Target("class", "a=b+c")


@pytest.mark.parametrize("kind", [AttributionKind(m, t, b) for m in ("ig", "occlusion") for b in ("pad", "mean")
                                  for t in ("predicted", "gold", "class=mask+odd", "difference=a>b", "propagated=pad")])  # fmt: skip
def test_a_kind_there_and_back(kind):
    assert read_kind(str(kind)) == kind


# ---- the whole


@pytest.mark.parametrize("method", ["ig", "gradient_x_input", "occlusion", "random"])
def test_every_method_explains_and_is_checked(opened, method):
    run = opened(loss="cross_entropy")
    found = explain(run, TEXTS, kind=AttributionKind(method), gold=np.zeros(4, dtype=int), row_ids=np.array([5, 6, 7, 8]))
    shares = run.probabilities(run.tokenize(TEXTS))
    for one, text, row, own in zip(found, TEXTS, (5, 6, 7, 8), shares, strict=True):
        assert [text[low:high] for low, high in zip(one.starts, one.ends, strict=True)] == text.split()
        assert one.row_id == row
        assert one.predicted == one.class_id == own.argmax()
        assert one.probability == pytest.approx(own.max(), abs=1e-5)
        assert np.isfinite(one.values).all()
        assert np.isfinite(list(one.checks.values())).all()
        assert (method == "ig") == np.isfinite(one.delta)
    again = explain(run, TEXTS, kind=AttributionKind(method))
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


def test_values_and_what_is_outside_add_up(opened):
    for one in explain(opened(loss="cross_entropy"), TEXTS, kind=AttributionKind()):
        assert one.outside < 1e-6
        assert one.values.sum() == pytest.approx(one.output - one.baseline_output + one.delta, abs=1e-4)


def test_occlusion_is_the_fall_of_the_score_word_by_word(opened):
    run = opened(loss="cross_entropy")
    one = explain(run, TEXTS[:1], kind=AttributionKind("occlusion", baseline="mask"))[0]
    cut, words = run.tokenize(TEXTS[:1])[0], TEXTS[0].split()
    for word in range(len(words)):
        ids = np.where(cut.word == word, run.model.encoder.tokenizer.mask_token_id, cut.ids)
        less = seen(run.words, [cut.replaced(ids)], lambda what, rows: run.scores(what)).numpy()[0, one.class_id]
        assert one.values[word] == pytest.approx(one.output - less, abs=1e-5)
        assert one.drops[word] == pytest.approx(one.values[word], abs=1e-5)  # leave one out masks too


@pytest.mark.parametrize("texts", [[""], ["  "], ["the cat", "\n"]])
def test_a_text_without_a_word_is_a_sentence(opened, texts):
    with pytest.raises(InputError, match="no word to explain"):
        explain(opened(loss="cross_entropy"), texts, kind=AttributionKind())


def test_unknown_symbols_are_explained_and_counted(opened):
    one = explain(opened(loss="cross_entropy"), ["⿕ ☃"], kind=AttributionKind())[0]
    assert (one.unknown, len(one.values)) == (2, 2)


def test_a_long_text_is_cut_and_said(opened):
    one = explain(opened(loss="cross_entropy"), ["cat " * 10_000], kind=AttributionKind())[0]
    assert one.cut == 30_000 - 3 * len(one.values)
    assert len(one.values) == 14  # max_length 16, two of them special


def test_a_pair_is_explained_on_both_sides(opened):
    one = explain(opened(loss="cross_entropy"), ["the cat"], ["a dog"], kind=AttributionKind())[0]
    assert one.second.tolist() == [False, False, True, True]
    assert one.converged


def test_a_run_that_is_not_finished_or_has_lost_its_weights_is_a_sentence(store, finish):
    run_id = finish(loss="cross_entropy")
    (store.weights_folder(run_id) / "config.json").unlink()
    with pytest.raises(InputError, match="train it again"):
        RunModel(store, run_id)
    store.end(run_id, "failed", "odd")
    with pytest.raises(InputError, match="finished run"):
        RunModel(store, run_id)
