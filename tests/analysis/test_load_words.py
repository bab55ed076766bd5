"""What a reader must know of an encoder before believing a number, in one sentence."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from dmlviz.analysis.load_words import load_line, load_lines, report_rows
from dmlviz.core.types import LoadReport, Progress, Run, RunConfig

REPORT = LoadReport("org/model@0123456", "Hugging Face checkpoint", "BertModel", "mean", (), 128, texts=200,
                    self_test={"batch": 2e-7, "left": 0.65, "embeds": 2e-7})  # fmt: skip


def run(report: LoadReport | None = REPORT, *, origin: str = "trained", why: str = "", encoder: str = "/home/somebody/model") -> Run:
    facts = {**({"load": asdict(report)} if report else {}), **({"readout_why": why} if why else {})}
    return Run("a", RunConfig(dataset="d", encoder=encoder), "finished", Progress("done", 1, 1, "text", None), {}, 0.0, origin=origin, facts=facts)


def test_a_usual_encoder_is_named_with_its_pooling():
    assert load_line(run()) == "Encoder org/model@0123456, mean pooling."
    assert load_line(run(replace(REPORT, pooling="cls+max", modules=("Dense", "Normalize")))) == (
        "Encoder org/model@0123456, class-token and max pooling, then Dense, then Normalize.")  # fmt: skip


def test_a_run_of_an_older_version_has_its_name_alone_and_never_its_folder():
    assert load_line(run(None)) == "Encoder model."


@pytest.mark.parametrize(("changes", "words"), [
    ({"unknown": 0.31}, "31% of the texts' tokens are unknown to its tokenizer"),
    ({"cut": 24, "cut_most": 0.98}, "24 of 200 texts lose words at 128 tokens (up to 98% of a text)"),
    ({"spread": 0.0}, "every text has the same vector"),
    ({"assumed": ("the tokenizer is that of bert-base",)}, "the tokenizer is that of bert-base"),
    ({"kind": "SetFit model"}, "org/model@0123456 (SetFit model), mean pooling"),
])  # fmt: skip
def test_what_a_reader_must_know_is_said(changes, words):
    assert words in load_line(run(replace(REPORT, **changes)))


@pytest.mark.parametrize("changes", [{"unknown": 0.2}, {"cut": 10}, {"spread": 1e-3}, {"left_out": ("pooler, which another task needs",)}])
def test_what_changes_little_is_not(changes):
    assert load_line(run(replace(REPORT, **changes))) == load_line(run())


def test_a_guessed_pooling_is_said_once():
    guessed = replace(REPORT, pooling="cls", assumed=("class-token pooling, since it does not say how it pools", "something else"))
    assert load_line(run(guessed)) == "Encoder org/model@0123456, class-token pooling, since it does not say how it pools; something else."


def test_a_loaded_model_says_what_was_not_read_and_what_predicts():
    left = replace(REPORT, left_out=("its own classifier, since its classes are others",))
    why = "a linear probe on the support texts; not read: its own classifier, since its classes are others"
    said = load_line(run(left, origin="loaded", why=why))
    assert said == f"Encoder org/model@0123456, mean pooling; predicted by {why}."
    assert load_line(run(left, origin="loaded", why=why), readout=False).endswith("not read: its own classifier, since its classes are others.")
    assert "predicted by" not in load_line(run(left, why=why))


def test_runs_of_one_encoder_share_a_sentence_with_the_largest_numbers():
    runs = [run(replace(REPORT, cut=cut, cut_most=most)) for cut, most in ((30, 0.4), (44, 0.9), (12, 0.2))]
    assert load_lines(runs) == ["Encoder org/model@0123456, mean pooling; 44 of 200 texts lose words at 128 tokens (up to 90% of a text)."]
    assert len(load_lines([*runs, run(replace(REPORT, pooling="cls"))])) == 2


def test_all_that_is_known_stands_in_rows():
    report = replace(REPORT, read=("an adapter",), assumed=("one", "two"), left_out=("three",), cut=12, cut_most=0.5, unknown=0.0123,
                     self_test={"batch": 2e-7, "left": 0.65, "embeds": 0.3, "logits_batch": 1e-6, "logits_embeds": None})  # fmt: skip
    rows = report_rows(run(report))
    assert ("Model", "org/model@0123456, BertModel (Hugging Face checkpoint)") in rows
    assert [words for name, words in rows if name == "Assumed"] == ["one", "two"]
    tests = [words for name, words in rows if name == "Self-test"]
    assert tests == [
        "vector of a text alone and beside a longer one: the same (to 2e-07); by its word vectors: another, by 30% of the largest value; padding "
        "on the left would change it by 65%, so texts are padded on the right",
        "logits of a text alone and beside a longer one: the same (to 1e-06); by its word vectors: cannot be run",
    ]
    assert ("Unknown tokens", "1.2% in 200 texts") in rows
    assert ("Cut", "12 of 200 texts lose words at 128 tokens (up to 50% of a text)") in rows
    assert report_rows(run(None)) == []
