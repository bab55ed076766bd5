"""Where each text lands, one pane per run on one window."""

from dmlviz.figures.map_frame import (
    COLOR_BY,
    KeyEntry,
    Label,
    Window,
    alt,
    caption,
    default_focus,
    frame,
    key,
    labels,
    layers,
    notes,
    pane_ids,
    window,
)
from dmlviz.figures.map_paper import paper
from dmlviz.figures.map_screen import screen

__all__ = [
    "COLOR_BY", "KeyEntry", "Label", "Window", "alt", "caption", "default_focus", "frame", "key", "labels", "layers",
    "notes", "pane_ids", "paper", "screen", "window",
]  # fmt: skip
