"""Data sets of the Hugging Face Hub, through `datasets`. A Hub that cannot be reached is one sentence, within seconds."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

from dmlviz.data.catalogue import HubSource
from dmlviz.data.cleaning import Rows, build_dataset
from dmlviz.data.columns import PART_WORDS, Table, cell_text, choose_rows
from dmlviz.data.wording import WAYS_OUT, listed, note
from dmlviz.records import InputError, ReaderNote, TextDataset

REACH_SECONDS = 6


def read_hub(
    source: HubSource | str, *, name: str | None = None, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> TextDataset:
    """The data set of a catalogue row's source, or of an id "owner/name" or "owner/name:config" with columns chosen or guessed.

    Numbers of a ClassLabel become its names. Where all test labels are hidden (-1), validation is the test.
    Raises InputError when the Hub, the data set or a column cannot be had.
    """
    if isinstance(source, str):
        hub_id, _, config = source.partition(":")
        parts = None
    else:
        hub_id, config, parts = source.id, source.config, source.parts
        text, label, text_pair = text or source.text, label or source.label, text_pair or source.text_pair
    splits = _load(hub_id, config or None)
    tables, notes = _tables(splits, parts, hub_id)
    rows, more = _joined_rows(tables, hub_id, text=text, label=label, text_pair=text_pair)
    rows, hidden = _visible_test(rows, hub_id)
    sentence = f"The Hugging Face Hub: {hub_id}{f' ({config})' if config else ''}."
    return build_dataset(rows, name=name or hub_id, source=sentence, notes=notes + more + hidden, keep_repeats=True)


def _load(hub_id: str, config: str | None) -> Mapping[str, Any]:
    """Split -> table, downloaded or from the Hub's own cache. Scripts of a repository are never run."""
    for setting in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        os.environ.setdefault(setting, "8")
    import datasets
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE or datasets.config.HF_HUB_OFFLINE
    if not offline and not reachable(constants.ENDPOINT):
        raise InputError(f"the Hugging Face Hub cannot be reached, so {hub_id} cannot be loaded; try again later, {WAYS_OUT}.")
    try:
        return datasets.load_dataset(hub_id, config)
    except Exception as error:  # the library and what it calls raise dozens of kinds; a person needs the one line
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        state = " (HF_HUB_OFFLINE is set, so only its cache is looked at)" if offline else ""
        raise InputError(f"the Hub's {hub_id} cannot be loaded{state}: {reason} Check the id and the configuration, or {WAYS_OUT}.") from None


def reachable(endpoint: str, seconds: float = REACH_SECONDS) -> bool:
    """Does anything answer there in time? Name look-up and a silent server are cut off too (a thread is left behind)."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=seconds).close()
            answered.set()
        except urllib.error.HTTPError:
            answered.set()
        except (OSError, ValueError):
            pass
        done.set()

    done = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    done.wait(seconds)
    return answered.is_set()


def _tables(splits: Mapping[str, Any], parts: Mapping[str, str] | None, hub_id: str) -> tuple[dict[str, Table], tuple[ReaderNote, ...]]:
    """Part -> table for the splits that are used. Raises InputError when none of them is for training."""
    known = PART_WORDS if parts is None else parts
    used = {split: known[split] for split in splits if split in known}
    if "train" not in used.values():
        raise InputError(f"{hub_id} has no split to train on; its splits are {listed(splits)}. Save it as a file with a part column.")
    ignored = [split for split in splits if split not in used]
    notes = note("part", len(ignored), f"splits not used: {listed(ignored)}.") if parts is None else ()
    stand_in = parts is not None and used.get("validation") == "test"
    notes += note("part", int(stand_in), "the validation split is the test part here: the labels of the Hub's own test split are hidden.")
    return {part: _as_table(splits[split]) for split, part in used.items()}, notes


def _as_table(split: Any) -> Table:
    columns = {column: _cells(split[column], split.features[column]) for column in split.column_names}
    return Table(columns, range(1, split.num_rows + 1), "row", True)


def _cells(values: Iterable[Any], feature: Any) -> list[str | None]:
    names = getattr(feature, "names", None)  # a ClassLabel
    if names is None:
        return [cell_text(value) for value in values]
    return [names[value] if value is not None and 0 <= value < len(names) else None for value in values]


def _joined_rows(tables: Mapping[str, Table], hub_id: str, **chosen: str | None) -> tuple[Rows, tuple[ReaderNote, ...]]:
    texts, labels, parts, pairs, notes = [], [], [], [], ()
    for part, table in tables.items():
        rows, found = choose_rows(table, f"{hub_id} ({part})", **chosen)
        texts += rows.texts
        labels += rows.labels
        parts += [part] * len(rows.texts)
        pairs += rows.pairs if rows.pairs is not None else []
        notes = notes or found
    return Rows(texts, labels, parts, pairs if len(pairs) == len(texts) else None), notes


def _visible_test(rows: Rows, hub_id: str) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """Where no test row has a label, the validation rows become the test."""
    test = [i for i, part in enumerate(rows.parts) if part == "test"]
    if not test or any(rows.labels[i] is not None and rows.labels[i] != "-1" for i in test):
        return rows, ()
    kept = rows.take([i for i, part in enumerate(rows.parts) if part != "test"])
    moved = Rows(kept.texts, kept.labels, ["test" if part == "val" else part for part in kept.parts], kept.pairs)
    return moved, note("part", len(test), f"{hub_id} hides the labels of its test split; its validation split is the test part here.")
