"""The similarity graph: by hand, by slow loops, against G-Loss's own torch functions and networkx, and at the edges."""

import math

import networkx as nx
import numpy as np
import pytest
import torch
from scipy import stats

from dmlviz.analysis.graph import nodes as graph_nodes
from dmlviz.analysis.graph import numbers as graph_numbers
from dmlviz.analysis.graph import similarity as graphs
from dmlviz.analysis.graph.nodes import GraphSettings, choose_nodes, shared_rows, stratified, study, trained_sigma
from dmlviz.analysis.graph.numbers import DENSE_TEXTS, above, accuracy_curve, class_means, homophily, numbers, spectral_gap, strongest
from dmlviz.analysis.graph.similarity import (
    SIGMA_RULES,
    SimilarityGraph,
    propagate,
    random_mask,
    rule_sigma,
    similarity_graph,
    squared_distances,
    steps,
    transition,
    unit_vectors,
    why,
)
from dmlviz.core.types import GraphBatches, InputError, RunArrays
from dmlviz.losses import propagation as oracle

torch.set_num_threads(1)


def cloud(count: int, classes: int = 3, dim: int = 6, seed: int = 0, spread: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) around one centre a class, and labels (N,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return rng.normal(size=(classes, dim))[labels] + spread * rng.normal(size=(count, dim)), labels


def units(vectors: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.as_tensor(np.asarray(vectors, dtype=np.float64)), dim=1)


def by_hand() -> SimilarityGraph:
    """Similarities ab 1, ac 3, bc 8: degrees 4, 9, 11."""
    return graphs._scaled(np.array([[0.0, 1, 3], [1, 0, 8], [3, 8, 0]]), 1.0, False, None)


# ---- the graph


def test_distances_are_those_of_a_loop_over_unit_vectors():
    vectors = np.random.default_rng(0).normal(size=(5, 4)) * 7
    slow = np.zeros((5, 5))
    for i, j in np.ndindex(5, 5):
        a, b = vectors[i] / math.sqrt(sum(vectors[i] ** 2)), vectors[j] / math.sqrt(sum(vectors[j] ** 2))
        slow[i, j] = sum((a - b) ** 2)
    np.testing.assert_allclose(squared_distances(vectors), slow, atol=1e-14)
    twice = squared_distances(np.concatenate([vectors, vectors]))
    assert twice.min() >= 0
    assert (twice.diagonal() == 0).all()


@pytest.mark.parametrize("row_normalise", [False, True])
@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.667, 3.0])
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_transition_and_propagation_are_those_g_loss_trains_with(row_normalise, sigma, share):
    vectors, labels = cloud(40)
    visible = random_mask(40, share=share, seed=3)
    graph = similarity_graph(vectors, sigma=sigma, row_normalise=row_normalise)
    theirs = oracle.text_transition(units(vectors), sigma, row_normalise)
    np.testing.assert_allclose(transition(graph), theirs.numpy(), atol=1e-10)
    np.testing.assert_allclose(graph.weights, oracle.kernel_graph(units(vectors), sigma).numpy(), atol=1e-12)
    scores = oracle.propagate(theirs, torch.eye(3, dtype=torch.float64)[labels], torch.as_tensor(visible)).numpy()
    close = 1e-10 if sigma > 0.1 else 1e-5  # texts that hang on a share of 1e-10 leave both solvers ten digits fewer
    np.testing.assert_allclose(propagate(graph, labels, visible, 3).scores[~visible], scores, atol=close, rtol=close)


def test_columns_of_t_sum_to_one_and_after_row_normalisation_rows_do():
    vectors, _ = cloud(20)
    columns, rows = (transition(similarity_graph(vectors, sigma=0.5, row_normalise=rows)) for rows in (False, True))
    np.testing.assert_allclose(columns.sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-12)
    assert np.abs(columns.sum(axis=1) - 1).max() > 1e-2  # not the same thing: a formula with rows in place of columns fails here


def test_three_texts_by_hand():
    graph = by_hand()
    assert transition(graph)[2] == pytest.approx([0.7307190, 0.8283022, 0], abs=1e-6)
    found = propagate(graph, np.array([0, 1, 0]), np.array([True, True, False]), 2)
    assert found.scores[2] == pytest.approx([0.7307190, 0.8283022], abs=1e-6)
    assert found.predicted.tolist() == [0, 1, 1]
    assert found.confidence[2] == pytest.approx(0.5312960, abs=1e-6)
    assert found.entropy[2] == pytest.approx(-(0.4687040 * math.log(0.4687040) + 0.5312960 * math.log(0.5312960)), abs=1e-6)
    assert not found.correct[2]
    assert found.accuracy == 0


@pytest.mark.parametrize(("rule", "settings"), [("sqrt_median", {}), ("sqrt_median_squared", {"squared": True}),
                                                ("sqrt_median_code", {"include_diagonal": True})])  # fmt: skip
@pytest.mark.parametrize("count", [2, 3, 4, 7, 40, 41])
def test_sigma_rules_are_those_g_loss_trains_with(rule, settings, count):
    vectors, _ = cloud(count)
    if rule == "sqrt_median_code" and count == 2:  # half of a pair's distances is the diagonal
        with pytest.raises(InputError, match=r"came out as 0"):
            rule_sigma(squared_distances(vectors), rule)
        with pytest.raises(InputError, match=r"came out as 0"):
            oracle.sqrt_median_sigma(units(vectors), **settings)
        return
    assert rule_sigma(squared_distances(vectors), rule) == pytest.approx(oracle.sqrt_median_sigma(units(vectors), **settings), rel=1e-10)


def test_many_texts_are_represented_by_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(graphs, "MEDIAN_TEXTS", 11)
    vectors, _ = cloud(101)
    assert rule_sigma(squared_distances(vectors)) == pytest.approx(oracle.sqrt_median_sigma(units(vectors[::10])), rel=1e-10)


def test_rules_and_widths_that_are_none_are_sentences():
    squared = squared_distances(np.ones((4, 2)))
    with pytest.raises(InputError, match=r"came out as 0: half of all pairs"):
        rule_sigma(squared)
    with pytest.raises(InputError, match=r"unknown sigma rule 'mst'; known: sqrt_median"):
        rule_sigma(squared, "mst")
    with pytest.raises(InputError, match=r"two texts or more, not 1"):
        rule_sigma(squared[:1, :1])
    for sigma in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match=r"needs sigma above 0, not"):
            similarity_graph(np.ones((3, 2)), sigma=sigma)
    with pytest.raises(InputError, match=r"NaN or infinity; the run's training has diverged"):
        unit_vectors(np.array([[1.0, math.nan]]))


def test_vectors_stay_as_they_were_and_half_precision_is_widened():
    vectors = cloud(6)[0].astype(np.float16)
    kept, squared = vectors.copy(), squared_distances(vectors)
    held = squared.copy()
    graph = similarity_graph(vectors, sigma=0.3, squared=squared)
    assert (vectors == kept).all()
    assert (squared == held).all()
    assert graph.weights.dtype == np.float64


# ---- masks


@pytest.mark.parametrize(("count", "share", "shown"), [(10, 0.7, 7), (3, 0.01, 1), (3, 0.99, 2), (2, 0.5, 1)])
def test_the_share_is_what_stays_visible(count, share, shown):
    mask = random_mask(count, share=share, seed=0)
    assert mask.sum() == shown
    assert (mask == random_mask(count, share=share, seed=0)).all()
    assert any((random_mask(count, share=share, seed=seed) != mask).any() for seed in range(1, 9))


def test_the_mask_is_not_stratified_and_classes_without_a_visible_text_are_named():
    vectors, _ = cloud(30)
    labels = np.r_[np.zeros(28, dtype=int), 1, 2]
    visible = np.r_[np.ones(20, bool), np.zeros(8, bool), True, False]
    found = propagate(similarity_graph(vectors, sigma=0.5), labels, visible, 3)
    assert found.unseen == (2,)
    assert found.scores[:, 2].max() == 0
    missing = [set(labels[~random_mask(30, share=0.5, seed=seed)]) - set(labels[random_mask(30, share=0.5, seed=seed)]) for seed in range(20)]
    assert any(missing)


def test_shares_and_counts_that_are_none_are_sentences():
    with pytest.raises(InputError, match=r"between 0 and 1, not at 1.0"):
        random_mask(5, share=1.0, seed=0)
    with pytest.raises(InputError, match=r"from two texts on, and there is 1"):
        random_mask(1, share=0.5, seed=0)


# ---- propagation


def test_texts_that_nothing_reaches_are_flagged_and_nothing_is_nan():
    near = np.array([[1.0, 0.0], [0.999, 0.04], [0.998, 0.06]])
    vectors = np.concatenate([near, [[-1.0, 0.0], [-0.999, 0.04]]])
    labels, visible = np.array([0, 0, 1, 1, 1]), np.array([True, False, False, False, False])
    found = propagate(similarity_graph(vectors, sigma=0.05), labels, visible, 2)
    assert found.reached.tolist() == [True, True, True, False, False]
    assert found.predicted.tolist() == [0, 0, 0, -1, -1]
    assert found.confidence[3:].tolist() == [0, 0]
    assert found.entropy[3:].tolist() == pytest.approx([math.log(2)] * 2)
    assert not found.correct[3:].any()
    assert np.isfinite(found.scores).all()
    alone = similarity_graph(vectors[[0, 3]], sigma=0.01)
    assert alone.alone.all()
    assert not propagate(alone, labels[:2], visible[:2], 2).reached[1]


@pytest.mark.parametrize("row_normalise", [False, True])
def test_reach_follows_chains_as_in_training(row_normalise):
    angles = np.cumsum([0, 0.1, 0.1, 0.1, 2.0, 0.1])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    visible = np.array([True, False, False, False, False, False])
    graph = similarity_graph(vectors, sigma=0.03, row_normalise=row_normalise)
    shares = oracle.text_transition(units(vectors), 0.03, row_normalise)
    assert graphs.reachable(graph, visible).tolist() == oracle._reached(shares, torch.as_tensor(visible)).tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize("row_normalise", [False, True])
def test_contributions_are_g_loss_s_and_sum_to_the_scores(row_normalise):
    vectors, labels = cloud(50)
    visible = random_mask(50, share=0.3, seed=1)
    graph = similarity_graph(vectors, sigma=0.4, row_normalise=row_normalise)
    found = propagate(graph, labels, visible, 3)
    theirs = oracle.contributions(oracle.text_transition(units(vectors), 0.4, row_normalise), torch.as_tensor(visible)).numpy()
    for place, node in enumerate(np.flatnonzero(~visible)):
        reason = why(graph, labels, visible, int(node), 3)
        assert (reason.others == np.flatnonzero(visible)).all()
        np.testing.assert_allclose(reason.parts, theirs[place], atol=1e-10)
        np.testing.assert_allclose(reason.scores, found.scores[node], atol=1e-8)
        assert reason.parts.min() >= 0
    node = int(np.flatnonzero(visible)[4])
    given = why(graph, labels, visible, node, 3)
    assert (given.others == np.flatnonzero(~visible)).all()
    np.testing.assert_allclose(given.parts, theirs[:, 4], atol=1e-10)


def test_neighbours_come_nearest_first_with_their_weights():
    graph = by_hand()
    reason = why(graph, np.array([0, 1, 0]), np.array([True, True, False]), 2, 2)
    assert reason.neighbors.tolist() == [1, 0]
    assert reason.weights.tolist() == [8, 3]


def test_a_text_out_of_reach_has_no_reasons():
    graph = similarity_graph(np.array([[1.0, 0], [0.99, 0.1], [-1, 0]]), sigma=0.05)
    reason = why(graph, np.array([0, 0, 1]), np.array([True, False, False]), 2, 2)
    assert reason.parts.tolist() == [0]
    assert reason.scores.tolist() == [0, 0]


@pytest.mark.parametrize("row_normalise", [False, True])
def test_steps_follow_the_iteration_and_end_in_the_closed_form(row_normalise):
    vectors, labels = cloud(30)
    visible = random_mask(30, share=0.5, seed=2)
    graph = similarity_graph(vectors, sigma=0.6, row_normalise=row_normalise)
    shares = oracle.text_transition(units(vectors), 0.6, row_normalise).numpy()
    hidden, told = np.ix_(~visible, ~visible), shares[np.ix_(~visible, visible)] @ np.eye(3)[labels[visible]]
    state, slow = np.zeros((int((~visible).sum()), 3)), {0: np.zeros((int((~visible).sum()), 3))}
    for turn in range(1, 2001):
        state = shares[hidden] @ state + told
        slow[turn] = state
    found = steps(graph, labels, visible, 3, at=(0, 1, 5, 2000))
    for turn, one in zip((0, 1, 5, 2000), found, strict=True):
        np.testing.assert_allclose(one.scores[~visible], slow[turn], atol=1e-10)
    np.testing.assert_allclose(found[-1].scores, propagate(graph, labels, visible, 3).scores, atol=1e-10)
    assert not found[0].reached[~visible].any()


@pytest.mark.parametrize("row_normalise", [False, True])
def test_the_sparse_graph_with_every_neighbour_is_the_exact_one(monkeypatch, row_normalise):
    vectors, labels = cloud(60)
    visible = random_mask(60, share=0.2, seed=0)
    exact = similarity_graph(vectors, sigma=0.4, row_normalise=row_normalise)
    monkeypatch.setattr(graphs, "EXACT_LIMIT", 50)
    sparse = similarity_graph(vectors, sigma=0.4, row_normalise=row_normalise, neighbors=59)
    assert (exact.neighbors, sparse.neighbors) == (None, 59)
    np.testing.assert_allclose(sparse.weights.toarray(), exact.weights, atol=1e-6)  # scikit-learn's distances lose digits near 0
    kept = SimilarityGraph(type(sparse.weights)(exact.weights), exact.left, exact.right, 0.4, row_normalise, 59)
    np.testing.assert_allclose(transition(kept).toarray(), transition(exact), atol=1e-14)
    a, b = (propagate(one, labels, visible, 3).scores for one in (kept, exact))
    np.testing.assert_allclose(a, b, atol=1e-10)
    for node in (int(np.flatnonzero(~visible)[0]), int(np.flatnonzero(visible)[0])):
        np.testing.assert_allclose(why(kept, labels, visible, node, 3).parts, why(exact, labels, visible, node, 3).parts, atol=1e-10)
    assert homophily(kept, labels) == pytest.approx(homophily(exact, labels))
    assert spectral_gap(kept) == pytest.approx(spectral_gap(exact), abs=1e-6)
    for chosen in (lambda g: strongest(g, labels, 3), lambda g: above(g, labels, 0.5)):
        one, other = chosen(kept), chosen(exact)
        assert set(zip(one.heads, one.tails, strict=True)) == set(zip(other.heads, other.tails, strict=True))
    few = similarity_graph(vectors, sigma=0.4, neighbors=4)
    assert (np.diff(few.weights.indptr) >= 4).all()
    assert (few.weights != few.weights.T).nnz == 0


# ---- numbers


def as_networkx(graph: SimilarityGraph, edges=None) -> nx.Graph:
    made = nx.Graph()
    made.add_nodes_from(range(len(graph.left)))
    pairs = zip(*np.nonzero(np.triu(graph.weights)), strict=True) if edges is None else zip(edges.heads, edges.tails, strict=True)
    made.add_weighted_edges_from((int(a), int(b), float(graph.weights[a, b])) for a, b in pairs)
    return made


def test_homophily_is_that_of_a_loop_over_networkx_edges():
    vectors, labels = cloud(25)
    graph = similarity_graph(vectors, sigma=0.5)
    edges = list(as_networkx(graph).edges(data="weight"))
    within = sum(w for a, b, w in edges if labels[a] == labels[b]) / sum(w for *_, w in edges)
    assert homophily(graph, labels) == pytest.approx(within, rel=1e-12)
    chosen = above(graph, labels, 0.3)
    found = numbers(graph, labels, propagate(graph, labels, random_mask(25, share=0.5, seed=0), 3), chosen)
    assert found.edge_homophily == pytest.approx(np.mean([labels[a] == labels[b] for a, b, w in edges if w >= 0.3]))
    assert found.chance == pytest.approx(np.mean([labels[i] == labels[j] for i in range(25) for j in range(i)]))
    assert dict(as_networkx(graph).degree(weight="weight")) == pytest.approx(dict(enumerate(found.degrees)))


def test_components_are_networkx_s():
    vectors, labels = cloud(40, spread=0.2)
    graph = similarity_graph(vectors, sigma=0.3)
    propagated = propagate(graph, labels, random_mask(40, share=0.5, seed=0), 3)
    for chosen in (strongest(graph, labels, 1), strongest(graph, labels, 3), above(graph, labels, 0.5), above(graph, labels, 2.0)):
        assert numbers(graph, labels, propagated, chosen).components == nx.number_connected_components(as_networkx(graph, chosen))


def test_the_strongest_edges_are_those_of_a_sort():
    vectors, labels = cloud(30)
    graph = similarity_graph(vectors, sigma=0.5)
    slow = {(min(i, j), max(i, j)) for i in range(30) for j in sorted(range(30), key=lambda j: -graph.weights[i, j])[:3]}
    found = strongest(graph, labels, 3)
    assert set(zip(found.heads.tolist(), found.tails.tolist(), strict=True)) == slow
    assert (np.diff(found.weights) >= 0).all()
    assert (found.same == (labels[found.heads] == labels[found.tails])).all()
    assert len(strongest(graph, labels, 99).heads) == 30 * 29 / 2


@pytest.mark.parametrize("row_normalise", [False, True])
@pytest.mark.parametrize("count", [3, 30, 200])
def test_the_spectral_gap_is_numpy_s(row_normalise, count):
    vectors, _ = cloud(count, spread=0.4)
    graph = similarity_graph(vectors, sigma=0.3, row_normalise=row_normalise)
    values = np.sort(np.abs(np.linalg.eigvals(transition(graph))))
    assert values[-1] == pytest.approx(1)
    assert spectral_gap(graph) == pytest.approx(1 - values[-2], abs=1e-6)


@pytest.mark.parametrize("sigma", [0.12, 0.2])
def test_a_narrow_kernel_s_gap_is_that_of_the_second_eigenvalue(sigma):
    """Beyond the texts whose every eigenvalue is worked out: several eigenvalues lie close to one there, and a loose search may settle on another."""
    vectors, _ = cloud(DENSE_TEXTS + 40, classes=4, spread=0.25)
    graph = similarity_graph(vectors, sigma=sigma)
    scale = np.sqrt(graph.left * graph.right)
    values = np.sort(np.abs(np.linalg.eigvalsh(graph.weights * np.outer(scale, scale))))
    assert spectral_gap(graph) == pytest.approx(1 - values[-2], abs=1e-8)
    assert 1 - values[-2] < 0.5 * (1 - values[-6])  # they do lie close


def test_a_graph_in_two_parts_has_no_gap():
    vectors = np.concatenate([[[1.0, 0.0]], [[0.999, 0.01]], [[0.998, 0.02]], [[-1.0, 0.0]], [[-0.999, 0.01]], [[-0.998, 0.02]]])
    assert spectral_gap(similarity_graph(vectors, sigma=0.03)) == pytest.approx(0, abs=1e-9)
    assert math.isnan(spectral_gap(similarity_graph(np.eye(3), sigma=0.01)))


def test_class_means_are_those_of_a_loop():
    vectors, labels = cloud(14, classes=4)
    labels[labels == 3] = 0
    labels[0] = 3  # one text alone in its class: it has no pair within
    graph = similarity_graph(vectors, sigma=0.5)
    found = class_means(graph, labels, 4)
    for a, b in np.ndindex(4, 4):
        pairs = [graph.weights[i, j] for i in range(14) for j in range(14) if i != j and (labels[i], labels[j]) == (a, b)]
        assert found[a, b] == pytest.approx(np.mean(pairs)) if pairs else math.isnan(found[a, b])


# ---- accuracy against sigma


def test_the_curve_is_that_of_single_graphs_with_a_t_interval():
    vectors, labels = cloud(60, spread=1.0)
    curve = accuracy_curve(vectors, labels, num_classes=3, sigmas=(0.1, 0.5), share=0.5, masks=4, seed=7)
    for i, sigma in enumerate((0.1, 0.5)):
        graph = similarity_graph(vectors, sigma=sigma)
        each = [propagate(graph, labels, random_mask(60, share=0.5, seed=7 + k), 3).accuracy for k in range(4)]
        low, high = stats.t.interval(0.95, 3, loc=np.mean(each), scale=stats.sem(each))
        assert curve.mean[i] == pytest.approx(np.mean(each))
        assert (curve.low[i], curve.high[i]) == pytest.approx((max(low, 0), min(high, 1)))
    assert (curve.masks, curve.texts, curve.of, curve.visible) == (4, 60, 60, 30)


def test_a_large_curve_is_measured_on_a_stratified_sample_and_one_mask_has_no_interval():
    vectors, labels = cloud(90)
    curve = accuracy_curve(vectors, labels, num_classes=3, sigmas=(0.5,), share=0.5, masks=2, most=30)
    assert (curve.texts, curve.of, curve.visible) == (30, 90, 15)
    visible = np.arange(90) < 6
    fixed = accuracy_curve(vectors, labels, num_classes=3, sigmas=(0.5,), visible=visible, most=30)
    assert (fixed.masks, fixed.texts, fixed.visible) == (1, 30, 6)
    assert np.isnan(fixed.low).all()
    whole = accuracy_curve(vectors, labels, num_classes=3, sigmas=(0.5,), visible=visible)
    assert whole.mean[0] == pytest.approx(propagate(similarity_graph(vectors, sigma=0.5), labels, visible, 3).accuracy)


# ---- which texts


def arrays(count: int = 60, support: int = 9, *, graph: GraphBatches | None = None, first: int = 0, snapshots: bool = False) -> RunArrays:
    vectors, labels = cloud(count)
    roles = np.where(np.arange(count) < support, "support", "test")
    rows = np.arange(first, first + count) * 2
    kept = {"snapshots": vectors[None, :20].astype(np.float16), "snapshot_epochs": np.zeros(1), "snapshot_rows": rows[:20]} if snapshots else \
           {"snapshots": None, "snapshot_epochs": None, "snapshot_rows": None}  # fmt: skip
    return RunArrays(vectors.astype(np.float16), rows, roles, labels, None, {}, None, None, **kept, graph=graph)


def batches() -> GraphBatches:
    vectors = np.random.default_rng(1).normal(size=(2, 4, 6)).astype(np.float16)
    rows, visible = np.array([[0, 2, 4, 6], [8, 10, 12, -1]]), np.array([[True, False, True, True], [True, False, False, False]])
    return GraphBatches(rows, visible, vectors, np.array([0.4, 0.5]), np.array([1.0, 2.0]))


def test_a_stratified_sample_keeps_shares_and_small_classes():
    labels = np.r_[np.zeros(700, int), np.ones(280, int), np.full(18, 2), np.full(2, 3)]
    for count in (4, 10, 100, 333):
        chosen = stratified(labels, count, seed=1)
        sizes = np.bincount(labels[chosen], minlength=4)
        assert sizes.sum() == len(np.unique(chosen)) == count
        assert (sizes >= 1).all()
        assert (np.abs(sizes - np.array([0.7, 0.28, 0.018, 0.002]) * count) <= 2.01).all()
    assert (stratified(labels, 5000, seed=1) == np.arange(1000)).all()
    assert len(stratified(labels, 2, seed=0)) == 2
    assert (stratified(labels, 50, seed=1) == stratified(labels, 50, seed=1)).all()
    assert (stratified(labels, 50, seed=1) != stratified(labels, 50, seed=2)).any()


def test_samples_of_compared_runs_hold_the_same_texts():
    one, other = arrays(60), arrays(60, first=30)
    shared = shared_rows([one, other])
    assert shared.tolist() == list(range(60, 120, 2))
    a, b = (choose_nodes(run, GraphSettings(sample="12"), shared) for run in (one, other))
    assert len(a.row_ids) == a.labels.size == 12
    assert set(a.row_ids) <= set(shared) >= set(b.row_ids)
    same = choose_nodes(arrays(60), GraphSettings(sample="12"), shared)
    assert (a.row_ids == same.row_ids).all()
    assert choose_nodes(one, GraphSettings(sample="all")).said == "all 60 texts"
    assert a.said == "12 of 30 texts, stratified"


def test_with_the_support_visible_it_is_always_there_and_nothing_else_is_shown():
    run, settings = arrays(60, support=9), GraphSettings(sample="12", visible="support")
    found = study(run, settings, num_classes=3, shared=np.arange(40, 120, 2))
    assert found.propagated.visible.sum() == 9
    assert (found.nodes.support == found.propagated.visible).all()
    assert len(found.nodes.labels) == 21
    with pytest.raises(InputError, match=r"none of these texts is in the run's support"):
        study(arrays(30, support=0), settings, num_classes=3)


def test_a_recorded_batch_is_what_training_saw():
    run = arrays(graph=batches())
    found = study(run, GraphSettings(sample="batch:1", visible="recorded", sigma="trained"), num_classes=3)
    assert found.nodes.row_ids.tolist() == [8, 10, 12]
    assert found.nodes.labels.tolist() == [4 % 3, 5 % 3, 6 % 3]
    assert found.propagated.visible.tolist() == [True, False, False]
    assert found.graph.sigma == 0.5
    assert found.nodes.said == "training batch of epoch 2, 3 texts"
    theirs = oracle.text_transition(units(run.graph.vectors[1, :3]), 0.5)
    np.testing.assert_allclose(transition(found.graph), theirs.numpy(), atol=1e-10)
    assert found.words == ()


@pytest.mark.parametrize(("settings", "sentence"), [
    (GraphSettings(sample="batch:0"), r"has no recorded batches: only G-Loss builds a graph"),
    (GraphSettings(sample="many"), r"sample 'many' is not accepted; a sample is named by a whole number"),
    (GraphSettings(sample="0"), r"sample '0' is not accepted"),
    (GraphSettings(visible="recorded"), r"only a training batch has a recorded mask"),
    (GraphSettings(visible="1.5"), r"visible '1.5' is not accepted; give a share between 0 and 1"),
    (GraphSettings(sigma="wide"), r"sigma 'wide' is not accepted; give sqrt_median"),
    (GraphSettings(sigma="0"), r"sigma '0' is not accepted"),
])  # fmt: skip
def test_settings_that_are_none_are_sentences(settings, sentence):
    with pytest.raises(InputError, match=sentence):
        study(arrays(), settings, num_classes=3)
    with pytest.raises(InputError, match=r"has recorded 2 batches, counted from 0, and number 2 was asked for"):
        choose_nodes(arrays(graph=batches()), GraphSettings(sample="batch:2"))


def test_the_sigma_of_training_is_found_where_it_can_be():
    assert trained_sigma("supcon", {}, arrays(graph=batches())) is None
    assert trained_sigma("g_loss", {}, arrays(graph=batches())) == (0.5, "recorded in training")
    assert trained_sigma("g_loss", {"sigma_rule": "fixed", "sigma": 0.8}, arrays()) == (0.8, "from the run's settings")
    assert trained_sigma("g_loss", {}, arrays()) is None
    run = arrays(support=9, snapshots=True)
    sigma, said = trained_sigma("g_loss", {}, run)
    assert sigma == pytest.approx(oracle.sqrt_median_sigma(units(run.snapshots[0, :9])), rel=1e-10)
    assert "untrained encoder's support" in said
    code, _ = trained_sigma("g_loss", {"median_diagonal": True}, run)
    assert code == pytest.approx(oracle.sqrt_median_sigma(units(run.snapshots[0, :9]), include_diagonal=True), rel=1e-10)
    assert trained_sigma("g_loss", {}, arrays(support=30, snapshots=True)) is None  # not all of the support is in the snapshot
    found = study(arrays(), GraphSettings(sigma="trained"), num_classes=3)
    assert "No sigma of training is known" in found.words[0]


def test_a_study_is_the_same_with_its_parts_at_hand():
    run, settings = arrays(), GraphSettings(sample="40", visible="0.3", sigma="0.4")
    nodes = choose_nodes(run, settings)
    squared = squared_distances(nodes.vectors)
    one, other = study(run, settings, num_classes=3), study(run, settings, num_classes=3, nodes=nodes, squared=squared)
    assert (one.propagated.scores == other.propagated.scores).all()
    assert (squared == squared_distances(nodes.vectors)).all()
    assert graph_nodes.visible_share("0.3") == 0.3
    assert graph_numbers.CURVE_TEXTS <= 600
    assert set(SIGMA_RULES) == {"sqrt_median", "sqrt_median_squared", "sqrt_median_code"}
