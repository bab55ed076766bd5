"""Near copies between parts: texts of a test part that a training text repeats but for case, punctuation or one word."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from dmlviz.core.types import ReaderNote, TextDataset
from dmlviz.core.wording import note

MOST_LETTERS = 40_000_000  # of both parts: some ten seconds of work
FEWEST_WORDS = 3  # of a text in which one word more or less is looked for
_WORD = re.compile(r"\w+")
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2**64
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))


def near_copies(
    texts: Sequence[str], pairs: Sequence[str] | None, known: np.ndarray, judged: np.ndarray, part: str
) -> tuple[ReaderNote, ...]:  # fmt: skip
    """A note on the rows `judged` (the part's name is `part`) that have a near copy among the rows `known`; exact copies are not counted here.

    Near is: the same words in the same order when case and punctuation are taken off; and, counted apart, one word added or missing.
    """
    letters = sum(map(len, map(texts.__getitem__, [*known.tolist(), *judged.tolist()])))
    if letters > MOST_LETTERS:
        return note("near_copies", 1, f"near copies between training and {part} texts were not looked for: the parts hold {letters:,} letters.")
    key = (lambda i: texts[i]) if pairs is None else (lambda i: (texts[i], pairs[i]))
    exact = {key(i) for i in known.tolist()}
    fresh = [i for i in judged.tolist() if key(i) not in exact]
    words = [_words(texts[i], None if pairs is None else pairs[i]) for i in (*known.tolist(), *fresh)]
    same, one_word = _counted(words[: len(known)], words[len(known) :])
    ways = [f"{same:,} differing from a training text in case or punctuation alone"] if same else []
    if one_word:
        ways.append(f"{one_word:,} {'more' if same else 'differing from a training text'} in one added or missing word")
    sentence = f"near copies among {len(judged):,} {part} texts: {', '.join(ways)}; such texts are easier than new ones."
    return note("near_copies", same + one_word, sentence)


_FOUND: dict[tuple[object, ...], tuple[ReaderNote, ...]] = {}  # of cuts: every draw of a data set has the same


def near_copies_of_cut(dataset: TextDataset, known: np.ndarray, judged: np.ndarray, cut_seed: int) -> tuple[ReaderNote, ...]:
    """The same for a data set's test part that was cut with this seed; looked for once for all draws."""
    key = (dataset.content_hash, cut_seed, len(known))
    if key not in _FOUND:
        if len(_FOUND) > 64:
            _FOUND.clear()
        _FOUND[key] = near_copies(dataset.texts, dataset.text_pairs, known, judged, "test")
    return _FOUND[key]


def _words(text: str, pair: str | None) -> list[str]:
    words = _WORD.findall(text.casefold())
    return words if pair is None else [*words, "|", *_WORD.findall(pair.casefold())]


def _counted(known: list[list[str]], judged: list[list[str]]) -> tuple[int, int]:
    """(rows of `judged` whose words are those of a known row, further rows with one word more or less than a known row)."""
    whole_known, without_known, _ = _hashes(known)
    whole, without, owner = _hashes(judged)
    filled = np.array([bool(words) for words in judged], dtype=bool)
    long = np.array([len(words) >= FEWEST_WORDS for words in judged], dtype=bool)
    same = filled & np.isin(whole, whole_known)
    near = np.isin(whole, without_known)
    near[owner[np.isin(without, whole_known)]] = True
    return int(same.sum()), int((near & long & ~same).sum())


def _hashes(texts: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) a hash of each text's words; (M,) of the words without one, for every word of every text long enough; (M,) whose.

    Polynomial, modulo 2**64: h_0 + h_1 B + h_2 B^2 ...; without word i, the later ones move down by one power.
    """
    sizes = np.array([len(words) for words in texts], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    word_hashes = np.fromiter((hash(word) for words in texts for word in words), np.int64, int(sizes.sum())).view(np.uint64)
    owner = np.repeat(np.arange(len(texts)), sizes)
    position = np.arange(len(word_hashes)) - starts[owner]
    powers = np.cumprod(np.full(int(sizes.max(initial=0)) + 1, _BASE, dtype=np.uint64))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(word_hashes * powers[position], dtype=np.uint64)])
    whole = sums[starts[1:]] - sums[starts[:-1]]
    before, after = sums[:-1] - sums[starts[owner]], sums[starts[owner + 1]] - sums[1:]
    without = before + after * _INVERSE
    long = (sizes >= FEWEST_WORDS)[owner]
    return whole, without[long], owner[long]
