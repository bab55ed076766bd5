"""The command line as a script uses it: real processes, exit codes, what is on stdout and what on stderr."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from waiting import end_processes

from dmlviz.cli.main import main
from dmlviz.core.types import InputError, RunConfig
from dmlviz.store.runs import Store
from dmlviz.training.config_input import merged_fields, read_config


def dmlviz(*words, **more):
    """Run a command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "dmlviz", *map(str, words)], capture_output=True, text=True, check=False, encoding="utf-8", **more)


def said(capsys, *words):
    """(exit code, stdout, stderr) of a command run in this process."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all processes of this file; whatever serves it is ended at the end."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    yield folder
    end_processes(folder)


@pytest.fixture(scope="module")
def training(tiny_csv, tiny_encoder, home):
    """training(*more): the words of a small training run."""
    small = ("--shots", 4, "--epochs", 2, "--max-length", 16, "--set", "validation=4", "--set", "snapshots=2", "--set", "device=cpu")
    return lambda *more: ("train", "--dataset", tiny_csv, "--encoder", tiny_encoder, *small, "--home", home, *more)


@pytest.fixture(scope="module")
def trained(training):
    """The id of a run trained by the command line."""
    done = dmlviz(*training("--loss", "soft_triple", "--set", "scale=10", "--ce-weight", 0.5))
    assert done.returncode == 0, done.stderr
    assert "finished: " in done.stderr
    assert done.stdout.count("\n") == 1  # the id and nothing else
    return done.stdout.strip()


@pytest.mark.slow
def test_a_trained_run_is_listed_shown_and_sound(trained, home, capsys):
    code, out, _ = said(capsys, "runs", "--json", "--home", home)
    listed = {run["id"]: run for run in json.loads(out)}[trained]
    assert (code, listed["state"]) == (0, "finished")
    assert listed["config"]["loss_settings"] == {"scale": 10.0}
    assert listed["config"]["ce_weight"] == 0.5
    _, table, _ = said(capsys, "runs", "--home", home)
    head, *rows = table.splitlines()
    row = next(row for row in rows if row.startswith(trained))
    assert row[head.index("STATE") :].startswith("finished")
    assert "\t" not in table
    code, out, _ = said(capsys, "show", trained, "--home", home)
    assert code == 0
    assert "loss: soft_triple" in out
    assert json.loads(said(capsys, "show", trained, "--json", "--home", home)[1])["metrics"]["n_test"] == 21
    assert said(capsys, "verify", trained, "--home", home)[:2] == (0, "ok\n")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_figure_writes_each_kind(trained, home, tmp_path, capsys, kind):
    out = tmp_path / f"map.{kind}"
    code, stdout, stderr = said(capsys, "figure", "manifold", "--runs", trained, "--out", out, "--set", "letters=false", "--csv", "--home", home)
    assert code == 0, stderr
    assert stdout.splitlines() == [str(out), str(out.with_suffix(".csv"))]
    assert out.read_bytes()[:5].strip() in (b"%PDF-", b"\x89PNG", b"<?xml")
    assert len(out.with_suffix(".csv").read_bytes().splitlines()) == 1 + 21 + 12  # head, test texts, support
    assert "soft" in stderr.lower()  # the caption


@pytest.mark.slow
def test_weights_load_back_into_a_run_with_the_same_embeddings(trained, tiny_csv, home, tmp_path, capsys):
    store = Store(home)
    done = dmlviz("load", "--model", store.weights_folder(trained), "--dataset", tiny_csv, "--set", "device=cpu", "--home", home)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.strip()
    assert store.run(loaded).origin == "loaded"
    here, there = store.arrays(loaded), store.arrays(trained)
    np.testing.assert_array_equal(here.row_ids, there.row_ids)
    np.testing.assert_allclose(np.asarray(here.embeddings, np.float32), np.asarray(there.embeddings, np.float32), atol=1e-3)
    assert said(capsys, "figure", "manifold", "--runs", f"{trained},{loaded}", "--out", tmp_path / "two.pdf", "--home", home)[0] == 0
    assert said(capsys, "delete", loaded, "--home", home)[0] == 2  # not without --yes
    assert said(capsys, "delete", loaded, "--yes", "--home", home)[0] == 0
    assert loaded not in store.run_ids()


@pytest.mark.slow
def test_a_runs_own_config_trains_it_again(trained, home, capsys):
    """The same config and seeds: the same arrays. An option given by name wins over the file."""
    store = Store(home)
    code, out, err = said(capsys, "train", "--config", store.folder(trained) / "config.json", "--home", home)
    assert code == 0, err
    np.testing.assert_array_equal(store.arrays(out.strip()).embeddings, store.arrays(trained).embeddings)


@pytest.mark.slow
def test_detach_cancel_and_resume(training, home, capsys):
    code, out, err = said(capsys, *training("--epochs", 5000, "--set", "checkpoint_seconds=0", "--max-length", 4, "--detach"))
    assert code == 0, err
    assert re.search(r"note: \d+ of \d+ texts lose words at 4 tokens, up to \d+% of a text; a larger max_length keeps more and takes longer\.", err)
    assert said(capsys, "cancel", out.strip(), "--home", home)[0] == 0
    assert Store(home).run(out.strip()).state == "cancelled"
    assert said(capsys, "resume", out.strip(), "--detach", "--home", home)[:2] == (0, out)
    assert said(capsys, "cancel", out.strip(), "--home", home)[0] == 0
    code, _, err = said(capsys, "cancel", out.strip(), "--home", home)
    assert (code, "nothing to cancel" in err) == (2, True)
    assert said(capsys, "verify", out.strip(), "--home", home)[:2] == (1, f"run {out.strip()} is cancelled, not finished\n")


@pytest.mark.slow
def test_ctrl_c_cancels_the_run_and_exits_130(training, home):
    words = [sys.executable, "-m", "dmlviz", *map(str, training("--epochs", 5000))]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in command.stderr:
        if line.startswith("training"):
            break
    command.send_signal(signal.SIGINT)
    out, err = command.communicate()
    assert command.returncode == 130, err
    assert "Traceback" not in err
    assert Store(home).run(out.strip()).state == "cancelled"


@pytest.mark.slow
def test_a_run_that_fails_exits_1_with_its_sentence(training, home, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"nothing")
    done = dmlviz(*training("--encoder", tmp_path / "broken"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert Store(home).run(done.stdout.strip()).message in done.stderr


MISTAKES = [
    (["train"], "no dataset was given"),
    (["train", "--dataset", "r9"], "unknown data set 'r9'"),
    (["train", "--dataset", "TOY", "--loss", "softriple"], "Did you mean 'soft_triple'"),
    (["train", "--dataset", "TOY", "--loss", "soft_triple", "--set", "scale=-1"], "scale=-1 is out of range"),
    (["train", "--dataset", "TOY", "--loss", "soft_triple", "--set", "loss.scle=1"], "Did you mean 'scale'"),
    (["train", "--dataset", "TOY", "--set", "epoch=3"], "Did you mean 'epochs'"),
    (["train", "--dataset", "TOY", "--set", "epochs"], "write --set key=value"),
    (["train", "--dataset", "TOY", "--epochs", "0"], "epochs=0 is not accepted; it should be greater than or equal to 1"),
    (["train", "--dataset", "TOY", "--seed", "1" + "0" * 20], "seed=100000000000000000000 is not accepted; it should be less"),
    (["train", "--dataset", "TOY", "--support-seed", "4294967296"], "support_seed=4294967296 is not accepted; it should be less than or equal to"),
    (["train", "--dataset", "TOY", "--set", "validation=99999999999999999999"], "is not accepted; it should be less"),
    (["train", "--dataset", "TOY", "--lr", "1e300"], "lr=1e+300 is not accepted; it should be less than or equal to 1000"),
    (["tune", "--dataset", "TOY", "--loss", "soft_triple", "--trials", "99999999"], "99,999,999 trials were asked for; give 1 to 10,000"),
    (["train", "--dataset", "TOY", "--lr", "nan"], "lr=nan is not accepted; it should be a finite number"),
    (["train", "--dataset", "TOY", "--shots", "many"], "shots='many' is not accepted"),
    (["train", "--dataset", "TOY", "--shots", "99"], "lower shots to"),
    (["train", "--dataset", "TOY", "--ce-weight", "0.5"], "all cross-entropy"),
    (["train", "--dataset", "TOY", "--text-column", "txt"], "txt"),
    (["train", "--dataset", "TOY", "--encoder", "/no/such/encoder"], "neither a folder here nor a possible Hub id"),
    (["train", "--config", "/no/such/file.yaml"], "cannot be read"),
    (["train", "--config", "TOY"], "neither YAML nor JSON|holds no settings"),
    (["load", "--model", "/no/such/model", "--dataset", "TOY"], "neither a folder here nor a possible Hub id"),
    (["show", "nope"], "there is no run 'nope'"),
    (["show", "../../etc"], "there is no run '../../etc'"),
    (["delete", "../../etc", "--yes"], "there is no run '../../etc'"),
    (["resume", "nope"], "there is no run 'nope'"),
    (["figure", "manifol", "--runs", "a", "--out", "a.pdf"], "Did you mean 'manifold'"),
    (["figure", "manifold", "--runs", "a", "--out", "a.pdf", "--preset", "acl-colum"], "Did you mean 'acl-column'"),
    (["figure", "manifold", "--runs", "a", "--out", "a.gif"], "unknown extension '.gif'; known: .pdf, .svg, .png"),
    (["figure", "manifold", "--runs", "a", "--out", "a.pdf", "--set", "color_b=class"], "Did you mean 'color_by'"),
    (["figure", "manifold", "--runs", "a", "--out", "a.pdf", "--set", "letters=perhaps"], "true or false"),
    (["figure", "manifold", "--runs", "nope", "--out", "a.pdf"], "there is no run 'nope'"),
    (["figure", "manifold", "--runs", ",", "--out", "a.pdf"], "no run was named"),
    (["tune"], "no dataset was given"),
    (["tune", "--dataset", "TOY"], "cross_entropy has no search space; losses that have one"),
    (["tune", "--dataset", "TOY", "--loss", "softriple"], "Did you mean 'soft_triple'"),
    (["tune", "--dataset", "r9", "--loss", "soft_triple"], "unknown data set 'r9'"),
    (["tune", "--dataset", "TOY", "--loss", "soft_triple", "--space", "our"], "Did you mean 'ours'"),
    (["tune", "--dataset", "TOY", "--loss", "soft_triple", "--trials", "0"], "0 trials were asked for"),
    (["tune", "--dataset", "TOY", "--loss", "soft_triple", "--set", "validation=0"], "tuning needs validation texts"),
    (["tune", "--name", "nope"], "there is no study 'nope'"),
    (["tune", "--name", "../../etc"], "there is no study '../../etc'"),
    (["papers", "nope"], "unknown protocol 'nope'; known: few_shot_dml"),
    (["trian"], "train"),
    (["runs", "--jsn"], "--json"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_mistake_is_one_sentence_and_exit_2(tiny_csv, tmp_path, capsys, words, sentence):
    at_home = ["--home", tmp_path / "home"] if words[0] not in ("trian",) and "--jsn" not in words else []
    code, out, err = said(capsys, *[tiny_csv if word == "TOY" else word for word in words], *at_home)
    assert (code, out) == (2, "")
    [said_once] = [line for line in err.splitlines() if not line.startswith("note: ")]  # the reader may have found something before
    assert any(part in said_once for part in sentence.split("|"))
    assert not Store(tmp_path / "home").run_ids()


def test_the_process_says_it_too(tmp_path):
    done = dmlviz("show", "../../etc", "--home", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no run")


def test_listing_loads_neither_torch_nor_pandas(tmp_path):
    heavy = "('torch', 'pandas', 'matplotlib', 'plotly')"
    code = f"import sys, dmlviz.cli.main as c; c.main(sys.argv[1:]); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, "runs", "--home", str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_datasets_say_where_they_come_from(tmp_path, capsys):
    code, out, _ = said(capsys, "datasets", "--home", tmp_path)
    assert code == 0
    assert any(line.startswith("r8 ") and "Reuters" in line for line in out.splitlines())


def test_a_closed_pipe_is_no_traceback(tmp_path):
    piped = subprocess.Popen([sys.executable, "-m", "dmlviz", "datasets", "--home", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    piped.stdout.close()
    assert b"Traceback" not in piped.stderr.read()
    piped.wait()


def test_options_win_over_set_and_set_over_the_file():
    written = {"dataset": "r8", "loss": "soft_triple", "loss_settings": {"scale": 3.0, "tau": 0.1}, "epochs": 2, "lr": 1e-3, "dataset_hash": "0" * 64}
    fields = merged_fields(written, ["epochs=3", "lr=0.002", "scale=4", "loss.margin=0.2", "shots=all"], {"epochs": 5, "lr": None})
    config = RunConfig(**fields)
    assert (config.epochs, config.lr, config.shots) == (5, 0.002, None)
    assert config.loss_settings == {"scale": "4", "tau": 0.1, "margin": "0.2"}
    assert config.dataset_hash == "0" * 64
    other = merged_fields(written, [], {"loss": "g_loss", "dataset": "r52"})
    assert not {"loss_settings", "dataset_hash"} & set(other)  # of the other loss, of the other texts


@pytest.mark.parametrize("name", ["run.json", "run.yaml"])
def test_config_files(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"format": 1, "dataset": "r8", "lr": 1e-4}' if name.endswith("json") else "dataset: r8\nlr: 1e-4\n")
    assert RunConfig(**read_config(path)).lr == 1e-4
    path.write_text('{"format": 99}')
    with pytest.raises(InputError, match="newer DMLViz"):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shots: [", "neither YAML nor JSON"),
        ("just words", "holds no settings"),
        ("epoch: 3", "unknown field 'epoch'; known: dataset"),
        ("loss_settings: [1]", "loss_settings=[1] is not accepted"),
        ("loss: soft_triple\nloss_settings: {scale: [2]}", "loss_settings.scale=[2] is not accepted; a setting is a number"),
        ("loss: [1]", "unknown loss '[1]'"),
        ("shots: 0", "shots=0 is not accepted; it should be greater than or equal to 1"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_one_sentence(tmp_path, capsys, text, sentence):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    code, out, err = said(capsys, "train", "--dataset", "r8", "--config", path, "--home", tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
