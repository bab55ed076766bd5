"""Parts of the Graph page: controls, graphs with their matrices, why a text was guessed, accuracy against sigma, numbers, steps, epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.graph.nodes import RECORDED, SUPPORT, GraphSettings
from dmlviz.analysis.graph.similarity import propagate
from dmlviz.analysis.graph.similarity import steps as iterate
from dmlviz.core.types import FigureSpec, InputError, Run
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures.base.theme import class_styles, run_titles
from dmlviz.figures.base.words import clean, interval_text, short, whole
from dmlviz.figures.graph import degrees, matrix, similarity, why
from dmlviz.figures.graph import sigma as graph_sigma
from dmlviz.figures.graph.frame import GraphInput, GraphView, color_sentence, default_focus, edge_sentence
from dmlviz.ui.graph import loaders as graph_loaders
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import escaped, sentence, theme
from dmlviz.ui.shared.picture import PLOTLY, picture
from dmlviz.ui.shared.tray import add_to_tray

SAMPLES = {"200": "sample of 200", "400": "sample of 400", "1000": "sample of 1,000", "2000": "sample of 2,000",
           "5000": "sample of 5,000", "all": "all texts"}  # fmt: skip
SIGMAS = {"sqrt_median": "√(median / 3)", "hand": "by hand", "trained": "as trained", "sqrt_median_squared": "√(median / 3), squared",
          "sqrt_median_code": "√(median / 3), code"}  # fmt: skip
SIGMA_HELP = (
    "Width of the Gaussian kernel. √(median / 3): the paper's rule, with the median distance of two of these texts; “squared”: its appendix D, of "
    "squared distances; “code”: the authors' code, which counts each text's zero distance to itself. As trained: the σ of a G-Loss run."
)
WIDTHS = tuple(float(f"{0.01 * 10 ** (k / 20):.3g}") for k in range(61))
SHARES = {"0.05": "5 % at random", "0.1": "10 % at random", "0.3": "30 % at random", "0.5": "50 % at random", "0.7": "70 % at random",
          "0.9": "90 % at random", SUPPORT: "the run's support"}  # fmt: skip
SHOWN_HELP = (
    "Whose label is shown; all others are guessed. The paper's γ is the share that keeps its label, drawn without regard to classes. "
    "The run's support: its training texts, as in practice."
)
EDGES = {"top3": "3 strongest", "top1": "1 strongest", "top5": "5 strongest", "top10": "10 strongest", "min0.5": "weight ≥ 0.5",
         "min0.9": "weight ≥ 0.9", "none": "none"}  # fmt: skip
EDGES_HELP = "Each text's heaviest edges, or all of so much weight. The graph has an edge between every two texts; these are drawn."
HUES = {"true": "true class", "propagated": "guessed class", "confidence": "confidence", "wrong": "right or wrong"}
PLACES = {"umap": "UMAP map", "pca": "PCA map", "spring": "spring layout"}
ROWS = {"paper": "as in the paper", "code": "as in the authors' code"}
TURNS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55)
MOST_ANIMATED = 2_000  # texts
MOST_ASKED = 200  # texts in the list of texts to ask about


class Look(NamedTuple):
    """What the controls say."""

    settings: GraphSettings
    edges: str
    color_by: str
    places: str  # "umap", "pca" or "spring"

    @property
    def method(self) -> str:
        return "umap" if self.places == "spring" else self.places

    @property
    def layout(self) -> str:
        return "spring" if self.places == "spring" else "map"

    def options(self) -> dict[str, str | int | bool]:
        """What every figure of the page is drawn with again."""
        asked = self.settings
        return {"sample": asked.sample, "sigma": asked.sigma, "visible": asked.visible, "seed": asked.seed, "row_normalise": asked.row_normalise,
                "map": self.method}  # fmt: skip


class Shown(NamedTuple):
    """What the page draws: the runs, and the graphs of those that have one."""

    inputs: list[GraphInput]  # every compared run
    views: list[GraphView]
    problems: dict[str, str]  # run id -> why it has no graph under these settings
    label_names: tuple[str, ...]
    texts: Sequence[str]

    @property
    def drawn(self) -> list[GraphInput]:
        ids = {one.run.id for one in self.views}
        return [given for given in self.inputs if given.run.id in ids]


# ---- what is asked for


def controls(runs: Sequence[Run]) -> Look:
    """One row, in reading order: texts, sigma, labels shown, edges, colour, more. All of it is in the address."""
    bound = {"bind": "query-params"}
    a, b, c, d, e, f, g = st.columns(7, vertical_alignment="bottom")
    samples = {**SAMPLES, **_batches(runs)}
    texts = a.selectbox("Texts", list(samples), index=1, format_func=samples.get, key="graph_texts", **bound)
    rule = b.selectbox("σ", list(SIGMAS), format_func=SIGMAS.get, key="graph_sigma", help=SIGMA_HELP, **bound)
    width = c.select_slider("σ by hand", WIDTHS, WIDTHS[36], key="graph_width", disabled=rule != "hand", **bound)
    batch = texts.startswith("batch")
    choices = {RECORDED: "as recorded", **SHARES} if batch else SHARES
    key = "graph_shown_batch" if batch else "graph_shown"
    shown = d.selectbox("Labels shown", list(choices), index=0 if batch else 4, format_func=choices.get, key=key, help=SHOWN_HELP, **bound)
    edges = e.selectbox("Edges", list(EDGES), format_func=EDGES.get, key="graph_edges", help=EDGES_HELP, **bound)
    hue = f.selectbox("Colour", list(HUES), format_func=HUES.get, key="graph_hue", **bound)
    with g.popover("More", width="stretch"):
        places = st.selectbox("Places", list(PLACES), format_func=PLACES.get, key="graph_places", help="Spring layout: for up to 500 texts.", **bound)
        seed = st.number_input("Seed", 0, 10_000, 0, key="graph_seed", help="Draws the sample and the labels that are shown.", **bound)
        rows = st.selectbox("Transition matrix", list(ROWS), format_func=ROWS.get, key="graph_rows", **bound,
                            help="Paper: columns sum to one. Authors' code: rows are normalised after that.")  # fmt: skip
    asked = GraphSettings(texts, f"{width:g}" if rule == "hand" else rule, shown, int(seed), rows == "code")
    return Look(asked, edges, hue, places)


def _batches(runs: Sequence[Run]) -> dict[str, str]:
    """The recorded batches, where one of the runs has any."""
    found: dict[str, str] = {}
    for run in runs:
        batches = loaders.store().arrays(run.id).graph
        for i in range(0 if batches is None else len(batches.epochs)):
            found.setdefault(f"batch:{i}", f"training batch, epoch {float(batches.epochs[i]):.3g}")
    return found


def load(runs: Sequence[Run], look: Look) -> Shown:
    """The graphs. A run that has none under these settings gets a sentence in its place."""
    run_ids = tuple(run.id for run in runs)
    inputs, dataset = graph_loaders.inputs(run_ids, look.method), loaders.dataset(runs[0].config.dataset_hash or "")
    views, problems = [], {}
    cost = graph_loaders.large(look.settings, len(runs))
    with st.spinner(f"Every pair of texts is compared: {cost}" if cost else "The graphs are made", show_time=bool(cost)):
        for given in inputs:
            try:
                views.append(graph_loaders.view_of(given, run_ids, look.settings, look.edges, look.layout))
            except InputError as error:
                problems[given.run.id] = str(error)
    if not views:
        for problem in dict.fromkeys(problems.values()):
            sentence(problem)
        st.stop()
    return Shown(inputs, views, problems, dataset.label_names, dataset.texts)


# ---- the graphs


def panes(shown: Shown, look: Look) -> None:
    """The graphs side by side, each with its matrix: beside it for one run, below it for several."""
    frame = similarity.frame_of(shown.views, shown.label_names, shown.texts, color_by=look.color_by)
    cells = graph_loaders.table(("cells", *_key(look, shown), look.settings), lambda: matrix.frame_of(shown.views, shown.label_names))
    chosen = selection.current([given.run.id for given in shown.inputs]).rows
    if len(shown.inputs) == 1:
        left, right = st.columns([1.1, 1], gap="medium")
        with left:
            _graph(frame, shown.views[0], look, chosen, 560)
        with right:
            _matrix(cells, shown.views[0], 530)
    else:
        per_row = len(shown.inputs) if len(shown.inputs) <= 3 else (len(shown.inputs) + 1) // 2
        height = {1: 560, 2: 500, 3: 390}[per_row]
        for start in range(0, len(shown.inputs), per_row):
            for column, given in zip(st.columns(per_row), shown.inputs[start : start + per_row], strict=False):
                with column:
                    _pane(shown, given, frame, cells, look, chosen, height)
    _below(shown, frame, cells, look)


def _pane(shown: Shown, given: GraphInput, frame: pd.DataFrame, cells: pd.DataFrame, look: Look, chosen: np.ndarray, height: int) -> None:
    one = next((one for one in shown.views if one.run.id == given.run.id), None)
    if one is None:
        titles = run_titles([other.run.config for other in shown.inputs])
        st.markdown(f"**{escaped(titles[[other.run.id for other in shown.inputs].index(given.run.id)])}**")
        st.info(escaped(_sentence_case(shown.problems[given.run.id])))
        return
    _graph(frame, one, look, chosen, height)
    _matrix(cells, one, 262 if height < 450 else 400)


def _graph(frame: pd.DataFrame, one: GraphView, look: Look, chosen: np.ndarray, height: int) -> None:
    spring = look.layout == "spring"
    view = similarity.window(frame[frame["pane"] == one.run.id] if spring else frame)
    figure = similarity.screen(frame, one.run.id, theme=theme(), view=view, selected=chosen.tolist(), node=asked_node(), height=height)
    key = chart_key(one.run.id)
    st.plotly_chart(figure, key=key, theme=None, config=PLOTLY, alt=similarity.alt(frame, one.run.id), selection_mode="points",
                    on_select=lambda: _clicked(key, one.run.config.dataset_hash or ""))  # fmt: skip
    away = similarity.outside_words(frame[frame["pane"] == one.run.id], view)
    st.caption(escaped(_state(one) + (f" · {away}" if away else "")))
    for words in (*one.words, *_warnings(one)):
        st.caption(f":orange[{escaped(words)}]")


def _matrix(cells: pd.DataFrame, one: GraphView, height: int) -> None:
    picture(matrix.screen(cells, one.run.id, theme=theme(), height=height), key=f"matrix_{one.run.id}", alt=matrix.alt(cells, one.run.id))


def chart_key(run_id: str) -> str:
    return f"graph_{run_id}"


def _state(one: GraphView) -> str:
    nodes, result, made = one.study.nodes, one.study.propagated, one.study.graph
    kind = f"{made.neighbors} nearest neighbours of each text" if made.neighbors else "every pair of texts"
    return f"σ = {made.sigma:.3g} · {nodes.said} · {int(result.visible.sum()):,} labels shown · {kind}"


def _warnings(one: GraphView) -> list[str]:
    """What to mind about this graph, in sentences."""
    result, made, labels = one.study.propagated, one.study.graph, one.study.nodes.labels
    said, unreached = [], int((result.hidden & ~result.reached).sum())
    if made.alone.all():
        said.append(f"No text is similar to any other at σ = {made.sigma:.3g}: every weight underflows to 0. Raise σ.")
    elif unreached:
        said.append(f"No label reaches {unreached:,} of {int(result.hidden.sum()):,} hidden texts; they count as wrong. Raise σ or show more labels.")
    if len(np.unique(labels)) == 1:
        said.append("All of these texts are of one class, so there is nothing to guess. Take more texts.")
    elif result.unseen:
        said.append(f"{len(result.unseen)} of {len(np.unique(labels))} classes have no visible label and cannot be guessed.")
    return said


def _below(shown: Shown, frame: pd.DataFrame, cells: pd.DataFrame, look: Look) -> None:
    left, right = st.columns([3, 2.4], vertical_alignment="center")
    words = f"{edge_sentence(frame)} {color_sentence(frame)}"
    if look.settings.sample.startswith("batch"):
        words += " G-Loss builds a graph for every batch and draws its mask anew: this is one of many."
    left.caption(escaped(words))
    ids = tuple(one.run.id for one in shown.views)
    with right:
        options = {**look.options(), "edges": look.edges, "layout": look.layout, "color_by": look.color_by}
        with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            _tools(FigureSpec(name="graph", run_ids=ids, options=options), frame, "graphs", "Add graphs")
            _tools(FigureSpec(name="graph_matrix", run_ids=ids, options=look.options()), cells, "matrices", "Add matrices")


def _tools(spec: FigureSpec, frame: pd.DataFrame, key: str, label: str = "Add to figures") -> None:
    """The two buttons. The CSV is written when it is asked for: a matrix has 160,000 rows."""
    st.button(label, key=f"{key}_add", on_click=add_to_tray, args=(spec,), icon=":material/add:")
    name = file_name([spec.name, *spec.run_ids[:2]], "csv")
    st.download_button("CSV", lambda: csv_bytes(frame), name, "text/csv", key=f"{key}_csv", on_click="ignore")


# ---- one text


def asked_node() -> int | None:
    """The row id of the text that is asked about, taken over from the address (?node=12) when somebody else wrote it there."""
    said = st.query_params.get("node", "")
    if said != st.session_state.get("node_address", ""):
        st.session_state["node"] = said if said.isdecimal() and len(said) < 10 else ""
    kept = st.session_state.get("node", "")
    if kept and said != kept:
        st.query_params["node"] = kept
    elif not kept and said:
        st.query_params.pop("node", None)
    st.session_state["node_address"] = kept
    return int(kept) if kept else None


def ask(node: int | None, dataset_hash: str) -> None:
    """Ask why this text of the data set was guessed as it was; it becomes the selection, too."""
    st.session_state["node"] = "" if node is None else str(node)
    if node is not None:
        selection.choose_rows([node], dataset_hash)


def _clicked(key: str, dataset_hash: str) -> None:
    points = (st.session_state.get(key) or {}).get("selection", {}).get("points", [])
    data = [point.get("customdata") for point in points if point.get("customdata") is not None]
    if data:
        ask(int(data[-1][0] if isinstance(data[-1], (list, tuple)) else data[-1]), dataset_hash)


def _from_list(dataset_hash: str) -> None:
    ask(st.session_state["graph_ask"], dataset_hash)


def reasons(shown: Shown, look: Look) -> None:
    """Why the asked text was guessed as it was, in every run."""
    st.header("Why was a text guessed as it was?", anchor=False)
    node, options = asked_node(), _askable(shown.views[0])
    here = {int(row) for one in shown.views for row in one.study.nodes.row_ids}
    if node is not None and node in here and node not in options:
        options = [node, *options]
    heads = {row: f"{row} · {short(shown.texts[row][:400], 110)}" for row in options}
    st.session_state["graph_ask"] = node if node in options else None
    st.selectbox("Text", options, index=None, format_func=lambda row: heads.get(row, str(row)), key="graph_ask", on_change=_from_list,
                 args=(shown.views[0].run.config.dataset_hash or "",),
                 placeholder="Click a text above, or choose: wrong guesses first, then the least sure", label_visibility="collapsed")  # fmt: skip
    if node is None:
        st.caption("Each guess is a sum of parts, one from every visible label that reaches the text, by whatever path; the parts are exact.")
        return
    if node not in here:
        st.info(f"Text {node} is not among the texts of these graphs; take more texts, another seed, or click one above.")
        return
    st.markdown(f"> {escaped(clean(shown.texts[node])[:600])}")
    frame = _reasons_frame(shown, node)
    per_row = min(len(shown.views), 3)
    for start in range(0, len(shown.views), per_row):
        for column, one in zip(st.columns(per_row, gap="medium"), shown.views[start : start + per_row], strict=False):
            with column:
                _reason(frame, one)
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        ids = tuple(one.run.id for one in shown.views)
        _tools(FigureSpec(name="graph_why", run_ids=ids, options={**look.options(), "node": str(node)}), frame, "reasons")


def _askable(one: GraphView) -> list[int]:
    """Hidden texts of the first graph: wrong ones first, then the least sure."""
    result, nodes = one.study.propagated, one.study.nodes
    hidden = np.flatnonzero(result.hidden)
    order = hidden[np.lexsort((result.confidence[hidden], result.correct[hidden]))]
    return list(dict.fromkeys(int(row) for row in nodes.row_ids[order[:MOST_ASKED]]))


def _reasons_frame(shown: Shown, node: int) -> pd.DataFrame:
    found = []
    for one in shown.views:
        place = np.flatnonzero(one.study.nodes.row_ids == node)
        if len(place):
            found.append((one, why.reasons(one, int(place[0]))))
    return why.frame_of(found, shown.label_names, shown.texts)


def _reason(frame: pd.DataFrame, one: GraphView) -> None:
    rows = frame[frame["pane"] == one.run.id]
    title = rows["title"].iloc[0] if len(rows) else one.run.id
    st.markdown(f"**{escaped(title)}**  \n{escaped(why.verdict(frame, one.run.id))}")
    if rows.empty:
        return
    picture(why.screen(frame, one.run.id, theme=theme()), key=f"why_{one.run.id}", alt=why.alt(frame, one.run.id))
    near = rows[rows["mark"] == "neighbor"]
    if len(near):
        listed = near[["weight", "class", "text"]].rename(columns={"text": "most similar texts"})
        widths = {"weight": st.column_config.NumberColumn(width="small", format="%.3f"), "class": st.column_config.Column(width="small"),
                  "most similar texts": st.column_config.Column(width="large")}  # fmt: skip
        st.dataframe(listed, hide_index=True, height=38 + 35 * min(len(listed), 5), column_config=widths, key=f"near_{one.run.id}")


# ---- sigma, weights, numbers


def _key(look: Look, shown: Shown) -> tuple:
    """Names the texts of the graphs in the caches."""
    asked = look.settings
    return (str(loaders.store().home), tuple(given.run.id for given in shown.inputs), asked.sample, asked.seed, asked.visible)


def widths(shown: Shown, look: Look) -> None:
    """Accuracy against sigma, and how weights are distributed."""
    ids, key, asked = tuple(one.run.id for one in shown.views), _key(look, shown), look.settings
    left, right = st.columns(2, gap="medium")
    with left:
        st.header("Which σ lets labels spread best?", anchor=False)
        with st.spinner("Labels spread at 25 widths"):
            curves = [graph_loaders.curve(one, key, asked.visible, asked.seed) for one in shown.views]
        known = [graph_loaders.known_sigma(given) for given in shown.drawn]
        frame = graph_sigma.frame_of(shown.views, curves, [None if one is None else one[0] for one in known])
        picture(graph_sigma.screen(frame, theme=theme()), key="graph_sigma_curve", alt=graph_sigma.alt(frame))
        st.caption(escaped(_curve_words(curves[0], any(known))))
        with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            _tools(FigureSpec(name="graph_sigma", run_ids=ids, options=look.options()), frame, "sigma")
    with right:
        st.header("How similar are texts?", anchor=False)
        spread = degrees.frame_of(shown.views)
        for quantity in degrees.QUANTITIES:
            figure = degrees.screen(spread, quantity=quantity, theme=theme(), height=188)
            picture(figure, key=f"degrees_{quantity}", alt=degrees.alt(spread, quantity=quantity))
        with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            _tools(FigureSpec(name="graph_degrees", run_ids=ids, options=look.options()), spread, "degrees")


def _curve_words(curve: graph_loaders.SigmaCurve, trained: bool) -> str:
    texts = f"{curve.texts:,} texts" + (f", a stratified sample of {curve.of:,}" if curve.texts < curve.of else "")
    how = f"mean and 95 % t interval over {curve.masks} random masks" if curve.masks > 1 else "one mask, the run's support: no interval"
    marks = "Circle: σ of the graph above" + ("; diamond: σ of training." if trained else ".")
    return f"{texts}, {curve.visible:,} labels shown; {how}. {marks}"


def table(shown: Shown, look: Look) -> None:
    """The same numbers for every run."""
    st.header("In numbers", anchor=False)
    titles, key, asked, rows = run_titles([one.run.config for one in shown.views]), _key(look, shown), look.settings, []
    for one, title in zip(shown.views, titles, strict=True):
        found = graph_loaders.numbers_of(one, (key, look.edges, asked.row_normalise))
        masks = graph_loaders.curve(one, key, asked.visible, asked.seed, (one.study.graph.sigma,))
        over = interval_text(*(100 * float(one[0]) for one in (masks.mean, masks.low, masks.high))) if math.isfinite(masks.low[0]) else "one mask"
        rows.append({
            "Run": title, "Texts": found.texts, "Hidden": found.hidden, "σ": found.sigma, "Accuracy %": 100 * found.accuracy,
            "Over masks %": over, "Not reached": found.unreached,
            "Homophily %": 100 * found.homophily, "Of drawn %": 100 * found.edge_homophily, "By chance %": 100 * found.chance,
            "Spectral gap": found.gap, "Components": found.components, "Alone": found.alone,
        })  # fmt: skip
    config = {
        "σ": st.column_config.NumberColumn(format="%.3f"),
        "Accuracy %": st.column_config.NumberColumn(format="%.1f", help="Of hidden labels guessed right, under this mask."),
        "Over masks %": st.column_config.Column(help="Mean and 95 % t interval of the mean over 10 random masks, on at most 600 of the texts."),
        "Homophily %": st.column_config.NumberColumn(format="%.1f", help="Share of all edge weight that joins texts of one class."),
        "Of drawn %": st.column_config.NumberColumn(format="%.1f", help="Share of the drawn edges that join texts of one class."),
        "By chance %": st.column_config.NumberColumn(format="%.1f", help="Homophily if weights knew nothing of classes."),
        "Spectral gap": st.column_config.NumberColumn(format="%.3f", help="1 − |second largest eigenvalue of T|: near 0 the graph falls into parts."),
        "Components": st.column_config.NumberColumn(help="Parts of the graph when only the drawn edges count."),
        "Not reached": st.column_config.NumberColumn(help="Hidden texts that no label reaches; they count as wrong."),
        "Alone": st.column_config.NumberColumn(help="Texts similar to no other: every weight underflows."),
    }  # fmt: skip
    listed = pd.DataFrame(rows)
    if not listed["Alone"].any():
        listed = listed.drop(columns="Alone")
    st.dataframe(listed, hide_index=True, column_config={name: one for name, one in config.items() if name in listed}, key="graph_numbers")
    st.caption("Single runs; each number is of these texts under this mask, but for the column over masks.")
    _unseen(shown)


def _unseen(shown: Shown) -> None:
    """Names the classes that no visible label stands for."""
    for one in shown.views[:1]:
        names = [short(whole(shown.label_names[c]), 30) for c in one.study.propagated.unseen]
        if names:
            more = f" and {len(names) - 12} more" if len(names) > 12 else ""
            st.caption(escaped(f"Without a visible label: {', '.join(names[:12])}{more}."))


# ---- steps and epochs


def steps(shown: Shown, look: Look) -> None:
    """How labels spread, turn by turn, in one run."""
    st.header("Step by step", anchor=False)
    if not st.toggle("Show how labels spread, turn by turn", key="graph_steps", bind="query-params"):
        return
    titles = run_titles([one.run.config for one in shown.views])
    at = st.selectbox("Run", range(len(titles)), format_func=lambda i: titles[i], key="graph_steps_run") if len(titles) > 1 else 0
    one = shown.views[at if at is not None and at < len(shown.views) else 0]
    made = one.study
    if len(made.nodes.labels) > MOST_ANIMATED:
        st.info(f"Steps are shown for up to {MOST_ANIMATED:,} texts; choose a smaller sample.")
        return
    states = iterate(made.graph, made.nodes.labels, made.propagated.visible, made.num_classes, TURNS)
    states.append(propagate(made.graph, made.nodes.labels, made.propagated.visible, made.num_classes))
    frame = similarity.frame_of([one], shown.label_names, shown.texts, color_by="propagated")
    names = [whole(name) for name in shown.label_names]
    styles = class_styles(names, default_focus([one], names))
    figure = similarity.animation(frame, one.run.id, [*map(str, TURNS), "the end"], states, names, styles, theme=theme())
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        picture(figure, key="graph_animation", alt=f"The same graph after 0 to {TURNS[-1]} turns and at the end. {similarity.alt(frame, one.run.id)}")
    with right:
        listed = pd.DataFrame({
            "After turn": [*map(str, TURNS), "the end"],
            "Reached %": [100 * float(state.reached[state.hidden].mean()) for state in states],
            "Accuracy %": [100 * state.accuracy for state in states],
            "Mean confidence": [float(state.confidence[state.hidden].mean()) for state in states],
        })  # fmt: skip
        config = {name: st.column_config.NumberColumn(format="%.1f") for name in ("Reached %", "Accuracy %")}
        st.dataframe(listed, hide_index=True, height=38 + 35 * len(listed),
                     column_config={**config, "Mean confidence": st.column_config.NumberColumn(format="%.2f")}, key="graph_turns")  # fmt: skip
        st.caption("Each turn: F ← T F, visible labels kept; the end is G-Loss's closed form. Paler: less sure; hollow: no guess yet.")


def epochs(shown: Shown, look: Look) -> None:
    """The similarity matrix over the stored snapshots, as in the paper's heat maps."""
    st.header("Over epochs", anchor=False)
    sigmas = tuple(one.study.graph.sigma for one in shown.views)
    key = ("epochs", str(loaders.store().home), *((one.run.id, sigma) for one, sigma in zip(shown.views, sigmas, strict=True)))
    frame = graph_loaders.table(key, lambda: matrix.epochs_frame(shown.views, shown.drawn, shown.label_names))
    if frame.empty:
        st.info("These runs have stored no snapshots (a loaded model has none; a trained one has when its snapshots setting is above 0).")
        return
    for one in shown.views:
        rows = frame[frame["pane"] == one.run.id]
        if rows.empty:
            st.caption(escaped(f"{run_titles([one.run.config])[0]}: no snapshots stored."))
            continue
        st.markdown(f"**{escaped(rows['title'].iloc[0])}** :small[:gray[σ = {one.study.graph.sigma:.3g}, {int(rows['texts'].iloc[0]):,} texts]]")
        figure = matrix.screen(frame, one.run.id, theme=theme(), height=min(340, 930 // rows["moment"].nunique() + 36))
        picture(figure, key=f"epochs_{one.run.id}", alt=matrix.alt(frame, one.run.id))
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        ids = tuple(one.run.id for one in shown.views)
        _tools(FigureSpec(name="graph_matrix", run_ids=ids, options={**look.options(), "moments": "epochs"}), frame, "epochs")


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]

