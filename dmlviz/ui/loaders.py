"""Cached loaders. They take ids and settings, return data, read no widget."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from dmlviz.data import draw_split, load_dataset, read_file
from dmlviz.data.catalogue import where as catalogue_where
from dmlviz.panes import load_panes, missing_maps, read_kind
from dmlviz.records import DamagedError, Pane, Run, Split, TextDataset
from dmlviz.store import Store, home_folder
from dmlviz.store_files import is_writable
from dmlviz.store_leftovers import sweep_leftovers
from dmlviz.training.local import LocalEngine
from dmlviz.ui.frame import capitalised


def store() -> Store:
    """The store of this home."""
    return Store(home_folder())


@st.cache_resource(max_entries=4, show_spinner=False)
def tidy(home: str) -> list[str]:
    """What was swept of killed processes, once for each server and home."""
    return sweep_leftovers(Path(home))


def runs() -> list[Run]:
    """All runs, newest first, as they are now. Also sees to it that queued runs are looked after, where the home can be written."""
    here = store()
    with contextlib.suppress(OSError):  # said by `trouble`
        LocalEngine(here).poll()
    return here.runs()


def trouble() -> str:
    """Why nothing can be started or kept in this home; "" where it can."""
    here = store()
    if not is_writable(here.home):
        return f"The home {here.home} can only be read: everything can be looked at, nothing can be started or kept."
    return capitalised(LocalEngine(here).cannot_start())


def damage_of(run: Run) -> DamagedError | None:
    """Why a finished run cannot be looked at: a file of it, or of its texts, that cannot be read."""
    try:
        store().arrays(run.id)
        dataset(run.config.dataset_hash or "")
    except DamagedError as error:
        return error
    return None


def events(run_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    here = store()
    return {run_id: here.events(run_id) for run_id in run_ids}


def dataset(content_hash: str) -> TextDataset:
    """The stored texts, kept in memory for a few data sets."""
    return _dataset(str(home_folder()), content_hash)


@st.cache_resource(max_entries=4, show_spinner=False)
def _dataset(home: str, content_hash: str) -> TextDataset:
    return Store(home).dataset(content_hash)


def panes(run_ids: Sequence[str], method: str) -> tuple[list[Pane], TextDataset]:
    """Maps of the runs on one frame of reference, and their texts. Cached while the stored maps stay the same."""
    here = store()
    missing = set(missing_maps(here, run_ids, read_kind(method)))
    ready = tuple((run_id, run_id not in missing) for run_id in run_ids)
    return _panes(str(here.home), ready, method)


@st.cache_resource(max_entries=12, show_spinner=False)
def _panes(home: str, ready: tuple[tuple[str, bool], ...], method: str) -> tuple[list[Pane], TextDataset]:
    return load_panes(Store(home), [run_id for run_id, _ in ready], method=method)


def read_dataset(ref: str, *, text: str | None = None, label: str | None = None, text_pair: str | None = None) -> TextDataset:
    """A catalogue name, path or Hub id, read and repaired. Cached per reference and columns."""
    return _read(str(home_folder()), os.environ.get("DMLVIZ_DATA"), ref, _changed(ref), text, label, text_pair)


def _changed(ref: str) -> float:
    path = Path(ref).expanduser()
    return path.stat().st_mtime if path.exists() else 0.0


@st.cache_resource(max_entries=6, show_spinner=False)
def _read(home: str, data_dir: str | None, ref: str, changed: float, text: str | None, label: str | None, text_pair: str | None) -> TextDataset:
    return load_dataset(ref, home=home, text=text, label=label, text_pair=text_pair)


@st.cache_resource(max_entries=6, show_spinner=False)
def read_upload(content: bytes, name: str, text: str | None, label: str | None, text_pair: str | None) -> TextDataset:
    """An uploaded file's texts."""
    return read_file(content, filename=name, text=text, label=label, text_pair=text_pair)


DRAWN_BY = ("shots", "shots_by", "support_seed", "validation", "folds", "fold")  # fields of a RunConfig that decide the split


@st.cache_data(max_entries=64, show_spinner=False)
def drawn_split(content_hash: str, _dataset: TextDataset, *drawn_by: int | str | None) -> Split:
    """The few-shot draw, for the estimate. `drawn_by`: the values of DRAWN_BY."""
    return draw_split(_dataset, **dict(zip(DRAWN_BY, drawn_by, strict=True)))


def where(name: str) -> str:
    """Where a catalogue data set would come from now."""
    return catalogue_where(name, home_folder(), os.environ.get("DMLVIZ_DATA"))
