"""What the tests of tables share: names that attack whoever writes them, and every table made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
from attribution_cases import attribution
from center_cases import make_input
from outcome_cases import run_of
from reliability_cases import made

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.core.types import ReaderNote, Run, TextDataset
from dmlviz.explain.words import word_spans
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.tables import Cell, Column, Table, attributions, calibration, centers, datasets, published, results, settings
from dmlviz.tables.centers import CenterSource

LOSSES = ("cross_entropy", "triple_entropy", "supcon", "g_loss")
HOSTILE = (
    "back\\slash \\input{/etc/passwd}", "50% of_a & b", "$x^2$ #1 {~}", "<script>alert(1)</script>", "good 😀 名前", "سلام عليكم", "=1+1",
    "+cmd|' /C'!A0", "half \ud800 pair", "new\nline\rhere", "[start] of row", "*starred*", "`code` | pipe", '"quoted" -- \'so\' ?` !` ,,',
    "Łódź ŋ ĸ þ ß ſ é", "www.x.org/a_b", "-1+2", "@sum", "",
)  # fmt: skip


def several(losses=LOSSES, data=("trec", "mr"), shots=(4, 8, 16), draws=8, spread=0.02) -> list[Run]:
    """Runs of every loss on every data set and number of shots; later losses are better."""
    rng = np.random.default_rng(0)
    weights = {"supcon": 0.1, "g_loss": 0.5}
    return [run_of(draw, draw, accuracy=0.5 + 0.05 * i + 0.02 * j + spread * rng.normal(), loss=loss, data=name, shots=k, ce_weight=weights.get(loss))
            for name in data for j, k in enumerate(shots) for i, loss in enumerate(losses) for draw in range(draws)]  # fmt: skip


def renamed(run: Run, name: str) -> Run:
    """The same run on a data set of that name."""
    _, _, rest = run.id.partition(f"-{run.config.loss}-")
    return dataclasses.replace(run, id=f"{name}-{run.config.loss}-{rest}", config=run.config.model_copy(update={"dataset": name}))


def texts_named(name: str, content: str, names: tuple[str, ...]) -> TextDataset:
    rng = np.random.default_rng(len(names))
    labels = np.concatenate([np.arange(len(names)), rng.integers(0, len(names), 40)])
    parts = np.where(np.arange(len(labels)) % 3 == 0, "test", "train")
    rows = tuple(" ".join(["word"] * (1 + i % 7)) for i in range(len(labels)))
    notes = (
        ReaderNote("duplicate", 3, "3 rows repeated another; dropped."), ReaderNote("leakage", 9, "9 texts in more than one part."),
        ReaderNote("conflict", 2, "2 texts with more than one label kept; for example 'a secret text' is 'x', 'y'."),
        ReaderNote("similar_labels", 1, f"1 label looks like {HOSTILE[0]}."),
    )  # fmt: skip
    return TextDataset(name, rows, labels, names, parts, content, "made by hand", notes=notes)


def outcomes() -> list[Outcome]:
    return [made(draw, loss=loss, shots=shots, skill=1 + 0.3 * i) for shots in (4, 8) for i, loss in enumerate(LOSSES[:3]) for draw in range(3)]


def center_sources(names: tuple[str, ...] = ("a", "b", "c")) -> list[CenterSource]:
    return [CenterSource(make_input("soft_triple"), names), CenterSource(make_input("supcon", seed=1, space=None), names)]


def inputs() -> list[AttributionInput]:
    rng = np.random.default_rng(0)
    made_of = lambda text, row: attribution(text, rng.normal(size=len(word_spans(text))), row_id=row)  # noqa: E731
    found = {row: made_of("a good film of words", row) for row in range(5)}
    return [AttributionInput(run_of(0, loss=loss), found, "ig") for loss in LOSSES[:2]]


def hostile_runs() -> list[Run]:
    """Two losses on two data sets whose names attack."""
    return [renamed(run, HOSTILE[0] if run.config.dataset == "trec" else HOSTILE[1]) for run in several(LOSSES[:2], shots=(4,), draws=2)]


def every_table(hostile: bool = False) -> list[Table]:
    """One of each; with hostile names of data sets, classes and settings."""
    runs = several()
    names = HOSTILE if hostile else ("a", "b", "c")
    if hostile:
        runs = [renamed(run, HOSTILE[0] if run.config.dataset == "trec" else HOSTILE[4]) for run in runs]
        runs = [dataclasses.replace(run, config=run.config.model_copy(update={"encoder": f"models/{HOSTILE[1]}"})) for run in runs]
    found = {run.config.dataset_hash: run for run in runs}
    classes = HOSTILE[:3] if hostile else names
    paper = [dataclasses.replace(run, config=run.config.model_copy(update={"dataset": "trec"})) for run in several(LOSSES[:2], ("trec",), (4,), 2)]
    return [
        results.make(runs), published.make(paper), calibration.make(outcomes()), centers.make(center_sources(classes)),
        centers.make(center_sources(classes), by="class"), attributions.make(inputs()),
        datasets.make(runs, {one: texts_named(found[one].config.dataset, one, names) for one in found}), settings.make(runs),
        *([hostile_table()] if hostile else []),
    ]  # fmt: skip


def hostile_table() -> Table:
    """Every hostile name as a cell at the start, in the middle and at the end of a row, as a header and a note."""
    rows = tuple((Cell(name), Cell("1.0 ± 0.2", 1.0, low=0.8, high=1.2, n=3, best=True, marks="*"), Cell(name, second=True)) for name in HOSTILE)
    columns = (Column(HOSTILE[10]), Column("n", "r", HOSTILE[1]), Column(HOSTILE[4], "l", HOSTILE[1]))
    return Table("hostile", HOSTILE[3], columns, rows, (2,), " ".join(HOSTILE), HOSTILE, "tab:a_b%c")
