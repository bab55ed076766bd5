"""Rows as they were read become a TextDataset: repaired, counted, checked, hashed.

Texts stay as written but for characters no tokenizer can use. Labels are text: outer space goes and Unicode is
composed (NFC), nothing else, so `NA`, `null`, `1`, `01` and `1.0` are five classes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from dmlviz.core.types import InputError, ReaderNote, TextDataset
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.class_lists import class_order
from dmlviz.data.dataset_notes import notes_on
from dmlviz.data.equal_texts import first_rows
from dmlviz.data.rows import INVISIBLE, Rows, is_blank

_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
_ASCII_CONTROL = bytes([*range(9), 11, 12, *range(14, 32), 127])
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d+)*|\.\d+)([eE][-+]?\d+)?\s*%?\s*")
BATCH = 4096  # rows that are looked at together


def build_dataset(rows: Rows, *, name: str, source: str, notes: Sequence[ReaderNote] = (), keep_repeats: bool = False) -> TextDataset:
    """The data set of these rows, with a note for each repair after those of the reader.

    `keep_repeats` is for published sets, whose row numbers and counts others rely on: repeats are counted and stay.
    Raises InputError when nothing can be trained on what is left.
    """
    if not len(rows.texts):
        raise InputError(f"{name} has no rows; at least two texts with different labels are needed.")
    rows, character_notes = _repair_characters(rows)
    rows, label_notes = _repair_labels(rows)
    rows, blank_notes = _drop_blank(rows, name)
    _refuse_numbers(rows, name)
    copies = copies_of_texts(rows)
    label_names = _label_names(rows, name)
    found = notes_on(rows, label_names, copies)
    rows, repeat_notes = _drop_repeats(rows, copies, keep_repeats)
    number = {label: i for i, label in enumerate(label_names)}
    return TextDataset(
        name=name,
        texts=tuple(rows.texts),
        labels=np.fromiter(map(number.__getitem__, rows.labels), np.int64, len(rows.labels)),
        label_names=label_names,
        parts=np.array(rows.parts, dtype="<U5"),
        content_hash=content_hash(rows),
        source=source,
        text_pairs=None if rows.pairs is None else tuple(rows.pairs),
        notes=(*notes, *character_notes, *label_notes, *blank_notes, *repeat_notes, *found),
        class_order=class_order(rows.class_order, label_names),
    )


def content_hash(rows: Rows) -> str:
    """sha256 over texts, pairs, label texts and parts in row order; each field is preceded by its length in bytes."""
    digest = hashlib.sha256(b"dmlviz texts 1, " + (b"pairs" if rows.pairs is not None else b"single"))
    columns = [column for column in (rows.texts, rows.pairs) if column is not None]
    few, lengths = _KnownFields(), _KnownLengths()
    for start in range(0, len(rows.texts), BATCH):
        batch = slice(start, start + BATCH)
        fields = []
        for column in columns:
            encoded = list(map(str.encode, column[batch]))
            fields += [map(lengths.__getitem__, map(len, encoded)), encoded]
        fields += [map(few.__getitem__, rows.labels[batch]), map(few.__getitem__, rows.parts[batch])]
        digest.update(b"".join(chain.from_iterable(zip(*fields, strict=True))))
    return digest.hexdigest()


class _KnownFields(dict[str, bytes]):
    """Value -> its length and bytes: there are few labels and parts, and many rows."""

    def __missing__(self, value: str) -> bytes:
        raw = value.encode()
        self[value] = len(raw).to_bytes(8, "little") + raw
        return self[value]


class _KnownLengths(dict[int, bytes]):
    """Number -> its eight bytes."""

    def __missing__(self, length: int) -> bytes:
        self[length] = length.to_bytes(8, "little")
        return self[length]


def clean(text: str) -> str:
    """Control characters become spaces, half characters (lone surrogates) the replacement sign; line ends and tabs stay."""
    return _UNUSABLE.sub(lambda hit: "\ufffd" if hit[0] >= "\ud800" else " ", text)


def _repair_characters(rows: Rows) -> tuple[Rows, tuple[ReaderNote, ...]]:
    touched: set[int] = set()

    def repaired(column: Sequence[str | None]) -> Sequence[str | None]:
        hits = _rows_with_unusable(column)
        touched.update(hits)
        if not hits:
            return column
        column = list(column)
        for i in hits:
            column[i] = clean(column[i])
        return column

    pairs = None if rows.pairs is None else repaired(rows.pairs)
    rows = replace(rows, texts=repaired(rows.texts), labels=repaired(rows.labels), pairs=pairs)
    sentence = f"control or broken characters in {count_of(len(touched), 'row')} were replaced by spaces or �{rows.at(touched)}."
    return rows, note("characters", len(touched), sentence)


def _rows_with_unusable(column: Sequence[str | None]) -> list[int]:
    """Batches are looked through as a whole first: nearly all are clean."""
    hits = []
    for start in range(0, len(column), BATCH):
        batch = column[start : start + BATCH]
        joined = "".join([text for text in batch if text is not None])
        if len(joined.encode().translate(None, _ASCII_CONTROL)) == len(joined) if joined.isascii() else joined.isprintable():
            continue
        hits += [start + i for i, text in enumerate(batch) if text is not None and not text.isprintable() and _UNUSABLE.search(text)]
    return hits


def _repair_labels(rows: Rows) -> tuple[Rows, tuple[ReaderNote, ...]]:
    spellings: dict[str, Counter] = defaultdict(Counter)
    repaired: dict[str | None, str | None] = {}
    for label, times in Counter(rows.labels).items():
        repaired[label] = _repaired_label(label)
        if repaired[label] is not None:
            spellings[repaired[label]][label] += times
    merged = {label: kinds for label, kinds in spellings.items() if len(kinds) > 1}
    changed = sum(kinds.total() - max(kinds.values()) for kinds in merged.values())
    sentence = f"labels that differed only in outer space or Unicode form were merged in {count_of(changed, 'row')}: {listed(merged)}."
    stated = None if rows.class_order is None else tuple(_repaired_label(name) or "" for name in rows.class_order)
    return replace(rows, labels=list(map(repaired.__getitem__, rows.labels)), class_order=stated), note("merged_labels", changed, sentence)


def _repaired_label(label: str | None) -> str | None:
    return None if is_blank(label) else unicodedata.normalize("NFC", label.strip())


def _drop_blank(rows: Rows, name: str) -> tuple[Rows, tuple[ReaderNote, ...]]:
    no_text = _rows_without_text(rows.texts)
    if rows.pairs is not None:
        no_text |= {i for i, pair in enumerate(rows.pairs) if is_blank(pair)}
    no_label = {i for i, label in enumerate(rows.labels) if label is None} - no_text if None in rows.labels else set()
    if len(no_text) + len(no_label) == len(rows.texts):
        found = f"{count_of(len(no_text), 'row')} without text and {count_of(len(no_label), 'row')} without label"
        raise InputError(f"{name} has no row with both a text and a label ({found}); choose other columns or fill the cells.")
    notes = note("blank", len(no_text), f"{count_of(len(no_text), 'row')} without text dropped{rows.at(no_text)}.")
    notes += note("blank_label", len(no_label), f"{count_of(len(no_label), 'row')} without label dropped{rows.at(no_label)}.")
    return (rows.without(no_text | no_label) if notes else rows), notes


def _rows_without_text(texts: Sequence[str | None]) -> set[int]:
    """Batches are looked through as a whole first: nearly every text begins with a letter or a digit."""
    found: set[int] = set()
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        firsts = "".join([text[:1] for text in batch if text])
        if len(firsts) < len(batch) or not firsts.isalnum():
            found.update(start + i for i, text in enumerate(batch) if text is None or not (text[:1].isalnum() or text.strip(INVISIBLE)))
    return found


def _refuse_numbers(rows: Rows, name: str) -> None:
    if all(_NUMBER.fullmatch(text[:100]) for text in rows.texts):
        raise InputError(
            f"{name}: every text is a number (the first is {shown(rows.texts[0])}), so this is probably not the text column; "
            "choose another with --text-column."
        )


def copies_of_texts(rows: Rows) -> list[list[int]]:
    """The rows of every text (and pair) that stands in the table more than once."""
    first = first_rows(rows.texts, rows.pairs)
    several: dict[int, list[int]] = {}
    for i in np.flatnonzero(first != np.arange(len(first))).tolist():
        several.setdefault(int(first[i]), [int(first[i])]).append(i)
    return list(several.values())


def _drop_repeats(rows: Rows, copies: list[list[int]], keep: bool) -> tuple[Rows, tuple[ReaderNote, ...]]:
    repeats: list[int] = []
    for same in copies:
        seen = set()
        for i in same:
            if (rows.labels[i], rows.parts[i]) in seen:
                repeats.append(i)
            seen.add((rows.labels[i], rows.parts[i]))
    done = "kept, so that the rows are those that were published" if keep else f"dropped{rows.at(repeats)}"
    found = note(
        "duplicate", len(repeats), f"{count_of(len(repeats), 'row')} with the same text and label as an earlier row of the same part: {done}."
    )
    return (rows if keep or not repeats else rows.without(repeats)), found


def _label_names(rows: Rows, name: str) -> tuple[str, ...]:
    names = sorted_names(set(rows.labels))
    if len(names) == 1:
        raise InputError(
            f"{name}: the only label is {shown(names[0])} ({count_of(len(rows.texts), 'text')}); at least two classes are needed. "
            "Choose another label column (--label-column) or add texts of another class."
        )
    return names


def sorted_names(names: Collection[str]) -> tuple[str, ...]:
    """In the order of their numbers where all are integers (0, 1, 2, 10), else of their letters."""
    if all(map(_INTEGER.fullmatch, names)):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
