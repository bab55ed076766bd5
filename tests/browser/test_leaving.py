"""Links to another page lead there every time, also from pages that redraw themselves every second."""

from __future__ import annotations

import pytest
import waiting

from dmlviz.core.types import RunConfig
from dmlviz.data import read_file
from dmlviz.jobs.submit import submit
from tests.browser.test_journey import no_errors, settled

pytestmark = pytest.mark.slow
CLICKS = 20
MAPS = "Where do the texts land?"


@pytest.fixture
def training(app, tiny_encoder, tiny_csv):
    """Two finished runs and one that trains for as long as the test takes."""
    dataset = read_file(tiny_csv)
    config = RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), shots=2, epochs=1, max_length=16, lr=1e-3)
    for seed in (0, 1):
        waiting.wait_for(app.store, submit(config.model_copy(update={"seed": seed}), store=app.store, dataset=dataset), ["finished"], seconds=400)
    long = submit(config.model_copy(update={"epochs": 10_000, "snapshots": 2, "checkpoint_seconds": 600}), store=app.store, dataset=dataset)
    waiting.wait_for(app.store, long, ["running"])
    return app


def test_links_lead_there_twenty_times_while_a_run_trains(training, new_page):
    """At every moment of the second in which the page redraws itself."""
    page = new_page()
    for click in range(CLICKS):
        page.goto(f"{training.url}/train", wait_until="domcontentloaded")
        link = page.get_by_role("link", name="See the maps side by side")
        link.wait_for()
        page.wait_for_timeout(100 + 97 * click % 1000)
        link.click()
        page.get_by_role("heading", name=MAPS).wait_for(timeout=20_000)
    page.locator(".maps[data-points]").first.wait_for(timeout=60_000)
    settled(page)
    no_errors(page)
    for label, heading in (("Compare the newest runs", MAPS), ("Train more", "What should be trained on what?")):
        page.goto(training.url, wait_until="domcontentloaded")
        settled(page)
        page.get_by_role("link", name=label).click()
        page.get_by_role("heading", name=heading).wait_for(timeout=20_000)
        no_errors(page)
    page.go_back()
    page.get_by_role("link", name="Train more").wait_for(timeout=20_000)  # the Overview again
