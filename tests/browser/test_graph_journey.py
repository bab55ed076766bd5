"""A person opens the Graph page, clicks a text, reads where its guess came from, and sends the address to somebody else."""

from __future__ import annotations

import re

import pytest
import waiting
from test_journey import choose, no_errors, open_page, settled

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, read_file
from dmlviz.store.runs import Store

pytestmark = pytest.mark.slow
HIDDEN = """pane => { const plots = [...document.querySelectorAll('.js-plotly-plot')].filter(p => p._fullData.some(t => t.name === 'hidden'));
    const plot = plots[pane], box = plot.getBoundingClientRect(), {xaxis, yaxis} = plot._fullLayout;
    const trace = plot._fullData.find(t => t.name === 'hidden');
    const every = plot._fullData.filter(t => t.name === 'hidden' || t.name === 'visible').flatMap(t => [...t.x].map((x, i) => [x, t.y[i]]));
    const px = (x, y) => [box.x + xaxis._offset + xaxis.l2p(x), box.y + yaxis._offset + yaxis.l2p(y)];
    const free = i => Math.min(...every.map(([x, y]) => { const [a, b] = px(x, y), [c, d] = px(trace.x[i], trace.y[i]);
        return (a === c && b === d) ? 99 : Math.hypot(a - c, b - d); }));
    const best = [...trace.x.keys()].sort((i, j) => free(j) - free(i))[0];
    return [...px(trace.x[best], trace.y[best]), trace.customdata[best]]; }"""
RINGED = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(p => p._fullData.some(t => t.name === 'hidden'))
    .map(p => p._fullData.filter(t => t.name === 'asked').length)"""
GRAPHS = "n => [...document.querySelectorAll('.js-plotly-plot')].filter(p => p._fullData?.some(t => t.name === 'hidden')).length === n"


@pytest.fixture
def two_runs(app, tiny_csv, tiny_encoder) -> Store:
    """A cross-entropy and a G-Loss run in the served home."""
    dataset = read_file(tiny_csv)
    common = {"dataset": str(tiny_csv), "encoder": str(tiny_encoder), "shots": 4, "epochs": 2, "batch_size": 8, "max_length": 16, "lr": 1e-3}
    ids = [app.store.create(RunConfig(loss=loss, **common), dataset, draw_split(dataset, shots=4)) for loss in ("cross_entropy", "g_loss")]
    waiting.train(app.store, ids)
    return app.store


def reasons(page) -> list[str]:
    """The verdict of each run."""
    return page.get_by_text(re.compile(r"all parts sum to \d\.\d{4}")).all_inner_texts()


def test_a_clicked_text_tells_its_reasons_and_the_address_reopens_them(app, two_runs, new_page):
    page = new_page()
    open_page(page, app, "graph")
    page.wait_for_function(GRAPHS, arg=2)
    settled(page)
    choose(page, "Labels shown", "30 % at random")
    page.get_by_text(re.compile(r"labels shown")).first.wait_for()
    choose(page, "Colour", "guessed class")
    settled(page)
    no_errors(page)

    x, y, row = page.evaluate(HIDDEN, 0)
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y, steps=3)
    page.locator(".hoverlayer .hovertext").first.wait_for()  # Plotly clicks what it hovers
    page.mouse.click(x, y)
    page.get_by_text(re.compile(r"all parts sum to")).first.wait_for()
    settled(page)
    said = reasons(page)
    assert len(said) == 2
    assert all(re.search(r"Guessed \w+, (rightly|wrongly)", one) for one in said)
    assert page.get_by_text("By class of the visible texts").count() == 2
    assert f"node={row}" in page.url
    page.wait_for_function("() => (" + RINGED + ")().every(n => n === 1)")
    no_errors(page)

    other = new_page()
    other.goto(page.url, wait_until="domcontentloaded")
    other.wait_for_function(GRAPHS, arg=2)
    other.get_by_text(re.compile(r"all parts sum to")).first.wait_for()
    settled(other)
    assert reasons(other) == said
    assert other.evaluate(RINGED) == [1, 1]
    assert other.get_by_role("combobox", name=re.compile("Colour")).input_value() == "guessed class"
    no_errors(other)

    choose(page, "Texts", "training batch")
    page.get_by_text(re.compile(r"training batch of epoch")).first.wait_for()
    page.get_by_text(re.compile(r"This run has no recorded batches")).first.wait_for()
