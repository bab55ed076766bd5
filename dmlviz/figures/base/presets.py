"""Sizes on paper: what a venue's page allows, and how to ask for another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from dmlviz.core.types import InputError

MM_PER_INCH = 25.4
PT_PER_MM = 72 / MM_PER_INCH
MIN_PT = 6.0
LEAST_MM, MOST_MM = 40.0, 1200.0  # of a side that somebody asks for
FAMILIES = ("sans", "serif")
_UNITS = {"mm": 1.0, "cm": 10.0, "in": MM_PER_INCH, "pt": MM_PER_INCH / 72.27, "bp": MM_PER_INCH / 72}  # pt as LaTeX says \\columnwidth
_CUSTOM = re.compile(r"custom:(?P<width>[\d.]+)(x(?P<height>[\d.]+))?(?P<unit>mm|cm|in|pt|bp)?")


class Preset(NamedTuple):
    """A figure's size on paper. The width is exact; the height follows the content unless it is given.

    What is seen from afar (slides, posters) is laid out as for a page and enlarged as a whole: `width_mm` and `font_pt` are those of the layout,
    `scale` enlarges it.
    """

    name: str
    title: str
    width_mm: float
    font_pt: float = 7.0
    height_mm: float | None = None
    most_height_mm: float = 220.0
    family: str = "sans"  # of FAMILIES: what the venue's text is set in
    scale: float = 1.0

    @property
    def paper_width_mm(self) -> float:
        """As it lies on paper."""
        return self.width_mm * self.scale


def _enlarged(name: str, title: str, width_mm: float, scale: float, height_mm: float | None = None) -> Preset:
    return Preset(name, title, width_mm / scale, height_mm=None if height_mm is None else height_mm / scale, scale=scale)


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("acl-column", "ACL, one column", 77.0, family="serif"),
        Preset("acl-text", "ACL, both columns", 160.0, family="serif"),
        Preset("neurips-text", "NeurIPS, text width", 139.7, family="serif"),
        Preset("icml-column", "ICML, one column", 82.55, family="serif"),
        Preset("icml-text", "ICML, both columns", 171.45, family="serif"),
        Preset("ieee-column", "IEEE, one column", 88.9, family="serif"),
        Preset("ieee-text", "IEEE, both columns", 181.9, family="serif"),
        Preset("lncs-text", "LNCS, text width", 122.0, most_height_mm=180.0, family="serif"),
        Preset("elsevier-column", "Elsevier, one column", 90.0),
        Preset("elsevier-middle", "Elsevier, one and a half", 140.0),
        Preset("elsevier-text", "Elsevier, both columns", 190.0),
        Preset("single", "Single column", 85.0),
        Preset("double", "Double column", 175.0),
        _enlarged("slide", "Slide, 16:9", 338.67, 2.4, 190.5),
        _enlarged("poster", "Poster, column", 400.0, 3.2),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name, or "custom:120mm", "custom:3.25in", "custom:120x80mm". Raises InputError with what is accepted."""
    if name in PRESETS:
        return PRESETS[name]
    asked = _CUSTOM.fullmatch(name.strip().lower())
    if asked is None:
        raise InputError(f"unknown preset {name[:60]!r}; known: {', '.join(PRESETS)}, or a size: custom:120mm, custom:3.25in, custom:120x80mm.")
    unit = _UNITS[asked["unit"] or "mm"]
    try:
        width, height = float(asked["width"]) * unit, None if asked["height"] is None else float(asked["height"]) * unit
    except ValueError:
        raise InputError(f"the size {name[:60]!r} is not a number; write it as custom:120mm or custom:120x80mm.") from None
    if not all(LEAST_MM <= side <= MOST_MM for side in (width, *([] if height is None else [height]))):
        raise InputError(f"the size {name[:60]!r} is not accepted; a side may have {LEAST_MM:.0f} to {MOST_MM:,.0f} mm.")
    return Preset(name.strip().lower(), "Own size", width, height_mm=height, most_height_mm=height or max(220.0, 1.4 * width))
