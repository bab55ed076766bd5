"""A selection of texts as one line that fits into an address, and the rows it stands for.

    rows:3,7-9,12                   these rows of the data set
    class:grain                     texts of a class
    find:oil price                  texts that hold the words, case aside
    regex:\\bcrude\\b                 texts that the expression finds
    flip:RUN_A,RUN_B                right in the first run, wrong in the second
    wrong:RUN                       wrong in a run
    area:FIRST,RUN,MAP,PARTS:x,y;…  inside an outline drawn on RUN's map (registered on FIRST's), among PARTS joined by +
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.core.types import InputError, TextDataset

KINDS = ("rows", "class", "find", "regex", "flip", "wrong", "area")
LONGEST = 1_800  # characters of a line: addresses of 2,000 are safe everywhere
REGEX_SECONDS = 2.0  # for all texts
MOST_REPEATS = 20_000


class Spot(NamedTuple):
    """A run's texts as a selection by predictions or by place needs them."""

    row_ids: np.ndarray  # (N,)
    roles: np.ndarray  # (N,)
    points: np.ndarray  # (N, 2) on the map asked for
    predictions: np.ndarray  # (N,)


Spots = Callable[[Sequence[str], str], list[Spot]]  # (run ids, kind of map) -> one per run, registered on the first


def rows_line(rows: np.ndarray) -> str:
    """"rows:" with runs of neighbours written as ranges. (M,) -> line; may be longer than LONGEST."""
    rows = np.unique(np.asarray(rows, dtype=np.int64))
    if not len(rows):
        return ""
    starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) > 1)
    ends = np.append(starts[1:], len(rows)) - 1
    return "rows:" + ",".join(str(rows[a]) if a == b else f"{rows[a]}-{rows[b]}" for a, b in zip(starts, ends, strict=True))


def area_line(first: str, run_id: str, kind_of_map: str, parts: Sequence[str], outline: Sequence[tuple[float, float]]) -> str:
    """"area:" of an outline in map units, to four digits; a long one is thinned until it fits."""
    head = f"area:{first},{run_id},{kind_of_map},{'+'.join(parts)}:"
    for step in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64):
        line = head + ";".join(f"{x:.4g},{y:.4g}" for x, y in outline[::step])
        if len(line) <= LONGEST:
            break
    return line


def rows_of(line: str, dataset: TextDataset, among: np.ndarray, spots: Spots) -> np.ndarray:
    """Sorted row ids, a subset of `among`, that the line stands for. Raises InputError for a line that means nothing here."""
    kind, _, said = line.partition(":")
    if kind not in KINDS or not said:
        raise InputError(f"the selection {line[:60]!r} is not understood; it starts with one of {', '.join(KINDS)} and a colon")
    rows = {
        "rows": lambda: _ranges(said, len(dataset.texts)),
        "class": lambda: _of_class(said, dataset),
        "find": lambda: _finding(said.casefold(), dataset, among),
        "regex": lambda: _matching(said, dataset, among),
        "flip": lambda: _flipped(said, dataset, spots),
        "wrong": lambda: _wrong(said, dataset, spots),
        "area": lambda: _inside(said, spots),
    }[kind]()
    return np.intersect1d(rows, among)


def words_of(line: str, titles: Callable[[str], str]) -> str:
    """How it was made, in words. `titles` names a run."""
    kind, _, said = line.partition(":")
    if kind == "flip":
        a, _, b = said.partition(",")
        return f"right in {titles(a)}, wrong in {titles(b)}"
    if kind == "area":
        head = said.partition(":")[0].split(",")
        return f"drawn on the map of {titles(head[1])}" if len(head) > 1 else "drawn on a map"
    words = {"rows": "picked one by one", "class": f"class {said}", "find": f"texts with “{said}”", "regex": f"texts matching {said}"}
    return words.get(kind, f"wrong in {titles(said)}")


def _ranges(said: str, count: int) -> np.ndarray:
    """The rows of 0 to `count` - 1 that are named: an address may name any number of others, and none of them is made."""
    try:
        pairs = [(int(a), int(b or a)) for a, _, b in (one.partition("-") for one in said.split(","))]
    except ValueError:
        raise InputError(f"the selection 'rows:{said[:60]}' is not understood; give row numbers such as rows:3,7-9") from None
    chosen = np.zeros(count, dtype=bool)
    for first, last in pairs:
        chosen[max(first, 0) : max(min(last, count - 1) + 1, 0)] = True
    return np.flatnonzero(chosen)


def _of_class(said: str, dataset: TextDataset) -> np.ndarray:
    if said not in dataset.label_names:
        raise InputError(f"there is no class {said[:60]!r} in {dataset.name}; choose one of its {len(dataset.label_names)} classes")
    return np.flatnonzero(dataset.labels == dataset.label_names.index(said))


def _finding(word: str, dataset: TextDataset, among: np.ndarray) -> np.ndarray:
    return np.array([row for row in among if any(word in text.casefold() for text in _texts(dataset, row))], dtype=np.int64)


def _matching(pattern: str, dataset: TextDataset, among: np.ndarray) -> np.ndarray:
    """REGEX_SECONDS for all texts together; `regex`, unlike re, can be told to give up, and lets other sessions work meanwhile."""
    import regex

    if (size := expanded(pattern)) > MOST_REPEATS:
        raise InputError(f"the expression {pattern[:60]!r} repeats {size:,} signs, and {MOST_REPEATS:,} are the most; lower its counts in braces")
    deadline = time.monotonic() + REGEX_SECONDS

    def matches(text: str) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return found.search(text, timeout=left, concurrent=True) is not None

    try:
        found = regex.compile(pattern, regex.IGNORECASE)
        return np.array([row for row in among if any(map(matches, _texts(dataset, row)))], dtype=np.int64)
    except regex.error as error:
        raise InputError(f"the expression {pattern[:60]!r} cannot be read: {error}; write a regular expression, or search for plain words") from None
    except (TimeoutError, RecursionError):
        raise InputError(f"the expression {pattern[:60]!r} takes longer than {REGEX_SECONDS:g} s on these texts; make it simpler") from None


_COUNT = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_SIGN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)  # an escape, a set in brackets, or one character


def expanded(pattern: str) -> int:
    """How many signs the pattern has when its counts in braces are written out: a compiler that writes them out runs out of memory on nested ones."""
    groups, at = [[0]], 0  # sizes of the parts of each open group
    while at < len(pattern):
        counted = _COUNT.match(pattern, at)
        if counted and counted[0] != "{}":
            groups[-1][-1] *= max([int(number[:9]) for number in counted.groups() if number] or [1])
            at = counted.end()
            continue
        sign = _SIGN.match(pattern, at)
        at = sign.end()
        if sign[0] == "(":
            groups.append([0])
        elif sign[0] == ")" and len(groups) > 1:
            inner = sum(groups.pop())
            groups[-1].append(inner)
        else:
            groups[-1].append(1)
    return sum(map(sum, groups))


def _texts(dataset: TextDataset, row: int) -> tuple[str, ...]:
    return (dataset.texts[row],) if dataset.text_pairs is None else (dataset.texts[row], dataset.text_pairs[row])


def _flipped(said: str, dataset: TextDataset, spots: Spots) -> np.ndarray:
    ids = said.split(",")
    if len(ids) != 2:
        raise InputError(f"the selection 'flip:{said[:60]}' is not understood; it names two runs")
    first, second = spots(ids, "pca")
    right = first.row_ids[first.predictions == dataset.labels[first.row_ids]]
    return np.intersect1d(right, second.row_ids[second.predictions != dataset.labels[second.row_ids]])


def _wrong(run_id: str, dataset: TextDataset, spots: Spots) -> np.ndarray:
    found = spots([run_id], "pca")[0]
    return found.row_ids[found.predictions != dataset.labels[found.row_ids]]


def _inside(said: str, spots: Spots) -> np.ndarray:
    head, _, corners = said.partition(":")
    try:
        first, run_id, kind_of_map, parts = head.split(",")
        outline = np.array([(float(x), float(y)) for x, y in (one.split(",") for one in corners.split(";"))])
    except ValueError:
        raise InputError(f"the selection 'area:{said[:60]}' is not understood; draw the outline again") from None
    found = spots([first, run_id] if first != run_id else [first], kind_of_map)[-1]
    shown = np.isin(found.roles, parts.split("+"))
    return found.row_ids[shown & inside(found.points, outline)]


def inside(points: np.ndarray, polygon: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """(N,) bool: which `points` (N, 2) lie inside the polygon (V, 2), closed by itself, by the even-odd rule.

    A point is inside when a ray to the right crosses an odd number of edges; each edge holds its lower end and not its upper one.
    Fewer than three corners hold nothing; a point that is not finite is outside.
    """
    points, corners = np.asarray(points, dtype=float).reshape(-1, 2), np.asarray(polygon, dtype=float).reshape(-1, 2)
    found = np.zeros(len(points), dtype=bool)
    if len(corners) < 3:
        return found
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    by_height = usable[np.argsort(points[usable, 1], kind="stable")]
    x, y = points[by_height].T
    crossed = np.zeros(len(by_height), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = np.searchsorted(y, sorted((y0, y1)))  # heights in [lower, upper): only these can cross the edge
        at = x0 + (y[low:high] - y0) * (x1 - x0) / (y1 - y0)
        crossed[low:high] ^= x[low:high] < at
    found[by_height] = crossed
    return found
