"""Stored attributions to what the pictures take."""

from __future__ import annotations

from collections.abc import Sequence

from dmlviz import desk
from dmlviz.analysis.attribution_kind import other_baselines, read_kind
from dmlviz.figures.attribution_frame import AttributionInput
from dmlviz.records import InputError
from dmlviz.store import Store
from dmlviz.store_attributions import stored_attributions, stored_sanity


def attribution_inputs(store: Store, run_ids: Sequence[str], kind: str = "ig", typed: str = "") -> list[AttributionInput]:
    """The runs' attributions of this kind, in the given order; `typed` is the ticket of a typed sentence, whose row id is -1.

    A run without any has an empty table. Those from other baselines come with them. Raises InputError for an unknown kind, and for an answer that is
    no longer kept.
    """
    siblings = {other.baseline: str(other) for other in other_baselines(read_kind(kind))}
    if not typed:
        made = []
        for run_id in run_ids:
            others = {name: found for name, other in siblings.items() if (found := stored_attributions(store, run_id, other))}
            own = stored_attributions(store, run_id, kind)
            made.append(AttributionInput(store.run(run_id), own, kind, None, stored_sanity(store, run_id, kind), others))
        return made
    ticket, answer = desk.typed_ticket(store, typed), desk.typed_answer(store, typed)
    if ticket is None or not answer:
        raise InputError("this typed sentence is no longer kept; type it again on the Attributions page")
    text = ticket.request["text"], ticket.request["pair"]
    here = {run_id: one for run_id, one in answer.items() if not isinstance(one, str)}
    return [AttributionInput(store.run(run_id), {-1: here[run_id]} if run_id in here else {}, kind, text) for run_id in run_ids]
