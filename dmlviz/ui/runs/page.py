"""Every run and every group: filter, details, differences of two configs, delete, load a model fine-tuned elsewhere."""

from __future__ import annotations

from dmlviz import ui
from dmlviz.ui.runs import parts


def show() -> None:
    """Draw the page."""
    ui.header(
        "What has been run, and how?",
        "One row per run, or per group of runs that differ in seeds alone; select one run for its details, two for the differences of their configs.",
    )
    runs = ui.all_runs()
    parts.unreadable()
    if runs:
        picked = parts.table(parts.filtered(runs))
        with ui.guard():
            parts.details(picked)
    else:
        ui.empty("No runs yet. Train some, or load a model below that was fine-tuned elsewhere.", "Train a run", "pages/train.py")
    with ui.guard():
        parts.load_form()
