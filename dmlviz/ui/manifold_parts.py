"""Parts of the Manifold page: controls, panes with their badges, the selected texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from dmlviz.export import csv_bytes
from dmlviz.figures import manifold
from dmlviz.records import FigureSpec, Pane, Projection, Run
from dmlviz.ui import loaders
from dmlviz.ui.frame import escaped, theme
from dmlviz.ui.picture import picture, tools

METHODS = {"umap": "UMAP", "pca": "PCA"}
COLORS = {"class": "class", "prediction": "prediction", "correctness": "correctness"}
PARTS = {"test,support": "test + support", "test": "test", "support": "support", "test,validation,support": "all parts"}


class Look(NamedTuple):
    """What the controls say."""

    method: str
    color_by: str
    parts: tuple[str, ...]
    focus: tuple[str, ...]
    find: str


def controls(runs: Sequence[Run]) -> Look:
    """One row, in reading order: map, colour, part, classes, find. All of it is in the address."""
    names = loaders.dataset(runs[0].config.dataset_hash or "").label_names
    bound = {"bind": "query-params"}
    a, b, c, d, e = st.columns([1, 1.1, 1.2, 1.7, 1.5])
    method = a.selectbox("Map", list(METHODS), format_func=METHODS.get, key="map", **bound)
    color = b.selectbox("Colour", list(COLORS), format_func=COLORS.get, key="colour", **bound)
    part = c.selectbox("Part", list(PARTS), format_func=PARTS.get, key="part", **bound)
    focus = d.multiselect(
        "Classes in colour", list(names), key="focus", placeholder="largest 8" if len(names) > 20 else "all", max_selections=8, **bound
    )
    find = e.text_input("Find in texts", key="find", placeholder="a word", **bound)
    return Look(method, color, tuple(part.split(",")), tuple(focus), find.strip())


def load(runs: Sequence[Run], look: Look) -> tuple[pd.DataFrame, list[Pane]]:
    """The frame of all panes. Runs of another data set than the first are left out, and said."""
    same = [run for run in runs if run.config.dataset_hash == runs[0].config.dataset_hash]
    if len(same) < len(runs):
        st.info(
            f"{len(runs) - len(same)} picked runs are left out: they were trained on other texts than the first, and one frame needs the same texts."
        )
    panes, dataset = loaders.panes([run.id for run in same], look.method)
    return manifold.frame(panes, dataset.label_names, dataset.texts, color_by=look.color_by, parts=look.parts, focus=look.focus), panes


def panes_row(frame: pd.DataFrame, panes: list[Pane], look: Look) -> list[int]:
    """The maps side by side on one window; returns the row ids of the lasso, of the pane touched last, or of the search."""
    chosen = selection(frame, panes, look)
    view = manifold.window(frame)
    per_row = len(panes) if len(panes) <= 3 else (len(panes) + 1) // 2
    height = {1: 620, 2: 540, 3: 400}[per_row]
    for start in range(0, len(panes), per_row):
        for column, pane in zip(st.columns(per_row), panes[start : start + per_row], strict=False):
            with column:
                figure = manifold.screen(frame, pane.run.id, theme=theme(), view=view, selected=chosen, height=height)
                picture(figure, key=chart_key(pane.run.id), alt=manifold.alt(frame, pane.run.id), selectable=True)
                badge(pane, first=pane is panes[0])
    return chosen


def chart_key(run_id: str) -> str:
    return f"map_{run_id}"


def selection(frame: pd.DataFrame, panes: list[Pane], look: Look) -> list[int]:
    """Row ids from the lasso of any pane (all panes together), else from the search."""
    from dmlviz.ui.picks import lassoed

    rows = lassoed([chart_key(pane.run.id) for pane in panes])
    if rows or not look.find:
        return rows
    texts = loaders.dataset(panes[0].run.config.dataset_hash or "").texts
    word = look.find.casefold()
    return [int(row) for row in sorted(set(frame["row_id"])) if word in texts[row].casefold()]


def badge(pane: Pane, *, first: bool) -> None:
    """One line: how far the map can be trusted, with the numbers on hover."""
    found = pane.projection
    kept = "well" if found.trustworthiness >= 0.95 else "fairly well" if found.trustworthiness >= 0.85 else "poorly"
    caution = "gaps are not to be read" if found.method == "umap" else f"{100 * sum(found.variance or (0, 0)):.0f} % of the variance"
    st.caption(f"Neighbours kept {kept} ({found.trustworthiness:.2f}); {caution}.", help=_numbers(found, first))


def _numbers(found: Projection, first: bool) -> str:
    trust = (
        f"Trustworthiness {found.trustworthiness:.3f} (1 is best) over {found.trust_neighbors} neighbours, "
        f"measured on {found.trust_n:,} texts (Venna and Kaski 2001). "
    )
    if first:
        return trust + "The other panes are turned, mirrored and scaled onto this one."
    left = f"{100 * (found.residual or 0):.0f} %"
    return trust + f"Registered on the first pane; {left} of that map's variance is left: 0 is the same layout, 100 an unrelated one."


def below(frame: pd.DataFrame, panes: list[Pane], selected: list[int], look: Look) -> None:
    """Buttons, fallback notice, the table of selected texts."""
    options = {"map": look.method, "color_by": look.color_by, "parts": ",".join(look.parts)}
    if look.focus:
        options["focus"] = "\n".join(look.focus) + "\n"  # class names may hold commas
    left, right = st.columns([3, 2], vertical_alignment="center")
    shown = frame["row_id"].nunique()
    left.markdown(
        f"**{len(selected):,} of {shown:,} texts selected.** " if selected else f"{shown:,} texts in each map. Draw a lasso or search to read texts."
    )
    if any(pane.projection.method != look.method for pane in panes):
        left.caption("Where a UMAP is not ready yet, the PCA is shown.")
    with right:
        tools(FigureSpec(name="manifold", run_ids=tuple(p.run.id for p in panes), options=options), frame, key="manifold")
    if selected:
        _table(frame, panes, selected)


def _table(frame: pd.DataFrame, panes: list[Pane], selected: list[int]) -> None:
    """One row per selected text: the text, its class, and each run's prediction."""
    picked = frame[frame["row_id"].isin(selected)]
    texts = loaders.dataset(panes[0].run.config.dataset_hash or "").texts
    first = picked.drop_duplicates("row_id").sort_values("row_id")
    table = pd.DataFrame({"text": [texts[row] for row in first["row_id"]], "class": first["label"].to_numpy(), "part": first["part"].to_numpy()})
    for pane in panes:
        own = picked[picked["pane"] == pane.run.id].set_index("row_id")
        if own.empty:
            continue
        table[own["title"].iloc[0]] = own["prediction"].reindex(first["row_id"]).to_numpy()
    table.insert(0, "row", first["row_id"].to_numpy())
    small = st.column_config.Column(width="small")
    widths = {"row": small, "part": small, "text": st.column_config.Column(width="large")}
    st.dataframe(table.head(2000), hide_index=True, height=min(38 + 35 * len(table), 320), column_config=widths)
    agree = [
        f"{escaped(str(title))} {100 * group['correct'].mean():.1f} %"
        for title, group in picked[picked["part"] == "test"].groupby("title", sort=False)
    ]
    if agree:
        st.caption("Right among the selected test texts: " + " · ".join(agree) + " (single runs).")
    st.download_button("Selected texts as CSV", csv_bytes(table), "selected_texts.csv", "text/csv", on_click="ignore")
