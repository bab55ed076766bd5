"""The command `table`. Importing this registers it on the app of `cli.app`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dmlviz.cli.app import Home, app, option
from dmlviz.cli.output import put, say
from dmlviz.store.runs import Store
from dmlviz.training.config_input import pair


@app.command()
def table(
    name: Annotated[str, typer.Argument(help="results, published, calibration, centers, attributions, datasets or settings")],
    run_ids: option(str, "--runs", "ids, separated by commas; all: every finished run"),
    out: option(Path, "--out", "file to write: .tex (booktabs), .csv or .md"),
    sets: option(list[str] | None, "--set", "key=value, repeatable: an option of the table; width: millimetres or a preset, for .tex") = None,
    home: Home = None,
) -> None:
    """Write a table of finished runs; prints the path."""
    from dmlviz.export.load_table import table_file

    ids = [one.strip() for one in run_ids.split(",") if one.strip()]
    paths, words = table_file(Store(home), name, ids, out, options=dict(pair(one) for one in sets or []))
    put("\n".join(map(str, paths)))
    for sentence in words:
        say(sentence)
