"""Pictures of attributions: the frame holds what is drawn, hostile words are shown as themselves, paper is exact."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from attribution_cases import attribution
from tex import need_tex, pdflatex

from dmlviz.analysis.attribution.kind import target_text
from dmlviz.core.types import InputError, Progress, Run, RunConfig, TextDataset
from dmlviz.export.files import Provenance, figure_bytes
from dmlviz.figures import FIGURES
from dmlviz.figures.attribution import words as attribution_words
from dmlviz.figures.attribution.frame import AttributionInput, kind_words, word_color
from dmlviz.figures.attribution.tex import escaped, tex
from dmlviz.figures.base.presets import PRESETS
from dmlviz.figures.base.theme import DARK, LIGHT, contrast

HOSTILE = '<script>alert(1)</script> & "quotes" $\\input{/etc/passwd}$ 100% #1 a_b ~x^2 `code` 😀 é'
NAMES = ("neg<b>", "pos_$x$")


def run(run_id: str, **fields) -> Run:
    metrics = {"readout": "head", "accuracy": 0.8}
    return Run(run_id, RunConfig(dataset="tiny", **fields), "finished", Progress("done", 1, 1, "text", 0.0), metrics, 0.0)


@pytest.fixture
def texts() -> TextDataset:
    rows = (HOSTILE, "a good film", "a bad film", "good and bad")
    return TextDataset("tiny", rows, np.array([0, 1, 0, 1]), NAMES, np.array(["test"] * 4), "0" * 64, "made by hand")


@pytest.fixture
def inputs(texts) -> list[AttributionInput]:
    rng, found = np.random.default_rng(0), []
    for one in (run("ce-0"), run("ce-1", seed=1), run("sup-0", loss="supcon", ce_weight=0.1)):
        own = {}
        for row, text in enumerate(texts.texts):
            count = len(attribution_words_of(text))
            own[row] = attribution(text, rng.normal(size=count), row_id=row, class_id=row % 2)
        found.append(AttributionInput(one, own, "ig"))
    return found


def attribution_words_of(text: str) -> list[tuple[int, int]]:
    from dmlviz.explain.words import word_spans

    return word_spans(text)


def test_the_table_holds_every_word_of_every_run(inputs, texts):
    table = attribution_words.frame(inputs, texts, row=1)
    assert table.groupby("pane", sort=False)["word"].apply(list).tolist() == [["a", "good", "film"]] * 3
    assert table.groupby("pane")["share"].apply(lambda s: s.abs().sum()).tolist() == pytest.approx([1, 1, 1])
    assert table["strength"].max() == pytest.approx(1)
    with pytest.raises(InputError, match="text 99 has not been explained"):
        attribution_words.frame(inputs, texts, row=99)


def test_words_that_weigh_otherwise_in_another_run_are_marked(texts):
    a, b = attribution("a good film", [0, 8, 2]), attribution("a good film", [0, 2, 8])
    table = attribution_words.frame([AttributionInput(run("x"), {1: a}, "ig"), AttributionInput(run("y", seed=1), {1: b}, "ig")], texts, row=1)
    assert table["differs"].tolist() == [False, True, True] * 2
    alone = attribution_words.frame([AttributionInput(run("x"), {1: a}, "ig")], texts, row=1)
    assert not alone["differs"].any()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda one: one.name)
def test_a_hostile_text_is_shown_as_itself_and_never_run(inputs, texts, theme):
    made = attribution_words.markup(attribution_words.frame(inputs, texts, row=0), "ce-0", theme=theme)
    assert "<script" not in made
    assert "$" not in re.sub(r'style="[^"]*"', "", made)
    words = re.sub(r"<sup[^>]*>.</sup>", "", made)
    from html import unescape

    assert "".join(unescape(re.sub(r"<[^>]+>", "", words)).split()) == "".join(HOSTILE.split())


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda one: one.name)
def test_words_can_be_read_on_every_ground(theme):
    for share in (-1.0, 1.0):
        for strength in np.linspace(0, 1, 11):
            assert contrast(theme.ink, word_color(share, strength, theme)) >= 4.5


def test_colour_is_not_the_only_key(inputs, texts):
    table = attribution_words.frame(inputs, texts, row=1)
    made = attribution_words.markup(table, table.loc[table["strength"].idxmax(), "pane"])
    assert re.search(r"<sup[^>]*>[+−]</sup>", made)
    assert "% of the text" in made  # the value, on hover


@pytest.mark.parametrize("name", ["attribution_words", "attribution_classes", "attribution_faithfulness", "attribution_stability"])
@pytest.mark.parametrize("preset", ["acl-column", "double"])
def test_paper_is_as_wide_as_asked_and_has_a_caption(inputs, texts, name, preset):
    entry = FIGURES[name]
    needs = [inputs, texts] if "dataset" in entry.needs else [inputs]
    options = {"attribution_words": {"row": 1.0}, "attribution_classes": {"label": NAMES[1], "fewest": 2.0}}.get(name, {})
    table = entry.frame(*needs, **options)
    figure = entry.paper(table, PRESETS[preset])
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(PRESETS[preset].width_mm)
    assert min(one.get_fontsize() for one in figure.findobj(lambda a: hasattr(a, "get_fontsize") and a.get_text())) >= 6
    data = figure_bytes(figure, "pdf", provenance=Provenance("t", "c", ("ce-0",)))
    assert io.BytesIO(data).read(5) == b"%PDF-"
    assert b"/Type3" not in data
    caption = entry.caption(table, inputs)
    assert "Integrated Gradients" in caption
    assert "ce-0" in caption
    for pane in dict.fromkeys(table["pane"]):
        assert entry.alt(table, pane)
        assert entry.screen(table, pane, theme=DARK).to_dict()["data"]
    assert not any("<b>" in str(one) for one in (entry.screen(table, "ce-0").to_dict()["layout"].get("xaxis", {}).get("ticktext") or ()))


def test_the_bars_are_the_class_words_and_nobody_is_an_empty_picture(inputs, texts):
    entry = FIGURES["attribution_classes"]
    table = entry.frame(inputs, texts, label=NAMES[1], fewest=2.0)
    bars = entry.screen(table, "ce-0").data[0]
    assert sorted(100 * table.loc[table["pane"] == "ce-0", "mean"]) == pytest.approx(sorted(bars.x))
    assert "No text explained" in entry.screen(table, "nobody").layout.annotations[0].text
    with pytest.raises(InputError, match="no class is called 'cats'"):
        entry.frame(inputs, texts, label="cats")


def test_panes_of_words_share_one_scale_and_a_run_with_too_few_texts_says_so(inputs, texts):
    entry = FIGURES["attribution_classes"]
    (row,) = [row for row in inputs[2].found if inputs[2].found[row].class_id == 1][:1]
    few = [*inputs[:2], inputs[2]._replace(found={row: inputs[2].found[row]})]
    table = entry.frame(few, texts, label=NAMES[1], fewest=2.0)
    assert list(dict.fromkeys(table["pane"])) == ["ce-0", "ce-1", "sup-0"]
    ranges = {tuple(entry.screen(table, pane).layout.xaxis.range) for pane in ("ce-0", "ce-1")}
    ((low, high),) = ranges
    assert low <= 100 * table["low"].min() <= 100 * table["high"].max() <= high
    said = "1 text explained for this class"
    assert entry.screen(table, "sup-0").layout.annotations[0].text == f"{said}:<br>no word stands in 2 of them"
    assert entry.alt(table, "sup-0") == f"{said}: no word stands in 2 of them."
    assert table.loc[table["pane"] == "sup-0", ["word", "n"]].to_numpy().tolist() == [["", 0]]
    assert "words in fewer than 2 texts are left out" in entry.caption(table, few)
    figure = entry.paper(table, PRESETS["double"])
    assert {tuple(np.round(ax.get_xlim(), 6)) for ax in figure.axes if ax.get_xlabel() or ax.patches} == {(round(low, 6), round(high, 6))}
    assert said in [one.get_text() for one in figure.findobj(lambda one: hasattr(one, "get_text"))]
    nowhere = entry.frame([one._replace(found={2: one.found[2]}) for one in inputs], texts, label=NAMES[1])
    assert "No text explained" in entry.screen(nowhere, "ce-0").layout.annotations[0].text
    assert entry.paper(nowhere, PRESETS["acl-column"])


def with_baselines(one: AttributionInput, *names: str) -> AttributionInput:
    """The same texts from other baselines, whose values are this one's turned round a little."""
    others = {name: {row: replace(made, values=np.roll(made.values, i + 1)) for row, made in one.found.items()} for i, name in enumerate(names)}
    return one._replace(others=others)


def test_baselines_of_a_lone_run_are_the_heat_map(inputs):
    entry, one = FIGURES["attribution_stability"], with_baselines(inputs[0], "mask", "zero")
    table = entry.frame([one])
    assert table["drawn"].all()
    assert table.drop_duplicates("pane")["title"].tolist() == ["padding token", "mask token", "zeros"]
    assert set(table["relation"]) == {"itself", "baseline"}
    grid = table.pivot(index="pane", columns="other", values="correlation")
    assert np.allclose(grid, grid.T)
    assert entry.screen(table).data[0].z.shape == (3, 3)
    caption = entry.caption(table, [one])
    assert "between two baselines" in caption
    assert "Baselines: padding token, mask token, zeros" in caption
    assert caption.endswith("Single runs: ce-0.")
    assert entry.paper(table, PRESETS["acl-column"])


def test_baselines_beside_several_runs_are_in_the_table_and_the_caption_and_not_drawn(inputs):
    entry, several = FIGURES["attribution_stability"], [with_baselines(inputs[0], "mean"), *inputs[1:]]
    table, plain = entry.frame(several), entry.frame(inputs)
    assert len(table) == len(plain) + 2
    kept = table[table["relation"] == "baseline"]
    assert kept["title"].tolist() == ["Cross-entropy · seed 0 · padding token", "Cross-entropy · seed 0 · mean vector"]
    assert not kept["drawn"].any()
    assert np.array_equal(entry.screen(table).data[0].z, entry.screen(plain).data[0].z)
    assert f"Between two baselines of one run: {kept['correlation'].mean():.2f} over 1 pair." in entry.caption(table, several)
    assert "baseline" not in entry.caption(plain, inputs).replace("baseline: pad", "")


def test_the_heat_map_is_symmetric_and_says_what_pairs_differ_in(inputs):
    entry = FIGURES["attribution_stability"]
    table = entry.frame(inputs)
    grid = table.pivot(index="pane", columns="other", values="correlation")
    assert np.allclose(grid, grid.T)
    assert (np.diag(grid) == 1).all()
    assert table.set_index(["pane", "other"]).loc[("ce-0", "ce-1"), "relation"] == "seed"
    assert "seed:" in entry.caption(table, inputs)


def test_runs_without_attributions_are_one_sentence(texts):
    empty = [AttributionInput(run("ce-0"), {}, "ig")]
    for name in ("attribution_classes", "attribution_faithfulness", "attribution_stability"):
        entry = FIGURES[name]
        with pytest.raises(InputError, match="no text of these runs has been explained"):
            entry.frame(*([empty, texts] if "dataset" in entry.needs else [empty]))


def test_latex_holds_the_text_sign_for_sign():
    assert escaped(r"100% of $a_b$ & #1 {x} ~ ^ \ <b>") == (
        r"100\% of \$a\_b\$ \& \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{}b\textgreater{}"
    )


def test_latex_declares_what_pdflatex_has_no_letter_for(inputs, texts):
    made = tex(attribution_words.frame(inputs, texts, row=0), "a caption")
    assert r"\DeclareUnicodeCharacter{1F600}" in made
    assert r"\input" not in made
    assert made.startswith("% a caption\n\\documentclass")
    assert made.count(r"\noindent\raggedright") == 3


@pytest.mark.slow
def test_latex_compiles_by_itself(inputs, texts, tmp_path):
    need_tex("standalone.cls")
    (tmp_path / "words.tex").write_text(tex(attribution_words.frame(inputs, texts, row=0), "a caption"), encoding="utf-8")
    pdflatex(tmp_path, "words.tex")
    assert (tmp_path / "words.pdf").stat().st_size > 1000


def test_a_kind_in_words():
    assert kind_words("ig") == "Integrated Gradients towards the predicted class, baseline: pad"
    assert kind_words("random+gold") == "Random values, a reference towards its own class"


def checked(run_id: str, signed: list[float], **fields) -> AttributionInput:
    facts = {"stages": ["trained", "head and centres", "layer 1", "word vectors"], "signed": signed, "absolute": signed, "texts": [12] * 4, "seed": 0,
             "steps": 16, "sensitivity": [0.2, 0.4], "share": 0.02, "samples": 5, "rows": [1, 2]}  # fmt: skip
    return AttributionInput(run(run_id, **fields), {}, "ig", None, facts)


def test_sanity_is_drawn_stage_by_stage_on_screen_and_paper():
    entry, kept = FIGURES["attribution_sanity"], [checked("ce-0", [1, 0.5, 0.2, 0.0]), checked("sup-0", [1, 0.9, 0.1, None], loss="supcon")]
    unchecked = AttributionInput(run("new"), {}, "ig")
    table = entry.frame([*kept, unchecked])
    assert table["pane"].unique().tolist() == ["ce-0", "sup-0"]
    assert entry.screen(table).data[0].y.tolist() == [1, 0.5, 0.2, 0.0]
    assert "from 1.00 to 0.00" in entry.alt(table)
    assert "Cross-entropy 0.30" in entry.caption(table, kept)
    figure = entry.paper(table, PRESETS["acl-column"])
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(77)
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines[:1]] == [[1, 0.5, 0.2, 0.0]]
    with pytest.raises(InputError, match="no run here has sanity checks"):
        entry.frame([unchecked])


def test_a_difference_names_both_classes_and_no_probability(texts):
    made = attribution("a good film", [0, 8, 2], class_id=1, predicted=0)
    table = attribution_words.frame([AttributionInput(run("x"), {1: made}, "ig+" + target_text("difference", NAMES[1], NAMES[0]))], texts, row=1)
    assert attribution_words.said(table, "x").endswith(f"explained: {NAMES[1]} minus {NAMES[0]}")
