"""Every table shows the numbers of the analysis that its page shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from center_cases import make_input
from outcome_cases import run_of
from table_cases import LOSSES, center_sources, every_table, inputs, outcomes, several, texts_named

from dmlviz.analysis.attribution.summary import badge
from dmlviz.analysis.centers.view import CenterLook, center_view
from dmlviz.analysis.reliability.calibration import calibration_table, group_calibration
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.core.types import InputError
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.papers import compare, protocol
from dmlviz.tables import TABLES, attributions, calibration, centers, datasets, entry, published, settings
from dmlviz.tables.centers import CenterSource


def column(table, header, group=""):
    i = [(one.header, one.group) for one in table.columns].index((header, group))
    return [row[i] for row in table.rows]


def test_the_table_of_tables_names_them_all():
    assert list(TABLES) == ["results", "published", "calibration", "centers", "attributions", "datasets", "settings"]
    assert {table.name for table in every_table()} == set(TABLES)
    with pytest.raises(InputError, match="Did you mean 'centers'"):
        entry("centres")


@pytest.mark.parametrize("table", every_table(), ids=lambda one: one.title)
def test_every_table_says_what_it_is_and_never_claims_significance(table):
    assert table.caption.endswith(".")
    assert table.notes
    assert table.label.startswith("tab:")
    assert table.rows
    assert "significant" not in " ".join([table.caption, *table.notes])
    assert any("run" in note or "Hash" in note or "n = " in note for note in table.notes)


def test_calibration_is_that_of_the_page():
    found = outcomes()
    table = calibration.make(found)
    measures = calibration_table(found)
    by_hand = {}
    for side in sides(found):
        by_hand[side.group.config.shots, side.group.config.loss] = group_calibration(side, measures).set_index("measure")
    keys = [(shots, loss) for shots in (4, 8) for loss in LOSSES[:3]]
    heads = {"ece_mass": ("found", "ECE, equal mass"), "ece_width": ("found", "ECE, equal width"), "brier": ("Brier", ""),
             "nll": ("NLL", ""), "temperature": ("Temperature", "")}  # fmt: skip
    for name, (header, group) in heads.items():
        for cell, key in zip(column(table, header, group), keys, strict=True):
            one = by_hand[key].loc[name]
            assert (cell.value, cell.low, cell.high, cell.n) == pytest.approx((one["mean"], one["low"], one["high"], 3))
    for cell, key in zip(column(table, "calibrated", "ECE, equal mass"), keys, strict=True):
        assert cell.value == pytest.approx(by_hand[key].loc["ece_mass", "chance"])
    nll = [cell.value for cell in column(table, "NLL")]
    assert [cell.best for cell in column(table, "NLL")] == [value == min(nll[3 * (i // 3) : 3 * (i // 3) + 3]) for i, value in enumerate(nll)]
    assert table.rules == (3,)
    assert not any(cell.best for cell in column(table, "Temperature"))


def test_a_lone_run_has_no_interval_in_calibration():
    table = calibration.make(outcomes()[::3])
    assert not any("±" in cell.text or cell.best for row in table.rows for cell in row)
    assert table.notes[0].startswith("Single runs")


def test_centres_are_those_of_the_proxies_page():
    streamlit = pytest.importorskip("streamlit")
    assert streamlit
    from dmlviz.ui.proxies.parts import _numbers

    sources = [*center_sources(), _without_support_of(2)]
    table = centers.make(sources)
    for row, one in zip(table.rows, sources, strict=True):
        page = _numbers(center_view(one.given, 3, CenterLook()), row[1].text)
        cells = {head.header: cell for head, cell in zip(table.columns, row, strict=True)}
        for name in ("Used", "Dead", "Effective K", "Soft", "Merged", "Similarity"):
            wanted = np.nan if page[name] is None else page[name]
            assert cells["Eff. K" if name == "Effective K" else name].value == pytest.approx(wanted, nan_ok=True), name
        assert cells["Purity, %"].value == pytest.approx(page["Purity %"])
        assert cells["Intrusions, %"].value == pytest.approx(page["Intrusions %"])
        assert cells["Centres"].text == page["Centres"]
        assert cells["n"].text == page["Counted"].split()[0]


def _without_support_of(label: int) -> CenterSource:
    """A run of class means in which one class has none: its texts fall to the others."""
    given = make_input("supcon", seed=2, space=None)
    roles = np.where((given.arrays.roles == "support") & (given.arrays.labels == label), "validation", given.arrays.roles)
    return CenterSource(given._replace(arrays=dataclasses.replace(given.arrays, roles=roles)), ("a", "b", "c"))


def test_centres_class_by_class_add_up_to_the_run():
    sources = center_sources()
    whole, parts = centers.make(sources), centers.make(sources, by="class")
    assert sum(cell.value for cell in column(parts, "Dead")) == sum(cell.value for cell in column(whole, "Dead"))
    own = [cell.value for cell in column(parts, "Eff. K")[:3]]
    assert np.mean(own) == pytest.approx(column(whole, "Eff. K")[0].value)
    with pytest.raises(InputError, match="choose one of run, class"):
        centers.make(sources, by="x")


def test_attributions_are_means_over_texts():
    given = inputs()
    table = attributions.make([*given, AttributionInput(run_of(3), {}, "ig")])
    assert len(table.rows) == 2
    found = list(given[0].found.values())
    gains = [one.checks["comprehensiveness"] - one.checks["random_comprehensiveness"] for one in found]
    assert column(table, "Comprehensiveness")[0].value == pytest.approx(np.mean(gains))
    assert column(table, "Comprehensiveness")[0].n == 5
    assert column(table, "Reliable, %")[0].value == pytest.approx(100 * np.mean([badge(one).level == "reliable" for one in found]))
    assert column(table, "Texts")[0].value == 5


def test_data_sets_are_counted_by_hand():
    runs = several(LOSSES[:1], shots=(4,), draws=1)
    names = {run.config.dataset_hash: run.config.dataset for run in runs}
    made = {one: texts_named(name, one, ("a", "b", "c")) for one, name in names.items()}
    table = datasets.make(runs, made)
    one = made[runs[0].config.dataset_hash]
    place = [row[0].text for row in table.rows].index("trec")
    sizes = np.bincount(one.labels)
    assert column(table, "largest", "Class share, %")[place].value == pytest.approx(100 * sizes.max() / 43)
    assert column(table, "train", "Texts")[place].value + column(table, "test", "Texts")[place].value == 43
    assert column(table, "Words")[place].value == np.median([len(text.split()) for text in one.texts])
    assert column(table, "Repaired")[place].value == 3
    assert column(table, "Task")[place].text == "question type"
    assert "Li & Roth" in column(table, "Terms of use")[place].text
    assert "3 rows repeated another" in " ".join(table.notes)
    assert "2 texts with more than one label kept. " in " ".join(table.notes)
    assert "secret" not in " ".join(table.notes)  # a text of the data set stays where it is
    own = datasets.make([run_of(0, data="mine.csv")], {"m" * 64: made[runs[0].config.dataset_hash]})
    assert column(own, "Terms of use")[0].text == "not in the catalogue; ask its source"


def test_settings_part_what_differs_from_what_is_shared():
    runs = [*several(LOSSES[:3]), run_of(0, data="trec", shots=4, loss="soft_triple", epochs=9, ce_weight=0.4, loss_settings={"tau": 0.3})]
    table = settings.make(runs)
    assert [one.header for one in table.columns] == ["Setting", "All", "Cross-entropy", "SoftTriple + CE", "TripleEntropy", "SupCon + CE"]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["epochs"] == ["", "4", "9", "4", "4"]
    assert rows["tau"][2] == "0.3"
    assert rows["tau"][1] == "–"
    assert rows["batch size"] == ["16", "", "", "", ""]
    assert rows["share of cross-entropy"] == ["", "1", "0.4", rows["share of cross-entropy"][3], "0.1"]
    assert rows["draw of the shots"][1:] == ["0–7", "0", "0–7", "0–7"]
    assert rows["shots"][1] == "4 shots, 8 shots, 16 shots"
    split = table.rules[0]
    assert all(row[1].text == "" for row in table.rows[:split])
    assert all(row[1].text and not row[2].text for row in table.rows[split:])
    graph = {row[0].text for row in settings.make(several(("g_loss",))).rows}
    assert "sigma rule" in graph
    assert "sigma" not in graph  # of no effect beside the rule
    alone = settings.make(several(LOSSES[:1]))
    assert [one.header for one in alone.columns] == ["Setting", "Cross-entropy"]
    assert not alone.rules


def test_published_numbers_stand_beside_ours():
    (table,) = [one for one in every_table() if one.name == "published"]
    assert column(table, "Published")
    assert all(cell.n for cell in column(table, "Ours"))
    marks = {cell.marks for cell in column(table, "Ours")}
    assert "a" in marks
    assert "(a, b) encoder all-minilm-l6-v2 instead of" in " ".join(table.notes)  # what both did differently, once
    assert " (b) " in " ".join(table.notes)
    assert "a difference says nothing about the paper" in " ".join(table.notes)
    runs = several(LOSSES[:2], ("mr",), (4,), 3)
    wanted = compare(protocol("g_loss_integrated"), runs)
    wanted = wanted[(wanted["n"] > 0) & wanted["metric"].isin(published.METRICS)]
    made = published.make(runs, protocol="g_loss_integrated")
    assert len(wanted) == len(made.rows) > 1
    for header, name in (("Ours", "ours"), ("Published", "published"), ("Difference", "difference")):
        assert [cell.value for cell in column(made, header)] == pytest.approx(wanted[name].tolist())
    assert column(made, "Published")[0].text == "85.64 ± 0.81"  # as the paper prints it
    with pytest.raises(InputError, match="none of the 1 runs is finished and fits g_loss_integrated"):
        published.make([run_of(0, data="nowhere")], protocol="g_loss_integrated")
