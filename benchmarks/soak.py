"""How the web process's memory grows while several people use it: python benchmarks/soak.py [--interactions 200] [--browsers 4] [--runs 60]

Makes a home of many runs (three real ones, copied under other draws and seeds), serves it, and lets browsers walk through it at random, each in a
session of its own: from page to page, through select boxes, tabs and run picks. Prints the curve; private bytes are what the process alone holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder, whose files might stand before a library of the same name

from dmlviz.core.types import RunConfig  # noqa: E402
from dmlviz.store.runs import Store  # noqa: E402

LOSSES = ("cross_entropy", "triple_entropy", "supcon")
PAGES = ("Overview", "Runs", "Manifold", "Proxies", "Graph", "Attributions", "Reliability", "Figures")
CHROMIUM = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # fmt: skip
IDLE = """() => { const app = document.querySelector('[data-testid="stApp"]');
  return app && app.getAttribute('data-test-script-state') !== 'running' && !document.querySelector('[data-testid="stSkeleton"]'); }"""
SETTLE_SECONDS = 150.0  # after the last browser has closed: Streamlit keeps a session for two minutes, in case its browser comes back


class Point(NamedTuple):
    """One reading of the process."""

    interactions: int
    sessions: int
    rss: float  # MB
    private: float  # MB

    def row(self) -> str:
        return f"| {self.interactions} | {self.sessions} | {self.rss:.0f} | {self.private:.0f} |"


Cache = tuple[str, int, int]  # name, how many entries, bytes


# ---- the home


def make_home(home: Path, count: int) -> Store:
    """`count` finished runs on TREC, as three losses under other draws and seeds; their arrays are those of three real runs."""
    from dmlviz.data import draw_split, load_dataset
    from dmlviz.jobs import worker

    worker.step_back = lambda *_: None  # no other run waits
    store = Store(home)
    texts = load_dataset("trec", home=home)
    split = draw_split(texts, shots=4, validation=24)
    ids = []
    for loss in LOSSES:
        config = RunConfig(dataset="trec", loss=loss, shots=4, validation=24, epochs=1)
        ids.append(store.create(config, texts, split))
        worker.work(store, ids[-1])
        assert store.run(ids[-1]).state == "finished", store.run(ids[-1]).message
    for i in range(count - len(ids)):
        copy_run(store, ids[i % len(ids)], 1 + i // len(ids))
    return store


def copy_run(store: Store, run_id: str, number: int) -> str:
    """The same run under another draw and seed."""
    name = f"{run_id.rsplit('-', 3)[0]}-d{number}-s{number}-{number:06x}"
    folder = shutil.copytree(store.folder(run_id), store.runs_folder / name)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "support_seed": number, "seed": number}), encoding="utf-8")
    metrics = dict(store.run(run_id).metrics)
    chance = random.Random(number)
    store.update(name, metrics={**metrics, "accuracy": min(1.0, max(0.0, metrics["accuracy"] + chance.gauss(0, 0.03)))}, created=time.time())
    store.seal(name)
    return name


# ---- the walk


class Walker:
    """One browser session that does something each time it is asked."""

    def __init__(self, page, base: str, seed: int) -> None:
        self.page, self.base, self.chance = page, base, random.Random(seed)
        page.goto(base, wait_until="domcontentloaded")
        self.idle(120)

    def idle(self, seconds: float = 60) -> None:
        """Until the script has rested for half a second."""
        deadline, since = time.time() + seconds, None
        while time.time() < deadline and not (since and time.time() - since > 0.5):
            self.page.wait_for_timeout(100)
            since = (since or time.time()) if self.page.evaluate(IDLE) else None

    def step(self) -> str:
        """Go to another page, or use a control of this one; says what was done."""
        act = self.chance.choice((self.another_page, self.option, self.option, self.tab, self.runs))
        said = act() or self.another_page()
        self.idle()
        return said

    def another_page(self) -> str:
        name = self.chance.choice(PAGES)
        self.visit(name)
        return name

    def visit(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).first.click()

    def option(self) -> str:
        """Another option of a select box of the page."""
        boxes = self.page.locator('[data-testid="stMain"] [data-testid="stSelectbox"]:visible')
        if not (count := boxes.count()):
            return ""
        boxes.nth(self.chance.randrange(count)).locator("input").first.click(timeout=4_000)
        options = self.page.locator('[data-testid="stSelectboxVirtualDropdown"] li, [role="listbox"] [role="option"]')
        self.page.wait_for_timeout(200)
        if not (count := options.count()):
            self.page.keyboard.press("Escape")
            return ""
        options.nth(self.chance.randrange(min(count, 6))).click(timeout=4_000)
        return "an option"

    def tab(self) -> str:
        tabs = self.page.locator('[data-testid="stMain"] [role="tab"]:visible')
        if not (count := tabs.count()):
            return ""
        tabs.nth(self.chance.randrange(count)).click(timeout=4_000)
        return "a tab"

    def runs(self) -> str:
        """One more or one less run in the comparison."""
        picks = self.page.locator('[data-testid="stSidebar"] [data-testid="stMultiSelect"]')
        if not picks.count():
            return ""
        taken = picks.first.locator('[data-baseweb="tag"] [role="presentation"]')
        if taken.count() >= 3:
            taken.first.click(timeout=4_000)
            return "one run less"
        picks.first.locator("input").click(timeout=4_000)
        self.page.wait_for_timeout(200)
        options = self.page.locator('[role="listbox"] [role="option"]')
        if not (count := options.count()):
            self.page.keyboard.press("Escape")
            return ""
        options.nth(self.chance.randrange(min(count, 12))).click(timeout=4_000)
        self.page.keyboard.press("Escape")
        return "one run more"


# ---- the server


def serve(home: Path, log: Path) -> tuple[subprocess.Popen, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port", str(port)],
            cwd=ROOT, env={**os.environ, "DMLVIZ_HOME": str(home)}, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    for _ in range(240):
        try:
            if urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).status == 200:
                return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"the app did not start; see {log}")


def reading(process: subprocess.Popen, interactions: int, sessions: int) -> Point:
    found = psutil.Process(process.pid).memory_full_info()
    return Point(interactions, sessions, found.rss / 1e6, found.uss / 1e6)


def soak(base: str, process: subprocess.Popen, *, browsers: int, interactions: int, every: int) -> tuple[list[Point], int, list[Cache]]:
    """(the curve, steps that came to nothing: a control that left while it was clicked, the caches at the end)."""
    from playwright.sync_api import Error, sync_playwright

    points, missed = [reading(process, 0, 0)], 0
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=shutil.which("chromium") or "/usr/bin/chromium", args=CHROMIUM)
        walkers = [Walker(browser.new_context(viewport={"width": 1440, "height": 1000}).new_page(), base, seed) for seed in range(browsers)]
        for name in PAGES:  # libraries are loaded by the page that needs them
            walkers[0].visit(name)
            walkers[0].idle()
        points.append(reading(process, 0, browsers))
        print(points[-1].row(), flush=True)
        for i in range(1, interactions + 1):
            try:
                walkers[i % browsers].step()
            except Error:
                missed += 1
            if i % every == 0:
                points.append(reading(process, i, browsers))
                print(points[-1].row(), flush=True)
        caches = cache_sizes(base)
        browser.close()
    time.sleep(SETTLE_SECONDS)
    urllib.request.urlopen(f"{base}/_stcore/health", timeout=5).read()
    points.append(reading(process, interactions, 0))
    return points, missed, caches


def cache_sizes(base: str) -> list[Cache]:
    """The sizes of Streamlit's own caches, the largest first, as the server counts them."""
    sizes: dict[str, list[int]] = {}
    for line in urllib.request.urlopen(f"{base}/_stcore/metrics", timeout=60).read().decode().splitlines():
        if found := re.match(r'cache_memory_bytes\{cache_type="(\w+)",cache="([^"]*)"\} (\d+)', line):
            sizes.setdefault(f"{found[2]} ({found[1]})", []).append(int(found[3]))
    return sorted(((name, len(own), sum(own)) for name, own in sizes.items()), key=lambda one: -one[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, default=200)
    parser.add_argument("--browsers", type=int, default=4)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--every", type=int, default=20, help="interactions between two readings")
    parser.add_argument("--home", type=Path, help="a home to use instead of making one")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(given.home) if given.home else make_home(Path(folder) / "home", given.runs)
        process, base = serve(store.home, Path(folder) / "server.log")
        print("| interactions | sessions | RSS, MB | private, MB |\n|---|---|---|---|", flush=True)
        try:
            points, missed, caches = soak(base, process, browsers=given.browsers, interactions=given.interactions, every=given.every)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
    opened = points[1]  # every session is open, and every page was drawn once
    grown = points[-2].private - opened.private
    lines = [
        "# Memory of the web process\n",
        f"`python benchmarks/soak.py --interactions {given.interactions} --browsers {given.browsers} --runs {given.runs}`: "
        f"{len(store.run_ids())} runs on TREC (500 test texts, three losses), {given.browsers} browsers "
        f"that walk at random through pages, select boxes, tabs and picks of runs; "
        f"{missed} of {given.interactions} steps found nothing to click. Private bytes are those that the process alone holds.\n",
        f"From {opened.private:.0f} MB with all sessions open and every page drawn once to {points[-2].private:.0f} MB: {grown:+.0f} MB; "
        f"{points[-1].private:.0f} MB after all have closed.\n",
        "| interactions | sessions | RSS, MB | private, MB |", "|---|---|---|---|", *(point.row() for point in points),
        "\n| cache | entries | MB |\n|---|---|---|", *(f"| {name} | {count} | {size / 1e6:.1f} |" for name, count, size in caches[:12]),
    ]  # fmt: skip
    words = "\n".join(lines) + "\n"
    print(words)
    if given.out:
        given.out.write_text(words, encoding="utf-8")


if __name__ == "__main__":
    main()
