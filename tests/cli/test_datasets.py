"""Own files and folders on the command line: what `datasets` says of them, and training on them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import end_processes

from dmlviz.cli.main import main
from dmlviz.store.runs import Store

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "readers"


def said(capsys, *words):
    """(exit code, stdout, stderr) of a command run in this process."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.fixture
def own_data(tmp_path, monkeypatch) -> Path:
    """$DMLVIZ_DATA with a folder that can be read, and one that cannot."""
    folder = tmp_path / "data"
    for name in ("Reviews", "nothing"):
        (folder / name).mkdir(parents=True)
    table = "text,label\n" + "".join(f"some words {i},{'ab'[i % 2]}\n" for i in range(40))
    (folder / "Reviews" / "all.csv").write_text(table)
    monkeypatch.setenv("DMLVIZ_DATA", str(folder))
    return folder


def test_own_folders_are_listed_and_read(own_data, tmp_path, capsys):
    code, out, err = said(capsys, "datasets", "--home", tmp_path / "home")
    assert code == 0
    assert any(line.split()[:4] == ["Reviews", "-", "own", "folder"] for line in out.splitlines())
    assert "nothing" not in out
    assert "folders of $DMLVIZ_DATA that hold no data set: 'nothing'" in err
    assert [row["name"] for row in json.loads(said(capsys, "datasets", "--json", "--home", tmp_path / "home")[1])][-1] == "Reviews"
    for name in ("Reviews", "reviews"):
        code, out, err = said(capsys, "datasets", name, "--home", tmp_path / "home")
        assert code == 0, err
        assert out.splitlines()[0] == f"Reviews: 40 texts in 2 classes. The folder {own_data / 'Reviews'}: all.csv."
        assert [line.split() for line in out.splitlines()[1:]] == [["CLASS", "TRAINING"], ["a", "20"], ["b", "20"]]
    code, _, err = said(capsys, "datasets", "nothing", "--home", tmp_path / "home")
    assert code == 2
    assert "has no training texts; it needs train.jsonl.gz" in err
    assert "known: 20ng" in said(capsys, "datasets", "nowhere", "--home", tmp_path / "home")[2]
    assert "Did you mean 'Reviews'?" in said(capsys, "datasets", "reviewz", "--home", tmp_path / "home")[2]


def test_a_name_is_no_way_out_of_the_folder(own_data, tmp_path, capsys, monkeypatch):
    empty = tmp_path / "empty" / "here"  # what lies beside tmp_path belongs to other tests
    empty.mkdir(parents=True)
    monkeypatch.chdir(empty)
    for name in ("..", ".", "../data", ".hidden"):
        code, _, err = said(capsys, "datasets", name, "--home", tmp_path / "home")
        assert code == 2
        assert err.count("\n") == 1


def test_notes_and_facts_of_one_data_set(capsys, tmp_path):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    code, _, err = said(capsys, "datasets", CASES / "b01_SST-2", "--home", tmp_path)
    assert code == 0
    assert "note: b01_SST-2: test rows without labels left out (120); the validation part is the test part here." in err
    facts = json.loads(said(capsys, "datasets", CASES / "a06d_clinc.json", "--json", "--home", tmp_path)[1])
    assert facts["rows"] == {"train": 80, "val": 10, "test": 30}
    assert facts["classes"]["billing"] == {"train": 20, "val": 3, "test": 7}


def test_the_options_that_a_refusal_names_help(capsys, tmp_path):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    code, _, err = said(capsys, "datasets", CASES / "a08b_agnews.csv", "--home", tmp_path)
    assert code == 2
    assert "--text-column 'column 3'" in err
    chosen = ("--text-column", "column 2", "--label-column", "column 1", "--pair-column", "column 3")
    code, out, err = said(capsys, "datasets", CASES / "a08b_agnews.csv", *chosen, "--home", tmp_path)
    assert code == 0, err
    assert "120 pairs of texts in 4 classes" in out


def test_an_encoding_can_be_chosen(capsys, tmp_path):
    lines = ["text,label", *(f"Товар пришёл {i},{['да', 'нет'][i % 2]}" for i in range(8))]
    (tmp_path / "ru.csv").write_bytes("\n".join(lines).encode("cp1251"))
    assert "was read as Windows-1251 (Cyrillic, CP1251)" in said(capsys, "datasets", tmp_path / "ru.csv", "--home", tmp_path)[2]
    code, out, err = said(capsys, "datasets", tmp_path / "ru.csv", "--encoding", "koi8-r", "--home", tmp_path)
    assert code == 0
    assert "да" not in out
    code, _, err = said(capsys, "datasets", tmp_path / "ru.csv", "--encoding", "martian", "--home", tmp_path)
    assert code == 2
    assert err.startswith("unknown encoding 'martian'; known are 'utf-8', 'cp1252'")


def test_a_sweep_takes_the_columns_too(capsys, tmp_path, tiny_encoder):
    (tmp_path / "odd.csv").write_text("when,remark,kind\n" + "".join(f"2026-01-01,some words {i},{'ab'[i % 2]}\n" for i in range(40)))
    (tmp_path / "s.yaml").write_text(f"datasets: ['{tmp_path / 'odd.csv'}']\nlosses: [cross_entropy]\nencoders: ['{tiny_encoder}']\nshots: [2]\n")
    code, _, err = said(capsys, "sweep", tmp_path / "s.yaml", "--dry-run", "--home", tmp_path / "home")
    assert code == 2
    assert "Choose with --text-column and --label-column" in err
    chosen = ("--text-column", "remark", "--label-column", "kind")
    code, _, err = said(capsys, "sweep", tmp_path / "s.yaml", *chosen, "--dry-run", "--home", tmp_path / "home")
    assert code == 0, err


@pytest.mark.slow
@pytest.mark.parametrize("case", ["b01_SST-2", "a07d_onehot.csv", "a03_perclass"])
def test_cases_are_trained_on(case, tiny_encoder, tmp_path):
    if not CASES.is_dir():
        pytest.skip(f"no cases at {CASES}")
    home = tmp_path / "home"
    try:
        words = ["train", "--dataset", CASES / case, "--encoder", tiny_encoder, "--shots", 2, "--epochs", 1, "--set", "device=cpu", "--home", home]
        done = subprocess.run([sys.executable, "-m", "dmlviz", *map(str, words)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        run = Store(home).run(done.stdout.strip())
        assert run.state == "finished"
        assert "note: " in done.stderr or case == "a03_perclass"
    finally:
        end_processes(home)
