"""Which words made a run decide, loss by loss, and whether to believe it."""

from dmlviz.ui.attributions.page import show

show()
