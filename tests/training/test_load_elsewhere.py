"""Models fine-tuned elsewhere, from their folder to the stored run: each predicts what its makers' own code predicts, and the run says what was
assumed."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, write_model
from encoder_folders import MEAN, change_config, change_weights, sentence_folder
from hypothesis import given
from hypothesis import strategies as st
from tiny_words import WORDS

from dmlviz.core.types import RunConfig, TextDataset
from dmlviz.data import read_file
from dmlviz.jobs.submit import submit, submit_loaded
from dmlviz.jobs.worker import work
from dmlviz.training.class_names import better_order, match_classes, plain

NAMES = ("animals", "food", "weather")
CLASSIFIERS = [name for name, entry in ARCHITECTURES.items() if entry.classifies and not entry.refused]


@pytest.fixture
def load(store, tiny_dataset, monkeypatch):
    """load(folder) -> the finished run."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)

    def make(folder: Path | str, dataset: TextDataset = tiny_dataset, **fields):
        run_id = submit_loaded(str(folder), "tiny", store=store, dataset=dataset, **{"shots": 4, "validation": 6, "max_length": 32, **fields})
        work(store, run_id)
        run = store.run(run_id)
        assert run.state == "finished", run.message
        return run

    return make


@pytest.fixture
def classifier(tmp_path):
    return lambda name="bert", label_names=NAMES, **fields: write_model(
        tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}", name, WORDS, label_names=label_names, **fields
    )


def their_logits(folder: Path, texts: list[str]) -> np.ndarray:
    """As transformers itself says, one text at a time."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, words = AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return np.stack([model(**words(text, return_tensors="pt")).logits[0].numpy() for text in texts])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_of_every_architecture_predicts_what_it_predicts_alone(store, load, classifier, tiny_dataset, name):
    folder = classifier(name, NAMES[::-1])
    run = load(folder)
    arrays = store.arrays(run.id)
    some = np.linspace(0, len(arrays.row_ids) - 1, 12).astype(int)
    expected = their_logits(folder, [tiny_dataset.texts[arrays.row_ids[i]] for i in some])[:, ::-1]
    np.testing.assert_allclose(arrays.scores["head"][some], expected, atol=1e-4 * np.abs(expected).max())
    assert run.metrics["readout"] == "head"
    assert run.facts["readout_why"] == "its own classifier"
    assert np.ptp(expected, axis=0).min() > 0.05


def test_a_loaded_model_is_not_named_after_a_loss(load, classifier, store):
    from dmlviz.figures.base.theme import run_titles

    folder = classifier()
    run = load(folder)
    assert run.config.shown_loss == "loaded"
    assert run_titles([run.config]) == [f"{folder.name} (loaded)"]
    assert load(folder, loss="supcon").config.shown_loss == "supcon"  # somebody said so
    status = store.folder(run.id) / "status.json"
    old = {**json.loads(status.read_text()), "facts": {}}  # as an older version left it
    status.write_text(json.dumps(old))
    config = store.folder(run.id) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "control": "none"}))
    assert store.run(run.id).config.shown_loss == "loaded"


def test_the_report_is_kept_with_the_run(load, classifier):
    said = load(classifier("gpt2")).facts["load"]
    assert (said["architecture"], said["pooling"], said["kind"]) == ("GPT2ForSequenceClassification", "last", "Hugging Face checkpoint")
    assert said["texts"] > 0
    assert said["unknown"] == 0
    assert said["self_test"]["logits_batch"] < 1e-4
    assert "it has no padding token, so [SEP] pads, masked" in said["assumed"]


def test_unknown_words_and_cut_texts_are_counted(load, classifier, tiny_dataset):
    strange = replace(tiny_dataset, texts=tuple(f"語 語 語 {text}" if i % 2 else text for i, text in enumerate(tiny_dataset.texts)))
    said = load(classifier(), strange, max_length=6).facts["load"]
    assert said["unknown"] > 0.2
    assert 0 < said["cut"] < said["texts"]
    from dmlviz.analysis.load_words import load_line

    line = load_line(load(classifier(), strange, max_length=6))
    assert "of the texts' tokens are unknown to its tokenizer" in line
    assert f"{said['cut']:,} of {said['texts']:,} texts lose words at 6 tokens" in line


# ---- heads that are not there, or not of classes


@pytest.mark.parametrize(("fields", "reason"), [
    ({"num_labels": 1}, "predicts a number (regression)"),
    ({"problem_type": "multi_label_classification"}, "says yes or no for each class by itself (multi-label)"),
])  # fmt: skip
def test_heads_that_give_no_shares_of_classes_are_not_read_and_said(load, classifier, fields, reason):
    folder = classifier("bert", NAMES if "problem_type" in fields else ("LABEL_0",), **{k: v for k, v in fields.items() if k != "num_labels"})
    run = load(folder)
    assert run.metrics["readout"] == "linear_probe"
    assert "head_accuracy" not in run.metrics
    assert any(reason in one for one in run.facts["load"]["left_out"])
    assert run.facts["readout_why"].startswith("a linear probe on the support texts; not read: its head, since it")


def test_a_head_that_is_not_in_the_file_is_never_a_random_one(load, classifier):
    folder = change_weights(classifier(), lambda state: {name: value for name, value in state.items() if "classifier" not in name})
    run = load(folder)
    assert run.metrics["readout"] == "linear_probe"
    assert "its classifier, since its weights are not in the file" in run.facts["load"]["left_out"]


def test_classes_of_another_data_set_are_not_read_and_said(load, classifier):
    run = load(classifier("bert", ("pos", "neg", "neutral")))
    assert run.metrics["readout"] == "linear_probe"
    assert any("its classes (pos, neg, neutral) are not the data set's (animals, food, weather)" in one for one in run.facts["load"]["left_out"])


# ---- which output is which class


STYLES = (str.upper, str.title, lambda name: f" {name} ", lambda name: name.replace(" ", "_"), lambda name: unicodedata.normalize("NFD", name))


@given(order=st.permutations(range(3)), styles=st.lists(st.sampled_from(STYLES), min_size=3, max_size=3))
def test_names_are_matched_whatever_their_order_case_and_form(order, styles):
    names = ("café menus", "food", "weather")
    outputs = {place: styles[one](names[one]) for place, one in enumerate(order)}
    match = match_classes(None, outputs, labelled(*names))
    assert [order[place] for place in match.order] == [0, 1, 2]
    assert not match.guessed


def labelled(*names: str) -> TextDataset:
    return TextDataset("d", (), np.array([]), names, np.array([]), "", "")


def test_blanks_hyphens_and_forms_of_letters_do_not_tell_classes_apart():
    match = match_classes(None, {0: "SCI_TECH", 1: "World News", 2: "ﬁnance"}, labelled("finance", "sci-tech", "world  news"))
    assert match.order == [2, 0, 1]
    assert "without regard to case, blanks and letters' form ('ﬁnance' is 'finance')" in match.sentence
    assert plain("ﬁnance") == "finance"


def test_two_names_that_differ_in_case_alone_are_not_mixed_up():
    assert match_classes(None, {0: "US", 1: "us"}, labelled("US", "us")).order == [0, 1]
    assert match_classes(None, {0: "Us", 1: "US"}, labelled("US", "us")).order is None


def test_twelve_numbered_classes_are_taken_by_their_number_not_by_their_spelling():
    names = tuple(sorted(map(str, range(12))))  # 0, 1, 10, 11, 2 ...
    match = match_classes(None, {i: f"LABEL_{i}" for i in range(12)}, labelled(*names))
    assert [int(name) for name in names] == match.order
    assert not match.sentence
    ones = tuple(sorted(map(str, range(1, 13))))
    match = match_classes(None, {i: f"LABEL_{i}" for i in range(12)}, labelled(*ones))
    assert [int(name) - 1 for name in ones] == match.order
    assert match.sentence == "its outputs have no names: LABEL_0 is taken for class 1, and so on up to 12"


def test_twelve_numbered_classes_end_to_end(store, load, classifier, tiny_dataset):
    """A model whose output i is right for class i: today's order by spelling would give another."""
    twelve = np.arange(len(tiny_dataset.texts)) % 12
    names = tuple(sorted(map(str, range(12))))
    dataset = replace(tiny_dataset, labels=np.array([names.index(str(one)) for one in twelve]), label_names=names, content_hash="f" * 64)
    folder = classifier("bert", tuple(f"LABEL_{i}" for i in range(12)))
    run = load(folder, dataset, shots=1)
    arrays = store.arrays(run.id)
    expected = their_logits(folder, [dataset.texts[i] for i in arrays.row_ids[:8]])[:, [int(name) for name in names]]
    np.testing.assert_allclose(arrays.scores["head"][:8], expected, atol=1e-4 * np.abs(expected).max())


def test_an_assumed_order_is_said_and_a_better_one_hinted(load, classifier, tiny_dataset):
    """The planted head has its outputs in another order than the data set lists its classes."""
    said = load(classifier("bert", ("LABEL_0", "LABEL_1", "LABEL_2"))).facts["load"]["assumed"]
    assert "its outputs have no names: they are taken for animals, food, weather, in this order" in said
    scores = np.eye(3)[[2, 2, 0, 0, 1, 1]]
    hint = better_order(scores, np.array([0, 0, 1, 1, 2, 2]), NAMES)
    assert hint.startswith("the assumed order is right for 0 of the 6 support texts, another for 6 (output 2 as animals, output 0 as food, output "
                           "1 as weather)")
    assert better_order(np.eye(3), np.arange(3), NAMES) == ""


@pytest.mark.parametrize("order", [("weather", "animals", "food"), ("food", "weather", "sports", "animals")])
def test_outputs_without_names_follow_the_order_that_the_data_sets_file_states(store, load, classifier, tiny_dataset, tmp_path, order):
    """From a Parquet file with a ClassLabel to the stored scores; a listed class may have no text."""
    import datasets

    labels = [order.index(tiny_dataset.label_names[label]) for label in tiny_dataset.labels]
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(order))})
    path = tmp_path / "stated.parquet"
    datasets.Dataset.from_dict({"text": list(tiny_dataset.texts), "label": labels}, features=features).to_parquet(path)
    dataset = read_file(path)
    assert dataset.content_hash == tiny_dataset.content_hash
    store.add_dataset(tiny_dataset)  # the same texts from a CSV, which states no order
    folder = classifier("bert", tuple(f"LABEL_{i}" for i in range(len(order))))
    run = load(folder, dataset)
    arrays, said = store.arrays(run.id), run.facts["load"]["assumed"]
    expected = their_logits(folder, [dataset.texts[i] for i in arrays.row_ids[:8]])[:, [order.index(name) for name in dataset.label_names]]
    np.testing.assert_allclose(arrays.scores["head"][:8], expected, atol=1e-4 * np.abs(expected).max())
    assert f"its outputs have no names: they are {', '.join(order)}, in the order in which the data set's source lists its classes" in said
    assert not any("order is right for" in sentence or "is taken for" in sentence for sentence in said)


def test_a_listed_order_of_other_classes_is_none_of_the_outputs():
    three = replace(labelled(*NAMES), class_order=("weather", "animals", "food", "sports"))
    assert match_classes(None, {i: f"LABEL_{i}" for i in range(3)}, three).guessed
    assert match_classes(None, {i: f"LABEL_{i + 1}" for i in range(4)}, three).order == [1, 2, 0]
    assert match_classes(None, {i: f"LABEL_{i + 2}" for i in range(4)}, three).order is None
    assert match_classes(None, {i: f"LABEL_{i}" for i in range(5)}, three).order is None


def test_more_outputs_than_classes_are_left_out_and_said():
    match = match_classes(None, {0: "food", 1: "sports", 2: "animals", 3: "weather"}, labelled(*NAMES))
    assert match.order == [2, 0, 3]
    assert match.sentence == "of its 4 classes the 3 of the data set are asked for, not sports"


# ---- weights of our own runs


@pytest.mark.parametrize("loss", ["cross_entropy", "triple_entropy", "proxy_anchor"])
def test_own_weights_are_read_in_the_order_of_the_data_sets_classes(store, load, tiny_dataset, tiny_encoder, loss, monkeypatch):
    """A data set that lists the same classes in another order must not get another class's scores."""
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)
    config = RunConfig(dataset="tiny", encoder=str(tiny_encoder), loss=loss, shots=4, validation=6, epochs=2, lr=1e-3, max_length=16)
    first = submit(config, store=store, dataset=tiny_dataset)
    work(store, first)
    turned = replace(tiny_dataset, label_names=tiny_dataset.label_names[::-1], labels=2 - tiny_dataset.labels, content_hash="e" * 64)
    run = load(store.weights_folder(first), turned)
    one, two = store.arrays(first), store.arrays(run.id)
    readout = run.metrics["readout"]
    assert run.config.shown_loss == loss
    assert run.metrics["accuracy"] == store.run(first).metrics["accuracy"]
    place = {int(row): i for i, row in enumerate(one.row_ids)}
    both = [(i, place[int(row)]) for i, row in enumerate(two.row_ids) if int(row) in place]
    np.testing.assert_allclose(two.scores[readout][[i for i, _ in both]], one.scores[readout][[j for _, j in both]][:, ::-1], atol=2e-3)


def test_own_weights_with_other_classes_are_refused(store, tiny_dataset, tiny_encoder, monkeypatch):
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)
    config = RunConfig(dataset="tiny", encoder=str(tiny_encoder), shots=4, validation=6, epochs=1, max_length=16)
    first = submit(config, store=store, dataset=tiny_dataset)
    work(store, first)
    other = replace(tiny_dataset, label_names=("animals", "drinks", "weather"), content_hash="d" * 64)
    run_id = submit_loaded(str(store.weights_folder(first)), "tiny", store=store, dataset=other)
    work(store, run_id)
    assert store.run(run_id).state == "failed"
    assert "was trained on other classes than this data set has ('drinks' is in one of them only)" in store.run(run_id).message


def test_a_loaded_encoder_that_is_loaded_again_has_no_head_either(store, load, tiny_encoder):
    first = load(tiny_encoder)
    assert not (store.weights_folder(first.id) / "objective.safetensors").exists()
    second = load(store.weights_folder(first.id))
    assert second.metrics["readout"] == first.metrics["readout"] == "linear_probe"
    np.testing.assert_array_equal(store.arrays(first.id).embeddings, store.arrays(second.id).embeddings)


def test_a_loaded_classifier_that_is_loaded_again_is_the_same(store, load, classifier):
    first = load(classifier("bert", NAMES[::-1]))
    second = load(store.weights_folder(first.id))
    np.testing.assert_array_equal(store.arrays(first.id).scores["head"], store.arrays(second.id).scores["head"])


def test_a_loaded_classifier_that_is_loaded_again_follows_its_classes_into_another_order(store, load, classifier, tiny_dataset):
    first = load(classifier("bert", NAMES[::-1]))
    turned = replace(tiny_dataset, label_names=NAMES[::-1], labels=2 - tiny_dataset.labels, content_hash="e" * 64)
    again = load(store.weights_folder(first.id), turned)
    one, two = store.arrays(first.id), store.arrays(again.id)
    shared, i, j = np.intersect1d(one.row_ids, two.row_ids, return_indices=True)
    assert len(shared) > 20
    np.testing.assert_allclose(one.scores["head"][i], two.scores["head"][j][:, ::-1], atol=1e-4)


# ---- SetFit and adapters


@pytest.fixture
def setfit(tmp_path):
    """A SetFit folder: a sentence-transformers body, and a logistic regression fitted on its vectors; and the regression itself."""
    import joblib
    from sklearn.linear_model import LogisticRegression

    from dmlviz.encoder.loading import load_encoder
    from dmlviz.training.embed import embed

    def make(dataset: TextDataset, names: tuple[str, ...] = NAMES) -> tuple[Path, LogisticRegression]:
        body = write_model(tmp_path / "body", "bert", WORDS)
        folder = sentence_folder(body, ["Transformer", "Pooling", "Normalize"], MEAN)
        known = np.isin(dataset.labels, [dataset.label_names.index(name) for name in names])
        texts = [text for text, keep in zip(dataset.texts, known, strict=True) if keep]
        head = LogisticRegression().fit(embed(load_encoder(str(folder), as_is=True), texts), np.array(dataset.label_names)[dataset.labels[known]])
        joblib.dump(head, folder / "model_head.pkl")
        (folder / "config_setfit.json").write_text(json.dumps({"labels": list(names), "normalize_embeddings": False}))
        return folder, head

    return make


def write_head(folder: Path, head, how: str) -> None:
    if how == "json":
        said = {"classes": head.classes_.tolist(), "coef": head.coef_.tolist(), "intercept": head.intercept_.tolist()}
        (folder / "model_head.json").write_text(json.dumps(said))
    elif how == "skops":
        from skops import io

        io.dump(head, folder / "model_head.skops")
    else:
        from safetensors.torch import save_file

        order = [list(head.classes_).index(name) for name in json.loads((folder / "config_setfit.json").read_text())["labels"]]
        state = {"linear.weight": torch.tensor(head.coef_[order]).float(), "linear.bias": torch.tensor(head.intercept_[order]).float()}
        save_file(state, folder / "model_head.safetensors")


@pytest.mark.parametrize("how", ["json", "skops", "safetensors"])
def test_a_setfit_head_predicts_what_it_predicted(store, load, setfit, tiny_dataset, how):
    folder, head = setfit(tiny_dataset)
    write_head(folder, head, how)
    run = load(folder)
    arrays = store.arrays(run.id)
    shares = torch.from_numpy(np.array(arrays.scores["head"])).softmax(dim=1).numpy()
    np.testing.assert_allclose(shares, head.predict_proba(arrays.embeddings.astype(np.float32)), atol=2e-3)
    assert run.metrics["readout"] == "head"
    assert np.linalg.norm(arrays.embeddings.astype(np.float32), axis=1) == pytest.approx(1, abs=1e-3)  # its Normalize
    from dmlviz.explain.run_model import RunModel

    explained = RunModel(store, run.id)
    again = explained.probabilities(explained.tokenize([tiny_dataset.texts[i] for i in arrays.row_ids[:5]]))
    np.testing.assert_allclose(again, shares[:5], atol=1e-3)


def test_a_setfit_head_in_a_pickle_is_not_read_and_the_way_on_is_said(load, setfit, tiny_dataset):
    folder, _ = setfit(tiny_dataset)
    (folder / "model_head.pkl").write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    run = load(folder)
    assert run.metrics["readout"] == "linear_probe"
    said = next(one for one in run.facts["load"]["left_out"] if "pickle" in one)
    assert "python -c \"import joblib, json; h = joblib.load('model_head.pkl')" in said


def test_the_way_on_works(load, setfit, tiny_dataset):
    """The command of the sentence, as it stands there."""
    import shlex
    import subprocess
    import sys

    from dmlviz.encoder.setfit_head import CONVERT

    folder, _ = setfit(tiny_dataset)
    subprocess.run([sys.executable, *shlex.split(CONVERT)[1:]], cwd=folder, check=True)
    assert load(folder).metrics["readout"] == "head"


def test_a_head_of_two_classes_has_one_row(store, load, setfit, tiny_dataset):
    two = replace(tiny_dataset, label_names=NAMES[:2], content_hash="c" * 64, labels=tiny_dataset.labels[tiny_dataset.labels < 2],
                  texts=tuple(text for text, label in zip(tiny_dataset.texts, tiny_dataset.labels, strict=True) if label < 2),
                  parts=tiny_dataset.parts[tiny_dataset.labels < 2])  # fmt: skip
    folder, head = setfit(two, NAMES[:2])
    write_head(folder, head, "json")
    run = load(folder, two)
    arrays = store.arrays(run.id)
    shares = torch.from_numpy(np.array(arrays.scores["head"])).softmax(dim=1).numpy()
    np.testing.assert_allclose(shares, head.predict_proba(arrays.embeddings.astype(np.float32)), atol=2e-3)


@pytest.fixture
def adapter(tmp_path):
    """adapter(base folder) -> a LoRA adapter of it with a trained head, and the merged model's logits of a text."""
    peft = pytest.importorskip("peft")

    def make(base: Path, count: int = 3) -> Path:
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=count, ignore_mismatched_sizes=True)
        config = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"], lora_alpha=16)
        lora = peft.get_peft_model(model, config)
        with torch.no_grad():
            for name, parameter in lora.named_parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(len(name)))
        lora.save_pretrained(tmp_path / "adapter")
        return tmp_path / "adapter"

    return make


def test_an_adapter_is_merged_into_its_base_and_keeps_its_head(store, load, classifier, adapter, tiny_dataset):
    import peft
    from transformers import AutoTokenizer

    base = write_model(classifier().parent / "base", "bert", WORDS)
    folder = adapter(base)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    run = load(folder)
    arrays = store.arrays(run.id)
    model, words = peft.AutoPeftModelForSequenceClassification.from_pretrained(str(folder), num_labels=3).eval(), AutoTokenizer.from_pretrained(base)
    texts = [tiny_dataset.texts[i] for i in arrays.row_ids[:6]]
    with torch.no_grad():
        expected = np.stack([model(**words(text, return_tensors="pt")).logits[0].numpy() for text in texts])
    np.testing.assert_allclose(arrays.scores["head"][:6], expected, atol=1e-4 * np.abs(expected).max())
    said = run.facts["load"]
    assert said["kind"] == "adapter"
    assert said["read"] == ["the LORA adapter, merged into its base model base"]
    assert any("its outputs have no names" in one for one in said["assumed"])


def test_an_adapter_without_the_library_says_what_to_install(classifier, adapter, monkeypatch):
    import sys

    from dmlviz.core.types import InputError
    from dmlviz.encoder.loading import load_encoder

    folder = adapter(write_model(classifier().parent / "base", "bert", WORDS))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"is a LORA adapter of .*reading it needs the library peft; run 'pip install \"dmlviz\[peft\]\"'"):
        load_encoder(str(folder))


def test_an_adapter_of_another_base_is_refused(classifier, adapter):
    from dmlviz.core.types import InputError
    from dmlviz.encoder.loading import load_encoder

    folder = adapter(write_model(classifier().parent / "base", "bert", WORDS))
    other = write_model(classifier().parent / "other", "distilbert", WORDS)
    said = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**said, "base_model_name_or_path": str(other)}))
    with pytest.raises(InputError, match="does not fit its base model"):
        load_encoder(str(folder))


def test_a_base_that_lacks_a_layer_is_refused_and_one_behind_a_prefix_is_read(classifier, adapter):
    """The head comes with the adapter; everything else must be in the base's own file."""
    from transformers import AutoTokenizer

    from dmlviz.core.types import InputError
    from dmlviz.encoder.loading import load_encoder

    base = write_model(classifier().parent / "base", "bert", WORDS)
    folder = adapter(base)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    whole = load_encoder(str(folder), as_is=True)
    change_weights(base, lambda state: {f"module.{name}": value for name, value in state.items()})
    again = load_encoder(str(folder), as_is=True)
    assert "of its base model: the names of its weights begin with 'module.', which was taken off" in again.report.assumed
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    change_weights(base, lambda state: {name: value for name, value in state.items() if "layer.1." not in name})
    with pytest.raises(InputError, match=r"weights of BertForSequenceClassification are not in the checkpoint .*so they would be random"):
        load_encoder(str(folder))


def test_a_head_whose_pooler_is_nowhere_is_left_out_and_the_vectors_are_read(load, classifier, adapter):
    """A base saved without its pooler, as our own weights are: the head that came with the adapter would see a random one."""
    from transformers import AutoTokenizer

    base = write_model(classifier().parent / "base", "bert", WORDS)
    folder = adapter(base)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    change_weights(base, lambda state: {name: value for name, value in state.items() if "pooler" not in name})
    run = load(folder)
    assert run.metrics["readout"] == "linear_probe"
    assert any("its classifier, since bert.pooler.dense.bias, bert.pooler.dense.weight are in neither the adapter nor its base" in one
               for one in run.facts["load"]["left_out"])  # fmt: skip


@pytest.mark.parametrize("kind", ["head saved", "no head saved"])
def test_an_adapter_without_a_task_is_applied_or_refused(tmp_path, classifier, kind):
    """PEFT itself only warns where no name fits, and adds nothing."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from dmlviz.core.types import InputError
    from dmlviz.encoder.loading import load_encoder

    base = write_model(classifier().parent / "base", "bert", WORDS)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    saved = {"modules_to_save": ["classifier"]} if kind == "head saved" else {}
    lora = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False, **saved))
    lora.save_pretrained(tmp_path / "adapter")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "adapter")
    if kind == "no head saved":
        with pytest.raises(InputError, match=r"weights of the adapter .* in BertModel of its base model .*merge_and_unload"):
            load_encoder(str(tmp_path / "adapter"))
        return
    read = dict(load_encoder(str(tmp_path / "adapter"), as_is=True).model.named_parameters())
    for name, parameter in lora.merge_and_unload().bert.named_parameters():
        if name in read:
            torch.testing.assert_close(read[name], parameter)


def test_a_setfit_head_fitted_on_unit_vectors_sees_unit_vectors(store, load, setfit, tiny_dataset):
    """`normalize_embeddings` of config_setfit.json, with a body whose own modules do not normalise."""
    folder, head = setfit(tiny_dataset)
    write_head(folder, head, "json")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([one for one in modules if not one["type"].endswith("Normalize")]))
    (folder / "config_setfit.json").write_text(json.dumps({"labels": list(NAMES), "normalize_embeddings": True}))
    run = load(folder)
    arrays = store.arrays(run.id)
    shares = torch.from_numpy(np.array(arrays.scores["head"])).softmax(dim=1).numpy()
    np.testing.assert_allclose(shares, head.predict_proba(arrays.embeddings.astype(np.float32)), atol=2e-3)
    assert np.linalg.norm(arrays.embeddings.astype(np.float32), axis=1) == pytest.approx(1, abs=1e-3)
    assert any("vectors of length one" in one for one in run.facts["load"]["read"])


def test_a_changed_config_beside_weights_is_not_believed(load, classifier):
    with pytest.raises(AssertionError, match="weights of BertForSequenceClassification are not in the checkpoint"):
        load(change_config(classifier(), num_hidden_layers=3))


# ---- configs that contradict themselves, and weights in half precision


@pytest.mark.parametrize("names", [["animals", "food", "weather"], {"animals": 0}, "animals"])
def test_class_names_that_are_not_by_number_are_a_sentence(load, classifier, names):
    with pytest.raises(AssertionError, match=r"id2label in the config.json of .* has to name the classes by their numbers, as in \{"):
        load(change_config(classifier(), id2label=names))


def test_outputs_that_are_numbered_from_one_are_not_read_and_said(load, classifier):
    run = load(change_config(classifier(), id2label={"1": "animals", "2": "food", "3": "weather"}))
    assert run.metrics["readout"] == "linear_probe"
    assert "its classifier, since id2label of its config.json numbers the outputs 1, 2, 3 ... and not from 0" in run.facts["load"]["left_out"]


def test_names_that_contradict_each_other_are_said(load, classifier):
    said = "the names of id2label, which label2id of its config.json contradicts"
    assert said not in load(classifier()).facts["load"]["assumed"]
    run = load(change_config(classifier(), label2id={"animals": 2, "food": 1, "weather": 0}))
    assert (run.metrics["readout"], said in run.facts["load"]["assumed"]) == ("head", True)


@pytest.mark.parametrize(("kind", "name"), [(torch.bfloat16, "bfloat16"), (torch.float16, "float16"), (torch.float32, None)])
def test_weights_in_half_precision_are_read_in_float32_and_said(store, load, classifier, tiny_dataset, kind, name):
    folder = change_weights(classifier(), lambda state: {key: value.to(kind) for key, value in state.items()})
    run = load(folder)
    assert [one for one in run.facts["load"]["read"] if "stored as" in one] == ([f"its weights, stored as {name}, in float32"] if name else [])
    arrays = store.arrays(run.id)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    text = AutoTokenizer.from_pretrained(folder)(tiny_dataset.texts[arrays.row_ids[0]], return_tensors="pt")
    expected = model(**text).logits[0].detach().numpy()
    np.testing.assert_allclose(arrays.scores["head"][0], expected, atol=1e-4 * np.abs(expected).max())
