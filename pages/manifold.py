"""Where each text lands, and how far the map can be trusted."""

from dmlviz.ui.manifold.page import show

show()
