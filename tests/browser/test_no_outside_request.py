"""Nothing leaves this machine: while every page is opened and used, the browser asks no other host for anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest
import waiting

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, read_file

pytestmark = pytest.mark.slow
PAGES = ("", "train", "runs", "manifold", "proxies", "graph", "attributions", "reliability", "figures")
IDLE = """() => { const app = document.querySelector('[data-testid="stApp"]');
  return app && app.getAttribute('data-test-script-state') !== 'running' && !document.querySelector('[data-testid="stSkeleton"]'); }"""


@pytest.fixture
def filled(app, tiny_encoder, tiny_csv):
    """The served home with two finished runs."""
    dataset, ids = read_file(tiny_csv), []
    for loss in ("cross_entropy", "triple_entropy"):
        config = RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), loss=loss, shots=2, validation=6, epochs=1, batch_size=4, max_length=16)
        ids.append(app.store.create(config, dataset, draw_split(dataset, shots=2, validation=6)))
    waiting.train(app.store, ids)
    return app


def test_no_page_asks_another_host(filled, new_page):
    page, asked, sockets = new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: sockets.append(socket.url))
    for name in PAGES:
        page.goto(f"{filled.url}/{name}", wait_until="load")
        page.wait_for_selector('[data-testid="stMain"] h1')
        page.wait_for_function(IDLE)
        page.wait_for_timeout(1500)  # icons, fonts and maps come last
    page.goto(f"{filled.url}/manifold?map=pca")
    page.wait_for_function(IDLE)
    page.get_by_text("Add to figures").first.click()
    page.goto(f"{filled.url}/figures")
    page.get_by_role("button", name="PDF", exact=True).wait_for()
    page.wait_for_function(IDLE)
    here = urlparse(filled.url).netloc
    outside = {url[:120] for url in (*asked, *sockets) if urlparse(url).scheme in ("http", "https", "ws", "wss") and urlparse(url).netloc != here}
    assert outside == set()
    assert len(asked) > 50
    icon = page.locator("link[rel~=icon]").first.get_attribute("href")
    assert urlparse(icon).netloc in ("", here)
    found = page.context.request.get(icon if icon.startswith("http") else f"{filled.url}/{icon.lstrip('./')}")
    assert found.ok
    assert found.body()[:4] == b"\x89PNG"


def test_a_page_written_as_html_asks_nobody(filled, new_page, tmp_path):
    ids = ",".join(run.id for run in filled.store.runs())
    root, out = Path(__file__).resolve().parents[2], tmp_path / "maps.html"
    subprocess.run([sys.executable, "-m", "dmlviz", "figure", "manifold", "--runs", ids, "--out", str(out), "--home", str(filled.store.home)],
                   cwd=root, check=True, capture_output=True)  # fmt: skip
    page, asked = new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(out.as_uri())
    page.wait_for_selector(".js-plotly-plot")
    page.wait_for_timeout(1000)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
