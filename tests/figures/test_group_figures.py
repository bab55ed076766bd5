"""Few-shot curves, gains and ranks: the frame holds what is drawn, pairs are pairs, lone runs say so, paper has the exact width."""

from __future__ import annotations

import io

import numpy as np
import pytest
from outcome_cases import run_of
from pypdf import PdfReader

from dmlviz.analysis.statistics import student
from dmlviz.core.types import FigureSpec, InputError
from dmlviz.export.files import Provenance, figure_bytes
from dmlviz.export.load_figure import picture, sources
from dmlviz.figures import FIGURES
from dmlviz.figures.base.presets import PRESETS
from dmlviz.figures.base.theme import DARK, LIGHT
from dmlviz.figures.reliability import gain_forest, ranks, shots_curve
from dmlviz.figures.reliability.frame import members, method_titles
from dmlviz.store.runs import Store

LOSSES = ("cross_entropy", "triple_entropy", "supcon", "g_loss", "soft_triple", "proxy_anchor")
NAMES = ("shots_curve", "gain_forest", "ranks")


def several(losses=LOSSES[:3], data=("trec",), shots=(4, 8), draws=5) -> list:
    rng = np.random.default_rng(0)
    return [run_of(draw, draw, accuracy=0.5 + 0.03 * i + 0.02 * k + 0.02 * rng.normal(), loss=loss, data=name, shots=k)
            for name in data for k in shots for i, loss in enumerate(losses) for draw in range(draws)]  # fmt: skip


def test_a_curve_holds_every_run_and_every_mean():
    runs = several()
    table = shots_curve.frame(runs)
    means, dots = table[table["kind"] == "mean"], table[table["kind"] == "run"]
    assert sorted(dots["run"]) == sorted(run.id for run in runs)
    assert len(means) == 6
    row = means[(means["loss"] == "supcon") & (means["shots"] == 8)].iloc[0]
    own = np.array([100 * run.metrics["accuracy"] for run in runs if run.config.loss == "supcon" and run.config.shots == 8])
    assert (row["value"], row["low"], row["high"], row["n"]) == pytest.approx((own.mean(), *map(float, student(own)), 5))
    assert shots_curve.frame(runs, metric="macro_f1").query("kind == 'mean'")["value"].to_numpy() == pytest.approx(means["value"].to_numpy() - 10)
    assert shots_curve.frame(runs, predictions_by="knn").query("kind == 'run'")["value"].iloc[0] == pytest.approx(dots["value"].iloc[0] / 2)


def test_every_training_text_stands_beyond_the_most_shots():
    table = shots_curve.frame([run_of(0, shots=4), run_of(0, shots=8), run_of(0, shots=None)])
    assert table[table["kind"] == "mean"].sort_values("shots")["x"].tolist() == pytest.approx([2, 3, 4])
    assert np.isinf(table["shots"]).sum() == 2
    figure = shots_curve.screen(table, "x")
    assert figure.layout.xaxis.ticktext == ("4", "8", "all")


def test_one_colour_and_mark_a_loss_and_a_name_at_each_line():
    table = shots_curve.frame(several(LOSSES))
    figure = shots_curve.screen(table, "trec")
    assert len(figure.layout.annotations) == 6
    heights = sorted(note.y for note in figure.layout.annotations)
    assert min(np.diff(heights)) > 0
    assert table.groupby("method")["mark"].nunique().eq(1).all()
    assert table["mark"].nunique() == 6


def test_a_gain_is_that_of_its_pairs():
    runs = several()
    table = gain_forest.frame(runs)
    assert "Cross-entropy" not in set(table["method"])
    by = {(run.config.loss, run.config.shots, run.config.support_seed): 100 * run.metrics["accuracy"] for run in runs}
    for row in table[table["kind"] == "mean"].itertuples():
        shots = int(row.pane.split(", ")[1].split()[0])
        gains = np.array([by[row.loss, shots, draw] - by["cross_entropy", shots, draw] for draw in range(5)])
        assert (row.gain, row.low, row.high, row.n) == pytest.approx((gains.mean(), *map(float, student(gains)), 5))
        dots = table[(table["kind"] == "pair") & (table["place"] == row.place)]["gain"]
        assert sorted(dots) == pytest.approx(sorted(gains))


def test_a_gain_is_taken_over_the_cross_entropy_most_like_it():
    runs = [run_of(0, loss="supcon", accuracy=0.9, epochs=8), run_of(0, accuracy=0.5, epochs=4), run_of(0, accuracy=0.6, epochs=8)]
    table = gain_forest.frame(runs)
    assert table[table["kind"] == "mean"]["gain"].tolist() == pytest.approx([30.0])
    with pytest.raises(InputError, match="train cross-entropy with the same draws"):
        gain_forest.frame([run_of(0, loss="supcon"), run_of(1)])
    with pytest.raises(InputError, match="train cross-entropy"):
        gain_forest.frame([run_of(0)])


def test_a_lone_run_is_a_single_run_and_has_no_interval():
    runs = several(draws=1)
    curve, gains = shots_curve.frame(runs), gain_forest.frame(runs)
    assert curve["low"].isna().all()
    assert "Every mark is a single run, so no interval" in shots_curve.caption(curve, runs)
    assert "(single run)" in shots_curve.alt(curve)
    assert "single pair" in gain_forest.alt(gains)
    assert "no interval can be given" in gain_forest.caption(gains, runs)
    assert all(symbol.endswith("-open") for trace in shots_curve.screen(curve, "trec").data if trace.mode == "lines+markers"
               for symbol in trace.marker.symbol)  # fmt: skip
    both = shots_curve.caption(shots_curve.frame([*several(), run_of(0, loss="g_loss", data="trec")]), runs)
    assert "Hollow marks are single runs" in both


def test_a_tenth_of_a_point_does_not_fill_the_picture_and_a_lone_run_is_drawn_once():
    runs = [run_of(0, accuracy=0.6620), run_of(0, accuracy=0.6624, loss="triple_entropy")]
    figure = shots_curve.screen(shots_curve.frame(runs), "x")
    low, high = figure.layout.yaxis.range
    assert high - low >= shots_curve.LEAST_SPAN
    assert sum(len(trace.x) for trace in figure.data if "markers" in trace.mode) == 2
    gains = gain_forest.screen(gain_forest.frame(runs))
    assert sum(len(trace.x) for trace in gains.data) == 1


def test_ranks_say_when_there_is_nothing_to_test():
    few = several(data=("trec", "mr"))
    table = ranks.frame(few)
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["method"].tolist() == ["SupCon", "TripleEntropy", "Cross-entropy"]
    assert "2 of at least 5 data sets: ranks alone, no test" in ranks.alt(table)
    assert "significant" not in ranks.caption(table, few)
    many = several(data=tuple("abcdef"), losses=LOSSES[:4], draws=2)
    tested = ranks.frame(many)
    assert tested["critical"].iloc[0] == pytest.approx(1.915, abs=1e-3)
    assert "Friedman" in ranks.caption(tested, many)
    with pytest.raises(InputError, match="pick more"):
        ranks.frame(several())
    gone = ranks.frame([*few, run_of(0, loss="triplet", data="trec")])
    assert gone["left_out"].iloc[0] == 1


def test_titles_name_what_tells_groups_of_one_loss_apart():
    found = members([run_of(0), run_of(0, epochs=9), run_of(0, data="mr"), run_of(0, shots=4)])
    assert sorted({one.method for one in found}) == ["Cross-entropy, epochs 4", "Cross-entropy, epochs 9"]
    assert method_titles([one.group for one in members([run_of(0, data="mr"), run_of(0)])]) == ["Cross-entropy"] * 2
    with pytest.raises(InputError, match="no finished run here has an accuracy of the readout 'propagation'"):
        members([run_of(0)], predictions_by="propagation")


HOSTILE = "<b>bad</b> $x$"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda one: one.name)
def test_names_from_data_are_never_markup(name, theme):
    runs = several(data=("trec", "mr"))
    runs = [run.__class__(**{**run.__dict__, "id": run.id.replace("trec", HOSTILE)}) for run in runs]
    entry = FIGURES[name]
    table = entry.frame(runs)
    drawn = entry.screen(table, table["pane"].iloc[-1], theme=theme).to_json()
    assert "<b>bad" not in drawn
    assert "$x$" not in drawn
    assert HOSTILE.split()[0] in table.to_csv() or name == "ranks"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["acl-column", "acl-text"])
def test_paper_has_the_exact_width_and_no_word_is_small_or_outside(name, preset):
    runs = several(LOSSES, data=("trec", "mr"), shots=(4, 8, 16))
    entry, size = FIGURES[name], PRESETS[preset]
    table = entry.frame(runs)
    figure = entry.paper(table, size)
    made = figure_bytes(figure, "pdf", provenance=Provenance(entry.title, entry.caption(table, runs), ("a",)))
    page = PdfReader(io.BytesIO(made)).pages[0]
    assert float(page.mediabox.width) / 72 * 25.4 == pytest.approx(size.width_mm, abs=0.05)
    figure.canvas.draw()
    texts = [one for one in figure.findobj(lambda artist: hasattr(artist, "get_fontsize")) if one.get_visible() and one.get_text().strip()]
    assert min(one.get_fontsize() for one in texts) >= 6
    inner = figure.bbox
    for one in texts:
        box = one.get_window_extent()
        assert box.x0 >= inner.x0 - 1, one.get_text()
        assert box.x1 <= inner.x1 + 1, one.get_text()
    words = page.extract_text()
    assert all(title in words for title in ("TripleEntropy", "Proxy-Anchor"))


@pytest.mark.parametrize("name", NAMES)
def test_the_table_of_figures_draws_them(name, monkeypatch, tmp_path):
    runs = {run.id: run for run in several(data=("trec", "mr"))}
    source = sources(Store(tmp_path))._replace(run=runs.__getitem__)
    drawn = picture(FigureSpec(name=name, run_ids=tuple(runs), options={"metric": "macro_f1"}), source)
    assert "acro-F1" in drawn.caption
    assert len(drawn.caption) < 400
