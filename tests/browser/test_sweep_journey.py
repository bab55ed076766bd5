"""A sweep started on the Train page, its server killed meanwhile, watched to its end; the curve read, a group's runs opened."""

from __future__ import annotations

import re
import signal

import pytest

from dmlviz.jobs.sweep import sweep_state
from dmlviz.store.sweeps import sweeps
from tests.browser.test_journey import choose, no_errors, number, open_page, settled

pytestmark = pytest.mark.slow


def test_from_the_form_to_the_curve_and_a_groups_runs(app, new_page, tiny_encoder, tiny_csv):
    page = new_page()
    page.goto(app.url, wait_until="domcontentloaded")
    open_page(page, app, "train")
    choose(page, "Data set", "Path or Hub id")
    path = page.get_by_role("textbox", name="File, folder or Hub id")
    path.fill(str(tiny_csv))
    path.press("Enter")
    box = page.get_by_role("textbox", name="Encoder")
    box.fill(str(tiny_encoder))
    box.press("Enter")
    settled(page)
    page.get_by_text("Sweep over data sets, shots and draws").click()
    shots = page.get_by_role("textbox", name="Shots")
    shots.wait_for()
    shots.fill("2, 4")
    shots.press("Enter")
    number(page, "Draws", 3)
    page.get_by_text(re.compile("^18 runs")).wait_for()
    page.get_by_role("button", name="Start the sweep").click()
    page.get_by_role("heading", name="Sweeps").wait_for()
    page.get_by_text(re.compile(r"at work: \d+ of 18 finished")).wait_for()

    app.stop(signal.SIGKILL)  # the web server is nobody's mother
    app.start()
    page.goto(f"{app.url}/train", wait_until="domcontentloaded")
    page.get_by_text(re.compile("done: 18 of 18 finished")).wait_for(timeout=240_000)
    (sweep,) = sweeps(app.store)
    assert sweep_state(app.store, sweep.name).done
    assert page.locator("table.sweep td").count() == 18

    page.get_by_role("link", name="See the curves").click()
    page.get_by_role("heading", name="Is the difference real?").wait_for()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_text(re.compile("Gain over cross-entropy")).first.wait_for()
    settled(page)
    no_errors(page)
    page.get_by_role("tab", name="Groups").click()
    page.get_by_test_id("stDataFrame").last.wait_for()
    settled(page)
    page.get_by_test_id("stDataFrame").last.locator("canvas").first.click(position={"x": 14, "y": 56}, force=True)  # a scroller above takes it
    page.get_by_role("link", name="Compare these runs").click()
    page.get_by_role("heading", name="Where do the texts land?").wait_for()
    assert page.url.count("2shot") + page.url.count("4shot") == 3
    no_errors(page)
