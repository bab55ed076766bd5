"""What the web process keeps: freed memory goes back to the system, and files are written when they are asked for."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

import dmlviz.ui
from dmlviz.ui.shared.memory import Keeper, _glibc


@pytest.mark.skipif(_glibc() is None, reason="another C library")
def test_what_many_threads_freed_goes_back():
    """Small pieces of 200 MB, made and freed by threads, some of them kept: the pools give back what lies between."""
    keeper, kept, process = Keeper(), [], psutil.Process()

    def work() -> None:
        pieces = [bytes(20_000) for _ in range(2_500)]
        kept.extend(pieces[::250])

    before = process.memory_info().rss
    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    keeper.give_back(whole=True)
    assert process.memory_info().rss - before < 20e6
    assert np.sum([len(one) for one in kept]) == 4 * 10 * 20_000


def test_no_table_is_written_before_somebody_asks():
    """A CSV made at every redraw is kept for every session."""
    for path in sorted(Path(dmlviz.ui.__file__).parent.rglob("*.py")):
        buttons = re.findall(r"download_button\(([^\n]*\n?[^\n]*)", path.read_text(encoding="utf-8"))
        assert not [one for one in buttons if re.search(r"(?<!lambda: )csv_bytes\(", one)], path.name
