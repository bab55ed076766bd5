"""Every kind of file that a home holds, and the ways in which a file can be damaged."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import waiting

from dmlviz.analysis.attribution.kind import AttributionKind
from dmlviz.core.types import FigureSpec, RunConfig, SheetSpec
from dmlviz.data import read_file
from dmlviz.export.bundle import Wanted, write_bundle
from dmlviz.export.files import save_bytes
from dmlviz.export.tray import change_tray
from dmlviz.jobs import tasks
from dmlviz.jobs.sweep import make_plan
from dmlviz.jobs.sweep_spec import spec_of
from dmlviz.jobs.tuning import open_study
from dmlviz.store.runs import Store
from dmlviz.store.slices import save_slice


class Home(NamedTuple):
    """A home with one of everything. The first of `runs` is the one whose files are damaged."""

    store: Store
    runs: tuple[str, str]  # finished runs on one data set: triple_entropy (it has centres), cross_entropy
    other: str  # a finished run on other texts
    sweep: str
    study: str

    @property
    def run(self) -> str:
        return self.runs[0]

    @property
    def dataset(self) -> str:
        return str(self.store.run(self.runs[1]).config.dataset_hash)


# kind of file -> where it lies, with R for the run, D for its data set, W for the sweep and T for the study
FILES = {
    "config.json": "runs/R/config.json",
    "status.json": "runs/R/status.json",
    "split.json": "runs/R/split.json",
    "checksums.json": "runs/R/checksums.json",
    "events.jsonl": "runs/R/events.jsonl",
    "log.txt": "runs/R/log.txt",
    "embeddings.npy": "runs/R/arrays/embeddings.npy",
    "labels.npy": "runs/R/arrays/labels.npy",
    "scores.npy": "runs/R/arrays/scores_head.npy",
    "other_scores.npy": "runs/R/arrays/scores_knn.npy",
    "centers.npy": "runs/R/arrays/centers.npy",
    "centers_space.npy": "runs/R/arrays/centers_space.npy",
    "snapshots.npy": "runs/R/arrays/snapshots.npy",
    "snapshot_epochs.npy": "runs/R/arrays/snapshot_epochs.npy",
    "token_rows.npy": "runs/R/arrays/token_rows.npy",
    "map_facts.json": "runs/R/views/umap-cosine-0/facts.json",
    "map_points.npy": "runs/R/views/umap-cosine-0/points.npy",
    "map_row_ids.npy": "runs/R/views/umap-cosine-0/row_ids.npy",
    "pca_points.npy": "runs/R/views/pca-cosine-0/points.npy",
    "attribution_part.parquet": "runs/R/views/attributions-*/part-*.parquet",
    "attribution_kind.json": "runs/R/views/attributions-*/kind.json",
    "attribution_sanity.json": "runs/R/views/attributions-*/sanity.json",
    "weights.safetensors": "runs/R/weights/model.safetensors",
    "objective.safetensors": "runs/R/weights/objective.safetensors",
    "weights_config.json": "runs/R/weights/config.json",
    "tokenizer.json": "runs/R/weights/tokenizer.json",
    "dataset.parquet": "datasets/D.parquet",
    "sweep.json": "sweeps/W/sweep.json",
    "slices.json": "slices/D.json",
    "tray.json": "tray.json",
    "study.log": "studies/T.log",
    "desk_request.json": "desk/*/request.json",
    "desk_status.json": "desk/*/status.json",
    "desk_answer.json": "desk/*/answer.json",
    "bundle_process.json": "bundles/*/process.json",
    "bundle_log.txt": "bundles/*/log.txt",
}
HOW = ("empty", "half", "flipped", "later", "gone")
WHOLE = os.environ.get("DMLVIZ_MATRIX") == "whole"  # by hand: every file x damage x page and command takes an hour


def met(kind: str, how: str, places: Sequence[str], least: int) -> list[str]:
    """The pages or commands on which this damage of this file is looked at: `least` of them, others for the next damage, so that every file meets
    many places, every place every damage, and none is left out."""
    if WHOLE:
        return list(places)
    turn = least * (len(HOW) * list(FILES).index(kind) + HOW.index(how))
    return [places[(turn + i) % len(places)] for i in range(least)]


# ---- the home


def make_home(folder: Path, tiny_encoder: Path, tiny_csv: Path) -> Home:
    """Three finished runs of two sweeps, their maps and attributions, a slice, a tray, a study, a ticket, a bundle: made by the product itself."""
    store = Store(folder / "home")
    store.home.mkdir()
    other_csv = folder / "other.csv"
    other_csv.write_text(Path(tiny_csv).read_text().replace("cat", "cats"), encoding="utf-8")
    fields = {"epochs": 1, "batch_size": 4, "max_length": 16, "lr": 1e-3, "validation": 6}
    spec = spec_of({"name": "three", "datasets": [str(tiny_csv)], "encoders": [str(tiny_encoder)], "losses": ["cross_entropy", "triple_entropy"],
                    "shots": 2, "fields": fields, "maps": "now"})  # fmt: skip
    sweep, (plain, centers) = _sweep(store, spec)
    (other,) = _sweep(store, spec.model_copy(update={"name": "other", "datasets": (str(other_csv),), "losses": spec.losses[:1]}))[1]
    waiting.train(store, [plain, centers, other])
    assert {store.run(one).state for one in (plain, centers, other)} == {"finished"}
    home = Home(store, (centers, plain), other, sweep, "search")
    _beside(home, RunConfig(dataset=str(tiny_csv), encoder=str(tiny_encoder), loss="g_loss", shots=2, **{**fields, "lr": None}))
    return home


def _sweep(store: Store, spec) -> tuple[str, list[str]]:
    """The sweep written down, as `sweep.start` does, but nobody is woken."""
    from dmlviz.jobs.sweep import _make
    from dmlviz.jobs.sweep_spec import spec_json
    from dmlviz.store.sweeps import save_sweep

    plan, known = make_plan(spec, store), {}
    ids = [store.content_id(config, plan.datasets[config.dataset_hash]) for config in plan.configs]
    save_sweep(store, spec.name, spec_json(spec), tuple(ids))
    for config, run_id in zip(plan.configs, ids, strict=True):
        _make(plan, store, config, run_id, spec.name, known)
    return spec.name, ids


def _beside(home: Home, config: RunConfig) -> None:
    """What a person gathers around runs."""
    from dmlviz.explain.jobs import Models, check_sanity, explain_rows

    store, kind, rows = home.store, AttributionKind(), [int(row) for row in home.store.split(home.run).test[:4]]
    models = Models(store)
    explain_rows(models, home.runs, rows, kind)
    check_sanity(models, [home.run], rows[:2], kind)
    store.log_file(home.run).write_text("a line of its process\n", encoding="utf-8")
    save_slice(store.home, home.dataset, "two", f"rows:{rows[0]},{rows[1]}")
    sheet = SheetSpec(panels=(FigureSpec(name="manifold", run_ids=home.runs),))
    change_tray(store.home, lambda sheets: [sheet])
    open_study(store, config, dataset=read_file(config.dataset), trials=2, name=home.study)
    ticket_id = tasks._ask(store, home.runs, "typed", str(kind), text="cat", pair=None, row=None)
    tasks._serve(store, tasks._ticket(store, ticket_id), tasks.Kept(store))
    bundle = store.home / "bundles" / "20260101-000000"
    write_bundle(store, Wanted((sheet,)), bundle / "dmlviz-20260101-000000")
    save_bytes(b"zip", bundle / "dmlviz-20260101-000000.zip")
    save_bytes(b'{"pid": 1, "started": 0.0}', bundle / "process.json")
    save_bytes(b"done\n", bundle / "log.txt")


# ---- damage


def path_of(home: Home, kind: str) -> Path:
    """The one file of this kind."""
    pattern = FILES[kind].replace("runs/R/", f"runs/{home.run}/").replace("D.", f"{home.dataset}.")
    pattern = pattern.replace("sweeps/W/", f"sweeps/{home.sweep}/").replace("studies/T.", f"studies/{home.study}.")
    (found,) = home.store.home.glob(pattern)
    return found


def damage(path: Path, how: str) -> None:
    """Damage the file as a crash, a bad disk, another version or a careless hand does."""
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
        return
    made = {"empty": lambda: b"", "half": lambda: data[: len(data) // 2], "flipped": lambda: flipped(data), "later": lambda: later(path)}
    path.write_bytes(made[how]())


def flipped(data: bytes, seed: int = 0) -> bytes:
    """One bit in about two hundred bytes, at least three, the first of them near the beginning."""
    rng, found = random.Random(seed), bytearray(data)
    places = [rng.randrange(min(len(data), 40)), *(rng.randrange(len(data)) for _ in range(max(2, len(data) // 200)))] if data else []
    for place in places:
        found[place] ^= 1 << rng.randrange(8)
    return bytes(found)


def later(path: Path) -> bytes:
    """What a later version may write: another format number, fields of other names, another order of a table's columns, an array of another shape."""
    if path.suffix == ".json":
        written = json.loads(path.read_text(encoding="utf-8"))
        return json.dumps({"format": 99, "content": written}).encode()
    if path.suffix == ".npy":
        array = np.load(path)
        np.save(path, array[None].astype(np.float64) if array.dtype.kind in "fi" else np.array([["?"]]))
        return path.read_bytes()
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        pq.write_table(pa.table({f"later_{name}": table[name] for name in table.column_names}), path)
        return path.read_bytes()
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file, save

        return save({f"later.{name}": value for name, value in load_file(path).items()})
    if path.name.endswith(("events.jsonl", ".log")):
        return b"".join(json.dumps({"later": json.loads(line)}).encode() + b"\n" for line in path.read_bytes().splitlines())
    return "later: ünreadable \0 text\n".encode("utf-16")


def copied(home: Home, folder: Path) -> Home:
    """A copy of the home. Files are hard links: a damaged one is written anew, so that the original stays whole."""
    shutil.copytree(home.store.home, folder, copy_function=os.link)
    return home._replace(store=Store(folder))


def damaged(home: Home, folder: Path, kind: str, how: str) -> Home:
    """A copy with one damaged file."""
    made = copied(home, folder)
    path = path_of(made, kind)
    whole = path.read_bytes()
    path.unlink()  # the link, not the file that it shares
    path.write_bytes(whole)
    damage(path, how)
    return made
