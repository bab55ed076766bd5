"""Every figure at the narrowest width there is, and with long names: nothing leaves the sheet, and every chart keeps room for its marks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from attribution_cases import attribution
from center_cases import make_input
from figure_cases import make_pane
from matplotlib.text import Text
from reliability_cases import made, texts_of
from test_attribution_figures import attribution_words_of, checked, run
from test_epochs import moved
from test_figure_charts import history
from test_graph_figures import given as graph_given
from test_group_figures import LOSSES, several
from test_influence_figure import given as influence_given

from dmlviz.analysis.geometry.projection import project
from dmlviz.core.types import TextDataset
from dmlviz.figures import FIGURES
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.base import fonts
from dmlviz.figures.base.paper import canvas, size_mm
from dmlviz.figures.base.presets import MM_PER_INCH, preset
from dmlviz.figures.maps.epochs import EpochInput

LONG = " with a name that goes on and on"
CLASSES = tuple(f"{one} of commodities and money markets" for one in ("acquisitions", "earnings", "interest", "trade"))
TEXTS = tuple(f"text {i} about the weather of tomorrow and of the days that follow, which nobody knows" for i in range(400))
SHEETS = ("custom:40mm", "acl-column", "acl-text")
OUTSIDE_MM, LEAST_AXES_MM = 0.3, 8.0


def news(labels: np.ndarray) -> TextDataset:
    return TextDataset("news", TEXTS[: len(labels)], labels, CLASSES, np.resize(["train", "val", "test"], len(labels)), "0" * 64, "made by hand")


@cache
def needs(kind: str) -> tuple:
    """What figures of that kind are drawn from, made by hand."""
    if kind == "outcomes":
        wanted = [(k, loss, draw) for k, (loss, draws) in enumerate(zip(LOSSES[:4], (5, 2, 1, 5), strict=True)) for draw in range(draws)]
        return tuple(made(10 * k + draw, loss=loss, support_seed=draw, classes=4, skill=1 + k) for k, loss, draw in wanted)
    if kind == "runs":
        return tuple(several(LOSSES, data=tuple(f"{one} news of the world" for one in "abcde")))
    if kind == "panes":
        return tuple(make_pane(loss, 4, seed=i) for i, loss in enumerate(LOSSES[:3]))
    if kind == "centers":
        return make_input("soft_triple", classes=4, moments=3), make_input("triple_entropy", classes=4, seed=1, moments=2)
    if kind == "graphs":
        return graph_given("supcon", classes=4), graph_given("g_loss", classes=4, seed=1)
    if kind == "attributions":
        chance, found = np.random.default_rng(0), []
        for one in (run("ce-0"), run("ce-1", seed=1), run("sup-0", loss="supcon", ce_weight=0.1)):
            own = {row: attribution(TEXTS[row], chance.normal(size=len(attribution_words_of(TEXTS[row]))), row_id=row, class_id=row % 4)
                   for row in range(12)}  # fmt: skip
            found.append(AttributionInput(one, own, "ig"))
        return tuple(found)
    raise AssertionError(kind)


def snapshots() -> list[EpochInput]:
    found = []
    for seed, loss in enumerate(LOSSES[:2]):
        arrays, pane = moved(seed), make_pane(loss, classes=3)
        own = {"labels": arrays.labels, "predictions": arrays.labels, "confidence": np.full(30, 0.9), "roles": arrays.roles}
        found.append(EpochInput(pane._replace(projection=project(arrays.embeddings, arrays.row_ids, method="pca"), **own), arrays))
    return found


@cache
def frame(name: str):
    """The figure's table, every method and class of it with a long name."""
    entry = FIGURES[name]
    labels, options = np.arange(200) % 4, {}
    if name == "influence":
        one = influence_given(4)
        table = entry.frame(one, replace(news(one.pane.labels), parts=np.array(["train"] * len(one.pane.labels))))
    elif name == "attribution_sanity":
        table = entry.frame([checked("ce-0", [1.0, 0.4, 0.1, 0.0]), checked("ce-1", [1.0, 0.9, 0.8, 0.7], loss="supcon")])
    else:
        source = {"label_names": CLASSES, "texts": TEXTS, "dataset": news(labels)}
        if "outcomes" in entry.needs:
            source |= {"outcomes": needs("outcomes"), "dataset": texts_of(needs("outcomes")[0], CLASSES)}
        elif name == "curves":
            runs = [pane.run for pane in needs("panes")]
            source |= {"runs": runs, "events": {one.id: history(100) for one in runs}}
        elif "snapshots" in entry.needs:
            source |= {"snapshots": snapshots()}
        else:
            source |= {kind: needs(kind) for kind in entry.needs if kind not in source}
        options = {"attribution_words": {"row": 1}, "graph_why": {"node": 30}}.get(name, {})
        table = entry.frame(*(source[kind] for kind in entry.needs), **options)
    for column in {"title", "method"} & set(table):
        table[column] = table[column].astype(str) + LONG
    return table


@pytest.mark.parametrize("size", SHEETS)
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("letters", ["Liberation", "STIXGeneral", "DejaVu Sans"])
def test_nothing_leaves_the_sheet_and_every_chart_has_room(name, size, letters, monkeypatch):
    """Whichever font draws: the package's own, or one that is a tenth narrower or wider."""
    if letters != "Liberation":
        monkeypatch.setattr(fonts, "STACKS", dict.fromkeys(fonts.STACKS, (letters, "DejaVu Sans")))
    figure = FIGURES[name].paper(frame(name), preset(size))
    assert outside(figure) == []
    assert narrow(figure) == []


def outside(figure) -> list[tuple[str, dict[str, float]]]:
    """Each text that leaves the sheet, and by how many mm on which sides."""
    renderer, found = figure.canvas.get_renderer(), []
    figure.draw(renderer)
    width, height = figure.canvas.get_width_height()
    unseen = {id(words) for ax in figure.axes for words in _unseen(ax)}
    for one in figure.findobj(Text):
        if not one.get_text().strip() or not one.get_visible() or id(one) in unseen:
            continue
        box, mm = one.get_window_extent(renderer), MM_PER_INCH / figure.dpi
        over = {"left": -box.x0 * mm, "right": (box.x1 - width) * mm, "below": -box.y0 * mm, "above": (box.y1 - height) * mm}
        if max(over.values()) > OUTSIDE_MM:
            found.append((one.get_text(), {side: round(float(by), 1) for side, by in over.items() if by > OUTSIDE_MM}))
    return found


def _unseen(ax) -> list[Text]:
    """What Matplotlib never draws of an axes: labels of ticks beyond its range, and all of them where the axes are off."""
    found = []
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        slack = 1e-6 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not ax.axison or not low - slack <= tick.get_loc() <= high + slack:
                found += [tick.label1, tick.label2]
    return found


def narrow(figure) -> list[tuple[float, float]]:
    """The sizes in mm of axes that have no room for a mark."""
    width, height = size_mm(figure)
    charts = [one.get_position(original=True) for one in figure.axes if one.get_gid() != "scale"]  # a bar of colours is no chart
    sizes = [(float(width * box.width), float(height * box.height)) for box in charts]
    return [size for size in sizes if min(size) < LEAST_AXES_MM]


def test_what_leaves_the_sheet_is_found():
    figure = canvas(40, 20)
    figure.text(0.9, 0.5, "far too long for here", fontsize=7)
    figure.add_axes((0.5, 0.1, 0.1, 0.5)).set_axis_off()
    assert [sorted(sides) for _, sides in outside(figure)] == [["right"]]
    assert len(narrow(figure)) == 1
