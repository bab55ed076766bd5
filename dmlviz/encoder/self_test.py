"""Does a model give a text the same vector alone, beside others and by its word vectors? What does not hold is corrected or refused before it is
used.

Everything runs without dropout and draws no chance, so a run trains as it would have without the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dmlviz.core.types import InputError
from dmlviz.encoder.checkpoint import Notes, first_line
from dmlviz.encoder.text_encoder import TextEncoder

TOLERANCE = 1e-4  # of the largest absolute value, in float32
FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, NotImplementedError)  # of a model that is asked for what it is not
SHORT, LONG = "It works.", "A longer sentence stands beside it, so that the short one is padded: 0 1 2 3 4 5 6 7 8 9."


def check_encoder(encoder: TextEncoder, name: str, notes: Notes) -> dict[str, float]:
    """What differs, as a share of the largest value: {"batch": ..., "left": ..., "embeds": ...}; NaN for what the model cannot do.

    Lowers `max_length` never, but raises InputError where a text of that length cannot be read, where a batch changes a text's vector, or where
    the vectors are no numbers. Word vectors that give another result are no longer used for training (`encoder.embeds`).
    """
    with _evaluated(encoder):
        vectors = lambda batch: encoder(batch, padding_matters=True).pooled  # noqa: E731
        by_words = by_embeds(encoder, lambda batch: encoder.pooled(_tokens(encoder.model, batch), batch["attention_mask"]))
        found = differences(encoder, vectors, name, by_words)
        _check_length(encoder, name)
    if not found["batch"] <= TOLERANCE:
        raise InputError(f"{type(encoder.model).__name__} of {name!r} gives a text another vector when a longer one stands beside it (by "
                         f"{found['batch']:.2g} of the largest value), as models do that do not mask padding; choose an encoder that does, such "
                         "as BERT or RoBERTa")  # fmt: skip
    encoder.embeds = found["embeds"] <= TOLERANCE
    if not encoder.embeds:
        notes.assumed.append("it gives other vectors by its word vectors than by token ids, so its texts cannot be explained")
    return found


Run = Callable[[dict[str, Tensor]], Tensor]  # a batch -> what the model makes of it, (B, ...)


def differences(encoder: TextEncoder, of: Run, name: str, by_words: Run) -> dict[str, float]:
    """The short text's result alone against that in a batch, padded left, and by word vectors in a batch; each over the largest absolute value."""
    short, long = encoder.token_ids([SHORT, LONG])
    alone_batch, batch = encoder.pad([short]), encoder.pad([short, long])
    try:
        alone = of(alone_batch)[0]
        beside = of(batch)[0]
    except FAILURES as error:
        raise InputError(f"{type(encoder.model).__name__} of {name!r} cannot be run on texts ({first_line(error)}); choose a text encoder such as "
                         "BERT or RoBERTa") from error
    if not torch.isfinite(alone).all():
        raise InputError(f"the vectors of {name!r} are not numbers before any training; its weights are damaged, so save or download the model again")
    size = max(float(alone.abs().max()), 1e-12)
    apart = lambda other: float((alone - other).abs().max()) / size  # noqa: E731
    return {"batch": apart(beside), "left": _tried(lambda: apart(of(_left(batch))[0])), "embeds": _tried(lambda: apart(by_words(batch)[0]))}


def by_embeds(encoder: TextEncoder, of: Run) -> Run:
    """`of` a batch whose words come as vectors."""

    def run(batch: dict[str, Tensor]) -> Tensor:
        words = encoder.model.get_input_embeddings()
        return of({**{key: value for key, value in batch.items() if key != "input_ids"}, "inputs_embeds": words(batch["input_ids"])})

    return run


def reaches_no_other(encoder: TextEncoder) -> bool:
    """Is the first token's vector the same whatever follows? So it is in causal models, where no token sees a later one."""
    with _evaluated(encoder):
        ids = encoder.pad(encoder.token_ids([LONG]))
        words = ids["input_ids"][0]
        others = words[words != words[1]] if len(words) > 2 else words[:0]
        if not len(others):
            return False
        other = {**ids, "input_ids": ids["input_ids"].clone()}
        other["input_ids"][0, 1] = others[0]  # the nearest: models with a window do not see far
        try:
            first, second = (_tokens(encoder.model, batch)[:, 0] for batch in (ids, other))
        except FAILURES:  # whatever cannot be run is refused by `check_encoder`
            return False
        return float((first - second).abs().max()) <= TOLERANCE * float(first.abs().max())  # equal but for rounding


def _check_length(encoder: TextEncoder, name: str) -> None:
    """One text of the greatest length goes through."""
    ids = encoder.token_ids([" ".join([LONG] * (encoder.max_length // 8 + 1))])
    try:
        encoder(encoder.pad(ids), padding_matters=True)
    except (RuntimeError, IndexError) as error:
        raise InputError(f"{type(encoder.model).__name__} of {name!r} takes no text of {len(ids[0]['input_ids']):,} tokens ({first_line(error)}); "
                         "lower max_length") from error  # fmt: skip


def _tokens(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    return model(**batch).last_hidden_state


def _left(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same texts with their padding in front."""
    shifts = (batch["attention_mask"] == 0).sum(dim=1).tolist()
    return {key: torch.stack([row.roll(shift) for row, shift in zip(value, shifts, strict=True)]) for key, value in batch.items()}


def _tried(run: Callable[[], float]) -> float:
    try:
        return run()
    except FAILURES:
        return float("nan")


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    """Meanwhile without dropout and gradients; afterwards every part is in its mode again."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
