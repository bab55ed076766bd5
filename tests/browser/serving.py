"""A real server and a real Chromium for the journeys."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import waiting
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # fmt: skip
IDLE = """() => { const app = document.querySelector('[data-testid="stApp"]');
  return app && app.getAttribute('data-test-script-state') !== 'running' && !document.querySelector('[data-testid="stSpinner"]')
    && document.querySelectorAll('[data-testid="stElementContainer"]').length > 0; }"""


class Server:
    """`streamlit run app.py` on a free local port; can be ended and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        data = ROOT.parent / "shared" / "data"
        env = {**os.environ, "DMLVIZ_HOME": str(self.home)}
        if data.is_dir():
            env.setdefault("DMLVIZ_DATA", str(data))
        log = open(self.home / "server.log", "ab")  # noqa: SIM115 - the server keeps writing
        words = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port", str(self.port)]
        self.process = subprocess.Popen(words, cwd=ROOT, env=env, stdout=log, stderr=log)
        waiting.until(self.answers, 120, "the server's answer")

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).status == 200
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


@contextlib.contextmanager
def browser() -> Iterator:
    """A headless Chromium; `new_page()` on it opens a fresh session."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


def visit(page: Page, url: str) -> None:
    page.goto(url, wait_until="domcontentloaded")
    settle(page)


def settle(page: Page, seconds: float = 90) -> None:
    """Until the script has run to its end and nothing spins."""
    page.wait_for_function(IDLE, timeout=1000 * seconds)
    page.wait_for_timeout(400)  # the script may be about to start over


def no_traceback(page: Page) -> None:
    assert page.locator('[data-testid="stException"]').count() == 0
    assert "Traceback" not in page.locator("body").inner_text()
