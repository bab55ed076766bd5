"""What a person does, from an empty home to a figure for a paper: real server, real workers, real Chromium."""

from __future__ import annotations

import os
import re
import signal

import pypdf
import pytest
from waiting import until, wait_for

from dmlviz.figures.theme import PRESETS

pytestmark = pytest.mark.slow
FINISHED = re.compile(r"^finished · accuracy \d+\.\d % \(single run\)$")
LONG = 300_000  # ms three runs may take on a busy machine
NASTY = ["<script>window.hacked=1</script>", "日本語", "عربي", "😀 emoji"]

TEST_POINTS = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
    const rows = new Set();
    for (const trace of plot.data) for (const d of (trace.customdata || [])) rows.add(Array.isArray(d) || ArrayBuffer.isView(d) ? d[0] : d);
    return [plot.data.length, plot.data.reduce((n, t) => n + (t.x ? t.x.length ?? 0 : 0), 0), rows.size]; })"""


def choose(page, label: str, option: str) -> None:
    """Pick from a Streamlit select box."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option).first.click()


def number(page, label: str, value: int) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(str(value))
    box.press("Tab")


def settled(page) -> None:
    """The script has run to its end."""
    page.wait_for_function("() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'")


def open_page(page, app, name: str) -> None:
    page.goto(f"{app.url}/{name}", wait_until="domcontentloaded")
    page.get_by_test_id("stMain").locator("h1").wait_for()
    settled(page)


def no_errors(page) -> None:
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_test_id("stAlertContentError").count() == 0, page.get_by_test_id("stAlertContentError").all_inner_texts()


def progress(page):
    """The captions of runs that are at work."""
    return page.get_by_text(re.compile(r"(training|embedding the test texts) \d[\d,]* of [\d,]+"))


def download(page, label: str, path):
    with page.expect_download() as waited:
        page.get_by_role("button", name=label, exact=True).click()
    waited.value.save_as(path)
    return path
