"""Which words made a run decide, loss by loss, and whether to believe it."""

from __future__ import annotations

from dmlviz import ui
from dmlviz.ui.attributions import many_texts, one_text
from dmlviz.ui.shared import loaders, picks


def show() -> None:
    """Draw the page."""
    ui.header(
        "Why did this text get this label?",
        "Words weighed by Integrated Gradients, one row per run. Orange speaks for the class, blue against it; the badge says whether to quote it.",
    )
    runs = ui.needed("No finished run yet. The words behind its predictions appear as soon as the first run is trained.")
    with ui.guard():
        runs = picks.on_one_dataset(runs)
        dataset = loaders.dataset(runs[0].config.dataset_hash or "")
        look = one_text.controls(runs)
        with ui.guard():
            one_text.words(runs, look, dataset)
        many_texts.many(runs, look.kind, dataset)
