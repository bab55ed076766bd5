"""Numbers and runs in words, the same on every page."""

from __future__ import annotations

import time

from dmlviz.core.types import Run
from dmlviz.figures.base.theme import method_title


def percent(share: float | None) -> str:
    """92.4; an en dash where there is no number."""
    return "–" if share is None else f"{100 * share:.1f}"


def score(run: Run) -> str:
    """'92.4 % (single run)': a lone seed says so."""
    return f"{percent(run.metrics['accuracy'])} % (single run)" if "accuracy" in run.metrics else "no test part"


READOUTS = {
    "head": "head: the linear layer trained by cross-entropy",
    "centers": "centres: similarity to the loss's centres",
    "mixed": "mixed: head and unscaled similarity to the centres, weighted as in the loss",
    "knn": "kNN: vote of the nearest support texts",
    "linear_probe": "linear probe: logistic regression on the support",
    "propagation": "propagation: labels spread over the similarity graph",
}


def readouts(run: Run) -> list[str]:
    """Readouts that a run stored, its own first."""
    if "accuracy" not in run.metrics:
        return []
    ends = "_accuracy"
    others = [key.removesuffix(ends) for key in run.metrics if key.endswith(ends) and not key.endswith("validation_accuracy")]
    return [run.metrics["readout"], *others]


def accuracy_by(run: Run, readout: str | None, what: str = "accuracy") -> float | None:
    """A share of 1 under this readout (None: the run's own), or None when the run has not stored it."""
    own = readout is None or readout == run.metrics.get("readout")
    return run.metrics.get(what if own else f"{readout}_{what}")


def duration(seconds: float | None) -> str:
    """'1 min 20 s'; rounded the more the longer it is."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def ago(moment: float) -> str:
    return duration(time.time() - moment) + " ago"


def shots(run: Run) -> str:
    config = run.config
    return "all texts" if config.shots is None else f"{config.shots} {'per class' if config.shots_by == 'class' else 'in all'}"


def run_name(run: Run) -> str:
    """What a list calls a run: loss, data set, shots, both seeds and the end of the id."""
    return (
        f"{method_title(run)} · {dataset_name(run)} · {shots(run)} · "
        f"draw {run.config.support_seed}, seed {run.config.seed} · {run.id[-6:]}"
    )


def dataset_name(run: Run) -> str:
    """The name a run's data set was given when it was read."""
    return run.id.split(f"-{run.config.loss if run.origin == 'trained' else 'loaded'}-")[0]


def run_line(run: Run) -> str:
    """State and how far, in one line."""
    if run.state == "queued":
        return "waiting for a free slot"
    if run.state in ("running", "cancelling"):
        doing = {
            "training": "training",
            "embedding": "embedding the texts",
            "mapping": "making the maps",
            "loading": "loading encoder and texts",
        }
        share = f" {run.progress.done:,} of {run.progress.total:,} {run.progress.unit}s" if run.progress.total > 1 else ""
        left = f", about {duration(run.progress.eta_seconds)} left" if run.progress.eta_seconds else ""
        words = "cancelling: writing a checkpoint" if run.state == "cancelling" else doing.get(run.progress.phase, "starting")
        return words + share + left
    return run.message or run.state
