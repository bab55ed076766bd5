"""Were runs judged on the same rows, and does every class have one? By the hashes that each split carries and what a run kept of its test part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dmlviz.core.types import Run

SHOWN = 5  # classes and sizes named in a sentence


def same_rows(one: Run, other: Run) -> bool:
    """Same test texts, and, where both were trained here, the same shots? What is not known (a run without its split) counts as the same."""
    trained = one.origin == other.origin == "trained"
    parts = ("test", "support") if trained and one.config.left_out == other.config.left_out else ("test",)
    return all(one.parts.get(part) == other.parts.get(part) for part in parts if part in one.parts and part in other.parts)


def rows_apart(runs: Sequence[Run]) -> str:
    """'mr: 298 test texts in 3 runs, 300 in 2': test parts of one data set (and fold) that are not the same rows; '' where all are."""
    found = []
    for name, own in _by_test(runs).items():
        if len(tests := Counter(run.parts["test"] for run in own)) > 1:
            sizes = {run.parts["test"]: run.metrics.get("n_test") for run in own}
            words = []
            for place, (test, count) in enumerate(tests.most_common(SHOWN)):
                others = " others" if place and sizes[test] in [sizes[before] for before, _ in tests.most_common(place)] else ""
                words.append(f"{f'{sizes[test]:,}' if sizes[test] else 'some'}{others}{' test texts' if not place else ''} in {_runs(count)}")
            more = f" and {len(tests) - SHOWN} more" if len(tests) > SHOWN else ""
            found.append(f"{name}: {', '.join(words)}{more}")
    return "; ".join(found)


def drawn_apart(runs: Sequence[Run]) -> str:
    """'draw 0 of mr has other shots in 1 run than in 2': one draw, not the same rows (an older version drew some); '' where they are."""
    draws: dict[tuple, list[Run]] = {}
    for run in runs:
        if run.origin == "trained" and "support" in run.parts:
            config = run.config
            drawn_by = ("dataset_hash", "shots", "shots_by", "folds", "fold", "left_out", "cut_seed", "support_seed")
            cell = tuple(getattr(config, name) for name in drawn_by)
            draws.setdefault(cell, []).append(run)
    for own in draws.values():
        counts = Counter(run.parts["support"] for run in own).most_common()
        if len(counts) > 1:
            others = sum(count for _, count in counts[1:])
            return f"draw {own[0].config.support_seed} of {_name(own[0])} has other shots in {_runs(others)} than in {counts[0][1]}"
    return ""


def apart_sentence(runs: Sequence[Run]) -> str:
    """What a curve or a table of these runs must say; '' where all that stands in one was judged on the same rows."""
    tests, shots = rows_apart(runs), drawn_apart(runs)
    said = f"Not judged on the same texts ({tests}): a difference may be the texts'. " if tests else ""
    return (said + (f"Not drawn alike ({shots}): such runs are no pairs." if shots else "")).strip()


def untested_sentence(runs: Sequence[Run]) -> str:
    """Which classes the test part of these runs lacks, and what that does to macro-F1; '' where it has all."""
    lacking = {run.parts.get("test", run.id): run for run in runs if run.metrics.get("n_untested")}
    if not lacking:
        return ""
    words = []
    for run in list(lacking.values())[:SHOWN]:
        names, count = [repr(name[:40]) for name in run.metrics.get("untested", ())][:SHOWN], int(run.metrics["n_untested"])
        more = f" and {count - len(names):,} more" if count > len(names) else ""
        words.append(f"{', '.join(names)}{more} of {_name(run)}")
    sentence = f"The test part has no text of {'; '.join(words)}: macro-F1, the mean over all classes, counts 0 there."
    older = sum("n_classes" not in run.metrics and run.parts.get("test") in lacking for run in runs)
    return sentence + (f" In {_runs(older)} of an older version it is the mean over the classes of the test part." if older else "")


def unreached_sentence(runs: Sequence[Run], readout: str = "") -> str:
    """Of how many test texts a readout (empty: each run's own) says nothing, in how many runs; '' where it has a class for each."""
    counts = []
    for run in runs:
        own = not readout or readout == run.metrics.get("readout")
        counts.append(run.metrics.get("n_unreached" if own else f"{readout}_n_unreached", 0))
    if not any(counts):
        return ""
    found = sorted(int(one) for one in counts if one)
    many = f"{found[0]:,}" if found[0] == found[-1] else f"{found[0]:,} to {found[-1]:,}"
    return f"No label reaches {many} test text{'' if found[-1] == 1 else 's'} in {_runs(len(found))}: they have no prediction and count as wrong."


def _by_test(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Name of a data set (and fold) -> its runs whose test part is known."""
    cells: dict[tuple, list[Run]] = {}
    for run in runs:
        if "test" in run.parts:
            cells.setdefault((run.config.dataset_hash or run.config.dataset, run.config.folds, run.config.fold), []).append(run)
    named: dict[str, list[Run]] = {}
    for (key, folds, fold), own in cells.items():
        name = _name(own[0]) + (f", fold {fold} of {folds}" if folds else "")
        named[name if name not in named else f"{name} ({key[:6]})"] = own
    return named


def _name(run: Run) -> str:
    return run.config.dataset.rstrip("/").rsplit("/", 1)[-1]


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"
