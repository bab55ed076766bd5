"""The searches on the Train page: what a search is doing is said from the first moment, and a stopped one goes on."""

from __future__ import annotations

import optuna
import pytest
from test_pages import button, words

from dmlviz.core.types import RunConfig
from dmlviz.data import read_file
from dmlviz.jobs import tuning


@pytest.fixture
def study(own_home, tiny_csv, tiny_encoder, monkeypatch):
    """A study of two trials that nobody works on, with one trial done; starting a process is only counted."""
    started = []
    monkeypatch.setattr("dmlviz.jobs.tuning.subprocess.Popen", lambda command, **rest: started.append(command))
    store, dataset = own_home.store, read_file(tiny_csv)
    config = RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), loss="supcon", shots=4, validation=6, epochs=2, batch_size=4)
    name = tuning.open_study(store, config, dataset=dataset, trials=2)
    whole = tuning._load(store, name)
    trial = whole.ask({"lr": optuna.distributions.CategoricalDistribution((1e-5, 2e-5))})
    trial.set_user_attr("run_id", own_home.tiny)
    whole.tell(trial, 0.75)
    return own_home, name, started


def test_a_stopped_search_shows_its_trials_and_goes_on(visit, study):
    home, name, started = study
    app = visit("train", home.store.home)
    assert "stopped: 1 of 2 trials; best validation accuracy 0.750" in words(app).replace("\\", "")
    table = next(one.value for one in app.dataframe if "Trial" in one.value)
    assert table["Run"].tolist() == [home.tiny]
    assert table["Settings"][0].startswith("lr ")
    started.clear()
    button(app, "Go on").click().run()
    assert [command[2:6] for command in started if "tune" in command] == [["dmlviz", "tune", "--name", name]]
    assert "starting: 1 of 2 trials" in words(app).replace("\\", "")
    assert "libraries are loaded" in words(app)
    assert not [one for one in app.button if one.label == "Go on"]
