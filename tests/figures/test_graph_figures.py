"""The similarity graphs: what the frames hold is what screen and paper draw."""

import math
import re

import numpy as np
import pytest
from figure_cases import HOSTILE

from dmlviz.analysis.graph.similarity import similarity_graph, steps
from dmlviz.core.types import FigureSpec, GraphBatches, InputError, Pane, Progress, Projection, Run, RunArrays, RunConfig, TextDataset
from dmlviz.export.load_figure import Sources, picture
from dmlviz.figures import FIGURES
from dmlviz.figures.base import presets, theme
from dmlviz.figures.graph import degrees, matrix, sigma, why
from dmlviz.figures.graph import similarity as graph
from dmlviz.figures.graph.frame import GraphInput, chosen_edges, default_focus, views

TEXTS = [f"text {i} <b>with</b> $some$ words" for i in range(4_000)]


def given(loss: str = "supcon", count: int = 60, classes: int = 3, *, seed: int = 0, snapshots: int = 2, spread: float = 0.5,
          graph: GraphBatches | None = None) -> GraphInput:  # fmt: skip
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    vectors = (np.random.default_rng(9).normal(size=(classes, 8))[labels] + spread * rng.normal(size=(count, 8))).astype(np.float16)
    kept = None if not snapshots else np.stack([vectors[:20]] * snapshots)
    times, rows = (None, None) if kept is None else (np.arange(snapshots, dtype=float), np.arange(20))
    roles = np.where(np.arange(count) < 2 * classes, "support", "test")
    arrays = RunArrays(vectors, np.arange(count), roles, labels, None, {}, None, None, kept, times, rows, graph=graph)
    config, done = RunConfig(dataset="r8", loss=loss, seed=seed), Progress("done", 1, 1, "step", None)
    run = Run(f"{loss}-{seed}", config, "finished", done, {"accuracy": 0.9}, 0.0)
    return GraphInput(run, arrays, Projection(rng.normal(size=(count, 2)).astype(np.float32), np.arange(count), "umap", "cosine", 0, 0.9, 15, count))


def names(classes: int = 3) -> list[str]:
    return [f"class {i:02d}" for i in range(classes)]


@pytest.fixture
def two() -> list[GraphInput]:
    return [given("supcon"), given("g_loss", seed=1)]


def lines(figure) -> int:
    """Edges drawn: each is two points and a gap."""
    return sum(len(trace.x) // 3 for trace in figure.data if trace.mode == "lines")


def marks(figure) -> list[int]:
    return sorted(row for trace in figure.data if trace.name in ("hidden", "visible") for row in trace.customdata)


# ---- nodes and edges


@pytest.mark.parametrize("color_by", graph.COLOR_BY)
@pytest.mark.parametrize("classes", [2, 8, 52])
def test_screen_and_paper_draw_every_node_and_edge_once(color_by, classes):
    pair = [given("supcon", 120, classes), given("g_loss", 120, classes, seed=1)]
    table = graph.frame(pair, names(classes), TEXTS, sample="100", color_by=color_by)
    for pane in graph.pane_ids(table):
        rows = table[table["pane"] == pane]
        figure = graph.screen(table, pane)
        assert marks(figure) == sorted(rows.loc[rows["mark"] == "node", "row_id"])
        assert lines(figure) == (rows["mark"] == "edge").sum()
    paper = graph.paper(table, presets.preset("acl-text"))
    drawn = [ax for ax in paper.axes if ax.axison]
    assert sum(len(c.get_segments()) for ax in drawn for c in ax.collections if hasattr(c, "get_segments")) == (table["mark"] == "edge").sum()
    dots = [c for ax in drawn for c in ax.collections if not hasattr(c, "get_segments")]
    assert sum(len(c.get_offsets()) for c in dots) == (table["mark"] == "node").sum()


def test_edges_are_told_apart_and_wider_when_heavier(two):
    table = graph.frame(two, names(), TEXTS, edges="top5")
    edges, nodes = table[table["mark"] == "edge"], table[table["mark"] == "node"]
    labels = nodes.set_index(["pane", "row_id"])["label"]
    for edge in edges.itertuples():
        assert edge.same_class == (labels[edge.pane, edge.row_id] == labels[edge.pane, edge.row_id_2])
    assert edges["weight"].corr(edges["band"].astype(float)) > 0.9
    figure = graph.screen(table, two[0].run.id)
    found = {trace.name: trace.line for trace in figure.data if trace.mode == "lines"}
    assert {line.dash for name, line in found.items() if name.startswith("cross")} == {"dash"}
    assert {line.dash for name, line in found.items() if name.startswith("same")} == {"solid"}
    widths = [found[f"same {band}"].width for band in range(4) if f"same {band}" in found]
    assert widths == sorted(widths)
    assert len(set(widths)) == len(widths) > 1


def test_visible_labels_are_ringed_and_selected_and_asked_texts_too(two):
    table = graph.frame(two[:1], names(), TEXTS, visible="0.2")
    figure = graph.screen(table, two[0].run.id, selected=[3, 4, 5000], node=7)
    by_name = {trace.name: trace for trace in figure.data}
    nodes = table[table["mark"] == "node"]
    assert len(by_name["visible"].x) == nodes["visible"].sum() == 12
    assert by_name["visible"].marker.line.color == theme.LIGHT.ink
    assert len(by_name["selected"].x) == 2
    row = nodes[nodes["row_id"] == 7].iloc[0]
    assert (by_name["asked"].x[0], by_name["asked"].y[0]) == pytest.approx((row["x"], row["y"]))


def test_at_most_four_thousand_edges_are_drawn_the_heaviest_and_it_is_said(monkeypatch, two):
    monkeypatch.setattr("dmlviz.figures.graph.frame.MOST_EDGES", 30)
    table = graph.frame(two[:1], names(), TEXTS, edges="top5")
    edges = table[table["mark"] == "edge"]
    one = views(two[:1], 3, {})[0]
    every = chosen_edges(one.study, "top5")
    place = {int(row): i for i, row in enumerate(one.study.nodes.row_ids)}
    for edge in edges.itertuples():
        i, j = place[edge.row_id], place[edge.row_id_2]
        assert edge.weight == one.study.graph.weights[i, j]
        assert (edge.x, edge.y, edge.x2, edge.y2) == pytest.approx((*one.points[i], *one.points[j]))
    assert len(edges) == 30
    assert edges["weight"].min() == pytest.approx(np.sort(every.weights)[-30])
    assert edges["edges_in_all"].iloc[0] == len(every.weights)
    assert f"the 30 heaviest of up to {len(every.weights):,} a run" in graph.caption(table, two[:1])


def test_what_no_label_reaches_is_hollow_and_named():
    table = graph.frame([given(spread=0.01)], names(), TEXTS, sigma="0.01", visible="0.02", color_by="propagated")
    nodes = table[table["mark"] == "node"]
    lost = nodes[~nodes["reached"].astype(bool)]
    assert len(lost)
    assert set(lost["symbol"]) == {"circle-open"}
    assert set(lost["predicted"]) == {""}
    assert np.isfinite(nodes[["confidence", "entropy"]].to_numpy(dtype=float)).all()
    assert any("no label reaches it" in text for trace in graph.screen(table, "supcon-0").data if trace.hovertext for text in trace.hovertext)


def test_spring_layout_is_for_few_texts_and_repeats(monkeypatch, two):
    a, b = (graph.frame(two[:1], names(), TEXTS, layout="spring") for _ in range(2))
    nodes = a[a["mark"] == "node"]
    assert (a["x"] == b["x"]).all()
    assert nodes["x"].abs().max() <= 1.001
    assert (nodes["x"].to_numpy() != graph.frame(two[:1], names(), TEXTS).query("mark == 'node'")["x"].to_numpy()).any()
    monkeypatch.setattr("dmlviz.figures.graph.frame.SPRING_LIMIT", 10)
    assert "A spring layout is made for up to 10 texts" in views(two[:1], 3, {"layout": "spring"})[0].words[0]


def test_a_spring_pulls_a_class_together():
    one = views([given(spread=0.2)], 3, {"layout": "spring", "edges": "top5"})[0]
    labels, apart = one.study.nodes.labels, np.linalg.norm(one.points[:, None] - one.points[None], axis=2)
    same = labels[:, None] == labels[None]
    assert apart[same].mean() < 0.5 * apart[~same].mean()


def test_caption_and_alt_say_what_is_drawn(two):
    table = graph.frame(two, names(), TEXTS, sigma="0.5")
    said = graph.caption(table, two)
    for words in ("arXiv 2604.25853", "60 texts a run, 42 of them with a visible label, sigma 0.5", "3 strongest of each text", "single runs",
                  "orange dashed between classes", "supcon-0, g_loss-1"):  # fmt: skip
        assert words in said
    assert re.search(r"60 texts, 42 with a visible label; \d+ edges drawn", graph.alt(table, "supcon-0"))


@pytest.mark.parametrize(("options", "sentence"), [
    ({"color_by": "loss"}, "cannot colour by 'loss'; choose one of true"),
    ({"edges": "many"}, "edges 'many' is not accepted; give top3"),
    ({"edges": "min2"}, "edges 'min2' is not accepted"),
    ({"layout": "circle"}, "layout 'circle' is not accepted"),
    ({"seed": "-1"}, "seed='-1' is not accepted"),
    ({"sigma": "99"}, "sigma '99' is not accepted"),
])  # fmt: skip
def test_options_that_are_none_are_sentences(two, options, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        graph.frame(two, names(), TEXTS, **options)


def test_above_twenty_classes_the_eight_largest_have_colour():
    label_names = names(52)
    one = views([given(count=300, classes=52)], 52, {"sample": "all"})
    assert len(default_focus(one, label_names)) == 8
    table = graph.frame_of(one, label_names, TEXTS)
    assert table.loc[table["mark"] == "node", "color_key"].nunique() == 9


# ---- steps


def test_the_animation_has_a_frame_a_turn_and_ends_in_the_guesses(two):
    one = views(two[:1], 3, {})[0]
    study = one.study
    states = steps(study.graph, study.nodes.labels, study.propagated.visible, 3, (0, 1, 50))
    table = graph.frame_of([one], names(), TEXTS, color_by="propagated")
    styles = theme.class_styles(names())
    figure = graph.animation(table, one.run.id, ["0", "1", "the end"], states, names(), styles)
    assert [frame.name for frame in figure.frames] == ["0", "1", "the end"]
    hidden = next(trace for trace in figure.data if trace.name == "hidden")
    assert set(hidden.marker.symbol) == {"circle-open"}  # before the first turn nothing is known
    last = figure.frames[-1].data[0].marker
    assert len(last.color) == len(hidden.x) == study.propagated.hidden.sum()
    assert set(last.symbol) == {"circle"}
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "1", "the end"]


# ---- matrices


def test_a_matrix_is_the_weights_sorted_by_class(two):
    one = views(two[:1], 3, {})[0]
    table = matrix.frame_of([one], names())
    labels = one.study.nodes.labels
    order = np.argsort(labels, kind="stable")  # equal sizes: by name
    expected = one.study.graph.weights[np.ix_(order, order)]
    off = ~np.eye(60, dtype=bool)
    drawn = matrix.screen(table, one.run.id).data[0].z
    np.testing.assert_allclose(np.asarray(drawn)[off], expected[off], rtol=1e-6)
    assert np.isnan(np.asarray(drawn)[~off]).all()
    image = matrix.paper(table, presets.preset("acl-column")).axes[0].images[0].get_array()
    np.testing.assert_allclose(np.asarray(image)[off], expected[off], rtol=1e-6)
    assert [band.name for band in matrix.bands(table)] == names()
    within = float(table.loc[table["row_class"].astype(str) == table["column_class"].astype(str), "weight"].mean())
    assert f"{within:.3f} within classes" in matrix.alt(table, one.run.id)


def test_above_four_hundred_texts_a_cell_is_the_mean_of_two_classes():
    one = views([given(count=520, classes=26)], 26, {"sample": "all"})[0]
    table = matrix.frame_of([one], names(26))
    assert set(table["kind"]) == {"classes"}
    assert table["row"].max() == 19  # 19 classes and the rest
    assert table["row_class"].astype(str).iloc[-1] == theme.OTHER
    labels, weights = one.study.nodes.labels, one.study.graph.weights
    a, b = labels == 0, labels >= 19
    cells = table[(table["row_class"].astype(str) == "class 00") & (table["column_class"].astype(str) == theme.OTHER)]
    assert cells["weight"].item() == pytest.approx(weights[np.ix_(a, b)].mean(), rel=1e-5)


def test_epochs_are_the_snapshots_under_the_same_sigma(two):
    found = views(two, 3, {"sigma": "0.5"})
    table = matrix.frame(two, names(), sigma="0.5", moments="epochs")
    assert list(dict.fromkeys(table["moment"])) == ["epoch 0", "epoch 1"]
    assert len(table) == 2 * 2 * 20 * 20
    rows = table[(table["pane"] == "supcon-0") & (table["moment"] == "epoch 1")]
    weights = similarity_graph(two[0].arrays.snapshots[1], sigma=0.5).weights
    assert float(rows["weight"].sum()) == pytest.approx(weights.sum(), rel=1e-5)
    assert len(matrix.screen(table, "supcon-0").data) == 2
    assert len(matrix.paper(table, presets.preset("acl-text")).axes) == 5  # four matrices and the scale
    bare = [given(snapshots=0)]
    empty = matrix.epochs_frame(views(bare, 3, {}), bare, names())
    assert empty.empty
    assert "stored no snapshots" in matrix.caption(empty, bare)
    assert matrix.screen(empty, "supcon-0").layout.annotations[0].text == "No matrix to show"
    assert found[0].study.graph.sigma == 0.5


# ---- sigma


def test_the_curve_is_drawn_with_its_interval_and_both_sigmas():
    runs = [given(), given("g_loss", seed=1, snapshots=2)]
    table = sigma.frame(runs, names())
    curve = table[table["mark"] == "curve"]
    assert curve.groupby("pane")["sigma"].nunique().tolist() == [25, 25]
    assert (curve["low"] <= curve["accuracy"]).all()
    assert list(table.loc[table["mark"] == "trained", "pane"]) == ["g_loss-1"]
    figure = sigma.screen(table)
    drawn = [trace for trace in figure.data if trace.mode == "lines" and trace.fill is None]
    np.testing.assert_allclose(drawn[0].y, 100 * curve.loc[curve["pane"] == "supcon-0", "accuracy"])
    assert [trace.name for trace in figure.data].count("now") == 2
    assert [trace.name for trace in figure.data].count("trained") == 1
    said = sigma.caption(table, runs)
    assert "mean and 95% t interval over 10 random masks" in said
    assert "Diamonds: sigma of training" in said
    assert len(sigma.paper(table, presets.preset("acl-column")).axes[0].lines) == 2 * 3


def test_with_the_support_visible_there_is_one_mask_and_no_interval(two):
    table = sigma.frame(two[:1], names(), visible="support")
    assert set(table["masks"]) == {1}
    assert table["low"].isna().all()
    assert "one mask, the run's support: no interval" in sigma.caption(table, two[:1])
    assert not [trace for trace in sigma.screen(table).data if trace.name == "interval"]


# ---- why


def test_the_parts_of_a_text_s_score_sum_to_it(two):
    one = views(two[:1], 3, {})[0]
    place = int(np.flatnonzero(one.study.propagated.hidden)[0])
    node = int(one.study.nodes.row_ids[place])
    table = why.frame(two[:1], names(), TEXTS, node=str(node))
    given_by_class = table[table["mark"] == "class"].set_index("class")["part"]
    for c, name in enumerate(names()):
        assert given_by_class.get(name, 0.0) == pytest.approx(one.study.propagated.scores[place, c], abs=1e-8)
    assert table.loc[table["mark"] == "class", "share"].sum() == pytest.approx(1)
    bars = why.bars(table, one.run.id)
    drawn = np.concatenate([np.asarray(trace.x) for trace in why.screen(table, one.run.id).data])
    np.testing.assert_allclose(drawn, 100 * bars["share"])
    paper = why.paper(table, presets.preset("acl-column"))
    ids = [patch.get_gid() for ax in paper.axes for patch in ax.patches if patch.get_gid()]
    assert ids == [f"share-{share:.6f}" for share in bars["share"]]
    assert f"all parts sum to {given_by_class.sum():.4f}" in why.verdict(table, one.run.id)
    weights = table.loc[table["mark"] == "neighbor", "weight"]
    assert (np.diff(weights) <= 0).all()


def test_a_visible_text_shows_what_it_gave(two):
    one = views(two[:1], 3, {})[0]
    node = int(one.study.nodes.row_ids[np.flatnonzero(one.study.propagated.visible)[0]])
    table = why.frame(two[:1], names(), TEXTS, node=str(node))
    assert not (table["mark"] == "class").any()
    assert table.loc[table["mark"] == "text", "share"].between(0, 1).all()
    assert "is shown: nothing is guessed" in why.verdict(table, one.run.id)


def test_a_text_that_is_not_there_and_one_out_of_reach(two):
    with pytest.raises(InputError, match=r"text 999 is not among the texts of these graphs"):
        why.frame(two, names(), TEXTS, node="999")
    with pytest.raises(InputError, match=r"node='x' is not accepted"):
        why.frame(two, names(), TEXTS, node="x")
    lost = [given(spread=0.01)]
    one = views(lost, 3, {"sigma": "0.01", "visible": "0.02"})[0]
    place = int(np.flatnonzero(~one.study.propagated.reached)[0])
    table = why.frame(lost, names(), TEXTS, sigma="0.01", visible="0.02", node=str(int(one.study.nodes.row_ids[place])))
    assert "no visible label reaches it at this sigma" in why.verdict(table, "supcon-0")
    why.paper(table, presets.preset("acl-column"))


# ---- degrees


def test_quantiles_are_numpy_s(two):
    one = views(two[:1], 3, {})[0]
    table = degrees.frame_of([one])
    weights = one.study.graph.weights
    half = table[(table["share"] == 0.5)].set_index("quantity")["value"]
    assert half["weight"] == pytest.approx(np.median(weights[np.triu_indices(60, 1)]))
    assert half["degree"] == pytest.approx(np.median(weights.sum(axis=1) / 59))
    assert len(degrees.screen(table, quantity="degree").data) == 1
    assert len([ax for ax in degrees.paper(table, presets.preset("acl-column")).axes if ax.lines]) == 2


# ---- all of them


def dataset(label_names, texts) -> TextDataset:
    labels = np.arange(len(texts)) % len(label_names)
    return TextDataset("r8", tuple(texts), labels, tuple(label_names), np.full(len(texts), "test"), "0" * 64, "made up")


def source(runs: list[GraphInput], label_names, texts) -> Sources:
    panes = [Pane(one.run, one.projection, one.arrays.labels, one.arrays.labels, np.ones(len(one.arrays.labels)), one.arrays.roles) for one in runs]
    by_id = {one.run.id: one for one in runs}
    return Sources(lambda i: by_id[i].run, lambda ids: {}, lambda ids, method: (panes, dataset(label_names, texts)),
                   lambda content: dataset(label_names, texts), lambda i: None, lambda i: by_id[i].arrays)  # fmt: skip


@pytest.mark.parametrize("name", ["graph", "graph_matrix", "graph_sigma", "graph_why", "graph_degrees"])
def test_the_command_line_draws_each_with_hostile_names_and_no_small_print(name):
    label_names = [*HOSTILE[:7], "half ?"]
    runs = [given(classes=8), given("g_loss", classes=8, seed=1)]
    texts = ["<script>alert(1)</script> $x$ %{y} 名" for _ in range(100)]
    options = {"sample": "50", "sigma": "0.6", "visible": "0.5", **({"node": "5"} if name == "graph_why" else {})}
    if name == "graph_why":
        options |= {"sample": "all"}
    spec = FigureSpec(name=name, run_ids=tuple(one.run.id for one in runs), options=options)
    drawn = picture(spec, source(runs, label_names, texts))
    assert drawn.caption
    assert len(drawn.frame)
    sheet = FIGURES[name].paper(drawn.frame, presets.preset(spec.preset), **drawn.options)
    width = sheet.get_size_inches()[0] * 25.4
    assert width == pytest.approx(presets.preset(spec.preset).width_mm, abs=1e-6)
    words = [t for ax in sheet.axes for t in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())] + list(sheet.texts)
    assert min(t.get_fontsize() for t in words if t.get_text()) >= presets.MIN_PT
    screen = FIGURES[name].screen
    figure = screen(drawn.frame) if name in ("graph_sigma", "graph_degrees") else screen(drawn.frame, runs[0].run.id)
    said = [str(a.text) for a in figure.layout.annotations]
    said += [text for trace in figure.data if isinstance(trace.hovertext, (tuple, list)) for row in trace.hovertext
             for text in (row if isinstance(row, (tuple, list)) else [row])]  # fmt: skip
    assert not any("<script>" in text or "$x$" in text or "%{" in text for text in said)
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert FIGURES[name].alt(drawn.frame, runs[0].run.id)


def test_a_recorded_batch_can_be_drawn_from_the_command_line():
    rng = np.random.default_rng(0)
    rows = np.array([[0, 1, 2, 3, 4, 5, 6, -1]])
    batch = GraphBatches(rows, rng.random((1, 8)) < 0.7, rng.normal(size=(1, 8, 8)).astype(np.float16), np.array([0.55]), np.array([1.0]))
    run = given("g_loss", graph=batch)
    spec = FigureSpec(name="graph", run_ids=(run.run.id,), options={"sample": "batch:0", "visible": "recorded", "sigma": "trained"})
    drawn = picture(spec, source([run], names(), TEXTS))
    nodes = drawn.frame[drawn.frame["mark"] == "node"]
    assert nodes["row_id"].tolist() == list(range(7))
    assert nodes["visible"].tolist() == batch.visible[0, :7].tolist()
    assert math.isclose(nodes["sigma"].iloc[0], 0.55)
