"""Protocols: every file reads, every published number is the one that papers.md has, and each protocol can be run."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import waiting
import yaml
from papers_pinned import PINNED

from dmlviz.cli.main import main
from dmlviz.core.types import InputError, Progress, Run, RunConfig
from dmlviz.data import read_file
from dmlviz.jobs.local import dispatcher_lock
from dmlviz.jobs.submit import checked_config, submit
from dmlviz.losses.table import variant
from dmlviz.papers import compare, configs, protocol, protocol_names
from dmlviz.papers.compare import interval
from dmlviz.papers.reader import read_protocol
from dmlviz.store.runs import Store

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "few_shot_dml", "g_loss_glue", "g_loss_integrated", "g_loss_standalone", "gunel_few_shot", "proxies_at_inference", "triple_entropy_jan",
    "triple_entropy_may",
]  # fmt: skip
NUMBERS = {"g_loss_glue": 3 * 3 * 2, "g_loss_integrated": 3 * 4 * 5 * 2, "g_loss_standalone": 4 * 5 * 6, "gunel_few_shot": 2 * 3 * 2}


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


def test_every_published_number_is_the_one_of_the_notes():
    """papers_numbers.yaml was written from the tables of the notes on the papers, not from the protocols: every cell, and no other."""
    noted = yaml.safe_load((ROOT / "tests" / "papers_numbers.yaml").read_text(encoding="utf-8"))
    read = {}
    for name in NAMES:
        for n in protocol(name).published:
            read[f"{name} | {n.encoder} | {n.shots or 'all'} | {n.loss} | {n.dataset} | {n.metric}"] = n.printed
            mean, _, spread = n.printed.partition("±")
            assert (n.mean, n.spread) == (float(mean), float(spread) if spread else None)
        for table in protocol(name).context:
            read |= {f"context | {name} | {table.source} | {label}": " | ".join(cells) for label, cells in table.rows.items()}
    assert len(noted) == sum(NUMBERS.values()) + 25
    assert read == noted


def told_of(name: str) -> dict:
    """A protocol as papers_pinned.py has it."""
    read = protocol(name)
    special = lambda one: {dataset: {**more.config, **more.settings} for dataset, more in one.per_dataset.items()}  # noqa: E731
    losses = {}
    for loss in read.losses:
        own = {"config": dict(loss.config), "per_dataset": special(loss), "published_as": loss.published_as}
        losses[loss.label] = {"name": loss.name, "ce_weight": loss.ce_weight, "settings": dict(loss.settings), **{k: v for k, v in own.items() if v}}
    return {
        "source": read.source, "trust": read.trust, "encoders": read.encoders, "datasets": read.datasets, "losses": losses,
        "config": dict(read.config), "per_dataset": special(read), "shots": read.shots, "seeds": read.seeds,
        "support_seeds": read.support_seeds, "folds": len(read.folds), "trusts": sorted({(n.metric, n.trust) for n in read.published}),
        "n": sorted({(str(n.n), n.spread_kind) for n in read.published}),
        "claims": [said for claim in read.claims for said in (" ".join(re.findall(r"\d*\.?\d+", claim.text)), f"{claim.source} ({claim.trust})")],
        "context": [(table.columns, table.source, table.trust.split(";")[0]) for table in read.context],
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_the_pinned_one(name):
    assert told_of(name) == PINNED[name]
    assert {"weight_decay", "schedule", "warmup_share", "max_grad_norm"} <= set(protocol(name).config)


@pytest.mark.parametrize("name", NAMES)
def test_folds_are_counted_from_0(name):
    assert protocol(name).folds == tuple(range(PINNED[name]["folds"]))


def test_a_doubtful_cell_says_so():
    doubted = published("g_loss_glue", "sst2_phrases", "G-Loss-O+CE", "accuracy", "bert-base-uncased")
    assert (doubted.printed, doubted.trust) == ("93.32", "primary; probably a slip, not a target")
    assert published("g_loss_glue", "sst2_phrases", "G-Loss-O+CE", "accuracy", "roberta-large").trust == "primary"


def test_warm_up_is_ten_steps():
    """Of 8 epochs of TREC's 5,442 texts in batches of 64 (January), of 120 steps (May)."""
    assert math.ceil(protocol("triple_entropy_jan").config["warmup_share"] * 8 * math.ceil(5442 / 64)) == 10
    assert math.ceil(protocol("triple_entropy_may").config["warmup_share"] * 120) == 10


def test_losses_as_coded_are_the_authors_code():
    """G-Loss-O has its sigma from a search, so the diagonal of a median makes no mixed variant of it."""
    forms = {loss.label: variant(loss.name, loss.settings) for loss in protocol("g_loss_integrated").losses}
    assert {label for label, form in forms.items() if form == "authors' code"} == {label for label in forms if label.endswith("as coded")}
    assert {form for label, form in forms.items() if not label.endswith("as coded")} == {"", "paper"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("g_loss_integrated", "R8 trains on 4,922 instead of 4,936 texts"), ("g_loss_standalone", "R52 on\n5,851 instead of 5,865"),
        ("g_loss_glue", "4,096 evenly spaced support texts"), ("g_loss_integrated", "without any visible label"),
        ("g_loss_glue", "the test part is the treebank's 1,821 test sentences"), ("gunel_few_shot", "the treebank's 1,821 test\nsentences"),
        ("gunel_few_shot", "weight decay 0.01"), ("triple_entropy_may", "1.79 of 20"), ("triple_entropy_jan", "still at 0.989"),
    ],
)  # fmt: skip
def test_what_is_ours_is_said(name, sentence):
    assert " ".join(sentence.split()) in " ".join(protocol(name).filled_in)


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
        (('["39.3±2.5", ', "["), "row CE has 2 cells for 3 columns"),
        (("trust: primary, shots: 20", "trust: primary, doubts: [{row: CE, dataset: r8, trust: low}], shots: 20"), "CE on r8 is of no cell"),
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


def difference_of(name: str, loss: str, dataset: str, metrics: dict | None = None, facts: dict | None = None, **fields) -> str:
    """What differed for one run that did as the protocol says but for these fields."""
    chosen = protocol(name)
    config = checked_config(configs(chosen, datasets=[dataset], losses=[loss], limit=1)[0]).model_copy(update=fields)
    frame = compare(chosen, [replace(run_of(config, **{"readout": config.readout, **(metrics or {})}), facts=facts or {})])
    return frame[frame["n"] > 0]["differed"].iloc[0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"folds": 4, "fold": 2}, "folds 4 instead of none"), ({"folds": 4, "fold": 2}, "fold 2 instead of none"),
        ({"center_lr": 0.01}, "center_lr 0.01 instead of none"), ({"patience": 3}, "patience 3 instead of none"),
        ({"ce_weight": 0.5}, "ce_weight 0.5 instead of 0.9"), ({"accumulation": 2}, "accumulation 2 instead of 1"),
        ({"weight_decay": 0.0}, "weight_decay 0 instead of 0.01"), ({"class_weights": "balanced"}, "class_weights balanced instead of none"),
        ({"max_grad_norm": 5.0}, "max_grad_norm 5 instead of 1"), ({"selection": "best_validation"}, "selection best_validation instead of last"),
        ({"validation": 64}, "validation 64 instead of 0"), ({"metrics": {"readout": "knn"}}, "readout knn instead of head"),
        ({"facts": {"precision": "bfloat16", "device": "H"}}, "precision bf16 instead of full precision"),
        ({"precision": "bf16"}, "precision bf16 instead of full precision"),
        ({"pooling": "auto", "facts": {"pooling": "mean"}}, "pooling mean instead of cls"), ({"max_length": 32}, "max_length 32 instead of 64"),
    ],
)  # fmt: skip
def test_no_field_is_left_out_because_the_protocol_has_none(fields, said):
    assert said in difference_of("triple_entropy_jan", "TripleEntropy", "trec", **fields).split("; ")


@pytest.mark.parametrize(
    "fields",
    [{}, {"device": "cuda"}, {"snapshots": 0}, {"checkpoint_seconds": 1.0}, {"step_epoch": 3}, {"monitor": "silhouette"}, {"center_lr": 1e-5},
     {"pooling": "auto", "facts": {"pooling": "cls"}},
     {"facts": {"precision": "float32", "device": "cpu"}}, {"precision": "fp32"}, {"dataset_hash": "a" * 64}],
)  # fmt: skip
def test_what_has_no_effect_is_not_said(fields):
    assert difference_of("triple_entropy_jan", "TripleEntropy", "trec", **fields) == ""


def test_other_folds_are_said_with_their_number():
    assert "folds 10 instead of 4; fold 0 instead of 0-3" in difference_of("few_shot_dml", "CCE", "mr", folds=10)
    without = difference_of("few_shot_dml", "CCE", "mr", folds=None)
    assert "folds none instead of 4" in without
    assert "fold 0" not in without


def test_only_a_learning_rate_may_be_left_out(tmp_path):
    text = (ROOT / "dmlviz" / "papers" / "gunel_few_shot.yaml").read_text(encoding="utf-8").replace("  lr: 1.0e-5\n", "")
    path = tmp_path / "gunel_few_shot.yaml"
    path.write_text(text, encoding="utf-8")
    chosen = read_protocol(path)
    config = configs(chosen, datasets=["qnli"], losses=["CE"], limit=1)[0].model_copy(update={"lr": 1e-3})
    frame = compare(chosen, [run_of(config, readout="head")])
    assert frame[frame["n"] > 0]["differed"].iloc[0] == "support seed 0 instead of 0-9; 1 run instead of 10"


def test_the_same_seeds_twice_are_one_run_the_newest():
    chosen = protocol("g_loss_integrated")
    config = checked_config(configs(chosen, datasets=["r8"], losses=["CE"], limit=1)[0])
    old, new = replace(run_of(config, "old", 0.5), created=1.0), replace(run_of(config, "new", 0.6), created=2.0)
    on_gpu = replace(run_of(config.model_copy(update={"device": "cuda", "snapshots": 0}), "gpu", 0.7), created=0.5)
    for runs in ([old, new, on_gpu], [new, on_gpu, old]):
        rows = compare(chosen, runs).query("n > 0 and metric == 'accuracy'")
        assert (rows["n"].tolist(), rows["run_ids"].tolist(), rows["ours"].tolist()) == ([1], ["new"], [60.0])


def test_seeds_on_two_machines_are_repetitions_and_that_is_said():
    chosen = protocol("g_loss_integrated")
    config = checked_config(configs(chosen, datasets=["r8"], losses=["CE"], limit=1)[0])
    one = replace(run_of(config, "a", 0.5, readout="head"), facts={"precision": "float32", "device": "cpu"})
    other = config.model_copy(update={"seed": 43, "precision": "bf16", "device": "cuda", "loss_settings": {}, "ce_weight": None})
    two = replace(run_of(other, "b", 0.6, readout="head"), facts={"precision": "bfloat16", "device": "H200"})
    rows = compare(chosen, [one, two]).query("n > 0 and metric == 'accuracy'")
    assert rows["n"].tolist() == [2]
    assert "precision bf16 and fp32 instead of full precision; devices H200 and cpu" in rows["differed"].iloc[0]


def test_other_texts_controls_and_foreign_models_are_no_repetitions():
    chosen = protocol("g_loss_integrated")
    config = checked_config(configs(chosen, datasets=["r8"], losses=["CE"], limit=1)[0])
    one, other = (config.model_copy(update={"dataset_hash": letter * 64, "seed": seed}) for letter, seed in (("a", 42), ("b", 43)))
    rows = compare(chosen, [run_of(one, "a"), run_of(other, "b")]).query("n > 0 and metric == 'accuracy'")
    assert rows["n"].tolist() == [1, 1]
    foreign = replace(run_of(config), origin="loaded")
    controls = [run_of(config.model_copy(update={"control": kind})) for kind in ("pre_trained", "shuffled_labels")]
    assert not (compare(chosen, [foreign, *controls])["n"] > 0).any()


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
        waiting.train(store, [one for some in ids.values() for one in some])
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
