"""Attributions of many texts of many runs, as a job that can stop anywhere and go on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import InputError, TokenAttribution
from dmlviz.explain.explain import explain
from dmlviz.explain.run_model import RunModel
from dmlviz.explain.sanity import randomisation, sensitivity
from dmlviz.explain.words import word_spans
from dmlviz.store.attributions import drop_damaged_parts, save_attributions, save_sanity, stored_rows, stored_sanity
from dmlviz.store.runs import Store

CHUNK = 16  # texts between two saves: what an end by force can lose
NOISE_SAMPLES, SANITY_STEPS = 5, 16  # fewer than by default: the means of a few texts are asked for, and somebody waits
MODELS = 6  # kept in memory; as many as can be compared


class Models:
    """Loaded runs, the last used ones kept."""

    def __init__(self, store: Store, most: int = MODELS) -> None:
        self.store, self.most = store, most
        self._kept: OrderedDict[str, RunModel] = OrderedDict()

    def get(self, run_id: str) -> RunModel:
        """The run's model, loaded where it is not. Raises InputError for a run that cannot be explained."""
        if run_id in self._kept:
            self._kept.move_to_end(run_id)
            return self._kept[run_id]
        model = RunModel(self.store, run_id)
        self._kept[run_id] = model
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return model


def explain_rows(
    models: Models, run_ids: Sequence[str], row_ids: Sequence[int], kind: AttributionKind, *,
    on_progress: Callable[[float], None] = lambda share: None, between: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Explain the texts that are not stored yet, of every run, and store them. `between` is called after every chunk.

    Texts without a word are left out. Raises InputError for a run or a kind that cannot be had.
    """
    wanted = {run_id: sorted(set(map(int, row_ids)) - stored_rows(models.store, run_id, str(kind))) for run_id in run_ids}
    total, done = sum(map(len, wanted.values())), 0
    for run_id, rows in wanted.items():
        if not rows:
            continue
        run = models.get(run_id)
        drop_damaged_parts(models.store, run_id, str(kind))
        dataset = run.dataset
        by_length = sorted((row for row in rows if word_spans(dataset.texts[row])), key=lambda row: len(dataset.texts[row]))
        done += len(rows) - len(by_length)
        for start in range(0, len(by_length), CHUNK):
            mine = np.array(by_length[start : start + CHUNK])
            pairs = [dataset.text_pairs[i] for i in mine] if dataset.text_pairs is not None else None
            found = explain(run, [dataset.texts[i] for i in mine], pairs, kind=kind, gold=dataset.labels[mine], row_ids=mine)
            save_attributions(models.store, run_id, str(kind), found)
            done += len(mine)
            on_progress(done / total)
            between()


def explain_typed(
    models: Models, run_ids: Sequence[str], text: str, pair: str | None, kind: AttributionKind, *, row: int | None = None
) -> dict[str, TokenAttribution | str]:
    """Run id -> attribution of one text, or the sentence why there is none. `row`: the text is the data set's, and what is found is stored."""
    found: dict[str, TokenAttribution | str] = {}
    for run_id in run_ids:
        try:
            run = models.get(run_id)
            own = {"quick": True} if row is None else {"gold": run.dataset.labels[[row]], "row_ids": np.array([row])}
            found[run_id] = explain(run, [text], [pair] if pair is not None else None, kind=kind, **own)[0]
            if row is not None and row not in stored_rows(models.store, run_id, str(kind)):
                save_attributions(models.store, run_id, str(kind), [found[run_id]])
        except InputError as error:
            found[run_id] = str(error)
        except MemoryError:
            raise
        except Exception as error:  # one run that cannot be explained must not take the others with it
            logging.getLogger(__name__).debug("run %s cannot be explained", run_id, exc_info=True)
            found[run_id] = f"run {run_id} cannot be explained ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]})"
    return found


def check_sanity(
    models: Models, run_ids: Sequence[str], row_ids: Sequence[int], kind: AttributionKind, *,
    on_progress: Callable[[float], None] = lambda share: None, between: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Cascading randomisation and input noise of Integrated Gradients for runs that lack them, stored with each run.

    A probe and a propagation are no weights of the model, so there randomisation begins below them. Raises InputError for what cannot be checked.
    """
    wanted = [run_id for run_id in run_ids if stored_sanity(models.store, run_id, str(kind)) is None]
    for done, run_id in enumerate(wanted):
        run = models.get(run_id)
        rows = np.array([row for row in row_ids if word_spans(run.dataset.texts[row])], dtype=np.int64)
        pairs = [run.dataset.text_pairs[i] for i in rows] if run.dataset.text_pairs is not None else None
        texts = run.tokenize([run.dataset.texts[i] for i in rows], pairs)
        classes = run.classes(kind.target, texts, run.dataset.labels[rows])
        head, score = run.score_by_head(kind.target)
        cascade = randomisation(run.words, head, score, texts, classes, baseline=kind.baseline, steps=SANITY_STEPS)
        on_progress((done + 0.7) / len(wanted))
        between()
        noise = sensitivity(run.words, texts, classes, score(head), baseline=kind.baseline, samples=NOISE_SAMPLES, steps=SANITY_STEPS)
        found = {name: [None if not np.isfinite(one) else float(one) for one in getattr(cascade, name)] for name in ("absolute", "signed")}
        save_sanity(models.store, run_id, str(kind), {
            "stages": list(cascade.stages), **found, "texts": [int(one) for one in cascade.texts], "seed": cascade.seed, "steps": SANITY_STEPS,
            "sensitivity": [float(one) for one in noise.values], "share": noise.share, "samples": noise.samples, "rows": [int(one) for one in rows],
        })  # fmt: skip
        on_progress((done + 1) / len(wanted))
        between()
