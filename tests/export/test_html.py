"""The screen version as one file: no network, no text that becomes markup."""

import re

import pytest
from figure_cases import HOSTILE, make_pane
from group_homes import several

from dmlviz.core.types import FigureSpec
from dmlviz.export.checks import check_bytes
from dmlviz.export.files import Provenance
from dmlviz.export.html import html_bytes, screens
from dmlviz.export.load_figure import Picture, picture, sources
from dmlviz.figures import FIGURES
from dmlviz.figures.maps import manifold


def test_everything_is_inside_once_and_escaped():
    table = manifold.frame([make_pane("soft_triple", len(HOSTILE), seed=i) for i in range(2)], HOSTILE, ["</script><b>text"] * 1000, parts=("test",))
    one = Picture("manifold", table, {}, "Caption </script> & more", [])
    data = html_bytes([one, one], Provenance("Title <b>", "c", (), {"keys": [], "note": "</script><script>alert(2)</script>"})).decode()
    assert data.count("Plotly.newPlot") == 4  # two panes, twice
    assert len(re.findall(r"plotly\.js v\d", data)) == 1
    assert "<title>Title &lt;b&gt;</title>" in data
    assert "Caption &lt;/script&gt; &amp; more" in data
    assert "alert(2)</script>" not in data
    assert "<script>alert(1)</script>" not in data
    assert all(one.ok is not False for one in check_bytes(data.encode(), "html") if one.name == "offline")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return several(tmp_path_factory.mktemp("html") / "home")


# What runs made by hand do not have: attributions, centres, snapshots, a chosen text, retrainings
NOT_HERE = {"attribution_words", "attribution_classes", "attribution_faithfulness", "attribution_stability", "attribution_sanity", "centers_map",
            "centers_use", "centers_heat", "centers_drift", "manifold_epochs", "graph_why", "influence", "curves"}  # fmt: skip
OF_ALL = ("shots_curve", "gain_forest", "ranks")


@pytest.mark.parametrize("name", sorted(set(FIGURES) - NOT_HERE))
def test_every_figure_has_a_screen_version(store, name):
    ids = tuple(run.id for run in store.runs() if name in OF_ALL or run.id.startswith("odd"))
    options = {"map": "pca"} if set(FIGURES[name].needs) & {"panes", "graphs"} else {}
    made = picture(FigureSpec(name=name, run_ids=ids if name in OF_ALL else ids[:2], options=options), sources(store))
    drawn = screens(made)
    assert len(drawn) == (2 if name in ("manifold", "graph", "graph_matrix", "confusion", "calibration", "shots_curve") else 1)
    assert all(len(figure.data) for figure in drawn)
