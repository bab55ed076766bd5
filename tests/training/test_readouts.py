"""Every readout against something slow or something trusted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from dmlviz.core.types import InputError, Split
from dmlviz.losses import LOSSES
from dmlviz.losses.propagation import sqrt_median_sigma
from dmlviz.training.choices import check_readout
from dmlviz.training.fit import Reporter, fit
from dmlviz.training.load import load_model
from dmlviz.training.readouts import CHUNK, knn, linear_probe, macro_silhouette, metrics_of, mixed, propagation, quality, readout_scores

CLASSES, SUPPORT = 4, 20


@pytest.fixture
def vectors() -> tuple[np.ndarray, np.ndarray]:
    """(N, D) blurred clusters of several lengths and (N,) labels; the first 20 are the support."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(120) % CLASSES)
    centers = rng.normal(size=(CLASSES, 8))
    found = (centers[labels] + 1.3 * rng.normal(size=(120, 8))) * rng.uniform(0.5, 4, size=(120, 1))
    return found.astype(np.float32), labels


def unit(one: np.ndarray) -> np.ndarray:
    wide = one.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=-1, keepdims=True)


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores.astype(np.float64))
    return raised / raised.sum(axis=1, keepdims=True)


# ---- knn


def slow_knn(vectors, known, row, k) -> tuple[int, list[float]]:
    """The winner and the votes of each class."""
    others = [i for i in range(len(known)) if i != row]
    nearest = sorted(others, key=lambda i: -float(unit(vectors[row]) @ unit(vectors[i])))[:k]
    votes, sums = [0.0] * CLASSES, [0.0] * CLASSES
    for i in nearest:
        votes[known[i]] += 1
        sums[known[i]] += float(unit(vectors[row]) @ unit(vectors[i]))
    return max(range(CLASSES), key=lambda c: (votes[c], sums[c])), votes


def test_knn_matches_a_slow_loop(vectors):
    found, labels = vectors
    scores = knn(found, labels[:SUPPORT], CLASSES)
    assert scores.shape == (120, CLASSES)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    tied = 0
    for row in range(120):
        winner, votes = slow_knn(found, labels[:SUPPORT], row, 5)
        assert scores[row].argmax() == winner
        np.testing.assert_allclose(softmax(scores)[row], np.array(votes) / 5, atol=0.01)
        tied += votes.count(max(votes)) > 1
    np.testing.assert_allclose(np.exp(scores.astype(np.float64)).sum(axis=1), 1, atol=1e-5)
    assert tied, "no tie among the votes; the test shows half"


def test_knn_matches_scikit_learn(vectors):
    found, labels = vectors
    reference = KNeighborsClassifier(n_neighbors=5, metric="cosine").fit(found[:SUPPORT], labels[:SUPPORT])
    votes = np.zeros((100, CLASSES))
    votes[:, reference.classes_] = reference.predict_proba(found[SUPPORT:])
    clear = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert clear.sum() > 50
    predicted = knn(found, labels[:SUPPORT], CLASSES)[SUPPORT:].argmax(axis=1)
    np.testing.assert_array_equal(predicted[clear], reference.predict(found[SUPPORT:])[clear])


def test_knn_of_a_tiny_support():
    found = np.eye(3, dtype=np.float32)
    one = knn(found, np.array([1]), 3)
    np.testing.assert_allclose(softmax(one), [[1 / 3] * 3, [0, 1, 0], [0, 1, 0]], atol=1e-6)
    two = knn(np.array([[1, 0], [0, 1], [0.9, 0.1]], dtype=np.float32), np.array([0, 1]), 2)
    assert two.argmax(axis=1).tolist() == [1, 0, 0]  # each support text has only the other one


# ---- propagation


def slow_propagation(units: np.ndarray, known: np.ndarray, hidden: list[int], visible: list[int], sigma: float) -> np.ndarray:
    """Labels handed on ten thousand times, rows normalised."""
    rows = [*hidden, *visible]
    graph = np.array([[0 if i == j else np.exp(-((units[i] - units[j]) ** 2).sum() / (2 * sigma**2)) for j in rows] for i in rows])
    degree = graph.sum(axis=1)
    affinity = graph / np.sqrt(degree[:, None] * degree[None, :])
    shares = affinity / affinity.sum(axis=0, keepdims=True)
    shares = shares / shares.sum(axis=1, keepdims=True)
    labels = np.zeros((len(rows), CLASSES))
    labels[len(hidden) :] = np.eye(CLASSES)[known[visible]]
    for _ in range(10_000):
        labels[: len(hidden)] = shares[: len(hidden)] @ labels
    return labels[: len(hidden)]


@pytest.mark.parametrize("sigma", [None, 0.4])
def test_propagation_matches_a_slow_loop(vectors, sigma):
    found, labels = vectors
    units = unit(found)
    width = sqrt_median_sigma(torch.from_numpy(units[:SUPPORT])) if sigma is None else sigma
    logs = propagation(found, labels[:SUPPORT], CLASSES, sigma=sigma).astype(np.float64)
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-5)  # log-probabilities, of the support texts too
    scores = softmax(logs)
    support = list(range(SUPPORT))
    np.testing.assert_allclose(scores[SUPPORT:], slow_propagation(units, labels, list(range(SUPPORT, 120)), support, width), atol=1e-6)
    for row in support[:4]:
        others = [i for i in support if i != row]
        np.testing.assert_allclose(scores[row], slow_propagation(units, labels, [row], others, width)[0], atol=1e-6)


def test_propagation_comes_in_chunks_and_bounds_the_support(vectors):
    found, labels = vectors
    rng = np.random.default_rng(1)
    many = np.concatenate([found[np.arange(1100) % 120] + 0.1 * rng.normal(size=(1100, 8)), found[np.arange(300) % 120]]).astype(np.float32)
    known = labels[np.arange(1100) % 120]
    scores = propagation(many, known, CLASSES)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(np.exp(scores.astype(np.float64)).sum(axis=1), 1, atol=1e-5)
    assert (scores.argmax(axis=1) == np.concatenate([known, labels[np.arange(300) % 120]])).mean() > 0.5
    alone = np.concatenate([many[:1100], many[1100 : 1100 + CHUNK]])
    spare = 1100 - 1024  # texts of the support that are guessed like the others, before them
    np.testing.assert_allclose(propagation(alone, known, CLASSES)[1100 : 1100 + CHUNK - spare], scores[1100 : 1100 + CHUNK - spare], atol=1e-4)


def test_propagation_of_equal_vectors_and_out_of_reach():
    same = propagation(np.ones((6, 2), dtype=np.float32), np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(softmax(same)[3:], [[2 / 3, 1 / 3]] * 3, atol=1e-6)
    far = propagation(np.array([[1, 0], [0.99, 0.1], [-1, 0]], dtype=np.float32), np.array([0, 0]), 2, sigma=0.01)
    np.testing.assert_allclose(softmax(far)[2], [0.5, 0.5])


# ---- mixed, probe, silhouette


def test_mixed_by_hand():
    head, centers = torch.tensor([[2.0, 0.0, -1.0], [0.0, 900.0, 0.0]]), torch.tensor([[0.0, 3.0, 0.0], [800.0, 0.0, 0.0]])
    found = mixed(head, centers, 0.3)
    wanted = 0.3 * head.double().softmax(dim=1) + 0.7 * centers.double().softmax(dim=1)
    np.testing.assert_allclose(found.exp().numpy(), wanted.numpy(), atol=1e-6)
    assert found.isfinite().all()
    assert found.argmax(dim=1).tolist() == [1, 0]


def slow_proxy_logits(loss: str, vector: np.ndarray, centers: np.ndarray, temperature: float) -> list[float]:
    """papers.md 2.5 for one text: S' (SoftTriple), cosine (Proxy-Anchor), minus the squared distance (ProxyNCA). No scale anywhere."""
    found = []
    for own in centers:  # (K, D) of one class
        cosines = [float(unit(vector) @ unit(center)) for center in own]
        if loss == "soft_triple":
            weights = [np.exp(cosine / temperature) for cosine in cosines]
            found.append(sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights))
        else:
            found.append(cosines[0] if loss == "proxy_anchor" else -float(((unit(vector) - unit(own[0])) ** 2).sum()))
    return found


@pytest.mark.parametrize(("loss", "scale"), [("soft_triple", 20.0), ("soft_triple", 3.3), ("proxy_anchor", 32.0), ("proxy_nca", 8.0)])
def test_mixed_is_the_siblings_extended_inference(make_job, loss, scale):
    job = make_job(loss=loss, ce_weight=0.4, readout="mixed", loss_settings={"scale": scale})
    model = job.build()
    found, labels = job.embed(model, job.split.row_ids), job.dataset.labels[job.split.row_ids]
    scores = readout_scores(model, found, labels, job.split, 3)
    heads = found.astype(np.float64) @ model.head.weight.detach().double().numpy().T + model.head.bias.detach().double().numpy()
    centers = model.metric.centers().detach().double().numpy()
    proxies = np.array([slow_proxy_logits(loss, vector, centers, 0.1) for vector in found])
    np.testing.assert_allclose(np.exp(scores["mixed"].astype(np.float64)), 0.4 * softmax(heads) + 0.6 * softmax(proxies), atol=1e-5)
    np.testing.assert_allclose(scores["centers"], scale * proxies, rtol=1e-4, atol=1e-4)  # that readout keeps the scale of training


def test_macro_f1_by_hand():
    """Class 0: 5 of its 6 texts found, and a text of class 1 taken for it: 2·5/(6+6). Class 1: 1 of 2 found, and the text of class 3 taken for it:
    2·1/(2+2). Class 3, the rare one: not found, 0. Class 2 has no text, though one is taken for it; class 4 has none and gets none: 0 both."""
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 3])
    predicted = np.array([0, 0, 0, 0, 0, 2, 1, 0, 1])
    found = quality(np.eye(5)[predicted], labels)
    assert found["accuracy"] == pytest.approx(6 / 9)
    assert found["macro_f1"] == pytest.approx((5 / 6 + 1 / 2) / 5)
    weighted, of_the_test = (6 * 5 / 6 + 2 * 1 / 2) / 9, (5 / 6 + 1 / 2) / 3
    assert min(abs(found["macro_f1"] - other) for other in (weighted, of_the_test, (5 / 6 + 1 / 2) / 4)) > 0.05


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_macro_f1_is_scikit_learns_over_all_classes(pairs):
    labels, predicted = map(np.array, zip(*pairs, strict=True))
    expected = f1_score(labels, predicted, average="macro", labels=range(6), zero_division=0)
    assert quality(np.eye(6)[predicted], labels)["macro_f1"] == pytest.approx(expected)


def test_a_class_without_a_test_text_is_named_and_counts_zero():
    labels = np.array([0, 1, 0, 0, 0, 0])
    split = Split(np.array([0, 1]), np.array([], dtype=int), np.array([2, 3, 4, 5]), 1, "class", 0)
    metrics = metrics_of({"head": np.eye(2)[labels]}, labels, split, ("cold", "warm"))
    assert (metrics["accuracy"], metrics["macro_f1"]) == (1.0, 0.5)
    assert (metrics["n_classes"], metrics["n_untested"], metrics["untested"]) == (2, 1, ["warm"])
    whole = metrics_of({"head": np.eye(2)[labels]}, np.array([0, 1, 0, 1, 0, 1]), split, ("cold", "warm"))
    assert whole["n_classes"] == 2
    assert "untested" not in whole


def slow_probe(found: np.ndarray, known: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
    """(N, C) of a logistic regression: |W|^2 / 2 + strength * the weighted sum of -log p over the support, minimised by torch's L-BFGS."""
    x, y = torch.from_numpy(found.astype(np.float64)), torch.from_numpy(known)
    weight, bias = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((CLASSES, found.shape[1]), (CLASSES,)))
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=2000, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe")

    def objective():
        optimiser.zero_grad()
        each = -torch.log_softmax(x[: len(known)] @ weight.T + bias, dim=1)[torch.arange(len(known)), y]
        loss = weight.square().sum() / 2 + strength * (torch.from_numpy(weights)[y] * each).sum()
        loss.backward()
        return loss

    optimiser.step(objective)
    return torch.softmax(x @ weight.T + bias, dim=1).detach().numpy()


@pytest.mark.parametrize("balanced", [False, True])
def test_the_probe_is_a_logistic_regression_on_vectors_of_unit_length_on_average(vectors, balanced):
    """Of strength 10; balanced: a text of a class with S_c of the S texts weighs S / (C S_c)."""
    found, labels = vectors
    order = np.concatenate([np.flatnonzero(labels == c)[:size] for c, size in enumerate((14, 6, 3, 2))])
    rows = np.concatenate([order, np.setdiff1d(np.arange(120), order)])
    found, labels = found[rows], labels[rows]
    mean_length = np.mean([np.sqrt((vector.astype(np.float64) ** 2).sum()) for vector in found[:25]])
    weights = np.array([25 / (4 * size) for size in (14, 6, 3, 2)]) if balanced else np.ones(4)
    wanted = slow_probe(found / mean_length, labels[:25], weights, 10.0)
    scores = linear_probe(found, labels, 25, CLASSES, balanced=balanced)
    np.testing.assert_allclose(softmax(scores), wanted, atol=0.01)
    np.testing.assert_allclose(linear_probe(100 * found, labels, 25, CLASSES, balanced=balanced), scores, atol=2e-2)
    for other in (slow_probe(found / mean_length, labels[:25], weights, 1.0), slow_probe(found, labels[:25], weights, 10.0)):
        assert np.abs(other - wanted).max() > 0.05, "the probe's strength does not show in these texts"


@pytest.mark.parametrize(("loss", "fields"), [("triplet", {}), ("supcon", {"ce_weight": 0.0}), ("g_loss", {"ce_weight": 0.0})])
def test_balanced_class_weights_reach_the_probe_of_a_run_without_cross_entropy(make_job, loss, fields):
    """Nine texts drawn in all, not equally many of each class."""
    scores = {}
    for weights in ("none", "balanced"):
        job = make_job(weights, loss=loss, shots=9, shots_by="total", support_seed=3, class_weights=weights, **fields)
        model = job.build()
        found, labels = job.embed(model, job.split.row_ids), job.dataset.labels[job.split.row_ids]
        scores[weights] = readout_scores(model, found, labels, job.split, 3)["linear_probe"]
        np.testing.assert_array_equal(scores[weights], linear_probe(found, labels, 9, 3, balanced=weights == "balanced"))
    assert np.abs(scores["none"] - scores["balanced"]).max() > 0.1


def test_macro_silhouette_is_the_mean_over_classes(vectors):
    found, labels = vectors
    sizes = np.bincount(labels)
    assert (sizes == sizes[0]).all()  # then the macro mean is the plain one
    assert macro_silhouette(found, labels) == pytest.approx(silhouette_score(unit(found), labels))
    lone = np.append(labels[:40], 9)
    few = np.append(found[:40], [found[50]], axis=0)
    slow = []
    for c in range(CLASSES):
        values = []
        for i in np.flatnonzero(lone == c):
            apart = [np.linalg.norm(unit(few[i]) - unit(few[j])) for j in range(41)]
            own = np.mean([d for j, d in enumerate(apart) if lone[j] == c and j != i])
            other = min(np.mean([d for j, d in enumerate(apart) if lone[j] == o]) for o in (*range(CLASSES), 9) if o != c)
            values.append((other - own) / max(own, other))
        slow.append(np.mean(values))
    assert macro_silhouette(few, lone) == pytest.approx(np.mean(slow))
    assert macro_silhouette(found[:3], np.array([0, 1, 2])) is None
    assert macro_silhouette(found[:3], np.array([0, 0, 0])) is None


# ---- which apply, and which is the run's own


def outcome(job):
    rows = []
    model = fit(job, Reporter(event=rows.append))
    labels = job.dataset.labels[job.split.row_ids]
    scores = readout_scores(model, job.embed(model, job.split.row_ids), labels, job.split, 3)
    return scores, metrics_of(scores, labels, job.split), [row for row in rows if row["kind"] == "validation"]


@pytest.mark.parametrize(
    ("fields", "own", "others"),
    [
        ({"loss": "cross_entropy"}, "head", {"knn", "linear_probe", "propagation"}),
        ({"loss": "soft_triple", "ce_weight": 0}, "centers", {"knn", "linear_probe", "propagation"}),
        ({"loss": "soft_triple", "ce_weight": 0.4}, "head", {"centers", "mixed", "knn", "linear_probe", "propagation"}),
        ({"loss": "supcon", "ce_weight": 0}, "linear_probe", {"knn", "propagation"}),
        ({"loss": "soft_triple", "ce_weight": 0.4, "readout": "mixed"}, "mixed", {"head", "centers", "knn", "linear_probe", "propagation"}),
        ({"loss": "g_loss", "ce_weight": 0, "readout": "propagation"}, "propagation", {"knn", "linear_probe"}),
        ({"loss": "cross_entropy", "readout": "knn"}, "knn", {"head", "linear_probe", "propagation"}),
    ],
)
def test_the_runs_own_readout_comes_first_and_is_validated(make_job, fields, own, others):
    scores, metrics, validated = outcome(make_job(epochs=1, snapshots=0, **fields))
    assert next(iter(scores)) == metrics["readout"] == own
    assert set(scores) == {own, *others}
    for values in scores.values():
        assert values.shape == (39, 3)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert {"accuracy", "macro_f1", *(f"{name}_accuracy" for name in others)} <= set(metrics)
    if own != "propagation":  # there the test texts pass labels on as well
        assert validated[-1]["accuracy"] == pytest.approx(metrics["validation_accuracy"])
        assert validated[-1]["macro_f1"] == pytest.approx(metrics["validation_macro_f1"])


def test_g_loss_propagates_with_the_width_it_was_trained_with(make_job):
    job = make_job(loss="g_loss", epochs=1, snapshots=0, loss_settings={"sigma_rule": "fixed", "sigma": 0.3})
    model = fit(job)
    vectors, labels = job.embed(model, job.split.row_ids), job.dataset.labels[job.split.row_ids]
    found = readout_scores(model, vectors, labels, job.split, 3)["propagation"]
    known = labels[: len(job.split.support)]
    np.testing.assert_array_equal(found, propagation(vectors, known, 3, sigma=float(torch.tensor(0.3))))
    assert not np.array_equal(found, propagation(vectors, known, 3))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loss": "cross_entropy", "readout": "centers"},
         "readout centers does not apply to cross_entropy with ce_weight 1: it has no centres; "
         "choose auto or one of head, knn, linear_probe, propagation"),
        ({"loss": "soft_triple", "ce_weight": 0.0, "readout": "head"},
         "readout head does not apply to soft_triple with ce_weight 0: it has no head, which cross-entropy trains; "
         "choose auto or one of centers, knn, linear_probe, propagation"),
        ({"loss": "soft_triple", "ce_weight": 0.0, "readout": "mixed"},
         "readout mixed does not apply to soft_triple with ce_weight 0: mixed takes a head and centres, and a ce_weight between 0 and 1; "
         "choose auto or one of centers, knn, linear_probe, propagation"),
    ],
)  # fmt: skip
def test_a_readout_that_cannot_be_made_is_said_before_training(make_job, tiny_config, fields, sentence):
    with pytest.raises(InputError) as caught:
        make_job(**fields)
    assert str(caught.value) == sentence
    with pytest.raises(InputError):
        check_readout(tiny_config(**fields))


def test_a_loaded_encoder_has_no_centres_to_ask(make_job):
    with pytest.raises(InputError, match=r"^readout centers does not apply to a model without an objective of ours: it has no centres; choose auto"):
        load_model(make_job(loss="soft_triple", readout="centers"))
    model, foreign = load_model(make_job(loss="soft_triple", readout="knn"))
    assert (model.metric, model.has_head, foreign) == (None, False, None)


def test_a_probe_needs_two_classes(make_job):
    assert linear_probe(np.eye(3, dtype=np.float32), np.array([0, 0, 1]), 2, 2) is None
    with pytest.raises(InputError, match=r"^readout linear_probe needs support texts of two classes"):
        make_job(shots=1, shots_by="total", readout="linear_probe")
    scores, metrics, _ = outcome(make_job(shots=1, shots_by="total", loss="supcon", ce_weight=0, epochs=1))
    assert metrics["readout"] == "knn"
    assert "linear_probe" not in scores


@pytest.mark.parametrize("loss", LOSSES)
def test_the_table_knows_whose_centres_can_be_asked(make_job, loss):
    model = make_job(loss=loss).build()
    vectors = torch.zeros(2, model.encoder.dim)
    assert LOSSES[loss].has_centers == (model.metric is not None and model.metric.centers() is not None)
    assert LOSSES[loss].has_centers == (model.metric is not None and model.metric.class_scores(vectors) is not None)
