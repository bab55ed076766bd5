"""How many texts the maps draw, where runs do not hold the same ones."""

from __future__ import annotations

import numpy as np
from figure_cases import make_pane, names

from dmlviz.figures.maps import manifold
from dmlviz.ui.manifold.parts import shown_texts


def test_counts_are_of_what_is_drawn(texts):
    """40 and 30 test texts; 6 support and 10 validation texts of each are not drawn."""
    panes = [make_pane("soft_triple", classes=3, test=40), make_pane("supcon", classes=3, test=30, seed=1)]
    frame = manifold.frame(panes, names(3), texts, parts=("test",))
    assert shown_texts(frame, panes) == "In the maps, left to right: 40 of 56, 30 of 46 texts"
    assert shown_texts(frame, panes[:1]) == "40 of 56 texts in the map"
    assert shown_texts(frame, [panes[0], panes[0]]) == "40 of 56 texts in each map"
    assert "30 to 40 test (filled)" in manifold.caption(frame, panes)
    last = (frame["pane"] == panes[1].run.id) & (frame["row_id"] == 45)
    frame.loc[last, "x"] = np.nan
    assert "29 of 46" in shown_texts(frame, panes)
