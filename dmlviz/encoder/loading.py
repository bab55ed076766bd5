"""From a name to a TextEncoder that has been tested, with a report of what was read, assumed and left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from dmlviz.core.types import POOLED, InputError, LoadReport
from dmlviz.encoder.checkpoint import Notes, base_of, read_encoder
from dmlviz.encoder.places import Place, called, find_model, read_json_file
from dmlviz.encoder.self_test import check_encoder, reaches_no_other
from dmlviz.encoder.sentence_modules import Normalize, SentenceModules, read_modules
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.encoder.tokenizers import fit_table, read_tokenizer

KINDS = {"transformers": "Hugging Face checkpoint", "sentence-transformers": "sentence-transformers model", "SetFit": "SetFit model",
         "adapter": "adapter", "dmlviz": "weights of a DMLViz run"}  # fmt: skip

_KEPT: dict[tuple[str, str | None], tuple[nn.Module, Any, Notes]] = {}  # one encoder as it was read, for forked processes


def preload(name: str, tokenizer: str | None = None) -> None:
    """Read an encoder for processes that are forked from this one. Each takes it over as it is: memory is copied only where it is written to."""
    place = find_model(name)
    if (key := (str(place.folder), tokenizer)) not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = _read(place, tokenizer)


def load_encoder(
    name: str, *, pooling: str = "auto", max_length: int = 128, tokenizer: str | None = None, as_is: bool = False, owner: nn.Module | None = None,
    notes: Notes | None = None,
) -> TextEncoder:  # fmt: skip
    """The encoder of a bundled name, folder or Hub id in float32, with its `report`. `trust_remote_code` stays off; only safetensors are read.

    `pooling`: "auto" is the model's own, else the first token, or the last where no token sees a later one. `as_is`: a sentence-transformers model's
    Normalize is kept, so the vectors are those of its `encode`; training leaves it out, since a loss normalises where its paper does.
    `owner`: a classifier that was read already; its encoder is taken. `notes`: what was noted before, which stands first in the report.
    Raises InputError for whatever cannot be read as it says of itself.
    """
    place = find_model(name)
    if owner is None:
        whole, reader, found = _KEPT.pop((str(place.folder), tokenizer), None) or _read(place, tokenizer)  # used once: training changes it
        owner = whole if base_of(whole) is not whole else None
    else:
        whole, found = owner, Notes()
        reader = read_tokenizer(name, place.body, tokenizer, found)
        fit_table(owner, reader, found)
    found = (notes or Notes()).then(found)
    modules = read_modules(place)
    encoder = _assembled(place, base_of(whole), reader, modules, pooling, max_length, as_is, found, owner)
    tested = check_encoder(encoder, name, found)
    encoder.report = LoadReport(
        source=_source(place), kind=KINDS[place.kind], architecture=type(whole).__name__, pooling=encoder.pooling,
        modules=tuple(type(layer).__name__ for layer in encoder.layers), max_length=encoder.max_length, read=tuple(found.read),
        assumed=tuple(found.assumed), left_out=tuple(found.left_out), self_test=tested,
    )  # fmt: skip
    return encoder


def _read(place: Place, tokenizer: str | None) -> tuple[nn.Module, Any, Notes]:
    notes = Notes()
    model = read_encoder(place, notes)
    reader = read_tokenizer(place.name, place.body, tokenizer, notes)
    fit_table(model, reader, notes)
    return model, reader, notes


def _assembled(
    place: Place, model: nn.Module, tokenizer: Any, modules: SentenceModules | None, pooling: str, max_length: int, as_is: bool, notes: Notes,
    owner: nn.Module | None,
) -> TextEncoder:  # fmt: skip
    own = _own_pooling(place, modules)
    layers = nn.Sequential(*(layer for layer in (modules.layers if modules else ()) if as_is or not isinstance(layer, Normalize)))
    if pooling not in ("auto", own) and own is not None:
        notes.assumed.append(f"it pools by {own} where it comes from, and by {pooling} here, as asked for")
        layers = nn.Sequential()  # they were trained on the other
    if modules and len(layers) < len(modules.layers):
        left = [type(one).__name__ for one in modules.layers if one not in list(layers)]
        why = ", since a loss normalises where its paper does" if left == ["Normalize"] else ""
        notes.left_out.append(f"{', '.join(left)} of the sentence-transformers model{why}")
    limit = min([max_length, *([modules.max_length] if modules and modules.max_length else []), _tokenizer_limit(tokenizer)])
    made = TextEncoder(model, tokenizer, pooling=own or "cls", max_length=limit, layers=layers, lower=bool(modules and modules.lower), owner=owner)
    made.pooling = pooling if pooling != "auto" else own or _pooling_of(made, place, notes)
    if "cls" in made.pooling.split("+") and reaches_no_other(made):
        raise InputError(f"{place.name!r} is a causal model, whose first token sees no other, so the pooling {made.pooling} takes the same vector "
                         "of every text; choose the pooling last or mean")  # fmt: skip
    return made


def _pooling_of(encoder: TextEncoder, place: Place, notes: Notes) -> str:
    """What suits an architecture that does not say how it pools: the class token wherever it stands, else the last token where only that has seen
    the others, else the mean."""
    cls, ids = encoder.tokenizer.cls_token_id, encoder.token_ids(["a b c"])[0]["input_ids"]
    why = "it does not say how it pools" + ("; the Hub did not answer, and its cache may lack the file that says so" if place.partial else "")
    if reaches_no_other(encoder):
        pooling, why = "last", "its first token sees no other"
    elif cls is not None and cls in (ids[0], ids[-1]):
        pooling = "cls" if cls == ids[0] else "last"
    else:
        pooling, why = "mean", f"it has no class token, and {why}"
    notes.assumed.append(f"{POOLED[pooling]} pooling, since {why}")
    return pooling


def _own_pooling(place: Place, modules: SentenceModules | None) -> str | None:
    """What the folder says of itself; None where it says nothing."""
    if place.kind == "dmlviz":
        said: Mapping[str, Any] = read_json_file(place.folder / "dmlviz.json")
        if said.get("pooling"):
            return str(said["pooling"])
    return modules.pooling if modules is not None else None


def _tokenizer_limit(tokenizer: Any) -> int:
    return int(min(tokenizer.model_max_length or 10**9, 10**9))


def _source(place: Place) -> str:
    """What the report calls it; a Hub id with its commit."""
    return f"{place.name}@{place.revision[:7]}" if place.revision else called(place.name)
