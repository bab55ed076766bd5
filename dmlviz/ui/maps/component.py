"""The Streamlit side of the maps: bytes and settings out, one small event in.

The component is mounted up to three times per set of maps. Two invisible mounts carry bytes, the points and the texts for hover; Streamlit keeps
large messages that did not change in the browser, so they travel once. The visible mount has the rest: names, colours, selection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

from dmlviz.figures.base.map_window import counted_words
from dmlviz.figures.base.theme import DARK, LIGHT, OTHER_COLOR, Theme, contrast, mixed, readable
from dmlviz.figures.maps.marks import MapEvent, Marks, PaneMarks, chain

HERE = Path(__file__).parent
JS = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("marks_gl.js", "marks_2d.js", "points.js", "maps.js"))
CSS = (HERE / "maps.css").read_text(encoding="utf-8")
_component = st.components.v2.component("dmlviz_maps", js=JS, css=CSS)
_packed: WeakKeyDictionary[Marks, dict[Any, Any]] = WeakKeyDictionary()  # what was made of marks, as long as the page keeps them
_readable = lru_cache(4096)(readable)

VALUE_NAMES = {"distortion": "distortion", "lost": "neighbours lost", "disagreement": "disagreement"}  # confidence is told of every text
MOST_CORNERS = 1_000
MOST_EVENTS = 100
TYPES = {"float32": "f4", "uint32": "u4", "int32": "i4", "uint16": "u2", "uint8": "u1"}
FIELDS = {
    "x": "x", "y": "y", "color": "color_index", "symbol": "symbol_index", "kind": "kind", "label": "label_index",
    "prediction": "prediction_index", "confidence": "confidence", "value": "value",
}  # fmt: skip


def maps(
    marks: Marks,
    *,
    key: str,
    selected: np.ndarray | None,
    theme: Theme,
    height: int = 640,
    hover: Mapping[int, str] | Sequence[str] | None = None,
    badges: Sequence[str] = (),
    time: Sequence[str] | None = None,
    alt: Sequence[str] = (),
) -> MapEvent | None:
    """Draw the panes and return what the person did since the last run of the script (None: nothing, or `map_event(key)` told it already).

    `selected`: row ids, None for no selection. `height`: the largest side of a pane in px. `hover`: excerpts by row id. `badges` and `alt`: one
    plain text per pane. `time`: the names of the F moments when the marks' places are (F, M). `theme`: what to start with; Streamlit's own colours
    decide once they are known.
    """
    rows = _once(marks, "rows", None, lambda: _row_ids(marks))
    points = _once(marks, ("points", key), None, lambda: _points(marks, key))
    texts = None if hover is None else _once(marks, ("texts", key), hover, lambda: _texts(rows, hover, key))
    with st.container(gap=None, key=f"{key}_maps"):
        _component(key=f"{key}_points", data=points.packed)
        if texts is not None:
            _component(key=f"{key}_texts", data=texts.packed)
        data = {
            "channel": key, "points": points.hash, "texts": texts and texts.hash, "selected": _bits(rows, selected), "ack": _memory(key)["seen"],
            "theme": theme.name, "themes": {"light": _look(marks, LIGHT), "dark": _look(marks, DARK)}, "height": int(height),
            "time": None if time is None else [str(name) for name in time],
            "panes": [_pane(pane, marks, _at(badges, i), _at(alt, i)) for i, pane in enumerate(marks.panes)],
        }  # fmt: skip
        _component(key=key, data=data, on_event_change=lambda: _take(key))
    return map_event(key)


def map_event(key: str) -> MapEvent | None:
    """What the person did on the maps of this key since the last run of the script, told once. Ask before drawing, and the selection is drawn in
    the same run."""
    return _memory(key).pop("event", None)


def _memory(key: str) -> dict[str, Any]:
    """Of this session: the last event that was seen, and the one nobody has asked for yet."""
    return st.session_state.setdefault(f"{key}_memory", {"seen": 0})


def _take(key: str) -> None:
    """Runs before the script: keeps the new events."""
    memory, sent = _memory(key), (st.session_state.get(key) or {}).get("event") or {}
    events, memory["seen"] = fresh_events(sent.get("events") if isinstance(sent, Mapping) else None, memory["seen"])
    if events:
        memory["event"] = chain([*filter(None, [memory.get("event")]), *events])


def fresh_events(listed: Any, seen: int) -> tuple[list[MapEvent], int]:
    """The browser's events after number `seen`, and the last number. The browser repeats an event until it has heard that it was seen."""
    events = []
    for item in listed[:MOST_EVENTS] if isinstance(listed, list) else []:
        event, sequence = read_event(item)
        if event is not None and sequence > seen:
            seen = sequence
            events.append(event)
    return events, seen


def read_event(item: Any) -> tuple[MapEvent | None, int]:
    """The browser's event and its number; None for one that is not as it should be."""
    try:
        kind, pane, add, sequence = item["kind"], str(item.get("pane") or ""), bool(item.get("add")), int(item["sequence"])
        moment = int(item.get("moment", -1))
        if kind in ("lasso", "box"):
            polygon = tuple((float(x), float(y)) for x, y in item["polygon"][:MOST_CORNERS])
            fine = all(math.isfinite(value) for corner in polygon for value in corner)
            return (MapEvent(kind, pane, polygon, None, add, moment) if fine else None), sequence
        if kind == "click":
            return MapEvent(kind, pane, (), int(item["row"]), add, moment), sequence
        return (MapEvent("clear") if kind == "clear" else None), sequence
    except (KeyError, TypeError, ValueError, AttributeError):
        return None, 0


class _Packed:
    """A header and typed arrays as bytes: header length, JSON header, then the arrays, each at a multiple of 8."""

    def __init__(self, header: dict[str, Any], arrays: Sequence[np.ndarray], told: str | None = None) -> None:
        places, blocks, at = [], [], 0
        for array in arrays:
            block = np.ascontiguousarray(array)
            block = block.astype(block.dtype.newbyteorder("<"), copy=False)
            places.append({"at": at, "length": block.size, "type": TYPES[block.dtype.name]})
            blocks += [block.tobytes(), b"\0" * (-block.nbytes % 8)]
            at += block.nbytes + -block.nbytes % 8
        body = b"".join(blocks)
        text = json.dumps({**header, "arrays": places})
        self.hash = told or hashlib.blake2b(body + text.encode(), digest_size=12).hexdigest()
        head = json.dumps({**header, "arrays": places, "hash": self.hash}).encode()
        head += b" " * (-(4 + len(head)) % 8)
        self.packed = (4 + len(head)).to_bytes(4, "little") + head + body


def _once(marks: Marks, name: Any, of: Any, make: Callable[[], Any]) -> Any:
    """What `make` makes of the marks and of `of`, kept while both stay the same objects."""
    kept = _packed.setdefault(marks, {})
    if name not in kept or kept[name][0] is not of:
        kept[name] = (of, make())
    return kept[name][1]


def _points(marks: Marks, key: str) -> _Packed:
    header, arrays = _point_arrays(marks)
    return _Packed({**header, "channel": key}, arrays)


def _point_arrays(marks: Marks) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Every array once, whichever panes share it, and a header that says where each is."""
    rows = _row_ids(marks)
    arrays: list[np.ndarray] = [rows]
    known: dict[int, int] = {}  # id of an array that lives in `marks` -> its place

    def place(own: np.ndarray, made: np.ndarray | None = None) -> int:
        if id(own) not in known:
            known[id(own)] = len(arrays)
            arrays.append((own if made is None else made).reshape(-1))
        return known[id(own)]

    panes, told, nothing = [], marks.color_by in VALUE_NAMES, np.zeros(0, dtype=np.float32)
    for pane in marks.panes:
        columns = {name: place(getattr(pane, field) if told or name != "value" else nothing) for name, field in FIELDS.items()}
        slots = place(pane.row_ids, None if id(pane.row_ids) in known else np.searchsorted(rows, pane.row_ids).astype(np.uint32))
        panes.append({**columns, "slot": slots, "id": pane.pane, "opacity": pane.opacity})
    places = hashlib.blake2b(repr(marks.window).encode(), digest_size=12)
    for pane in marks.panes:
        for array in (pane.x, pane.y):
            # in the order of the rows: the order of drawing depends on the colours, and a change of colour keeps the zoom
            places.update(np.ascontiguousarray(array[..., np.argsort(pane.row_ids)]).tobytes())
    header = {
        "part": "points", "rows": 0, "value": VALUE_NAMES.get(marks.color_by), "panes": panes, "names": list(marks.names),
        "symbols": list(marks.symbols), "window": list(marks.window), "whole": _whole(marks),
        "places": places.hexdigest(),
    }  # fmt: skip
    return header, arrays


def _whole(marks: Marks) -> list[float]:
    """The square that holds everything, left, right, bottom and top as shares of the window."""
    if marks.whole == marks.window:
        return [0, 1, 0, 1]
    left, right, low, _ = marks.window
    return [(value - start) / (right - left) for value, start in zip(marks.whole, (left, left, low, low), strict=True)]


def _row_ids(marks: Marks) -> np.ndarray:
    """(U,) int32, sorted: the rows of all panes. A row's place in it is its "slot" in the browser."""
    unlike = {id(pane.row_ids): pane.row_ids for pane in marks.panes}
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int32), *unlike.values()]))


def _texts(rows: np.ndarray, hover: Mapping[int, str] | Sequence[str], key: str) -> _Packed:
    """The excerpts of `rows` as UTF-8, end to end."""
    if isinstance(hover, Mapping):
        said = [str(hover.get(int(row), "")) for row in rows]
    else:
        said = [str(hover[row]) if row < len(hover) else "" for row in rows.tolist()]
    blocks = [text.encode("utf-8", "replace") for text in said]
    ends = np.cumsum([len(block) for block in blocks], dtype=np.uint32)
    return _Packed({"channel": key, "part": "texts"}, [ends, np.frombuffer(b"".join(blocks), dtype=np.uint8)])


def _bits(rows: np.ndarray, selected: np.ndarray | Sequence[int] | None) -> str | None:
    """One bit per row of the maps, lowest bit first, as base64."""
    if selected is None:
        return None
    chosen = np.isin(rows, np.asarray(selected, dtype=np.int64))
    return base64.b64encode(np.packbits(chosen, bitorder="little").tobytes()).decode()


def _look(marks: Marks, theme: Theme) -> dict[str, Any]:
    """The palette on this ground. A colour too pale for it gets a darker edge, as in map_screen."""
    fills = [theme.shown(color) for color in marks.palette]
    edges = [mixed(color, theme.ink, 0.45) if contrast(color, theme.ground) < 1.6 else color for color in fills]
    greys = [color == OTHER_COLOR for color in marks.palette]
    frame = {name: getattr(theme, name) for name in ("ground", "panel", "ink", "muted", "lines", "accent")}
    return {"fills": fills, "edges": [fill if grey else edge for fill, edge, grey in zip(fills, edges, greys, strict=True)], "greys": greys, **frame}


def _pane(pane: PaneMarks, marks: Marks, badge: str, alt: str) -> dict[str, Any]:
    left, right, low, high = marks.window
    labels = [
        {
            "name": label.name,
            "anchor": [(label.anchor[0] - left) / (right - left), (label.anchor[1] - low) / (high - low)],
            "color": [_readable(theme.shown(label.color), theme.ground) for theme in (LIGHT, DARK)] if label.color else None,
        }
        for label in pane.labels
    ]
    left_out = f"{pane.shown:,} of {pane.total:,} texts have a place on this map. " if pane.shown < pane.total else ""
    away = [{"place": [(one.place[0] - left) / (right - left), (one.place[1] - low) / (high - low)], "count": one.count} for one in pane.outside]
    said = f"{left_out}{badge} {counted_words(sum(one.count for one in pane.outside))}".strip()
    swatch = [_readable(pane.color, theme.ground, 3.0) for theme in (LIGHT, DARK)]
    return {
        "id": pane.pane, "title": pane.title, "color": swatch, "said": pane.said, "badge": said, "shown": pane.shown,
        "alt": alt or f"Map of {pane.title}: {pane.shown:,} texts.", "labels": labels, "outside": away,
    }  # fmt: skip


def _at(words: Sequence[str], i: int) -> str:
    return str(words[i]) if i < len(words) else ""
