"""Where things are on the linked maps, and how a person draws on them."""

from __future__ import annotations

import numpy as np

MARKS = ".maps[data-points]"
# Where the i-th mark of a pane is on the screen, and its row id.
PLACE = """(root, [pane, i]) => { const maps = root.dmlviz, own = maps.points.panes[pane], at = i < 0 ? own.n + i : i;
    const area = maps.panes[pane].frame.getBoundingClientRect(), p = maps.toPixels(own.x[at], own.y[at], maps.boxes[pane].side);
    return {x: area.left + 1 + p[0], y: area.top + 1 + p[1], row: maps.points.rows[own.slot[at]]}; }"""


def place(page, pane: int, i: int) -> dict:
    return page.locator(MARKS).first.evaluate(PLACE, [pane, i])


def outline(page, pane: int, corners: list[tuple[float, float]], *, maps: int = 0, steps: int = 1) -> None:
    """Draw through `corners`, shares of the pane's square."""
    frame = page.locator(MARKS).nth(maps).locator(".frame").nth(pane).bounding_box()
    points = [(frame["x"] + frame["width"] * x, frame["y"] + frame["height"] * y) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=steps)
    page.mouse.up()


def lasso(page, pane: int, center: tuple[float, float], radius: float, *, maps: int = 0, steps: int = 24) -> None:
    """A circle around `center`, shares of the pane's square."""
    angles = np.linspace(0, 2 * np.pi, steps)
    outline(page, pane, [(center[0] + radius * np.cos(a), center[1] + radius * np.sin(a)) for a in angles], maps=maps)


def counts(page) -> list[int]:
    """Marks of each pane."""
    return page.locator(MARKS).first.evaluate("root => root.dmlviz.points.panes.map(pane => pane.n)")


def chosen(page) -> int:
    """Texts that the maps show as selected."""
    said = page.locator(f"{MARKS} .status").first.inner_text()
    return int(said.split(" of ")[0].replace(",", "")) if "selected" in said else 0
