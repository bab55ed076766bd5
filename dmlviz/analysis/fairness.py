"""Is a comparison of these runs fair? Names, in words, everything but the loss that differs between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dmlviz.analysis.judged_rows import drawn_apart, rows_apart
from dmlviz.core.places import place_name
from dmlviz.core.types import Run, RunConfig
from dmlviz.losses import find_loss

REPEATS = ("seed", "support_seed", "fold")  # runs that differ in these alone are repetitions
ELSEWHERE = ("device", "precision", "snapshots", "checkpoint_seconds")  # of the machine, or of what is kept
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class Arm(NamedTuple):
    """One side of a comparison: runs that are repetitions of each other."""

    runs: tuple[Run, ...]
    names: tuple[str, ...]

    @property
    def config(self) -> RunConfig:
        return self.runs[0].config

    @property
    def trains(self) -> bool:
        return self.runs[0].origin != "loaded" and self.config.control != "pre_trained"

    @property
    def balanced(self) -> bool:
        """Are its batches drawn with near-equal class shares?"""
        return find_loss(self.config.loss).balances(self.config.batches)


def _several(name: str, numbers: set[int]) -> str:
    """'draw 0', 'draws 0, 3', 'folds 0-3'."""
    found = sorted(numbers)
    run_on = len(found) > 2 and found[-1] - found[0] == len(found) - 1
    return f"{name}{'s' if len(found) > 1 else ''} " + (f"{found[0]}-{found[-1]}" if run_on else ", ".join(map(str, found)))


def _support(arm: Arm) -> str:
    config = arm.config
    shots = "all texts" if config.shots is None else f"{config.shots} {'a class' if config.shots_by == 'class' else 'in all'}"
    draws, folds = {run.config.support_seed for run in arm.runs}, {run.config.fold for run in arm.runs}
    pairs = {(run.config.support_seed, run.config.fold) for run in arm.runs}
    if len(pairs) < len(draws) * len(folds):  # some draws have been made in some folds alone
        return f"{shots}, " + ", ".join(f"draw {draw} in fold {fold}" for draw, fold in sorted(pairs))
    return f"{shots}, {_several('draw', draws)}"


def _test_of(name: str) -> Callable[[Arm], str]:
    """`name` is the data set's where all arms have the same texts under whatever names; empty: each arm's own."""

    def say(arm: Arm) -> str:
        folds = {run.config.fold for run in arm.runs}
        return (name or place_name(arm.config.dataset)) + (f", {_several('fold', folds)} of {arm.config.folds}" if arm.config.folds else "")

    return say


def _selection(arm: Arm) -> str:
    return "last epoch" if arm.config.selection == "last" else f"best validation {arm.config.monitor.replace('_', '-')}"


def _lr(arm: Arm) -> str:
    return "by the encoder's width" if arm.config.lr is None else f"{arm.config.lr:g}"  # `submit` writes the number down


def _center_lr(arm: Arm) -> str | None:
    if not find_loss(arm.config.loss).has_centers:
        return None
    return "the encoder's" if arm.config.center_lr in (None, arm.config.lr) else f"{arm.config.center_lr:g}"


def _batch(arm: Arm) -> str:
    size, steps = arm.config.batch_size, arm.config.accumulation
    return str(size) if steps == 1 else f"{steps} x {size}"  # a loss sees one batch at a time, so 2 x 16 is not 32


def _schedule(arm: Arm) -> str:
    return arm.config.schedule + (f" at {arm.config.step_epoch}" if arm.config.schedule == "step" else "")


def _precision(arm: Arm) -> str | None:
    known = {PRECISIONS.get(said, said) for run in arm.runs if (said := run.facts.get("precision") or run.config.precision) != "auto"}
    return " and ".join(sorted(known)) or None


def _pooling(arm: Arm) -> str:
    return arm.runs[0].facts.get("pooling") or arm.config.pooling


def _readout(arm: Arm) -> str | None:
    used = {str(run.metrics["readout"]).replace("_", " ") for run in arm.runs if "readout" in run.metrics}
    return " and ".join(sorted(used)) or None


def _batches(arm: Arm) -> str:
    return "balanced" if arm.balanced else "shuffled"


def _field(name: str) -> Callable[[Arm], str]:
    def say(arm: Arm) -> str:
        value = getattr(arm.config, name)
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    return say


def _encoder(arm: Arm) -> str:
    return place_name(arm.config.encoder)


def _tokenizer(arm: Arm) -> str:
    return place_name(arm.config.tokenizer) if arm.config.tokenizer else "the encoder's own"


# what is compared -> (its name, how an arm says it; None: not known, or of no effect there)
Aspect = tuple[str, Callable[[Arm], str | None]]
CHECKS: Mapping[str, tuple[tuple[Aspect, ...], str]] = {
    "Training texts": ((("", _support),), "the draw of the shots often moves accuracy more than the loss does"),
    "Encoders": ((("", _encoder), ("tokenizer ", _tokenizer), ("pooling ", _pooling), ("tokens a text ", _field("max_length"))),
                 "a difference may be the encoder's"),
    "Budgets": (
        (("epochs ", _field("epochs")), ("patience ", _field("patience")), ("learning rate ", _lr), ("of centres ", _center_lr),
         ("batch size ", _batch), ("schedule ", _schedule), ("warm-up ", _field("warmup_share")), ("weight decay ", _field("weight_decay")),
         ("gradient clip ", _field("max_grad_norm")), ("class weights ", _field("class_weights")), ("precision ", _precision)),
        "a better number may come from the training, not from the loss"),
    "Selection rules": ((("", _selection), ("validation texts ", _field("validation"))), "what is chosen by validation is lifted by that alone"),
}  # fmt: skip
OWN: Mapping[str, tuple[str, Callable[[Arm], str | None], str]] = {  # RunConfig field -> what "auto" leaves to the loss
    "batches": ("Batches", _batches, "rare classes weigh more in balanced ones"),
    "readout": ("Readouts", _readout, "part of a difference may be the readout's"),
}


def unfair(runs: Sequence[Run], titles: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each thing besides the loss that differs between the runs; none for a fair comparison.

    `titles` (as many as runs) is what each run is called. Runs that differ in seeds, draws and folds alone are repetitions of one side; sides are
    paired where their sets of draws and folds are the same, whatever their seeds. What "auto" leaves to a loss (batches, readout) is no
    unfairness; where something else is, it is said last. A run that was fine-tuned elsewhere hides its training texts and budget, and that is said.
    """
    found = tuple(_inequalities(runs, titles).values())
    own = by_design(runs, titles) if found else ""
    return (*found, own) if own else found


def by_design(runs: Sequence[Run], titles: Sequence[str]) -> str:
    """What differs because each loss has it by design: "Each loss's own: batches balanced (SupCon), else shuffled."; empty where nothing does."""
    arms = [arm for arm in _arms(runs, titles) if arm.trains]
    said = [_told(f"{name.lower()} ", say, arms, brief=True) for name, say, _ in _left_to_the_loss(arms, True)]
    return f"Each loss's own: {'; '.join(one for one in said if one)}." if any(said) else ""


def paired(one: Run, other: Run) -> bool:
    """Do two runs share texts, shots, draw, fold, seed, encoder and budget? Their readouts may differ."""
    here, there = one.config, other.config
    same = (here.dataset_hash, here.seed) == (there.dataset_hash, there.seed)
    return same and not set(_inequalities([one, other], ["", ""])) - {"Readouts"}


def lone(runs: Sequence[Run]) -> bool:
    """Is any of these runs the only one of its loss and settings? Then its number has no interval. The same seeds twice count once; folds count."""
    repeats: dict[str, set[tuple[int, ...]]] = {}
    for run in runs:
        repeats.setdefault(_key(run), set()).add(tuple(getattr(run.config, name) for name in REPEATS))
    return any(len(found) == 1 for found in repeats.values())


def _key(run: Run) -> str:
    """What the repetitions of a run share."""
    return repr((run.origin, sorted(run.config.model_dump(exclude={*REPEATS, *ELSEWHERE}).items())))


def _arms(runs: Sequence[Run], titles: Sequence[str]) -> list[Arm]:
    """The sides, in the order of the runs. A side of several runs goes by the part of its titles that they share: "SupCon" of "SupCon · seed 1"."""
    groups: dict[str, list[tuple[Run, str]]] = {}
    for run, title in zip(runs, titles, strict=True):
        groups.setdefault(_key(run), []).append((run, title))
    bases = [{title.split(" · ")[0] for _, title in group} for group in groups.values()]
    arms = []
    for group, base in zip(groups.values(), bases, strict=True):
        alone = len(base) == 1 and sum(bool(base & other) for other in bases) == 1
        names = tuple(base) if alone and len(group) > 1 else tuple(dict.fromkeys(title for _, title in group))
        arms.append(Arm(tuple(run for run, _ in group), names))
    return arms


def _inequalities(runs: Sequence[Run], titles: Sequence[str]) -> dict[str, str]:
    """What differs -> its sentence."""
    arms = _arms(runs, titles)
    own, trained = [arm for arm in arms if arm.runs[0].origin != "loaded"], [arm for arm in arms if arm.trains]
    hashes = {arm.config.dataset_hash for arm in arms}
    test = _test_of(place_name(arms[0].config.dataset) if len(hashes) == 1 and None not in hashes else "")
    rows = rows_apart([run for arm in arms for run in arm.runs])
    tests = _told("", test, arms) or _other_texts(arms) or rows
    found = {"Test parts": _differ("Test parts", [tests], "their accuracies are not of the same texts")}
    for name, (aspects, why) in CHECKS.items():
        who = own if name in ("Training texts", "Encoders") else trained
        told = [_told(prefix, say, who) for prefix, say in aspects]
        if name == "Training texts" and not any(told):
            told = [drawn_apart([run for arm in who for run in arm.runs])]
        found[name] = _differ(name, told, why)
    if not found["Encoders"] and len({arm.config.encoder for arm in own}) > 1:
        found["Encoders"] = f"Encoders differ (several folders are called {place_name(own[0].config.encoder)}): {CHECKS['Encoders'][1]}."
    for name, say, why in _left_to_the_loss(trained, False):
        found[name] = _differ(name, [_told("", say, trained)], why)
    if len(arms) > 1:
        found["Controls"] = _controls(arms)
        if foreign := [name for arm in arms if arm.runs[0].origin == "loaded" for name in arm.names]:
            found["Elsewhere"] = f"{' and '.join(foreign)} came from elsewhere: training texts and budget are not known."
    return {name: said for name, said in found.items() if said}


def _left_to_the_loss(arms: Sequence[Arm], left: bool) -> list[tuple[str, Callable[[Arm], str | None], str]]:
    """Batches and readouts: those that every run leaves to its loss, or the others."""
    return [aspect for field, aspect in OWN.items() if all(getattr(arm.config, field) == "auto" for arm in arms) is left]


def _differ(name: str, told: Sequence[str], why: str) -> str:
    return f"{name} differ ({'; '.join(filter(None, told))}): {why}." if any(told) else ""


def _told(prefix: str, say: Callable[[Arm], str | None], arms: Sequence[Arm], *, brief: bool = False) -> str:
    """'epochs 4 (SoftTriple, SupCon), 8 (G-Loss)'; `brief`: 'epochs 8 (G-Loss), else 4'. Empty where all that say something say the same."""
    groups: dict[str, list[str]] = {}
    for arm in arms:
        if (value := say(arm)) is not None:
            groups.setdefault(value, []).extend(arm.names)
    if len(groups) < 2:
        return ""
    most = max(groups, key=lambda value: len(groups[value])) if brief else None
    named = [f"{value} ({', '.join(dict.fromkeys(names))})" for value, names in groups.items() if value != most]
    return prefix + ", ".join([*named, *([f"else {most}"] if brief else [])])


def _other_texts(arms: Sequence[Arm]) -> str:
    """Data sets of one name whose texts are not the same: a file that was changed between two runs."""
    return _told("texts ", lambda arm: arm.config.dataset_hash and arm.config.dataset_hash[:6], arms)


def _controls(arms: Sequence[Arm]) -> str:
    kinds = {"pre_trained": "a control (not trained)", "shuffled_labels": "a control (shuffled labels)"}
    said = [f"{name} is {kinds[arm.config.control]}" for arm in arms if arm.config.control in kinds for name in arm.names]
    return f"{'; '.join(said)}." if said else ""
