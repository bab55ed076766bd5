"""The one selection of texts that travels over the pages and through the address (?select=HASH~LINE).

It belongs to the data set it was made on, by the beginning of that one's content hash: row 17 of another data set is another text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from dmlviz.analysis.selection import LONGEST, Spot, area_line, rows_line, rows_of, words_of
from dmlviz.core.types import InputError, Run
from dmlviz.figures.base.theme import run_titles
from dmlviz.figures.maps.marks import Marks, selected_after
from dmlviz.store.slices import LONGEST_NAME, Slice, delete_slice, save_slice, saved_slices
from dmlviz.ui.maps import map_event
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.frame import escaped
from dmlviz.ui.shared.words import dataset_name

NOTHING = np.zeros(0, dtype=np.int64)
HASH_SIGNS = 12  # of the data set's content hash


class Selected(NamedTuple):
    """The selected texts, and how they were selected."""

    rows: np.ndarray  # (M,) sorted row ids into the data set
    words: str  # plain text: escape it


def choose(line: str, dataset_hash: str = "") -> None:
    """Make `line` (see analysis/selecting.py) the selection of that data set; "" clears it."""
    st.session_state["select"], st.session_state["select_of"] = line, dataset_hash[:HASH_SIGNS] if line else ""
    for key in ("select_problem", "select_adopted"):
        st.session_state.pop(key, None)


def choose_rows(rows: Sequence[int] | np.ndarray, dataset_hash: str) -> None:
    """Select these row ids of the data set."""
    choose(rows_line(np.asarray(rows)), dataset_hash)


def clear() -> None:
    choose("")


def remember(key: str, marks: Marks, first: str, kind_of_map: str, parts: Sequence[str], *, several_moments: bool) -> None:
    """What the maps under this key show, so that what a person draws on them can be understood before the page is drawn again."""
    st.session_state["select_on"] = {
        "key": key, "marks": marks, "first": first, "of": _dataset_of(first), "map": kind_of_map, "parts": tuple(parts), "moments": several_moments,
    }  # fmt: skip


def hear() -> None:
    """Take over what was drawn on the maps since the last run of the script. Called first, so that everything shows the new selection."""
    on = st.session_state.get("select_on")
    event = map_event(on["key"]) if on else None
    if event is None:
        return
    if event.kind == "clear":
        choose("")
    elif event.kind in ("lasso", "box") and not event.add and not event.before and not on["moments"]:
        choose(area_line(on["first"], event.pane, on["map"], on["parts"], event.polygon), on["of"])
    else:  # a click, several at once, or one more on top: there is no short line for it but the rows
        first, before = on["first"], None
        if line():
            before = current([first]).rows
        rows = selected_after(on["marks"], event, before)
        choose("") if rows is None else choose_rows(rows, on["of"])


def line() -> str:
    """The selection's line, taken over from the address when somebody else wrote it there. An address without one says nothing: the links between
    pages drop it, and the selection is to travel."""
    said = st.query_params.get("select", "")
    if len(said) > LONGEST + HASH_SIGNS + 1:
        st.session_state["slice_problem"] = f"The address's selection has more than {LONGEST:,} signs and is not used; links of this app have fewer."
        st.query_params.pop("select")
        said = ""
    if said and said != st.session_state.get("select_address", ""):
        owner, sign, rest = said.partition("~")
        known = bool(sign) and re.fullmatch(rf"[0-9a-f]{{{HASH_SIGNS}}}", owner)  # a link of an older version does not say whose it is
        st.session_state["select"], st.session_state["select_of"] = (rest, owner) if known else (said, "")
    kept, of = st.session_state.get("select", ""), st.session_state.get("select_of", "")
    short = (f"{of}~{kept}" if of else kept) if kept and len(kept) <= LONGEST else ""  # no address can hold thousands of single rows
    if short and said != short:
        st.query_params["select"] = short
    elif not short and said:
        st.query_params.pop("select", None)
    st.session_state["select_address"] = short
    return kept


def elsewhere(dataset_hash: str) -> bool:
    """Is something selected, but on another data set than this one?"""
    return bool(line()) and not dataset_hash.startswith(st.session_state.get("select_of", ""))


def current(run_ids: Sequence[str]) -> Selected:
    """The selected texts among those of the compared runs' data set. A selection of another data set, and a line that means nothing here, select
    nothing; the sidebar says why."""
    said = line()
    if not said or not run_ids:
        return Selected(NOTHING, "")
    runs = {run.id: run for run in loaders.runs()}
    first = runs.get(run_ids[0])
    if first is None or elsewhere(first.config.dataset_hash or ""):
        return Selected(NOTHING, "")
    if not st.session_state.get("select_of"):  # from a link of an older version: the data set that it is looked at with
        st.session_state["select_of"] = (first.config.dataset_hash or "")[:HASH_SIGNS]
        st.session_state["select_adopted"] = True
    try:
        rows = _rows(said, first.id)
    except InputError as error:
        st.session_state["select_problem"] = str(error)
        return Selected(NOTHING, "")
    st.session_state.pop("select_problem", None)
    return Selected(rows, words_of(said, lambda run_id: _title(run_id, runs)))


def _dataset_of(run_id: str) -> str:
    return next((run.config.dataset_hash or "" for run in loaders.runs() if run.id == run_id), "")


def _title(run_id: str, runs: dict[str, Run]) -> str:
    return run_titles([runs[run_id].config])[0] if run_id in runs else "a run that is gone"


def _rows(said: str, first: str) -> np.ndarray:
    found, dataset = loaders.panes([first], "pca")
    return _cached_rows(said, dataset.content_hash, str(loaders.store().home), first, dataset, np.asarray(found[0].projection.row_ids))


@st.cache_data(max_entries=32, show_spinner=False)
def _cached_rows(said: str, content_hash: str, home: str, first: str, _dataset, _among: np.ndarray) -> np.ndarray:
    """`_among`: row ids of the run `first`; another draw of the data set has others."""
    return rows_of(said, _dataset, _among, _spots)


def _spots(run_ids: Sequence[str], kind_of_map: str) -> list[Spot]:
    panes, _ = loaders.panes(list(run_ids), kind_of_map)
    return [Spot(pane.projection.row_ids, pane.roles, pane.projection.points, pane.predictions) for pane in panes]


def sidebar(runs: Sequence[Run]) -> None:
    """Selection: how many texts, how they were selected, the way back, and the selections that were given a name."""
    if not runs:
        return
    dataset_hash = runs[0].config.dataset_hash or ""
    slices = _slices(dataset_hash)
    if not line() and not slices and "slice_problem" not in st.session_state:
        return
    with st.sidebar:
        st.header("Selection", anchor=False)
        if line() and elsewhere(dataset_hash):
            _of_another(runs[0])
        elif line():
            _shown(runs)
            with st.container(horizontal=True, gap="small"):
                st.button("Clear", key="select_clear", on_click=clear, help="Clear the selection")
                with st.popover("Save as slice"):
                    st.text_input("Name of the slice", key="slice_name", max_chars=LONGEST_NAME)
                    st.button("Save", key="slice_save", on_click=_save, args=(dataset_hash,))
        if slices:
            _pick(slices, dataset_hash)
        if problem := st.session_state.pop("slice_problem", None):
            st.warning(escaped(problem))


def _of_another(run: Run) -> None:
    """The selection waits for its own data set."""
    of = st.session_state["select_of"]
    there = [one for one in loaders.runs() if one.state == "finished" and (one.config.dataset_hash or "").startswith(of)]
    whose = dataset_name(there[0]) if there else f"a data set that is not here ({of})"
    st.caption(escaped(f"The selection is of {whose}. The runs compared here are on {dataset_name(run)}, so nothing is selected."))
    with st.container(horizontal=True, gap="small"):
        if there:
            st.button(escaped(f"Compare runs on {whose}"), key="select_back", on_click=_back, args=([one.id for one in there[:3]],))
        st.button("Clear", key="select_clear", on_click=clear, help="Clear the selection")


def _back(run_ids: list[str]) -> None:
    st.session_state["runs"] = run_ids


def _shown(runs: Sequence[Run]) -> None:
    found = current([run.id for run in runs])
    if problem := st.session_state.get("select_problem"):
        st.warning(escaped(problem))
        return
    total = len(loaders.panes([runs[0].id], "pca")[0][0].projection.row_ids)
    st.markdown(f"**{len(found.rows):,}** of {total:,} texts  \n{escaped(found.words)}")
    if st.session_state.get("select_adopted"):
        st.caption(escaped(f"The link does not say which data set it selects from; it is taken for {dataset_name(runs[0])}."))


def _slices(dataset_hash: str) -> list[Slice]:
    try:
        return saved_slices(loaders.store().home, dataset_hash)
    except InputError as error:
        st.session_state["slice_problem"] = str(error)
        return []


def _pick(slices: Sequence[Slice], dataset_hash: str) -> None:
    """The saved ones to choose from; the one that is selected now stands in the box and can be deleted."""
    now = "" if elsewhere(dataset_hash) else line()
    st.session_state["slice_pick"] = next((one.name for one in slices if one.line == now), None)
    lines = {one.name: one.line for one in slices}
    st.selectbox("Saved slices", list(lines), key="slice_pick", placeholder=f"{len(lines)} of this data set", on_change=_use,
                 args=(lines, dataset_hash))  # fmt: skip
    name = st.session_state["slice_pick"]
    if name is not None:
        st.button("Delete this slice", key="slice_delete", on_click=_delete, args=(dataset_hash, name))


def _use(lines: dict[str, str], dataset_hash: str) -> None:
    choose(lines.get(st.session_state["slice_pick"] or "", ""), dataset_hash)


def _save(dataset_hash: str) -> None:
    try:
        save_slice(loaders.store().home, dataset_hash, st.session_state["slice_name"], line())
        st.session_state["slice_name"] = ""
    except InputError as error:
        st.session_state["slice_problem"] = str(error)[:1].upper() + str(error)[1:]
    except OSError as error:
        st.session_state["slice_problem"] = f"The slice could not be written ({error.strerror or error}); check the rights of the home folder."


def _delete(dataset_hash: str, name: str) -> None:
    try:
        delete_slice(loaders.store().home, dataset_hash, name)
    except (InputError, OSError) as error:
        st.session_state["slice_problem"] = str(error)
