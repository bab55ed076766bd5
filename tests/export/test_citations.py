"""The methods paragraph says what the configs hold, and every reference in it has an entry that BibTeX takes."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tex import need_tex

from dmlviz.core.types import FigureSpec, InputError, Progress, Run, RunConfig, TextDataset
from dmlviz.data import CATALOGUE
from dmlviz.data.catalogue import restricted, sharing
from dmlviz.export.citations import bibtex, keys_of, methods, unknown_of
from dmlviz.export.citations.bib import entries, plain, read_entries
from dmlviz.export.citations.marked import as_text, plain_math, spread
from dmlviz.export.citations.sources import COMPUTED_BY, DATASET_KEYS, ENCODER_KEYS, FIGURE_KEYS, LOSS_KEYS, MAP_KEYS, STATISTIC_KEYS
from dmlviz.figures import FIGURES
from dmlviz.losses import LOSSES

HOSTILE = r"\input{/etc/passwd} 100% #1 a_b ~x^2 $x$ & {]}" + "\x01evil2020\x04 😀 日本 é"
FACTS = {"device": "cpu", "precision": "float32", "pooling": "mean", "max_length": 128,
         "versions": {"dmlviz": "0.1.0", "torch": "2.13.0+cpu", "transformers": "5.23.0", "numpy": "2.4.6"}}  # fmt: skip


def run(dataset: str = "trec", *, facts: dict | None = None, metrics: dict | None = None, origin: str = "trained", **fields) -> Run:
    config = RunConfig(dataset=dataset, **{"dataset_hash": "a" * 64, "lr": 3e-4, **fields})
    run_id = f"{dataset}-{config.loss}-{config.support_seed}-{config.seed}-{config.left_out}"
    found = {"n_test": 500, "n_validation": config.validation} if metrics is None else metrics
    return Run(run_id, config, "finished", Progress("done", 1, 1, "text", 0.0), found, 0.0, facts=FACTS if facts is None else facts, origin=origin)


def two_by_two(**fields) -> list[Run]:
    """Cross-entropy and SupCon in two draws; SupCon has another learning rate and temperature."""
    other = {"loss": "supcon", "ce_weight": 0.1, "lr": 1e-4, "loss_settings": {"temperature": 0.1}}
    return [run(support_seed=draw, seed=draw, **{**own, **fields}) for own in ({"ce_weight": 1.0}, other) for draw in (0, 1)]


# ---- the entries


def test_every_entry_is_whole_and_stands_once():
    found = entries()
    assert len(found) > 50
    for key, entry in found.items():
        assert {"author", "title", "year"} <= set(entry.fields), key
        assert re.fullmatch(r"\d{4}", entry.fields["year"]), key
        assert re.fullmatch(r"[a-z]+\d{4}[a-z]*", key), key
        assert key.endswith(entry.fields["year"]) or entry.fields["year"] in key, key
        assert re.fullmatch(r"\d{4}\.\d{4,5}", entry.fields.get("eprint", "1234.56789")), key
        assert {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished", "phdthesis": "school", "techreport": "institution"}[
            entry.kind
        ] in entry.fields, key
        assert not any(re.search(r"[&%#_](?<!\\[&%#_])", value) for name, value in entry.fields.items() if name not in ("doi", "eprint")), key
    titles = [plain(entry.fields["title"]).lower() for entry in found.values()]
    assert len(set(titles)) == len(titles)


def test_every_entry_is_cited_for_something_and_every_key_has_an_entry():
    used = {key for table in (LOSS_KEYS, DATASET_KEYS, FIGURE_KEYS, MAP_KEYS) for keys in table.values() for key in keys}
    used |= {key for _, keys in ENCODER_KEYS for key in keys} | set(COMPUTED_BY.values()) | set(STATISTIC_KEYS.values())
    used |= {"paszke2019pytorch", "wolf2020transformers", "loshchilov2019decoupled", "hunter2007matplotlib", "pedregosa2011scikit"}
    used |= {"sundararajan2017axiomatic", "kokhlikyan2020captum", "sosnowski2022revisiting"}
    assert used == set(entries())


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_the_table_is_cited_by_its_own_paper(name):
    paper, keys = LOSSES[name].paper, LOSS_KEYS[name]
    if paper is None:
        assert keys == ()
        return
    own = entries()[keys[0]]
    assert own.fields.get("eprint", "") == paper.arxiv
    if "et al." in paper.authors or " " not in paper.authors:
        assert plain(own.fields["author"]).split(",")[0] == paper.authors.removesuffix(" et al.")
    else:
        assert plain(own.fields["title"]) == paper.authors  # the row gives a title where it lists no authors
    assert abs(int(own.fields["year"]) - paper.year) <= 1  # on arXiv a year before its venue
    assert keys[0] in keys_of([run(loss=name, ce_weight=0.0)])


def test_a_library_is_cited_for_the_losses_that_it_computes():
    folder = Path(__file__).resolve().parents[2] / "dmlviz" / "losses"
    using = {file.stem for file in folder.glob("*.py") if re.search(r"^\s*(from|import) pytorch_metric_learning", file.read_text(), re.MULTILINE)}
    assert using == set(COMPUTED_BY)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_data_set_of_the_catalogue_has_an_entry_or_is_named(name):
    found = bibtex([run(name)])
    if DATASET_KEYS.get(name):
        assert all(f"{{{key}," in found for key in DATASET_KEYS[name])
        assert "data set" not in found
        years = set(re.findall(r"[A-Z]\w+ & \w+ \d{4}|\w+ et al\. \d{4}", CATALOGUE[name].terms))
        for year in years:  # whom the terms name is cited
            assert any(entries()[key].short == year.replace("&", "and") for key in DATASET_KEYS[name]), (name, year)
    else:
        assert f"no entry for the data set {CATALOGUE[name].title}: see its source's page" in found


def test_every_figure_says_what_it_cites():
    assert set(FIGURE_KEYS) == set(FIGURES)


def test_only_what_is_involved_is_given():
    runs = two_by_two()
    assert keys_of(runs) == [key for key in entries() if key in {
        "khosla2020supervised", "gunel2021supervised", "li2002learning", "wang2020minilm", "reimers2019sentence", "loshchilov2019decoupled",
        "paszke2019pytorch", "wolf2020transformers",
    }]  # fmt: skip
    shown = keys_of(runs, figures=["manifold"])
    assert set(shown) - set(keys_of(runs)) == {"mcinnes2018umap", "hunter2007matplotlib"}
    other = keys_of(runs, figures=[FigureSpec(name="manifold", run_ids=("a",), options={"map": "tsne+3d"})])
    assert set(other) - set(keys_of(runs)) == {"vandermaaten2008visualizing", "policar2024opentsne", "hunter2007matplotlib"}
    words = keys_of(runs, figures=["attribution_words"])
    assert set(words) - set(keys_of(runs)) == {"sundararajan2017axiomatic", "kokhlikyan2020captum", "hunter2007matplotlib"}
    hidden = keys_of(runs, figures=[FigureSpec(name="attribution_words", run_ids=("a",), options={"kind": "occlusion+mask"})])
    assert set(hidden) - set(keys_of(runs)) == {"hunter2007matplotlib"}
    assert set(keys_of(runs, statistics=["holm", "mcnemar"])) - set(keys_of(runs)) == {"holm1979simple", "mcnemar1947note"}
    assert "kim2020proxy" not in keys_of([run(loss="proxy_anchor", ce_weight=1.0)])  # it takes no part there
    with pytest.raises(InputError, match=r"^unknown statistic 'anova'; known: student"):
        keys_of(runs, statistics=["anova"])


@pytest.mark.parametrize(("encoder", "first"), [
    ("all-MiniLM-L6-v2", "wang2020minilm"), ("roberta-large", "liu2019roberta"), ("FacebookAI/roberta-base", "liu2019roberta"),
    ("google-bert/bert-base-uncased", "devlin2019bert"), ("distilbert-base-uncased", "sanh2019distilbert"),
    ("answerdotai/ModernBERT-base", "warner2024smarter"), ("someone/bert-base-uncased-finetuned", None), ("/data/models/bert-base-uncased", None),
])  # fmt: skip
def test_an_encoder_is_known_by_its_whole_id(encoder, first):
    found = bibtex([run(encoder=encoder)])
    own = {key for _, keys in ENCODER_KEYS for key in keys}
    given = [key for key in keys_of([run(encoder=encoder)]) if key in own]
    if first is None:
        assert not given
        assert "% no entry for the encoder" in found
        assert "/data" not in found  # a path tells of somebody's machine
    else:
        assert first in given


def test_broken_bibtex_is_noticed():
    with pytest.raises(ValueError, match="comes twice"):
        list(read_entries("@misc{a2000,\n title = {x}\n}\n@misc{a2000,\n title = {y}\n}"))
    with pytest.raises(ValueError, match="not closed"):
        list(read_entries("@misc{a2000,\n title = {x\n}"))
    with pytest.raises(ValueError, match="not a field"):
        list(read_entries('@misc{a2000,\n title = "x"\n}'))


def test_authors_are_said_as_papers_do():
    short = {key: entry.short for key, entry in entries().items()}
    assert short["qian2019softtriple"] == "Qian et al. 2019"
    assert short["pang2005seeing"] == "Pang and Lee 2005"
    assert short["sohn2016improved"] == "Sohn 2016"
    assert short["demsar2006statistical"] == "Demšar 2006"
    assert short["policar2024opentsne"] == "Poličar et al. 2024"
    assert short["student1908probable"] == "Student 1908"
    assert short["gloss2026"] == "Sharma Aditya et al. 2026"


# ---- the paragraph


def test_the_facts_of_two_losses_in_two_draws():
    said = methods(two_by_two())
    for fact in (
        "The data set was TREC, coarse (Li and Roth 2002): question type, 6 classes, 500 test texts.",
        "8 texts of each class, drawn at random",
        "It was drawn twice (support seeds 0, 1), each time with a seed of its own (0, 1)",
        "For validation 64 texts",
        "all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019)",
        "the mean of its token vectors in the last layer and cut at 128 tokens",
        "The losses compared were cross-entropy and SupCon (Khosla et al. 2020; Gunel et al. 2021)",
        "w = 0.1 for SupCon (1−λ in the paper)",
        "the objective was w CE + (1−w) M",
        "SupCon (in its paper's form) had temperature τ = 0.1 and else the default settings.",
        "4 epochs in batches of 16 texts with AdamW (Loshchilov and Hutter 2019)",
        "peak learning rate 3e-4 (1e-4 for SupCon)",
        "over the first 10 % of the steps, then falling linearly to zero",
        "weight decay 0.01, gradient norm at most 1.",
        "Batches were shuffled (balanced over the classes for SupCon).",
        "Encoders ran in float32 on a CPU",
        "The weights tested were those after the last epoch.",
        "Classes were predicted by the linear head",
        "means over 2 draws, with Student's 95 % interval over them (Student 1908)",
        "every draw of the shots has its own seed",
        "dmlviz 0.1.0, PyTorch 2.13.0+cpu (Paszke et al. 2019), Transformers 5.23.0 (Wolf et al. 2020), NumPy 2.4.6",
    ):
        assert fact in said, fact
    assert said.count("AdamW") == 1  # what is common is said once
    assert "\x01" not in said
    assert not re.search(r"\bNone\b|\{|\}|  ", said)


UNTOLD = {"snapshots", "checkpoint_seconds"}  # what is kept and how often it is saved changes no number
CHANGED = {
    "dataset": "mr", "dataset_hash": "b" * 64, "encoder": "roberta-large", "loss": "g_loss", "loss_settings": {"temperature": 0.2}, "ce_weight": 0.3,
    "shots": 16, "shots_by": "total", "support_seed": 5, "seed": 7, "left_out": 11, "validation": 32, "folds": 5, "fold": 2, "epochs": 9,
    "batch_size": 32, "batches": "balanced", "accumulation": 2, "class_weights": "balanced", "lr": 2e-5, "center_lr": 0.01, "weight_decay": 0.1,
    "schedule": "cosine", "step_epoch": 12, "warmup_share": 0.25, "max_grad_norm": 5.0, "max_length": 64, "pooling": "cls", "precision": "bf16",
    "device": "cuda", "selection": "best_validation", "monitor": "macro_f1", "patience": 3, "readout": "knn", "control": "shuffled_labels",
    "tokenizer": "bert-base-cased",
    "cut_seed": 3,
}  # fmt: skip
WHERE = {  # beside what a field has an effect
    "fold": {"folds": 5}, "step_epoch": {"schedule": "step"}, "monitor": {"selection": "best_validation"},
    "center_lr": {"loss": "proxy_anchor", "loss_settings": {}}, "dataset_hash": {"dataset": "mine.csv"},
    "batches": {"loss": "proxy_nca", "loss_settings": {}},
    "loss": {"loss_settings": {}},
}  # fmt: skip


def test_every_field_of_a_config_is_tried():
    assert set(CHANGED) | UNTOLD == set(RunConfig.model_fields)


@pytest.mark.parametrize("field", CHANGED)
def test_a_field_that_changes_results_changes_the_paragraph(field):
    base = {"loss": "supcon", "ce_weight": 0.1, "loss_settings": {"temperature": 0.1}, **WHERE.get(field, {})}
    before = [run(facts={}, metrics={}, **base, support_seed=draw) for draw in ((0,) if field == "support_seed" else (0, 1))]
    update = {field: CHANGED[field], **({"dataset_hash": "c" * 64} if field == "dataset" else {})}
    after = [replace(one, config=one.config.model_copy(update=update)) for one in before]
    first, second = methods(before), methods(after)
    assert first != second
    assert methods(before) == first  # no chance in it
    value = CHANGED[field]
    if isinstance(value, int | float):
        assert {2e-5: "2e-5", 0.25: "25 %"}.get(value, f"{value:g}") in second
    if field not in ("seed", "support_seed", "fold", "left_out"):
        if field in ("precision", "device"):  # of the machine, so they make no group of their own
            after = [replace(one, config=one.config.model_copy(update={"support_seed": one.config.support_seed + 2})) for one in after]
        both = methods([*before, *[replace(one, id=f"{one.id}-b") for one in after]])
        assert both not in (first, second)  # and when it differs between runs, both are said


@pytest.mark.parametrize("loss", LOSSES)
def test_every_setting_of_a_loss_is_told_when_it_is_changed(loss):
    entry = LOSSES[loss]
    plainly = methods([run(loss=loss, ce_weight=entry.ce_weight)])
    for setting in entry.settings:
        values = [one for one in setting.choices if one != setting.default] if setting.kind == "choice" else [not setting.default] if (
            setting.kind == "bool") else [min(setting.high, setting.default * 2 + 1)]  # fmt: skip
        beside = {} if setting.only_when is None else {setting.only_when[0]: setting.only_when[1][0]}
        against = methods([run(loss=loss, ce_weight=entry.ce_weight, loss_settings=beside)]) if beside else plainly
        for value in values:
            told = methods([run(loss=loss, ce_weight=entry.ce_weight, loss_settings={**beside, setting.name: value})])
            assert told != against, (setting.name, value)
    if entry.settings:
        assert "the default settings" in plainly


def test_a_setting_without_effect_is_not_told():
    said = [methods([run(loss="g_loss", ce_weight=0.2, loss_settings=own)]) for own in ({}, {"sigma": 2.0})]
    assert said[0] == said[1]


def test_weights_are_given_in_our_letter_with_the_papers_beside_it():
    runs = [run(loss=name, ce_weight=0.4) for name in ("triple_entropy", "supcon", "soft_triple")]
    said = methods(runs)
    assert "with w = 0.4 for TripleEntropy (β in the paper), w = 0.4 for SupCon (1−λ in the paper) and w = 0.4 for SoftTriple." in said
    tex = methods(runs, latex=True)
    assert r"$w$ = 0.4 for TripleEntropy ($\beta$ in the paper)" in tex


def test_shots_are_nested_only_where_there_are_several():
    lone, several = methods([run(shots=4)]), methods([run(shots=4), run(shots=16), run(shots=None)])
    assert "lies inside" not in lone
    assert "lies inside" not in methods([run(shots=4), run("mr", dataset_hash="b" * 64, shots=16)])
    assert "4 or 16 texts of each class, drawn at random or all training texts; of one draw, the smaller training set lies inside" in several


def test_repetitions_are_counted_as_the_intervals_count_them():
    assert "Every number is of a single run, so it has no interval." in methods([run()])
    crossed = [run(support_seed=draw, seed=seed) for draw in range(3) for seed in range(2)]
    said = methods(crossed)
    assert "3 times (support seeds 0–2), each time with 2 seeds (0, 1)" in said
    assert "means over 3 draws" in said
    assert "seeds are averaged within each draw" in said
    mixed = methods([*crossed, run(loss="supcon", ce_weight=0.1)])
    assert "means over 3 draws, with Student's" in mixed
    assert "Numbers for SupCon are of single runs, so they have no interval." in mixed
    again = methods([run(seed=seed) for seed in range(4)])
    assert "means over 4 seeds" in again
    assert "one draw of the shots, so the interval holds the seeds alone" in again


def test_runs_that_leave_a_text_out_repeat_nothing():
    runs = [run(), *(run(left_out=row) for row in (3, 9))]
    said = methods(runs)
    assert "2 runs left one of them out (rows 3, 9 of the data set)" in said
    assert "Every number is of a single run" in said


def test_what_was_not_trained_is_not_described_as_trained():
    said = methods([run(control="pre_trained", metrics={"readout": "linear_probe", "n_test": 500})])
    assert "used as it was before training" in said
    assert "logistic regression on the frozen vectors of the support texts (Pedregosa et al. 2011)" in said
    assert "AdamW" not in said
    assert "The loss" not in said
    loaded = methods([run(origin="loaded", encoder="/models/mine", metrics={"n_test": 500})])
    assert "fine-tuned elsewhere" in loaded
    assert "AdamW" not in loaded
    assert "drawn at random" not in loaded
    for untrained in (run(origin="loaded", loss="supcon"), run(control="pre_trained", loss="supcon")):
        assert not {"loshchilov2019decoupled", "khosla2020supervised"} & set(keys_of([untrained]))
    both = methods([run(loss="supcon", ce_weight=0.1), run(loss="supcon", ce_weight=0.1, control="shuffled_labels")])
    assert "SupCon also learnt from labels dealt out anew" in both


def test_sizes_of_parts_come_from_the_texts():
    rows = ("a", "b", "c", "d", "e", "f")
    own = TextDataset("mr", rows, np.array([0, 1, 0, 1, 0, 1]), ("neg", "pos"), np.array(["train"] * 6), "a" * 64, "made by hand")
    said = methods([run("mr")], datasets={"a" * 64: own})
    assert ": movie-review sentence, sentiment, 2 classes, 6 texts, 500 of them for testing." in said
    assert "MR has no test part, so 30 % of each class were set aside as one, the same for every draw." in said
    parted = replace(own, parts=np.array(["train"] * 3 + ["val"] + ["test"] * 2))
    told = methods([run("mr", metrics={})], datasets={"a" * 64: parted})
    assert "3 training, 1 validation, 2 test texts" in told
    assert "no test part" not in told


def test_two_settings_of_one_loss_on_the_same_texts_are_its_variants():
    runs = [run(loss="g_loss", ce_weight=0.2, loss_settings=own) for own in ({}, {"visible_share": 0.5})]
    said = methods([*runs, run()])
    assert "The losses compared were G-Loss (Sharma Aditya et al. 2026; Zhu and Ghahramani 2002) in 2 variants and cross-entropy." in said
    assert "w = 0.2 for G-Loss (1−λ in the paper)" in said
    assert "Variant 2 of G-Loss (in its paper's form) had visible share γ = 0.5 and else the default settings." in said
    third = methods([*runs, run("mr", dataset_hash="b" * 64, loss="g_loss", ce_weight=0.2, loss_settings={"visible_share": 0.5}, epochs=7)])
    assert "4 epochs (7 epochs for variant 3 of G-Loss)" in third
    early = methods([run(patience=2), run(loss="supcon", ce_weight=0.1)])
    assert "training ended early when 2 epochs had brought no better accuracy on the validation texts (never for SupCon)" in early
    tuned = methods([run("mr", dataset_hash="b" * 64, loss="g_loss", lr=1e-5), run(loss="g_loss", lr=2e-5), run(loss="supcon", lr=1e-5)])
    assert "variant" not in tuned
    assert "peak learning rate 1e-5 (2e-5 for G-Loss on TREC, coarse)" in tuned


def test_two_versions_of_one_file_are_told_apart():
    said = methods([run("/home/me/mine.csv", dataset_hash="1" * 64), run("/home/me/mine.csv", dataset_hash="2" * 64)])
    assert "content hash 111111111111" in said
    assert "content hash 222222222222" in said
    assert "/home" not in said


def test_figures_add_how_they_were_made():
    figures = ["manifold", FigureSpec(name="manifold", run_ids=("a",), options={"map": "pca"}), "attribution_words", "graph"]
    said = methods([run()], figures=figures)
    assert "Maps were made by UMAP (McInnes et al. 2018) and PCA." in said
    assert "Words were attributed by Integrated Gradients (Sundararajan et al. 2017; Kokhlikyan et al. 2020)." in said
    assert "Labels were spread over similarity graphs (Sharma Aditya et al. 2026; Zhu and Ghahramani 2002)." in said


def test_no_run_is_a_sentence():
    with pytest.raises(InputError, match="no run was named"):
        methods([])


def test_differences_are_said_by_the_fewest_words():
    each = [({"for": loss, "on": data}, loss, data) for loss in ("A", "B") for data in ("X", "Y")]
    assert spread([(labels, "4") for labels, *_ in each]) == "4"
    assert spread([(labels, "4" if loss == "A" else "8") for labels, loss, _ in each]) == "4 (8 for B)"
    assert spread([(labels, "4" if data == "X" else "8") for labels, _, data in each]) == "4 (8 on Y)"
    assert spread([(labels, "8" if (loss, data) == ("B", "Y") else "4") for labels, loss, data in each]) == "4 (8 for B on Y)"
    assert spread([(labels, None if loss == "A" else "8") for labels, loss, _ in each]) == "8"
    more = [({"for": loss, "on": data}, "8" if data == "Y" and loss != "C" else "4") for loss in "ABC" for data in "XY"]
    assert spread(more) == "4 (8 for A and B on Y)"
    same = {"for": "A", "on": "X"}
    assert spread([(same, "1e-4"), (same, "3e-4")]) == "1e-4 or 3e-4 (in runs of their own)"
    assert spread([]) == ""
    assert spread([({"for": "A"}, "2 (x)"), ({"for": "B"}, "3")]) == "2 (x), but 3 for B"


def test_letters_of_the_table_have_plain_forms():
    for entry in LOSSES.values():
        for letter in (entry.ce_weight_letter, *(setting.letter for setting in entry.settings)):
            assert "\\" not in plain_math(letter)
            assert "{" not in plain_math(letter)
    assert plain_math(r"1-\lambda") == "1−λ"


# ---- real TeX


def compiled(folder: Path, body: str, references: str) -> tuple[str, str]:
    """(BibTeX's log, pdflatex's last log) of a document; fails where either ends with an error."""
    natbib = subprocess.run(["kpsewhich", "natbib.sty"], capture_output=True, text=True, check=False).stdout.strip()
    package = r"\usepackage{natbib}" if natbib else r"\newcommand{\citep}[1]{\cite{#1}}"
    style = "plainnat" if natbib else "plain"
    (folder / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage[T1]{{fontenc}}{package}\begin{{document}}{body}\bibliographystyle{{{style}}}\bibliography{{refs}}"
        r"\end{document}", encoding="utf-8",
    )  # fmt: skip
    (folder / "refs.bib").write_text(references, encoding="utf-8")
    logs = []
    for command in (["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], ["bibtex", "paper"],
                    *[["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]] * 2):  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]
        logs.append(done.stdout)
    return logs[1], logs[3]


def test_every_entry_compiles(tmp_path):
    need_tex(programs=("pdflatex", "bibtex"))
    cited = r"\citep{" + "}, \\citep{".join(entries()) + "}."
    said, log = compiled(tmp_path, cited, "\n\n".join(entry.text for entry in entries().values()))
    assert "Warning" not in said
    assert "error" not in said.lower()
    assert "undefined" not in log
    assert (tmp_path / "paper.bbl").read_text().count("\\bibitem") == len(entries())


def test_the_paragraph_compiles_with_hostile_names_and_every_citation_is_there(tmp_path):
    need_tex(programs=("pdflatex", "bibtex"))
    facts = {**FACTS, "device": HOSTILE, "versions": {"torch": HOSTILE, "evil\x02\\x\x04": "1"}}
    runs = [*two_by_two(), run(HOSTILE, facts=facts), run("mr", encoder=HOSTILE, facts={}),
            *(run(loss=name, ce_weight=0.5, facts=facts, metrics={"readout": "mixed"}) for name in LOSSES if name != "cross_entropy")]  # fmt: skip
    paragraph = methods(runs, latex=True, figures=["manifold", "attribution_words", "graph"])
    references = bibtex(runs, figures=["manifold", "attribution_words", "graph"], statistics=["student"])
    keys = {key for group in re.findall(r"\\citep\{([^}]*)\}", paragraph) for key in group.split(",")}
    assert keys <= set(keys_of(runs, figures=["manifold", "attribution_words", "graph"], statistics=["student"]))
    assert "evil2020" not in keys
    said, log = compiled(tmp_path, paragraph, references)
    assert "Warning" not in said
    assert "undefined" not in log
    assert "root:" not in log
    assert "LaTeX Error" not in log
    assert r"\dmlchar{65E5}" in paragraph  # a letter without a font is a box with its number
    assert references.isascii()


def test_comments_of_unknown_names_begin_no_entry():
    made = bibtex([run("@misc{evil2020,\n author = {x}}\n@article{y", encoder="who@ever/model")])
    assert {one.key for one in read_entries(made)} == set(keys_of([run("mine.csv", encoder="own")]))
    assert "@misc{evil" not in made
    assert all(line.startswith(("%", "@", " ", "}")) or not line for line in made.splitlines())


def test_unknown_things_are_listed_once():
    found = unknown_of([run("mine.csv"), run("mine.csv", seed=1), run(encoder="own")], ["manifold", "new_figure"])
    assert [tuple(one) for one in found] == [("data set", "mine.csv"), ("encoder", "own"), ("figure", "new_figure")]


def test_the_order_of_entries_is_that_of_the_file():
    places = [list(entries()).index(key) for key in keys_of([run(loss=name) for name in LOSSES], figures=list(FIGURES))]
    assert all(one < other for one, other in pairwise(places))


def test_plain_text_keeps_names_as_they_are():
    assert as_text("a") == "a"
    assert "100% #1 a_b" in methods([run(r"100% #1 a_b")])


# ---- which texts may leave


@pytest.mark.parametrize("name", CATALOGUE)
def test_texts_stay_unless_the_terms_are_plain(name):
    entry = CATALOGUE[name]
    if entry.may_share:
        assert re.search(r"\bCC BY(-SA)? 4\.0\b", entry.terms)
        assert entry.hub is not None
    else:
        assert restricted(name, f"The Hugging Face Hub: {entry.hub.id}." if entry.hub else "")
    for source in ("", f"The file {name}.csv.", f"The folder /data/{name}: all.jsonl.gz."):
        assert restricted(name, source)
        assert entry.terms in sharing(name, source)


def test_texts_with_an_open_licence_may_leave_when_they_are_those_texts():
    assert not restricted("banking77", "The Hugging Face Hub: mteb/banking77.")
    assert not restricted("qnli", "The Hugging Face Hub: nyu-mll/glue (qnli).")
    assert restricted("qnli", "The Hugging Face Hub: nyu-mll/glue (sst2).")
    assert restricted("banking77", "The Hugging Face Hub: mteb/banking77-private.")
    assert restricted("movie_snippets", "The source archive of vadersentiment==3.3.2 (Hutto & Gilbert 2014).")
    assert restricted("mine.csv", "The file mine.csv.")
    assert sharing("banking77", "The Hugging Face Hub: mteb/banking77.").startswith("The texts of BANKING77 may be passed on; terms: CC BY 4.0")
    assert "whether they are those texts is not known" in sharing("banking77", "The folder /data/banking77: all.jsonl.gz.")
    assert sharing("mine.csv", "The file mine.csv.") == "The texts are a person's own, so they are left out unless asked for."


def test_the_hub_reader_writes_the_sentence_that_is_looked_for(monkeypatch):
    import datasets

    from dmlviz.data import hub

    row = datasets.Dataset.from_dict({"text": ["a b", "c d"], "label_text": ["x", "y"]})
    monkeypatch.setattr(datasets, "load_dataset", lambda hub_id, config=None: datasets.DatasetDict(train=row, test=row))
    monkeypatch.setattr(hub, "reachable", lambda endpoint: True)
    found = hub.read_hub(CATALOGUE["banking77"].hub, name="banking77")
    assert not restricted(found.name, found.source)
