"""Figures as they leave for a paper: from the specs of a tray to a drawn sheet, its caption and all that its file says of itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dmlviz import __version__
from dmlviz.analysis.map_kinds import read_kind
from dmlviz.core.places import place_name
from dmlviz.core.types import FigureSpec, InputError, Run, SheetSpec
from dmlviz.export.files import DPI, DPI_FROM_AFAR, MEDIA_TYPES, Provenance, csv_bytes, details_json, figure_bytes, save_bytes
from dmlviz.export.html import html_bytes
from dmlviz.export.load_figure import Picture, Sources, one_of, picture, sources, typed_options
from dmlviz.export.pgf import pgf_files
from dmlviz.figures import FIGURES, loading_options
from dmlviz.figures.base.composing import LETTERS, compose
from dmlviz.figures.base.fonts import borrowed, borrowed_words, family_name, typeset
from dmlviz.figures.base.grey import without_color
from dmlviz.figures.base.paper import keys_of, size_mm
from dmlviz.figures.base.presets import PRESETS, Preset
from dmlviz.figures.base.presets import preset as find_preset
from dmlviz.figures.base.words import missing_glyphs
from dmlviz.store.runs import Store

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
        # whatever a renderer did not clean before it drew it, and what another machine may draw otherwise
        words += filter(None, [missing_glyphs(_texts(figure)), borrowed_words(borrowed(_texts(figure)))])
        said = Provenance(title_of(spec), caption_of(spec, pictures), spec.run_ids, details(spec, figure, scale, runs))
    return Sheet(figure, tuple(pictures), said, list(dict.fromkeys(words)), scale)


def sheet_bytes(sheet: Sheet, fmt: str, *, dpi: int | None = None) -> bytes:
    """The file: exactly what the preview shows. `dpi`: None is print's for a page, and less for what is seen from afar."""
    dpi = dpi or (DPI if sheet.scale == 1 else DPI_FROM_AFAR)
    return figure_bytes(sheet.figure, fmt, provenance=sheet.provenance, dpi=dpi, scale=sheet.scale)


def sidecar_bytes(sheet: Sheet) -> bytes:
    """What the file says of itself, as JSON to be kept beside it."""
    told = sheet.provenance
    said = {"title": told.title, "caption": told.caption, "notes": sheet.words, **json.loads(details_json(told.details))}
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def title_of(spec: SheetSpec) -> str:
    """Its own title, else the names of its pictures."""
    return spec.title or ", ".join(dict.fromkeys(FIGURES[panel.name].title for panel in spec.panels))


def caption_of(spec: SheetSpec, pictures: Sequence[Picture]) -> str:
    """Somebody's own words, else every panel's caption behind its letter, then what is to be known of the encoders."""
    if spec.caption:
        return spec.caption
    encoders = dict.fromkeys(one.encoder for one in pictures if one.encoder)
    captions = [one.caption for one in pictures]
    if len(pictures) > 1:
        captions = [f"({letter}) {one}" for letter, one in zip(LETTERS, captions, strict=False)]
    return " ".join([*captions, *encoders])


def details(spec: SheetSpec, figure: Figure, scale: float, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the file says of itself: size, fonts, what each colour stands for, figures and their options, runs, versions."""
    width, height = (side * scale for side in size_mm(figure))
    points = [one.get_fontsize() for one in _words_on(figure)]
    return {
        "preset": spec.preset, "width_mm": round(width, 3), "height_mm": round(height, 3), "font": family_name(), "palette": spec.palette,
        "other_fonts": list(borrowed(_texts(figure))),
        "scale": round(scale, 4), "smallest_pt": round(min(points, default=0) * scale, 3),
        "keys": [[list(key) for key in panel] for panel in keys_of(figure)],
        "figures": [{"name": panel.name, "runs": list(panel.run_ids), "options": dict(panel.options)} for panel in spec.panels],
        "runs": list(runs), "versions": versions(),
    }  # fmt: skip


def _words_on(figure: Figure) -> list[Any]:
    from matplotlib.text import Text

    return [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]


def _texts(figure: Figure) -> list[str]:
    return list(dict.fromkeys(one.get_text() for one in _words_on(figure)))


def told_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each run what a reader of the file must know to find it again."""
    fields = ("dataset_hash", "loss", "ce_weight", "shots", "support_seed", "seed", "control")
    return [{"id": run.id, "dataset": place_name(run.config.dataset), "encoder": place_name(run.config.encoder),
             **{field: getattr(run.config, field) for field in fields}} for run in runs]  # fmt: skip


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


# ---- one figure to one file


def figure_file(
    store: Store, names: Sequence[str], run_ids: Sequence[str], out: Path, *, options: Mapping[str, str] | None = None, method: str = "umap",
    csv: bool = False, dpi: int | None = None, sidecar: bool = False, **sheet_fields: Any,
) -> tuple[list[Path], list[str]]:  # fmt: skip
    """(written paths, sentences for a person: the caption and what paper cannot show). Several names become the panels of one figure; an option
    goes to every one of them that has it; `sheet_fields` are SheetSpec's. Everything asked for is checked before a run is read."""
    for name in names:
        one_of(name, FIGURES, "figure")
    spec = SheetSpec(panels=_panels(names, run_ids, options or {}, method), **sheet_fields)
    if not spec.preset.startswith("custom:"):
        one_of(spec.preset, PRESETS, "preset")
    size_of(spec)
    if dpi is not None and not (out.suffix.lower() == ".png" and 50 <= dpi <= 1200):
        raise InputError(f"--dpi {dpi} is not accepted for {out.name[:60]}; it belongs to a .png and is 50 to 1200")
    kind = out.suffix.lower().removeprefix(".")
    one_of(f".{kind}", [f".{known}" for known in (*MEDIA_TYPES, "pgf", "html")], "extension")
    source = sources(store)
    sheet = drawn(spec, gather(spec, source), told_of([source.run(run_id) for run_id in spec.run_ids]))
    paths = [save_bytes(data, out.with_name(name)) for name, data in _files(sheet, kind, out, dpi).items()]
    for letter, one in zip(LETTERS, sheet.pictures if csv else (), strict=False):
        paths.append(save_bytes(csv_bytes(one.frame), out.with_suffix(".csv") if len(names) == 1 else out.with_name(f"{out.stem}-{letter}.csv")))
    if sidecar:
        paths.append(save_bytes(sidecar_bytes(sheet), out.with_suffix(".json")))
    return paths, [sheet.provenance.caption, *sheet.words]


def _panels(names: Sequence[str], run_ids: Sequence[str], options: Mapping[str, str], method: str) -> tuple[FigureSpec, ...]:
    read_kind(method)
    if not run_ids:
        raise InputError("no run was named; give their ids as --runs ID,ID")
    known = {name: {*FIGURES[name].frame_options, *FIGURES[name].paper_options, *loading_options(name)} for name in names}
    if len(names) == 1:
        known = {names[0]: set(options)}  # whatever it does not have is its own error
    elif strangers := [option for option in options if not any(option in own for own in known.values())]:
        one_of(strangers[0], sorted(set().union(*known.values())), f"option of {', '.join(names)}")
    made = {name: typed_options(name, {key: value for key, value in options.items() if key in known[name]}) for name in names}
    return tuple(FigureSpec(name=name, run_ids=tuple(run_ids), options={**made[name], "map": method}) for name in names)


def _files(sheet: Sheet, kind: str, out: Path, dpi: int | None) -> dict[str, bytes]:
    if kind == "pgf":
        return pgf_files(sheet.figure, out.stem, provenance=sheet.provenance, scale=sheet.scale)
    return {out.name: html_bytes(sheet.pictures, sheet.provenance) if kind == "html" else sheet_bytes(sheet, kind, dpi=dpi)}
