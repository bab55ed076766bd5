"""Neighbours against scikit-learn and sorted loops; changes between runs against sets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from dmlviz.analysis.geometry import neighbors as module
from dmlviz.analysis.geometry.neighbors import FLIPS, changed_texts, disagreement, flips, neighborhood_change, neighbors, neighbors_lost, overlap
from dmlviz.core.types import InputError


def texts(n: int = 300, dim: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) + 2 * rng.normal(size=(5, dim))[np.arange(n) % 5]


def sorted_loop(vectors: np.ndarray, row: int, k: int, metric: str) -> list[int]:
    def far(j: int) -> float:
        a, b = vectors[row], vectors[j]
        return 1 - a @ b / np.sqrt((a @ a) * (b @ b)) if metric == "cosine" else np.sqrt(((a - b) ** 2).sum())

    return sorted((j for j in range(len(vectors)) if j != row), key=lambda j: (round(far(j), 9), j))[:k]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("n", [30, 300, 5000])  # 5,000: the threshold is guessed from every fourth column
def test_neighbours_are_those_of_scikit_learn(metric, n):
    vectors = texts(n).astype(np.float16)
    found = neighbors(vectors, 9, metric=metric)
    wide = vectors.astype(float)
    distances, indices = NearestNeighbors(n_neighbors=10, algorithm="brute", metric=metric).fit(wide).kneighbors(wide)
    np.testing.assert_array_equal(found.indices, indices[:, 1:])
    np.testing.assert_allclose(found.similarities, 1 - distances[:, 1:] if metric == "cosine" else -distances[:, 1:], atol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_asked_rows_in_many_chunks(monkeypatch, metric):
    vectors = texts(200)
    rows = np.array([199, 3, 3, 77])
    whole = neighbors(vectors, 12, metric=metric)
    monkeypatch.setattr(module, "CHUNK_CELLS", 450)  # two rows at a time
    monkeypatch.setattr(module, "GATHER_CELLS", 300)
    found = neighbors(vectors, 12, rows=rows, metric=metric)
    np.testing.assert_array_equal(found.indices, whole.indices[rows])
    assert [sorted_loop(vectors, row, 12, metric) for row in rows] == found.indices.tolist()
    assert neighbors(vectors, 12, rows=np.array([], dtype=int)).indices.shape == (0, 12)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equal_texts_stand_in_order_of_their_row(metric):
    rng = np.random.default_rng(1)
    vectors = np.repeat(texts(20, seed=2), 4, axis=0)[rng.permutation(80)]
    found = neighbors(vectors, 7, metric=metric)
    assert [sorted_loop(vectors, row, 7, metric) for row in range(80)] == found.indices.tolist()
    assert (found.indices != np.arange(80)[:, None]).all()


def test_a_cluster_that_the_guess_of_the_threshold_sees_whole():
    """Its texts stand where the threshold is guessed from, so that too few columns pass it and the exact one is needed."""
    rng = np.random.default_rng(9)
    vectors = rng.normal(size=(4096, 8))
    vectors[0:280:4] = 10 * np.eye(8)[0] + 0.1 * rng.normal(size=(70, 8))
    found = neighbors(vectors, 60, rows=np.arange(0, 280, 4))
    assert [sorted_loop(vectors, row, 60, "cosine") for row in (0, 40)] == found.indices[[0, 10]].tolist()


def test_a_nearly_collapsed_space_keeps_its_order():
    """Distances far below what float32 can tell apart in a product of unit vectors."""
    rng = np.random.default_rng(3)
    vectors = np.ones((60, 8)) + 1e-5 * rng.normal(size=(60, 8))
    found = neighbors(vectors, 5, metric="euclidean")
    assert [sorted_loop(vectors * 1e5, row, 5, "euclidean") for row in range(60)] == found.indices.tolist()


def test_every_text_the_same_and_every_other_text():
    found = neighbors(np.ones((2500, 3)), 4)
    assert found.indices[0].tolist() == [1, 2, 3, 4]
    assert (np.sort(neighbors(texts(9), 8).indices, axis=1) == [[j for j in range(9) if j != i] for i in range(9)]).all()
    zero = neighbors(np.vstack([np.zeros((1, 3)), texts(5, 3)]), 2)  # a zero vector is similar to nothing, and breaks nothing
    np.testing.assert_array_equal(zero.similarities[0], [0, 0])


def test_the_embeddings_stay_as_they_are():
    vectors = texts(40)
    kept = vectors.copy()
    for metric in ("cosine", "euclidean"):
        neighbors(vectors, 3, metric=metric)
    np.testing.assert_array_equal(vectors, kept)


def test_wrong_questions_are_sentences():
    with pytest.raises(InputError, match=r"^20 neighbours were asked for among 20 texts; ask for 1 to 19$"):
        neighbors(texts(20), 20)
    with pytest.raises(InputError, match="no metric 'manhattan'"):
        neighbors(texts(20), 2, metric="manhattan")
    broken = texts(20)
    broken[3, 1] = np.nan
    with pytest.raises(InputError, match="not finite numbers"):
        neighbors(broken, 2)


def test_change_and_loss_agree_with_sets():
    a, b = texts(seed=4), texts(seed=4)[:, :7] + 0.5 * texts(seed=5)[:, :7]
    change, lost = neighborhood_change(a, b, k=8), neighbors_lost(a, b, k=8)
    for row in range(0, 300, 7):
        near_a, near_b = set(sorted_loop(a, row, 8, "cosine")), set(sorted_loop(b, row, 8, "cosine"))
        assert change[row] == pytest.approx(1 - len(near_a & near_b) / len(near_a | near_b), abs=1e-12)
        assert lost[row] == pytest.approx(len(near_a - near_b) / 8, abs=1e-12)
    assert 0 < change.mean() < 1
    np.testing.assert_array_equal(change, neighborhood_change(neighbors(a, 10), neighbors(b, 8), k=8))


def test_the_same_space_turned_and_scaled_has_not_changed():
    a = texts(seed=6)
    turn = np.linalg.qr(np.random.default_rng(7).normal(size=(12, 12)))[0]
    assert not neighborhood_change(a, 5 * a @ turn).any()
    assert not neighborhood_change(a, a + 3, metric="euclidean").any()
    assert (overlap(np.array([[1, 2, 3]]), np.array([[3, 9, 1]])) == [2]).all()


def test_neighbourhoods_of_other_texts_do_not_compare():
    with pytest.raises(InputError, match="one run has 300 texts and the other 200"):
        neighborhood_change(texts(), texts(200))
    with pytest.raises(InputError, match="15 neighbours are compared, but only 5 were found before"):
        neighborhood_change(neighbors(texts(), 5), texts())


def test_flips_name_every_case():
    labels = np.array([0, 0, 0, 0, 0])
    found = flips(labels, np.array([0, 1, 1, 1, 0]), np.array([1, 0, 2, 1, 0]))
    assert tuple(found) == FLIPS


def test_changed_texts_are_ranked_and_joined_to_their_flips():
    frame = changed_texts([7, 5, 9], np.array([0.2, 0.9, 0.9]), np.array([1, 0, 1]), np.array([1, 0, 0]), np.array([0, 0, 1]), ["no", "yes"])
    assert frame.to_dict("list") == {
        "row_id": [5, 9, 7],
        "change": [0.9, 0.9, 0.2],
        "flip": ["right in both", "wrong in A, right in B", "right in A, wrong in B"],
        "label": ["no", "yes", "yes"],
        "prediction_a": ["no", "no", "yes"],
        "prediction_b": ["no", "yes", "no"],
    }
    numbers = changed_texts([7, 5], np.array([0.2, 0.9]), np.array([1, 0]), np.array([1, 0]), np.array([0, 0]))
    assert numbers["label"].tolist() == [0, 1]
    with pytest.raises(InputError, match="different lengths"):
        changed_texts([7, 5, 9], np.array([0.2, 0.9]), np.array([1, 0]), np.array([1, 0]), np.array([0, 0]))


def test_disagreement_is_the_share_outside_the_majority():
    predictions = np.array([[0, 1, 2, 0], [0, 1, 1, 1], [0, 2, 0, 1], [0, 2, 3, 1]])
    np.testing.assert_allclose(disagreement(predictions), [0, 0.5, 0.75, 0.25])
    drawn = np.random.default_rng(8).integers(0, 4, (6, 50))
    np.testing.assert_allclose(disagreement(drawn), [1 - max(list(column).count(c) for c in column) / 6 for column in drawn.T])
    with pytest.raises(InputError, match="at least 2 runs"):
        disagreement(predictions[:1])
