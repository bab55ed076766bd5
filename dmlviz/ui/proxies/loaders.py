"""Cached loaders of the Proxies page. They take ids and settings, return data, read no widget."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dmlviz.analysis.centers.view import CenterLook, CenterView, center_view
from dmlviz.figures.centers.frame import center_input
from dmlviz.ui.shared import loaders


def views(run_ids: Sequence[str], method: str, look: CenterLook) -> list[CenterView]:
    """Centres of the runs on maps of one frame of reference. Cached while the stored maps stay the same."""
    here = loaders.store()
    ready = tuple((run_id, here.projection(run_id, method) is not None) for run_id in run_ids)
    return _views(str(here.home), ready, method, look)


@st.cache_resource(max_entries=16, show_spinner="Counting what each centre holds")
def _views(home: str, ready: tuple[tuple[str, bool], ...], method: str, look: CenterLook) -> list[CenterView]:
    panes, dataset = loaders.panes([run_id for run_id, _ in ready], method)
    here = loaders.store()
    return [center_view(center_input(pane, here.arrays(pane.run.id)), len(dataset.label_names), look) for pane in panes]
