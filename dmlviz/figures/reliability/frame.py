"""What the figures about groups share: which runs make a group, what it is called, and its number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.analysis.fairness import ELSEWHERE, REPEATS
from dmlviz.analysis.judged_rows import apart_sentence, unreached_sentence, untested_sentence
from dmlviz.analysis.reliability.groups import Group, finished_groups
from dmlviz.analysis.reliability.shared_draws import shared_by_place
from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Run, RunConfig
from dmlviz.figures.base.theme import LOSS_COLORS, method_title

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
OPTIONS = {"metric": tuple(METRICS), "predictions_by": object}  # of every figure here; predictions_by: a readout, "" for each run's own
MARKS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")
PAPER_MARKS = dict(zip(MARKS, "osD^vp", strict=True))
_APART = {*REPEATS, *ELSEWHERE, "dataset", "dataset_hash", "shots", "shots_by", "folds", "loss", "ce_weight", "control", "readout"}


class Member(NamedTuple):
    """A group in a figure. `method` is the same for groups that differ in data set, shots and seeds alone."""

    group: Group
    method: str
    dataset: str  # what it is called
    mark: str

    @property
    def config(self) -> RunConfig:
        return self.group.config

    @property
    def loss(self) -> str:
        return self.config.shown_loss

    @property
    def panel(self) -> str:
        """Data set; where shots are counted in all, that too."""
        return self.dataset + (" (shots in all)" if self.config.shots_by == "total" else "")

    @property
    def cell(self) -> str:
        """Data set and shots."""
        return f"{self.dataset}, {shots_words(self.config)}"


def shots_words(config: RunConfig) -> str:
    return "all texts" if config.shots is None else f"{config.shots} {'shots' if config.shots_by == 'class' else 'shots in all'}"


def dataset_names(groups: Sequence[Group]) -> dict[str, str]:
    """Content hash (or reference) -> name, as the run's folder or path says it; other texts of the same name get their hash."""
    found: dict[str, str] = {}
    for group in groups:
        key = dataset_key(group)
        if key not in found:
            name = group.runs[0].id.split(f"-{group.config.loss if group.runs[0].origin == 'trained' else 'loaded'}-")[0]
            found[key] = name if name not in found.values() else f"{name} ({key[:6]})"
    return found


def dataset_key(group: Group) -> str:
    return group.config.dataset_hash or group.config.dataset


def members(runs: Sequence[Run], *, predictions_by: str = "") -> list[Member]:
    """The finished groups of the runs, by data set, shots and loss. Raises InputError where none has that readout."""
    kept = [run for run in runs if value(run, "accuracy", predictions_by) is not None]
    groups = finished_groups(kept)
    if not groups:
        raise InputError("no finished run here has an accuracy" + (f" of the readout {predictions_by!r}" if predictions_by else "") + "; pick others")
    names, titles = dataset_names(groups), method_titles(groups)
    order, marks = list(LOSS_COLORS), _marks(groups, titles)
    found = [Member(group, title, names[dataset_key(group)], marks[title]) for group, title in zip(groups, titles, strict=True)]
    place = lambda one: order.index(one.loss) if one.loss in order else len(order)  # noqa: E731
    return sorted(found, key=lambda one: (one.dataset, one.config.shots_by, one.config.shots or np.inf, place(one), one.method))


def comparable_members(found: Sequence[Member]) -> tuple[list[Member], list[str], set[tuple[str, int | None]]]:
    """The same members, each with the draws that all methods have on its data set and shots; a sentence for every such place where some were left
    out or nothing is comparable; and the places (panel, shots) where nothing is."""
    places = [(one.panel, one.config.shots) for one in found]
    shared = shared_by_place([one.group for one in found], places, [one.method for one in found])
    cells = {place: one.cell for place, one in zip(places, found, strict=True)}
    made = [one._replace(group=group) for one, group in zip(found, shared.groups, strict=True)]
    return made, [f"{cells[place]}: {words}." for place, words in shared.words.items()], shared.apart


def method_titles(groups: Sequence[Group]) -> list[str]:
    """One title a group: its loss, and what tells it from other groups of that loss on the same data set and shots ("SupCon + CE, epochs 8")."""
    bases = [method_title(group.runs[0]) for group in groups]
    cells = [(dataset_key(group), group.config.shots, group.config.shots_by) for group in groups]
    configs = [group.config.model_dump(mode="json") for group in groups]
    titles = []
    for base, own in zip(bases, configs, strict=True):
        twins = [i for i, other in enumerate(bases) if other == base]
        close = [(configs[i], configs[j]) for i in twins for j in twins if i < j and cells[i] == cells[j]]
        differs = [name for name in own if name not in _APART and any(one[name] != other[name] for one, other in close)]
        if any(one["ce_weight"] != other["ce_weight"] for one, other in close):
            differs.insert(0, "ce_weight")
        titles.append(", ".join([base, *(_told(name, own[name]) for name in differs[:3])]))
    met: dict[tuple[str, object], int] = {}
    for i, (title, cell) in enumerate(zip(titles, cells, strict=True)):
        met[title, cell] = met.get((title, cell), 0) + 1
        if met[title, cell] > 1:  # differs in something that is not told
            titles[i] = f"{title} ({met[title, cell]})"
    return titles


def _told(name: str, given: object) -> str:
    if name == "encoder":
        return str(given).rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    if name == "tokenizer":
        return f"tokenizer {place_name(str(given))}" if given else "its own tokenizer"
    if isinstance(given, dict):
        return ", ".join(f"{key.replace('_', ' ')} {setting}" for key, setting in sorted(given.items())) or "default settings"
    return f"{name.replace('_', ' ')} {given:g}" if isinstance(given, float) else f"{name.replace('_', ' ')} {given}"


def _marks(groups: Sequence[Group], titles: Sequence[str]) -> dict[str, str]:
    """Method -> marker, in the order of the losses, so that colour is never the only key."""
    order = list(LOSS_COLORS)
    losses = dict(zip(titles, (group.config.shown_loss for group in groups), strict=True))
    place = lambda title: (order.index(losses[title]) if losses[title] in order else len(order), title)  # noqa: E731
    return {title: MARKS[i % len(MARKS)] for i, title in enumerate(sorted(losses, key=place))}


def value(run: Run, metric: str, predictions_by: str = "") -> float | None:
    """The run's number, a share of 1; None where it has not stored that readout."""
    own = not predictions_by or predictions_by == run.metrics.get("readout")
    return run.metrics.get(metric if own else f"{predictions_by}_{metric}")


def values(runs: Sequence[Run], metric: str, predictions_by: str = "") -> np.ndarray:
    """(R,) numbers of the runs in per cent."""
    return 100 * np.array([value(run, metric, predictions_by) for run in runs], dtype=float)


def rows_words(runs: Sequence[Run], metric: str, predictions_by: str = "") -> str:
    """What a caption says of the rows: runs that were not judged on the same ones, classes that the test part lacks where macro-F1 is shown, texts
    that no prediction reaches."""
    said = [apart_sentence(runs), untested_sentence(runs) if metric == "macro_f1" else "", unreached_sentence(runs, predictions_by)]
    return "".join(f" {sentence}" for sentence in said if sentence)


def draws_words(runs: Sequence[Run], predictions_by: str = "") -> str:
    """What a caption says of draws that not all methods have; '' where all have the same."""
    said = comparable_members(members(runs, predictions_by=predictions_by))[1]
    return "".join(f" {sentence}" for sentence in said)


def n_words(counts: Sequence[int]) -> str:
    """'n = 5', 'n = 2 to 5', 'single runs'."""
    low, high = min(counts), max(counts)
    if high == 1:
        return "single runs"
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def units_words(found: Sequence[str]) -> str:
    """'draws', 'draws or seeds' of unit names; lone runs say nothing."""
    kept = [one for one in dict.fromkeys(found) if one != "run"]
    return " or ".join(f"{one}s" for one in kept) or "draws"


def number_word(metric: str) -> str:
    """As it stands inside a sentence."""
    return {"accuracy": "accuracy", "macro_f1": "macro-F1"}[metric]


def by_readout(predictions_by: str) -> str:
    return f", predictions by {predictions_by.replace('_', ' ')}" if predictions_by else ""
