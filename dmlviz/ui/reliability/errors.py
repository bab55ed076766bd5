"""The section of the Reliability page on errors: confused classes, errors that losses share, churn, hardest texts beside doubts on labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.reliability.errors import MOST_SIDES, always_wrong, churn, churn_interval, confused_pairs, confusion, doubts
from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.core.types import TextDataset, class_words
from dmlviz.figures.base.words import excerpt, whole
from dmlviz.figures.reliability.confusion import ORDERS
from dmlviz.figures.reliability.lines import many
from dmlviz.ui.reliability import shown
from dmlviz.ui.reliability.parts import Scope
from dmlviz.ui.shared import selection
from dmlviz.ui.shared.frame import escaped, guard

LEAST_REM = ((4, 15), (8, 18))  # up to so many classes, so wide a matrix; beyond, 27
ORDER_WORDS = {"likeness": "likes together", "size": "by size", "name": "by name"}
MOST_TEXTS = 100


def errors(scope: Scope) -> None:
    """Everything about wrong texts."""
    outcomes = shown.outcomes_of(scope)
    dataset = shown.dataset_of(outcomes)
    names = [whole(name) for name in dataset.label_names]
    for part in (_confused, _shared, _churn, _hard):
        with guard():
            part(outcomes, scope, dataset, names)


def _confused(outcomes: list[Outcome], scope: Scope, dataset: TextDataset, names: list[str]) -> None:
    st.header("Which classes are taken for which?", anchor=False)
    order = st.selectbox("Classes", list(ORDERS), format_func=ORDER_WORDS.get, key="errors_order", width=220)
    shown.figure("confusion", outcomes, scope, key="confusion", least=next((rem for most, rem in LEAST_REM if len(names) <= most), 27), order=order)
    pairs = {title: confused_pairs(confusion(side.outcomes)).head(1) for side, title in shown.titled(outcomes)}
    said = [f"{title}: {names[row.gold]} taken for {names[row.predicted]}, {100 * row.share:.0f} % of {names[row.gold]}"
            for title, table in pairs.items() for row in table.itertuples()]  # fmt: skip
    if said:
        st.markdown("Most frequent confusion  \n" + "  \n".join(map(escaped, said)))


def _shared(outcomes: list[Outcome], scope: Scope, dataset: TextDataset, names: list[str]) -> None:
    st.header("Do losses fail on the same texts?", anchor=False)
    found = shown.titled(outcomes)
    if len(found) < 2:
        st.info("Shared errors take two losses or more on one data set and number of shots; widen what is judged above.")
        return
    if len(found) > MOST_SIDES:
        places = st.multiselect("Losses", range(len(found)), list(range(MOST_SIDES)), format_func=lambda i: found[i][1], key="errors_sides",
                                max_selections=MOST_SIDES)  # fmt: skip
        found = [found[i] for i in places]
    shown.figure("errors_shared", [one for side, _ in found for one in side.outcomes], scope, key="shared")


def _churn(outcomes: list[Outcome], scope: Scope, dataset: TextDataset, names: list[str]) -> None:
    st.header("How much changes from run to run?", anchor=False)
    found, rows, tables = shown.titled(outcomes), [], []
    for side, title in found:
        pairs = churn(side)
        tables.append(pairs.assign(loss=title))
        if pairs.empty:
            nothing = dict.fromkeys(("Pairs", "Differ in", "Changed, %", "Accuracy apart", "Beyond it, %"), "–")
            rows.append({"Loss": title, "Runs": "single run", **nothing})
            continue
        rows.append({
            "Loss": title, "Runs": many(side), "Pairs": f"{len(pairs):,}", "Differ in": ", ".join(dict.fromkeys(pairs["relation"])),
            "Changed, %": shown.numbers(*churn_interval(pairs), 1, 100), "Accuracy apart": f"{100 * pairs['gap'].mean():.1f}",
            "Beyond it, %": shown.numbers(*churn_interval(pairs, "beyond"), 1, 100),
        })  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Changed: share of the test texts whose predicted class differs between two runs of a group (churn); a difference in accuracy forces as much "
        "as itself, the rest is beyond it. Mean over pairs of runs; jackknife over runs, from three runs on."
    )
    shown.csv(pd.concat(tables, ignore_index=True), "churn", key="churn")


def _hard(outcomes: list[Outcome], scope: Scope, dataset: TextDataset, names: list[str]) -> None:
    st.header("Which texts are hard?", anchor=False)
    table, repeated = shown.hard(outcomes), shown.repeated(dataset)
    wrong = always_wrong(table)
    kinds = {"hard": "Lowest probability of the gold class", "always": f"Wrong in every run ({len(wrong):,})",
             "doubt": "Same text with another label in the data"}  # fmt: skip
    conflicts = {row.row_id for row in repeated.itertuples() if row.conflicts}
    a, b = st.columns([1.4, 1], vertical_alignment="bottom")
    kind = a.selectbox("Texts", list(kinds), format_func=kinds.get, key="hard_kind")
    label = b.selectbox("Gold class", ["", *names], format_func=lambda name: name or "any", key="hard_label")
    kept = {"hard": table, "always": wrong, "doubt": table[table["row_id"].isin(conflicts)]}[kind]
    kept = kept[np.array([not label or names[c] == label for c in kept["label"]], dtype=bool)]
    st.caption(_noise_words(table, repeated, conflicts, wrong, outcomes))
    if kept.empty:
        st.info("No test text of these runs is like that.")
        return
    top, words = kept.head(MOST_TEXTS), class_words(names)
    said = doubts(top["row_id"], dataset, repeated)
    view = pd.DataFrame({
        "Text": [excerpt(_text(dataset, row)) for row in top["row_id"]], "Gold class": [names[c] for c in top["label"]],
        "Mostly said": words[top["said"]].tolist(), "Probability of gold": top["gold"].round(2), "Wrong in": [f"{w} of {r}" for w, r in
        zip(top["wrong"], top["runs"], strict=True)], "In the data": said, "Row": top["row_id"],
    })  # fmt: skip
    if not any(said):
        view = view.drop(columns="In the data")
    st.dataframe(view, hide_index=True, height=min(460, 38 + 35 * len(view)), column_config={
        "Text": st.column_config.TextColumn(width="large"), "Probability of gold": st.column_config.NumberColumn(format="%.2f")})  # fmt: skip
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        rows = sorted(map(int, top["row_id"]))
        label = "Select these texts" if len(kept) <= MOST_TEXTS else f"Select these {MOST_TEXTS} texts"
        st.button(label, key="hard_select", on_click=selection.choose_rows, args=(rows, dataset.content_hash),
                  help="They stay selected on every page.")  # fmt: skip
    full = kept.assign(text=[_text(dataset, row) for row in kept["row_id"]], label_name=[names[c] for c in kept["label"]],
                       said_name=words[kept["said"]], in_the_data=doubts(kept["row_id"], dataset, repeated))  # fmt: skip
    shown.csv(full, "hard_texts", key="hard")


def _text(dataset: TextDataset, row: int) -> str:
    pair = dataset.text_pairs[row] if dataset.text_pairs else ""
    return dataset.texts[row] + (f" ⏐ {pair}" if pair else "")


def _noise_words(table: pd.DataFrame, repeated: pd.DataFrame, conflicts: set[int], wrong: pd.DataFrame, outcomes: list[Outcome]) -> str:
    tested = set(table["row_id"])
    twice, odd = len(tested & set(repeated["row_id"])), len(tested & conflicts)
    several = f"{len(wrong):,} are wrong in each of {len(outcomes)} runs. " if len(outcomes) > 1 else "Single run. "
    return (f"Of {len(tested):,} test texts {several}{twice:,} stand in the data more than once (case and white space aside), {odd:,} of them with "
            "another label elsewhere: a label may be wrong rather than the run.")  # fmt: skip
