"""Signs that are markup elsewhere are shown by Plotly as they were written."""

from __future__ import annotations

import pytest

from dmlviz.figures.base.words import plotly_lines, plotly_text

pytestmark = pytest.mark.slow
WRITTEN = """He said "no" & 'yes' to <b>it</b> for $5 %{x} &quot; &amp;"""


def test_a_quoted_text_is_shown_as_it_was_written(chromium, tmp_path):
    import plotly.graph_objects as go
    from plotly.io import write_html

    figure = go.Figure(go.Scatter(x=[0], y=[0], mode="text", text=[plotly_text(WRITTEN)], hovertext=[plotly_lines(WRITTEN, 200)], hoverinfo="text"))
    figure.update_layout(title=plotly_text(WRITTEN), width=1200, height=400)
    path = tmp_path / "figure.html"
    write_html(figure, path, include_plotlyjs=True)
    page = chromium.new_page(viewport={"width": 1280, "height": 500})
    page.goto(path.as_uri())
    page.locator(".gtitle").wait_for()
    assert page.locator(".gtitle").text_content() == WRITTEN
    assert page.locator(".textpoint text").text_content() == WRITTEN
    box = page.locator(".textpoint text").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    hover = page.locator(".hoverlayer .nums")
    hover.wait_for()
    assert hover.text_content() == WRITTEN
    page.close()
