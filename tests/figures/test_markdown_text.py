"""The one escape of Markdown, judged by a renderer: whatever somebody wrote comes out as those very words."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dmlviz.figures.base.markdown_text import markdown_text
from dmlviz.figures.base.words import clean

HOSTILE = [
    "![x](https://evil.example/pixel.png)", "[x](javascript:alert(1))", "<img src=https://evil.example/x>", "<script>alert(1)</script>", "https://evil.example",
    "**bold** _it_ ~~gone~~ `code` $x$ ^up^", "# heading", "- item", "1. item", "12) item", "---", "***", "> quote", "&lt;b&gt; &amp;", "a | b | c",
    "[^1]", "\\*", "<https://evil.example>", "www.evil.example", "- - -", "-", "+ item", "a  \nb", "!\u200b[x](y)", ":red[x]",
    "http:\\\\x", "91.2", "-1.5", "3.", "",
]  # fmt: skip


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)


def words_of(page: str) -> str:
    return html.unescape(re.sub(r"</?p>\n?", "", page)).replace("\u200b", "").strip()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_renderer_shows_the_words(text):
    page = rendered(markdown_text(text))
    assert re.findall(r"<[^>]*>", page) in ([], ["<p>", "</p>"]), page
    assert words_of(page) == clean(text).replace("\u200b", "")


@given(st.text(alphabet=st.sampled_from("ab1.-=)(*_`#+!|~$^:<>&[]\\/ \n\t'\"") , max_size=30))
def test_any_text_comes_out_as_it_was(text):
    page = rendered(f"## title\n\n{markdown_text(text)}\n").partition("</h2>")[2]
    assert re.findall(r"<[^>]*>", page) in ([], ["<p>", "</p>"]), page
    assert words_of(page) == clean(text)


@given(st.text(max_size=20))
def test_a_cell_stays_one_cell(text):
    page = rendered(f"| a | b |\n| --- | --- |\n| {markdown_text(text) or 'x'} | end |\n")
    assert page.count("<td>") == 2
    assert "<td>end</td>" in page


def test_numbers_stay_as_they_are():
    assert [markdown_text(one) for one in ("91.2 ± 0.4", "-1.5", "4 shots", "a-b")] == ["91.2 ± 0.4", "-1.5", "4 shots", "a-b"]
