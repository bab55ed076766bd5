"""The map's table as typed arrays for the GPU, and which of its points lie inside a lasso."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from dmlviz.analysis.selection import inside
from dmlviz.core.types import InputError
from dmlviz.figures.base.map_window import Outside, Window, around, outside, window
from dmlviz.figures.base.theme import OTHER, loss_color
from dmlviz.figures.maps.frame import BY_CLASS, Label, labels, opacity, percent

KINDS = ("other", "validation", "test", "support", "wrong")  # a mark's kind is its place here
DRAWN = ("other", "validation", "test", "wrong", "support")  # later ones lie on top, as in frame.layers
LABEL_PX = 13.2  # 12 px bold: about a tenth wider than text_width's estimate
LABEL_ROWS = 1_500  # rows of a pane that the class names are placed from; above, a sample: medoids cost the square of a class's size
LABEL_ROWS_EACH = 30  # at least of every class
_LABEL_COLUMNS = ["color_by", "color_key", "label", "part", "x", "y", "color"]


@dataclass(frozen=True, eq=False)
class PaneMarks:
    """One pane's M marks in the order they are drawn. Places are shares of the window, y upwards."""

    pane: str
    title: str
    color: str  # of the loss
    said: str  # "92.4% · single run"
    x: np.ndarray  # (M,) float32, or (F, M) over F moments
    y: np.ndarray  # as x
    color_index: np.ndarray  # (M,) uint16 into Marks.palette
    symbol_index: np.ndarray  # (M,) uint8 into Marks.symbols
    kind: np.ndarray  # (M,) uint8 into KINDS
    label_index: np.ndarray  # (M,) uint16 into Marks.names
    prediction_index: np.ndarray  # (M,) uint16 into Marks.names
    confidence: np.ndarray  # (M,) float32, NaN where none is known
    value: np.ndarray  # (M,) float32, the number behind the colour, NaN where colour is none
    row_ids: np.ndarray  # (M,) int32; the very same array as the first pane's where they are equal
    opacity: float  # of test marks
    labels: tuple[Label, ...]  # class names, places in data units
    shown: int  # M
    total: int  # rows of the frame, those without a place included
    outside: tuple[Outside, ...] = ()  # texts that the window leaves out


@dataclass(frozen=True, eq=False)
class Marks:
    """All panes on one window."""

    panes: tuple[PaneMarks, ...]
    palette: tuple[str, ...]  # colours as in the frame; Theme.shown makes them fit a ground
    symbols: tuple[str, ...]  # Plotly's names
    names: tuple[str, ...]  # classes, for hover
    window: Window
    whole: Window  # holds everything; the same as the window where that does, too
    color_by: str = ""  # what the colour says


class MapEvent(NamedTuple):
    """What a person did on the maps since the script last ran."""

    kind: Literal["lasso", "box", "click", "clear"]
    pane: str = ""
    polygon: tuple[tuple[float, float], ...] = ()  # of a lasso or box, in the window's data units
    row_id: int | None = None  # of a click
    add: bool = False  # shift was held: to what is selected already
    moment: int = -1  # which of the marks' moments was shown; only where they have several
    before: tuple[MapEvent, ...] = ()  # earlier ones that were too quick for a run of the script of their own


def marks(frame: pd.DataFrame, view: Window, *, label_side: float = 420) -> Marks:
    """The marks of every pane of `maps.frame.frame`. `label_side`: about how many px wide a pane will be, for the places of the class names.

    Rows without a finite place are left out and counted. Raises InputError for more colours than an index holds.
    """
    coded = {name: _codes(frame[name]) for name in ("pane", "part", "color_key", "color_by", "color", "symbol")}
    names, label, prediction = _shared_codes(frame["label"], frame["prediction"])
    if len(coded["color"].names) > 2**16:
        raise InputError(f"{len(coded['color'].names):,} colours came, a map can hold 65,536; give neighbouring values one colour.")
    places = _places(frame, view)
    columns = {
        "color_index": coded["color"].codes.astype(np.uint16), "symbol_index": coded["symbol"].codes.astype(np.uint8),
        "kind": _kinds(coded), "label_index": label, "prediction_index": prediction,
        "confidence": frame["confidence"].to_numpy(dtype=np.float32), "value": frame["value"].to_numpy(dtype=np.float32),
        "row_ids": frame["row_id"].to_numpy(dtype=np.int32),
    }  # fmt: skip
    panes: list[PaneMarks] = []
    for code in range(len(coded["pane"].names)):
        rows = np.flatnonzero(coded["pane"].codes == code)
        panes.append(_pane(frame, rows, places[rows], columns, view, label_side))
    away = any(pane.outside for pane in panes)
    whole = around(view, window(frame, whole=True)) if away else view
    return Marks(_sharing(panes), coded["color"].names, coded["symbol"].names, names, tuple(map(float, view)), tuple(map(float, whole)),
                 _color_by(frame))  # fmt: skip


def _color_by(frame: pd.DataFrame) -> str:
    return str(frame["color_by"].iloc[0]) if len(frame) else ""


class _Codes(NamedTuple):
    codes: np.ndarray  # (N,) int into names, -1 for a missing value
    names: tuple[str, ...]

    def of(self, name: str) -> np.ndarray:
        """(N,) bool: rows that hold `name`."""
        return self.codes == self.names.index(name) if name in self.names else np.zeros(len(self.codes), dtype=bool)


def _codes(column: pd.Series) -> _Codes:
    codes, names = pd.factorize(column)
    return _Codes(codes, tuple(map(str, names)))


def _shared_codes(label: pd.Series, prediction: pd.Series) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """One list of class names for both columns."""
    own, other = _codes(label), _codes(prediction)
    names = tuple(dict.fromkeys([*own.names, *other.names]))
    place = {name: i for i, name in enumerate(names)}
    shift = np.array([place[name] for name in other.names] or [0], dtype=np.uint16)
    return names, own.codes.astype(np.uint16), shift[other.codes] if len(other.codes) else np.zeros(0, dtype=np.uint16)


def _kinds(coded: dict[str, _Codes]) -> np.ndarray:
    """(N,) uint8 into KINDS, as frame.layers tells them apart."""
    test, grey = coded["part"].of("test"), coded["color_key"].of(OTHER)
    wrong = coded["color_key"].of("wrong") & coded["color_by"].of("correctness")
    kinds = np.full(len(test), KINDS.index("test"), dtype=np.uint8)
    for name, mask in (("other", test & grey), ("wrong", test & wrong), ("validation", coded["part"].of("validation")),
                       ("support", coded["part"].of("support"))):  # fmt: skip
        kinds[mask] = KINDS.index(name)
    return kinds


def _places(frame: pd.DataFrame, view: Window) -> np.ndarray:
    """(N, 2) float64 shares of the window."""
    points = np.stack([frame["x"].to_numpy(dtype=float), frame["y"].to_numpy(dtype=float)], axis=1)
    return _shares(points, view)


def _shares(points: np.ndarray, view: Window) -> np.ndarray:
    return (points - [view[0], view[2]]) / [view[1] - view[0], view[3] - view[2]]


def _pane(
    frame: pd.DataFrame, rows: np.ndarray, places: np.ndarray, columns: dict[str, np.ndarray], view: Window, label_side: float
) -> PaneMarks:
    """`rows` (n,) of the frame and their `places` (n, 2)."""
    order = draw_order(columns["kind"][rows])
    order = order[np.isfinite(places[order]).all(axis=1)]
    drawn, first = rows[order], frame.iloc[rows[0]]
    named = frame[_LABEL_COLUMNS].iloc[_label_rows(frame, np.sort(drawn))]
    score = float(first["accuracy"])
    return PaneMarks(
        pane=str(first["pane"]), title=str(first["title"]), color=loss_color(str(first["loss"])),
        said=percent(score) + (" · single run" if np.isfinite(score) else ""),
        x=places[order, 0].astype(np.float32), y=places[order, 1].astype(np.float32),
        **{name: values[drawn] for name, values in columns.items()},
        opacity=opacity(len(rows)), labels=tuple(labels(named, view, side=label_side, size=LABEL_PX)), shown=len(drawn), total=len(rows),
        outside=tuple(outside(frame.iloc[drawn], view)),
    )  # fmt: skip


def _label_rows(frame: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """`rows`, or a seeded sample of at least LABEL_ROWS_EACH of every class and part: larger classes keep more, so their
    order by size all but stays."""
    if len(rows) <= LABEL_ROWS:
        return rows
    own = frame[["color_by", "color_key", "label", "part"]].iloc[rows]
    classes = _codes(own["color_key" if own["color_by"].isin(BY_CLASS).any() else "label"]).codes
    strata = 2 * classes + _codes(own["part"]).of("test")
    shuffled = np.random.default_rng(0).permutation(len(rows))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    sizes = np.bincount(strata)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # of each row within its stratum
    most = np.maximum(np.ceil(sizes * (LABEL_ROWS / len(rows))), LABEL_ROWS_EACH)
    return np.sort(rows[order[place < np.repeat(most, sizes)]])


def draw_order(kinds: np.ndarray) -> np.ndarray:
    """(n,) places: shuffled with a seed, so that no class hides another by its place in the file, then layer by layer."""
    shuffled = np.random.default_rng(0).permutation(len(kinds))
    layer = np.array([DRAWN.index(name) for name in KINDS])
    return shuffled[np.argsort(layer[kinds[shuffled]], kind="stable")]


_SHARED = ("color_index", "symbol_index", "kind", "label_index", "prediction_index", "row_ids")


def _sharing(panes: Sequence[PaneMarks]) -> tuple[PaneMarks, ...]:
    """Panes whose arrays equal the first pane's hold the very same array, so that it travels once."""
    if not panes:
        return ()
    first, result = panes[0], [panes[0]]
    for pane in panes[1:]:
        equal = {name: getattr(first, name) for name in _SHARED if np.array_equal(getattr(first, name), getattr(pane, name))}
        result.append(replace(pane, **equal))
    return tuple(result)


def moving(still: Marks, frames: Sequence[np.ndarray], row_ids: Sequence[np.ndarray]) -> Marks:
    """The same marks at F moments: per pane `frames` (F, P, 2) in data units and the row ids (P,) they belong to.

    A mark without a place there is not drawn. Raises InputError when the panes differ in their number of moments.
    """
    moments = {len(points) for points in frames}
    if len(frames) != len(still.panes) or len(row_ids) != len(still.panes) or len(moments) != 1:
        raise InputError(
            f"{len(frames)} panes with {sorted(moments)} moments came for {len(still.panes)} maps; give every map the same moments, in their order."
        )
    panes = [_moving(pane, np.asarray(points), np.asarray(ids), still.window) for pane, points, ids in zip(still.panes, frames, row_ids, strict=True)]
    return replace(still, panes=tuple(panes))


def _moving(pane: PaneMarks, points: np.ndarray, ids: np.ndarray, view: Window) -> PaneMarks:
    places = _shares(points.astype(float), view)  # (F, P, 2)
    order = np.argsort(ids, kind="stable")
    at = np.searchsorted(ids, pane.row_ids, sorter=order).clip(max=max(len(ids) - 1, 0))
    source = order[at] if len(ids) else np.zeros(pane.shown, dtype=int)
    known = ids[source] == pane.row_ids if len(ids) else np.zeros(pane.shown, dtype=bool)
    moved = np.full((len(points), pane.shown, 2), np.nan)
    moved[:, known] = places[:, source[known]]
    return replace(pane, x=moved[..., 0].astype(np.float32), y=moved[..., 1].astype(np.float32), shown=int(known.sum()))


def rows_inside(marked: Marks, pane: str, polygon: Sequence[Sequence[float]], *, moment: int = -1) -> np.ndarray:
    """Sorted row ids (n,) int64 of the pane's marks inside a polygon in data units: on the float32 places the browser draws, so both agree."""
    own = next((one for one in marked.panes if one.pane == pane), None)
    if own is None or len(polygon) < 3:
        return np.zeros(0, dtype=np.int64)
    x, y = (values[moment] if values.ndim == 2 else values for values in (own.x, own.y))
    found = inside(np.stack([x, y], axis=1), _shares(np.asarray(polygon, dtype=float), marked.window))
    return np.unique(own.row_ids[found]).astype(np.int64)


def selected_after(marked: Marks, event: MapEvent, selected: Sequence[int] | np.ndarray | None) -> np.ndarray | None:
    """Sorted row ids selected once the event is done, or None for no selection. `selected`: those before it."""
    for one in (*event.before, event):
        selected = _after(marked, one, selected)
    return None if selected is None else np.asarray(selected, dtype=np.int64)


def _after(marked: Marks, event: MapEvent, selected: Sequence[int] | np.ndarray | None) -> np.ndarray | None:
    if event.kind == "clear":
        return None
    if event.kind == "click":
        rows = np.array([] if event.row_id is None else [event.row_id], dtype=np.int64)
    else:
        rows = rows_inside(marked, event.pane, event.polygon, moment=event.moment)
    if event.add and selected is not None:
        rows = np.union1d(np.asarray(selected, dtype=np.int64), rows)
    return rows if len(rows) else None


def chain(events: Sequence[MapEvent]) -> MapEvent | None:
    """Several events as the last one with the others before it; those that a later one undoes are dropped."""
    kept: list[MapEvent] = []
    for event in _flat(events):
        kept = [*kept, event] if event.add else [event]
    return kept[-1]._replace(before=tuple(kept[:-1])) if kept else None


def _flat(events: Sequence[MapEvent]) -> Iterator[MapEvent]:
    for event in events:
        yield from event.before
        yield event._replace(before=())
