"""Models fine-tuned elsewhere: what their own classifier says is what is stored and what is explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from architectures import ARCHITECTURES, write_model
from tiny_words import WORDS

from dmlviz.analysis.attribution.kind import AttributionKind, read_kind
from dmlviz.core.types import InputError
from dmlviz.explain.explain import explain
from dmlviz.explain.run_model import RunModel
from dmlviz.jobs.submit import submit_loaded
from dmlviz.jobs.worker import work


@pytest.fixture
def classifier(tiny_encoder, tiny_dataset, tmp_path):
    """A folder with a BERT classifier whose outputs are in another order than the data set's classes."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    names = list(tiny_dataset.label_names)[::-1]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = BertConfig.from_pretrained(tiny_encoder, id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
        model = BertForSequenceClassification(config)
        torch.nn.init.normal_(model.classifier.weight, std=1.0)
    folder = tmp_path / "classifier"
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return folder


@pytest.fixture
def load(store, tiny_dataset, monkeypatch):
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.jobs.worker._map", lambda *_: None)

    def make(folder, **fields) -> str:
        run_id = submit_loaded(str(folder), "tiny", store=store, dataset=tiny_dataset, shots=4, validation=6, max_length=16, **fields)
        work(store, run_id)
        assert store.run(run_id).state == "finished", store.run(run_id).message
        return run_id

    return make


def test_its_own_classifier_is_asked_and_explained(store, load, classifier):
    run_id = load(classifier)
    run, arrays = RunModel(store, run_id), store.arrays(run_id)
    assert run.readout == "head"
    some = arrays.row_ids[:10]
    texts = [run.dataset.texts[i] for i in some]
    stored = torch.from_numpy(np.array(arrays.scores["head"][:10])).softmax(dim=1).numpy()
    np.testing.assert_allclose(run.probabilities(run.tokenize(texts)), stored, atol=1e-5)
    for one in explain(run, texts, kind=AttributionKind(), gold=run.dataset.labels[some], row_ids=some):
        assert one.converged
        assert one.values.sum() == pytest.approx(one.output - one.baseline_output, abs=max(0.01 * abs(one.output - one.baseline_output), 1e-3))


def test_an_encoder_without_a_classifier_is_explained_by_its_probe(store, load, tiny_encoder):
    run_id = load(tiny_encoder)
    run = RunModel(store, run_id)
    assert run.readout == "linear_probe"
    text = run.dataset.texts[0]
    assert explain(run, [text], kind=AttributionKind())[0].converged
    with pytest.raises(InputError, match="no centres"):
        explain(run, [text], kind=read_kind("ig+soft_triple"))


def test_a_classifier_that_is_gone_is_explained_from_what_the_run_kept(store, load, classifier):
    import shutil

    run_id = load(classifier)
    shutil.rmtree(classifier)
    run, arrays = RunModel(store, run_id), store.arrays(run_id)
    stored = torch.from_numpy(np.array(arrays.scores["head"][:6])).softmax(dim=1).numpy()
    np.testing.assert_allclose(run.probabilities(run.tokenize([run.dataset.texts[i] for i in arrays.row_ids[:6]])), stored, atol=1e-5)


# ---- other architectures


@pytest.fixture
def made(tmp_path):
    """made("gpt2", label_names) -> the folder of a tiny one."""
    return lambda name, label_names=(): write_model(tmp_path / name, name, WORDS, label_names=label_names)


@pytest.mark.parametrize("name", [name for name, entry in ARCHITECTURES.items() if not entry.refused])
@pytest.mark.parametrize("head", [False, True])
def test_what_is_explained_is_what_was_stored(store, load, made, tiny_dataset, name, head):
    """Over texts of unequal length in one call: GPT-2 and its like read a padded place when they are given word vectors."""
    entry = ARCHITECTURES[name]
    run_id = load(made(name, tiny_dataset.label_names[::-1] if head else ()))
    if head and not entry.classifier_explains:
        with pytest.raises(InputError, match=r"ForSequenceClassification takes no word vectors in place of token ids, so its texts cannot be "
                                             r"explained; BERT"):
            RunModel(store, run_id)
        return
    run, arrays = RunModel(store, run_id), store.arrays(run_id)
    some = arrays.row_ids[:32]
    stored = torch.from_numpy(np.array(arrays.scores[run.readout][:32])).softmax(dim=1).numpy()
    found = run.probabilities(run.tokenize([tiny_dataset.texts[i] for i in some]))
    np.testing.assert_allclose(found, stored, atol=2e-3)
    assert (found.argmax(axis=1) == stored.argmax(axis=1)).mean() > 0.95
    assert run.words.equal == (head and entry.causal)
    lengths = {len(tiny_dataset.texts[i].split()) for i in some}
    assert len(lengths) > 3
    for one in explain(run, [tiny_dataset.texts[i] for i in some[:3]], kind=AttributionKind(baseline="zero")):
        assert one.values.shape == one.starts.shape
        assert np.isfinite(one.values).all()


def test_a_slow_tokenizer_is_one_sentence(made):
    from transformers import BertTokenizer

    from dmlviz.explain.self_test import check_tokenizer

    class Slow(BertTokenizer):
        is_fast = False

    with pytest.raises(InputError, match=r"Slow is a slow tokenizer, which does not say which characters a token covers.*save the model with a "
                                         r"fast tokenizer"):
        check_tokenizer(Slow(vocab={"[UNK]": 0, "a": 1}))


def test_a_model_that_says_something_else_by_word_vectors_is_refused_by_name(made):
    """A planted model that adds to its word vectors what it does not add when it is given them."""
    from dmlviz.encoder.loading import load_encoder
    from dmlviz.explain.gradients import WordModel
    from dmlviz.explain.self_test import checked

    encoder = load_encoder(str(made("bert")))
    forward = encoder.model.forward
    encoder.model.forward = lambda input_ids=None, inputs_embeds=None, **rest: forward(
        input_ids=input_ids, inputs_embeds=None if inputs_embeds is None else inputs_embeds * 1.5, **rest
    )
    with pytest.raises(InputError, match=r"BertModel says something else by word vectors than by token ids, so its texts cannot be explained; BERT"):
        checked(WordModel(encoder))


def test_such_a_model_trains_by_its_token_ids(made, monkeypatch, tiny_dataset):
    """Words are looked up once for all groups only where that gives the same vectors."""
    from transformers import BertModel

    from dmlviz.encoder.loading import load_encoder

    forward = BertModel.forward

    def other(self, input_ids=None, inputs_embeds=None, **rest):
        return forward(self, input_ids=input_ids, inputs_embeds=None if inputs_embeds is None else inputs_embeds * 1.5, **rest)

    place = str(made("bert"))
    monkeypatch.setattr(BertModel, "forward", other)
    encoder = load_encoder(place, max_length=16).eval()
    assert not encoder.embeds
    assert any("its texts cannot be explained" in one for one in encoder.report.assumed)
    batch = encoder.pad(encoder.token_ids(tiny_dataset.texts[:16]))
    grouped = encoder(batch).pooled
    with torch.no_grad():
        whole = encoder(batch, padding_matters=True).pooled
    torch.testing.assert_close(grouped.detach(), whole, atol=1e-5, rtol=0)
