"""The results table: every cell as by hand, the best marked, differences tested only where five pairs exist."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from outcome_cases import run_of
from table_cases import LOSSES, several

from dmlviz.analysis.reliability.comparing import sign_flip
from dmlviz.analysis.statistics import holm
from dmlviz.core.types import InputError
from dmlviz.figures.reliability.frame import members
from dmlviz.figures.reliability.gain_forest import baseline
from dmlviz.tables import results
from dmlviz.tables.parts import measured, ranked
from dmlviz.tables.table import Cell


def body(table):
    """(method, (group, header)) -> cell."""
    return {(row[0].text, (column.group, column.header)): cell for row in table.rows for column, cell in zip(table.columns[1:], row[1:], strict=True)}


def test_a_cell_is_the_mean_and_half_of_students_interval():
    runs = several()
    table = results.make(runs)
    cells = body(table)
    assert len(cells) == 4 * 6
    own = np.array([100 * run.metrics["accuracy"] for run in runs if (run.config.loss, run.config.dataset, run.config.shots) == ("supcon", "mr", 8)])
    half = 2.364624251592785 * own.std(ddof=1) / math.sqrt(8)  # t(7) at 97.5 %, from a printed table
    cell = cells["SupCon + CE", ("mr", "8 shots")]
    assert (cell.value, cell.low, cell.high, cell.n) == pytest.approx((own.mean(), own.mean() - half, own.mean() + half, 8))
    assert cell.text == f"{own.mean():.1f} ± {half:.1f}"
    f1 = body(results.make(runs, metric="macro_f1"))["SupCon + CE", ("mr", "8 shots")]
    assert f1.value == pytest.approx(own.mean() - 10)
    knn = body(results.make(runs, predictions_by="knn"))["SupCon + CE", ("mr", "8 shots")]
    assert knn.value == pytest.approx(own.mean() / 2)


def test_seeds_of_a_draw_are_averaged_before_anything_is_counted():
    runs = [run_of(draw, seed, accuracy=0.5 + 0.1 * draw + 0.01 * seed) for draw in range(3) for seed in range(2)]
    (cell,) = body(results.make(runs)).values()
    assert cell.n == 3
    assert cell.value == pytest.approx(60.5)
    assert cell.high - cell.low == pytest.approx(2 * 4.302652729911275 * 10 / math.sqrt(3))  # t(2)


def cells_of(values, n=5, digits=1):
    return [measured(value, value - 1, value + 1, n, digits=digits) for value in values]


@pytest.mark.parametrize(
    ("values", "best", "second"),
    [
        ((1.0, 3.0, 2.0), [1], [2]),
        ((3.0, 3.0, 2.0), [0, 1], []),  # two best: the next is the third
        ((3.0, 2.0, 2.0), [0], [1, 2]),
        ((3.04, 2.96, 1.0), [0, 1], []),  # equal as they are shown
        ((3.0, math.nan, 1.0), [0], [2]),
        ((3.0,), [], []),
    ],
)
def test_best_and_second_share_places(values, best, second):
    made = ranked(cells_of(values), digits=1)
    assert [i for i, cell in enumerate(made) if cell.best] == best
    assert [i for i, cell in enumerate(made) if cell.second] == second
    lowest = ranked(cells_of([-value for value in values]), digits=1, highest=False)
    assert [cell.best for cell in lowest] == [cell.best for cell in made]


def test_nothing_is_bold_beside_a_single_run():
    runs = [*several(LOSSES[:2], ("trec",), (4, 8)), run_of(0, accuracy=0.99, loss="g_loss", data="trec", shots=4)]
    table = results.make(runs)
    cells = body(table)
    assert not any(cell.best or cell.second for (_, (_, head)), cell in cells.items() if head == "4 shots")
    assert any(cell.best for (_, (_, head)), cell in cells.items() if head == "8 shots")
    lone = cells["G-Loss", ("trec", "4 shots")]
    assert (lone.text, lone.low, lone.n) == ("99.0", None, 1)
    assert cells["G-Loss", ("trec", "8 shots")].text == "–"
    assert "A number without ± is a single run." in " ".join(table.notes)
    assert "A column that holds a single run has neither" in " ".join(table.notes)


def test_single_runs_have_no_interval_and_no_winner():
    table = results.make(several(draws=1))
    assert not any("±" in cell.text or cell.best for row in table.rows for cell in row)
    said = " ".join(table.notes)
    assert "Every number is a single run" in said
    assert "Nothing is bold" in said
    assert "significant" not in said


def test_marks_stand_where_the_test_says_so_by_hand():
    runs = several(LOSSES[:3], ("trec",), (4,), draws=8, spread=0.001)
    by = {(run.config.loss, run.config.support_seed): 100 * run.metrics["accuracy"] for run in runs}
    gains = {loss: np.array([by[loss, draw] - by["cross_entropy", draw] for draw in range(8)]) for loss in LOSSES[1:3]}
    adjusted = holm([sign_flip(one) for one in gains.values()])
    assert (adjusted < 0.05).all()
    table = results.make(runs)
    assert [row[1].marks for row in table.rows] == ["", "*", "*"]
    note = next(note for note in table.notes if "sign-flip" in note)
    for words in ("* better than Cross-entropy", "5 % level", "test over 8 draws, paired by draw, seed and fold", "Holm", "column"):
        assert words in note
    worse = results.make(runs, baseline="supcon")
    assert [row[1].marks for row in worse.rows] == ["†", "†", ""]
    assert "† worse than SupCon" in " ".join(worse.notes)


def test_seeds_within_a_draw_are_no_repetitions_of_their_own():
    """Five draws with three seeds each: the test has five numbers, not fifteen; four draws have too few however many seeds there are."""
    rng = np.random.default_rng(0)
    runs = [run_of(draw, seed, accuracy=0.6 + 0.1 * i + 0.001 * rng.normal(), loss=loss, data="trec", shots=4)
            for i, loss in enumerate(LOSSES[:3]) for draw in range(5) for seed in range(3)]  # fmt: skip
    said = " ".join(results.make(runs).notes)
    assert "test over 5 draws (15 pairs of runs, averaged within a draw)" in said
    four = " ".join(results.make([run for run in runs if run.config.support_seed < 4]).notes)
    assert "are not tested: it takes 7 draws to show one among 2 comparisons" in four
    seeds = [run_of(0, seed, accuracy=0.6 + 0.1 * i + 0.001 * rng.normal(), loss=loss, data="trec", shots=4)
             for i, loss in enumerate(LOSSES[:2]) for seed in range(6)]  # fmt: skip
    assert "test over 6 seeds, paired" in " ".join(results.make(seeds).notes)


def test_below_five_draws_nothing_is_tested():
    table = results.make(several(LOSSES[:3], ("trec",), (4,), draws=4, spread=0.0001))
    assert not any(cell.marks for row in table.rows for cell in row)
    assert "are not tested: it takes 7 draws to show one among 2 comparisons" in " ".join(table.notes)
    five = results.make(several(LOSSES[:3], ("trec",), (4,), draws=5, spread=0.0001))
    assert not any(cell.marks for row in five.rows for cell in row)  # 2 / 32 is above 5 %
    assert "It takes 7 draws to show one among 2 comparisons." in " ".join(five.notes)
    assert "significant" not in " ".join([*table.notes, *five.notes])


def test_the_correction_counts_the_methods_of_a_column():
    few = several(LOSSES[:2], ("trec",), (4,), draws=6, spread=0.0001)  # p = 2 / 64, alone below 5 %
    assert any(cell.marks for row in results.make(few).rows for cell in row)
    more = several(LOSSES[:3], ("trec",), (4,), draws=6, spread=0.0001)  # 4 / 64 after Holm
    assert not any(cell.marks for row in results.make(more).rows for cell in row)


def test_the_baseline_is_that_of_the_gains():
    runs = [*several(), *[run_of(draw, epochs=9, data="mr") for draw in range(3)], run_of(0, loss="triplet", data="mr", epochs=9)]
    found = members(runs)
    for one in found:
        assert results.baseline_of(one, found) == baseline(one, found)
    with pytest.raises(InputError, match="unknown loss 'softriple'"):
        results.make(runs, baseline="softriple")


def test_another_n_stands_in_brackets_and_encoders_are_parted():
    runs = [*several(LOSSES[:2], ("trec",), (4,), draws=5), *several(LOSSES[:2], ("trec",), (8,), draws=3)]
    table = results.make(runs)
    assert [cell.text.endswith(" (3)") for cell in table.rows[0][1:]] == [False, True]
    assert "(n = 5, another n in brackets)" in " ".join(table.notes)
    both = [*several(LOSSES[:2], ("trec",), (4,)), *(run_of(draw, draw, data="trec", shots=4, encoder="x/roberta") for draw in range(3))]
    parted = results.make(both)
    assert len(parted.rows) == 3
    assert parted.rules in ((1,), (2,))
    assert sum("roberta" in row[0].text for row in parted.rows) == 1


def test_runs_without_the_number_are_left_out_and_none_is_an_error():
    bare = dataclasses.replace(run_of(0), metrics={"accuracy": 0.5, "readout": "head"})
    assert len(body(results.make([bare, run_of(1, accuracy=0.7)], metric="macro_f1"))) == 1
    assert next(iter(body(results.make([bare, run_of(1, accuracy=0.7)], metric="macro_f1")).values())).value == pytest.approx(60)
    with pytest.raises(InputError, match="no finished run here has stored its macro-F1; choose accuracy"):
        results.make([bare], metric="macro_f1")


def test_what_is_unfair_is_said():
    runs = [*several(LOSSES[:1], ("trec",), (4,)), *(run_of(draw, draw, loss="supcon", data="trec", shots=4, epochs=9) for draw in range(8))]
    assert "Budgets differ" in " ".join(results.make(runs).notes)


def test_a_cell_says_both_ends_where_an_interval_is_cut():
    assert measured(0.02, 0.0, 0.1, 3, digits=2).text == "0.02 (0.00 to 0.10)"
    assert measured(math.nan).text == "–"
    assert measured(-0.04, digits=1) == Cell("0.0", -0.04)
    assert measured(-1.5, -2.5, -0.5, 3).text == "−1.5 ± 1.0"
