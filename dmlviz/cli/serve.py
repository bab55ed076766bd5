"""The command `app`. Importing this registers it on the app of `cli.app`."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

import typer

from dmlviz.cli.app import Home, app, option


@app.command("app")
def serve(
    port: option(int | None, "--port", "of the server; default 8501, or the next that is free") = None,
    home: Home = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="open a browser")] = True,
) -> int:
    """Serve the dashboard on this machine until Ctrl-C."""
    with as_file(files("dmlviz.ui") / "served") as folder:
        words = [f"--{name}={value}" for name, value in _settings(folder / "config.toml") if name not in ("server.headless", "server.port")]
        words += [f"--server.headless={str(not browser).lower()}", *([f"--server.port={port}"] if port is not None else [])]
        environment = {**os.environ, **({"DMLVIZ_HOME": str(Path(home).expanduser().resolve())} if home else {})}
        process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), *words], env=environment)
        try:
            return process.wait()
        except KeyboardInterrupt:  # the server got it too
            return process.wait()
        finally:
            process.terminate()


def _settings(path: Path) -> Iterator[tuple[str, Any]]:
    """('theme.light.primaryColor', '#0B6E99') ...: Streamlit reads a config beside the folder one stands in, which is anywhere."""

    def flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{before}{name}.")
            else:
                yield before + name, str(value).lower() if isinstance(value, bool) else value

    return flat(tomllib.loads(path.read_text(encoding="utf-8")), "")
