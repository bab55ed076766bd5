"""What the sections of the Reliability page share: outcomes by loss, cached tables, figures with their buttons, numbers in words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dmlviz.analysis.reliability.calibration import run_calibration
from dmlviz.analysis.reliability.errors import hard_texts, repeats
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, sides
from dmlviz.analysis.reliability.selective import selective_table
from dmlviz.analysis.reliability.strata import class_slices
from dmlviz.core.types import FigureSpec, InputError, TextDataset
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures import FIGURES
from dmlviz.figures.base.theme import LOSS_COLORS
from dmlviz.figures.base.words import interval_text
from dmlviz.figures.reliability.lines import side_titles
from dmlviz.ui.reliability.parts import Scope
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import escaped, theme
from dmlviz.ui.shared.picture import picture, tools

GRID = """<style>
[data-testid="stMain"] [class*="st-key-grid_{key}"] [data-testid="stHorizontalBlock"]
  {{display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, {least}rem), 1fr));}}
[data-testid="stMain"] [class*="st-key-grid_{key}"] [data-testid="stColumn"] {{width: auto; min-width: 0; max-width: 36rem;}}
</style>"""  # panes of one size, as many beside each other as can be read, also in the last row


def outcomes_of(scope: Scope) -> list[Outcome]:
    """Outcomes of the scope's groups, in the order of the losses' colours. Raises InputError where nothing is in scope."""
    if not scope.groups:
        raise InputError("no finished run is left by what is picked above; widen the data sets, losses or predictions")
    order = {name: i for i, name in enumerate(LOSS_COLORS)}
    return scope.outcomes(sorted(scope.groups, key=lambda group: order.get(group.config.shown_loss, len(order))))


def dataset_of(outcomes: Sequence[Outcome]) -> TextDataset:
    """The texts that all of them are tested on."""
    return loaders.dataset(outcomes[0].run.config.dataset_hash or "")


Key = tuple[tuple[str, float | None, str], ...]


def key_of(outcomes: Sequence[Outcome]) -> Key:
    """What a table of these outcomes depends on."""
    return tuple((one.run.id, one.run.ended, one.readout) for one in outcomes)


def framed(name: str, outcomes: Sequence[Outcome], **options: object) -> pd.DataFrame:
    """The table of a figure, cached."""
    return _framed(str(loaders.store().home), name, key_of(outcomes), tuple(sorted(options.items())), outcomes)


@st.cache_data(max_entries=48, show_spinner="The test texts are judged")
def _framed(home: str, name: str, key: Key, options: tuple[tuple[str, object], ...], _outcomes: Sequence[Outcome]) -> pd.DataFrame:
    entry = FIGURES[name]
    needs = [_outcomes, dataset_of(_outcomes)] if "dataset" in entry.needs else [_outcomes]
    return entry.frame(*needs, **dict(options))


def calibrations(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per outcome, as `calibration_table`; each is measured once."""
    home = str(loaders.store().home)
    rows = [_calibration(home, one.run.id, one.run.ended, one.readout, one) for one in outcomes]
    return pd.DataFrame([{"run": one.run.id, "readout": one.readout, **row} for one, row in zip(outcomes, rows, strict=True)])


@st.cache_data(max_entries=1200, show_spinner=False)
def _calibration(home: str, run_id: str, ended: float | None, readout: str, _one: Outcome) -> dict[str, float]:
    return run_calibration(_one)


def selectives(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """`selective_table`, cached."""
    return _selectives(str(loaders.store().home), key_of(outcomes), outcomes)


@st.cache_data(max_entries=24, show_spinner="The test texts are ordered")
def _selectives(home: str, key: Key, _outcomes: Sequence[Outcome]) -> pd.DataFrame:
    return selective_table(_outcomes)


def slices(side: Side) -> pd.DataFrame:
    """`class_slices`, cached."""
    return _slices(str(loaders.store().home), key_of(side.outcomes), side)


@st.cache_data(max_entries=48, show_spinner="Classes are compared with the rest")
def _slices(home: str, key: Key, _side: Side) -> pd.DataFrame:
    return class_slices(_side)


def hard(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """`hard_texts`, cached."""
    return _hard(str(loaders.store().home), key_of(outcomes), outcomes)


@st.cache_data(max_entries=24, show_spinner=False)
def _hard(home: str, key: Key, _outcomes: Sequence[Outcome]) -> pd.DataFrame:
    return hard_texts(_outcomes)


def repeated(dataset: TextDataset) -> pd.DataFrame:
    """`repeats`, cached."""
    return _repeated(dataset.content_hash, dataset)


@st.cache_data(max_entries=6, show_spinner=False)
def _repeated(content_hash: str, _dataset: TextDataset) -> pd.DataFrame:
    return repeats(_dataset)


def figure(name: str, outcomes: Sequence[Outcome], scope: Scope, *, key: str, least: float = 0.0, **options: object) -> pd.DataFrame:
    """A figure of the table with caption and buttons; a pane per group of at least `least` rem, 0 for one picture. Gives back the frame."""
    entry, table = FIGURES[name], framed(name, outcomes, **options)
    panes = list(dict.fromkeys(table["pane"])) if least else []
    if panes:
        st.html(GRID.format(key=key, least=least))
        with st.container(key=f"grid_{key}"):
            for column, pane in zip(st.columns(len(panes)), panes, strict=True):
                with column:
                    picture(entry.screen(table, pane, theme=theme()), key=f"{key}_{pane}", alt=entry.alt(table, pane))
    else:
        picture(entry.screen(table, theme=theme()), key=f"{key}_all", alt=entry.alt(table))
    st.caption(escaped(entry.caption(table, outcomes)))
    loading = {"readout": scope.readout} if scope.readout else {}
    tools(FigureSpec(name=name, run_ids=tuple(one.run.id for one in outcomes), options={**loading, **options}), table, key=key)
    return table


def titled(outcomes: Sequence[Outcome]) -> list[tuple[Side, str]]:
    """Groups and what they are called."""
    found = sides(outcomes)
    return list(zip(found, side_titles(found), strict=True))


def numbers(mean: float, low: float, high: float, digits: int = 3, scale: float = 1.0) -> str:
    """'0.094 ± 0.031', as `interval_text`."""
    return interval_text(scale * mean, scale * low, scale * high, digits)


def csv(table: pd.DataFrame, name: str, *, key: str) -> None:
    """A table's own CSV, at the right."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        st.download_button("CSV", lambda: csv_bytes(table), file_name([name], "csv"), "text/csv", key=f"{key}_csv", on_click="ignore")
