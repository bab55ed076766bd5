"""Tables of stored runs: made by name, written with their provenance, from the command line too."""

from __future__ import annotations

import csv
import dataclasses
import re

import pytest
from center_cases import write_run
from table_cases import center_sources, inputs, outcomes, several

from dmlviz.cli.main import main
from dmlviz.export.load_figure import sources
from dmlviz.export.load_table import make_table, table_file
from dmlviz.store.runs import Store
from dmlviz.tables import TABLES


@pytest.fixture
def runs_at_home(store, tiny_dataset):
    """Four finished runs in a store: two losses, two seeds."""
    return [write_run(store, tiny_dataset, loss, seed=seed) for loss in ("soft_triple", "cross_entropy") for seed in (0, 1)]


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ("published", "attributions")])
@pytest.mark.parametrize("suffix", [".tex", ".md", ".csv"])
def test_every_table_is_written_from_a_store(store, runs_at_home, name, suffix, tmp_path):
    paths, words = table_file(store, name, ["all"], tmp_path / f"out{suffix}", options={})
    assert paths == [tmp_path / f"out{suffix}"]
    written = paths[0].read_text(encoding="utf-8")
    assert words
    if suffix != ".csv":
        assert words[0].rstrip(".").split(",")[0] in written
        flat = re.sub(r"[\s%]+", "", written)
        assert all(run_id.replace("--", "--") in flat for run_id in runs_at_home)
    else:
        assert len(list(csv.reader(written.splitlines()))) > 1
    assert table_file(store, name, ["all"], tmp_path / f"again{suffix}", options={})[0][0].read_bytes() == paths[0].read_bytes()


def test_the_command_prints_the_path_and_says_the_notes(store, runs_at_home, tmp_path, capsys):
    out = tmp_path / "results.tex"
    words = ["table", "results", "--runs", ",".join(runs_at_home), "--out", str(out), "--set", "metric=macro_f1", "--set", "width=acl-text"]
    assert main([*words, "--home", str(store.home)]) == 0
    stdout, stderr = capsys.readouterr()
    assert stdout.strip() == str(out)
    assert "Macro-F1" in stderr
    assert "text width of 160 mm" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resuts"], "unknown table 'resuts'; known: results, published, calibration, centers, attributions, datasets, settings. Did you mean"),
        (["results", "--out", "x.pdf"], "cannot write a table as .pdf; choose .tex, .csv, .md."),
        (["results", "--runs", ","], "no run was named"),
        (["results", "--set", "metrc=f1"], "unknown option 'metrc' of results; known: metric, predictions_by, baseline. Did you mean 'metric'?"),
        (["results", "--set", "metric=f1"], "metric cannot be 'f1'; choose one of accuracy, macro_f1."),
        (["results", "--set", "baseline=supkon"], "unknown loss 'supkon'"),
        (["results", "--set", "width=9"], "the size 'custom:9' is not accepted"),
        (["results", "--out", "x.md", "--set", "width=90"], "width=90 belongs to a .tex file"),
        (["centers", "--set", "by=x"], "by cannot be 'x'; choose one of run, class."),
        (["centers", "--set", "merge=x"], "merge='x' is not accepted"),
        (["published"], "fits a known paper in loss and data set"),
        (["published", "--set", "protocol=x"], "unknown protocol 'x'"),
        (["attributions"], "no text of these runs has been explained this way"),
        (["calibration", "--set", "readout=x"], "has no scores of the readout 'x'"),
    ],
)
def test_a_mistake_is_one_sentence(store, runs_at_home, words, said, capsys, tmp_path):
    given = [words[0], "--runs", "all", "--out", str(tmp_path / "x.tex"), "--home", str(store.home), *words[1:]]
    assert main(["table", *given]) == 2
    stdout, stderr = capsys.readouterr()
    assert said in stderr
    assert not stdout
    assert stderr.count("\n") == 1


def test_an_empty_home_is_said(tmp_path, capsys):
    assert main(["table", "results", "--runs", "all", "--out", str(tmp_path / "x.tex"), "--home", str(tmp_path / "home")]) == 2
    assert "no finished run here yet" in capsys.readouterr().err


def test_a_table_is_made_through_any_sources(tmp_path):
    """Pages hand in their cached loaders; several data sets go through."""
    runs = {run.id: run for run in several(draws=2)}
    source = sources(Store(tmp_path))._replace(run=runs.__getitem__)
    assert len(make_table("results", list(runs), {}, source).columns) == 7
    judged = {one.run.id: one for one in outcomes()}
    source = source._replace(run=lambda run_id: judged[run_id].run, arrays=lambda run_id: judged[run_id].arrays)
    assert len(make_table("calibration", list(judged), {}, source).rows) == 6
    explained = inputs()
    source = source._replace(run=lambda run_id: explained[0].run, attributions=lambda run_ids, kind, typed: explained)
    assert len(make_table("attributions", ["a"], {"kind": "ig"}, source).rows) == 2


def test_centres_of_several_data_sets_stand_in_one_table(tiny_dataset, tmp_path):
    both = {}
    for name, content in (("one", "1" * 64), ("two", "2" * 64)):
        for made in center_sources():
            run = made.given.pane.run
            run = dataclasses.replace(run, id=f"{name}-{run.id}", config=run.config.model_copy(update={"dataset": name, "dataset_hash": content}))
            both[run.id] = made.given._replace(pane=made.given.pane._replace(run=run))
    dataset = dataclasses.replace(tiny_dataset, label_names=("a", "b", "c"))
    source = sources(Store(tmp_path))._replace(
        run=lambda run_id: both[run_id].pane.run, arrays=lambda run_id: both[run_id].arrays,
        panes=lambda run_ids, method: ([both[run_id].pane for run_id in run_ids], dataset),
    )  # fmt: skip
    assert len(make_table("centers", list(both), {}, source).rows) == 4
    assert len(make_table("centers", list(both), {"by": "class", "which": "means"}, source).rows) == 12
