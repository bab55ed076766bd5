"""How wrong is a run on the texts it is surest of? Error rate against the share of texts that are answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.analysis.reliability.selective import SIGNALS, WHAT, group_curve, group_selective, selective_table
from dmlviz.core.types import InputError
from dmlviz.figures.base.presets import Preset
from dmlviz.figures.base.theme import LIGHT, Theme
from dmlviz.figures.base.words import missing_glyphs, plotly_text
from dmlviz.figures.reliability.lines import Axes, Line, many, of_runs, paper_lines, screen_lines, side_titles, y_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("pane", "title", "loss", "said", "signal", "coverage", "n", "risk", "low", "high", "runs", "aurc", "excess", "oracle")


def frame(outcomes: Sequence[Outcome], *, signal: str = "max_probability") -> pd.DataFrame:
    """One row per group and coverage (1 to 100 %): risk with its interval, texts kept; the group's AURC, its excess and the oracle's on each row.

    Raises InputError where no run has the signal.
    """
    if signal not in SIGNALS:
        raise InputError(f"no confidence signal {signal!r}; known: {', '.join(SIGNALS)}")
    found, rows = sides(outcomes), []
    for side, title in zip(found, side_titles(found), strict=True):
        curve = group_curve(side, signal)
        if curve.empty:
            continue
        areas = group_selective(side, selective_table(side.outcomes)).query("signal == @signal").set_index("measure")["mean"]
        rows.append(curve.assign(pane=side.runs[0].id, title=title, loss=side.group.config.shown_loss, said=many(side), signal=signal,
                                 aurc=areas["aurc"], excess=areas["excess"], oracle=areas["best"]))  # fmt: skip
    if not rows:
        raise InputError(f"none of these runs has {WHAT[signal]}; choose another signal")
    return pd.concat(rows, ignore_index=True)[list(COLUMNS)]


def _lines(table: pd.DataFrame) -> list[Line]:
    lines = []
    for place, (_, rows) in enumerate(table.groupby("pane", sort=False)):
        first = rows.iloc[0]
        hover = [f"{plotly_text(first['title'])} ({first['said']})<br>on the surest {100 * row.coverage:.0f} % ({row.n:,.0f} texts): "
                 f"<b>{100 * row.risk:.1f} %</b> wrong" for row in rows.itertuples()]  # fmt: skip
        columns = (100 * rows[name].to_numpy(dtype=float) for name in ("coverage", "risk", "low", "high"))
        lines.append(Line(first["title"], first["loss"], *columns, tuple(hover), place))
    return lines


def _around(lines: Sequence[Line]) -> Axes:
    low, high = y_range(lines)
    return Axes((0, 100.5), (min(0.0, low), high), (), "texts answered, the surest first, per cent", "wrong among them, per cent", True, False)


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int = 360) -> go.Figure:
    """A line per group; `pane_id` is not looked at."""
    lines = _lines(table)
    return screen_lines(lines, _around(lines), theme=theme, height=height)


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same lines at the preset's width."""
    lines = _lines(table)
    return paper_lines(lines, _around(lines), preset)


def caption(table: pd.DataFrame, outcomes: Sequence[Outcome]) -> str:
    """What orders the texts, the areas, and of which runs."""
    first, found = table.iloc[0], sides(outcomes)
    kept = [(side, title) for side, title in zip(found, side_titles(found), strict=True) if side.runs[0].id in set(table["pane"])]
    which = of_runs([side for side, _ in kept], [title for _, title in kept], intervals="runs")
    areas = "; ".join(f"{row.title} {row.aurc:.3f} ({row.excess:.3f})" for row in table.drop_duplicates("pane").itertuples())
    return (f"Error rate on the surest share of {table['n'].max():,.0f} test texts, ordered by {WHAT[first['signal']]}; ties averaged over orders. "
            f"AURC (excess over the oracle): {areas}. {which}")  # fmt: skip


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    said = []
    for _, rows in table.groupby("pane", sort=False):
        half, whole = rows[rows["coverage"] == 0.5].iloc[0], rows.iloc[-1]
        said.append(f"{whole['title']}: {100 * half['risk']:.1f} % wrong on the surer half, {100 * whole['risk']:.1f} % on all")
    return "; ".join(said) + "."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []
