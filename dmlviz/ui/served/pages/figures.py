"""The tray: each figure as it will be on paper, its checks, its files; tables; and everything as one bundle."""

from dmlviz.ui.figures.page import show

show()
