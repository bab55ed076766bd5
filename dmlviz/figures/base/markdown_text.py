"""Texts of others inside Markdown that we write: the one escape of captions, tables and paragraphs, so that no name is markup, a link or an image."""

from __future__ import annotations

import re

from dmlviz.figures.base.words import clean

HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
SPECIAL = re.compile(r"[\\`*_{}\[\]()#+!|~$^:]|(?<=\w)(?=://)")  # the last: nothing becomes a link by itself
AT_START = re.compile(r"(\d{0,9})([-.)])(?=\s|$|-+$)")  # of a line: a list or a rule


def markdown_text(text: str) -> str:
    """Any text as Markdown and HTML show it, on one line."""
    whole = "".join(HTML.get(one, one) for one in clean(text))
    whole = SPECIAL.sub(lambda found: f"\\{found[0]}" if found[0] else "&#8203;", whole)
    found = AT_START.match(whole)
    return f"{found[1]}\\{whole[found.end(1) :]}" if found else whole
