"""references.bib as records: a small reader of our own file, and names and titles as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("references.bib")
ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "~": "\u0303", "^": "\u0302", "v": "\u030c", "c": "\u0327"}  # TeX's -> combining
_HEAD = re.compile(r"^@(\w+)\{([^,\s]+),", re.MULTILINE)
_ACCENTED = re.compile(r"""\{?\\(['`"~^vc])\s*\{?(\w)\}?\}?""")


class Entry(NamedTuple):
    """One entry. `text` is as the file has it; `fields` are without their outer braces."""

    kind: str  # "article", "misc" ...
    key: str
    fields: Mapping[str, str]
    text: str

    @property
    def short(self) -> str:
        """"Qian et al. 2019", as a plain text cites it."""
        names = [_family(one) for one in re.split(r"\s+and\s+", self.fields["author"])]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 and names[1] != "others" else f"{names[0]} et al."
        return f"{who} {self.fields['year']}"


@lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    """Key -> entry, in the order of the file."""
    return {one.key: one for one in read_entries(FILE.read_text(encoding="ascii"))}


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of a .bib text whose values stand in braces. Raises ValueError where braces do not match or a key comes twice."""
    seen: set[str] = set()
    for head in _HEAD.finditer(text):
        kind, key = head.group(1), head.group(2)
        if key in seen:
            raise ValueError(f"the key {key} comes twice")
        seen.add(key)
        end = _closing(text, text.index("{", head.start()))
        yield Entry(kind, key, dict(_fields(text[head.end() : end])), text[head.start() : end + 1])


def plain(value: str) -> str:
    """A value as plain text: accents joined to their letters, braces and TeX's signs gone."""
    import unicodedata

    told = _ACCENTED.sub(lambda found: unicodedata.normalize("NFC", found.group(2) + ACCENTS[found.group(1)]), value)
    return " ".join(told.replace(r"\&", "&").replace("--", "-").replace("{", "").replace("}", "").split())


def _fields(body: str) -> Iterator[tuple[str, str]]:
    place = 0
    while found := re.compile(r"\s*(\w+)\s*=\s*\{").match(body, place):
        end = _closing(body, found.end() - 1)
        yield found.group(1), body[found.end() : end]
        comma = re.compile(r"\s*,?").match(body, end + 1)
        place = comma.end() if comma else end + 1
    if body[place:].strip():
        raise ValueError(f"not a field: {body[place:].strip()[:40]!r}")


def _closing(text: str, opening: int) -> int:
    """Place of the brace that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise ValueError(f"a brace is not closed: {text[opening : opening + 40]!r}")


def _family(name: str) -> str:
    """"Qian" of "Qian, Qi"; a name in braces is one."""
    return plain(name.split(",")[0])
