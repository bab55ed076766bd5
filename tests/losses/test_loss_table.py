"""The table of losses: light to import, in step with the classes, and clear about mistakes."""

import importlib
import inspect
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmlviz.core.types import InputError
from dmlviz.losses import LOSSES, build_loss, check_ce_weight, check_settings, find_loss
from dmlviz.losses.table import variant

EVERY_SETTING = [(name, setting) for name, entry in LOSSES.items() for setting in entry.settings]
each_setting = pytest.mark.parametrize(("name", "setting"), EVERY_SETTING, ids=lambda part: getattr(part, "name", part))


def sentence(function, *given, **settings) -> str:
    with pytest.raises(InputError) as caught:
        function(*given, **settings)
    return str(caught.value)


def test_the_table_loads_without_torch():
    code = "import sys, dmlviz.losses.table; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", [name for name, entry in LOSSES.items() if entry.loss_class])
def test_settings_are_the_class_s_keyword_only_parameters_and_defaults_live_in_the_table_alone(name):
    module, class_name = LOSSES[name].loss_class.split(":")
    parameters = inspect.signature(getattr(importlib.import_module(module), class_name)).parameters
    assert list(parameters) == ["num_classes", "dim", "seed", *LOSSES[name].defaults]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters.values())


@each_setting
def test_a_default_is_accepted_and_has_its_kind(name, setting):
    kind = {"float": float, "int": int, "bool": bool, "choice": str}[setting.kind]
    assert type(setting.default) is kind
    checked = check_settings(name, {setting.name: setting.default})
    assert checked == LOSSES[name].defaults
    assert type(checked[setting.name]) is kind
    assert setting.help
    assert "\n" not in setting.help


@each_setting
def test_a_setting_read_as_text_is_the_setting(name, setting):
    checked = check_settings(name, {setting.name: str(setting.default)})
    assert checked == LOSSES[name].defaults
    assert type(checked[setting.name]) is type(setting.default)


@each_setting
def test_the_ends_of_a_range_are_accepted_and_beyond_is_a_sentence(name, setting):
    if setting.kind not in ("float", "int"):
        return
    for end in (setting.low, setting.high):
        assert check_settings(name, {setting.name: end})[setting.name] == end
    for beyond in (setting.low - 1, setting.high + 1):
        assert f"{name}: {setting.name}={beyond} is out of range" in sentence(check_settings, name, {setting.name: beyond})


def test_the_published_defaults():
    """papers.md 4 (Qian), 1.3 (TripleEntropy, May), 3.3 (G-Loss README); a change here is a change of claim."""
    qian = {"scale": 20.0, "temperature": 0.1, "margin": 0.01, "tau": 0.2, "centers_per_class": 10, "vectors": "pooled"}
    assert LOSSES["soft_triple"].defaults == qian
    may = {"scale": 8.0, "temperature": 0.1, "margin": 0.1, "tau": 0.0, "centers_per_class": 5, "vectors": "masked_tokens"}
    assert LOSSES["triple_entropy"].defaults == may
    graph = {"sigma_rule": "sqrt_median", "sigma": 0.667, "visible_share": 0.7, "form": "nll", "row_normalise": False}
    graph |= {"median_of": "distance", "median_diagonal": False, "divide_again": False, "second_forward": False}
    assert LOSSES["g_loss"].defaults == graph
    assert LOSSES["supcon"].defaults == {"temperature": 0.3, "factor": "none", "second_forward": False}  # Gunel et al.
    assert LOSSES["triplet"].defaults == {"margin": 5.0, "mining": "batch_all", "squared": True, "normalise": False}
    assert LOSSES["contrastive"].defaults == {"pos_margin": 0.0, "neg_margin": 1.0}
    assert LOSSES["proxy_nca"].defaults == {"scale": 1.0, "denominator": "others"}
    assert LOSSES["proxy_anchor"].defaults == {"scale": 32.0, "margin": 0.1}
    weights = {"cross_entropy": 1.0, "triple_entropy": 0.4, "supcon": 0.1, "g_loss": 0.2}
    assert {name: entry.ce_weight for name, entry in LOSSES.items() if entry.ce_weight} == weights


def test_a_variant_is_named_by_the_settings_in_which_paper_and_code_differ():
    assert variant("cross_entropy", {}) == variant("proxy_anchor", {"scale": 1.0}) == ""
    assert variant("g_loss", {"sigma_rule": "fixed"}) == variant("supcon", {"temperature": 0.1}) == "paper"
    assert variant("supcon", {"factor": "tau_over_0.07"}) == "mixed variant"
    code = {setting.name: setting.authors for setting in LOSSES["g_loss"].settings if setting.authors is not None}
    assert set(code) == {"median_diagonal", "form", "row_normalise", "divide_again", "second_forward"}
    assert variant("g_loss", code) == "authors' code"
    assert variant("triple_entropy", {}) == variant("triple_entropy", {"vectors": "all_tokens"}) == ""  # whether the paper masks is not known


def test_a_setting_without_effect_makes_no_mixed_variant():
    """G-Loss-O as coded has its sigma from a search, so nothing is a median's diagonal."""
    code = {"form": "scores_as_logits", "row_normalise": True, "divide_again": True, "second_forward": True}
    for rule in ("tuned", "fixed"):
        assert variant("g_loss", {**code, "sigma_rule": rule}) == "authors' code"
        assert variant("g_loss", {**code, "sigma_rule": rule, "median_diagonal": True}) == "authors' code"
        assert variant("g_loss", {"sigma_rule": rule, "median_diagonal": True}) == "paper"
    assert variant("g_loss", code) == "mixed variant"  # SQRT without the diagonal


def test_a_triplet_is_not_plainly_the_papers_for_its_margin_is_not_known():
    assert variant("triplet", {}) == variant("triplet", {"margin": 0.2}) == "G-Loss paper, but for the margin, which it does not give"
    assert variant("triplet", {"squared": False}) == "authors' code"


def test_every_row_says_what_to_look_for_and_which_setting_to_change():
    for name, entry in LOSSES.items():
        assert entry.look_for.endswith(".")
        assert not entry.diverges or entry.diverges in entry.defaults, name


def test_every_row_can_be_shown():
    for entry in LOSSES.values():
        assert entry.title
        assert entry.summary.endswith(".")
        assert entry.formula.count("{") == entry.formula.count("}")
        assert entry.has_centers or entry.readout == "head"
    assert str(LOSSES["soft_triple"].paper) == "Qian et al. 2019, arXiv 1909.05235"
    assert str(LOSSES["n_pairs"].paper) == "Sohn 2016"


def test_the_losses_that_compare_texts_of_a_batch():
    assert {name for name, entry in LOSSES.items() if entry.needs_pairs} == {"supcon", "triplet", "contrastive", "n_pairs", "cos_sim", "g_loss"}


@each_setting
def test_what_a_setting_hangs_on_is_asked_before_it_and_an_authors_value_is_accepted(name, setting):
    if setting.only_when is not None:
        other, values = setting.only_when
        before = [one.name for one in LOSSES[name].settings]
        assert before.index(other) < before.index(setting.name)
        assert all(check_settings(name, {other: value})[other] == value for value in values)
    if setting.authors is not None:
        assert check_settings(name, {setting.name: setting.authors})[setting.name] == setting.authors != setting.default
        assert "authors" in setting.help


def test_an_unknown_loss_is_a_sentence_with_a_suggestion():
    known = ", ".join(LOSSES)
    assert sentence(find_loss, "softriple") == f"unknown loss 'softriple'; known: {known}. Did you mean 'soft_triple'?"
    assert sentence(build_loss, "zzz", num_classes=2, dim=3) == f"unknown loss 'zzz'; known: {known}."


def test_an_unknown_setting_is_a_sentence_with_a_suggestion():
    assert sentence(check_settings, "g_loss", {"sigm": 1}) == (
        "unknown setting 'sigm' for g_loss; known: sigma_rule, sigma, visible_share, "
        "median_of, median_diagonal, form, row_normalise, divide_again, second_forward. Did you mean 'sigma'?"
    )
    assert sentence(check_settings, "cross_entropy", {"tau": 1}) == "cross_entropy takes no settings, but 'tau' was given; leave it out"


WRONG = [
    ("soft_triple", {"scale": "much"}, "scale='much' is not accepted; scale takes a number from 0.01 to 1000 (default 20.0)."),
    ("soft_triple", {"scale": "nan"}, "scale='nan' is not accepted; scale takes a number from 0.01 to 1000 (default 20.0)."),
    ("soft_triple", {"scale": True}, "scale=True is not accepted; scale takes a number from 0.01 to 1000 (default 20.0)."),
    ("soft_triple", {"tau": -1}, "tau=-1 is out of range; tau takes a number from 0 to 100 (default 0.2)"),
    (
        "soft_triple",
        {"centers_per_class": 2.5},
        "centers_per_class=2.5 is not accepted; centers_per_class takes a whole number from 1 to 2000 (default 10).",
    ),
    (
        "triple_entropy",
        {"vectors": "tokens"},
        "vectors='tokens' is not accepted; vectors takes one of pooled, masked_tokens, all_tokens (default masked_tokens). "
        "Did you mean 'all_tokens'?",
    ),
    ("g_loss", {"row_normalise": "maybe"}, "row_normalise='maybe' is not accepted; row_normalise takes true or false (default false)."),
    ("g_loss", {"form": None}, "form=None is not accepted; form takes one of nll, scores_as_logits (default nll)."),
]


@pytest.mark.parametrize(("name", "settings", "said"), WRONG)
def test_a_wrong_value_is_a_sentence(name, settings, said):
    assert sentence(check_settings, name, settings) == f"{name}: {said}"


def test_words_and_numbers_from_a_command_line_are_read():
    assert check_settings("g_loss", {"row_normalise": "True"})["row_normalise"] is True
    assert check_settings("g_loss", {"row_normalise": "0"})["row_normalise"] is False
    checked = check_settings("soft_triple", {"centers_per_class": "5", "scale": 3})
    assert checked == LOSSES["soft_triple"].defaults | {"centers_per_class": 5, "scale": 3.0}
    assert type(checked["scale"]) is float


@given(st.one_of(st.text(max_size=8), st.floats(), st.integers(), st.booleans(), st.none()))
def test_whatever_is_typed_is_a_value_in_range_or_a_sentence(typed):
    for name, setting in EVERY_SETTING:
        try:
            value = check_settings(name, {setting.name: typed})[setting.name]
        except InputError:
            continue
        assert type(value) is type(setting.default)
        assert value in setting.choices if setting.choices else setting.kind == "bool" or setting.low <= value <= setting.high


def test_the_weight_of_cross_entropy():
    assert check_ce_weight("triple_entropy", None) == 0.4
    assert check_ce_weight("triple_entropy", 0) == 0.0
    assert sentence(check_ce_weight, "g_loss", 1.5) == "g_loss: ce_weight=1.5 is out of range; ce_weight takes a number from 0 to 1"
    assert "all cross-entropy, so its ce_weight is 1, not 0.5" in sentence(check_ce_weight, "cross_entropy", 0.5)


def test_cross_entropy_has_no_metric_term():
    assert build_loss("cross_entropy", num_classes=2, dim=3) is None
