"""From what a person asked for to a queued run. Loads no torch: the process that submits never trains."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from dmlviz.core.types import InputError, Run, RunConfig, TextDataset
from dmlviz.data import DRAWN_BY, load_dataset, split_of
from dmlviz.encoder.places import HUB_ID, place_of
from dmlviz.jobs.local import LocalEngine
from dmlviz.losses import check_ce_weight, check_settings, find_loss
from dmlviz.store.runs import Store
from dmlviz.training.choices import check_readout
from dmlviz.training.defaults import default_lr

FROM_OBJECTIVE = ("loss", "loss_settings", "ce_weight")
FROM_DRAW = ("shots", "shots_by", "support_seed", "seed", "validation")
FROM_DRAW_NOW = ("folds", "fold", "cut_seed")  # not in folders that an older version wrote
FROM_ENCODER = ("pooling", "max_length")


def submit(config: RunConfig, *, store: Store, dataset: TextDataset | None = None) -> str:
    """Check, draw the shots, write the run folder and queue it; returns the run id.

    The texts are `dataset`, else those stored under the config's hash, else what the config's data set name finds.
    Raises InputError for anything that cannot be trained as asked; then nothing has been written.
    """
    return _submit(config, store, dataset, "trained")


def submit_loaded(model: str, dataset_ref: str, *, store: Store, dataset: TextDataset | None = None, **fields: Any) -> str:
    """Queue a run that trains nothing: it reads `model` (a folder or Hub id fine-tuned elsewhere) and looks at the texts with it."""
    return _submit(loaded_config(model, dataset_ref, **fields), store, dataset, "loaded")


def submit_control(run: Run, control: str, *, store: Store) -> str:
    """Queue the control of a run, and return its id; where the same one is there already, that one's.

    "pre_trained": the run's encoder before training, on the same texts. "shuffled_labels": the same training with labels that say nothing.
    Raises InputError for a run that was fine-tuned elsewhere: where it began is not known.
    """
    if run.origin == "loaded":
        raise InputError(f"run {run.id} was fine-tuned elsewhere, so its control is not known; make controls of runs trained here")
    asked = checked_config(control_config(run.config, control))
    for other in store.runs():
        if other.config == asked and other.state not in ("failed", "cancelled", "interrupted"):
            return other.id
    check_drawn(run, store)
    return submit(asked, store=store)


def check_drawn(run: Run, store: Store) -> None:
    """Raises InputError where this version draws other rows than the run was trained and judged on: what is compared with it would have others."""
    if not run.config.dataset_hash:
        return
    before, now = store.split(run.id), split_of(run.config, stored_texts(store, run.config.dataset, run.config.dataset_hash))
    if any(not np.array_equal(getattr(before, part), getattr(now, part)) for part in ("support", "test")):
        raise InputError(f"run {run.id} was drawn by an older version, whose draw of the shots was another; train it again, and then what is "
                         "compared with it")  # fmt: skip


def control_config(config: RunConfig, control: str) -> RunConfig:
    """What the control of a run with this config is made with. Nothing is left in it of a loss that the pre-trained encoder never met."""
    if control == "shuffled_labels":
        return config.model_copy(update={"control": control})
    kept = ("dataset", "dataset_hash", "encoder", *(name for name in DRAWN_BY if name != "left_out"), "pooling", "max_length", "tokenizer")
    return RunConfig(**{name: getattr(config, name) for name in kept}, control=control)


def _submit(config: RunConfig, store: Store, dataset: TextDataset | None, origin: str) -> str:
    config = checked_config(config)
    if dataset is None:
        known = config.dataset_hash
        dataset = stored_texts(store, config.dataset, known) if known else load_dataset(config.dataset, home=store.home)
    run_id = store.create(config, dataset, split_of(config, dataset), origin=origin)
    LocalEngine(store).submit(run_id)
    return run_id


def stored_texts(store: Store, ref: str, content_hash: str) -> TextDataset:
    """The texts kept under this hash; where they are gone or damaged, read again under their name, if that still finds the very same.

    Raises InputError where neither is to be had.
    """
    try:
        return store.dataset(content_hash)
    except InputError as error:
        with contextlib.suppress(InputError):
            again = load_dataset(ref, home=store.home)
            if again.content_hash == content_hash:
                store.add_dataset(again)
                return again
        raise error


def checked_config(config: RunConfig) -> RunConfig:
    """The config with its loss's settings in their type, its share of cross-entropy as a number, its encoder's folder absolute."""
    find_loss(config.loss)
    checked = check_settings(config.loss, dict(config.loss_settings))
    check_readout(config)
    return config.model_copy(
        update={
            "loss_settings": {name: checked[name] for name in config.loss_settings},  # only the given: the rest stays the table's
            "ce_weight": check_ce_weight(config.loss, config.ce_weight),
            "encoder": encoder_place(config.encoder),
            "tokenizer": None if config.tokenizer is None else tokenizer_place(config.tokenizer),
            "lr": default_lr(config.encoder) if config.lr is None else config.lr,
        }
    )


def encoder_place(name: str) -> str:
    """An absolute folder that looks like a checkpoint, or what may be a bundled name or Hub id. The worker finds out the rest."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(place_of(name, folder.resolve()).folder)
    if not HUB_ID.fullmatch(name):
        raise InputError(f"{name!r} is neither a folder here nor a possible Hub id; a Hub id looks like 'roberta-large' or 'org/name'")
    return name


def tokenizer_place(name: str) -> str:
    """An absolute folder, or what may be a bundled name or Hub id."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if not HUB_ID.fullmatch(name):
        raise InputError(f"the tokenizer {name[:80]!r} is neither a folder here nor a possible Hub id; a Hub id looks like 'roberta-large' or "
                         "'org/name'")
    return name


def loaded_config(model: str, dataset_ref: str, **fields: Any) -> RunConfig:
    """The config of a loaded run: the given fields (None: not given), else what dmlviz.json beside the weights says, else the defaults."""
    place, given = encoder_place(model), {name: value for name, value in fields.items() if value is not None}
    known = _written_fields(Path(place))
    if "loss" not in known and "loss" not in given:
        given = {"control": "as_loaded", **given}
    if given.get("loss", known.get("loss")) != known.get("loss"):  # settings belong to the loss they were written for
        known = {name: value for name, value in known.items() if name not in FROM_OBJECTIVE}
    return RunConfig(**{**known, **given, "dataset": dataset_ref, "encoder": place})


def _written_fields(folder: Path) -> dict[str, Any]:
    """Fields of the run that wrote this folder; {} for a folder from elsewhere."""
    path = folder / "dmlviz.json"
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        run_fields = {name: facts["config"][name] for name in (*FROM_OBJECTIVE, *FROM_DRAW)}
        run_fields |= {name: facts["config"][name] for name in FROM_DRAW_NOW if name in facts["config"]}
        return {**run_fields, **{name: facts[name] for name in FROM_ENCODER}}
    except (OSError, ValueError):
        raise InputError(f"{path} is not readable JSON; restore it, or delete it to load the encoder alone") from None
    except (KeyError, TypeError):
        raise InputError(f"{path} lacks fields that this version writes; delete it to load the encoder alone") from None
