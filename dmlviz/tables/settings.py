"""Settings of the runs, method by method: what differs between them first, then what all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dmlviz.core.places import place_name
from dmlviz.core.types import InputError, Run
from dmlviz.figures.reliability.frame import Member, members, shots_words
from dmlviz.losses.table import LOSSES, check_ce_weight, check_settings
from dmlviz.tables.parts import DASH, loss_place
from dmlviz.tables.table import Cell, Column, Table

ALL = "All"
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def _field(name: str) -> Callable[[Run], str | None]:
    return lambda run: _said(getattr(run.config, name))


def _said(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _lr(run: Run) -> str:
    return "by the encoder's width" if run.config.lr is None else f"{run.config.lr:g}"


def _center_lr(run: Run) -> str | None:
    entry = LOSSES.get(run.config.loss)
    if entry is None or not entry.has_centers:
        return None
    return "the encoder's" if run.config.center_lr in (None, run.config.lr) else f"{run.config.center_lr:g}"


def _batches(run: Run) -> str:
    entry = LOSSES.get(run.config.loss)
    return run.config.batches if entry is None else "balanced" if entry.balances(run.config.batches) else "shuffled"


def _selection(run: Run) -> str:
    return "last epoch" if run.config.selection == "last" else f"best validation {run.config.monitor.replace('_', '-')}"


def _fact(name: str) -> Callable[[Run], str | None]:
    def say(run: Run) -> str | None:
        known = str(run.facts.get(name) or getattr(run.config, name))
        return PRECISIONS.get(known, known)

    return say


def _ce_weight(run: Run) -> str:
    return f"{check_ce_weight(run.config.loss, run.config.ce_weight):g}" if run.config.loss in LOSSES else _said(run.config.ce_weight)


# what is told -> how a run says it; None: of no effect there, or not known
OF_DATA: dict[str, Callable[[Run], str | None]] = {
    "shots": lambda run: shots_words(run.config), "draw of the shots": _field("support_seed"), "seed": _field("seed"),
    "fold": lambda run: f"{run.config.fold} of {run.config.folds}" if run.config.folds else None, "validation texts": _field("validation"),
    "cut of the test part": lambda run: str(run.config.cut_seed) if run.config.cut_seed else None,
    "encoder": lambda run: place_name(run.config.encoder).rsplit("/", 1)[-1], "pooling": _fact("pooling"),
    "tokens a text": _field("max_length"), "readout": lambda run: _said(run.metrics.get("readout") or run.config.readout),
}  # fmt: skip
OF_TRAINING: dict[str, Callable[[Run], str | None]] = {
    "share of cross-entropy": _ce_weight, "epochs": _field("epochs"), "batch size": _field("batch_size"),
    "batches a step": _field("accumulation"), "batches": _batches, "class weights": _field("class_weights"), "learning rate": _lr,
    "learning rate of centres": _center_lr, "weight decay": _field("weight_decay"), "schedule": _field("schedule"),
    "epochs before the step": lambda run: str(run.config.step_epoch) if run.config.schedule == "step" else None,
    "warm-up, share of steps": _field("warmup_share"), "gradient clip": _field("max_grad_norm"), "tested weights": _selection,
    "patience": _field("patience"), "precision": _fact("precision"), "device": _fact("device"),
}  # fmt: skip
NUMBERED = ("draw of the shots", "seed")


def make(runs: Sequence[Run]) -> Table:
    """One row per setting, one column per method; settings of a loss stand with its method alone. Raises InputError where no run is finished."""
    found = members(runs)
    methods: dict[str, list[Run]] = {}
    for one in sorted(found, key=lambda one: (loss_place(one.loss), one.method)):
        methods.setdefault(one.method, []).extend(one.group.runs)
    told = {method: _told(own) for method, own in methods.items()}
    names = list(dict.fromkeys(["data set", *OF_DATA, *OF_TRAINING, *(name for own in told.values() for name in own)]))
    for method in methods:
        told[method]["data set"] = _joined(list(dict.fromkeys(one.dataset for one in found if one.method == method)))
    names = [name for name in names if any(told[method].get(name) for method in methods)]
    differing = [name for name in names if len({told[method].get(name) for method in methods}) > 1]
    same = [name for name in names if name not in differing]
    rows = [(Cell(name), Cell(""), *(Cell(told[method].get(name) or DASH) for method in methods)) for name in differing]
    rows += [(Cell(name), Cell(next(iter(told.values()))[name]), *(Cell("") for _ in methods)) for name in same]
    alone = len(methods) == 1
    columns = (Column("Setting"), Column(next(iter(methods)) if alone else ALL), *(() if alone else (Column(method) for method in methods)))
    made = tuple(row[: len(columns)] for row in rows)
    if not made:
        raise InputError("these runs have no settings to tell of")
    rules = (len(differing),) if 0 < len(differing) < len(made) else ()
    return Table("settings", "Settings", columns, made, rules, "Settings of the runs, by method.", tuple(_notes(found, alone)), "tab:settings")


def _told(runs: Sequence[Run]) -> dict[str, str]:
    """Setting -> what the runs of a method say, several values in the order of the numbers."""
    trained = [run for run in runs if run.origin != "loaded" and run.config.control != "pre_trained"]
    told = {name: _joined([value for run in runs if (value := say(run)) is not None], name) for name, say in OF_DATA.items()}
    told |= {name: _joined([value for run in trained if (value := say(run)) is not None], name) for name, say in OF_TRAINING.items()}
    for run in trained:
        for name, value in _loss_settings(run).items():
            told[name] = _joined([*(told[name].split(", ") if told.get(name) else []), value])
    return told


def _loss_settings(run: Run) -> dict[str, str]:
    """Those of the loss that have an effect beside the others, defaults written out."""
    entry = LOSSES.get(run.config.loss)
    if entry is None:
        return {key.replace("_", " "): _said(value) for key, value in run.config.loss_settings.items()}
    try:
        given = check_settings(run.config.loss, run.config.loss_settings)
    except InputError:  # a run of an older version had a setting that is gone
        given = dict(run.config.loss_settings)
    idle = {one.name for one in entry.settings if one.only_when and given.get(one.only_when[0]) not in one.only_when[1]}
    return {f"{key.replace('_', ' ')}": _said(value) for key, value in given.items() if key not in idle}


def _joined(values: Sequence[str], name: str = "") -> str:
    """'4, 8, 16'; draws and seeds that run on as '0–7'."""
    kept = list(dict.fromkeys(values))
    if kept and all(value.isdigit() for value in kept):
        numbers = sorted(map(int, kept))
        if name in NUMBERED and len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
            return f"{numbers[0]}–{numbers[-1]}"
        return ", ".join(map(str, numbers))
    return ", ".join(kept)


def _notes(found: Sequence[Member], alone: bool) -> list[str]:
    count = len({run.id for one in found for run in one.group.runs})
    unknown = any(one.group.runs[0].origin == "loaded" for one in found)
    return [
        f"Of {count:,} finished run{'s' if count > 1 else ''}. " + ("" if alone else "A dash: of no effect there. ")
        + "Defaults are written out; several values: the runs differ in them.",
        *(["Models fine-tuned elsewhere: how they were trained is not known."] if unknown else []),
    ]  # fmt: skip
