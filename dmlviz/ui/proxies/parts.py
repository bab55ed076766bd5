"""Parts of the Proxies page: controls, maps with centres, bars, heat map, the table of centres, and the texts behind each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.centers.view import PARTS, CenterLook, CenterView
from dmlviz.analysis.geometry.projection import TITLES
from dmlviz.core.types import FigureSpec, Run, TextDataset
from dmlviz.export.files import csv_bytes
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.base.words import whole
from dmlviz.figures.centers import drift as centers_drift
from dmlviz.figures.centers import heat as centers_heat
from dmlviz.figures.centers import map as centers_map
from dmlviz.figures.centers import use
from dmlviz.figures.centers.frame import by_size, name
from dmlviz.losses.table import LOSSES
from dmlviz.ui.proxies import loaders as proxies_loaders
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import escaped, theme
from dmlviz.ui.shared.picture import PLOTLY, picture, tools

PART_WORDS = {"test": "test texts", "support": "support texts", "validation": "validation texts", "all": "all texts"}
SPACE_WORDS = {"texts": "texts", "tokens": "tokens"}
WHICH_WORDS = {"learned": "learned; else class means", "means": "class means of every run"}
MERGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
MOST_TEXTS = 1_000  # rows of a table of texts


class Look(NamedTuple):
    """What the controls say."""

    method: str
    centers: CenterLook
    focus: tuple[str, ...]
    trails: bool
    run_id: str  # whose details are below the maps


class Shown(NamedTuple):
    """What the page shows: one view per run, in the order of the panes."""

    found: list[CenterView]
    label_names: list[str]
    dataset: TextDataset
    look: Look

    @property
    def detail(self) -> CenterView:
        return next(view for view in self.found if view.run.id == self.look.run_id)

    @property
    def title(self) -> str:
        return run_titles([view.run.config for view in self.found])[[view.run.id for view in self.found].index(self.look.run_id)]

    def options(self, *also: str) -> dict[str, str | float | bool]:
        """The look as a figure's options."""
        centers = self.look.centers
        focus = {"focus": "\n".join(self.look.focus) + "\n"} if self.look.focus else {}
        trails = {"trails": True} if "trails" in also and self.look.trails else {}
        chosen = {"map": self.look.method, "part": centers.part, "space": centers.space, "which": centers.which, "merge": centers.merge}
        return {**chosen, **focus, **trails}


def controls(runs: Sequence[Run]) -> Look:
    """One row, in reading order: map, space, part, classes, whose details, the rest. All of it is in the address."""
    names = loaders.dataset(runs[0].config.dataset_hash or "").label_names
    titles = dict(zip([run.id for run in runs], run_titles([run.config for run in runs]), strict=True))
    if st.session_state.get("proxy_run") not in titles:
        st.session_state.pop("proxy_run", None)
    bound = {"bind": "query-params"}
    a, b, c, d, e, f = st.columns([1, 1, 1.05, 1.3, 1.2, 0.95], vertical_alignment="bottom")
    method = a.selectbox("Map", list(TITLES), format_func=TITLES.get, key="proxy_map", **bound)
    space = b.selectbox("Count", list(SPACE_WORDS), format_func=SPACE_WORDS.get, key="proxy_space", **bound, help=SPACE_HELP)
    part = c.selectbox("Of", list(PARTS), format_func=PART_WORDS.get, key="proxy_part", **bound, help="Whose texts are counted and drawn.")
    focus = d.multiselect(
        "Classes", list(names), key="proxy_focus", placeholder="largest 8" if len(names) > 20 else "all", max_selections=8, **bound
    )
    with_centers = [i for i, run in enumerate(runs) if run.config.loss in LOSSES and LOSSES[run.config.loss].has_centers]
    run_id = e.selectbox("Details of", list(titles), with_centers[0] if with_centers else 0, format_func=titles.get, key="proxy_run", **bound)
    with f.popover("More", width="stretch"):
        merge = st.selectbox("Merge below", MERGES, MERGES.index(0.1), format_func="{:.2f}".format, key="proxy_merge", **bound, help=MERGE_HELP)
        which = st.radio("Centres", list(WHICH_WORDS), format_func=WHICH_WORDS.get, key="proxy_which", **bound, help=MEANS_HELP)
        trails = st.toggle("Paths over epochs", key="proxy_paths", **bound, help=PATH_HELP)
    return Look(method, CenterLook(part, space, which, merge), tuple(focus), trails, run_id)


SPACE_HELP = (
    "TripleEntropy compares its centres with single tokens. Tokens: its tokens are counted and drawn on a map of their own. Texts: its centres are "
    "compared with whole texts, which the loss never did."
)
MERGE_HELP = (
    "Centres of a class count as one when a chain of steps of at most this cosine distance (1 - cosine) joins them: single linkage. SoftTriple's tau "
    "pulls superfluous centres together (Qian et al. 2019)."
)
MEANS_HELP = "A loss without centres is shown with its class means: the mean direction of each class's support texts. Test texts take no part."
PATH_HELP = (
    "Where each centre was at the stored epochs. On a PCA by the same transform; on other maps among the 10 texts that were nearest then, where "
    "those texts are now."
)


def load(runs: Sequence[Run], look: Look) -> Shown:
    """Everything the page shows of these runs."""
    dataset = loaders.dataset(runs[0].config.dataset_hash or "")
    found = proxies_loaders.views([run.id for run in runs], look.method, look.centers)
    return Shown(found, [whole(label) for label in dataset.label_names], dataset, look)


# ---- what is picked: one centre, and the selection of texts that travels


def selected_rows(shown: Shown) -> np.ndarray:
    """The selection that travels over the pages, as row ids."""
    from dmlviz.ui.shared import selection

    return selection.current([view.run.id for view in shown.found]).rows


def _choose(rows: Sequence[int], dataset_hash: str) -> None:
    from dmlviz.ui.shared import selection

    selection.choose_rows(rows, dataset_hash)


def center_names(shown: Shown) -> dict[str, tuple[int, int]]:
    """"grain 3" -> class and centre of the detailed run, the largest class first, its most chosen centre first. Only classes in focus, if any."""
    report = shown.detail.report
    if report is None:
        return {}
    wanted = set(shown.look.focus) or set(shown.label_names)
    order = [c for c in by_size(shown.found, shown.label_names) if shown.label_names[c] in wanted]
    return {
        name(shown.label_names[c], int(k)): (c, int(k))
        for c in order for k in np.argsort(-report.counts[c], kind="stable") if report.there[c, k]
    }  # fmt: skip


def picked(shown: Shown) -> str:
    """The picked centre's name: clicked on a map, in the table, or chosen by name; "" where there is none. It is in the address as proxy_centre."""
    names = center_names(shown)
    kept = st.session_state.get("proxy_centre") or st.query_params.get("proxy_centre", "")
    return kept if kept in names else next(iter(names), "")


def _from_map(key: str) -> None:
    """A click on a star picks its centre."""
    for point in (st.session_state.get(key) or {}).get("selection", {}).get("points", []):
        data = point.get("customdata")
        data = data[0] if isinstance(data, list | tuple) and data else data
        if isinstance(data, str):
            st.session_state["proxy_centre"] = data


def _from_table(key: str, names: list[str]) -> None:
    rows = (st.session_state.get(key) or {}).get("selection", {}).get("rows", [])
    if rows and rows[0] < len(names):
        st.session_state["proxy_centre"] = names[rows[0]]


# ---- maps


def maps(shown: Shown) -> None:
    """One pane per run; a single run shares its row with the bars."""
    rows, centre, look = selected_rows(shown), picked(shown), shown.look
    frame = centers_map.frame_of(shown.found, shown.label_names, shown.dataset.texts, focus=look.focus, trails=look.trails, keep=rows[:MOST_TEXTS])
    count = len(shown.found)
    per_row = 2 if count == 1 else count if count <= 3 else (count + 1) // 2
    height = {2: 540, 3: 400}[per_row]
    for start in range(0, count, per_row):
        columns = st.columns(per_row)
        for column, view in zip(columns, shown.found[start : start + per_row], strict=False):
            with column:
                own = centre if view.run.id == shown.look.run_id else ""
                figure = centers_map.screen(frame, view.run.id, theme=theme(), selected=rows, picked=own, height=height)
                _clickable(figure, key=f"proxy_map_{view.run.id}", alt=centers_map.alt(frame, view.run.id))
                away = centers_map.outside_said(frame, view.run.id)
                st.caption(_badge(view) + (f" · {away}" if away else ""), help=escaped(centers_map.summary(view)))
        if count == 1:
            with columns[1]:
                bars(shown)
                table(shown)
    spec = FigureSpec(name="centers_map", run_ids=tuple(view.run.id for view in shown.found), options=shown.options("trails"))
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.caption(centers_map.placing(shown.found) + " Halo: share of its class. Cross: chosen by none. Click a star to read its texts.")
    with right:
        tools(spec, frame, key="centers_map")
    _notes(shown)


def _clickable(figure, *, key: str, alt: str) -> None:
    st.plotly_chart(figure, key=key, theme=None, config=PLOTLY, alt=alt, on_select=lambda: _from_map(key), selection_mode="points")


def _badge(view: CenterView) -> str:
    """The shortest useful line under a map; the rest is in the help."""
    if view.report is None:
        return "No centres and no class means."
    report = view.report
    won = int(report.attracted.sum())
    pure = f"purity {100 * report.pure.sum() / won:.1f} %" if won else "nothing counted"
    fewer = len(view.counted) > centers_map.MOST_POINTS
    counted = f"{len(view.counted):,} {view.space} ({centers_map.MOST_POINTS:,} drawn)" if fewer else centers_map.counted(view)
    if report.centers.shape[1] == 1:
        return f"{int(report.there.sum()):,} {'class means' if view.kind == 'means' else 'centres'} · {pure} · {counted}"
    there = report.there & (report.n > 0)[:, None]
    return f"{int((report.counts > 0).sum()):,} of {int(there.sum()):,}{'' if fewer else ' centres'} used · {pure} · {counted}"


def _notes(shown: Shown) -> None:
    """What is not as one may expect, once per sentence, with the runs it is about."""
    titles = run_titles([view.run.config for view in shown.found])
    said: dict[str, list[str]] = {}
    for view, title in zip(shown.found, titles, strict=True):
        for sentence in view.said:
            said.setdefault(sentence, []).append(title)
    everyone, lines = len(shown.found), []
    for sentence, who in said.items():
        about = "" if everyone == 1 or len(who) == everyone else f"**{', '.join(map(escaped, who))}**: "
        lines.append(about + escaped(sentence))
    if any(view.method != shown.look.method and view.space == "texts" for view in shown.found):
        how = "" if shown.look.method == "umap" else " Compute it on the Manifold page."
        lines.append(f"Not every run has its {TITLES[shown.look.method]} yet; the PCA is shown.{how}")
    if lines:
        st.caption("  \n".join(lines))


def numbers(shown: Shown) -> None:
    """One row per run: all losses on one footing."""
    titles = run_titles([view.run.config for view in shown.found])
    st.dataframe(
        pd.DataFrame([_numbers(view, title) for view, title in zip(shown.found, titles, strict=True)]), hide_index=True, key="proxy_numbers",
        height=38 + 35 * len(shown.found), column_config=NUMBER_COLUMNS, placeholder="–", alt="Numbers of the centres, one row per run",
    )  # fmt: skip


def _numbers(view: CenterView, title: str) -> dict[str, object]:
    report = view.report
    row: dict[str, object] = {"Loss": title, "Counted": centers_map.counted(view)}
    if report is None:
        return row
    many, used = report.centers.shape[1] > 1, report.n > 0
    won, intruding = int(report.attracted.sum()), len(report.intrusions.row_ids)
    ends = view.drift[-1][report.there] if view.drift is not None else np.zeros(0)
    return row | {
        "Centres": f"{int(report.there.sum()):,}" + (" means" if view.kind == "means" else ""),
        "Used": int((report.counts > 0).sum()), "Dead": int(report.dead.sum()),
        "Effective K": report.effective[used].mean() if many and used.any() else None,
        "Soft": report.effective_soft[used].mean() if many and used.any() else None,
        "Merged": report.merged[used].mean() if many and used.any() else None,
        "Purity %": 100 * report.pure.sum() / won if won else None,
        "Similarity": np.nansum(report.fit * report.counts) / max(report.counts.sum(), 1),
        "Intrusions": intruding, "Intrusions %": 100 * intruding / report.texts if report.texts else None,
        "Drift": float(ends.mean()) if len(ends) else None,
    }  # fmt: skip


_number = st.column_config.NumberColumn
NUMBER_COLUMNS = {
    "Used": _number(help="Centres that at least one counted vector of their class is nearest to."),
    "Dead": _number(help="Centres that no counted vector of their class is nearest to."),
    "Effective K": _number(format="%.2f", help="exp(entropy) of a class's vectors over its centres, each at its nearest; mean of classes."),
    "Soft": _number(format="%.2f", help="The same of the weights that the loss itself uses: softmax over a class's centres of cosine / gamma."),
    "Merged": _number(format="%.2f", help="Centres per class that are left when close ones count as one; mean of the classes."),
    "Purity %": _number(format="%.1f", help="Of all vectors, by their nearest centre of all: the share whose class is that centre's."),
    "Similarity": _number(format="%.2f", help="Mean cosine of a vector and its nearest own centre."),
    "Intrusions": _number(help="Texts closer to another class's centre than to any of their own."),
    "Intrusions %": _number(format="%.1f"),
    "Drift": _number(format="%.3f", help="Mean cosine distance of the centres from where they started."),
}


# ---- one run's details


def details(shown: Shown) -> None:
    """Bars, table, heat map, texts, intrusions and drift of one run, in two columns. With a single run, bars and table stand beside its map."""
    view = shown.detail
    if view.report is None:
        if len(shown.found) > 1:
            st.info(f"{escaped(shown.title)} has nothing to detail here; choose another run under “Details of”.")
        return
    classes, count = len(shown.look.focus) or int((view.report.n > 0).sum()), view.report.centers.shape[1]
    parts: list[tuple[Callable[[Shown], None], float]] = [
        (texts, 520), (heat, 110 + _heat_height(min(classes * count, centers_heat.MOST_ROWS))), (intrusions, 500), (drift, 360)
    ]  # fmt: skip
    if len(shown.found) > 1:
        parts = [(bars, 110 + 24 * min(classes, 20)), (table, 320), parts[1], parts[0], *parts[2:]]
    with st.container(key="wide_proxy"):
        columns, filled = st.columns(2), [0.0, 0.0]
        for draw, height in parts:  # each part goes under the shorter column; the table stays with its bars
            at = 0 if draw in (bars, table) else int(filled[1] < filled[0])
            filled[at] += height
            with columns[at]:
                draw(shown)


def bars(shown: Shown) -> None:
    if shown.detail.report is None:
        return
    frame = use.frame_of(shown.found, shown.label_names, focus=shown.look.focus)
    picture(use.screen(frame, shown.look.run_id, theme=theme()), key="proxy_use", alt=use.alt(frame, shown.look.run_id))
    _below(shown, "centers_use", frame, _bars_line(shown))


def _bars_line(shown: Shown) -> str:
    report = shown.detail.report
    hidden = int((report.n > 0).sum()) - use.MOST_CLASSES
    more = f" The {use.MOST_CLASSES} largest classes; {hidden:,} more are in the table." if hidden > 0 and not shown.look.focus else ""
    return f"{escaped(shown.title)}, single run. Hatched: nearer to another class.{more}"


def heat(shown: Shown) -> None:
    frame = centers_heat.frame_of(shown.found, shown.label_names, focus=shown.look.focus)
    rows = frame[frame["pane"] == shown.look.run_id]
    size = int(rows["row"].nunique())
    figure = centers_heat.screen(frame, shown.look.run_id, theme=theme(), height=_heat_height(size))
    picture(figure, key="proxy_heat", alt=centers_heat.alt(frame, shown.look.run_id))
    left_out = int(rows["left_out"].iloc[0]) if len(rows) else 0
    more = f" {left_out:,} smaller classes have no room; choose classes to see them." if left_out else ""
    _below(shown, "centers_heat", frame, f"{escaped(shown.title)}: {size:,} centres; unrelated directions have a cosine near 0.{more}")


def _heat_height(size: int) -> int:
    return int(np.clip(34 + 44 * size, 170, 450))


def drift(shown: Shown) -> None:
    frame = centers_drift.frame_of(shown.found, shown.label_names, focus=shown.look.focus)
    if not (frame["pane"] == shown.look.run_id).any():
        return
    picture(centers_drift.screen(frame, shown.look.run_id, theme=theme()), key="proxy_drift", alt=centers_drift.alt(frame, shown.look.run_id))
    _below(shown, "centers_drift", frame, f"{escaped(shown.title)}: 0 not moved, 1 a right angle from the start. Dotted: chosen by none at the end.")


def _below(shown: Shown, figure: str, frame: pd.DataFrame, line: str) -> None:
    left, right = st.columns([1.4, 1], vertical_alignment="center")
    left.caption(line)
    with right:
        runs = tuple(dict.fromkeys(frame["pane"])) or (shown.look.run_id,)
        tools(FigureSpec(name=figure, run_ids=runs, options=shown.options()), frame, key=figure)


def table(shown: Shown) -> None:
    """One row per centre; a click on a row picks it."""
    names = center_names(shown)
    if not names:
        return
    frame = center_table(shown.detail, names, shown)
    at = list(names).index(picked(shown)) if picked(shown) in names else None
    key = f"proxy_table_{shown.look.run_id}"
    if key in st.session_state and at is not None:  # the centre may have been picked elsewhere since
        st.session_state[key] = {"selection": {"rows": [at], "columns": [], "cells": []}}
    st.dataframe(
        frame, hide_index=True, key=key, height=min(38 + 35 * len(frame), 318), placeholder="–", on_select=lambda: _from_table(key, list(names)),
        selection_mode="single-row", selection_default=None if at is None else {"selection": {"rows": [at]}}, column_config=CENTER_COLUMNS,
        alt=f"Centres of {shown.title}",
    )  # fmt: skip


def center_table(view: CenterView, names: dict[str, tuple[int, int]], shown: Shown) -> pd.DataFrame:
    """What the table holds: one row per centre of `names`."""
    report, rows = view.report, []
    for own, (c, k) in names.items():
        group = [name(shown.label_names[c], int(j)) for j in np.flatnonzero(report.groups[c] == report.groups[c, k]) if j != k]
        near = report.nearest_rows[c, k]
        words = ", ".join(f"{word.word}" for word in view.near_words[c][k][:5]) if view.near_words else None
        rows.append({
            "Centre": own, "Texts" if view.space == "texts" else "Tokens": int(report.counts[c, k]), "Share %": 100 * report.hard[c, k],
            "Soft %": 100 * report.soft[c, k], "Purity %": 100 * report.purity[c, k], "Attracts": int(report.attracted[c, k]),
            "Similarity": report.fit[c, k], "Merged with": ", ".join(group), "Nearest words": words,
            "Nearest text": shown.dataset.texts[near[0]][:160] if near[0] >= 0 else "",
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    empty = [column for column in ("Nearest words", "Merged with") if column in frame and not frame[column].fillna("").astype(bool).any()]
    return frame.drop(columns=[*empty, *(["Share %", "Soft %"] if report.centers.shape[1] == 1 else [])])


CENTER_COLUMNS = {
    "Texts": _number(width="small", help="Hard occupancy: counted texts of its class whose nearest own centre this is. 0: dead."),
    "Tokens": _number(width="small", help="Hard occupancy: counted tokens of its class whose nearest own centre this is. 0: dead."),
    "Share %": _number(format="%.1f", width="small", help="The same as a share of its class."),
    "Soft %": _number(format="%.1f", width="small", help="Soft occupancy: mean of the loss's own weight, softmax of cosine / gamma."),
    "Purity %": _number(format="%.1f", width="small", help="Of the vectors of any class nearest to it of all centres: the share of its own class."),
    "Attracts": _number(width="small", help="Vectors of any class that are nearest to it of all centres: the n of the purity."),
    "Similarity": _number(format="%.2f", width="small", help="Mean cosine to the vectors that chose it."),
    "Nearest text": st.column_config.TextColumn(width="large"),
}


def texts(shown: Shown) -> None:
    """The nearest texts and words of the picked centre, and the texts that chose it."""
    names = center_names(shown)
    if not names:
        return
    kept = picked(shown)
    if st.session_state.get("proxy_centre") != kept:
        st.session_state["proxy_centre"] = kept
    own = st.selectbox("Texts nearest to", list(names), key="proxy_centre", bind="query-params")
    c, k = names[own]
    view, report = shown.detail, shown.detail.report
    there = report.nearest_rows[c, k] >= 0
    near = report.nearest_rows[c, k][there]
    label_of = dict(zip(view.rows.tolist(), view.labels.tolist(), strict=True))
    frame = pd.DataFrame({
        "Text": [shown.dataset.texts[row] for row in near], "Class": [shown.label_names[label_of[int(row)]] for row in near],
        "Cosine": report.nearest_cosines[c, k][there], "row": near,
    })  # fmt: skip
    st.dataframe(
        frame, hide_index=True, height=38 + 35 * max(len(frame), 1), key="proxy_nearest", alt=f"Texts nearest to {own}",
        column_config={"Text": st.column_config.TextColumn(width=350), "Cosine": _number(format="%.3f", width=72),
                       "Class": st.column_config.Column(width=90), "row": None},
    )  # fmt: skip
    if view.near_words:
        words = ", ".join(f"{escaped(word.word)} {word.cosine:.2f} ({word.count:,})" for word in view.near_words[c][k][:7])
        st.caption(f"Nearest tokens, mean cosine (times in the sample): {words}")
    mine = np.unique(view.rows[view.counted][(report.own == k) & (view.labels[view.counted] == c)])
    unit = "texts with tokens that chose it" if view.space == "tokens" else "texts that chose it"
    _select(mine, f"Select the {len(mine):,} {unit}", shown, key="proxy_select_centre", none="No text of its class chose this centre: it is dead.")


def _select(rows: np.ndarray, label: str, shown: Shown, *, key: str, none: str) -> None:
    if len(rows):
        st.button(label, key=key, on_click=_choose, args=([int(row) for row in rows], shown.dataset.content_hash), icon=":material/select_all:")
    else:
        st.caption(none)


def intrusions(shown: Shown) -> None:
    """Texts closer to another class's centre than to any of their own, the widest margin first."""
    report = shown.detail.report
    found, wanted = report.intrusions, set(shown.look.focus)
    frame = pd.DataFrame({
        "Text": [shown.dataset.texts[row] for row in found.row_ids], "Class": [shown.label_names[c] for c in found.labels],
        "Nearer to": [name(shown.label_names[c], int(k)) for c, k in zip(found.other_labels, found.other, strict=True)],
        "By": found.margins, "row": found.row_ids,
    })  # fmt: skip
    if wanted:
        frame = frame[frame["Class"].isin(wanted)]
    share = f" ({100 * len(found.row_ids) / report.texts:.1f} %)" if report.texts else ""
    st.markdown(f"**{len(found.row_ids):,} of {report.texts:,} texts{share} are closer to another class's centre**" + (
        f"; {len(frame):,} of them in the chosen classes" if wanted else ""))  # fmt: skip
    if frame.empty:
        return
    st.dataframe(
        frame.head(MOST_TEXTS), hide_index=True, height=min(38 + 35 * len(frame), 388), key="proxy_intrusions", alt="Cross-class intrusions",
        column_config={"Text": st.column_config.TextColumn(width=260), "By": _number(format="%.3f", width=64, help=BY_HELP),
                       "Class": st.column_config.Column(width=90), "Nearer to": st.column_config.Column(width=104), "row": None},
    )  # fmt: skip
    with st.container(horizontal=True):
        _select(frame["row"].to_numpy(), "Select these texts", shown, key="proxy_select_intrusions", none="")
        st.download_button("CSV", lambda: csv_bytes(frame), "intrusions.csv", "text/csv", key="proxy_intrusions_csv", on_click="ignore")
    if len(frame) > MOST_TEXTS:
        st.caption(f"The first {MOST_TEXTS:,} of {len(frame):,} are shown; the CSV has all.")


BY_HELP = "Cosine to that centre minus cosine to the nearest of its own class."
__all__ = ["Look", "Shown", "controls", "details", "load", "maps", "numbers"]
