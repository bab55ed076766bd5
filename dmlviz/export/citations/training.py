"""How the models were trained: optimiser, rates, schedule, batches, budget, precision and the rule that chooses the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from dmlviz.core.types import Run, RunConfig
from dmlviz.export.citations.marked import cite, count, name, number
from dmlviz.export.citations.sources import SILHOUETTE
from dmlviz.losses import LOSSES, check_ce_weight


class Side(Protocol):
    """Runs that differ in seeds alone."""

    @property
    def runs(self) -> tuple[Run, ...]: ...
    @property
    def config(self) -> RunConfig: ...


Over = Callable[[Callable[[Side], str | None]], str]  # words of a side -> the same over all sides, differences said
MONITORS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "silhouette": "macro-silhouette"}
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "auto": "bfloat16 where there was a GPU, else float32"}
DEVICES = {"auto": "the device at hand", "cpu": "a CPU", "cuda": "a GPU", "mps": "Apple's GPU"}


def sentences(sides: Sequence[Side], over: Over) -> Iterable[str]:
    """Nothing where nothing was trained."""
    if not sides:
        return
    yield (f"Training took {over(_epochs)} in {over(_batches)} with AdamW{cite('loshchilov2019decoupled')}: peak learning rate {over(_rate)}"
           f"{_optional(', centres ', over(_center_rate))}, {over(_warmup)}, then {over(_schedule)}; weight decay {over(_plain('weight_decay'))}, "
           f"gradient norm at most {over(_plain('max_grad_norm'))}. Batches were {over(_order)}.")  # fmt: skip
    if any(side.config.class_weights != "none" for side in sides):
        yield f"Classes weighed {over(_weights)} in cross-entropy{' and G-Loss' if any(side.config.loss == 'g_loss' for side in sides) else ''}."
    yield f"Encoders ran in {over(_precision)} on {over(_device)}."
    early = over(_patience) if any(side.config.patience is not None for side in sides) else ""
    yield f"The weights tested were those {over(_selection)}{_optional('; training ended early ', early)}."


def _optional(before: str, words: str) -> str:
    return before + words if words else ""


def _plain(field: str) -> Callable[[Side], str]:
    return lambda side: number(getattr(side.config, field))


def _epochs(side: Side) -> str:
    return f"{'at most ' if side.config.patience is not None else ''}{count(side.config.epochs, 'epoch')}"


def _batches(side: Side) -> str:
    size, steps = side.config.batch_size, side.config.accumulation
    return f"batches of {count(size, 'text')}" + (f", the gradients of {steps} batches averaged for a step" if steps > 1 else "")


def _rate(side: Side) -> str:
    return "by the encoder's width" if side.config.lr is None else number(side.config.lr)


def _center_rate(side: Side) -> str | None:
    """None where the loss has no centres, or takes no part."""
    config = side.config
    if not LOSSES[config.loss].has_centers or check_ce_weight(config.loss, config.ce_weight) == 1:
        return None
    return "at the same rate" if config.center_lr in (None, config.lr) else f"at {number(config.center_lr)}"


def _warmup(side: Side) -> str:
    share = side.config.warmup_share
    return f"reached linearly over the first {100 * share:g} % of the steps" if share else "from the first step"


def _schedule(side: Side) -> str:
    return {
        "linear": "falling linearly to zero",
        "cosine": "falling to zero along a cosine",
        "constant": "held",
        "step": f"held, and a tenth of it after epoch {side.config.step_epoch}",
    }[side.config.schedule]


def _order(side: Side) -> str:
    return "balanced over the classes" if LOSSES[side.config.loss].balances(side.config.batches) else "shuffled"


def _weights(side: Side) -> str:
    return "the same" if side.config.class_weights == "none" else "inversely to their numbers of support texts"


def _precision(side: Side) -> str:
    said = {str(run.facts.get("precision") or PRECISIONS[run.config.precision]) for run in side.runs}
    return " and ".join(one if one == PRECISIONS["auto"] else name(one) for one in sorted(said))


def _device(side: Side) -> str:
    said = {str(run.facts.get("device") or run.config.device) for run in side.runs}
    return " and ".join(DEVICES.get(one) or name(one) for one in sorted(said))


def _monitored(config: RunConfig) -> str:
    return f"{MONITORS[config.monitor]}{cite(SILHOUETTE) if config.monitor == 'silhouette' else ''} on the validation texts"


def _selection(side: Side) -> str:
    return "after the last epoch" if side.config.selection == "last" else f"of the epoch with the best {_monitored(side.config)}"


def _patience(side: Side) -> str:
    many = side.config.patience
    return "never" if many is None else f"when {count(many, 'epoch')} had brought no better {_monitored(side.config)}"
