"""Published numbers beside those of our runs, and in words what differed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dmlviz.analysis.statistics import student
from dmlviz.core.types import InputError, Run, RunConfig, SettingValue
from dmlviz.core.wording import count_of
from dmlviz.losses import LOSSES, check_ce_weight, check_settings
from dmlviz.papers.expand import one_config, same_place, short
from dmlviz.papers.reader import Protocol, ProtocolLoss, PublishedNumber
from dmlviz.training.choices import balances

REPEATS = ("seed", "support_seed", "fold")  # runs that differ in nothing else are one row
ELSEWHERE = ("device", "precision", "snapshots", "checkpoint_seconds")  # of the machine, or of what is kept: they part no runs
SILENT = {*REPEATS, *ELSEWHERE, "dataset", "encoder", "loss", "loss_settings", "ce_weight", "shots", "shots_by", "readout"}  # said on their own
SILENT |= {"dataset_hash", "control"}  # the texts' fingerprint; controls fit no protocol
PERCENT = ("accuracy", "macro_f1")
SAME_TEXTS = {"mr_textgcn": "mr", "r8_cased": "r8", "r52_cased": "r52", "sst2_phrases": "sst2", "imdb_sample": "imdb"}  # other form or parts
COLUMNS = (
    "dataset", "loss", "encoder", "shots", "metric", "printed", "published", "spread", "spread_kind", "published_n", "source", "trust",
    "ours", "low", "high", "n", "difference", "differed", "run_ids",
)  # fmt: skip


def compare(protocol: Protocol, runs: Iterable[Run]) -> pd.DataFrame:
    """A row per published number and group of our runs that fits it; one without ours where none does.

    A finished run fits where its loss (the row of the protocol whose settings are nearest) and its data set do; controls and models fine-tuned
    elsewhere do not. Runs that differ in seeds and folds alone are a group (of the same seeds and fold twice, the newest): `ours` is their mean,
    `low` and `high` the 95 % t interval over its `n` runs (empty for one run). Runs of an encoder
    that the protocol does not have stand beside its first encoder. Where the protocol has several shots, a run must have the same. Where it publishes
    no numbers, a row has ours alone. Accuracy and macro-F1 in per cent.
    """
    groups = _groups(protocol, runs)
    rows = []
    for number in protocol.published or _wanted(protocol, groups):
        fitting = [group for group in groups if _fits(protocol, number, group)]
        rows += [_row(protocol, number, group) for group in fitting or ([None] if protocol.published else [])]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def fitting_loss(protocol: Protocol, config: RunConfig) -> ProtocolLoss:
    """The row of the protocol that this config trains, or comes nearest to; the protocol has one with this loss."""
    rows = [loss for loss in protocol.losses if loss.name == config.loss]
    return min(rows, key=lambda loss: len(_other_settings(config, loss, config.dataset)))


def differences(protocol: Protocol, loss: ProtocolLoss, encoder: str, dataset: str, shots: int | None, runs: Sequence[Run]) -> list[str]:
    """What these runs (equal but for seeds and folds) did differently from the protocol, in words."""
    config, wanted = runs[0].config, one_config(protocol, loss, dataset, encoder, {"shots": shots})
    found = []
    if not same_place(config.encoder, encoder):
        found.append(f"encoder {short(config.encoder)} instead of {encoder}")
    if config.dataset.lower() != dataset:
        found.append(f"data {short(config.dataset)} instead of {dataset}")
    if _shots(config) != _shots(wanted):
        found.append(f"{_shots(config)} instead of {_shots(wanted)}")
    found += _other_settings(config, loss, dataset)
    for name in RunConfig.model_fields:
        here, there = getattr(config, name), getattr(wanted, name)
        if name == "pooling":  # what "auto" came to
            here = runs[0].facts.get("pooling", here)
        if name not in SILENT and here != there and not _idle(name, runs[0], wanted):
            found.append(f"{name} {_plain(here)} instead of {_plain(there)}")
    return found + _other_machines(runs, wanted) + _other_readout(wanted, runs[0]) + _other_repeats(protocol, runs)


# ---- which runs stand beside which number


def _groups(protocol: Protocol, runs: Iterable[Run]) -> list[tuple[ProtocolLoss, list[Run]]]:
    """Finished runs by everything but seeds, folds and machine, oldest first, each group with the protocol's loss that it fits."""
    found: dict[str, dict[tuple[int, ...], Run]] = defaultdict(dict)
    losses, texts = {loss.name for loss in protocol.losses}, {_texts(dataset) for dataset in protocol.datasets}
    for run in sorted(runs, key=lambda one: one.created):
        ours = run.state == "finished" and "accuracy" in run.metrics and run.config.control == "none" and run.origin != "loaded"
        if ours and run.config.loss in losses and _texts(run.config.dataset) in texts:
            found[_key(run.config)][tuple(getattr(run.config, name) for name in REPEATS)] = run  # the newest of those with the same seeds
    groups = [sorted(group.values(), key=lambda one: one.created) for group in found.values()]
    return [(fitting_loss(protocol, group[0].config), group) for group in groups]


def _key(config: RunConfig) -> str:
    """What repetitions share, defaults written out."""
    settings = sorted(_settings(config.loss, config.loss_settings).items())
    rest = config.model_dump(exclude={*REPEATS, *ELSEWHERE, "loss_settings", "ce_weight"})
    return repr((rest, settings, check_ce_weight(config.loss, config.ce_weight)))


def _wanted(protocol: Protocol, groups: Sequence[tuple[ProtocolLoss, list[Run]]]) -> list[PublishedNumber]:
    """Rows for a protocol without published numbers: the data sets and losses that we have runs of."""
    keys = {(dataset, loss.label): None for dataset in protocol.datasets for loss, runs in groups if _same_texts(runs[0].config.dataset, dataset)}
    return [
        PublishedNumber(dataset, label, protocol.encoders[0], protocol.shots[0], "accuracy", "-", math.nan, None, "", None, "-", "not published")
        for dataset, label in keys
    ]


def _fits(protocol: Protocol, number: PublishedNumber, group: tuple[ProtocolLoss, list[Run]]) -> bool:
    loss, config = group[0], group[1][0].config
    if number.loss not in (loss.published_label, loss.label) or not _same_texts(config.dataset, number.dataset):
        return False
    if len(protocol.shots) > 1 and (config.shots, config.shots_by) != (number.shots, protocol.config.get("shots_by", "class")):
        return False
    named = [encoder for encoder in protocol.encoders if same_place(encoder, config.encoder)]
    return number.encoder == (named or protocol.encoders)[0]


def _same_texts(one: str, other: str) -> bool:
    return _texts(one) == _texts(other)


def _texts(dataset: str) -> str:
    """A name for the texts of a data set in whatever form or parts."""
    return SAME_TEXTS.get(short(dataset), short(dataset))


# ---- one row


def _row(protocol: Protocol, number: PublishedNumber, group: tuple[ProtocolLoss, list[Run]] | None) -> dict[str, Any]:
    told = {
        "dataset": number.dataset, "loss": number.loss, "encoder": number.encoder, "shots": number.shots, "metric": number.metric,
        "printed": number.printed, "published": number.mean, "spread": number.spread, "spread_kind": number.spread_kind,
        "published_n": number.n, "source": number.source, "trust": number.trust,
        "ours": None, "low": None, "high": None, "n": 0, "difference": None, "differed": "", "run_ids": "",
    }  # fmt: skip
    if group is None:
        return told
    loss, runs = group
    readout = one_config(protocol, loss, number.dataset, number.encoder, {}).readout
    values = [value for run in runs if (value := metric_of(run, number.metric, readout)) is not None]
    told |= {"differed": "; ".join(differences(protocol, loss, number.encoder, number.dataset, number.shots, runs)), "n": len(values)}
    told |= {"run_ids": ",".join(run.id for run in runs), "loss": loss.label}
    if values:
        mean, low, high = interval(values)
        told |= {"ours": mean, "low": low, "high": high, "difference": mean - number.mean}
    return told


def metric_of(run: Run, metric: str, readout: str = "auto") -> float | None:
    """The run's value as the papers print it (per cent), of this readout if the run has it. Times are never ours: the machine is another."""
    value = run.metrics.get(f"{readout}_{metric}", run.metrics.get(metric)) if metric in (*PERCENT, "silhouette") else None
    return None if value is None else 100 * value if metric in PERCENT else value


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float | None, float | None]:
    """Mean and t interval over runs; one run has no interval."""
    mean = float(np.mean(values))
    return (mean, *map(float, student(np.asarray(values), confidence))) if len(values) > 1 else (mean, None, None)


# ---- words


def _other_settings(config: RunConfig, loss: ProtocolLoss, dataset: str) -> list[str]:
    """The loss's settings and weight where they differ from the protocol's row."""
    special = loss.per_dataset[dataset].settings if dataset in loss.per_dataset else {}
    here, there = _settings(config.loss, config.loss_settings), _settings(loss.name, {**loss.settings, **special})
    idle = {one.name for one in LOSSES[config.loss].settings if one.only_when and here.get(one.only_when[0]) == there.get(one.only_when[0])
            and here.get(one.only_when[0]) not in one.only_when[1]}  # fmt: skip
    found = [f"{name} {_plain(here[name])} instead of {_plain(value)}" for name, value in there.items() if name not in idle and here[name] != value]
    weights = check_ce_weight(config.loss, config.ce_weight), check_ce_weight(loss.name, loss.ce_weight)
    return found + ([f"ce_weight {weights[0]:g} instead of {weights[1]:g}"] if abs(weights[0] - weights[1]) > 1e-9 else [])


def _settings(name: str, given: dict[str, SettingValue]) -> dict[str, SettingValue]:
    try:
        return check_settings(name, given)
    except InputError:  # a run of an older version had a setting that is gone
        return {**LOSSES[name].defaults, **{key: value for key, value in given.items() if key in LOSSES[name].defaults}}


def _other_readout(wanted: RunConfig, run: Run) -> list[str]:
    asked, used = wanted.readout, run.metrics.get("readout")
    return [f"readout {used} instead of {asked}"] if asked not in ("auto", used) and f"{asked}_accuracy" not in run.metrics else []


def _other_machines(runs: Sequence[Run], wanted: RunConfig) -> list[str]:
    """Half precision that the protocol does not ask for, and several precisions or devices in one group."""
    short_names = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
    used = [run.facts.get("precision") or run.config.precision for run in runs]
    precisions = sorted({short_names.get(one, one) for one in used} - {"auto"})
    devices = sorted({str(one) for run in runs if (one := run.facts.get("device") or run.config.device) != "auto"})
    plain = "fp32" if wanted.precision == "auto" else wanted.precision
    asked = "full precision" if wanted.precision == "auto" else wanted.precision
    found = [f"precision {' and '.join(precisions)} instead of {asked}"] if precisions and precisions != [plain] else []
    return found + ([f"devices {' and '.join(devices)}"] if len(devices) > 1 else [])


def _other_repeats(protocol: Protocol, runs: Sequence[Run]) -> list[str]:
    lists = {"seed": protocol.seeds, "support_seed": protocol.support_seeds, "fold": protocol.folds}
    folds = runs[0].config.folds  # where their number differs, the folds are others whatever their place
    found = []
    for name, wanted in lists.items():
        used = sorted({getattr(run.config, name) for run in runs})
        if name == "fold" and folds is None:
            continue  # that there are none is said of `folds`
        if used != list(wanted) or (name == "fold" and folds != protocol.config.get("folds")):
            found.append(f"{name.replace('_', ' ')} {_span(used)} instead of {_span(wanted) or 'none'}")
    repeats = math.prod(len(values) for values in lists.values() if values)
    return [*found, f"{count_of(len(runs), 'run')} instead of {repeats}"] if len(runs) != repeats else found


def _span(values: Sequence[int]) -> str:
    """'0, 3' or '0-4'; empty for none."""
    run_on = len(values) > 2 and list(values) == list(range(values[0], values[0] + len(values)))
    return f"{values[0]}-{values[-1]}" if run_on else ", ".join(map(str, values))


def _idle(name: str, run: Run, wanted: RunConfig) -> bool:
    """A field that changes nothing here: a learning rate that the protocol does not give, a step epoch without a step schedule, a centre
    learning rate without centres, a monitor that nothing looks at, batches that "auto" has chosen as well."""
    config = run.config
    if name == "lr":
        return wanted.lr is None
    if name == "center_lr":
        return not LOSSES[config.loss].has_centers or (config.center_lr or config.lr, wanted.center_lr) == (config.lr, None)
    if name == "step_epoch":
        return "step" not in (config.schedule, wanted.schedule)
    if name == "monitor":
        return all(one.selection == "last" and one.patience is None for one in (config, wanted))
    if name == "batches":
        return balances(config) == balances(wanted)
    return False


def _shots(config: RunConfig) -> str:
    return "all training texts" if config.shots is None else f"{config.shots} texts {'per class' if config.shots_by == 'class' else 'in all'}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else f"{value:g}" if isinstance(value, float) else str(value)
