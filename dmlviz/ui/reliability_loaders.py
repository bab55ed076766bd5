"""Cached loaders of the Reliability page. They take ids and settings, return data, read no widget."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dmlviz.analysis.groups import Group
from dmlviz.analysis.outcomes import Outcome, outcome
from dmlviz.records import Run
from dmlviz.store import Store
from dmlviz.ui import loaders


def outcomes(groups: Sequence[Group], readout: str = "") -> list[Outcome]:
    """What every run of the groups said of its texts, in the groups' order; `readout` "" is each run's own. Arrays are memory-mapped.

    Raises InputError where a run has not stored that readout, or has no test part."""
    home = str(loaders.store().home)
    return [_outcome(home, run.id, run.ended, readout, run) for group in groups for run in group.runs]


@st.cache_resource(max_entries=600, show_spinner=False)
def _outcome(home: str, run_id: str, ended: float | None, readout: str, _run: Run) -> Outcome:
    return outcome(_run, Store(home).arrays(run_id), readout)
