"""One Wilson, one Student, one Holm, beside statsmodels and scipy; the number of draws that a test takes, beside the test itself."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from dmlviz.analysis.reliability.comparing import sign_flip
from dmlviz.analysis.statistics import ALPHA, FEWEST, draws_needed, holm, student, student_half, wilson

PACKAGE = Path(__file__).resolve().parents[2] / "dmlviz"


def test_wilson_is_statsmodels_and_never_leaves_the_bounds():
    for n in (*range(1, 60), 298, 1000, 2189):
        hits = np.arange(n + 1)
        low, high = wilson(hits, n)
        wanted = proportion_confint(hits, n, method="wilson")
        np.testing.assert_allclose((low, high), wanted, atol=1e-12)
        assert ((low >= 0) & (low <= hits / n) & (hits / n <= high) & (high <= 1)).all()
        assert low[0] == 0
        assert high[-1] == 1
    assert np.isnan(wilson(0, 0)).all()


def test_student_is_scipys():
    values = np.random.default_rng(0).normal(0.6, 0.1, (3, 7))
    wanted = stats.t.interval(0.95, 6, values.mean(axis=1), stats.sem(values, axis=1))
    np.testing.assert_allclose(student(values), wanted)
    assert np.isnan(student(values[:, :1])).all()
    assert student_half(0.1, 4) == pytest.approx(stats.t.ppf(0.975, 4) * 0.1)
    assert np.isnan(student_half(0.1, 0))


def test_holm_is_statsmodels_and_does_not_count_what_is_not_there():
    rng = np.random.default_rng(4)
    for p in (rng.random(20) ** 4, np.array([0.01, 0.01, 0.04, 0.9]), np.array([0.03]), np.ones(5)):
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
        gaps = np.insert(p, [0, len(p) // 2, len(p)], np.nan)
        np.testing.assert_allclose(holm(gaps)[np.isfinite(gaps)], holm(p))
        assert np.isnan(holm(gaps)[~np.isfinite(gaps)]).all()
    assert len(holm([])) == 0


@pytest.mark.parametrize("comparisons", [1, 2, 3, 4, 7, 18])
def test_so_many_draws_can_show_a_difference_and_one_less_cannot(comparisons):
    """The test itself on the clearest draws there can be, among comparisons that show nothing."""
    needed = draws_needed(comparisons)
    adjusted = [holm([sign_flip(np.linspace(1, 2, n)), *[1.0] * (comparisons - 1)])[0] for n in (needed, needed - 1)]
    assert adjusted[0] < ALPHA <= adjusted[1]
    assert needed >= FEWEST


def test_nobody_else_works_these_out():
    """A second Wilson or Holm would one day say something else."""
    for path in PACKAGE.rglob("*.py"):
        defined = {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}
        if path.relative_to(PACKAGE).as_posix() != "analysis/statistics.py":
            assert not defined & {"wilson", "holm", "student", "t_half_width"}, path.name
            assert "ppf(0.975, n" not in path.read_text(encoding="utf-8"), path.name
