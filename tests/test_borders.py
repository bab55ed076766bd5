"""The shapes of benchmarks/border_files.py: every one is read rightly, or refused in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from border_files import judged, markdown
from border_shapes import SHAPES


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_a_shape_is_read_rightly_or_refused_in_a_sentence(shape, tmp_path):
    right, *cells = judged(shape, tmp_path)
    assert right, cells


def test_there_are_sixty_and_their_table_is_whole():
    assert len(SHAPES) >= 60
    assert markdown([("a | b", True, "read", "3", "2: a, b", "two\nlines")]).splitlines()[-1] == "| a \\| b | yes | read | 3 | 2: a, b | two lines |"
