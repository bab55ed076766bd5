"""What a person asked for on a command line or in a file, as the fields of a RunConfig, or a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dmlviz.core.types import FORMAT, InputError, RunConfig
from dmlviz.losses import find_loss


def pair(text: str) -> tuple[str, str]:
    """'key=value' in its two parts."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {text!r} is not understood; write --set key=value")
    return key.strip().replace("-", "_"), value.strip()


def read_config(path: Path) -> dict[str, Any]:
    """RunConfig fields from JSON or YAML. What a run's own config.json says of its format is checked and taken out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        written = json.loads(text) if path.suffix.lower() == ".json" else read_yaml(text, f"--config {path}")
    except OSError as error:
        raise InputError(f"--config {path} cannot be read: {error.strerror or error}") from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"--config {path} is no JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(written, dict) or not all(isinstance(key, str) for key in written):
        raise InputError(f"--config {path} holds no settings; write one 'name: value' per line, as in 'epochs: 4'")
    if not str(found := written.pop("format", FORMAT)).isdigit() or int(found) > FORMAT:
        raise InputError(f"--config {path} was written by a newer DMLViz; update this one to read it")
    if not isinstance(written.get("loss_settings") or {}, dict):
        raise InputError(f"--config {path}: loss_settings={str(written['loss_settings'])[:60]} is not accepted; write them as 'name: value'")
    return written


LONGEST_FILE = 2_000_000  # characters of a file of settings
MOST_VALUES = 200_000  # in it, aliases written out


def read_yaml(text: str, what: str) -> Any:
    """What the text holds. Raises InputError for what is neither YAML nor JSON, and for more than a person would write: a few lines of aliases can
    hold billions of values."""
    import yaml

    if len(text) > LONGEST_FILE:
        raise InputError(f"{what} has {len(text):,} characters, and {LONGEST_FILE:,} are the most; make several files of it")
    try:
        written = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{what} is neither YAML nor JSON: {' '.join(str(error).split())[:200]}") from None
    if _more_values(written, MOST_VALUES) < 0:
        raise InputError(f"{what} holds more than {MOST_VALUES:,} values; make several files of it")
    return written


def _more_values(written: Any, left: int) -> int:
    """How many more values there might be; negative where there are too many. What is there twice counts twice."""
    left -= 1
    inner = [*written, *written.values()] if isinstance(written, dict) else written if isinstance(written, list | tuple) else ()
    for one in inner:
        if left < 0:
            return left
        left = _more_values(one, left)
    return left


def merged_fields(written: Mapping[str, Any], sets: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """RunConfig fields: options given by name win over --set, and both over the file."""
    given = {name: value for name, value in given.items() if value is not None}
    pairs = dict(pair(one) for one in sets)
    loss = given.get("loss") or pairs.get("loss") or written.get("loss")
    fields = dict(written)
    if loss != written.get("loss", loss):  # settings belong to the loss they were written for
        fields = {name: value for name, value in fields.items() if name not in ("loss_settings", "ce_weight")}
    if "dataset" in given or "dataset" in pairs:
        fields.pop("dataset_hash", None)
    own = _setting_names(loss)
    settings = {key.removeprefix("loss."): value for key, value in pairs.items() if key in own or key.startswith("loss.")}
    others = {key: value for key, value in pairs.items() if key not in own and not key.startswith("loss.")}
    for key in others:
        _check_key(key, own)
    fields |= {key: None if value.lower() in ("none", "null", "") else value for key, value in others.items()} | given
    if isinstance(fields.get("shots"), str) and fields["shots"].lower() == "all":
        fields["shots"] = None
    if settings:
        fields["loss_settings"] = {**(fields.get("loss_settings") or {}), **settings}
    return fields


def _setting_names(loss: Any) -> list[str]:
    return [setting.name for setting in find_loss(str(loss)).settings] if loss else []


def _check_key(key: str, own: Sequence[str]) -> None:
    known = [*own, *(name for name in RunConfig.model_fields if name != "loss_settings")]
    if key not in known:
        from dmlviz.core.wording import did_you_mean

        raise InputError(f"unknown key {key[:60]!r} for --set; known: {', '.join(known)}.{did_you_mean(key, known)}")


def validation_sentence(error: ValidationError) -> str:
    """One sentence for what pydantic refused: the field, what came, what is accepted."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"no {name} was given; name one with --{name.replace('_', '-')}"
    if first["type"] == "extra_forbidden":
        from dmlviz.core.wording import did_you_mean

        return f"unknown field {name!r}; known: {', '.join(RunConfig.model_fields)}.{did_you_mean(name, RunConfig.model_fields)}"
    if name.startswith("loss_settings."):  # the union's branches each complain; one sentence is enough
        return f"{'.'.join(name.split('.')[:2])}={repr(first['input'])[:60]} is not accepted; a setting is a number, a word, true or false"
    should = first["msg"].replace("Input should", "it should", 1)
    return f"{name}={repr(first['input'])[:60]} is not accepted; {should}"
