"""Runs that were judged on other rows are told by hash: pairs, curves, tables, captions."""

from __future__ import annotations

import dataclasses

import pytest
from outcome_cases import run_of

from dmlviz.analysis.fairness import paired, unfair
from dmlviz.analysis.judged_rows import apart_sentence, drawn_apart, rows_apart, same_rows, untested_sentence
from dmlviz.analysis.reliability.comparing import pairs_of
from dmlviz.analysis.reliability.groups import group_runs
from dmlviz.core.types import Run
from dmlviz.figures.reliability import gain_forest, ranks, shots_curve
from dmlviz.tables import results


def run(draw: int = 0, *, test: str = "t", support: str = "", n_test: int = 300, origin: str = "trained", more: dict | None = None, **fields) -> Run:
    made = run_of(draw, draw, **fields)
    metrics = {**made.metrics, "n_test": n_test, "n_classes": 3, **(more or {})}
    return dataclasses.replace(made, metrics=metrics, parts={"test": test, "support": support or f"draw {draw}"}, origin=origin)


ALIKE = [run(draw, loss=loss, shots=shots) for draw in range(3) for loss in ("cross_entropy", "supcon") for shots in (4, 8)]


def test_runs_on_the_same_rows_say_nothing():
    assert rows_apart(ALIKE) == drawn_apart([one for one in ALIKE if one.config.shots == 4]) == apart_sentence(ALIKE[:2]) == ""
    assert unfair(ALIKE[:1], ["CE"]) == ()
    assert rows_apart([run_of(), run_of(1)]) == ""  # an old home without hashes


def test_other_test_rows_are_counted():
    runs = [*ALIKE[:3], run(5, test="u", n_test=298), run(6, test="v", n_test=300)]
    assert rows_apart(runs) == "x: 300 test texts in 3 runs, 298 in 1 run, 300 others in 1 run"
    assert apart_sentence(runs) == (
        "Not judged on the same texts (x: 300 test texts in 3 runs, 298 in 1 run, 300 others in 1 run): a difference may be the texts'."
    )
    folds = [run(draw, test=f"fold {draw}", folds=4, fold=draw) for draw in range(4)]
    assert rows_apart(folds) == ""
    assert rows_apart([*folds, run(9, test="other", folds=4, fold=2)]) == "x, fold 2 of 4: 300 test texts in 1 run, 300 others in 1 run"


def test_pairs_need_the_same_rows():
    ce = group_runs([run(draw) for draw in range(4)])[0]
    supcon = group_runs([run(0, loss="supcon"), run(1, loss="supcon", test="u"), run(2, loss="supcon", support="others"), run(3, loss="supcon")])[0]
    assert [one.config.support_seed for one, _ in pairs_of(supcon, ce)] == [0, 3]
    loaded = group_runs([run(draw, loss="supcon", origin="loaded", support="unknown") for draw in range(4)])[0]
    assert len(pairs_of(loaded, ce)) == 4  # its own training texts are not the support
    assert not paired(ce.runs[1], supcon.runs[1])
    assert paired(ce.runs[0], supcon.runs[0])
    left_out = run(0, left_out=3, support="one less")
    assert same_rows(ce.runs[0], left_out)
    assert same_rows(run_of(), ce.runs[0])


def test_the_fairness_sentence_names_them():
    other = [run(0, loss="supcon", test="u", n_test=16), run(1, loss="supcon", test="u", n_test=16)]
    said = unfair([run(0), run(1), *other], ["CE"] * 2 + ["SupCon"] * 2)
    assert said[0] == "Test parts differ (x: 300 test texts in 2 runs, 16 in 2 runs): their accuracies are not of the same texts."
    drawn = unfair([run(0), run(0, loss="supcon", support="others")], ["CE", "SupCon"])
    assert drawn[0].startswith("Training texts differ (draw 0 of x has other shots in 1 run than in 1): the draw of the shots")


@pytest.mark.parametrize("figure", [shots_curve, gain_forest, ranks])
def test_captions_of_curves_gains_and_ranks_say_it(figure):
    def homes(test: str):
        return [
            run(draw, loss=loss, shots=shots, data=data, test=f"{test if shots == 8 else 't'} {data}", n_test=300 if shots == 4 else 298)
            for data in ("one", "two") for draw in range(3) for loss in ("cross_entropy", "supcon") for shots in (4, 8)
        ]  # fmt: skip

    for test, apart in (("t", False), ("u", True)):
        runs = homes(test)
        caption = figure.caption(figure.frame(runs), runs)
        if figure is gain_forest:  # its rows compare runs of one number of shots, which are alike here
            assert "Not judged" not in caption
        else:
            assert ("Not judged on the same texts (one: 300 test texts in 6 runs, 298 in 6 runs" in caption) == apart
    mixed = [run(draw, loss=loss, test="u" if loss == "supcon" and draw else "t") for draw in range(3) for loss in ("cross_entropy", "supcon")]
    table = gain_forest.frame(mixed)
    assert table["pairs"].iloc[0] == 1
    assert "Test parts differ (x: 300 test texts in 4 runs, 300 others in 2 runs)" in gain_forest.caption(table, mixed)


def test_a_table_says_it_between_its_columns_too():
    runs = [run(draw, loss=loss, shots=shots, test=f"{shots}") for draw in range(3) for loss in ("cross_entropy", "supcon") for shots in (4, 8)]
    notes = " ".join(results.make(runs).notes)
    assert notes.count("Test parts differ") == 1
    assert "Test parts differ (x: 300 test texts in 6 runs, 300 others in 6 runs)" in notes


def test_classes_without_a_test_text_are_named_beside_macro_f1():
    lacking = {"n_untested": 7, "untested": ["ABBR", "LOC"]}
    runs = [run(draw, loss=loss, more=lacking) for draw in range(2) for loss in ("cross_entropy", "supcon")]
    sentence = "The test part has no text of 'ABBR', 'LOC' and 5 more of x: macro-F1, the mean over all classes, counts 0 there."
    assert untested_sentence(runs) == sentence
    assert untested_sentence(ALIKE) == ""
    for figure in (shots_curve, gain_forest):
        assert sentence in figure.caption(figure.frame(runs, metric="macro_f1"), runs)
        assert sentence not in figure.caption(figure.frame(runs), runs)
    assert any(sentence in note for note in results.make(runs, metric="macro_f1").notes)
    old = dataclasses.replace(run(5), metrics={name: value for name, value in run(5).metrics.items() if name != "n_classes"})
    assert untested_sentence([*runs, old]).endswith(" In 1 run of an older version it is the mean over the classes of the test part.")
