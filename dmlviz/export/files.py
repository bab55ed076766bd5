"""Figures and tables as files: exact, searchable, with their provenance, the same bytes every time."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import unicodedata
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from dmlviz import __version__
from dmlviz.core.types import InputError, PathLike
from dmlviz.figures.base.theme import drawing
from dmlviz.figures.base.words import clean, whole
from dmlviz.store.frames import harmless

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEDIA_TYPES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
DPI = 300  # of PNG and of the points inside a PDF or SVG that are drawn as an image
DPI_FROM_AFAR = 150  # of slides and posters


MADE = "DMLViz"  # where a file keeps its details: a key of PDF's information and PNG's text; in SVG the identifier, behind "dmlviz:"


class Provenance(NamedTuple):
    """What a file says of itself. `details`: as JSON holds them; what a check and a reader need to know (see sheet.details)."""

    title: str = ""
    caption: str = ""
    run_ids: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}


def save_figure(figure: Figure, path: PathLike, *, provenance: Provenance | None = None, dpi: int = DPI) -> Path:
    """Write .pdf, .svg or .png by the path's extension; the file appears whole or not at all."""
    path = Path(path)
    data = figure_bytes(figure, path.suffix.lstrip(".").lower(), provenance=provenance, dpi=dpi)
    return save_bytes(data, path)


def save_bytes(data: bytes, path: PathLike) -> Path:
    """Write beside the path, then rename."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True) if part.parent.is_dir() else None
        raise InputError(f"cannot write {path}: {error.strerror or error}. Choose a folder you may write to.") from error
    return path


def figure_bytes(figure: Figure, fmt: str, *, provenance: Provenance | None = None, dpi: int = DPI, scale: float = 1.0) -> bytes:
    """The figure as PDF, SVG or PNG, without a date, so that equal figures are equal bytes. `scale` enlarges it as a whole, text and lines too."""
    if fmt not in MEDIA_TYPES:
        raise InputError(f"cannot write a figure as {fmt or 'a file without an extension'}; choose .pdf, .svg or .png.")
    buffer = io.BytesIO()
    told: dict[str, Any] = {"metadata": _metadata(fmt, provenance or Provenance()), "facecolor": "white"}
    if fmt == "png":
        told["pil_kwargs"] = {"dpi": (dpi, dpi)}  # of the enlarged picture
    with drawing(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unknown infodict keyword")  # PDF allows keys of one's own
        figure.savefig(buffer, format=fmt, dpi=max(dpi * scale, DPI) if fmt != "png" else dpi * scale, **told)
    data = buffer.getvalue() if fmt != "svg" else _with_small_images(buffer.getvalue())
    return data if scale == 1 or fmt == "png" else _enlarged(data, fmt, scale)


def _with_small_images(svg: bytes) -> bytes:
    """The same SVG; images of few colours, such as matrices, hold a palette instead of four bytes a pixel."""

    def smaller(found: re.Match[bytes]) -> bytes:
        packed = _with_palette(base64.b64decode(found[2]))
        return found[0] if packed is None else found[1] + base64.b64encode(packed)

    return re.sub(rb"(data:image/png;base64,\s*)([A-Za-z0-9+/=\s]+)", smaller, svg)


def _with_palette(png: bytes) -> bytes | None:
    """The very same pixels; None where there are more than 256 colours, or nothing is gained."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    counted = image.getcolors(256)
    if counted is None:
        return None
    pixels = np.asarray(image)
    colors = np.sort(np.array([color for _, color in counted], dtype=np.uint8).view(np.uint32).ravel())
    places = np.searchsorted(colors, np.ascontiguousarray(pixels).view(np.uint32).ravel())
    made, told = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8), "P"), colors.view(np.uint8).reshape(-1, 4)
    made.putpalette(told[:, :3].tobytes())
    buffer = io.BytesIO()
    made.save(buffer, "png", optimize=True, transparency=told[:, 3].tobytes())
    return buffer.getvalue() if buffer.tell() < len(png) else None


def _enlarged(data: bytes, fmt: str, scale: float) -> bytes:
    if fmt == "svg":
        sized = lambda found: b'%s="%.6fpt"' % (found[1], float(found[2]) * scale)  # noqa: E731
        head, svg, rest = data.partition(b"<svg ")
        opening, end, body = rest.partition(b">")
        return head + svg + re.sub(rb'\b(width|height)="([\d.]+)pt"', sized, opening) + end + body
    from pypdf import PdfReader, PdfWriter

    writer, buffer = PdfWriter(clone_from=PdfReader(io.BytesIO(data))), io.BytesIO()
    for page in writer.pages:
        page.scale_by(scale)
    writer.write(buffer)
    return buffer.getvalue()


def _metadata(fmt: str, provenance: Provenance) -> dict[str, Any]:
    title, caption = clean(provenance.title) or "DMLViz figure", clean(provenance.caption)
    maker, runs = f"DMLViz {__version__}", ", ".join(map(clean, provenance.run_ids))
    details = details_json(provenance.details) if provenance.details else ""
    if fmt == "pdf":
        said = {"Title": title, "Subject": caption, "Keywords": runs, "Creator": maker, MADE: details}
        return {**{key: value for key, value in said.items() if value}, "CreationDate": None}
    if fmt == "svg":
        said = {"Title": title, "Description": caption, "Keywords": runs, "Creator": maker}
        said |= {"Identifier": f"{MADE.lower()}:{details}"} if details else {}
        return {**{key: value for key, value in said.items() if value}, "Date": None}
    said = {"Title": title, "Description": caption, "Source": runs, "Software": maker, MADE: details}
    return {key: value for key, value in said.items() if value}


def details_json(details: Mapping[str, Any]) -> str:
    """In ASCII and one order, so that equal details are equal bytes in every file format."""
    return json.dumps(details, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Name -> content as one zip: the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the first day a zip knows
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """RFC 4180 in UTF-8, no byte-order mark. A text cell that a spreadsheet would run gets an apostrophe in front; numbers stay as they are."""
    safe = frame.copy()
    for column in safe.columns:
        if not (pd.api.types.is_numeric_dtype(safe[column]) or pd.api.types.is_bool_dtype(safe[column])):
            safe[column] = safe[column].map(_harmless)
    safe.columns = [_harmless(str(column)) for column in safe.columns]
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8", "replace")


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return whole(harmless(value))


def file_name(words: Sequence[str], suffix: str) -> str:
    """ "manifold", "r8", "SoftTriple" -> "manifold_r8_softtriple.pdf": ASCII, at most 100 characters, never empty."""
    slugs = [re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower()).strip("-") for word in words]
    stem = "_".join(slug for slug in slugs if slug)[:90].rstrip("-_")
    return f"{stem or 'dmlviz'}.{suffix.lstrip('.')}"
