"""The nouns that travel between rooms. They hold data and say its shape; they compute nothing.

Letters everywhere: N texts, B batch, T tokens, D dimensions, C classes, K centres per class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # of the run folder; raised when an older reader would misread it
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
POOLED = {"cls": "class-token", "mean": "mean", "max": "max", "last": "last-token", "mean_sqrt_len": "sum-over-root-length",
          "weighted_mean": "position-weighted mean"}  # of encoder.pooling, in words  # fmt: skip
POOLING_NAMES = tuple(POOLED)
POOLING_PATTERN = rf"^(auto|({'|'.join(POOLING_NAMES)})(\+({'|'.join(POOLING_NAMES)}))*)$"

State = Literal["queued", "running", "cancelling", "finished", "failed", "cancelled", "interrupted"]
ACTIVE_STATES: tuple[State, ...] = ("queued", "running", "cancelling")
RESUMABLE_STATES: tuple[State, ...] = ("interrupted", "cancelled", "failed")


class InputError(ValueError):
    """Something a person can mend. The message is one or two sentences fit to be shown as they are:
    what came, what is accepted, what to do next."""


class DamagedError(InputError):
    """A file of the home that cannot be read, or is not what it was: of the run `run_id`, or of the data set `dataset_hash`, or of neither ("")."""

    def __init__(self, sentence: str, run_id: str = "", dataset_hash: str = "") -> None:
        super().__init__(sentence)
        self.run_id, self.dataset_hash = run_id, dataset_hash

    def concerns(self, run: Run) -> bool:
        """Can this run not be looked at because of it?"""
        return run.id == self.run_id or (self.dataset_hash != "" and run.config.dataset_hash == self.dataset_hash)


class Encoded(NamedTuple):
    """What an encoder returns for a batch."""

    pooled: Tensor  # (B, D), one vector per text
    tokens: Tensor  # (B, T, D), last hidden layer
    mask: Tensor  # (B, T), 1 where a real token is, special tokens included; 0 on padding


class ReaderNote(NamedTuple):
    """One thing a reader repaired, dropped or noticed, counted."""

    kind: str  # "blank", "duplicate", "conflict", "encoding", "similar_labels", "columns", "leakage", ...
    count: int
    sentence: str  # for a person: what was found and what was done about it


@dataclass(frozen=True, eq=False)
class TextDataset:
    """Labelled texts. Labels stay the text they were written as; `labels` indexes `label_names`."""

    name: str
    texts: tuple[str, ...]  # N
    labels: np.ndarray  # (N,) int64
    label_names: tuple[str, ...]  # C, sorted: as numbers where all are integers, else as text
    parts: np.ndarray  # (N,) of "train", "val", "test"
    content_hash: str  # sha256 over texts, pairs, labels and parts
    source: str  # one sentence: where it came from
    text_pairs: tuple[str, ...] | None = None  # N, second sentences (MRPC)
    notes: tuple[ReaderNote, ...] = ()
    class_order: tuple[str, ...] | None = None  # class names as the source lists them, also those without a text; None: it does not say


@dataclass(frozen=True, eq=False)
class Split:
    """Row ids into a TextDataset. The supports of a smaller number of shots lie inside those of a larger one."""

    support: np.ndarray  # (S,) int64
    validation: np.ndarray  # (V,) int64
    test: np.ndarray  # (M,) int64
    shots: int | None  # None: every training text
    shots_by: str  # "class" or "total"
    support_seed: int
    notes: tuple[ReaderNote, ...] = ()  # leakage between the parts, classes without a shot ...

    @property
    def row_ids(self) -> np.ndarray:
        """(S + V + M,) support, then validation, then test: the row order of every stored array."""
        return np.concatenate([self.support, self.validation, self.test])

    @property
    def roles(self) -> np.ndarray:
        """(S + V + M,) "support", "validation" or "test", in the order of `row_ids`."""
        sizes = [len(self.support), len(self.validation), len(self.test)]
        return np.repeat(np.array(["support", "validation", "test"]), sizes)


class Written(BaseModel):
    """Base of everything a person writes: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


SettingValue = bool | int | float | str
LARGEST_SEED = 2**32 - 1  # of NumPy and transformers
MOST_TEXTS = 10**9


class RunConfig(Written):
    """All that decides a run. Same config and seeds, same arrays (on CPU)."""

    dataset: str = Field(description="catalogue name, folder or file")
    dataset_hash: str | None = Field(None, description="content hash of the texts; filled in when the run is submitted")
    encoder: str = Field(DEFAULT_ENCODER, description="bundled name, folder or Hub id")
    loss: str = Field("cross_entropy", description="a row of dmlviz.losses.LOSSES")
    loss_settings: dict[str, SettingValue] = Field(default_factory=dict, description="settings that differ from the table's defaults")
    ce_weight: float | None = Field(None, ge=0, le=1, description="share of cross-entropy, the rest is the metric loss; None: the loss's default")
    shots: int | None = Field(8, ge=1, le=MOST_TEXTS, description="training texts per class (or in all); None: every training text")
    shots_by: Literal["class", "total"] = "class"
    support_seed: int = Field(0, ge=0, le=LARGEST_SEED, description="draws the shots")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="everything else: head and centres, batch order, dropout, hidden labels")
    left_out: int | None = Field(None, ge=0, le=MOST_TEXTS, description="row of one support text that is left out of training, to see what it does")
    validation: int = Field(64, ge=0, le=MOST_TEXTS, description="validation texts, drawn stratified from what the shots leave over")
    folds: int | None = Field(
        None, ge=2, le=10_000, description="k-fold: all texts in so many parts, the same for every seed; None: the data set's own parts"
    )
    fold: int = Field(0, ge=0, le=10_000, description="which of the folds is the test part, counted from 0; the shots are drawn from the others")
    cut_seed: int | None = Field(
        None, ge=0, le=LARGEST_SEED,
        description="where a data set has no test part, which cut of test and validation texts; None: the one that all runs share",
    )  # fmt: skip
    epochs: int = Field(4, ge=1, le=10_000)
    batch_size: int = Field(16, ge=1, le=4096)
    batches: Literal["auto", "shuffled", "balanced"] = Field(
        "auto", description="balanced: near-equal class shares and pairs of a class in every batch; auto: balanced where the loss compares pairs"
    )
    accumulation: int = Field(1, ge=1, le=4096, description="batches whose gradients are averaged before a step; the loss sees one batch at a time")
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="balanced: a text of class c weighs S / (C * S_c) over the support, in cross-entropy and in G-Loss"
    )
    lr: float | None = Field(None, gt=0, le=1000, description="peak learning rate of encoder and head; None: what suits the encoder's width")
    center_lr: float | None = Field(None, gt=0, le=1000, description="learning rate of the loss's centres; None: the encoder's, as in paper 1")
    weight_decay: float = Field(0.01, ge=0, le=1000)
    schedule: Literal["linear", "cosine", "constant", "step"] = Field("linear", description="step: a tenth of the learning rate from step_epoch on")
    step_epoch: int = Field(30, ge=1, le=10_000, description="epochs before the step of the step schedule; 30 in the G-Loss authors' code")
    warmup_share: float = Field(0.1, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0, le=1e9)
    max_length: int = Field(128, ge=4, le=8192, description="tokens per text; the rest is cut")
    tokenizer: str | None = Field(None, description="folder or Hub id of the tokenizer; None: the encoder's own")
    pooling: str = Field(
        "auto", pattern=POOLING_PATTERN,
        description="cls, mean, max, last, mean_sqrt_len, weighted_mean, or several joined by +; auto: as the encoder itself says, else cls, or "
                    "last for a causal one",
    )  # fmt: skip
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU, fp32 elsewhere")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    selection: Literal["last", "best_validation"] = Field("last", description="which epoch's weights are tested")
    monitor: Literal["accuracy", "macro_f1", "silhouette"] = Field(
        "accuracy", description="what best_validation and patience look at, on validation; silhouette: Euclidean, of unit vectors, mean of classes"
    )
    patience: int | None = Field(
        None, ge=1, le=10_000, description="end after so many epochs without a better monitored value; None: train all epochs"
    )
    readout: Literal["auto", "head", "centers", "mixed", "knn", "linear_probe", "propagation"] = Field(
        "auto", description="what the run predicts with; auto: the head where cross-entropy trained it, else the centres, else a probe"
    )
    snapshots: int = Field(4, ge=0, le=50, description="moments (the untrained encoder included) whose embeddings are kept")
    control: Literal["none", "pre_trained", "shuffled_labels", "as_loaded"] = Field(
        "none", description="pre_trained: nothing is trained; shuffled_labels: the support's labels are dealt out anew, so nothing can be learnt; "
        "as_loaded: a model fine-tuned elsewhere, with a loss that is not known"
    )  # fmt: skip
    checkpoint_seconds: float = Field(20.0, ge=0, le=1e9, description="least time between two checkpoints at epoch ends; 0: after every epoch")

    @property
    def shown_loss(self) -> str:
        """The name that decides colour and title: the loss, "pre_trained" where nothing was trained, "loaded" where the loss is not known."""
        return {"pre_trained": "pre_trained", "as_loaded": "loaded"}.get(self.control, self.loss)


@dataclass(frozen=True)
class LoadReport:
    """What is known of an encoder and of how it was read: sentences without a full stop, and numbers. Kept among a run's facts as "load"."""

    source: str  # a bundled name, a Hub id with its commit, a folder's own name
    kind: str  # "Hugging Face checkpoint", "sentence-transformers model", "SetFit model", "adapter", "weights of a DMLViz run"
    architecture: str
    pooling: str  # of encoder.pooling; several joined by "+"
    modules: tuple[str, ...]  # what a sentence-transformers model does to the pooled vector
    max_length: int  # tokens; the rest of a text is cut
    read: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    self_test: Mapping[str, float] = field(default_factory=dict)  # difference of the same text alone and: "batch", "left", "embeds"
    texts: int = 0  # that were counted
    unknown: float = 0.0  # share of the texts' tokens that the tokenizer does not know
    cut: int = 0  # texts that lose words at max_length
    cut_most: float = 0.0  # the largest share of its visible characters that a text loses
    spread: float | None = None  # largest standard deviation of a coordinate over the texts, over the largest value; 0: one vector for all


class Progress(NamedTuple):
    """How far a run is."""

    phase: str  # "queued", "loading", "training", "embedding", "mapping", "done"
    done: int
    total: int
    unit: str  # "step", "text", "map"
    eta_seconds: float | None  # to the end of the whole run; None while unknown


@dataclass(frozen=True)
class Run:
    """A run as a list shows it. Light: no array is read for it."""

    id: str
    config: RunConfig
    state: State
    progress: Progress
    metrics: Mapping[str, Any]  # "accuracy", "macro_f1", "readout", "n_test", ... (training/readouts.py); empty until finished
    created: float  # seconds since 1970
    started: float | None = None
    ended: float | None = None
    message: str = ""  # the sentence of a failure
    origin: str = "trained"  # "trained" or "loaded" (fine-tuned elsewhere)
    facts: Mapping[str, Any] = field(default_factory=dict)  # device, versions, threads, hashes
    sweep: str = ""  # the name of the sweep that made it
    engine: str = "local"  # who starts it: "local", "ray"
    maps: tuple[str, ...] = ()  # methods of the maps that its process makes; (): all
    weights: bool = True  # are they kept when it is finished
    ends: Mapping[str, int] = field(default_factory=dict)  # state -> how often it ended in it
    parts: Mapping[str, str] = field(default_factory=dict)  # "support", "validation", "test" -> hash of its texts; {} where it is not known


@dataclass(frozen=True, eq=False)
class TokenSample:
    """Token vectors of some texts after training: for centres that live in token space. One row is one token; special ones are
    in it as they were in the loss, padding is not."""

    vectors: np.ndarray  # (M, D) float16
    rows: np.ndarray  # (M,) int64 into the data set: the text each token is of
    words: np.ndarray  # (M,) str: the token as the tokenizer writes it


@dataclass(frozen=True, eq=False)
class GraphBatches:
    """Training batches as G-Loss saw them: the last one before each snapshot. Rows are padded with -1 to the longest batch."""

    rows: np.ndarray  # (S, B) int64 into the data set, -1: none
    visible: np.ndarray  # (S, B) bool: the label was shown
    vectors: np.ndarray  # (S, B, D) float16 pooled, with dropout as in training
    sigma: np.ndarray  # (S,) float
    epochs: np.ndarray  # (S,) float


@dataclass(frozen=True, eq=False)
class RunArrays:
    """What a finished run keeps of its texts. Memory-mapped: nothing is read until it is touched."""

    embeddings: np.ndarray  # (N, D) float16, rows ordered as Split.row_ids
    row_ids: np.ndarray  # (N,) int64 into the data set
    roles: np.ndarray  # (N,) "support", "validation", "test"
    labels: np.ndarray  # (N,) int64
    logits: np.ndarray | None  # (N, C) float32 of the head; None when the head was not trained
    scores: Mapping[str, np.ndarray]  # readout -> (N, C) float32, higher is more likely
    centers: np.ndarray | None  # (C, K, D) float32
    centers_space: str | None  # "pooled" or "tokens": the vectors the centres were trained on
    snapshots: np.ndarray | None  # (E, P, D) float16
    snapshot_epochs: np.ndarray | None  # (E,) float, 0 is the encoder before training
    snapshot_rows: np.ndarray | None  # (P,) int64 into the data set
    center_snapshots: np.ndarray | None = None  # (E, C, K, D) float32, at snapshot_epochs
    tokens: TokenSample | None = None  # where the centres live in token space
    graph: GraphBatches | None = None  # G-Loss


@dataclass(frozen=True, eq=False)
class Projection:
    """A map of a run's embeddings in two or three dimensions, and how far it can be trusted."""

    points: np.ndarray  # (N, 2) or (N, 3) float32
    row_ids: np.ndarray  # (N,) int64 into the data set
    method: str  # "pca", "umap", "tsne", "pacmap"
    metric: str  # "cosine", "euclidean"
    seed: int
    trustworthiness: float  # 0..1, higher is better; at `trust_n` anchor texts against all
    trust_neighbors: int  # the k of the trustworthiness
    trust_n: int  # texts it was measured at
    variance: tuple[float, ...] | None = None  # PCA: share of the variance on each axis
    residual: float | None = None  # after registration on another map: 0 is the same layout, 1 unrelated
    settings: Mapping[str, float] = field(default_factory=dict)  # those of the method that differ from its defaults
    start: str = "own pca"  # where the layout began: "own pca"; "common" to several runs; "aligned" with them throughout
    shared_with: tuple[str, ...] = ()  # common, aligned: ids of the runs (this one too) that share the start or were aligned
    notes: tuple[str, ...] = ()  # sentences: a setting that was lowered because there are few texts ...


UNREACHED = -1  # in place of a predicted class: the readout has nothing to say of the text, as where no label reaches it
NOT_REACHED = "not reached"


def predicted_classes(scores: np.ndarray) -> np.ndarray:
    """(N, C) scores -> (N,) int64 of the highest class; UNREACHED where all classes are alike, so that no order of the classes decides."""
    scores = np.asarray(scores)
    alike = (scores.max(axis=1) == scores.min(axis=1)) & (scores.shape[1] > 1)
    return np.where(alike, UNREACHED, scores.argmax(axis=1)).astype(np.int64)


def class_words(label_names: Sequence[str]) -> np.ndarray:
    """(C + 1,) names to be indexed by predicted classes: UNREACHED, the last, is "not reached"."""
    return np.array([*label_names, NOT_REACHED], dtype=object)


class Pane(NamedTuple):
    """One run on the Manifold page: all that a frame needs of it."""

    run: Run
    projection: Projection
    labels: np.ndarray  # (N,)
    predictions: np.ndarray  # (N,) UNREACHED where the readout says nothing
    confidence: np.ndarray  # (N,) probability of the predicted class under the run's readout
    roles: np.ndarray  # (N,)


@dataclass(frozen=True, eq=False)
class TokenAttribution:
    """What each word of a text weighs towards one score of a run, and what speaks for believing it. W words."""

    row_id: int  # into the data set; -1: a typed text
    starts: np.ndarray  # (W,) first character of each word
    ends: np.ndarray  # (W,) one past the last
    second: np.ndarray  # (W,) bool: in the second text of a pair
    values: np.ndarray  # (W,) towards the score; for "ig" they sum, with `outside`, to output - baseline_output but for `delta`
    drops: np.ndarray  # (W,) fall of the score when the word alone is masked (leave one out)
    class_id: int  # whose score is explained
    predicted: int
    probability: float  # of the explained class
    output: float  # the score of the text
    baseline_output: float  # the score of the baseline; NaN where the method has none
    delta: float  # sum of all values minus the difference of the two scores; NaN where the method promises no sum
    steps: int  # points on the path; 0 where there is none
    converged: bool
    outside: float  # share of the absolute values on special tokens and between words
    cut: int  # visible characters behind the last token that the encoder takes
    unknown: int  # tokens that the tokenizer does not know
    checks: Mapping[str, float]  # explain.faithful.CHECKS
    deletion: np.ndarray  # (11,) probability after the first 0, 10 ... 100 % of the words are masked, most supporting first
    insertion: np.ndarray  # (11,) probability with these words alone


class FigureSpec(Written):
    """A picture that somebody put into the tray, or asked for on the command line: enough to draw it again."""

    name: str  # a row of dmlviz.figures.FIGURES
    run_ids: tuple[str, ...]
    options: dict[str, SettingValue] = Field(default_factory=dict)
    preset: str = "acl-column"
    title: str = ""


class SheetSpec(Written):
    """A figure as it leaves for a paper: one picture, or up to six as lettered panels. The panels' own presets and titles do not count."""

    panels: tuple[FigureSpec, ...] = Field(min_length=1, max_length=6)
    preset: str = "acl-column"  # of figures.presets, or "custom:120x80mm"
    columns: int | None = Field(None, ge=1, le=6)  # None: as many as stay legible
    family: Literal["venue", "sans", "serif"] = "venue"
    font_pt: float | None = Field(None, ge=6, le=24)  # None: the preset's
    palette: Literal["colour", "grey"] = "colour"
    title: str = ""
    caption: str = ""  # somebody's own words; empty: what is known of the panels

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run of the panels, once, in order."""
        return tuple(dict.fromkeys(run_id for panel in self.panels for run_id in panel.run_ids))


PathLike = str | Path
