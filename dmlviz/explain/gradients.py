"""Integrated Gradients of a score along the straight path from a baseline to the text's word vectors, by Captum, in batches.

Source: Sundararajan, Taly and Yan 2017 (arXiv 1703.01365). Special tokens are the same at both ends, so the path leaves them where they are;
what they get nonetheless (nothing, but for rounding) and what tokens outside of words get is told apart from the words' values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from captum.attr import LayerGradientXActivation, LayerIntegratedGradients
from torch import Tensor, nn

from dmlviz.analysis.attribution.kind import BASELINES
from dmlviz.core.types import InputError
from dmlviz.encoder.text_encoder import TextEncoder
from dmlviz.explain.scores import Seen
from dmlviz.explain.words import TokenizedText

FIRST_STEPS, MOST_STEPS = 32, 256  # of the path: doubled until the values add up to the difference of the scores; 16 are hardly ever enough
TOLERANCE = 0.01  # of the difference of the scores
FLOOR = 1e-4  # a difference below it is not told from rounding in float32
CPU_TOKENS = 1024  # tokens in one pass with gradients; more does not run faster on a CPU
PASS_BYTES = 1 << 30  # on a CPU; on a GPU a third of what is free


class WordVectors(nn.Module):
    """The encoder's word vectors, and two that are no word: zero (id V) and the mean of all (id V + 1)."""

    def __init__(self, words: nn.Embedding) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("mean", words.weight.detach().mean(dim=0), persistent=False)

    @property
    def zero_id(self) -> int:
        return self.words.num_embeddings

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, D)"""
        count = self.words.num_embeddings
        found = self.words(ids.clamp(max=count - 1))
        found = torch.where((ids == count)[..., None], torch.zeros_like(found), found)
        return torch.where((ids == count + 1)[..., None], self.mean.to(found), found)


class WordModel(nn.Module):
    """An encoder that is asked by token ids but run on word vectors, so that these can be moved. Positions stay those of the text."""

    def __init__(self, encoder: TextEncoder, classifier: nn.Module | None = None, order: Sequence[int] = ()) -> None:
        super().__init__()
        self.encoder, self.classifier, self.order = encoder, classifier, list(order)
        self.equal = False  # texts of unequal length never stand in one batch: this model reads a padded place (see explain.self_test)
        words = (classifier or encoder.model).get_input_embeddings()
        if not isinstance(words, nn.Embedding):
            raise InputError(f"this encoder looks words up in a {type(words).__name__}; attributions need a plain table of word vectors")
        self.words = WordVectors(words)
        self.requires_grad_(False).eval()

    @property
    def device(self) -> torch.device:
        return self.words.mean.device

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Seen:
        """(B, T) each"""
        batch = {"inputs_embeds": self.words(ids), "attention_mask": mask, **({} if types is None else {"token_type_ids": types})}
        if self.classifier is None:
            return Seen(self.encoder.pooled(self.encoder.model(**batch).last_hidden_state, mask))
        found = self.classifier(**batch, output_hidden_states=True)
        return Seen(self.encoder.pooled(found.hidden_states[-1], mask), found.logits[:, self.order])

    def baseline_id(self, name: str) -> int:
        """The id that stands in every place of the baseline."""
        tokenizer = self.encoder.tokenizer
        if name not in BASELINES:
            raise InputError(f"the baseline {name!r} is not known; baselines: {', '.join(BASELINES)}")
        if name == "mask" and tokenizer.mask_token_id is None:
            raise InputError("this encoder has no mask token; choose the baseline pad, zero or mean")
        return {"pad": tokenizer.pad_token_id, "mask": tokenizer.mask_token_id, "zero": self.words.zero_id, "mean": self.words.zero_id + 1}[name]


class Batch(NamedTuple):
    """Texts of like length, padded."""

    ids: Tensor  # (B, T)
    mask: Tensor  # (B, T)
    types: Tensor | None  # (B, T)

    @property
    def rest(self) -> tuple[Tensor | None, ...]:
        return self.mask, self.types


class TokenValues(NamedTuple):
    """What Integrated Gradients found for one text."""

    values: np.ndarray  # (T,) of tokens, towards the score
    output: float  # the score of the text
    baseline_output: float  # the score of the baseline
    steps: int
    delta: float  # sum of values minus the difference of the two scores
    converged: bool


def batch_of(model: WordModel, texts: Sequence[TokenizedText]) -> Batch:
    """(B, T) tensors on the model's device; padding behind."""
    width, tokenizer = max(len(one.ids) for one in texts), model.encoder.tokenizer
    ids = np.full((len(texts), width), tokenizer.pad_token_id, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for i, one in enumerate(texts):
        ids[i, : len(one.ids)], mask[i, : len(one.ids)] = one.ids, 1
        if one.types is not None:
            types[i, : len(one.ids)] = one.types
    tensors = [torch.from_numpy(array).to(model.device) for array in (ids, mask, types)]
    return Batch(tensors[0], tensors[1], tensors[2] if texts[0].types is not None else None)


def in_batches(lengths: Sequence[int], most_tokens: int, *, equal: bool = False) -> list[list[int]]:
    """Positions in groups of like length (`equal`: of one), longest first, each of at most `most_tokens` tokens with its padding (but never
    empty)."""
    groups: list[list[int]] = []
    for one in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        first = lengths[groups[-1][0]] if groups else 0
        if groups and (len(groups[-1]) + 1) * first <= most_tokens and not (equal and lengths[one] != first):
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def pass_tokens(model: WordModel, *, gradients: bool = True) -> int:
    """How many tokens fit into one pass, by the size of the encoder and the memory that is free."""
    config = model.encoder.model.config
    layers, width = getattr(config, "num_hidden_layers", 12), model.encoder.dim
    token_bytes = 4 * width * (34 * layers if gradients else 40)  # about what a layer keeps of a token for the way back
    if model.device.type == "cuda":
        return max(int(torch.cuda.mem_get_info(model.device)[0] / 3 / token_bytes), 64)
    return min(max(int(PASS_BYTES / token_bytes), 64), CPU_TOKENS if gradients else 4 * CPU_TOKENS)


def halving(run: Callable[[int], Any], tokens: int, least: int) -> Any:
    """`run(tokens)`, with half as many tokens per pass whenever memory runs out; MemoryError when even `least` do not fit."""
    while True:
        try:
            return run(tokens)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and "alloc" not in str(error).lower():
                raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if tokens <= least:
                raise MemoryError("one text alone does not fit") from error
            tokens = max(tokens // 2, least)


def seen(model: WordModel, texts: Sequence[TokenizedText], of: Callable[[Seen, Tensor], Tensor]) -> Tensor:
    """`of(what the model makes of a batch, positions of its texts)` for all texts, (N, ...) on the CPU, without gradients."""
    parts: list[tuple[list[int], Tensor]] = []

    def run(tokens: int) -> None:
        parts.clear()
        with torch.inference_mode():
            for rows in in_batches([len(one.ids) for one in texts], tokens, equal=model.equal):
                batch = batch_of(model, [texts[i] for i in rows])
                parts.append((rows, of(model(batch.ids, *batch.rest), torch.tensor(rows)).float().cpu()))

    halving(run, pass_tokens(model, gradients=False), max(len(one.ids) for one in texts))
    whole = torch.empty(len(texts), *parts[0][1].shape[1:])
    for rows, found in parts:
        whole[rows] = found
    return whole


def integrated_gradients(
    model: WordModel,
    texts: Sequence[TokenizedText],
    classes: np.ndarray,
    of: Callable[[Seen, Tensor], Tensor],
    *,
    baseline: str = "pad",
    steps: int = FIRST_STEPS,
    most_steps: int = MOST_STEPS,
    tolerance: float = TOLERANCE,
    on_text: Callable[[int], None] = lambda done: None,
) -> list[TokenValues]:
    """Values of every token of every text towards `of(Seen, classes)`.

    Gauss-Legendre quadrature with `steps` points, doubled up to `most_steps` for texts whose values miss the difference of the two scores by more
    than `tolerance` of it. What has not converged then is tried from the other end of the path, and flagged if that misses too. The rule's points
    lie symmetrically about the middle, so the other end differs in rounding alone.
    Raises InputError for an unknown baseline and MemoryError where one text alone does not fit.
    """
    token = model.baseline_id(baseline)
    explain = LayerIntegratedGradients(lambda ids, mask, types, chosen: of(model(ids, mask, types), chosen), model.words)
    ends = seen(model, [*texts, *(_baseline(one, token) for one in texts)], _at(of, np.concatenate([classes, classes]))).numpy().astype(np.float64)
    outputs, starts = ends[: len(texts)], ends[len(texts) :]
    best: list[TokenValues | None] = [None] * len(texts)
    open_texts, budget = list(range(len(texts))), pass_tokens(model)

    def sweep(points: int, *, reverse: bool = False) -> None:
        for rows in in_batches([len(texts[i].ids) * points for i in open_texts], max(budget, 1), equal=model.equal):
            mine = [open_texts[i] for i in rows]
            some = [texts[i] for i in mine]
            chosen = torch.from_numpy(classes[mine]).to(model.device)
            there, here = batch_of(model, some), batch_of(model, [_baseline(one, token) for one in some])
            first, last = (there, here) if reverse else (here, there)

            def run(tokens: int, there=there, first=first, last=last, chosen=chosen) -> np.ndarray:
                found = explain.attribute(
                    last.ids, baselines=first.ids, additional_forward_args=(*there.rest, chosen), n_steps=points, method="gausslegendre",
                    internal_batch_size=max(len(chosen), tokens // there.ids.shape[1]),
                )  # fmt: skip
                return found.sum(dim=2).double().cpu().numpy() * (-1 if reverse else 1)

            values = halving(run, budget, there.ids.shape[1])
            for row, i in enumerate(mine):
                own = values[row, : len(texts[i].ids)]
                difference = outputs[i] - starts[i]
                delta = float(own.sum() - difference)
                made = TokenValues(own, float(outputs[i]), float(starts[i]), points, delta, abs(delta) <= max(tolerance * abs(difference), FLOOR))
                if best[i] is None or (not best[i].converged and abs(delta) <= abs(best[i].delta)):
                    best[i] = made
            on_text(sum(one is not None and one.converged for one in best))

    while open_texts:
        sweep(steps)
        open_texts = [i for i in open_texts if not best[i].converged]
        if steps >= most_steps:
            break
        steps = min(2 * steps, most_steps)
    if open_texts:
        sweep(most_steps, reverse=True)
    return [one for one in best if one is not None]


def gradient_x_input(
    model: WordModel, texts: Sequence[TokenizedText], classes: np.ndarray, of: Callable[[Seen, Tensor], Tensor]
) -> list[np.ndarray]:
    """Slope of the score at the text times its word vectors: one pass, no path, no completeness. (T,) of tokens per text."""
    explain = LayerGradientXActivation(lambda ids, mask, types, chosen: of(model(ids, mask, types), chosen), model.words)
    found: list[np.ndarray] = [np.zeros(0)] * len(texts)
    for rows in in_batches([len(one.ids) for one in texts], pass_tokens(model), equal=model.equal):
        batch = batch_of(model, [texts[i] for i in rows])
        chosen = torch.from_numpy(classes[rows]).to(model.device)
        values = explain.attribute(batch.ids, additional_forward_args=(*batch.rest, chosen)).sum(dim=2).double().detach().cpu().numpy()
        for row, i in enumerate(rows):
            found[i] = values[row, : len(texts[i].ids)]
    return found


def _baseline(text: TokenizedText, token: int) -> TokenizedText:
    """The text with the baseline's id in every place that is not special."""
    return changed(text, ~text.special, token)


def changed(text: TokenizedText, places: np.ndarray, token: int) -> TokenizedText:
    """The text with another id at the (T,) bool places."""
    return text.replaced(np.where(places, token, text.ids))


def _at(of: Callable[[Seen, Tensor], Tensor], classes: np.ndarray) -> Callable[[Seen, Tensor], Tensor]:
    """`of` for texts named by their positions."""
    known = torch.from_numpy(classes)
    return lambda what, rows: of(what, known[rows].to(what.pooled.device))
