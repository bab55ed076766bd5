"""Which figures and tables runs have to show, where nobody said which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dmlviz.core.types import FigureSpec, Run, SheetSpec
from dmlviz.figures import FIGURES
from dmlviz.tables import TABLES

NOT_ASKED = ("attribution_words", "graph_why", "influence", "manifold_epochs")  # they are about one chosen text or run
OF_ALL = ("shots_curve", "gain_forest", "ranks")  # they take every run; the others show a few beside each other
BESIDE = 4  # runs
TWO_PANES = ("manifold", "centers_map", "graph", "graph_matrix", "confusion", "centers_heat")


def gallery(runs: Sequence[Run], *, preset: str = "acl-column", wide: str = "acl-text") -> tuple[list[SheetSpec], list[tuple[str, tuple[str, ...]]]]:
    """(figures, tables) of these runs, those that do not apply to them included: whoever draws leaves them out and says why.

    Figures of a few runs take the first of every method on the first data set.
    """
    everyone = tuple(run.id for run in runs if run.config.left_out is None) or tuple(run.id for run in runs)
    few = tuple(run.id for run in _few(runs))
    sheets = []
    for name in FIGURES:
        if name in NOT_ASKED:
            continue
        ids = everyone if name in OF_ALL else few
        size = wide if name in TWO_PANES and len(few) > 1 else preset
        options = {"map": "pca"} if set(FIGURES[name].needs) & {"panes", "centers", "graphs"} else {}
        sheets.append(SheetSpec(panels=(FigureSpec(name=name, run_ids=ids, options=options),), preset=size))
    return sheets, [(name, few if name in ("centers", "attributions") else everyone) for name in TABLES]


def _few(runs: Sequence[Run]) -> list[Run]:
    """One run of each method: on the first run's data set, with the most usual shots."""
    whole = [run for run in runs if run.config.left_out is None] or list(runs)
    first = whole[0].config
    same = [run for run in whole if run.config.dataset_hash == first.dataset_hash and run.config.encoder == first.encoder]
    usual = Counter(run.config.shots for run in same).most_common(1)[0][0]
    same = [run for run in same if run.config.shots == usual]
    kept: dict[tuple, Run] = {}
    for run in sorted(same, key=lambda run: (run.config.support_seed, run.config.seed)):
        kept.setdefault((run.config.shown_loss, run.config.ce_weight, run.config.control), run)
    return list(kept.values())[:BESIDE]
