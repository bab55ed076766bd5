"""A paragraph that can be written in two ways: plain text and LaTeX. Citations, formulas and names from outside carry marks until then.

The marks are control characters, which `clean` takes out of every name, so that no name can forge one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from dmlviz.export.citations.bib import entries
from dmlviz.figures.base import tex_text
from dmlviz.figures.base.markdown_text import markdown_text
from dmlviz.figures.base.words import clean, short

CITE, MATH, NAME, END = "\x01", "\x02", "\x03", "\x04"
_MARKED = re.compile(f"([{CITE}{MATH}{NAME}])([^{END}]*){END}")
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "lambda": "λ", "sigma": "σ", "tau": "τ"}
LIGHT = {"%": r"\%", "&": r"\&", "_": r"\_", "#": r"\#", "$": r"\$", "–": "--"}  # what our own sentences may hold
NAME_CHARS = 60


def cite(*keys: str) -> str:
    """Follows a word without a space; nothing where there is nobody to cite. Raises KeyError for a key that references.bib lacks."""
    return f"{CITE}{','.join(entries()[key].key for key in dict.fromkeys(keys))}{END}" if keys else ""


def math(formula: str) -> str:
    return f"{MATH}{formula}{END}" if formula else ""


def name(words: object) -> str:
    """A name that somebody else chose: shown sign for sign, shortened."""
    return f"{NAME}{short(clean(str(words)), NAME_CHARS)}{END}"


def as_text(paragraph: str) -> str:
    return _written(paragraph, {CITE: _authors, MATH: plain_math, NAME: str}, str)


def as_markdown(paragraph: str) -> str:
    """As `as_text`; names from outside are no markup in it."""
    return _written(paragraph, {CITE: _authors, MATH: plain_math, NAME: markdown_text}, str)


def as_latex(paragraph: str) -> str:
    r"""For natbib (\citep). Compiles with pdflatex as it is: where a name holds a letter that its fonts lack, the command that draws a box for it
    is defined before the paragraph."""
    made = _written(paragraph, {CITE: lambda keys: rf"~\citep{{{keys}}}", MATH: lambda formula: f"${formula}$", NAME: _pasted}, _light)
    return f"{tex_text.BOXES}\n{made}" if r"\dmlchar{" in made else made


def plain_math(formula: str) -> str:
    """The few formulas there are, as plain text: "1−λ", "3e-4"."""
    told = re.sub(r"\\times10\^\{-(\d+)\}", "e\x00\\1", formula).replace(r"\,", " ")  # a power keeps its hyphen
    told = re.sub(r"\\mathrm\{(\w+)\}", r"\1", told)
    told = re.sub(r"\\([a-z]+)", lambda found: GREEK[found.group(1)], told)
    return told.replace("_{+}", "+").replace("_{-}", "-").replace("-", "−").replace("\x00", "-")


def number(value: float) -> str:
    """"0.01", "3e-4"."""
    if value == 0 or abs(value) >= 0.001:
        return f"{value:g}"
    digits, power = f"{value:e}".split("e")
    return math(rf"{float(digits):g}\times10^{{-{abs(int(power))}}}")


def _written(paragraph: str, marked: Mapping[str, Callable[[str], str]], other: Callable[[str], str]) -> str:
    parts, place = [], 0
    for found in _MARKED.finditer(paragraph):
        parts += [other(paragraph[place : found.start()]), marked[found.group(1)](found.group(2))]
        place = found.end()
    return "".join([*parts, other(paragraph[place:])])


def _authors(keys: str) -> str:
    return f" ({'; '.join(entries()[key].short for key in keys.split(','))})"


def _light(words: str) -> str:
    return "".join(LIGHT.get(character, character) for character in words)


def _pasted(words: str) -> str:
    return tex_text.pasted(words)


# ---- words


def listed(words: Iterable[str], last: str = "and") -> str:
    """"a", "a and b", "a, b and c"; "a; b, c; and d" where an item of several holds a comma."""
    items = list(words)
    if len(items) < 3:
        return f" {last} ".join(items)
    apart = ";" if any("," in _MARKED.sub(_shown, item) for item in items) else ","
    return f"{f'{apart} '.join(items[:-1])}{';' if apart == ';' else ''} {last} {items[-1]}"


def _shown(found: re.Match[str]) -> str:
    return found.group(2) if found.group(1) == NAME else ""


def numbers(found: Iterable[int]) -> str:
    """"0", "0, 3", "0–7"."""
    each = sorted(set(found))
    if len(each) > 2 and each[-1] - each[0] == len(each) - 1:
        return f"{each[0]}–{each[-1]}"
    return ", ".join(map(str, each))


def count(number: int, one: str, many: str = "") -> str:
    """"one draw", "8 draws", "10,662 texts"."""
    return f"one {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def spread(said: Sequence[tuple[Mapping[str, Hashable], str | None]]) -> str:
    """Something that may differ between groups, in few words: "4", or "4 (8 for SupCon)", "4 (8 on MR; 2 for SupCon on TREC)"; "4, but 8 for
    SupCon" where brackets stand in the words.

    said: per group what it is called by ("for": a loss, "on": a data set, "with": shots, an encoder) and the words, None where it has none. What
    most groups say comes first. Empty where nothing is said.
    """
    heard = [(labels, words) for labels, words in said if words is not None]
    order = list(dict.fromkeys(words for _, words in heard))
    if len(order) < 2:
        return "".join(order)
    most = max(order, key=lambda words: sum(one == words for _, one in heard))
    chosen = _telling(heard)
    if chosen is None:
        return f"{listed(order, 'or')} (in runs of their own)"
    others = "; ".join(f"{words} {_who(chosen, heard, words)}" for words in order if words != most)
    return f"{most}, but {others}" if any(one in words for words in order for one in (CITE, "(")) else f"{most} ({others})"


def those(said: Sequence[tuple[Mapping[str, Hashable], bool]]) -> str:
    """Of which groups something is true: "for A and B on X"; empty where they cannot be told from the others in words."""
    heard = [(labels, str(true)) for labels, true in said]
    chosen = _telling(heard)
    return _who(chosen, heard, str(True)) if chosen else ""


def _telling(heard: Sequence[tuple[Mapping[str, Hashable], str]]) -> tuple[str, ...] | None:
    """The fewest labels by which the groups that say one thing are told from those that say another."""
    from itertools import combinations

    kinds = list(heard[0][0])
    for size in range(1, len(kinds) + 1):
        for chosen in combinations(kinds, size):
            met: dict[tuple[Hashable, ...], str] = {}
            if all(met.setdefault(tuple(labels[kind] for kind in chosen), words) == words for labels, words in heard):
                return chosen
    return None


def _who(chosen: tuple[str, ...], heard: Sequence[tuple[Mapping[str, Hashable], str]], words: str) -> str:
    """"for A and B on X, for C on Y": what shares all but its first label is said together."""
    shared: dict[str, list[str]] = {}
    for labels in (labels for labels, one in heard if one == words):
        rest = "".join(f" {kind.split()[0]} {labels[kind]}" for kind in chosen[1:])
        shared.setdefault(rest, []).append(str(labels[chosen[0]]))
    return listed(f"{chosen[0].split()[0]} {listed(dict.fromkeys(firsts))}{rest}" for rest, firsts in shared.items())
