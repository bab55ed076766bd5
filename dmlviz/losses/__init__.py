"""Losses: the table of what there is, and the one call that builds one. Importing this loads neither torch nor a loss."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dmlviz.core.types import SettingValue
from dmlviz.losses.table import LOSSES, LossEntry, Paper, Setting, check_ce_weight, check_settings, find_loss

if TYPE_CHECKING:
    from dmlviz.losses.base import MetricLoss

__all__ = ["LOSSES", "LossEntry", "Paper", "Setting", "build_loss", "check_ce_weight", "check_settings", "find_loss"]


def build_loss(name: str, /, *, num_classes: int, dim: int, seed: int = 0, **settings: SettingValue) -> MetricLoss | None:
    """The metric term of a row of LOSSES, with the table's defaults for what is not given.

    None means there is no metric term: the objective is cross-entropy alone (`losses.base.mix` takes the None).
    """
    checked = check_settings(name, settings)
    path = LOSSES[name].loss_class
    if path is None:
        return None
    module, class_name = path.split(":")
    return getattr(importlib.import_module(module), class_name)(num_classes=num_classes, dim=dim, seed=seed, **checked)
