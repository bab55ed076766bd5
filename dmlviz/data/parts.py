"""The parts of a data set, read one by one: the columns are those of the training part, and a part without labels is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import replace

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import note, shown
from dmlviz.data.columns import Mapping, guess_notes, map_columns, rows_of
from dmlviz.data.label_columns import with_class_column
from dmlviz.data.places import Segment
from dmlviz.data.rows import Rows, is_blank
from dmlviz.data.tables import Table, is_usual_name, said_columns

PART_TITLES = {"train": "training", "val": "validation", "test": "test"}
HIDDEN = "-1"  # how GLUE writes a label that it keeps to itself


def rows_of_parts(tables: MappingOf[str, Sequence[tuple[str, Table]]], name: str, **chosen: str | None) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The rows of all parts, part by part; each part is one table or several (shards) with their names.

    Columns are chosen or guessed in the first training table and hold for all. Raises InputError where a part lacks the texts, or the training
    part the labels.
    """
    first_name, first = tables["train"][0]
    first = with_class_column(first)
    mapping = map_columns(first, first_name, **chosen)._replace(part=None)  # the file or split says the part
    notes = guess_notes(mapping, first, guessed=chosen.get("text") is None or chosen.get("label") is None)
    pieces: list[Rows] = []
    for part, files in tables.items():
        for file_name, table in files:
            table = with_class_column(_like(table, first, file_name) if table is not first else table)
            _check_columns(table, file_name, mapping, first_name)
            rows, more = rows_of(table, file_name, mapping)
            segments = tuple(Segment(file_name.rsplit("/", 1)[-1], one.unit, one.numbers) for one in rows.places.segments)
            pieces.append(replace(rows, parts=[part] * len(rows.texts), places=replace(rows.places, segments=segments)))
            notes += table.notes + more
    rows, more = visible_parts(joined(pieces), name)
    return rows, merged_notes((*notes, *more))


def _like(table: Table, first: Table, name: str) -> Table:
    """A part as wide as the training part, where one of the two files has a header and the other none, gets the training part's columns."""
    if len(table.columns) != len(first.columns) or table.header == first.header:
        return table
    cells = list(table.columns.values())
    lines = table.lines
    if not first.header and not any(map(is_usual_name, table.columns)):  # what was taken for this file's header is a row
        cells = [[head, *column] for head, column in zip(table.columns, cells, strict=True)]
        lines = [lines[0] - 1, *lines]
    which = "no header line" if first.header else "its own header line or none"
    said = f"{name} has {which}; its columns were taken in the order of the training part."
    columns = dict(zip(first.columns, cells, strict=True))
    return table._replace(columns=columns, lines=lines, header=first.header, notes=table.notes + note("columns", 1, said))


def _check_columns(table: Table, name: str, mapping: Mapping, first_name: str) -> None:
    for column, option in ((mapping.text, "text"), (mapping.text_pair, "pair")):
        if column is not None and column not in table.columns:
            found = f"{name} has no column {shown(column)}, from which {first_name} has its texts; its columns are {said_columns(table)}"
            raise InputError(f"{found}. Give all parts the same columns, or choose others with --{option}-column.")


def joined(pieces: Sequence[Rows]) -> Rows:
    """The rows one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    before, numbers, places = 0, [], pieces[0].places
    for i, piece in enumerate(pieces):
        numbers += [before + number for number in (range(len(piece.texts)) if piece.numbers is None else piece.numbers)]
        before += len(piece.places)
        places = places if i == 0 else places + piece.places
    pairs = None if pieces[0].pairs is None else [pair for piece in pieces for pair in piece.pairs or ()]
    columns = [[value for piece in pieces for value in getattr(piece, column)] for column in ("texts", "labels", "parts")]
    orders = {piece.class_order for piece in pieces} - {None}
    return Rows(*columns, pairs, places, numbers, orders.pop() if len(orders) == 1 else None)  # of two orders, neither is the data set's


def visible_parts(rows: Rows, name: str) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """Without the parts whose labels are hidden: none is there, or all are -1 where training has no -1. Then validation is the test, which is said.

    Raises InputError where it is the training part.
    """
    labels: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}
    counts = dict.fromkeys(labels, 0)
    for (label, part), count in Counter(zip(rows.labels, rows.parts, strict=True)).items():
        counts[part] += count
        if label is not None and not is_blank(label):
            labels[part].add(label.strip())
    there = [part for part in labels if counts[part]]
    if "train" in there and not labels["train"] and (other := next((part for part in there if labels[part]), None)):
        raise InputError(f"{name}: the training part has no labels, only the {PART_TITLES[other]} part; give the training rows labels.")
    rows = _without_hidden(rows, labels)
    hidden = [part for part in ("val", "test") if counts[part] and labels["train"] and _is_hidden(labels[part], labels["train"])]
    if not hidden:
        return rows, ()
    moves = {"val": "test"} if "test" in hidden and "val" in there and "val" not in hidden else {}
    kept = [i for i, part in enumerate(rows.parts) if part not in hidden]
    left_out = f"{' and '.join(PART_TITLES[part] for part in hidden)} rows without labels left out ({sum(counts[part] for part in hidden):,})"
    instead = "; the validation part is the test part here" if moves else ""
    if "test" in hidden and not moves:
        instead = "; the test part is cut from the training texts"
    rows = rows.take(kept)
    rows = replace(rows, parts=[moves.get(part, part) for part in rows.parts])
    return rows, note("part", len(there), f"{name}: {left_out}{instead}.")


def _without_hidden(rows: Rows, labels: dict[str, set[str]]) -> Rows:
    """-1 is no label in a part of its own, where training does not know it."""
    parts = {part for part in ("val", "test") if HIDDEN in labels[part] and HIDDEN not in labels["train"] and labels["train"]}
    if not parts:
        return rows
    unlabelled = [part in parts and label is not None and label.strip() == HIDDEN for label, part in zip(rows.labels, rows.parts, strict=True)]
    return replace(rows, labels=[None if hidden else label for label, hidden in zip(rows.labels, unlabelled, strict=True)])


def _is_hidden(labels: set[str], training: set[str]) -> bool:
    return not labels or (labels == {HIDDEN} and HIDDEN not in training)


def merged_notes(notes: Sequence[ReaderNote]) -> tuple[ReaderNote, ...]:
    """The notes, each sentence once."""
    return tuple({(each.kind, each.sentence): each for each in notes}.values())
