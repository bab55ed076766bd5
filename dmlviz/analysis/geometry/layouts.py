"""The libraries behind the maps, one function each: vectors, a start and settings in, points out.

All get the same exact neighbours and unit vectors where the metric is cosine, so that maps differ by method and not by search. Each library
is imported where it is used: all three are slow to import, and a stored map must open without them. A start is scaled as the method wants it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from dmlviz.analysis.geometry.neighbors import neighbors

Advance = Callable[[float], None]  # called with the share that is done, 0..1; what it raises stops the work
TSNE_ROUNDS = (250, 500)  # early exaggeration, then the layout itself: the library's defaults
EXACT_LIMIT = 25_000  # texts; beyond, the libraries' own approximate search is quicker


def free_cores(most: int = 8) -> int:
    """Cores nobody uses now, at least 1. The layouts do not depend on it (tested), their time does: on a busy machine of 2 cores, t-SNE with
    2 threads took four times as long as with 1, because the threads wait for each other after every step."""
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no load average
        return 1
    return int(min(most, max(1, (os.cpu_count() or 1) - busy)))


@contextlib.contextmanager
def _numba_threads(count: int) -> Iterator[None]:
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@cache
def _keep_compiled() -> None:
    """Let numba keep UMAP's slow functions on disk, beside the library or in the user's cache, for the next process: compiling them takes six
    seconds, reading them a tenth of one, and every run has a process of its own. numba itself notices another version or processor."""
    from umap import layouts as umap_layouts
    from umap import umap_

    for function in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, umap_layouts._nb_optimize_layout_euclidean_single_epoch):
        with contextlib.suppress(RuntimeError, AttributeError, OSError):  # no folder to write in, or a version that does without numba
            function.enable_caching()
            function._cache.save_overload = _unless_full(function._cache.save_overload)


def _unless_full(save: Callable[..., None]) -> Callable[..., None]:
    """numba lets a full disk or a used-up quota end the work; what is compiled can be used all the same."""

    def tried(*given: object) -> None:
        with contextlib.suppress(OSError):
            save(*given)

    return tried


def umap(vectors: np.ndarray, start: np.ndarray, metric: str, seed: int, settings: Mapping[str, float], advance: Advance) -> np.ndarray:
    """McInnes et al. 2018. (N, D), start (N, dims) -> (N, dims)."""
    from umap import UMAP

    _keep_compiled()
    n, near = len(vectors), int(settings["n_neighbors"])
    known = _with_self(vectors, near, metric) if n <= EXACT_LIMIT else (None, None, None)
    advance(0.1)
    heard = _Bar(lambda share: advance(0.1 + 0.9 * share))
    bar = {"disable": False, "file": heard, "bar_format": "{n_fmt} {total_fmt}", "mininterval": 0, "miniters": 5}
    made = UMAP(
        n_components=start.shape[1], n_neighbors=near, min_dist=float(settings["min_dist"]), metric=metric,
        init=_small(start, 2.0, seed), random_state=seed, n_jobs=1, precomputed_knn=known, tqdm_kwds=bar,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="precomputed_knn")  # new texts are never laid into a finished map
        return made.fit_transform(vectors)


def _with_self(vectors: np.ndarray, near: int, metric: str) -> tuple[np.ndarray, np.ndarray, None]:
    """Indices and distances (N, near) as UMAP counts them: a text is its own first neighbour."""
    found = neighbors(vectors, near - 1, metric=metric)
    distances = np.maximum(1 - found.similarities, 0) if metric == "cosine" else -found.similarities
    own = np.arange(len(vectors))[:, None]
    return np.hstack([own, found.indices]).astype(np.int32), np.hstack([np.zeros((len(vectors), 1)), distances]).astype(np.float32), None


class _Bar:
    """The file that tqdm draws its bar into: reads "12 200" back as a share."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance

    def write(self, text: str) -> None:
        parts = text.replace("\r", " ").split()
        if len(parts) == 2 and all(part.isdigit() for part in parts):
            self.advance(int(parts[0]) / max(1, int(parts[1])))

    def flush(self) -> None:
        pass


def tsne(vectors: np.ndarray, start: np.ndarray, metric: str, seed: int, settings: Mapping[str, float], advance: Advance) -> np.ndarray:
    """van der Maaten and Hinton 2008, as openTSNE computes it (Barnes-Hut below 10,000 texts and in 3-D, else interpolation)."""
    from openTSNE import TSNE, affinity, nearest_neighbors

    n, perplexity, jobs = len(vectors), float(settings["perplexity"]), free_cores()
    rounds, every = TSNE_ROUNDS, 25
    if n <= EXACT_LIMIT:
        found = neighbors(vectors, min(n - 1, int(3 * perplexity)), metric=metric)
        known = nearest_neighbors.PrecomputedNeighbors(found.indices, _chords(found.similarities, metric))
        between = affinity.PerplexityBasedNN(perplexity=perplexity, knn_index=known, n_jobs=jobs)
    else:
        between = affinity.PerplexityBasedNN(vectors, perplexity=perplexity, metric="euclidean", n_jobs=jobs, random_state=seed)
    advance(0.15)
    calls = 0

    def step(*_: object) -> None:
        nonlocal calls
        calls += 1
        advance(min(1.0, 0.15 + 0.85 * calls * every / sum(rounds)))

    fitted = TSNE(
        n_components=start.shape[1], early_exaggeration=float(settings["early_exaggeration"]), early_exaggeration_iter=rounds[0],
        n_iter=rounds[1], negative_gradient_method="bh" if start.shape[1] == 3 else "auto", n_jobs=jobs, random_state=seed,
        callbacks=[step], callbacks_every_iters=every,
    ).fit(affinities=between, initialization=_small(start, 1e-4, seed))  # fmt: skip
    return np.asarray(fitted)


def _chords(similarities: np.ndarray, metric: str) -> np.ndarray:
    """Euclidean distances; for cosine those between the unit vectors."""
    return np.sqrt(np.maximum(2 - 2 * similarities, 0)) if metric == "cosine" else -similarities


def _small(start: np.ndarray, extent: float, seed: int) -> np.ndarray:
    """Brought to the extent from which the layout unfolds, with a trace of noise: equal places would never part, nor a flat axis fill."""
    scaled = (start - start.mean(axis=0)) / max(float(start.std(axis=0).max()), 1e-12) * extent
    return scaled + np.random.default_rng(seed).normal(scale=extent * 1e-3, size=start.shape)


def pacmap(vectors: np.ndarray, start: np.ndarray, metric: str, seed: int, settings: Mapping[str, float], advance: Advance) -> np.ndarray:
    """Wang et al. 2021. Cosine is Euclidean on unit vectors: the library's own "angular" would measure angles after the mean is taken off.

    The library centres and shrinks what it is given, so it gets a copy (`np.pad` makes one). It reports no progress of its own.
    """
    from pacmap import PaCMAP

    logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)  # it warns about every seed
    near = int(settings["n_neighbors"])
    pairs = _scaled_pairs(vectors, near, metric) if len(vectors) <= EXACT_LIMIT else None
    advance(0.3)
    made = PaCMAP(
        n_components=start.shape[1], n_neighbors=near, MN_ratio=float(settings["MN_ratio"]), FP_ratio=float(settings["FP_ratio"]),
        distance="euclidean", random_state=seed, pair_neighbors=pairs,
    )  # fmt: skip
    flat = max(0, start.shape[1] - vectors.shape[1])  # it wants at least as many dimensions as the map has
    with _numba_threads(free_cores()):
        return made.fit_transform(np.pad(vectors, ((0, 0), (0, flat))), init=_small(start, 1.0, seed))


def _scaled_pairs(vectors: np.ndarray, near: int, metric: str) -> np.ndarray:
    """(N * near, 2) int32: the nearest by d²/(σ_i σ_j) among near + 50 candidates, σ the mean distance to the 4th to 6th neighbour (§3.3 there)."""
    n = len(vectors)
    found = neighbors(vectors, min(near + 50, n - 1), metric=metric)
    distances = _chords(found.similarities, metric)
    width = np.maximum(distances[:, 3:6].mean(axis=1), 1e-10)
    order = (distances**2 / (width[:, None] * width[found.indices])).argsort(axis=1, kind="stable")[:, :near]
    chosen = np.take_along_axis(found.indices, order, axis=1)
    return np.stack([np.repeat(np.arange(n), near), chosen.ravel()], axis=1).astype(np.int32)


def aligned_umap(
    vectors: Sequence[np.ndarray], dims: int, metric: str, seed: int, settings: Mapping[str, float], advance: Advance
) -> list[np.ndarray]:
    """One UMAP per run, pulled towards each other text by text: row i of a run belongs to row i of the next. On one thread, so that it repeats."""
    from umap import AlignedUMAP

    _keep_compiled()
    same = {i: i for i in range(len(vectors[0]))}
    made = AlignedUMAP(
        n_components=dims, n_neighbors=int(settings["n_neighbors"]), min_dist=float(settings["min_dist"]), metric=metric,
        random_state=seed, transform_seed=seed,
    )  # fmt: skip
    with _numba_threads(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")
        advance(0.05)
        return [np.asarray(one) for one in made.fit_transform(list(vectors), relations=[same] * (len(vectors) - 1))]
