"""Highlighted text as LaTeX: a document of its own that pdflatex, xelatex and lualatex compile, and that can be pasted into a paper."""

from __future__ import annotations

import pandas as pd

from dmlviz.figures.attribution.frame import sign, word_color
from dmlviz.figures.attribution.words import MOST_WORDS, exact, left_out, said
from dmlviz.figures.base.tex_text import escaped, strange
from dmlviz.figures.base.theme import PAPER, loss_color, readable
from dmlviz.figures.base.words import clean, short

HEAD = r"""\documentclass[border=2pt,varwidth=%(width)smm]{standalone}
\usepackage{iftex}
\ifPDFTeX
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
%(declared)s\else
\usepackage{fontspec}
\fi
\usepackage[HTML]{xcolor}
\setlength{\fboxsep}{1pt}
"""
WORD = r"\newcommand{\dmlword}[2]{\colorbox[HTML]{#1}{\strut #2}\hspace{1pt}\allowbreak}"
APART = r"\newcommand{\dmlapart}[2]{\colorbox[HTML]{#1}{\strut\underline{#2}}\hspace{1pt}\allowbreak}"


def tex(table: pd.DataFrame, caption: str, *, width_mm: float = 77.0) -> str:
    """A standalone document of the table that attribution_words.frame made: a paragraph per run.

    Characters that pdflatex has no letter for are shown there as their code point in a small box; xelatex and lualatex take them from the font.
    """
    body = []
    for pane in dict.fromkeys(table["pane"]):
        rows, first = table[table["pane"] == pane].head(MOST_WORDS), table[table["pane"] == pane].iloc[0]
        color = readable(loss_color(first["loss"]), PAPER.ground).removeprefix("#")
        head = rf"\textcolor[HTML]{{{color}}}{{\textbf{{{escaped(short(first['title'], 60))}}}}}"
        told = escaped(f"{said(table, pane)}; {exact(table, pane)}; {first['level']}")
        body += [rf"\noindent {head} {{\footnotesize {told}}}\par", r"\noindent\raggedright", _words(rows) + r"\par", _note(left_out(table, pane))]
        body.append(r"\medskip")
    text = "\n".join(line for line in body if line)
    where = "".join(f"% {line}\n" for line in _wrapped(caption))
    declared = "".join(f"\\DeclareUnicodeCharacter{{{ord(one):04X}}}{{\\fbox{{\\tiny {ord(one):04X}}}}}\n" for one in strange(text))
    return f"{where}{HEAD % {'width': f'{width_mm:g}', 'declared': declared}}{WORD}\n{APART}\n\\begin{{document}}\n{text}\n\\end{{document}}\n"


def _words(rows: pd.DataFrame) -> str:
    parts, second = [], False
    for one in rows.to_dict("records"):
        if one["second"] and not second:
            parts.append(escaped("‖") + " ")
            second = True
        elif one["gap"]:
            parts.append(" ")
        mark = sign(one["share"], one["strength"])
        made = rf"\textsuperscript{{{escaped(mark)}}}" if mark else ""
        color = word_color(one["share"], one["strength"], PAPER).removeprefix("#")
        parts.append(rf"\{'dmlapart' if one['differs'] else 'dmlword'}{{{color}}}{{{made}{escaped(short(one['word'], 60))}}}")
    return "".join(parts)


def _note(words: str) -> str:
    return rf"{{\footnotesize {escaped(words)}}}\par" if words else ""


def _wrapped(caption: str) -> list[str]:
    import textwrap

    return textwrap.wrap(clean(caption), 110)
