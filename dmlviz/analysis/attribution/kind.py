"""What was asked of an explanation, as one word that fits an address, a folder and a caption. Loads no torch."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from dmlviz.core.types import InputError

METHODS = {
    "ig": "Integrated Gradients",
    "gradient_x_input": "Gradient × input",
    "occlusion": "Occlusion, word by word",
    "random": "Random values, a reference",
}
BASELINES = {
    "pad": "the padding token in every place",
    "mask": "the mask token in every place",
    "zero": "a vector of zeros in every place",
    "mean": "the mean of all word vectors in every place",
}
SHORT_BASELINES = {"pad": "padding token", "mask": "mask token", "zero": "zeros", "mean": "mean vector"}
WITH_BASELINE = ("ig", "occlusion")
TARGETS = {
    "predicted": "the class that the run predicts",
    "gold": "the text's own class",
    "class": "one class: class=NAME",
    "difference": "one class minus another: difference=NAME>NAME",
    "center": "the cosine to one centre: center=NAME>NUMBER, numbers from 0",
    "soft_triple": "the loss's similarity to a class's centres: soft_triple or soft_triple=NAME",
    "propagated": "the log-share of the support's label mass that reaches the text: propagated or propagated=NAME",
}


class AttributionKind(NamedTuple):
    """Method, target and baseline."""

    method: str = "ig"
    target: str = "predicted"
    baseline: str = "pad"

    def __str__(self) -> str:
        """"ig"; what is not usual behind it: "ig+mask+class=grain". The target is last, since class names hold anything."""
        unusual = [self.baseline] * (self.baseline != "pad") + [self.target] * (self.target != "predicted")
        return "+".join([self.method, *unusual])


def other_baselines(kind: AttributionKind) -> list[AttributionKind]:
    """The kinds that differ from this one in the baseline alone; none where the method has no baseline."""
    return [kind._replace(baseline=name) for name in BASELINES if name != kind.baseline] if kind.method in WITH_BASELINE else []


class Target(NamedTuple):
    """Which score is explained."""

    kind: str = "predicted"
    first: str = ""  # a class's name
    second: str = ""  # another class's name, or a centre's number


def read_kind(text: str) -> AttributionKind:
    """The kind that `str(kind)` wrote. Raises InputError for what is none."""
    method, _, rest = text.partition("+")
    if method not in METHODS:
        raise InputError(f"the method {method[:40]!r} is not known; methods: {', '.join(METHODS)}")
    head, plus, behind = rest.partition("+")
    baseline, target = (head, behind if plus else "predicted") if head in BASELINES else ("pad", rest or "predicted")
    read_target(target)
    return AttributionKind(method, target, baseline)


def read_target(text: str) -> Target:
    """The target as its parts. Raises InputError for what is none."""
    kind, equals, rest = text.partition("=")
    if kind not in TARGETS:
        raise InputError(f"the target {text[:60]!r} is not known; targets: {', '.join(TARGETS)}")
    first, _, second = rest.rpartition(">") if kind in ("difference", "center") else (rest, "", "")
    if (kind in ("difference", "center") and not (first and second)) or (kind == "class" and not first):
        raise InputError(f"the target {text[:60]!r} names too little; write {TARGETS[kind].rpartition(': ')[2]}")
    if equals and (kind in ("predicted", "gold") or not rest):
        raise InputError(f"the target {text[:60]!r} is not understood; write {kind} alone, or class=NAME")
    return Target(kind, unquote(first), unquote(second))


def target_text(kind: str, first: str = "", second: str = "") -> str:
    """What `read_target` reads. A > or % in a class's name is written as %3E or %25, so that the parts are told apart."""
    safe = [name.replace("%", "%25").replace(">", "%3E") for name in (first, second)]
    return kind + (f"={safe[0]}" if first else "") + (f">{safe[1]}" if second else "")
