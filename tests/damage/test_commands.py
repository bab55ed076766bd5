"""Every kind of file x every damage x every command: a sentence that names the file and the mend, or a result without it; never a traceback."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from damage_cases import FILES, HOW, Home, copied, damage, damaged, met, path_of

from dmlviz.cli import main as cli
from dmlviz.figures import FIGURES
from dmlviz.store.attributions import read_parts
from dmlviz.store.seal import write_seal
from dmlviz.tables import TABLES
from dmlviz.training.readouts import metrics_of
from dmlviz.training.verification import verify

LAST_DOOR = "which is a fault of DMLViz"
OF_RUN = ("config.json", "status.json", "split.json", "checksums.json")  # beside the sealed ones below
ARRAYS = ("embeddings.npy", "labels.npy", "scores.npy", "other_scores.npy", "centers.npy", "centers_space.npy", "snapshots.npy",
          "snapshot_epochs.npy", "token_rows.npy")  # fmt: skip
WEIGHTS = ("weights.safetensors", "objective.safetensors", "weights_config.json", "tokenizer.json")
SEALED = (*ARRAYS, *WEIGHTS)
MAPS = ("map_facts.json", "map_points.npy", "map_row_ids.npy")


class Said:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run_command(monkeypatch):
    """run_command(home, "show", run_id) -> Said; whatever happens, nobody saw a traceback."""

    class Stream(io.StringIO):
        def reconfigure(self, **_) -> None:
            pass

    def call(home: Home, *words: str) -> Said:
        out, err = Stream(), Stream()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            patched.setattr(sys, "stderr", err)
            code = cli.main([*words, "--home", str(home.store.home)])
        said = Said(code, out.getvalue(), err.getvalue())
        assert code in (0, 1, 2), (words, said.err)
        assert "Traceback" not in said.out + said.err, (words, said.err)
        assert LAST_DOOR not in said.err, (words, said.err)
        if code == 2:
            assert len(said.err.strip().splitlines()) == 1, (words, said.err)
        return said

    return call


def commands(home: Home, out: Path) -> dict[str, tuple[str, ...]]:
    """Every command that looks at a home or makes something of it without training."""
    run, both = home.run, ",".join(home.runs)
    found = {name: (name,) for name in ("datasets", "runs", "sweeps", "papers")}
    found |= {"runs --json": ("runs", "--json"), "show": ("show", run), "show --json": ("show", run, "--json"), "verify": ("verify", run),
              "verify all": ("verify", "all"), "sweeps NAME": ("sweeps", home.sweep), "sweeps NAME --json": ("sweeps", home.sweep, "--json"),
              "papers NAME": ("papers", "g_loss_integrated", "--runs", "all"), "cancel": ("cancel", run), "delete": ("delete", run, "--yes"),
              "forget": ("sweeps", home.sweep, "--do", "delete"), "bundle": ("bundle", "--out", str(out / "bundle")),
              "attribute": ("attribute", "--runs", both, "--texts", "4"),
              "attribute --text": ("attribute", "--runs", both, "--text", "a cat saw rain")}  # fmt: skip
    for name in FIGURES:
        more = ("--set", "row=0") if name == "attribution_words" else ()
        found[f"figure {name}"] = ("figure", name, "--runs", both, "--out", str(out / f"{name}.svg"), *more)
    for name in TABLES:
        found[f"table {name}"] = ("table", name, "--runs", "all", "--out", str(out / f"{name}.md"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_no_command_ends_in_a_traceback(whole_home, run_command, tmp_path, kind):
    for how in HOW:
        for number, name in enumerate(met(kind, how, list(commands(whole_home, tmp_path)), 2)):
            home = damaged(whole_home, tmp_path / f"{how}-{number}", kind, how)
            run_command(home, *commands(home, tmp_path / f"{how}-{number}-out")[name])


@pytest.mark.parametrize("kind", [*OF_RUN, *SEALED])
def test_verify_names_the_damaged_file(whole_home, run_command, tmp_path, kind):
    name = Path(FILES[kind]).name
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, kind, how)
        said = run_command(home, "verify", home.run)
        assert said.code == 1, (how, said.err)
        assert ("newer DMLViz" if (kind, how) == ("config.json", "later") else name) in said.out, (how, said.out)
        assert run_command(home, "verify", home.runs[1]).out.strip() == "ok"


@pytest.mark.parametrize("kind", ["split.json", *ARRAYS])
def test_a_damaged_run_is_refused_by_name_and_left_out_of_all(whole_home, run_command, tmp_path, kind):
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, kind, how)
        one = run_command(home, "figure", "confusion", "--runs", ",".join(home.runs), "--out", str(tmp_path / "x.svg"))
        assert one.code == 2
        assert Path(FILES[kind]).name in one.err
        assert f"of run {home.run} " in one.err
        assert "copy it back from a backup, or delete the run and train it again" in one.err
        out = tmp_path / f"{how}.csv"
        every = run_command(home, "table", "calibration", "--runs", "all", "--out", str(out))
        assert every.code == 0, every.err
        assert f"left out: 1 run, since {one.err.strip()}" in every.err
        text = out.read_text(encoding="utf-8")
        assert "Cross-entropy" in text
        assert "TripleEntropy" not in text


@pytest.mark.parametrize("kind", ["config.json", "status.json"])
def test_a_run_that_cannot_be_listed_is_said_and_can_be_deleted(whole_home, run_command, tmp_path, kind):
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, kind, how)
        listed = run_command(home, "runs", "--json")
        assert {one["id"] for one in json.loads(listed.out)} == {home.runs[1], home.other}
        assert home.run in listed.err
        said = run_command(home, "table", "settings", "--runs", "all", "--out", str(tmp_path / f"{how}.md"))
        assert said.code == 0
        assert home.run in said.err
        assert run_command(home, "delete", home.run, "--yes").code == 0
        assert home.store.damaged() == {}


@pytest.mark.parametrize("kind", MAPS)
def test_a_damaged_map_is_made_again(whole_home, run_command, tmp_path, kind):
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, kind, how)
        assert home.store.projection(home.run, "umap") is None
        assert home.store.has_damaged_map(home.run, "umap")
        said = run_command(home, "figure", "manifold", "--runs", ",".join(home.runs), "--out", str(tmp_path / "maps.svg"))
        assert said.code == 0
        assert "PCA" not in said.err
        made = home.store.projection(home.run, "umap")
        assert made is not None
        assert made.row_ids.tolist() == whole_home.store.projection(home.run, "umap").row_ids.tolist()


def test_texts_of_a_damaged_part_are_explained_again(whole_home, run_command, tmp_path):
    for how in ("empty", "half", "flipped", "later"):
        home = damaged(whole_home, tmp_path / how, "attribution_part.parquet", how)
        before = read_parts(whole_home.store, home.run, "ig").found
        assert read_parts(home.store, home.run, "ig") == ({}, 1)
        said = run_command(home, "table", "attributions", "--runs", ",".join(home.runs), "--out", str(tmp_path / "a.md"))
        assert f"1 file of attributions of run {home.run} cannot be read" in said.err
        assert run_command(home, "attribute", "--runs", home.run, "--texts", "4").code == 0
        after = read_parts(home.store, home.run, "ig")
        assert after.damaged == 0
        assert len(after.found) == len(before)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_damaged_weights_are_a_sentence_and_the_other_run_is_explained(whole_home, run_command, tmp_path, kind):
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, kind, how)
        said = run_command(home, "attribute", "--runs", ",".join(home.runs), "--text", "a cat saw rain", "--json")
        assert [one["run"] for one in json.loads(said.out)] == [home.runs[1]], (how, said.err)
        assert f"{home.run}: weights/{Path(FILES[kind]).name} of run {home.run} " in said.err, (how, said.err)


def test_texts_that_cannot_be_read_are_read_again_under_their_name(whole_home, run_command, tmp_path):
    for how in HOW:
        home = damaged(whole_home, tmp_path / how, "dataset.parquet", how)
        said = run_command(home, "figure", "manifold", "--runs", home.run, "--out", str(tmp_path / "x.svg"))
        assert said.code == 2
        assert home.dataset[:12] in said.err
        every = run_command(home, "table", "datasets", "--runs", "all", "--out", str(tmp_path / f"{how}.md"))
        assert every.code == 0
        assert "left out: 2 runs" in every.err
        texts = whole_home.store.dataset(home.dataset)
        home.store.add_dataset(texts)  # as reading the same file on the Train page does
        assert home.store.dataset(home.dataset).texts == texts.texts
        assert verify(home.store, home.run) == []


def test_a_changed_number_is_seen(whole_home, tmp_path):
    home = copied(whole_home, tmp_path / "copy")
    assert verify(home.store, home.run) == []
    metrics = dict(home.store.run(home.run).metrics)
    home.store.update(home.run, metrics={**metrics, "accuracy": 0.99})
    said = verify(home.store, home.run)
    assert said == [f"status.json says accuracy 0.9900; the stored scores say {metrics['accuracy']:.4f}"]
    home.store.update(home.run, metrics={key: value for key, value in metrics.items() if key != "knn_macro_f1"})
    (sentence,) = verify(home.store, home.run)
    assert sentence.startswith("status.json has no knn_macro_f1; the stored scores say 0.")


def test_the_numbers_of_a_run_whose_test_part_lacks_a_class_are_sound(whole_home, tmp_path):
    """`untested` holds names. A run of a version that did not say which classes its macro-F1 is over is sound, too."""
    home = copied(whole_home, tmp_path / "copy")
    folder = home.store.folder(home.run)
    labels = np.array(np.load(folder / "arrays" / "labels.npy"))
    test, scores = home.store.split(home.run).roles == "test", home.store.arrays(home.run).scores
    labels[test & (labels == 0)] = 1
    for name, write in (("arrays/labels.npy", lambda path: np.save(path, labels)), ("checksums.json", lambda path: write_seal(folder))):
        (folder / name).unlink()
        write(folder / name)
    names, own = home.store.dataset(home.dataset).label_names, home.store.run(home.run).metrics["readout"]
    ordered = {own: scores[own], **scores}
    metrics = metrics_of({name: np.asarray(one) for name, one in ordered.items()}, labels, home.store.split(home.run), names)
    assert metrics["untested"] == [names[0]]
    home.store.update(home.run, metrics=metrics)
    assert verify(home.store, home.run) == []
    home.store.update(home.run, metrics={**metrics, "untested": ["another"]})
    assert verify(home.store, home.run) == [f"status.json says untested ['another']; the stored scores say {[names[0]]}"]
    home.store.update(home.run, metrics={**metrics, "accuracy": ["what"]})
    assert "status.json says accuracy ['what']" in verify(home.store, home.run)[0]
    older = {name: value for name, value in metrics.items() if name not in ("n_classes", "n_untested", "untested")} | {"macro_f1": 0.9}
    home.store.update(home.run, metrics=older)
    assert verify(home.store, home.run) == []


def test_an_empty_seal_is_not_sound_and_every_file_is_in_it(whole_home, tmp_path):
    home = copied(whole_home, tmp_path / "copy")
    path = home.store.folder(home.run) / "checksums.json"
    written = json.loads(path.read_text())
    assert {"config.json", "split.json", "arrays/embeddings.npy", "weights/model.safetensors"} <= set(written["files"])
    path.unlink()
    path.write_text("{}")
    (sentence,) = verify(home.store, home.run)
    assert sentence.startswith(f"checksums.json of run {home.run} does not list split.json")
    del written["files"]["arrays/scores_head.npy"]
    path.write_text(json.dumps(written))
    assert verify(home.store, home.run) == ["arrays/scores_head.npy is not listed in checksums.json"]


def test_a_seal_of_the_first_format_is_read(whole_home, tmp_path):
    home = copied(whole_home, tmp_path / "copy")
    path = home.store.folder(home.run) / "checksums.json"
    files = json.loads(path.read_text())["files"]
    path.unlink()
    path.write_text(json.dumps({name: digest for name, digest in files.items() if name != "config.json"}))
    assert verify(home.store, home.run) == []


@pytest.mark.parametrize("kind", ["sweep.json", "study.log", "slices.json", "tray.json"])
def test_what_a_person_gathered_is_said_to_be_damaged(whole_home, tmp_path, kind):
    from dmlviz.export.tray import tray
    from dmlviz.jobs.tuning import damaged_studies, studies
    from dmlviz.store.slices import saved_slices
    from dmlviz.store.sweeps import damaged_sweeps, sweeps

    def problems(home: Home) -> list[str]:
        said = [*damaged_sweeps(home.store).values(), *damaged_studies(home.store).values()]
        for read in (lambda: saved_slices(home.store.home, home.dataset), lambda: tray(home.store.home)):
            try:
                read()
            except ValueError as error:
                said.append(str(error))
        return said

    assert problems(whole_home) == []
    for how in ("empty", "half", "flipped", "later"):
        home = damaged(whole_home, tmp_path / how, kind, how)
        (sentence,) = problems(home)
        name = "slices/" if kind == "slices.json" else path_of(whole_home, kind).name
        assert sentence.startswith(name), sentence
        assert "copy it back from a backup, or " in sentence
        assert len(sweeps(home.store)) == (1 if kind == "sweep.json" else 2)
        assert len(studies(home.store)) == (0 if kind == "study.log" else 1)


def test_a_flipped_bit_is_found_wherever_it_is(whole_home, tmp_path):
    """One bit anywhere in the arrays of a run: its reader says so."""
    from dmlviz.core.types import DamagedError

    home = copied(whole_home, tmp_path / "copy")
    for kind in ARRAYS:
        path = path_of(home, kind)
        data = path.read_bytes()
        for place in range(0, len(data), max(1, len(data) // 7)):
            path.unlink()
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(DamagedError):
                home.store.arrays(home.run)
        path.unlink()
        path.write_bytes(data)
    home.store.arrays(home.run)


def test_damage_changes_the_copy_alone(whole_home, tmp_path):
    before = path_of(whole_home, "labels.npy").read_bytes()
    for how in HOW:
        made = damaged(whole_home, tmp_path / how, "labels.npy", how)
        assert not path_of_or_none(made) or path_of(made, "labels.npy").read_bytes() != before
    assert path_of(whole_home, "labels.npy").read_bytes() == before
    assert damage.__doc__


def path_of_or_none(home: Home) -> bool:
    return (home.store.folder(home.run) / "arrays" / "labels.npy").is_file()


def test_an_older_run_whose_validation_lacks_a_class_is_sound():
    """Its macro-F1 was the mean over the classes of each part; the test part here has all of them."""
    from dmlviz.training.verification import _as_before

    found = {"accuracy": 0.5, "macro_f1": 0.4, "validation_macro_f1": 0.2, "knn_validation_macro_f1": 0.1, "n_classes": 77}
    assert _as_before(found) == {"accuracy": 0.5, "macro_f1": 0.4}
    assert _as_before({**found, "n_untested": 1, "untested": ["a"]}) == {"accuracy": 0.5}
