"""Many texts as one job: stored in parts, going on where it stopped, answering typed sentences."""

from __future__ import annotations

import numpy as np
import pytest

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import InputError, TokenAttribution
from dmlviz.explain import jobs
from dmlviz.explain.jobs import Models, explain_rows, explain_typed
from dmlviz.explain.run_model import RunModel
from dmlviz.store.attributions import attributions_folder, stored_attributions, stored_rows

KIND = AttributionKind("gradient_x_input")


@pytest.fixture
def two(finish) -> list[str]:
    return [finish(loss="cross_entropy"), finish(loss="soft_triple")]


def test_all_texts_of_all_runs_are_stored(store, two, monkeypatch):
    monkeypatch.setattr(jobs, "CHUNK", 4)
    told = []
    explain_rows(Models(store), two, range(10), KIND, on_progress=told.append)
    for run_id in two:
        assert stored_rows(store, run_id, str(KIND)) == set(range(10))
        assert len(list(attributions_folder(store, run_id, str(KIND)).glob("part-*"))) == 3
    assert told == sorted(told)
    assert told[-1] == 1
    run = RunModel(store, two[0])
    alone = jobs.explain(run, [run.dataset.texts[7]], kind=KIND, row_ids=np.array([7]))[0]
    found = stored_attributions(store, two[0], str(KIND))[7]
    np.testing.assert_allclose(found.values, alone.values, rtol=2e-3, atol=1e-4)
    assert found.predicted == alone.predicted


def test_a_job_that_was_stopped_goes_on_without_repeating(store, two, monkeypatch):
    monkeypatch.setattr(jobs, "CHUNK", 3)
    asked, plain = [], jobs.explain

    def listening(run, texts, pairs=None, **how):
        asked.append((run.run.id, tuple(how["row_ids"].tolist())))
        return plain(run, texts, pairs, **how)

    monkeypatch.setattr(jobs, "explain", listening)

    def stop():
        if len(asked) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_rows(Models(store), two, range(8), KIND, between=stop)
    assert len(stored_rows(store, two[0], str(KIND))) == 6  # what was done stays
    explain_rows(Models(store), two, range(8), KIND)
    for run_id in two:
        rows = [row for one, rows in asked if one == run_id for row in rows]
        assert sorted(rows) == list(range(8))
    before = len(asked)
    explain_rows(Models(store), two, range(8), KIND)
    assert len(asked) == before


def test_gold_is_the_data_sets_label(store, two, tiny_dataset):
    kind = AttributionKind("gradient_x_input", "gold")
    explain_rows(Models(store), two[:1], range(6), kind)
    found = stored_attributions(store, two[0], str(kind))
    assert [found[row].class_id for row in range(6)] == tiny_dataset.labels[:6].tolist()


def test_one_run_that_cannot_be_explained_says_so(store, two):
    found = explain_typed(Models(store), two, "the cat saw the dog", None, AttributionKind("gradient_x_input", "soft_triple"))
    assert "no centres" in found[two[0]]
    assert isinstance(found[two[1]], TokenAttribution)
    assert found[two[1]].row_id == -1
    with pytest.raises(InputError, match="no centres"):
        explain_rows(Models(store), two, [0], AttributionKind("gradient_x_input", "soft_triple"))


def test_models_are_kept_the_last_used_longest(store, two, monkeypatch):
    loaded = []

    class Listening(RunModel):
        def __init__(self, store, run_id):
            loaded.append(run_id)
            super().__init__(store, run_id)

    monkeypatch.setattr(jobs, "RunModel", Listening)
    models = Models(store, most=1)
    first = models.get(two[0])
    assert models.get(two[0]) is first
    models.get(two[1])
    models.get(two[0])
    assert loaded == [two[0], two[1], two[0]]
