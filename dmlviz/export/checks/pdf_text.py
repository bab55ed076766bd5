"""Words of a PDF page as they are printed: how large, in which colour."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

_ONE = np.eye(3)


class Word(NamedTuple):
    """A run of glyphs. `text` is "" where a format does not tell."""

    text: str
    points: float  # on paper
    color: str  # "#1B2733"


class _State(NamedTuple):
    """PDF's graphics state, as far as words need it."""

    placed: np.ndarray  # (3, 3) row vectors to the page
    color: str = "#000000"
    size: float = 0.0


def pdf_words(page: Any) -> list[Word]:
    """Every run of glyphs on a pypdf page, in the order of drawing (PDF 32000-1, 8.4, 9.4)."""
    from pypdf.generic import ContentStream

    unit = float(page.user_unit or 1)
    found: list[Word] = []
    if page.get_contents() is not None:
        _read(ContentStream(page.get_contents(), page.pdf), page.get("/Resources"), _State(_ONE * [unit, unit, 1]), found, 0)
    return found


def _read(stream: Any, resources: Any, state: _State, found: list[Word], depth: int) -> None:
    kept: list[_State] = []
    line = _ONE
    for operands, operator in stream.operations:
        name = operator.decode("latin-1")
        if name == "q":
            kept.append(state)
        elif name == "Q" and kept:
            state = kept.pop()
        elif name == "cm":
            state = state._replace(placed=_matrix(operands) @ state.placed)
        elif name in ("g", "rg", "k", "sc", "scn"):
            state = state._replace(color=_color(operands) or state.color)
        elif name == "Tf":
            state = state._replace(size=float(operands[1]))
        elif name == "BT":
            line = _ONE
        elif name == "Tm":
            line = _matrix(operands)
        elif name in ("Tj", "TJ", "'", '"'):
            found += _word(operands, line, state)
        elif name == "Do" and depth < 4:
            _form(resources, str(operands[0]), state, found, depth)


def _form(resources: Any, name: str, state: _State, found: list[Word], depth: int) -> None:
    from pypdf.generic import ContentStream

    form = resources.get_object().get("/XObject", {}).get(name) if resources is not None else None
    form = form.get_object() if form is not None else None
    if form is None or form.get("/Subtype") != "/Form":
        return
    inner = state._replace(placed=_matrix(form.get("/Matrix", (1, 0, 0, 1, 0, 0))) @ state.placed)
    _read(ContentStream(form, None), form.get("/Resources", resources), inner, found, depth + 1)


def _matrix(operands: Any) -> np.ndarray:
    a, b, c, d, e, f = (float(one) for one in operands)
    return np.array([[a, b, 0], [c, d, 0], [e, f, 1]])


def _color(operands: Any) -> str | None:
    """As sRGB; None for a pattern."""
    try:
        values = [min(max(float(one), 0.0), 1.0) for one in operands]
    except (TypeError, ValueError):
        return None
    if len(values) == 1:
        values *= 3
    if len(values) == 4:  # cyan, magenta, yellow, black
        values = [(1 - ink) * (1 - values[3]) for ink in values[:3]]
    return "#" + "".join(f"{round(255 * one):02X}" for one in values) if len(values) == 3 else None


def _word(operands: Any, line: np.ndarray, state: _State) -> list[Word]:
    """Its size is the length of a vertical unit, so that turned and scaled words count as they are printed."""
    pieces = operands[0] if isinstance(operands[0], list) else [operands[-1]]
    text = "".join(str(piece) for piece in pieces if isinstance(piece, str | bytes))
    if not any(isinstance(piece, str | bytes) and len(piece) for piece in pieces):
        return []
    up = np.array([0.0, state.size, 0.0]) @ line @ state.placed
    return [Word(text, float(np.hypot(up[0], up[1])), state.color)]
