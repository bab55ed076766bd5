"""How names and counts are written in a sentence for a person."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dmlviz.core.types import ReaderNote

WAYS_OUT = "put the files into $DMLVIZ_DATA/<name>/ (train.jsonl.gz, test.jsonl.gz) or use a file of your own"


def shown(name: str, limit: int = 60) -> str:
    """A name from data as it may stand in a sentence: quoted, control characters escaped, shortened."""
    quoted = repr(name if len(name) <= limit else name[: limit - 1] + "…")
    return quoted if quoted.isprintable() else quoted.encode("unicode_escape").decode()


def count_of(n: int, noun: str) -> str:
    """1 text, 2 texts, 3 classes, 1,000 rows."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"


def size_of(count: float) -> str:
    """'383 kB', '4.2 MB', '130 MB': bytes as a person reads them."""
    if count < 1e6:
        return f"{max(1, round(count / 1e3))} kB" if count else "0 kB"
    return f"{count / 1e6:,.1f} MB" if count < 1e7 else f"{count / 1e6:,.0f} MB"


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Quoted names with commas; the rest counted."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(shown(name) for name in names[:limit]) + more


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'text'?" or nothing."""
    by_case = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word[:200].casefold(), list(by_case), n=1, cutoff=0.6)
    return f" Did you mean {shown(by_case[close[0]])}?" if close else ""


def note(kind: str, count: int, sentence: str) -> tuple[ReaderNote, ...]:
    """One note, or none when nothing was found."""
    return (ReaderNote(kind, count, sentence),) if count else ()
