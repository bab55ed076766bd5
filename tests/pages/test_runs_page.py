"""The Runs page with a model from elsewhere: its load report, and nothing that claims to know its training."""

from __future__ import annotations

import pytest
import waiting
from architectures import write_model
from tiny_words import WORDS

from dmlviz.jobs.submit import submit_loaded


@pytest.fixture
def loaded(own_home, tiny_dataset, tmp_path, monkeypatch):
    """A home whose newest run is a loaded classifier with hostile class names of its own."""
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    folder = write_model(tmp_path / "theirs", "bert", WORDS, label_names=("<b>pos</b>", "neg"))
    run_id = submit_loaded(str(folder), "tiny", store=own_home.store, dataset=tiny_dataset, shots=2)
    waiting.train(own_home.store, [run_id])
    return own_home


def test_the_load_report_and_the_reason_of_the_readout_stand_beside_the_numbers(visit, loaded):
    app = visit("runs", loaded.store.home, runs_table={"selection": {"rows": [0], "columns": []}})
    said = " ".join(str(one.proto.body) for one in app.get("html"))
    assert "<dt>Model</dt><dd>theirs, BertModel (Hugging Face checkpoint)</dd>" in said
    assert "Its own classifier, since its classes (&lt;b&gt;pos&lt;/b&gt;, neg) are not the data set&#x27;s (animals, food, weather)" in said
    assert "<b>pos" not in said
    captions = " ".join(one.value for one in app.caption).replace("\\", "")
    assert "It predicts by a linear probe on the support texts; not read: its own classifier" in captions
    config = next(one.value for one in app.dataframe if "Field" in one.value).set_index("Field").iloc[:, 0]
    assert config["loss"] == config["epochs"] == "not known"
    assert config["max_length"] == "128"
    table = next(one.value for one in app.dataframe if "Loss" in one.value)
    assert table["Loss"].iloc[0] == "theirs (loaded)"
    assert table["Readout"].iloc[0] == "linear probe"


def test_a_trained_run_shows_its_encoder_too(visit, loaded):
    app = visit("runs", loaded.store.home, runs_table={"selection": {"rows": [2], "columns": []}})
    assert "Class-token pooling, since it does not say how it pools" in " ".join(str(one.proto.body) for one in app.get("html"))


def test_what_the_form_offers_reaches_the_run(visit, loaded, tiny_csv, monkeypatch):
    monkeypatch.setattr("dmlviz.jobs.local.LocalEngine.wake", lambda self: None)
    app = visit("runs", loaded.store.home)
    app.text_input(key="load_model").set_value(loaded.store.run(loaded.tiny).config.encoder).run()
    app.selectbox(key="train_data").set_value("own").run()
    app.text_input(key="train_path").set_value(str(tiny_csv)).run()
    app.number_input(key="load_length").set_value(20)
    app.selectbox(key="load_pooling").set_value("max")
    app.text_input(key="load_tokenizer").set_value(loaded.store.run(loaded.tiny).config.encoder)
    app.button(key="load_go").click().run()
    assert not app.exception
    made = loaded.store.runs()[0].config
    assert (made.max_length, made.pooling, made.control) == (20, "max", "as_loaded")
    assert made.tokenizer == made.encoder
