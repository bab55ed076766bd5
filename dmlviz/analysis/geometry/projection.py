"""Embeddings to a map of two or three dimensions, with the number that says how far it can be trusted, and registration of one map on another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from dmlviz.analysis.geometry import layouts
from dmlviz.analysis.geometry.neighbors import METRICS, unit
from dmlviz.analysis.geometry.quality import trust_of
from dmlviz.core.types import InputError, Projection

METHODS = ("pca", "umap")  # made for every run when it ends (training/worker.py); TITLES and SETTINGS know all of them
TITLES = {"umap": "UMAP", "pca": "PCA", "tsne": "t-SNE", "pacmap": "PaCMAP"}
LEAST = {"pca": 3, "umap": 8, "tsne": 8, "pacmap": 16}  # texts; below, the method has no neighbourhood to keep
ALIGNED_LIMIT = 5_000  # texts
ALIGNED_RUNS = (2, 6)


class Setting(NamedTuple):
    """A parameter of a method: enough to make its control."""

    name: str  # as the library calls it
    title: str
    default: float
    low: float
    high: float
    step: float
    help: str  # one sentence: what it does to the picture


_NEAR = "How many texts around each are kept together: small shows fine islands, large shows the broad layout."
_PACKED = "How close points may be packed: small makes tight clumps, large spreads them out."
_PERPLEXITY = "Roughly how many texts each one keeps close: small breaks groups up, large draws them together."
_EXAGGERATION = "How hard groups are pulled together at first: larger leaves wider gaps between them."
_MID_NEAR = "Pairs at middle distance per neighbour: more of them keep the broad layout, fewer the details."
_FURTHER = "Far pairs per neighbour that push texts apart: more of them open wider gaps between groups."
SETTINGS: dict[str, tuple[Setting, ...]] = {
    "umap": (Setting("n_neighbors", "Neighbours", 15, 2, 200, 1, _NEAR), Setting("min_dist", "Least distance", 0.1, 0.0, 0.99, 0.05, _PACKED)),
    "pca": (),
    "tsne": (
        Setting("perplexity", "Perplexity", 30, 2, 200, 1, _PERPLEXITY),
        Setting("early_exaggeration", "Early exaggeration", 12, 1, 50, 1, _EXAGGERATION),
    ),
    "pacmap": (
        Setting("n_neighbors", "Neighbours", 10, 2, 100, 1, _NEAR),
        Setting("MN_ratio", "Mid-near pairs", 0.5, 0.1, 5.0, 0.1, _MID_NEAR),
        Setting("FP_ratio", "Further pairs", 2.0, 0.5, 10.0, 0.5, _FURTHER),
    ),
}


def project(
    embeddings: np.ndarray,
    row_ids: np.ndarray,
    *,
    method: str = "umap",
    metric: str = "cosine",
    dims: int = 2,
    seed: int = 0,
    settings: Mapping[str, float] | None = None,
    start: np.ndarray | None = None,
    shared_with: Sequence[str] = (),
    on_progress: Callable[[float], None] | None = None,
) -> Projection:
    """(N, D) -> Projection with points (N, dims). Same input and seed, same map on this machine and library version.

    Cosine works on unit vectors (t-SNE and PaCMAP on the Euclidean distances between them). Every method starts from the run's own PCA, so that
    the outline does not depend on the draw, or from `start` (N, dims), common to several runs (`common_start`); a PCA has no start, it is only
    mirrored to match. `settings`: as in SETTINGS, the rest stays at its default; what N texts do not allow is lowered and said in `notes`.
    `on_progress` hears shares 0..1 (PaCMAP: few) and stops the work by raising. Raises InputError for too few texts or what is not known.
    """
    advance = on_progress or (lambda share: None)
    check_method(method, metric, dims)
    vectors = np.asarray(embeddings, dtype=np.float32)
    if len(vectors) < LEAST[method]:
        raise InputError(_too_few(method, len(vectors)))
    if not np.isfinite(vectors).all():
        raise InputError("some embeddings of this run are not finite numbers, so no map can be made; train it again")
    asked = changed_settings(method, settings)
    used, notes = fitting_settings(method, asked, len(vectors))
    if metric == "cosine":
        vectors = unit(vectors).astype(np.float32)
    points, variance = _pca(vectors, dims, seed)
    begin = points if start is None else _checked_start(start, points.shape)
    advance(0.05)
    if method == "pca":
        points = points if start is None else points * np.where((points * (begin - begin.mean(axis=0))).sum(axis=0) < 0, -1.0, 1.0)
    elif np.ptp(points) > 0 and np.ptp(begin) > 0:  # else every text has the same vector: there is one place on the map, and nothing to lay out
        lay, variance = getattr(layouts, method), None
        points = lay(vectors, begin, metric, seed, used, lambda share: advance(0.05 + 0.9 * share))
    points = points.astype(np.float32)
    trust = trust_of(vectors, points, metric=metric, seed=seed)
    advance(1.0)
    return Projection(
        points, np.asarray(row_ids), method, metric, seed, *trust, variance=variance if method == "pca" else None, settings=asked,
        start="own pca" if start is None else "common", shared_with=tuple(shared_with) if start is not None else (), notes=notes,
    )  # fmt: skip


def check_method(method: str, metric: str, dims: int = 2) -> None:
    """Raises InputError when there is no such map."""
    if method not in TITLES or metric not in METRICS:
        raise InputError(f"no map {method!r} with metric {metric!r}; methods: {', '.join(TITLES)}; metrics: {', '.join(METRICS)}")
    if dims not in (2, 3):
        raise InputError(f"a map of {dims} dimensions cannot be drawn; ask for 2 or 3")


def _too_few(method: str, count: int) -> str:
    if method == "pca":
        return f"a map needs at least {LEAST['pca']} texts, this run has {count}; add test texts"
    return f"{TITLES[method]} needs at least {LEAST[method]} texts, this run has {count}; look at the PCA instead"


def changed_settings(method: str, settings: Mapping[str, float] | None) -> dict[str, float]:
    """Those that differ from the defaults: what a Projection holds and the store's key is made of. Raises InputError for what is not allowed."""
    table = {setting.name: setting for setting in SETTINGS[method]}
    changed = {}
    for name, value in (settings or {}).items():
        if name not in table:
            near = get_close_matches(name, table, 1)
            known = f"known: {', '.join(table)}" if table else "it has none"
            raise InputError(f"{TITLES[method]} has no setting {name!r}; {known}." + (f" Did you mean {near[0]!r}?" if near else ""))
        low, high, whole = table[name].low, table[name].high, name == "n_neighbors"
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high or (whole and value != int(value)):
            raise InputError(f"{TITLES[method]}: {name} {value!r} was asked for; give a {'whole ' * whole}number from {low:g} to {high:g}")
        if value != table[name].default:
            changed[name] = float(value) if value != int(value) else int(value)
    return dict(sorted(changed.items()))


def fitting_settings(method: str, settings: Mapping[str, float], count: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """(every setting of the method as `count` texts allow it, a sentence for each that was lowered)."""
    used = {setting.name: settings.get(setting.name, setting.default) for setting in SETTINGS[method]}
    if method == "umap":
        name, most, why = "n_neighbors", count - 1, "each text can have that many others"
    elif method == "tsne":
        name, most, why = "perplexity", (count - 1) / 3, "a third of the other texts is the most"
    elif method == "pacmap":  # each text needs its neighbours, further pairs that are none of them, and six to draw a mid-near pair from
        name, most = "n_neighbors", int((count - 7) / (1 + used["MN_ratio"] + used["FP_ratio"]))
        why = "it draws further and mid-near pairs besides"
    else:
        return used, ()
    if used[name] <= most:
        return used, ()
    if most < 1:
        raise InputError(f"{count} texts are too few for PaCMAP with these pair ratios; lower MN_ratio and FP_ratio, or look at the PCA instead")
    note = f"{name} was lowered from {used[name]:g} to {most:.4g}: with {count} texts, {why}."
    return {**used, name: most}, (note,)


def _checked_start(start: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    start = np.asarray(start, dtype=float)
    if start.shape != shape or not np.isfinite(start).all():
        raise InputError(f"the start has shape {start.shape}, the map {shape}; give one finite place for each text")
    return start


def _pca(vectors: np.ndarray, dims: int, seed: int) -> tuple[np.ndarray, tuple[float, ...]]:
    """Points (N, dims) and the share of the variance on each axis. Vectors of fewer dimensions than the map lie flat on it."""
    usable = min(dims, *vectors.shape)
    pca = PCA(n_components=usable, svd_solver="full" if min(vectors.shape) < 50 else "covariance_eigh", random_state=seed)
    points = _fixed_signs(pca.fit_transform(vectors))
    shares = [float(share) for share in np.nan_to_num(pca.explained_variance_ratio_)]
    return np.pad(points, ((0, 0), (0, dims - usable))), tuple(shares + [0.0] * (dims - usable))


def _fixed_signs(points: np.ndarray) -> np.ndarray:
    """A principal axis has no sign of its own: let the point furthest out be on the positive side."""
    furthest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    return points * np.where(furthest < 0, -1.0, 1.0)


def common_start(embeddings: Sequence[np.ndarray], *, metric: str = "cosine", dims: int = 2, seed: int = 0) -> np.ndarray:
    """One start (N, dims) for the maps of several runs over the same texts: the PCA of all their vectors side by side.

    Each run's block is centred and brought to total variance 1 first, so that no run leads because its vectors are longer or more.
    """
    blocks = [np.asarray(one, dtype=np.float32) for one in embeddings]
    _same_rows(blocks)
    if len(blocks[0]) < LEAST["pca"]:
        raise InputError(_too_few("pca", len(blocks[0])))
    blocks = [unit(one) if metric == "cosine" else one.astype(float) for one in blocks]
    blocks = [one - one.mean(axis=0) for one in blocks]
    return _pca(np.hstack([one / max(float(np.sqrt(np.square(one).sum())), 1e-12) for one in blocks]), dims, seed)[0]


def _same_rows(blocks: Sequence[np.ndarray]) -> None:
    if len({len(one) for one in blocks}) != 1:
        raise InputError(f"the runs have {', '.join(str(len(one)) for one in blocks)} texts; maps with one start need the same texts in each")


def aligned(
    embeddings: Sequence[np.ndarray],
    row_ids: np.ndarray,
    *,
    metric: str = "cosine",
    dims: int = 2,
    seed: int = 0,
    settings: Mapping[str, float] | None = None,
    shared_with: Sequence[str] = (),
    on_progress: Callable[[float], None] | None = None,
) -> list[Projection]:
    """UMAPs of 2 to 6 runs over the same texts (N, D_i), laid out together (AlignedUMAP): row i of one run belongs to row i of the next.

    Slow (see benchmarks/look_quality.py), so at most ALIGNED_LIMIT texts. Each text is drawn towards its place in the neighbouring
    runs' maps, so order the runs as they are shown; nearness of two maps is partly made. Raises InputError beyond the limits.
    """
    advance, blocks = on_progress or (lambda share: None), [np.asarray(one, dtype=np.float32) for one in embeddings]
    if not ALIGNED_RUNS[0] <= len(blocks) <= ALIGNED_RUNS[1]:
        raise InputError(f"{len(blocks)} runs cannot be aligned; pick {ALIGNED_RUNS[0]} to {ALIGNED_RUNS[1]}")
    _same_rows(blocks)
    check_method("umap", metric, dims)
    count = len(blocks[0])
    if count > ALIGNED_LIMIT:
        raise InputError(
            f"an aligned UMAP of {count:,} texts would take too long; it is made for at most {ALIGNED_LIMIT:,}. "
            "Show a part of the texts, or use maps from a common start"
        )
    if count < 2 * LEAST["umap"]:  # the spectral start needs some room
        raise InputError(f"an aligned UMAP needs at least {2 * LEAST['umap']} texts, these runs have {count}; look at the PCA instead")
    if any(np.ptp(one, axis=0).max() == 0 for one in blocks):
        raise InputError("one of the runs has the same vector for every text, so there is nothing to align; leave that run out")
    asked = changed_settings("umap", settings)
    used, notes = fitting_settings("umap", asked, count)
    blocks = [unit(one).astype(np.float32) for one in blocks] if metric == "cosine" else blocks
    made = layouts.aligned_umap(blocks, dims, metric, seed, used, lambda share: advance(0.95 * share))
    found = []
    for block, laid in zip(blocks, made, strict=True):
        points = laid.astype(np.float32)
        trust, how = trust_of(block, points, metric=metric, seed=seed), {"settings": asked, "start": "aligned", "notes": notes}
        found.append(Projection(points, np.asarray(row_ids), "umap", metric, seed, *trust, shared_with=tuple(shared_with), **how))
    advance(1.0)
    return found


def register(moving: Projection, fixed: Projection) -> Projection:
    """Turn, mirror, scale and shift `moving` onto `fixed` over the texts they share (Procrustes; distances within the map keep their ratios).

    It is scaled to the other's spread and not by least squares, which shrinks a map the more the less it is like the other: what is unlike would
    look tight. The residual is that of the least-squares fit, the share of the fixed map's variance that is left: 0 is the same layout, 1 an
    unrelated one. Fewer shared texts than dims + 1: the map is returned centred on the other, with residual 1. Raises InputError for maps of
    different dimensions.
    """
    if moving.points.shape[1] != fixed.points.shape[1]:
        raise InputError(
            f"a map of {moving.points.shape[1]} dimensions cannot be laid on one of {fixed.points.shape[1]}; compute both with the same number"
        )
    shared, here, there = np.intersect1d(moving.row_ids, fixed.row_ids, return_indices=True)
    a, b = moving.points[here].astype(float), fixed.points[there].astype(float)
    if len(shared) <= a.shape[1] or np.ptp(a) == 0 or np.ptp(b) == 0:
        return replace(moving, points=(moving.points - moving.points.mean(axis=0) + fixed.points.mean(axis=0)).astype(np.float32), residual=1.0)
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    left, values, right = np.linalg.svd((a - mean_a).T @ (b - mean_b))
    spread_a, spread_b = ((a - mean_a) ** 2).sum(), ((b - mean_b) ** 2).sum()
    moved = (moving.points - mean_a) * np.sqrt(spread_b / spread_a) @ (left @ right) + mean_b
    residual = max(0.0, 1 - values.sum() ** 2 / (spread_a * spread_b))
    return replace(moving, points=moved.astype(np.float32), residual=float(residual))
