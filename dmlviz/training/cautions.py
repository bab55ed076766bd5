"""What a run will do that its person may not expect: sentences that warn and stop nothing. Loads no torch."""

from __future__ import annotations

import numpy as np

from dmlviz.core.types import RunConfig, Split, TextDataset
from dmlviz.losses.table import check_ce_weight, check_settings, find_loss


def cautions(config: RunConfig, split: Split, dataset: TextDataset, *, on_cpu: bool | None = None) -> tuple[str, ...]:
    """A sentence for each. `on_cpu`: does the run compute on the CPU? None: only if the config's device says so."""
    support = np.bincount(dataset.labels[split.support], minlength=len(dataset.label_names))
    shots = {name: int(count) for name, count in zip(dataset.label_names, support, strict=True) if count}
    found = [*_centers(config, shots), *_pairs(config, shots), *_g_loss(config, len(split.support)), *_validation(config, split), *_idle(config)]
    if config.precision == "bf16" and (config.device == "cpu" if on_cpu is None else on_cpu):
        found.append("bf16 on a CPU is slower than fp32 and less exact; set precision to auto.")
    return tuple(found)


def _centers(config: RunConfig, shots: dict[str, int]) -> list[str]:
    entry, fewest = find_loss(config.loss), min(shots.values(), default=0)
    centers = check_settings(config.loss, dict(config.loss_settings)).get("centers_per_class")
    if centers is None or centers <= fewest:
        return []
    few = f"{entry.title}: {centers} centres per class but a class has {_counted(fewest, 'shot')}"
    return [f"{few}; some will attract no text. Lower centers_per_class to {fewest} or raise the shots."]


def _pairs(config: RunConfig, shots: dict[str, int]) -> list[str]:
    entry = find_loss(config.loss)
    if not entry.needs_pairs:
        return []
    if config.batch_size == 1:
        return [f"{entry.title} compares texts of a batch, and a batch of one has nothing to compare; raise batch_size to 4 or more."]
    alone = [name for name, count in shots.items() if count == 1]
    if len(alone) == len(shots):
        return [f"{entry.title} compares texts of a class, and no class has two; raise the shots to 2 or more."]
    if alone:
        return [f"{entry.title} compares texts of a class, and {len(alone)} of {len(shots)} classes have one only; raise the shots."]
    return []


def _g_loss(config: RunConfig, support: int) -> list[str]:
    texts = min(config.batch_size, support)
    if config.loss != "g_loss" or not 1 < texts < 4:  # one text alone is said for every loss that compares
        return []
    mend = "raise batch_size to 4 or more" if config.batch_size < 4 else "raise the shots"
    return [f"{find_loss('g_loss').title} spreads labels over the batch, and {texts} texts make hardly a graph; {mend}."]


def _validation(config: RunConfig, split: Split) -> list[str]:
    asked = {"patience": config.patience is not None, "selection best_validation": config.selection == "best_validation"}
    idle = [name for name, on in asked.items() if on]
    if len(split.validation) or not idle:
        return []
    return [f"No validation texts for {' and '.join(idle)}: all epochs are trained and the last is kept; raise validation."]


def _idle(config: RunConfig) -> list[str]:
    """One sentence for each thing that was given and does nothing."""
    entry, weight = find_loss(config.loss), check_ce_weight(config.loss, config.ce_weight)
    settings = check_settings(config.loss, dict(config.loss_settings))
    found = []
    if config.class_weights == "balanced" and weight == 0 and config.loss != "g_loss":
        found.append(f"class_weights balanced: {entry.title} without cross-entropy trains all texts alike; only the linear probe uses them.")
    if config.center_lr is not None and not entry.has_centers:
        found.append(f"center_lr is given, but {entry.title} has no centres; leave it out.")
    for setting in entry.settings:
        if setting.name in config.loss_settings and setting.only_when and settings[setting.only_when[0]] not in setting.only_when[1]:
            other, values = setting.only_when
            said = f"{setting.name} is given, but has no effect with {other} {settings[other]}"
            found.append(f"{entry.title}: {said}; leave it out, or set {other} to {' or '.join(map(str, values))}.")
    if weight == 0 and settings.get("second_forward"):
        found.append(f"{entry.title}: second_forward is given, but without cross-entropy there is one pass only; leave it out, or raise ce_weight.")
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
