"""A loss and a figure that somebody added, each by a file and a row, go through everything that takes the ready ones."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest
from figure_cases import make_pane
from group_homes import add_runs, dataset

from dmlviz.core.types import FigureSpec, SheetSpec
from dmlviz.export.bundle import Wanted, write_bundle
from dmlviz.export.html import screens
from dmlviz.export.load_figure import Picture
from dmlviz.figures import FIGURES, FigureEntry
from dmlviz.figures.maps import manifold
from dmlviz.losses import LOSSES
from dmlviz.losses.table import LossEntry, Paper
from dmlviz.store.runs import Store
from dmlviz.tables import TABLES

PULL = LossEntry(
    title="Pull", loss_class="somewhere.pull:Pull", paper=Paper("Somebody et al.", 2026), summary="Pulls texts to their class.",
    formula=r"\mathcal{L} = d(a,p)", ce_weight=0.5, vectors="pooled", readout="head", look_for="Small classes.",
)  # fmt: skip


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setitem(LOSSES, "pull", PULL)
    made = Store(tmp_path / "home")
    add_runs(made, dataset(), losses=("cross_entropy", "pull"), shots=(4,), draws=3)
    return made


def test_a_bundle_of_an_added_loss_is_made_and_says_who_is_not_cited(store, tmp_path):
    ids = tuple(run.id for run in store.runs())
    sheets = tuple(SheetSpec(panels=(FigureSpec(name=name, run_ids=ids),)) for name in ("shots_curve", "gain_forest"))
    maps = SheetSpec(panels=(FigureSpec(name="manifold", run_ids=ids[:2], options={"map": "pca"}),))
    tables = tuple((name, ids) for name in TABLES if name in ("results", "published", "calibration", "datasets", "settings"))
    write_bundle(store, Wanted((*sheets, maps), tables), tmp_path / "paper")
    assert "Pull" in (tmp_path / "paper" / "methods.md").read_text()
    assert "no entry for the loss Pull of Somebody et al. 2026" in (tmp_path / "paper" / "references.bib").read_text()
    assert "| Pull" in (tmp_path / "paper" / "tables" / "01_results.md").read_text()


def test_every_pane_of_an_added_figure_is_in_its_html():
    """Its screen can do without the name of a pane, and shows the first one then: the row does not say that it shows them all."""

    def screen(table, pane_id: str = "", *, theme=None) -> go.Figure:
        own = table[table["pane"] == (pane_id or table["pane"].iloc[0])]
        return go.Figure(go.Scatter(x=own["x"], y=own["y"], name=own["pane"].iloc[0]))

    table = manifold.frame([make_pane("soft_triple", 3, seed=i) for i in range(3)], ("a", "b", "c"), ["t"] * 1000, parts=("test",))
    added = FigureEntry("Added", "What?", ("panes",), manifold.frame, screen, manifold.paper, manifold.caption, manifold.alt, manifold.notes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(FIGURES, "added", added)
        drawn = [figure.data[0].name for figure in screens(Picture("added", table, {}, "", []))]
        assert drawn == list(dict.fromkeys(table["pane"]))
        assert len(drawn) == 3
        patched.setitem(FIGURES, "added", added._replace(one_screen=True))
        assert len(screens(Picture("added", table, {}, "", []))) == 1
