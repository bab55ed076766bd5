"""Texts and names from data, made fit to be drawn: cleaned, shortened, escaped, and within the fonts there are."""

from __future__ import annotations

import html
import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from dmlviz.core.types import InputError
from dmlviz.figures.base.fonts import font_stack, glyphs_of

MISSING = "\N{REPLACEMENT CHARACTER}"
HOVER_CHARS = 160
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_HALVES = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """One line: white space folded, control characters and half surrogates gone."""
    if not text.isprintable():
        text = _HALVES.sub(MISSING, _CONTROLS.sub(" ", text))
    return " ".join(text.split())


def interval_text(mean: float, low: float = math.nan, high: float = math.nan, digits: int = 1) -> str:
    """"92.4 ± 0.8"; both ends where the interval is not even, as one that is cut at a bound; the number alone without an interval, a dash without a
    number."""
    if not math.isfinite(mean):
        return "–"
    if not (math.isfinite(low) and math.isfinite(high)):
        return fixed(mean, digits)
    if abs((high - mean) - (mean - low)) > 0.05 * (high - low) + 1e-12:
        return f"{fixed(mean, digits)} ({fixed(low, digits)} to {fixed(high, digits)})"
    return f"{fixed(mean, digits)} ± {fixed((high - low) / 2, digits)}"


def fixed(value: float, digits: int) -> str:
    """The number with so many digits behind the point; zero has no sign."""
    text = f"{value:.{digits}f}"
    return (text.removeprefix("-") if float(text) == 0 else text).replace("-", "−")


def whole_number(option: str, value: object) -> int:
    """An option as a whole number. Raises InputError for what is none."""
    try:
        number = float(str(value))
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{option}={str(value)[:40]!r} is not accepted; {option} takes a whole number")


def whole(name: object) -> str:
    """The name as UTF-8 can hold it: half a surrogate pair becomes "?"."""
    return str(name).encode("utf-8", "replace").decode()


def short(name: str, limit: int = 24) -> str:
    """At most `limit` characters; a longer name keeps both its ends around an ellipsis."""
    name = clean(name)
    if len(name) <= limit:
        return name or "(blank)"
    head, tail = limit // 2, (limit - 1) // 2
    end = len(name) - tail
    while end < len(name) and _joins(name[end]):  # never start on a lone accent or joiner
        end += 1
    return name[:head].rstrip() + "…" + name[end:].lstrip()


def _joins(character: str) -> bool:
    return bool(unicodedata.combining(character)) or unicodedata.category(character) in ("Mn", "Me", "Cf")


def excerpt(text: str) -> str:
    """What hover shows of a text: its first 160 characters on one line."""
    head = clean(text[: 2 * HOVER_CHARS])
    return head if len(head) <= HOVER_CHARS and len(text) <= 2 * HOVER_CHARS else head[: HOVER_CHARS - 1].rstrip() + "…"


def plotly_text(text: str) -> str:
    """Escaped for Plotly: no tag, no %{template}, no $TeX$ comes through; it is shown as it was written."""
    return _escaped(clean(text))


def plotly_lines(text: str, width: int = 52) -> str:
    """Wrapped first, escaped next, <br> put in last, so that no cut falls inside an entity."""
    return _escaped("\n".join(textwrap.wrap(clean(text), width, break_on_hyphens=False))).replace("\n", "<br>")


def _escaped(text: str) -> str:
    """Quotes by number: Plotly's table of entities lacks &quot; and shows it as it is written."""
    return html.escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;").replace("$", "&#36;").replace("%{", "&#37;{")


def text_width(text: str, size: float) -> float:
    """Rough width of drawn text in the unit of `size`; errs on the wide side."""
    return size * sum(_em(character) for character in text)


@lru_cache(maxsize=4096)
def _em(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 1.05
    if character in "iljtfr.,:;'|![]()I ":
        return 0.33
    return 0.85 if character in "mwMW@%" else 0.68 if character.isupper() else 0.57


def drawable(text: str) -> tuple[str, str]:
    """The text as the fonts here can draw it, and the characters they cannot ("" when all are there)."""
    glyphs, missing, kept = glyphs_of(font_stack()), [], []
    for character in clean(text):
        if ord(character) in glyphs:
            kept.append(character)
        elif not _joins(character):  # a joiner or a variation selector has no shape of its own
            missing.append(character)
            kept.append(MISSING)
    return "".join(kept), "".join(dict.fromkeys(missing))


def missing_glyphs(names: Iterable[str]) -> str | None:
    """A sentence on the characters of these names that paper shows as a replacement sign, or None."""
    hurt, characters = [], []
    for name in names:
        missing = drawable(name)[1]
        if missing:
            hurt.append(name)
            characters.extend(missing)
    if not hurt:
        return None
    points = [f"U+{ord(c):04X}" for c in dict.fromkeys(characters)]
    some = ", ".join(points[:6]) + (f" and {len(points) - 6:,} more" if len(points) > 6 else "")
    names_said = f"{len(hurt):,} names hold" if len(hurt) > 1 else "1 name holds"
    return f"{names_said} characters no installed font can draw ({some}); {MISSING} stands for them. Install a font such as Noto Sans CJK."
