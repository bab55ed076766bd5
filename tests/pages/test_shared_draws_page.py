"""The Overview orders losses by the draws that all have, and says where that is not the mean it shows."""

from __future__ import annotations

import json

from group_homes import add_runs, dataset
from test_pages import words

from dmlviz.store.runs import Store


def test_losses_are_ordered_by_the_draws_that_all_have(tmp_path, visit):
    """SupCon lacks the worst draw of cross-entropy: as drawn it leads, on common draws it does not."""
    store = Store(tmp_path / "home")
    made = dataset()
    add_runs(store, made, losses=("cross_entropy", "supcon"), shots=(4,), draws=4)
    shares = {"cross_entropy": (0.62, 0.61, 0.60, 0.20), "supcon": (0.60, 0.60, 0.60)}
    for run in store.runs():
        draw = run.config.support_seed
        if run.config.loss == "supcon" and draw == 3:
            store.delete(run.id)
            continue
        path = store.home / "runs" / run.id / "status.json"
        status = json.loads(path.read_text())
        status["metrics"] = {**status["metrics"], "accuracy": shares[run.config.loss][draw]}
        path.write_text(json.dumps(status))
    page = visit("overview", store.home)
    table = page.dataframe[0].value
    assert [loss.split(",")[0] for loss in table["Loss"]] == ["Cross-entropy", "SupCon"]
    assert table["Accuracy %"].round(2).tolist() == [50.75, 60.0]  # the means of all draws, as they are
    said = words(page).replace("\\", "")
    assert "ordered by means over the 3 draws that all methods share (left out: 1 of Cross-entropy): Cross-entropy 61.0, SupCon 60.0." in said
