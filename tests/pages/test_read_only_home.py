"""A home that can only be read: every page reads, and says once that nothing can be started here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from damage_cases import Home, copied, make_home

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("overview", "train", "runs", "manifold", "proxies", "graph", "attributions", "reliability", "figures")
LOOK = """
import json, os, sys
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test
os.environ["DMLVIZ_HOME"] = sys.argv[1]
app_test.PagesManager = type("Navigated", (PagesManager,), {})
PagesManager.uses_pages_directory = False
seen = {}
for page in sys.argv[2].split(","):
    app = AppTest.from_file("app.py", default_timeout=120).run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    seen[page] = {"exceptions": [one.value for one in app.exception], "errors": [one.value for one in app.error],
                  "side": [one.value for one in app.sidebar.warning], "title": [one.value for one in app.title],
                  "words": sum(len(one.value) for one in (*app.caption, *app.markdown))}
print("SEEN" + json.dumps(seen))
"""


@pytest.fixture(scope="module")
def queued_home(tmp_path_factory, tiny_encoder, tiny_csv) -> Home:
    """One of everything, a queued run and a dead one."""
    whole = make_home(tmp_path_factory.mktemp("readonly"), tiny_encoder, tiny_csv)
    home = copied(whole, tmp_path_factory.mktemp("copy") / "home")
    for number, status in enumerate(({"state": "queued"}, {"state": "running", "pid": 1, "pid_started": 0.0, "host": "elsewhere"})):
        run_id = f"{home.other[:-2]}q{number}"
        shutil.copytree(home.store.folder(home.other), home.store.runs_folder / run_id, ignore=shutil.ignore_patterns("arrays", "checksums.json"))
        home.store.update(run_id, **status)
    return home


def seen_in(home: Path, command: list[str]) -> subprocess.CompletedProcess:
    """The command where `home` is mounted read-only, for this process and its children alone."""
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    alone = ["unshare", "-m", "sh", "-c", script, "sh", str(home)]
    return subprocess.run([*alone, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def mounted(queued_home) -> Home:
    tried = seen_in(queued_home.store.home, ["true"]) if shutil.which("unshare") else None
    if tried is None or tried.returncode:
        pytest.skip("no read-only mount can be made here")
    return queued_home


@pytest.mark.slow
def test_every_page_reads_and_says_so_once(mounted):
    before = sorted(path.relative_to(mounted.store.home) for path in mounted.store.home.rglob("*"))
    done = seen_in(mounted.store.home, [sys.executable, "-c", LOOK, str(mounted.store.home), ",".join(PAGES)])
    assert "SEEN" in done.stdout, done.stderr[-3000:]
    seen = json.loads(done.stdout.split("SEEN")[1])
    for page, said in seen.items():
        assert said["exceptions"] == [], page
        assert said["title"], page
        assert said["words"] > 100, page
        told = [line.replace("\\\\", "") for line in said["side"] if "can only be read" in line]
        assert len(told) == 1, (page, said["side"])
        assert "everything can be looked at, nothing can be started or kept" in told[0]
        assert said["errors"] == [], page
    assert sorted(path.relative_to(mounted.store.home) for path in mounted.store.home.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [("runs",), ("show", "RUN"), ("verify", "all"), ("sweeps",), ("table", "results", "--runs", "all", "--out", "OUT.md"),
     ("figure", "manifold", "--runs", "RUN", "--out", "OUT.svg")],
)  # fmt: skip
def test_commands_read(mounted, tmp_path, words):
    named = {"RUN": mounted.run, "OUT.md": str(tmp_path / "a.md"), "OUT.svg": str(tmp_path / "a.svg")}
    command = [sys.executable, "-m", "dmlviz", *(named.get(word, word) for word in words), "--home", str(mounted.store.home)]
    done = seen_in(mounted.store.home, command)
    assert done.returncode == (1 if words[0] == "verify" and "q0" in done.stdout else 0), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_command_that_must_write_says_that_it_cannot(mounted):
    done = seen_in(mounted.store.home, [sys.executable, "-m", "dmlviz", "delete", mounted.run, "--yes", "--home", str(mounted.store.home)])
    assert done.returncode == 2
    assert "Read-only file system" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
