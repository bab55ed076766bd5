"""A bundle from a stranger: nothing outside it is read, and what is wrong with it is one sentence, never a traceback."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from group_homes import add_runs, dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dmlviz.cli.main import main
from dmlviz.core.types import FigureSpec, SheetSpec
from dmlviz.export.bundle import Wanted, write_bundle
from dmlviz.export.bundle.making import _checksums
from dmlviz.store.runs import Store

SECRET = "the key to everything"


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    """A small bundle: one figure, one table."""
    base = tmp_path_factory.mktemp("honest")
    store = Store(base / "home")
    add_runs(store, dataset(), losses=("cross_entropy", "supcon"), shots=(4,), draws=2)
    ids = tuple(run.id for run in store.runs())
    sheet = SheetSpec(panels=(FigureSpec(name="shots_curve", run_ids=ids),))
    write_bundle(store, Wanted((sheet,), (("results", ids),)), base / "paper")
    return base / "paper"


@pytest.fixture
def bundle(honest, tmp_path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "paper"))


def sealed(folder: Path) -> Path:
    """The bundle with checksums of its own: whoever means harm writes those, too."""
    (folder / "checksums.sha256").unlink()
    (folder / "checksums.sha256").write_text(_checksums(folder), encoding="utf-8")
    return folder


def refused(folder: Path, capsys, out: str = "out") -> str:
    """`rebuild` says one sentence and leaves nothing behind."""
    capsys.readouterr()
    code = main(["rebuild", str(folder), "--out", str(folder.parent / out)])
    said = capsys.readouterr().err
    assert code == 2, said
    said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("figure "))  # how far it has come
    assert len(said.strip().splitlines()) == 1, said
    assert "fault of DMLViz" not in said
    assert not (folder.parent / out).exists()
    return said


# ---- nothing outside it


@pytest.mark.parametrize("place", ["data/secret.csv", "data/content.json", "figures/more.pdf", "configs/x.json", "checksums.sha256", "notes.txt"])
def test_no_link_is_followed(bundle, tmp_path, capsys, place):
    (tmp_path / "secret.txt").write_text(SECRET)
    path = bundle / place
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "secret.txt")
    said = refused(bundle, capsys)
    assert said == f"{place} is not a regular file, and a bundle holds no others; take the bundle's own files again\n"
    own = [one for one in tmp_path.rglob("*") if one.is_file() and not one.is_symlink() and one.name != "secret.txt"]
    assert not any(SECRET in one.read_text(errors="replace") for one in own)


def test_neither_a_linked_folder_nor_a_pipe_is_opened(bundle, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    (bundle / "data" / "more").symlink_to(tmp_path / "elsewhere")
    assert "data/more is not a regular file" in refused(bundle, capsys)
    (bundle / "data" / "more").unlink()
    os.mkfifo(bundle / "data" / "pipe.csv")
    assert "data/pipe.csv is not a regular file" in refused(bundle, capsys)


def test_checksums_name_nothing_outside(bundle, capsys):
    path = bundle / "checksums.sha256"
    path.write_text(path.read_text() + f"{hashlib.sha256(b'').hexdigest()}  data/../../secret\n")
    assert "is no bundle" in refused(bundle, capsys)


def test_retraining_reads_no_folder_that_a_config_names(bundle, tmp_path, capsys):
    config = sorted((bundle / "configs").glob("*.json"))[0]
    written = json.loads(config.read_text())
    for field, value in (("dataset", "/etc/passwd"), ("dataset", "../../secret.csv"), ("encoder", str(tmp_path))):
        config.write_text(json.dumps({**written, "config": {**written["config"], field: value}}))
        assert main(["retrain", str(bundle), "--home", str(tmp_path / "home")]) == 2
        assert "cannot be read (ValueError)" in capsys.readouterr().err


# ---- what it says is checked first


def spoil(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        path = folder / "data" / "content.json"
        content = json.loads(path.read_text())
        made = change(content)
        path.write_text(json.dumps(content if made is None else made))

    return work


def written(text: str, name: str = "content.json") -> Callable[[Path], object]:
    return lambda folder: (folder / "data" / name).write_text(text)


def panel(content: dict) -> dict:
    return content["sheets"][0]["panels"][0]


def columns_of(folder: Path) -> str:
    return panel(json.loads((folder / "data" / "content.json").read_text()))["columns"]


SPOILT = {
    "a list": (written("[]"), "data/content.json holds no figures"),
    "nothing": (written(""), "data/content.json is not JSON"),
    "no format": (written("{}"), "the bundle has format None"),
    "a format alone": (written('{"format": 1}'), "data/content.json is not understood at dmlviz"),
    "a later format": (spoil(lambda c: c.update(format=2)), "the bundle has format 2, this DMLViz reads 1"),
    "deep nesting": (written("[" * 100_000 + "]" * 100_000), "data/content.json is not JSON"),
    "deep nesting inside": (written('{"format": 1, "dmlviz": "x", "tables": [], "sheets": ' + "[" * 900 + "]" * 900 + "}"), "is not understood at"),
    "an unknown field": (spoil(lambda c: c.update(more=1)), "is not understood at more"),
    "an unknown figure": (spoil(lambda c: panel(c).update(name="shots_curv")), "unknown figure 'shots_curv'"),
    "an unknown option": (spoil(lambda c: panel(c).update(options={"color": 1})), "the option 'color', which it does not have"),
    "a path for a name": (spoil(lambda c: c["sheets"][0].update(file="../../x")), "names the file '../../x', which no bundle does"),
    "a path for data": (spoil(lambda c: panel(c).update(data="/etc/passwd")), "names the file '/etc/passwd', which no bundle does"),
    "no panel": (spoil(lambda c: c["sheets"][0].update(panels=[])), "is not understood at sheets.0.panels"),
    "a panel too many": (spoil(lambda c: c["sheets"][0].update(panels=[panel(c)] * 2)), "2 panels and describes 1"),
    "data that is not there": (spoil(lambda c: panel(c).update(data="gone.csv")), "data/gone.csv cannot be read (No such file or directory)"),
    "an unknown preset": (spoil(lambda c: c["sheets"][0]["spec"].update(preset="huge")), "huge"),
    "a table of numbers": (spoil(lambda c: c["tables"][0].update(table={"rows": 3})), "of data/content.json is not understood (TypeError)"),
    "cells of numbers": (spoil(lambda c: c["tables"][0]["table"]["rows"][0][0].update(text=3)), "the table 01_results cannot be written"),
    "a description that is none": (lambda folder: written("3", columns_of(folder))(folder), "the data's description is not understood"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_no_bundle_says_is_one_sentence(bundle, capsys, name):
    change, sentence = SPOILT[name]
    change(bundle)
    assert sentence in refused(sealed(bundle), capsys)


def test_a_description_cannot_ask_for_memory(bundle, capsys):
    columns = bundle / "data" / columns_of(bundle)
    schema = json.loads(columns.read_text())
    schema["columns"][0] |= {"kind": "text", "dtype": "S999999999"}
    columns.write_text(json.dumps(schema))
    assert "no column has the type 'S999999999'" in refused(sealed(bundle), capsys)


def test_packed_data_is_bounded(bundle, capsys, monkeypatch):
    monkeypatch.setattr("dmlviz.export.bundle.reading.MOST_BYTES", 1_000_000)
    (bundle / "data" / "bomb.csv.gz").write_bytes(gzip.compress(bytes(5_000_000)))
    spoil(lambda content: panel(content).update(data="bomb.csv.gz"))(bundle)
    assert "data/bomb.csv.gz is larger than 0.001 GB when it is unpacked" in refused(sealed(bundle), capsys)
    (bundle / "data" / "bomb.csv.gz").write_bytes(b"no gzip at all")
    assert "data/bomb.csv.gz cannot be read" in refused(sealed(bundle), capsys)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_is_a_sentence_or_a_figure(honest, tmp_path_factory, capsys, data):
    """One value of content.json becomes another of any kind."""
    folder = Path(shutil.copytree(honest, tmp_path_factory.mktemp("any") / "paper"))
    path = folder / "data" / "content.json"
    content = json.loads(path.read_text())
    place, key = content, None
    while isinstance(place, dict | list) and place:
        if key is not None and data.draw(st.integers(0, 3)) == 0:
            break
        parent, key = place, data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place = parent[key]
    values = st.none() | st.booleans() | st.integers(-9, 10**9) | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([[1]])
    parent[key] = data.draw(values)
    path.write_text(json.dumps(content))
    capsys.readouterr()
    code = main(["rebuild", str(sealed(folder)), "--out", str(folder.parent / "out")])
    said = capsys.readouterr().err
    assert code in (0, 1, 2)
    assert "fault of DMLViz" not in said
    assert "Traceback" not in said


def test_captions_of_hostile_names_are_words(tmp_path):
    """Class names and titles that are Markdown images, links or HTML fetch nothing when the captions are rendered."""
    image = "![x](https://evil.example/p.png)"
    store = Store(tmp_path / "home")
    add_runs(store, dataset(image), losses=("cross_entropy", "supcon"), shots=(4,), draws=2)
    ids = tuple(run.id for run in store.runs())
    maps = FigureSpec(name="confusion", run_ids=ids[:2])
    sheets = (SheetSpec(panels=(maps,), title=f"{image} <img src=https://evil.example/y>", caption="1. [x](https://evil.example) **bold**"),
              SheetSpec(panels=(FigureSpec(name="manifold", run_ids=ids[:2], options={"map": "pca"}),)))  # fmt: skip
    write_bundle(store, Wanted(sheets, (("results", ids), ("datasets", ids))), tmp_path / "paper")
    for path in (tmp_path / "paper").rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        page = re.sub(r"<!-- [^<>]* -->", "", MarkdownIt("commonmark", {"html": True}).enable("table").render(text))  # our own: run ids
        tags = {tag.split()[0].strip("</>") for tag in re.findall(r"<[^>]*>", page)}
        assert tags & {"img", "a", "script", "iframe"} == set(), path
        assert not re.search(r"<[^>]*evil", page), path
    assert "evil.example" in (tmp_path / "paper" / "captions.md").read_text()
