"""Cached loaders. They take ids and settings, return data, read no widget."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from dmlviz.analysis.map_kinds import load_panes, missing_maps, read_kind
from dmlviz.core.types import DamagedError, InputError, Pane, ReaderNote, Run, RunConfig, Split, TextDataset
from dmlviz.data import DRAWN_BY, Peek, draw_split, file_states, load_dataset, read_with_peek
from dmlviz.data.catalogue import where as catalogue_where
from dmlviz.data.changes import State
from dmlviz.encoder.cut_texts import cached_tokenizer, cut_in_run
from dmlviz.jobs.local import LocalEngine
from dmlviz.store.files import is_writable
from dmlviz.store.leftovers import sweep_leftovers
from dmlviz.store.runs import Store, home_folder
from dmlviz.ui.shared.frame import capitalised

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile


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


def read_dataset(ref: str, **columns: str | None) -> TextDataset:
    """A catalogue name, folder, path or Hub id, read and repaired. Read once, until a file behind it changes; a file that cannot be read, too.

    `columns`: text, label, text_pair and encoding, where they are chosen. Raises InputError as `load_dataset` does.
    """
    states = file_states(ref)
    key = (str(home_folder()), os.environ.get("DMLVIZ_DATA"), ref, tuple(sorted(columns.items())))
    found = _read(*key) if states is None else _read_files(*key, states)
    if isinstance(found, str):
        raise InputError(found)
    return found


@st.cache_resource(max_entries=4, show_spinner=False)
def _read(home: str, data_dir: str | None, ref: str, columns: tuple[tuple[str, str | None], ...]) -> TextDataset:
    return load_dataset(ref, home=home, **dict(columns))


@st.cache_resource(max_entries=4, show_spinner=False)
def _read_files(home: str, data_dir: str | None, ref: str, columns: tuple[tuple[str, str | None], ...], states: State) -> TextDataset | str:
    """The data set, or the sentence why there is none: reading a broken file again at every click is as slow as reading a sound one."""
    try:
        return load_dataset(ref, home=home, **dict(columns))
    except InputError as error:
        return str(error)


def read_upload(file: UploadedFile, **columns: str | None) -> tuple[Peek, TextDataset | InputError]:
    """An uploaded file's columns and texts, or what stands against them. One parse for each content and choice, whoever uploads it.

    Raises InputError for a broken file.
    """
    hashes = st.session_state.setdefault("upload_hashes", {})
    if file.file_id not in hashes:
        hashes[file.file_id] = hashlib.sha256(file.getbuffer()).hexdigest()
    found = _read_upload(hashes[file.file_id], file.name, tuple(sorted(columns.items())), file)
    if isinstance(found, str):
        raise InputError(found)
    return found


@st.cache_resource(max_entries=4, show_spinner=False)
def _read_upload(
    content_hash: str, name: str, columns: tuple[tuple[str, str | None], ...], _file: UploadedFile
) -> tuple[Peek, TextDataset | InputError] | str:  # fmt: skip
    try:
        return read_with_peek(_file.getvalue(), filename=name, **dict(columns))
    except InputError as error:
        return str(error)


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn_split(content_hash: str, _dataset: TextDataset, *drawn_by: int | str | None) -> Split:
    return draw_split(_dataset, **dict(zip(DRAWN_BY, drawn_by, strict=True)))


def drawn_split(dataset: TextDataset, config: RunConfig) -> Split:
    """The few-shot draw, for the estimate."""
    return _drawn_split(dataset.content_hash, dataset, *(getattr(config, name) for name in DRAWN_BY))


def cut_texts(dataset: TextDataset, config: RunConfig) -> tuple[ReaderNote, ...]:
    """A note where texts of the run will lose words; counted once for each encoder, length and draw."""
    folder = cached_tokenizer(config.tokenizer or config.encoder)
    file = None if folder is None else folder / "tokenizer.json"
    if file is None or not file.is_file():
        return ()
    drawn_by = [getattr(config, name) for name in DRAWN_BY]
    return _cut_texts(dataset.content_hash, config.encoder, config.tokenizer, config.max_length, file.stat().st_mtime_ns, *drawn_by,
                      _dataset=dataset, _config=config)  # fmt: skip


@st.cache_data(max_entries=64, show_spinner="Counting what the encoder will not see.")
def _cut_texts(*key: Any, _dataset: TextDataset, _config: RunConfig) -> tuple[ReaderNote, ...]:
    return cut_in_run(_config, _dataset, drawn_split(_dataset, _config))


def where(name: str) -> str:
    """Where a catalogue data set would come from now."""
    return catalogue_where(name, home_folder(), os.environ.get("DMLVIZ_DATA"))
