"""Which column holds the text, the label, the second text and the part: chosen by a person or guessed, and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dmlviz.core.types import InputError, ReaderNote
from dmlviz.core.wording import count_of, did_you_mean, listed, note, shown
from dmlviz.data.label_columns import CLASS_COLUMN, one_hot_refusal, single_labels, unmarked, why_not_labels, with_class_column
from dmlviz.data.places import at
from dmlviz.data.rows import Rows, is_blank
from dmlviz.data.tables import LABEL_NAMES, PAIR_NAMES, PART_NAMES, PART_WORDS, TEXT_NAMES, Nested, Table, example, plain_name, said_columns

PART_LIKE = ("usage", "is_train", "is_test", "is_dev", "is_val", "is_valid", "is_validation", "istrain", "istest")  # said, where they are not used
UNSURE_NAMES = ("target", "annotation", "choice", "quality", "y", "output", "rating", "stars", "score", "tag")  # labels only where they look like it


class Mapping(NamedTuple):
    """Column names by what they hold; None where there is none."""

    text: str | None
    label: str | None
    text_pair: str | None
    part: str | None


def guess_columns(table: Table) -> Mapping:
    """The likely columns by their names; with two columns also by their contents (the label is the one with fewer values).

    What looks like ids, dates, links, lengths or free text is never guessed to be the labels (`why_not_labels`).
    """
    plain = {plain_name(column): column for column in reversed(table.columns)}
    text, pair = _text_and_pair(plain)
    label = _label_by_name(table, plain, text)
    part = next((plain[name] for name in PART_NAMES if name in plain and _is_part(table.columns[plain[name]])), None)
    rest = [column for column in table.columns if column not in (part, CLASS_COLUMN)]
    if len(rest) == 2 and pair is None:
        text, label = _of_two(table, rest, text, label)
    if label is None and CLASS_COLUMN in table.columns:
        label = CLASS_COLUMN
    return Mapping(text, label, pair, part)


def map_columns(table: Table, name: str, *, text: str | None = None, label: str | None = None, text_pair: str | None = None) -> Mapping:
    """The chosen columns, the rest guessed. Raises InputError for a column that is not there, none to guess, one column for two things."""
    for column in (text, label, text_pair):
        if column is not None and column not in table.columns:
            raise InputError(f"{name} has no column {shown(column)}; its columns are {listed(table.columns)}.{did_you_mean(column, table.columns)}")
    guess = _guess_around(table, text, label)
    pair = text_pair if text_pair is not None or text is not None else guess.text_pair
    mapping = Mapping(text or guess.text, label or guess.label, pair, guess.part)
    if mapping.text is None or mapping.label is None:
        raise _no_columns(table, name, mapping)
    chosen = [column for column in mapping[:3] if column is not None]
    if len(set(chosen)) < len(chosen):
        raise InputError(f"{name}: the column {shown(chosen[-1])} was chosen twice; text, label and second text need a column each.")
    return mapping


def rows_of(table: Table, name: str, mapping: Mapping) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The rows of these columns. A label column that the table lacks gives rows without labels.

    Raises InputError, naming all rows, where a text is a list or an object, or a label several.
    """
    for column in (mapping.text, mapping.text_pair):
        _refuse_nested(table, name, column)
    columns, size = table.columns, len(table.lines)
    labels = single_labels(columns[mapping.label], mapping.label, table, name) if mapping.label in columns else [None] * size
    part_of = {cell: "train" if is_blank(cell) else PART_WORDS[plain_name(cell)] for cell in set(columns.get(mapping.part, ()))}
    parts = [part_of[cell] for cell in columns[mapping.part]] if mapping.part in columns else ["train"] * size
    pairs = None if mapping.text_pair is None else columns[mapping.text_pair]
    stated = table.classes.get(mapping.label or "")
    rows = Rows(columns[mapping.text], labels, parts, pairs, table.places(), class_order=None if stated is None else tuple(stated))
    left_out, notes = unmarked(labels, mapping.label or "")
    return (rows.without(left_out) if left_out else rows), notes


def choose_rows(
    table: Table, name: str, *, text: str | None = None, label: str | None = None, text_pair: str | None = None
) -> tuple[Rows, tuple[ReaderNote, ...]]:
    """The rows of the chosen columns, the rest guessed and said in a note. Raises what `map_columns` and `rows_of` raise."""
    table = with_class_column(table)
    mapping = map_columns(table, name, text=text, label=label, text_pair=text_pair)
    rows, notes = rows_of(table, name, mapping)
    return rows, guess_notes(mapping, table, guessed=text is None or label is None) + notes


def guess_notes(mapping: Mapping, table: Table, *, guessed: bool) -> tuple[ReaderNote, ...]:
    """What was guessed, and a column that would be the part but for its words."""
    named = [(mapping.text, "texts"), (mapping.label, "labels"), (mapping.text_pair, "second texts"), (mapping.part, "parts")]
    used = ", ".join(f"{what} from {shown(column)}" for column, what in named if column is not None)
    headless = "" if table.header else "the file has no header line; "
    notes = note("columns", int(guessed), f"columns guessed: {headless}{used}.")
    ignored = [column for column in table.columns if plain_name(column) in (*PART_NAMES, *PART_LIKE) and column not in (mapping.part, mapping.label)]
    sentence = f"the column {listed(ignored)} was not used as the part: it holds other words than train, dev, val, validation and test."
    return notes + (note("part", len(ignored), sentence) if not mapping.part else ())


# ---- guessing


def _text_and_pair(plain: dict[str, str]) -> tuple[str | None, str | None]:
    text = next((name for name in TEXT_NAMES if name in plain), None)
    for first, second in PAIR_NAMES:
        if first in plain and second in plain and text in (None, first, second):
            return plain[first], plain[second]
    return (None if text is None else plain[text]), None


def _label_by_name(table: Table, plain: dict[str, str], text: str | None) -> str | None:
    texts = table.columns[text] if text is not None else None
    for name in LABEL_NAMES:
        if name in plain and (name not in UNSURE_NAMES or not why_not_labels(plain[name], table.columns[plain[name]], texts)):
            return plain[name]
    responses = [column for column in table.columns if column.endswith(".responses")]  # Argilla 2
    return responses[0] if len(responses) == 1 else None


def _of_two(table: Table, rest: list[str], text: str | None, label: str | None) -> tuple[str | None, str | None]:
    """(text, label) of a table with two columns: one by its name and the other from what is left, or both by their contents."""
    if text is None and label is None:
        text, label = _by_contents(table, *rest)
    elif (text is None) != (label is None):
        known = text if label is None else label
        other = rest[1] if known == rest[0] else rest[0]
        text, label = (known, other) if label is None else (other, known)
        if label == other and why_not_labels(other, table.columns[other], table.columns[known]):
            label = None
    return text, label


def _by_contents(table: Table, first: str, second: str) -> tuple[str | None, str | None]:
    """(text column, label column) of two unnamed ones, or (None, None) where it is not clear."""

    def measure(column: str) -> tuple[int, float]:
        cells = [cell or "" for cell in table.columns[column]]
        return len(set(cells)), sum(map(len, cells)) / max(len(cells), 1)

    (kinds_1, length_1), (kinds_2, length_2) = measure(first), measure(second)
    for text, label, clear in (
        (first, second, kinds_1 > kinds_2 and length_1 > length_2),
        (second, first, kinds_2 > kinds_1 and length_2 > length_1),
    ):
        if clear and not why_not_labels(label, table.columns[label], table.columns[text]):
            return text, label
    return None, None


def _guess_around(table: Table, text: str | None, label: str | None) -> Mapping:
    """The guess for what was not chosen: a chosen column is not offered for something else."""
    if text is None and label is None:
        return guess_columns(table)
    left = {column: cells for column, cells in table.columns.items() if column not in (text, label)}
    guess = guess_columns(table._replace(columns=left))
    only = next(iter(left)) if len(left) == 1 else None
    if only is not None and text is not None and why_not_labels(only, left[only], table.columns[text]):
        return guess._replace(text=None)
    return guess._replace(text=guess.text or only, label=guess.label or only)


def _is_part(cells: Sequence[str | None]) -> bool:
    values = {plain_name(cell) for cell in set(cells) if not is_blank(cell)}
    return bool(values) and values <= PART_WORDS.keys()


# ---- refusing


def _no_columns(table: Table, name: str, mapping: Mapping) -> InputError:
    """The sentence where text or label could not be told: what there is, what was not taken and why, and the options with the likeliest columns."""
    if mapping.label is None and mapping.text is not None and (refusal := one_hot_refusal(table, name)) is not None:
        return refusal
    missing = [what for what, column in (("text", mapping.text), ("label", mapping.label)) if column is None]
    likely_text = mapping.text or _likely_text(table, mapping)
    taken = (likely_text, mapping.text_pair, mapping.part, mapping.label)
    texts = table.columns[likely_text] if likely_text else None
    reasons = {column: why_not_labels(column, cells, texts) for column, cells in table.columns.items() if column not in taken}
    possible = [column for column, reason in reasons.items() if not reason]
    likely = {"text": likely_text, "label": min(possible, key=lambda column: len(set(table.columns[column])), default=None)}
    which = " and no ".join(f"{what} column" for what in missing)
    whose = "its name" if len(missing) == 1 else "their names"
    sentence = f"{name} has no {which} that could be told by {whose}; its columns are {said_columns(table)}."
    not_taken = ", ".join(f"{shown(column)} ({reason})" for column, reason in list(reasons.items())[:6] if reason)
    if "label" in missing and not_taken:
        sentence += f" Not taken for the labels: {not_taken}."
    options = " and ".join(f"--{what}-column" for what in missing)
    advice = ", ".join(f"--{what}-column {shown(likely[what])} ({example(table.columns[likely[what]])})" for what in missing if likely[what])
    return InputError(f"{sentence} Choose with {options}{f', for instance {advice}' if advice else ''}.")


def _likely_text(table: Table, mapping: Mapping) -> str | None:
    """The column with the most letters, where it has more than a word."""
    column = max((column for column in table.columns if column not in mapping), key=lambda column: _letters(table.columns[column]), default=None)
    return column if column is not None and _letters(table.columns[column]) > 8 else None


def _letters(cells: Sequence[str | None]) -> float:
    """Mean number of letters in the first cells."""
    first = [cell or "" for cell in cells[:200]]
    return sum(sum(map(str.isalpha, cell)) for cell in first) / max(1, len(first))


def _refuse_nested(table: Table, name: str, column: str | None) -> None:
    if column is None or Nested not in set(map(type, table.columns[column])):
        return
    wrong = [i for i, cell in enumerate(table.columns[column]) if isinstance(cell, Nested)]
    if wrong:
        found = f"{count_of(len(wrong), 'row')} whose {shown(column)} is a list or an object"
        first = shown(table.columns[column][wrong[0]] or "")
        remedy = "A single text is needed; choose another column with --text-column or --pair-column"
        raise InputError(f"{name}: {found}{at(table.places().named(wrong))}, the first is {first}. {remedy}.")
