"""Figures of stored runs on paper: what is said beside them."""

import pytest

from dmlviz.core.types import FigureSpec
from dmlviz.export.load_figure import MAPS, picture, sources
from dmlviz.export.sheet import figure_file

FLAT = "note: paper shows the first two of the map's three dimensions"


def test_a_map_of_three_dimensions_says_that_paper_shows_two(home, tmp_path):
    paths, words = figure_file(
        home.store, ["manifold"], home.hostile, tmp_path / "map.pdf", method="pca+3d"
    )
    assert [path.name for path in paths] == ["map.pdf"]
    assert words.count(FLAT) == 1


@pytest.mark.parametrize("name", MAPS)
def test_every_map_says_it_and_a_flat_one_does_not(home, name):
    run_ids = home.hostile[1:]  # its loss has centres
    assert FLAT in picture(FigureSpec(name=name, run_ids=tuple(run_ids), options={"map": "pca+3d"}), sources(home.store)).words
    assert FLAT not in picture(FigureSpec(name=name, run_ids=tuple(run_ids), options={"map": "pca"}), sources(home.store)).words
