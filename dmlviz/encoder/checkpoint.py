"""Weights, and whether they are those of the architecture: what is missing, left over or of another shape is read from the loader's own report.

    read_encoder(place, notes) -> the Transformer alone
    read_classifier(place, notes) -> a *ForSequenceClassification with its head, None where the checkpoint has none
"""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dmlviz.core.types import InputError
from dmlviz.encoder.places import Place, called, find_model

OTHER_TASK = ", which another task needs"
MOST_NAMED = 3  # weights named in a sentence
UNREAD = ("pooler.", "pooler_", "position_ids")  # of an encoder: not in the way to its last layer


@dataclass
class Notes:
    """What a load report will say: sentences without a full stop."""

    read: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def then(self, later: Notes) -> Notes:
        """These, and the later ones that say something new. A head whose fate is told already is not told again as one of another task."""
        heads = [one for one in later.left_out if not (self.left_out and one.endswith(OTHER_TASK))]
        joined = lambda first, second: list(dict.fromkeys([*first, *second]))  # noqa: E731
        return Notes(joined(self.read, later.read), joined(self.assumed, later.assumed), joined(self.left_out, heads))


def read_config(place: Place) -> Any:
    """The model's config. Raises InputError for an architecture that transformers does not know without running the folder's code."""
    from transformers import AutoConfig

    _check_names(place)
    try:
        return AutoConfig.from_pretrained(place.body, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"encoder {place.name!r} could not be loaded: {first_line(error)}") from error


def _check_names(place: Place) -> None:
    """Raises InputError for an id2label that is no object, on which transformers stumbles."""
    try:
        said = json.loads((place.body / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # said by the loader
    names = said.get("id2label") if isinstance(said, dict) else None
    if names is not None and not (isinstance(names, dict) and all(str(key).isdecimal() for key in names)):
        raise InputError(f"id2label in the config.json of {place.name!r} has to name the classes by their numbers, as in "
                         '{"0": "negative", "1": "positive"}')  # fmt: skip


def read_encoder(place: Place, notes: Notes) -> nn.Module:
    """The model with the Transformer in float32; `base_of` takes the encoder out of it. Raises InputError when a weight of it is not in the
    checkpoint, has another shape, or does not belong to it."""
    from transformers import AutoModel, AutoModelForTextEncoding

    if place.kind == "adapter":
        return _with_adapter(place, notes, head=False)
    config = read_config(place)
    alone = any(str(name).endswith("EncoderModel") for name in config.architectures or ())  # the encoder of an encoder-decoder, saved by itself
    if (config.is_encoder_decoder or alone) and type(config) in AutoModelForTextEncoding._model_mapping:
        return _read(AutoModelForTextEncoding, place, notes)
    if config.is_encoder_decoder and place.kind in ("sentence-transformers", "SetFit"):
        raise InputError(f"the sentence-transformers model {place.name!r} has the encoder-decoder {config.model_type}, whose decoder that library "
                         "reads; choose a model with an encoder such as BERT, MPNet or T5")  # fmt: skip
    return _read(AutoModel, place, notes, **_without_pooler(config))


def read_classifier(place: Place, notes: Notes) -> nn.Module | None:
    """The checkpoint's whole classifier. None, with the reason among what was left out, where its head is not in the file: a random one is never
    read."""
    from transformers import AutoModelForSequenceClassification

    if place.kind == "adapter":
        return _with_adapter(place, notes, head=True)
    return _read(AutoModelForSequenceClassification, place, notes, head=True)


def base_of(model: nn.Module) -> nn.Module:
    """The part that turns tokens into vectors: of an encoder-decoder its encoder."""
    base = getattr(model, "base_model", model)
    return base.get_encoder() if base.config.is_encoder_decoder and hasattr(base, "decoder") else base


def _without_pooler(config: Any) -> dict[str, bool]:
    """BERT-like models are built without their pooler, which is neither trained nor read here."""
    from transformers import AutoModel

    known = AutoModel._model_mapping.get(type(config), None)
    known = known[0] if isinstance(known, tuple) else known
    return {"add_pooling_layer": False} if known is not None and "add_pooling_layer" in inspect.signature(known.__init__).parameters else {}


def _read(auto: Any, place: Place, notes: Notes, *, head: bool = False, **kwargs: Any) -> nn.Module | None:
    """A model of that class; None where `head` is wanted and missing."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, info = _from_pretrained(auto, place, **kwargs)
    missing = _missing(info, head=head)
    if missing and (prefix := _prefix(place.body, _needed(model, head=head), place.name)):
        model, info = _without_prefix(place, model, prefix, notes, **kwargs)
        missing = _missing(info, head=head)
    if head and missing and _head_is_missing(place, model, missing):
        notes.left_out.append("its classifier, since its weights are not in the file")
        return None
    _refuse(place.name, model, info, missing)
    if stored := _stored_precision(place.body):
        notes.read.append(f"its weights, stored as {stored}, in float32")
    if heads := sorted({_top(name) for name in info["unexpected_keys"] if not any(part in name for part in UNREAD)}):
        notes.left_out.append(f"{', '.join(heads[:4])}{' and more' if len(heads) > 4 else ''}{OTHER_TASK}")
    return model


def _without_prefix(place: Place, model: nn.Module, prefix: str, notes: Notes, **kwargs: Any) -> tuple[nn.Module, Mapping[str, Any]]:
    """The same model read from the weights behind the prefix, and the loader's report."""
    state = {name.removeprefix(prefix): value for name, value in read_weights(place.body).items() if name.startswith(prefix)}
    again = {"config": model.config, "state_dict": state, "dtype": torch.float32, "output_loading_info": True}
    notes.assumed.append(f"the names of its weights begin with {prefix!r}, which was taken off")
    return type(model).from_pretrained(None, **again, **kwargs)


def _head_is_missing(place: Place, model: nn.Module, missing: list[str]) -> bool:
    """Is all of the encoder there, under whatever prefix, and of the head not all?"""
    base = f"{model.base_model_prefix}."
    if not any(name.startswith(base) for name in missing):
        return True
    encoder = {name.removeprefix(base) for name in _needed(model, head=False) if name.startswith(base)}
    return bool(_prefix(place.body, encoder, place.name))


def _from_pretrained(auto: Any, place: Place, **kwargs: Any) -> tuple[nn.Module, Mapping[str, Any]]:
    """The model and the loader's report; weights of another shape are in the report, not an error."""
    try:
        return auto.from_pretrained(
            place.body, use_safetensors=True, dtype=torch.float32, trust_remote_code=False, output_loading_info=True, ignore_mismatched_sizes=True,
            **kwargs,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError) as error:
        raise InputError(f"encoder {place.name!r} could not be loaded: {first_line(error)}") from error


def _missing(info: Mapping[str, Any], *, head: bool) -> list[str]:
    """Weights that are not in the checkpoint and that our vectors (with `head`: the logits) depend on."""
    return sorted(name for name in info["missing_keys"] if head or not any(part in name for part in UNREAD))


def _needed(model: nn.Module, *, head: bool) -> set[str]:
    """Names of all weights that our vectors (with `head`: the logits) depend on; of tied ones only the first."""
    names = set(model.state_dict()) - set(getattr(model, "all_tied_weights_keys", None) or ())
    return {name for name in names if head or not any(part in name for part in UNREAD)}


def _top(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "cls" else parts[0]


def _refuse(name: str, model: nn.Module, info: Mapping[str, Any], missing: list[str]) -> None:
    """Raises InputError where the checkpoint and its config.json are not of one model."""
    whole = len(model.state_dict())
    if missing:
        raise InputError(f"{_counted(missing)} of the {whole} weights of {type(model).__name__} are not in the checkpoint {name!r} "
                         f"({_named(missing)}), so they would be random; save the model again with save_pretrained, or give the config.json that "
                         "belongs to these weights")  # fmt: skip
    if wrong := sorted(str(one[0] if isinstance(one, (tuple, list)) else one) for one in info["mismatched_keys"]):
        raise InputError(f"{_counted(wrong)} weights of the checkpoint {name!r} have another shape than its config.json says ({_named(wrong)}); "
                         "give the config.json that belongs to these weights, or save the model again with save_pretrained")  # fmt: skip
    known, prefix = {_numberless(one) for one in model.state_dict()}, f"{model.base_model_prefix}."
    forms = lambda one: {_numberless(one), _numberless(one.removeprefix(prefix)), prefix + _numberless(one)}  # noqa: E731
    beyond = sorted(one for one in info["unexpected_keys"] if forms(one) & known)  # such as a layer more
    if beyond:
        raise InputError(f"{_counted(beyond)} weights of the checkpoint {name!r} have no place in the architecture that its config.json describes "
                         f"({_named(beyond)}); give the config.json that belongs to these weights, or save the model again with "
                         "save_pretrained")  # fmt: skip


def _counted(names: list[str]) -> str:
    return f"{len(names):,}"


def _named(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else "")


def _numberless(name: str) -> str:
    return re.sub(r"(?<=\.)\d+(?=\.)", "N", name)


# ---- weights under other names


def _prefix(folder: Path, needed: set[str], model: str) -> str | None:
    """The prefix behind which all needed weights stand: of a wrapper such as DataParallel ("module.") or torch.compile ("_orig_mod."), or of a class
    that holds the encoder. None where there is none. Raises InputError where several fit, since which of them is meant is not known."""
    names = weight_names(folder)
    fitting = [prefix for prefix in sorted(_prefixes(names)) if needed <= {name.removeprefix(prefix) for name in names if name.startswith(prefix)}]
    if len(fitting) > 1:
        raise InputError(f"the checkpoint {model!r} holds {len(fitting)} models, with names that begin with {', '.join(map(repr, fitting[:4]))}; "
                         "save the one that is meant in a folder of its own")  # fmt: skip
    return fitting[0] if fitting else None


def _prefixes(names: Iterable[str]) -> set[str]:
    """Every beginning of a name up to a dot, at most four words long."""
    found = set()
    for name in names:
        parts = name.split(".")
        found |= {".".join(parts[:count]) + "." for count in range(1, min(len(parts), 5))}
    return found


def weight_names(folder: Path) -> set[str]:
    """The names of all weights in the folder's safetensors files. Raises InputError for a file that is none."""
    found: set[str] = set()
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                found |= set(file.keys())
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} could not be read: {first_line(error)}; restore the file, or save the model again") from error
    return found


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Name -> tensor of the folder's safetensors files."""
    from safetensors.torch import load_file

    return {name: value for path in _weight_files(folder) for name, value in load_file(path).items()}


def _weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts that its index names."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return sorted({folder / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    return [path for path in sorted(folder.glob("*.safetensors")) if path.name not in ("objective.safetensors", "model_head.safetensors")]


def _stored_precision(folder: Path) -> str:
    """"bfloat16" or "float16" where most of the numbers are stored so; "" for float32."""
    counts: dict[str, int] = {}
    for path in _weight_files(folder):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  no dictionary
                part = file.get_slice(name)
                counts[part.get_dtype()] = counts.get(part.get_dtype(), 0) + math.prod(part.get_shape())
    most = max(counts, key=counts.__getitem__, default="F32")
    return {"BF16": "bfloat16", "F16": "float16"}.get(most, "")


# ---- adapters


def _with_adapter(place: Place, notes: Notes, *, head: bool) -> nn.Module | None:
    """The base model with the adapter's changes added to its weights; with `head`, the classifier that was trained beside it."""
    from transformers import AutoModel

    said = json.loads((place.folder / "adapter_config.json").read_text(encoding="utf-8"))
    base_name = str(said.get("base_model_name_or_path") or "")
    try:
        from peft import PeftModel
    except ImportError:
        raise InputError(f"{place.name!r} is a {said.get('peft_type', 'PEFT')} adapter of {base_name!r}, and reading it needs the library peft; "
                         "run 'pip install \"dmlviz[peft]\"', or merge the adapter into its base and save that") from None  # fmt: skip
    base_place = find_model(base_name)
    outputs = _head_outputs(place.folder)
    if head and outputs is None:
        notes.left_out.append("a classifier, since the adapter has none")
        return None
    own = Notes()
    try:
        base = _read(AutoModel, base_place, own) if outputs is None else _under_a_head(base_place, outputs, _kept_whole(place.folder), own)
    except InputError as error:
        raise InputError(f"the adapter {place.name!r} does not fit its base model {base_name!r}: {error}") from None
    try:
        tuned = PeftModel.from_pretrained(base, str(place.folder))
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        raise InputError(f"the adapter {place.name!r} does not fit its base model {base_name!r}: {first_line(error)}; "
                         "name the base it was trained on in adapter_config.json") from error  # fmt: skip
    _check_adapter(place, tuned, base_name)
    if head and own.left_out:
        notes.left_out += own.left_out
        return None
    merged = tuned.merge_and_unload()
    notes.read.append(f"the {said.get('peft_type', 'PEFT')} adapter, merged into its base model {called(base_name)}")
    notes.assumed += [f"of its base model: {one}" for one in own.assumed]
    return merged.float()


def _under_a_head(place: Place, outputs: int, beside: set[str], notes: Notes) -> nn.Module:
    """The base as a classifier whose modules `beside` come with the adapter; all others must be in the base's own file, of their shapes."""
    from transformers import AutoModelForSequenceClassification

    model, info = _from_pretrained(AutoModelForSequenceClassification, place, num_labels=outputs)
    own = lambda report: [name for name in _missing(report, head=True) if name not in beside]  # noqa: E731
    needed, base = _needed(model, head=True) - beside, f"{model.base_model_prefix}."
    bare = {name.removeprefix(base) for name in needed}  # as of a file that holds the encoder alone
    if own(info) and (prefix := _prefix(place.body, needed, place.name) or _prefix(place.body, bare, place.name)):
        model, info = _without_prefix(place, model, prefix, notes)
    first = lambda one: str(one[0] if isinstance(one, (tuple, list)) else one)  # noqa: E731
    shapes = [one for one in info["mismatched_keys"] if first(one) not in beside]
    vital = [name for name in own(info) if name in _missing(info, head=False)]
    _refuse(place.name, model, {**info, "mismatched_keys": shapes}, vital)
    if beyond := [name for name in own(info) if name not in vital]:  # such as a pooler, on which the head alone depends
        notes.left_out.append(f"its classifier, since {_named(beyond)} {'is' if len(beyond) == 1 else 'are'} in neither the adapter nor its base")
    return model


def _adapter_names(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in sorted(folder.glob("adapter_model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= set(file.keys())
    return found


def _kept_whole(folder: Path) -> set[str]:
    """Names, as the base has them, of what the adapter holds as a whole: its head, and other `modules_to_save`."""
    names = (name.removeprefix("base_model.model.") for name in _adapter_names(folder) if "lora_" not in name)
    return {re.sub(r"\bmodules_to_save\.(\w+\.)?(?=weight$|bias$)", "", name) for name in names}


def _check_adapter(place: Place, tuned: nn.Module, base_name: str) -> None:
    """Raises InputError where the adapter's weights have other names than the model they were put on: the library only warns, and adds nothing."""
    from peft import get_peft_model_state_dict

    wanted, there = set(get_peft_model_state_dict(tuned, save_embedding_layers=False)), _adapter_names(place.folder)
    lacking, beyond = sorted(wanted - there), sorted(there - wanted - set(tuned.state_dict()))
    if lacking or beyond:
        raise InputError(f"{len(lacking or beyond):,} weights of the adapter {place.name!r} {'are missing' if lacking else 'have no place'} in "
                         f"{type(tuned.get_base_model()).__name__} of its base model {base_name!r} ({_named(lacking or beyond)}); merge the adapter "
                         "into its base with merge_and_unload and save that")  # fmt: skip


def _head_outputs(folder: Path) -> int | None:
    """How many classes the head has that was trained beside the adapter; None where there is none."""
    for path in sorted(folder.glob("adapter_model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118, no mapping
                if re.search(r"\b(classifier|score)(\.out_proj)?\.(modules_to_save\.\w+\.)?weight$", name):
                    return int(file.get_slice(name).get_shape()[0])
    return None


def first_line(error: BaseException) -> str:
    """Of an error's message its first line, for a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
