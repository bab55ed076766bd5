"""Imports run one way (design.md §2), and what is heavy stays at the edge."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A room imports itself and the rooms before it
ROOMS = (
    "core", "data", "losses", "encoder", "store", "training", "analysis", "figures", "papers", "tables", "explain", "jobs", "export", "cli", "ui",
    "pages", "app",
)  # fmt: skip
WITHOUT_PICTURES = (*ROOMS[: ROOMS.index("figures")], "papers", "explain", "jobs")
ON_THE_SCREEN = ("ui", "pages", "app")
FILES = [*sorted(p for folder in ("dmlviz", "pages") for p in (ROOT / folder).rglob("*.py")), ROOT / "app.py"]


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "dmlviz" else parts[1]


def imported(path: Path) -> set[str]:
    """Full names of every module that the file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "dmlviz" else {module}
    return found


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_imports_run_one_way(path):
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("dmlviz.")}
    ours -= {"__version__"}  # the package itself holds its version and nothing else
    if room(path) not in ROOMS:  # __init__ and __main__
        assert ours <= {"cli"}, path
        return
    wrong = ours - set(ROOMS[: ROOMS.index(room(path)) + 1])
    assert not wrong, f"{path.relative_to(ROOT)} ({room(path)}) may not import {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_streamlit_and_drawing_stay_in_their_rooms(path):
    outside = {name.split(".")[0] for name in imported(path)}
    if room(path) not in ON_THE_SCREEN:
        assert "streamlit" not in outside
    if room(path) in WITHOUT_PICTURES:
        assert not outside & {"plotly", "matplotlib"}
    if room(path) in (*ON_THE_SCREEN, "figures", "export"):
        assert not outside & {"torch", "transformers"}


def test_no_name_hides_a_room_inside_a_room():
    """`dmlviz.ui.runs` is the folder; were it a function too, the last import would win."""
    for init in sorted((ROOT / "dmlviz").rglob("__init__.py")):
        folders = {path.parent.name for path in init.parent.glob("*/__init__.py")}
        bound = {a.asname or a.name for node in ast.walk(ast.parse(init.read_text())) if isinstance(node, ast.ImportFrom) for a in node.names}
        assert not folders & bound, f"{init.relative_to(ROOT)} binds {sorted(folders & bound)}"


LIGHT = ["dmlviz.store.runs", "dmlviz.analysis.geometry.projection", "dmlviz.figures", "dmlviz.losses", "dmlviz.data", "dmlviz.jobs.local"]
LIGHT += [
    "dmlviz.jobs.dispatcher",
    "dmlviz.jobs.cost",
    "dmlviz.export.files",
    "dmlviz.jobs.submit",
    "dmlviz.analysis.map_kinds",
    "dmlviz.jobs.tasks",
    "dmlviz.ui",
    "dmlviz.cli.main",
    "dmlviz.training.config_input",
    "dmlviz.export.load_figure",
    "dmlviz.papers",
    "dmlviz.jobs.tuning",
    "dmlviz.jobs.sweep",
    "dmlviz.export.citations",
    "dmlviz.tables",
    "dmlviz.export.load_table",
    "dmlviz.cli.tables",
]


@pytest.mark.parametrize("module", LIGHT)
def test_a_stored_map_opens_without_torch(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers', 'umap') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
