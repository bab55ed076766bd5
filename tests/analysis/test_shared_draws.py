"""Means stand on the draws that all methods have: the case of the field, a seed repeated on one draw, single runs, nothing in common."""

from __future__ import annotations

import dataclasses

import pytest
from outcome_cases import outcome_of, run_of

from dmlviz.analysis.fairness import unfair
from dmlviz.analysis.reliability.groups import group_runs
from dmlviz.analysis.reliability.shared_draws import shared_by_place, shared_draws
from dmlviz.core.types import InputError
from dmlviz.figures import FIGURES
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.reliability.frame import method_titles
from dmlviz.tables import calibration, results

# SupCon has three draws, cross-entropy four: as drawn it leads by 2.6 points, on common draws by 0.9
CE, SUPCON = {0: 0.610, 1: 0.598, 2: 0.613, 3: 0.539}, {0: 0.620, 1: 0.607, 2: 0.621}


def runs_of(loss: str, by_draw: dict[int, float], **fields):
    return [run_of(draw, accuracy=share, loss=loss, **fields) for draw, share in by_draw.items()]


def test_a_mean_is_over_the_draws_that_all_have():
    found_in = group_runs([*runs_of("cross_entropy", CE), *runs_of("supcon", SUPCON)])
    found = shared_draws(found_in)
    assert (found.comparable, found.common, found.unit, found.left_out) == (True, 3, "draw", [1, 0])
    assert [[run.config.support_seed for run in group.runs] for group in found.groups] == [[0, 1, 2], [0, 1, 2]]
    words = shared_by_place(found_in, ["here"] * 2, ["CE", "SupCon"]).words
    assert words == {"here": "means over the 3 draws that all methods share (left out: 1 of CE)"}


def test_equal_draws_stay_as_they_are_and_say_nothing():
    groups = group_runs([*runs_of("cross_entropy", CE), *runs_of("supcon", CE)])
    found = shared_draws(groups)
    assert (found.groups, found.comparable) == (groups, True)
    assert shared_by_place(groups, ["here"] * 2, ["a", "b"]) == (groups, {}, set())


def test_what_shares_fewer_than_two_draws_is_not_comparable():
    groups = group_runs([*runs_of("cross_entropy", {0: 0.5, 1: 0.6}), *runs_of("supcon", {1: 0.7, 2: 0.8})])
    found = shared_draws(groups)
    assert not found.comparable
    assert [len(group.runs) for group in found.groups] == [2, 2]
    by_place = shared_by_place(groups, ["here"] * 2, ["a", "b"])
    assert by_place.words == {"here": "the methods share 1 draw, so their means are over different draws and are not ranked"}
    assert by_place.apart == {"here"}


def test_a_single_run_takes_no_draw_from_the_others():
    found = shared_draws(group_runs([*runs_of("cross_entropy", CE), *runs_of("supcon", CE), *runs_of("triplet", {7: 0.9})]))
    assert [len(group.runs) for group in found.groups] == [4, 4, 1]
    assert found.comparable


def test_seeds_are_what_repeats_where_there_is_one_draw():
    ce = [run_of(0, seed) for seed in range(3)]
    other = [run_of(0, seed, accuracy=0.6, loss="supcon") for seed in (1, 2, 3)]
    found = shared_draws(group_runs([*ce, *other]))
    assert (found.unit, found.common, found.left_out) == ("seed", 2, [1, 1])


def test_a_table_is_bold_over_common_draws_alone():
    made = results.make([*runs_of("cross_entropy", CE), *runs_of("supcon", SUPCON)])
    cells = {row[0].text: row[1] for row in made.rows}
    assert cells["SupCon"].value - cells["Cross-entropy"].value == pytest.approx(100 * (0.616 - 0.607), abs=1e-6)
    assert (cells["SupCon"].best, cells["Cross-entropy"].n, cells["SupCon"].n) == (True, 3, 3)
    assert any("means over the 3 draws that all methods share (left out: 1 of Cross-entropy)" in note for note in made.notes)


def test_a_table_without_common_draws_has_nothing_bold_and_says_why():
    made = results.make([*runs_of("cross_entropy", {0: 0.5, 1: 0.6}), *runs_of("supcon", {2: 0.7, 3: 0.8})])
    assert not any(cell.best or cell.second for row in made.rows for cell in row)
    assert any("share no draws" in note for note in made.notes)


def test_a_curve_stands_on_common_draws_and_says_so():
    runs = [*runs_of("cross_entropy", CE), *runs_of("supcon", SUPCON)]
    table = FIGURES["shots_curve"].frame(runs)
    means = table[table["kind"] == "mean"].set_index("method")["value"]
    assert means["SupCon"] - means["Cross-entropy"] == pytest.approx(0.9, abs=1e-6)
    assert "means over the 3 draws that all methods share (left out: 1 of Cross-entropy)" in FIGURES["shots_curve"].caption(table, runs)
    even = [*runs_of("cross_entropy", CE), *runs_of("supcon", CE)]
    assert "left out" not in FIGURES["shots_curve"].caption(FIGURES["shots_curve"].frame(even), even)


def test_ranks_count_a_draw_once_however_many_seeds_it_has():
    """Draw 0 of cross-entropy, its best, was trained with four more seeds: a mean over runs would turn the order round."""
    runs = []
    for name in ("one", "two"):
        runs += runs_of("cross_entropy", {0: 0.9, 1: 0.3}, data=name) + runs_of("supcon", {0: 0.7, 1: 0.6}, data=name)
        runs += [run_of(0, seed, accuracy=0.9, data=name) for seed in range(1, 5)]
    table = FIGURES["ranks"].frame(runs).set_index("method")
    assert table["mean"].to_dict() == pytest.approx({"SupCon": 65.0, "Cross-entropy": 60.0})
    assert table.loc["SupCon", "rank"] == 1


def test_what_shares_no_draws_is_not_ranked_and_the_caption_is_of_what_is_ranked():
    runs = []
    for name in ("one", "two"):
        runs += runs_of("cross_entropy", dict.fromkeys((0, 1, 2), 0.6), data=name) + runs_of("supcon", dict.fromkeys((3, 4, 5), 0.9), data=name)
    with pytest.raises(InputError, match="no number of shots with two draws in common"):
        FIGURES["ranks"].frame(runs)
    runs = []
    for name in ("one", "two"):
        runs += runs_of("cross_entropy", dict.fromkeys(range(5), 0.6), data=name) + runs_of("supcon", dict.fromkeys(range(5), 0.7), data=name)
    runs += runs_of("triplet", {0: 0.5, 1: 0.5}, data="one")  # on one data set alone: it takes no part
    table = FIGURES["ranks"].frame(runs)
    assert set(table["method"]) == {"Cross-entropy", "SupCon"}
    assert "left out:" not in FIGURES["ranks"].caption(table, runs)
    assert "Single runs" not in FIGURES["ranks"].caption(table, runs)
    one = [run for run in runs if not (run.config.loss == "supcon" and run.config.support_seed)]
    assert "Single runs stand beside means over draws: SupCon on one" in FIGURES["ranks"].caption(FIGURES["ranks"].frame(one), one)


def test_notes_of_a_table_know_a_control_and_a_loaded_model_from_the_baseline():
    """Both carry the loss cross_entropy, which they never met."""
    ce, other = {draw: 0.6 + 0.01 * draw for draw in range(8)}, {draw: 0.3 + 0.011 * draw for draw in range(8)}
    made = results.make([*runs_of("cross_entropy", ce), *runs_of("cross_entropy", other, control="pre_trained")])
    assert any("† worse than Cross-entropy" in note for note in made.notes)
    six = range(6)
    runs = [*runs_of("cross_entropy", {d: 0.6 + 0.01 * d for d in six}), *runs_of("supcon", {d: 0.7 + 0.011 * d for d in six}),
            *runs_of("cross_entropy", {d: 0.3 + 0.012 * d for d in six}, control="pre_trained")]  # fmt: skip
    said = next(note for note in results.make(runs).notes if "sign-flip" in note)
    assert "It takes 7 draws to show one among 2 comparisons" in said
    assert "are not tested" not in said
    loaded = [dataclasses.replace(run, origin="loaded") for run in runs_of("cross_entropy", {0: 0.99}, control="as_loaded", data="a")]
    better = runs_of("supcon", {d: 0.8 + 0.01 * d for d in range(8)}, data="b")
    notes = results.make([*loaded, *runs_of("cross_entropy", ce, data="b"), *better]).notes
    assert any("* better than Cross-entropy" in note for note in notes)


def test_calibration_is_bold_over_common_draws_alone():
    outcomes = [outcome_of(draw, loss=loss, shots=8) for loss, draws in (("cross_entropy", (0, 1, 2)), ("supcon", (3, 4, 5))) for draw in draws]
    made = calibration.make(outcomes)
    assert not any(cell.best or cell.second for row in made.rows for cell in row)
    assert any("share no draws" in note for note in made.notes)
    outcomes = [outcome_of(draw, loss=loss, shots=8) for loss, count in (("cross_entropy", 4), ("supcon", 3)) for draw in range(count)]
    made = calibration.make(outcomes)
    assert [row[3].value for row in made.rows] == [3, 3]
    assert any("means over the 3 draws that all methods share (left out: 1 of Cross-entropy)" in note for note in made.notes)


def test_a_tokenizers_folder_stays_at_home():
    """A method that differs in its tokenizer is called by the last part of its place; a comparison says that tokenizers differ."""
    own, other = run_of(0), run_of(0, tokenizer="/home/jane/secret/tok")
    titles = method_titles(group_runs([own, other]))
    assert any("tokenizer tok" in title for title in titles)
    assert not any("jane" in title for title in [*titles, *run_titles([own.config, other.config])])
    assert any("tok" in sentence and "jane" not in sentence for sentence in unfair([own, other], ["a", "b"]) if "Encoders" in sentence)
