"""What a sweep file may say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmlviz.core.types import InputError, RunConfig
from dmlviz.jobs.sweep_spec import SweepSpec, default_name, parse_sweep, spec_json, spec_of, spec_yaml

WHOLE = """
name: both
datasets: [trec, mr]
losses:
- cross_entropy
- {name: triple_entropy, ce_weight: 0.4, settings: {scale: 10}, center_lr: 0.01}
shots: [4, all]
support_seeds: [0, 1, 2]
seeds: [5, 6]
exclude: [{loss: triple_entropy, shots: all}]
epochs: 2
slots: 3
hours: 1.5
maps: now
"""


def test_every_combination_but_the_excluded_is_a_run_and_draws_come_outermost():
    configs = list(parse_sweep(WHOLE).configs())
    assert len(configs) == 2 * 2 * 2 * 3 * 2 - 2 * 3 * 2
    assert [one.support_seed for one in configs] == sorted(one.support_seed for one in configs)
    assert not [one for one in configs if one.loss == "triple_entropy" and one.shots is None]
    assert {one.epochs for one in configs} == {2}
    triple = next(one for one in configs if one.loss == "triple_entropy")
    assert (triple.ce_weight, dict(triple.loss_settings), triple.center_lr) == (0.4, {"scale": 10}, 0.01)
    assert next(one for one in configs if one.loss == "cross_entropy").center_lr is None
    assert configs[0] == RunConfig(dataset="trec", loss="cross_entropy", shots=4, seed=5, epochs=2)


def test_a_seed_may_follow_the_draw():
    configs = parse_sweep("datasets: trec\nlosses: supcon\nsupport_seeds: [3, 4]\nseeds: as_draw").configs()
    assert [(one.support_seed, one.seed) for one in configs] == [(3, 3), (4, 4)]


def test_what_is_named_twice_runs_once():
    assert len(list(parse_sweep("datasets: [trec, trec]\nlosses: [supcon, supcon]\nshots: [4, 4]").configs())) == 1


ODD = "datasets: [ü]\nlosses: [{name: g_loss, settings: {sigma_rule: fixed}}]"


@pytest.mark.parametrize("text", [WHOLE, ODD, "datasets: [trec]\nlosses: [supcon]"])
def test_a_spec_survives_yaml_and_json(text):
    spec = parse_sweep(text)
    assert parse_sweep(spec_yaml(spec)) == spec
    assert spec_of(spec_json(spec)) == spec


def test_the_same_file_has_the_same_name_and_another_one_another():
    text = "datasets: [trec]\nlosses: [supcon]"
    assert default_name(parse_sweep(text)) == default_name(parse_sweep(text + "\n# said twice"))
    assert default_name(parse_sweep(text)) != default_name(parse_sweep(text + "\nepochs: 9"))
    assert default_name(parse_sweep(WHOLE)) == "both"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("datasets: [", "the sweep is neither YAML nor JSON"),
        ("[1, 2]", "holds no settings"),
        ("losses: [supcon]", "datasets"),
        ("datasets: [trec]", "names no losses"),
        ("datasets: [trec]\nlosses: [supconn]", "Did you mean 'supcon'"),
        ("datasets: [trec]\nlosses: [3]", "a loss of the sweep is '3'"),
        ("datasets: [trec]\nlosses: [supcon]\nsupport_seed: 1", "Write support_seeds, a list"),
        ("datasets: [trec]\nlosses: [supcon]\nepocs: 1", "Did you mean 'epochs'"),
        ("datasets: [trec]\nlosses: [supcon]\nshots: [0]", "shots=0 is not accepted"),
        ("datasets: [trec]\nlosses: [supcon]\nepochs: none", "epochs='none' is not accepted"),
        ("datasets: [trec]\nlosses: [{name: supcon, seed: 3}]", "has the field 'seed'"),
        ("datasets: [trec]\nlosses: [supcon]\nexclude: [{los: supcon}]", "exclude holds 'los'"),
        ("datasets: [trec]\nlosses: [supcon]\nexclude: [{loss: supcon}]", "leave no run"),
        ("datasets: []\nlosses: [supcon]", "datasets"),
        ("datasets: [trec]\nlosses: [supcon]\nslots: 0", "slots=0 is not accepted"),
        ("datasets: [trec]\nlosses: [supcon]\nengine: slurm", "engine='slurm' is not accepted"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(text, said):
    with pytest.raises(InputError) as caught:
        parse_sweep(text)
    assert said in str(caught.value)


# ---- limits


def test_ten_million_runs_are_counted_without_making_one(monkeypatch):
    text = "datasets: [trec]\nlosses: [supcon]\nshots: [1, 2, 4, 8, 16]\n"
    text += f"support_seeds: [{', '.join(map(str, range(2000)))}]\nseeds: [{', '.join(map(str, range(1000)))}]\n"
    made = []
    monkeypatch.setattr(SweepSpec, "configs", lambda self: iter(made.append(1) or ()))
    with pytest.raises(InputError, match=r"^the sweep has 10,000,000 runs, and 20,000 are the most; take fewer draws or seeds"):
        parse_sweep(text)
    assert made == []


@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_the_count_is_that_of_the_runs(draws, shots, seeds, left_out):
    rows = {"left_out": [None, 3, 5]} if left_out else {}
    axes = {"support_seeds": list(range(draws)), "shots": list(range(1, shots + 1)), "seeds": list(range(seeds)) or "as_draw", **rows}
    spec = spec_of({"datasets": ["trec"], "losses": ["supcon", "cross_entropy"], **axes})
    assert spec.most_runs() == len(list(spec.configs()))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seeds: [100000000000000000000]", "seed=100000000000000000000 is not accepted; it should be less than or equal to 4294967295"),
        ("support_seeds: [-1]", "support_seed=-1 is not accepted"),
        ("shots: [99999999999]", "shots=99999999999 is not accepted"),
        ("slots: 100000", "slots=100000 is not accepted"),
        ("lr: .inf", "lr=inf is not accepted"),
        ("validation: 1000000000000000000000000000000", "validation=1000000000000000000000000000000 is not accepted; it should be less"),
    ],
)
def test_numbers_are_checked_in_the_file(line, said):
    with pytest.raises(InputError, match=re.escape(said)):
        parse_sweep(f"datasets: [trec]\nlosses: [supcon]\n{line}\n")


def test_a_file_of_aliases_is_refused_before_it_fills_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(InputError, match=r"^the sweep holds more than 200,000 values; make several files of it$"):
        parse_sweep("\n".join([*lines, "datasets: *a11", "losses: [supcon]"]))
    with pytest.raises(InputError, match=r"^the sweep has 2,000,001 characters, and 2,000,000 are the most"):
        parse_sweep("#" * 2_000_001)
