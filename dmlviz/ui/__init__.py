"""What pages share: frame, picks in the URL, cached loaders, pictures with their buttons. Streamlit lives here alone."""

from dmlviz.ui.shared.frame import ICON, empty, guard, header, notes, theme
from dmlviz.ui.shared.loaders import dataset, events, panes, store, where
from dmlviz.ui.shared.loaders import runs as all_runs
from dmlviz.ui.shared.picks import compare_link, needed, picked_runs, sidebar
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.selection import hear
from dmlviz.ui.shared.tray import add_to_tray, tray
from dmlviz.ui.shared.words import ago, duration, percent, run_line, run_name, score

__all__ = [
    "ICON", "add_to_tray", "ago", "all_runs", "compare_link", "dataset", "duration", "empty", "events", "guard", "header", "hear", "needed", "notes",
    "panes", "percent", "picked_runs", "picture", "run_line", "run_name", "score", "sidebar", "store", "theme", "tools", "tray",
    "where",
]  # fmt: skip
