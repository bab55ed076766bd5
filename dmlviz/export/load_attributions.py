"""Stored attributions to what the pictures take."""

from __future__ import annotations

from collections.abc import Sequence

from dmlviz.analysis.attribution.kind import other_baselines, read_kind
from dmlviz.core.types import InputError
from dmlviz.core.wording import count_of
from dmlviz.figures.attribution.frame import AttributionInput
from dmlviz.jobs import tasks
from dmlviz.store.attributions import read_parts, stored_attributions, stored_sanity
from dmlviz.store.runs import Store


def lacking_words(inputs: Sequence[AttributionInput]) -> list[str]:
    """Sentences on runs that have nothing to show where others have, and on stored attributions that cannot be read."""
    without = [one.run.id for one in inputs if not one.found]
    words = [f"left out: run {run_id}, of which no text has been explained this way" for run_id in without if len(without) < len(inputs)]
    return words + damaged_words(inputs)


def damaged_words(inputs: Sequence[AttributionInput]) -> list[str]:
    """A sentence for each run whose stored attributions cannot all be read."""
    return [
        f"{count_of(one.damaged, 'file')} of attributions of run {one.run.id} cannot be read; the texts in it count as not explained. "
        "'python -m dmlviz attribute' or the Attributions page explains them again"
        for one in inputs if one.damaged
    ]  # fmt: skip


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
            own = read_parts(store, run_id, kind)
            made.append(AttributionInput(store.run(run_id), own.found, kind, None, stored_sanity(store, run_id, kind), others, own.damaged))
        return made
    ticket, answer = tasks.typed_ticket(store, typed), tasks.typed_answer(store, typed)
    if ticket is None or not answer:
        raise InputError("this typed sentence is no longer kept; type it again on the Attributions page")
    text = ticket.request["text"], ticket.request["pair"]
    here = {run_id: one for run_id, one in answer.items() if not isinstance(one, str)}
    return [AttributionInput(store.run(run_id), {-1: here[run_id]} if run_id in here else {}, kind, text) for run_id in run_ids]
