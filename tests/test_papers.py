"""Protocols: every file reads, every published number is the one that papers.md has, and each protocol can be run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dmlviz.cli import main
from dmlviz.data import read_file
from dmlviz.papers import compare, configs, protocol, protocol_names
from dmlviz.papers.compare import interval
from dmlviz.papers.reader import read_protocol
from dmlviz.records import InputError, Progress, Run, RunConfig
from dmlviz.store import Store
from dmlviz.submit import checked_config, submit
from dmlviz.training.local import dispatcher_lock

ROOT = Path(__file__).resolve().parents[1]
NAMES = [
    "few_shot_dml", "g_loss_glue", "g_loss_integrated", "g_loss_standalone", "gunel_few_shot", "proxies_at_inference", "triple_entropy_jan",
    "triple_entropy_may",
]  # fmt: skip
NUMBERS = {"g_loss_glue": 3 * 3 * 2, "g_loss_integrated": 3 * 4 * 5 * 2, "g_loss_standalone": 4 * 5 * 6, "gunel_few_shot": 2 * 3 * 2}
WORK = "import sys; from dmlviz.store import Store; from dmlviz.training.worker import work; [work(Store(sys.argv[1]), one) for one in sys.argv[2:]]"


def run_of(config: RunConfig, run_id: str = "a", accuracy: float = 0.9, **metrics) -> Run:
    return Run(run_id, config, "finished", Progress("done", 1, 1, "text", 0.0), {"accuracy": accuracy, "macro_f1": accuracy, **metrics}, 0.0)


def published(name: str, dataset: str, loss: str, metric: str, encoder: str | None = None, shots: int | None = None):
    found = [
        n for n in protocol(name).published
        if (n.dataset, n.loss, n.metric, n.shots) == (dataset, loss, metric, shots) and encoder in (None, n.encoder)
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


def test_all_are_there():
    assert protocol_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_file_reads_and_its_configs_can_be_trained(name):
    read = protocol(name)
    assert len(read.published) == NUMBERS.get(name, 0)
    assert read.what_is_unknown
    wanted = configs(read)
    shots = len(read.shots) * len(read.seeds) * len(read.support_seeds) * max(1, len(read.folds))
    assert len(wanted) == len(read.datasets) * len(read.losses) * shots
    for config in wanted:
        checked_config(config)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(NUMBERS)))
def test_papers_without_tables_have_claims_with_their_source(name):
    assert protocol(name).claims
    assert all(claim.source and claim.trust for claim in protocol(name).claims)


@pytest.mark.parametrize(
    ("name", "dataset", "loss", "metric", "encoder", "shots", "printed"),
    [
        ("g_loss_integrated", "mr_textgcn", "CE", "accuracy", "bert-base-uncased", None, "85.64±0.81"),
        ("g_loss_integrated", "r52", "G-Loss-O+CE", "macro_f1", "bert-base-uncased", None, "84.55±0.38"),
        ("g_loss_integrated", "ohsumed", "G-Loss-O+CE", "accuracy", "roberta-large", None, "75.35±0.42"),
        ("g_loss_integrated", "r8", "G-Loss-SQRT+CE", "macro_f1", "distilbert-base-uncased", None, "93.62±0.69"),
        ("g_loss_glue", "qnli", "SCL+CE", "accuracy", "distilbert-base-uncased", None, "87.18"),
        ("g_loss_glue", "sst2_phrases", "G-Loss-O+CE", "accuracy", "roberta-large", None, "95.88"),
        ("g_loss_standalone", "r8", "G-Loss-O", "silhouette", None, None, "0.7870"),
        ("g_loss_standalone", "20ng", "SCL", "total_seconds", None, None, "11671.10"),
        ("g_loss_standalone", "mr_textgcn", "Cos-sim", "stop_epoch", None, None, "20"),
        ("gunel_few_shot", "qnli", "CE+SCL", "accuracy", None, 20, "75.7±4.8"),
        ("gunel_few_shot", "sst2_phrases", "CE", "accuracy", None, 1000, "94.0±0.6"),
    ],
)
def test_spot_checks(name, dataset, loss, metric, encoder, shots, printed):
    found = published(name, dataset, loss, metric, encoder, shots)
    mean, _, spread = printed.partition("±")
    assert (found.printed, found.mean, found.spread) == (printed, float(mean), float(spread) if spread else None)
    assert found.source
    assert found.trust.startswith("primary")


def test_what_the_spread_is_is_not_guessed():
    assert published("g_loss_integrated", "r8", "CE", "accuracy", "roberta-large").spread_kind == "unknown"
    assert published("g_loss_standalone", "r8", "SCL", "silhouette").n is None
    assert "single copy" in published("g_loss_standalone", "r8", "SCL", "accuracy").trust
    assert published("gunel_few_shot", "qnli", "CE", "accuracy", shots=20).spread_kind == "std"


def test_weights_point_in_our_direction():
    """TripleEntropy's beta multiplies cross-entropy; Gunel's and G-Loss's lambda the other term."""
    assert protocol("triple_entropy_jan").loss("tripleentropy").ce_weight == 0.9
    assert protocol("gunel_few_shot").loss("CE+SCL").ce_weight == pytest.approx(1 - 0.9)
    assert protocol("g_loss_integrated").loss("G-Loss-O+CE").ce_weight == pytest.approx(1 - 0.8)


def test_what_is_special_to_a_data_set_wins():
    found = {config.dataset: config for config in configs(protocol("g_loss_standalone"), losses=["G-Loss-O"], limit=1)}
    assert (found["r8"].lr, found["r8"].loss_settings["sigma"], found["r8"].validation) == (5e-5, 0.253, 549)
    assert (found["mr_textgcn"].lr, found["mr_textgcn"].loss_settings["visible_share"]) == (1e-5, 0.7)
    assert {config.lr for config in configs(protocol("g_loss_standalone"), losses=["SCL"])} == {2e-5}


def test_overrides_make_a_protocol_small():
    asked = {"epochs": 1, "shots": 2, "shots_by": "class", "seed": 7, "folds": 3}
    found = configs(protocol("few_shot_dml"), datasets=["own.csv"], losses=["ccE"], encoder="tiny", overrides=asked)
    assert [config.fold for config in found] == [0, 1, 2]
    assert {(config.dataset, config.encoder, config.epochs, config.seed, config.shots) for config in found} == {("own.csv", "tiny", 1, 7, 2)}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: protocol("g_loss_integratd"), "unknown protocol 'g_loss_integratd'; known: .* Did you mean 'g_loss_integrated'"),
        (lambda: protocol("../../etc/passwd"), "unknown protocol"),
        (lambda: configs(protocol("gunel_few_shot"), losses=["CE+SLC"]), r"has no loss 'CE\+SLC'; .* Did you mean"),
        (lambda: configs(protocol("gunel_few_shot"), overrides={"epoch": 1}), "unknown field 'epoch'; .* Did you mean 'epochs'"),
    ],
)
def test_a_bad_name_is_a_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("title:", "titel:"), "(title|titel): (Field required|Extra inputs are not permitted)"),
        (("epochs: 30", "epoch: 30"), "unknown field 'epoch'; known: .* Did you mean 'epochs'"),
        (("name: supcon", "name: supkon"), "unknown loss 'supkon'; .* Did you mean 'supcon'"),
        (("{temperature: 0.3}", "{temprature: 0.3}"), "unknown setting 'temprature'"),
        (('"85.9±2.1"', '"85.9+-2.1"'), r"cell '85\.9\+-2\.1' of row CE is not 1 numbers"),
        (("{CE: [", "{C: ["), "the published row 'C' is no loss of the protocol"),
        (('"85.9±2.1", ', ""), "row CE has 1 cells for 2 data sets"),
        (("name: gunel_few_shot", "name: other"), "calls itself 'other'"),
        (("shots: [", "shots: [["), "is no YAML"),
    ],
)
def test_a_file_that_does_not_read_is_one_sentence(tmp_path, change, sentence):
    text = (ROOT / "dmlviz" / "papers" / "gunel_few_shot.yaml").read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "gunel_few_shot.yaml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(InputError, match=sentence) as refused:
        read_protocol(path)
    assert "\n" not in str(refused.value)


# ---- ours beside theirs


def test_without_runs_every_published_number_is_there():
    frame = compare(protocol("g_loss_integrated"), [])
    assert len(frame) == 120
    assert frame["ours"].isna().all()


def test_runs_that_did_the_same_differ_in_nothing():
    chosen = protocol("g_loss_integrated")
    same = [checked_config(one) for one in configs(chosen, datasets=["r8"], losses=["SCL+CE"])]
    runs = [run_of(one, f"r{i}", 0.97 + 0.01 * i, readout="head") for i, one in enumerate(same)]
    frame = compare(chosen, runs)
    row = frame[frame["n"] > 0].query("metric == 'accuracy'").iloc[0]
    assert (row["dataset"], row["loss"], row["encoder"], row["n"], row["differed"]) == ("r8", "SCL+CE", "bert-base-uncased", 3, "")
    assert row["ours"] == pytest.approx(98.0)
    assert row["difference"] == pytest.approx(98.0 - 97.88)
    assert row["high"] - row["low"] == pytest.approx(2 * 4.302653 / 3**0.5)  # t of 2 degrees of freedom, standard deviation 1
    assert len(frame) == 120  # each number once


def test_what_differed_is_said_in_words():
    chosen = protocol("g_loss_integrated")
    config = RunConfig(dataset="r8_cased", loss="g_loss", shots=8, epochs=4, lr=3e-4, loss_settings={"visible_share": 0.5})
    frame = compare(chosen, [run_of(config, readout="head"), run_of(config.model_copy(update={"seed": 1}), "b", readout="head")])
    row = frame[frame["n"] > 0].iloc[0]
    assert row["loss"] == "G-Loss-SQRT+CE"  # the row whose settings are nearest
    for part in [
        "encoder all-minilm-l6-v2 instead of bert-base-uncased", "data r8_cased instead of r8", "8 texts per class instead of all training texts",
        "visible_share 0.5 instead of 0.7", "epochs 4 instead of 200", "lr 0.0003 instead of 2e-05", "seed 0, 1 instead of 42-44",
        "2 runs instead of 3",
    ]:  # fmt: skip
        assert part in row["differed"]
    assert set(frame[frame["n"] > 0]["encoder"]) == {"bert-base-uncased"}  # the protocol's first, as it does not have ours


def test_runs_fit_by_their_shots_where_a_protocol_has_several():
    chosen = protocol("gunel_few_shot")
    config = configs(chosen, datasets=["qnli"], losses=["CE"], encoder="/models/roberta-large", limit=1, overrides={"shots": 100})[0]
    frame = compare(chosen, [run_of(config, readout="head")])
    assert frame[frame["n"] > 0]["shots"].tolist() == [100]
    assert frame[frame["n"] > 0]["low"].isna().all()  # one run has no interval
    assert "encoder" not in frame[frame["n"] > 0]["differed"].iloc[0]
    assert not (compare(chosen, [run_of(config.model_copy(update={"shots": 8}))])["n"] > 0).any()


def test_a_run_that_has_the_readout_of_the_paper_is_taken_by_it():
    config = configs(protocol("g_loss_standalone"), datasets=["r8"], losses=["SCL"], limit=1)[0]
    frame = compare(protocol("g_loss_standalone"), [run_of(config, accuracy=0.5, readout="knn", linear_probe_accuracy=0.9)])
    row = frame[(frame["n"] > 0) & (frame["metric"] == "accuracy")].iloc[0]
    assert row["ours"] == pytest.approx(90.0)
    assert "readout" not in row["differed"]
    assert frame[frame["metric"] == "total_seconds"]["ours"].isna().all()  # another machine


def test_other_losses_other_data_and_unfinished_runs_do_not_fit():
    chosen = protocol("gunel_few_shot")
    fitting = configs(chosen, datasets=["qnli"], losses=["CE"], limit=1)[0]
    others = [run_of(fitting.model_copy(update={"loss": "soft_triple"})), run_of(fitting.model_copy(update={"dataset": "trec"}))]
    running = Run("c", fitting, "running", Progress("training", 1, 2, "step", None), {}, 0.0)
    assert not (compare(chosen, [*others, running])["n"] > 0).any()


def test_interval_of_one_run_is_none():
    assert interval([0.5]) == (0.5, None, None)


# ---- command line


def said(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_papers_are_listed_and_shown(tmp_path, capsys):
    code, out, err = said(capsys, "papers", "--home", tmp_path)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[1:]] == NAMES
    code, out, err = said(capsys, "papers", "g_loss_integrated", "--home", tmp_path)
    assert (code, err) == (0, "")
    assert "not known: The seeds of the three runs" in out
    assert "97.57±0.16" in out
    assert out.count("G-tex, main table (primary)") == 120
    code, out, _ = said(capsys, "papers", "few_shot_dml", "--home", tmp_path)
    assert "2.89 percentage points" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gunel"], "unknown protocol 'gunel'; known: few_shot_dml"),
        (["gunel_few_shot", "--dataset", "r8"], "--dataset says what to train; add --train"),
        (["gunel_few_shot", "--runs", "nope"], "there is no run 'nope'"),
        (["gunel_few_shot", "--train", "--loss", "CE+SLC"], "has no loss 'CE+SLC'"),
        (["gunel_few_shot", "--train", "--dataset", "TOY", "--epochs", "0"], "epochs=0 is not accepted"),
        (["gunel_few_shot", "--train", "--dataset", "r9", "--shots", "2"], "unknown data set 'r9'"),
        (["gunel_few_shot", "--train", "--limit", "0"], "--limit 0 was given"),
        (["gunel_few_shot", "--train", "--set", "epoch=1"], "Did you mean 'epochs'"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(tiny_csv, tmp_path, capsys, words, sentence):
    code, out, err = said(capsys, "papers", *[str(tiny_csv) if word == "TOY" else word for word in words], "--home", tmp_path / "home")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert not Store(tmp_path / "home").run_ids()


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory, tiny_csv, tiny_encoder) -> dict[str, list[Run]]:
    """Every loss of every protocol once, small, by the worker's own code: the runs by protocol."""
    store, texts, ids = Store(tmp_path_factory.mktemp("papers") / "home"), read_file(tiny_csv), {}
    with dispatcher_lock(store.home):  # no other process starts them
        for name in NAMES:
            chosen = protocol(name)
            small = {"epochs": 2, "shots": 4, "shots_by": "class", "batch_size": 8, "max_length": 16, "lr": 1e-3, "device": "cpu", "snapshots": 0}
            small |= {"folds": 2} if chosen.folds else {"validation": 6}
            wanted = configs(chosen, datasets=[str(tiny_csv)], encoder=str(tiny_encoder), limit=1, overrides=small)
            ids[name] = [submit(config, store=store, dataset=texts) for config in wanted]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-c", WORK, str(store.home), *(one for some in ids.values() for one in some)]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return {name: [store.run(one) for one in some] for name, some in ids.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_protocol_runs_from_end_to_end(name, small_runs):
    chosen, runs = protocol(name), small_runs[name]
    assert len(runs) == len(chosen.losses)
    assert {run.id: run.message for run in runs if run.state != "finished"} == {}
    assert [run.metrics["readout"] for run in runs] == [run.config.readout for run in runs]
    fields = {"dataset": chosen.datasets[0], "shots": chosen.shots[0], "shots_by": chosen.config.get("shots_by", "class")}
    frame = compare(chosen, [replace(run, config=run.config.model_copy(update=fields)) for run in runs])
    assert {one for some in frame["run_ids"] for one in some.split(",") if one} == {run.id for run in runs}
    assert frame[frame["n"] > 0]["differed"].str.contains(f"encoder tiny-bert instead of {chosen.encoders[0]}").all()


@pytest.mark.slow
def test_the_command_line_trains_and_compares(tiny_csv, tiny_encoder, store, wait_for, capsys):
    small = ("--dataset", tiny_csv, "--encoder", tiny_encoder, "--epochs", 1, "--shots", 2, "--set", "shots_by=class", "--set", "validation=4")
    code, out, err = said(capsys, "papers", "gunel_few_shot", "--train", *small, "--loss", "CE", "--limit", 1, "--home", store.home)
    assert code == 0, err
    ids = out.split()
    assert len(ids) == 1
    wait_for(store, ids[0], "finished")
    code, out, err = said(capsys, "papers", "gunel_few_shot", "--runs", "all", "--home", store.home)
    assert code == 0
    assert "fits gunel_few_shot" in err  # another data set
    assert "WHAT DIFFERED" in out
