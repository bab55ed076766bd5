"""Training curves and class balance."""

import numpy as np
import pytest
from figure_cases import HOSTILE, make_pane, names

from dmlviz.core.types import InputError, Split, TextDataset
from dmlviz.figures.base import presets
from dmlviz.figures.training import classes, curves


def history(steps, start=2.0):
    rows = [{"kind": "step", "step": s, "epoch": s / 10, "loss": start / s, "ce": 1.0, "lr": 1e-4} for s in range(1, steps + 1)]
    return [*rows, *({"kind": "validation", "step": 10 * e, "epoch": e, "accuracy": 0.5 + 0.01 * e} for e in range(1, steps // 10 + 1))]


@pytest.fixture
def runs():
    return [make_pane("soft_triple").run, make_pane("supcon", seed=1).run, make_pane("supcon", seed=2, epochs=3).run]


def dataset(label_names, count=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(label_names), count)
    return TextDataset("set", ("x",) * count, labels, tuple(label_names), rng.choice(["train", "val", "test"], count), "hash", "made up")


def test_curves_hold_what_is_drawn(runs):
    table = curves.frame(runs, {run.id: history(100) for run in runs})
    rows = table[table["kind"] == "loss"]
    figure = curves.screen(table)
    lead = [trace for trace in figure.data if trace.hovertemplate]
    assert sum(len(trace.x) for trace in lead) == len(rows) == 300
    assert [note.text for note in figure.layout.annotations] == ["SoftTriple", "SupCon · epochs 4", "SupCon · epochs 3"]
    assert {trace.line.dash for trace in lead} == {"solid", "dash"}
    assert table.loc[table["kind"] == "validation", "value"].max() == pytest.approx(60.0)
    assert {"ce", "loss", "validation"} == set(table["kind"])
    figure = curves.paper(table, presets.preset("acl-column"), kind="validation")
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines) == (table["kind"] == "validation").sum()


def test_names_at_line_ends_do_not_touch(runs):
    table = curves.frame(runs, {run.id: history(30) for run in runs})
    figure = curves.screen(table, height=280)
    span = figure.layout.yaxis.range[1] - figure.layout.yaxis.range[0]
    ends = sorted(note.y for note in figure.layout.annotations)
    assert min(np.diff(ends)) * (280 - 76) / span >= 15.9


def test_ticks_name_epochs_when_runs_share_them(runs):
    shared = curves.frame(runs[:2], {run.id: history(100) for run in runs})
    assert all("epoch" in words for words in curves.screen(shared).layout.xaxis.ticktext)
    uneven = {runs[0].id: history(100), runs[1].id: [{**row, "epoch": row["step"] / 33} for row in history(100)]}
    assert not any("epoch" in words for words in curves.screen(curves.frame(runs[:2], uneven)).layout.xaxis.ticktext)


def test_curves_with_nothing_one_step_or_broken_values(runs):
    empty = curves.frame(runs, {})
    assert [note.text for note in curves.screen(empty).layout.annotations] == ["No steps yet"]
    assert curves.caption(empty, runs) == curves.alt(empty) == "No steps yet."
    one = curves.frame(runs[:1], {runs[0].id: history(1)})
    assert curves.screen(one).data[0].mode == "markers"
    rows = [*history(5), *({"kind": "step", "step": 6 + i, "epoch": 0.6, "loss": float(bad)} for i, bad in enumerate(["nan", "inf"]))]
    broken = curves.frame(runs[:1], {runs[0].id: rows})
    assert np.isfinite(curves.screen(broken).layout.yaxis.range).all()
    for table in (empty, one, broken):
        assert curves.paper(table, presets.preset("single")) is not None
    with pytest.raises(InputError, match="known: loss"):
        curves.screen(one, kind="lr")


@pytest.mark.parametrize("count", [2, 8, 20, 52, 77])
def test_class_bars_count_every_text_in_at_most_twenty_rows(count):
    data = dataset(names(count))
    table = classes.frame(data)
    figure = classes.screen(table)
    assert table["count"].sum() == sum(sum(trace.x) for trace in figure.data) == 400
    assert table["rank"].nunique() == min(count, 20)
    assert table["classes"].groupby(table["rank"]).first().sum() == count
    if count > 20:
        assert table["label"].iloc[-1] == f"and {count - 19} smaller classes"
    assert figure.layout.xaxis.range[0] == 0
    paper = classes.paper(table, presets.preset("acl-column"))
    assert sum(bar.get_width() for bar in paper.axes[0].patches) == 400
    assert f"{count} classes" in classes.caption(table, data)


def test_class_bars_of_a_split_and_of_hostile_names():
    data = dataset(sorted(HOSTILE))
    split = Split(np.arange(8), np.arange(8, 20), np.arange(20, 100), 1, "class", 0)
    table = classes.frame(data, split)
    assert table.groupby("part")["count"].sum().to_dict() == {"support": 8, "validation": 12, "test": 80}
    assert not any(set("<>$") & set(words) for words in classes.screen(table).layout.yaxis.ticktext)
    figure = classes.paper(table, presets.preset("acl-column"))
    figure.draw_without_rendering()
    assert all(t.get_window_extent().x0 >= -1 and t.get_window_extent().x1 <= figure.bbox.x1 + 1 for t in [*figure.texts, *figure.axes[0].texts])


def test_equal_bars_of_numbered_classes_stand_in_the_order_of_their_numbers():
    twelve = tuple(map(str, range(12)))
    texts = TextDataset("set", ("x",) * 24, np.arange(24) % 12, twelve, np.full(24, "train"), "hash", "made up")
    assert tuple(classes.frame(texts)["label"]) == twelve


def test_class_bars_of_nothing():
    table = classes.frame(dataset(["a"], 0))
    assert classes.alt(table) == classes.caption(table, None) == "No texts to count."
    assert classes.screen(table) is not None
    assert classes.paper(table, presets.preset("single")) is not None
