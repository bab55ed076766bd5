"""A bundle made by a process of its own: the real command on a home whose runs are made by hand."""

from __future__ import annotations

import zipfile
from pathlib import Path

import psutil
import pytest
from group_homes import add_runs, dataset
from waiting import until

from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export.bundle.jobs import Bundle, bundles, cancel_bundle, delete_bundle, start_bundle
from dmlviz.store.files import read_json
from dmlviz.store.runs import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def home(store) -> Path:
    add_runs(store, dataset(), losses=("cross_entropy", "supcon"), shots=(4,), draws=2)
    return store.home


@pytest.fixture
def sheets(home) -> list[SheetSpec]:
    return [SheetSpec(panels=(FigureSpec(name="shots_curve", run_ids=tuple(run.id for run in Store(home).runs())),))]


def ended(home: Path) -> Bundle:
    return until(lambda: (one := bundles(home)[0]).state != "running" and one, 120, "the end of the bundle")


def test_it_is_made_downloaded_and_deleted(home, sheets):
    name = start_bundle(home, sheets)
    assert [(one.name, one.state, one.zip_path) for one in bundles(home)] == [(name, "running", None)]
    with pytest.raises(InputError, match="a bundle is being made already"):
        start_bundle(home, sheets)
    with pytest.raises(InputError, match="cancel it first"):
        delete_bundle(home, name)
    made = ended(home)
    assert made.state == "finished", made.lines
    with zipfile.ZipFile(made.zip_path) as archive:
        assert {f"dmlviz-{name}/figures/01_shots-curve.pdf", f"dmlviz-{name}/checksums.sha256"} <= set(archive.namelist())
    again = start_bundle(home, sheets, with_texts=True)
    assert [one.name for one in bundles(home)] == [again, name]  # the newest first, also within a second
    cancel_bundle(home, again)
    delete_bundle(home, name)
    assert bundles(home) == []


def test_a_cancelled_one_leaves_neither_process_nor_files(home, sheets):
    name = start_bundle(home, sheets)
    pid = read_json(home / "bundles" / name / "process.json")["pid"]
    cancel_bundle(home, name)
    assert not (home / "bundles" / name).exists()
    until(lambda: not psutil.pid_exists(pid), 20, "the end of its process")
    cancel_bundle(home, name)  # once more does no harm


def test_one_that_fails_says_why_and_can_be_deleted(home, sheets):
    gone = sheets[0].model_copy(update={"panels": (sheets[0].panels[0].model_copy(update={"run_ids": ("nope",)}),)})
    name = start_bundle(home, [gone])
    made = ended(home)
    assert made.state == "failed"
    assert "nope" in made.lines[-1]
    assert not any("Traceback" in line for line in made.lines)
    delete_bundle(home, name)
    assert bundles(home) == []


def test_names_that_lead_elsewhere_are_refused(home):
    with pytest.raises(InputError, match="no bundle is called"):
        delete_bundle(home, "../runs")
    with pytest.raises(InputError, match="no bundle is called"):
        cancel_bundle(home, "../runs")
    assert (home / "runs").is_dir()
    with pytest.raises(InputError, match="the tray is empty"):
        start_bundle(home, [])
