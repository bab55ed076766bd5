"""Where the nodes of a similarity graph stand: at the stored map's places, or by a spring layout of the chosen edges."""

from __future__ import annotations

import numpy as np

from dmlviz.analysis.graph.nodes import Nodes
from dmlviz.analysis.graph.numbers import Edges
from dmlviz.core.types import Projection

SPRING_LIMIT = 500  # texts; a spring layout costs the square of them at every turn


def map_places(nodes: Nodes, projection: Projection) -> np.ndarray:
    """(n, 2) the first two coordinates of each node's text on the map."""
    place = {int(row): i for i, row in enumerate(projection.row_ids)}
    return np.asarray(projection.points, dtype=np.float64)[[place[int(row)] for row in nodes.row_ids], :2]


def spring_places(start: np.ndarray, edges: Edges, *, seed: int = 0) -> np.ndarray:
    """(n, 2) within -1..1, from `start` (n, 2): edges pull by their weight, texts push each other away (Fruchterman and Reingold 1991, networkx)."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(range(len(start)))
    graph.add_weighted_edges_from(zip(edges.heads.tolist(), edges.tails.tolist(), edges.weights.tolist(), strict=True))
    spread = (start - start.mean(axis=0)) / max(float(np.abs(start - start.mean(axis=0)).max()), 1e-12)
    apart = spread + 1e-3 * np.random.default_rng(seed).normal(size=spread.shape)  # texts on one spot could never be pushed apart
    found = nx.spring_layout(graph, pos=dict(enumerate(apart)), seed=seed, method="force", iterations=60)
    return np.array([found[i] for i in range(len(start))], dtype=np.float64).reshape(-1, 2)
