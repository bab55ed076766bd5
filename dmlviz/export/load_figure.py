"""What a figure of stored runs needs, loaded: its table, its caption, what is to be said. For pages and command line; export/sheet.py draws."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dmlviz.analysis.load_words import load_lines
from dmlviz.analysis.map_kinds import load_panes, map_values, read_kind
from dmlviz.analysis.reliability.influence import retrained
from dmlviz.analysis.reliability.outcomes import outcome
from dmlviz.core.types import DamagedError, FigureSpec, InputError, Pane, Run, RunArrays, Split, TextDataset
from dmlviz.core.wording import count_of, did_you_mean
from dmlviz.export.load_attributions import attribution_inputs, lacking_words
from dmlviz.figures import FIGURES, LOADED_BY, loading_options, split_options
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.figures.centers.frame import center_input
from dmlviz.figures.graph.frame import GraphInput
from dmlviz.figures.maps.epochs import EpochInput
from dmlviz.figures.reliability.influence import InfluenceInput
from dmlviz.jobs import tasks
from dmlviz.store.runs import Store, home_folder

if TYPE_CHECKING:
    import pandas as pd

MAPS = ("manifold", "centers_map", "graph")  # drawn at the texts' places on the map
SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Sources(NamedTuple):
    """Where a figure's ingredients come from: the store, or a page's cached loaders."""

    run: Callable[[str], Run]
    events: Callable[[Sequence[str]], Mapping[str, Any]]
    panes: Callable[[Sequence[str], str], tuple[list[Pane], TextDataset]]  # run ids, kind of map
    dataset: Callable[[str], TextDataset]  # content hash
    split: Callable[[str], Split]
    arrays: Callable[[str], RunArrays] = lambda run_id: Store(home_folder()).arrays(run_id)
    attributions: Callable[[Sequence[str], str, str], list[AttributionInput]] = lambda run_ids, kind, typed: attribution_inputs(
        Store(home_folder()), run_ids, kind, typed
    )  # run ids, kind of attribution, ticket of a typed sentence
    all_runs: Callable[[], list[Run]] = lambda: Store(home_folder()).runs()


def sources(store: Store) -> Sources:
    """Everything read from the run folders, now."""
    return Sources(
        store.run,
        lambda run_ids: {run_id: store.events(run_id) for run_id in run_ids},
        lambda run_ids, method: _mended_panes(store, run_ids, method),
        store.dataset,
        store.split,
        store.arrays,
        lambda run_ids, kind, typed: attribution_inputs(store, run_ids, kind, typed),
        store.runs,
    )


Made = TypeVar("Made")


def without_damaged(make: Callable[[Sequence[str]], Made], run_ids: Sequence[str], source: Sources) -> tuple[Made, list[str], list[str]]:
    """(what `make` makes of the runs, the runs it is made of, a sentence for each that was left out since its files cannot be read).

    Raises DamagedError where nothing is left.
    """
    kept, words = list(run_ids), []
    while True:
        try:
            return make(kept), kept, words
        except DamagedError as error:
            left = [run_id for run_id in kept if not error.concerns(source.run(run_id))]
            if not left or len(left) == len(kept):
                raise
            words.append(f"left out: {count_of(len(kept) - len(left), 'run')}, since {error}")
            kept = left


def readable_runs(store: Store, run_ids: Iterable[str]) -> tuple[list[Run], list[str]]:
    """(the runs whose files and texts can be read, a sentence for each of the others). Opens arrays and reads data sets, so not for a list's sake."""
    kept, words, read = [], {}, set()
    for run_id in run_ids:
        try:
            run = store.run(run_id)
            if run.state == "finished":
                store.arrays(run_id)
            if run.config.dataset_hash not in read:
                store.dataset(run.config.dataset_hash or "")
                read.add(run.config.dataset_hash)
            kept.append(run)
        except InputError as error:
            words.setdefault(f"left out: {error}")
    return kept, list(words)


def _mended_panes(store: Store, run_ids: Sequence[str], method: str) -> tuple[list[Pane], TextDataset]:
    """The panes; maps that are stored but damaged are made again first, where the home can be written."""
    with contextlib.suppress(OSError):
        tasks.mend_maps(store, run_ids, read_kind(method))
    return load_panes(store, run_ids, method=method)


class Picture(NamedTuple):
    """All that paper needs of one picture: with it, it is drawn again without a run."""

    name: str
    frame: pd.DataFrame
    options: dict[str, Any]  # of FIGURES[name].paper
    caption: str
    words: list[str]  # what is not quite as asked
    map: str = ""  # the kind of map that it really shows
    encoder: str = ""  # a sentence on what embedded the texts, as far as a reader must know it


def picture(spec: FigureSpec, source: Sources) -> Picture:
    """What a spec shows; its options in LOADED_BY say what is loaded. InputError when a run is gone or an option is not known."""
    entry = FIGURES[spec.name]
    for_frame, for_paper = split_options(spec.name, {key: value for key, value in spec.options.items() if key not in LOADED_BY})
    needs, words, shown = _needed(source, entry.needs, spec.run_ids, {key: str(value) for key, value in spec.options.items() if key in LOADED_BY})
    explained = lambda run_id: source.attributions([run_id], "ig", "")[0].found  # noqa: E731
    if spec.name == "manifold" and (values := map_values(str(for_frame.get("color_by", "")), needs[0], source.arrays, explained)):
        for_frame["values"] = values
    frame, asked = entry.frame(*needs, **for_frame), str(spec.options.get("map", "umap"))
    if shown and shown != asked and spec.name in (*MAPS, "influence"):  # others need the vectors, not the places
        words.append(f"note: not every run has the map {asked} yet, so these are PCA maps")
    if spec.name in MAPS and read_kind(asked).dims > 2:
        words.append("note: paper shows the first two of the map's three dimensions")
    runs = [source.run(run_id) for run_id in spec.run_ids]
    return Picture(spec.name, frame, for_paper, entry.caption(frame, needs[0]), words, shown, " ".join(load_lines(runs)))


def one_of(given: str, known: Iterable[str], what: str) -> None:
    """InputError, with the nearest known word, for one that is not known."""
    if given not in (known := list(known)):
        raise InputError(f"unknown {what} {given[:60]!r}; known: {', '.join(known)}.{did_you_mean(given, known)}")


def typed_options(name: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Options as they come from a shell, in the type the figure wants."""
    known = {**FIGURES[name].frame_options, **FIGURES[name].paper_options, **dict.fromkeys(set(loading_options(name)) - {"map"}, object)}
    for key, value in options.items():
        if known:
            one_of(key, known, f"option of {name}")
        if known.get(key) is bool and value.lower() not in SWITCH:
            raise InputError(f"{key}={value!r} is not accepted; {key} takes true or false")
    return {key: SWITCH[value.lower()] if known.get(key) is bool else value for key, value in options.items()}


def _needed(source: Sources, needs: Sequence[str], run_ids: Sequence[str], loading: Mapping[str, str]) -> tuple[list[Any], list[str], str]:
    """What the figure asks for, in its order, a sentence where it is not quite what was asked, and the kind of map it shows ("" for none)."""
    found: dict[str, Any] = {"runs": [source.run(run_id) for run_id in run_ids]}
    words, method, shown = [], loading.get("map", "umap"), ""
    if "attributions" in needs:
        found["attributions"] = source.attributions(run_ids, loading.get("kind", "ig"), loading.get("typed", ""))
        words += lacking_words(found["attributions"])
    if "outcomes" in needs:
        found["outcomes"] = [outcome(run, source.arrays(run.id), loading.get("readout", "")) for run in found["runs"]]
    if {"panes", "centers", "graphs", "snapshots", "influence"} & set(needs):
        found["panes"], dataset = source.panes(run_ids, method)
        if "influence" in needs:
            pane = found["panes"][0]
            found["influence"] = InfluenceInput(pane, retrained(pane.run, source.all_runs(), source.arrays))
        found["centers"] = [center_input(pane, source.arrays(pane.run.id)) for pane in found["panes"]] if "centers" in needs else []
        found["graphs"] = [GraphInput(pane.run, source.arrays(pane.run.id), pane.projection) for pane in found["panes"]] if "graphs" in needs else []
        found["snapshots"] = [EpochInput(pane, source.arrays(pane.run.id)) for pane in found["panes"]] if "snapshots" in needs else []
        if "snapshots" not in needs:
            shown = method if found["panes"][0].projection.method == read_kind(method).method else found["panes"][0].projection.method
    elif {"dataset", "label_names", "texts"} & set(needs):
        dataset = source.dataset(found["runs"][0].config.dataset_hash or "")
        if any(run.config.dataset_hash != dataset.content_hash for run in found["runs"]):
            raise InputError("the runs are on different texts, and this figure shows one data set; pick runs of one data set")
    if "events" in needs:
        found["events"] = source.events(run_ids)
    if "split" in needs:
        found["split"] = source.split(run_ids[0])
    if {"panes", "centers", "graphs", "snapshots", "influence", "dataset", "label_names", "texts"} & set(needs):
        found |= {"dataset": dataset, "label_names": dataset.label_names, "texts": dataset.texts}
    return [found[need] for need in needs], words, shown
