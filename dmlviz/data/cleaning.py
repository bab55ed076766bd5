"""Rows as they were read become a TextDataset: repaired, counted, checked, hashed.

Texts stay as written but for characters no tokenizer can use. Labels are text: outer space goes and Unicode is
composed (NFC), nothing else, so `NA`, `null`, `1`, `01` and `1.0` are five classes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmlviz.data.wording import count_of, listed, note, shown
from dmlviz.records import InputError, ReaderNote, TextDataset

INVISIBLE = "".join(map(chr, [*range(0x21), *range(0x7F, 0xA1), 0xAD, 0x180E, *range(0x2000, 0x2010), *range(0x2028, 0x2030), 0x205F]))
INVISIBLE += "".join(map(chr, [*range(0x2060, 0x2070), 0x3000, 0xFEFF]))
_UNUSABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d+)*|\.\d+)([eE][-+]?\d+)?\s*%?\s*")


@dataclass(frozen=True)
class Rows:
    """What a reader found, column by column; None where a cell was missing."""

    texts: Sequence[str | None]  # N
    labels: Sequence[str | None]  # N
    parts: Sequence[str]  # N of "train", "val", "test"
    pairs: Sequence[str | None] | None = None  # N

    def take(self, ids: Sequence[int]) -> Rows:
        """The rows with these ids, in this order."""
        columns = (self.texts, self.labels, self.parts, self.pairs)
        return Rows(*[None if column is None else [column[i] for i in ids] for column in columns])


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
    rows, repeat_notes = _drop_repeats(rows, keep_repeats)
    label_names = _label_names(rows, name)
    found = [*notes, *character_notes, *label_notes, *blank_notes, *repeat_notes, *_conflict(rows), *_similar_labels(label_names)]
    found += [*_leakage(rows), *_lone_labels(rows, label_names)]
    number = {label: i for i, label in enumerate(label_names)}
    return TextDataset(
        name=name,
        texts=tuple(rows.texts),
        labels=np.array([number[label] for label in rows.labels], dtype=np.int64),
        label_names=label_names,
        parts=np.array(rows.parts, dtype="<U5"),
        content_hash=content_hash(rows),
        source=source,
        text_pairs=None if rows.pairs is None else tuple(rows.pairs),
        notes=tuple(found),
    )


def content_hash(rows: Rows) -> str:
    """sha256 over texts, pairs, label texts and parts in row order; each field is preceded by its length in bytes."""
    digest = hashlib.sha256(b"dmlviz texts 1, " + (b"pairs" if rows.pairs is not None else b"single"))
    columns = [column for column in (rows.texts, rows.pairs, rows.labels, rows.parts) if column is not None]
    for fields in zip(*columns, strict=True):
        for value in fields:
            raw = value.encode()
            digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def is_blank(text: str | None) -> bool:
    """True for nothing, space and invisible characters only."""
    return text is None or not text.strip(INVISIBLE)


def clean(text: str) -> str:
    """Control characters become spaces, half characters (lone surrogates) the replacement sign; line ends and tabs stay."""
    return _UNUSABLE.sub(lambda hit: "\ufffd" if hit[0] >= "\ud800" else " ", text)


def _repair_characters(rows: Rows) -> tuple[Rows, tuple[ReaderNote, ...]]:
    touched: set[int] = set()

    def repaired(column: Sequence[str | None]) -> list[str | None]:
        hits = {i for i, text in enumerate(column) if text is not None and _UNUSABLE.search(text)}
        touched.update(hits)
        return [clean(text) if i in hits else text for i, text in enumerate(column)]

    pairs = None if rows.pairs is None else repaired(rows.pairs)
    rows = replace(rows, texts=repaired(rows.texts), labels=repaired(rows.labels), pairs=pairs)
    sentence = f"control or broken characters in {count_of(len(touched), 'row')} were replaced by spaces or �."
    return rows, note("characters", len(touched), sentence)


def _repair_labels(rows: Rows) -> tuple[Rows, tuple[ReaderNote, ...]]:
    spellings: dict[str, Counter] = defaultdict(Counter)
    repaired: dict[str, str] = {}
    for label, times in Counter(label for label in rows.labels if not is_blank(label)).items():
        repaired[label] = unicodedata.normalize("NFC", label.strip())
        spellings[repaired[label]][label] += times
    merged = {label: kinds for label, kinds in spellings.items() if len(kinds) > 1}
    changed = sum(kinds.total() - max(kinds.values()) for kinds in merged.values())
    sentence = f"labels that differed only in outer space or Unicode form were merged in {count_of(changed, 'row')}: {listed(merged)}."
    rows = replace(rows, labels=[None if is_blank(label) else repaired[label] for label in rows.labels])
    return rows, note("merged_labels", changed, sentence)


def _drop_blank(rows: Rows, name: str) -> tuple[Rows, tuple[ReaderNote, ...]]:
    pairs = rows.pairs if rows.pairs is not None else [""] * len(rows.texts)
    no_text = {i for i, text in enumerate(rows.texts) if is_blank(text) or (rows.pairs is not None and is_blank(pairs[i]))}
    no_label = {i for i, label in enumerate(rows.labels) if label is None} - no_text
    kept = [i for i in range(len(rows.texts)) if i not in no_text and i not in no_label]
    if not kept:
        found = f"{count_of(len(no_text), 'row')} without text and {count_of(len(no_label), 'row')} without label"
        raise InputError(f"{name} has no row with both a text and a label ({found}); choose other columns or fill the cells.")
    notes = note("blank", len(no_text), f"{count_of(len(no_text), 'row')} without text dropped.")
    notes += note("blank_label", len(no_label), f"{count_of(len(no_label), 'row')} without label dropped.")
    return (rows.take(kept) if notes else rows), notes


def _refuse_numbers(rows: Rows, name: str) -> None:
    if all(_NUMBER.fullmatch(text[:100]) for text in rows.texts):
        raise InputError(
            f"{name}: every text is a number (the first is {shown(rows.texts[0])}), so this is probably not the text column; choose another."
        )


def _drop_repeats(rows: Rows, keep: bool) -> tuple[Rows, tuple[ReaderNote, ...]]:
    pairs = rows.pairs if rows.pairs is not None else rows.parts
    seen: dict[tuple, int] = {}
    for i, key in enumerate(zip(rows.texts, pairs, rows.labels, rows.parts, strict=True)):
        seen.setdefault(key, i)
    repeats = len(rows.texts) - len(seen)
    done = "kept, so that the rows are those that were published" if keep else "dropped"
    found = note("duplicate", repeats, f"{count_of(repeats, 'row')} with the same text and label as an earlier row of the same part: {done}.")
    return (rows if keep or not repeats else rows.take(list(seen.values()))), found


def _label_names(rows: Rows, name: str) -> tuple[str, ...]:
    names = tuple(sorted(set(rows.labels)))
    if len(names) == 1:
        raise InputError(
            f"{name}: the only label is {shown(names[0])} ({count_of(len(rows.texts), 'text')}); at least two classes are needed. "
            "Choose another label column or add texts of another class."
        )
    return names


def _texts_with(rows: Rows, column: Sequence[str]) -> dict[tuple, list[str]]:
    """Text (and pair) -> the different values of `column` it comes with, where these are several."""
    pairs = rows.pairs if rows.pairs is not None else [""] * len(rows.texts)
    values: dict[tuple, dict[str, None]] = defaultdict(dict)
    for text, pair, value in zip(rows.texts, pairs, column, strict=True):
        values[text, pair][value] = None
    return {key: list(found) for key, found in values.items() if len(found) > 1}


def _conflict(rows: Rows) -> tuple[ReaderNote, ...]:
    several = _texts_with(rows, rows.labels)
    if not several:
        return ()
    (text, _), labels = next(iter(several.items()))
    example = f"{shown(text)} is {listed(sorted(labels), 4)}"
    return note("conflict", len(several), f"{count_of(len(several), 'text')} with more than one label kept; for example {example}.")


def _leakage(rows: Rows) -> tuple[ReaderNote, ...]:
    n = len(_texts_with(rows, rows.parts))
    return note("leakage", n, f"{count_of(n, 'text')} in more than one of train, validation and test; a test text is never drawn as a shot.")


def _similar_labels(label_names: Sequence[str]) -> tuple[ReaderNote, ...]:
    groups: dict[str, list[str]] = defaultdict(list)
    for label in label_names:
        plain = unicodedata.normalize("NFKC", label).casefold()
        groups["".join(char for char in plain if char not in INVISIBLE)].append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    examples = "; ".join(listed(group, 4) for group in alike[:5])
    found = "labels that differ only in case, space or look-alike characters are kept as classes of their own"
    return note("similar_labels", len(alike), f"{found}: {examples}. Edit the file if they mean the same.")


def _lone_labels(rows: Rows, label_names: Sequence[str]) -> tuple[ReaderNote, ...]:
    if len(label_names) < 10 or len(label_names) * 2 <= len(rows.texts):
        return ()
    found = f"{count_of(len(label_names), 'class')} for {count_of(len(rows.texts), 'text')}"
    return note("many_classes", len(label_names), f"{found}: the label column may be the wrong one.")
