"""The fonts of paper figures: they come with the package, so that a figure is the same to the byte on every machine.

Liberation Serif and Sans have the metrics of Times and Helvetica. DejaVu and STIX come with Matplotlib and lend what those lack: arrows, mathematics.
The machine's own fonts are used only for scripts that none of these has, and `borrowed` says which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from dmlviz.core.types import InputError


class Face(NamedTuple):
    """The files of a family that comes with the package or with Matplotlib."""

    regular: str
    bold: str
    sha256: tuple[str, str] | None = None  # of regular and bold; None where Matplotlib's own version answers for them


LIBERATION = Path(__file__).with_name("liberation")
PACKAGED: Mapping[str, Face] = {
    "Liberation Sans": Face("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf",
                            ("8d91388f1d3604b3b8ae0e3ee2d140e50cd6122f9214514f4aca772540a4076d",
                             "ba0e0dc3f7aca5b0afbc31e800531ee43be3aa79ae35b2ef1f6470a9547765c4")),
    "Liberation Serif": Face("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf",
                             ("29d12439831b7f59194efec85872f24f54eff05738933f9a860220d2abff88ba",
                              "446a4421f297698427170fd7db20e59169a4188baaaf940e9bea58af6341a723")),
    "DejaVu Sans": Face("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    "DejaVu Serif": Face("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    "STIXGeneral": Face("STIXGeneral.ttf", "STIXGeneralBol.ttf"),
}  # fmt: skip
STACKS: Mapping[str, tuple[str, ...]] = {
    "sans": ("Liberation Sans", "DejaVu Sans", "STIXGeneral"),
    "serif": ("Liberation Serif", "STIXGeneral", "DejaVu Serif", "DejaVu Sans"),
}
OTHER_SCRIPTS = (
    "Noto Sans", "Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Bengali",
    "Noto Sans Thai", "Noto Sans Tamil", "Noto Sans Georgian", "Noto Sans Armenian", "Noto Sans Ethiopic",
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAGothic", "NanumGothic", "Arial Unicode MS",
    "Microsoft YaHei", "Malgun Gothic", "Yu Gothic", "Hiragino Sans", "PingFang SC", "Heiti SC", "Noto Emoji", "Symbola",
    "Segoe UI Symbol", "Apple Symbols",
)  # fmt: skip
_OURS = "DMLViz "  # before the name under which Matplotlib knows a packaged family: another version of it may be installed

_family: ContextVar[str] = ContextVar("family", default="sans")


@contextmanager
def typeset(family: str) -> Iterator[None]:
    """What is drawn on paper meanwhile is set in that family of STACKS."""
    before = _family.set(family)
    try:
        yield
    finally:
        _family.reset(before)


def font_stack() -> tuple[str, ...]:
    """The families we draw with, as Matplotlib knows them: the package's first, then those of this machine for other scripts."""
    return _stack(STACKS[_family.get()])


def family_name() -> str:
    """What the first of them is called: "Liberation Serif"."""
    return STACKS[_family.get()][0]


@lru_cache(maxsize=8)
def _stack(families: tuple[str, ...]) -> tuple[str, ...]:
    from matplotlib import font_manager

    _register()
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (*(f"{_OURS}{name}" for name in families), *(name for name in OTHER_SCRIPTS if name in installed))


@cache
def _register() -> None:
    """Make Matplotlib know the packaged files under names that no installed font has."""
    from matplotlib import font_manager, get_data_path

    entries = []
    for name, face in PACKAGED.items():
        folder = LIBERATION if face.sha256 else Path(get_data_path()) / "fonts" / "ttf"
        for file, weight, expected in zip(face[:2], (400, 700), face.sha256 or (None, None), strict=True):
            path = folder / file
            if not path.is_file() or (expected and hashlib.sha256(path.read_bytes()).hexdigest() != expected):
                raise InputError(f"the font {file} of this installation is missing or changed; install dmlviz and Matplotlib again.")
            entries.append(font_manager.FontEntry(str(path), name=f"{_OURS}{name}", style="normal", variant="normal", weight=weight,
                                                  stretch="normal", size="scalable"))  # fmt: skip
    font_manager.fontManager.ttflist.extend(entries)


@lru_cache(maxsize=8)
def glyphs_of(stack: tuple[str, ...]) -> frozenset[int]:
    """Every code point some font of the stack can draw."""
    return frozenset().union(*map(_charmap, stack))


@lru_cache(maxsize=64)
def _charmap(family: str) -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())


def borrowed(words: Iterable[str]) -> dict[str, str]:
    """Family -> the characters of these words that are drawn in it, for every family of this machine that does not come with the package."""
    stack, found = font_stack(), {}
    for point in sorted({ord(character) for one in words for character in one}):
        family = next((name for name in stack if point in _charmap(name)), _OURS)
        if not family.startswith(_OURS):
            found[family] = found.get(family, "") + chr(point)
    return found


def borrowed_words(families: Mapping[str, Any]) -> str | None:
    """A sentence on the families of `borrowed`, or None where there are none."""
    if not families:
        return None
    several = len(families) > 1
    return (f"Some characters are drawn in {', '.join(families)}, which {'are' if several else 'is'} installed on this machine and "
            f"{'do' if several else 'does'} not come with DMLViz: another machine may draw the figure otherwise.")  # fmt: skip
