"""Which centres each class really uses, and what they hold."""

from dmlviz.ui.proxies.page import show

show()
