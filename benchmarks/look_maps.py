"""How long the linked maps take: from the start of the page's script to the first painted frame, from the end of a lasso to the painted
highlight and to the script's answer, and per frame while panning. A real Streamlit server and a real Chromium; random data with the shapes of runs.

    python benchmarks/look_maps.py [--repeats 5] [--only 10000x4,100000x1] [--chromium PATH]

Targets (design.md §12, 2 cores, no GPU, warm): first frame of 10k texts 1 s with one pane and 3 s with four; lasso to highlight and answer 0.5 s.
Chromium draws with software here, so a machine with a GPU pans faster. The median of the repeats is printed, with the load of other processes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CASES = ((10_000, 1), (10_000, 4), (20_000, 4), (100_000, 1))
TARGETS = {(10_000, 1): "1.0", (10_000, 4): "3.0"}
ARGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
# Looks for the maps at every frame; once they are drawn, waits for the GPU and notes the time.
FIRST_FRAME = """(() => { const found = () => { for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated]')) {
    const root = host.shadowRoot?.querySelector('.maps[data-points]'); if (root) return root.dmlviz; } };
  const look = () => { const maps = found(); if (!maps) return requestAnimationFrame(look);
    maps.marks.finish(); window.maps = maps; requestAnimationFrame(() => { window.firstFrame = Date.now(); }); };
  requestAnimationFrame(look); })();"""
# The window hears of the pointer after the maps did: the highlight is drawn by then but for the GPU.
LASSO_ENDS = """() => new Promise(done => { const before = document.querySelector('[data-testid=stText]').textContent;
    setTimeout(done, 600); window.addEventListener('pointerup', () => { const ended = performance.now(); window.maps.marks.finish();
      requestAnimationFrame(() => { const painted = performance.now() - ended; const wait = () => {
        if (document.querySelector('[data-testid=stText]').textContent === before) return requestAnimationFrame(wait);
        window.lasso = {painted, answered: performance.now() - ended}; }; wait(); }); }, {once: true}); })"""
PAN = """() => { const times = [], maps = window.maps; maps.setView({left: 0.2, bottom: 0.2, span: 0.6});
    for (let i = 0; i < 20; i++) { const began = performance.now(); maps.setView({left: 0.2 + i / 200, bottom: 0.2, span: 0.6}); maps.draw();
      maps.marks.finish(); times.push(performance.now() - began); } maps.reset(); return times.sort((a, b) => a - b)[10]; }"""


def page() -> None:
    """What Streamlit runs: the frame, its marks and the maps from panes that are loaded already."""
    began = time.time()
    import streamlit as st

    from dmlviz.figures.base.theme import LIGHT
    from dmlviz.figures.maps import frame as map_frame
    from dmlviz.figures.maps import marks
    from dmlviz.ui.maps import map_event, maps

    st.set_page_config(layout="wide")
    n, count = (int(st.query_params[name]) for name in ("n", "panes"))
    panes, names, texts = st.cache_resource(made)(n, count)
    state = st.session_state
    if "marks" not in state:  # a page keeps them as long as the settings stay
        frame = map_frame.frame(panes, names, texts)
        state["marks"], state["began"], state["rows"] = marks.marks(frame, map_frame.window(frame)), began, None
        state["excerpts"] = dict(zip(frame["row_id"].tolist(), frame["text"].tolist(), strict=True)) if n <= 20_000 else None
    event = map_event("map")
    if event is not None:
        state["rows"] = marks.selected_after(state["marks"], event, state["rows"])
    maps(state["marks"], key="map", selected=state["rows"], theme=LIGHT, hover=state["excerpts"])
    st.text(f"{state['began']:.3f} {'none' if state['rows'] is None else len(state['rows'])}")


def made(n: int, count: int) -> tuple[list[Any], list[str], list[str]]:
    from tests.figure_cases import make_pane, names

    panes = [make_pane(loss, 8, n - 26, seed=i) for i, loss in enumerate(("soft_triple", "triple_entropy", "g_loss", "supcon")[:count])]
    return panes, names(8), [f"text {i} " + "and some more words that make it as long as news are " * 4 for i in range(n)]


@contextlib.contextmanager
def server() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).resolve()), "--server.headless", "true", "--server.port", str(port)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).status == 200:
                    break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def once(browser: Any, url: str, n: int, count: int) -> dict[str, float]:
    """Seconds of one visit in a browser context of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    shown = context.new_page()
    shown.add_init_script(FIRST_FRAME)
    shown.goto(f"{url}/?n={n}&panes={count}", wait_until="domcontentloaded")
    shown.wait_for_function("() => window.firstFrame", timeout=120_000)
    shown.locator("[data-testid=stText]").wait_for()
    began = float(shown.locator("[data-testid=stText]").inner_text().split()[0])
    first = shown.evaluate("window.firstFrame") / 1000 - began
    pan = shown.evaluate(PAN) / 1000
    box = shown.locator(".frame").first.bounding_box()
    shown.evaluate(LASSO_ENDS)
    corners = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)]
    for i, (x, y) in enumerate(corners):
        shown.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 if i == 0 else 12)
        if i == 0:
            shown.mouse.down()
    shown.mouse.up()
    shown.wait_for_function("() => window.lasso", timeout=60_000)
    lasso = shown.evaluate("window.lasso")
    context.close()
    return {"first frame": first, "highlight": lasso["painted"] / 1000, "answer": lasso["answered"] / 1000, "pan frame": pan}


def main() -> int:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="cases such as 10000x4,100000x1")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "/usr/bin/chromium")
    options = parser.parse_args()
    wanted = {tuple(map(int, case.split("x"))) for case in options.only.split(",") if case}
    columns = ("first frame", "highlight", "answer", "pan frame")
    print(f"{'texts x panes':>14} " + " ".join(f"{name + ' s':>14}" for name in columns) + f" {'target first s':>15}")
    with server() as url, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=options.chromium, args=ARGS)
        for case in CASES:
            if wanted and case not in wanted:
                continue
            once(browser, url, *case)  # warm
            found = [once(browser, url, *case) for _ in range(options.repeats)]
            medians = " ".join(f"{statistics.median(one[name] for one in found):14.3f}" for name in columns)
            print(f"{case[0]:>10,} x {case[1]} {medians} {TARGETS.get(case, ''):>15}", flush=True)
        browser.close()
    print(f"lasso target 0.5 s; median of {options.repeats}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    from streamlit import runtime

    if runtime.exists():
        page()
    else:
        raise SystemExit(main())
