"""What several figure tests start from."""

from __future__ import annotations

import pytest
from figure_cases import make_pane

from dmlviz.core.types import Pane


@pytest.fixture
def texts() -> list[str]:
    return [f"text {i} with\nsome words" for i in range(20_000)]


@pytest.fixture
def panes() -> list[Pane]:
    return [make_pane("soft_triple", seed=0), make_pane("triple_entropy", seed=1), make_pane("g_loss", seed=2, ce_weight=0.5)]
