"""Means are compared over the draws that all groups have: a mean over other draws may be higher for its draws alone."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from dmlviz.analysis.reliability.groups import Group
from dmlviz.core.types import Run

LEAST = 2  # draws in common below which no mean is taken of them


class Shared(NamedTuple):
    """Groups of one data set and number of shots, made comparable where that is possible."""

    groups: list[Group]  # in the order given, each with those of its runs whose draw all have; single runs as they are
    comparable: bool  # do all groups with repetitions stand on the same draws?
    left_out: list[int]  # draws of each group that others lack, taken out
    common: int  # draws that stay
    unit: str  # "draw", "seed"


def shared_draws(groups: Sequence[Group]) -> Shared:
    """Draws of the shots (with folds: of draw and fold) that all groups with repetitions have; seeds, where there is one draw alone.

    Runs of one draw that differ in seeds stay together: they are averaged. Groups that share fewer than two draws stay whole and are not comparable.
    """
    several = [group for group in groups if not group.lone]
    by_seed = len({(run.config.support_seed, run.config.fold) for group in several for run in group.runs}) <= 1
    unit = "seed" if by_seed else "draw"
    sets = [{_draw(run, by_seed) for run in group.runs} for group in several]
    common = set.intersection(*sets) if sets else set()
    none = [0] * len(groups)
    if all(own == common for own in sets):
        return Shared(list(groups), True, none, len(common), unit)
    if len(common) < LEAST:
        return Shared(list(groups), False, none, len(common), unit)
    kept = [group if group.lone else Group(group.key, tuple(run for run in group.runs if _draw(run, by_seed) in common)) for group in groups]
    left_out = [0 if group.lone else len({_draw(run, by_seed) for run in group.runs} - common) for group in groups]
    return Shared(kept, True, left_out, len(common), unit)


def _draw(run: Run, by_seed: bool) -> Hashable:
    return run.config.seed if by_seed else (run.config.support_seed, run.config.fold)


class Compared(NamedTuple):
    """Groups of many places (a data set and number of shots each), made comparable place by place."""

    groups: list[Group]  # in the order given
    words: dict[Hashable, str]  # place -> what was left out there, or that nothing is comparable; places without a word are not in it
    apart: set[Hashable]  # places whose groups share too few draws


def shared_by_place(groups: Sequence[Group], places: Sequence[Hashable], names: Sequence[str]) -> Compared:
    """`shared_draws` within each place; `names` of the groups are for the words."""
    found = Compared(list(groups), {}, set())
    for place in dict.fromkeys(places):
        own = [i for i, other in enumerate(places) if other == place]
        shared = shared_draws([groups[i] for i in own])
        for i, group in zip(own, shared.groups, strict=True):
            found.groups[i] = group
        if not shared.comparable:
            found.apart.add(place)
        if words := _words(shared, [names[i] for i in own]):
            found.words[place] = words
    return found


def _words(found: Shared, names: Sequence[str]) -> str:
    """What was left out, after a colon; '' where all groups have the same draws."""
    if not found.comparable:
        many = f"{found.common or 'no'} {found.unit}{'' if found.common == 1 else 's'}"
        return f"the methods share {many}, so their means are over different {found.unit}s and are not ranked"
    without = [f"{count} of {name}" for name, count in zip(names, found.left_out, strict=True) if count]
    return f"means over the {found.common} {found.unit}s that all methods share (left out: {', '.join(without)})" if without else ""
