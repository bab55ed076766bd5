"""Figures as they leave for a paper: from the specs of a tray to a drawn sheet, its caption and all that its file says of itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from dmlviz import __version__
from dmlviz.draw import Picture, Sources, picture
from dmlviz.export import DPI, DPI_FROM_AFAR, Provenance, figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.composing import LETTERS, compose
from dmlviz.figures.grey import without_color
from dmlviz.figures.paper import keys_of, size_mm
from dmlviz.figures.presets import Preset
from dmlviz.figures.presets import preset as find_preset
from dmlviz.figures.words import font_stack, typeset
from dmlviz.records import Run, SheetSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIBRARIES = ("matplotlib", "numpy", "scikit-learn", "umap-learn", "torch", "transformers", "captum")  # whose versions a file names


class Sheet(NamedTuple):
    """A sheet on paper with its words."""

    figure: Figure
    pictures: tuple[Picture, ...]
    provenance: Provenance
    words: list[str]  # sentences on what is not quite as asked
    scale: float  # the drawn figure is enlarged by so much


def size_of(spec: SheetSpec) -> Preset:
    """The preset with what the spec changes in it. Raises InputError for an unknown one."""
    found = find_preset(spec.preset)
    family = found.family if spec.family == "venue" else spec.family
    return found._replace(family=family, font_pt=spec.font_pt or found.font_pt)


def gather(spec: SheetSpec, source: Sources) -> tuple[Picture, ...]:
    """What the panels show, read from runs."""
    return tuple(picture(panel, source) for panel in spec.panels)


def drawn(spec: SheetSpec, pictures: Sequence[Picture], runs: Sequence[dict[str, Any]] = ()) -> Sheet:
    """The sheet of these pictures: from their frames alone. `runs`: what the file says of each run (see `told_of`)."""
    size = size_of(spec)
    with typeset(size.family):
        draws = [lambda preset, one=one: FIGURES[one.name].paper(one.frame, preset, **one.options) for one in pictures]
        figure, scale = compose(draws, size, columns=spec.columns)
        if spec.palette == "grey":
            without_color(figure)
        words = [word for one in pictures for word in (*one.words, *FIGURES[one.name].notes(one.frame))]
        said = Provenance(title_of(spec), caption_of(spec, pictures), spec.run_ids, details(spec, figure, scale, runs))
    return Sheet(figure, tuple(pictures), said, list(dict.fromkeys(words)), scale)


def sheet_bytes(sheet: Sheet, fmt: str, *, dpi: int | None = None) -> bytes:
    """The file: exactly what the preview shows. `dpi`: None is print's for a page, and less for what is seen from afar."""
    dpi = dpi or (DPI if sheet.scale == 1 else DPI_FROM_AFAR)
    return figure_bytes(sheet.figure, fmt, provenance=sheet.provenance, dpi=dpi, scale=sheet.scale)


def title_of(spec: SheetSpec) -> str:
    """Its own title, else the names of its pictures."""
    return spec.title or ", ".join(dict.fromkeys(FIGURES[panel.name].title for panel in spec.panels))


def caption_of(spec: SheetSpec, pictures: Sequence[Picture]) -> str:
    """Somebody's own words, else every panel's caption behind its letter."""
    if spec.caption:
        return spec.caption
    if len(pictures) == 1:
        return pictures[0].caption
    return " ".join(f"({letter}) {one.caption}" for letter, one in zip(LETTERS, pictures, strict=False))


def details(spec: SheetSpec, figure: Figure, scale: float, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the file says of itself: size, fonts, what each colour stands for, figures and their options, runs, versions."""
    from matplotlib.text import Text

    width, height = (side * scale for side in size_mm(figure))
    points = [one.get_fontsize() for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    return {
        "preset": spec.preset, "width_mm": round(width, 3), "height_mm": round(height, 3), "font": font_stack()[0], "palette": spec.palette,
        "scale": round(scale, 4), "smallest_pt": round(min(points, default=0) * scale, 3),
        "keys": [[list(key) for key in panel] for panel in keys_of(figure)],
        "figures": [{"name": panel.name, "runs": list(panel.run_ids), "options": dict(panel.options)} for panel in spec.panels],
        "runs": list(runs), "versions": versions(),
    }  # fmt: skip


def told_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each run what a reader of the file must know to find it again."""
    fields = ("dataset", "dataset_hash", "encoder", "loss", "ce_weight", "shots", "support_seed", "seed", "control")
    return [{"id": run.id, **{field: getattr(run.config, field) for field in fields}} for run in runs]


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Of DMLViz, Python and the libraries that are installed."""
    found = {"dmlviz": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
