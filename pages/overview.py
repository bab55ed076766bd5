"""What there is, how to start, the last results."""

from dmlviz.ui.overview.page import show

show()
