"""Centres on the texts' map, joined to the texts that chose them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dmlviz.analysis.centers.view import CenterInput, CenterView
from dmlviz.analysis.fairness import unfair
from dmlviz.core.types import Run
from dmlviz.figures.base.theme import OTHER, OTHER_COLOR
from dmlviz.figures.base.words import excerpt, missing_glyphs, short, whole
from dmlviz.figures.centers.frame import counted, in_colour, left_out, name, outside_said, pane_ids, placing, summary, titles, view_of, views
from dmlviz.figures.centers.map_paper import paper
from dmlviz.figures.centers.map_screen import screen
from dmlviz.figures.maps.frame import LABEL_CHARS

MOST_SPOKES = 15
MOST_POINTS = 2_500  # texts drawn in a pane: enough for the shape of the map, few enough for vector marks under the stars
METHOD_TITLES = {"umap": "UMAP", "tsne": "t-SNE", "pacmap": "PaCMAP"}
COLUMNS = (
    "pane", "title", "loss", "accuracy", "space", "map", "counted", "mark", "row_id", "label", "center", "name", "x", "y", "x_to", "y_to", "epoch",
    "part", "count", "share", "soft", "attracted", "purity", "dead", "hollow", "color_by", "color_key", "color", "symbol", "text",
)  # fmt: skip


def frame(inputs: Sequence[CenterInput], label_names: Sequence[str], texts: Sequence[str], **options: Any) -> pd.DataFrame:
    """The table of stored runs. Options: part, space, which, merge, focus, trails."""
    label_names = [whole(label) for label in label_names]
    chosen = {key: value for key, value in options.items() if key in ("focus", "trails")}
    return frame_of(views(inputs, len(label_names), options), label_names, texts, **chosen)


def frame_of(
    found: Sequence[CenterView], label_names: Sequence[str], texts: Sequence[str], *, focus: Sequence[str] = (), trails: bool = False,
    keep: Collection[int] = (),
) -> pd.DataFrame:
    """One row per mark: "text" (or token), "centre", "spoke" from a centre to a text that chose it (at most 15 a centre, evenly over their
    similarity), and with `trails` one "path" row per centre and moment. Centres of classes without colour are not drawn.

    Of more than 2,500 counted texts a fixed sample is drawn, the same in every pane, with the texts in `keep` and those at the end of a spoke;
    `counted` has their full number.
    """
    label_names = [whole(label) for label in label_names]
    shown, styles = in_colour(found, label_names, focus)
    tables = []
    for view, title in zip(found, titles(found), strict=True):
        spokes = _spokes(view, label_names, shown) if view.report is not None else pd.DataFrame({"row_id": []})
        parts = [_points(view, label_names, texts, {*map(int, keep), *map(int, spokes["row_id"])} if len(spokes) else set(map(int, keep)))]
        if view.report is not None:
            parts += [spokes, _centers(view, label_names, shown)]
            parts += [_paths(view, label_names, shown)] if trails and view.path is not None else []
        table = pd.concat([part for part in parts if len(part)], ignore_index=True)
        head = {"pane": view.run.id, "title": title, "loss": view.run.config.loss, "accuracy": view.accuracy, "space": view.space, "map": view.method,
                "counted": len(view.counted)}  # fmt: skip
        tables.append(table.assign(**head))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    style = [styles[label] for label in table["label"]]
    keys = [OTHER if one.color == OTHER_COLOR else label for one, label in zip(style, table["label"], strict=True)]
    table = table.assign(color_by="class", color_key=keys, color=[one.color for one in style], symbol=[one.symbol for one in style])
    return table.reindex(columns=list(COLUMNS)).astype({"label": object, "color_key": object, "mark": object, "part": object})


def _points(view: CenterView, label_names: Sequence[str], texts: Sequence[str], keep: set[int]) -> pd.DataFrame:
    at = _drawn(view, len(texts), keep)
    heads = {int(row): excerpt(texts[row]) for row in np.unique(view.rows[at])}
    said = [heads[int(row)] for row in view.rows[at]]
    if view.words is not None:
        said = [f"“{whole(word)}” in: {head}" for word, head in zip(view.words[at], said, strict=True)]
    names = np.array(label_names, dtype=object)
    values = {"row_id": view.rows[at], "label": names[view.labels[at]], "x": view.points[at, 0], "y": view.points[at, 1], "part": view.roles[at]}
    return pd.DataFrame({"mark": "text", **values, "text": said})


def _drawn(view: CenterView, texts: int, keep: set[int]) -> np.ndarray:
    """The counted points to draw, in their order. Which texts are left out depends on their row ids alone."""
    if len(view.counted) <= MOST_POINTS:
        return view.counted
    chance = np.random.default_rng(0)
    rank = chance.permutation(len(view.points))[view.counted] if view.words is not None else chance.permutation(texts)[view.rows[view.counted]]
    first = np.isin(view.rows[view.counted], list(keep)) if view.words is None else np.zeros(len(rank), dtype=bool)
    order = np.lexsort((rank, ~first))[: max(MOST_POINTS, int(first.sum()))]
    return view.counted[np.sort(order)]


def _centers(view: CenterView, label_names: Sequence[str], shown: Sequence[int]) -> pd.DataFrame:
    report, places = view.report, view.places
    rows = []
    for c in shown:
        for k in np.flatnonzero(report.there[c]):
            x, y = places.points[c, k]
            rows.append((label_names[c], k + 1, name(label_names[c], k), x, y, int(report.counts[c, k]), report.hard[c, k], report.soft[c, k],
                         int(report.attracted[c, k]), report.purity[c, k], bool(report.dead[c, k]), bool(places.rough[c, k])))  # fmt: skip
    columns = ["label", "center", "name", "x", "y", "count", "share", "soft", "attracted", "purity", "dead", "hollow"]
    return pd.DataFrame(rows, columns=columns).assign(mark="centre")


def _spokes(view: CenterView, label_names: Sequence[str], shown: Sequence[int]) -> pd.DataFrame:
    report, rows = view.report, []
    labels = view.labels[view.counted]
    for c in shown:
        for k in np.flatnonzero(report.counts[c]):
            mine = np.flatnonzero((labels == c) & (report.own == k))
            mine = mine[np.argsort(-report.own_cosines[mine], kind="stable")]
            mine = mine[np.linspace(0, len(mine) - 1, min(len(mine), MOST_SPOKES)).round().astype(int)]
            ends = view.counted[mine]
            x, y = view.places.points[c, k]
            rows.append(pd.DataFrame({
                "mark": "spoke", "row_id": view.rows[ends], "label": label_names[c], "center": k + 1, "name": name(label_names[c], k),
                "x": x, "y": y, "x_to": view.points[ends, 0], "y_to": view.points[ends, 1],
            }))  # fmt: skip
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _paths(view: CenterView, label_names: Sequence[str], shown: Sequence[int]) -> pd.DataFrame:
    rows = [
        ("path", label_names[c], k + 1, name(label_names[c], k), *view.path[e, c, k], float(epoch))
        for c in shown for k in np.flatnonzero(view.report.there[c]) for e, epoch in enumerate(view.epochs)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["mark", "label", "center", "name", "x", "y", "epoch"])


def caption(table: pd.DataFrame, inputs: Sequence[CenterInput] | Sequence[CenterView]) -> str:
    """What the marks are, what was counted, and of which runs."""
    if table.empty or not len(inputs):
        return "No centres to show."
    runs = _runs(inputs)
    centers = table[table["mark"] == "centre"]
    panes = table[table["mark"] == "text"].groupby("title", sort=False).agg(n=("counted", "first"), space=("space", "first"), drawn=("mark", "size"))
    told = [(row, f" ({row.drawn:,} drawn)" if row.drawn < row.n else "", centers[centers["title"] == row.Index]) for row in panes.itertuples()]
    what = "; ".join(f"{row.Index}: {row.n:,} {row.space}{fewer}, {_alive(own)}" for row, fewer, own in told)
    halo = "Halo: share of its class's vectors whose nearest own centre it is. Lines lead to at most 15 of them. Cross: chosen by none."
    halo += " " + _placed(table)
    hollow = " Hollow: its nearest texts lie apart, so the place is rough." if centers["hollow"].astype(bool).any() else ""
    unequal = "".join(f" {said}" for said in unfair(runs, list(panes.index)))
    away = f" {said}" if (said := left_out(table)) else ""
    ids = ", ".join(run.id for run in runs)
    return f"Centres (stars) among what they are compared with. {what}. {halo}{hollow}{away}{unequal} Runs {ids}, single runs."


def _placed(table: pd.DataFrame) -> str:
    """Which maps these are, and how a centre got its place there."""
    said = []
    for space, method in dict.fromkeys(table[["space", "map"]].itertuples(index=False, name=None)):
        if method == "pca":
            said.append(f"PCA of {space} (cosine), centres placed by it.")
        else:
            said.append(f"{METHOD_TITLES.get(method, method)} (cosine), a centre among its 10 nearest texts.")
    return " ".join(said)


def _runs(inputs: Sequence[Any]) -> list[Run]:
    return [one.pane.run if isinstance(one, CenterInput) else one.run for one in inputs]


def _alive(centers: pd.DataFrame) -> str:
    if centers.empty:
        return "no centres"
    return f"{int((centers['count'] > 0).sum()):,} of {len(centers):,} shown centres chosen"


def alt(table: pd.DataFrame, pane_id: str) -> str:
    """The map in words, for those who do not see it."""
    rows = table[table["pane"] == pane_id]
    if rows.empty:
        return "Empty map: no centres to show."
    centers = rows[rows["mark"] == "centre"]
    dead = centers[centers["dead"].astype(bool)]["name"].tolist() if len(centers) else []
    said = f" Chosen by none: {', '.join(dead[:12])}{f' and {len(dead) - 12:,} more' if len(dead) > 12 else ''}." if dead else ""
    counted = f"{int(rows['counted'].iloc[0]):,} {rows['space'].iloc[0]}"
    return f"Map of {rows['title'].iloc[0]}: {counted} and {len(centers):,} centres, {_alive(centers)}.{said}"


def notes(table: pd.DataFrame) -> list[str]:
    """What paper cannot show as it is written."""
    names = [str(one) for one in dict.fromkeys([*table["row_label" if "row_label" in table else "label"], *table["title"]])]
    cut = [one for one in names if short(one, LABEL_CHARS) != " ".join(one.split())]
    said = [f"{len(cut):,} long names are shortened with an ellipsis; the CSV has them whole."] if cut else []
    return [*said, *filter(None, [missing_glyphs(names)])]


__all__ = ["alt", "caption", "counted", "frame", "frame_of", "notes", "outside_said", "pane_ids", "paper", "placing", "screen", "summary", "view_of"]
