"""What the pictures of attributions share: their ingredients, their colours, and the words of a text as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.attribution.kind import METHODS, read_kind, read_target
from dmlviz.analysis.attribution.summary import badge, shares, words_of
from dmlviz.core.types import InputError, Run, TextDataset, TokenAttribution, class_words
from dmlviz.figures.base.theme import Theme, mixed, run_titles
from dmlviz.figures.base.words import whole, whole_number

TOWARDS, AGAINST = "#D55E00", "#0072B2"  # orange and blue: told apart under every kind of colour sight
STRONG = 0.6  # of the colour in the ground, for the word with the largest share
MARKED = 0.4  # of the largest share: from here on a word carries its sign
APART = 0.1  # of a text's absolute values: from here on a word is said to differ between runs
COLUMNS = ("pane", "title", "loss", "row_id", "place", "start", "end", "second", "gap", "word", "value", "share", "strength", "differs",
           "class", "predicted", "label", "probability", "delta", "steps", "outside", "level", "reasons", "cut", "unknown")  # fmt: skip


class AttributionInput(NamedTuple):
    """A run and its attributions of one kind; `typed` (text, pair) belongs to the row id -1."""

    run: Run
    found: Mapping[int, TokenAttribution]
    kind: str
    typed: tuple[str, str | None] | None = None
    sanity: Mapping[str, Any] | None = None  # what store.attributions.stored_sanity holds
    others: Mapping[str, Mapping[int, TokenAttribution]] = {}  # baseline -> row id -> attribution, of kinds that differ in the baseline alone
    damaged: int = 0  # files of attributions that cannot be read

    @property
    def baselines(self) -> dict[str, Mapping[int, TokenAttribution]]:
        """Every baseline that texts of this run were explained from, the input's own first."""
        return {read_kind(self.kind).baseline: self.found, **self.others}


def word_frame(inputs: Sequence[AttributionInput], dataset: TextDataset, *, row: float | str = -1) -> pd.DataFrame:
    """One row per run and word of one text: `value` towards the explained class, `share` of the sum of the text's absolute values, `strength` 0..1
    relative to the largest share of all runs, `differs` where the share is APART from the runs' median or has another sign than another strong one.

    Raises InputError when no run has an attribution of the text.
    """
    row = whole_number("row", row)
    kept = [one for one in inputs if row in one.found]
    if not kept:
        raise InputError(f"text {row} has not been explained for these runs; explain it on the Attributions page or with 'attribute'")
    names = [whole(name) for name in dataset.label_names]
    texts = {one.run.id: (one.typed if row < 0 and one.typed else (dataset.texts[row], dataset.text_pairs[row] if dataset.text_pairs else None))
             for one in kept}  # fmt: skip
    tables = []
    for one, title in zip(kept, run_titles([one.run.config for one in kept]), strict=True):
        made, (text, pair) = one.found[row], texts[one.run.id]
        verdict = badge(made)
        tables.append(pd.DataFrame({
            "pane": one.run.id, "title": title, "loss": one.run.config.shown_loss, "row_id": row, "place": np.arange(len(made.starts)),
            "start": made.starts, "end": made.ends, "second": made.second, "gap": _gaps(made, text, pair),
            "word": [whole(word) for word in words_of(made, text, pair)],
            "value": made.values, "share": shares(made.values), "class": _explained(names[made.class_id], one.kind),
            "predicted": class_words(names)[made.predicted],
            "label": names[int(dataset.labels[row])] if row >= 0 else "", "probability": made.probability, "delta": made.delta,
            "steps": made.steps, "outside": made.outside, "level": verdict.level, "reasons": "; ".join(verdict.reasons), "cut": made.cut,
            "unknown": made.unknown,
        }))  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    largest = float(table["share"].abs().max()) or 1.0
    table["strength"] = table["share"].abs() / largest
    table["differs"] = _differs(table)
    return table.reindex(columns=list(COLUMNS))


def _explained(name: str, kind: str) -> str:
    """The class explained; of a difference both."""
    target = read_target(read_kind(kind).target)
    return f"{name} minus {whole(target.second)}" if target.kind == "difference" else name


def _gaps(made: TokenAttribution, text: str, pair: str | None) -> list[str]:
    """What stands before each word, behind the one before it."""
    gaps, last, side = [], 0, False
    for start, end, second in zip(made.starts, made.ends, made.second, strict=True):
        if second and not side:
            last, side = 0, True
        gaps.append(whole(((pair or "") if second else text)[last:start]))
        last = int(end)
    return gaps


def _differs(table: pd.DataFrame) -> np.ndarray:
    """(rows,) bool"""
    groups = table.groupby(["start", "end", "second"])["share"]
    apart = (table["share"] - groups.transform("median")).abs() >= APART
    strong = table["share"].abs() >= APART / 2
    signs = np.sign(table["share"]).where(strong, 0)
    keys = [table["start"], table["end"], table["second"]]
    opposed = strong & (signs.groupby(keys).transform("max") > 0) & (signs.groupby(keys).transform("min") < 0)
    return (apart | opposed).to_numpy() & (groups.transform("size") > 1).to_numpy()


def word_color(share: float, strength: float, theme: Theme) -> str:
    """The ground behind a word: orange towards the class, blue against it, paler for less."""
    return mixed(theme.ground, TOWARDS if share > 0 else AGAINST, STRONG * min(float(strength), 1.0))


def sign(share: float, strength: float) -> str:
    """"+" or "−" before a word that weighs much: colour is never the only key."""
    return "" if strength < MARKED else "+" if share > 0 else "−"


def kind_words(kind: str) -> str:
    """The kind in words, for captions."""
    read = read_kind(kind)
    target = "the predicted class" if read.target == "predicted" else "its own class" if read.target == "gold" else read.target
    baseline = f", baseline: {read.baseline}" if read.method in ("ig", "occlusion") else ""
    return f"{METHODS[read.method]} towards {whole(target)}{baseline}"
