"""Maps over epochs: what the frame holds, that the last moment is the trained run's, and that paper and GIF have what they say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dmlviz.analysis.geometry.projection import project
from dmlviz.analysis.geometry.trails import snapshot_maps
from dmlviz.core.types import InputError, RunArrays
from dmlviz.figures.base.presets import preset
from dmlviz.figures.maps import epochs
from dmlviz.figures.maps.frame import pane_ids
from tests.figure_cases import make_pane

NAMES = ("a", "b", "c")
TEXTS = tuple(f"text {i} <b>" for i in range(400))


def moved(seed: int, moments: int = 5, texts: int = 30) -> RunArrays:
    """Texts that part into three classes over the moments."""
    rng = np.random.default_rng(seed)
    labels = np.arange(texts) % 3
    start, pull = rng.normal(size=(texts, 12)), 3 * np.eye(12)[labels]
    snapshots = np.stack([start + share * pull for share in np.linspace(0, 1, moments)]).astype(np.float16)
    rows = np.arange(texts)
    roles = np.array(["support"] * 6 + ["test"] * (texts - 6))
    return RunArrays(
        snapshots[-1], rows, roles, labels, None, {"head": np.eye(3)[labels]}, None, None, snapshots, np.arange(moments, dtype=float), rows,
    )  # fmt: skip


@pytest.fixture
def inputs():
    found = []
    for seed, loss in enumerate(("soft_triple", "g_loss")):
        arrays = moved(seed)
        pane = make_pane(loss, classes=3)
        one = project(arrays.embeddings, arrays.row_ids, method="pca")
        own = {"labels": arrays.labels, "predictions": arrays.labels, "confidence": np.full(30, 0.9), "roles": arrays.roles}
        found.append(epochs.EpochInput(pane._replace(projection=one, **own), arrays))
    return found


def test_a_trail_is_one_pca_of_all_moments(inputs):
    arrays = [one.arrays for one in inputs]
    first, second = snapshot_maps(arrays, ["one", "two"])
    flat = arrays[0].snapshots.reshape(-1, 12).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    centred = flat - flat.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(first.points.reshape(-1, 2)), np.abs(centred @ axes[:2].T), atol=1e-4)
    assert first.variance == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), abs=1e-4)
    assert first.residual is None
    assert 0 <= second.residual <= 1
    np.testing.assert_array_equal(first.end.points, first.points[-1])


def test_runs_without_or_with_other_moments_are_sentences(inputs):
    from dataclasses import replace

    first, second = (one.arrays for one in inputs)
    with pytest.raises(InputError, match="two kept no snapshots"):
        snapshot_maps([first, replace(second, snapshots=None)], ["one", "two"])
    with pytest.raises(InputError, match="two kept other moments"):
        snapshot_maps([first, replace(second, snapshot_epochs=second.snapshot_epochs * 2)], ["one", "two"])


@pytest.mark.parametrize("color_by", epochs.COLOR_BY)
def test_the_frame_has_every_text_at_every_moment(inputs, color_by):
    table = epochs.frame(inputs, NAMES, TEXTS, color_by=color_by)
    assert len(table) == 2 * 5 * 30
    assert len(pane_ids(table)) == 10
    assert table["accuracy"].notna().groupby(table["epoch"]).all().tolist() == [False] * 4 + [True]
    trail = snapshot_maps([one.arrays for one in inputs], ["one", "two"])[1]
    own = table[(table["run"] == inputs[1].pane.run.id) & (table["epoch"] == 2)].set_index("row_id")
    np.testing.assert_allclose(own.loc[trail.row_ids, ["x", "y"]].to_numpy(), trail.points[2], atol=1e-6)


def test_paper_shows_first_and_last_in_rows_by_run(inputs):
    table = epochs.frame(inputs, NAMES, TEXTS)
    figure = epochs.paper(table, preset("acl-column"))
    panes = [ax for ax in figure.axes if ax.axison and ax.spines["left"].get_visible()]  # the key has no frame
    assert len(panes) == 2 * 3  # 77 mm hold three moments
    shown = [one.get_text() for one in figure.texts]
    assert {"SoftTriple, start", "epoch 2", "epoch 4"} <= set(shown)
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(77.0)
    said = epochs.caption(table, inputs)
    assert "The same 30 texts" in said
    assert "moments kept: before training, epoch 1, epoch 2, epoch 3, epoch 4" in said
    assert "Single runs" in said


def test_the_gif_has_a_picture_for_each_moment(inputs):
    found = Image.open(io.BytesIO(epochs.gif(epochs.frame(inputs, NAMES, TEXTS), preset("acl-text"))))
    assert found.n_frames == 5
    first = np.asarray(found.convert("RGB")).copy()
    found.seek(4)
    assert (first != np.asarray(found.convert("RGB"))).any()
