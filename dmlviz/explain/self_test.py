"""Is the model that is explained the one whose predictions were stored? It is run on word vectors, in padded batches; here both are compared with a
text alone by ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dmlviz.core.types import InputError
from dmlviz.encoder.self_test import FAILURES, LONG, SHORT, TOLERANCE
from dmlviz.explain.gradients import WordModel, batch_of
from dmlviz.explain.scores import Seen
from dmlviz.explain.words import TokenizedText, tokenize

CAN = "BERT, RoBERTa, DistilBERT, MPNet, ELECTRA, ModernBERT and most encoders can, and so can GPT-2 and its like"


def check_tokenizer(tokenizer: Any) -> None:
    """Raises InputError for a tokenizer that does not know which characters a token covers."""
    if not tokenizer.is_fast:
        raise InputError(f"{type(tokenizer).__name__} is a slow tokenizer, which does not say which characters a token covers, so its tokens "
                         "cannot be put back into words; save the model with a fast tokenizer (tokenizer.json)")  # fmt: skip


def checked(model: WordModel) -> WordModel:
    """The model, told to keep texts of unequal length apart where padding changes what it says. Raises InputError, naming the architecture, where
    it says something else by word vectors than by ids."""
    name = type(model.classifier or model.encoder.model).__name__
    cut = [tokenize(model.encoder.tokenizer, text, max_length=model.encoder.max_length) for text in (SHORT, LONG)]
    try:
        stored, alone, beside = _by_ids(model, cut[0]), _by_words(model, cut[:1]), _by_words(model, cut)
    except FAILURES:
        raise InputError(f"{name} takes no word vectors in place of token ids, so its texts cannot be explained; {CAN}") from None
    if _apart(stored, alone) > TOLERANCE:
        raise InputError(f"{name} says something else by word vectors than by token ids, so its texts cannot be explained; {CAN}")
    model.equal = _apart(stored, beside) > TOLERANCE
    return model


def _by_ids(model: WordModel, text: TokenizedText) -> Seen:
    """The one text as the model is run when predictions are stored."""
    batch = batch_of(model, [text])
    words = {"input_ids": batch.ids, "attention_mask": batch.mask, **({} if batch.types is None else {"token_type_ids": batch.types})}
    with torch.inference_mode():
        pooled = model.encoder(words, padding_matters=True).pooled
        return Seen(pooled, None if model.classifier is None else model.classifier(**words).logits[:, model.order])


def _by_words(model: WordModel, texts: list[TokenizedText]) -> Seen:
    batch = batch_of(model, texts)
    with torch.inference_mode():
        return model(batch.ids, *batch.rest)


def _apart(one: Seen, other: Seen) -> float:
    """The largest difference of the first text's vector and logits, over the largest value."""
    pairs = [(one.pooled, other.pooled), *([(one.logits, other.logits)] if one.logits is not None and other.logits is not None else [])]
    return max(float((a[0] - b[0]).abs().max()) / max(float(a[0].abs().max()), 1e-12) for a, b in pairs) if pairs else float(np.nan)
