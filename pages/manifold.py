"""Where each text lands, and how far the map can be trusted."""

from dmlviz import ui
from dmlviz.ui import manifold_parts, manifold_tabs, picks

ui.header(
    "Where do the texts land?",
    "Texts close together are close in the encoder's space, as far as the line under each map says. Gaps and directions mean nothing.",
)
runs = ui.needed("No finished run yet. Maps appear as soon as the first run is trained, one pane per run.")
with ui.guard():
    runs = picks.on_one_dataset(runs)
    look = manifold_parts.controls(runs)
    manifold_parts.wanted_maps(runs, look.kind)
    manifold_parts.awaited()
    drawn = manifold_parts.panes_row(runs, look)
    manifold_parts.below(drawn.frame, drawn.panes, look)
    manifold_tabs.tabs(drawn.panes, look)
