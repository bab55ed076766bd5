"""What a person does, from an empty home to a figure for a paper: real server, real workers, real Chromium."""

from __future__ import annotations

import csv
import io
import os
import re
import signal

import pypdf
import pytest
from waiting import until, wait_for

from dmlviz.export.checks import check_file, passed
from dmlviz.figures.base.presets import PRESETS
from tests.browser.seen import MARKS, chosen, counts, lasso, outline, place

pytestmark = pytest.mark.slow
FINISHED = re.compile(r"^finished · accuracy \d+\.\d % \(single run\)$")
HERE = os.path.isdir(os.path.join(os.environ.get("DMLVIZ_DATA", ""), "trec"))
# (title, classes, test texts): TREC has few test texts, so three runs are embedded soon; R8 comes with a package, so it is there without a folder
TITLE, CLASSES, TESTS = ("TREC, coarse", 6, 500) if HERE else ("Reuters R8", 8, 2189)
SUPPORT, VALIDATION = 4 * CLASSES, 64
LONG = 300_000  # ms three runs may take on a busy machine
NASTY = ["<script>window.hacked=1</script>", "日本語", "عربي", "😀 emoji"]


def choose(page, label: str, option: str) -> None:
    """Pick from a Streamlit select box."""
    box = page.get_by_role("combobox", name=re.compile(label))
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option).first.click()


def number(page, label: str, value: int) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(str(value))
    box.press("Tab")


def settled(page) -> None:
    """The script has run to its end."""
    page.wait_for_function("() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'")


def open_page(page, app, name: str) -> None:
    page.goto(f"{app.url}/{name}", wait_until="domcontentloaded")
    page.get_by_test_id("stMain").locator("h1").wait_for()
    settled(page)


def no_errors(page) -> None:
    assert page.get_by_test_id("stException").count() == 0
    assert page.get_by_test_id("stAlertContentError").count() == 0, page.get_by_test_id("stAlertContentError").all_inner_texts()


def progress(page):
    """The captions of runs that are at work."""
    return page.get_by_text(re.compile(r"(training|embedding the texts) \d[\d,]* of [\d,]+"))


def download(page, label: str, path):
    with page.expect_download() as waited:
        page.get_by_role("button", name=label, exact=True).click()
    waited.value.save_as(path)
    return path


def test_from_an_empty_home_to_a_figure_for_a_paper(app, new_page, tmp_path):
    page = new_page()
    open_page(page, app, "train")
    choose(page, "Data set", f"{TITLE} · {CLASSES} classes")
    page.get_by_text(re.compile(f"{TESTS:,} test texts in {CLASSES} classes")).wait_for()
    number(page, "Shots", 4)
    number(page, "Epochs", 2)
    page.get_by_role("button", name="More", exact=True).click()
    number(page, "max_length", 32)
    page.keyboard.press("Escape")
    page.get_by_text(re.compile(r"3 runs, about .* on disk")).wait_for()
    settled(page)
    no_errors(page)
    page.get_by_role("button", name="Train", exact=True).click()

    # seen moving
    progress(page).first.wait_for(timeout=LONG)
    before = progress(page).first.inner_text()
    page.wait_for_function(
        "before => { const t = document.body.innerText; return !t.includes(before) && /(training|test texts|maps) \\d/.test(t) }",
        arg=before,
        timeout=LONG,
    )
    # the page is closed and opened again; then the server ends and starts again: the runs go on and are shown
    page.reload(wait_until="domcontentloaded")
    page.get_by_text("waiting for a free slot").first.wait_for()
    first = app.store.runs()[-1]
    app.stop(signal.SIGKILL)
    app.start()
    page.close()
    page = new_page()
    open_page(page, app, "train")
    page.get_by_text("waiting for a free slot").first.wait_for()
    assert app.store.run(first.id).state in ("running", "finished")
    page.wait_for_function(
        "() => (document.body.innerText.match(/finished · accuracy \\d+\\.\\d % \\(single run\\)/g) || []).length === 3", timeout=2 * LONG
    )
    runs = app.store.runs()
    assert sorted(run.config.loss for run in runs) == ["cross_entropy", "g_loss", "triple_entropy"]
    assert [(run.config.shots, run.config.epochs, run.config.max_length) for run in runs] == [(4, 2, 32)] * 3
    assert all(run.metrics["n_test"] == TESTS for run in runs)
    settled(page)

    # three maps of the test texts
    page.get_by_role("link", name="See the maps side by side").click()
    page.locator(MARKS).first.wait_for()
    settled(page)
    no_errors(page)
    assert counts(page) == [TESTS + SUPPORT] * 3
    titles = page.locator(f"{MARKS} .title").all_inner_texts()
    assert sorted(titles) == ["Cross-entropy", "G-Loss + CE", "TripleEntropy"]

    # one selection: drawn in one pane, lit in all, listed below, told in the sidebar and in the address
    lasso(page, 1, (0.5, 0.5), 0.3)
    page.get_by_role("button", name="Selected texts as CSV").wait_for()
    settled(page)
    selected = chosen(page)
    assert 0 < selected < TESTS + SUPPORT
    assert f"{selected:,} of {TESTS + SUPPORT + VALIDATION:,} texts" in page.get_by_test_id("stSidebar").inner_text()
    table = download(page, "Selected texts as CSV", tmp_path / "selected.csv").read_text(encoding="utf-8-sig")
    assert len(list(csv.reader(io.StringIO(table)))) == selected + 1
    assert re.search(r"select=[0-9a-f]{12}(~|%7E)area", page.url)  # of which data set, and what

    # to paper
    page.get_by_role("button", name="Add to figures").click()
    page.get_by_text(re.compile(r"Added to Figures \(1 in the tray\)")).wait_for()
    address = page.url
    page.get_by_role("link", name="Figures").first.click()
    page.get_by_role("heading", name="How will it look in the paper?").wait_for()
    page.get_by_role("button", name="PDF", exact=True).wait_for()
    settled(page)
    pdf = download(page, "PDF", tmp_path / "maps.pdf")
    assert pdf.read_bytes().startswith(b"%PDF")
    width = float(pypdf.PdfReader(pdf).pages[0].mediabox.width) / 72 * 25.4
    name = page.get_by_role("combobox", name=re.compile("Preset")).input_value()
    assert width == pytest.approx(next(preset.width_mm for preset in PRESETS.values() if name.startswith(preset.title)), abs=0.3)

    # two more figures from two other pages; three become one at a column's width, and its file is fit for print
    for i, link in ((2, "Graph"), (3, "Reliability")):
        page.get_by_role("link", name=link, exact=True).first.click()
        page.get_by_role("button", name="Add to figures").first.wait_for()
        settled(page)
        page.get_by_role("button", name="Add to figures").first.click()
        page.get_by_text(re.compile(rf"Added to Figures \({i} in the tray\)")).wait_for()
    page.get_by_role("link", name="Figures").first.click()
    page.get_by_role("heading", name="Tray (3)").wait_for()
    settled(page)
    box = page.get_by_role("combobox", name=re.compile("Combine into one figure"))
    for i in (1, 2, 3):
        box.click()
        page.get_by_role("option", name=re.compile(f"^{i}\\. ")).click()
        settled(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Combine", exact=True).click()
    page.get_by_role("heading", name="Tray (1)").wait_for()
    choose(page, "Preset", "ACL, one column")
    settled(page)
    page.get_by_text("Ready for print").wait_for()
    settled(page)
    for label in ("PDF", "SVG", "PNG"):
        saved = download(page, label, tmp_path / f"sheet.{label.lower()}")
        found = check_file(saved, preset="acl-column")
        assert passed(found), found
    no_errors(page)

    # a copied address opens the same view for somebody else
    assert "runs=" in address
    other = new_page()
    other.goto(address, wait_until="domcontentloaded")
    other.locator(MARKS).first.wait_for()
    other.get_by_role("button", name="Selected texts as CSV").wait_for()
    settled(other)
    assert counts(other) == [TESTS + SUPPORT] * 3
    assert other.locator(f"{MARKS} .title").all_inner_texts() == titles
    assert chosen(other) == selected
    no_errors(other)


def queue_tiny(page, app, encoder, *, shots: int, epochs: int) -> None:
    """Cross-entropy alone, with the tiny encoder; the data set is chosen already."""
    box = page.get_by_role("textbox", name="Encoder")
    box.fill(str(encoder))
    box.press("Enter")
    for name in ("TripleEntropy", "G-Loss"):
        page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).click()
        settled(page)
    number(page, "Shots", shots)
    number(page, "Epochs", epochs)
    page.get_by_text(re.compile(r"1 run, about .* on disk")).wait_for()
    settled(page)
    page.get_by_role("button", name="Train", exact=True).click()


def test_hostile_class_names_are_shown_and_never_run(app, new_page, tiny_encoder, tmp_path):
    table = tmp_path / "odd.csv"
    rows = [f"{chr(97 + c)} cat {chr(97 + i)} <img src=x onerror=window.hacked=2> dog,{name}" for c, name in enumerate(NASTY) for i in range(12)]
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    page, dialogs = new_page(), []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_page(page, app, "train")
    choose(page, "Data set", "Upload a file")
    page.locator("input[type=file]").set_input_files(table)
    page.get_by_text(re.compile(r"texts in 4 classes")).wait_for()
    queue_tiny(page, app, tiny_encoder, shots=2, epochs=1)
    page.get_by_text(FINISHED).wait_for(timeout=LONG)
    settled(page)

    page.get_by_role("link", name="See the maps side by side").click()
    page.get_by_role("heading", name="Where do the texts land?").wait_for()
    page.locator(MARKS).first.wait_for()
    settled(page)
    spot = place(page, 0, -1)
    page.mouse.move(spot["x"] - 6, spot["y"])
    page.mouse.move(spot["x"], spot["y"], steps=3)
    tip = page.locator(f"{MARKS} .tip").first
    tip.get_by_text("<img src=x").wait_for()
    outline(page, 0, [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.05)], steps=4)
    page.get_by_role("button", name="Selected texts as CSV").wait_for()
    settled(page)
    table = download(page, "Selected texts as CSV", tmp_path / "selected.csv").read_text(encoding="utf-8-sig")
    assert all(name in table for name in NASTY)

    page.get_by_role("button", name="Add to figures").click()
    page.get_by_role("link", name="Figures").first.click()
    page.get_by_role("button", name="PDF", exact=True).wait_for()
    settled(page)
    pdf = pypdf.PdfReader(download(page, "PDF", tmp_path / "odd.pdf"))
    assert len(pdf.pages) == 1
    no_errors(page)
    assert page.evaluate("window.hacked ?? null") is None
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []


def test_cancel_resume_and_a_killed_worker_are_shown(app, new_page, tiny_encoder, tiny_csv):
    page = new_page()
    open_page(page, app, "train")
    choose(page, "Data set", "Path or Hub id")
    path = page.get_by_role("textbox", name="File, folder or Hub id")
    path.fill(str(tiny_csv))
    path.press("Enter")
    page.get_by_text(re.compile(r"texts in 3 classes")).wait_for()
    queue_tiny(page, app, tiny_encoder, shots=4, epochs=5000)
    until(app.store.runs, 30, "the run")
    run_id = app.store.runs()[0].id
    progress(page).first.wait_for(timeout=LONG)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_text(re.compile(r"cancelling: writing a checkpoint|^cancelled")).first.wait_for()
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    assert app.store.run(run_id).state == "cancelled"

    page.get_by_role("button", name="Resume", exact=True).click()
    progress(page).first.wait_for(timeout=LONG)
    wait_for(app.store, run_id, "running")
    pid, _ = app.store.process(run_id)
    os.kill(pid, signal.SIGKILL)
    page.get_by_text(re.compile("^interrupted")).first.wait_for(timeout=15_000)
    page.get_by_role("button", name="Resume", exact=True).wait_for()
    no_errors(page)
