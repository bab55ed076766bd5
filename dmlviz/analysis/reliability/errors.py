"""Which texts are wrong: confused classes, errors that losses share, churn between runs of a group, hardest texts, and doubts about the labels."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from dmlviz.analysis.reliability.outcomes import Outcome
from dmlviz.analysis.reliability.over_runs import Side, over_runs
from dmlviz.analysis.statistics import student_half
from dmlviz.core.types import UNREACHED, InputError, TextDataset

MOST_CLASSES = 20  # rows of a confusion matrix that can be read
MOST_SIDES = 6  # losses whose shared errors are told apart: 64 sets
REST = -1  # the classes that found no room, as one


# ---- confusion


def confusion(outcomes: Sequence[Outcome]) -> np.ndarray:
    """(C, C) test texts of each gold class (rows) by predicted class, summed over the runs. Texts of which a readout says nothing are in no cell."""
    classes = outcomes[0].arrays.scores[outcomes[0].readout].shape[1]
    total = np.zeros((classes, classes), dtype=np.int64)
    for one in outcomes:
        gold, said = one.labels(one.test), one.predicted(one.test)
        pairs = (gold * classes + said)[said != UNREACHED]
        total += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    return total


def row_shares(counts: np.ndarray) -> np.ndarray:
    """(C, C) share of each row; NaN rows for classes without texts."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def class_order(counts: np.ndarray) -> np.ndarray:
    """(C,) classes so that those taken for each other stand together: leaves of average linkage, distance 1 - mean of the two row shares, in
    optimal order."""
    if len(counts) < 3:
        return np.arange(len(counts))
    shares = np.nan_to_num(row_shares(counts))
    apart = 1 - (shares + shares.T) / 2
    np.fill_diagonal(apart, 0)
    return leaves_list(linkage(squareform(apart, checks=False), method="average", optimal_ordering=True))


class Confusion(NamedTuple):
    """A confusion matrix that can be read: the most confused classes in an order that puts likes together, the others as one last row and column."""

    classes: tuple[int, ...]  # K class ids, REST at the end where classes were put together
    counts: np.ndarray  # (K, K), gold by predicted
    left_out: int  # classes within REST


def confusion_view(counts: np.ndarray, most: int = MOST_CLASSES, *, order: Sequence[int] | None = None) -> Confusion:
    """At most `most` classes: those with the most confusions (given and taken); `order` fixes them, so that several runs are shown alike."""
    present = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if order is None:
        confused = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
        kept = present[np.argsort(-confused[present], kind="stable")][:most] if len(present) > most else present
        kept = np.sort(kept)
        order = kept[class_order(counts[np.ix_(kept, kept)])]
    order = [int(c) for c in order]
    rest = [int(c) for c in present if int(c) not in set(order)]
    if not rest:
        return Confusion(tuple(order), counts[np.ix_(order, order)], 0)
    member = np.zeros((len(order) + 1, len(counts)), dtype=np.int64)
    member[np.arange(len(order)), order] = 1
    member[-1, rest] = 1
    return Confusion((*order, REST), member @ counts @ member.T, len(rest))


def confused_pairs(counts: np.ndarray) -> pd.DataFrame:
    """One row per confusion that happened, the most frequent first: gold, predicted, count, share (of the gold class's texts)."""
    gold, predicted = np.nonzero(counts * (1 - np.eye(len(counts), dtype=np.int64)))
    shares = row_shares(counts)
    table = pd.DataFrame({"gold": gold, "predicted": predicted, "count": counts[gold, predicted], "share": shares[gold, predicted]})
    return table.sort_values(["count", "share", "gold", "predicted"], ascending=[False, False, True, True], ignore_index=True)


# ---- errors that losses share


class SharedErrors(NamedTuple):
    """Which sets of sides get a text wrong."""

    table: pd.DataFrame  # wrong (tuple of places in `sides`), texts, low, high, share, independent; the largest first
    n: int  # test texts
    repetitions: int  # in each, one run of every side on the same draw
    sizes: tuple[float, ...]  # error rate of each side over these


def shared_errors(found: Sequence[Side]) -> SharedErrors:
    """For each set of sides, how many test texts these and only these get wrong: mean over repetitions, Student's interval. A repetition is one run
    of every side with the same draw, fold and seed (the same draw and fold where seeds do not match).

    `independent`: texts expected if the sides erred independently with their error rates. Raises InputError for more than six sides, several data
    sets, or without a common draw.
    """
    if not 2 <= len(found) <= MOST_SIDES:
        raise InputError(f"shared errors were asked of {len(found)} losses; choose 2 to {MOST_SIDES}")
    if len({side.group.config.dataset_hash for side in found}) > 1:
        raise InputError("shared errors need runs on the same texts, and these are on different data sets; pick runs of one data set")
    repetitions = _repetitions(found)
    per_run, errors, sizes = [], [], []
    for runs in repetitions:
        rows = runs[0].rows(runs[0].test)
        for one in runs[1:]:
            rows = np.intersect1d(rows, one.rows(one.test))
        wrong = np.stack([_wrong_on(one, rows) for one in runs])  # (sides, M)
        per_run.append(np.bincount((wrong * 2 ** np.arange(len(runs))[:, None]).sum(axis=0), minlength=2 ** len(runs)))
        errors.append(wrong.mean(axis=1))
        sizes.append(len(rows))
    if not min(sizes):
        raise InputError("these runs have no test text in common, so their errors cannot be laid side by side")
    table = _sets(np.stack(per_run), np.stack(errors), np.array(sizes), [runs[0] for runs in repetitions])
    return SharedErrors(table, int(np.mean(sizes)), len(repetitions), tuple(float(x) for x in np.mean(errors, axis=0)))


def _repetitions(found: Sequence[Side]) -> list[list[Outcome]]:
    for key in (lambda one: (*_draw(one), one.run.config.seed), _draw):
        own = [{key(one): one for one in reversed(side.outcomes)} for side in found]
        common = sorted(set(own[0]).intersection(*own[1:]))
        if common:
            return [[one[name] for one in own] for name in common]
    raise InputError("these losses share no draw of the shots, so which texts they get wrong together cannot be said; train them on the same draws")


def _draw(one: Outcome) -> tuple[int, int]:
    return one.run.config.support_seed, one.run.config.fold


def _wrong_on(one: Outcome, rows: np.ndarray) -> np.ndarray:
    """(M,) whether the run is wrong on these row ids."""
    wrong = one.predicted(one.test) != one.labels(one.test)
    own = one.rows(one.test)
    order = np.argsort(own, kind="stable")
    return wrong[order[np.searchsorted(own, rows, sorter=order)]]


def _sets(counts: np.ndarray, errors: np.ndarray, sizes: np.ndarray, firsts: Sequence[Outcome]) -> pd.DataFrame:
    rows, sides = [], errors.shape[1]
    for code in range(counts.shape[1]):
        wrong = tuple(i for i in range(sides) if code >> i & 1)
        chances = [np.prod([e[i] if i in wrong else 1 - e[i] for i in range(sides)]) * m for e, m in zip(errors, sizes, strict=True)]
        interval = over_runs(counts[:, code], [one.run for one in firsts], least=0.0)
        rows.append((wrong, interval.mean, interval.low, interval.high, interval.mean / sizes.mean(), float(np.mean(chances))))
    table = pd.DataFrame(rows, columns=["wrong", "texts", "low", "high", "share", "independent"])
    return table.sort_values("texts", ascending=False, kind="stable", ignore_index=True)


# ---- churn


def churn(side: Side) -> pd.DataFrame:
    """One row per pair of runs of a group: a, b, relation (what they differ in), n (common test texts), churn (share of texts whose prediction
    changes; Milani Fard et al. 2016), gap (difference of accuracies: the churn that it forces), beyond (churn - gap), flips (share of texts that are
    right in one run alone). Empty for a lone run."""
    rows = []
    for a, b in itertools.combinations(side.outcomes, 2):
        common = np.intersect1d(a.rows(a.test), b.rows(b.test))
        if not len(common):
            continue
        says = [_predicted_on(one, common) for one in (a, b)]
        wrong = [_wrong_on(one, common) for one in (a, b)]
        changed, gap = float((says[0] != says[1]).mean()), abs(float(wrong[0].mean()) - float(wrong[1].mean()))
        rows.append((a.run.id, b.run.id, _relation(a, b), len(common), changed, gap, changed - gap, float((wrong[0] != wrong[1]).mean())))
    return pd.DataFrame(rows, columns=["a", "b", "relation", "n", "churn", "gap", "beyond", "flips"])


def _relation(a: Outcome, b: Outcome) -> str:
    differ = [word for word, name in (("draw", "support_seed"), ("fold", "fold"), ("seed", "seed"))
              if getattr(a.run.config, name) != getattr(b.run.config, name)]  # fmt: skip
    return " and ".join(differ) or "nothing"


def _predicted_on(one: Outcome, rows: np.ndarray) -> np.ndarray:
    own, said = one.rows(one.test), one.predicted(one.test)
    order = np.argsort(own, kind="stable")
    return said[order[np.searchsorted(own, rows, sorter=order)]]


def churn_interval(pairs: pd.DataFrame, column: str = "churn") -> tuple[float, float, float]:
    """(mean, low, high) over the pairs of runs. Pairs share runs, so the interval is a jackknife over runs with Student's t; NaN below three runs."""
    ids = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    if pairs.empty:
        return math.nan, math.nan, math.nan
    mean = float(pairs[column].mean())
    if len(ids) < 3:
        return mean, math.nan, math.nan
    without = np.array([pairs.loc[(pairs["a"] != one) & (pairs["b"] != one), column].mean() for one in ids])
    spread = math.sqrt((len(ids) - 1) / len(ids) * float(((without - without.mean()) ** 2).sum()))
    half = float(student_half(spread, len(ids) - 1))
    return mean, max(0.0, mean - half), min(1.0, mean + half)


# ---- hard texts, and doubts about labels


def hard_texts(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per test text, the hardest first: row_id, label, gold (mean probability of the gold class over the runs that test it), runs, wrong (how
    many of these are wrong), said (the class that most runs predict, the lower number of equals; UNREACHED where none predicts any), votes (by how
    many)."""
    rows = np.concatenate([one.rows(one.test) for one in outcomes])
    labels = np.concatenate([one.labels(one.test) for one in outcomes])
    chances = [one.probabilities(one.test) for one in outcomes]
    gold = np.concatenate([p[np.arange(len(p)), one.labels(one.test)] for p, one in zip(chances, outcomes, strict=True)])
    said = np.concatenate([one.predicted(one.test) for one in outcomes])
    ids, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    runs = np.bincount(inverse)
    classes = chances[0].shape[1]
    voted = said != UNREACHED
    votes = np.bincount((inverse * classes + said)[voted], minlength=len(ids) * classes).reshape(len(ids), classes)
    most = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), UNREACHED)
    table = pd.DataFrame({
        "row_id": ids, "label": labels[first], "gold": np.bincount(inverse, gold) / runs, "runs": runs,
        "wrong": np.bincount(inverse, said != labels).astype(np.int64), "said": most, "votes": votes.max(axis=1),
    })  # fmt: skip
    return table.sort_values(["gold", "row_id"], ignore_index=True)


def always_wrong(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `hard_texts` that every run gets wrong, where two runs or more test them."""
    return table[(table["wrong"] == table["runs"]) & (table["runs"] > 1)].reset_index(drop=True)


def folded(text: str) -> str:
    """What two texts must share to count as the same: case folded, white space as one blank."""
    return " ".join(text.casefold().split())


def repeats(dataset: TextDataset) -> pd.DataFrame:
    """One row per text that stands in the data set more than once (after `folded`; pairs as a whole): row_id, copies (row ids of the others),
    conflicts (those of them with another label). Sorted by row."""
    pairs = dataset.text_pairs or ("",) * len(dataset.texts)
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, (text, pair) in enumerate(zip(dataset.texts, pairs, strict=True)):
        places[folded(text), folded(pair)].append(i)
    rows = []
    for same in places.values():
        for i in same if len(same) > 1 else ():
            others = tuple(j for j in same if j != i)
            rows.append((i, others, tuple(j for j in others if dataset.labels[j] != dataset.labels[i])))
    table = pd.DataFrame(rows, columns=["row_id", "copies", "conflicts"])
    return table.sort_values("row_id", ignore_index=True)


def doubts(row_ids: Sequence[int], dataset: TextDataset, table: pd.DataFrame) -> list[str]:
    """A phrase for each row: where else its text stands, and with which other labels; empty for a text that stands once. `table`: of `repeats`."""
    known = {row.row_id: row for row in table.itertuples()}
    said = []
    for row_id in map(int, row_ids):
        one = known.get(row_id)
        if one is None:
            said.append("")
            continue
        if one.conflicts:
            labels = sorted({dataset.label_names[dataset.labels[j]] for j in one.conflicts})
            said.append(f"same text labelled {', '.join(labels)} in row {one.conflicts[0]} ({dataset.parts[one.conflicts[0]]})")
        else:
            said.append(f"same text and label in row {one.copies[0]} ({dataset.parts[one.copies[0]]})")
    return said
