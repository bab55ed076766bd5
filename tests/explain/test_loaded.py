"""Models fine-tuned elsewhere: what their own classifier says is what is stored and what is explained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmlviz.analysis.attribution_kind import AttributionKind, read_kind
from dmlviz.explain.explain import explain
from dmlviz.explain.run_model import RunModel
from dmlviz.records import InputError
from dmlviz.submit import submit_loaded
from dmlviz.training.worker import work


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
    monkeypatch.setattr("dmlviz.training.local.LocalEngine.wake", lambda self: None)
    monkeypatch.setattr("dmlviz.training.worker._map", lambda *_: None)

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


def test_a_classifier_that_is_gone_is_one_sentence(store, load, classifier):
    import shutil

    run_id = load(classifier)
    shutil.rmtree(classifier)
    with pytest.raises(InputError, match="is no folder here"):
        RunModel(store, run_id)
