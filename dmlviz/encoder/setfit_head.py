"""The classification head of a SetFit model, where it lies in a file that can be read without running it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dmlviz.core.types import InputError
from dmlviz.encoder.checkpoint import Notes, first_line
from dmlviz.encoder.places import Place, read_json_file

CONVERT = (
    "python -c \"import joblib, json; h = joblib.load('model_head.pkl'); json.dump({'classes': h.classes_.tolist(), 'coef': h.coef_.tolist(), "
    "'intercept': h.intercept_.tolist()}, open('model_head.json', 'w'))\""
)


class LinearHead(NamedTuple):
    """Logits of a vector x: weight x + bias."""

    classes: tuple[str, ...]  # C
    weight: Tensor  # (C, D) float32
    bias: Tensor  # (C,)


def read_setfit_head(place: Place, notes: Notes) -> LinearHead | None:
    """The head of model_head.safetensors (a differentiable one) or model_head.json (coef, intercept and classes of a logistic regression). None,
    with the reason and the way on among what was left out, where it lies in a pickle alone. Raises InputError for a file that is none of these."""
    folder = place.folder
    if (folder / "model_head.safetensors").is_file():
        return _named(place, *_from_safetensors(folder / "model_head.safetensors"))
    if (folder / "model_head.json").is_file():
        return _named(place, *_from_json(folder / "model_head.json"))
    if (folder / "model_head.skops").is_file():
        return _named(place, *_from_skops(folder / "model_head.skops"))
    if (folder / "model_head.pkl").is_file():
        notes.left_out.append(f"its head, since model_head.pkl is a pickle, which can run code when it is read; where you trust it, run in its "
                              f"folder: {CONVERT}")
    return None


def on_unit_vectors(place: Place) -> bool:
    """Does config_setfit.json say that the head sees vectors of length one (`normalize_embeddings`)?"""
    path = place.folder / "config_setfit.json"
    return path.is_file() and read_json_file(path).get("normalize_embeddings") is True


def _from_safetensors(path: Any) -> tuple[list[Any], Tensor, Tensor]:
    try:
        state = {name.rsplit(".", 1)[-1]: value.float() for name, value in load_file(path).items()}
        return list(range(len(state["bias"]))), *_two_rows(state["weight"], state["bias"])
    except (SafetensorError, OSError, KeyError) as error:
        raise InputError(f"{path} holds no linear layer with weight and bias ({first_line(error)}); save the head again") from None


def _from_json(path: Any) -> tuple[list[Any], Tensor, Tensor]:
    said = read_json_file(path)
    try:
        weight, bias = (torch.tensor(said[key], dtype=torch.float32) for key in ("coef", "intercept"))
        return list(said["classes"]), *_two_rows(weight, bias)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} must hold the lists classes, coef and intercept ({first_line(error)}); write it with: {CONVERT}") from None


def _from_skops(path: Any) -> tuple[list[Any], Tensor, Tensor]:
    try:
        from skops import io
    except ImportError:
        raise InputError(f"{path} needs the library skops; run 'pip install skops', or write model_head.json with: {CONVERT}") from None
    try:
        head = io.load(path)  # nothing is trusted beyond what skops itself knows
        return head.classes_.tolist(), *_two_rows(torch.tensor(head.coef_).float(), torch.tensor(head.intercept_).float())
    except Exception as error:  # of its own many classes
        raise InputError(f"{path} holds no logistic regression that can be read safely ({first_line(error)}); write model_head.json with: "
                         f"{CONVERT}") from None


def _two_rows(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Of two classes a regression keeps one row, of their difference: the same logits up to a constant as half of it for each."""
    return (torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])) if len(weight) == 1 else (weight, bias)


def _named(place: Place, classes: list[Any], weight: Tensor, bias: Tensor) -> LinearHead:
    """Class numbers get the names that config_setfit.json gives them."""
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise InputError(f"the head of {place.name!r} has a weight of shape {tuple(weight.shape)} and a bias of {tuple(bias.shape)}, which is no "
                         "linear layer; save the head again")  # fmt: skip
    path = place.folder / "config_setfit.json"
    names = (read_json_file(path).get("labels") if path.is_file() else None) or []
    if len(classes) == 1 and len(weight) == 2:
        classes = [0, 1]
    numbered = len(classes) == len(weight) and all(isinstance(one, int) for one in classes)
    if numbered and len(names) >= len(classes):
        classes = [names[one] if 0 <= one < len(names) else one for one in classes]
    if len(classes) != len(weight):
        raise InputError(f"the head of {place.name!r} names {len(classes)} classes and has {len(weight)} outputs; save the head again")
    return LinearHead(tuple(f"LABEL_{one}" if isinstance(one, int) else str(one) for one in classes), weight, bias)


