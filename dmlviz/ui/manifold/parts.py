"""Parts of the Manifold page: controls, the linked maps with their badges, and maps that are still being made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dmlviz.analysis.geometry.projection import SETTINGS, TITLES
from dmlviz.analysis.map_kinds import MapKind, damaged_maps, missing_maps, read_kind
from dmlviz.core.types import FigureSpec, InputError, Pane, Run
from dmlviz.export.files import csv_bytes
from dmlviz.figures.base.presets import preset
from dmlviz.figures.maps import epochs, manifold
from dmlviz.figures.maps.marks import Marks
from dmlviz.jobs import tasks
from dmlviz.jobs.submit import submit_control
from dmlviz.ui.manifold import loaders as manifold_loaders
from dmlviz.ui.maps import maps
from dmlviz.ui.shared import loaders, selection
from dmlviz.ui.shared.frame import capitalised, escaped, failed, guard, theme
from dmlviz.ui.shared.picks import add_run, awaited_runs, comparable, forget_awaited
from dmlviz.ui.shared.picture import picture, tools
from dmlviz.ui.shared.words import duration, run_line

BOUND = {"bind": "query-params"}
COLORS = {
    "class": "class", "prediction": "prediction", "correctness": "correctness", "part": "part", "confidence": "confidence",
    "distortion": "distortion of the map", "lost": "neighbours lost", "disagreement": "disagreement",
    "needed": "words needed", "reasons": "reasons agree",
}  # fmt: skip
NOT_HERE = " (not here)"  # Streamlit disables no single option: it is marked, and chosen all the same it says why
PARTS = {"test,support": "test + support", "test": "test", "support": "support", "test,validation,support": "all parts"}
WHEN = {"end": "after training", "epochs": "over epochs"}
STARTS = {"own pca": "each its own", "common": "common start", "aligned": "aligned"}
START_HELP = (
    "Each its own: a map starts from its run's own PCA and is then turned onto the first. Common start: all begin from one PCA of all runs, so "
    "that what stays alike stays in place. Aligned: laid out together (AlignedUMAP, at most 5,000 texts); nearness of the maps is partly made."
)
KEY = "manifold"  # of the maps
HOVER_MOST = 20_000  # texts; above, the words of each would be more bytes than its place


class Look(NamedTuple):
    """What the controls say."""

    kind: MapKind
    color_by: str
    parts: tuple[str, ...]
    focus: tuple[str, ...]
    when: str

    @property
    def options(self) -> dict[str, str]:
        """As a figure on paper takes them."""
        found = {"map": str(self.kind), "color_by": self.color_by, "parts": ",".join(self.parts)}
        return {**found, **({"focus": "\n".join(self.focus) + "\n"} if self.focus else {})}  # class names may hold commas


def controls(runs: Sequence[Run]) -> Look:
    """One row, in reading order: map, colour, part, when, classes, find, more. All of it is in the address."""
    names = loaders.dataset(runs[0].config.dataset_hash or "").label_names
    a, b, c, d, e, f, g = st.columns([1, 1, 1.05, 1.05, 1.05, 1.05, 1], vertical_alignment="bottom")
    method = a.selectbox("Map", list(TITLES), format_func=TITLES.get, key="map", **BOUND)
    problems = manifold_loaders.color_problems(runs, list(COLORS))
    color = b.selectbox("Colour", list(COLORS), format_func=lambda name: f"{COLORS[name]}{NOT_HERE * (name in problems)}", key="colour", **BOUND)
    part = c.selectbox("Part", list(PARTS), format_func=PARTS.get, key="part", **BOUND)
    when = d.selectbox("When", list(WHEN), format_func=WHEN.get, key="when", **BOUND)
    focus = e.multiselect(
        "Classes in colour", list(names), key="focus", placeholder="largest 8" if len(names) > 20 else "all", max_selections=8, **BOUND
    )
    f.text_input(
        "Find in texts", key="find", placeholder="words or /regex/", on_change=_find,
        args=(runs[0].config.dataset_hash or "",), help="Words, or a regular expression between slashes.",
    )
    with g.popover("More", width="stretch"):
        kind = _more(method, several=len(runs) > 1)
        _select(runs, names)
        _controls_of(runs)
    if color in problems:
        st.info(f"{escaped(capitalised(problems[color]))}. The maps are coloured by class meanwhile.", icon=":material/palette:")
        color = "class"
    return Look(kind, color, tuple(part.split(",")), tuple(focus), when)


def _more(method: str, *, several: bool) -> MapKind:
    """The map's rare settings, made from the table of methods."""
    st.markdown(f"**{TITLES[method]}**")
    left, right = st.columns(2)
    metric = left.selectbox("Metric", ["cosine", "euclidean"], key="metric", help="How alike two texts are: by angle, or by distance.", **BOUND)
    dims = right.selectbox("Dimensions", [2, 3], key="dims", help="Three are for exploring only: what hides what depends on the view.", **BOUND)
    start = "own pca"
    if several and method != "pca":
        offered = [one for one in STARTS if one != "aligned" or method == "umap"]
        start = st.selectbox("Layout of several runs", offered, format_func=STARTS.get, key=f"start_{method}", help=START_HELP, **BOUND)
    settings = {}
    for i, setting in enumerate(SETTINGS[method]):
        whole = float(setting.step).is_integer() and float(setting.default).is_integer()
        kind = int if whole else float
        values = (kind(setting.low), kind(setting.high), kind(setting.default), kind(setting.step))
        value = (left, right)[i % 2].number_input(setting.title, *values, key=f"{method}_{setting.name}", help=setting.help, **BOUND)
        if value != setting.default:
            settings[setting.name] = float(value)
    seed = 0
    if method != "pca":
        seed = left.number_input("Seed", 0, 1000, 0, key="map_seed", help="What is the same under every seed may be read; the rest may not.", **BOUND)
    return MapKind(method, metric, int(dims), int(seed), tuple(sorted(settings.items())), start)


def _select(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Selections that no outline can draw: a class, wrong texts, what one run lost to another."""
    st.markdown("**Select texts**")
    name = st.selectbox("Class", list(names), index=None, key="select_class", placeholder="a class")
    titles = dict(zip([run.id for run in runs], manifold_loaders.titles(runs), strict=True))
    right = st.selectbox("Right in", list(titles), index=None, format_func=titles.get, key="select_right", placeholder="a run (optional)")
    wrong = st.selectbox("Wrong in", list(titles), index=None, format_func=titles.get, key="select_wrong", placeholder="a run")
    line = f"class:{name}" if name else f"flip:{right},{wrong}" if right and wrong else f"wrong:{wrong}" if wrong else ""
    st.button("Select", key="select_go", disabled=not line, on_click=selection.choose,
              args=(line, runs[0].config.dataset_hash or ""))  # fmt: skip


def _controls_of(runs: Sequence[Run]) -> None:
    """What the maps are to be compared with: the encoder before training, and training on labels that say nothing."""
    trained = [run for run in runs if run.origin != "loaded" and run.config.control == "none"]
    if not trained:
        return
    st.markdown("**Controls**")
    st.caption("A separation that the pre-trained encoder shows too, or that shuffled labels bring about as well, is no merit of the loss.")
    first = trained[0]
    if not any(run.config.control == "pre_trained" for run in runs):
        st.button("Add the pre-trained encoder", key="add_pre_trained", on_click=_add_control, args=(first, "pre_trained"))
    shuffled = f"Add {manifold_loaders.titles([first])[0]} on shuffled labels"
    st.button(shuffled, key="add_shuffled", on_click=_add_control, args=(first, "shuffled_labels"))


def _add_control(run: Run, control: str) -> None:
    with guard():
        run_id = submit_control(run, control, store=loaders.store())
        add_run(run_id, beside=run.id)
        st.toast("The control is being made; its pane appears when it is ready.")


def _find(dataset_hash: str) -> None:
    said = st.session_state["find"].strip()
    pattern = said[1:-1] if len(said) > 2 and said.startswith("/") and said.endswith("/") else ""
    selection.choose(f"regex:{pattern}" if pattern else f"find:{said}" if said else "", dataset_hash)


def wanted_maps(runs: Sequence[Run], kind: MapKind) -> None:
    """Maps that are not there yet: a button to make them, then progress and a way to stop. The PCA is shown meanwhile."""
    store, ids = loaders.store(), [run.id for run in runs]
    if kind.method == "pca" or not missing_maps(store, ids, kind):
        return
    _mend(ids, kind)
    if any(one.open for one in tasks.tickets(store, ids, kind)):
        _progress(ids, str(kind))
        return
    ended = [one.message for one in tasks.tickets(store, ids, kind) if one.state == "failed"]
    if ended:
        return failed(ended[0] or "the map could not be made", key="compute_maps", again=tasks.ask_for_maps, args=(store, ids, kind))
    left, right = st.columns([4, 1], vertical_alignment="center")
    count = len(missing_maps(store, ids, kind))
    left.info(f"{'This map is' if count == 1 else f'{count} of these maps are'} not made yet; the PCA is shown. {_how_long(ids[0])}")
    with right:
        if st.button("Compute", key="compute_maps", type="primary", width="stretch"):
            with guard():
                tasks.ask_for_maps(store, ids, kind)
                st.rerun()


def _mend(ids: Sequence[str], kind: MapKind) -> None:
    """Stored maps that cannot be read are made again without a click, once in a session: what failed waits for a person."""
    store, asked = loaders.store(), st.session_state.setdefault("mended_maps", set())
    damaged = damaged_maps(store, ids, kind)
    if damaged and (tuple(ids), kind) not in asked:
        asked.add((tuple(ids), kind))
        with guard():
            tasks.ask_for_maps(store, ids, kind)
            which = "A stored map" if len(damaged) == 1 else f"{len(damaged)} stored maps"
            st.toast(f"{which} could not be read and {'is' if len(damaged) == 1 else 'are'} made again")


def awaited() -> None:
    """Controls that are being made: how far they are."""
    if awaited_runs():
        _awaited_line()


@st.fragment(run_every=2.0)
def _awaited_line() -> None:
    known = {run.id: run for run in loaders.runs()}
    waiting = [known[run_id] for run_id in awaited_runs() if run_id in known]
    if any(comparable(run) for run in waiting):
        st.rerun(scope="app")
    for run in waiting:
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.info(f"{escaped(manifold_loaders.titles([run])[0])}: {escaped(run_line(run))}")
        right.button("Do not wait", key=f"forget_{run.id}", on_click=forget_awaited, args=(run.id,), width="stretch")


def _how_long(run_id: str) -> str:
    texts = len(loaders.panes([run_id], "pca")[0][0].projection.row_ids)
    return f"About {duration(max(5.0, texts / 10_000 * 25))} for each run of {texts:,} texts on two cores, and up to a minute more for the first."


@st.fragment(run_every=1.0)
def _progress(run_ids: Sequence[str], kind: str) -> None:
    store = loaders.store()
    tasks.poll(store)
    found = [one for one in tasks.tickets(store, run_ids, read_kind(kind)) if one.open]
    if not found:
        st.rerun(scope="app")
    share = sum(one.share for one in found) / len(found)
    left, right = st.columns([4, 1], vertical_alignment="center")
    what = f"{TITLES[read_kind(kind).method]}: {sum(len(one.run_ids) for one in found)} to make; the PCA is shown meanwhile"
    left.progress(min(max(share, 0.0), 1.0), text=what)
    if right.button("Cancel", key="cancel_maps", width="stretch"):
        for one in found:
            tasks.cancel(store, one.id)


def panes_row(runs: Sequence[Run], look: Look) -> manifold_loaders.DrawnMaps:
    """The linked maps."""
    ids = [run.id for run in runs]
    drawn = manifold_loaders.drawn(ids, str(look.kind), look.color_by, look.parts, look.focus)
    if look.kind.dims == 3:
        _three_dimensions(drawn.frame, drawn.panes)
        return drawn
    marks, time = drawn.marks, None
    if look.when == "epochs":
        marks, time = _over_epochs(ids, look)
        if marks is None:
            marks, time = drawn.marks, None
    shown = selection.current(ids).rows if selection.line() else None
    selection.remember(KEY, marks, ids[0], str(look.kind), look.parts, several_moments=time is not None)
    maps(
        marks, key=KEY, selected=shown, theme=theme(), height=_side(len(drawn.panes)), time=time,
        hover=drawn.hover if len(drawn.hover) <= HOVER_MOST else None,
        badges=[] if time else [badge(pane, first=i == 0) for i, pane in enumerate(drawn.panes)],
        alt=[manifold.alt(drawn.frame, pane.run.id) for pane in drawn.panes],
    )  # fmt: skip
    return drawn


def _side(panes: int) -> int:
    return {1: 620, 2: 560}.get(panes, 440)


def _over_epochs(ids: Sequence[str], look: Look) -> tuple[Marks | None, list[str] | None]:
    """The marks of the texts that were kept over epochs, or a sentence where that cannot be."""
    found, problem = manifold_loaders.moments(ids, look.color_by, look.parts, look.focus)
    if found is None:
        st.info(problem)
        return None, None
    st.caption(problem)
    return found.marks, found.names


def badge(pane: Pane, *, first: bool) -> str:
    """One line under a map: how far it can be trusted."""
    one = pane.projection
    kept = "well" if one.trustworthiness >= 0.95 else "fairly well" if one.trustworthiness >= 0.85 else "poorly"
    caution = f"{100 * sum(one.variance or (0, 0)):.0f} % of the variance" if one.method == "pca" else "gaps are not to be read"
    onto = "" if first or one.residual is None else f"; {100 * one.residual:.0f} % unlike the first map"
    return f"Neighbours kept {kept} ({one.trustworthiness:.2f}); {caution}{onto}."


def _epochs_tools(ids: tuple[str, ...], look: Look) -> None:
    """Paper, CSV and GIF of the maps over epochs."""
    try:
        frame = manifold_loaders.epochs_frame(str(loaders.store().home), ids, look.color_by, look.parts, look.focus)
    except InputError:  # said where the maps would be
        return
    options = {name: value for name, value in look.options.items() if name != "map"}
    if options["color_by"] not in epochs.COLOR_BY:
        options["color_by"] = "class"
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        made = lambda: epochs.gif(frame, preset("acl-text"))  # noqa: E731, drawn when it is asked for
        st.download_button("GIF", made, "maps_over_epochs.gif", "image/gif", key="epochs_gif", on_click="ignore")
        tools(FigureSpec(name="manifold_epochs", run_ids=ids, options=options), frame, key="epochs")


def _three_dimensions(frame: pd.DataFrame, panes: Sequence[Pane]) -> None:
    from dmlviz.figures.maps import map_3d

    st.caption("Three dimensions are for exploring: what hides what depends on the view. Turn it; print two.")
    with st.container(key="wide_3d"):
        for start in range(0, len(panes), 3):
            row = panes[start : start + 3]
            for column, pane in zip(st.columns(len(row)), row, strict=True):
                with column:
                    figure = map_3d.screen(frame, pane.run.id, theme=theme(), height=_side(len(panes)))
                    picture(figure, key=f"map3d_{pane.run.id}", alt=manifold.alt(frame, pane.run.id))
                    st.caption(badge(pane, first=pane is panes[0]))


def shown_texts(frame: pd.DataFrame, panes: Sequence[Pane]) -> str:
    """'290 of 304 texts in each map': how many texts each pane draws, of those that it holds."""
    placed = frame[np.isfinite(frame["x"]) & np.isfinite(frame["y"])]
    counts = placed.groupby("pane")["row_id"].nunique()
    pairs = [(int(counts.get(pane.run.id, 0)), len(pane.projection.row_ids)) for pane in panes]
    if len(set(pairs)) == 1:
        shown, total = pairs[0]
        return f"{shown:,} of {total:,} texts in {'the map' if len(pairs) == 1 else 'each map'}"
    return f"In the maps, left to right: {', '.join(f'{shown:,} of {total:,}' for shown, total in pairs)} texts"


def _moves(panes: Sequence[Pane], look: Look) -> bool:
    """Are maps over epochs drawn? They say themselves how many texts they have."""
    ids = [pane.run.id for pane in panes]
    return look.when == "epochs" and look.kind.dims == 2 and manifold_loaders.moments(ids, look.color_by, look.parts, look.focus)[0] is not None


def below(frame: pd.DataFrame, panes: Sequence[Pane], look: Look) -> None:
    """How many texts there are, and the two buttons."""
    left, right = st.columns([3, 2], vertical_alignment="center")
    notes = dict.fromkeys(note for pane in panes for note in pane.projection.notes)
    counts = "Single runs." if _moves(panes, look) else f"{shown_texts(frame, panes)}; single runs."
    left.caption(" ".join([counts, *map(escaped, notes)]))
    with right:
        if look.kind.dims == 3:
            st.download_button("CSV", lambda: csv_bytes(frame), "manifold_3d.csv", "text/csv", key="manifold_csv", on_click="ignore")
        elif look.when == "epochs":
            _epochs_tools(tuple(pane.run.id for pane in panes), look)
        else:
            tools(FigureSpec(name="manifold", run_ids=tuple(p.run.id for p in panes), options=look.options), frame, key="manifold")
