"""A figure of stored runs as a file: loads what the figure needs, draws it on paper, writes it with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmlviz.data.wording import did_you_mean
from dmlviz.export import MEDIA_TYPES, Provenance, csv_bytes, save_bytes, save_figure
from dmlviz.figures import FIGURES, split_options
from dmlviz.figures.theme import PRESETS
from dmlviz.figures.theme import preset as find_preset
from dmlviz.panes import load_panes
from dmlviz.records import InputError
from dmlviz.store import Store

SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def draw_file(
    store: Store, name: str, run_ids: Sequence[str], out: Path, *, preset: str, options: Mapping[str, str], title: str, method: str, csv: bool
) -> tuple[list[Path], list[str]]:
    """(written paths, sentences for a person: the caption and what paper cannot show). Everything asked for is checked before a run is read."""
    _one_of(name, FIGURES, "figure")
    _one_of(preset, PRESETS, "preset")
    _one_of(method, ("umap", "pca"), "kind of map")
    _one_of(out.suffix.lower(), [f".{kind}" for kind in MEDIA_TYPES], "extension")
    if not run_ids:
        raise InputError("no run was named; give their ids as --runs ID,ID")
    entry = FIGURES[name]
    for_frame, for_paper = split_options(name, _typed(name, options))
    needs, words = _needed(store, entry.needs, run_ids, method)
    frame = entry.frame(*needs, **for_frame)
    picture = entry.paper(frame, find_preset(preset), **for_paper)
    caption = entry.caption(frame, needs[0])
    paths = [save_figure(picture, out, provenance=Provenance(title or entry.title, caption, tuple(run_ids)))]
    if csv:
        paths.append(save_bytes(csv_bytes(frame), out.with_suffix(".csv")))
    return paths, [caption, *words, *entry.notes(frame)]


def _one_of(given: str, known: Iterable[str], what: str) -> None:
    if given not in (known := list(known)):
        raise InputError(f"unknown {what} {given[:60]!r}; known: {', '.join(known)}.{did_you_mean(given, known)}")


def _typed(name: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Options as they come from a shell, in the type the figure wants."""
    known = {**FIGURES[name].frame_options, **FIGURES[name].paper_options}
    for key, value in options.items():
        if known:
            _one_of(key, known, f"option of {name}")
        if known.get(key) is bool and value.lower() not in SWITCH:
            raise InputError(f"{key}={value!r} is not accepted; {key} takes true or false")
    return {key: SWITCH[value.lower()] if known.get(key) is bool else value for key, value in options.items()}


def _needed(store: Store, needs: Sequence[str], run_ids: Sequence[str], method: str) -> tuple[list[Any], list[str]]:
    """What the figure asks for, in its order, and a sentence where it is not quite what was asked."""
    found: dict[str, Any] = {"runs": [store.run(run_id) for run_id in run_ids]}
    words = []
    if "panes" in needs:
        found["panes"], dataset = load_panes(store, run_ids, method=method)
        if found["panes"][0].projection.method != method:
            words.append(f"note: not every run has a {method.upper()} map yet, so these are PCA maps")
    elif {"dataset", "label_names", "texts"} & set(needs):
        dataset = store.dataset(found["runs"][0].config.dataset_hash or "")
        if any(run.config.dataset_hash != dataset.content_hash for run in found["runs"]):
            raise InputError("the runs are on different texts, and this figure shows one data set; pick runs of one data set")
    if "events" in needs:
        found["events"] = {run_id: store.events(run_id) for run_id in run_ids}
    if "split" in needs:
        found["split"] = store.split(run_ids[0])
    if {"panes", "dataset", "label_names", "texts"} & set(needs):
        found |= {"dataset": dataset, "label_names": dataset.label_names, "texts": dataset.texts}
    return [found[need] for need in needs], words
