"""Every run and every group: filter, details, differences of two configs, delete, load a model fine-tuned elsewhere."""

from dmlviz.ui.runs.page import show

show()
