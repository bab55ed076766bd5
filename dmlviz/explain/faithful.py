"""Does the ranking of words say what the model does? Words are taken away and the model is asked again.

Comprehensiveness and sufficiency after DeYoung et al. 2020 (ERASER, arXiv 1911.03429), each the mean over FRACTIONS of the words; their AOPC
divides by one more, for the empty fraction, which adds nothing. Kendall's tau of the values with leave-one-out. Each beside random rankings.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau

from dmlviz.explain.words import TokenizedText

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)
TENTHS = np.linspace(0, 1, 11)
RANDOM_RANKINGS = 5
CHECKS = {
    "comprehensiveness": "fall of the probability when the highest words are masked; high is faithful",
    "sufficiency": "fall of the probability when all other words are masked; low is faithful",
    "comprehensiveness_removed": "the same with the words removed instead of masked",
    "sufficiency_removed": "the same with the words removed instead of masked",
    "random_comprehensiveness": "mean over random rankings of the same words",
    "random_comprehensiveness_most": "the highest among the random rankings",
    "random_sufficiency": "mean over random rankings of the same words",
    "tau": "Kendall's tau-b between the values and leave-one-out; 1: the same order",
    "top_drop": "fall of the probability when the highest word alone is masked",
    "deletion": "area under the deletion curve; low is faithful",
    "insertion": "area under the insertion curve; high is faithful",
    "random_deletion": "area under the deletion curve of random rankings",
    "random_insertion": "area under the insertion curve of random rankings",
}


QUICK = ("comprehensiveness", "sufficiency", "random_comprehensiveness", "random_comprehensiveness_most", "tau", "top_drop")


class Checked(NamedTuple):
    """What the checks found for one text."""

    checks: dict[str, float]
    drops: np.ndarray  # (W,) fall of the score
    deletion: np.ndarray  # (11,)
    insertion: np.ndarray  # (11,)


Ask = Callable[[Sequence[TokenizedText], np.ndarray], tuple[np.ndarray, np.ndarray]]
"""texts (N), number of the original text each was made from (N,) -> probability (N,) and score (N,) of that text's class"""


class Variants:
    """Texts with words taken away, each asked for once however often it is needed."""

    def __init__(self, mask_id: int) -> None:
        self.mask_id = mask_id
        self.texts: list[TokenizedText] = []
        self.origins: list[int] = []
        self._known: dict[tuple[int, bytes], int] = {}

    def add(self, origin: int, text: TokenizedText, words: np.ndarray, *, remove: bool = False) -> int:
        """The text without the (W,) bool words; its number."""
        gone = np.where(text.word >= 0, words[text.word.clip(min=0)], False) if len(words) else np.zeros(len(text.word), dtype=bool)
        made = text.without(gone) if remove else text.replaced(np.where(gone, self.mask_id, text.ids))
        key = origin, made.ids.tobytes()
        if key not in self._known:
            self._known[key] = len(self.texts)
            self.texts.append(made)
            self.origins.append(origin)
        return self._known[key]


def mask_token(tokenizer) -> int:
    """What stands for a masked word: the mask token, else the unknown one, else padding."""
    return next(one for one in (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id) if one is not None)


def ranking(values: np.ndarray) -> np.ndarray:
    """(W,) words, most supporting first; equal values in the order of the text."""
    return np.argsort(-values, kind="stable")


def random_rankings(text: TokenizedText, count: int = RANDOM_RANKINGS) -> list[np.ndarray]:
    """The same for the same text in every run, so that runs are compared with one reference."""
    seed = int.from_bytes(hashlib.sha256(text.starts.tobytes() + text.ids.tobytes()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    return [rng.permutation(len(text.starts)) for _ in range(count)]


def first_words(order: np.ndarray, count: int) -> np.ndarray:
    """(W,) bool: the first `count` words of the ranking."""
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[:count]] = True
    return chosen


def check(texts: Sequence[TokenizedText], values: Sequence[np.ndarray], ask: Ask, mask_id: int, *, quick: bool = False) -> list[Checked]:
    """All checks of all texts; `values` (W,) of each text's words. A text without words gets NaN.

    `quick`, for a person who waits: QUICK alone, which is what the badge asks for; the others and the curves are NaN.
    """
    variants = Variants(mask_id)
    plans = [_plan(variants, i, text, own, quick) for i, (text, own) in enumerate(zip(texts, values, strict=True))]
    probabilities, scores = ask(variants.texts, np.array(variants.origins))
    return [_checked(plan, own, probabilities, scores) for plan, own in zip(plans, values, strict=True)]


class _Plan(NamedTuple):
    """Numbers of the variants that a text's checks need."""

    whole: int
    single: list[int]  # W
    masked: list[list[int]]  # per ranking (the text's own first): with the first words gone, a fraction each
    kept: list[list[int]]  # the first words alone
    removed: list[int]  # own ranking, removed instead of masked
    kept_removed: list[int]
    deletion: list[list[int]]
    insertion: list[list[int]]


def _plan(variants: Variants, origin: int, text: TokenizedText, values: np.ndarray, quick: bool) -> _Plan:
    count = len(values)
    orders = [ranking(values), *random_rankings(text)]
    some = [ceil(fraction * count) for fraction in FRACTIONS]
    tenths = [round(share * count) for share in TENTHS]

    def gone(order: np.ndarray, one: int, **how: bool) -> int:
        return variants.add(origin, text, first_words(order, one), **how)

    def alone(order: np.ndarray, one: int, **how: bool) -> int:
        return variants.add(origin, text, ~first_words(order, one), **how)

    full = [] if quick else orders
    return _Plan(
        variants.add(origin, text, np.zeros(count, dtype=bool)),
        [variants.add(origin, text, np.arange(count) == word) for word in range(count)],
        [[gone(order, one) for one in some] for order in orders],
        [[alone(order, one) for one in some] for order in (orders[:1] if quick else orders)],
        [gone(order, one, remove=True) for order in full[:1] for one in some],
        [alone(order, one, remove=True) for order in full[:1] for one in some],
        [[gone(order, one) for one in tenths] for order in full[:2]],
        [[alone(order, one) for one in tenths] for order in full[:2]],
    )


def _checked(plan: _Plan, values: np.ndarray, probabilities: np.ndarray, scores: np.ndarray) -> Checked:
    whole = probabilities[plan.whole]
    drops = scores[plan.whole] - scores[plan.single] if plan.single else np.zeros(0)
    fall = lambda numbers: float(whole - probabilities[numbers].mean()) if numbers else math.nan  # noqa: E731
    area = lambda curves, i: float(np.trapezoid(probabilities[curves[i]], TENTHS)) if curves else math.nan  # noqa: E731
    mean = lambda values: float(np.mean(values)) if values else math.nan  # noqa: E731
    random_gone, random_kept = [fall(one) for one in plan.masked[1:]], [fall(one) for one in plan.kept[1:]]
    unknown = np.full(len(TENTHS), math.nan)
    curves = tuple(probabilities[own[0]] if own else unknown for own in (plan.deletion, plan.insertion))
    if not len(values):
        return Checked(dict.fromkeys(CHECKS, float("nan")), drops, *curves)
    found = {
        "comprehensiveness": fall(plan.masked[0]),
        "sufficiency": fall(plan.kept[0]),
        "comprehensiveness_removed": fall(plan.removed),
        "sufficiency_removed": fall(plan.kept_removed),
        "random_comprehensiveness": mean(random_gone),
        "random_comprehensiveness_most": float(np.max(random_gone)),
        "random_sufficiency": mean(random_kept),
        "tau": float(kendalltau(values, drops).statistic) if len(values) > 1 else float("nan"),
        "top_drop": float(whole - probabilities[plan.single[int(ranking(values)[0])]]),
        "deletion": area(plan.deletion, 0),
        "insertion": area(plan.insertion, 0),
        "random_deletion": area(plan.deletion, 1),
        "random_insertion": area(plan.insertion, 1),
    }
    return Checked(found, drops, *curves)
