"""Colours, titles and words, the same everywhere."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from dmlviz.core.types import InputError, RunConfig
from dmlviz.figures import FIGURES, entry, split_options
from dmlviz.figures.base import presets, theme
from dmlviz.figures.base.labels import place_labels, spread
from dmlviz.figures.base.words import clean, drawable, excerpt, missing_glyphs, plotly_lines, plotly_text, short

SIGHTS = {  # Machado et al. 2009, severity 1.0, linear RGB
    "normal": np.eye(3),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
}


def lab(color: str, sight: np.ndarray) -> np.ndarray:
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.clip(sight @ np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_classes_of_one_marker_stay_apart_under_every_sight(sight):
    styles = theme.class_styles([f"{i:02d}" for i in range(20)]).values()
    for one, other in itertools.combinations(styles, 2):
        if one.symbol == other.symbol:
            assert np.linalg.norm(lab(one.color, SIGHTS[sight]) - lab(other.color, SIGHTS[sight])) > 12, (one, other)


@pytest.mark.parametrize("classes", [2, 8, 20])
def test_every_class_has_its_own_style_whatever_the_order(classes):
    names = [f"class {i:02d}" for i in range(classes)]
    styles = theme.class_styles(names)
    assert len(set(styles.values())) == classes
    assert styles == theme.class_styles(names[::-1] + names)


@pytest.mark.parametrize("classes", [52, 77])
def test_many_classes_are_grey_but_for_a_focus_of_eight(classes):
    names = [f"class {i:02d}" for i in range(classes)]
    assert {style.color for style in theme.class_styles(names).values()} == {theme.OTHER_COLOR}
    styles = theme.class_styles(names, focus=[*names[20:32], "unknown"])
    assert {name for name, style in styles.items() if style.color != theme.OTHER_COLOR} == set(names[20:28])
    assert theme.class_styles(names, focus=names[20:22])[names[20]] == styles[names[20]]


def test_colours_are_seen_on_both_grounds():
    for shown, color in itertools.product((theme.LIGHT, theme.DARK), (*theme.LOSS_COLORS.values(), *theme.WIDER)):
        assert theme.contrast(theme.readable(shown.shown(color), shown.ground), shown.ground) >= 4.5
    assert theme.LIGHT.shown(theme.BLACK) == theme.LIGHT.ink


def test_every_loss_of_the_table_has_its_title_and_colour():
    code = "from dmlviz.losses.table import LOSSES; print('\\n'.join(f'{n}\\t{e.title}' for n, e in LOSSES.items()))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"the loss table does not load: {listed.stderr.splitlines()[-1]}")
    for name, title in (line.split("\t") for line in listed.stdout.splitlines()):
        assert (theme.LOSS_TITLES[name], name in theme.LOSS_COLORS) == (title, True)


def test_titles_say_ce_when_mixed_and_tell_twins_apart():
    assert theme.loss_title("supcon", 0.5) == "SupCon + CE"
    assert [theme.loss_title("supcon", weight) for weight in (None, 0.0, 1.0)] == ["SupCon"] * 3
    assert theme.loss_title("triple_entropy", 0.5) == "TripleEntropy"
    configs = [RunConfig(dataset="r8", loss="supcon", seed=seed) for seed in (0, 1)] + [RunConfig(dataset="r8", loss="g_loss")]
    assert theme.run_titles(configs) == ["SupCon · seed 0", "SupCon · seed 1", "G-Loss"]


def test_names_are_shortened_cleaned_and_escaped():
    assert short("word " * 20, 24) == "word word wo…d word word"
    assert short("  ") == "(blank)"
    assert clean("a\nb\x00c \ud800") == "a b c \N{REPLACEMENT CHARACTER}"
    assert plotly_text("<b>%{x} $a$</b>") == "&lt;b&gt;&#37;{x} &#36;a&#36;&lt;/b&gt;"
    assert plotly_lines("aa <script> bb", width=11) == "aa &lt;script&gt;<br>bb"
    assert len(excerpt("x" * 500)) == 160
    assert excerpt("x" * 160) == "x" * 160


def test_characters_without_a_glyph_are_replaced_and_told():
    unassigned = "\U0010fffd"
    assert drawable(f"a{unassigned}b") == ("a\N{REPLACEMENT CHARACTER}b", unassigned)
    assert drawable("naïve Ελλάδα שלום سلام 😀")[1] == ""
    assert drawable("a\u200db\ufe0f")[1] == ""
    assert "U+10FFFD" in missing_glyphs(["fine", f"a{unassigned}"])
    assert missing_glyphs(["fine"]) is None


@pytest.mark.parametrize("count", [1, 8, 20])
def test_labels_stay_inside_and_apart(count):
    rng = np.random.default_rng(0)
    anchors, sizes = rng.random((count, 2)) * 400, np.tile([80.0, 15.0], (count, 1))
    placed = place_labels(anchors, sizes, (400, 400))
    kept = np.isfinite(placed).all(axis=1)
    assert kept.mean() > 0.8
    for i, j in itertools.combinations(np.flatnonzero(kept), 2):
        assert (np.abs(placed[i] - placed[j]) >= sizes[0]).any()
    assert ((placed[kept] >= sizes[0] / 2) & (placed[kept] <= 400 - sizes[0] / 2)).all()
    assert np.array_equal(placed, place_labels(anchors, sizes, (400, 400)), equal_nan=True)


def test_a_label_too_wide_for_the_box_is_left_out():
    assert np.isnan(place_labels(np.array([[5.0, 5.0]]), np.array([[40.0, 5.0]]), (20, 20))).all()


def test_spread_keeps_order_gap_and_range():
    placed = spread(np.array([0.5, 0.5, 0.49, 0.99]), 0.2, 0.0, 1.0)
    assert np.diff(np.sort(placed)).min() >= 0.2 - 1e-9
    assert placed[2] < placed[0] < placed[1] < placed[3] <= 1.0


def test_unknown_figures_presets_and_options_are_sentences():
    with pytest.raises(InputError, match="known: acl-column"):
        presets.preset("acl")
    with pytest.raises(InputError, match="known: manifold"):
        entry("maps")
    with pytest.raises(InputError, match="known: color_by"):
        split_options("manifold", {"colour": "class"})
    with pytest.raises(InputError, match="choose one of class, prediction"):
        split_options("manifold", {"color_by": "loss"})
    assert split_options("manifold", {"parts": "test, support", "letters": True}) == ({"parts": ("test", "support")}, {"letters": True})
    assert all(figure.title and figure.question and figure.needs for figure in FIGURES.values())


def test_figures_load_no_torch_streamlit_or_pyplot():
    code = "import sys, dmlviz.figures, dmlviz.export.files; print({'torch', 'streamlit', 'matplotlib.pyplot', 'transformers'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
