"""Is a finished run still what it was? Its files are compared with their checksums, its numbers with what its stored scores say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dmlviz.core.types import DamagedError, Run
from dmlviz.store.runs import Store

NEAR = 1e-6  # of shares: another machine may add in another order


def verify(store: Store, run_id: str) -> list[str]:
    """Sentences for everything that is not as it was when the run finished; an empty list is a sound run. Raises InputError for a run that is not
    here."""
    problems: list[str] = []
    try:
        run, problems = store.run(run_id), store.verify(run_id)
        return [*problems, *_numbers(run, recomputed(store, run))] if run.state == "finished" else problems
    except DamagedError as error:
        return problems or [str(error)]


def recomputed(store: Store, run: Run) -> dict[str, Any]:
    """The run's metrics, made again from its stored scores and labels. Raises DamagedError where they cannot be read."""
    from dmlviz.training.readouts import metrics_of  # torch loads here

    arrays, own = store.arrays(run.id), str(run.metrics.get("readout", ""))
    names = sorted(arrays.scores, key=lambda name: name != own)  # the first is the run's own
    scores = {name: np.asarray(arrays.scores[name]) for name in names}
    names = store.dataset(run.config.dataset_hash or "").label_names
    found = metrics_of(scores, np.asarray(arrays.labels), store.split(run.id), names)
    found = found if "n_classes" in run.metrics or "n_classes" not in found else _as_before(found)
    return found if any(name.endswith("n_unreached") for name in run.metrics) else _reached(found)


def _as_before(found: Mapping[str, Any]) -> dict[str, Any]:
    """Less what a run of an earlier version does not have, or where it means something else: macro-F1 was over the classes of its part."""
    other = {"n_classes", "n_untested", "untested"}
    means = ("macro_f1",) if "untested" in found else ("validation_macro_f1",)
    return {name: value for name, value in found.items() if name not in other and not name.endswith(means)}


def _reached(found: Mapping[str, Any]) -> dict[str, Any]:
    """Less the numbers of readouts that leave texts without a prediction, for a run that does not count these: an earlier version took them for the
    first class."""
    prefixes = [name.removesuffix("n_unreached") for name in found if name.endswith("n_unreached")]
    other = {f"{prefix}{part}{key}" for prefix in prefixes for part in ("", "validation_") for key in ("accuracy", "macro_f1", "n_unreached")}
    return {name: value for name, value in found.items() if name not in other}


def _numbers(run: Run, again: Mapping[str, Any]) -> list[str]:
    """A sentence for every number of the run that its scores do not say."""
    told = []
    for name, value in again.items():
        stored = run.metrics.get(name)
        if stored is None:
            told.append(f"status.json has no {name}; the stored scores say {_word(value)}")
        elif not _same(stored, value):
            told.append(f"status.json says {name} {_word(stored)}; the stored scores say {_word(value)}")
    return told


def _same(stored: Any, value: Any) -> bool:
    if not isinstance(value, int | float) or not isinstance(stored, int | float):
        return list(stored) == list(value) if isinstance(value, list) and isinstance(stored, list | tuple) else stored == value
    return math.isclose(float(stored), float(value), rel_tol=0, abs_tol=NEAR) or (math.isnan(stored) and math.isnan(value))


def _word(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
