"""Does an explanation depend on what was learnt, and does it hold still when the text hardly moves?

    randomisation  weights are made random from the top down, a stage at a time; values that stay the same say nothing about the model
    sensitivity    word vectors are moved a little; values that jump cannot be quoted

Sources: Adebayo et al. 2018 (arXiv 1810.03292), cascading randomisation; Yeh et al. 2019 (arXiv 1901.09392), max-sensitivity, as in captum.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients
from captum.metrics import sensitivity_max
from scipy.stats import spearmanr
from torch import Tensor, nn

from dmlviz.core.types import InputError
from dmlviz.explain.gradients import WordModel, batch_of, changed, integrated_gradients
from dmlviz.explain.scores import Seen
from dmlviz.explain.words import TokenizedText, by_word

FEWEST_WORDS = 3  # for a rank correlation
RADIUS = 0.02  # of the mean length of a word vector
SAMPLES = 10
STEPS = 32  # of the path, in sensitivity

Of = Callable[[Seen, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Randomisation:
    """Rank correlation with the trained model's values after each stage; each stage includes those before it. S stages."""

    stages: tuple[str, ...]  # "trained", "head and centres", "layer 6" ... "layer 1", "word vectors"
    absolute: np.ndarray  # (S,) mean Spearman correlation of |values|, 1 at the first stage; NaN where no text has one
    signed: np.ndarray  # (S,) the same of the values
    texts: np.ndarray  # (S,) texts behind the means: with three words or more, and values that are not all equal
    seed: int


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Largest relative change of a text's token values when its word vectors move by at most `radius`."""

    values: np.ndarray  # (N,) 0: nothing changed; 1: the change is as large as the values themselves
    radius: float  # of each coordinate, as captum draws it; `share` times the mean length of a word vector over the root of D
    share: float
    samples: int


def randomisation(
    model: WordModel, head: nn.Module, of: Callable[[nn.Module], Of], texts: Sequence[TokenizedText], classes: np.ndarray, *,
    baseline: str = "pad", seed: int = 0, steps: int = 16,
) -> Randomisation:  # fmt: skip
    """Cascading randomisation of copies of the model, from the top; neither `model` nor `head` changes.

    `head` is what stands above the encoder (head, centres), `of(head)` the score of a batch with such a head.
    `texts` N, `classes` (N,) stay those of the trained model. Raises InputError where the encoder's layers cannot be told apart.
    """
    words, top = copy.deepcopy(model), copy.deepcopy(head)

    def values() -> list[np.ndarray]:
        found = integrated_gradients(words, texts, classes, of(top), baseline=baseline, steps=steps, most_steps=steps, tolerance=math.inf)
        return [by_word(one.values, text) for one, text in zip(found, texts, strict=True)]

    trained, generator = values(), torch.Generator().manual_seed(seed)
    names, rows = ["trained"], [_correlations(trained, trained)]
    for name, parts in _stages(words, top):
        for part in parts:
            redraw(part, generator)
        words.words.mean.copy_(words.words.words.weight.detach().mean(dim=0))
        names.append(name)
        rows.append(_correlations(trained, values()))
    absolute, signed, counts = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Randomisation(tuple(names), absolute, signed, counts.astype(int), seed)


def _stages(words: WordModel, top: nn.Module) -> Iterator[tuple[str, list[nn.Module]]]:
    """What is made random together, from the top down."""
    body = words.encoder.model
    layers = layers_of(body)
    inside = {id(one) for layer in layers for one in layer.modules()}
    yield "head and centres", [top]
    for number in range(len(layers), 0, -1):
        yield f"layer {number}", [layers[number - 1]]
    yield "word vectors", [one for one in body.modules() if id(one) not in inside and not list(one.children())]


def layers_of(body: nn.Module) -> list[nn.Module]:
    """The encoder's layers, bottom first: its longest list of modules."""
    lists = [one for one in body.modules() if isinstance(one, nn.ModuleList) and len(one)]
    if not lists:
        raise InputError("this encoder's layers are not in a list, so they cannot be made random one by one")
    return list(max(lists, key=len))


def redraw(module: nn.Module, generator: torch.Generator) -> None:
    """Weights anew, from a normal distribution with each matrix's own mean and standard deviation, so that sizes stay; vectors (biases, norms) dealt
    out in another order."""
    with torch.no_grad():
        for weights in module.parameters():
            if weights.dim() >= 2:
                noise = torch.randn(weights.shape, generator=generator).to(weights)
                weights.copy_(noise * weights.std() + weights.mean())
            elif len(weights.shape) == 1:
                weights.copy_(weights[torch.randperm(len(weights), generator=generator).to(weights.device)])


def _correlations(before: list[np.ndarray], after: list[np.ndarray]) -> tuple[float, float, int]:
    """Means over the texts that have a correlation, of absolute and of signed values; how many texts."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if len(a) >= FEWEST_WORDS and np.ptp(a) > 0 and np.ptp(b) > 0
             and np.ptp(np.abs(a)) > 0 and np.ptp(np.abs(b)) > 0]  # fmt: skip
    if not pairs:
        return math.nan, math.nan, 0
    absolute = [float(spearmanr(np.abs(a), np.abs(b)).statistic) for a, b in pairs]
    return float(np.mean(absolute)), float(np.mean([float(spearmanr(a, b).statistic) for a, b in pairs])), len(pairs)


def sensitivity(
    model: WordModel, texts: Sequence[TokenizedText], classes: np.ndarray, of: Of, *, baseline: str = "pad", share: float = RADIUS,
    samples: int = SAMPLES, steps: int = STEPS, seed: int = 0,
) -> Sensitivity:  # fmt: skip
    """captum's max-sensitivity of Integrated Gradients on the word vectors of each text; special tokens move too.

    Each coordinate moves by at most `radius`, so that a word vector moves by at most `share` of the mean length of one. Raises InputError for a model
    that came with its own classifier: it is asked by ids alone.
    """
    if model.classifier is not None:
        raise InputError("input noise is measured on encoders with a readout of ours, not on a classifier that came with its model")
    table = model.words.words.weight.detach()
    radius = share * float(table.norm(dim=1).mean()) / math.sqrt(table.shape[1])
    token = model.baseline_id(baseline)
    found = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for text, class_id in zip(texts, classes, strict=True):
            found.append(_sensitivity(model, text, int(class_id), of, token, radius, samples, steps))
    return Sensitivity(np.array(found), radius, share, samples)


def _sensitivity(model: WordModel, text: TokenizedText, class_id: int, of: Of, token: int, radius: float, samples: int, steps: int) -> float:
    batch, start = batch_of(model, [text]), batch_of(model, [changed(text, ~text.special, token)])

    def score(vectors: Tensor) -> Tensor:
        """(B, T, D) -> (B,)"""
        mask = batch.mask.expand(len(vectors), -1)
        types = {} if batch.types is None else {"token_type_ids": batch.types.expand(len(vectors), -1)}
        pooled = model.encoder.pooled(model.encoder.model(inputs_embeds=vectors, attention_mask=mask, **types).last_hidden_state, mask)
        return of(Seen(pooled), torch.full((len(vectors),), class_id, device=vectors.device))

    engine = IntegratedGradients(score)

    def values(vectors: tuple[Tensor, ...] | Tensor) -> tuple[Tensor]:
        vectors = vectors[0] if isinstance(vectors, tuple) else vectors
        base = model.words(start.ids).detach().expand(len(vectors), -1, -1)
        return (engine.attribute(vectors, baselines=base, n_steps=steps, internal_batch_size=max(len(vectors), 32)).sum(dim=2),)

    return float(sensitivity_max(values, model.words(batch.ids).detach(), perturb_radius=radius, n_perturb_samples=samples)[0])
