"""How the command line says things: words on the right stream, tables, runs and protocols as lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmlviz.core.types import Run, class_words
from dmlviz.store.runs import Store

if TYPE_CHECKING:  # pandas loads only where it is needed: `runs` must be quick
    import pandas as pd

    from dmlviz.core.types import ReaderNote, TokenAttribution
    from dmlviz.papers import Protocol


def put(text: str) -> None:
    print(text, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def notes(notes: Iterable[ReaderNote]) -> None:
    for note in notes:
        say(f"note: {note.sentence}")


def plain(value: Any) -> str:
    return "-" if value is None or value == "" else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, two spaces between them."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        put("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def run_facts(run: Run) -> dict[str, Any]:
    """A run as plain JSON."""
    facts = {name: getattr(run, name) for name in ("id", "state", "origin", "message", "created", "started", "ended")}
    plain = {"progress": run.progress._asdict(), "metrics": dict(run.metrics), "facts": dict(run.facts)}
    return {**facts, "config": run.config.model_dump(mode="json"), **plain}


def show_protocol(store: Store, protocol: Protocol, run_ids: str | None, as_json: bool) -> int:
    """Settings, what is not known, the numbers; ours beside them when runs are named."""
    from dmlviz.papers import compare

    ids = [one.strip() for one in (run_ids or "").split(",") if one.strip()]
    for sentence in store.unreadable() if ids == ["all"] else ():
        say(sentence)
    found = store.runs() if ids == ["all"] else [store.run(one) for one in ids]
    frame = compare(protocol, found)
    if run_ids is not None and not (frame["n"] > 0).any():
        say(f"none of the {len(found):,} runs is finished and fits {protocol.name} in loss and data set")
    if as_json:
        facts = protocol.model_dump(mode="json", exclude={"tables"}) | {"numbers": json.loads(frame.to_json(orient="records"))}
        put(json.dumps(facts, indent=1, ensure_ascii=False))
        return 0
    for line in _protocol_lines(protocol):
        put(line)
    if len(frame):
        put("")
        table(*_numbers(frame, bool(ids)))
    return 0


def _protocol_lines(protocol: Protocol) -> Iterable[str]:
    yield f"{protocol.title}\n{protocol.paper}; settings from {protocol.source} ({protocol.trust})"
    shots = ", ".join("all" if one is None else str(one) for one in protocol.shots)
    lists = {"encoders": protocol.encoders, "data sets": protocol.datasets, "seeds": protocol.seeds, "support seeds": protocol.support_seeds}
    yield from (f"{key}: {', '.join(map(str, values))}" for key, values in lists.items())
    yield f"shots: {shots}" + (f"; folds: {len(protocol.folds)}" if protocol.folds else "")
    yield "settings: " + ", ".join(f"{key} {plain(value)}" for key, value in protocol.config.items())
    for loss in protocol.losses:
        own = {"ce_weight": loss.ce_weight, **loss.settings, **loss.config}
        told = ", ".join(f"{key} {plain(value)}" for key, value in own.items() if value is not None)
        yield f"loss {loss.label}: {loss.name}{f' ({told})' if told else ''}"
    yield from (f"not known: {one}" for one in protocol.what_is_unknown)
    yield from (f"ours: {one}" for one in protocol.filled_in)
    yield from (f"claim: {one.text} [{one.source}; {one.trust}]" for one in protocol.claims)
    yield from (f"also published: {line}" if not line.startswith(" ") else line for table in protocol.context for line in table.lines())


def _numbers(frame: pd.DataFrame, ours: bool) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the comparison; without runs only what is published, and on what ground."""
    shown = frame.astype(object).where(frame.notna(), None).to_dict("records")
    number = lambda value, sign="": "-" if value is None else f"{value:{sign}.4g}"  # noqa: E731
    head: tuple[str, ...] = ("DATASET", "LOSS", "ENCODER", "SHOTS", "METRIC", "PUBLISHED")
    rows = [
        (row["dataset"], row["loss"], row["encoder"], "all" if row["shots"] is None else f"{row['shots']:.0f}", row["metric"], row["printed"])
        for row in shown
    ]
    if not ours:
        known = [(row["spread_kind"] or "-", "?" if row["published_n"] is None else f"{row['published_n']:.0f}") for row in shown]
        sources = [f"{row['source']} ({row['trust']})" for row in shown]
        return (*head, "± IS", "RUNS", "SOURCE"), [(*row, *own, source) for row, own, source in zip(rows, known, sources, strict=True)]
    head = (*head, "OURS", "95 %", "RUNS", "DIFFERENCE", "WHAT DIFFERED")
    more = [
        (number(row["ours"]), "-" if row["low"] is None else f"{row['low']:.4g} to {row['high']:.4g}", str(row["n"]), number(row["difference"], "+"),
         row["differed"] or "-")
        for row in shown
    ]  # fmt: skip
    return head, [(*row, *own) for row, own in zip(rows, more, strict=True)]


def show_attributions(found: Mapping[str, TokenAttribution | str], store: Store, text: str, pair: str | None, as_json: bool) -> int:
    """The words of one text, heaviest first, run by run. 1 where no run could say anything."""
    from dmlviz.analysis.attribution.summary import badge, words_of

    facts = []
    for run_id, one in found.items():
        if isinstance(one, str):
            say(f"{run_id}: {one}")
            continue
        names, verdict = store.dataset(store.run(run_id).config.dataset_hash or "").label_names, badge(one)
        words = [{"word": word, "value": round(float(value), 6)} for word, value in zip(words_of(one, text, pair), one.values, strict=True)]
        facts.append({
            "run": run_id, "predicted": class_words(names)[one.predicted], "explained": names[one.class_id], "probability": round(one.probability, 4),
            "delta": one.delta, "steps": one.steps, "badge": verdict.level, "reasons": list(verdict.reasons), "words": words,
        })  # fmt: skip
    if as_json:
        put(json.dumps(facts, indent=1, ensure_ascii=False))
    for one in [] if as_json else facts:
        put(f"{one['run']}: {one['predicted']} {one['probability']:.2f}, {one['badge']} ({'; '.join(one['reasons'])})")
        table(("WORD", "VALUE"), [(word["word"], f"{word['value']:+.4f}") for word in sorted(one["words"], key=lambda word: -abs(word["value"]))])
    return 0 if facts else 1


def show_checks(store: Store, run_ids: Sequence[str], kind: str, as_json: bool) -> int:
    """Checks of all stored attributions of a kind, run by run: mean and Student's interval over texts."""
    from dmlviz.analysis.attribution.summary import run_summary
    from dmlviz.store.attributions import stored_attributions

    names = ("comprehensiveness_gain", "sufficiency_gain", "tau", "reliable")
    found = {run_id: run_summary(stored_attributions(store, run_id, kind)) for run_id in run_ids}
    if as_json:
        put(json.dumps({run_id: {name: dict(zip(("n", "mean", "low", "high"), made[name], strict=True)) for name in names}
                        for run_id, made in found.items()}, indent=1))  # fmt: skip
        return 0
    cell = lambda one: f"{one[1]:.3f} ({one[2]:.3f} to {one[3]:.3f})" if one[0] > 1 else f"{one[1]:.3f}"  # noqa: E731
    table(("RUN", "TEXTS", "COMPREHENSIVENESS", "SUFFICIENCY", "TAU", "RELIABLE"),
          [(run_id, str(made["tau"][0]), *(cell(made[name]) for name in names)) for run_id, made in found.items()])  # fmt: skip
    say("comprehensiveness and sufficiency are less their random reference; intervals: Student's 95 % over texts")
    return 0
