"""The map in three dimensions draws every text once and names the classes."""

from __future__ import annotations

import numpy as np
from figure_cases import HOSTILE, make_pane, names

from dmlviz.figures.maps import manifold, map_3d


def frame_of(pane, label_names, texts, **settings):
    table = manifold.frame([pane], label_names, texts, parts=("test", "validation", "support"), **settings)
    return table.assign(z=np.random.default_rng(0).normal(size=len(table)))


def test_every_text_is_drawn_once_and_every_class_is_named(texts):
    pane = make_pane("soft_triple")
    table = frame_of(pane, names(8), texts)
    figure = map_3d.screen(table, pane.run.id)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in marks) == len(table)
    assert {trace.name for trace in marks} == {"test", "validation", "support"}
    (named,) = [trace for trace in figure.data if trace.mode == "text"]
    assert sorted(named.text) == names(8)
    places = set(zip(table["x"], table["y"], table["z"], strict=True))
    assert set(zip(named.x, named.y, named.z, strict=True)) <= places  # medoids


def test_hostile_names_and_texts_are_escaped_in_three_dimensions():
    pane = make_pane("supcon", len(HOSTILE), 60)
    table = frame_of(pane, HOSTILE, [HOSTILE[i % len(HOSTILE)] for i in range(200)], color_by="correctness")
    written = map_3d.screen(table, pane.run.id).to_json()
    assert "<script" not in written.replace("\\u003c", "<")


def test_no_texts_are_said(texts):
    table = frame_of(make_pane("supcon"), names(8), texts)
    assert map_3d.screen(table.head(0), "supcon-0").layout.title.text == "No texts to show"
