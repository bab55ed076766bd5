"""What a reader hands on: the chosen columns, row by row, and where each row was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dmlviz.data.places import Places, at

INVISIBLE = "".join(map(chr, [*range(0x21), *range(0x7F, 0xA1), 0xAD, 0x180E, *range(0x2000, 0x2010), *range(0x2028, 0x2030), 0x205F]))
INVISIBLE += "".join(map(chr, [*range(0x2060, 0x2070), 0x3000, 0xFEFF]))


@dataclass(frozen=True)
class Rows:
    """What a reader found, column by column; None where a cell was missing."""

    texts: Sequence[str | None]  # N
    labels: Sequence[str | None]  # N
    parts: Sequence[str]  # N of "train", "val", "test"
    pairs: Sequence[str | None] | None = None  # N
    places: Places = field(default_factory=Places)  # where the rows were read, also those that are no longer here
    numbers: Sequence[int] | None = None  # N, of each row in `places`; None: all in order
    class_order: tuple[str, ...] | None = None  # classes as the source lists them; None: it does not say

    def take(self, ids: Sequence[int]) -> Rows:
        """The rows with these ids, in this order."""
        columns = (self.texts, self.labels, self.parts, self.pairs)
        numbers = ids if self.numbers is None else [self.numbers[i] for i in ids]
        return Rows(*[None if column is None else [column[i] for i in ids] for column in columns], self.places, numbers, self.class_order)

    def without(self, ids: Iterable[int]) -> Rows:
        """All rows but these."""
        left_out = set(ids)
        return self.take([i for i in range(len(self.texts)) if i not in left_out])

    def at(self, ids: Iterable[int]) -> str:
        """' (lines 5, 6)': where these rows were read; nothing where that is not known."""
        return at(self.places.named(ids if self.numbers is None else [self.numbers[i] for i in ids]))


def is_blank(text: str | None) -> bool:
    """True for nothing, space and invisible characters only."""
    return text is None or not text.strip(INVISIBLE)
