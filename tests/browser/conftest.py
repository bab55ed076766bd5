"""A real server on an empty home and a real Chromium."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import waiting

from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parents[2]
FAR = 60_000  # ms a page may take on a busy machine


class App:
    """`streamlit run app.py` on one home and port; it can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.store = Store(home)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        shared = Path(os.environ.get("DMLVIZ_DATA") or ROOT.parent / "shared" / "data").resolve()
        env = {**os.environ, "DMLVIZ_HOME": str(self.store.home), **({"DMLVIZ_DATA": str(shared)} if shared.is_dir() else {})}
        self.store.home.mkdir(exist_ok=True)
        with open(self.store.home / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port", str(self.port)],
                cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        waiting.until(self._answers, 120, "the server")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.store.home / "server.log").read_text()
        try:
            return urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).status == 200
        except OSError:
            return False

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the server by its own pid."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)


@pytest.fixture
def app(tmp_path) -> Iterator[App]:
    """A server on an empty home. It, its dispatcher and its workers are ended, each by its pid."""
    served = App(tmp_path / "home")
    served.start()
    yield served
    served.stop()
    waiting.end_processes(served.store.home)


@pytest.fixture
def new_page(chromium, request, tmp_path):
    """new_page() -> a page in a browser context of its own. When the test fails, each is pictured in /tmp."""
    pages = []

    def make():
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True).new_page()
        page.set_default_timeout(FAR)
        pages.append(page)
        return page

    failures = request.session.testsfailed
    yield make
    for i, page in enumerate(pages):
        if request.session.testsfailed > failures and not page.is_closed():
            page.screenshot(path=f"/tmp/{request.node.name}-{i}.png", full_page=True)
        page.context.close()
