"""The picture of influence: what is drawn is what was counted, and texts are shown as themselves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from figure_cases import HOSTILE, make_pane, names

from dmlviz.analysis.reliability.influence import Retrained
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.core.types import InputError, RunArrays, TextDataset
from dmlviz.export.files import Provenance, figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.base.presets import PRESETS
from dmlviz.figures.base.theme import DARK
from dmlviz.figures.reliability.influence import InfluenceInput

ENTRY = FIGURES["influence"]


def dataset_of(pane, classes: int) -> TextDataset:
    texts = tuple(HOSTILE[i % len(HOSTILE)] for i in range(len(pane.labels)))
    return TextDataset("odd", texts, pane.labels, tuple(names(classes)), np.array(["train"] * len(texts)), "h", "made")


def given(classes: int = 8, *, left_out: int | None = None, seeds: int = 3) -> InfluenceInput:
    """A run with two support texts a class and its retrainings; text number i wrong on i more test texts when it is left out."""
    pane = make_pane("supcon", classes)
    count = len(pane.labels)
    nothing = dict.fromkeys(("logits", "centers", "centers_space", "snapshots", "snapshot_epochs", "snapshot_rows"))

    def outcome(wrong: int) -> Outcome:
        guesses = pane.labels.copy()
        test = np.flatnonzero(pane.roles == "test")
        guesses[test[:wrong]] = (guesses[test[:wrong]] + 1) % classes
        scores = {"head": np.log(0.02 + np.eye(classes)[guesses]).astype(np.float32)}
        arrays = RunArrays(np.zeros((count, 2), np.float16), pane.projection.row_ids, pane.roles, pane.labels, scores=scores, **nothing)
        return Outcome(pane.run, arrays, "head")

    support = np.flatnonzero(pane.roles == "support")
    kept = support if left_out is None else support[:left_out]
    return InfluenceInput(pane, Retrained(outcome(20), {int(row): outcome(14 + i) for i, row in enumerate(kept)}, [outcome(18)] * seeds))


@pytest.fixture(scope="module")
def drawn():
    one = given()
    return one, dataset_of(one.pane, 8), ENTRY.frame(one, dataset_of(one.pane, 8))


def test_the_frame_has_a_row_per_text_left_out_and_a_place_per_test_text(drawn):
    one, _, table = drawn
    support = table[table["kind"] == "support"]
    assert len(support) == 16
    assert (table["kind"] == "test").sum() == 120
    assert support["effect"].tolist() == pytest.approx([100 * (i - 6) / 120 for i in range(15, -1, -1)])
    where = dict(zip(one.pane.projection.row_ids, one.pane.projection.points, strict=True))
    assert all((row.x, row.y) == tuple(where[row.row_id]) for row in support.itertuples())


def test_screen_shows_each_text_once_with_its_sign_as_a_shape(drawn):
    _, _, table = drawn
    figure = ENTRY.screen(table, "map", theme=DARK)
    by_mark = {trace.marker.symbol: len(trace.x) for trace in figure.data if trace.marker.symbol}
    assert by_mark == {"triangle-up": 10, "triangle-down": 6}
    bars = ENTRY.screen(table, "bars")
    assert list(bars.data[0].x) == pytest.approx(table[table["kind"] == "support"]["effect"].tolist())
    hover = [text for trace in figure.data if trace.hovertext is not None for text in trace.hovertext]
    told = "".join(map(str, [*bars.layout.yaxis.ticktext, *hover]))
    assert "<script>" not in told
    assert "&lt;script&gt;" in told
    assert "%{x}" not in told


def test_of_many_texts_both_ends_are_shown_and_the_rest_is_counted():
    one = given(classes=30)
    table = ENTRY.frame(one, dataset_of(one.pane, 30))
    bars = ENTRY.screen(table, "bars")
    assert len(bars.data[0].x) == 24
    assert "36 texts between not shown" in bars.layout.xaxis.title.text


@pytest.mark.parametrize("preset", ["acl-column", "double"])
@pytest.mark.parametrize("classes", [2, 8, 30])
def test_paper_is_exact_whole_and_readable(preset, classes):
    one = given(classes=classes)
    figure = ENTRY.paper(ENTRY.frame(one, dataset_of(one.pane, classes)), PRESETS[preset])
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(PRESETS[preset].width_mm)
    written = [one for one in figure.findobj(lambda a: hasattr(a, "get_fontsize") and a.get_text()) if one.get_visible()]
    assert min(one.get_fontsize() for one in written) >= 6
    data = figure_bytes(figure, "pdf", provenance=Provenance("t", "c", ("x",)))
    assert io.BytesIO(data).read(5) == b"%PDF-"
    width, height = figure.canvas.get_width_height()
    for words in written:
        box = words.get_window_extent()
        assert box.x0 > -3, words.get_text()
        assert box.x1 < width + 3, words.get_text()
        assert box.y0 > -3, words.get_text()
        assert box.y1 < height + 3, words.get_text()


def test_the_caption_says_what_other_seeds_do(drawn):
    one, dataset, table = drawn
    caption = ENTRY.caption(table, one)
    assert "trained again without each of 16 support texts" in caption
    assert "3 other seeds move accuracy by 1.7 points" in caption
    lone = given(seeds=0)
    assert "not known yet" in ENTRY.caption(ENTRY.frame(lone, dataset), lone)


def test_nothing_to_show_is_a_sentence():
    one = given(left_out=0)
    with pytest.raises(InputError, match="start it on the Reliability page under Influence"):
        ENTRY.frame(one, dataset_of(one.pane, 8))
