"""The table of losses: what each is called, computes and can be set to. The one home of every default.

Light on purpose: neither torch nor a loss is imported, so the form, the command line and the README can be made from it.
A new loss is a file, a row here, a line in the README and its tests.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dmlviz.core.types import InputError, SettingValue


class Paper(NamedTuple):
    """Where a loss comes from."""

    authors: str
    year: int
    arxiv: str = ""  # empty: not there

    def __str__(self) -> str:
        return f"{self.authors} {self.year}" + (f", arXiv {self.arxiv}" if self.arxiv else "")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One knob of a loss. `letter` is its letter in the paper, as LaTeX; empty when the paper has none."""

    name: str
    kind: Literal["float", "int", "bool", "choice"]
    default: SettingValue
    help: str  # one line
    low: float | None = None  # float and int: the smallest and largest accepted value
    high: float | None = None
    choices: tuple[str, ...] = ()
    letter: str = ""
    only_when: tuple[str, tuple[SettingValue, ...]] | None = None  # (other setting, its values): with any other value this one has no effect
    authors: SettingValue | None = None  # value in the authors' code, where that differs from the paper's (which is the default)

    @property
    def accepts(self) -> str:
        """What may be given, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "bool":
            return "true or false"
        return f"{'a whole number' if self.kind == 'int' else 'a number'} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class LossEntry:
    """One row of the table."""

    title: str  # as its paper writes it
    loss_class: str | None  # "module:Class"; None: the objective is cross-entropy alone
    paper: Paper | None
    summary: str  # what is pulled and pushed
    formula: str  # LaTeX of the metric term
    ce_weight: float  # default share of cross-entropy
    vectors: Literal["pooled", "tokens", "setting"]  # what it works on; "setting": the setting `vectors` decides
    readout: Literal["head", "centers"]  # what predicts by default
    has_centers: bool = False
    needs_pairs: bool = False  # compares the texts of a batch with each other, so it wants two of each class in it
    diverges: str = ""  # the setting to change when its term is no longer a number
    look_for: str = ""  # what to look for on the map
    ce_weight_letter: str = ""  # how the paper writes our ce_weight
    form: str = "paper"  # whose form the defaults have, to be read after "as in the"
    settings: tuple[Setting, ...] = ()

    @property
    def defaults(self) -> dict[str, SettingValue]:
        return {setting.name: setting.default for setting in self.settings}

    def balances(self, batches: str) -> bool:
        """Are batches drawn with near-equal class shares, under this value of RunConfig.batches?"""
        return batches == "balanced" or (batches == "auto" and self.needs_pairs)


VECTORS = ("pooled", "masked_tokens", "all_tokens")
SOFT_TRIPLE_FORMULA = (
    r"\ell(x_i) = -\log\frac{e^{\lambda(S'_{i,y_i}-\delta)}}{e^{\lambda(S'_{i,y_i}-\delta)}+\sum_{j\neq y_i}e^{\lambda S'_{i,j}}},\quad "
    r"S'_{i,c} = \sum_k \mathrm{softmax}_k\!\left(\tfrac{1}{\gamma}x_i^\top w_c^k\right)x_i^\top w_c^k,\quad "
    r"R = \frac{\tau\sum_c\sum_{s<t}\sqrt{2+10^{-5}-2\,w_c^{s\top}w_c^t}}{C\,K(K-1)}"
)
G_LOSS_FORMULA = (
    r"\mathcal{L}_G = -\frac{1}{|V_u|}\sum_{j\in V_u}\log\hat y_{j,y_j},\quad \hat Y_u = (I-T_{uu})^{-1}T_{ul}Y_l,\quad "
    r"T_{ij} = \frac{A_{ij}}{\sum_m A_{mj}},\quad A = D^{-1/2}WD^{-1/2},\quad W_{ij} = e^{-\lVert x_i-x_j\rVert^2/2\sigma^2}"
)


# fmt: off
def _soft_triple_settings(
    *, scale: float, margin: float, tau: float, centers_per_class: int, vectors: str, vectors_help: str
) -> tuple[Setting, ...]:
    """SoftTriple and TripleEntropy share their settings, not their values."""
    return (
        Setting(name="scale", kind="float", default=scale, low=0.01, high=1000, letter=r"\lambda",
                help="sharpness of the softmax over classes; the authors' code calls it la"),
        Setting(name="temperature", kind="float", default=0.1, low=0.001, high=100, letter=r"\gamma",
                help="small: only the nearest centre of a class counts; large: the mean of all"),
        Setting(name="margin", kind="float", default=margin, low=0, high=2, letter=r"\delta",
                help="how much more similar the own class must be than any other"),
        Setting(name="tau", kind="float", default=tau, low=0, high=100, letter=r"\tau",
                help="pulls the centres of a class together until superfluous ones merge; 0 switches it off"),
        Setting(name="centers_per_class", kind="int", default=centers_per_class, low=1, high=2000, letter="K",
                help="centres each class starts with"),
        Setting(name="vectors", kind="choice", default=vectors, choices=VECTORS, help=vectors_help),
    )


SECOND_FORWARD = Setting(
    name="second_forward", kind="bool", default=False, authors=True,
    help="true: the encoder runs once more for this term, with a dropout mask of its own (the code of G-Loss's authors)",
)


LOSSES: dict[str, LossEntry] = {
    "cross_entropy": LossEntry(
        title="Cross-entropy",
        loss_class=None,
        paper=None,
        summary="Pushes the head's score of the right class up and all others down; embeddings follow as far as the head needs.",
        formula=r"\mathcal{L}_{CE} = -\frac{1}{B}\sum_i \log\mathrm{softmax}(f(x_i))_{y_i}",
        ce_weight=1.0,
        vectors="pooled",
        readout="head",
        look_for="Classes apart as far as the head needs; nothing asks for tight groups.",
    ),
    "soft_triple": LossEntry(
        title="SoftTriple",
        loss_class="dmlviz.losses.soft_triple:SoftTriple",
        paper=Paper("Qian et al.", 2019, "1909.05235"),
        summary="Pulls each text towards the nearest of several learned centres of its class, pushes it from the centres of other classes.",
        formula=SOFT_TRIPLE_FORMULA,
        ce_weight=0.0,
        vectors="setting",
        readout="centers",
        has_centers=True,
        diverges="scale",
        look_for="Several tight groups within a class, one around each centre that is used.",
        settings=_soft_triple_settings(
            scale=20.0, margin=0.01, tau=0.2, centers_per_class=10, vectors="pooled",
            vectors_help="pooled: one vector per text; masked_tokens: each token without padding; all_tokens: padding too",
        ),
    ),
    "triple_entropy": LossEntry(
        title="TripleEntropy",
        loss_class="dmlviz.losses.triple_entropy:TripleEntropy",
        paper=Paper("Sosnowski et al.", 2021, "2112.08462"),
        summary="Cross-entropy, while every token is pulled to a centre of its text's class and pushed from the other classes' centres.",
        formula=r"\mathcal{L} = \beta\,\mathcal{L}_{CE} + (1-\beta)\,\frac{1}{BT}\sum_{i} \ell(x_i),\quad " + SOFT_TRIPLE_FORMULA,
        ce_weight=0.4,
        ce_weight_letter=r"\beta",
        vectors="setting",
        readout="head",
        has_centers=True,
        diverges="scale",
        look_for="Classes drawn together more than by cross-entropy alone. The centres live among the tokens, not among the texts.",
        settings=_soft_triple_settings(
            scale=8.0, margin=0.1, tau=0.0, centers_per_class=5, vectors="masked_tokens",
            vectors_help="the authors' code takes every token, padding too (all_tokens); whether the paper masks is not known, "
            "so masked_tokens leaves padding out",
        ),
    ),
    "supcon": LossEntry(
        title="SupCon",
        loss_class="dmlviz.losses.supcon:SupCon",
        paper=Paper("Khosla et al.", 2020, "2004.11362"),
        summary="Pulls every two texts of a class together and pushes each text from all texts of other classes in the batch.",
        formula=r"\mathcal{L}_{SC} = \frac{1}{B}\sum_i \frac{-1}{|P(i)|}\sum_{p\in P(i)} \log\frac{e^{z_i^\top z_p/\tau}}"
        r"{\sum_{k\neq i} e^{z_i^\top z_k/\tau}}",
        ce_weight=0.1,  # Gunel et al. 2021: lambda 0.9 on this term
        ce_weight_letter=r"1-\lambda",
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        diverges="temperature",
        look_for="Each class drawn into one tight group; within a class little structure is left.",
        settings=(
            Setting(name="temperature", kind="float", default=0.3, low=0.01, high=10, letter=r"\tau",
                    help="small: the nearest texts decide; 0.3 is the best value of Gunel et al. 2021 (arXiv 2011.01403)"),
            Setting(name="factor", kind="choice", default="none", authors="tau_over_0.07", choices=("none", "tau_over_0.07"),
                    help="none: as the formula (paper); tau_over_0.07: times temperature / 0.07 (the code of G-Loss's authors)"),
            SECOND_FORWARD,
        ),
    ),
    "triplet": LossEntry(
        title="Triplet",
        loss_class="dmlviz.losses.triplet:Triplet",
        paper=Paper("Schroff et al.", 2015, "1503.03832"),
        summary="Pulls a text to its class until it is nearer, by a margin, than a text of another class.",
        formula=r"\mathcal{L} = \max(0,\, d(a,p) - d(a,n) + \alpha)",
        ce_weight=0.0,
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        diverges="margin",
        form="G-Loss paper, but for the margin, which it does not give",
        look_for="Gaps of about the margin between classes; within a class nothing more is asked once the gap is there.",
        settings=(
            Setting(name="margin", kind="float", default=5.0, low=0, high=100, letter=r"\alpha",
                    help="5 as in the code of G-Loss's authors and in SBERT, for vectors of any length (their paper gives none); "
                    "pytorch-metric-learning's default is 0.05, for normalised vectors"),
            Setting(name="mining", kind="choice", default="batch_all", choices=("batch_all", "batch_hard"),
                    help="batch_all: mean over triplets with a loss; batch_hard: farthest positive and nearest negative of each text "
                    "(Hermans et al. 2017, arXiv 1703.07737)"),
            Setting(name="squared", kind="bool", default=True, authors=False,
                    help="true: squared distances (FaceNet, and the G-Loss paper's formula); false: not squared (the code of G-Loss's authors)"),
            Setting(name="normalise", kind="bool", default=False, help="true: vectors of length one, as in FaceNet"),
        ),
    ),
    "contrastive": LossEntry(
        title="Contrastive",
        loss_class="dmlviz.losses.contrastive:Contrastive",
        paper=Paper("Hadsell et al.", 2006),
        summary="Pulls two texts of a class together, pushes two of different classes apart until they are a margin away.",
        formula=r"\mathcal{L} = \overline{\max(0,\, d_{+} - m_{+})} + \overline{\max(0,\, m_{-} - d_{-})}",
        ce_weight=0.0,
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        diverges="neg_margin",
        look_for="Classes as points, and a minimum distance between them.",
        settings=(
            Setting(name="pos_margin", kind="float", default=0.0, low=0, high=2, letter="m_{+}", help="texts of a class this near are left alone"),
            Setting(name="neg_margin", kind="float", default=1.0, low=0, high=2, letter="m_{-}",
                    help="texts of different classes this far apart are left alone; vectors of length one are at most 2 apart"),
        ),
    ),
    "n_pairs": LossEntry(
        title="N-pairs",
        loss_class="dmlviz.losses.n_pairs:NPairs",
        paper=Paper("Sohn", 2016),
        summary="Takes one pair of each class in the batch; pulls its two texts together and away from the other pairs.",
        formula=r"\mathcal{L} = -\frac{1}{N}\sum_i \log\frac{e^{x_i^\top x_i^{+}}}{\sum_j e^{x_i^\top x_j^{+}}}",
        ce_weight=0.0,
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        look_for="Classes told from each other, drawn together less tightly than by SupCon.",
        settings=(
            Setting(name="normalise", kind="bool", default=True,
                    help="true: vectors of length one; Sohn penalises length instead, which is left out"),
        ),
    ),
    "cos_sim": LossEntry(
        title="Cosine",
        loss_class="dmlviz.losses.cos_sim:CosSim",
        paper=Paper("G-Loss: Graph-Guided Fine-Tuning of Language Models", 2026, "2604.25853"),
        summary="Pulls two texts of a class to the same direction and two of different classes to a right angle.",
        formula=r"\mathcal{L} = \frac{2}{B(B-1)}\sum_{i<j}\left(\cos(x_i,x_j)-[y_i=y_j]\right)^2",
        ce_weight=0.0,
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        look_for="Every class collapsed to a direction of its own.",
    ),
    "proxy_nca": LossEntry(
        title="ProxyNCA",
        loss_class="dmlviz.losses.proxy_nca:ProxyNCA",
        paper=Paper("Movshovitz-Attias et al.", 2017, "1703.07464"),
        summary="Pulls each text towards the one learned proxy of its class, pushes it from the proxies of other classes.",
        formula=r"\ell(x) = -\log\frac{e^{-s\,d(x,p_y)}}{\sum_{z\neq y}e^{-s\,d(x,p_z)}},\quad d(x,p) = \lVert x-p\rVert^2",
        ce_weight=0.0,
        vectors="pooled",
        readout="centers",
        has_centers=True,
        diverges="scale",
        look_for="One round group per class, its proxy in the middle.",
        settings=(
            Setting(name="scale", kind="float", default=1.0, low=0.01, high=1000, letter="s",
                    help="sharpness of the softmax over proxies; 1 as in pytorch-metric-learning"),
            Setting(name="denominator", kind="choice", default="others", choices=("others", "all"),
                    help="others: without the text's own proxy (paper); all: with it (pytorch-metric-learning)"),
        ),
    ),
    "proxy_anchor": LossEntry(
        title="Proxy-Anchor",
        loss_class="dmlviz.losses.proxy_anchor:ProxyAnchor",
        paper=Paper("Kim et al.", 2020, "2003.13911"),
        summary="Each class's proxy pulls its texts of the batch and pushes all others, the hardest of them most.",
        formula=r"\mathcal{L} = \frac{1}{|P^{+}|}\sum_{p\in P^{+}}\log\Big(1+\sum_{x\in X_p^{+}}e^{-\alpha(s(x,p)-\delta)}\Big)"
        r" + \frac{1}{|P|}\sum_{p}\log\Big(1+\sum_{x\in X_p^{-}}e^{\alpha(s(x,p)+\delta)}\Big)",
        ce_weight=0.0,
        vectors="pooled",
        readout="centers",
        has_centers=True,
        diverges="scale",
        look_for="One group per class around its proxy, with the borderline texts pulled in.",
        settings=(
            Setting(name="scale", kind="float", default=32.0, low=0.01, high=1000, letter=r"\alpha",
                    help="how much more the hard texts count; the code of arXiv 2211.15202 sets 0.1"),
            Setting(name="margin", kind="float", default=0.1, low=0, high=2, letter=r"\delta", help="how near, and how far, is enough"),
        ),
    ),
    "g_loss": LossEntry(
        title="G-Loss",
        loss_class="dmlviz.losses.g_loss:GLoss",
        paper=Paper("G-Loss: Graph-Guided Fine-Tuning of Language Models", 2026, "2604.25853"),
        summary="Hides some labels of the batch, lets the others spread over the similarity graph, and pulls texts so that the hidden ones "
        "are guessed right.",
        formula=G_LOSS_FORMULA,
        ce_weight=0.2,  # the README's lambda is 0.8
        ce_weight_letter=r"1-\lambda",
        vectors="pooled",
        readout="head",
        needs_pairs=True,
        diverges="sigma",
        look_for="Texts joined to their class by chains of neighbours: groups may be long and bent rather than round.",
        settings=(
            Setting(name="sigma_rule", kind="choice", default="sqrt_median", choices=("sqrt_median", "fixed", "tuned"),
                    help="sqrt_median: sqrt(median distance / 3) of the untrained support texts (G-Loss-SQRT); fixed: sigma as given; "
                    "tuned: sigma as a search found it (G-Loss-O)"),
            Setting(name="sigma", kind="float", default=0.667, low=0.01, high=10, letter=r"\sigma", only_when=("sigma_rule", ("fixed", "tuned")),
                    help="width of the Gaussian kernel when sigma_rule is fixed or tuned; 0.667 is the authors' README example for Ohsumed"),
            Setting(name="visible_share", kind="float", default=0.7, low=0.05, high=0.95, letter=r"\gamma",
                    help="share of the batch that keeps its labels (the paper calls it label-hiding ratio, yet it is the visible share)"),
            Setting(name="median_of", kind="choice", default="distance", choices=("distance", "squared_distance"),
                    only_when=("sigma_rule", ("sqrt_median",)),
                    help="the median is taken of distances (the paper's section 3, and the authors' code) or of squared ones (its appendix D)"),
            Setting(name="median_diagonal", kind="bool", default=False, authors=True, only_when=("sigma_rule", ("sqrt_median",)),
                    help="true: the zero distance of each text to itself counts in the median (authors' code)"),
            Setting(name="form", kind="choice", default="nll", authors="scores_as_logits", choices=("nll", "scores_as_logits"),
                    help="nll: -log of the propagated probability (paper); scores_as_logits: softmax over those first (authors' code)"),
            Setting(name="row_normalise", kind="bool", default=False, authors=True,
                    help="false: columns of the transition matrix sum to one (paper); true: rows normalised after that (authors' code)"),
            Setting(name="divide_again", kind="bool", default=False, authors=True,
                    help="true: the mean is divided by the number of hidden texts once more (authors' integrated code)"),
            SECOND_FORWARD,
        ),
    ),
}
# fmt: on


def find_loss(name: str) -> LossEntry:
    """The row called `name`."""
    if name not in LOSSES:
        raise InputError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}." + _did_you_mean(name, LOSSES))
    return LOSSES[name]


def variant(name: str, settings: Mapping[str, SettingValue]) -> str:
    """"paper" (the entry's `form`), "authors' code" or "mixed variant", by the settings in which the two differ; "" for a loss without such a
    difference. A setting that has no effect beside the others decides nothing."""
    whole = check_settings(name, dict(settings))
    entry = find_loss(name)
    split = [one for one in entry.settings if one.authors is not None and (one.only_when is None or whole[one.only_when[0]] in one.only_when[1])]
    if not split:
        return ""
    if all(whole[setting.name] == setting.default for setting in split):
        return entry.form
    return "authors' code" if all(whole[setting.name] == setting.authors for setting in split) else "mixed variant"


def check_settings(name: str, settings: Mapping[str, SettingValue], /) -> dict[str, SettingValue]:
    """Every setting of a loss: the given ones checked and in their type ("0.1" becomes 0.1), the others by default."""
    known = {setting.name: setting for setting in find_loss(name).settings}
    for given in settings:
        if not known:
            raise InputError(f"{name} takes no settings, but {given!r} was given; leave it out")
        if given not in known:
            raise InputError(f"unknown setting {given!r} for {name}; known: {', '.join(known)}." + _did_you_mean(given, known))
    return {key: _checked(name, known[key], settings[key]) if key in settings else known[key].default for key in known}


def check_ce_weight(name: str, ce_weight: float | None, /) -> float:
    """The share of cross-entropy: None stands for the loss's own default."""
    entry = find_loss(name)
    if ce_weight is None:
        return entry.ce_weight
    if not 0 <= ce_weight <= 1:
        raise InputError(f"{name}: ce_weight={ce_weight} is out of range; ce_weight takes a number from 0 to 1")
    if entry.loss_class is None and ce_weight != 1:
        raise InputError(f"{name} is all cross-entropy, so its ce_weight is 1, not {ce_weight}; leave ce_weight out or choose another loss")
    return float(ce_weight)


def _checked(loss: str, setting: Setting, given: SettingValue) -> SettingValue:
    """`given` in the setting's type and range, or a sentence."""
    value = {"float": _float, "int": _int, "bool": _bool, "choice": _choice}[setting.kind](given)
    default = str(setting.default).lower() if setting.kind == "bool" else setting.default
    takes = f"{setting.name} takes {setting.accepts} (default {default})"
    if value is None or (setting.kind == "choice" and value not in setting.choices):
        raise InputError(f"{loss}: {setting.name}={given!r} is not accepted; {takes}." + _did_you_mean(str(given), setting.choices))
    if setting.kind in ("float", "int") and not setting.low <= value <= setting.high:
        raise InputError(f"{loss}: {setting.name}={given} is out of range; {takes}")
    return value


def _float(given: SettingValue) -> float | None:
    if isinstance(given, bool):
        return None
    try:
        value = float(given)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _int(given: SettingValue) -> int | None:
    value = _float(given)
    return int(value) if value is not None and value.is_integer() else None


def _bool(given: SettingValue) -> bool | None:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    return given if isinstance(given, bool) else words.get(str(given).strip().lower())


def _choice(given: SettingValue) -> str | None:
    return given.strip() if isinstance(given, str) else None


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
