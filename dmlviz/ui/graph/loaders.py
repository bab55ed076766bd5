"""Cached loaders of the Graph page. They take ids and settings, return data, read no widget.

Matrices are large (32 MB for 2,000 texts), so what is kept is bounded in bytes, over all sessions.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.graph.nodes import SUPPORT, GraphSettings, GraphStudy, Nodes, choose_nodes, shared_rows, study, trained_sigma
from dmlviz.analysis.graph.numbers import GraphNumbers, SigmaCurve, numbers
from dmlviz.analysis.graph.similarity import EXACT_LIMIT, SIGMA_RULES, rule_sigma, squared_distances
from dmlviz.core.types import RunArrays
from dmlviz.figures.graph.frame import GraphInput, GraphView, view
from dmlviz.figures.graph.sigma import curve_of
from dmlviz.ui.shared import loaders

KEEP_DISTANCES = 2_000  # texts up to which the distances stay in memory, so that another sigma costs the exponential and the solve
KEPT_BYTES = 192 * 2**20


class Kept:
    """Results by key, bounded in bytes: the least recently used leave first, the newest stays whatever its size."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, OrderedDict[Hashable, tuple[Any, int]]()
        self.lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any], size: Callable[[Any], int] = lambda made: 1024) -> Any:
        with self.lock:
            if key in self.held:
                self.held.move_to_end(key)
                return self.held[key][0]
        made = make()  # outside the lock: two sessions that ask at once work it out twice
        with self.lock:
            self.held[key] = (made, size(made))
            while len(self.held) > 1 and sum(weight for _, weight in self.held.values()) > self.limit:
                self.held.popitem(last=False)
        return made


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept(KEPT_BYTES)


def inputs(run_ids: Sequence[str], method: str) -> list[GraphInput]:
    """The runs with their arrays and maps, on one frame of reference."""
    panes, _ = loaders.panes(run_ids, method)
    return [GraphInput(pane.run, loaders.store().arrays(pane.run.id), pane.projection) for pane in panes]


def shared(run_ids: tuple[str, ...]) -> np.ndarray:
    """Row ids that all of the runs have embedded."""
    here = loaders.store()
    key = ("shared", str(here.home), run_ids)
    return _kept().get(key, lambda: shared_rows([here.arrays(run_id) for run_id in run_ids]), lambda made: made.nbytes)


def known_sigma(given: GraphInput) -> tuple[float, str] | None:
    """The sigma that a G-Loss run trained with, and how it is known."""
    run = given.run
    key = ("trained", str(loaders.store().home), run.id)
    return _kept().get(key, lambda: trained_sigma(run.config.loss, run.config.loss_settings, given.arrays))


def view_of(given: GraphInput, run_ids: tuple[str, ...], asked: GraphSettings, rule: str, layout: str) -> GraphView:
    """One run's graph, with edges and places. A change of sigma or mask reuses the texts' distances, a change of edges the graph."""
    home = str(loaders.store().home)
    chosen = (home, run_ids, given.run.id, asked.sample, asked.seed, asked.visible == SUPPORT)
    nodes, squared = _kept().get(("nodes", *chosen), lambda: _nodes(given.arrays, asked, shared(run_ids)), _nodes_bytes)
    sigma = asked.sigma
    if squared is not None and sigma in SIGMA_RULES:
        sigma = repr(_kept().get(("rule", *chosen, sigma), lambda: rule_sigma(squared, sigma)))
    exact = GraphSettings(asked.sample, _in_range(sigma, asked.sigma), asked.visible, asked.seed, asked.row_normalise)
    made = _kept().get(("study", *chosen, exact), lambda: _study(given, exact, nodes, squared), _study_bytes)
    placed = given.projection.method if layout == "map" else layout
    key = ("view", *chosen, exact, rule, layout, placed, given.projection.residual)
    return _kept().get(key, lambda: view(given.run, made, given.projection, rule, layout), _view_bytes)


def _in_range(sigma: str, asked: str) -> str:
    """A rule's value as a number, where the numbers that can be asked for hold it; else the rule, worked out again."""
    return sigma if sigma == asked or 0.01 <= float(sigma) <= 10 else asked


def _nodes(arrays: RunArrays, asked: GraphSettings, rows: np.ndarray) -> tuple[Nodes, np.ndarray | None]:
    nodes = choose_nodes(arrays, asked, rows)
    return nodes, squared_distances(nodes.vectors) if len(nodes.labels) <= KEEP_DISTANCES else None


def _nodes_bytes(made: tuple[Nodes, np.ndarray | None]) -> int:
    return made[0].vectors.nbytes + (0 if made[1] is None else made[1].nbytes)


def _study(given: GraphInput, asked: GraphSettings, nodes: Nodes, squared: np.ndarray | None) -> GraphStudy:
    classes = len(loaders.dataset(given.run.config.dataset_hash or "").label_names)
    return study(given.arrays, asked, num_classes=classes, trained=known_sigma(given), nodes=nodes, squared=squared)


def _view_bytes(one: GraphView) -> int:
    """Without the study, which is kept already."""
    return one.points.nbytes + 4 * one.edges.weights.nbytes


def _study_bytes(made: GraphStudy) -> int:
    weights = made.graph.weights
    return (weights.nbytes if isinstance(weights, np.ndarray) else 2 * weights.data.nbytes) + made.propagated.scores.nbytes


def numbers_of(one: GraphView, key: Hashable) -> GraphNumbers:
    made = one.study
    return _kept().get(("numbers", one.run.id, key, one.edges.rule, made.graph.sigma),
                       lambda: numbers(made.graph, made.nodes.labels, made.propagated, one.edges), lambda found: found.degrees.nbytes)  # fmt: skip


def curve(one: GraphView, key: Hashable, visible: str, seed: int, sigmas: tuple[float, ...] | None = None) -> SigmaCurve:
    """Accuracy against sigma; `key` names the texts. With `sigmas`, at these alone."""
    return _kept().get(("curve", one.run.id, key, visible, seed, one.study.graph.row_normalise, sigmas), lambda: curve_of(one, visible, seed, sigmas))


def table(key: Hashable, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A figure's large table, kept under this key."""
    return _kept().get(key, make, lambda made: int(made.memory_usage(index=False).sum()))


def large(asked: GraphSettings, runs: int) -> str | None:
    """What a graph of that many texts costs, in words; None for small ones."""
    count = int(asked.sample) if asked.sample.isdecimal() else math.inf
    if count <= KEEP_DISTANCES or asked.sample.startswith("batch"):
        return None
    each = "about 10 s" if count <= EXACT_LIMIT else "up to a minute"
    return f"{each} for each of {runs} runs" if runs > 1 else each
