"""A bundle's runs, trained again from their configs into a home of one's own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmlviz.core.places import place_name
from dmlviz.core.types import ACTIVE_STATES, InputError, RunConfig, TextDataset
from dmlviz.data import load_dataset
from dmlviz.export.bundle.reading import check_files
from dmlviz.jobs.local import LocalEngine
from dmlviz.jobs.submit import submit
from dmlviz.store.runs import Store

LOOK_SECONDS = 1.0
SPLIT = re.compile(r"splits/[0-9a-f]{16}\.json")
Say = Callable[[str], None]


def retrain(folder: Path, store: Store, *, places: Sequence[Path] = (), put: Say, say: Say) -> bool:
    """Submit every config that has no equal run here, wait for all, and compare draws and accuracies; True when all finished on the same draws.

    A bundle names files and folders of its maker by their last name only: they are looked for in `places`, then where the command runs.
    Raises InputError for a folder that is no bundle, and for texts that are not those of the bundle: then nothing has been trained.
    """
    wanted = [_placed(run, places) for run in _wanted(folder)]
    texts = {run["config"]["dataset"]: load_dataset(run["config"]["dataset"], home=store.home) for run in wanted}
    for run in wanted:
        _same_texts(run, texts[run["config"]["dataset"]])
    there = {run.config.model_dump_json(): run.id for run in store.runs() if run.state not in ("failed", "cancelled", "interrupted")}
    pairs, same = [], True
    for run in wanted:
        config = RunConfig.model_validate(run["config"])
        run_id = there.get(config.model_dump_json()) or submit(config, store=store, dataset=texts[config.dataset])
        put(run_id)
        if not _same_draw(json.loads((folder / run["split"]).read_text(encoding="utf-8")), store, run_id):
            say(f"run {run_id} was drawn otherwise than {run['run']}: this version of DMLViz draws differently")
            same = False
        pairs.append((run, run_id))
    _follow(store, [run_id for _, run_id in pairs], say)
    return _compared(store, pairs, say) and same


def _wanted(folder: Path) -> list[Mapping[str, Any]]:
    """What configs/ holds, less the runs that were fine-tuned elsewhere, whose training is not known here."""
    check_files(folder)
    try:
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "configs").glob("*.json"))]
        found = [run for run in found if run.get("origin", "trained") == "trained"]
        for run in found:
            run["config"] = RunConfig.model_validate(run["config"]).model_dump(mode="json")
            names = [one for one in map(run["config"].get, ("dataset", "encoder", "tokenizer")) if one]
            if not isinstance(run["run"], str) or not SPLIT.fullmatch(run["split"]) or names != list(map(place_name, names)):
                raise ValueError("a name that no bundle gives")
            json.loads((folder / run["split"]).read_text(encoding="utf-8"))["support"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the configs of {folder} cannot be read ({type(error).__name__}); take the bundle's own files again") from None
    if not found:
        raise InputError(f"{folder} has no configs of trained runs; name a folder that `bundle` made")
    return found


def _placed(run: Mapping[str, Any], places: Sequence[Path]) -> Mapping[str, Any]:
    """The run with the data set and the encoder as they are called here."""
    config = dict(run["config"])
    for field in ("dataset", "encoder"):
        found = [place / config[field] for place in places if (place / config[field]).exists()]
        config[field] = str(found[0].resolve()) if found else config[field]
    return {**run, "config": config}


def _same_texts(run: Mapping[str, Any], dataset: TextDataset) -> None:
    if dataset.content_hash != run["config"].get("dataset_hash"):
        raise InputError(
            f"{run['config']['dataset']} holds other texts here than when {run['run']} was trained (hash {dataset.content_hash[:8]} instead of "
            f"{str(run['config'].get('dataset_hash'))[:8]}); bring the same texts, for example with $DMLVIZ_DATA"
        )


def _same_draw(split: Mapping[str, Any], store: Store, run_id: str) -> bool:
    drawn = store.split(run_id)
    return all(np.array_equal(np.asarray(split[name]), np.asarray(getattr(drawn, name))) for name in ("support", "validation", "test"))


def _follow(store: Store, run_ids: Sequence[str], say: Say) -> None:
    engine, said = LocalEngine(store), -1
    while True:
        ended = sum(store.run(run_id).state not in ACTIVE_STATES for run_id in run_ids)
        if ended != said:
            say(f"{ended:,} of {len(run_ids):,} runs have ended")
        said = ended
        if ended == len(run_ids):
            return
        engine.poll()
        time.sleep(LOOK_SECONDS)


def _compared(store: Store, pairs: Sequence[tuple[Mapping[str, Any], str]], say: Say) -> bool:
    finished = [(run, store.run(run_id)) for run, run_id in pairs if store.run(run_id).state == "finished"]
    both = [(float(run["metrics"]["accuracy"]), float(again.metrics["accuracy"])) for run, again in finished
            if "accuracy" in run.get("metrics", {}) and "accuracy" in again.metrics]  # fmt: skip
    if both:
        apart = [abs(before - after) for before, after in both]
        say(f"accuracy: {sum(gap == 0 for gap in apart):,} of {len(both):,} runs equal, largest difference {100 * max(apart):.2f} points")
    missing = len(pairs) - len(finished)
    if missing:
        say(f"{missing:,} of {len(pairs):,} runs did not finish; see `runs`, mend the reason and give the command again")
    return missing == 0
