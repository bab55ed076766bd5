"""Who is cited for what: the keys of losses, data sets, encoders, libraries, maps, attributions and tests, all of them in references.bib."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from dmlviz.analysis.attribution.kind import METHODS
from dmlviz.core.places import place_name
from dmlviz.core.types import FigureSpec, InputError, Run, RunConfig
from dmlviz.data.catalogue import CATALOGUE
from dmlviz.export.citations.bib import entries
from dmlviz.figures.base.theme import loss_title
from dmlviz.figures.base.words import clean
from dmlviz.losses import LOSSES, check_ce_weight

GLOSS, SOFT, TRIPLE = "gloss2026", "qian2019softtriple", "sosnowski2022softtriple"
PROPAGATION, STUDENT, SILHOUETTE = "zhu2002learning", "student1908probable", "rousseeuw1987silhouettes"
LOSS_KEYS: Mapping[str, tuple[str, ...]] = {  # the row's own paper first
    "cross_entropy": (),
    "soft_triple": (SOFT,),
    "triple_entropy": (TRIPLE, SOFT),
    "supcon": ("khosla2020supervised", "gunel2021supervised"),
    "triplet": ("schroff2015facenet", "hermans2017defense"),
    "contrastive": ("hadsell2006dimensionality",),
    "n_pairs": ("sohn2016improved",),
    "cos_sim": (GLOSS,),
    "proxy_nca": ("movshovitz2017fuss",),
    "proxy_anchor": ("kim2020proxy",),
    "g_loss": (GLOSS, PROPAGATION),
}
COMPUTED_BY = {"proxy_anchor": "musgrave2020pytorch"}  # losses that another library computes
REUTERS, MOVIES, SST, GLUE, TEXTGCN = "cardoso2007improving", "pang2005seeing", "socher2013recursive", "wang2019glue", "yao2019graph"
DATASET_KEYS: Mapping[str, tuple[str, ...]] = {
    "r8": (REUTERS,), "r52": (REUTERS,), "r8_cased": (REUTERS,), "r52_cased": (REUTERS,),
    "20ng": ("lang1995newsweeder",),
    "movie_snippets": ("hutto2014vader", MOVIES),
    "mr": (MOVIES,), "mr_textgcn": (MOVIES, TEXTGCN),
    "cr": ("hu2004mining",),
    "subj": ("pang2004sentimental",),
    "mpqa": ("wiebe2005annotating",),
    "sst2": (SST,), "sst2_phrases": (SST, GLUE), "sst5": (SST,),
    "trec": ("li2002learning",),
    "mrpc": ("dolan2005automatically", GLUE),
    "qnli": ("rajpurkar2016squad", GLUE),
    "imdb": ("maas2011learning",), "imdb_sample": ("maas2011learning",),
    "ohsumed": ("hersh1994ohsumed", TEXTGCN),
    "banking77": ("casanueva2020efficient",),
    "ag_news": ("zhang2015character",),
    "emotion": ("saravia2018carer",),
}  # fmt: skip
MINILM, BERT, ROBERTA, DISTIL = ("wang2020minilm", "reimers2019sentence"), "devlin2019bert", "liu2019roberta", "sanh2019distilbert"
ENCODER_KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (  # whole Hub ids only: a model that merely has BERT in its name is another's work
    (r"(sentence-transformers/)?all-MiniLM-L(6|12)-v[12]", MINILM),
    (r"(google-bert/)?bert-(base|large)-(un)?cased", (BERT,)),
    (r"(FacebookAI/)?roberta-(base|large)", (ROBERTA,)),
    (r"(distilbert/)?distilbert-base-(un)?cased", (DISTIL,)),
    (r"(distilbert/)?distilroberta-base", (DISTIL, ROBERTA)),
    (r"answerdotai/ModernBERT-(base|large)", ("warner2024smarter",)),
)
MAP_KEYS: Mapping[str, tuple[str, ...]] = {
    "umap": ("mcinnes2018umap",),
    "tsne": ("vandermaaten2008visualizing", "policar2024opentsne"),
    "pacmap": ("wang2021understanding",),
    "pca": (),
}
MAP_FIGURES = ("manifold", "manifold_epochs", "centers_map", "graph", "graph_why", "influence")  # texts stand at their places on a map
ATTRIBUTION_KEYS: Mapping[str, tuple[str, ...]] = {
    "ig": ("sundararajan2017axiomatic", "kokhlikyan2020captum"),
    "gradient_x_input": ("kokhlikyan2020captum",),
    "occlusion": (),
    "random": (),
}
FIGURE_KEYS: Mapping[str, tuple[str, ...]] = {  # beside maps and attributions
    "manifold": (), "manifold_epochs": (), "curves": (), "classes": (),
    "centers_map": (), "centers_use": (), "centers_heat": (), "centers_drift": (),
    "graph": (GLOSS, PROPAGATION), "graph_matrix": (GLOSS,), "graph_sigma": (GLOSS, PROPAGATION), "graph_why": (GLOSS, PROPAGATION),
    "graph_degrees": (GLOSS,),
    "attribution_words": (), "attribution_classes": (), "attribution_stability": (),
    "attribution_faithfulness": ("deyoung2020eraser",),
    "attribution_sanity": ("adebayo2018sanity", "yeh2019fidelity"),
    "calibration": ("guo2017calibration",),
    "risk_coverage": (), "confusion": (), "errors_shared": (),
    "strata": ("sosnowski2022distance",),
    "shots_curve": (STUDENT,), "gain_forest": (STUDENT,), "ranks": ("demsar2006statistical",),
    "influence": (STUDENT,),
}  # fmt: skip
STATISTIC_KEYS: Mapping[str, str] = {  # what else may be named as used
    "student": STUDENT,
    "wilson": "wilson1927probable",
    "hierarchical": "owen2007pigeonhole",
    "holm": "holm1979simple",
    "wilcoxon": "wilcoxon1945individual",
    "mcnemar": "mcnemar1947note",
    "ranks": "demsar2006statistical",
    "temperature": "guo2017calibration",
    "silhouette": SILHOUETTE,
}
Figure = str | FigureSpec


class Unknown(NamedTuple):
    """Something that is used and has no entry."""

    what: str  # "data set", "loss", "encoder", "figure"
    name: str


def loss_keys(config: RunConfig) -> tuple[str, ...]:
    """Who the objective of a run is from; none where nothing but cross-entropy is in it, or where the loss was added without an entry."""
    if config.control == "pre_trained" or check_ce_weight(config.loss, config.ce_weight) == 1:
        return ()
    return LOSS_KEYS.get(config.loss, ())


def dataset_keys(name: str) -> tuple[str, ...]:
    """Of a catalogue name; none for a person's own texts."""
    return DATASET_KEYS.get(name.strip().lower(), ())


def encoder_keys(name: str) -> tuple[str, ...]:
    return next((keys for form, keys in ENCODER_KEYS if re.fullmatch(form, name)), ())


def readout_keys(readout: str) -> tuple[str, ...]:
    return {"mixed": ("sosnowski2022revisiting",), "propagation": (PROPAGATION,), "linear_probe": ("pedregosa2011scikit",)}.get(readout, ())


def readout_of(run: Run) -> str:
    """What the run predicts with: as it found itself, else as its config comes to."""
    if run.metrics.get("readout"):
        return str(run.metrics["readout"])
    if run.config.readout != "auto":
        return run.config.readout
    if run.origin == "loaded" or run.config.control == "pre_trained":
        return ""
    if check_ce_weight(run.config.loss, run.config.ce_weight) > 0:
        return "head"
    return "centers" if LOSSES[run.config.loss].has_centers else "linear_probe"


def trains(run: Run) -> bool:
    return run.origin != "loaded" and run.config.control != "pre_trained"


def keys_of(runs: Sequence[Run], *, figures: Sequence[Figure] = (), statistics: Sequence[str] = ()) -> list[str]:
    """Every key that these runs, figures (names or specs) and statistics (keys of STATISTIC_KEYS) call for, once, in the order of references.bib."""
    found = {"paszke2019pytorch", "wolf2020transformers"} if runs else set()
    for run in runs:
        found |= {*dataset_keys(run.config.dataset), *encoder_keys(run.config.encoder), *readout_keys(readout_of(run))}
        if trains(run):
            found |= {*loss_keys(run.config), "loshchilov2019decoupled"}
            found |= {COMPUTED_BY[run.config.loss]} if loss_keys(run.config) and run.config.loss in COMPUTED_BY else set()
            if run.config.monitor == "silhouette" and (run.config.selection == "best_validation" or run.config.patience is not None):
                found.add(SILHOUETTE)
    found |= {"hunter2007matplotlib"} if figures else set()
    for figure in figures:
        found |= set(figure_keys(figure))
    for name in statistics:
        if name not in STATISTIC_KEYS:
            raise InputError(f"unknown statistic {name[:60]!r}; known: {', '.join(STATISTIC_KEYS)}.")
        found.add(STATISTIC_KEYS[name])
    return [key for key in entries() if key in found]


def figure_keys(figure: Figure) -> tuple[str, ...]:
    """Of a figure's name, or of a spec, whose options say which map and which attribution. A name alone: UMAP, Integrated Gradients."""
    name = figure if isinstance(figure, str) else figure.name
    return (*FIGURE_KEYS.get(name, ()), *MAP_KEYS.get(map_of(figure), ()), *ATTRIBUTION_KEYS.get(attribution_of(figure), ()))


def map_of(figure: Figure) -> str:
    """The method of the map that a figure shows; empty for none."""
    name, options = (figure, {}) if isinstance(figure, str) else (figure.name, figure.options)
    return str(options.get("map", "umap")).split("+")[0] if name in MAP_FIGURES else ""


def attribution_of(figure: Figure) -> str:
    """The method of the attributions that a figure shows; empty for none."""
    name, options = (figure, {}) if isinstance(figure, str) else (figure.name, figure.options)
    if not name.startswith("attribution_"):
        return ""
    method = str(options.get("kind", "ig")).split("+")[0]
    return method if method in METHODS and name != "attribution_sanity" else "ig"


def unknown_of(runs: Sequence[Run], figures: Sequence[Figure] = ()) -> list[Unknown]:
    """What is used and has no entry, once each."""
    told: Iterable[Unknown] = [
        *(Unknown("data set", dataset_title(run.config)) for run in runs if not dataset_keys(run.config.dataset)),
        *(Unknown("loss", loss_title(loss) + _by(loss)) for run in runs if trains(run) and (loss := run.config.loss) not in LOSS_KEYS),
        *(Unknown("encoder", clean(place_name(run.config.encoder))) for run in runs if not encoder_keys(run.config.encoder)),
        *(Unknown("figure", name) for one in figures if (name := one if isinstance(one, str) else one.name) not in FIGURE_KEYS),
    ]
    return list(dict.fromkeys(told))


def _by(loss: str) -> str:
    """Whose paper the row of an added loss names."""
    return f" of {LOSSES[loss].paper}" if loss in LOSSES and LOSSES[loss].paper else ""


def dataset_title(config: RunConfig) -> str:
    """As the catalogue calls it; a person's own texts go by their file's or folder's name, without its path."""
    name = config.dataset.strip()
    return CATALOGUE[name.lower()].title if name.lower() in CATALOGUE else clean(place_name(name))


def bibtex(runs: Sequence[Run], *, figures: Sequence[Figure] = (), statistics: Sequence[str] = ()) -> str:
    """The entries of `keys_of`, as a .bib file in ASCII, with a comment for everything that has none."""
    known = entries()
    where = {"data set": "its source's page", "loss": "its row in the table of losses", "encoder": "its model card", "figure": "its caption"}
    comments = [f"% no entry for the {one.what} {_ascii(one.name)}: see {where[one.what]}" for one in unknown_of(runs, figures)]
    parts = [*(["\n".join(comments)] if comments else []), *(known[key].text for key in keys_of(runs, figures=figures, statistics=statistics))]
    return "\n\n".join(parts) + "\n"


def _ascii(name: str) -> str:
    """A name for a comment line: no "@", at which some readers of .bib files begin an entry wherever it stands, and nothing beyond ASCII."""
    return clean(name).replace("@", "(at)").encode("ascii", "replace").decode()
