"""Accuracy by distance to the mean embedding, sentence length, class frequency or neighbour purity: paper 2's own figures and two more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import sides
from dmlviz.analysis.reliability.strata import BY, SPACES, accuracy_by
from dmlviz.core.types import TextDataset
from dmlviz.figures.base.presets import Preset
from dmlviz.figures.base.theme import LIGHT, Theme
from dmlviz.figures.base.words import missing_glyphs, plotly_text
from dmlviz.figures.reliability.lines import Axes, Line, many, of_runs, paper_lines, screen_lines, side_titles, y_range

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    "pane", "title", "loss", "said", "by", "stratum", "tick", "value", "least", "most", "n", "accuracy", "low", "high", "runs", "words",
)  # fmt: skip
TITLES = {
    "distance": "{own} distance of each tenth",
    "length": "words, up to",
    "frequency": "training texts of the class",
    "purity": "nearest 10 texts of the own class",
}
PURITY_TICKS = ("0–1", "2–3", "4–6", "7–8", "9–10")


def frame(outcomes: Sequence[Outcome], dataset: TextDataset, *, by: str = "distance", space: str = "cross_entropy") -> pd.DataFrame:
    """One row per group and stratum: accuracy with its interval, n texts a run, the stratum's mean, least and greatest value, its tick."""
    found, all_sides = accuracy_by(outcomes, by, dataset, space=space), sides(outcomes)
    titles = side_titles(all_sides)
    table = found.table.assign(
        pane=[all_sides[i].runs[0].id for i in found.table["group"]], title=[titles[i] for i in found.table["group"]],
        loss=[all_sides[i].group.config.shown_loss for i in found.table["group"]], said=[many(all_sides[i]) for i in found.table["group"]],
        by=by, words=found.words,
    )  # fmt: skip
    ticks = {stratum: _tick(by, stratum, rows, _digits(table)) for stratum, rows in table.groupby("stratum")}
    return table.assign(tick=[ticks[i] for i in table["stratum"]])[list(COLUMNS)]


def _digits(table: pd.DataFrame) -> int:
    """Decimals that tell the strata's mean values apart; two at most, for the room below the axis."""
    gaps = np.diff(np.sort(table.groupby("stratum")["value"].mean()))
    return int(np.clip(np.ceil(-np.log10(max(float(np.median(gaps)), 1e-9))), 0, 2)) if len(gaps) else 2


def _tick(by: str, stratum: int, rows: pd.DataFrame, digits: int) -> str:
    n = f"{rows['n'].mean():,.0f}"
    if by == "purity":
        return f"{PURITY_TICKS[stratum]}\n{n}"
    if by == "distance":
        same = rows["value"].max() - rows["value"].min() < 1e-9
        return (f"{rows['value'].mean():,.{digits}f}" if same else f"{stratum + 1}") + f"\n{n}"
    least, most = rows["least"].min(), rows["most"].max()
    if by == "length":
        return f"{most:,.0f}\n{n}"
    return (f"{least:,.0f}" if least == most else f"{least:,.0f}–{most:,.0f}") + f"\n{n}"


def _lines(table: pd.DataFrame) -> list[Line]:
    lines, panes = [], list(dict.fromkeys(table["pane"]))
    for place, (_, rows) in enumerate(table.groupby("pane", sort=False)):
        first = rows.iloc[0]
        aside = 0.36 * ((place + 0.5) / len(panes) - 0.5)  # intervals of the lines beside each other
        hover = [f"{plotly_text(first['title'])} ({first['said']})<br>{row.least:,.4g} to {row.most:,.4g}, mean {row.value:,.4g}<br>"
                 f"<b>{100 * row.accuracy:.1f} %</b> right of {row.n:,.0f} texts a run" for row in rows.itertuples()]  # fmt: skip
        columns = (100 * rows[name].to_numpy(dtype=float) for name in ("accuracy", "low", "high"))
        lines.append(Line(first["title"], first["loss"], rows["stratum"].to_numpy(dtype=float) + aside, *columns, tuple(hover), place))
    return lines


def _around(table: pd.DataFrame, lines: Sequence[Line]) -> Axes:
    ticks = table.drop_duplicates("stratum").sort_values("stratum")
    own = "rank by" if table["by"].iloc[0] == "distance" and "own space" in table["words"].iloc[0] else "mean"
    return Axes(
        (-0.5, ticks["stratum"].max() + 0.5), y_range(lines), tuple(zip(ticks["stratum"].astype(float), ticks["tick"], strict=True)),
        TITLES[table["by"].iloc[0]].format(own=own) + "; below: texts", "accuracy, per cent", False, True,
    )  # fmt: skip


def screen(table: pd.DataFrame, pane_id: str = "", *, theme: Theme = LIGHT, height: int = 380) -> go.Figure:
    """A line per group; `pane_id` is not looked at."""
    lines = _lines(table)
    return screen_lines(lines, _around(table, lines), theme=theme, height=height)


def paper(table: pd.DataFrame, preset: Preset) -> Figure:
    """The same lines at the preset's width."""
    lines = _lines(table)
    around = _around(table, lines)
    if len(around.ticks) > 7 and preset.width_mm < 120:  # their words would touch
        around = around._replace(ticks=around.ticks[::2])
    return paper_lines(lines, around, preset)


def caption(table: pd.DataFrame, outcomes: Sequence[Outcome]) -> str:
    """What was sorted by what, and of which runs."""
    found = sides(outcomes)
    again = " As in the notebooks beside arXiv 2211.15195, there on one run." if table["by"].iloc[0] in ("distance", "length") else ""
    return f"Accuracy by {BY[table['by'].iloc[0]].lower()}. {table['words'].iloc[0]}{again} {of_runs(found, side_titles(found))}"


def alt(table: pd.DataFrame, pane_id: str = "") -> str:
    said = [f"{rows.iloc[0]['title']}: {100 * rows.iloc[0]['accuracy']:.1f} % in the first, {100 * rows.iloc[-1]['accuracy']:.1f} % in the last of "
            f"{len(rows)}" for _, rows in table.sort_values("stratum", kind="stable").groupby("pane", sort=False)]  # fmt: skip
    return f"Accuracy by {BY[table['by'].iloc[0]].lower()}. {'; '.join(said)}."


def notes(table: pd.DataFrame) -> list[str]:
    found = missing_glyphs(dict.fromkeys(table["title"]))
    return [found] if found else []


__all__ = ["SPACES", "alt", "caption", "frame", "notes", "paper", "screen"]
