"""Where each text lands, one pane per run on one window."""

from dmlviz.figures.maps.frame import (
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
from dmlviz.figures.maps.paper import paper
from dmlviz.figures.maps.screen import screen

__all__ = [
    "COLOR_BY", "KeyEntry", "Label", "Window", "alt", "caption", "default_focus", "frame", "key", "labels", "layers",
    "notes", "pane_ids", "paper", "screen", "window",
]  # fmt: skip
