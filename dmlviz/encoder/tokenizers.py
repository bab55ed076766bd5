"""The tokenizer of a model: there, large enough, and able to pad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dmlviz.core.types import InputError
from dmlviz.encoder.checkpoint import Notes, first_line
from dmlviz.encoder.places import called, find_model


def read_tokenizer(name: str, body: Path, other: str | None, notes: Notes) -> Any:
    """The tokenizer of the folder, or of `other`, a folder or Hub id. Raises InputError where there is none: an invented one knows no word."""
    from transformers import AutoTokenizer

    place = body if other is None else tokenizer_folder(other)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError, AttributeError) as error:
        raise InputError(f"the model {name!r} has no tokenizer that can be read ({first_line(error)}); name one with --tokenizer "
                         "FOLDER_OR_HUB_ID") from None
    if len(tokenizer) - len(set(tokenizer.all_special_ids)) < 2:  # what the library makes up for a folder without one
        raise InputError(f"the {'model' if other is None else 'folder'} {other or name!r} has no tokenizer; name one with --tokenizer "
                         "FOLDER_OR_HUB_ID, such as the model it was fine-tuned from")  # fmt: skip
    if other is not None:
        notes.assumed.append(f"the tokenizer is that of {called(other)}")
    _can_pad(tokenizer, name, notes)
    return tokenizer


def tokenizer_folder(name: str) -> Path:
    """A folder as it is, a Hub id fetched. Only a model's folder is checked for weights, and a tokenizer may lie alone."""
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else find_model(name).body


def _can_pad(tokenizer: Any, name: str, notes: Notes) -> None:
    """Padding goes to the right, whatever the folder says: positions then begin at the first token, as they do for a text alone."""
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is not None:
        return
    stand_in = tokenizer.eos_token or tokenizer.unk_token
    if stand_in is None:
        raise InputError(f"the tokenizer of {name!r} has no padding token, nor one that could stand for it; add a pad_token to its "
                         "tokenizer_config.json")
    tokenizer.pad_token = stand_in
    notes.assumed.append(f"it has no padding token, so {stand_in} pads, masked")


def fit_table(model: nn.Module, tokenizer: Any, notes: Notes) -> None:
    """Give the model a row for every token of the tokenizer: new ones are the mean of the others, and said."""
    table = model.get_input_embeddings()
    if not isinstance(table, nn.Embedding):
        return
    lacking = max(tokenizer.get_vocab().values(), default=0) + 1 - table.num_embeddings
    if lacking <= 0:
        return
    mean = table.weight.detach().mean(dim=0)
    before = table.num_embeddings
    model.resize_token_embeddings(before + lacking, mean_resizing=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[before:] = mean
    notes.assumed.append(f"the tokenizer has {lacking:,} token{'' if lacking == 1 else 's'} more than the model's table of {before:,}: rows were "
                         "added, each the mean of the others and not trained")  # fmt: skip
