"""A run's arrays/ and split.json, read and checked: every file is what it was when the run finished, and all of them speak of the same texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dmlviz.core.types import GraphBatches, Projection, RunArrays, Split, TokenSample
from dmlviz.store.damage import OF_RUN, damaged, reading
from dmlviz.store.files import read_array, read_json, sha256_of, split_from_json
from dmlviz.store.seal import check_files, seal_of_arrays

OF_MAP = "it is made again when somebody looks at it"
NAMES = ("embeddings", "labels", "logits", "centers", "snapshots", "snapshot_epochs", "snapshot_rows", "center_snapshots")
# Array -> kind of its numbers (f float, i whole, b truth, U text) and its shape; a letter stands for the same length everywhere
SHAPES: dict[str, tuple[str, str]] = {
    "embeddings": ("f", "N D"), "labels": ("i", "N"), "logits": ("f", "N C"), "centers": ("f", "C K V"), "centers_space": ("U", ""),
    "snapshots": ("f", "E P D"), "snapshot_epochs": ("f", "E"), "snapshot_rows": ("i", "P"), "center_snapshots": ("f", "E C K V"),
    "token_vectors": ("f", "M V"), "token_rows": ("i", "M"), "token_words": ("U", "M"),
    "graph_rows": ("i", "S B"), "graph_visible": ("b", "S B"), "graph_vectors": ("f", "S B D"), "graph_sigma": ("f", "S"), "graph_epochs": ("f", "S"),
}  # fmt: skip
SCORES = ("f", "N C")


def read_split(folder: Path) -> Split:
    """Raises DamagedError."""
    path, run_id = folder / "split.json", folder.name
    with reading(path, f"run {run_id}", OF_RUN, run_id=run_id):
        split = split_from_json(read_json(path))
        if any(part.ndim != 1 or (part < 0).any() for part in (split.support, split.validation, split.test)):
            raise ValueError("a row id is none")
    check_files(folder, ["split.json"], seal_of_arrays(folder))
    return split


def read_hashes(folder: Path) -> Mapping[str, str]:
    """Of the texts of each part, as they were when the shots were drawn. Raises DamagedError."""
    path = folder / "split.json"
    with reading(path, f"run {folder.name}", OF_RUN, run_id=folder.name):
        return dict(read_json(path)["hashes"])


def read_arrays(folder: Path) -> RunArrays:
    """Memory-mapped. Raises DamagedError for a file that is gone, cannot be read, is not what it was, or does not belong to the others."""
    run_id, seal, split = folder.name, seal_of_arrays(folder), read_split(folder)
    found: dict[str, np.ndarray] = {}
    for path in sorted((folder / "arrays").glob("*.npy")):
        with reading(path, f"run {run_id}", OF_RUN, run_id=run_id, name=f"arrays/{path.name}"):
            found[path.stem] = read_array(path)
    check_files(folder, [name for name in seal if name.startswith("arrays/")], seal)
    _check_shapes(run_id, found, len(split.row_ids))
    scores = {name.removeprefix("scores_"): found.pop(name) for name in sorted(found) if name.startswith("scores_")}
    space = str(found.pop("centers_space", "")) or None
    groups = {"tokens": _group(TokenSample, "token_", found), "graph": _group(GraphBatches, "graph_", found)}
    return RunArrays(
        row_ids=split.row_ids, roles=split.roles, scores=scores, centers_space=space, **{name: found.get(name) for name in NAMES}, **groups
    )


def read_projection(folder: Path) -> Projection:
    """A stored map. Raises DamagedError for half of one, a damaged one, and one of a later version."""
    run_id = folder.parent.parent.name
    with reading(folder / "facts.json", f"the map {folder.name} of run {run_id}", OF_MAP, run_id=run_id):
        facts = read_json(folder / "facts.json")
        sums = facts.pop("sums", {})  # older maps have none
        facts["variance"] = tuple(facts["variance"]) if facts.get("variance") else None
        listed = {name: tuple(facts.pop(name, ())) for name in ("notes", "shared_with")}  # older maps have neither
        arrays = {name: read_array(folder / f"{name}.npy") for name in ("points", "row_ids")}
        if any(sha256_of(folder / f"{name}.npy") != digest for name, digest in sums.items()):
            raise ValueError("an array is not what was written")
        found = Projection(**facts, **listed, **arrays)
        points, numbers = found.points, (found.trustworthiness, found.trust_neighbors, found.trust_n, found.seed, found.residual or 0.0)
        if points.ndim != 2 or len(found.row_ids) != len(points) or points.dtype.kind != "f" or not np.isfinite(numbers).all():
            raise ValueError("no map")
        return found


def _check_shapes(run_id: str, found: Mapping[str, np.ndarray], texts: int) -> None:
    """Raises DamagedError for the first array that is not of its kind or shape, and for labels that name no class."""
    lengths = {"N": texts}
    for name in ("embeddings", "labels"):
        if name not in found:
            raise damaged(f"arrays/{name}.npy", f"run {run_id}", "is missing", OF_RUN, run_id=run_id)
    for name, array in found.items():
        kind, shape = SCORES if name.startswith("scores_") else SHAPES.get(name, ("", ""))
        if not kind:  # a later version may keep more
            continue
        axes = shape.split()
        same = all(lengths.setdefault(axis, length) == length for axis, length in zip(axes, array.shape, strict=False))
        if array.dtype.kind not in {"i": "iu"}.get(kind, kind) or array.ndim != len(axes) or not same:
            wrong = "is damaged, or was written by another version"
            raise damaged(f"arrays/{name}.npy", f"run {run_id}", wrong, OF_RUN, run_id=run_id)
    classes = lengths.get("C", np.iinfo(np.int64).max)
    if len(labels := found["labels"]) and not (labels.min() >= 0 and labels.max() < classes):
        raise damaged("arrays/labels.npy", f"run {run_id}", "names classes that there are not", OF_RUN, run_id=run_id)


def _group(record: type, prefix: str, found: Mapping[str, np.ndarray]) -> Any:
    """The record whose arrays are stored as <prefix><field>; None when the run has none of them."""
    fields = [field.name for field in dataclasses.fields(record)]
    return record(**{name: found[prefix + name] for name in fields}) if all(prefix + name in found for name in fields) else None
