"""Which output of a model from elsewhere is which class of the data set."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from dmlviz.core.types import TextDataset

_UNNAMED = re.compile(r"(?:LABEL_)?(\d+)")
MOST_NAMED = 4


class Match(NamedTuple):
    """`order`: for every class of the data set the model's output, None where they are not the same classes. `sentence`: what was assumed, or why
    not."""

    order: list[int] | None
    sentence: str = ""
    guessed: bool = False  # by position, not by name


def match_classes(stored: Sequence[int] | None, id2label: Mapping[int, str], dataset: TextDataset) -> Match:
    """By name; else by name without regard to case, blanks and Unicode form; outputs without names (LABEL_0 ...) by the data set's own order.

    `stored`: the order that was written when the model was loaded before.
    """
    names, outputs = dataset.label_names, {int(i): str(name) for i, name in id2label.items()}
    if stored is not None and len(stored) == len(names):
        return Match(list(stored))
    if (order := _by_name(names, outputs)) is not None:
        return Match(order, _surplus(names, outputs, order))
    if (order := _by_name([plain(name) for name in names], {i: plain(name) for i, name in outputs.items()})) is not None:
        theirs, ours = next((outputs[i], name) for i, name in zip(order, names, strict=True) if outputs[i] != name)
        return Match(order, f"its classes were matched without regard to case, blanks and letters' form ({theirs!r} is {ours!r})")
    numbers = {int(hit[1]): i for i, name in outputs.items() if (hit := _UNNAMED.fullmatch(name))}
    if len(numbers) == len(outputs):
        if (order := _by_list(numbers, dataset)) is not None:
            listed = dataset.class_order
            return Match(order, f"its outputs have no names: they are {_some(listed)}, in the order in which the data set's source lists its classes")
        if len(outputs) == len(names):
            return _by_place(numbers, dataset)
    return Match(None, f"its classes ({_some(list(outputs.values()))}) are not the data set's ({_some(names)})")


def plain(name: str) -> str:
    """A class name without what people write in different ways: case, blanks, hyphens and underscores, Unicode form."""
    return re.sub(r"[\s_\-]+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _by_name(names: Sequence[str], outputs: Mapping[int, str]) -> list[int] | None:
    """None where a name is missing, or where one stands twice."""
    place = {name: i for i, name in outputs.items()}
    if len(place) < len(outputs) or len(set(names)) < len(names) or not set(names) <= set(place):
        return None
    return [place[name] for name in names]


def _surplus(names: Sequence[str], outputs: Mapping[int, str], order: Sequence[int]) -> str:
    more = [name for i, name in outputs.items() if i not in set(order)]
    return f"of its {len(outputs):,} classes the {len(names):,} of the data set are asked for, not {_some(more)}" if more else ""


def _by_list(numbers: Mapping[int, int], dataset: TextDataset) -> list[int] | None:
    """LABEL_i is class i of those that the data set's source lists. `numbers`: i of LABEL_i -> output. None where it lists none, or not as many."""
    listed, first = dataset.class_order, min(numbers, default=0)
    if listed is None or first not in (0, 1) or sorted(numbers) != list(range(first, first + len(listed))):
        return None
    return [numbers[first + listed.index(name)] for name in dataset.label_names]


def _by_place(numbers: Mapping[int, int], dataset: TextDataset) -> Match:
    """LABEL_i is class i: of numbered classes the one with that number, else of the order in which the classes stand here."""
    if all(name.isdecimal() for name in dataset.label_names):
        ranked = sorted(dataset.label_names, key=int)
        wanted = [int(name) for name in dataset.label_names]
        if set(wanted) == set(numbers):
            return Match([numbers[one] for one in wanted])
        order = [numbers[sorted(numbers)[ranked.index(name)]] for name in dataset.label_names]
        said = f"its outputs have no names: LABEL_{min(numbers)} is taken for class {ranked[0]}, and so on up to {ranked[-1]}"
        return Match(order, said, guessed=True)
    order = [numbers[one] for one in sorted(numbers)]
    return Match(order, f"its outputs have no names: they are taken for {_some(dataset.label_names)}, in this order", guessed=True)


def better_order(scores: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> str:
    """A hint for outputs that were matched by position: is another order right for more of the labelled texts? "" where none is.

    `scores` (S, C) of the support texts in the assumed order, `labels` (S,). The best order is that of the largest sum of hits.
    """
    guessed, count = scores.argmax(axis=1), len(names)
    hits = np.zeros((count, count), dtype=np.int64)  # [class, output]
    np.add.at(hits, (labels, guessed), 1)
    classes, outputs = linear_sum_assignment(-hits)
    best, now = int(hits[classes, outputs].sum()), int(np.trace(hits))
    if best <= now:
        return ""
    moved = [f"output {output} as {names[one]}" for one, output in zip(classes, outputs, strict=True) if one != output]
    return (f"the assumed order is right for {now:,} of the {len(labels):,} support texts, another for {best:,} ({', '.join(moved[:MOST_NAMED])}"
            f"{' ...' if len(moved) > MOST_NAMED else ''}); write the names into id2label of its config.json if that one is meant")  # fmt: skip


def _some(names: Sequence[str]) -> str:
    return ", ".join(str(name)[:30] for name in names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else "")
