"""A figure's file as a conference and a reader will take it: fonts, width, smallest text, contrast, classes in grey print, size.

What can be measured in the file is measured there. What only its maker knows (which colours are classes) is read from what the file says of itself.
"""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from dmlviz.core.types import InputError
from dmlviz.export.checks.pdf_text import Word, pdf_words
from dmlviz.export.files import DPI, DPI_FROM_AFAR, MADE
from dmlviz.figures.base.presets import MIN_PT, MM_PER_INCH, preset
from dmlviz.figures.base.theme import contrast, lightness

WIDTH_TOLERANCE_MM = 0.1
LEAST_CONTRAST = 4.5  # of text on white, WCAG 2 AA
PALE = 1.3  # contrast with white: such words would be invisible on paper
LEAST_LIGHTNESS = 12.0  # difference in CIELAB L* of two colours with one mark
MOST_BYTES = 2_000_000
SIZE_SLACK_PT = 0.01  # a PDF's coordinates are rounded


class Finding(NamedTuple):
    """One line of the check list. `ok` is None where the file cannot tell."""

    name: str
    ok: bool | None
    said: str


class _Facts(NamedTuple):
    """What was found in a file, None where its format cannot tell."""

    width_mm: float | None
    type3: list[str] | None  # fonts that conferences reject, and those that are not embedded
    fonts: list[str]
    words: list[Word] | None
    details: Mapping[str, Any]
    more: tuple[Finding, ...] = ()


def check_file(path: Path, *, preset: str = "") -> list[Finding]:
    """The check list of a .pdf, .svg, .png or .html. `preset`: the size it should have; "" is what the file says of itself.

    Raises InputError for a file that cannot be read or is of no known kind.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return check_bytes(data, path.suffix.lstrip(".").lower(), preset=preset, name=str(path))


def check_bytes(data: bytes, fmt: str, *, preset: str = "", name: str = "the file") -> list[Finding]:
    """As `check_file`, for a file that is not written yet."""
    if fmt not in READERS:
        raise InputError(f"{name} cannot be checked; choose a file that ends in {', '.join(f'.{one}' for one in READERS)}")
    try:
        facts = READERS[fmt](data)
    except InputError:
        raise
    except Exception as error:  # whatever a broken file makes its reader raise
        raise InputError(f"{name} is not a readable {fmt.upper()} ({type(error).__name__}); export it again") from None
    found = [_fonts(facts), _width(facts, preset), _text(facts), _contrast(facts), _grey(facts)]
    found += [_size(len(data))] if fmt != "html" else []  # a page for the screen has its library inside
    return [*(one for one in found if one is not None), *facts.more]


def passed(found: Sequence[Finding]) -> bool:
    """Nothing is wrong; what the file cannot tell does not count."""
    return all(one.ok is not False for one in found)


def report(checked: Sequence[tuple[Path, Sequence[Finding]]], put: Callable[[str], None], *, as_json: bool = False) -> int:
    """A line per check, or JSON; 0 when every file passes, else 1."""
    if as_json:
        said = [{"file": str(path), "passed": passed(found), "checks": [one._asdict() for one in found]} for path, found in checked]
        put(json.dumps(said, indent=1))
    for path, found in checked if not as_json else ():
        put(f"{path}: {'passes' if passed(found) else 'does not pass'}")
        for one in found:
            put(f"  {'not known' if one.ok is None else 'ok' if one.ok else 'FAULT'}  {one.name}: {one.said}")
    return 0 if all(passed(found) for _, found in checked) else 1


# ---- the checks


def _fonts(facts: _Facts) -> Finding | None:
    if facts.type3 is None:
        return None
    if facts.type3:
        return Finding("fonts", False, f"{', '.join(facts.type3[:4])}; conferences take embedded TrueType or Type 1 only")
    said = ", ".join(facts.fonts) + ", embedded, no Type 3" if facts.fonts else "no font is needed: text is drawn as shapes"
    others = facts.details.get("other_fonts") or ()
    machine = f"; {', '.join(map(str, others))[:200]} came from the machine that drew it, so another may draw it otherwise" if others else ""
    return Finding("fonts", True, said + machine)


def _width(facts: _Facts, asked: str) -> Finding | None:
    if facts.width_mm is None:
        return None
    named = asked or str(facts.details.get("preset", ""))
    try:
        wanted = preset(named).paper_width_mm if named else None
    except InputError:
        if asked:
            raise
        return Finding("width", None, f"{facts.width_mm:.2f} mm; its preset {named[:40]!r} is not known here, name one with --preset")
    if wanted is None:
        return Finding("width", None, f"{facts.width_mm:.2f} mm; the file does not say which size it should have, name one with --preset")
    ok = abs(facts.width_mm - wanted) <= WIDTH_TOLERANCE_MM
    fault = "" if ok else f", {named} has {wanted:.2f} mm; export it again"
    return Finding("width", ok, f"{facts.width_mm:.2f} mm{fault}")


def _text(facts: _Facts) -> Finding | None:
    if facts.words is None:
        least = facts.details.get("smallest_pt")
        if not isinstance(least, int | float) or not least:
            return Finding("smallest text", None, "pictures hold no text that could be measured")
        return Finding("smallest text", least >= MIN_PT - SIZE_SLACK_PT, f"{least:.1f} pt, as the file says of itself")
    if not facts.words:
        return Finding("smallest text", None, "there is no text")
    least = min(facts.words, key=lambda word: word.points)
    ok = least.points >= MIN_PT - SIZE_SLACK_PT
    fault = "" if ok else f" ({least.text[:20]!r}); print needs {MIN_PT:g} pt, so choose a wider preset"
    return Finding("smallest text", ok, f"{least.points:.1f} pt{fault}")


def _contrast(facts: _Facts) -> Finding | None:
    if not facts.words:
        return None
    dark = [word for word in facts.words if contrast(word.color, "#FFFFFF") > PALE]  # others stand on something dark
    pale = len(facts.words) - len(dark)
    if not dark:
        return Finding("contrast", None, "all words are pale; what they stand on cannot be seen")
    palest = min(dark, key=lambda word: contrast(word.color, "#FFFFFF"))
    ratio = contrast(palest.color, "#FFFFFF")
    fault = f" ({palest.text[:20]!r} in {palest.color}); words need {LEAST_CONTRAST:g} on white"
    if ratio < LEAST_CONTRAST - 0.01:
        return Finding("contrast", False, f"{ratio:.1f}:1 at least{fault}")
    unseen = f"; {pale} pale words are taken to stand on something dark" if pale else ""
    return Finding("contrast", None if pale else True, f"{ratio:.1f}:1 at least{unseen}")


def _grey(facts: _Facts) -> Finding:
    panels = _keys(facts.details.get("keys"))
    if panels is None:
        return Finding("grey print", None, "the file does not say what its colours stand for")
    count, closest = 0, None
    for keys in panels:
        count += len(keys)
        for (one, color, mark), (other, color_too, mark_too) in itertools.combinations(keys, 2):
            apart = abs(lightness(color) - lightness(color_too))
            if mark == mark_too and (closest is None or apart < closest[0]):
                closest = (apart, one, other, mark)
    if closest is not None and closest[0] < LEAST_LIGHTNESS:
        apart, one, other, mark = closest
        fault = f"{one!r} and {other!r} have one mark ({mark}) and differ in lightness by {apart:.0f} of 100; {LEAST_LIGHTNESS:g} are needed"
        return Finding("grey print", False, fault)
    if not count:
        return Finding("grey print", True, "the file names no class or run that colour alone tells apart")
    apart = "" if closest is None else f"; those of one mark differ in lightness by {closest[0]:.0f} of 100 or more"
    return Finding("grey print", True, f"{count} keys, each with a mark of its own or another lightness{apart}")


def _keys(found: Any) -> list[list[tuple[str, str, str]]] | None:
    """Panels of (name, colour, mark); None for what is not that."""
    try:
        panels = [[(str(name), str(color), str(mark)) for name, color, mark in panel] for panel in found]
    except (TypeError, ValueError):
        return None
    return panels if all(_HEX.fullmatch(color) for panel in panels for _, color, _ in panel) else None


def _size(many: int) -> Finding:
    ok = many < MOST_BYTES
    said = f"{many / 1e3:,.0f} kB" if many < 1e6 else f"{many / 1e6:.1f} MB"
    return Finding("file size", ok, said + ("" if ok else f"; at most {MOST_BYTES / 1e6:g} MB, so show fewer points or export PNG"))


# ---- what is in a file


def _pdf(data: bytes) -> _Facts:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if len(reader.pages) != 1:
        raise InputError(f"the PDF has {len(reader.pages)} pages, and a figure has one; export it again")
    page = reader.pages[0]
    width = float(page.mediabox.width) * float(page.user_unit or 1) / 72 * MM_PER_INCH
    names, faults = [], []
    for font in _pdf_fonts(page):
        name = str(font.get("/BaseFont", "/unnamed")).lstrip("/").split("+")[-1]
        names.append(name)
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        descriptor = inner.get("/FontDescriptor")
        embedded = descriptor is not None and any(key in descriptor.get_object() for key in ("/FontFile", "/FontFile2", "/FontFile3"))
        if font.get("/Subtype") == "/Type3":
            faults.append(f"{name} is a Type 3 font")
        elif not embedded:
            faults.append(f"{name} is not embedded")
    said = (reader.metadata or {}).get(f"/{MADE}", "")
    return _Facts(width, faults, list(dict.fromkeys(names)), pdf_words(page), _details(str(said)))


def _pdf_fonts(thing: Any, depth: int = 0) -> list[Any]:
    """Fonts of a page, and of the forms on it."""
    resources = thing.get("/Resources")
    if resources is None or depth > 4:
        return []
    resources = resources.get_object()
    fonts = [font.get_object() for font in resources.get("/Font", {}).get_object().values()] if "/Font" in resources else []
    forms = [form.get_object() for form in resources["/XObject"].get_object().values()] if "/XObject" in resources else []
    return fonts + [font for form in forms if form.get("/Subtype") == "/Form" for font in _pdf_fonts(form, depth + 1)]


_HEX = re.compile(r"#[0-9A-Fa-f]{6}")
_UNITS = {"pt": 72.0, "in": 1.0, "mm": MM_PER_INCH, "cm": 2.54, "px": 96.0, "": 96.0}
_GLYPHS = re.compile(r"scale\(([-\d.eE]+)[ ,]+([-\d.eE]+)\)")
GLYPH_UNITS = 100  # Matplotlib draws a glyph at this size and scales it


def _svg(data: bytes) -> _Facts:
    root = ElementTree.fromstring(data)
    size = re.fullmatch(r"([\d.]+)(pt|in|mm|cm|px)?", root.get("width", ""))
    if size is None:
        raise InputError("the SVG has no width in pt, mm, cm, in or px; export it again")
    inches = float(size[1]) / _UNITS[size[2] or ""]
    view = [float(one) for one in root.get("viewBox", "").replace(",", " ").split()]
    grown = inches * 72 / view[2] if len(view) == 4 and view[2] else 1.0  # points on paper for a unit of the drawing
    space = "{http://www.w3.org/2000/svg}"
    live = [one for one in root.iter(f"{space}text")]
    faults = ["text is kept as text, so another machine draws it in another font"] if live else []
    said = next((one.text or "" for one in root.iter("{http://purl.org/dc/elements/1.1/}identifier")), "")
    return _Facts(inches * MM_PER_INCH, faults, [], _svg_words(root, space, grown), _details(said.removeprefix(f"{MADE.lower()}:")))


def _svg_words(root: ElementTree.Element, space: str, grown: float) -> list[Word]:
    """Matplotlib's groups of glyphs: `<g style="fill: ..." transform="translate(...) scale(0.07 -0.07)">`."""
    found = []
    for group in root.iter(f"{space}g"):
        scale = _GLYPHS.search(group.get("transform", ""))
        if scale is None or not any(child.tag == f"{space}use" for child in group):
            continue
        fill = re.search(r"fill: (#[0-9a-fA-F]{6})", group.get("style", ""))
        found.append(Word("", abs(float(scale[2])) * GLYPH_UNITS * grown, fill[1].upper() if fill else "#000000"))
    return found


def _png(data: bytes) -> _Facts:
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    details, dpi = _details(str(picture.info.get(MADE, ""))), picture.info.get("dpi")
    if not dpi:
        return _Facts(None, None, [], None, details, (Finding("resolution", None, "the picture does not say how large it is on paper"),))
    scale = details.get("scale", 1)
    least = DPI_FROM_AFAR if isinstance(scale, int | float) and scale > 1 else DPI
    ok = round(dpi[0]) >= least
    said = f"{dpi[0]:.0f} dpi" + ("" if ok else f"; print needs {least}")
    return _Facts(picture.width / dpi[0] * MM_PER_INCH, None, [], None, details, (Finding("resolution", ok, said),))


_OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe|video|audio|object|embed)\b[^>]*?\b(?:src|href|data)\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"')\s]+|\burl\(\s*["']?(?:https?:)?//[^"')\s]+""", re.IGNORECASE,
)  # fmt: skip
_SCRIPTS = re.compile(r"<script\b[^>]*>.*?</script>", re.DOTALL | re.IGNORECASE)  # a library's text names addresses that it does not load


def _html(data: bytes) -> _Facts:
    text = data.decode("utf-8", "replace")
    found = re.search(r'<script type="application/json" id="dmlviz">(.*?)</script>', text, re.DOTALL)
    heads = "".join(found[0].partition(">")[0] + ">" for found in _SCRIPTS.finditer(text))
    loads = _OUTSIDE.findall(heads + _SCRIPTS.sub("", text))
    said = f"loads {loads[0][:80]!r}; it would stay empty without a network" if loads else "needs nothing from elsewhere"
    details = {key: value for key, value in _details(found[1] if found else "").items() if key not in ("keys", "smallest_pt", "preset")}
    return _Facts(None, None, [], None, details, (Finding("offline", not loads, said),))  # the rest is the paper version's


def _details(said: str) -> Mapping[str, Any]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


READERS: Mapping[str, Callable[[bytes], _Facts]] = {"pdf": _pdf, "svg": _svg, "png": _png, "html": _html}
