"""Groups: runs that differ in their seeds alone. Every number shown for one has an n and an interval."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dmlviz.analysis.fairness import ELSEWHERE, REPEATS
from dmlviz.core.types import Run, RunConfig


class Group(NamedTuple):
    """Repetitions of one configuration, in order of support draw, seed and fold. Of runs with the same seeds the newest counts."""

    key: str
    runs: tuple[Run, ...]

    @property
    def config(self) -> RunConfig:
        return self.runs[0].config

    @property
    def draws(self) -> int:
        """Different draws of the shots (with folds: of draw and fold)."""
        return len({(run.config.support_seed, run.config.fold) for run in self.runs})

    @property
    def seeds(self) -> int:
        return len({run.config.seed for run in self.runs})

    @property
    def lone(self) -> bool:
        """One run: its number has no interval."""
        return len(self.runs) == 1


def key_without(run: Run, *fields: str) -> str:
    """What runs share that differ in `fields` alone."""
    left = run.config.model_dump(mode="json", exclude={*fields, *ELSEWHERE, *(("dataset",) if run.config.dataset_hash else ())})
    return json.dumps([run.origin, left], sort_keys=True)


def group_key(run: Run) -> str:
    """The same for runs that differ in their seeds alone."""
    return key_without(run, *REPEATS)


def line_key(run: Run) -> str:
    """The same for runs that differ in seeds and number of shots alone: one line of a few-shot curve."""
    return key_without(run, *REPEATS, "shots")


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """The groups of these runs, in the order in which they are first met."""
    met: dict[str, dict[tuple[int, ...], Run]] = {}
    for run in runs:
        seeds = tuple(getattr(run.config, name) for name in ("support_seed", "seed", "fold"))
        own = met.setdefault(group_key(run), {})
        if seeds not in own or own[seeds].created < run.created:
            own[seeds] = run
    return [Group(key, tuple(own[seeds] for seeds in sorted(own))) for key, own in met.items()]


def finished_groups(runs: Sequence[Run]) -> list[Group]:
    """Groups of the runs that have an accuracy. Runs that leave a text out are no repetitions of anything: Influence shows them."""
    return group_runs(run for run in runs if run.state == "finished" and "accuracy" in run.metrics and run.config.left_out is None)
