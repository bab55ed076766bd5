"""Where rows were found: the line of a file, the row of a table. For sentences that send a person there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MOST_NUMBERS = 20  # line numbers in one sentence; the rest is counted


class Segment(NamedTuple):
    """The rows that came from one file or split, in order."""

    name: str  # of the file; "" where the sentence names it already
    unit: str  # "line" or "row"
    numbers: Sequence[int | str]  # N, where each row begins; or the file that it is


@dataclass(frozen=True)
class Places:
    """Segments one after the other: row i of all is row i - (rows before) of its segment. Empty where nothing is known."""

    segments: tuple[Segment, ...] = ()

    def __add__(self, other: Places) -> Places:
        return Places((*self.segments, *other.segments))

    def __len__(self) -> int:
        return sum(len(segment.numbers) for segment in self.segments)

    def named(self, rows: Iterable[int]) -> str:
        """'lines 5, 7-9, 12', 'train.tsv, line 3; test.tsv, lines 1, 2'; '' where the places are not known."""
        wanted, sentences, first, left = sorted(rows), [], 0, MOST_NUMBERS
        if not self.segments:
            return ""
        for segment in self.segments:
            numbers = [segment.numbers[row - first] for row in wanted if first <= row < first + len(segment.numbers)]
            if numbers and left > 0:
                sentences.append((f"{segment.name}, " if segment.name else "") + numbered(numbers, segment.unit, left))
                left -= len(numbers)
            first += len(segment.numbers)
        return "; ".join(sentences)


def numbered(numbers: Sequence[int | str], unit: str = "line", limit: int = MOST_NUMBERS) -> str:
    """'line 5', 'lines 5, 7-9, 12', 'lines 1, 3, 5 and 40 more': at most `limit` numbers or runs of them."""
    if len(numbers) == 1:
        return f"{unit} {numbers[0]}"
    if isinstance(numbers[0], str):
        more = f" and {len(numbers) - limit:,} more" if len(numbers) > limit else ""
        return f"{unit}s {', '.join(map(str, numbers[:limit]))}{more}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}-{b}" for a, b in runs[:limit]]
    left = len(numbers) - sum(b - a + 1 for a, b in runs[:limit])
    if left:
        return f"{unit}s {', '.join(shown)} and {left:,} more"
    return f"{unit}s {', '.join(shown)}"


def at(places: str) -> str:
    """' (lines 5, 6)' or nothing: as it stands behind a count."""
    return f" ({places})" if places else ""
