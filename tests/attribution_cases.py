"""Attributions made by hand, for tests that need no model."""

from __future__ import annotations

import numpy as np

from dmlviz.core.types import TokenAttribution
from dmlviz.explain.words import word_spans

SOUND = {
    "comprehensiveness": 0.4, "sufficiency": 0.1, "comprehensiveness_removed": 0.4, "sufficiency_removed": 0.1, "random_comprehensiveness": 0.1,
    "random_comprehensiveness_most": 0.2, "random_sufficiency": 0.3, "tau": 0.5, "top_drop": 0.3, "deletion": 0.3, "insertion": 0.7,
    "random_deletion": 0.5, "random_insertion": 0.5,
}  # fmt: skip


def attribution(text: str, values, *, row_id: int = 0, class_id: int = 0, pair: str | None = None, checks=None, **fields) -> TokenAttribution:
    """Of the words that the package itself finds in the text (and its second one)."""
    first, second = word_spans(text), word_spans(pair or "")
    spans = [*first, *second]
    values = np.asarray(values, dtype=np.float32)
    assert len(values) == len(spans), [text[a:b] for a, b in first]
    given = {
        "row_id": row_id, "starts": np.array([a for a, _ in spans]), "ends": np.array([b for _, b in spans]),
        "second": np.array([False] * len(first) + [True] * len(second)), "values": values, "drops": values, "class_id": class_id,
        "predicted": class_id, "probability": 0.9, "output": float(values.sum()), "baseline_output": 0.0, "delta": 0.0, "steps": 32,
        "converged": True, "outside": 0.0, "cut": 0, "unknown": 0, "checks": {**SOUND, **(checks or {})},
        "deletion": np.linspace(0.9, 0.1, 11, dtype=np.float32), "insertion": np.linspace(0.1, 0.9, 11, dtype=np.float32),
    }  # fmt: skip
    return TokenAttribution(**{**given, **fields})
