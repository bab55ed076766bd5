"""A protocol as its YAML file says it: settings, what is not known, and the published numbers, each with its source."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from dmlviz.core.types import InputError, RunConfig, SettingValue, Written
from dmlviz.core.wording import did_you_mean, shown
from dmlviz.losses import check_settings, find_loss

FOLDER = Path(__file__).parent
METRICS = ("accuracy", "macro_f1", "silhouette", "total_seconds", "seconds_per_epoch", "stop_epoch")
NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:±(\d+(?:\.\d+)?))?")
# Decided elsewhere in a protocol: in its losses and its lists, or filled in when a run is submitted
NOT_IN_CONFIG = {"dataset", "dataset_hash", "encoder", "loss", "loss_settings", "ce_weight", "shots", "support_seed", "seed", "fold"}
Metric = Literal["accuracy", "macro_f1", "silhouette", "total_seconds", "seconds_per_epoch", "stop_epoch"]


class PublishedNumber(NamedTuple):
    """One number as its source prints it. Accuracy and macro-F1 in per cent."""

    dataset: str
    loss: str  # label of the loss in the protocol
    encoder: str
    shots: int | None  # None: every training text
    metric: Metric
    printed: str  # as the source prints it
    mean: float
    spread: float | None  # what follows the ±
    spread_kind: str  # "std", "unknown"; empty without a spread
    n: int | None  # runs behind it; None: not known, as of every number without a ±
    source: str
    trust: str


class Claim(Written):
    """What a source says in words."""

    text: str
    source: str
    trust: str


class ContextTable(Written):
    """A table whose rows or columns are none of the protocol's: as printed, beside nothing of ours."""

    title: str
    columns: tuple[str, ...] = Field(min_length=1)
    rows: dict[str, tuple[str, ...]] = Field(min_length=1)
    source: str
    trust: str

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> ContextTable:
        for label, cells in self.rows.items():
            if len(cells) != len(self.columns):
                raise ValueError(f"row {label} has {len(cells)} cells for {len(self.columns)} columns")
        return self

    def lines(self) -> list[str]:
        """Title with source and trust, then a line per row."""
        told = {label: [f"{name} {cell}" for name, cell in zip(self.columns, cells, strict=True)] for label, cells in self.rows.items()}
        return [f"{self.title} [{self.source}; {self.trust}]", *(f"  {label}: {', '.join(cells)}" for label, cells in told.items())]


class Doubt(Written):
    """A cell that is trusted less than its table."""

    row: str
    dataset: str
    trust: str


class PublishedTable(Written):
    """A table as the paper prints it: a row per loss, a cell per data set ("97.57±0.16 / 93.90±0.84": one number per metric)."""

    encoder: str
    source: str
    trust: str
    shots: int | None = None
    n: int | None = None
    spread_kind: Literal["std", "unknown", ""] = ""
    metrics: tuple[Metric, ...]
    datasets: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]
    trusts: dict[Metric, str] = Field(default_factory=dict)  # of single metrics, where it is not the table's
    doubts: tuple[Doubt, ...] = ()

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> PublishedTable:
        for label, cells in self.rows.items():
            if len(cells) != len(self.datasets):
                raise ValueError(f"row {label} has {len(cells)} cells for {len(self.datasets)} data sets")
            for cell in cells:
                if len(cell.split(" / ")) != len(self.metrics) or not all(NUMBER.fullmatch(one) for one in cell.split(" / ")):
                    raise ValueError(f"cell {cell!r} of row {label} is not {len(self.metrics)} numbers like 97.57±0.16")
        return self

    @model_validator(mode="after")
    def _doubts_are_of_cells(self) -> PublishedTable:
        for doubt in self.doubts:
            if doubt.row not in self.rows or doubt.dataset not in self.datasets:
                raise ValueError(f"the doubt about {doubt.row} on {doubt.dataset} is of no cell of the table")
        return self

    def numbers(self) -> list[PublishedNumber]:
        return [
            self._number(label, dataset, metric, text)
            for label, cells in self.rows.items()
            for dataset, cell in zip(self.datasets, cells, strict=True)
            for metric, text in zip(self.metrics, cell.split(" / "), strict=True)
        ]

    def _number(self, label: str, dataset: str, metric: Metric, text: str) -> PublishedNumber:
        mean, spread = NUMBER.fullmatch(text).groups()
        doubts = [doubt.trust for doubt in self.doubts if (doubt.row, doubt.dataset) == (label, dataset)]
        trust = doubts[0] if doubts else self.trusts.get(metric, self.trust)
        return PublishedNumber(
            dataset, label, self.encoder, self.shots, metric, text, float(mean), float(spread) if spread else None,
            self.spread_kind if spread else "", self.n if spread else None, self.source, trust,
        )  # fmt: skip


class ForDataset(Written):
    """What a loss or a protocol does differently on one data set."""

    config: dict[str, SettingValue | None] = Field(default_factory=dict)
    settings: dict[str, SettingValue] = Field(default_factory=dict)

    _fields_are_known = field_validator("config")(lambda cls, config: _known_fields(config))


class ProtocolLoss(Written):
    """One row of the paper's comparison."""

    label: str  # as the paper writes it
    name: str  # a row of LOSSES
    ce_weight: float | None = Field(None, ge=0, le=1)
    settings: dict[str, SettingValue] = Field(default_factory=dict)
    config: dict[str, SettingValue | None] = Field(default_factory=dict)  # RunConfig fields of this loss alone
    per_dataset: dict[str, ForDataset] = Field(default_factory=dict)
    published_as: str = ""  # label in the published tables, where it is another
    note: str = ""

    _fields_are_known = field_validator("config")(lambda cls, config: _known_fields(config))

    @property
    def published_label(self) -> str:
        return self.published_as or self.label


class Protocol(Written):
    """How a paper (or its code) trained, and what it reported."""

    name: str
    title: str
    paper: str  # "arXiv 2604.25853"
    source: str  # tag of the settings in papers.md
    trust: str
    encoders: tuple[str, ...] = Field(min_length=1)  # the first is the default
    datasets: tuple[str, ...] = Field(min_length=1)
    losses: tuple[ProtocolLoss, ...] = Field(min_length=1)
    config: dict[str, SettingValue | None]  # RunConfig fields of all runs
    per_dataset: dict[str, ForDataset] = Field(default_factory=dict)
    shots: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (0,)
    support_seeds: tuple[int, ...] = (0,)
    folds: tuple[int, ...] = ()  # which of config's `folds` are run; empty: no folds
    what_is_unknown: tuple[str, ...]
    filled_in: tuple[str, ...] = ()  # choices that are ours because the paper's are not known, or because the app cannot do what it did
    claims: tuple[Claim, ...] = ()
    tables: tuple[PublishedTable, ...] = ()
    context: tuple[ContextTable, ...] = ()  # also published, beside nothing of ours

    _fields_are_known = field_validator("config")(lambda cls, config: _known_fields(config))

    @model_validator(mode="after")
    def _names_fit(self) -> Protocol:
        labels = [loss.label for loss in self.losses]
        if len(set(labels)) < len(labels):
            raise ValueError("two losses have the same label")
        known = {loss.published_label for loss in self.losses}
        for number in self.published:
            if number.loss not in known:
                raise ValueError(f"the published row {number.loss!r} is no loss of the protocol; its losses: {', '.join(labels)}")
            if number.dataset not in self.datasets or number.encoder not in self.encoders:
                raise ValueError(f"{number.dataset} or {number.encoder} of the published tables is not among the data sets and encoders")
        return self

    @property
    def published(self) -> tuple[PublishedNumber, ...]:
        return tuple(number for table in self.tables for number in table.numbers())

    def loss(self, label: str) -> ProtocolLoss:
        """By its label; case does not matter."""
        found = {loss.label.casefold(): loss for loss in self.losses}
        if label.casefold() not in found:
            labels = [loss.label for loss in self.losses]
            raise InputError(f"{self.name} has no loss {shown(label)}; its losses: {', '.join(labels)}.{did_you_mean(label, labels)}")
        return found[label.casefold()]


def protocol_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def protocol(name: str) -> Protocol:
    """The protocol of this name."""
    if name not in protocol_names():
        raise InputError(f"unknown protocol {shown(name)}; known: {', '.join(protocol_names())}.{did_you_mean(name, protocol_names())}")
    return read_protocol(FOLDER / f"{name}.yaml")


@lru_cache(maxsize=32)
def read_protocol(path: Path) -> Protocol:
    """Raises InputError for anything that does not stand in it as it should."""
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = Protocol.model_validate(written)
        for loss in found.losses:
            find_loss(loss.name)
            for settings in (loss.settings, *(one.settings for one in loss.per_dataset.values())):
                check_settings(loss.name, dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path.name}: {f'{place}: ' if place else ''}{first['msg'].removeprefix('Value error, ')}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path.name} is no YAML: {' '.join(str(error).split())[:200]}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    if found.name != path.stem:
        raise InputError(f"{path.name} calls itself {found.name!r}; a protocol is named as its file")
    return found


def _known_fields(config: dict[str, Any]) -> dict[str, Any]:
    known = [name for name in RunConfig.model_fields if name not in NOT_IN_CONFIG]
    for name in config:
        if name not in known:
            raise ValueError(f"unknown field {name!r}; known: {', '.join(known)}.{did_you_mean(name, known)}")
    return config
