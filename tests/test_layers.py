"""Imports run one way (design.md §2), and what is heavy stays at the edge."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOW = {"places", "records"}
DATA = LOW | {"data"}
STORE = {"store_arrays", "store_damage", "store_files", "store_seal", "store_status"}  # what store.py is made of
TRAINING = {
    "records", "store", "store_files", "store_status", "store_leftovers", "store_sweeps", "encoder", "propagation", "losses", "cautions", "training",
}  # fmt: skip
EVERYTHING_BELOW_UI = {
    *TRAINING, "desk", "store_attributions", "attributed", "data", "analysis", "figures", "export", "submit", "panes", "papers", "spaces", "tuning",
    "cautions", "slices_store", "store_sweeps", "sweep", "sweep_spec", "citing", "tables", "draw_tables", "checking",
    "frame_files", "trays", "bundles", "verification",
}  # fmt: skip
MAY_IMPORT = {
    "__init__": set(),
    "places": set(),
    "records": set(),
    "data": DATA,
    "store_damage": LOW,
    "store_leftovers": set(),
    "store_files": LOW,
    "store_seal": LOW | {"store_damage", "store_files"},
    "store_status": LOW | {"store_damage", "store_files"},
    "store_arrays": LOW | {"store_damage", "store_files", "store_seal"},
    "store": LOW | STORE,
    "slices_store": LOW | {"store_damage", "store_files"},
    "store_sweeps": LOW | {"store", "store_damage", "store_files"},
    "store_attributions": LOW | {"store", "store_damage", "store_files"},
    "encoder": LOW | {"encoder"},
    "propagation": LOW,
    "losses": LOW | {"propagation", "losses"},
    "training": TRAINING,
    "analysis": {"places", "records", "store", "propagation", "losses", "analysis"},
    "explain": {"records", "store", "store_damage", "encoder", "propagation", "training", "analysis", "store_attributions", "explain"},
    "figures": {"places", "records", "losses", "analysis", "figures"},
    "frame_files": LOW,
    "export": {"records", "store", "analysis", "figures", "frame_files"},
    "checking": {"records", "figures", "export", "checking"},
    "trays": LOW | {"asked", "store_damage", "store_files", "figures"},
    "citing": {"places", "records", "data", "losses", "analysis", "figures", "citing"},
    "submit": {"records", "store", "data", "losses", "training", "encoder"},
    "verification": {"records", "store", "training"},
    "panes": {"records", "store", "data", "losses", "training", "analysis", "figures", "export"},
    "desk": {"explain", "store_attributions", "records", "store", "store_files", "data", "losses", "training", "analysis", "panes"},
    "attributed": {"records", "data", "store", "store_attributions", "desk", "analysis", "figures"},
    "asked": {"records", "data", "losses"},
    "papers": {"places", "records", "data", "losses", "training", "papers", "analysis"},
    "cautions": {"records", "losses"},
    "spaces": {"records", "data", "losses"},
    "sweep_spec": {"records", "data", "losses", "asked"},
    "sweep": {"records", "store", "store_files", "store_sweeps", "data", "losses", "training", "submit", "sweep_spec"},
    "tuning": {"records", "store", "store_damage", "data", "losses", "training", "submit", "spaces"},
    "told": {"records", "store", "store_attributions", "analysis", "papers"},
    "told_sweeps": {"data", "records", "store", "sweep", "told", "training"},
    "tables": {"places", "records", "data", "losses", "analysis", "figures", "papers", "tables"},
    "draw_tables": {"attributed", "draw", "tables", "records", "store", "export", "data", "analysis", "figures"},
    "sheets": {"places", "records", "store", "figures", "export", "panes", "draw", "standalone", "pgf", "__init__"},
    "pgf": {"records", "figures", "export"},
    "standalone": {"records", "figures", "export", "draw"},
    "bundles": {"places", "records", "store", "store_files", "data", "figures", "export", "draw", "sheets", "frame_files", "citing", "tables",
                "draw_tables", "submit", "training", "trays", "bundles", "__init__"},
    "cli_app": set(),
    "cli_datasets": {"cli_app", "data", "records", "store", "told"},
    "cli_sweeps": {"cli_app", "data", "records", "store", "store_sweeps", "sweep", "sweep_spec", "told", "told_sweeps", "training"},
    "cli_papers": {"cli_app", "asked", "bundles", "checking", "draw", "sheets", "export", "figures", "records", "store", "told", "trays"},
    "cli_tables": {"cli_app", "asked", "draw_tables", "store", "told"},
    "draw": {"attributed", "desk", "records", "store", "data", "analysis", "figures", "export", "panes"},
    "cli": {*EVERYTHING_BELOW_UI, "asked", "draw", "told", "told_sweeps", "explain", "cli_app", "cli_datasets", "cli_papers", "cli_sweeps",
            "cli_tables", "__init__"},
    "__main__": {"cli"},
    "ui": {*EVERYTHING_BELOW_UI, "asked", "draw", "sheets", "standalone", "pgf", "ui"},
    "pages": {*EVERYTHING_BELOW_UI, "asked", "draw", "ui"},
    "app": {"ui"},
}
# The worker is the one place where training meets analysis: the map is computed at the end of the run, in the run's process, so that it opens at once
EXCEPTIONS = {("dmlviz/training/worker.py", "analysis")}
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
    ours = {name.split(".")[1] if "." in name else "__init__" for name in imported(path) if name.split(".")[0] == "dmlviz"}
    ours -= {"__init__", "__version__"}  # the package itself holds its version and nothing else
    name = str(path.relative_to(ROOT))
    wrong = {other for other in ours - MAY_IMPORT[room(path)] if (name, other) not in EXCEPTIONS}
    assert not wrong, f"{name} ({room(path)}) may not import {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_streamlit_and_drawing_stay_in_their_rooms(path):
    outside = {name.split(".")[0] for name in imported(path)}
    if room(path) not in ("ui", "pages", "app"):
        assert "streamlit" not in outside
    if room(path) in (*TRAINING, "data", "analysis", "submit", "papers", "tuning"):
        assert not outside & {"plotly", "matplotlib"}
    if room(path) in ("ui", "pages", "app", "figures", "export"):
        assert not outside & {"torch", "transformers"}


LIGHT = ["dmlviz.store", "dmlviz.analysis.projection", "dmlviz.figures", "dmlviz.losses", "dmlviz.data", "dmlviz.training.local"]
LIGHT += [
    "dmlviz.training.dispatcher",
    "dmlviz.training.cost",
    "dmlviz.export",
    "dmlviz.submit",
    "dmlviz.panes",
    "dmlviz.desk",
    "dmlviz.ui",
    "dmlviz.cli",
    "dmlviz.asked",
    "dmlviz.draw",
    "dmlviz.papers",
    "dmlviz.tuning",
    "dmlviz.sweep",
    "dmlviz.citing",
    "dmlviz.tables",
    "dmlviz.draw_tables",
    "dmlviz.cli_tables",
]


@pytest.mark.parametrize("module", LIGHT)
def test_a_stored_map_opens_without_torch(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers', 'umap') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
