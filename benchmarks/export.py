"""Forty figures to files: seconds, and what the web process grows by.

    python benchmarks/export.py --home HOME [--figures 40] [--out FILE.md]

The home needs finished runs of two losses or more. The figures are those of the gallery in turn, at the presets in turn. First all of them as one
bundle (PDF, SVG and PNG each, data, captions), as `python -m dmlviz bundle` makes it. Then the app: the same figures wait in the tray, a browser asks
for the bundle and then looks at each of them; the memory of the server's process is read before, after the bundle, and after looking.
"""

from __future__ import annotations

import argparse
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from dmlviz.core.types import InputError, SheetSpec
from dmlviz.export.bundle import Wanted, gallery, write_bundle
from dmlviz.export.bundle.jobs import bundles
from dmlviz.export.tray import change_tray
from dmlviz.figures.base.presets import PRESETS
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parent.parent


def sheets_of(store: Store, count: int) -> list[SheetSpec]:
    """So many figures that these runs can show."""
    from dmlviz.export.load_figure import sources
    from dmlviz.export.sheet import gather

    runs = [run for run in store.runs() if run.state == "finished" and run.config.left_out is None]
    found = []
    for sheet in gallery(runs)[0]:
        try:
            gather(sheet, sources(store))
            found.append(sheet)
        except InputError:
            continue
    names = [name for name in PRESETS if name != "slide"]
    pairs = itertools.islice(zip(itertools.cycle(found), itertools.cycle(names), strict=False), count)
    return [sheet.model_copy(update={"preset": preset}) for sheet, preset in pairs]


def page(home: Path, sheets: list[SheetSpec]) -> tuple[float, float, float]:
    """Megabytes of the server's process: before, after every figure was looked at, after the bundle."""
    from playwright.sync_api import sync_playwright

    change_tray(home, lambda now: sheets)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless", "true", "--server.address", "127.0.0.1", "--server.port", str(port)]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "DMLVIZ_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        size = lambda: psutil.Process(server.pid).memory_info().rss / 1e6  # noqa: E731
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.set_default_timeout(120_000)
            tab.goto(f"http://127.0.0.1:{port}/figures")
            tab.get_by_role("button", name="PDF", exact=True).wait_for()
            settled = lambda: tab.wait_for_function(  # noqa: E731
                "() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'")  # fmt: skip
            settled()
            before = size()
            tab.get_by_role("button", name="Make the bundle").click()
            while not any(one.state == "finished" for one in bundles(home)):
                time.sleep(0.5)
            settled()
            after = size()
            for i in range(len(sheets)):
                tab.locator(f".st-key-tray_pick_{i} button").click()
                tab.wait_for_timeout(300)
                settled()
            looked = size()
            browser.close()
        return before, looked, after
    finally:
        server.terminate()
        server.wait(20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--figures", type=int, default=40)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    store = Store(options.home)
    sheets = sheets_of(store, options.figures)
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        words = write_bundle(store, Wanted(tuple(sheets)), Path(folder) / "bundle")
        seconds = time.monotonic() - began
        made = list((Path(folder) / "bundle" / "figures").glob("*.pdf"))
        largest = max(path.stat().st_size for path in (Path(folder) / "bundle" / "figures").iterdir())
    before, looked, after = page(store.home, sheets)
    text = "\n".join([
        f"# {len(made)} figures to files", "",
        f"{time.strftime('%Y-%m-%d')}, {psutil.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}.", "",
        "| | |", "|---|---|", f"| one bundle: {len(made)} figures as PDF, SVG and PNG, with their data | {seconds:.1f} s |",
        f"| largest file of a figure | {largest / 1e6:.2f} MB |", f"| server's process, tray open | {before:.0f} MB |",
        f"| after making the bundle | {after - before:+.0f} MB |",
        f"| after looking at each of the {len(sheets)} figures, too | {looked - before:+.0f} MB |", "",
        *(f"- {word}" for word in words), "",
    ])  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
