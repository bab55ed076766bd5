"""The modules of a sentence-transformers folder behind its Transformer: how it pools, and the layers that follow.

Files of its versions 1 to 6 are read, safetensors only, and none of its code is imported: that takes as long as a small run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dmlviz.core.types import InputError
from dmlviz.encoder.places import Place, inside, read_json_file, transformer_settings
from dmlviz.encoder.pooling import POOLINGS

OLD_FLAGS = {"pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max", "pooling_mode_mean_tokens": "mean",
             "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len", "pooling_mode_weightedmean_tokens": "weighted_mean",
             "pooling_mode_lasttoken": "last"}  # fmt: skip
ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU, "Sigmoid": nn.Sigmoid, "SiLU": nn.SiLU,
               "LeakyReLU": nn.LeakyReLU, "ELU": nn.ELU, "Mish": nn.Mish, "Softplus": nn.Softplus, "Hardtanh": nn.Hardtanh, "ReLU6": nn.ReLU6,
               "Softsign": nn.Softsign, "SELU": nn.SELU, "CELU": nn.CELU, "LogSigmoid": nn.LogSigmoid, "Hardswish": nn.Hardswish,
               "Hardsigmoid": nn.Hardsigmoid, "Tanhshrink": nn.Tanhshrink}  # fmt: skip  # none takes a setting that the config would not tell
KNOWN = ("Transformer", "Pooling", "Dense", "LayerNorm", "Dropout", "Normalize")


class SentenceModules(NamedTuple):
    """What stands behind the Transformer."""

    pooling: str  # of pooling.POOLINGS, several joined by "+"
    layers: nn.Sequential  # (B, n·D) -> (B, D'); empty where pooling is all
    max_length: int | None  # where the folder cuts texts
    lower: bool  # texts are made lower case first

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(type(one).__name__ for one in self.layers)


class Dense(nn.Module):
    """A linear layer and an activation, with the input added where the folder says so."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        size_in, size_out = int(config["in_features"]), int(config["out_features"])
        self.config = dict(config)
        self.linear = nn.Linear(size_in, size_out, bias=bool(config.get("bias", True)))
        self.activation = _activation(str(config.get("activation_function") or "torch.nn.modules.activation.Tanh"))
        self.add_input = bool(config.get("use_residual", False))
        if self.add_input and size_in != size_out:
            self.residual = nn.Linear(size_in, size_out, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        found = self.activation(self.linear(vectors))
        return found if not self.add_input else found + (self.residual(vectors) if hasattr(self, "residual") else vectors)


class LayerNorm(nn.Module):
    """The library's LayerNorm module."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        self.norm = nn.LayerNorm(int(config["dimension"]))

    def forward(self, vectors: Tensor) -> Tensor:
        return self.norm(vectors)


class Normalize(nn.Module):
    """Every vector at length one."""

    config: Mapping[str, Any] = {}

    def forward(self, vectors: Tensor) -> Tensor:
        return nn.functional.normalize(vectors, p=2, dim=1)


def _activation(name: str) -> nn.Module:
    """A module of torch.nn by its full name. Nothing is imported by that name."""
    short = name.rsplit(".", 1)[-1]
    if not name.startswith("torch.nn.") or short not in ACTIVATIONS:
        raise InputError(f"the model's Dense module has the activation {name[:80]!r}, which is not read here; known: {', '.join(ACTIVATIONS)} of "
                         "torch.nn")
    return ACTIVATIONS[short]()


def read_modules(place: Place) -> SentenceModules | None:
    """The modules of the folder, None where it has none. Raises InputError, naming it, for a module whose vectors could not be those of the
    library."""
    if not (place.folder / "modules.json").is_file():
        old = place.kind == "sentence-transformers"
        return SentenceModules("mean", nn.Sequential(), *transformer_settings(place.body)) if old else None
    listed = read_json_file(place.folder / "modules.json")
    kinds = [str(one.get("type", "")).rsplit(".", 1)[-1] for one in listed]
    if strange := [kind for kind in kinds if kind not in KNOWN]:
        raise InputError(_refusal(place, kinds, f"{strange[0]} is not read here"))
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) & {"Transformer", "Pooling"}:
        raise InputError(_refusal(place, kinds, "a Transformer, one Pooling and then other modules are read, in that order"))
    _check_transformer(place)
    folders = [place.folder / inside(place.folder, str(one.get("path", ""))) for one in listed]
    layers = [_layer(kind, folder, place.name) for kind, folder in zip(kinds[2:], folders[2:], strict=True) if kind != "Dropout"]
    pooling = pooling_of(read_json_file(folders[1] / "config.json"), place.name)
    return SentenceModules(pooling, nn.Sequential(*layers), *transformer_settings(place.body))


def _refusal(place: Place, kinds: Sequence[str], why: str) -> str:
    return (f"the sentence-transformers model {place.name!r} is made of {', '.join(kinds)}; {why}, and its vectors would not be the library's; "
            f"choose a model made of {', '.join(KNOWN)}")  # fmt: skip


def _layer(kind: str, folder: Path, name: str) -> nn.Module:
    if kind == "Normalize":
        return Normalize()
    layer = _with_weights(Dense if kind == "Dense" else LayerNorm, folder, name)
    ends = {layer.config.get(key) or "sentence_embedding" for key in ("module_input_name", "module_output_name")}
    if kind == "Dense" and ends != {"sentence_embedding"}:
        raise InputError(f"the Dense module of {name!r} works on {layer.config.get('module_input_name')!r}, not on the text's vector, which is "
                         "not read here; choose another model")  # fmt: skip
    return layer


def pooling_of(config: Mapping[str, Any], name: str) -> str:
    """The pooling that a 1_Pooling/config.json of any version says."""
    said = config.get("pooling_mode")
    if said is None:
        found = [ours for flag, ours in OLD_FLAGS.items() if config.get(flag)] or ["mean"]
    else:
        ours = {theirs: one for one, theirs in POOLINGS.items()}
        wanted = [said] if isinstance(said, str) else list(said)
        if strange := [one for one in wanted if one not in ours]:
            raise InputError(f"the model {name!r} pools by {str(strange[0])[:40]!r}, which is not known here; known: {', '.join(ours)}")
        found = [ours[one] for one in wanted]
    return "+".join(found)


def _check_transformer(place: Place) -> None:
    """Raises InputError where the first module is run in a way that is not ours: with a prompt, as another task, or on another layer's output."""
    path = place.folder / "config_sentence_transformers.json"
    said = read_json_file(path) if path.is_file() else {}
    if prompt := (said.get("prompts") or {}).get(said.get("default_prompt_name")):
        raise InputError(f"the model {place.name!r} puts {str(prompt)[:60]!r} before every text, and its vectors without that would be others; set "
                         "default_prompt_name to null in config_sentence_transformers.json to use it without, or choose another model")  # fmt: skip
    for path in sorted(place.body.glob("sentence_*_config.json")):
        said = read_json_file(path)
        output = ((said.get("modality_config") or {}).get("text") or {}).get("method_output_name", "last_hidden_state")
        task = said.get("transformer_task", "feature-extraction")
        if task != "feature-extraction" or output != "last_hidden_state":
            raise InputError(f"the Transformer module of {place.name!r} gives {output!r} of the task {task!r}; only last_hidden_state of "
                             "feature-extraction is read here, so choose another model")  # fmt: skip


def _with_weights(kind: type[nn.Module], folder: Path, name: str) -> nn.Module:
    if not (folder / "model.safetensors").is_file():
        raise InputError(f"the module {folder.name} of {name!r} has no model.safetensors; other weight formats can run code when read, "
                         "so load the model with sentence-transformers and save it again")  # fmt: skip
    try:
        made = kind(read_json_file(folder / "config.json"))
        made.load_state_dict(load_file(folder / "model.safetensors"))
    except (KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[-1].strip()[:160]
        raise InputError(f"the module {folder.name} of {name!r} cannot be read ({reason}); save the model again") from None
    return made


def write_modules(folder: Path, pooling: str, dim: int, layers: Sequence[nn.Module], max_length: int, lower: bool) -> None:
    """Beside an encoder's weights: the files that make the folder a sentence-transformers model with the same vectors."""
    names = ["Transformer", "Pooling", *(type(one).__name__ for one in layers)]
    paths = ["", *(f"{i}_{name}" for i, name in enumerate(names[1:], start=1))]
    listed = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
              for i, (name, path) in enumerate(zip(names, paths, strict=True))]  # fmt: skip
    _write(folder / "modules.json", listed)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": lower})
    parts = pooling.split("+")
    flags = {flag: ours in parts for flag, ours in OLD_FLAGS.items()}
    new = {"embedding_dimension": dim, "pooling_mode": [POOLINGS[one] for one in parts]}  # only this form knows an order of its own
    usual = parts == [ours for ours in OLD_FLAGS.values() if ours in parts]
    _write(folder / "1_Pooling" / "config.json", {**({"word_embedding_dimension": dim, **flags} if usual else new), "include_prompt": True})
    for path, layer in zip(paths[2:], layers, strict=True):
        _write(folder / path / "config.json", layer.config)
        if state := {name: value.contiguous() for name, value in layer.state_dict().items()}:
            save_file(state, folder / path / "model.safetensors")


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
