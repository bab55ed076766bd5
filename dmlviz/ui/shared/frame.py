"""The quiet frame: page width, headings, empty states, and errors as sentences."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import streamlit as st
from pydantic import ValidationError

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.figures.base.theme import DARK, LIGHT, Theme
from dmlviz.training.config_input import validation_sentence

PAGES = ("overview", "train", "runs", "manifold", "proxies", "graph", "attributions", "reliability", "figures")  # in their order
ICON = Path(__file__).parent / "assets" / "icon.png"  # ours: a named icon would be asked of an outside host by every page

LOUD = {  # kinds of notes that decide what a result means: shown unasked
    "conflict", "leakage", "part", "encoding", "quotes", "spans", "near_copies", "odd_labels", "majority", "classes", "rejected", "no_agreement",
    "cut", "cut_texts",
}  # fmt: skip
STYLE = """<style>
.stMainBlockContainer {padding: 4.2rem 1.6rem 2rem 1.6rem; max-width: none;}
.stMainBlockContainer h1 {font-size: 1.55rem; padding: 0 0 .1rem 0;}
.stMainBlockContainer h2 {font-size: 1.1rem; padding: .6rem 0 .2rem 0;}
section[data-testid="stSidebar"] h2 {font-size: .95rem; padding: 0 0 .3rem 0;}
div[data-testid="stMetricValue"] {font-size: 1.5rem;}
section[data-testid="stSidebar"][aria-expanded="true"] {width: 260px !important; min-width: 260px !important;}
[data-testid="stMain"] [data-testid="stHorizontalBlock"] {flex-wrap: wrap;}
[data-testid="stMain"] [data-testid="stColumn"] {min-width: min(100%, 8.5rem);}
[class*="st-key-wide"] > [data-testid="stLayoutWrapper"] > div > [data-testid="stColumn"],
[class*="st-key-wide"] [data-testid="stHorizontalBlock"]:has(.js-plotly-plot) > [data-testid="stColumn"] {min-width: min(100%, 19rem);}
[class*="st-key-tray_row"] {flex-wrap: nowrap !important; gap: .4rem;}
[class*="st-key-tray_pick"] button {justify-content: flex-start; text-align: left; padding: 0 .2rem;}
[class*="st-key-tray_pick"] button * {white-space: normal; overflow: visible; text-overflow: clip;}
dl.report {font-size: .86rem; margin: 0 !important; padding: 0 !important;}
dl.report dt {font-weight: 600; margin-top: .35rem;}
dl.report dd {margin: 0 0 .15rem 0 !important; padding: 0 !important; overflow-wrap: anywhere; opacity: .85;}
[class*="st-key-go_"] a {border: 1px solid; border-radius: 6px; padding: .25rem .75rem; min-height: 2.5rem; justify-content: center; width: auto;}
[class*="st-key-go_then"] a {border-color: color-mix(in srgb, currentColor 22%, transparent);}
[class*="st-key-go_then"] a:hover {border-color: #0B6E99; background: transparent;}
[class*="st-key-go_first"] a:not([disabled]) {background: #0B6E99; border-color: #0B6E99;}
[class*="st-key-go_first"] a:not([disabled]):hover {background: #095879;}
[class*="st-key-go_first"] a:not([disabled]) * {color: #FFFFFF;}
[class*="st-key-go_"] a * {white-space: nowrap; overflow: visible; font-weight: 400;}
span.swatch {display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .4em;}
</style>"""


def header(title: str, line: str) -> None:
    """A page's title is the question it answers; one grey line says how to read the picture."""
    _enter_by_the_door()
    st.html(STYLE)
    st.title(title, anchor=False)
    st.caption(line)


def _enter_by_the_door() -> None:
    """A deep link that is the first visit to a new server runs the page file alone, without app.py: Streamlit looks into pages/ until st.navigation
    has been called once. So call it and start over; once per session, and never when app.py has run."""
    if st.session_state.get("inside") or st.session_state.get("sent_to_the_door"):
        return
    st.session_state["sent_to_the_door"] = True
    st.navigation([st.Page(f"pages/{name}.py") for name in PAGES], position="hidden")
    st.rerun()


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Whatever a person can cause becomes a sentence. The page above it stays; nothing below is drawn."""
    try:
        yield
    except InputError as error:
        sentence(str(error))
    except ValidationError as error:
        sentence(validation_sentence(error))
    except OSError as error:
        logging.getLogger(__name__).exception("a file could not be used")
        sentence(f"a file could not be read or written ({error.strerror or error}); check the disk space and the rights of the home folder")


def sentence(text: str) -> None:
    """An error box. The text may hold names from data: shown as it is, never as Markdown."""
    st.error(escaped(capitalised(text)), icon=":material/error:")


def damage(text: str) -> None:
    """A box for what is left out since its files cannot be read; the rest of the page stays."""
    st.warning(escaped(capitalised(text)), icon=":material/broken_image:")


def failed(text: str, *, key: str, again: Callable[..., None], args: tuple[Any, ...] = (), label: str = "Try again") -> None:
    """What failed says so once, and waits for a person: the sentence and the button that starts it anew. Nothing is retried by itself."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.error(escaped(capitalised(text)), icon=":material/error:")
    right.button(label, key=key, on_click=_guarded, args=(again, *args), type="primary", width="stretch")


def _guarded(work: Callable[..., None], *given: Any) -> None:
    with guard():
        work(*given)


def capitalised(text: str) -> str:
    """As a sentence begins, unless it begins with a file's name or a path."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].rstrip(":,").isalpha() else text


def escaped(text: str) -> str:
    """Names from data inside Markdown: every sign that could start markup or a directive is escaped."""
    return "".join("\\" + c if c in "\\`*_{}[]<>()#+-.!|~:$" else c for c in text).replace("\n", " ")


def link(
    label: str, page: str, *, key: str, runs: Sequence[str] = (), primary: bool = False, disabled: bool = False, help: str | None = None
) -> None:
    """A link that looks like a button, to a page of the app; with `runs` it opens with these compared. A link and not a button, since the browser
    follows it by itself: st.switch_page out of a page that redraws itself every second leaves a blank page behind (Streamlit 1.67), as the next
    redraw of the old page is already on its way."""
    with st.container(key=f"go_{'first' if primary else 'then'}_{key}", width="content"):
        st.page_link(page, label=label, query_params={"runs": ",".join(runs)} if runs else None, disabled=disabled, help=help)


def empty(words: str, label: str, page: str) -> None:
    """A kind empty state: one sentence, one link to the step that fills it."""
    with st.container(border=True):
        st.write(words)
        link(label, page, key="empty", primary=True)


def notes(rows: Sequence[ReaderNote], *, title: str) -> None:
    """What a reader repaired, dropped or noticed, in its own words."""
    if rows:
        with st.expander(f"{title} ({len(rows)})", expanded=any(row.kind in LOUD for row in rows)):
            for row in rows:
                st.markdown("- " + escaped(row.sentence))


def theme() -> Theme:
    """The figures' theme that fits the page's."""
    return DARK if st.context.theme.type == "dark" else LIGHT
