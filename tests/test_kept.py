"""What older versions wrote still opens: one home with two runs and a tray, and one bundle, of each generation that is kept."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from dmlviz.cli.main import main
from dmlviz.export.tray import tray
from dmlviz.store.runs import Store

KEPT = sorted((Path(__file__).parent / "kept").glob("*.zip"))


@pytest.fixture(params=KEPT, ids=[path.stem for path in KEPT])
def kept(request, tmp_path) -> Path:
    """home/, paper/ (its bundle) and ids (its runs)."""
    zipfile.ZipFile(request.param).extractall(tmp_path)
    return tmp_path


def test_runs_of_an_older_version_open_and_are_sound(kept, capsys):
    store, ids = Store(kept / "home"), (kept / "ids").read_text().split()
    assert [store.run(one).state for one in ids] == ["finished"] * 2
    for run_id in ids:
        run, arrays = store.run(run_id), store.arrays(run_id)
        test, guessed = arrays.roles == "test", arrays.scores[run.metrics["readout"]].argmax(axis=1)
        assert np.mean(guessed[test] == arrays.labels[test]) == pytest.approx(run.metrics["accuracy"])
        assert arrays.labels.tolist() == store.dataset(run.config.dataset_hash).labels[arrays.row_ids].tolist()
        assert {one.method: len(one.points) for one in store.projections(run_id)} == {"pca": 18, "umap": 18}
    assert main(["verify", "all", "--home", str(store.home)]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [f"{one}: ok" for one in sorted(ids)]


def test_a_tray_and_a_bundle_of_an_older_version_draw_again(kept, capsys):
    store = Store(kept / "home")
    assert [[panel.name for panel in sheet.panels] for sheet in tray(store.home)] == [["manifold"], ["curves"]]
    assert main(["bundle", "--home", str(store.home), "--out", str(kept / "again")]) == 0
    assert main(["rebuild", str(kept / "paper"), "--out", str(kept / "rebuilt")]) == 0
    names = sorted(path.name for path in (kept / "paper" / "figures").iterdir())
    for folder in ("again", "rebuilt"):
        assert sorted(path.name for path in (kept / folder / "figures").iterdir()) == names
