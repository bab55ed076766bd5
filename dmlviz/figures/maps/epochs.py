"""The same texts over epochs: small multiples for paper, a row per run and a column per moment; and a moving picture of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dmlviz.analysis.geometry.trails import Trail, snapshot_maps
from dmlviz.core.places import place_name
from dmlviz.core.types import Pane, RunArrays
from dmlviz.figures.base.presets import Preset
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.maps import frame as map_frame
from dmlviz.figures.maps import paper as map_paper
from dmlviz.figures.maps.frame import ColorBy, Window, alt, notes, pane_ids
from dmlviz.figures.maps.screen import screen

LEAST_MM = 24.0  # a pane narrower than this shows nothing
GIF_DPI, GIF_SECONDS = 110, 0.9
COLOR_BY = ("class", "prediction", "correctness", "part", "confidence")


class EpochInput(NamedTuple):
    """A run with what it kept over epochs."""

    pane: Pane
    arrays: RunArrays


def frame(
    inputs: Sequence[EpochInput],
    label_names: Sequence[str],
    texts: Sequence[str],
    *,
    color_by: ColorBy = "class",
    parts: Sequence[str] = ("test", "support"),
    focus: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per text, run and moment, as `map_frame.frame` has them, with columns `run`, `epoch` and `variance`.

    Predictions, correctness and confidence are those after training, at every moment. Raises InputError for runs without snapshots.
    """
    trails = snapshot_maps([one.arrays for one in inputs], [one.pane.run.id for one in inputs])
    titles = run_titles([one.pane.run.config for one in inputs])
    tables = []
    for one, trail, title in zip(inputs, trails, titles, strict=True):
        for moment, epoch in enumerate(trail.epochs):
            pane = at_moment(one.pane, trail, moment)
            values = {pane.run.id: pane.confidence} if color_by == "confidence" else None
            table = map_frame.frame([pane], label_names, texts, color_by=color_by, parts=parts, focus=focus, values=values)
            when = f"epoch {epoch:g}" if epoch else "start"
            last = moment == len(trail.epochs) - 1
            tables.append(table.assign(
                pane=f"{one.pane.run.id} @ {epoch:g}", title=f"{title}, {when}", run=one.pane.run.id, epoch=float(epoch), variance=trail.variance,
                accuracy=table["accuracy"] if last else np.nan,
            ))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def places(pane: Pane, trail: Trail) -> np.ndarray:
    """(P,) where each kept text stands among the pane's."""
    place = {int(row): i for i, row in enumerate(pane.projection.row_ids)}
    return np.array([place[int(row)] for row in trail.row_ids])


def at_moment(pane: Pane, trail: Trail, moment: int) -> Pane:
    """The run's kept texts where they were at one moment."""
    at = places(pane, trail)
    own = {name: np.asarray(getattr(pane, name))[at] for name in ("labels", "predictions", "confidence", "roles")}
    return pane._replace(projection=replace(trail.end, points=trail.points[moment]), **own)


def paper(table: pd.DataFrame, preset: Preset, *, letters: bool = False, view: Window | None = None) -> Figure:
    """A row per run; as many moments as fit, the first and the last among them."""
    epochs = sorted(set(table["epoch"]))
    most = max(2, int(preset.width_mm // LEAST_MM))
    shown = [epochs[i] for i in np.unique(np.linspace(0, len(epochs) - 1, min(most, len(epochs))).round().astype(int))]
    view = map_frame.window(table, whole=True) if view is None else view
    kept = table[table["epoch"].isin(shown)]
    # the run stands once in its row: a pane is too narrow for both names
    short = kept["title"].where(kept["epoch"] == shown[0], kept["title"].str.rpartition(", ")[2])
    return map_paper.paper(kept.assign(title=short), preset, letters=letters, view=view, columns=len(shown))


def caption(table: pd.DataFrame, inputs: Sequence[EpochInput]) -> str:
    """What is shown, n, the method and its check."""
    panes = [one.pane for one in inputs]
    first = table[table["pane"] == pane_ids(table)[0]]
    names = list(dict.fromkeys(table["title"].str.rpartition(", ")[0]))
    held = ", ".join(f"{100 * table.loc[table['run'] == pane.run.id, 'variance'].iloc[0]:.0f}%" for pane in panes)
    moments = ", ".join("before training" if not epoch else f"epoch {epoch:g}" for epoch in sorted(set(table["epoch"])))
    return (
        f"The same {len(first):,} texts of {place_name(panes[0].run.config.dataset)} over fine-tuning with {', '.join(names)} "
        f"(moments kept: {moments}). "
        f"Each row is one PCA (cosine) of all moments of its run, so that what moves is the text and not the view; it holds {held} of the variance. "
        f"Rows are turned onto the first. Single runs. Runs {', '.join(pane.run.id for pane in panes)}."
    )


def gif(table: pd.DataFrame, preset: Preset) -> bytes:
    """A moving picture, one moment after the other, all runs side by side."""
    from PIL import Image

    view, pictures = map_frame.window(table, whole=True), []
    for epoch in sorted(set(table["epoch"])):
        figure, out = map_paper.paper(table[table["epoch"] == epoch], preset, view=view), io.BytesIO()
        figure.savefig(out, format="png", dpi=GIF_DPI)
        pictures.append(Image.open(out).convert("RGB").quantize(128))
    made = io.BytesIO()
    pictures[0].save(made, format="GIF", save_all=True, append_images=pictures[1:], duration=int(1000 * GIF_SECONDS), loop=0)
    return made.getvalue()


__all__ = ["COLOR_BY", "EpochInput", "alt", "caption", "frame", "gif", "notes", "paper", "screen"]
