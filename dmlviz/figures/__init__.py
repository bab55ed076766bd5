"""Frame, then draw. FIGURES is the table that pages, export and command line go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dmlviz.core.types import InputError
from dmlviz.figures.attribution import sanity, words
from dmlviz.figures.attribution.charts import agreement_heat, class_bars, faithfulness
from dmlviz.figures.centers import drift, heat, map, use
from dmlviz.figures.centers.frame import OPTIONS as CENTER_OPTIONS
from dmlviz.figures.graph import degrees, matrix, sigma, similarity, why
from dmlviz.figures.graph.frame import OPTIONS as GRAPH_OPTIONS
from dmlviz.figures.maps import epochs, manifold
from dmlviz.figures.maps.frame import COLOR_BY
from dmlviz.figures.reliability import calibration, confusion, errors_shared, gain_forest, influence, ranks, risk_coverage, shots_curve, strata
from dmlviz.figures.training import classes, curves


class FigureEntry(NamedTuple):
    """One picture. A caller loads what `needs` names, in that order, and asks nothing else about it."""

    title: str
    question: str
    needs: tuple[str, ...]  # "panes", "label_names", "texts", "runs", "events", "dataset", "split", "centers", "graphs", "outcomes", "influence"
    frame: Callable[..., Any]  # frame(*needs, **frame_options) -> DataFrame
    screen: Callable[..., Any]  # screen(frame, [pane_id,] theme=..., **) -> Plotly figure
    paper: Callable[..., Any]  # paper(frame, preset, **paper_options) -> Matplotlib figure
    caption: Callable[..., str]  # caption(frame, first of the needs)
    alt: Callable[..., str]
    notes: Callable[..., list[str]]  # what paper cannot show as it is written, in sentences
    frame_options: Mapping[str, Any] = {}  # option of a FigureSpec -> accepted values or its type
    paper_options: Mapping[str, Any] = {}
    one_screen: bool = False  # `screen` without a pane shows them all; else whoever shows the whole figure draws pane after pane


FIGURES: dict[str, FigureEntry] = {
    "manifold": FigureEntry(
        "Embedding maps", "Where do the texts land?", ("panes", "label_names", "texts"),
        manifold.frame, manifold.screen, manifold.paper, manifold.caption, manifold.alt, manifold.notes,
        {"color_by": COLOR_BY, "parts": str, "focus": str}, {"letters": bool},
    ),
    "manifold_epochs": FigureEntry(
        "Embedding maps over epochs", "How did the texts move?", ("snapshots", "label_names", "texts"),
        epochs.frame, epochs.screen, epochs.paper, epochs.caption, epochs.alt, epochs.notes,
        {"color_by": epochs.COLOR_BY, "parts": str, "focus": str}, {"letters": bool},
    ),
    "curves": FigureEntry(
        "Training curves", "How does the loss fall?", ("runs", "events"),
        curves.frame, curves.screen, curves.paper, curves.caption, curves.alt, curves.notes,
        {}, {"kind": tuple(curves.KINDS)},
    ),
    "classes": FigureEntry(
        "Class balance", "How many texts has each class?", ("dataset",),
        classes.frame, classes.screen, classes.paper, classes.caption, classes.alt, classes.notes,
    ),
    "centers_map": FigureEntry(
        "Centres on the map", "Which texts does each centre attract?", ("centers", "label_names", "texts"),
        map.frame, map.screen, map.paper, map.caption, map.alt, map.notes,
        {**CENTER_OPTIONS, "trails": bool},
    ),
    "centers_use": FigureEntry(
        "Use of centres", "Which centres does each class really use?", ("centers", "label_names"),
        use.frame, use.screen, use.paper, use.caption, use.alt, use.notes, CENTER_OPTIONS,
    ),
    "centers_heat": FigureEntry(
        "Likeness of centres", "Which classes' centres lie close together?", ("centers", "label_names"),
        heat.frame, heat.screen, heat.paper, heat.caption, heat.alt, heat.notes, CENTER_OPTIONS,
    ),
    "centers_drift": FigureEntry(
        "Drift of centres", "How far did the centres move?", ("centers", "label_names"),
        drift.frame, drift.screen, drift.paper, drift.caption, drift.alt, drift.notes, CENTER_OPTIONS,
    ),
    "graph": FigureEntry(
        "Similarity graphs", "How do labels spread between similar texts?", ("graphs", "label_names", "texts"),
        similarity.frame, similarity.screen, similarity.paper, similarity.caption, similarity.alt, similarity.notes,
        {**GRAPH_OPTIONS, "edges": float, "layout": similarity.LAYOUTS, "color_by": similarity.COLOR_BY, "focus": str},
    ),
    "graph_matrix": FigureEntry(
        "Similarity matrices", "Are texts of one class alike?", ("graphs", "label_names"),
        matrix.frame, matrix.screen, matrix.paper, matrix.caption, matrix.alt, matrix.notes,
        {**GRAPH_OPTIONS, "moments": matrix.MOMENTS},
    ),
    "graph_sigma": FigureEntry(
        "Propagated accuracy against sigma", "Which width lets labels spread best?", ("graphs", "label_names"),
        sigma.frame, sigma.screen, sigma.paper, sigma.caption, sigma.alt, sigma.notes, GRAPH_OPTIONS,
    ),
    "graph_why": FigureEntry(
        "Reasons of a guessed label", "Which texts gave this text its label?", ("graphs", "label_names", "texts"),
        why.frame, why.screen, why.paper, why.caption, why.alt, why.notes, {**GRAPH_OPTIONS, "node": float},
    ),
    "graph_degrees": FigureEntry(
        "Weights and degrees", "How similar are texts, and how much similarity has each?", ("graphs", "label_names"),
        degrees.frame, degrees.screen, degrees.paper, degrees.caption, degrees.alt, degrees.notes, GRAPH_OPTIONS,
    ),
    "attribution_words": FigureEntry(
        "Why a text got its label", "Which words of a text speak for its label?", ("attributions", "dataset"),
        words.frame, words.screen, words.paper, words.caption, words.alt,
        words.notes, {"row": float},
    ),
    "attribution_classes": FigureEntry(
        "Words of a class", "Which words speak for a class?", ("attributions", "dataset"),
        class_bars.frame, class_bars.screen, class_bars.paper, class_bars.caption, class_bars.alt, class_bars.notes,
        {"label": object, "fewest": float},
    ),
    "attribution_faithfulness": FigureEntry(
        "Faithfulness of attributions", "Does the model need the words that are said to matter?", ("attributions",),
        faithfulness.frame, faithfulness.screen, faithfulness.paper, faithfulness.caption, faithfulness.alt, faithfulness.notes,
        one_screen=True,
    ),
    "attribution_stability": FigureEntry(
        "Agreement of attributions", "Do runs give the same reasons?", ("attributions",),
        agreement_heat.frame, agreement_heat.screen, agreement_heat.paper, agreement_heat.caption, agreement_heat.alt, agreement_heat.notes,
        one_screen=True,
    ),
    "attribution_sanity": FigureEntry(
        "Sanity of attributions", "Do attributions depend on what was learnt?", ("attributions",),
        sanity.frame, sanity.screen, sanity.paper, sanity.caption, sanity.alt,
        sanity.notes,
        one_screen=True,
    ),
    "calibration": FigureEntry(
        "Calibration", "Do probabilities mean what they say?", ("outcomes",),
        calibration.frame, calibration.screen, calibration.paper, calibration.caption, calibration.alt, calibration.notes,
        {"binning": calibration.BINNINGS, "scaled": bool},
    ),
    "risk_coverage": FigureEntry(
        "Risk and coverage", "Does a run know when it is wrong?", ("outcomes",),
        risk_coverage.frame, risk_coverage.screen, risk_coverage.paper, risk_coverage.caption, risk_coverage.alt, risk_coverage.notes,
        {"signal": tuple(risk_coverage.SIGNALS)},
        one_screen=True,
    ),
    "strata": FigureEntry(
        "Accuracy by stratum", "Where is a run right?", ("outcomes", "dataset"),
        strata.frame, strata.screen, strata.paper, strata.caption, strata.alt, strata.notes, {"by": tuple(strata.BY), "space": strata.SPACES},
        one_screen=True,
    ),
    "confusion": FigureEntry(
        "Confused classes", "Which classes are taken for which?", ("outcomes", "dataset"),
        confusion.frame, confusion.screen, confusion.paper, confusion.caption, confusion.alt, confusion.notes,
        {"order": tuple(confusion.ORDERS), "most": float},
    ),
    "errors_shared": FigureEntry(
        "Shared errors", "Do losses fail on the same texts?", ("outcomes",),
        errors_shared.frame, errors_shared.screen, errors_shared.paper, errors_shared.caption, errors_shared.alt, errors_shared.notes,
        one_screen=True,
    ),
    "shots_curve": FigureEntry(
        "Few-shot curves", "How good is each loss with how few labels?", ("runs",),
        shots_curve.frame, shots_curve.screen, shots_curve.paper, shots_curve.caption, shots_curve.alt, shots_curve.notes, shots_curve.FRAME_OPTIONS,
    ),
    "gain_forest": FigureEntry(
        "Gain over cross-entropy", "Is a loss better than cross-entropy?", ("runs",),
        gain_forest.frame, gain_forest.screen, gain_forest.paper, gain_forest.caption, gain_forest.alt, gain_forest.notes, gain_forest.FRAME_OPTIONS,
        one_screen=True,
    ),
    "ranks": FigureEntry(
        "Ranks over data sets", "Which loss is best over all data sets?", ("runs",),
        ranks.frame, ranks.screen, ranks.paper, ranks.caption, ranks.alt, ranks.notes, ranks.FRAME_OPTIONS,
        one_screen=True,
    ),
    "influence": FigureEntry(
        "Influence of the shots", "Which support texts help, and which hurt?", ("influence", "dataset"),
        influence.frame, influence.screen, influence.paper, influence.caption, influence.alt, influence.notes, {"chosen": str},
        one_screen=True,
    ),
}  # fmt: skip
LOADED_BY = {  # options of what is loaded
    "map": ("panes", "centers", "graphs", "snapshots", "influence"),
    "kind": ("attributions",),
    "typed": ("attributions",),
    "readout": ("outcomes",),
}


def loading_options(name: str) -> tuple[str, ...]:
    """Options of a FigureSpec that say what to load rather than how to draw it."""
    return tuple(option for option, needs in LOADED_BY.items() if set(needs) & set(entry(name).needs))


def entry(name: str) -> FigureEntry:
    """The figure of that name, or a sentence with the known ones."""
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; known: {', '.join(FIGURES)}.")
    return FIGURES[name]


def split_options(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A FigureSpec's flat options as those of frame and those of paper; lists ("a,b") become tuples."""
    figure = entry(name)
    known = {**figure.frame_options, **figure.paper_options}
    for option, value in options.items():
        if option not in known:
            raise InputError(f"{figure.title} has no option {option!r}; known: {', '.join(known) or 'none'}.")
        if isinstance(known[option], tuple) and value not in known[option]:
            raise InputError(f"{option} cannot be {value!r}; choose one of {', '.join(known[option])}.")
    read = {option: _list(value) if known[option] is str else value for option, value in options.items()}
    frame_part = {option: value for option, value in read.items() if option in figure.frame_options}
    return frame_part, {option: value for option, value in read.items() if option in figure.paper_options}


def _list(value: Any) -> tuple[str, ...]:
    """Items of a comma-separated option; "\\n" separates when a name holds commas."""
    text = str(value)
    return tuple(item.strip() for item in text.split("\n" if "\n" in text else ",") if item.strip())


__all__ = [
    "FIGURES", "FigureEntry", "attribution_sanity", "attribution_words", "calibration", "centers_drift", "centers_heat", "centers_map", "centers_use",
    "classes", "confusion", "curves", "entry", "epochs", "errors_shared", "gain_forest", "graph", "graph_degrees", "graph_matrix", "graph_sigma",
    "graph_why", "loading_options", "manifold", "ranks", "risk_coverage", "shots_curve", "split_options", "strata",
]  # fmt: skip
