"""Linked maps on one canvas: `maps` draws them, `map_event` tells what a person did on them before the page draws anything."""

from dmlviz.ui.maps.component import map_event, maps

__all__ = ["map_event", "maps"]
