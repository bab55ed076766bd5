"""The Agreement tab of the Attributions page: between runs, between baselines, and class by class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dmlviz.analysis.attribution.agreement import beyond_the_floor, class_stability, stability
from dmlviz.analysis.attribution.kind import BASELINES, AttributionKind, other_baselines
from dmlviz.core.types import TextDataset
from dmlviz.core.wording import count_of
from dmlviz.export.files import csv_bytes, file_name
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.base.words import whole
from dmlviz.jobs import tasks
from dmlviz.ui.attributions import loaders as attribution_loaders
from dmlviz.ui.attributions.shared import figure, how_long, interval
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import escaped, guard

LEAST = 50  # texts that agree least, to be selected


def agree(inputs: Sequence[AttributionInput], dataset: TextDataset, kind: AttributionKind) -> None:
    """Do runs, and baselines of a run, give the same reasons?"""
    pairs, _ = attribution_loaders.tables(inputs)
    if pairs.empty:
        _nothing_to_compare(inputs, kind)
        return _another_baseline(inputs, kind)
    left, right = st.columns([1.3, 1])
    with left:
        figure("attribution_stability", inputs, (inputs,), kind, "why_heat")
    with right:
        if len(inputs) > 1:
            st.markdown(f"**{escaped(beyond_the_floor(pairs))}**")
        if pairs["same"].any():
            _relations(pairs)
        else:
            st.info("These runs predict different classes for every text they share, and reasons for different classes need not agree. "
                    "Explain one class instead (Explain, above).")  # fmt: skip
    _another_baseline(inputs, kind)
    _by_class(pairs, dataset)
    runs_apart = pairs[pairs["relation"] != "baseline"]
    least = (runs_apart if len(runs_apart) else pairs).groupby("row_id")["correlation"].mean().dropna().sort_values()
    rows = sorted(map(int, least.index[:LEAST]))
    label = f"Select the {len(rows)} texts that agree least" if len(rows) != 1 else "Select the text"
    st.button(label, key="why_least", on_click=selection.choose_rows, args=(rows, dataset.content_hash), disabled=not rows)


def _nothing_to_compare(inputs: Sequence[AttributionInput], kind: AttributionKind) -> None:
    if len(inputs) > 1:
        st.info("These runs have no explained text in common. Explain the same texts for all of them above.")
    elif other_baselines(kind):
        st.info("Agreement takes two runs (pick another one in the sidebar, best one of the same loss with another seed), or two baselines of a run.")
    else:
        st.info("Agreement takes two runs: pick another one in the sidebar, best one of the same loss with another seed.")


def _relations(pairs: pd.DataFrame) -> None:
    """What differs between the two of a pair, and how far they agree then."""
    table = stability(pairs)
    shown = pd.DataFrame({
        "Differ in": table["relation"], "Pairs": table["pairs"], "Texts": table["texts"], "Rank correlation": _intervals(table),
        "Top words shared": _percent(table["overlap"]),
    })  # fmt: skip
    st.dataframe(shown, hide_index=True)
    st.caption(
        "Over texts in which both explain one class; Student's 95 % interval over texts. Top words: the heaviest fifth. "
        "Baseline: the same run, explained from another starting point."
    )


def _by_class(pairs: pd.DataFrame, dataset: TextDataset) -> None:
    """The same, class by class, lowest agreement first."""
    table = class_stability(pairs)
    if table.empty:
        return
    names = [whole(name) for name in dataset.label_names]
    table = table.assign(**{"class": [names[i] for i in table["class_id"]]})
    st.markdown("**Class by class, lowest agreement first**")
    floor = [f"{value:.2f}, {kind}, n = {texts:,}" if kind and pd.notna(value) else "–"
             for value, kind, texts in table[["floor", "floor_relation", "floor_texts"]].itertuples(index=False)]  # fmt: skip
    shown = pd.DataFrame({
        "Class explained": table["class"], "Differ in": table["relation"], "Texts": table["texts"], "Rank correlation": _intervals(table),
        "Floor of the class": floor, "Top words shared": _percent(table["overlap"]),
    })  # fmt: skip
    st.dataframe(shown, hide_index=True, height=min(35 * len(shown) + 38, 353))
    few = int((table["texts"] < 5).sum())
    scarce = f" {count_of(few, 'row')} of {len(table):,} rest on fewer than five texts: read their intervals first." if few else ""
    st.caption(
        "Floor: the same class between two runs of one loss that differ in the seed alone, else in the support draw, else in both; losses that agree "
        f"as much as these do not differ. Texts of fewer than three words have no rank correlation.{scarce}"
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        columns = ["class", *(name for name in table.columns if name not in ("class", "class_id"))]
        st.download_button(
            "CSV", lambda: csv_bytes(table[columns]), file_name(["attribution_agreement_by_class"], "csv"), "text/csv", key="why_class_agreement",
            on_click="ignore",
        )  # fmt: skip


def _another_baseline(inputs: Sequence[AttributionInput], kind: AttributionKind) -> None:
    """Explain exactly the texts that are explained, from another baseline."""
    others = other_baselines(kind)
    if not others:
        return
    store, ids = loaders.store(), [one.run.id for one in inputs]
    kinds = {str(other): other for other in others}
    failed = [one.message for one in tasks.attribution_tickets(store, ids) if one.state == "failed" and one.kind in kinds]
    if failed:
        st.warning(escaped(failed[-1]))
    a, b, c = st.columns([1.6, 2.4, 1.6], vertical_alignment="bottom")
    missing = {other.baseline: _missing(inputs, other) for other in others}
    first = next((i for i, other in enumerate(others) if missing[other.baseline]), 0)
    chosen = a.selectbox(
        "Another baseline", others, first, format_func=lambda other: BASELINES[other.baseline], key="why_other_baseline",
        help="Integrated Gradients weigh words against a baseline. A reason that holds from one baseline alone is a reason of the baseline.",
    )  # fmt: skip
    count = sum(len(rows) for rows in missing[chosen.baseline].values())
    texts = f"{count_of(count, 'text')} of {count_of(len(inputs), 'run')}"
    b.caption(f"{texts}: {how_long(count)}." if count else "All explained texts are explained from this baseline too.")
    busy = any(one.open for one in tasks.attribution_tickets(store, ids))
    label = "Explain these texts with another baseline"
    if c.button(label, key="why_baseline_start", width="stretch", disabled=not count or busy):
        with guard():
            for run_ids, rows in _jobs(missing[chosen.baseline]):
                tasks.ask_for_attributions(store, run_ids, chosen, rows)
            st.rerun()


def _missing(inputs: Sequence[AttributionInput], kind: AttributionKind) -> dict[str, list[int]]:
    """Run id -> rows that are explained and not from this baseline."""
    found = {one.run.id: sorted(set(one.found) - set(one.others.get(kind.baseline, {}))) for one in inputs}
    return {run_id: rows for run_id, rows in found.items() if rows}


def _jobs(missing: dict[str, list[int]]) -> list[tuple[list[str], list[int]]]:
    """(runs, rows): runs that lack the same texts share a job, so that no run is asked for a text it has not been explained on."""
    alike = defaultdict(list)
    for run_id, rows in missing.items():
        alike[tuple(rows)].append(run_id)
    return [(run_ids, list(rows)) for rows, run_ids in alike.items()]


def _intervals(table: pd.DataFrame) -> list[str]:
    return [interval(*row) for row in table[["correlation", "low", "high"]].itertuples(index=False)]


def _percent(values: pd.Series) -> list[str]:
    return [f"{100 * value:.0f} %" if pd.notna(value) else "–" for value in values]
