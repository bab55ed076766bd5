"""Sections of the Reliability page, through app.py: groups, lone runs, missing readouts and validation, hostile names, texts to select."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from group_homes import NAMES, _arrays, add_runs, dataset
from test_pages import button, charts, unescaped, words
from tray_cases import emptied, panels

from dmlviz.analysis.reliability.calibration import expected_calibration_error
from dmlviz.analysis.reliability.errors import hard_texts
from dmlviz.analysis.reliability.outcomes import outcome
from dmlviz.analysis.reliability.selective import selective, wrong_texts
from dmlviz.core.types import InputError, RunConfig
from dmlviz.data import draw_split
from dmlviz.store.runs import Store
from dmlviz.ui.reliability.parts import Scope
from dmlviz.ui.reliability.shown import outcomes_of

SECTIONS = ("Calibration", "Selective prediction", "Strata", "Errors")


@pytest.fixture(scope="module")
def groups(tmp_path_factory) -> Store:
    """Three draws of two losses on one data set. Nothing here changes it."""
    store = Store(tmp_path_factory.mktemp("sections") / "home")
    add_runs(store, dataset(), losses=("cross_entropy", "supcon"), shots=(4,), draws=3)
    return store


@pytest.fixture(scope="module")
def lone(tmp_path_factory) -> Store:
    """One run."""
    store = Store(tmp_path_factory.mktemp("lone") / "home")
    add_runs(store, dataset(), losses=("cross_entropy",), shots=(4,), draws=1)
    return store


def plain(app) -> str:
    return unescape(re.sub(r"\\(.)", r"\1", words(app)))


def table(app, column: str):
    return next(one.value for one in app.dataframe if column in one.value)


def outcomes(store: Store, loss: str = "") -> list:
    return [outcome(run, store.arrays(run.id)) for run in store.runs() if run.config.loss == loss or not loss]


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_draw_groups_and_escape_hostile_names(visit, groups, section):
    app = visit("reliability", groups.home, judge_tab=section)
    assert not app.error, [one.value for one in app.error]
    assert len(charts(app)) >= 3
    assert "n = 3 draws" in plain(app)
    for name in ("<script>", "**bold**", "$x$", ":red[x]"):
        assert name not in unescaped(app), (section, name)
    assert [one.label for one in app.button].count("Add to figures") >= 3


def test_the_calibration_table_is_what_the_runs_say(visit, groups):
    app = visit("reliability", groups.home, judge_tab="Calibration")
    shown = table(app, "ECE, equal-mass")
    assert shown["Loss"].tolist() == ["Cross-entropy", "SupCon"]
    eces = []
    for one in outcomes(groups, "cross_entropy"):
        chances = one.probabilities(one.test)
        eces.append(expected_calibration_error(chances.max(axis=1), chances.argmax(axis=1) == one.labels(one.test)))
    assert shown["ECE, equal-mass"].iloc[0].startswith(f"{np.mean(eces):.3f} ")
    assert "validation texts" in plain(app)
    assert "Temperature" in table(app, "Temperature")
    app.toggle(key="cal_scaled").set_value(True).run()
    assert "after temperature scaling" in plain(app)
    app.toggle(key="cal_readouts").set_value(True).run()
    assert {"head", "kNN"} <= set(table(app, "Readout")["Readout"])
    app.toggle(key="cal_classes").set_value(True).run()
    assert len(table(app, "Class")) == len(NAMES)
    assert not app.exception


def test_the_area_under_the_risk_curve_is_the_runs(visit, groups):
    app = visit("reliability", groups.home, judge_tab="Selective prediction")
    shown = table(app, "Oracle")
    areas = [selective(one.probabilities(one.test).max(axis=1), wrong_texts(one)).aurc for one in outcomes(groups, "supcon")]
    assert shown["Probability"].iloc[1].startswith(f"{100 * np.mean(areas):.1f}")
    assert "takes centres among the pooled vectors" in plain(app)
    app.selectbox(key="risk_signal").select("margin").run()
    assert "ordered by the probability of the likeliest class less that of the second" in plain(app)


def test_strata_change_with_what_is_asked(visit, groups):
    app = visit("reliability", groups.home, judge_tab="Strata")
    assert "in the cross-entropy run of the same draw" in plain(app)
    app.selectbox(key="strata_space").select("own").run()
    assert "in each run's own space" in plain(app)
    app.selectbox(key="strata_by").select("length").run()
    assert "split at white space" in plain(app)
    assert len(table(app, "p, corrected")) == len(NAMES)
    assert not app.exception


def test_hard_texts_become_the_selection(visit, groups):
    app = visit("reliability", groups.home, judge_tab="Errors")
    shown = table(app, "Probability of gold")
    expected = hard_texts(outcomes(groups))
    assert shown["Row"].tolist() == expected["row_id"].tolist()[: len(shown)]
    button(app, "Select these texts").click().run()
    assert app.session_state["select"].startswith("rows:")
    app.selectbox(key="hard_kind").select("doubt").run()
    assert "No test text of these runs is like that" in plain(app)
    assert "share of the test texts whose predicted class differs" in plain(app)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_lone_run_says_so_in_every_section(visit, lone, section):
    app = visit("reliability", lone.home, judge_tab=section)
    assert not app.error, [one.value for one in app.error]
    assert "ingle run" in plain(app) + " ".join(str(one.value.to_dict()) for one in app.dataframe)
    assert "significant" not in plain(app)
    assert "nan" not in plain(app)
    assert ("Shared errors take two losses or more" in plain(app)) == (section == "Errors")


def test_another_readout_is_judged_by_its_own_scores(visit, groups):
    own, knn = (visit("reliability", groups.home, judge_tab="Calibration", judge_readout=name) for name in ("", "knn"))
    assert not knn.error
    assert table(own, "Brier")["Brier"].tolist() != table(knn, "Brier")["Brier"].tolist()


def test_without_validation_texts_there_is_a_sentence(visit, tmp_path):
    store, texts = Store(tmp_path / "bare"), dataset()
    split = draw_split(texts, shots=4, validation=0)
    run_id = store.create(RunConfig(dataset=texts.name, shots=4, validation=0), texts, split)
    metrics = _arrays(store, run_id, texts, split, 0.7, 0)
    store.update(run_id, state="finished", ended=1e9, metrics=metrics, progress=["done", 1, 1, "text", 0.0])
    app = visit("reliability", store.home, judge_tab="Calibration")
    assert not app.error
    assert "A run here has 0 validation texts; a temperature takes 10 or more" in plain(app)
    assert app.toggle(key="cal_scaled").disabled
    assert not any("Temperature" in one.value for one in app.dataframe)


def test_nothing_in_scope_is_a_sentence():
    with pytest.raises(InputError, match="no finished run is left by what is picked above"):
        outcomes_of(Scope(()))


def test_a_figure_goes_into_the_tray_with_its_readout(visit, groups):
    app = visit("reliability", emptied(groups.home), judge_tab="Selective prediction", judge_readout="knn")
    next(one for one in app.button if one.key == "risk_add").click().run()
    (spec,) = panels(groups.home)
    assert spec.name == "risk_coverage"
    assert spec.options == {"readout": "knn", "signal": "max_probability"}
    assert len(spec.run_ids) == 6
