"""A load report in words: what a caption, a page and the command line say of the encoder behind a number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dmlviz.core.types import POOLED, Run

MUCH_UNKNOWN = 0.2  # share of unknown tokens from which on it is a warning
MUCH_CUT = 0.05  # share of texts that lose words from which on a caption says so
EQUAL = 1e-4  # share of the largest value up to which two results count as the same
USUAL = ("Hugging Face checkpoint", "weights of a DMLViz run", "sentence-transformers model")  # kinds that a caption need not name

WITHOUT_TRAINING = {  # fields that say something of every run
    "dataset", "dataset_hash", "encoder", "tokenizer", "shots", "shots_by", "support_seed", "seed", "left_out", "validation", "folds", "fold",
    "max_length", "pooling", "precision", "device", "readout", "control",
}  # fmt: skip


def report_of(run: Run) -> Mapping[str, Any]:
    """What was stored of the run's encoder; {} for runs of older versions and those that have not loaded yet."""
    found = run.facts.get("load")
    return found if isinstance(found, Mapping) else {}


def known_config(run: Run) -> dict[str, Any]:
    """The run's config; what a model that was not trained here has of a training is "not known" or "not trained"."""
    config = run.config.model_dump(mode="json")
    word = {"as_loaded": "not known", "pre_trained": "not trained"}.get(run.config.control)
    return {name: word if word and name not in WITHOUT_TRAINING else value for name, value in config.items()}


def load_lines(runs: Iterable[Run]) -> list[str]:
    """A sentence for each encoder of the runs: what it is, how it pools, and whatever a reader must know before believing their numbers. Numbers that
    differ from run to run, since their shots do, are given as the largest."""
    same: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        said = report_of(run)
        key = (_name(run), run.origin, *(repr(said.get(one)) for one in ("pooling", "modules", "max_length", "assumed", "left_out")))
        same.setdefault(key, []).append(run)
    return list(dict.fromkeys(_line(own) for own in same.values()))


def load_line(run: Run, *, readout: bool = True) -> str:
    """The sentence of one run; without what it predicts by where that is said already."""
    return _line([run], readout)


def _name(run: Run) -> str:
    """The encoder's own name, without the folder it lies in."""
    return str(report_of(run).get("source") or run.config.encoder.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1])


def _line(runs: Sequence[Run], readout: bool = True) -> str:
    said, origin = report_of(runs[0]), runs[0].origin
    if not said:
        return f"Encoder {_name(runs[0])}."
    kind = "" if said.get("kind") in USUAL else f" ({said.get('kind')})"
    pooled, assumed = pooled_words(str(said.get("pooling", ""))), list(said.get("assumed", ()))
    guessed = next((one for one in assumed if one.startswith(f"{pooled}, since")), "")
    parts = [f"{_name(runs[0])}{kind}, {', then '.join([guessed or pooled, *said.get('modules', ())])}"]
    parts += [*_warnings([report_of(run) for run in runs]), *(one for one in assumed if one != guessed)]
    if origin == "loaded":
        why = str(runs[0].facts.get("readout_why", ""))
        parts += [f"not read: {one}" for one in said.get("left_out", ()) if not (readout and one in why)]
        parts += [f"predicted by {why}"] if why and readout else []
    return f"Encoder {'; '.join(parts)}."


def pooled_words(pooling: str) -> str:
    """ "cls+mean" -> "class-token and mean pooling"."""
    return " and ".join(POOLED.get(one, one) for one in pooling.split("+")) + " pooling"


def _warnings(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """Numbers that are worth a sentence: the largest of all reports."""
    found, counted = [], [one for one in reports if one.get("texts")]
    unknown = max((float(one.get("unknown", 0)) for one in counted), default=0.0)
    if unknown > MUCH_UNKNOWN:
        found.append(f"{100 * unknown:.0f}% of the texts' tokens are unknown to its tokenizer")
    most = max(counted, key=lambda one: one["cut"] / one["texts"], default=None)
    if most is not None and most["cut"] / most["texts"] > MUCH_CUT:
        found.append(cut_words(most))
    if any(one.get("spread") == 0 for one in reports):
        found.append("every text has the same vector")
    return found


def cut_words(said: Mapping[str, Any]) -> str:
    """ "12 of 24 texts lose words at 128 tokens (up to 98% of a text)"."""
    return f"{said['cut']:,} of {said['texts']:,} texts lose words at {said['max_length']:,} tokens (up to {100 * said['cut_most']:.0f}% of a text)"


def report_rows(run: Run) -> Sequence[tuple[str, str]]:
    """(name, words) for a table of all that is known; [] where nothing is stored."""
    said = report_of(run)
    if not said:
        return []
    vector = ", then ".join([pooled_words(said["pooling"]).capitalize(), *said.get("modules", ())])
    rows = [("Model", f"{said['source']}, {said['architecture']} ({said['kind']})"), ("Text vector", vector)]
    rows += [(name, one) for name, key in (("Read", "read"), ("Assumed", "assumed"), ("Not read", "left_out")) for one in said.get(key, ())]
    rows += _test_rows(said.get("self_test", {}))
    if said.get("texts"):
        rows.append(("Unknown tokens", f"{100 * said['unknown']:.1f}% in {said['texts']:,} texts"))
        rows.append(("Cut", cut_words(said) if said["cut"] else f"no text loses words at {said['max_length']:,} tokens"))
    if said.get("spread") == 0:
        rows.append(("Vectors", "every text has the same vector, so nothing can be told apart"))
    return rows


def _test_rows(found: Mapping[str, float | None]) -> list[tuple[str, str]]:
    """What the self-test showed of the vectors, and of the logits of a classifier that came along."""
    rows = []
    for prefix, what in (("", "vector"), ("logits_", "logits")):
        if f"{prefix}batch" not in found:
            continue
        beside, left, words = (found.get(f"{prefix}{key}") for key in ("batch", "left", "embeds"))
        parts = [f"{what} of a text alone and beside a longer one: {_apart(beside)}", f"by its word vectors: {_apart(words)}"]
        if left is not None and left > EQUAL and not prefix:
            parts.append(f"padding on the left would change it by {100 * left:.0f}%, so texts are padded on the right")
        rows.append(("Self-test", "; ".join(parts)))
    return rows


def _apart(value: float | None) -> str:
    if value is None:
        return "cannot be run"
    return f"the same (to {value:.0e})" if value <= EQUAL else f"another, by {100 * value:.0f}% of the largest value"
