"""The linked maps in a real Chromium: drawn, linked, selected, kept over reruns; what comes back to the script is a polygon."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import waiting
from PIL import Image
from playwright import sync_api

from dmlviz.core.types import Pane
from dmlviz.figures.maps.marks import MapEvent
from dmlviz.ui.maps.component import fresh_events
from tests.browser.seen import MARKS, lasso, place
from tests.figure_cases import make_pane

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.slow
LOSSES = ("soft_triple", "triple_entropy", "g_loss")
NASTY = "<img src=x onerror=window.hacked=1>"
PLACE_OF_ROW = """(root, [pane, row]) => { const maps = root.dmlviz, own = maps.points.panes[pane], i = own.index[maps.points.rows.indexOf(row)];
    const p = maps.toPixels(own.x[i], own.y[i], maps.boxes[pane].side), area = maps.panes[pane].frame.getBoundingClientRect();
    return {x: area.left + 1 + p[0], y: area.top + 1 + p[1]}; }"""
# Share of a canvas's pixels inside a pane that anything was drawn on.
INK = """(root, [name, pane]) => { const maps = root.dmlviz, canvas = maps[name], box = maps.boxes[pane], copy = document.createElement("canvas");
    maps.draw(); copy.width = copy.height = box.side; const pen = copy.getContext("2d"), r = maps.ratio;
    pen.drawImage(canvas, box.x * r, box.y * r, box.side * r, box.side * r, 0, 0, box.side, box.side);
    const data = pen.getImageData(0, 0, box.side, box.side).data; let n = 0;
    for (let i = 3; i < data.length; i += 4) n += data[i] > 20; return n / (data.length / 4); }"""

# The marks' canvas of a pane as 40 x 40 mean opacities, row by row.
COARSE = """(root, pane) => { const maps = root.dmlviz, box = maps.boxes[pane], r = maps.ratio, copy = document.createElement("canvas"); maps.draw();
    copy.width = copy.height = 400; const pen = copy.getContext("2d"), cells = Array(1600).fill(0);
    pen.drawImage(maps.ground, box.x * r, box.y * r, box.side * r, box.side * r, 0, 0, 400, 400);
    const data = pen.getImageData(0, 0, 400, 400).data;
    for (let at = 0; at < 160000; at++) cells[40 * Math.floor(at / 4000) + Math.floor(at % 400 / 10)] += data[4 * at + 3];
    return cells; }"""


class Served:
    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server with nothing but maps; ended by its pid."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("maps") / "server.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(HERE / "map_page.py"), "--server.headless", "true", "--server.port", str(port)],
            cwd=HERE.parents[1], stdout=out, stderr=out, start_new_session=True,
            env={**os.environ, "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{os.environ['PYTHONPATH']}"},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).status == 200
        return False

    waiting.until(answers, 120, "the server")
    yield Served(url, server.pid)
    os.kill(server.pid, signal.SIGCONT)
    os.kill(server.pid, signal.SIGTERM)
    server.wait(20)


@pytest.fixture
def open_maps(served, new_page):
    def make(ask: str = "", *, before: str = "", width: int = 1440):
        page = new_page()
        page.set_viewport_size({"width": width, "height": 1000})
        if before:
            page.add_init_script(before)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.errors = errors
        page.goto(f"{served.url}/?{ask}", wait_until="domcontentloaded")
        page.locator(MARKS).first.wait_for()
        rested(page)
        return page

    return make


def rested(page) -> None:
    page.wait_for_function("() => !document.querySelector('[data-testid=stApp]')?.matches('[data-test-script-state=running]')")


def said(page, key: str = "map") -> dict:
    """What the script knows: its last event and the selected rows."""
    found = [json.loads(text) for text in page.evaluate("() => [...document.querySelectorAll('[data-testid=stCode] code')].map(e => e.textContent)")]
    return next(one for one in found if one["key"] == key)


def slow_rows(pane: Pane, polygon: list[list[float]], scale: float = 1.0) -> list[int]:
    """Row ids by the even-odd rule from its definition: an odd number of edges cross a ray to the right."""
    rows = []
    for row, (x, y) in enumerate((pane.projection.points * scale).tolist()):
        odd = False
        for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
            if min(y0, y1) <= y < max(y0, y1):
                odd ^= x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        if odd:
            rows.append(row)
    return rows


def selected(page, pattern: str, key: str = "map") -> dict:
    try:
        page.get_by_text(re.compile(f"^{key}: {pattern}$")).wait_for()
    except sync_api.TimeoutError as error:
        raise AssertionError(f"the script knows {said(page, key)}, not {pattern}") from error
    rested(page)
    return said(page, key)


def panes_of(n: int, count: int = 3, classes: int = 8) -> list[Pane]:
    return [make_pane(LOSSES[i], classes, n - 2 * classes - 10, seed=i) for i in range(count)]


def window_of(panes: list[Pane]) -> tuple[float, float, float, float]:
    """x0, x1, y0, y1 of the square with a twelfth of room around all points."""
    points = np.concatenate([pane.projection.points for pane in panes]).astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    half, (x, y) = (high - low).max() / 2 * 1.08, (low + high) / 2
    return x - half, x + half, y - half, y + half


def test_maps_are_drawn_named_and_told_in_words(open_maps):
    page = open_maps("n=2000&panes=3")
    maps = page.locator(MARKS)
    assert maps.get_attribute("data-pen") == "webgl2"
    assert page.locator(".pane .title").all_inner_texts() == ["SoftTriple", "TripleEntropy", "G-Loss"]
    assert page.locator(".pane .said").all_inner_texts() == ["92.4% · single run"] * 3
    assert page.locator(".pane .badge").first.inner_text() == "Neighbours kept fairly well (0.93); gaps are not to be read."
    assert maps.locator("[role=img]").count() == 3
    assert maps.locator("[role=img]").nth(1).get_attribute("aria-label").startswith("Map of TripleEntropy: 1,974 test texts and 10 validation")
    assert [button.get_attribute("aria-label").split(":")[0] for button in maps.locator(".tools button").all()] == [
        "Lasso", "Box", "Move", "Reset the view (double click)", "Save as PNG",
    ]  # fmt: skip
    pictured = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    for i in range(3):
        assert maps.evaluate(INK, ["ground", i]) > 0.03
        assert maps.evaluate(INK, ["over", i]) > 0.005  # the names
        box = maps.locator(".frame").nth(i).bounding_box()
        inner = pictured[int(box["y"]) + 3 : int(box["y"] + box["height"]) - 3, int(box["x"]) + 3 : int(box["x"] + box["width"]) - 3]
        assert (inner.min(axis=2) < 200).mean() > 0.01  # and it is on the screen
        assert box["width"] == pytest.approx(box["height"], abs=1)
        # the marks lie where the points say
        points, (x0, x1, y0, y1) = panes_of(2000)[i].projection.points, window_of(panes_of(2000))
        cells = np.histogram2d(y1 - points[:, 1], points[:, 0] - x0, bins=40, range=[(0, y1 - y0), (0, x1 - x0)])[0]
        drawn = np.array(maps.evaluate(COARSE, i)).reshape(40, 40)
        assert np.corrcoef(np.sqrt(cells).ravel(), np.sqrt(drawn).ravel())[0, 1] > 0.85
    assert page.errors == []


def test_a_lasso_sends_its_polygon_and_the_script_finds_the_rows(open_maps):
    page = open_maps("n=2000&panes=3")
    lasso(page, 1, (0.5, 0.3), 0.22)
    assert int(page.locator(MARKS).get_attribute("data-selected")) > 50  # at once, whatever the server does
    found = selected(page, "[1-9][0-9]*")
    pane, event = panes_of(2000)[1], found["event"]
    assert (event["kind"], event["pane"], event["add"], event["row_id"]) == ("lasso", pane.run.id, False, None)
    assert 10 < len(event["polygon"]) <= 24
    assert found["rows"] == slow_rows(pane, event["polygon"])
    assert page.locator(".maps .status").inner_text() == f"{len(found['rows'])} of 2,000 texts selected"
    assert page.locator(MARKS).get_attribute("data-selected") == str(len(found["rows"]))
    # the polygon lies where it was drawn
    x0, x1, y0, y1 = window_of(panes_of(2000))
    radius = np.linalg.norm(np.array(event["polygon"]) - [x0 + 0.5 * (x1 - x0), y0 + 0.7 * (y1 - y0)], axis=1)
    np.testing.assert_allclose(radius, 0.22 * (x1 - x0), rtol=0.02)


def test_shift_adds_a_click_picks_and_escape_clears(open_maps):
    page = open_maps("n=600&panes=2")
    lasso(page, 0, (0.5, 0.3), 0.15)
    first = selected(page, "[1-9][0-9]*")["rows"]
    page.keyboard.down("Shift")
    lasso(page, 1, (0.45, 0.8), 0.1)
    page.keyboard.up("Shift")
    page.wait_for_function(f"() => Number(document.body.innerText.match(/map: (\\d+)/)?.[1]) > {len(first)}")
    rested(page)
    both = said(page)
    assert both["event"]["add"]
    assert both["rows"] == sorted({*first, *slow_rows(panes_of(600, 2)[1], both["event"]["polygon"])})
    mark = place(page, 0, -1)
    page.mouse.click(mark["x"], mark["y"])
    one = selected(page, "1")
    assert (one["event"]["kind"], one["event"]["row_id"], one["rows"]) == ("click", mark["row"], [mark["row"]])
    page.keyboard.press("Escape")
    assert page.locator(MARKS).get_attribute("data-selected") == ""
    assert selected(page, "none")["event"]["kind"] == "clear"


def test_a_box_and_a_click_beside_every_mark(open_maps):
    page = open_maps("n=600&panes=2")
    page.get_by_role("button", name=re.compile("^Box")).click()
    frame = page.locator(".frame").first.bounding_box()
    page.mouse.click(frame["x"] + 3, frame["y"] + frame["height"] - 3)  # no mark is within 8 px of the corner
    page.mouse.move(frame["x"] + 0.2 * frame["width"], frame["y"] + 0.1 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.7 * frame["width"], frame["y"] + 0.5 * frame["height"], steps=5)
    page.mouse.up()
    found = selected(page, "[1-9][0-9]*")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = found["event"]["polygon"]
    assert (found["event"]["kind"], x0, x1, y0, y2) == ("box", x3, x2, y1, y3)
    points = panes_of(600)[0].projection.points
    within = (points[:, 0] >= min(x0, x1)) & (points[:, 0] < max(x0, x1)) & (points[:, 1] >= min(y0, y2)) & (points[:, 1] < max(y0, y2))
    assert found["rows"] == np.flatnonzero(within).tolist()


def test_the_highlight_does_not_wait_for_the_server_and_nothing_quick_is_lost(open_maps, served):
    page = open_maps("n=600&panes=2")
    os.kill(served.pid, signal.SIGSTOP)
    try:
        lasso(page, 0, (0.5, 0.3), 0.15)
        first = int(page.locator(MARKS).get_attribute("data-selected"))
        page.keyboard.down("Shift")
        lasso(page, 1, (0.45, 0.8), 0.1)
        page.keyboard.up("Shift")
        both = int(page.locator(MARKS).get_attribute("data-selected"))
        assert 0 < first < both
    finally:
        os.kill(served.pid, signal.SIGCONT)
    assert len(selected(page, str(both))["rows"]) == both
    assert page.locator(MARKS).get_attribute("data-selected") == str(both)


DEAF = """() => { const send = WebSocket.prototype.send; window.lost = 0;
    WebSocket.prototype.send = function (data) { if (window.deaf) window.lost += 1; else send.call(this, data); }; }"""


def test_what_a_breaking_connection_swallowed_is_said_again(open_maps):
    page = open_maps("n=600&panes=2", before=f"({DEAF})()")
    page.evaluate("window.deaf = true")
    lasso(page, 0, (0.5, 0.3), 0.15)
    count = page.locator(MARKS).get_attribute("data-selected")
    page.wait_for_function("window.lost > 0")
    page.evaluate("window.deaf = false")
    assert len(selected(page, count)["rows"]) == int(count)


def test_hover_rings_the_text_in_every_pane_and_shows_it_as_text(open_maps):
    page = open_maps("n=2000&panes=3")
    maps = page.locator(MARKS)
    mark = place(page, 0, -1)
    around = [maps.evaluate(PLACE_OF_ROW, [pane, mark["row"]]) for pane in range(3)]
    before = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    page.mouse.move(mark["x"] + 30, mark["y"])
    page.mouse.move(mark["x"], mark["y"], steps=3)
    page.locator(".tip:visible").wait_for()
    assert maps.get_attribute("data-hovered") == str(mark["row"])
    after = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    for at in around:
        x, y = round(at["x"]), round(at["y"])
        changed = np.abs(after - before)[y - 9 : y + 10, x - 9 : x + 10] > 60
        assert changed.sum() > 15, "no ring"
    pane = panes_of(2000)[0]
    label = pane.labels[mark["row"]]
    assert page.locator(".tip .class").inner_text().strip() == (NASTY if label == 0 else f"class {label:02d}")
    assert f"confidence {pane.confidence[mark['row']]:.2f} · support" in page.locator(".tip .read").inner_text()
    text = page.locator(".tip .text").inner_text()
    assert text.startswith(f"{NASTY} text {mark['row']} of some length")
    assert len(text) <= 160
    assert page.evaluate("window.hacked ?? null") is None
    assert page.locator("img[src=x]").count() == 0
    page.mouse.move(5, 5)
    page.locator(".tip").wait_for(state="hidden")


def test_zoom_and_points_are_kept_over_a_run_of_the_script_and_shared_by_the_panes(open_maps):
    page = open_maps("n=600&panes=2")
    maps = page.locator(MARKS)
    frame = page.locator(".frame").nth(1).bounding_box()
    page.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 0.25 * frame["height"])
    page.mouse.wheel(0, -400)
    view = maps.evaluate("root => root.dmlviz.view")
    assert view["span"] == pytest.approx(np.exp(-240 * 0.0016))  # one wheel step counts for at most 240 px
    assert view["left"] == pytest.approx(0.25 * (1 - view["span"]), abs=0.003)  # the point under the pointer stays
    assert view["bottom"] == pytest.approx(0.75 * (1 - view["span"]), abs=0.003)
    maps.evaluate("root => { window.before = root; window.points = root.dmlviz.points; window.buffers = [...root.dmlviz.marks.buffers.values()]; }")
    page.get_by_role("button", name="Run again").click()
    page.wait_for_timeout(300)
    rested(page)
    lasso(page, 0, (0.5, 0.5), 0.2)
    found = selected(page, "[1-9][0-9]*")
    assert maps.evaluate("root => root.dmlviz.view") == view
    assert maps.evaluate("root => root === window.before && root.dmlviz.points === window.points")
    kept = "root => { const now = [...root.dmlviz.marks.buffers.values()]; return now.length > 0 && window.buffers.every(one => now.includes(one)); }"
    assert maps.evaluate(kept)
    assert found["rows"] == slow_rows(panes_of(600)[0], found["event"]["polygon"])  # a lasso in a zoomed pane
    page.get_by_text("Correctness", exact=True).click()  # other colours, other bytes, the same places
    page.wait_for_function("root => root.dmlviz.points !== window.points", arg=maps.element_handle())
    rested(page)
    assert maps.evaluate("root => root.dmlviz.view") == view
    assert maps.get_attribute("data-selected") == str(len(found["rows"]))
    page.mouse.move(frame["x"] + 100, frame["y"] + 100)  # Escape is for the maps while the pointer or the focus is there
    page.keyboard.press("Escape")
    selected(page, "none")
    page.get_by_role("button", name=re.compile("^Move")).click()
    page.mouse.move(frame["x"] + 200, frame["y"] + 200)
    page.mouse.down()
    page.mouse.move(frame["x"] + 150, frame["y"] + 240, steps=4)
    page.mouse.up()
    moved = maps.evaluate("root => root.dmlviz.view")
    assert moved["left"] == pytest.approx(view["left"] + 50 / (frame["width"] - 2) * view["span"], abs=1e-6)
    assert moved["bottom"] == pytest.approx(view["bottom"] + 40 / (frame["width"] - 2) * view["span"], abs=1e-6)
    mark = page.locator(".frame").first.bounding_box()
    page.mouse.dblclick(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    assert maps.evaluate("root => root.dmlviz.view.span") == 1
    page.wait_for_timeout(400)
    assert maps.get_attribute("data-selected") == ""  # a double click selects nothing


NO_WEBGL2 = """const real = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) { return kind === "webgl2" ? null : real.call(this, kind, ...rest); };"""


def test_a_far_island_is_pointed_at_and_reached_by_zooming_out(open_maps):
    page = open_maps("n=2000&panes=2&island=1")
    maps = page.locator(MARKS)
    assert maps.locator(".badge").first.inner_text().endswith("9 texts lie outside of the frame; zoom out to see them.")
    where = """root => { const m = root.dmlviz, own = m.points.panes[0], i = own.index[0]; return m.toPixels(own.x[i], own.y[i], 1); }"""
    arrow = """root => { const m = root.dmlviz, box = m.boxes[0], pen = m.over.getContext("2d"), r = m.ratio;
        const drawn = pen.getImageData((box.x + box.side - 30) * r, box.y * r, 30 * r, 30 * r).data; let n = 0;
        for (let i = 3; i < drawn.length; i += 4) n += drawn[i] > 20; return n; }"""
    x, y = maps.evaluate(where)
    assert x > 1
    assert y < 0
    assert maps.evaluate(arrow) > 60  # at the upper right
    box = maps.locator(".frame").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(30):
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(20)
    x, y = maps.evaluate(where)
    assert 0 < x < 1
    assert 0 < y < 1
    lasso(page, 0, (x, y), 0.03)
    assert maps.get_attribute("data-selected") == "9"
    maps.locator("[data-tool=reset]").click()
    assert maps.evaluate("root => root.dmlviz.view.span") == 1
    assert page.errors == []


def test_without_webgl2_a_plain_canvas_draws_the_same_and_says_so(open_maps):
    page = open_maps("n=600&panes=2", before=NO_WEBGL2)
    maps = page.locator(MARKS)
    assert maps.get_attribute("data-pen") == "2d"
    assert page.get_by_text("This browser offers no WebGL2, so the maps are drawn in a slower way; all tools work.").is_visible()
    assert maps.evaluate(INK, ["ground", 0]) > 0.02
    mark = place(page, 1, -1)
    pictured = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    assert pictured[round(mark["y"]) - 1 : round(mark["y"]) + 2, round(mark["x"]) - 1 : round(mark["x"]) + 2].min() < 225
    lasso(page, 0, (0.5, 0.3), 0.2)
    found = selected(page, "[1-9][0-9]*")
    assert found["rows"] == slow_rows(panes_of(600)[0], found["event"]["polygon"])
    assert page.errors == []


def test_both_pens_draw_the_same_picture(open_maps):
    pages = [open_maps("n=600&panes=1&by=correctness", before=before) for before in ("", NO_WEBGL2)]
    shots = []
    for page in pages:
        box = page.locator(".frame").bounding_box()
        clip = {"x": box["x"] + 2, "y": box["y"] + 2, "width": 600, "height": 600}
        shots.append(np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB").resize((60, 60))).astype(int))
    assert np.abs(shots[0] - shots[1]).mean() < 3
    assert np.corrcoef(shots[0].ravel(), shots[1].ravel())[0, 1] > 0.97


def test_a_lost_context_is_drawn_again(open_maps):
    page = open_maps("n=600&panes=2")
    maps = page.locator(MARKS)
    whole = maps.evaluate(INK, ["ground", 0])
    maps.evaluate("root => { window.lose = root.dmlviz.marks.gl.getExtension('WEBGL_lose_context'); window.lose.loseContext(); }")
    page.wait_for_function("() => window.lose")
    page.wait_for_timeout(200)
    assert maps.evaluate("root => root.dmlviz.lost") is True
    page.get_by_role("button", name="Run again").click()  # a run of the script meanwhile does no harm
    page.wait_for_timeout(300)
    maps.evaluate("root => window.lose.restoreContext()")
    page.wait_for_timeout(300)
    assert maps.evaluate("root => root.dmlviz.lost") is False
    assert maps.evaluate(INK, ["ground", 0]) == pytest.approx(whole, rel=0.02)
    assert page.errors == []


def test_rows_without_a_place_are_counted_under_the_map(open_maps):
    page = open_maps("n=700&panes=2&missing=1")
    assert page.locator(".badge").first.inner_text().startswith("600 of 700 texts have a place on this map. ")
    assert page.locator(MARKS).evaluate("root => root.dmlviz.points.panes.map(pane => pane.n)") == [600, 600]


def test_time_goes_by_keys_and_a_selection_belongs_to_its_moment(open_maps):
    page = open_maps("n=600&panes=2&time=4")
    maps, slider = page.locator(MARKS), page.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "epoch 3"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("root => root.dmlviz.moment === 2", arg=maps.element_handle())
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("root => root.dmlviz.moment === 1", arg=maps.element_handle())
    assert page.locator(".when").inner_text() == "epoch 1"
    lasso(page, 0, (0.5, 0.5), 0.15)
    found = selected(page, "[1-9][0-9]*")
    assert found["event"]["moment"] == 1
    assert found["rows"] == slow_rows(panes_of(600)[0], found["event"]["polygon"], scale=np.linspace(0.2, 1, 4)[1])
    assert maps.evaluate("root => root.dmlviz.moment") == 1  # kept over the run of the script
    listen_to_moments(page)
    page.get_by_role("button", name="Play the training").click()
    page.wait_for_function("root => root.dmlviz.moment === 3 && !root.dmlviz.playing", arg=maps.element_handle())
    seen = page.evaluate("window.seen")
    assert seen == sorted(seen)
    assert any(moment % 1 for moment in seen)  # between two moments the points are on their way


def listen_to_moments(page) -> None:
    """Every moment that the maps show from now on, in window.seen."""
    noted = "const set = maps.setMoment.bind(maps); window.seen = []; maps.setMoment = moment => { window.seen.push(moment); set(moment); };"
    page.locator(MARKS).evaluate(f"root => {{ const maps = root.dmlviz; {noted} }}")


def test_less_motion_where_a_person_asked_for_it(open_maps):
    page = open_maps("n=600&panes=1&time=4")
    page.emulate_media(reduced_motion="reduce")
    maps = page.locator(MARKS)
    listen_to_moments(page)
    page.get_by_role("button", name="Play the training").click()
    page.wait_for_function("root => root.dmlviz.moment === 3 && !root.dmlviz.playing", arg=maps.element_handle())
    assert set(page.evaluate("window.seen")) == {0, 1, 2, 3}


def test_panes_come_and_go_without_a_reload(open_maps):
    page = open_maps("n=600&panes=3")
    maps = page.locator(MARKS)
    lasso(page, 2, (0.5, 0.5), 0.2)
    rows = selected(page, "[1-9][0-9]*")["rows"]
    for panes in (1, 3):
        page.get_by_text("One pane", exact=True).click()
        there = "([root, n]) => root.dmlviz.points.panes.length === n && root.dmlviz.boxes.length === n"
        page.wait_for_function(there, arg=[maps.element_handle(), panes])
        rested(page)
        assert page.locator(".frame").count() == panes
        assert maps.evaluate(INK, ["ground", panes - 1]) > 0.005
        assert maps.get_attribute("data-selected") == str(len(rows))
    assert page.errors == []


def test_two_sets_of_maps_on_a_page_keep_apart(open_maps):
    page = open_maps("n=600&panes=1&two=1&height=320")
    page.locator(MARKS).nth(1).wait_for()
    lasso(page, 0, (0.5, 0.3), 0.2, maps=1)
    assert len(selected(page, "[1-9][0-9]*", "other")["rows"]) > 0
    assert said(page, "map")["rows"] is None
    assert page.locator(MARKS).nth(0).get_attribute("data-selected") in ("", None)


STACKS = {1: {1440: 1, 500: 1}, 3: {1440: 3, 800: 2, 500: 1}, 4: {1440: 4, 1200: 2}, 6: {1440: 3, 800: 2}}  # panes -> width -> columns


@pytest.mark.parametrize(("panes", "columns"), STACKS.items())
def test_panes_stack_by_the_real_width_and_nothing_is_cut(open_maps, panes, columns):
    page = open_maps(f"n=200&panes={panes}")
    for width, wanted in columns.items():
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_function("width => innerWidth === width", arg=width)
        page.wait_for_timeout(400)
        boxes = [frame.bounding_box() for frame in page.locator(".frame").all()]
        assert len({round(box["x"]) for box in boxes}) == wanted
        assert all(300 <= box["width"] <= 640 for box in boxes)
        assert all(box["width"] == pytest.approx(box["height"], abs=1) for box in boxes)
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        mark = place(page, panes - 1, -1)  # and what is drawn went along
        pictured = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")).astype(int)
        x, y = round(mark["x"]), round(mark["y"] + page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop"))
        if y < pictured.shape[0] - 3:
            assert pictured[y - 2 : y + 3, x - 2 : x + 3].min() < 225


def test_the_dark_page_draws_on_dark(chromium, served):
    page = chromium.new_context(viewport={"width": 1440, "height": 1000}, color_scheme="dark").new_page()
    page.goto(f"{served.url}/?n=600&panes=1", wait_until="domcontentloaded")
    page.locator(MARKS).wait_for()
    assert page.locator(MARKS).evaluate("root => [root.dmlviz.dark, root.style.getPropertyValue('--ink')]") == [True, "#E4EAF0"]
    page.emulate_media(color_scheme="light")  # the page follows, the maps with it
    page.wait_for_function("root => !root.dmlviz.dark", arg=page.locator(MARKS).element_handle())
    assert page.locator(MARKS).evaluate("root => root.style.getPropertyValue('--ink')") == "#1B2733"
    page.context.close()


def test_the_picture_is_saved_as_png(open_maps, tmp_path):
    page = open_maps("n=600&panes=2&height=400")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Save as PNG").click()
    coming.value.save_as(tmp_path / "maps.png")
    pictured = np.asarray(Image.open(tmp_path / "maps.png").convert("RGB"))
    assert pictured.shape[1] == pytest.approx(2 * (2 * 400 + 16 + 24), abs=4)
    assert ((pictured < 200).any(axis=2)).mean() > 0.02


def test_the_browsers_events_are_read_once_and_nothing_else_is():
    lasso = {"kind": "lasso", "pane": "a", "polygon": [[0, 0], [1, 0], [1, 2.5]], "add": False, "moment": 2, "sequence": 5}
    click = {"kind": "click", "pane": "a", "row": 7, "add": True, "sequence": 6}
    events = [MapEvent("lasso", "a", ((0.0, 0.0), (1.0, 0.0), (1.0, 2.5)), moment=2), MapEvent("click", "a", row_id=7, add=True)]
    assert fresh_events([lasso, click], 4) == (events, 6)
    assert fresh_events([lasso, click], 5) == (events[1:], 6)
    assert fresh_events([lasso, click, {"kind": "clear", "sequence": 9}], 6) == ([MapEvent("clear")], 9)
    broken = [
        {**lasso, "polygon": [[0, 0], [float("nan"), 1], [1, 1]]}, {**lasso, "polygon": [[0], [1]]}, {**lasso, "kind": "drop"},
        {**click, "row": None}, {**lasso, "sequence": None}, {"kind": "clear"}, "text", None, 3,
    ]  # fmt: skip
    assert fresh_events(broken, 0) == ([], 0)
    assert [fresh_events(listed, 3) for listed in (None, {}, "events", 7)] == [([], 3)] * 4
