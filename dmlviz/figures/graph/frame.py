"""What the pictures of similarity graphs share: views from stored runs, options in words, and the table of nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.graph.layout import SPRING_LIMIT, map_places, spring_places
from dmlviz.analysis.graph.nodes import GraphSettings, GraphStudy, shared_rows, study, trained_sigma
from dmlviz.analysis.graph.numbers import Edges, above, strongest
from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Projection, Run, RunArrays
from dmlviz.figures.base.theme import CORRECT, MOST_COLORS, MOST_FOCUS, OTHER, OTHER_COLOR, WRONG, class_styles, run_titles
from dmlviz.figures.base.words import excerpt, whole

COLOR_BY = ("true", "propagated", "confidence", "wrong")
LAYOUTS = ("map", "spring")
MOST_EDGES = 4_000  # drawn in a pane; the heaviest ones
BANDS = 4  # widths of edges, by weight
UNREACHED = "(no label reaches it)"
# option -> its type for the command line. Numbers or words ("0.7" or "support") are told apart by `settings`, which says what is accepted
OPTIONS: Mapping[str, Any] = {"sample": float, "sigma": float, "visible": float, "seed": float, "row_normalise": bool}
COLUMNS = (
    "mark", "pane", "title", "loss", "row_id", "x", "y", "row_id_2", "x2", "y2", "weight", "same_class", "band", "label", "predicted", "confidence",
    "entropy", "visible", "reached", "correct", "text", "color_by", "color_key", "color", "symbol", "sigma", "accuracy", "edges_in_all", "edge_rule",
)  # fmt: skip


class GraphInput(NamedTuple):
    """One stored run, as the graph pictures need it."""

    run: Run
    arrays: RunArrays
    projection: Projection


class GraphView(NamedTuple):
    """One run's graph, ready to be drawn."""

    run: Run
    study: GraphStudy
    edges: Edges
    points: np.ndarray  # (n, 2)
    words: tuple[str, ...] = ()  # what is not quite as asked


def settings(options: Mapping[str, Any]) -> GraphSettings:
    """Options of a figure, also as they come from a shell, as settings."""
    seed = str(options.get("seed", 0))
    if not seed.isdecimal():
        raise InputError(f"seed={seed[:40]!r} is not accepted; seed takes a whole number from 0")
    default = GraphSettings()
    sample, sigma, visible = (str(options.get(name, getattr(default, name))) for name in ("sample", "sigma", "visible"))
    return GraphSettings(sample, sigma, visible, int(seed), bool(options.get("row_normalise", False)))


def chosen_edges(found: GraphStudy, rule: str) -> Edges:
    """"top3": each text's 3 strongest; "min0.5": of weight 0.5 and more; "none"."""
    labels = found.nodes.labels
    if rule == "none":
        return strongest(found.graph, labels, 0)
    for start, read in (("top", int), ("min", float)):
        if rule.startswith(start):
            try:
                number = read(rule.removeprefix(start))
            except ValueError:
                break
            if start == "top" and 1 <= number <= 100:
                return strongest(found.graph, labels, number)
            if start == "min" and 0 < number <= 1:
                return above(found.graph, labels, number)
    raise InputError(f"edges {rule[:40]!r} is not accepted; give top3 (each text's 3 strongest, 1 to 100), min0.5 (of weight 0.5 and more) or none")


def views(inputs: Sequence[GraphInput], classes: int, options: Mapping[str, Any]) -> list[GraphView]:
    """The runs' graphs as the options want them: sample, sigma, visible, seed, row_normalise, edges, layout."""
    asked, shared = settings(options), shared_rows([given.arrays for given in inputs]) if inputs else None
    found = []
    for run, arrays, projection in inputs:
        known = trained_sigma(run.config.loss, run.config.loss_settings, arrays)
        made = study(arrays, asked, num_classes=classes, shared=shared, trained=known)
        found.append(view(run, made, projection, str(options.get("edges", "top3")), str(options.get("layout", "map"))))
    return found


def view(run: Run, made: GraphStudy, projection: Projection, rule: str, layout: str) -> GraphView:
    """One graph with its edges chosen and its nodes placed."""
    edges, points, words = chosen_edges(made, rule), map_places(made.nodes, projection), made.words
    if layout == "spring" and len(points) <= SPRING_LIMIT:
        points = spring_places(points, edges)
    elif layout == "spring":
        words = (*words, f"A spring layout is made for up to {SPRING_LIMIT} texts; {len(points):,} stand at their places on the map.")
    elif layout not in LAYOUTS:
        raise InputError(f"layout {layout[:40]!r} is not accepted; choose one of {', '.join(LAYOUTS)}")
    return GraphView(run, made, edges, points, words)


# ---- the table of nodes and edges


def frame(inputs: Sequence[GraphInput], label_names: Sequence[str], texts: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs; see `frame_of`."""
    found = views(inputs, len(label_names), options)
    return frame_of(found, label_names, texts, color_by=options.get("color_by", "true"), focus=options.get("focus", ()))


def frame_of(
    found: Sequence[GraphView], label_names: Sequence[str], texts: Sequence[str], *, color_by: str = "true", focus: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per drawn edge, then one per node, run by run. `texts` are the data set's, by row id; predicted is "" where no label reaches a text.

    At most 4,000 edges of a run, the heaviest; `edges_in_all` says how many the rule chose. Above 20 classes the 8 largest have colour unless
    `focus` names others.
    """
    if color_by not in COLOR_BY:
        raise InputError(f"cannot colour by {str(color_by)[:40]!r}; choose one of {', '.join(COLOR_BY)}")
    label_names = [whole(name) for name in label_names]
    titles = run_titles([one.run.config for one in found])
    weights = np.concatenate([one.edges.weights[-MOST_EDGES:] for one in found]) if found else np.zeros(0)
    tables = []
    for one, title in zip(found, titles, strict=True):
        facts = {"pane": one.run.id, "title": title, "loss": one.run.config.loss, "sigma": one.study.graph.sigma, "color_by": color_by,
                 "accuracy": one.study.propagated.accuracy, "edges_in_all": len(one.edges.heads), "edge_rule": one.edges.rule}  # fmt: skip
        nodes = _nodes(one, label_names, texts)
        nodes = _coloured(nodes, label_names, color_by, tuple(map(whole, focus)) or default_focus(found, label_names))
        tables += [_edges(one, weights).assign(**facts), nodes.assign(**facts)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    return table.reindex(columns=list(COLUMNS))


def _edges(one: GraphView, weights: np.ndarray) -> pd.DataFrame:
    """The heaviest edges, lightest first, in bands of equal width between the least and the largest weight that is drawn in any pane."""
    heads, tails = one.edges.heads[-MOST_EDGES:], one.edges.tails[-MOST_EDGES:]
    own, rows = one.edges.weights[-MOST_EDGES:], one.study.nodes.row_ids
    low, span = (float(weights.min()), float(np.ptp(weights))) if len(weights) else (0.0, 0.0)
    bands = np.minimum(((own - low) / span * BANDS).astype(int), BANDS - 1) if span > 1e-9 else np.full(len(own), BANDS - 1)
    return pd.DataFrame({
        "mark": "edge", "row_id": rows[heads], "x": one.points[heads, 0], "y": one.points[heads, 1], "row_id_2": rows[tails],
        "x2": one.points[tails, 0], "y2": one.points[tails, 1], "weight": own, "same_class": one.edges.same[-MOST_EDGES:], "band": bands,
    })  # fmt: skip


def _nodes(one: GraphView, label_names: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    nodes, result = one.study.nodes, one.study.propagated
    names = np.array([*label_names, ""], dtype=object)  # -1, nothing reached it, is the empty name
    return pd.DataFrame({
        "mark": "node", "row_id": nodes.row_ids, "x": one.points[:, 0], "y": one.points[:, 1], "label": names[nodes.labels],
        "predicted": names[result.predicted], "confidence": result.confidence, "entropy": result.entropy, "visible": result.visible,
        "reached": result.reached, "correct": result.correct, "text": [excerpt(texts[int(row)]) for row in nodes.row_ids],
    })  # fmt: skip


def default_focus(found: Sequence[GraphView], label_names: Sequence[str]) -> tuple[str, ...]:
    """() up to 20 classes; above, the 8 largest by their texts in the first graph, ties by number."""
    if len(set(label_names)) <= MOST_COLORS or not found:
        return ()
    counts = np.bincount(found[0].study.nodes.labels, minlength=len(label_names))
    return tuple(label_names[c] for c in sorted(range(len(label_names)), key=lambda c: -counts[c])[:MOST_FOCUS])


def _coloured(nodes: pd.DataFrame, label_names: Sequence[str], color_by: str, focus: Sequence[str]) -> pd.DataFrame:
    if color_by == "confidence":
        return nodes.assign(color_key="confidence", color=confidence_colors(nodes["confidence"].to_numpy(dtype=float)), symbol="circle")
    if color_by == "wrong":
        right = nodes["correct"].to_numpy(dtype=bool)
        return nodes.assign(**{name: np.where(right, good, bad) for name, good, bad in
                               (("color_key", "right", "wrong"), ("color", CORRECT, WRONG), ("symbol", "circle", "x"))})  # fmt: skip
    styles = class_styles(label_names, focus)
    keys = nodes["label" if color_by == "true" else "predicted"].tolist()
    known = [styles.get(key) for key in keys]
    color_keys = [UNREACHED if style is None else OTHER if style.color == OTHER_COLOR else key for key, style in zip(keys, known, strict=True)]
    colors = [style.color if style else OTHER_COLOR for style in known]
    symbols = [style.symbol if style else "circle-open" for style in known]
    return nodes.assign(color_key=np.array(color_keys, dtype=object), color=np.array(colors, dtype=object), symbol=np.array(symbols, dtype=object))


def confidence_colors(values: np.ndarray) -> np.ndarray:
    """(N,) cividis, in 21 steps from 0 to 1."""
    from plotly.colors import sample_colorscale

    steps = sample_colorscale("Cividis", np.linspace(0, 1, 21), colortype="tuple")
    codes = np.array(["#" + "".join(f"{round(255 * part):02X}" for part in step) for step in steps], dtype=object)
    return codes[np.rint(np.clip(values, 0, 1) * 20).astype(int)]


# ---- in words


def pane_ids(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["pane"]))


def runs_words(runs: Sequence[Run]) -> str:
    """Single runs, what is not equal between them, and their ids."""
    many = "Single run" if len(runs) == 1 else "Single runs"
    sets = ", ".join(dict.fromkeys(place_name(run.config.dataset) for run in runs))
    said = [f"{many}, {sets}.", *unfair(runs, run_titles([run.config for run in runs]))]
    return " ".join([*said, f"Runs {', '.join(run.id for run in runs)}."])


def color_sentence(table: pd.DataFrame) -> str:
    """What colour says, where names on the picture do not."""
    by = table["color_by"].iloc[0] if len(table) else "true"
    if by == "confidence":
        return "Yellow: the guessed class has nearly all of the score; dark blue: hardly any."
    if by == "wrong":
        return "Blue circles are guessed right, orange crosses wrong."
    hollow = " Hollow: no label reaches it." if (table["color_key"] == UNREACHED).any() else ""
    return ("Small classes are grey." if (table["color_key"] == OTHER).any() else "") + hollow


def edge_sentence(table: pd.DataFrame) -> str:
    """How many edges of which kind are drawn, and how they look."""
    edges = table[table["mark"] == "edge"]
    if edges.empty:
        return "No edges are drawn."
    most = int(table.groupby("pane")["edges_in_all"].max().max())
    capped = f"; the {MOST_EDGES:,} heaviest of up to {most:,} a run" if most > MOST_EDGES else ""
    return f"Edges: {edges['edge_rule'].iloc[0]}{capped}; wider is heavier, grey solid within a class, orange dashed between classes."
