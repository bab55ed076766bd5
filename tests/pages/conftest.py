"""A home with finished and failed runs, made once by the worker's own code, and the app on a home."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import waiting
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from dmlviz.core.types import RunConfig
from dmlviz.data import draw_split, read_file
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = ["<script>alert(1)</script>", "😀 emoji", "عربي", "**bold**", "$x$", ":red[x]", "日本語"]


class Home(NamedTuple):
    """A store and the ids of its runs."""

    store: Store
    hostile: list[str]  # two finished runs on the hostile texts, cross_entropy first
    tiny: str  # a finished run on other texts
    failed: str  # its encoder's weights are broken
    untouched: Path  # the home as training left it: tests that share `store` add views and tickets to it


@pytest.fixture(scope="session")
def hostile_csv(tmp_path_factory) -> Path:
    """Seven classes whose names want to be markup, ten texts each; the texts want it too."""
    path = tmp_path_factory.mktemp("hostile") / "odd.csv"
    rows = [f"{chr(97 + c)} cat {chr(97 + i)} <b>dog</b> **soup** $x$,{name}" for c, name in enumerate(HOSTILE) for i in range(10)]
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def home(tmp_path_factory, tiny_encoder, tiny_csv, hostile_csv) -> Home:
    """Three finished runs and a failed one. Shared: tests that change something take `own_home`."""
    store = Store(tmp_path_factory.mktemp("pages") / "home")
    broken = shutil.copytree(tiny_encoder, tmp_path_factory.mktemp("broken") / "encoder")
    next(broken.glob("*.safetensors")).write_bytes(b"no weights")

    def create(path: Path, encoder: Path = tiny_encoder, **fields) -> str:
        config = RunConfig(dataset=str(path), encoder=str(encoder), shots=2, epochs=2, batch_size=4, max_length=16, lr=1e-3, **fields)
        dataset = read_file(path)
        return store.create(config, dataset, draw_split(dataset, shots=2))

    hostile = [create(hostile_csv, loss=loss) for loss in ("cross_entropy", "triple_entropy")]
    tiny, failed = create(tiny_csv, loss="g_loss"), create(tiny_csv, encoder=broken, loss="cross_entropy")
    waiting.train(store, [*hostile, tiny, failed])
    assert [store.run(one).state for one in (*hostile, tiny, failed)] == ["finished"] * 3 + ["failed"]
    untouched = shutil.copytree(store.home, tmp_path_factory.mktemp("untouched") / "home")
    return Home(store, hostile, tiny, failed, untouched)


@pytest.fixture
def own_home(home, tmp_path) -> Home:
    """A copy of `home` to change, without what other tests' pages asked for."""
    return home._replace(store=Store(shutil.copytree(home.untouched, tmp_path / "copy")))


@pytest.fixture
def visit(monkeypatch, tmp_path):
    """visit("train", home_folder, runs=[...]) -> AppTest that has drawn this page without an exception."""

    class Navigated(PagesManager):
        """AppTest forgets before every run that st.navigation was called, and would run the page's file without app.py."""

    monkeypatch.setattr("streamlit.testing.v1.app_test.PagesManager", Navigated)
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)

    def open_page(page: str, home: Path | None = None, **picks) -> AppTest:
        monkeypatch.setenv("DMLVIZ_HOME", str(home or tmp_path / "empty"))
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in picks.items():
            app.session_state[name] = value
        app.run()
        if page != "overview":
            app.switch_page(f"pages/{page}.py")
            for name, value in picks.items():
                app.session_state[name] = value
            app.run()
        assert not app.exception, [one.value for one in app.exception]
        return app

    return open_page
