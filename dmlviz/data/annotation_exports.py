"""What annotation tools write: records in the shape of Label Studio, Argilla and Prodigy become flat ones; rows that an annotator rejected go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dmlviz.core.types import ReaderNote
from dmlviz.core.wording import count_of, note, shown
from dmlviz.data.places import at
from dmlviz.data.tables import Table

ANSWERS = {"accept", "reject", "ignore"}  # Prodigy's


def flat_records(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[ReaderNote, ...]]:
    """Records with texts and labels at the top: {"data": {"text": …}, "annotations": […]} becomes {"text": …, "label": …}."""
    for title, is_one, flat in (
        ("Label Studio", _is_label_studio, _of_label_studio), ("Argilla", _is_argilla, _of_argilla), ("Prodigy", _is_prodigy_choice, _of_prodigy)
    ):  # fmt: skip
        if all(map(is_one, records)):
            sentence = f"read as an export of {title}: {count_of(len(records), 'record')}."
            return [flat(record) for record in records], note("export", len(records), sentence)
    return list(records), ()


def accepted_rows(table: Table) -> Table:
    """Without the rows that a Prodigy annotator rejected or passed over, which is said; other tables as they are."""
    answers = table.columns.get("answer")
    if answers is None or not {"accept"} <= set(answers) <= ANSWERS:
        return table
    left_out = [i for i, answer in enumerate(answers) if answer != "accept"]
    if not left_out:
        return table
    found = f"{count_of(len(left_out), 'row')} whose {shown('answer')} is reject or ignore left out{at(table.places().named(left_out))}."
    kept = table.take([i for i, answer in enumerate(answers) if answer == "accept"])
    return kept._replace(notes=table.notes + note("rejected", len(left_out), found))


# ---- Label Studio: {"data": {...}, "annotations": [{"result": [{"type": "choices", "from_name": …, "value": {"choices": […]}}]}]}


def _is_label_studio(record: dict[str, Any]) -> bool:
    return isinstance(record.get("data"), dict) and isinstance(record.get("annotations", record.get("completions")), list)


def _of_label_studio(record: dict[str, Any]) -> dict[str, Any]:
    choices: dict[str, list[str]] = {}
    for annotation in record.get("annotations", record.get("completions")):
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result") or []:
            value = result.get("value") if isinstance(result, dict) else None
            if isinstance(value, dict) and isinstance(value.get("choices"), list):
                choices.setdefault(str(result.get("from_name")), []).extend(value["choices"])
    answers = {question: list(dict.fromkeys(map(str, found))) for question, found in choices.items()}
    return {**record["data"], **({"label": next(iter(answers.values()))} if len(answers) == 1 else answers)}


# ---- Argilla: version 2 {"fields": {...}, "responses": {question: [{"value": …}]}}, before [{"values": {question: {"value": …}}}]


def _is_argilla(record: dict[str, Any]) -> bool:
    return isinstance(record.get("fields"), dict) and isinstance(record.get("responses"), dict | list)


def _of_argilla(record: dict[str, Any]) -> dict[str, Any]:
    answers: dict[str, list[Any]] = {}
    responses = record["responses"]
    if isinstance(responses, dict):
        for question, given in responses.items():
            for one in given if isinstance(given, list) else [given]:
                answers.setdefault(question, []).append(one.get("value") if isinstance(one, dict) else one)
    else:
        for one in responses:
            values = one.get("values") if isinstance(one, dict) and one.get("status", "submitted") == "submitted" else None
            for question, given in (values or {}).items():
                answers.setdefault(question, []).append(given.get("value") if isinstance(given, dict) else given)
    distinct = {question: _once(found) for question, found in answers.items()}
    return {**record["fields"], **({"label": next(iter(distinct.values()))} if len(distinct) == 1 else distinct)}


def _once(values: Sequence[Any]) -> list[Any]:
    """The different values, in order; lists (several labels) are taken apart."""
    flat = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
    return [value for i, value in enumerate(flat) if value is not None and value not in flat[:i]]


# ---- Prodigy's choice interface: {"text": …, "options": […], "accept": [id], "answer": "accept"}


def _is_prodigy_choice(record: dict[str, Any]) -> bool:
    return isinstance(record.get("accept"), list) and isinstance(record.get("options"), list) and "answer" in record


def _of_prodigy(record: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in record.items() if key not in ("options", "accept")}, "label": record["accept"]}
