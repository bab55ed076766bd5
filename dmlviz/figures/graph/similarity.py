"""Similarity graphs: the table, and its two renderers."""

from __future__ import annotations

from dmlviz.figures.base.map_window import outside_words, window
from dmlviz.figures.graph.frame import COLOR_BY, LAYOUTS, frame, frame_of, pane_ids
from dmlviz.figures.graph.paper import caption, notes, paper
from dmlviz.figures.graph.screen import alt, animation, screen

__all__ = [
    "COLOR_BY", "LAYOUTS", "alt", "animation", "caption", "frame", "frame_of", "notes", "outside_words", "pane_ids", "paper", "screen", "window",
]  # fmt: skip
