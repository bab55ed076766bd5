"""The command `datasets`. Importing this adds it to the app."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmlviz.cli.app import AsJson, Encoding, Home, LabelColumn, PairColumn, TextColumn, app
from dmlviz.cli.output import notes, put, say, table
from dmlviz.store.runs import Store

if TYPE_CHECKING:
    from dmlviz.core.types import TextDataset

MOST_CLASSES = 20  # in the table of one data set
PARTS = {"train": "TRAINING", "val": "VALIDATION", "test": "TEST"}


@app.command()
def datasets(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="catalogue name, folder, file or Hub id: read it and say what it holds")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    pair_column: PairColumn = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """What can be trained on, and where it would come from; of one data set its classes and all that its reader noticed."""
    from dmlviz.data import load_dataset

    store = Store(home)
    if dataset is None:
        _list(store, as_json)
        return
    texts = load_dataset(dataset, home=store.home, text=text_column, label=label_column, text_pair=pair_column, encoding=encoding)
    facts = _facts(texts)
    if as_json:
        put(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    kind = "pairs of texts" if facts["pairs"] else "texts"
    put(f"{texts.name}: {len(texts.texts):,} {kind} in {len(texts.label_names):,} classes. {texts.source}")
    parts = [part for part in PARTS if facts["rows"][part]]
    most = sorted(facts["classes"].items(), key=lambda one: -sum(one[1].values()))[:MOST_CLASSES]
    table(("CLASS", *(PARTS[part] for part in parts)), [(name, *(f"{counts[part]:,}" for part in parts)) for name, counts in most])
    if len(facts["classes"]) > MOST_CLASSES:
        say(f"the {MOST_CLASSES} largest of {len(facts['classes']):,} classes; --json has all")
    notes(texts.notes)


def _list(store: Store, as_json: bool) -> None:
    """The catalogue, and the folders of $DMLVIZ_DATA."""
    from dmlviz.core.wording import listed
    from dmlviz.data import CATALOGUE, own_folders, where

    folder, own = os.environ.get("DMLVIZ_DATA"), own_folders()
    rows = [(name, str(entry.classes), entry.title, where(name, store.home, folder)) for name, entry in CATALOGUE.items()]
    rows += [(name, "-", "own folder", f"From the folder {folder}/{name}.") for name, readable in own.items() if readable]
    if as_json:
        put(json.dumps([dict(zip(("name", "classes", "title", "source"), row, strict=True)) for row in rows], indent=1, ensure_ascii=False))
    else:
        table(("NAME", "CLASSES", "TITLE", "SOURCE"), rows)
    if unreadable := [name for name, readable in own.items() if not readable]:
        say(f"folders of $DMLVIZ_DATA that hold no data set: {listed(unreadable)}; 'python -m dmlviz datasets NAME' says what is missing")


def _facts(texts: TextDataset) -> dict[str, Any]:
    """A data set as plain JSON: rows of each part, rows of each class in each part, notes."""
    import numpy as np

    counts = {part: np.bincount(texts.labels[texts.parts == part], minlength=len(texts.label_names)) for part in PARTS}
    return {
        "name": texts.name, "source": texts.source, "hash": texts.content_hash, "pairs": texts.text_pairs is not None,
        "rows": {part: int(own.sum()) for part, own in counts.items()},
        "classes": {name: {part: int(own[i]) for part, own in counts.items()} for i, name in enumerate(texts.label_names)},
        "class_order": texts.class_order, "notes": [note._asdict() for note in texts.notes],
    }  # fmt: skip
