"""`dmlviz app` from a folder that is no checkout."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import waiting

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_app_is_served_from_another_folder(tmp_path, new_page):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "dmlviz", "app", "--no-open", "--port", str(port), "--home", "here"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        waiting.until(lambda: answers(port), 60, "an answer of the server")
        page = new_page()
        page.goto(f"http://127.0.0.1:{port}/runs")
        page.get_by_role("heading", level=1).wait_for(timeout=60_000)
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_role("link", name="Train the first runs").click()
        page.get_by_role("heading", name="What should be trained on what?").wait_for(timeout=60_000)
        color = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).color")
        assert color.replace(" ", "") == "rgb(27,39,51)"  # the theme came along
        assert not (tmp_path / "dmlviz-data").exists()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)


def answers(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).status == 200
    except OSError:
        return False
