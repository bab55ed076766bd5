"""From texts to attributions of words: method, target, baseline and checks in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from dmlviz.analysis.attribution.kind import AttributionKind, read_target
from dmlviz.core.types import InputError, TokenAttribution, predicted_classes
from dmlviz.explain.faithful import Checked, Variants, check, mask_token, random_rankings
from dmlviz.explain.gradients import TokenValues, gradient_x_input, integrated_gradients, seen
from dmlviz.explain.run_model import RunModel
from dmlviz.explain.scores import Explained, Seen
from dmlviz.explain.words import TokenizedText, by_word


def explain(
    run: RunModel,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    kind: AttributionKind,
    gold: np.ndarray | None = None,
    row_ids: np.ndarray | None = None,
    quick: bool = False,
    on_text: Callable[[int], None] = lambda done: None,
) -> list[TokenAttribution]:
    """Attributions of every text, with their checks. `gold` (N,) labels where the texts have them, `row_ids` (N,) where they are the data set's.
    `quick`: only the checks that the badge asks for.

    Raises InputError for a text without a word, and for a target or baseline that this run does not have.
    """
    cut = run.tokenize(texts, pairs)
    for text, one in zip(texts, cut, strict=True):
        if not len(one.starts):
            raise InputError(f"the text {text[:40]!r} has no word to explain; write at least one")
    probabilities = run.probabilities(cut)
    predicted = predicted_classes(probabilities)
    target = run.explained(read_target(kind.target))
    classes = np.asarray(target.classes(np.maximum(predicted, 0), gold), dtype=np.int64)  # of what no label reaches the first class is explained
    found = _values(run, cut, classes, target, kind, on_text)
    words = [by_word(one.values, text) for one, text in zip(found, cut, strict=True)]
    checks = check(cut, words, _asker(run, target, classes), mask_token(run.model.encoder.tokenizer), quick=quick)
    rows = np.full(len(texts), -1) if row_ids is None else row_ids
    return [
        _record(*parts, int(row), int(guess), shares)
        for *parts, row, guess, shares in zip(cut, found, words, checks, classes, rows, predicted, probabilities, strict=True)
    ]


def _values(
    run: RunModel, texts: list[TokenizedText], classes: np.ndarray, target: Explained, kind: AttributionKind, on_text: Callable[[int], None]
) -> list[TokenValues]:
    """Token values by the method."""
    if kind.method == "ig":
        return integrated_gradients(run.words, texts, classes, target.of, baseline=kind.baseline, on_text=on_text)
    outputs = _ask(run, target, texts, classes)[1]
    nan = float("nan")
    if kind.method == "gradient_x_input":
        slopes = gradient_x_input(run.words, texts, classes, target.of)
        return [TokenValues(one, float(out), nan, 0, nan, True) for one, out in zip(slopes, outputs, strict=True)]
    if kind.method == "random":
        ranks = [random_rankings(one, 6)[-1] for one in texts]  # not one of those that the checks compare with
        return [TokenValues(_spread(rank + 1.0, one), float(out), nan, 0, nan, True) for rank, one, out in zip(ranks, texts, outputs, strict=True)]
    if kind.method != "occlusion":
        raise InputError(f"the method {kind.method!r} is not known; methods: ig, gradient_x_input, occlusion, random")
    variants = Variants(run.words.baseline_id(kind.baseline))
    plans = [[variants.add(i, one, np.arange(len(one.starts)) == word) for word in range(len(one.starts))] for i, one in enumerate(texts)]
    scores = _ask(run, target, variants.texts, classes[np.array(variants.origins)])[1]
    drops = [out - scores[plan] for out, plan in zip(outputs, plans, strict=True)]
    return [TokenValues(_spread(drop, one), float(out), nan, 0, nan, True) for drop, one, out in zip(drops, texts, outputs, strict=True)]


def _spread(values: np.ndarray, text: TokenizedText) -> np.ndarray:
    """(W,) values of words -> (T,) of tokens: each word's on its first token."""
    tokens = np.zeros(len(text.word))
    for word, value in enumerate(values):
        tokens[np.flatnonzero(text.word == word)[0]] = value
    return tokens


def _ask(run: RunModel, target: Explained, texts: Sequence[TokenizedText], classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) probability of each text's class and (N,) its score."""
    chosen = torch.from_numpy(classes)

    def both(what: Seen, rows: torch.Tensor) -> torch.Tensor:
        mine = chosen[rows].to(what.pooled.device)
        shares = run.scores(what).softmax(dim=1).gather(1, mine[:, None])[:, 0]
        return torch.stack([shares, target.of(what, mine)], dim=1)

    found = seen(run.words, texts, both).numpy().astype(np.float64)
    return found[:, 0], found[:, 1]


def _asker(run: RunModel, target: Explained, classes: np.ndarray):
    return lambda texts, origins: _ask(run, target, texts, classes[origins])


def _record(
    text: TokenizedText, found: TokenValues, words: np.ndarray, checked: Checked, class_id: int, row: int, predicted: int, shares: np.ndarray
) -> TokenAttribution:
    total = float(np.abs(found.values).sum())
    return TokenAttribution(
        row_id=row, starts=text.starts, ends=text.ends, second=text.second, values=words.astype(np.float32), drops=checked.drops.astype(np.float32),
        class_id=int(class_id), predicted=predicted, probability=float(shares[class_id]), output=found.output, baseline_output=found.baseline_output,
        delta=found.delta, steps=found.steps, converged=bool(found.converged),
        outside=float(np.abs(found.values[text.word < 0]).sum()) / total if total > 0 else 0.0,
        cut=text.cut, unknown=int(text.unknown.sum()), checks=checked.checks,
        deletion=checked.deletion.astype(np.float32), insertion=checked.insertion.astype(np.float32),
    )  # fmt: skip
