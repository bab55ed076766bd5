"""Whether one loss is better than another, and where it fails: curves, gains, tests, calibration, errors."""

from dmlviz.ui.reliability.page import show

show()
