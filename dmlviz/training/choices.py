"""What a config's words come to for its loss: which readouts apply, which batches are drawn. Loads no torch."""

from __future__ import annotations

from dmlviz.core.types import InputError, RunConfig
from dmlviz.losses import check_ce_weight, find_loss

READOUTS = ("head", "centers", "mixed", "knn", "linear_probe", "propagation")  # in the order they are shown


def readouts_of(*, head: bool, centers: bool, mixed: bool) -> tuple[str, ...]:
    """The readouts of a model with these parts. The last three ask only for the vectors of the support set."""
    parts = {"head": head, "centers": centers, "mixed": mixed and head and centers}
    return tuple(name for name in READOUTS if parts.get(name, True))


def check_readout(config: RunConfig) -> None:
    """Raises InputError when the readout asked for cannot be made of what the loss trains."""
    weight = check_ce_weight(config.loss, config.ce_weight)
    known = readouts_of(head=weight > 0, centers=find_loss(config.loss).has_centers, mixed=0 < weight < 1)
    if config.readout not in ("auto", *known):
        raise InputError(no_such_readout(config.readout, f"{config.loss} with ce_weight {weight:g}", known))


def no_such_readout(asked: str, who: str, known: tuple[str, ...]) -> str:
    """The sentence for a readout that a run has not: what it lacks, and which ones there are."""
    lacks = {
        "head": "it has no head, which cross-entropy trains",
        "centers": "it has no centres",
        "mixed": "mixed takes a head and centres, and a ce_weight between 0 and 1",
    }
    return f"readout {asked} does not apply to {who}: {lacks.get(asked, 'it cannot be made')}; choose auto or one of {', '.join(known)}"


def balances(config: RunConfig) -> bool:
    """Are the run's batches drawn with near-equal class shares?"""
    return find_loss(config.loss).balances(config.batches)
