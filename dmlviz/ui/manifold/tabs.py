"""Below the maps: the selected texts, what changed between two runs, and the numbers behind the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.geometry.quality import badge
from dmlviz.analysis.reliability.slices import slice_report, word_counts
from dmlviz.analysis.statistics import FEWEST_TEXTS
from dmlviz.core.types import InputError, Pane, TextDataset, class_words
from dmlviz.export.files import csv_bytes
from dmlviz.figures.base.words import excerpt
from dmlviz.ui.manifold import loaders as manifold_loaders
from dmlviz.ui.manifold.parts import BOUND, Look
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import escaped, sentence

TABS = {"texts": "Selected texts", "changed": "What changed", "numbers": "Numbers"}
MOST_ROWS = 2_000  # of a table in the browser; the CSV has all
SMALL, LARGE = st.column_config.Column(width="small"), st.column_config.Column(width="large")


def tabs(panes: Sequence[Pane], look: Look) -> None:
    """One of three, by choice: the others are not computed."""
    chosen = st.segmented_control(
        "Below the maps", list(TABS), default="texts", format_func=TABS.get, key="below", label_visibility="collapsed", required=True, **BOUND
    )
    try:
        {"texts": _texts, "changed": _changed, "numbers": _numbers}[chosen or "texts"](list(panes), look)
    except InputError as error:
        sentence(str(error))


def _dataset(panes: Sequence[Pane]) -> TextDataset:
    return loaders.dataset(panes[0].run.config.dataset_hash or "")


# ---- selected texts


def _texts(panes: list[Pane], look: Look) -> None:
    found = selection.current([pane.run.id for pane in panes])
    if not selection.line():
        st.caption("Nothing is selected. Draw around texts on a map, click one, search, or choose under More; the selection stays on every page.")
        return
    if not len(found.rows):
        st.caption(f"No text here is in the selection ({escaped(found.words)}).")
        return
    dataset, titles = _dataset(panes), manifold_loaders.titles([pane.run for pane in panes])
    _against_the_rest(panes, titles, found.rows, dataset)
    table = _table(panes, titles, found.rows, dataset)
    widths = {"row": SMALL, "part": SMALL, "text": LARGE}
    st.dataframe(table.head(MOST_ROWS), hide_index=True, height=min(38 + 35 * len(table), 320), column_config=widths)
    left, right = st.columns([3, 1], vertical_alignment="center")
    more = f" The first {MOST_ROWS:,} are listed; the CSV has all." if len(table) > MOST_ROWS else ""
    left.caption(f"{len(table):,} texts, {escaped(found.words)}.{more}")
    with right:
        st.download_button("Selected texts as CSV", lambda: csv_bytes(table), "selected_texts.csv", "text/csv", on_click="ignore", width="stretch")
    _neighbors(panes, titles, found.rows, dataset)


def _table(panes: Sequence[Pane], titles: Sequence[str], rows: np.ndarray, dataset: TextDataset) -> pd.DataFrame:
    """One row per selected text: the text, its class and part, and each run's prediction."""
    names = class_words(dataset.label_names)
    part = dict(zip(panes[0].projection.row_ids.tolist(), panes[0].roles, strict=True))
    table = pd.DataFrame({"row": rows, "text": [dataset.texts[row] for row in rows], "class": names[dataset.labels[rows]]})
    if dataset.text_pairs is not None:
        table["second text"] = [dataset.text_pairs[row] for row in rows]
    table["part"] = [part.get(int(row), "") for row in rows]
    for pane, title in zip(panes, titles, strict=True):
        predicted = dict(zip(pane.projection.row_ids.tolist(), names[pane.predictions], strict=True))
        table[title] = [predicted.get(int(row), "") for row in rows]
    return table


def _against_the_rest(panes: Sequence[Pane], titles: Sequence[str], rows: np.ndarray, dataset: TextDataset) -> None:
    """Statistics of the selected test texts against the other test texts, a run at a time."""
    first = panes[0]
    test = first.roles == "test"
    mask = np.isin(first.projection.row_ids[test], rows)
    if not mask.any() or mask.all():
        st.caption("All test texts are selected." if mask.any() else "No test text is selected, so there is no accuracy to compare.")
        return
    words = word_counts([dataset.texts[row] for row in first.projection.row_ids[test]])
    lines = []
    for pane, title in zip(panes, titles, strict=True):
        own = pane.roles == "test"
        chosen = np.isin(pane.projection.row_ids[own], rows)
        length = words if np.array_equal(pane.projection.row_ids[own], first.projection.row_ids[test]) else None
        report = slice_report(chosen, pane.labels[own], pane.predictions[own], pane.confidence[own], words=length, names=dataset.label_names)
        lines.append((title, report))
    _show_slices(lines)


def _show_slices(lines: Sequence[tuple[str, pd.DataFrame]]) -> None:
    rows = []
    for title, report in lines:
        for _, one in report[report["statistic"].isin(["accuracy", "confidence"])].iterrows():
            rows.append(_slice_row(title, one))
    shared = lines[0][1]
    rows += [_slice_row("all runs", one) for _, one in shared[shared["statistic"] == "words"].iterrows()]
    shares = shared[shared["statistic"] == "share of class"].head(5)
    rows += [_slice_row("all runs", one) for _, one in shares.iterrows()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=min(38 + 35 * len(rows), 320), alt="Selected test texts against the others")
    st.caption(
        "Test texts only, n of the selected / of the rest; 95 % intervals over texts (Wilson, Newcombe, Student's t; a mean of fewer than "
        f"{FEWEST_TEXTS} texts has none), so they say nothing about other seeds or draws. "
        "Whoever selects by looking finds differences: confirm them on other runs."
    )


def _slice_row(title: str, one: pd.Series) -> dict[str, str]:
    percent = one["statistic"] not in ("confidence", "words")
    scale, form = (100, "{:.1f}") if percent else (1, "{:.2f}" if one["statistic"] == "confidence" else "{:.1f}")

    def shown(name: str) -> str:
        value, low, high = (one[f"{name}{end}"] * scale for end in ("", "_low", "_high"))
        if not np.isfinite(value):
            return "–"
        return form.format(value) + (f" ({form.format(low)} to {form.format(high)})" if np.isfinite(low) and np.isfinite(high) else "")

    what = f"share of {one['name']}" if one["statistic"] == "share of class" else str(one["statistic"])
    unit = " %" if percent else " a text" if one["statistic"] == "words" else ""
    texts = f"{int(one['n_selected']):,} / {int(one['n_rest']):,}"
    return {"run": title, "what": what + unit, "selected": shown("selected"), "rest": shown("rest"), "difference": shown("difference"), "n": texts}


def _neighbors(panes: Sequence[Pane], titles: Sequence[str], rows: np.ndarray, dataset: TextDataset) -> None:
    """The nearest texts of one selected text in each run's own space."""
    home = str(loaders.store().home)
    options = [int(row) for row in rows[:200]]
    row = options[0] if len(options) == 1 else st.selectbox(
        "Nearest texts of", options, index=None, placeholder="one of the selected texts", key="neighbors_of",
        format_func=lambda one: f"{one}: {excerpt(dataset.texts[one])[:110]}",
    )  # fmt: skip
    if row is None:
        return
    names, found = dataset.label_names, {}
    for pane, title in zip(panes, titles, strict=True):
        at = np.flatnonzero(pane.projection.row_ids == row)
        if not len(at):
            continue
        near = manifold_loaders.near(home, pane.run.id)
        others, alike = near.indices[at[0]][:8], near.similarities[at[0]][:8]
        ids = pane.projection.row_ids[others]
        found[title] = [
            f"{similarity:.2f} · {names[dataset.labels[other]]} · {excerpt(dataset.texts[other])[:90]}"
            for similarity, other in zip(alike, ids, strict=True)
        ]
    st.caption("Nearest texts by cosine in each run's original space, not on the map: similarity, class, text.")
    st.dataframe(pd.DataFrame({"": range(1, 1 + max(map(len, found.values()))), **found}), hide_index=True, column_config={"": SMALL})


# ---- what changed


def _changed(panes: list[Pane], look: Look) -> None:
    if len(panes) < 2:
        st.caption("What changed needs two runs; pick a second one in the sidebar, or add the pre-trained encoder under More.")
        return
    ids = [pane.run.id for pane in panes]
    titles = dict(zip(ids, manifold_loaders.titles([pane.run for pane in panes]), strict=True))
    left, middle, right = st.columns([1, 1, 2], vertical_alignment="bottom")
    a = left.selectbox("From", ids, format_func=titles.get, key="changed_from")
    b = middle.selectbox("To", [one for one in ids if one != a], format_func=titles.get, key="changed_to")
    only = right.segmented_control("Show", ["all", "predictions that changed"], default="all", key="changed_only", required=True)
    dataset = _dataset(panes)
    frame = manifold_loaders.changes(str(loaders.store().home), a, b, dataset.label_names)
    flips = frame["flip"].value_counts()
    st.caption(
        f"{len(frame):,} texts, the most changed first. Change: 1 minus the Jaccard overlap of a text's 15 nearest texts in the two original spaces "
        "(cosine). " + " · ".join(f"{escaped(str(flip))} {count:,}" for flip, count in flips.items())
    )
    shown = frame[frame["prediction_a"] != frame["prediction_b"]] if only != "all" else frame
    table = shown.head(MOST_ROWS).assign(text=[dataset.texts[row] for row in shown["row_id"].head(MOST_ROWS)])
    table = table.rename(columns={"row_id": "row", "label": "class", "prediction_a": titles[a], "prediction_b": titles[b] + " "})
    event = st.dataframe(
        table, hide_index=True, height=320, on_select="rerun", selection_mode="multi-row", key=f"changed_table_{a}_{b}_{only}",
        column_config={"row": SMALL, "change": st.column_config.NumberColumn(format="%.2f", width="small"), "text": LARGE},
    )  # fmt: skip
    picked = [int(table["row"].iloc[i]) for i in event.selection.rows]
    with st.container(horizontal=True):
        st.button("Select these texts", key="changed_select", disabled=not picked, on_click=selection.choose_rows,
                  args=(picked, dataset.content_hash))  # fmt: skip
        top = [int(row) for row in shown["row_id"].head(50)]
        st.button(f"Select the first {len(top)}", key="changed_top", disabled=not top, on_click=selection.choose_rows,
                  args=(top, dataset.content_hash))  # fmt: skip
        st.download_button("CSV", lambda: csv_bytes(shown), "changed_texts.csv", "text/csv", on_click="ignore", key="changed_csv")


# ---- numbers


def _numbers(panes: list[Pane], look: Look) -> None:
    """The maps' checks and the numbers of the original spaces, a column for each run."""
    home, titles = str(loaders.store().home), manifold_loaders.titles([pane.run for pane in panes])
    maps, words = {}, []
    for pane, title in zip(panes, titles, strict=True):
        one = manifold_loaders.quality(home, pane.run.id, f"{look.kind} {pane.projection.method}", pane)
        maps[title] = {
            "Trustworthiness": manifold_loaders.said(one.trustworthiness), "Continuity": manifold_loaders.said(one.continuity),
            "Neighbours kept": manifold_loaders.said(one.preservation),
            "Registration residual": "–" if pane.projection.residual is None else f"{pane.projection.residual:.2f}",
            "Anchor texts": f"{len(one.anchors):,} of {one.n:,}", "k": str(one.k),
        }  # fmt: skip
        words.append(f"{escaped(title)}: {escaped(badge(one, pane.projection.method))}")
    st.markdown("**The map's check** (1 is best; 95 % intervals over texts, Student's t)")
    st.dataframe(_columns(maps), hide_index=True, alt="Checks of the maps")
    st.caption("  \n".join(f"{line}." for line in words))
    spaces = {title: manifold_loaders.space_rows(home, pane.run.id) for pane, title in zip(panes, titles, strict=True)}
    st.markdown("**The original space** (test texts; no map is involved)")
    rows = [
        {"Measure": one["measure"], **{title: _with_interval(found[i]) for title, found in spaces.items()}, "What it is": one["meaning"]}
        for i, one in enumerate(next(iter(spaces.values())))
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height=38 + 35 * len(rows), column_config={"What it is": LARGE}, alt="Numbers of the spaces")
    kinds = dict.fromkeys(str(one["kind"]) for found in spaces.values() for one in found if one["kind"])
    st.caption(f"Intervals: {'; '.join(map(escaped, kinds))}. Single runs: they do not cover other seeds or draws.")


def _columns(by_title: dict[str, dict[str, str]]) -> pd.DataFrame:
    first = next(iter(by_title.values()))
    return pd.DataFrame([{"Measure": name, **{title: found[name] for title, found in by_title.items()}} for name in first])


def _with_interval(one: dict[str, str | int]) -> str:
    return f"{one['value']} ({one['interval']})" if one["interval"] else str(one["value"])
