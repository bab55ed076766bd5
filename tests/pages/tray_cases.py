"""The tray of a home that several tests share."""

from __future__ import annotations

from pathlib import Path

from dmlviz.core.types import FigureSpec
from dmlviz.export.tray import change_tray, tray


def emptied(home: Path) -> Path:
    """The home, whatever an earlier test left in its tray."""
    change_tray(home, lambda sheets: [])
    return home


def panels(home: Path) -> list[FigureSpec]:
    """The figures in it, each of one panel."""
    return [panel for sheet in tray(home) for panel in sheet.panels]
