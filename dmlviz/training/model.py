"""Encoder, head and objective as one module, so that one optimiser, one checkpoint and one gradient sync hold them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from dmlviz.core.types import FORMAT, Encoded, InputError, RunConfig
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.losses import build_loss, check_ce_weight, check_settings
from dmlviz.losses.base import mix
from dmlviz.training.choices import check_readout


class FineTuneModel(nn.Module):
    """What the Trainer trains: L = ce_weight · CE + (1 − ce_weight) · metric (see `losses.base.mix`).

    The head is one linear layer on the pooled vector, as in G-Loss §4.3; it is trained only when ce_weight > 0.
    """

    accepts_loss_kwargs = False  # else the Trainer hands `num_items_in_batch` to the encoder

    def __init__(self, encoder: TextEncoder, config: RunConfig, num_classes: int) -> None:
        super().__init__()
        check_readout(config)
        self.encoder = encoder
        self.readout = config.readout
        self.ce_weight = check_ce_weight(config.loss, config.ce_weight)
        self.head = nn.Linear(encoder.dim, num_classes)
        settings = check_settings(config.loss, dict(config.loss_settings))
        dim = encoder.token_dim if str(settings.get("vectors", "pooled")).endswith("tokens") else encoder.dim
        self.metric = build_loss(config.loss, num_classes=num_classes, dim=dim, seed=config.seed, **settings)
        self.register_buffer("class_weights", None, persistent=False)  # (C,); None: every text weighs the same
        self.parts: dict[str, Tensor] = {}  # the loss of the last step and its two terms, for the log
        self.rows: Tensor | None = None  # (B,) the data set's rows of the last batch

    @property
    def has_head(self) -> bool:
        return self.ce_weight > 0

    def weigh_classes(self, weights: Tensor) -> None:
        """Let a text of class c count weights[c] times, in cross-entropy and in a metric loss that knows weights. (C,), on the model's device."""
        self.class_weights = weights
        if self.metric is not None:
            self.metric.class_weights = weights

    def forward(self, labels: Tensor, rows: Tensor | None = None, **batch: Tensor) -> dict[str, Tensor]:
        """`batch` as the tokenizer pads it, labels (B,) -> {"loss": scalar, "logits": (B, C)}. `rows` (B,) are only remembered."""
        self.rows = rows
        encoded = self._encode(batch)
        # with a second pass the metric term sees another dropout mask than CE, as in the G-Loss authors' code; without CE one pass is enough
        twice = self.training and self.has_head and self.metric is not None and self.metric.second_forward
        again = self._encode(batch) if twice else encoded
        with torch.autocast(encoded.pooled.device.type, enabled=False):
            logits = self.head(encoded.pooled)
            ce = functional.cross_entropy(logits, labels, weight=self.class_weights)
            metric = self.metric(again, labels) if self.metric is not None else None
        loss = mix(ce, metric, self.ce_weight)
        self.parts = {"loss": loss.detach(), "ce": ce.detach(), **({"metric": metric.detach()} if metric is not None else {})}
        return {"loss": loss, "logits": logits}

    def _encode(self, batch: dict[str, Tensor]) -> Encoded:
        encoded = self.encoder(batch, padding_matters=getattr(self.metric, "which", None) == "all_tokens")
        # the objective is computed in float32 whatever the encoder ran in: exp() and the solve need the digits
        return Encoded(encoded.pooled.float(), encoded.tokens.float(), encoded.mask)

    def objective_state(self) -> dict[str, Tensor]:
        """Head and loss parameters, without the encoder."""
        return {name: value.contiguous() for name, value in self.state_dict().items() if not name.startswith("encoder.")}


def save_model(model: FineTuneModel, config: RunConfig, label_names: Sequence[str], folder: Path, *, order: Sequence[int] | None = None) -> None:
    """A folder that `AutoModel.from_pretrained` loads, with objective.safetensors and dmlviz.json beside the encoder.

    A head and centres that nobody trained are not kept. `order`: for every class the output of the classifier that is saved with the encoder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.encoder.save(folder)
    if model.has_head or model.metric is not None:
        save_file(model.objective_state(), folder / "objective.safetensors")
    facts = {
        **({"classifier_order": list(order)} if order is not None else {}),
        "format": FORMAT,
        "pooling": model.encoder.pooling,
        "max_length": model.encoder.max_length,
        "label_names": list(label_names),
        "config": config.model_dump(),
    }
    (folder / "dmlviz.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def load_objective(model: FineTuneModel, folder: str | Path, label_names: Sequence[str] | None = None) -> bool:
    """Put a stored head and loss back. False when the folder has none; InputError when they do not fit.

    `label_names`: the data set's classes. Where the folder was written for the same classes in another order, its rows are put into theirs.
    """
    path = Path(folder) / "objective.safetensors"
    if not path.is_file():
        return False
    try:
        state = load_file(path)
        if label_names is not None:
            state = _in_order(state, model, _written_classes(Path(folder)), tuple(label_names), path)
        missing, unexpected = model.load_state_dict(state, strict=False)
    except (RuntimeError, OSError, SafetensorError) as error:
        raise InputError(f"{path} does not fit this data set or loss: {str(error).strip().splitlines()[-1].strip()[:200]}") from error
    if unexpected or any(not name.startswith("encoder.") for name in missing):
        raise InputError(f"{path} holds other parameters than {type(model.metric).__name__} has; name the loss it was trained with")
    return True


def _written_classes(folder: Path) -> tuple[str, ...] | None:
    """The classes that the folder's head was trained on, in its order; None where it does not say."""
    try:
        return tuple(json.loads((folder / "dmlviz.json").read_text(encoding="utf-8"))["label_names"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _in_order(
    state: dict[str, Tensor], model: FineTuneModel, theirs: tuple[str, ...] | None, ours: tuple[str, ...], path: Path
) -> dict[str, Tensor]:
    """Every parameter's rows, one a class, in the order of `ours`."""
    if theirs is None or theirs == ours:
        return state
    if set(theirs) != set(ours):
        strange = [name for name in ours if name not in theirs] or [name for name in theirs if name not in ours]
        raise InputError(f"{path} was trained on other classes than this data set has ({strange[0][:40]!r} is in one of them only); load it with "
                         f"a data set of its own {len(theirs):,} classes")  # fmt: skip
    order, parameters = torch.tensor([theirs.index(name) for name in ours]), dict(model.named_parameters())
    return {name: value[order] if name in parameters and value.ndim else value for name, value in state.items()}
