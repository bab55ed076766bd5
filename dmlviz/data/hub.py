"""Data sets of the Hugging Face Hub, through `datasets`. A Hub that cannot be reached is one sentence, within seconds."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from dmlviz.core.types import InputError, TextDataset
from dmlviz.core.wording import WAYS_OUT, note
from dmlviz.data.catalogue import HubSource
from dmlviz.data.cleaning import build_dataset
from dmlviz.data.parts import rows_of_parts
from dmlviz.data.splits import split_tables

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
    tables, notes = split_tables(splits, parts, hub_id)
    stand_in = parts is not None and parts.get("validation") == "test" and "validation" in splits
    notes += note("part", int(stand_in), "the validation split is the test part here: the labels of the Hub's own test split are hidden.")
    rows, more = rows_of_parts(tables, hub_id, text=text, label=label, text_pair=text_pair)
    sentence = f"The Hugging Face Hub: {hub_id}{f' ({config})' if config else ''}."
    return build_dataset(rows, name=name or hub_id, source=sentence, notes=notes + more, keep_repeats=True)


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
