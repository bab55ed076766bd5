"""What a sweep file may say: losses x shots x support draws x seeds x data sets x encoders, and what all runs share. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from dmlviz.core.types import DEFAULT_ENCODER, LARGEST_SEED, InputError, Run, RunConfig, SettingValue, Written
from dmlviz.core.wording import did_you_mean
from dmlviz.losses import find_loss
from dmlviz.training.config_input import read_yaml, validation_sentence

AXES = {"datasets": "dataset", "encoders": "encoder", "losses": "loss", "shots": "shots", "support_seeds": "support_seed", "seeds": "seed"}
MOST_RUNS = 20_000  # of one sweep: as many as a home lists
OF_LOSS = ("name", "ce_weight", "settings")  # of an entry of `losses`; beside them any other field of a run
EXAMPLE = """datasets: [trec]
losses: [cross_entropy, {name: triple_entropy, ce_weight: 0.4}]
shots: [4, 8]
support_seeds: [0, 1, 2, 3, 4]
"""


class LossArm(Written):
    """One loss of a sweep, with what is its own."""

    name: str
    ce_weight: float | None = Field(None, ge=0, le=1)
    settings: dict[str, SettingValue] = Field(default_factory=dict)
    fields: dict[str, Any] = Field(default_factory=dict)  # RunConfig fields of this loss alone

    def of_run(self) -> dict[str, Any]:
        return {**self.fields, "loss": self.name, "ce_weight": self.ce_weight, "loss_settings": dict(self.settings)}


class SweepSpec(Written):
    """A sweep as a person writes it, read and checked."""

    name: str = ""  # empty: made from the content
    datasets: tuple[str, ...] = Field(min_length=1)
    losses: tuple[LossArm, ...] = Field(min_length=1)
    encoders: tuple[str, ...] = Field((DEFAULT_ENCODER,), min_length=1)
    shots: tuple[int | None, ...] = Field((8,), min_length=1)  # None: all
    support_seeds: tuple[int, ...] = Field((0,), min_length=1)
    seeds: tuple[int, ...] | Literal["as_draw"] = (0,)  # as_draw: the seed is the number of the draw
    left_out: tuple[int | None, ...] = (None,)  # rows of support texts, each left out once; they go with the first seed alone
    exclude: tuple[dict[str, Any], ...] = ()  # RunConfig fields; a run that has all of an entry's is left out
    fields: dict[str, Any] = Field(default_factory=dict)  # RunConfig fields of all runs
    engine: Literal["local", "ray"] = "local"
    slots: int | None = Field(None, ge=1, le=4096)  # runs at once (ray: on each node); None: what cores and memory allow
    hours: float | None = Field(None, gt=0, le=1e6)  # after so many it pauses
    maps: Literal["later", "now"] = "later"  # later: PCA at once, UMAP when somebody looks
    weights: Literal["keep", "drop"] = "keep"  # drop: a run keeps its vectors and scores; its words cannot be explained

    @field_validator("datasets", "losses", "encoders", "shots", "support_seeds")
    @classmethod
    def _once(cls, values: tuple) -> tuple:
        if not any(isinstance(value, LossArm) for value in values):
            return tuple(dict.fromkeys(values))
        return tuple(value for i, value in enumerate(values) if value not in values[:i])

    def most_runs(self) -> int:
        """How many runs it has before exclusions, counted without making one."""
        seeds = 1 if self.seeds == "as_draw" else len(self.seeds)
        left_out = sum(seeds if row is None else min(seeds, 1) for row in self.left_out)
        return len(self.support_seeds) * len(self.encoders) * len(self.datasets) * len(self.shots) * len(self.losses) * left_out

    def configs(self) -> Iterator[RunConfig]:
        """Every run, draws outermost: a sweep that is stopped early has all losses on the draws it has."""
        for draw, encoder, dataset, shots, arm in product(self.support_seeds, self.encoders, self.datasets, self.shots, self.losses):
            seeds = (draw,) if self.seeds == "as_draw" else self.seeds
            for seed, left_out in [(one, row) for row in self.left_out for one in (seeds if row is None else seeds[:1])]:
                drawn = {"shots": shots, "support_seed": draw, "seed": seed, "left_out": left_out}
                own = {**self.fields, **arm.of_run(), "dataset": dataset, "encoder": encoder, **drawn}
                if not any(all(own.get(key) == value for key, value in out.items()) for out in self.exclude):
                    yield RunConfig(**own)


def parse_sweep(text: str) -> SweepSpec:
    """A sweep from YAML. Raises InputError in one sentence for whatever cannot be meant."""
    written = read_yaml(text, "the sweep")
    if not isinstance(written, dict) or not all(isinstance(key, str) for key in written):
        raise InputError(f"the sweep holds no settings; write them as in\n{EXAMPLE}")
    return spec_of(written)


def spec_of(written: Mapping[str, Any]) -> SweepSpec:
    """A sweep from what YAML gave, or from `spec_json`."""
    written = dict(written)
    own = {name: written.pop(name) for name in [*SweepSpec.model_fields] if name in written and name != "fields"}
    fields = {**written.pop("fields", {}), **written}
    taken = {*AXES.values(), "loss_settings", "ce_weight", "dataset_hash", "left_out"}
    for key in fields:
        known = sorted({*SweepSpec.model_fields, *RunConfig.model_fields} - taken - {"fields"})
        if key not in known:
            plural = next((many for many, one in AXES.items() if one == key and many != key), "")
            hint = f" Write {plural}, a list." if plural else did_you_mean(key, known)
            raise InputError(f"unknown field {key[:60]!r} in the sweep; known: {', '.join(known)}.{hint}")
    try:
        own["losses"] = [_arm(one) for one in _list(own.get("losses"), "losses")]
        for name in ("datasets", "encoders", "support_seeds"):
            if name in own:
                own[name] = _list(own[name], name)
        if "seeds" in own and own["seeds"] != "as_draw":
            own["seeds"] = _list(own["seeds"], "seeds")
        if "shots" in own:
            own["shots"] = [None if one in ("all", None) else one for one in _list(own["shots"], "shots")]
        own["exclude"] = [_exclusion(one) for one in _list(own.get("exclude", []), "exclude")]
        spec = SweepSpec(**own, fields=fields)
        if (count := spec.most_runs()) > MOST_RUNS:
            raise InputError(f"the sweep has {count:,} runs, and {MOST_RUNS:,} are the most; take fewer draws or seeds, or make several sweeps of it")
        if sum(1 for _ in spec.configs()) == 0:  # every run's own fields are checked
            raise InputError("the exclusions of the sweep leave no run; take one of them out")
    except ValidationError as error:
        raise InputError(f"the sweep: {validation_sentence(error)}") from None
    return spec


FLOOR_SEEDS = 4  # runs that differ from the explained one in the seed alone


def influence_spec(run: Run, support: Sequence[int]) -> SweepSpec:
    """The sweep that trains a run again without each text of its support, and with other seeds: how far accuracy moves when nothing is left out."""
    config = run.config
    usual = {name: field.default for name, field in RunConfig.model_fields.items()}
    taken = {*AXES.values(), "loss_settings", "ce_weight", "left_out", "dataset_hash"}
    arm = LossArm(name=config.loss, ce_weight=config.ce_weight, settings=dict(config.loss_settings))
    return SweepSpec(
        name=f"influence-{run.id}"[:100], datasets=(config.dataset,), losses=(arm,), encoders=(config.encoder,), shots=(config.shots,),
        support_seeds=(config.support_seed,), seeds=(config.seed, *((config.seed + 1000 + i) % (LARGEST_SEED + 1) for i in range(FLOOR_SEEDS))),
        left_out=(None, *(int(row) for row in support)), weights="drop",
        fields={name: value for name in usual if name not in taken and (value := getattr(config, name)) != usual[name]},
    )  # fmt: skip


def spec_json(spec: SweepSpec) -> dict[str, Any]:
    """What `spec_of` reads."""
    return spec.model_dump(mode="json", exclude_defaults=True)


def spec_yaml(spec: SweepSpec) -> str:
    """The sweep as a file that a person can read and `parse_sweep` does."""
    import yaml

    said = spec_json(spec)
    said |= {"shots": ["all" if one is None else one for one in spec.shots], "losses": [_plain(arm) for arm in spec.losses]}
    order = ["name", *AXES, "exclude"]
    flat = {**{key: said[key] for key in order if key in said}, **said.pop("fields", {}), **said}
    return yaml.safe_dump(flat, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def default_name(spec: SweepSpec) -> str:
    """The sweep's own name, else one made from its content: the same file is the same sweep."""
    import hashlib
    import re

    if spec.name:
        return spec.name
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(one.rsplit("/", 1)[-1] for one in spec.datasets[:3]).lower()).strip("-")[:40] or "sweep"
    return f"{stem}-{hashlib.sha256(json.dumps(spec_json(spec), sort_keys=True).encode()).hexdigest()[:6]}"


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        raise InputError(f"the sweep names no {name}; write them as in\n{EXAMPLE}")
    return list(value) if isinstance(value, list | tuple) else [value]


def _arm(written: Any) -> LossArm:
    """'supcon', or {name: supcon, ce_weight: 0.4, settings: {temperature: 0.3}, lr: 1e-4}."""
    if isinstance(written, str):
        written = {"name": written}
    if not isinstance(written, Mapping) or not isinstance(written.get("name"), str):
        raise InputError(f"a loss of the sweep is {str(written)[:60]!r}; write its name, or {{name: triple_entropy, ce_weight: 0.4}}")
    find_loss(written["name"])
    fields = {**written.get("fields", {}), **{key: value for key, value in written.items() if key not in (*OF_LOSS, "fields")}}
    if wrong := [key for key in fields if key not in RunConfig.model_fields or key in AXES.values()]:
        raise InputError(f"the loss {written['name']} of the sweep has the field {wrong[0]!r}; known: {', '.join(OF_LOSS)} and fields of a run")
    return LossArm(name=written["name"], ce_weight=written.get("ce_weight"), settings=written.get("settings") or {}, fields=fields)


def _plain(arm: LossArm) -> Any:
    said = arm.model_dump(mode="json", exclude_defaults=True)
    return {**said, **said.pop("fields", {})} if len(said) > 1 else arm.name


def _exclusion(written: Any) -> dict[str, Any]:
    if not isinstance(written, Mapping) or not written or (wrong := [key for key in written if key not in RunConfig.model_fields]):
        said = str(wrong[0]) if isinstance(written, Mapping) and written else str(written)[:60]
        raise InputError(f"exclude holds {said!r}; write fields of a run, as in {{loss: supcon, shots: 4}}")
    return {key: None if key == "shots" and value == "all" else value for key, value in written.items()}
