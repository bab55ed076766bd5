"""What pages share: frame, picks in the URL, cached loaders, pictures with their buttons. Streamlit lives here, in pages/ and in app.py."""

from dmlviz.ui.frame import empty, guard, header, notes, theme
from dmlviz.ui.loaders import dataset, events, panes, runs, store, where
from dmlviz.ui.picks import compare_link, needed, picked_runs, sidebar
from dmlviz.ui.picture import picture, tools
from dmlviz.ui.selection import hear
from dmlviz.ui.tray import add_to_tray, tray
from dmlviz.ui.words import ago, duration, percent, run_line, run_name, score

__all__ = [
    "add_to_tray", "ago", "compare_link", "dataset", "duration", "empty", "events", "guard", "header", "hear", "needed", "notes", "panes",
    "percent", "picked_runs", "picture", "run_line", "run_name", "runs", "score", "sidebar", "store", "theme", "tools", "tray",
    "where",
]  # fmt: skip
