"""Several pictures on one sheet: each is drawn by its own renderer, as a lettered panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dmlviz.core.types import InputError
from dmlviz.figures.base.paper import canvas, height_of, hosted, sharing_keys, size_mm, text
from dmlviz.figures.base.presets import LEAST_MM, PT_PER_MM, Preset
from dmlviz.figures.base.theme import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS = 6
MOST_ACROSS = 3  # unless somebody asks for more
LETTERS = "abcdef"
GAP_MM = 4.0
SHARES = (1.0, 0.85, 0.7, 0.55, 0.45)  # of a slide's enlargement, until everything fits into its height
ROUND_MM = 0.01  # a height that is more than allowed by less is rounding
TRIES = 10  # widths that are tried where a height is given
Draw = Callable[[Preset], Any]  # draws one picture at the preset's width


class Composed(NamedTuple):
    """A drawn sheet, and how much it is to be enlarged as a whole."""

    figure: Figure
    scale: float


class _Plan(NamedTuple):
    """Where the panels lie, in mm from the top left corner, and how wide each is."""

    spots: list[tuple[float, float]]
    widths: list[float]
    height: float
    area: float  # of all panels


def compose(pictures: Sequence[Draw], preset: Preset, *, columns: int | None = None) -> Composed:
    """One sheet with one to six panels, row by row; more than one bear the letters a, b, c. `columns`: None is as many as stay legible.

    A key that two panels share is drawn once. Where the preset has a height, the sheet has exactly that, and panels shrink until they fit; else it is
    as high as its content, with more columns than usual (a lone picture: less wide) where it would be higher than the preset allows.
    InputError for too many panels or columns, or too little room.
    """
    if not 1 <= len(pictures) <= MOST_PANELS:
        raise InputError(f"{len(pictures)} panels came; a figure holds 1 to {MOST_PANELS}.")
    if len(pictures) == 1 and preset.height_mm is None:
        return _alone(pictures[0], preset)
    fit = max(1, int((preset.width_mm + GAP_MM) // (LEAST_MM + GAP_MM)))
    if columns is not None and not 1 <= columns <= fit:
        room = f"{columns} columns do not fit into {preset.width_mm:g} mm: a panel needs {LEAST_MM:g} mm"
        raise InputError(f"{room}; choose 1 to {fit}, or a wider preset.")
    if preset.height_mm is None:
        across = min(columns or min(fit, MOST_ACROSS), len(pictures))
        across = across if columns else -(-len(pictures) // -(-len(pictures) // across))  # as even as can be
        tried = [across] if columns else range(across, min(fit, len(pictures)) + 1)
        plans = [_natural(pictures, preset, one) for one in tried]
        plan = next((plan for plan in plans if plan.height <= preset.most_height_mm + ROUND_MM), None)
        if plan is None:
            more = ", or more columns" if columns and columns < min(fit, len(pictures)) else ""
            raise _too_high(min(plan.height for plan in plans), preset, f"fewer panels, a wider preset{more}")
        return Composed(_drawn(pictures, preset, plan), preset.scale)
    for share in SHARES if preset.scale > 1 else SHARES[:1]:
        grown = preset._replace(scale=preset.scale * share, width_mm=preset.width_mm / share, height_mm=preset.height_mm / share)
        wide = max(1, int((grown.width_mm + GAP_MM) // (LEAST_MM + GAP_MM)))
        tried = [columns] if columns else range(1, min(wide, MOST_ACROSS, len(pictures)) + 1)
        plans = [plan for across in tried if (plan := _within(pictures, grown, across)) is not None]
        if plans:
            return Composed(_drawn(pictures, grown, max(plans, key=lambda plan: plan.area)), grown.scale)
    raise InputError(
        f"{len(pictures)} panels do not fit into {preset.paper_width_mm:.0f} x {preset.height_mm * preset.scale:.0f} mm; give the figure "
        "more height, fewer panels, or a preset whose height follows the content."
    )


def _alone(picture: Draw, preset: Preset) -> Composed:
    """One picture as wide as the preset; where it would be too high, less wide in the middle of a sheet of the preset's width."""
    natural = _height(picture, preset)
    if natural <= preset.most_height_mm + ROUND_MM:
        return Composed(picture(preset), preset.scale)
    plan = _within([picture], preset._replace(height_mm=preset.most_height_mm), 1) if preset.width_mm > LEAST_MM else None
    if plan is None:
        raise _too_high(natural, preset, "fewer runs or classes, or a wider preset")
    return Composed(_drawn([picture], preset, plan._replace(spots=[(left, 0.0) for left, _ in plan.spots])), preset.scale)


def _too_high(height: float, preset: Preset, remedy: str) -> InputError:
    high, most = height * preset.scale, preset.most_height_mm * preset.scale
    return InputError(f"the figure would be {high:.0f} mm high, and {preset.title} ({preset.name}) allows {most:.0f} mm; choose {remedy}.")


def _drawn(pictures: Sequence[Draw], preset: Preset, plan: _Plan) -> Figure:
    with drawing(), sharing_keys():
        sheet = canvas(preset.width_mm, preset.height_mm or plan.height)
        for i, picture in enumerate(pictures):
            left, top = plan.spots[i]
            with hosted(lambda width, height, left=left, top=top: _panel(sheet, left, top, width, height)):
                picture(_narrow(preset, plan.widths[i]))
            if len(pictures) > 1:
                text(sheet, left, top - 0.5 * preset.font_pt / PT_PER_MM, LETTERS[i], size=preset.font_pt + 1, weight="bold")
    return sheet


def _natural(pictures: Sequence[Draw], preset: Preset, across: int) -> _Plan:
    """All panels as wide as their column, rows as high as their highest panel."""
    width = _column(preset, across)
    with sharing_keys():
        heights = [_height(picture, _narrow(preset, width)) for picture in pictures]
    return _placed(heights, [width] * len(pictures), preset, across)


def _within(pictures: Sequence[Draw], preset: Preset, across: int) -> _Plan | None:
    """As large as the preset's height allows; None where a panel would be narrower than is legible."""
    width, rows = _column(preset, across), -(-len(pictures) // across)
    room = (preset.height_mm - (rows - 1) * GAP_MM) / rows - _head(preset, len(pictures))
    found = [_fitting(picture, preset, width, room) for picture in pictures]
    if any(one is None for one in found):
        return None
    return _placed([height for _, height in found], [wide for wide, _ in found], preset, across)


def _fitting(picture: Draw, preset: Preset, width: float, room: float) -> tuple[float, float] | None:
    """(width, height): the widest of a few widths at which the picture is no higher than the room. Panes that wrap make the height no smooth
    function of the width, so it is tried rather than solved."""
    for step in range(TRIES):
        wide = width - step * (width - LEAST_MM) / (TRIES - 1)
        if (height := _height(picture, _narrow(preset, wide))) <= room:
            return wide, height
    return None


def _placed(heights: Sequence[float], widths: Sequence[float], preset: Preset, across: int) -> _Plan:
    rows = [range(start, min(start + across, len(heights))) for start in range(0, len(heights), across)]
    head, cell = _head(preset, len(heights)), _column(preset, across)
    tall = [max(heights[i] for i in row) + head for row in rows]
    needed = sum(tall) + GAP_MM * (len(rows) - 1)
    top, spots = max(0.0, ((preset.height_mm or needed) - needed) / 2), []
    for row, high in zip(rows, tall, strict=True):
        spots += [((i - row.start) * (cell + GAP_MM) + (cell - widths[i]) / 2, top + head) for i in row]
        top += high + GAP_MM
    return _Plan(spots, list(widths), needed, sum(wide * high for wide, high in zip(widths, heights, strict=True)))


def _column(preset: Preset, across: int) -> float:
    return (preset.width_mm - (across - 1) * GAP_MM) / across


def _head(preset: Preset, panels: int) -> float:
    """Room above a panel for its letter."""
    return 1.9 * preset.font_pt / PT_PER_MM if panels > 1 else 0.0


def _narrow(preset: Preset, width: float) -> Preset:
    return preset._replace(width_mm=width, height_mm=None)


def _height(picture: Draw, preset: Preset) -> float:
    return height_of(lambda: picture(preset))


def _panel(sheet: Figure, left: float, top: float, width: float, height: float) -> Any:
    """A part of the sheet of exactly that size: the middle of nine cells."""
    wide, high = size_mm(sheet)
    right, bottom = max(wide - left - width, 0.0), max(high - top - height, 0.0)
    grid = sheet.add_gridspec(3, 3, width_ratios=(left, width, right), height_ratios=(top, height, bottom))
    panel = sheet.add_subfigure(grid[1, 1])
    panel.patch.set_alpha(0)
    return panel
