"""How labels spread between similar texts, and from which text a guessed label came."""

from dmlviz.ui.graph.page import show

show()
