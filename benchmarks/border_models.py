"""Other people's models: 16 architectures x {load, self-test, train, attribute}, each right or refused with a sentence.

    python benchmarks/border_models.py

Every architecture is built tiny and at random, written as its own save_pretrained writes it, and goes the way of a person: submitted, worked on,
explained. "load" compares the logits that a run stored with transformers' own, one text at a time; "attribute" compares the probabilities that are
explained with those that were stored. Exit status 1 when a cell is wrong or a traceback appears.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np
from architectures import ARCHITECTURES, write_model
from tiny_words import CLASS_WORDS, FILLERS, WORDS

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import InputError, RunConfig, TextDataset
from dmlviz.data import read_file
from dmlviz.jobs.submit import submit, submit_loaded
from dmlviz.store.runs import Store

CLOSE = 1e-4  # of the largest logit
NEAR = 2e-3  # of a probability: stored vectors have half precision


def tiny_texts(folder: Path) -> TextDataset:
    """Three classes of 24 texts whose words betray them."""
    chance, lines = random.Random(0), []
    for label, words in CLASS_WORDS.items():
        lines += [f"{' '.join(chance.sample(words, 2) + chance.sample(FILLERS, chance.randint(1, 6)))},{label}" for _ in range(24)]
    (folder / "tiny.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    return read_file(folder / "tiny.csv")


def logits_alone(folder: Path, texts: list[str]) -> np.ndarray:
    """As transformers says, one text at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, words = AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return np.stack([model(**words(text, return_tensors="pt")).logits[0].numpy() for text in texts])


class Borders:
    """A home of its own, and the ways into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "home")
        self.store.home.mkdir()
        self.dataset = tiny_texts(folder)

    def finished(self, run_id: str) -> str:
        """"" when the run has finished, else its sentence."""
        from dmlviz.jobs.worker import work

        work(self.store, run_id)
        run = self.store.run(run_id)
        return "" if run.state == "finished" else run.message or f"the run is {run.state}"

    def load(self, folder: Path) -> tuple[str, str]:
        """(what came of it, run id)"""
        run_id = submit_loaded(str(folder), "tiny", store=self.store, dataset=self.dataset, shots=4, validation=6, max_length=32)
        if said := self.finished(run_id):
            return f"refused: {said}", ""
        arrays, order = self.store.arrays(run_id), [2, 1, 0]
        expected = logits_alone(folder, [self.dataset.texts[i] for i in arrays.row_ids[:10]])[:, order]
        apart = float(np.abs(arrays.scores["head"][:10] - expected).max() / np.abs(expected).max())
        return f"{'ok' if apart <= CLOSE else 'WRONG'} {apart:.0e}", run_id

    def self_test(self, run_id: str) -> str:
        told = self.store.run(run_id).facts["load"]["self_test"]
        return f"{'ok' if max(told['batch'], told['logits_batch']) <= CLOSE else 'WRONG'} {told['batch']:.0e}"

    def train(self, folder: Path) -> tuple[str, str]:
        config = RunConfig(dataset="tiny", encoder=str(folder), shots=4, validation=6, max_length=32, epochs=2, lr=1e-3)
        run_id = submit(config, store=self.store, dataset=self.dataset)
        said = self.finished(run_id)
        return (f"refused: {said}", "") if said else (f"ok {self.store.run(run_id).facts['pooling']}", run_id)

    def attribute(self, run_id: str) -> str:
        import torch

        from dmlviz.explain.explain import explain
        from dmlviz.explain.run_model import RunModel

        try:
            run, arrays = RunModel(self.store, run_id), self.store.arrays(run_id)
            texts = [self.dataset.texts[i] for i in arrays.row_ids[:8]]
            explain(run, texts[:2], kind=AttributionKind(baseline="zero"))
        except InputError as error:
            return f"refused: {error}"
        stored = torch.from_numpy(np.array(arrays.scores[run.readout][:8])).softmax(dim=1).numpy()
        apart = float(np.abs(run.probabilities(run.tokenize(texts)) - stored).max())
        return f"{'ok' if apart <= NEAR else 'WRONG'} {apart:.0e}"

    def row(self, name: str) -> list[str]:
        """The cells of one architecture."""
        names = tuple(self.dataset.label_names[::-1])
        loaded, run_id = self.load(write_model(self.folder / f"{name}-classifier", name, WORDS, label_names=names))
        tested, why = (self.self_test(run_id), self.attribute(run_id)) if run_id else ("-", "-")
        trained, trained_id = self.train(write_model(self.folder / f"{name}-encoder", name, WORDS))
        return [name, loaded, tested, why, trained, self.attribute(trained_id) if trained_id else "-"]


def short(cell: str) -> str:
    return cell if len(cell) <= 60 else cell[:57] + "..."


def rows() -> list[list[str]]:
    """Every architecture's; a traceback is a cell that begins with CRASH."""
    from dmlviz.jobs import local, worker

    local.LocalEngine.wake = lambda self: None  # this process does the work
    worker._map = lambda *_: None  # maps are not what is looked at
    threading.excepthook = lambda args: None  # of runs whose folder is taken away at the end, while they listen for a wish to cancel
    found = []
    with tempfile.TemporaryDirectory() as folder:
        borders = Borders(Path(folder))
        for name in ARCHITECTURES:
            try:
                found.append(borders.row(name))
            except Exception as error:  # the very thing that is looked for
                found.append([name, f"CRASH {type(error).__name__}: {error}", "-", "-", "-", "-"])
    return found


def main() -> int:
    found = rows()
    print("| architecture | load (a classifier) | self-test | attribute | train (its encoder) | attribute |\n|---|---|---|---|---|---|")
    for row in found:
        print("| " + " | ".join(short(cell).replace("|", "/") for cell in row) + " |")
    bad = [row[0] for row in found if any(cell.startswith(("WRONG", "CRASH")) for cell in row[1:])]
    refused = [cell for row in found for cell in row[1:] if cell.startswith("refused")]
    print(f"\n{len(found)} architectures, wrong: {', '.join(bad) or 'none'}. Refused, each with a sentence:")
    for sentence in dict.fromkeys(refused):
        print(f"- {sentence.removeprefix('refused: ')}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
