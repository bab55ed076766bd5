"""From a protocol to the configs of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from dmlviz.core.types import InputError, RunConfig
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.papers.reader import Protocol, ProtocolLoss


def configs(
    protocol: Protocol,
    *,
    datasets: Sequence[str] | None = None,
    losses: Sequence[str] | None = None,
    encoder: str | None = None,
    limit: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> list[RunConfig]:
    """One config per data set, loss, number of shots and repetition (support seed, seed, fold), in this order.

    `datasets` may be others than the paper's, `losses` are labels of the protocol. `limit`: at most so many repetitions of each.
    `overrides` are RunConfig fields that win over the protocol's, so that it can be run small; a seed, a fold or shots given there replace its list.
    """
    overrides = dict(overrides or {})
    _check_overrides(overrides)
    chosen = [protocol.loss(label) for label in losses] if losses else protocol.losses
    shots = (overrides["shots"],) if "shots" in overrides else protocol.shots
    return [
        one_config(protocol, loss, dataset, encoder or protocol.encoders[0], {"shots": number, **repeat, **overrides})
        for dataset, loss, number in product(datasets or protocol.datasets, chosen, shots)
        for repeat in _repeats(protocol, overrides)[:limit]
    ]


def one_config(protocol: Protocol, loss: ProtocolLoss, dataset: str, encoder: str, fields: Mapping[str, Any]) -> RunConfig:
    """The protocol's config of a loss on a data set; what is special to the data set wins over what is special to the loss."""
    layers = [protocol.config, loss.config, *(one.per_dataset[dataset].config for one in (protocol, loss) if dataset in one.per_dataset)]
    settings = {**loss.settings, **(loss.per_dataset[dataset].settings if dataset in loss.per_dataset else {})}
    merged = {name: value for layer in layers for name, value in layer.items()}
    named = {"dataset": dataset, "encoder": encoder, "loss": loss.name, "loss_settings": settings, "ce_weight": loss.ce_weight}
    return RunConfig(**{**merged, **named, **fields})


def _repeats(protocol: Protocol, overrides: Mapping[str, Any]) -> list[dict[str, int]]:
    """Support seeds, seeds and folds, each with each, save those that are given."""
    lists = {"support_seed": protocol.support_seeds, "seed": protocol.seeds, "fold": protocol.folds}
    if "folds" in overrides:  # another number of folds: all of them
        given = str(overrides["folds"])
        lists["fold"] = tuple(range(int(given))) if given.isdigit() else ()  # what is no number, RunConfig refuses
    lists = {name: values for name, values in lists.items() if values and name not in overrides}
    return [dict(zip(lists, values, strict=True)) for values in product(*lists.values())]


def _check_overrides(overrides: Mapping[str, Any]) -> None:
    known = [name for name in RunConfig.model_fields if name not in ("dataset", "loss", "encoder")]
    for name in overrides:
        if name not in known:
            raise InputError(f"unknown field {shown(str(name))}; known: {', '.join(known)}.{did_you_mean(str(name), known)}")


def same_place(one: str, other: str) -> bool:
    """Do two encoder or data set names mean the same? 'google-bert/bert-base-uncased' and '/models/bert-base-uncased' are 'bert-base-uncased'."""
    return short(one) == short(other)


def short(name: str) -> str:
    """The last part of a path or Hub id, in small letters; a file without its endings."""
    last = Path(name).name.lower()
    return last.split(".csv")[0].split(".tsv")[0].split(".jsonl")[0]
