"""Everything that a paper and its reviewer need in one folder: figures, tables, captions, the data they are drawn from, configs, splits, environment.

What is drawn is drawn from the folder's own data, when it is made and whenever it is rebuilt: so a rebuild is equal to the byte and needs no run.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmlviz import __version__
from dmlviz.core.places import place_name
from dmlviz.core.types import FigureSpec, InputError, Run, SheetSpec, TextDataset
from dmlviz.data.catalogue import restricted
from dmlviz.export.bundle.drawing import FORMATS, draw_sheets
from dmlviz.export.bundle.reading import AGAIN, FORMAT, StoredTable, check_files, read_content, stored_table
from dmlviz.export.bundle.words import captions_markdown, captions_tex, read_me, scripts
from dmlviz.export.citations import bibtex, methods
from dmlviz.export.files import file_name, zip_bytes
from dmlviz.export.load_figure import Picture, Sources, readable_runs, sources
from dmlviz.export.load_table import KINDS, make_table, table_bytes
from dmlviz.export.sheet import gather, title_of, told_of, versions
from dmlviz.figures.base.composing import LETTERS
from dmlviz.store.frames import write_frame
from dmlviz.store.runs import Store
from dmlviz.tables import Table
from dmlviz.tables.stored import table_json

DRAWS_TEXTS = ("attribution_words", "graph_why", "influence")  # figures that show whole texts
TEXT_COLUMNS = ("text", "node_text")  # texts of the data set in a figure's table
BIG_ROWS = 50_000  # a longer table is packed


class Wanted(NamedTuple):
    """What goes into a bundle."""

    sheets: tuple[SheetSpec, ...]
    tables: tuple[tuple[str, tuple[str, ...]], ...] = ()  # (name, run ids)
    with_texts: bool = False  # texts of data sets whose terms do not clearly allow it


Say = Callable[[str], None]


def write_bundle(store: Store, wanted: Wanted, out: Path, *, source: Sources | None = None, say: Say = lambda words: None) -> list[str]:
    """Make the folder `out`; returns sentences on what is not quite as asked. It appears whole or not at all.

    What shows a run that is gone or damaged is left out. Raises InputError where there is something at `out` already, or nothing can be drawn.
    """
    out, words = Path(out), []
    if out.exists():
        raise InputError(f"{out} is there already; name another folder, or move that one away")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        (part / "data").mkdir(parents=True)
        runs, left = readable_runs(store, _run_ids(wanted))
        words += left
        datasets = {found: store.dataset(found) for found in {run.config.dataset_hash for run in runs} if found}
        shown = _write_data(part, wanted, runs, datasets, source or sources(store), say, words)
        draw_bundle(part, say=say)
        _write_runs(part, runs, store)
        _write_words(part, runs, shown, datasets)
        (part / "checksums.sha256").write_text(_checksums(part), encoding="utf-8")
        part.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}. Choose a folder you may write to.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return list(dict.fromkeys(words))


def rebuild(folder: Path, out: Path, *, say: Say = lambda words: None) -> list[str]:
    """Draw the bundle's figures and tables again into `out`, from its data alone; returns the files that differ from those of the bundle.

    Raises InputError for a folder that is no bundle, and for data that is not what the bundle was made with.
    """
    folder, out = Path(folder), Path(out)
    check_files(folder)
    known = _known(folder)
    changed = [name for name, digest in known.items() if name.startswith("data/") and _digest(folder / name) != digest]
    if changed:
        raise InputError(f"{changed[0]} is not the file that the bundle was made with; take the bundle's own file again")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already; name another folder, or move that one away")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        shutil.copytree(folder / "data", part / "data")
        made = draw_bundle(part, say=say)
        if out.exists():
            out.rmdir()
        part.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}. Choose a folder you may write to.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return [name for name in made if known.get(name) != _digest(out / name)]


def draw_bundle(folder: Path, *, say: Say = lambda words: None) -> list[str]:
    """Figures, sidecars, tables and captions of the folder, from its data/; returns their names."""
    content = read_content(folder)
    done = iter(range(1, len(content.sheets) + 1))
    draw_sheets(folder, content.sheets, say=lambda file: say(f"figure {next(done)} of {len(content.sheets)}: {file}"))
    captions = [_caption(folder, one.file) for one in content.sheets]
    made = {name: data for one in content.tables for name, data in _table_files(one).items()}
    made["captions.md"], made["captions.tex"] = captions_markdown(captions).encode(), captions_tex(captions).encode()
    for name, data in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return [*(f"figures/{one.file}.{kind}" for one in content.sheets for kind in (*FORMATS, "json")), *made]


def _table_files(one: StoredTable) -> dict[str, bytes]:
    """Name -> content of a table in every format, and its sidecar. Raises InputError where it cannot be written."""
    table = stored_table(one)
    try:
        made = {f"tables/{one.file}.{kind}": table_bytes(table, kind, one.runs) for kind in KINDS}
        return {**made, f"tables/{one.file}.json": _table_sidecar(table, one.runs)}
    except InputError:
        raise
    except Exception as error:  # cells that no table of ours has
        raise InputError(f"the table {one.file} cannot be written ({type(error).__name__}); {AGAIN}") from error


def _table_sidecar(table: Table, run_ids: Sequence[str]) -> bytes:
    said = {"title": table.title, "caption": table.caption, "notes": list(table.notes), "runs": list(run_ids), "versions": versions()}
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _caption(folder: Path, file: str) -> tuple[str, str, str]:
    """(file, title, caption), as the sidecar says them."""
    told = json.loads((folder / "figures" / f"{file}.json").read_text(encoding="utf-8"))
    return file, told["title"], told["caption"]


def zipped(folder: Path) -> bytes:
    """The bundle as one zip: the same bytes for the same files."""
    return zip_bytes({f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()})


# ---- what is drawn from


def _write_data(
    folder: Path, wanted: Wanted, runs: Sequence[Run], datasets: Mapping[str, TextDataset], source: Sources, say: Say, words: list[str]
) -> list[FigureSpec]:
    """data/: a CSV with its description for every panel, and content.json. Returns the pictures that are in it, with the maps they really show;
    `words` grows by what is not quite as asked."""
    sheets, shown, by_id = [], [], {run.id: run for run in runs}
    for spec in wanted.sheets:
        if lost := [run_id for run_id in spec.run_ids if run_id not in by_id]:
            words.append(f"left out: {title_of(spec)}, which shows {lost[0]}")
            continue
        withheld = [] if wanted.with_texts else _withheld(spec, by_id, datasets)
        name = file_name([f"{len(sheets) + 1:02d}", *dict.fromkeys(panel.name for panel in spec.panels)], "x").removesuffix(".x")
        if withheld and any(panel.name in DRAWS_TEXTS for panel in spec.panels):
            words.append(f"left out: {title_of(spec)} shows whole texts of {', '.join(withheld)}, whose terms do not clearly let them leave; "
                         "ask for texts (--with-texts) where you may share them")  # fmt: skip
            continue
        try:
            found = gather(spec, source)
        except InputError as error:
            words.append(f"left out: {title_of(spec)}: {error}")
            continue
        panels = [_write_panel(folder, f"{name}{letter}", one, bool(withheld)) for letter, one in zip(LETTERS, found, strict=False)]
        if withheld:
            words.append(f"texts of {', '.join(withheld)} are left out of the data; ask for texts (--with-texts) where you may share them")
        told = told_of([by_id[run_id] for run_id in spec.run_ids])
        shown += [panel.model_copy(update={"options": {**panel.options, **({"map": one.map} if one.map else {})}})
                  for panel, one in zip(spec.panels, found, strict=True)]  # fmt: skip
        sheets.append({"file": name, "spec": spec.model_dump(mode="json"), "panels": panels, "runs": told})
        say(f"data of figure {len(sheets)}: {title_of(spec)}")
    if wanted.sheets and not sheets:
        raise InputError(words[0])
    tables = []
    for name, all_ids in wanted.tables:
        run_ids = [run_id for run_id in all_ids if run_id in by_id]
        try:
            table = make_table(name, run_ids, {}, source)
        except InputError as error:
            words.append(f"left out: the table {name}: {error}")
            continue
        file = file_name([f"{len(tables) + 1:02d}", name], "x").removesuffix(".x")
        tables.append({"file": file, "table": table_json(table), "runs": list(run_ids)})
    if not sheets and not tables:
        raise InputError(words[0] if words else "nothing was asked for; name figures, tables or runs")
    content = {"format": FORMAT, "dmlviz": __version__, "sheets": sheets, "tables": tables}
    (folder / "data" / "content.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    return shown


def _write_panel(folder: Path, name: str, one: Picture, withheld: bool) -> dict[str, Any]:
    frame = one.frame.reset_index(drop=True)
    for column in TEXT_COLUMNS if withheld else ():
        if column in frame:
            frame[column] = frame[column].astype(object).where(frame[column].isna(), "")
    data, schema = write_frame(frame)
    big = len(frame) > BIG_ROWS
    file = f"{name}.csv.gz" if big else f"{name}.csv"
    (folder / "data" / file).write_bytes(gzip.compress(data, 6, mtime=0) if big else data)
    (folder / "data" / f"{name}.columns.json").write_text(json.dumps(schema, sort_keys=True), encoding="utf-8")
    return {"name": one.name, "options": one.options, "caption": one.caption, "encoder": one.encoder, "words": one.words, "data": file,
            "columns": f"{name}.columns.json"}  # fmt: skip


def _withheld(spec: SheetSpec, runs: Mapping[str, Run], datasets: Mapping[str, TextDataset]) -> list[str]:
    """The data sets of the spec's runs whose texts stay here."""
    configs = [runs[run_id].config for run_id in spec.run_ids]
    kept = [one.dataset for one in configs if one.dataset_hash not in datasets or restricted(one.dataset, datasets[one.dataset_hash].source)]
    return [place_name(name) for name in dict.fromkeys(kept)]


# ---- what the runs were


def _run_ids(wanted: Wanted) -> list[str]:
    return list(dict.fromkeys([run_id for spec in wanted.sheets for run_id in spec.run_ids] + [run_id for _, ids in wanted.tables for run_id in ids]))


def _write_runs(folder: Path, runs: Sequence[Run], store: Store) -> None:
    """configs/: what was trained; splits/: row ids of every draw, once each, with their hashes."""
    (folder / "configs").mkdir()
    (folder / "splits").mkdir()
    for run in runs:
        split = store.split(run.id)
        rows = {name: np.asarray(getattr(split, name)).tolist() for name in ("support", "validation", "test")}
        text = json.dumps({"dataset": place_name(run.config.dataset), "dataset_hash": run.config.dataset_hash, **rows, "sha256": {
            name: hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).hexdigest() for name, ids in rows.items()}}, indent=None)  # fmt: skip
        name = f"splits/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        (folder / name).write_text(text + "\n", encoding="utf-8")
        said = {"run": run.id, "origin": run.origin, "config": _told(run), "split": name, "metrics": dict(run.metrics)}
        (folder / "configs" / f"{run.id}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def _told(run: Run) -> dict[str, Any]:
    """The config without the folders of this machine: a bundle goes to reviewers."""
    places = {name: place_name(value) for name in ("dataset", "encoder", "tokenizer") if (value := getattr(run.config, name))}
    return run.config.model_dump(mode="json") | places


def _write_words(folder: Path, runs: Sequence[Run], shown: Sequence[FigureSpec], datasets: Mapping[str, TextDataset]) -> None:
    said = {"datasets": datasets, "figures": shown}
    files = {
        "methods.md": methods(runs, **said, markdown=True), "methods.tex": methods(runs, **said, latex=True),
        "references.bib": bibtex(runs, figures=shown), "environment.txt": _environment(), "README.md": read_me(folder), **scripts(),
    }  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", errors="replace")


def _environment() -> str:
    found = {f"{one.metadata['Name']}=={one.version}" for one in metadata.distributions() if one.metadata["Name"]}
    head = [f"# python {'.'.join(map(str, sys.version_info[:3]))} on {platform.system()} {platform.machine()}"]
    return "\n".join([*head, *sorted(found, key=str.lower)])


# ---- checksums


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _checksums(folder: Path) -> str:
    """As `sha256sum -c` reads them."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{_digest(folder / name)}  {name}\n" for name in names)


def _known(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "checksums.sha256").read_text(encoding="utf-8").splitlines()
        known = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in known):
            raise ValueError("a file outside the bundle")
        return known
    except (OSError, ValueError):
        raise InputError(f"{folder} is no bundle: it has no readable checksums.sha256; name a folder that `bundle` made") from None


__all__ = ["FORMATS", "Wanted", "draw_bundle", "rebuild", "write_bundle", "zipped"]
