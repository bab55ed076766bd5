"""From a lasso on the maps to the words of its texts across three losses; a sentence typed and changed; the LaTeX file."""

from __future__ import annotations

from pathlib import Path

import pytest
import waiting

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, read_file
from tests.browser.seen import MARKS, chosen, lasso

pytestmark = pytest.mark.slow
ROWS = "() => [...document.querySelectorAll('div[dir=auto]')].map(row => row.textContent)"


@pytest.fixture
def three_runs(app, tiny_encoder, tiny_csv) -> list[str]:
    dataset, ids = read_file(tiny_csv), []
    for loss in ("cross_entropy", "soft_triple", "g_loss"):
        config = RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), shots=2, epochs=2, batch_size=4, max_length=16, lr=1e-3, loss=loss)
        ids.append(app.store.create(config, dataset, draw_split(dataset, shots=2)))
    waiting.train(app.store, ids)
    return ids


def rows(page, count: int, text: str | None = None) -> list[str]:
    """The highlighted rows, once there are so many (and they hold the text)."""
    page.wait_for_function(
        "([count, text]) => { const rows = [...document.querySelectorAll('div[dir=auto]')].map(row => row.textContent.replace(/[+−\\s]/g, ''));"
        " return rows.length === count && (!text || rows.every(row => row.includes(text))); }",
        arg=[count, text],
    )
    return page.evaluate(ROWS)


def test_from_a_lasso_to_the_words_of_three_losses_and_a_typed_sentence(app, new_page, three_runs, tmp_path):
    page = new_page()
    page.goto(f"{app.url}/manifold?runs={','.join(three_runs)}", wait_until="domcontentloaded")
    page.locator(MARKS).first.wait_for()
    page.wait_for_timeout(500)
    lasso(page, 0, (0.5, 0.5), 0.45)
    page.get_by_role("button", name="Selected texts as CSV").wait_for()
    assert chosen(page) > 0

    page.get_by_role("link", name="Attributions").click()
    page.get_by_role("heading", name="Why did this text get this label?").wait_for()
    assert page.get_by_role("combobox", name="Texts").first.input_value() == "selected texts"
    first = rows(page, 3)
    assert len({"".join(row.replace("+", "").replace("−", "").split()) for row in first}) == 1  # one text, three runs
    assert page.get_by_text("doubtful").or_(page.get_by_text("reliable")).count() >= 3

    box = page.get_by_role("textbox", name="The text; change it or write another")
    box.fill("cat on <b>soup")
    box.press("Control+Enter")
    rows(page, 3, "caton<b>soup")
    box.fill("dog on <b>soup")
    box.press("Control+Enter")
    rows(page, 3, "dogon<b>soup")

    with page.expect_download() as got:
        page.get_by_role("button", name="LaTeX").click()
    made = Path(got.value.path()).read_text(encoding="utf-8")
    assert made.count(r"\noindent\raggedright") == 3
    assert r"\textless{}" in made
    assert "dog" in made
    page.get_by_role("button", name="Add to figures").first.click()
    page.get_by_role("link", name="Figures").click()
    page.get_by_text("Why a text got its label").first.wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('img')].some(one => one.naturalWidth > 200)")
    assert "Traceback" not in page.content()
