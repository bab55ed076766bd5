"""The guard itself: what it refuses, and that it reaches the processes that tests start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

ASK = "import socket; s = socket.socket(); s.settimeout(2); s.connect(('192.0.2.7', 80))"


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The file that outside requests of this test are written to, instead of the suite's."""
    monkeypatch.setenv("DMLVIZ_TEST_ASKED", str(tmp_path / "hosts.txt"))
    return tmp_path / "hosts.txt"


def test_another_host_is_refused_here(noted):
    with socket.socket() as one, pytest.raises(OSError, match=r"refuse a request to '192\.0\.2\.7'"):
        one.connect(("192.0.2.7", 80))
    with pytest.raises(OSError, match=r"refuse a request to 'example\.org'"):
        socket.getaddrinfo("example.org", 443)
    assert len(noted.read_text().splitlines()) == 2


def test_another_host_is_refused_in_a_child(noted):
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=dict(os.environ), check=False)
    assert "refuse a request to '192.0.2.7'" in done.stderr
    assert "192.0.2.7" in noted.read_text()


def test_this_machine_may_be_asked(noted):
    with socket.socket() as server, socket.socket() as one:
        server.bind(("127.0.0.1", 0))
        server.listen()
        one.connect(server.getsockname())
    assert socket.getaddrinfo("localhost", 80)
    assert not noted.exists()
