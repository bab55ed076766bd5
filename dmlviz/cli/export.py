"""The commands that make what goes into a paper: `figure`, `bundle`, `rebuild`, `retrain`, `check`. Importing this adds them to the app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmlviz.cli.app import Home, app, option
from dmlviz.cli.output import put, say
from dmlviz.core.types import InputError, Run
from dmlviz.store.runs import Store
from dmlviz.training.config_input import pair


@app.command()
def figure(
    name: Annotated[str, typer.Argument(help="manifold, curves, classes ...; several, separated by commas, become the panels of one figure")],
    run_ids: option(str, "--runs", "ids, separated by commas"),
    out: option(Path, "--out", "file to write: .pdf, .svg, .png, .pgf (needs LaTeX) or .html"),
    preset: option(str, "--preset", "size on paper, or custom:120x80mm") = "acl-column",
    sets: option(list[str] | None, "--set", "key=value, repeatable: an option of the figure") = None,
    title: option(str, "--title", "title kept inside the file") = "",
    method: option(str, "--method", "kind of map: umap or pca") = "umap",
    csv: option(bool, "--csv", "write the figure's table beside it") = False,
    family: option(str, "--font", "venue, sans or serif") = "venue",
    points: option(float | None, "--font-pt", "size of the main text; default the preset's") = None,
    palette: option(str, "--palette", "colour or grey") = "colour",
    columns: option(int | None, "--columns", "of panels; default as many as stay legible") = None,
    caption: option(str, "--caption", "own words instead of what is known of the figure") = "",
    dpi: option(int | None, "--dpi", "of .png; default 300, of slides and posters 150") = None,
    sidecar: option(bool, "--json", "write beside it what the file says of itself") = False,
    home: Home = None,
) -> None:
    """Draw a figure of finished runs at a column's exact width; prints the path."""
    from dmlviz.export.sheet import figure_file

    options = dict(pair(one) for one in sets or [])
    ids = [one.strip() for one in run_ids.split(",") if one.strip()]
    names = [one.strip() for one in name.split(",") if one.strip()]
    sheet = {"preset": preset, "title": title, "family": family, "font_pt": points, "palette": palette, "columns": columns, "caption": caption}
    paths, words = figure_file(Store(home), names, ids, out, options=options, method=method, csv=csv, dpi=dpi, sidecar=sidecar, **sheet)
    put("\n".join(map(str, paths)))
    for sentence in words:
        say(sentence)


@app.command()
def bundle(
    out: option(Path, "--out", "folder to make; with --zip NAME.zip is made beside it"),
    run_ids: option(str, "--runs", "ids, separated by commas, or all: every figure and table that these runs have to show") = "",
    tray: option(Path | None, "--tray", "YAML or JSON list of figures; without it and --runs, the tray of the Figures page") = None,
    preset: option(str, "--preset", "with --runs: size on paper of every figure; default ACL's") = "",
    with_texts: option(bool, "--with-texts", "texts of data sets leave, too; only where you may share them") = False,
    zip_it: option(bool, "--zip", "also as one zip") = False,
    home: Home = None,
) -> None:
    """Write figures, tables, captions, data, configs and splits into one folder that can draw itself again; prints its path."""
    from dmlviz.export.bundle import Wanted, gallery, write_bundle, zipped
    from dmlviz.export.files import save_bytes
    from dmlviz.export.tray import read_tray
    from dmlviz.export.tray import tray as kept_tray
    from dmlviz.figures.base.presets import preset as find_preset

    store = Store(home)
    packed = out.with_name(f"{out.name}.zip")
    if zip_it and packed.exists():
        raise InputError(f"{packed} is there already; name another folder, or move that file away")
    if preset and not run_ids:
        raise InputError("--preset belongs to --runs; figures of a tray have presets of their own")
    if run_ids and tray:
        raise InputError("--runs and --tray were both given; name runs, or a list of figures")
    if run_ids:
        find_preset(preset or "acl-column")
        runs, left = _runs(store, run_ids)
        sheets, tables = gallery(runs, **({"preset": preset, "wide": preset} if preset else {}))
    else:
        left, sheets = [], read_tray(tray) if tray else kept_tray(store.home)
        everyone = tuple(dict.fromkeys(run_id for one in sheets for run_id in one.run_ids))
        tables = [(name, everyone) for name in ("results", "datasets", "settings")]
    if not sheets:
        raise InputError("the tray is empty; add figures on the pages, or name runs with --runs ID,ID or --runs all")
    words = [*left, *write_bundle(store, Wanted(tuple(sheets), tuple(tables), with_texts), out, say=say)]
    put(str(out))
    if zip_it:
        put(str(save_bytes(zipped(out), packed)))
    for sentence in words:
        say(sentence)


@app.command()
def rebuild(
    folder: Annotated[Path, typer.Argument(help="a folder that `bundle` made")],
    out: option(Path | None, "--out", "folder to draw into; default NAME-rebuilt beside it") = None,
) -> int:
    """Draw a bundle's figures and tables again from its data alone, and compare; prints the files that differ."""
    from dmlviz.export.bundle import rebuild as draw_again

    into = out or folder.resolve().with_name(f"{folder.resolve().name}-rebuilt")
    differ = draw_again(folder, into, say=say)
    for name in differ:
        put(name)
    say(f"drawn into {into}: " + (f"{len(differ):,} files differ from the bundle's" if differ else "every file equals the bundle's to the byte"))
    return 1 if differ else 0


@app.command()
def retrain(
    folder: Annotated[Path, typer.Argument(help="a folder that `bundle` made")],
    places: option(list[Path] | None, "--from", "repeatable: folder where own files of texts and own encoders lie") = None,
    home: Home = None,
) -> int:
    """Train a bundle's runs again from its configs, and compare the draws with its splits; prints the ids."""
    from dmlviz.export.bundle.retraining import retrain as train_again

    return 0 if train_again(folder, Store(home), places=places or (), put=put, say=say) else 1


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="figures: .pdf, .svg, .png, .html")],
    preset: option(str, "--preset", "the size it should have; default: what the file says of itself") = "",
    as_json: option(bool, "--json", "JSON instead of lines") = False,
) -> int:
    """Check figures as a conference would: fonts, width, smallest text, classes in grey print, contrast, size of the file."""
    from dmlviz.export.checks import check_file, report

    return report([(path, check_file(path, preset=preset)) for path in files], put, as_json=as_json)


def _runs(store: Store, named: str) -> tuple[list[Run], list[str]]:
    """(the finished runs of a list of ids, or all that can be read; sentences about the others)."""
    if named.strip() == "all":
        from dmlviz.export.load_figure import readable_runs

        found, left = readable_runs(store, [run.id for run in store.runs() if run.state == "finished"])
        left += [f"left out: {sentence}" for sentence in store.unreadable()]
        if not found:
            raise InputError(left[0] if left else "no run is finished in this home; train one, or name another home with --home")
        return found, left
    ids = [one.strip() for one in named.split(",") if one.strip()]
    if not ids:
        raise InputError("no run was named; give their ids as --runs ID,ID, or --runs all")
    return [store.run(one) for one in ids], []
