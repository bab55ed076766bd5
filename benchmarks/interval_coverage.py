"""How often 95 % intervals hold the truth, and how often tests cry without a difference: python benchmarks/interval_coverage.py [--out FILE.md]

Simulated runs: right or wrong by a probit of draw, text and their interaction; accuracy about 77 %. Each cell of the first table is the share of
simulations whose interval holds the truth; the naive bootstrap is there to show why it is not offered.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from dmlviz.analysis.reliability.comparing import paired_t, sign_flip, wilcoxon
from dmlviz.analysis.reliability.intervals import crossed, text_weights, texts_only
from dmlviz.analysis.statistics import student

SIMULATIONS, TEXTS, RESAMPLES, AT_ONCE = 10_000, 200, 500, 1000
DRAWS = (3, 5, 10, 20)
SPREADS = {"draws move little": (0.05, 0.7), "both": (0.2, 0.7), "draws move most": (0.5, 0.4)}  # standard deviation of draws, of texts
MEAN, MIX = 0.8, 0.3


def simulate(draws: int, draw_sd: float, text_sd: float, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
    """(right (S, U, M), truth over draws and texts, truth on these texts (S,), truth of these runs (S,))."""
    at = text_sd * rng.normal(size=(count, 1, TEXTS))
    drawn = draw_sd * rng.normal(size=(count, draws, 1))
    right = MEAN + drawn + at + np.sqrt(1 + MIX**2) * rng.normal(size=(count, draws, TEXTS)) > 0
    rest = 1 + MIX**2
    here = ndtr((MEAN + at[:, 0]) / np.sqrt(rest + draw_sd**2)).mean(axis=1)
    these = ndtr((MEAN + drawn[:, :, 0]) / np.sqrt(rest + text_sd**2)).mean(axis=1)
    return right.astype(np.float32), float(ndtr(MEAN / np.sqrt(rest + draw_sd**2 + text_sd**2))), here, these


def naive(right: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of resampled draws: what is often done."""
    chosen = rng.integers(0, right.shape[1], size=(1000, right.shape[1]))
    means = right.mean(axis=2)[:, chosen].mean(axis=2)  # (S, 1000)
    low, high = np.percentile(means, [2.5, 97.5], axis=1)
    return low, high


def coverage(draws: int, draw_sd: float, text_sd: float) -> dict[str, float]:
    rng, weights = np.random.default_rng(draws), text_weights(TEXTS, RESAMPLES)
    held: dict[str, list[np.ndarray]] = {}
    for _ in range(SIMULATIONS // AT_ONCE):
        right, truth, here, these = simulate(draws, draw_sd, text_sd, AT_ONCE, rng)
        observed = right.mean(axis=2, dtype=np.float64)
        resampled = (weights @ right.reshape(-1, TEXTS).T).reshape(RESAMPLES, AT_ONCE, draws)
        found = {
            "Student over draws": (student(observed), here), "hierarchical": (crossed(observed, resampled, TEXTS), truth),
            "test texts only": (texts_only(observed, resampled, TEXTS), these), "naive percentiles of draws": (naive(right, rng), here),
        }  # fmt: skip
        for name, ((low, high), true) in found.items():
            held.setdefault(name, []).append((low <= true) & (true <= high))
    return {name: float(np.concatenate(own).mean()) for name, own in held.items()}


def false_alarms(draws: int) -> dict[str, float]:
    found = np.random.default_rng(draws).standard_t(5, size=(SIMULATIONS, draws))
    tests = {"sign-flip permutation": sign_flip, "Wilcoxon signed-rank": wilcoxon, "paired t": paired_t}
    return {name: float(np.mean([test(row) <= 0.05 for row in found])) for name, test in tests.items()}


def table(rows: dict[str, list[float]], first: str) -> str:
    head = f"| {first} | " + " | ".join(f"n = {draws}" for draws in DRAWS) + " |"
    body = [f"| {name} | " + " | ".join(f"{100 * value:.1f}" for value in values) + " |" for name, values in rows.items()]
    return "\n".join([head, "|---" * (len(DRAWS) + 1) + "|", *body])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "interval_coverage.md")
    out = parser.parse_args().out
    error = 100 * np.sqrt(0.95 * 0.05 / SIMULATIONS)
    parts = [
        "# Do the intervals hold, and do the tests keep quiet?\n",
        f"`python benchmarks/interval_coverage.py`: {SIMULATIONS:,} simulated experiments a cell, {TEXTS} test texts, n draws of the shots. "
        f"A cell of 95 has a standard error of {error:.1f} points.\n",
        "## Share of 95 % intervals that hold the truth, per cent\n",
    ]
    for title, spread in SPREADS.items():
        cells = [coverage(draws, *spread) for draws in DRAWS]
        parts += [f"{title[:1].upper()}{title[1:]} (standard deviation {spread[0]:g} of draws, {spread[1]:g} of texts, on the probit scale):\n",
                  table({name: [cell[name] for cell in cells] for name in cells[0]}, "interval") + "\n"]  # fmt: skip
    cells = [false_alarms(draws) for draws in DRAWS]
    parts += ["## False alarms at 5 % without a difference, per cent\n",
              "Noise of pairs: t with five degrees of freedom. The two exact tests give no p below 2 / 2^n, so with five pairs they cannot cry.\n",
              table({name: [cell[name] for cell in cells] for name in cells[0]}, "test")]  # fmt: skip
    words = "\n".join(parts) + "\n"
    print(words)
    out.write_text(words, encoding="utf-8")


if __name__ == "__main__":
    main()
