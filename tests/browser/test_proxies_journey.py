"""What a person does with centres: look, pick one in the table, read its texts, pick another on the map, send the address to somebody."""

from __future__ import annotations

import json
import re

import pytest
from center_cases import write_run

from dmlviz.data import read_file

pytestmark = pytest.mark.slow

STARS = """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => {
    const trace = (plot._fullData || []).find(t => t.name === 'centres');
    if (!trace) return [];
    const box = plot.getBoundingClientRect(), {xaxis, yaxis} = plot._fullLayout;
    return [{names: [...trace.customdata].map(String), symbols: [].concat(trace.marker.symbol),
             at: [...trace.x].map((x, i) => [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(trace.y[i])])}]; })"""
DRAWN = """() => [...document.querySelectorAll('.js-plotly-plot')].map(
    plot => (plot.data || []).map(t => [t.name || t.type, t.x ? t.x.length : 0]))"""


def settled(page) -> None:
    page.wait_for_function("() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'")


def centre_box(page):
    return page.get_by_role("combobox", name=re.compile("Texts nearest to"))


def picked(page, name: str) -> None:
    """The page has taken this centre: the box names it and a star is ringed."""
    page.wait_for_function("name => [...document.querySelectorAll('input[role=combobox]')].some(one => one.value === name)", arg=name)
    page.wait_for_function("() => [...document.querySelectorAll('.js-plotly-plot')].some(p => (p.data || []).some(t => t.name === 'picked'))")
    settled(page)


def cells(page, at: int) -> list[str]:
    """Texts of a Streamlit table, as a screen reader meets them."""
    return page.get_by_test_id("stDataFrame").nth(at).locator("td").all_text_contents()


def table_with(page, word: str) -> int:
    """Which table on the page has a column of that name."""
    page.wait_for_function(
        "word => [...document.querySelectorAll('[data-testid=stDataFrame] th')].some(head => head.textContent === word)", arg=word
    )
    tables = page.get_by_test_id("stDataFrame")
    return next(i for i in range(tables.count()) if word in tables.nth(i).locator("th").all_text_contents())


def test_a_centre_is_picked_its_texts_are_read_and_the_address_opens_the_same_view(app, new_page, tiny_csv):
    dataset = read_file(tiny_csv)
    with_centers = write_run(app.store, dataset, "soft_triple", moments=3)
    without = write_run(app.store, dataset, "cross_entropy", space=None)
    page = new_page()
    page.goto(f"{app.url}/proxies?runs={with_centers},{without}", wait_until="domcontentloaded")
    page.get_by_role("heading", name="Which centres does each class really use?").wait_for()
    page.wait_for_function(f"() => ({STARS})().length === 2")
    settled(page)
    assert page.get_by_test_id("stException").count() == 0
    stars = page.evaluate(STARS)
    assert [len(one["names"]) for one in stars] == [12, 3]
    dead = [name for name, symbol in zip(stars[0]["names"], stars[0]["symbols"], strict=True) if symbol == "x-thin"]
    assert {name.rsplit(" ", 1)[1] for name in dead} >= {"4"}

    # a row of the table
    at = table_with(page, "Soft %")
    table = page.get_by_test_id("stDataFrame").nth(at)
    table.scroll_into_view_if_needed()
    names = [text for text in cells(page, at) if re.fullmatch(r"(animals|food|weather) \d", text)]
    box = table.bounding_box()
    page.mouse.click(box["x"] + 16, box["y"] + 35 * 2 + 17)  # the second row's box
    picked(page, names[1])
    texts = table_with(page, "Cosine")
    assert names[1].split()[0] in " ".join(cells(page, texts))
    read = cells(page, texts)
    assert any(text in read for text in dataset.texts)

    # a star of the map
    target = next(i for i, name in enumerate(stars[0]["names"]) if name.startswith("food") and name not in (names[1], *dead))
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    x, y = page.evaluate(STARS)[0]["at"][target]
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    page.locator(".hoverlayer .hovertext").first.wait_for()
    page.mouse.click(x, y)
    chosen = page.wait_for_function(
        "() => [...document.querySelectorAll('input[role=combobox]')].map(one => one.value).find(name => /^food \\d$/.test(name))"
    ).json_value()
    picked(page, chosen)

    # its texts become the selection
    page.get_by_role("button", name=re.compile(r"Select the \d+ texts? that chose it")).click()
    page.wait_for_function("() => [...document.querySelectorAll('.js-plotly-plot')].some(p => (p.data || []).some(t => t.name === 'selected'))")
    settled(page)
    address, drawn = page.url, page.evaluate(DRAWN)
    assert "proxy_centre=" in address

    # a copied address opens the same view
    other = new_page()
    other.goto(address, wait_until="domcontentloaded")
    other.wait_for_function(f"() => ({STARS})().length === 2")
    picked(other, chosen)
    other.wait_for_function("n => document.querySelectorAll('.js-plotly-plot').length === n", arg=len(drawn))
    other.wait_for_function(f"n => JSON.stringify(({DRAWN})()) === n", arg=json.dumps(drawn, separators=(",", ":")))
    assert cells(other, table_with(other, "Cosine")) == cells(page, table_with(page, "Cosine"))
    assert other.get_by_test_id("stException").count() == 0
