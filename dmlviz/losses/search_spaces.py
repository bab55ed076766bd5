"""What a hyperparameter search varies: the search spaces of the losses, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dmlviz.core.types import InputError, RunConfig, SettingValue
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.losses import check_settings, find_loss

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

TRIALS, FEW_TRIALS = 15, 5  # of the authors of G-Loss; few for what has the learning rate alone to tune


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that is varied: `values` to choose from, or a range. "lr" and "lambda" (1 - ce_weight) belong to the config, others to the loss."""

    name: str
    values: tuple[SettingValue, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False

    def suggest(self, trial: BaseTrial) -> SettingValue:
        if self.values:
            return trial.suggest_categorical(self.name, self.values)
        return trial.suggest_float(self.name, self.low, self.high, step=self.step, log=self.log)

    def __str__(self) -> str:
        if self.values:
            return f"{self.name} one of {', '.join(f'{one:g}' for one in self.values)}"
        return f"{self.name} {self.low:g} to {self.high:g}{f' step {self.step:g}' if self.step else ''}"


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space of a loss, and whose it is."""

    source: str
    axes: tuple[Axis, ...]
    settings: Mapping[str, SettingValue] = field(default_factory=dict)  # of every trial
    ce_weight: float | None = None  # of every trial
    trials: int = TRIALS  # unless asked otherwise


LR = Axis(name="lr", values=(1e-5, 2e-5, 3e-5, 4e-5, 5e-5))
TAU = Axis(name="temperature", values=(0.1, 0.3, 0.5, 0.7))
TENTHS = Axis(name="lambda", low=0.5, high=0.9, step=0.1)
SIGMA = Axis(name="sigma", low=0.1, high=10)
OURS = "ours: the grid of paper 1 (arXiv 2112.08462) is not known"
UNKNOWN = "ours: no paper of this field gives a grid for it"
RATE = Axis(name="lr", low=1e-5, high=5e-4, log=True)
WEIGHT = Axis(name="lambda", low=0.1, high=0.9, step=0.1)
SOFT_AXES = (
    RATE,
    Axis(name="scale", low=2, high=20),
    Axis(name="temperature", values=(0.05, 0.1, 0.2)),
    Axis(name="margin", values=(0.01, 0.1, 0.3, 0.7)),
    Axis(name="centers_per_class", values=(1, 5, 10, 25)),
)
SPACES: dict[str, dict[str, Space]] = {  # loss -> name -> space; the first is the default
    "g_loss": {
        "paper": Space(
            source="arXiv 2604.25853: lr {1..5}e-5, gamma and lambda 0.1-0.9, sigma 0.1-10 as in its text (0.01-10 in its appendix)",
            axes=(LR, Axis(name="visible_share", low=0.1, high=0.9), Axis(name="lambda", low=0.1, high=0.9), SIGMA),
            settings={"sigma_rule": "tuned"},
        ),
        "authors": Space(
            source="the authors' code, integrated: gamma and lambda 0.5-0.9 in tenths",
            axes=(LR, Axis(name="visible_share", low=0.5, high=0.9, step=0.1), TENTHS, SIGMA),
            settings={"sigma_rule": "tuned"},
        ),
    },
    "supcon": {
        "gunel": Space(
            source="Gunel et al. (2021) for temperature and lambda, without lambda 1.0, which has no head to read out; lr as in arXiv 2604.25853",
            axes=(LR, TAU, Axis(name="lambda", values=(0.1, 0.3, 0.5, 0.7, 0.9))),
        ),
        "paper": Space(
            source="arXiv 2604.25853: lr {1..5}e-5, temperature 0.01-1; lambda is listed without a range, so G-Loss's 0.1-0.9 is taken",
            axes=(LR, Axis(name="temperature", low=0.01, high=1), Axis(name="lambda", low=0.1, high=0.9)),
        ),
        "authors": Space(source="the code of arXiv 2604.25853, integrated: lambda fixed at 0.9", axes=(LR, TAU), ce_weight=0.1),
        "authors_standalone": Space(
            source="the code of arXiv 2604.25853, standalone: without cross-entropy",
            axes=(LR, Axis(name="temperature", low=0.1, high=1)),
            ce_weight=0.0,
        ),
    },
    "triplet": {
        "authors": Space(
            source="the code of arXiv 2604.25853: the learning rate alone; its triplet is not squared, with a margin of 5",
            axes=(LR,),
            settings={"squared": False, "margin": 5.0},
            trials=FEW_TRIALS,
        ),
        "ours": Space(source=UNKNOWN, axes=(RATE, Axis(name="margin", values=(0.05, 0.2, 0.5, 1.0)), WEIGHT), settings={"normalise": True}),
    },
    "cos_sim": {
        "authors": Space(source="the code of arXiv 2604.25853: the learning rate alone", axes=(LR,), trials=FEW_TRIALS),
        "ours": Space(source=UNKNOWN, axes=(RATE, WEIGHT)),
    },
    "contrastive": {
        "ours": Space(
            source=UNKNOWN, axes=(RATE, Axis(name="pos_margin", values=(0.0, 0.1, 0.2)), Axis(name="neg_margin", values=(0.5, 1.0, 1.4)), WEIGHT)
        )
    },
    "n_pairs": {"ours": Space(source=UNKNOWN, axes=(RATE, WEIGHT))},
    "proxy_nca": {"ours": Space(source=UNKNOWN, axes=(RATE, Axis(name="scale", values=(1.0, 3.0, 8.0, 16.0)), WEIGHT))},
    "proxy_anchor": {
        "ours": Space(
            source=UNKNOWN, axes=(RATE, Axis(name="scale", values=(4.0, 8.0, 16.0, 32.0)), Axis(name="margin", values=(0.01, 0.1, 0.3)), WEIGHT)
        )
    },
    "soft_triple": {"ours": Space(source=OURS, axes=SOFT_AXES)},
    "triple_entropy": {"ours": Space(source=OURS, axes=(*SOFT_AXES, WEIGHT))},
}


def find_space(loss: str, name: str | None = None) -> tuple[str, Space]:
    """The loss's space of this name, or its first."""
    find_loss(loss)
    if loss not in SPACES:
        raise InputError(f"{loss} has no search space; losses that have one: {', '.join(SPACES)}")
    known = SPACES[loss]
    if name is not None and name not in known:
        raise InputError(f"{loss} has no search space {shown(name)}; known: {', '.join(known)}.{did_you_mean(name, known)}")
    return (name, known[name]) if name else next(iter(known.items()))


def open_axes(config: RunConfig, space: Space) -> tuple[Axis, ...]:
    """What is searched: what the person has fixed (lr, ce_weight, a setting of the loss) is not, nor what has no effect beside that."""
    fixed = set(config.loss_settings) | ({"lr"} if config.lr is not None else set()) | ({"lambda"} if config.ce_weight is not None else set())
    idle = _idle_settings(config.loss, {**space.settings, **config.loss_settings})
    found = tuple(axis for axis in space.axes if axis.name not in fixed | idle)
    if not found:
        raise InputError(f"nothing is left to search for {config.loss}: {', '.join(axis.name for axis in space.axes)} are all given; leave one out")
    return found


def _idle_settings(loss: str, settings: Mapping[str, SettingValue]) -> set[str]:
    """Settings that these ones leave without effect: sigma, where its rule is a given sqrt_median."""
    whole = check_settings(loss, dict(settings))
    return {one.name for one in find_loss(loss).settings if one.only_when and whole[one.only_when[0]] not in one.only_when[1]}


def trial_config(config: RunConfig, space: Space, params: Mapping[str, Any]) -> RunConfig:
    """The base config with a trial's values."""
    settings = {name: value for name, value in params.items() if name not in ("lr", "lambda")}
    changed: dict[str, Any] = {"loss_settings": {**space.settings, **settings, **config.loss_settings}}
    if "lr" in params:
        changed["lr"] = params["lr"]
    weight = round(1 - params["lambda"], 6) if "lambda" in params else space.ce_weight
    if config.ce_weight is None and weight is not None:
        changed["ce_weight"] = weight
    return RunConfig(**{**config.model_dump(), **changed})
