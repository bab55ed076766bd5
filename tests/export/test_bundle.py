"""A bundle holds what a paper needs, keeps texts back, and draws itself again to the byte: without the home it came from, too."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from group_homes import add_runs, dataset
from tex import need_tex, pdflatex

from dmlviz.cli.main import main
from dmlviz.core.types import FigureSpec, InputError, SheetSpec
from dmlviz.export.bundle import Wanted, gallery, rebuild, write_bundle, zipped
from dmlviz.export.bundle.making import FORMATS
from dmlviz.export.checks import check_file, passed
from dmlviz.store.runs import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Two losses, five draws, class names that want to be markup; nothing here changes it."""
    made = Store(tmp_path_factory.mktemp("bundle") / "home")
    add_runs(made, dataset(), losses=("cross_entropy", "supcon"), shots=(4,), draws=5)
    return made


@pytest.fixture(scope="module")
def wanted(store) -> Wanted:
    ids = tuple(run.id for run in store.runs())
    maps = FigureSpec(name="manifold", run_ids=ids[:2], options={"map": "pca"})
    curve, gain = (FigureSpec(name=name, run_ids=ids) for name in ("shots_curve", "gain_forest"))
    slide = SheetSpec(panels=(curve,), preset="slide", palette="grey")
    return Wanted((SheetSpec(panels=(maps, curve), preset="acl-text"), SheetSpec(panels=(gain,)), slide), (("results", ids), ("datasets", ids)))


@pytest.fixture(scope="module")
def folder(store, wanted, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "paper"
    write_bundle(store, wanted, out)
    return out


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_figures_tables_words_data_and_what_was_trained(folder, store):
    there = files(folder)
    for stem in ("01_manifold_shots-curve", "02_gain-forest", "03_shots-curve"):
        assert {f"figures/{stem}.{kind}" for kind in (*FORMATS, "json")} <= set(there)
    assert {f"tables/01_results.{kind}" for kind in ("tex", "csv", "md")} <= set(there)
    words = {"captions.md", "captions.tex", "methods.md", "methods.tex", "references.bib", "environment.txt", "README.md"}
    assert {*words, "rebuild.py", "retrain.py"} <= set(there)
    assert {name for name in there if name.startswith("configs/")} == {f"configs/{run.id}.json" for run in store.runs()}
    assert len([name for name in there if name.startswith("splits/")]) == 5  # one per draw, not one per run
    listed = dict(reversed(line.split("  ", 1)) for line in (folder / "checksums.sha256").read_text().splitlines())
    assert listed == {name: digest for name, digest in there.items() if name != "checksums.sha256"}


def test_every_figure_in_it_passes_the_check(folder):
    for path in sorted((folder / "figures").iterdir()):
        if path.suffix != ".json":
            assert passed(check_file(path)), (path.name, check_file(path))


@pytest.mark.slow
def test_captions_tables_and_methods_compile_with_a_real_tex(folder, tmp_path):
    """Class names that want to be markup stand in tables and captions."""
    need_tex("booktabs.sty", "natbib.sty", programs=("pdflatex", "bibtex"))
    copy = tmp_path / "paper"
    shutil.copytree(folder, copy)
    inputs = "".join(rf"\input{{{path.relative_to(copy).with_suffix('').as_posix()}}}" for path in sorted((copy / "tables").glob("*.tex")))
    (copy / "main.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{booktabs,graphicx,natbib}"
        rf"\begin{{document}}\input{{methods}}{inputs}\input{{captions}}\bibliographystyle{{plainnat}}\bibliography{{references}}\end{{document}}"
    )  # fmt: skip
    pdflatex(copy, "main.tex")
    assert subprocess.run(["bibtex", "main"], cwd=copy, capture_output=True, check=False).returncode == 0
    pdflatex(copy, "main.tex")
    log = pdflatex(copy, "main.tex")
    assert "undefined" not in log


def test_splits_are_row_ids_with_their_hashes(folder, store):
    run = store.runs()[0]
    told = json.loads((folder / "configs" / f"{run.id}.json").read_text())
    split = json.loads((folder / told["split"]).read_text())
    assert split["support"] == store.split(run.id).support.tolist()
    assert split["sha256"]["test"] == hashlib.sha256(np.asarray(split["test"], dtype="<i8").tobytes()).hexdigest()
    assert split["dataset_hash"] == run.config.dataset_hash


def test_rebuilt_twice_it_is_equal_to_the_byte(folder, tmp_path):
    assert rebuild(folder, tmp_path / "one") == rebuild(folder, tmp_path / "two") == []
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_rebuilt_without_the_home_and_without_a_run(folder, tmp_path, store, wanted):
    """In a process of its own, from a copy of the folder, while the home is away."""
    copy = tmp_path / "paper"
    shutil.copytree(folder, copy)
    away = store.home.with_name("away")
    store.home.rename(away)
    try:
        done = subprocess.run([sys.executable, str(copy / "rebuild.py")], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    finally:
        away.rename(store.home)
    assert done.returncode == 0, done.stderr
    assert "every file equals the bundle's to the byte" in done.stderr
    again = files(tmp_path / "paper-rebuilt")
    assert {name for name in again if name.startswith("figures/")} == {name for name in files(folder) if name.startswith("figures/")}


def test_no_text_leaves_unless_asked(folder, store, wanted, tmp_path):
    texts = [text for text in store.dataset(store.runs()[0].config.dataset_hash).texts if len(text) > 20]

    def found(place: Path) -> bool:
        data = b"".join(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                        for path in place.rglob("*") if path.is_file())  # fmt: skip
        return any(text.strip().encode() in data for text in texts)

    assert not found(folder)
    write_bundle(store, wanted._replace(with_texts=True), tmp_path / "whole")
    assert found(tmp_path / "whole")


def test_figures_that_show_whole_texts_stay_out_with_a_sentence(store, tmp_path):
    ids = tuple(run.id for run in store.runs())
    why = FigureSpec(name="graph_why", run_ids=ids[:1], options={"map": "pca", "node": 50.0})
    curve = FigureSpec(name="shots_curve", run_ids=ids)
    words = write_bundle(store, Wanted((SheetSpec(panels=(why,)), SheetSpec(panels=(curve,)))), tmp_path / "out")
    assert any("left out: Reasons of a guessed label shows whole texts of odd" in word for word in words)
    assert [path.stem for path in sorted((tmp_path / "out" / "figures").glob("*.pdf"))] == ["01_shots-curve"]


def test_changed_data_is_refused_and_a_foreign_folder_too(folder, tmp_path):
    copy = tmp_path / "paper"
    shutil.copytree(folder, copy)
    data = next((copy / "data").glob("02*.csv"))
    data.write_bytes(data.read_bytes().replace(b"odd", b"even"))
    with pytest.raises(InputError, match="is not the file that the bundle was made with"):
        rebuild(copy, tmp_path / "out")
    with pytest.raises(InputError, match="is no bundle"):
        rebuild(tmp_path, tmp_path / "other")


def test_it_appears_whole_or_not_at_all(store, wanted, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write_bundle(store, wanted, tmp_path / "there")
    gone = wanted._replace(sheets=(SheetSpec(panels=(FigureSpec(name="shots_curve", run_ids=("gone",)),)),), tables=())
    with pytest.raises(InputError):
        write_bundle(store, gone, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_one_zip_the_same_bytes(folder):
    data = zipped(folder)
    assert data == zipped(folder)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {f"paper/{name}" for name in files(folder)}


def test_the_gallery_of_runs_leaves_out_what_does_not_apply_and_says_why(store, tmp_path, capsys):
    runs = store.runs()
    sheets, tables = gallery(runs)
    assert {"manifold", "gain_forest", "attribution_classes"} <= {sheet.panels[0].name for sheet in sheets}
    assert "results" in dict(tables)
    assert main(["bundle", "--runs", "all", "--out", str(tmp_path / "all"), "--zip", "--home", str(store.home)]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / "all"), str(tmp_path / "all.zip")]
    assert "left out: Words of a class" in printed.err
    made = sorted(path.stem.split("_", 1)[1] for path in (tmp_path / "all" / "figures").glob("*.pdf"))
    assert {"calibration", "confusion", "gain-forest", "manifold", "strata"} <= set(made)
    assert main(["check", *map(str, sorted((tmp_path / "all" / "figures").glob("*.pdf")))]) == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda told: told["config"].update(shots="many"), lambda told: told.update(split="../../secret.json"),
        lambda told: told["config"].pop("dataset"),
        lambda told: told.update(split="splits/0123456789abcdef.json"), lambda told: told.pop("run"), lambda told: told.update(config=3),
    ],
)  # fmt: skip
def test_a_spoiled_config_is_one_sentence_and_trains_nothing(folder, tmp_path, capsys, spoil):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = sorted((copy / "configs").glob("*.json"))[0]
    told = json.loads(path.read_text())
    spoil(told)
    path.write_text(json.dumps(told))
    assert main(["retrain", str(copy), "--home", str(tmp_path / "home")]) == 2
    assert re.fullmatch(r".*the configs of .* cannot be read \(\w+\); take the bundle's own files again\n", capsys.readouterr().err)
    assert not Store(tmp_path / "home").run_ids()
