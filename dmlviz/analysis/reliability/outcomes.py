"""What a run said of its test texts: the ingredient of every reliability analysis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmlviz.core.types import InputError, Run, RunArrays, predicted_classes


class Outcome(NamedTuple):
    """A finished run, its arrays (memory-mapped) and the readout that is judged."""

    run: Run
    arrays: RunArrays
    readout: str

    @property
    def test(self) -> np.ndarray:
        """(N,) bool over the arrays' rows."""
        return self.arrays.roles == "test"

    @property
    def validation(self) -> np.ndarray:
        """(N,) bool over the arrays' rows."""
        return self.arrays.roles == "validation"

    def rows(self, part: np.ndarray) -> np.ndarray:
        """(M,) row ids into the data set."""
        return self.arrays.row_ids[part]

    def labels(self, part: np.ndarray) -> np.ndarray:
        """(M,) gold classes."""
        return np.asarray(self.arrays.labels)[part]

    def scores(self, part: np.ndarray) -> np.ndarray:
        """(M, C) float64 scores of the readout, higher is more likely."""
        return np.asarray(self.arrays.scores[self.readout][part], dtype=np.float64)

    def predicted(self, part: np.ndarray) -> np.ndarray:
        """(M,) predicted classes; UNREACHED, which is never right, where the readout says nothing."""
        return predicted_classes(self.arrays.scores[self.readout][part])

    def probabilities(self, part: np.ndarray) -> np.ndarray:
        """(M, C) softmax of the scores; readouts that store log-probabilities give these back."""
        scores = self.scores(part)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)


def outcome(run: Run, arrays: RunArrays, readout: str = "") -> Outcome:
    """The run under `readout`; empty: its own. Raises InputError where it has no test part, or has not stored that readout."""
    readout = readout or str(run.metrics.get("readout", "none"))
    if readout not in arrays.scores:
        raise InputError(f"run {run.id} has no scores of the readout {readout!r}; it has {', '.join(arrays.scores) or 'none'}")
    if not (arrays.roles == "test").any():
        raise InputError(f"run {run.id} has no test texts, so nothing can be judged")
    return Outcome(run, arrays, readout)
