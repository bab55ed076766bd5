"""The command `app`. Importing this registers it on the app of `cli.app`."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import dmlviz
from dmlviz.cli.app import Home, app, option

SERVED = Path(dmlviz.__file__).parent / "ui" / "served"  # Streamlit wants a script and its pages as files


@app.command("app")
def serve(
    port: option(int | None, "--port", "of the server; default 8501, or the next that is free") = None,
    home: Home = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="open a browser")] = True,
) -> int:
    """Serve the dashboard on this machine until Ctrl-C."""
    words = [f"--{name}={value}" for name, value in _settings(SERVED / "config.toml") if name not in ("server.headless", "server.port")]
    words += [f"--server.headless={str(not browser).lower()}", *([f"--server.port={port}"] if port is not None else [])]
    if home:
        os.environ["DMLVIZ_HOME"] = str(Path(home).expanduser().resolve())
    command = [sys.executable, "-m", "streamlit", "run", str(SERVED / "app.py"), *words]
    if os.name == "posix":
        os.execv(command[0], command)  # this process becomes the server, so that whatever ends one ends the other
    return subprocess.run(command, check=False).returncode


def _settings(path: Path) -> Iterator[tuple[str, Any]]:
    """('theme.light.primaryColor', '#0B6E99') ...: Streamlit reads a config beside the folder one stands in, which is anywhere."""

    def flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{before}{name}.")
            else:
                yield before + name, str(value).lower() if isinstance(value, bool) else value

    return flat(tomllib.loads(path.read_text(encoding="utf-8")), "")
