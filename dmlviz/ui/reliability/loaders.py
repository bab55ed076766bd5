"""Cached loaders of the Reliability page. They take ids and settings, return data, read no widget."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dmlviz.analysis.reliability.groups import Group
from dmlviz.analysis.reliability.intervals import Tested, on_texts
from dmlviz.analysis.reliability.outcomes import Outcome, outcome
from dmlviz.core.types import Run
from dmlviz.store.runs import Store
from dmlviz.ui.shared import loaders


def outcomes(groups: Sequence[Group], readout: str = "") -> list[Outcome]:
    """What every run of the groups said of its texts, in the groups' order; `readout` "" is each run's own. Arrays are memory-mapped.

    Raises InputError where a run has not stored that readout, or has no test part."""
    return of_runs([run for group in groups for run in group.runs], readout)


def of_runs(runs: Sequence[Run], readout: str = "") -> list[Outcome]:
    """The same for runs."""
    home = str(loaders.store().home)
    return [_outcome(home, run.id, run.ended, readout, run) for run in runs]


@st.cache_resource(max_entries=600, show_spinner=False)
def _outcome(home: str, run_id: str, ended: float | None, readout: str, _run: Run) -> Outcome:
    return outcome(_run, Store(home).arrays(run_id), readout)


def tested(outcomes_of: Sequence[Outcome], metric: str) -> Tested:
    """The runs' numbers on their test texts and on resamples of them, the same resamples for all."""
    key = tuple((one.run.id, one.run.ended, one.readout) for one in outcomes_of)
    return _tested(str(loaders.store().home), key, metric, outcomes_of)


@st.cache_data(max_entries=60, show_spinner="Test texts are resampled")
def _tested(home: str, key: tuple, metric: str, _outcomes: Sequence[Outcome]) -> Tested:
    return on_texts(_outcomes, metric)
