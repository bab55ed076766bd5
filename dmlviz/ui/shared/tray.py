"""The tray of figures as pages use it: kept in the home, so that a reload finds it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export import tray as trays
from dmlviz.store.runs import home_folder


def tray() -> list[SheetSpec]:
    """The figures put aside for paper, in order. Raises InputError for a tray file that cannot be read."""
    return trays.tray(home_folder())


def set_aside() -> None:
    """The button's work: a tray that cannot be read makes room for a new one."""
    try:
        st.toast(f"The old tray is kept as {trays.set_aside(home_folder()).name}")
    except OSError as error:
        st.toast(f"The tray cannot be renamed ({error.strerror or error}); check the rights of the home folder.", icon=":material/error:")


def add_to_tray(spec: FigureSpec) -> None:
    """As a figure of its own; one that is there already moves to the end."""
    new = SheetSpec(panels=(spec,), preset=spec.preset, title=spec.title)

    def added(sheets: list[SheetSpec]) -> list[SheetSpec]:
        there = [one for one in sheets if one.panels == new.panels]  # with the preset, fonts and words that somebody gave it
        return [*(one for one in sheets if one.panels != new.panels), *(there[-1:] or [new])]

    made = change_tray(added)
    if made is not None:
        st.toast(f"Added to Figures ({len(made)} in the tray)")


def change_tray(change: Callable[[list[SheetSpec]], Iterable[SheetSpec]]) -> list[SheetSpec] | None:
    """The tray after the change; None, and a sentence, where the home does not take it."""
    try:
        return trays.change_tray(home_folder(), change)
    except InputError as error:
        st.toast(str(error), icon=":material/error:")
    except OSError as error:
        why = error.strerror or error
        st.toast(f"The tray cannot be kept ({why}); check the disk space and the rights of the home folder.", icon=":material/error:")
    return None
