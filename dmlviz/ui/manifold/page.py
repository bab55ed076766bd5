"""Where each text lands, and how far the map can be trusted."""

from __future__ import annotations

from dmlviz import ui
from dmlviz.ui.manifold import parts, tabs
from dmlviz.ui.shared import picks


def show() -> None:
    """Draw the page."""
    ui.header(
        "Where do the texts land?",
        "Texts close together are close in the encoder's space, as far as the line under each map says. Gaps and directions mean nothing.",
    )
    runs = ui.needed("No finished run yet. Maps appear as soon as the first run is trained, one pane per run.")
    with ui.guard():
        runs = picks.on_one_dataset(runs)
        look = parts.controls(runs)
        parts.wanted_maps(runs, look.kind)
        parts.awaited()
        drawn = parts.panes_row(runs, look)
        parts.below(drawn.frame, drawn.panes, look)
        tabs.tabs(drawn.panes, look)
