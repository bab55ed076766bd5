"""A table of stored runs: loads what it needs, makes it, writes it with its provenance. Pages and command line go through here."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dmlviz import __version__
from dmlviz.analysis.load_words import load_lines
from dmlviz.core.types import InputError, Run
from dmlviz.core.wording import count_of, did_you_mean
from dmlviz.export.files import csv_bytes, save_bytes
from dmlviz.export.load_attributions import damaged_words
from dmlviz.export.load_figure import SWITCH, Sources, sources, without_damaged
from dmlviz.store.runs import Store
from dmlviz.tables import Table, entry, latex, markdown, table_frame

LOADED_BY = {"readout": ("outcomes",), "kind": ("attributions",)}  # options of what is loaded -> the needs they belong to
KINDS = ("tex", "csv", "md")
WITHOUT_ENCODER = ("datasets", "settings", "published")  # tables of no encoder's numbers, or that name it in a column
WIDTH = "width"  # option of a .tex file: millimetres, or a preset of the figures


def make_table(name: str, run_ids: Sequence[str], options: Mapping[str, Any], source: Sources) -> Table:
    """The table of these runs. Raises InputError for an unknown table or option, and for runs that have not what it is made of."""
    chosen = entry(name)
    given = _checked(name, options)
    loading = {key: str(value) for key, value in given.items() if key in LOADED_BY}
    runs = [source.run(run_id) for run_id in run_ids]
    needed = [_load(need, runs, loading, source) for need in chosen.needs]
    made = chosen.make(*needed, **{key: value for key, value in given.items() if key not in LOADED_BY})
    told = load_lines(run for run in runs if run.state == "finished") if name not in WITHOUT_ENCODER else []
    words = [word for need, found in zip(chosen.needs, needed, strict=True) if need == "attributions" for word in damaged_words(found)]
    return replace(made, notes=(*made.notes, *words, *told))


def table_file(store: Store, name: str, run_ids: Sequence[str], out: Path, *, options: Mapping[str, Any]) -> tuple[list[Path], list[str]]:
    """(written paths, sentences for a person: caption and notes). `out` is .tex, .csv or .md; `run_ids` ("all",) takes every finished run
    whose files can be read.

    Everything asked for is checked before a run is read. Raises InputError as `make_table`, and where the file cannot be written.
    """
    entry(name)
    if out.suffix.lower().removeprefix(".") not in KINDS:
        raise InputError(f"cannot write a table as {out.suffix or 'a file without an extension'}; choose {', '.join(f'.{kind}' for kind in KINDS)}.")
    if not run_ids:
        raise InputError("no run was named; give their ids as --runs ID,ID, or --runs all")
    width = _width(options.get(WIDTH), out)
    own = {key: value for key, value in options.items() if key != WIDTH}
    _checked(name, own)
    source, words = sources(store), []
    if list(run_ids) == ["all"]:
        made, ids, words = without_damaged(lambda kept: make_table(name, kept, own, source), all_runs(store), source)
        words += store.unreadable()
    else:
        ids = list(dict.fromkeys(run_ids))
        made = make_table(name, ids, own, source)
    return [save_bytes(table_bytes(made, out.suffix.lower().removeprefix("."), ids, width), out)], [made.caption, *made.notes, *words]


def all_runs(store: Store) -> list[str]:
    """Ids of every finished run, oldest first."""
    found = sorted((run for run in store.runs() if run.state == "finished"), key=lambda run: run.created)
    if not found:
        raise InputError("there is no finished run here yet; train one, or give another --home")
    return [run.id for run in found]


def table_bytes(made: Table, kind: str, run_ids: Sequence[str], width: float | None = None) -> bytes:
    """The table as one of KINDS; LaTeX (`width` mm wide) and Markdown say in a comment of which runs it is made."""
    said = f"DMLViz {__version__}, table {made.name} of {count_of(len(run_ids), 'run')}: {', '.join(run_ids)}"
    if kind == "csv":
        return csv_bytes(table_frame(made))
    if kind == "md":
        return f"{markdown(made)}\n<!-- {' '.join(said.replace('--', '- -').replace('>', '').split())} -->\n".encode("utf-8", "replace")
    head = "".join(f"% {line}\n" for line in textwrap.wrap(said, 110, break_on_hyphens=False))
    return (head + latex(made, width_mm=width)).encode("utf-8", "replace")


def _width(given: Any, out: Path) -> float | None:
    """Millimetres of a number or of a preset."""
    from dmlviz.figures.base.presets import preset

    if given is None:
        return None
    if out.suffix.lower() != ".tex":
        raise InputError(f"width={given} belongs to a .tex file; leave it out for {out.suffix}")
    text = str(given).strip()
    return preset(f"custom:{text}" if text[:1].isdigit() else text).width_mm


# ---- options


def _checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options, also as they come from a shell, in the type the table wants."""
    chosen = entry(name)
    known = {**chosen.options, **{key: str for key, needs in LOADED_BY.items() if set(needs) & set(chosen.needs)}}
    return {key: _read(key, value, known, name) for key, value in options.items()}


def _read(key: str, value: Any, known: Mapping[str, Any], name: str) -> Any:
    if key not in known:
        raise InputError(f"unknown option {key[:60]!r} of {name}; known: {', '.join(known) or 'none'}.{did_you_mean(key, known)}")
    kind = known[key]
    if isinstance(kind, tuple):
        if value not in kind:
            raise InputError(f"{key} cannot be {str(value)[:60]!r}; choose one of {', '.join(kind)}.{did_you_mean(str(value), kind)}")
        return value
    if kind is bool and not isinstance(value, bool):
        if str(value).lower() not in SWITCH:
            raise InputError(f"{key}={value!r} is not accepted; {key} takes true or false")
        return SWITCH[str(value).lower()]
    return value


# ---- what a table is made of


def _load(need: str, runs: Sequence[Run], loading: Mapping[str, str], source: Sources) -> Any:
    if need == "runs":
        return list(runs)
    if need == "datasets":
        return {one: source.dataset(one) for one in dict.fromkeys(run.config.dataset_hash or "" for run in runs)}
    if need == "outcomes":
        return _outcomes(runs, loading.get("readout", ""), source)
    if need == "attributions":
        return source.attributions([run.id for run in runs], loading.get("kind", "ig"), "")
    return _centers(runs, source)


def _outcomes(runs: Iterable[Run], readout: str, source: Sources) -> list[Any]:
    from dmlviz.analysis.reliability.outcomes import outcome

    kept = [run for run in runs if run.state == "finished" and "accuracy" in run.metrics and run.config.left_out is None]
    return [outcome(run, source.arrays(run.id), readout) for run in kept]


def _centers(runs: Sequence[Run], source: Sources) -> list[Any]:
    """Centres of the runs, data set by data set; what counts is their arrays, so the quick map will do."""
    from dmlviz.figures.centers.frame import center_input
    from dmlviz.tables.centers import CenterSource

    made = {}
    for content in dict.fromkeys(run.config.dataset_hash for run in runs):
        ids = [run.id for run in runs if run.config.dataset_hash == content]
        panes, dataset = source.panes(ids, "pca")
        made |= {pane.run.id: CenterSource(center_input(pane, source.arrays(pane.run.id)), dataset.label_names) for pane in panes}
    return [made[run.id] for run in runs]
