"""What a person should know of a data set before anything is trained on it, with numbers. Nothing is changed here."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from dmlviz.core.types import ReaderNote
from dmlviz.core.wording import count_of, listed, note, shown
from dmlviz.data.near_copies import near_copies
from dmlviz.data.rows import INVISIBLE, Rows

MAJORITY = 0.6  # share of one class from which accuracy alone misleads
MANY_CLASSES = 200
ODD_SHARE = 0.05  # of the rows at most: numbers among words, that are probably shifted cells
NO_LABEL = {"nan", "NaN", "None", "null", "NULL", "N/A", "n/a", "NA", "<NA>", "#N/A", "?", "unlabeled", "unlabelled", "unsup"}
_DECIMAL = re.compile(r"[-+]?(\d+(\.\d+)?|\.\d+)")
_NUMBER_OR_BOOLEAN = re.compile(r"[-+]?\d+([.,]\d+)*|true|false", re.IGNORECASE)


def notes_on(rows: Rows, label_names: Sequence[str], copies: Sequence[Sequence[int]]) -> tuple[ReaderNote, ...]:
    """Every note on repaired rows. `copies`: the rows of each text that stands there more than once."""
    counts = Counter(rows.labels)
    return (
        *_conflict(rows, copies), *_similar_labels(label_names), *_leakage(rows, copies), *_near_copies(rows), *_lone_labels(rows, label_names),
        *_many_classes(label_names), *_odd_labels(rows, counts), *_no_labels(counts),
        *_several_labels(counts), *_majority(rows, counts, len(label_names)),
    )  # fmt: skip


def _conflict(rows: Rows, copies: Sequence[Sequence[int]]) -> tuple[ReaderNote, ...]:
    several = [same for same in copies if len({rows.labels[i] for i in same}) > 1]
    if not several:
        return ()
    labels = sorted({rows.labels[i] for i in several[0]})
    example = f"{shown(rows.texts[several[0][0]])} is {listed(labels, 4)}"
    return note("conflict", len(several), f"{count_of(len(several), 'text')} with more than one label kept; for example {example}.")


def _leakage(rows: Rows, copies: Sequence[Sequence[int]]) -> tuple[ReaderNote, ...]:
    n = sum(len({rows.parts[i] for i in same}) > 1 for same in copies)
    return note("leakage", n, f"{count_of(n, 'text')} in more than one of train, validation and test; a test text is never drawn as a shot.")


def _near_copies(rows: Rows) -> tuple[ReaderNote, ...]:
    parts = np.array(rows.parts, dtype="<U5")
    train = np.flatnonzero(parts == "train")
    notes: tuple[ReaderNote, ...] = ()
    for part, title in (("val", "validation"), ("test", "test")):
        if len(ids := np.flatnonzero(parts == part)) and len(train):
            notes += near_copies(rows.texts, rows.pairs, train, ids, title)
    return notes


def _similar_labels(label_names: Sequence[str]) -> tuple[ReaderNote, ...]:
    groups: dict[str | Decimal, list[str]] = defaultdict(list)
    for label in label_names:
        plain = unicodedata.normalize("NFKC", label).casefold()
        plain = "".join(char for char in plain if char not in INVISIBLE)
        groups[Decimal(plain) if _DECIMAL.fullmatch(plain) else plain].append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    examples = "; ".join(listed(group, 4) for group in alike[:5])
    found = "labels that differ only in case, space, look-alike characters or the way a number is written are kept as classes of their own"
    return note("similar_labels", len(alike), f"{found}: {examples}. Edit the file if they mean the same.")


def _lone_labels(rows: Rows, label_names: Sequence[str]) -> tuple[ReaderNote, ...]:
    if len(label_names) < 10 or len(label_names) * 2 <= len(rows.texts):
        return ()
    found = f"{count_of(len(label_names), 'class')} for {count_of(len(rows.texts), 'text')}"
    return note("many_classes", len(label_names), f"{found}: the label column may be the wrong one.")


def _many_classes(label_names: Sequence[str]) -> tuple[ReaderNote, ...]:
    n = len(label_names) if len(label_names) > MANY_CLASSES else 0
    sentence = (
        f"{count_of(n, 'class')}: that is more than colours and confusion matrices can tell apart, and k shots per class are k times {n:,} texts."
    )
    return note("classes", n, sentence)


def _odd_labels(rows: Rows, counts: Counter[str]) -> tuple[ReaderNote, ...]:
    """Labels of another kind than the rest: numbers or true/false among words, as shifted cells give them; -1 among numbers that count up from 0."""
    odd = [label for label in counts if _NUMBER_OR_BOOLEAN.fullmatch(label)]
    total = sum(counts[label] for label in odd)
    if 0 < total <= ODD_SHARE * len(rows.labels):
        places = rows.at(i for i, label in enumerate(rows.labels) if label in set(odd))
        found = f"{count_of(total, 'row')} whose label is a number or true/false where the others are words{places}: {listed(odd, 6)}"
        return note("odd_labels", total, f"{found}. They are classes of their own; is a cell of these rows in the wrong column?")
    if "-1" in counts and len(odd) == len(counts) > 2 and all(label == "-1" or label.isdigit() for label in counts):
        found = f"the label '-1' is kept as a class ({count_of(counts['-1'], 'row')})"
        return note("odd_labels", counts["-1"], f"{found}; in some data sets it marks texts without a label. Take these rows out if so.")
    return ()


def _no_labels(counts: Counter[str]) -> tuple[ReaderNote, ...]:
    """What programs write for a missing value, among other labels."""
    marks = [label for label in counts if label in NO_LABEL]
    if not marks or len(counts) - len(marks) < 2:
        return ()
    total = sum(counts[label] for label in marks)
    found = f"{listed(marks, 6)}: kept as {'a class' if len(marks) == 1 else 'classes'} ({count_of(total, 'row')})"
    return note("odd_labels", total, f"{found}. Take these rows out if they have no label.")


def _several_labels(counts: Counter[str]) -> tuple[ReaderNote, ...]:
    """Labels made of other labels: 'Drama|Comedy' beside 'Drama'."""
    for sign in "|;,":
        several = [
            label for label in counts
            if sign in label and not _NUMBER_OR_BOOLEAN.fullmatch(label) and any(part.strip() in counts for part in label.split(sign))
        ]  # fmt: skip
        if several:
            total = sum(counts[label] for label in several)
            found = f"{count_of(total, 'row')} whose label looks like several ({listed(several, 4)})"
            return note("odd_labels", total, f"{found}: each combination is a class of its own. One label a text is needed.")
    return ()


def _majority(rows: Rows, counts: Counter[str], classes: int) -> tuple[ReaderNote, ...]:
    """How right and how useless it is to give every text the commonest label: in the test part, where there is one."""
    tested = "test" in rows.parts
    if tested:
        counts = Counter(label for label, part in zip(rows.labels, rows.parts, strict=True) if part == "test")
    label, count = counts.most_common(1)[0]
    share = count / counts.total()
    if share <= MAJORITY:
        return ()
    macro_f1 = 2 * share / (1 + share) / classes
    held = f"{100 * share:.1f} % of the {'test ' if tested else ''}texts are of class {shown(label)}"
    sentence = f"{held}: who always says so has {100 * share:.1f} % accuracy and {100 * macro_f1:.1f} % macro-F1. Read macro-F1 beside accuracy."
    return note("majority", count, sentence)
