"""The map in a real browser: words from data are shown, never run."""

import pytest
from figure_cases import HOSTILE, make_pane

from dmlviz.figures.maps import manifold

NASTY = "<script>window.hit = 1</script><img src=x onerror='window.hit=2'> %{x} %{customdata} $\\frac{1}{2}$ &lt;b&gt; <b>bold</b> https://a.b"


PLACE = """() => {
    const plot = document.querySelector('.js-plotly-plot'), box = plot.getBoundingClientRect();
    const {xaxis, yaxis} = plot._fullLayout, last = plot._fullData.at(-1);
    return [box.x + xaxis._offset + xaxis.l2p(last.x[0]), box.y + yaxis._offset + yaxis.l2p(last.y[0])];
}"""


@pytest.mark.slow
@pytest.mark.parametrize("test", [60, 3_400])
def test_hover_shows_hostile_words_as_they_are(tmp_path, chromium, test):
    pane = make_pane("supcon", len(HOSTILE), test)
    table = manifold.frame([pane], HOSTILE, [NASTY] * 4_000)
    page_file = tmp_path / "map.html"
    manifold.screen(table, "supcon-0").write_html(page_file, include_plotlyjs=True)
    page = chromium.new_page(viewport={"width": 600, "height": 480})
    page.goto(page_file.as_uri())
    page.wait_for_selector(".annotation-text")
    names = page.locator(".annotation-text").all_text_contents()
    x, y = page.evaluate(PLACE)
    page.mouse.move(x - 5, y)
    page.mouse.move(x, y, steps=3)
    page.wait_for_selector(".hoverlayer .hovertext")
    hover = page.locator(".hoverlayer .hovertext").first.text_content()
    hit, images = page.evaluate("window.hit ?? null"), page.locator("img[src=x]").count()
    page.close()
    assert (hit, images) == (None, 0)
    for shown in ("<script>window.hit = 1</script>", "%{x} %{customdata}", "$\\frac{1}{2}$", "&lt;b&gt;"):
        assert shown in hover.replace("\xa0", " "), hover
    assert {"$x$", "%{x}", "=1+1"} <= set(names)
