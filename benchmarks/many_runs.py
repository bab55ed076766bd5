"""How fast a home of many runs is listed, and its Overview and Runs pages open: python benchmarks/many_runs.py [--runs 1000] [--out FILE.md]

Makes finished runs by their JSON files alone (no array), lists them, opens the pages through app.py as a person would, warm, and counts the arrays
that were opened on the way.
"""

from __future__ import annotations

import argparse
import builtins
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dmlviz.core.types import RunConfig, TextDataset
from dmlviz.data import draw_split
from dmlviz.store.runs import Store

LOSSES = ("cross_entropy", "triple_entropy", "supcon", "g_loss", "soft_triple")
ROOT = Path(__file__).resolve().parents[1]


def make_home(home: Path, count: int) -> Store:
    """`count` finished runs: two data sets, five losses, five numbers of shots, the rest draws with a seed each."""
    store, rng = Store(home), np.random.default_rng(0)
    labels = np.tile(np.arange(4), 60)
    for name in ("news", "views"):
        texts = tuple(f"{name} text {i}" for i in range(240))
        parts = np.array(["train"] * 160 + ["test"] * 80)
        dataset = TextDataset(name, texts, labels, ("a", "b", "c", "d"), parts, (name[0] * 64), "made for a benchmark")
        splits = {shots: draw_split(dataset, shots=shots, validation=0) for shots in (1, 2, 4, 8, 16)}
        for i in range(count // 2):
            shots, loss, draw = (1, 2, 4, 8, 16)[i // 5 % 5], LOSSES[i % 5], i // 25
            config = RunConfig(dataset=name, loss=loss, shots=shots, support_seed=draw, seed=draw, validation=0)
            run_id = store.create(config, dataset, splits[shots])
            share = float(np.clip(0.4 + 0.1 * np.log2(shots) + 0.02 * (i % 5) + 0.04 * rng.normal(), 0, 1))
            metrics = {"accuracy": share, "macro_f1": share - 0.02, "readout": "head", "knn_accuracy": share - 0.05, "knn_macro_f1": share - 0.06,
                       "n_test": 80, "n_support": 4 * shots, "n_validation": 0, "train_seconds": 20.0, "majority": 0.25}  # fmt: skip
            store.update(run_id, state="finished", started=time.time(), ended=time.time(), metrics=metrics, progress=["done", 1, 1, "text", 0.0],
                         facts={"device": "cpu", "precision": "float32", "versions": {}})  # fmt: skip
    return store


def arrays_opened(what: Callable[[], object]) -> int:
    """How many .npy files are opened while `what` runs."""
    opened, plain = [], builtins.open

    def counting(file, *rest, **named):
        if str(file).endswith(".npy"):
            opened.append(file)
        return plain(file, *rest, **named)

    builtins.open = counting
    try:
        what()
    finally:
        builtins.open = plain
    return len(opened)


def seconds(what: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """(first, median of the others)."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return taken[0], statistics.median(taken[1:])


def page(name: str) -> Callable[[], object]:
    """Opens that page in a session of its own."""
    from streamlit.testing.v1 import AppTest

    def visit() -> None:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
        app.run()
        if name != "overview":
            app.switch_page(f"pages/{name}.py").run()
        assert not app.exception, app.exception[0].value

    return visit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "many_runs.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = make_home(Path(folder) / "home", given.runs)
        os.environ["DMLVIZ_HOME"] = str(store.home)
        rows = [("`Store.runs()`", *seconds(store.runs), arrays_opened(store.runs))]
        for name in ("overview", "runs", "reliability"):
            visit = page(name)
            rows.append((f"{name.title()} page", *seconds(visit, 3), arrays_opened(visit)))
        size = sum(path.stat().st_size for path in store.home.rglob("*") if path.is_file())
    lines = [
        "# A home of many runs\n",
        f"`python benchmarks/many_runs.py`: {given.runs:,} finished runs, {size / 1e6:.0f} MB of JSON, {os.cpu_count()} cores. Pages through "
        "Streamlit's AppTest, each visit in a new session (the others after the Overview, as a person comes to them); cold is the first visit.\n",
        "| what | cold, s | warm, s | arrays opened |", "|---|---|---|---|",
        *(f"| {name} | {cold:.2f} | {warm:.2f} | {opened} |" for name, cold, warm, opened in rows),
    ]  # fmt: skip
    words = "\n".join(lines) + "\n"
    print(words)
    given.out.write_text(words, encoding="utf-8")


if __name__ == "__main__":
    main()
