"""Is a comparison of these runs fair? Names, in words, everything but the loss that differs between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dmlviz.records import Run, RunConfig


def _support(config: RunConfig) -> str:
    shots = "all texts" if config.shots is None else f"{config.shots} {'a class' if config.shots_by == 'class' else 'in all'}"
    return f"{shots}, draw {config.support_seed}"


def _test(config: RunConfig) -> str:
    return config.dataset + (f", fold {config.fold} of {config.folds}" if config.folds else "")


def _selection(config: RunConfig) -> str:
    return "last epoch" if config.selection == "last" else f"best validation {config.monitor.replace('_', '-')}"


def _lr(config: RunConfig) -> str:
    return "by the encoder's width" if config.lr is None else f"{config.lr:g}"  # `submit` writes the number down


def _batch(config: RunConfig) -> str:
    return str(config.batch_size * config.accumulation)


# what is compared -> (its name, why it matters, how a config says it)
Aspect = tuple[str, Callable[[RunConfig], str]]
CHECKS: tuple[tuple[str, tuple[Aspect, ...], str], ...] = (
    ("Test parts", (("", _test),), "their accuracies are not of the same texts"),
    ("Training texts", (("", _support),), "the draw of the shots often moves accuracy more than the loss does"),
    ("Encoders", (("", lambda c: c.encoder), ("pooling ", lambda c: c.pooling), ("tokens a text ", lambda c: str(c.max_length))),
     "a difference may be the encoder's"),
    ("Budgets", (("epochs ", lambda c: str(c.epochs)), ("patience ", lambda c: str(c.patience or "none")), ("learning rate ", _lr),
                 ("batch size ", _batch), ("schedule ", lambda c: c.schedule)),
     "a better number may come from the training, not from the loss"),
    ("Selection rules", (("", _selection),), "choosing the best epoch lifts a number by itself"),
)  # fmt: skip


def unfair(runs: Sequence[Run], titles: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each thing besides the loss that differs between the runs; none for a fair comparison.

    `titles` (as many as runs) is what each run is called. Seeds other than the support's are no unfairness: runs that differ only in them
    are repetitions. A run that was fine-tuned elsewhere hides its training texts and budget, and that is said.
    """
    own = [(run.config, title) for run, title in zip(runs, titles, strict=True) if run.origin != "loaded"]
    foreign = [title for run, title in zip(runs, titles, strict=True) if run.origin == "loaded"]
    found = []
    for name, aspects, why in CHECKS:
        who = [(run.config, title) for run, title in zip(runs, titles, strict=True)] if name == "Test parts" else own
        differs = [_told(prefix, say, who) for prefix, say in aspects if len({say(config) for config, _ in who}) > 1]
        if differs:
            found.append(f"{name} differ ({'; '.join(differs)}): {why}.")
    if foreign and len(runs) > 1:
        found.append(f"{' and '.join(foreign)} came from elsewhere: training texts and budget are not known.")
    return tuple(found)


def _told(prefix: str, say: Callable[[RunConfig], str], who: Sequence[tuple[RunConfig, str]]) -> str:
    """'epochs 4 (SoftTriple, SupCon), 8 (G-Loss)'."""
    groups: dict[str, list[str]] = {}
    for config, title in who:
        groups.setdefault(say(config), []).append(title)
    return prefix + ", ".join(f"{value} ({', '.join(dict.fromkeys(names))})" for value, names in groups.items())


def lone(runs: Sequence[Run]) -> bool:
    """Is any of these runs the only one of its loss and settings? Then its number has no interval."""
    groups = [run.config.model_copy(update={"seed": 0, "support_seed": 0}) for run in runs]
    return any(sum(other == one for other in groups) == 1 for one in groups)
