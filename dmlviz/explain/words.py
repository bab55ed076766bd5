"""From tokens back to the words of the text, whatever the tokenizer: by the characters each token covers.

    text -> word_spans -> TokenizedText (ids, and for every word the tokens that make it up)

A word is a run of letters and digits (with an apostrophe, hyphen, point or underscore inside), one character of a script that is
written without spaces, or one other visible character. Where a token covers parts of several words (SentencePiece may join
"..." ), these words become one, so that no token's value is split by guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import regex

WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*"
    r"|(?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{M}\p{N}])+"
    r"(?:['’_.\-](?:(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{M}\p{N}])+)*"
    r"|\X"
)


@dataclass(frozen=True, eq=False)
class TokenizedText:
    """A text as its encoder sees it. T tokens, W words."""

    ids: np.ndarray  # (T,) token ids, special ones included
    special: np.ndarray  # (T,) bool: put there by the tokenizer, no part of the text
    unknown: np.ndarray  # (T,) bool: the tokenizer does not know the symbol
    types: np.ndarray | None  # (T,) token types where the encoder has them
    word: np.ndarray  # (T,) the word each token belongs to, -1 for special tokens
    starts: np.ndarray  # (W,) first character of each word in its text
    ends: np.ndarray  # (W,) one past the last
    second: np.ndarray  # (W,) bool: the word is in the second text of a pair
    cut: int  # characters of visible text behind the last token the encoder takes

    def replaced(self, ids: np.ndarray) -> TokenizedText:
        """The same places with other ids (T,)."""
        return replace(self, ids=ids)

    def without(self, places: np.ndarray) -> TokenizedText:
        """The text without the tokens at the (T,) bool places; its words keep their numbers."""
        keep = ~places
        own = {name: getattr(self, name)[keep] for name in ("ids", "special", "unknown", "word")}
        return replace(self, **own, types=None if self.types is None else self.types[keep])


def word_spans(text: str) -> list[tuple[int, int]]:
    """First character and one past the last of every word, in order; blanks belong to none."""
    return [found.span() for found in WORD.finditer(text) if not found.group().isspace()]


def tokenize(tokenizer, text: str, pair: str | None = None, *, max_length: int) -> TokenizedText:
    """One text, or a pair of texts, cut at `max_length` tokens. The tokenizer must be a fast one: only these know characters."""
    found = tokenizer(
        text, pair, truncation=True, max_length=max_length, return_offsets_mapping=True, return_special_tokens_mask=True, return_token_type_ids=None
    )
    ids, special = np.array(found["input_ids"], dtype=np.int64), np.array(found["special_tokens_mask"], dtype=bool)
    which = np.array([-1 if one is None else one for one in found.sequence_ids(0)])
    special |= which < 0
    offsets = np.array(found["offset_mapping"], dtype=np.int64).reshape(-1, 2)
    word = np.full(len(ids), -1)
    starts, ends, second = [], [], []
    for side, whole in enumerate([text] if pair is None else [text, pair]):
        tokens = np.flatnonzero(which == side)
        spans, owner = _joined(word_spans(whole), offsets[tokens])
        word[tokens] = np.where(owner >= 0, owner + len(starts), -1)
        starts += [one[0] for one in spans]
        ends += [one[1] for one in spans]
        second += [side == 1] * len(spans)
    types = found.get("token_type_ids")
    cut = sum(_behind(whole, offsets[which == side]) for side, whole in enumerate([text] if pair is None else [text, pair]))
    unknown = (ids == tokenizer.unk_token_id) & ~special if tokenizer.unk_token_id is not None else np.zeros(len(ids), dtype=bool)
    return TokenizedText(
        ids, special, unknown, None if types is None else np.array(types, dtype=np.int64), word,
        np.array(starts, dtype=np.int64), np.array(ends, dtype=np.int64), np.array(second, dtype=bool), cut,
    )  # fmt: skip


def _joined(spans: Sequence[tuple[int, int]], offsets: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Words that some token of (T, 2) `offsets` covers, those that share a token made one; and each token's word, -1 for none."""
    first = np.full(len(offsets), -1)
    last = np.full(len(offsets), -1)
    at = 0
    for token, (low, high) in enumerate(offsets):
        while at < len(spans) and spans[at][1] <= low:
            at += 1
        one = at
        while one < len(spans) and spans[one][0] < high:
            if first[token] < 0:
                first[token] = one
            last[token] = one
            one += 1
    leader = np.arange(len(spans))  # the first word of the run that a word was joined to
    for low, high in zip(first, last, strict=True):
        if low >= 0:
            leader[low : high + 1] = leader[low]
    covered = sorted({int(leader[one]) for low, high in zip(first, last, strict=True) if low >= 0 for one in range(low, high + 1)})
    place = {one: i for i, one in enumerate(covered)}
    owner = np.array([place[int(leader[one])] if one >= 0 else -1 for one in first], dtype=np.int64)
    reach = {one: one for one in covered}
    for low, high in zip(first, last, strict=True):
        if low >= 0:
            reach[int(leader[low])] = max(reach[int(leader[low])], int(high))
    return [(spans[one][0], spans[reach[one]][1]) for one in covered], owner


def _behind(text: str, offsets: np.ndarray) -> int:
    """Visible characters behind the last token."""
    end = int(offsets[:, 1].max()) if len(offsets) else 0
    return len("".join(text[end:].split()))


def by_word(tokens: np.ndarray, text: TokenizedText) -> np.ndarray:
    """(T, ...) values of tokens -> (W, ...) sums over each word's tokens."""
    total = np.zeros((len(text.starts), *tokens.shape[1:]), dtype=np.float64)
    mine = text.word >= 0
    np.add.at(total, text.word[mine], tokens[mine])
    return total
