"""The Train page's form. Every control is made from a table: losses and settings from LOSSES, the rest from RunConfig."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import streamlit as st

from dmlviz.core.types import DEFAULT_ENCODER, POOLING_NAMES, RunConfig
from dmlviz.core.wording import size_of
from dmlviz.figures.base.theme import loss_color
from dmlviz.jobs.cost import estimate
from dmlviz.jobs.local import visible_gpus
from dmlviz.losses import LOSSES, Setting
from dmlviz.losses.table import variant
from dmlviz.training.cautions import cautions
from dmlviz.ui.shared import loaders
from dmlviz.ui.shared.dataset_picker import Chosen
from dmlviz.ui.shared.frame import escaped, notes
from dmlviz.ui.shared.words import duration

KEEP = {"persist_state": "session"}
FIELDS = RunConfig.model_fields
FIRST_LOSSES = ["cross_entropy", "triple_entropy", "g_loss"]


def pick_encoder() -> str:
    return st.text_input(
        "Encoder", DEFAULT_ENCODER, key="train_encoder", **KEEP,
        help=f"{DEFAULT_ENCODER} is bundled. Any Hugging Face Hub id (roberta-large, bert-base-uncased …) or local folder works too.",
    ).strip()  # fmt: skip


def pick_losses() -> list[dict[str, Any]]:
    """The picked losses with their settings, as fields of RunConfig."""
    names = st.pills(
        "Losses", list(LOSSES), selection_mode="multi", default=FIRST_LOSSES, format_func=lambda n: LOSSES[n].title, key="train_losses", **KEEP,
        label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    return [_loss_card(name) for name in names]


def _loss_card(name: str) -> dict[str, Any]:
    entry = LOSSES[name]
    with st.container(border=True, gap="small"):
        st.html(f'<span class="swatch" style="background:{loss_color(name)}"></span><b>{entry.title}</b>')
        st.caption(entry.summary)
        if entry.loss_class is None:
            return {"loss": name, "loss_settings": {}, "ce_weight": 1.0}
        with st.popover("Formula and settings", width="stretch"):
            for part in entry.formula.split(r",\quad "):
                st.latex(part)
            st.caption(f"{entry.paper}. {'ce_weight is the paper’s $' + entry.ce_weight_letter + '$.' if entry.ce_weight_letter else ''}")
            st.caption(f"On the map: {entry.look_for}")
            weight = st.slider(
                "ce_weight", 0.0, 1.0, entry.ce_weight, 0.05, key=f"train_{name}_ce_weight", **KEEP,
                help="Share of cross-entropy; the rest is this loss.",
            )  # fmt: skip
            settings: dict[str, Any] = {}
            for setting in entry.settings:  # in the table's order, so what a setting hangs on has been asked before it
                if setting.only_when is None or settings[setting.only_when[0]] in setting.only_when[1]:
                    settings[setting.name] = _setting(name, setting)
        if said := variant(name, settings):
            st.caption("A mixed variant: neither all as in the paper nor all as in the code." if said == "mixed variant" else f"As in the {said}.")
    return {"loss": name, "loss_settings": {k: v for k, v in settings.items() if v != entry.defaults[k]}, "ce_weight": weight}


def _setting(loss: str, setting: Setting) -> Any:
    """One control, by the kind the table gives."""
    label = f"{setting.name} (${setting.letter}$)" if setting.letter else setting.name
    key, common = f"train_{loss}_{setting.name}", {"help": setting.help, **KEEP}
    if setting.kind == "choice":
        return st.selectbox(label, setting.choices, setting.choices.index(setting.default), key=key, **common)
    if setting.kind == "bool":
        return st.toggle(label, setting.default, key=key, **common)
    kind = int if setting.kind == "int" else float
    step = 1 if kind is int else 0.01
    return st.number_input(label, kind(setting.low), kind(setting.high), kind(setting.default), step, key=key, **common)


def pick_protocol() -> list[dict[str, Any]]:
    """Shots, draws, seeds and the rare settings; one dictionary of RunConfig fields per draw and seed."""
    left, right = st.columns(2)
    every = left.toggle("All texts", False, key="train_all", **KEEP)
    by = right.selectbox(
        "Shots are", ("class", "total"), format_func={"class": "per class", "total": "in all"}.get, key="train_by", disabled=every, **KEEP
    )
    shots = left.number_input("Shots", 1, 100_000, 8, key="train_shots", disabled=every, help="Labelled training texts.", **KEEP)
    draws = right.number_input(
        "Support draws", 1, 20, 1, key="train_draws", help="Each draws other shots: results move more with the draw than with the loss.", **KEEP
    )
    seeds = left.number_input("Seeds per draw", 1, 20, 1, key="train_seeds", help="Head and centres, batch order, dropout.", **KEEP)
    epochs = right.number_input("Epochs", 1, 10_000, FIELDS["epochs"].default, key="train_epochs", **KEEP)
    common = {"shots": None if every else int(shots), "shots_by": by, "epochs": int(epochs), **_rare()}
    return [{**common, "support_seed": draw, "seed": seed} for draw, seed in product(range(int(draws)), range(int(seeds)))]


RATE_HELP = {
    "lr": "Peak learning rate of encoder and head. 0: what suits the encoder's width (3e-4 for MiniLM, 5e-5 for base, 1e-5 for large encoders).",
    "center_lr": "Learning rate of the loss's centres. 0: the encoder's, as in paper 1.",
}


def _rare() -> dict[str, Any]:
    def number(field: str, low: float, high: float, step: float, form: str | None = None) -> Any:
        return st.number_input(field, low, high, FIELDS[field].default, step, form, key=f"train_{field}", help=FIELDS[field].description, **KEEP)

    def choice(field: str, options: tuple[str, ...] = ()) -> str:
        options = options or get_args(FIELDS[field].annotation)
        default = options.index(FIELDS[field].default)
        return st.selectbox(field, options, default, key=f"train_{field}", help=FIELDS[field].description, **KEEP)

    with st.popover("More", width="stretch"):
        picked = {
            "batch_size": number("batch_size", 1, 4096, 1),
            "max_length": number("max_length", 4, 8192, 16),
            "validation": number("validation", 0, 10_000, 8),
            "snapshots": number("snapshots", 0, 50, 1),
            "pooling": choice("pooling", ("auto", *POOLING_NAMES)),
            "schedule": choice("schedule"),
            "selection": choice("selection"),
            "monitor": choice("monitor"),
            "readout": choice("readout"),
            "batches": choice("batches"),
            "accumulation": number("accumulation", 1, 4096, 1),
            "class_weights": choice("class_weights"),
            "precision": choice("precision"),
        }
        folds = st.number_input("folds", 0, 100, 0, key="train_folds", help=f"{FIELDS['folds'].description} (0 here)", **KEEP)
        if folds >= 2:
            fold = st.number_input("fold", 0, int(folds) - 1, 0, key="train_fold", help=FIELDS["fold"].description, **KEEP)
            picked |= {"folds": int(folds), "fold": int(fold)}
        elif folds == 1:
            st.caption("One fold would leave nothing to train on; 2 or more, or 0.")
        cut = st.number_input("cut_seed", 0, 1_000_000, 0, key="train_cut", help=f"{FIELDS['cut_seed'].description} (0 here)", **KEEP)
        picked["cut_seed"] = int(cut) or None
        if picked["schedule"] == "step":
            picked["step_epoch"] = number("step_epoch", 1, 10_000, 1)
        help_patience = f"{FIELDS['patience'].description} (0 here)"
        picked["patience"] = st.number_input("patience", 0, 10_000, 0, key="train_patience", help=help_patience, **KEEP) or None
        rates = {name: st.number_input(name, 0.0, 1.0, 0.0, 1e-5, "%.1e", key=f"train_{name}", help=RATE_HELP[name], **KEEP) for name in RATE_HELP}
    return {**picked, **{name: rate or None for name, rate in rates.items()}}


def show_plan(configs: list[RunConfig], chosen: Chosen) -> None:
    """What will run, how long it should take and what it leaves on disk."""
    past = loaders.runs()
    costs = []
    for config in configs:
        split = loaders.drawn_split(chosen.dataset, config)
        costs.append(estimate(config, chosen.dataset, split, past))
    seconds, disk = sum(cost.seconds for cost in costs), sum(cost.disk_bytes for cost in costs)
    trust = "from finished runs here" if costs[0].calibrated else "a rough guess until a run has finished here"
    runs = f"{len(configs)} run{'s' if len(configs) > 1 else ''}"
    about = "at most" if any(config.patience for config in configs) else "about"
    st.markdown(f"**{runs}**, {about} **{duration(seconds)}** ({trust}), **{size_of(disk)}** on disk. Runs go on without the browser.")
    on_cpu = not visible_gpus()
    warned = dict.fromkeys(said for config in configs for said in cautions(config, split, chosen.dataset, on_cpu=on_cpu))
    if warned:
        st.warning("  \n".join(map(escaped, warned)))
    first = {(config.encoder, config.tokenizer, config.max_length): config for config in reversed(configs)}  # draws differ by little
    lost = [said for config in first.values() for said in loaders.cut_texts(chosen.dataset, config)]
    notes(lost, title="Texts the encoder will not read to the end")
    notes(split.notes, title="About the draw")
