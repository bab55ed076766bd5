"""Colours, marks, names and paper sizes. A loss or a class looks the same on every page and on paper."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from dmlviz.core.places import place_name
from dmlviz.core.types import Run, RunConfig
from dmlviz.losses.table import LOSSES

LOSS_COLORS = {
    "cross_entropy": "#6B7280", "soft_triple": "#0072B2", "triple_entropy": "#D55E00", "supcon": "#009E73",
    "triplet": "#CC79A7", "contrastive": "#E69F00", "n_pairs": "#8C6D31", "cos_sim": "#7A5195",
    "proxy_nca": "#56B4E9", "proxy_anchor": "#B8336A", "g_loss": "#2F4B7C", "pre_trained": "#B0B7C3", "loaded": "#5D7A4A",
}  # fmt: skip
LOSS_TITLES = {
    "cross_entropy": "Cross-entropy", "soft_triple": "SoftTriple", "triple_entropy": "TripleEntropy", "supcon": "SupCon",
    "triplet": "Triplet", "contrastive": "Contrastive", "n_pairs": "N-pairs", "cos_sim": "Cosine",
    "proxy_nca": "ProxyNCA", "proxy_anchor": "Proxy-Anchor", "g_loss": "G-Loss", "pre_trained": "Pre-trained", "loaded": "Loaded",
}  # fmt: skip
WITH_CE_BY_DEFINITION = {"cross_entropy", "triple_entropy", "pre_trained", "loaded"}
NOT_TRAINED = {"pre_trained", "as_loaded"}  # controls whose training settings say nothing

BLACK = "#000000"
OTHER_COLOR = "#B4BDC6"
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", BLACK)
# Twelve more, picked greedily for the largest CIELAB distance to all before, under normal, deutan, protan and tritan
# sight, with a contrast of at least 1.9 on white and on the dark ground. tests/figures/test_theme.py checks the result.
WIDER = (*OKABE_ITO, "#660DF2", "#73331A", "#7366F2", "#BFBF73", "#8C0D59", "#0D40A6",
         "#E60D4C", "#7F8CF2", "#F2A6B2", "#66337F", "#A6330D", "#4C33CC")  # fmt: skip
# Beside each of them, so that two classes of one mark differ in lightness (CIELAB L*) by 16 of 100, and the circles from the grey of other classes by
# 14: grey print keeps them apart, too. tests/figures/test_theme.py checks it.
CLASS_MARKS = ("square", "triangle-up", "triangle-down", "triangle-up", "circle", "square", "triangle-down", "circle",
               "triangle-up", "square", "triangle-left", "cross", "triangle-left", "triangle-down",
               "cross", "triangle-right", "triangle-left", "cross", "triangle-right", "circle")  # fmt: skip
MOST_COLORS = len(WIDER)
MOST_FOCUS = len(OKABE_ITO)
CORRECT, WRONG = "#0072B2", "#D55E00"
OTHER = "(other classes)"

SCREEN_FONT = '"Source Sans Pro", "Source Sans 3", "Noto Sans", "Noto Sans Arabic", "Noto Sans CJK SC", system-ui, sans-serif'


class Theme(NamedTuple):
    """The ground a figure stands on. Figures are transparent; `ground` is for halos and contrast."""

    name: str
    ground: str
    panel: str
    ink: str
    muted: str
    lines: str
    accent: str
    other: str  # classes without a colour of their own

    def shown(self, color: str) -> str:
        """A frame's colour on this ground: black becomes ink and the grey of other classes this theme's grey."""
        return {BLACK: self.ink, OTHER_COLOR: self.other}.get(color, color)


LIGHT = Theme("light", "#FFFFFF", "#F5F7F9", "#1B2733", "#566573", "#DCE3E8", "#0B6E99", "#B4BDC6")
DARK = Theme("dark", "#11171D", "#18212A", "#E4EAF0", "#9AA9B7", "#2B3843", "#5BB8E0", "#4A5865")
PAPER = Theme("paper", "#FFFFFF", "#FFFFFF", "#111111", "#4A4A4A", "#8A949C", "#0B6E99", "#B4BDC6")
THEMES = {theme.name: theme for theme in (LIGHT, DARK, PAPER)}


class ClassStyle(NamedTuple):
    """How one class is drawn."""

    color: str
    symbol: str  # on the screen, of CLASS_MARKS: Plotly's names


NOWHERE = ClassStyle(OTHER_COLOR, "circle")  # a text that a readout says nothing of

def class_styles(label_names: Sequence[str], focus: Sequence[str] = ()) -> dict[str, ClassStyle]:
    """Name -> style, from the names alone. Above 20 classes only `focus` (its first 8, in its order) has colour;
    up to 20, `focus` greys out the others."""
    names = sorted(set(label_names))
    focus = tuple(dict.fromkeys(name for name in focus if name in set(names)))[:MOST_FOCUS]
    if len(names) > MOST_COLORS:
        styles = {name: ClassStyle(color, "circle") for name, color in zip(focus, OKABE_ITO, strict=False)}
    elif len(names) > len(OKABE_ITO):
        styles = {name: ClassStyle(WIDER[i], CLASS_MARKS[i]) for i, name in enumerate(names)}
    else:
        styles = {name: ClassStyle(OKABE_ITO[i], "circle") for i, name in enumerate(names)}
    kept = set(focus or names)
    grey = ClassStyle(OTHER_COLOR, "circle")
    return {name: styles.get(name, grey) if name in kept else grey for name in names}


def class_mark(color: str, symbol: str = "circle") -> str:
    """The mark on paper of a class of that colour; every other colour or symbol keeps the screen's."""
    return CLASS_MARKS[WIDER.index(color)] if color in WIDER and symbol in CLASS_MARKS else symbol


def lightness(color: str) -> float:
    """CIELAB L*, 0 to 100: what is left of a colour in grey print."""
    light = luminance(color)
    return 116 * light ** (1 / 3) - 16 if light > (6 / 29) ** 3 else light * (29 / 3) ** 3


def scale(steps: int) -> list[str]:
    """Colours of a number from low (dark blue) to high (yellow): cividis (Nunez et al. 2018)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["cividis"]((i + 0.5) / steps)).upper() for i in range(steps)]


def loss_color(name: str) -> str:
    """The loss's fixed colour; an unknown loss is drawn in cross-entropy's grey."""
    return LOSS_COLORS.get(name.replace("-", "_"), LOSS_COLORS["cross_entropy"])


def loss_title(name: str, ce_weight: float | None = None) -> str:
    """The paper's name, "+ CE" when mixed. None is the loss as its paper defines it."""
    name = name.replace("-", "_")
    title = LOSS_TITLES.get(name) or (LOSSES[name].title if name in LOSSES else name)
    mixed = ce_weight is not None and 0 < ce_weight < 1 and name not in WITH_CE_BY_DEFINITION
    return f"{title} + CE" if mixed else title


def run_titles(configs: Sequence[RunConfig]) -> list[str]:
    """One title per run: its loss, and what tells it from the runs that share it ("SupCon · seed 1")."""
    bases = [base_title(config) for config in configs]
    told = ("dataset", "encoder", "shots", "support_seed", "seed", "left_out", "epochs", "lr", "ce_weight", "loss_settings", "pooling", "batch_size")
    titles = []
    for config, base in zip(configs, bases, strict=True):
        twins = [other for other, name in zip(configs, bases, strict=True) if name == base]
        fields = told if config.control not in NOT_TRAINED else told[:4]
        differs = [field for field in fields if len({repr(getattr(twin, field)) for twin in twins}) > 1]
        titles.append(" · ".join([base, *(_told(config, field) for field in differs[:2])]))
    return titles


def base_title(config: RunConfig) -> str:
    """The run's loss; a control says that it is one, and a model from elsewhere, whose loss is not known, is called by its own name."""
    if config.control == "as_loaded":
        return f"{_told(config, 'encoder')} (loaded)"
    title = loss_title(config.shown_loss, config.ce_weight)
    return f"{title}, shuffled labels" if config.control == "shuffled_labels" else title


def method_title(run: Run) -> str:
    """What a run's method is called where runs of many kinds stand together: its loss, and whether it was trained elsewhere."""
    title = base_title(run.config)
    return f"{title} (loaded)" if run.origin == "loaded" and run.config.control != "as_loaded" else title


def _told(config: RunConfig, field: str) -> str:
    value = getattr(config, field)
    if field == "shots":
        return "all shots" if value is None else f"{value} shots"
    if field == "loss_settings":
        return ", ".join(f"{key} {setting}" for key, setting in sorted(value.items())) or "default settings"
    if field in ("dataset", "encoder"):
        parts = [part for part in re.split(r"[/\\]", str(value)) if part]
        return parts[-1] if parts else str(value)  # a folder's or Hub id's last name
    if field == "tokenizer":
        return f"tokenizer {place_name(str(value))}" if value else "its own tokenizer"
    return str(value) if field == "pooling" else f"{field.replace('_', ' ')} {value}"


RC: dict[str, Any] = {
    "pdf.fonttype": 42, "ps.fonttype": 42,  # TrueType: conferences reject Type 3
    # Paths, not text: a viewer without our fonts would break the label layout, shaped scripts most of all. PDF keeps text.
    "svg.fonttype": "path", "svg.hashsalt": "dmlviz",
    "path.simplify": True, "axes.unicode_minus": True, "text.usetex": False, "text.parse_math": False,
}  # fmt: skip
_LOCK = threading.RLock()


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's settings and its font cache are global: one thread at a time, under its defaults and our settings, whatever the user's own are."""
    import matplotlib

    with _LOCK, matplotlib.rc_context({**_defaults(), **RC}):
        yield


@cache
def _defaults() -> dict[str, Any]:
    """All that shapes a picture; not which window system shows it."""
    import matplotlib

    return {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(("backend", "interactive", "toolbar", "webagg"))}


def _channels(color: str) -> tuple[float, float, float]:
    return int(color[1:3], 16) / 255, int(color[3:5], 16) / 255, int(color[5:7], 16) / 255


def luminance(color: str) -> float:
    """Relative luminance of sRGB, 0 to 1 (WCAG 2)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(color: str, ground: str) -> float:
    """WCAG contrast ratio, 1 to 21."""
    levels = luminance(color), luminance(ground)
    return (max(levels) + 0.05) / (min(levels) + 0.05)


def mixed(color: str, other: str, share: float) -> str:
    """`share` of `other` in `color`."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(255 * (a * (1 - share) + b * share)):02X}" for a, b in pairs)


def readable(color: str, ground: str, ratio: float = 4.5) -> str:
    """The colour moved towards black (or white on a dark ground) until words in it can be read."""
    towards = "#000000" if contrast("#000000", ground) > contrast("#FFFFFF", ground) else "#FFFFFF"
    for step in range(21):
        shade = mixed(color, towards, step / 20)
        if contrast(shade, ground) >= ratio:
            return shade
    return towards


def rgba(color: str, alpha: float) -> str:
    """A CSS colour with transparency, for Plotly."""
    red, green, blue = (round(255 * channel) for channel in _channels(color))
    return f"rgba({red},{green},{blue},{alpha:.2f})"
