"""Choose data, encoder, losses and shots; press Train; watch."""

from dmlviz.ui.train.page import show

show()
