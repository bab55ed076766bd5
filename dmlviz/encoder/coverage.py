"""How much of the texts an encoder sees: tokens that its tokenizer does not know, and words behind the last token that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dmlviz.encoder.cut_texts import lost_share
from dmlviz.encoder.text_encoder import TextEncoder

CHUNK = 512  # texts tokenized at a time
MUCH_UNKNOWN = 0.2  # share of unknown tokens from which on it is a warning


class Coverage(NamedTuple):
    """Of N texts (pairs count as one)."""

    texts: int
    unknown: float  # share of the tokens that are part of a text
    cut: int  # texts that lose visible characters
    cut_most: float  # the largest share of its visible characters that a text loses


def coverage(encoder: TextEncoder, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Coverage:
    """Counted with the encoder's own tokenizer and `max_length`. A slow tokenizer knows no characters: there, tokens are counted instead."""
    known, unknown, lost = 0, 0, np.zeros(len(texts))
    for start in range(0, len(texts), CHUNK):
        some = list(texts[start : start + CHUNK])
        others = None if pairs is None else list(pairs[start : start + CHUNK])
        tokens, strange, own = _counted(encoder, some, others)
        known, unknown = known + tokens, unknown + strange
        lost[start : start + len(some)] = own
    return Coverage(len(texts), unknown / known if known else 0.0, int((lost > 0).sum()), float(lost.max(initial=0)))


def _counted(encoder: TextEncoder, texts: list[str], pairs: list[str] | None) -> tuple[int, int, np.ndarray]:
    """(tokens of the texts, unknown ones among them, share of each text that is lost)."""
    tokenizer, cased = encoder.tokenizer, encoder.cased
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    found = tokenizer(cased(texts), None if pairs is None else cased(pairs), truncation=True, max_length=encoder.max_length,
                      return_offsets_mapping=tokenizer.is_fast)  # fmt: skip
    ids = [one for row in found["input_ids"] for one in row if one not in special]
    strange = sum(one == tokenizer.unk_token_id for one in ids)
    if not tokenizer.is_fast:
        whole = tokenizer(cased(texts), None if pairs is None else cased(pairs))["input_ids"]
        return len(ids), strange, np.array([1 - len(cut) / max(len(row), 1) for cut, row in zip(found["input_ids"], whole, strict=True)])
    sides = [cased(texts)] if pairs is None else [cased(texts), cased(pairs)]
    return len(ids), strange, np.array([lost_share(one, [side[i] for side in sides]) for i, one in enumerate(found.encodings)])
