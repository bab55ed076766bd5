"""Frame, then draw. FIGURES is the table that pages, export and command line go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..records import InputError
from . import classes, curves, manifold
from .map_frame import COLOR_BY


class FigureEntry(NamedTuple):
    """One picture. A caller loads what `needs` names, in that order, and asks nothing else about it."""

    title: str
    question: str
    needs: tuple[str, ...]  # "panes", "label_names", "texts", "runs", "events", "dataset", "split"
    frame: Callable[..., Any]  # frame(*needs, **frame_options) -> DataFrame
    screen: Callable[..., Any]  # screen(frame, [pane_id,] theme=..., **) -> Plotly figure
    paper: Callable[..., Any]  # paper(frame, preset, **paper_options) -> Matplotlib figure
    caption: Callable[..., str]  # caption(frame, first of the needs)
    alt: Callable[..., str]
    notes: Callable[..., list[str]]  # what paper cannot show as it is written, in sentences
    frame_options: Mapping[str, Any] = {}  # option of a FigureSpec -> accepted values or its type
    paper_options: Mapping[str, Any] = {}


FIGURES: dict[str, FigureEntry] = {
    "manifold": FigureEntry(
        "Embedding maps", "Where do the texts land?", ("panes", "label_names", "texts"),
        manifold.frame, manifold.screen, manifold.paper, manifold.caption, manifold.alt, manifold.notes,
        {"color_by": COLOR_BY, "parts": str, "focus": str}, {"letters": bool},
    ),
    "curves": FigureEntry(
        "Training curves", "How does the loss fall?", ("runs", "events"),
        curves.frame, curves.screen, curves.paper, curves.caption, curves.alt, curves.notes,
        {}, {"kind": tuple(curves.KINDS)},
    ),
    "classes": FigureEntry(
        "Class balance", "How many texts has each class?", ("dataset",),
        classes.frame, classes.screen, classes.paper, classes.caption, classes.alt, classes.notes,
    ),
}  # fmt: skip


def entry(name: str) -> FigureEntry:
    """The figure of that name, or a sentence with the known ones."""
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; known: {', '.join(FIGURES)}.")
    return FIGURES[name]


def split_options(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A FigureSpec's flat options as those of frame and those of paper; lists ("a,b") become tuples."""
    figure = entry(name)
    known = {**figure.frame_options, **figure.paper_options}
    for option, value in options.items():
        if option not in known:
            raise InputError(f"{figure.title} has no option {option!r}; known: {', '.join(known) or 'none'}.")
        if isinstance(known[option], tuple) and value not in known[option]:
            raise InputError(f"{option} cannot be {value!r}; choose one of {', '.join(known[option])}.")
    read = {option: _list(value) if known[option] is str else value for option, value in options.items()}
    frame_part = {option: value for option, value in read.items() if option in figure.frame_options}
    return frame_part, {option: value for option, value in read.items() if option in figure.paper_options}


def _list(value: Any) -> tuple[str, ...]:
    """Items of a comma-separated option; "\\n" separates when a name holds commas."""
    text = str(value)
    return tuple(item.strip() for item in text.split("\n" if "\n" in text else ",") if item.strip())


__all__ = ["FIGURES", "FigureEntry", "classes", "curves", "entry", "manifold", "split_options"]
