"""Any text as LaTeX shows it, and the characters that pdfLaTeX's fonts do not have."""

from __future__ import annotations

import unicodedata

from dmlviz.figures.base.words import clean

SIGNS = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}",
         "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "-": "{-}", "'": "{'}",
         "`": r"\textasciigrave{}", "−": r"\ensuremath{-}", "Δ": r"\ensuremath{\Delta}", "…": r"\ldots{}", "·": r"\textperiodcentered{}",
         "‖": r"\ensuremath{\Vert}", "“": "``", "”": "''", "‘": "`", "’": "'", "–": "--", "—": "---", "±": r"\ensuremath{\pm}", "†": r"\textdagger{}",
         "[": "{[}", "]": "{]}", "*": "{*}"}  # fmt: skip


QUOTE = SIGNS['"']
NOT_IN_T1 = "ĦħĸĿŀŉŦŧſ"  # of Latin-1 and Latin Extended-A
T1_ALONE = "«»ÐÞðþĄąĐđĘęĮįŊŋŲų"  # not in OT1, the encoding of a document that loads no font encoding


def escaped(text: str) -> str:
    """Any text as LaTeX shows it, sign for sign. A bracket or an asterisk at the start of a row is no argument of the line before."""
    return "".join(SIGNS.get(character, character) for character in clean(text)).replace(",,", ",{},")  # two commas would become a low quote


def strange(text: str) -> list[str]:
    """Characters beyond what T1 fonts hold."""
    return sorted({one for one in text if ord(one) > 0x17F or 0x7F < ord(one) < 0xA0 or one in NOT_IN_T1})


def pasted(text: str) -> str:
    """Any text as LaTeX shows it where no preamble is ours: what pdfLaTeX has no letter for becomes \\dmlchar{code point}, and what takes T1 fonts is
    set in them. Commands that `needed` defines."""
    made = escaped(unicodedata.normalize("NFC", clean(text))).replace(QUOTE, rf"\dmltone{{{QUOTE}}}")
    found = set(strange(made))
    return "".join(rf"\dmlchar{{{ord(one):04X}}}" if one in found else rf"\dmltone{{{one}}}" if one in T1_ALONE else one for one in made)


def bare(text: str) -> str:
    """The same for a list of tables, which stands before any definition of ours: code points as "U+0633"."""
    made = escaped(unicodedata.normalize("NFC", clean(text))).replace(QUOTE, "''")
    found = {*strange(made), *T1_ALONE}
    return "".join(f"U+{ord(one):04X}" if one in found else one for one in made)


def needed(made: str) -> list[str]:
    """Definitions of the commands of `pasted` that this LaTeX has in it."""
    return [definition for command, definition in ((r"\dmlchar", BOXES), (r"\dmltone", T1)) if command in made]


T1 = r"\DeclareRobustCommand{\dmltone}[1]{\ifdefined\Umathcode#1\else{\fontencoding{T1}\selectfont#1}\fi}"
# With pdfLaTeX a small box with the code point; XeLaTeX and LuaLaTeX take the letter from the font where it has it
BOXES = r"""\providecommand{\dmlbox}[1]{{\fboxsep0.7pt\fbox{\fontsize{6}{6}\selectfont#1}}}
\DeclareRobustCommand{\dmlchar}[1]{\ifdefined\Umathcode\iffontchar\font"#1 \symbol{"#1}\else\dmlbox{#1}\fi\else\dmlbox{#1}\fi}"""
